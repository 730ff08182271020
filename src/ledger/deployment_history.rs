//! Looks back along an environment's ledger: what happened to a commit, and what was last accepted
//! for each component.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::facts::{LedgerHistory, begins_period, is_older};
use crate::domain::entry::StoredEntry;
use crate::domain::env_ref::EnvRef;
use crate::domain::history::{History, RunPeriod};
use crate::domain::id::EntryId;
use crate::domain::name::ComponentName;
use crate::domain::time::Time;
use crate::git::error::Result;

/// Returns the recent history of each component in an environment, newest entry first: the entries
/// since a time and, even if it is older, the entry that deployed the running version.
pub fn read_recent_histories(
    history: &LedgerHistory<'_>,
    env: &EnvRef,
    tip: EntryId,
    components: BTreeSet<ComponentName>,
    since: Time,
) -> Result<BTreeMap<ComponentName, Vec<Arc<StoredEntry>>>> {
    let mut histories = BTreeMap::new();
    for component in components {
        let mut entries = Vec::new();
        let mut has_deployment = false;
        for stored in history.component_entries(env, &component, tip) {
            let stored = stored?;
            if has_deployment && is_older(&stored, since) {
                break;
            }
            has_deployment |= begins_period(&stored, &component);
            entries.push(stored);
        }
        histories.insert(component, entries);
    }
    Ok(histories)
}

/// Finds, for each component, the newest of its run periods that `accept` accepts. Components
/// without one are left out.
///
/// `accept` gets the periods, newest first, each with the results that later entries add to it, and
/// returns the value for the result. It may get a period more than once. `is_trusted` returns
/// whether the key that signed an entry is trusted.
pub fn find_newest_accepted<T>(
    history: &LedgerHistory<'_>,
    env: &EnvRef,
    tip: EntryId,
    components: BTreeSet<ComponentName>,
    is_trusted: &dyn Fn(&StoredEntry) -> bool,
    accept: &dyn Fn(&ComponentName, &RunPeriod<'_>) -> Result<Option<T>>,
) -> Result<BTreeMap<ComponentName, T>> {
    let mut accepted = BTreeMap::new();
    for component in components {
        let entries = history.component_entries(env, &component, tip);
        if let Some(value) = find_newest_period(entries, &component, is_trusted, accept)? {
            accepted.insert(component, value);
        }
    }
    Ok(accepted)
}

/// Finds the newest period that `accept` accepts in a component's history, newest entry first. Reads
/// the older part of the history only if needed.
fn find_newest_period<T>(
    newest_first: impl Iterator<Item = Result<Arc<StoredEntry>>>,
    component: &ComponentName,
    is_trusted: &dyn Fn(&StoredEntry) -> bool,
    accept: &dyn Fn(&ComponentName, &RunPeriod<'_>) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let find = |entries: &[Arc<StoredEntry>]| {
        // Newest first: a rollback to an older success starts a period newer than that success.
        let history = History::read(component, entries, is_trusted);
        for period in history.run_periods.iter().rev() {
            if let Some(value) = accept(component, period)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    };
    let mut entries = Vec::new();
    // The number of entries to read before the next search. It doubles each time, which keeps the
    // work proportional to the number of entries.
    let mut next_search_at = 1;
    for stored in newest_first {
        let stored = stored?;
        let is_start_of_period = begins_period(&stored, component);
        entries.push(stored);
        // A period is complete with the entry that begins it.
        if is_start_of_period && entries.len() >= next_search_at {
            if let Some(value) = find(&entries)? {
                return Ok(Some(value));
            }
            next_search_at = entries.len() * 2;
        }
    }
    find(&entries)
}
