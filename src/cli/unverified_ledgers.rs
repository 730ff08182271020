//! Explains ledgers in this repository whose refs are not verified, and how to fix them.

use super::entry_name::format_entry_name;
use super::repository::has_ledger_remote;
use super::{CliError, ErrorKind};
use crate::domain::id::EntryId;
use crate::domain::verdict::CheckResult;
use crate::git::Repository;
use crate::ledger::sync::{LedgerFault, LedgerProblem, PIN_SETTING, SyncError};

/// Describes in one line why a ledger here is left out.
pub fn describe_local_problem(problem: &LedgerProblem) -> String {
    let ledger = &problem.ledger;
    let name = |id: Option<EntryId>| id.map(|id| format_entry_name(ledger, id));
    let verified = name(problem.kept_tip).unwrap_or_else(|| "nothing".to_owned());
    let tip = name(problem.remote_tip).unwrap_or_else(|| "nothing".to_owned());
    let why = match &problem.fault {
        LedgerFault::Deleted => format!("its ref is gone; {verified} was verified last"),
        LedgerFault::Rewound if problem.kept_tip.is_some() => {
            format!("its ref is at {tip}, which does not contain {verified}, verified last")
        }
        LedgerFault::Rewound => "it does not begin with the genesis of this project".to_owned(),
        LedgerFault::NotALedger { why, .. } | LedgerFault::Broken { why, .. } => why.clone(),
        LedgerFault::Dependent { id, on, named } => {
            let entry = format_entry_name(ledger, *id);
            format!(
                "{entry} depends on {}, which is not used",
                format_entry_name(on, *named)
            )
        }
        LedgerFault::Incomplete { lacked, named_by } => {
            let entry = format_entry_name(ledger, *lacked);
            format!("{named_by} names {entry}, which is missing here")
        }
        LedgerFault::Unverified { id, .. } if problem.is_undecided() => {
            let entry = format_entry_name(ledger, *id);
            format!("{entry} cannot be verified in this clone")
        }
        LedgerFault::Unverified { id, verdict } => {
            let entry = format_entry_name(ledger, *id);
            let reason = verdict
                .checks
                .iter()
                .find(|check| check.outcome == CheckResult::Fail)
                .map(|check| format!(" ({}: {})", check.rule, check.detail))
                .unwrap_or_default();
            format!("{entry} does not verify{reason}")
        }
    };
    format!("the ledger {ledger} here is not used: {why}")
}

/// Returns the commands that fix ledgers here that are not verified.
pub fn suggest_local_remedies(repository: &Repository, problems: &[LedgerProblem]) -> Vec<String> {
    let (broken, problems): (Vec<&LedgerProblem>, Vec<&LedgerProblem>) =
        problems.iter().partition(|problem| problem.is_broken());
    let mut remedies = suggest_replacing(repository, &broken);
    // What depends on a broken ledger is used again once that one is restored.
    let is_fixed_by_that = |problem: &LedgerProblem| matches!(&problem.fault, LedgerFault::Dependent { on, .. } if broken.iter().any(|it| it.ledger == *on));
    let others: Vec<&LedgerProblem> = problems
        .into_iter()
        .filter(|problem| !is_fixed_by_that(problem))
        .collect();
    for remedy in suggest_verifying(repository, &others) {
        if !remedies.contains(&remedy) {
            remedies.push(remedy);
        }
    }
    remedies
}

/// Returns the commands that remove broken refs and bring their ledgers back.
fn suggest_replacing(repository: &Repository, broken: &[&LedgerProblem]) -> Vec<String> {
    let removals = broken.iter().filter_map(|problem| match &problem.fault {
        LedgerFault::Broken { removal, .. } => removal.clone(),
        _ => None,
    });
    let mut remedies: Vec<String> = removals.collect();
    if broken.is_empty() || has_ledger_remote(repository) {
        remedies.extend((!broken.is_empty()).then(|| "git deploy sync".to_owned()));
    } else {
        let kept = broken.iter().filter(|problem| problem.kept_tip.is_some());
        remedies.extend(kept.map(|problem| suggest_restoring(repository, problem)));
    }
    remedies
}

/// Returns the commands after which refs that can be read are verified.
fn suggest_verifying(repository: &Repository, problems: &[&LedgerProblem]) -> Vec<String> {
    let Some(first) = problems.first() else {
        return Vec::new();
    };
    if first.is_undecided() {
        let is_shallow = repository.is_shallow().unwrap_or(false);
        let command = if is_shallow {
            "git fetch --unshallow"
        } else {
            "git fetch"
        };
        return vec![command.to_owned()];
    }
    if has_ledger_remote(repository) {
        return vec!["git deploy sync".to_owned()];
    }
    // A ledger that depends on another one is used again once that one is restored.
    let depends = |problem: &LedgerProblem| matches!(problem.fault, LedgerFault::Dependent { .. });
    problems
        .iter()
        .filter(|problem| !depends(problem))
        .map(|problem| suggest_restoring(repository, problem))
        .collect()
}

/// Returns the command that restores the ref of a ledger that has no remote.
fn suggest_restoring(repository: &Repository, problem: &LedgerProblem) -> String {
    let name = problem.ledger.ref_name();
    // A ledger that lacks entries is restored from a copy that has them.
    let is_incomplete = matches!(problem.fault, LedgerFault::Incomplete { .. });
    match problem.kept_tip.filter(|_| !is_incomplete) {
        Some(tip) if repository.read_commit(tip.0).is_ok() => {
            format!("git update-ref {name} {tip}")
        }
        Some(_) => format!("git fetch BACKUP +{name}:{name}"),
        None if is_incomplete => format!("git fetch BACKUP +{name}:{name}"),
        None => format!("git update-ref -d {name}"),
    }
}

/// Returns the error of a command that needs ledgers that are not verified: it cannot tell its
/// answer.
pub fn explain_local_error(repository: &Repository, error: SyncError) -> CliError {
    match error {
        SyncError::Local(problems) => {
            let lines: Vec<String> = problems.iter().map(describe_local_problem).collect();
            let message = "ledgers that this command needs are not verified";
            let failure = CliError::new(ErrorKind::CannotTell, message)
                .because(lines.join("\n"))
                .with_details(lines);
            suggest_local_remedies(repository, &problems)
                .into_iter()
                .fold(failure, CliError::hint)
        }
        SyncError::OtherLocalProject { .. } => {
            CliError::new(ErrorKind::Denied, "the ledgers here are another project's")
                .because(error)
                .hint(format!(
                    "compare with a colleague's clone: git config {PIN_SETTING}"
                ))
        }
        other => CliError::new(ErrorKind::CannotTell, "cannot read the ledgers")
            .because(other.into_git()),
    }
}
