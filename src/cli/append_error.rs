//! Turns the reasons why an entry was not written, or a remote's ledgers were not accepted, into
//! errors: the message, the exit code and the next command to type.

use super::diagnostics::problem_line;
use super::workspace::REMOTE;
use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::verdict::Decision;
use crate::git::{Error as GitError, Repository};
use crate::ledger::sync::{Fault, Problem, SyncError, Synced, sync};
use crate::ledger::writer::{AppendError, Stopped};
use crate::view;

/// Turns a failed append into the command's error and prints the verdict or the remote's messages
/// that explain it.
pub fn explain(context: &Context, stopped: Stopped<Failure>) -> Failure {
    let error = match stopped {
        Stopped::Draft(failure) => return failure,
        Stopped::Append(error) => error,
    };
    match error {
        AppendError::Refused(refusal) => {
            let place = refusal.statement.environment().map_or_else(
                || refusal.statement.ledger.to_string(),
                |name| name.to_string(),
            );
            let (kind, words) = match refusal.verdict.decision() {
                Decision::CannotTell => (
                    Kind::CannotTell,
                    "cannot tell whether the rules allow it: nothing was written to",
                ),
                _ => (
                    Kind::Denied,
                    "the rules do not allow it: nothing was written to",
                ),
            };
            for line in view::verdict::lines(&refusal.verdict, false, context.width()) {
                context.note(line);
            }
            Failure::new(kind, format!("{words} {place}")).verdict(refusal.verdict)
        }
        AppendError::Rejected(messages) => {
            for line in &messages {
                context.remote_said(line);
            }
            Failure::new(
                Kind::Denied,
                "the remote refused the entry: nothing was written",
            )
            .details(messages)
        }
        AppendError::Doubted(messages) => {
            for line in &messages {
                context.remote_said(line);
            }
            Failure::new(
                Kind::CannotTell,
                "the remote cannot tell whether the entry may go in: nothing was written",
            )
            .details(messages)
        }
        AppendError::Unanswered(messages) => {
            for line in &messages {
                context.note(line);
            }
            Failure::new(
                Kind::CannotTell,
                "the remote did not answer, so the entry may be there or not",
            )
            .hint("git deploy sync")
            .details(messages)
        }
        AppendError::Sync(error) => unsynced(context, error),
        AppendError::Busy => Failure::new(
            Kind::CannotTell,
            "others were always faster: nothing was written",
        )
        .hint("the same command again"),
        AppendError::Unpushed(messages) => Failure::new(
            Kind::CannotTell,
            "git cannot push to the remote: nothing was written",
        )
        .because(messages.join("\n"))
        .hint("git remote -v, and whether you may push there"),
        AppendError::Git(GitError::Locked(lock)) => super::diagnostics::locked(&lock),
        AppendError::Git(GitError::Mirror(remote)) => {
            let hint = format!("git config --unset remote.{remote}.mirror");
            Failure::new(Kind::CannotTell, GitError::Mirror(remote).to_string()).hint(hint)
        }
        AppendError::Sign(error) => Failure::new(
            Kind::CannotTell,
            "the entry could not be signed: nothing was written",
        )
        .because(error)
        .hint("git config deploy.signer, and whether that program signs by hand"),
        other => Failure::new(Kind::CannotTell, "cannot write the entry").because(other),
    }
}

/// Syncs the ledgers with the remote.
///
/// # Errors
///
/// Fails if the remote does not answer or its ledgers do not verify. If the remote has none of the
/// ledgers that exist here, the error explains how to move ledgers that were made without a server.
pub fn synced(repository: &Repository, remote: &str, context: &Context) -> Result<Synced, Failure> {
    let cannot = "cannot read what is here";
    let tips = repository.tips().or_fail(Kind::CannotTell, cannot)?;
    let configured = repository
        .config_string(REMOTE)
        .or_fail(Kind::CannotTell, cannot)?;
    sync(repository, remote).map_err(|error| {
        let none_there = match &error {
            SyncError::Problems(problems) => {
                problems.len() == tips.len() && problems.iter().all(|it| it.fault == Fault::Deleted)
            }
            _ => false,
        };
        let anew = format!("git deploy init, in a new clone of {remote}: the ledgers begin anew there");
        match configured.as_deref() {
            Some("") if none_there => {
                let root = repository.pin().ok().flatten().map_or_else(|| "ID".to_owned(), |root| root.to_string());
                let words = "the ledgers here were made without a server: they come to one by a copy, not by a push";
                let fetch =
                    "git -C REPOSITORY fetch COPY 'refs/deploy/*:refs/deploy/*', from a copy of this repository";
                Failure::new(Kind::Denied, words)
                    .because("a server judges what is pushed by its own clock, and audits a copy instead")
                    .hint(format!("on the server: {fetch}"))
                    .hint(format!("on the server: git-deploy server adopt REPOSITORY --root {root}"))
                    .hint(format!("git deploy init --remote {remote}, after that"))
                    .hint(anew)
            }
            // `deploy.remote` is not set, so the remote may also have lost its ledgers.
            None if none_there => unsynced(context, error)
                .hint("where they were made without a server, to go on so: git config deploy.remote \"\"")
                .hint(anew),
            _ => unsynced(context, error),
        }
    })
}

/// Turns a failed sync into the command's error and prints each problem that was found.
pub fn unsynced(context: &Context, error: SyncError) -> Failure {
    match error {
        SyncError::Shallow(problems) => {
            for problem in &problems {
                context.mention(problem_line(problem));
            }
            super::diagnostics::shallow()
        }
        SyncError::Problems(problems) if problems.iter().all(Problem::is_open) => {
            for problem in &problems {
                context.mention(problem_line(problem));
            }
            super::diagnostics::unverifiable(&problems)
        }
        SyncError::Fetch { remote, source } => Failure::new(
            Kind::CannotTell,
            format!("cannot fetch from {remote}: nothing was changed"),
        )
        .because(source)
        .hint(format!("git ls-remote {remote}, to see whether it answers")),
        SyncError::Git(GitError::Locked(lock)) => super::diagnostics::locked(&lock),
        SyncError::Problems(problems) => {
            for problem in &problems {
                context.mention(problem_line(problem));
                if let Fault::Unverified { verdict, .. } = &problem.fault {
                    for line in view::verdict::lines(verdict, false, context.width()) {
                        context.note(line);
                    }
                }
            }
            let words =
                "the remote's ledgers are not to be believed; the last good ones are kept here";
            let failure = Failure::new(Kind::Denied, words);
            let recovered = super::diagnostics::recovered(&problems);
            let failure = recovered
                .into_iter()
                .fold(failure, Failure::hint)
                .hint("git deploy audit");
            failure.details(problems.iter().map(problem_line))
        }
        SyncError::OtherProject { .. } => {
            Failure::new(Kind::Denied, "the remote holds another project's ledgers")
                .because(error)
                .hint("git config deploy.root, and compare it with a colleague's")
        }
        other => {
            Failure::new(Kind::CannotTell, "cannot bring the ledgers up to date").because(other)
        }
    }
}
