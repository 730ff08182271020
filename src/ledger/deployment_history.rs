//! Looks back along an environment's ledger: what happened to a commit, and what was last accepted
//! for each component.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::facts::{LedgerHistory, is_older};
use crate::domain::entry::{Outcome, StoredEntry};
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

/// Returns whether an entry deploys or removes a component, and so begins a period of its history.
fn begins_period(stored: &StoredEntry, component: &ComponentName) -> bool {
    let result = stored.statement.component_result(component);
    result.is_some_and(|it| matches!(it.outcome, Outcome::Succeeded | Outcome::Destroyed))
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
    let mut found = BTreeMap::new();
    for component in components {
        let entries = history.component_entries(env, &component, tip);
        if let Some(value) = find_newest_period(entries, &component, is_trusted, accept)? {
            found.insert(component, value);
        }
    }
    Ok(found)
}

/// Finds the newest period that `accept` accepts in a component's history, newest entry first. The
/// older part of the history is read only if it must be.
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
    // How many entries to read before the next look. Doubling it keeps the work in proportion to
    // the number of entries.
    let mut enough = 1;
    for stored in newest_first {
        let stored = stored?;
        let is_start_of_period = begins_period(&stored, component);
        entries.push(stored);
        // A period is complete with the entry that begins it.
        if is_start_of_period && entries.len() >= enough {
            if let Some(value) = find(&entries)? {
                return Ok(Some(value));
            }
            enough = entries.len() * 2;
        }
    }
    find(&entries)
}
