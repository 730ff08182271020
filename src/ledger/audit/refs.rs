//! Finds refs that are no ledgers, and refs and files that change the history that plain git shows.
//!
//! This program ignores all of them. An auditor who reads the ledgers with git does not.

use super::finding::{AuditFinding, FindingKind};
use crate::domain::command_line::quote_word;
use crate::domain::text::sanitize;
use crate::domain::verdict::CheckResult;
use crate::git::error::Result;
use crate::git::repo::Repository;
use crate::ledger::PREFIX;

/// The refs with replacements for objects.
const REPLACE_PREFIX: &str = "refs/replace/";
/// The most refs of one kind that are reported one by one.
const MAX_REPORTED: usize = 20;

/// Returns a finding for each such ref or file of this repository.
pub fn check_refs(repository: &Repository) -> Vec<AuditFinding> {
    let failure = |detail| AuditFinding::new(FindingKind::Refs, CheckResult::Fail, detail);
    let mut findings: Vec<AuditFinding> =
        find_grafts(repository).map(failure).into_iter().collect();
    findings.extend(find_broken(repository));
    for check in [find_junk, find_replaced] {
        match check(repository) {
            Ok(details) => {
                let count = details.len();
                findings.extend(details.into_iter().take(MAX_REPORTED).map(failure));
                if count > MAX_REPORTED {
                    let rest = count - MAX_REPORTED;
                    findings.push(failure(format!("and {rest} more like the last one")));
                }
            }
            Err(error) => findings.push(AuditFinding::from_error(FindingKind::Refs, None, &error)),
        }
    }
    findings
}

/// Describes the refs below `refs/deploy/` that are no ledgers.
fn find_junk(repository: &Repository) -> Result<Vec<String>> {
    let junk = repository.ledger_refs_below(PREFIX)?.junk;
    let describe = |junk: crate::ledger::ledger_refs::JunkRef| {
        let removal = junk.local_removal().map(|removal| format!(": {removal}"));
        format!("{}{}", junk.describe(), removal.unwrap_or_default())
    };
    Ok(junk.into_iter().map(describe).collect())
}

/// Returns a finding for each ledger whose ref is broken.
fn find_broken(repository: &Repository) -> Vec<AuditFinding> {
    // If the refs cannot be listed, the junk cannot be either, which is a finding.
    let refs = repository.ledger_refs_below(PREFIX).unwrap_or_default();
    let describe = |broken: crate::ledger::ledger_refs::BrokenLedgerRef| {
        let removal = broken.removal.map(|removal| format!(": {removal}"));
        AuditFinding {
            ledger: Some(broken.ledger),
            ..AuditFinding::new(
                FindingKind::Refs,
                CheckResult::Unknown,
                format!("{}{}", broken.why, removal.unwrap_or_default()),
            )
        }
    };
    refs.broken.into_iter().map(describe).collect()
}

/// Describes the refs that replace objects.
fn find_replaced(repository: &Repository) -> Result<Vec<String>> {
    let refs = repository.list_all_refs(REPLACE_PREFIX)?;
    let describe = |listed: crate::git::ref_listing::ListedRef| {
        let object = listed.name.strip_prefix(REPLACE_PREFIX).unwrap_or_default();
        let (name, object) = (sanitize(&listed.name), quote_word(&sanitize(object)));
        format!("{name} changes what plain git shows. It is ignored: git replace -d {object}")
    };
    Ok(refs.into_iter().map(describe).collect())
}

/// Describes the file that grafts history, if there is one.
fn find_grafts(repository: &Repository) -> Option<String> {
    let path = repository.common_dir().join("info/grafts");
    let has_grafts = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > 0);
    let word = quote_word(&path.display().to_string());
    let describe = || {
        format!(
            "{} changes what plain git shows. It is ignored: rm {word}",
            path.display()
        )
    };
    has_grafts.then(describe)
}
