//! Describes what is wrong with a remote's ledgers, and how to fix it.

use super::entry_name::format_entry_name;
use super::repository::{find_remote, open_repository};
use super::{CliError, ErrorKind, Ui};
use crate::domain::command_line::quote_word;
use crate::domain::text::sanitize;
use crate::domain::verdict::CheckResult;
use crate::git::{Error as GitError, Repository};
use crate::ledger::ledger_refs::JunkRef;
use crate::ledger::recovery::RECOVERED_SETTING;
use crate::ledger::sync::{LedgerFault, LedgerProblem};
use crate::view;

/// The most refs whose names git does not allow that are reported one by one.
const MAX_REPORTED: usize = 5;

/// Returns the error for entries of the remote that cannot be verified here. They may still be
/// valid.
pub fn explain_unverifiable(problems: &[LedgerProblem]) -> CliError {
    let verdicts = problems.iter().filter_map(|problem| match &problem.fault {
        LedgerFault::Unverified { verdict, .. } => Some(verdict),
        _ => None,
    });
    let unknown = verdicts
        .flat_map(|verdict| &verdict.checks)
        .filter(|check| check.outcome == CheckResult::Unknown);
    let mut reasons: Vec<&str> = unknown.map(|check| check.detail.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let failure = CliError::new(
        ErrorKind::CannotTell,
        "not all of the remote's ledgers can be verified here: nothing was written",
    );
    let failure = if reasons.is_empty() {
        failure
    } else {
        failure.because(reasons.join("\n"))
    };
    let removals = problems.iter().filter_map(|problem| match &problem.fault {
        LedgerFault::Broken { removal, .. } => removal.clone(),
        _ => None,
    });
    let failure = removals.fold(failure, CliError::hint);
    if problems.iter().all(LedgerProblem::is_broken) {
        failure.hint("git deploy sync")
    } else {
        failure.hint("git fetch")
    }
}

/// Describes one problem of a remote's ledger in one line.
pub fn describe_problem(problem: &LedgerProblem) -> String {
    let ledger = &problem.ledger;
    let kept_entry = problem
        .kept_tip
        .map_or_else(|| "nothing".to_owned(), |id| format_entry_name(ledger, id));
    match &problem.fault {
        LedgerFault::Deleted => {
            format!("the remote has lost the ledger {ledger}; {kept_entry} is kept")
        }
        LedgerFault::Rewound => {
            let remote_entry = problem
                .remote_tip
                .map_or_else(|| "nothing".to_owned(), |id| format_entry_name(ledger, id));
            format!(
                "the remote has rewritten the ledger {ledger}: it is now at {remote_entry}; {kept_entry} is kept"
            )
        }
        LedgerFault::NotALedger { why, .. } => {
            let name = ledger.ref_name();
            format!("{name} of the remote is not a ledger: {why}; {kept_entry} is kept")
        }
        LedgerFault::Broken { why, .. } => format!(
            "cannot tell where the remote's ledger {ledger} is: {why}; {kept_entry} is kept"
        ),
        LedgerFault::Dependent { id, on, named } => format!(
            "{} of the remote depends on {}, which is not accepted; {kept_entry} is kept",
            format_entry_name(ledger, *id),
            format_entry_name(on, *named)
        ),
        LedgerFault::Incomplete { lacked, named_by } => format!(
            "the remote has lost or rewritten the ledger {ledger}: {named_by} names {}; {kept_entry} is kept",
            format_entry_name(ledger, *lacked)
        ),
        LedgerFault::Unverified { id, .. } if problem.is_undecided() => {
            let name = format_entry_name(ledger, *id);
            format!("{name} of the remote cannot be verified here")
        }
        LedgerFault::Unverified { id, .. } => {
            format!(
                "the remote's ledger {ledger} has an entry that does not verify, {}; {kept_entry} is kept",
                format_entry_name(ledger, *id)
            )
        }
    }
}

/// Returns the hint for a policy that claims to have been recovered after the loss of all admin
/// keys, or `None` if it does not. Only the server's owner can confirm the claim.
pub fn suggest_recovery(problems: &[LedgerProblem]) -> Option<String> {
    let repository = open_repository().ok()?;
    let key = problems.iter().find_map(|problem| match &problem.fault {
        LedgerFault::Unverified { id, .. } => repository
            .find_claimed_recovery_key(&problem.ledger, *id)
            .ok()
            .flatten(),
        _ => None,
    })?;
    Some(format!(
        "git config --add {RECOVERED_SETTING} {key} (only if the server's owner confirms that this key recovered the policy)"
    ))
}

/// Prints each problem, with the verdict if the rules refuse an entry.
pub fn print_problems(problems: &[LedgerProblem], ui: &Ui) {
    for problem in problems {
        ui.eprint_sentence(describe_problem(problem));
        if let LedgerFault::Unverified { verdict, .. } = &problem.fault {
            for line in view::verdict::render_verdict(verdict, ui.width()) {
                ui.eprint(line);
            }
        }
    }
}

/// Prints the refs of the remote that are no ledgers, as of the last fetch, and how to remove
/// them. Returns one line per ref.
pub fn report_junk(repository: &Repository, remote: &str, ui: &Ui) -> Vec<String> {
    // If the refs cannot be listed, the command fails for that reason.
    let junk = repository.find_remote_junk().unwrap_or_default();
    let lines = junk.iter().map(|junk| {
        let line = junk.describe();
        ui.eprint_warning(&line);
        for command in suggest_junk_removal(repository, remote, junk) {
            ui.eprint(format_args!("  → {command}"));
        }
        line
    });
    lines.collect()
}

/// Prints the files among the refs here whose names git does not allow, and how to remove them.
pub fn report_misnamed(ui: &Ui, errors: &[GitError]) {
    for error in errors.iter().take(MAX_REPORTED) {
        ui.eprint_warning(format_args!(
            "{}. It is ignored",
            sanitize(&error.to_string())
        ));
        if let Some(removal) = error.removal() {
            ui.eprint(format_args!("  → {removal}"));
        }
    }
}

/// Returns the commands that remove a ref that is not a ledger: from the remote and, in a mirror
/// clone, from the clone, where git would keep it.
fn suggest_junk_removal(repository: &Repository, remote: &str, junk: &JunkRef) -> Vec<String> {
    let removal = junk.removal(remote);
    match removal.strip_prefix("git push ") {
        // Git does not push a single ref to a mirror.
        Some(push) if repository.is_mirror_of(remote) => {
            let setting = quote_word(&format!("remote.{remote}.mirror=false"));
            let push = format!("git -c {setting} push {push}");
            std::iter::once(push).chain(junk.local_removal()).collect()
        }
        _ => vec![removal],
    }
}

/// Returns the commands that fix these problems, each once.
pub fn suggest_fixes(problems: &[LedgerProblem], ui: &Ui) -> Vec<String> {
    let remote = open_repository().and_then(|repository| find_remote(&repository, ui));
    let remote = remote.ok().flatten().unwrap_or_else(|| "REMOTE".to_owned());
    let mut hints: Vec<String> = Vec::new();
    for problem in problems {
        let new_hints = suggest_fix(problem, &remote);
        hints.extend(new_hints.into_iter().flatten());
    }
    let mut seen = std::collections::BTreeSet::new();
    hints.retain(|hint| seen.insert(hint.clone()));
    hints
}

/// Returns the commands that fix one problem.
fn suggest_fix(problem: &LedgerProblem, remote: &str) -> [Option<String>; 2] {
    if let LedgerFault::Broken { removal, .. } = &problem.fault {
        return [removal.clone(), Some("git deploy sync".to_owned())];
    }
    if problem.is_undecided() {
        return [None, None];
    }
    if problem.is_repairable() {
        return [Some("git deploy repair".to_owned()), None];
    }
    let elsewhere = "in a clone that has the ledger: git deploy repair".to_owned();
    match &problem.fault {
        LedgerFault::Dependent { .. } => [None, None],
        LedgerFault::Incomplete { .. } => [Some(elsewhere), None],
        _ => [
            Some(elsewhere),
            Some(format!(
                "if there is none: {}",
                suggest_removal(problem, remote)
            )),
        ],
    }
}

/// Returns the command that removes the ref from the remote.
fn suggest_removal(problem: &LedgerProblem, remote: &str) -> String {
    let remote = quote_word(remote);
    format!("git push {remote} :{}", problem.ledger.ref_name())
}
