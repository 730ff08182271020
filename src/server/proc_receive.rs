//! The hook proc-receive: carries out the accepted updates of the ledgers. It judges, moves refs
//! and writes notes in one critical section.
//!
//! Git calls it with exactly the updates below `refs/deploy`, after pre-receive has accepted them
//! and their objects have left quarantine. It judges all of them again, because the refs of the
//! first verdict may have moved since, and because it may be the only hook.

use std::io::{Read, Write};
use std::path::Path;

use super::classify::{Class, classify};
use super::deadline::Watch;
use super::push_judge::{Court, project};
use super::ref_update::Update;
use super::settings::Settings;
use super::update_verdict::Judgement;
use super::{Fault, MAX_UPDATES, chained_hooks, lock, pkt_line};
use crate::clock;
use crate::domain::id::EntryId;
use crate::domain::text::harmless;
use crate::domain::verdict::{Check, Decision, Outcome, Rule};
use crate::git::{Error, Repository, Result as GitResult};
use crate::ledger::entry_validator::Present;

/// The longest reason, in characters. The report contains the whole reason.
const REASON: usize = 200;

/// The result of a push.
#[derive(Debug)]
pub struct Done {
    /// The judgement of each update, in git's order.
    pub judgements: Vec<Judgement>,
    /// An error after the updates were accepted. It loses no entry.
    pub afterwards: Option<Error>,
}

/// The updates of a push, and whether it is atomic.
struct Commands {
    updates: Vec<Update>,
    atomic: bool,
}

/// Speaks with git, judges the updates and carries them out, in the repository that `open` opens.
/// Runs `update_hook` first for each update.
pub fn run(
    update_hook: Option<&Path>,
    from: &mut impl Read,
    to: &mut impl Write,
    open: impl FnOnce() -> GitResult<Repository>,
    watch: &Watch,
) -> Result<Done, Fault> {
    let commands = converse(from, to)?;
    // Runs before the lock is taken, because it may take any time.
    let objections = objections(update_hook, &commands.updates);
    let repository = open()?;
    let held = lock::take(repository.common_dir())?;
    let classes: Vec<Class> = commands
        .updates
        .iter()
        .map(|update| classify(&update.name))
        .collect();
    let mut judgements = judge(&repository, &commands, &classes)?;
    for (judgement, objection) in judgements.iter_mut().zip(objections) {
        judgement.verdict.checks.extend(objection);
    }
    if commands.atomic
        && judgements
            .iter()
            .any(|judgement| judgement.decision() != Decision::Allowed)
    {
        hold_back(&mut judgements);
    }
    watch.write()?;
    let mut any = false;
    for ((class, update), judgement) in classes.iter().zip(&commands.updates).zip(&mut judgements) {
        if judgement.decision() != Decision::Allowed {
            continue;
        }
        match carry_out(&repository, class, update, judgement) {
            Ok(()) => any = true,
            Err(error) => judgement.verdict.checks.push(failed(&error)),
        }
    }
    let afterwards = any
        .then(|| {
            repository
                .tips()
                .and_then(|tips| repository.catch_up_notes(&tips))
        })
        .and_then(Result::err);
    drop(held);
    answer(to, &commands, &judgements).map_err(Fault::Broken)?;
    Ok(Done {
        judgements,
        afterwards,
    })
}

/// Reads the beginning of the protocol: versions and features, then the commands.
fn converse(from: &mut impl Read, to: &mut impl Write) -> Result<Commands, Fault> {
    let mut atomic = false;
    let mut version = false;
    while let Some(line) = pkt_line::read(from)? {
        let (head, features) = match line.iter().position(|byte| *byte == 0) {
            Some(at) => line.split_at(at),
            None => (&line[..], &[][..]),
        };
        version |= head == b"version=1";
        let mut features = features.split(|byte| b"\0 ".contains(byte));
        atomic |= features.any(|feature| feature == b"atomic");
    }
    if !version {
        return Err(Fault::Protocol(
            "it does not speak version 1 of the protocol of proc-receive",
        ));
    }
    // No push options are requested, so none are sent.
    pkt_line::write(to, b"version=1\n")
        .and_then(|()| pkt_line::flush(to))
        .map_err(Fault::Broken)?;
    let mut updates = Vec::new();
    while let Some(line) = pkt_line::read(from)? {
        updates.push(
            Update::parse(&line).ok_or(Fault::Protocol("a command is not two ids and a ref"))?,
        );
        if updates.len() > MAX_UPDATES {
            return Err(Fault::TooMany);
        }
    }
    Ok(Commands { updates, atomic })
}

