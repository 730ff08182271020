//! Determines which contents the yank of a commit covers.
//!
//! These are the contents that the commit introduced: of each component in which it differs from its
//! first parent. Content that succeeded anywhere before the commit was first deployed is not
//! covered. For example, a revert goes back to content that is not to blame. A success with a commit
//! that contains the yanked one does not exempt its content: it deployed what the commit introduced.

use std::collections::BTreeMap;

use super::Tips;
use super::facts::FactGatherer;
use crate::domain::entry::{HistoryRole, Outcome, StoredEntry, YankedContent};
use crate::domain::id::{CommitId, Content};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::time::Time;
use crate::git::error::Result;
use crate::git::repo::Repository;

/// A success of content with another commit than the yanked one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierSuccess {
    /// The component.
    pub component: ComponentName,
    /// The commit with which it was deployed.
    pub commit: CommitId,
    /// The ledger that records the success.
    pub ledger: LedgerName,
}

/// The contents that a commit introduced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct YankCoverage {
    /// The contents that its yank covers, in order.
    pub contents: Vec<YankedContent>,
    /// For each content that its yank does not cover, a success before the commit was first deployed.
    pub earlier: Vec<EarlierSuccess>,
}

/// A success and its time.
struct DatedSuccess {
    at: Time,
    success: EarlierSuccess,
}

/// The search of the ledgers for a commit and the contents that it introduced.
#[derive(Default)]
struct CoverageSearch {
    /// When the commit was first deployed.
    first_deployed: Option<Time>,
    /// The oldest success of each content with a commit that does not contain the yanked one.
    successes: BTreeMap<ComponentName, DatedSuccess>,
}

/// Determines which contents the yank of a commit covers.
///
/// Looks through the ledgers of all environments, for a person who writes a yank. If an entry cannot
/// be read or is beyond the limit of a walk, a success in it does not exempt its content.
pub fn find_coverage(
    repository: &Repository,
    gatherer: &FactGatherer<'_>,
    policy: &Policy,
    tips: &Tips,
    commit: CommitId,
) -> Result<YankCoverage> {
    let mut introduced = BTreeMap::new();
    for component in policy.component_names() {
        let Some(content) = gatherer.content(policy, commit, &component)? else {
            continue;
        };
        if gatherer.parent_content(policy, commit, &component)? != Some(content) {
            introduced.insert(component, content);
        }
    }
    let mut search = CoverageSearch::default();
    // If the commits cannot be compared, the content is covered.
    let contains_yanked =
        |other: CommitId| repository.is_ancestor(commit.0, other.0).unwrap_or(true);
    for ledger in policy.ledgers() {
        if let Some(tip) = tips.get(&ledger).filter(|_| !introduced.is_empty()) {
            for walked in gatherer.history().walk(*tip) {
                let Ok(walked) = walked else { break };
                let trailers = &walked.trailers;
                let is_relevant = trailers.history_role() != HistoryRole::None
                    && (trailers.commits.contains(&commit)
                        || trailers
                            .components
                            .iter()
                            .any(|component| introduced.contains_key(&**component)));
                if is_relevant && let Ok(stored) = gatherer.history().entry(&ledger, walked.id) {
                    search.add_entry(&stored, &ledger, commit, &introduced, &contains_yanked);
                }
            }
        }
    }
    Ok(search.into_coverage(introduced))
}

impl CoverageSearch {
    fn add_entry(
        &mut self,
        stored: &StoredEntry,
        ledger: &LedgerName,
        commit: CommitId,
        introduced: &BTreeMap<ComponentName, Content>,
        contains_yanked: &dyn Fn(CommitId) -> bool,
    ) {
        let statement = &stored.statement;
        if statement.commits().contains(&commit) {
            let earliest = self
                .first_deployed
                .map_or(statement.at, |first| first.min(statement.at));
            self.first_deployed = Some(earliest);
        }
        for result in statement.component_results() {
            let target = &result.target;
            let is_introduced = target.content.is_some()
                && target.content == introduced.get(&target.component).copied();
            if !is_introduced
                || result.outcome != Outcome::Succeeded
                || contains_yanked(target.commit)
            {
                continue;
            }
            let at = statement.at;
            let oldest = self.successes.get(&target.component);
            if oldest.is_none_or(|oldest| at < oldest.at) {
                let success = EarlierSuccess {
                    component: target.component.clone(),
                    commit: target.commit,
                    ledger: ledger.clone(),
                };
                self.successes
                    .insert(target.component.clone(), DatedSuccess { at, success });
            }
        }
    }

    fn into_coverage(self, introduced: BTreeMap<ComponentName, Content>) -> YankCoverage {
        let mut coverage = YankCoverage::default();
        let mut successes = self.successes;
        for (component, content) in introduced {
            let is_earlier =
                |dated: &DatedSuccess| self.first_deployed.is_none_or(|first| dated.at < first);
            match successes.remove(&component).filter(is_earlier) {
                Some(dated) => coverage.earlier.push(dated.success),
                None => coverage.contents.push(YankedContent { component, content }),
            }
        }
        coverage
    }
}
