//! The hook proc-receive: moves the ledgers of a push. It judges, moves refs and writes notes while
//! it holds the lock of the ledgers.
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

/// The longest reason that git gets, in characters. Our own report contains the whole reason.
const MAX_REASON_CHARS: usize = 200;

/// The result of a push.
#[derive(Debug)]
pub struct PushResult {
    /// The judgement of each update, in git's order.
    pub judgements: Vec<UpdateVerdict>,
    /// Why the notes could not be written after the refs moved. The next push writes them.
    pub notes_error: Option<Error>,
}

/// The updates of a push, and whether it is atomic: all of them are accepted, or none.
struct PushCommands {
    updates: Vec<RefUpdate>,
    is_atomic: bool,
}

/// Reads the updates from git, judges them, moves the refs, and answers git. `open` opens the
/// repository. `update_hook` is the host's own hook, which may refuse each update first.
pub fn run(
    update_hook: Option<&Path>,
    from: &mut impl Read,
    to: &mut impl Write,
    open: impl FnOnce() -> GitResult<Repository>,
    hook_deadline: &HookDeadline,
) -> Result<PushResult, HookError> {
    let commands = read_commands(from, to)?;
    // Runs before the lock is taken, because it may take any time.
    let objections = ask_update_hook(update_hook, &commands.updates, hook_deadline.deadline());
    let repository = open()?;
    let lock_guard = lock::take(repository.common_dir())?;
    let kinds: Vec<RefKind> = commands
        .updates
        .iter()
        .map(|update| classify(&update.name))
        .collect();
    let mut judgements = judge_commands(&repository, &commands, &kinds)?;
    for (judgement, objection) in judgements.iter_mut().zip(objections) {
        judgement.verdict.checks.extend(objection);
    }
    if commands.is_atomic
        && judgements
            .iter()
            .any(|judgement| judgement.decision() != Decision::Allowed)
    {
        refuse_allowed(&mut judgements);
    }
    hook_deadline.begin_writing()?;
    let mut has_moved = false;
    for ((kind, update), judgement) in kinds.iter().zip(&commands.updates).zip(&mut judgements) {
        if judgement.decision() != Decision::Allowed {
            continue;
        }
        match move_ref(&repository, kind, update, judgement) {
            Ok(()) => has_moved = true,
            Err(error) => judgement.verdict.checks.push(make_failure_check(&error)),
        }
    }
    let notes_error = has_moved
        .then(|| {
            repository
                .tips()
                .and_then(|tips| repository.update_notes(&tips))
        })
        .and_then(Result::err);
    drop(lock_guard);
    report_results(to, &commands, &judgements).map_err(HookError::Connection)?;
    Ok(PushResult {
        judgements,
        notes_error,
    })
}

/// Reads the beginning of the protocol: versions and features, then the commands.
fn read_commands(from: &mut impl Read, to: &mut impl Write) -> Result<PushCommands, HookError> {
    let mut atomic = false;
    let mut has_version = false;
    while let Some(line) = pkt_line::read_packet(from)? {
        let (head, features) = match line.iter().position(|byte| *byte == 0) {
            Some(at) => line.split_at(at),
            None => (&line[..], &[][..]),
        };
        has_version |= head == b"version=1";
        let mut features = features.split(|byte| b"\0 ".contains(byte));
        atomic |= features.any(|feature| feature == b"atomic");
    }
    if !has_version {
        return Err(HookError::Protocol(
            "git does not offer version 1 of the proc-receive protocol",
        ));
    }
    // No push options are requested, so none are sent.
    pkt_line::write_packet(to, b"version=1\n")
        .and_then(|()| pkt_line::end_section(to))
        .map_err(HookError::Connection)?;
    let mut updates = Vec::new();
    while let Some(line) = pkt_line::read_packet(from)? {
        updates.push(RefUpdate::parse(&line).ok_or(HookError::Protocol(
            "a command does not consist of two ids and a ref",
        ))?);
        if updates.len() > MAX_UPDATES {
            return Err(HookError::TooManyUpdates);
        }
    }
    Ok(PushCommands {
        updates,
        is_atomic: atomic,
    })
}

/// Judges every update on the refs before the push. Updates that follow an accepted one are also
/// judged on the refs after it, because a policy or an environment may move in the same push.
fn judge_commands(
    repository: &Repository,
    commands: &PushCommands,
    kinds: &[RefKind],
) -> Result<Vec<UpdateVerdict>, HookError> {
    let settings = Settings::read(repository)?;
    let before = PushContext {
        tips: repository.tips()?,
        now: clock::now(),
    };
    let ledgers = kinds
        .iter()
        .zip(&commands.updates)
        .filter_map(|(kind, update)| Some((kind.ledger()?, update)));
    let project = find_project(repository, &before, ledgers)?;
    let judge = PushJudge::new(repository, &settings, project.as_ref(), &before)?;
    let mut later = before.clone();
    let mut judgements = Vec::new();
    for (kind, update) in kinds.iter().zip(&commands.updates) {
        let Some(ledger) = kind.ledger() else {
            let why = if let RefKind::Forbidden(why) = kind {
                why
            } else {
                "it is not a ledger"
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
    let find_objection = |update| match chained_hooks::accepts_update(hook, update, deadline) {
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
    updates.iter().map(find_objection).collect()
}

/// Refuses the accepted updates of an atomic push, because another one is refused.
fn refuse_allowed(judgements: &mut [UpdateVerdict]) {
    for judgement in judgements
        .iter_mut()
        .filter(|judgement| judgement.decision() == Decision::Allowed)
    {
        judgement.verdict.checks.push(Check::fail(
            Rule::Chain,
            "another update of this atomic push was not accepted",
        ));
    }
}

/// Moves the ref of an allowed update.
fn move_ref(
    repository: &Repository,
    kind: &RefKind,
    update: &RefUpdate,
    judgement: &UpdateVerdict,
) -> GitResult<()> {
    // An allowed update is of a ledger and has a new id.
    let (Some(ledger), Some(new)) = (kind.ledger(), update.new) else {
        return Ok(());
    };
    if judgement.uses_recovery {
        // This comes before the ref moves, so that the permission is never used twice. If the
        // process dies in between, the owner must give it again.
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
        pkt_line::write_packet(to, &line)?;
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

    /// Returns these lines as packets; `None` ends a section.
    fn packets(lines: &[Option<&[u8]>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            match line {
                Some(line) => pkt_line::write_packet(&mut bytes, line).unwrap(),
                None => pkt_line::end_section(&mut bytes).unwrap(),
            }
        }
        bytes
    }

    /// The version, the features after the NUL, and the commands are read as git sends them.
    #[test]
    fn versions_and_commands() {
        let command = format!("{} {} refs/deploy/prod", "1".repeat(40), "2".repeat(40));
        for (version, atomic) in [
            (&b"version=1\0push-options atomic\n"[..], true),
            (b"version=1\n", false),
        ] {
            let input = packets(&[Some(version), None, Some(command.as_bytes()), None]);
            let mut answered = Vec::new();
            let commands = read_commands(&mut &input[..], &mut answered).unwrap();
            assert_eq!((commands.updates.len(), commands.is_atomic), (1, atomic));
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

    /// A reason is one bounded line of plain text, so that it cannot forge further results.
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
