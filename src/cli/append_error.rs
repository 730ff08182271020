//! Turns the reasons why an entry was not written, or a remote's ledgers were not accepted, into
//! errors: the message, the exit code and the next command to type.

use super::ledger_problems::{
    describe_problem, explain_unverifiable, print_problems, report_junk, report_misnamed,
    suggest_fixes, suggest_recovery,
};
use super::repository::{REMOTE_SETTING, open_repository};
use super::unverified_ledgers::explain_local_error;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::verdict::{Check, CheckResult, Decision, Rule};
use crate::git::{Error as GitError, Repository};
use crate::ledger::PREFIX;
use crate::ledger::sync::{LedgerFault, LedgerProblem, SyncError, SyncResult, sync, sync_usable};
use crate::ledger::writer::{AppendError, AppendFailure, RefusedEntry};
use crate::view;

/// Turns a failed append into the command's error and prints the verdict or the remote's messages
/// that explain it.
pub fn explain_append_error(ui: &Ui, failure: AppendFailure<CliError>) -> CliError {
    let error = match failure {
        AppendFailure::Draft(failure) => return failure,
        AppendFailure::Append(error) => error,
    };
    match error {
        AppendError::Refused(refusal) => explain_refusal(ui, *refusal),
        AppendError::RemoteRefused(messages) => explain_remote_answer(
            ui,
            ErrorKind::Denied,
            "the remote refused the entry: nothing was written",
            messages,
        ),
        AppendError::RemoteUndecided(messages) => explain_remote_answer(
            ui,
            ErrorKind::CannotTell,
            "the remote could not check the entry: nothing was written",
            messages,
        ),
        AppendError::Unanswered(messages) => {
            for line in &messages {
                ui.eprint(line);
            }
            CliError::new(
                ErrorKind::CannotTell,
                "the remote did not answer: the entry may or may not have arrived",
            )
            .hint("git deploy sync")
            .with_details(messages)
        }
        AppendError::Sync(error) => explain_unusable(ui, error),
        AppendError::Busy => CliError::new(
            ErrorKind::CannotTell,
            "other entries arrived first on every attempt: nothing was written",
        )
        .hint("repeat the command"),
        AppendError::PushFailed(messages) => CliError::new(
            ErrorKind::CannotTell,
            "git cannot push to the remote: nothing was written",
        )
        .because(messages.join("\n"))
        .hint("git remote -v"),
        AppendError::Git(GitError::Locked(lock)) => super::diagnostics::explain_lock(&lock),
        AppendError::Git(GitError::Mirror(remote)) => {
            let hint = format!("git config --unset remote.{remote}.mirror");
            CliError::new(ErrorKind::CannotTell, GitError::Mirror(remote).to_string()).hint(hint)
        }
        AppendError::Sign(error) => CliError::new(
            ErrorKind::CannotTell,
            "the entry could not be signed: nothing was written",
        )
        .because(error)
        .hint("git config deploy.signer"),
        other => CliError::new(ErrorKind::CannotTell, "cannot write the entry").because(other),
    }
}

/// Prints the verdict that refused an entry, and returns the error.
fn explain_refusal(ui: &Ui, refusal: RefusedEntry) -> CliError {
    let target = refusal.statement.environment().map_or_else(
        || refusal.statement.ledger.to_string(),
        |name| name.to_string(),
    );
    let (kind, message) = match refusal.verdict.decision() {
        Decision::CannotTell => (
            ErrorKind::CannotTell,
            "cannot tell whether the rules allow it: nothing was written to",
        ),
        _ => (
            ErrorKind::Denied,
            "the rules do not allow it: nothing was written to",
        ),
    };
    if let Some(error) = explain_state(&refusal) {
        return error;
    }
    for line in view::verdict::render_verdict(&refusal.verdict, ui.width()) {
        ui.eprint(line);
    }
    CliError::new(kind, format!("{message} {target}")).with_verdict(refusal.verdict)
}