/// Judges every update on the refs before the push. Updates that follow an accepted one are also
/// judged on the refs after it, because a policy or an environment may move in the same push.
fn judge(
    repository: &Repository,
    commands: &Commands,
    classes: &[Class],
) -> Result<Vec<Judgement>, Fault> {
    let settings = Settings::read(repository)?;
    let before = Present {
        tips: repository.tips()?,
        now: clock::now(),
    };
    let ledgers = classes
        .iter()
        .zip(&commands.updates)
        .filter_map(|(class, update)| Some((class.ledger()?, update)));
    let project = project(repository, &before, ledgers)?;
    let court = Court::new(repository, &settings, project.as_ref(), &before)?;
    let mut later = before.clone();
    let mut judgements = Vec::new();
    for (class, update) in classes.iter().zip(&commands.updates) {
        let Some(ledger) = class.ledger() else {
            let why = if let Class::Forbidden(why) = class {
                why
            } else {
                "it is no ledger"
            };
            judgements.push(Judgement::of_check(
                &update.name,
                Check::fail(Rule::Place, why),
            ));
            continue;
        };
        let mut judgement = court.ledger(ledger, update)?;
        if judgement.decision() == Decision::Allowed && later.tips != before.tips {
            judgement = Court::new(repository, &settings, project.as_ref(), &later)?
                .ledger(ledger, update)?;
        }
        if let Some(new) = update
            .new
            .filter(|_| judgement.decision() == Decision::Allowed)
        {
            later.tips.insert(ledger.clone(), EntryId(new));
        }
        judgements.push(judgement);
    }
    Ok(judgements)
}

/// Returns the objection of the hook `update` to each update, if any.
fn objections(hook: Option<&Path>, updates: &[Update]) -> Vec<Option<Check>> {
    let Some(hook) = hook else {
        return vec![None; updates.len()];
    };
    let ask = |update| match chained_hooks::allows_update(hook, update) {
        Ok(true) => None,
        Ok(false) => Some(Check::fail(
            Rule::Place,
            format!("the hook {} refuses it", hook.display()),
        )),
        Err(error) => Some(Check::unknown(
            Rule::Place,
            format!("cannot run the hook {}: {error}", hook.display()),
        )),
    };
    updates.iter().map(ask).collect()
}

/// Refuses the accepted updates of an atomic push, because another one is refused.
fn hold_back(judgements: &mut [Judgement]) {
    for judgement in judgements
        .iter_mut()
        .filter(|judgement| judgement.decision() == Decision::Allowed)
    {
        judgement.verdict.checks.push(Check::fail(
            Rule::Place,
            "another update of this atomic push is not let in",
        ));
    }
}

/// Moves the ref of an allowed update.
fn carry_out(
    repository: &Repository,
    class: &Class,
    update: &Update,
    judgement: &Judgement,
) -> GitResult<()> {
    // An allowed update is of a ledger and has a new id.
    let (Some(ledger), Some(new)) = (class.ledger(), update.new) else {
        return Ok(());
    };
    if judgement.recovers {
        // Comes before the ref moves, so that the permission is never used twice. If the process
        // dies in between, the owner gives it again.
        Settings::read(repository)?.disarm(repository)?;
    }
    repository.advance_ledger(
        ledger,
        update.old.map(EntryId),
        EntryId(new),
        "git-deploy: push",
    )
}

