//! The hook proc-receive: carries out the accepted updates of the ledgers. It judges, moves refs
//! and writes notes in one critical section.
//!
//! Git calls it with exactly the updates below `refs/deploy`, after pre-receive has accepted them
//! and their objects have left quarantine. It judges all of them again, because the refs of the
//! first verdict may have moved since, and because it may be the only hook.

use std::io::{Read, Write};
use std::path::Path;

use super::classify::{RefKind, classify};
use super::deadline::HookDeadline;
use super::limits::MAX_UPDATES;
use super::push_judge::{PushJudge, find_project};
use super::ref_update::RefUpdate;
use super::settings::Settings;
use super::update_verdict::UpdateVerdict;
use super::{HookError, chained_hooks, lock, pkt_line};
use crate::clock::{self, Deadline};
use crate::domain::id::EntryId;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, CheckResult, Decision, Rule};
use crate::git::{Error, Repository, Result as GitResult};
use crate::ledger::entry_validator::PushContext;

/// The longest reason, in characters. The report contains the whole reason.
const MAX_REASON_CHARS: usize = 200;

/// The result of a push.
#[derive(Debug)]
pub struct PushResult {
    /// The judgement of each update, in git's order.
    pub judgements: Vec<UpdateVerdict>,
    /// An error after the updates were accepted. It loses no entry.
    pub notes_error: Option<Error>,
}

/// The updates of a push, and whether it is atomic.
struct PushCommands {
    updates: Vec<RefUpdate>,
    atomic: bool,
}

/// Speaks with git, judges the updates and carries them out, in the repository that `open` opens.
/// Runs `update_hook` first for each update.
pub fn run(
    update_hook: Option<&Path>,
    from: &mut impl Read,
    to: &mut impl Write,
    open: impl FnOnce() -> GitResult<Repository>,
    watch: &HookDeadline,
) -> Result<PushResult, HookError> {
    let commands = read_commands(from, to)?;
    // Runs before the lock is taken, because it may take any time.
    let objections = ask_update_hook(update_hook, &commands.updates, watch.deadline());
    let repository = open()?;
    let held = lock::take(repository.common_dir())?;
    let classes: Vec<RefKind> = commands
        .updates
        .iter()
        .map(|update| classify(&update.name))
        .collect();
    let mut judgements = judge_commands(&repository, &commands, &classes)?;
    for (judgement, objection) in judgements.iter_mut().zip(objections) {
        judgement.verdict.checks.extend(objection);
    }
    if commands.atomic
        && judgements
            .iter()
            .any(|judgement| judgement.decision() != Decision::Allowed)
    {
        refuse_allowed(&mut judgements);
    }
    watch.begin_writing()?;
    let mut any = false;
    for ((class, update), judgement) in classes.iter().zip(&commands.updates).zip(&mut judgements) {
        if judgement.decision() != Decision::Allowed {
            continue;
        }
        match move_ref(&repository, class, update, judgement) {
            Ok(()) => any = true,
            Err(error) => judgement.verdict.checks.push(make_failure_check(&error)),
        }
    }
    let afterwards = any
        .then(|| {
            repository
                .tips()
                .and_then(|tips| repository.update_notes(&tips))
        })
        .and_then(Result::err);
    drop(held);
    report_results(to, &commands, &judgements).map_err(HookError::Connection)?;
    Ok(PushResult {
        judgements,
        notes_error: afterwards,
    })
}

/// Reads the beginning of the protocol: versions and features, then the commands.
fn read_commands(from: &mut impl Read, to: &mut impl Write) -> Result<PushCommands, HookError> {
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
        return Err(HookError::Protocol(
            "it does not speak version 1 of the protocol of proc-receive",
        ));
    }
    // No push options are requested, so none are sent.
    pkt_line::write(to, b"version=1\n")
        .and_then(|()| pkt_line::end_section(to))
        .map_err(HookError::Connection)?;
    let mut updates = Vec::new();
    while let Some(line) = pkt_line::read(from)? {
        updates.push(
            RefUpdate::parse(&line)
                .ok_or(HookError::Protocol("a command is not two ids and a ref"))?,
        );
        if updates.len() > MAX_UPDATES {
            return Err(HookError::TooManyUpdates);
        }
    }
    Ok(PushCommands { updates, atomic })
}

