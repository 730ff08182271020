//! Finds out whether other clones have newer entries of a ledger than this one.
//!
//! A clone that was not used for a while would restore its own older tip, and take away deployments
//! that the remote has lost and that only other clones still have.

use std::collections::BTreeMap;

use super::RepairedLedger;
use crate::cli::entry_name::format_entry_name;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::{Repository, Result};
use crate::ledger::Project;
use crate::ledger::facts::FactGatherer;
use crate::ledger::notes::NOTES_REF;
use crate::ledger::sync::NOTES_INCOMING;

/// A newer entry of a ledger that this clone lacks, and what names it.
type NewerEntry = (LedgerName, EntryId, &'static str);

/// Requires that nothing in this clone names an entry of a ledger to restore that this clone lacks.
///
/// The notes are not signed, so they may name what never existed: `--drop-newer` skips this check.
pub(super) fn require_newest(
    repository: &Repository,
    project: &Project,
    ledgers: &[RepairedLedger],
) -> std::result::Result<(), CliError> {
    let newer = find_newer_entries(repository, project, ledgers).context(
        ErrorKind::CannotTell,
        "cannot tell whether other clones have newer entries, so nothing was restored",
    )?;
    let Some((ledger, ..)) = newer.first() else {
        return Ok(());
    };
    let reasons: Vec<String> = newer
        .iter()
        .map(|(ledger, id, source)| {
            let entry = format_entry_name(ledger, *id);
            format!("{source} {entry} ({id}), which this clone lacks")
        })
        .collect();
    Err(CliError::new(
        ErrorKind::Denied,
        format!("this clone lacks the newest entries of {ledger}: nothing was restored"),
    )
    .because(reasons.join("\n"))
    .hint("in a clone that has them, such as that of the last deployer: git deploy repair")
    .hint("git deploy repair --drop-newer"))
}

/// Lists the entries of the ledgers to restore that the notes or other ledgers name and that this
/// clone lacks.
fn find_newer_entries(
    repository: &Repository,
    project: &Project,
    ledgers: &[RepairedLedger],
) -> Result<Vec<NewerEntry>> {
    let mut named: BTreeMap<(LedgerName, EntryId), &'static str> = BTreeMap::new();
    for reference in [NOTES_REF, NOTES_INCOMING] {
        let notes = repository.read_notes_state(repository.read_ref(reference)?)?;
        named.extend(notes.covers.into_iter().map(|it| (it, "the notes cover")));
    }
    let gatherer = FactGatherer::new(repository, project);
    for (ledger, tip) in repository.tips()? {
        // A tip that cannot be read names nothing. The audit reports it.
        if let Ok(tip) = gatherer.load_tip(&ledger, Some(tip)) {
            let seen = tip.chain.seen.into_iter();
            named.extend(seen.map(|it| (it, "an entry of another ledger names")));
        }
    }
    let is_lacked = |(ledger, id): &(LedgerName, EntryId)| {
        ledgers.iter().any(|it| it.name == *ledger) && repository.read_commit(id.0).is_err()
    };
    let lacked = named.into_iter().filter(|(entry, _)| is_lacked(entry));
    Ok(lacked
        .map(|((ledger, id), source)| (ledger, id, source))
        .collect())
}
