//! Determines which contents the yank of a commit covers.
//!
//! These are the contents that the commit brought: each component in which it differs from its first
//! parent. Content that succeeded somewhere before the commit was first deployed is not its fault,
//! for example the content that a revert goes back to. A success with a commit that contains the
//! yanked one is no such exception: it deployed what the commit brought.

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
    /// The ledger that says so.
    pub ledger: LedgerName,
}

/// The contents that a commit brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct YankCoverage {
    /// Those that its yank covers, in order.
    pub contents: Vec<YankedContent>,
    /// For each of the others, a success before the commit was first deployed.
    pub earlier: Vec<EarlierSuccess>,
}

/// What the ledgers say about a commit and the contents that it brought.
#[derive(Default)]
struct Search {
    /// When the commit was first deployed.
    first_deployed: Option<Time>,
    /// The oldest success of each content with a commit that does not contain the yanked one.
    successes: BTreeMap<ComponentName, (Time, EarlierSuccess)>,
}

/// Determines which contents the yank of a commit covers.
///
/// Looks through the ledgers of all environments, for a person who writes a yank. Entries that
/// cannot be read, or are beyond the limit of a walk, make no exception: the content is covered.
pub fn find_coverage(
    repository: &Repository,
    gatherer: &FactGatherer<'_>,
    policy: &Policy,
    tips: &Tips,
    commit: CommitId,
) -> Result<YankCoverage> {
    let mut brought = BTreeMap::new();
    for component in policy.component_names() {
        let Some(content) = gatherer.content(policy, commit, &component)? else {
            continue;
        };
        if gatherer.parent_content(policy, commit, &component)? != Some(content) {
            brought.insert(component, content);
        }
    }
    let mut search = Search::default();
    // If the commits cannot be compared, there is no exception.
    let contains_yanked =
        |other: CommitId| repository.is_ancestor(commit.0, other.0).unwrap_or(true);
    for ledger in policy.ledgers() {
        if let Some(tip) = tips.get(&ledger).filter(|_| !brought.is_empty()) {
            for walked in gatherer.history().walk(*tip) {
                let Ok(walked) = walked else { break };
                let trailers = &walked.trailers;
                let is_about = trailers.history_role() != HistoryRole::None
                    && (trailers.commits.contains(&commit)
                        || trailers
                            .components
                            .iter()
                            .any(|it| brought.contains_key(&**it)));
                if is_about && let Ok(stored) = gatherer.history().entry(&ledger, walked.id) {
                    search.add_entry(&stored, &ledger, commit, &brought, &contains_yanked);
                }
            }
        }
    }
    Ok(search.into_coverage(brought))
}

impl Search {
    fn add_entry(
        &mut self,
        stored: &StoredEntry,
        ledger: &LedgerName,
        commit: CommitId,
        brought: &BTreeMap<ComponentName, Content>,
        contains_yanked: &dyn Fn(CommitId) -> bool,
    ) {
        let statement = &stored.statement;
        if statement.commits().contains(&commit) {
            let earliest = self
                .first_deployed
                .map_or(statement.at, |it| it.min(statement.at));
            self.first_deployed = Some(earliest);
        }
        for result in statement.component_results() {
            let target = &result.target;
            let is_same = target.content.is_some()
                && target.content == brought.get(&target.component).copied();
            if !is_same || result.outcome != Outcome::Succeeded || contains_yanked(target.commit) {
                continue;
            }
            let success = EarlierSuccess {
                component: target.component.clone(),
                commit: target.commit,
                ledger: ledger.clone(),
            };
            let oldest = self.successes.entry(target.component.clone());
            let oldest = oldest.or_insert_with(|| (statement.at, success.clone()));
            if statement.at < oldest.0 {
                *oldest = (statement.at, success);
            }
        }
    }

    fn into_coverage(self, brought: BTreeMap<ComponentName, Content>) -> YankCoverage {
        let mut coverage = YankCoverage::default();
        let mut successes = self.successes;
        for (component, content) in brought {
            let before = |(at, _): &(Time, EarlierSuccess)| {
                self.first_deployed.is_none_or(|first| *at < first)
            };
            match successes.remove(&component).filter(before) {
                Some((_, success)) => coverage.earlier.push(success),
                None => coverage.contents.push(YankedContent { component, content }),
            }
        }
        coverage
    }
}