/// Judges every update on the refs before the push. Updates that follow an accepted one are also
/// judged on the refs after it, because a policy or an environment may move in the same push.
fn judge_commands(
    repository: &Repository,
    commands: &PushCommands,
    classes: &[RefKind],
) -> Result<Vec<UpdateVerdict>, HookError> {
    let settings = Settings::read(repository)?;
    let before = PushContext {
        tips: repository.tips()?,
        now: clock::now(),
    };
    let ledgers = classes
        .iter()
        .zip(&commands.updates)
        .filter_map(|(class, update)| Some((class.ledger()?, update)));
    let project = find_project(repository, &before, ledgers)?;
    let judge = PushJudge::new(repository, &settings, project.as_ref(), &before)?;
    let mut later = before.clone();
    let mut judgements = Vec::new();
    for (class, update) in classes.iter().zip(&commands.updates) {
        let Some(ledger) = class.ledger() else {
            let why = if let RefKind::Forbidden(why) = class {
                why
            } else {
                "it is no ledger"
            };
            judgements.push(UpdateVerdict::from_check(
                &update.name,
                Check::fail(Rule::Chain, why),
            ));
            continue;
        };
        let mut judgement = judge.judge_ledger(ledger, update)?;
        if judgement.decision() == Decision::Allowed && later.tips != before.tips {
            judgement = PushJudge::new(repository, &settings, project.as_ref(), &later)?
                .judge_ledger(ledger, update)?;
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
fn ask_update_hook(
    hook: Option<&Path>,
    updates: &[RefUpdate],
    deadline: Deadline,
) -> Vec<Option<Check>> {
    let Some(hook) = hook else {
        return vec![None; updates.len()];
    };
    let ask = |update| match chained_hooks::accepts_update(hook, update, deadline) {
        Ok(true) => None,
        Ok(false) => Some(Check::fail(
            Rule::Chain,
            format!("the hook {} refuses it", hook.display()),
        )),
        Err(error) => Some(Check::unknown(
            Rule::Chain,
            format!("cannot run the hook {}: {error}", hook.display()),
        )),
    };
    updates.iter().map(ask).collect()
}

/// Refuses the accepted updates of an atomic push, because another one is refused.
fn refuse_allowed(judgements: &mut [UpdateVerdict]) {
    for judgement in judgements
        .iter_mut()
        .filter(|judgement| judgement.decision() == Decision::Allowed)
    {
        judgement.verdict.checks.push(Check::fail(
            Rule::Chain,
            "another update of this atomic push is not let in",
        ));
    }
}

/// Moves the ref of an allowed update.
fn move_ref(
    repository: &Repository,
    class: &RefKind,
    update: &RefUpdate,
    judgement: &UpdateVerdict,
) -> GitResult<()> {
    // An allowed update is of a ledger and has a new id.
    let (Some(ledger), Some(new)) = (class.ledger(), update.new) else {
        return Ok(());
    };
    if judgement.uses_recovery {
        // Comes before the ref moves, so that the permission is never used twice. If the process
        // dies in between, the owner gives it again.
        Settings::read(repository)?.withdraw_recovery(repository)?;
    }
    repository.advance_ledger(
        ledger,
        update.old.map(EntryId),
        EntryId(new),
        "git-deploy: push",
    )
}

/// Returns the check for an allowed update that could not be carried out.
fn make_failure_check(error: &Error) -> Check {
    if error.is_lost_race() {
        return Check::fail(Rule::Chain, "the ledger has moved meanwhile; try again")
            .remedy("git deploy sync");
    }
    Check::unknown(Rule::Chain, error.to_string())
}

/// Reports the result of each update to git.
fn report_results(
    to: &mut impl Write,
    commands: &PushCommands,
    judgements: &[UpdateVerdict],
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
            line.extend_from_slice(describe_refusal(judgement).as_bytes());
        }
        line.push(b'\n');
        pkt_line::write(to, &line)?;
    }
    pkt_line::end_section(to)
}

/// Returns one line on why an update is refused.
fn describe_refusal(judgement: &UpdateVerdict) -> String {
    let (word, outcome) = match judgement.decision() {
        Decision::Refused => ("refused", CheckResult::Fail),
        _ => ("cannot tell", CheckResult::Unknown),
    };
    let check = judgement
        .verdict
        .checks
        .iter()
        .find(|check| check.outcome == outcome);
    let why = check
        .map(|check| format!("{}: {}", check.rule, check.detail))
        .unwrap_or_default();
    sanitize(&format!("{word}: {why}"))
        .chars()
        .take(MAX_REASON_CHARS)
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
                None => pkt_line::end_section(&mut bytes).unwrap(),
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
            let input = packets(&[Some(version), None, Some(command.as_bytes()), None]);
            let mut answered = Vec::new();
            let commands = read_commands(&mut &input[..], &mut answered).unwrap();
            assert_eq!((commands.updates.len(), commands.atomic), (1, atomic));
            assert_eq!(answered, packets(&[Some(b"version=1\n"), None]));
        }
        let input = packets(&[Some(b"version=2\n"), None, None]);
        assert!(matches!(
            read_commands(&mut &input[..], &mut Vec::new()),
            Err(HookError::Protocol(_))
        ));
        let input = packets(&[Some(b"version=1\n"), None, Some(b"nonsense"), None]);
        assert!(matches!(
            read_commands(&mut &input[..], &mut Vec::new()),
            Err(HookError::Protocol(_))
        ));
    }

    /// A reason is one bounded line of plain text, or it could forge further results.
    #[test]
    fn reasons() {
        let check = Check::fail(
            Rule::Chain,
            format!("a\nok refs/deploy/prod {}", "x".repeat(1_000)),
        );
        let reason = describe_refusal(&UpdateVerdict::from_check(b"refs/deploy/prod", check));
        assert!(
            reason.starts_with("refused: chain: a\u{fffd}ok")
                && reason.chars().count() == MAX_REASON_CHARS,
            "{reason}"
        );
    }

    /// In an atomic push, one refusal refuses all updates.
    #[test]
    fn all_or_nothing() {
        let allowed =
            UpdateVerdict::from_check(b"refs/deploy/dev", Check::pass(Rule::Authorization, ""));
        let refused = UpdateVerdict::from_check(b"refs/deploy/prod", Check::fail(Rule::Lock, ""));
        let mut judgements = vec![allowed, refused];
        refuse_allowed(&mut judgements);
        assert!(
            judgements
                .iter()
                .all(|judgement| judgement.decision() == Decision::Refused)
        );
    }
}
