//! The hook proc-receive: moves the ledgers and the environments' branches of a push. It judges,
//! moves refs and writes notes while it holds the lock of the ledgers.
//!
//! Git calls it with exactly the updates that `receive.procReceiveRefs` covers, after pre-receive
//! has accepted them and their objects have left quarantine. It judges all of them again, because
//! the refs of the first verdict may have moved since, and because it may be the only hook. A
//! pusher can delay git after the first verdict, but not this hook while it holds the lock.

mod judge;
mod move_refs;
mod push_commands;

use std::io::{Read, Write};
use std::path::Path;

use self::judge::{JudgedUpdate, judge_updates, refuse_allowed};
use self::move_refs::{move_branches, move_ledgers};
use self::push_commands::PushCommands;
use super::branch_mover::{self, Mover};
use super::classify::RefKind;
use super::deadline::HookDeadline;
use super::limits::MAX_UPDATES;
use super::pre_receive::classify_target;
use super::ref_update::RefUpdate;
use super::update_verdict::UpdateVerdict;
use super::{HookError, chained_hooks, lock, pkt_line};
use crate::clock::Deadline;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, CheckResult, Decision, Rule};
use crate::git::{Error, Repository, Result as GitResult};

/// The longest reason that git gets, in characters. Our own report contains the whole reason.
const MAX_REASON_CHARS: usize = 200;

/// The result of a push.
#[derive(Debug)]
pub struct PushResult {
    /// The judgement of each update, in git's order.
    pub judgements: Vec<UpdateVerdict>,
    /// Why the notes could not be written after the refs moved. The next push writes them.
    pub notes_error: Option<Error>,
    /// Why `receive.procReceiveRefs` could not be adapted to the new policy. Until it is,
    /// pre-receive accepts no move of a branch that the setting does not list.
    pub setting_error: Option<Error>,
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
    let repository = open()?;
    let kinds = commands
        .updates
        .iter()
        .map(|update| classify_target(&repository, &update.name))
        .collect::<GitResult<Vec<RefKind>>>()?;
    let movers = branch_mover::choose_movers(&repository, &kinds)?;
    // The hook runs before the lock is taken, because it may take long.
    let deadline = hook_deadline.deadline();
    let objections = ask_update_hook(update_hook, &commands.updates, &movers, deadline);
    let lock_guard = lock::take(&repository)?;
    let mut judged = judge_updates(&repository, &commands, &kinds)?;
    for ((command, mover), objection) in judged.iter_mut().zip(movers).zip(objections) {
        if (mover, command.mover) == (Mover::Git, Mover::ProcReceive) {
            // The hook `update` has not judged this update, because git was expected to call it.
            let why = "another policy has come into force: try again";
            let check = Check::unknown(Rule::Branch, why);
            command.judgement.verdict.checks.push(check);
        }
        command.judgement.verdict.checks.extend(objection);
    }
    if commands.is_atomic && !judged.iter().all(JudgedUpdate::is_allowed) {
        refuse_allowed(&mut judged);
    }
    hook_deadline.begin_writing()?;
    move_branches(&repository, &mut judged, commands.is_atomic);
    let errors = move_ledgers(&repository, &mut judged);
    drop(lock_guard);
    report_results(to, &judged).map_err(HookError::Connection)?;
    Ok(PushResult {
        judgements: judged
            .into_iter()
            .map(|command| command.judgement)
            .collect(),
        notes_error: errors.notes,
        setting_error: errors.setting,
    })
}

/// Reads the beginning of the protocol: versions and features, then the commands.
fn read_commands(from: &mut impl Read, to: &mut impl Write) -> Result<PushCommands, HookError> {
    let mut is_atomic = false;
    let mut has_version = false;
    while let Some(line) = pkt_line::read_packet(from)? {
        let (head, features) = match line.iter().position(|byte| *byte == 0) {
            Some(end) => line.split_at(end),
            None => (&line[..], &[][..]),
        };
        has_version |= head == b"version=1";
        let mut features = features.split(|byte| b"\0 ".contains(byte));
        is_atomic |= features.any(|feature| feature == b"atomic");
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
    Ok(PushCommands { updates, is_atomic })
}

/// Returns the objection of the hook `update` to each update, if any. Git itself asks it about refs
/// that git moves.
fn ask_update_hook(
    hook: Option<&Path>,
    updates: &[RefUpdate],
    movers: &[Mover],
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
    updates
        .iter()
        .zip(movers)
        .map(|(update, mover)| match mover {
            Mover::ProcReceive => find_objection(update),
            Mover::Git => None,
        })
        .collect()
}

/// Reports the result of each update to git.
fn report_results(to: &mut impl Write, judged: &[JudgedUpdate<'_>]) -> std::io::Result<()> {
    for command in judged {
        let mut line = if command.is_allowed() {
            b"ok ".to_vec()
        } else {
            b"ng ".to_vec()
        };
        line.extend_from_slice(&command.update.name);
        if !command.is_allowed() {
            line.push(b' ');
            line.extend_from_slice(describe_refusal(&command.judgement).as_bytes());
        }
        line.push(b'\n');
        pkt_line::write_packet(to, &line)?;
        if command.is_allowed() && command.mover == Mover::Git {
            pkt_line::write_packet(to, b"option fall-through\n")?;
        }
    }
    pkt_line::end_section(to)
}

/// Returns one line that says why an update is refused.
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

    /// The report tells git to move the refs that proc-receive does not move itself.
    #[test]
    fn results() {
        let line = format!("{} {} refs/heads/x", "1".repeat(40), "2".repeat(40));
        let (update, kind) = (RefUpdate::parse(line.as_bytes()).unwrap(), RefKind::Other);
        let judge = |mover, check| JudgedUpdate {
            update: &update,
            kind: &kind,
            mover,
            judgement: UpdateVerdict::from_check(&update.name, check),
        };
        let pass = || Check::pass(Rule::Branch, "");
        let judged = [
            judge(Mover::ProcReceive, pass()),
            judge(Mover::Git, pass()),
            judge(Mover::Git, Check::fail(Rule::Branch, "no")),
        ];
        let mut written = Vec::new();
        report_results(&mut written, &judged).unwrap();
        let expected = packets(&[
            Some(b"ok refs/heads/x\n"),
            Some(b"ok refs/heads/x\n"),
            Some(b"option fall-through\n"),
            Some(b"ng refs/heads/x refused: branch: no\n"),
            None,
        ]);
        assert_eq!(written, expected);
    }
}
