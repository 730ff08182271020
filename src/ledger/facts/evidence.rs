//! Facts from the ledger `evidence`: entries about the request's commits, artifacts of their
//! contents, and yanks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::commit_facts::list_earlier_commits;
use super::needs::FactPlan;
use super::{FactGatherer, describe_error};
use crate::domain::entry::{Action, Statement, StoredEntry};
use crate::domain::id::{Algorithm, CommitId, Content, Digest, EntryId};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::rules::{Fact, Facts, Request, SKEW};
use crate::domain::state::{SlotKey, State};
use crate::domain::time::Time;
use crate::git::error::Result;

/// A search of the ledger `evidence`.
struct EvidenceSearch {
    commits: BTreeSet<CommitId>,
    /// The contents whose artifacts count, even if they were built from another commit. The value is
    /// whether an artifact of the content was found.
    contents: BTreeMap<(ComponentName, Content), bool>,
    /// Whether the walk continues beyond `since` until an artifact of each content is found.
    needs_artifacts: bool,
    /// The time of the oldest entry that is needed.
    since: Time,
}

impl FactGatherer<'_> {
    /// Returns the entries about the request's commits, and the artifacts of its components'
    /// contents, newest first.
    pub(super) fn read_evidence(
        &self,
        policy: &Policy,
        plan: &FactPlan<'_>,
        request: &Request<'_>,
        facts: &Facts,
    ) -> Fact<Vec<Arc<StoredEntry>>> {
        let is_evidence = |statement: &Statement| statement.ledger.is_evidence();
        let tip = match (request, &facts.chain) {
            (Request::Entry { statement, .. }, Some(chain)) if is_evidence(statement) => {
                (chain.sequence > 0).then_some(chain.tip)
            }
            _ => facts.tips.get(&LedgerName::evidence()).copied(),
        };
        let Some(tip) = tip else {
            return Ok(Vec::new());
        };
        // For a commit that no longer exists, the entry's own time is used.
        let at = if let Request::Entry { statement, .. } = request {
            statement.at
        } else {
            Time::EPOCH
        };
        let mut search = EvidenceSearch::new(policy, plan, facts, at)?;
        search.needs_artifacts |= self
            .has_yanked_digests(tip)
            .map_err(|error| describe_error(&error))?;
        self.walk_evidence(tip, &mut search)
            .map_err(|error| describe_error(&error))
    }

    /// Returns whether the yank of a digest is open. The artifact of any content may then be yanked,
    /// even if it was registered long before the deployed commit was made.
    fn has_yanked_digests(&self, tip: EntryId) -> Result<bool> {
        let tree = self.load_tip(&LedgerName::evidence(), Some(tip))?.tree;
        for algorithm in Algorithm::ALL {
            let folder = format!("yanked/{}", algorithm.name());
            if self.repository.item_at(tree, &folder)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn walk_evidence(
        &self,
        tip: EntryId,
        search: &mut EvidenceSearch,
    ) -> Result<Vec<Arc<StoredEntry>>> {
        let ledger = LedgerName::evidence();
        let mut entries = Vec::new();
        for walked in self.history.walk(tip) {
            let walked = walked?;
            if walked.at() < search.since && !search.lacks_artifacts() {
                break;
            }
            let is_about_commits = walked
                .trailers
                .commits
                .iter()
                .any(|commit| search.commits.contains(commit));
            if !is_about_commits && walked.trailers.action != "artifact" {
                continue;
            }
            let mentioned_content = walked
                .trailers
                .content
                .as_ref()
                .and_then(|text| text.parse().ok())
                .map(Content);
            let is_artifact_of_contents = search.contents.keys().any(|(component, content)| {
                mentioned_content == Some(*content)
                    && walked
                        .trailers
                        .components
                        .iter()
                        .any(|it| it == component.as_str())
            });
            if is_about_commits || is_artifact_of_contents {
                let stored = self.history.entry(&ledger, walked.id)?;
                self.record_artifact(&stored, search);
                entries.push(stored);
            }
        }
        Ok(entries)
    }

    /// Records that an artifact of some content was found, and extends the walk to the time of the
    /// artifact's commit: another digest for the same commit cannot be registered earlier.
    fn record_artifact(&self, stored: &StoredEntry, search: &mut EvidenceSearch) {
        let Action::Artifact(artifact) = &stored.statement.action else {
            return;
        };
        let key = (artifact.component.clone(), artifact.content);
        let Some(is_found) = search.contents.get_mut(&key) else {
            return;
        };
        *is_found = true;
        // The artifact's commit may no longer exist, for example after a squash. Then the entry's
        // own time is used.
        let time = self
            .code
            .commit(artifact.commit)
            .map_or(stored.statement.at, |commit| commit.time);
        search.since = search.since.min(time.minus(SKEW));
    }

    /// Returns the open yanks of the commits, of the contents, of the digests that the request names,
    /// and of the digests found for its components.
    pub(super) fn read_yanks(
        &self,
        policy: &Policy,
        plan: &FactPlan<'_>,
        facts: &Facts,
    ) -> Fact<State> {
        let ledger = LedgerName::evidence();
        let Some(tip) = facts.tips.get(&ledger) else {
            return Ok(State::empty());
        };
        let mut digests: BTreeSet<Digest> = plan.digests.clone();
        for stored in facts.evidence.clone().transpose()?.into_iter().flatten() {
            if let Action::Artifact(it) = &stored.statement.action
                && (plan.changes.is_empty()
                    || plan
                        .changes
                        .iter()
                        .flat_map(|change| policy.names_of(&change.component))
                        .any(|name| *name == it.component))
            {
                digests.insert(it.image.digest.clone());
            }
        }
        for entries in facts.earlier_runs.values() {
            for stored in entries.clone()? {
                let results = stored.statement.component_results();
                digests.extend(
                    results
                        .into_iter()
                        .flat_map(|it| it.target.artifacts)
                        .map(|image| image.digest),
                );
            }
        }
        let earlier = plan
            .changes
            .iter()
            .flat_map(|change| list_earlier_commits(change, facts));
        let commits = plan.subjects.iter().copied().chain(earlier);
        let keys = commits
            .map(SlotKey::YankedCommit)
            .chain(digests.into_iter().map(SlotKey::YankedDigest));
        let contents = facts
            .contents
            .iter()
            .filter_map(|((_, component), content)| {
                Some((component, content.as_ref().ok().copied().flatten()?))
            })
            .flat_map(|(component, content)| {
                let names = policy.names_of(component).cloned();
                names.map(move |name| (name, content))
            });
        let contents: BTreeSet<(ComponentName, Content)> = contents.collect();
        let load = || {
            let tree = self.load_tip(&ledger, Some(*tip))?.tree;
            self.states.load_yanks(tree, &ledger, keys, contents)
        };
        load().map_err(|error| describe_error(&error))
    }
}

impl EvidenceSearch {
    fn new(policy: &Policy, plan: &FactPlan<'_>, facts: &Facts, at: Time) -> Fact<Self> {
        let mut since: Option<Time> = None;
        for commit in &plan.subjects {
            let time = match facts
                .commits
                .get(commit)
                .ok_or("a commit's time was not read")?
            {
                Err(_) if facts.missing_commits.contains(commit) => at,
                fact => fact.clone()?.time,
            };
            since = Some(since.map_or(time, |other| other.min(time)));
        }
        let mut contents = BTreeMap::new();
        for change in plan.changes.iter().filter(|it| it.changes_content) {
            let component = &change.component;
            if let Some(content) = facts.contents.get(&(change.commit, component.clone())) {
                let Some(content) = content.clone()? else {
                    continue;
                };
                for name in policy.names_of(component) {
                    // An artifact under a former name counts, and none has to be found.
                    let is_found = name != component;
                    contents.insert((name.clone(), content), is_found);
                }
            }
        }
        let required = plan
            .environment
            .as_ref()
            .is_some_and(|(_, settings)| settings.artifact_required);
        Ok(Self {
            commits: plan.subjects.clone(),
            contents,
            needs_artifacts: required || !plan.digests.is_empty(),
            since: since.unwrap_or(Time::EPOCH).minus(SKEW),
        })
    }

    fn lacks_artifacts(&self) -> bool {
        self.needs_artifacts && self.contents.values().any(|is_found| !is_found)
    }
}
