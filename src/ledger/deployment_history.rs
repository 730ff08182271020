//! Looks back along an environment's ledger: what happened to a commit, and what was last accepted
//! for each component.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::facts::LedgerHistory;
use crate::domain::entry::{HistoryRole, RunStep, StoredEntry};
use crate::domain::env_ref::EnvRef;
use crate::domain::history::{History, RunPeriod};
use crate::domain::id::EntryId;
use crate::domain::name::ComponentName;
use crate::domain::time::Time;
use crate::git::error::Result;

/// Returns the entries of an environment that affect which version was running, newest first: all
/// from `since` on, and older ones back to the start of each run that ended since then.
pub fn entries_since(
    history: &LedgerHistory<'_>,
    env: &EnvRef,
    tip: EntryId,
    since: Time,
) -> Result<Vec<Arc<StoredEntry>>> {
    let mut found = Vec::new();
    let mut ended_runs: BTreeSet<u64> = BTreeSet::new();
    for walked in history.walk(tip) {
        let walked = walked?;
        if walked.at() < since && ended_runs.is_empty() {
            break;
        }
        if !env.matches(&walked.trailers) || walked.trailers.history_role() == HistoryRole::None {
            continue;
        }
        let stored = history.entry(env.ledger(), walked.id)?;
        match stored.statement.action.run_step() {
            Some(RunStep::Starts { .. }) => drop(ended_runs.remove(&stored.statement.sequence)),
            Some(RunStep::Ends { start, .. }) => drop(ended_runs.insert(start)),
            Some(RunStep::Resumes { .. }) | None => {}
        }
        found.push(stored);
    }
    Ok(found)
}

/// Finds, for each component, the newest of its run periods that `accept` accepts. Components
/// without one are left out.
///
/// `accept` gets the periods, newest first, each with the results that later entries add to it, and
/// returns the value for the result. `is_trusted` returns whether the key that signed an entry is
/// trusted. One walk serves all components, and ends when all are found.
pub fn find_newest_accepted<T>(
    history: &LedgerHistory<'_>,
    env: &EnvRef,
    tip: EntryId,
    components: BTreeSet<ComponentName>,
    is_trusted: &dyn Fn(&StoredEntry) -> bool,
    accept: &dyn Fn(&ComponentName, &RunPeriod<'_>) -> Result<Option<T>>,
) -> Result<BTreeMap<ComponentName, T>> {
    let mut remaining: BTreeMap<ComponentName, Vec<Arc<StoredEntry>>> =
        components.into_iter().map(|it| (it, Vec::new())).collect();
    let mut found = BTreeMap::new();
    for walked in history.walk(tip) {
        if remaining.is_empty() {
            break;
        }
        let walked = walked?;
        let is_mentioned = |component: &ComponentName| {
            walked
                .trailers
                .components
                .iter()
                .any(|it| it == component.as_str())
        };
        if !env.matches(&walked.trailers)
            || walked.trailers.history_role() == HistoryRole::None
            || !remaining.keys().any(is_mentioned)
        {
            continue;
        }
        let stored = history.entry(env.ledger(), walked.id)?;
        let with_result: BTreeSet<ComponentName> = stored
            .statement
            .component_results()
            .into_iter()
            .map(|it| it.target.component)
            .collect();
        for (component, entries) in remaining
            .iter_mut()
            .filter(|(component, _)| is_mentioned(component))
        {
            entries.push(Arc::clone(&stored));
            if !with_result.contains(component) {
                continue;
            }
            // Newest first: a rollback to an older success starts a period newer than that success.
            let history = History::read(component, entries, is_trusted);
            for period in history.run_periods.iter().rev() {
                if let Some(value) = accept(component, period)? {
                    found.insert(component.clone(), value);
                    break;
                }
            }
        }
        remaining.retain(|component, _| !found.contains_key(component));
    }
    Ok(found)
}
