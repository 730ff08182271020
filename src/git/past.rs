//! What an environment's ledger says since a commit was made: enough to tell what became of the commit there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::Result;
use super::gather::History;
use crate::domain::entry::{Action, Kept, Outcome};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, EnvName, LedgerName};
use crate::domain::time::Time;

/// The actions that say what runs and how it is.
const DEEDS: [&str; 6] = ["baseline", "start", "finish", "record", "abort", "verification"];

/// The entries of an environment that say what ran there, newest first: all since `since`, and further back to the start of each
/// run among them, and to the success that put a content there with which `commit` rode along.
///
/// `member` is the environment, where the ledger is a pattern's.
pub fn deeds_since(
    history: &History<'_>,
    (ledger, member): (&LedgerName, Option<&EnvName>),
    tip: EntryId,
    commit: CommitId,
    since: Time,
) -> Result<Vec<Arc<Kept>>> {
    let mut found = Vec::new();
    let mut riding: BTreeSet<ComponentName> = BTreeSet::new();
    let mut ended: BTreeSet<u64> = BTreeSet::new();
    for passed in history.walk(tip) {
        let passed = passed?;
        if passed.at() < since && riding.is_empty() && ended.is_empty() {
            break;
        }
        let here = member.is_none_or(|member| passed.mention.environment.as_deref() == Some(member.as_str()));
        if !here || !DEEDS.contains(&passed.mention.action.as_str()) {
            continue;
        }
        let kept = history.entry(ledger, passed.id)?;
        match &kept.statement.action {
            Action::Start(_) => drop(ended.remove(&kept.statement.sequence)),
            Action::Finish(it) => drop(ended.insert(it.start)),
            Action::Abort(it) => drop(ended.insert(it.start)),
            _ => {}
        }
        for it in kept.statement.ended() {
            match it.outcome {
                Outcome::Unchanged if it.target.commit == commit => drop(riding.insert(it.target.component)),
                Outcome::Succeeded | Outcome::Destroyed => drop(riding.remove(&it.target.component)),
                _ => {}
            }
        }
        found.push(kept);
    }
    Ok(found)
}