/// Returns the error for an entry that only does not fit the state, such as an unlock of something
/// that is not locked. No rule of the policy refuses it, so the error does not say so.
fn explain_state(refusal: &RefusedEntry) -> Option<CliError> {
    let failed = || {
        let checks = refusal.verdict.checks.iter();
        checks.filter(|check| check.outcome != CheckResult::Pass)
    };
    let is_about_state =
        |check: &Check| check.rule == Rule::State && check.outcome == CheckResult::Fail;
    if !failed().all(is_about_state) {
        return None;
    }
    let reasons: Vec<&str> = failed().map(|check| check.detail.as_str()).collect();
    let error = CliError::new(ErrorKind::Denied, reasons.join("; "));
    let error = failed().fold(error, |error, check| {
        match (view::verdict::describe_able(check), &check.remedy) {
            (Some(request), Some(command)) => error.ask(&request, command),
            (None, Some(command)) => error.hint(command),
            (_, None) => error,
        }
    });
    Some(error.with_verdict(refusal.verdict.clone()))
}

/// Prints the messages of a remote that did not accept an entry, and returns the error.
fn explain_remote_answer(
    ui: &Ui,
    kind: ErrorKind,
    message: &str,
    messages: Vec<String>,
) -> CliError {
    for line in &messages {
        ui.eprint_remote(line);
    }
    CliError::new(kind, message).with_details(messages)
}

/// Syncs the ledgers with the remote.
///
/// # Errors
///
/// Fails if the remote does not answer or one of its ledgers does not verify. If the remote has none
/// of the ledgers that exist here, the error explains how to move ledgers that were made without a
/// server.
pub fn sync_ledgers(
    repository: &Repository,
    remote: &str,
    ui: &Ui,
) -> Result<SyncResult, CliError> {
    sync_with(sync, explain_sync_error, repository, remote, ui)
}

/// Syncs the ledgers with the remote, and prints the problems of single ledgers as warnings. An
/// entry that depends on such a ledger is refused when it is written.
///
/// # Errors
///
/// Fails like [`sync_ledgers`], except if only ledgers other than the policy are not accepted.
pub fn sync_usable_ledgers(
    repository: &Repository,
    remote: &str,
    ui: &Ui,
) -> Result<SyncResult, CliError> {
    let synced = sync_with(sync_usable, explain_unusable, repository, remote, ui)?;
    for problem in &synced.problems {
        ui.eprint_warning(describe_problem(problem));
    }
    for hint in suggest_fixes(&synced.problems, ui) {
        ui.eprint(format_args!("  → {hint}"));
    }
    Ok(synced)
}

/// Syncs in this way, reports refs that are no ledgers, and explains a failure.
fn sync_with(
    sync: fn(&Repository, &str) -> Result<SyncResult, SyncError>,
    explain: fn(&Ui, SyncError) -> CliError,
    repository: &Repository,
    remote: &str,
    ui: &Ui,
) -> Result<SyncResult, CliError> {
    let message = "cannot read this repository";
    let refs = repository
        .ledger_refs_below(PREFIX)
        .context(ErrorKind::CannotTell, message)?;
    let configured = repository
        .config_string(REMOTE_SETTING)
        .context(ErrorKind::CannotTell, message)?;
    let synced = sync(repository, remote);
    report_junk(repository, remote, ui);
    if synced.is_err() {
        report_misnamed(ui, &repository.find_misnamed_refs());
    }
    if let Ok(Some(error)) = synced.as_ref().map(|synced| &synced.notes_error) {
        ui.eprint_warning(format_args!("the notes were not updated: {error}"));
    }
    synced.map_err(|error| {
        let all_deleted = match &error {
            SyncError::Problems(problems) => {
                problems.len() == refs.tips.len() && problems.iter().all(|it| it.fault == LedgerFault::Deleted)
            }
            _ => false,
        };
        let in_new_clone = format!("in a new clone of {remote}: git deploy init");
        match configured.as_deref() {
            Some("") if all_deleted => {
                let root = repository.pinned_project().ok().flatten().map_or_else(|| "ID".to_owned(), |root| root.to_string());
                let message = "the ledgers here were created without a server: they cannot be pushed to one, only copied";
                let fetch =
                    "git -C REPOSITORY fetch COPY 'refs/deploy/*:refs/deploy/*', from a copy of this repository";
                CliError::new(ErrorKind::Denied, message)
                    .because("a server checks pushed entries against its own clock, but audits a copy")
                    .hint(format!("on the server: {fetch}"))
                    .hint(format!("on the server: git-deploy server adopt REPOSITORY --root {root}"))
                    .hint(format!("then: git deploy init --remote {remote}"))
                    .hint(in_new_clone)
            }
            // `deploy.remote` is not set, so the remote may also have lost its ledgers.
            None if all_deleted => explain(ui, error)
                .hint("to keep using them without a server: git config deploy.remote \"\"")
                .hint(in_new_clone),
            _ => explain(ui, error),
        }
    })
}

