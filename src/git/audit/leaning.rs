//! Entries that lean on ones that do not stand.
//!
//! An entry is judged by the policy, and by the other ledgers, that it says to have seen. Where one of those is forged, what it allows
//! proves nothing, however well it fits.

use std::collections::{BTreeMap, HashSet};

use super::{Audited, Finding};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::verdict::Outcome;
use crate::git::ledger::Link;
use crate::git::repo::Repository;

/// The entries of each ledger that do not stand: the first with a finding, and all after it.
type Fallen = BTreeMap<LedgerName, HashSet<EntryId>>;

/// Adds a finding for each first entry that leans on one that does not stand, until nothing more falls.
pub(super) fn check(repository: &Repository, audited: &mut [Audited]) {
    loop {
        let fallen = fallen(audited);
        let leaning: Vec<Option<Finding>> = audited.iter().map(|it| first_leaning(repository, it, &fallen)).collect();
        if leaning.iter().all(Option::is_none) {
            return;
        }
        for (ledger, finding) in audited.iter_mut().zip(leaning) {
            ledger.findings.extend(finding);
        }
    }
}

fn fallen(audited: &[Audited]) -> Fallen {
    let mut fallen = Fallen::new();
    for ledger in audited {
        let faults = ledger.findings.iter().filter(|finding| finding.outcome == Outcome::Fail);
        // A fault of no entry in particular is one of the whole ledger.
        let faults: HashSet<Option<EntryId>> = faults.map(|finding| finding.entry).collect();
        let first = ledger.seen.iter().position(|(id, _)| faults.contains(&Some(*id)) || faults.contains(&None));
        let Some(first) = first else { continue };
        fallen.insert(ledger.ledger.clone(), ledger.seen.iter().skip(first).map(|(id, _)| *id).collect());
    }
    fallen
}

fn first_leaning(repository: &Repository, ledger: &Audited, fallen: &Fallen) -> Option<Finding> {
    if fallen.is_empty() {
        return None;
    }
    let own = fallen.get(&ledger.ledger);
    let standing = ledger.seen.iter().map(|(id, _)| *id).take_while(|id| own.is_none_or(|own| !own.contains(id)));
    standing.into_iter().find_map(|id| {
        // One that cannot be read has a finding of its own.
        let Ok(Link::Entry { entry, .. }) = repository.read_link(&ledger.ledger, id) else { return None };
        let bad = |(name, tip): &(&LedgerName, &EntryId)| fallen.get(*name).is_some_and(|ids| ids.contains(*tip));
        let (name, tip) = entry.statement().seen.iter().find(bad)?;
        let what = format!("it leans on {} of {name}, which does not stand", tip.short());
        Some(Finding::fail(&ledger.ledger, Some(id), what))
    })
}
