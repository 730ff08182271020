//! Looks back along an environment's ledger: what happened to a commit, and what was last accepted
//! for each component.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::facts::LedgerHistory;
use crate::domain::entry::{HistoryRole, Outcome, RunStep, StoredEntry};
use crate::domain::env_ref::EnvRef;
use crate::domain::history::{History as Past, RunPeriod};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::ComponentName;
use crate::domain::time::Time;
use crate::git::error::Result;

/// Returns the entries of an environment that say what was running, newest first: all since
/// `since`, and older ones as far as needed. That is back to the start of each run among them, and
/// to the success that deployed a content which `commit` left unchanged.
pub fn entries_since(
    history: &LedgerHistory<'_>,
    env: &EnvRef,
    tip: EntryId,
    commit: CommitId,
    since: Time,
) -> Result<Vec<Arc<StoredEntry>>> {
    let mut found = Vec::new();
    let mut riding: BTreeSet<ComponentName> = BTreeSet::new();
    let mut ended: BTreeSet<u64> = BTreeSet::new();
    for passed in history.walk(tip) {
        let passed = passed?;
        if passed.at() < since && riding.is_empty() && ended.is_empty() {
            break;
        }
        if !env.matches(&passed.mention) || passed.mention.history_role() == HistoryRole::None {
            continue;
        }
        let stored = history.entry(env.ledger(), passed.id)?;
        match stored.statement.action.run_step() {
            Some(RunStep::Starts { .. }) => drop(ended.remove(&stored.statement.sequence)),
            Some(RunStep::Ends { start, .. }) => drop(ended.insert(start)),
            Some(RunStep::Resumes { .. }) | None => {}
        }
        for it in stored.statement.component_results() {
            match it.outcome {
                Outcome::Unchanged if it.target.commit == commit => {
                    riding.insert(it.target.component);
                }
                Outcome::Succeeded | Outcome::Destroyed => {
                    riding.remove(&it.target.component);
                }
                _ => {}
            }
        }
        found.push(stored);
    }
    Ok(found)
}

/// Finds the newest period in which each component ran that `accept` accepts; components without one
/// are left out.
///
/// `accept` gets each period with what the entries since its start tell about it, newest first, and
/// returns the value for the result. One walk serves all components, and ends when all are found.
pub fn find_newest_accepted<T>(
    history: &LedgerHistory<'_>,
    env: &EnvRef,
    tip: EntryId,
    components: BTreeSet<ComponentName>,
    accept: &dyn Fn(&ComponentName, &RunPeriod<'_>) -> Result<Option<T>>,
) -> Result<BTreeMap<ComponentName, T>> {
    let mut open: BTreeMap<ComponentName, Vec<Arc<StoredEntry>>> =
        components.into_iter().map(|it| (it, Vec::new())).collect();
    let mut found = BTreeMap::new();
    for passed in history.walk(tip) {
        if open.is_empty() {
            break;
        }
        let passed = passed?;
        let named = |component: &ComponentName| {
            passed
                .mention
                .components
                .iter()
                .any(|it| it == component.as_str())
        };
        if !env.matches(&passed.mention)
            || passed.mention.history_role() == HistoryRole::None
            || !open.keys().any(named)
        {
            continue;
        }
        let stored = history.entry(env.ledger(), passed.id)?;
        let began: BTreeSet<ComponentName> = stored
            .statement
            .component_results()
            .into_iter()
            .map(|it| it.target.component)
            .collect();
        for (component, entries) in open.iter_mut().filter(|(component, _)| named(component)) {
            entries.push(Arc::clone(&stored));
            if !began.contains(component) {
                continue;
            }
            // Newest first: a rollback to an older success starts a period newer than that success.
            for stay in Past::read(component, entries).run_periods.iter().rev() {
                if let Some(good) = accept(component, stay)? {
                    found.insert(component.clone(), good);
                    break;
                }
            }
        }
        open.retain(|component, _| !found.contains_key(component));
    }
    Ok(found)
}