/// Returns the check for an allowed update that could not be carried out.
fn failed(error: &Error) -> Check {
    if error.is_lost_race() {
        return Check::fail(Rule::Place, "the ledger has moved meanwhile; try again")
            .remedy("git deploy sync");
    }
    Check::unknown(Rule::Place, error.to_string())
}

/// Reports the result of each update to git.
fn answer(
    to: &mut impl Write,
    commands: &Commands,
    judgements: &[Judgement],
) -> std::io::Result<()> {
    for (update, judgement) in commands.updates.iter().zip(judgements) {
        let mut line = if judgement.decision() == Decision::Allowed {
            b"ok ".to_vec()
        } else {
            b"ng ".to_vec()
        };
        line.extend_from_slice(&update.name);
        if judgement.decision() != Decision::Allowed {
            line.push(b' ');
            line.extend_from_slice(reason(judgement).as_bytes());
        }
        line.push(b'\n');
        pkt_line::write(to, &line)?;
    }
    pkt_line::flush(to)
}

/// Returns one line on why an update is refused.
fn reason(judgement: &Judgement) -> String {
    let (word, outcome) = match judgement.decision() {
        Decision::Refused => ("refused", Outcome::Fail),
        _ => ("cannot tell", Outcome::Unknown),
    };
    let check = judgement
        .verdict
        .checks
        .iter()
        .find(|check| check.outcome == outcome);
    let why = check
        .map(|check| format!("{}: {}", check.rule, check.detail))
        .unwrap_or_default();
    harmless(&format!("{word}: {why}"))
        .chars()
        .take(REASON)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(lines: &[Option<&[u8]>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            match line {
                Some(line) => pkt_line::write(&mut bytes, line).unwrap(),
                None => pkt_line::flush(&mut bytes).unwrap(),
            }
        }
        bytes
    }

    /// The input is read as git means it: the features after the NUL, then the commands.
    #[test]
    fn the_beginning() {
        let command = format!("{} {} refs/deploy/prod", "1".repeat(40), "2".repeat(40));
        for (version, atomic) in [
            (&b"version=1\0push-options atomic\n"[..], true),
            (b"version=1\n", false),
        ] {
            let said = packets(&[Some(version), None, Some(command.as_bytes()), None]);
            let mut answered = Vec::new();
            let commands = converse(&mut &said[..], &mut answered).unwrap();
            assert_eq!((commands.updates.len(), commands.atomic), (1, atomic));
            assert_eq!(answered, packets(&[Some(b"version=1\n"), None]));
        }
        let said = packets(&[Some(b"version=2\n"), None, None]);
        assert!(matches!(
            converse(&mut &said[..], &mut Vec::new()),
            Err(Fault::Protocol(_))
        ));
        let said = packets(&[Some(b"version=1\n"), None, Some(b"nonsense"), None]);
        assert!(matches!(
            converse(&mut &said[..], &mut Vec::new()),
            Err(Fault::Protocol(_))
        ));
    }

    /// A reason is one bounded line of plain text, or it could forge further results.
    #[test]
    fn reasons() {
        let check = Check::fail(
            Rule::Place,
            format!("a\nok refs/deploy/prod {}", "x".repeat(1_000)),
        );
        let reason = reason(&Judgement::of_check(b"refs/deploy/prod", check));
        assert!(
            reason.starts_with("refused: place: a\u{fffd}ok") && reason.chars().count() == REASON,
            "{reason}"
        );
    }

    /// In an atomic push, one refusal refuses all updates.
    #[test]
    fn all_or_nothing() {
        let allowed = Judgement::of_check(b"refs/deploy/dev", Check::pass(Rule::Signer, ""));
        let refused = Judgement::of_check(b"refs/deploy/prod", Check::fail(Rule::Lock, ""));
        let mut judgements = vec![allowed, refused];
        hold_back(&mut judgements);
        assert!(
            judgements
                .iter()
                .all(|judgement| judgement.decision() == Decision::Refused)
        );
    }
}