/// Explains why ledgers cannot be used, to a command that needs them for its answer: it cannot tell
/// the answer, whatever is wrong with them.
fn explain_unusable(ui: &Ui, error: SyncError) -> CliError {
    let is_finding = matches!(error, SyncError::Problems(_) | SyncError::Local(_));
    let failure = explain_sync_error(ui, error);
    if is_finding {
        failure.with_kind(ErrorKind::CannotTell)
    } else {
        failure
    }
}

/// Turns a failed sync into the command's error and prints each problem that was found. An invalid
/// ledger is a finding, not a failure to look.
pub fn explain_sync_error(ui: &Ui, error: SyncError) -> CliError {
    match error {
        SyncError::Shallow(problems) => {
            for problem in &problems {
                ui.eprint_sentence(describe_problem(problem));
            }
            super::diagnostics::explain_shallow_clone()
        }
        SyncError::Problems(problems) if problems.iter().all(LedgerProblem::is_undecided) => {
            for problem in &problems {
                ui.eprint_sentence(describe_problem(problem));
            }
            explain_unverifiable(&problems)
        }
        SyncError::Fetch { remote, source } => CliError::new(
            ErrorKind::CannotTell,
            format!("cannot fetch from {remote}: nothing was changed"),
        )
        .because(source)
        .hint(format!("git ls-remote {remote}")),
        SyncError::Git(GitError::Locked(lock)) => super::diagnostics::explain_lock(&lock),
        SyncError::Problems(problems) => {
            print_problems(&problems, ui);
            let message = "the remote's ledgers are invalid: this clone keeps the last valid ones";
            suggest_recovery(&problems)
                .into_iter()
                .chain(suggest_fixes(&problems, ui))
                .fold(CliError::new(ErrorKind::Denied, message), CliError::hint)
                .hint("git deploy audit")
                .with_details(problems.iter().map(describe_problem))
        }
        SyncError::Local(_) | SyncError::OtherLocalProject { .. } => {
            let is_finding = matches!(&error, SyncError::Local(problems) if !problems.iter().all(LedgerProblem::is_undecided));
            match open_repository() {
                Ok(repository) if is_finding => {
                    explain_local_error(&repository, error).with_kind(ErrorKind::Denied)
                }
                Ok(repository) => explain_local_error(&repository, error),
                Err(failure) => failure,
            }
        }
        SyncError::OtherProject { .. } => CliError::new(
            ErrorKind::Denied,
            "the remote holds another project's ledgers",
        )
        .because(error)
        .hint("compare with a colleague's clone: git config deploy.root"),
        other => CliError::new(ErrorKind::CannotTell, "cannot bring the ledgers up to date")
            .because(other.into_git()),
    }
}
