//! Facts from the ledger `evidence`: entries about the request's commits, artifacts of their contents, and yanks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::needs::FactPlan;
use super::{FactGatherer, describe_error};
use crate::domain::entry::{Action, Statement, StoredEntry};
use crate::domain::id::{CommitId, Content, Digest, EntryId};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::rules::{Fact, Facts, Request, SKEW};
use crate::domain::state::{SlotKey, State};
use crate::domain::time::Time;
use crate::git::error::Result;

/// What is looked for.
struct EvidenceSearch {
    commits: BTreeSet<CommitId>,
    /// The contents whose artifacts count, whatever commit they were built from, and whether one was found.
    contents: BTreeMap<(ComponentName, Content), bool>,
    /// Whether the walk goes on past the commits' time until each content's artifact is found.
    to_artifacts: bool,
    since: Time,
}

impl FactGatherer<'_> {
    /// Returns the entries about the request's commits, and the artifacts of its components'
    /// contents, newest first.
    pub(super) fn read_evidence(
        &self,
        plan: &FactPlan<'_>,
        request: &Request<'_>,
        facts: &Facts,
    ) -> Fact<Vec<(EntryId, Arc<StoredEntry>)>> {
        let own = |statement: &Statement| statement.ledger.is_evidence();
        let tip = match (request, &facts.chain) {
            (Request::Entry { statement, .. }, Some(chain)) if own(statement) => {
                (chain.sequence > 0).then_some(chain.tip)
            }
            _ => facts.tips.get(&LedgerName::evidence()).copied(),
        };
        let Some(tip) = tip else {
            return Ok(Vec::new());
        };
        // Of a commit that is gone, the entry's own time is all there is.
        let at = if let Request::Entry { statement, .. } = request {
            statement.at
        } else {
            Time::EPOCH
        };
        let mut wanted = EvidenceSearch::new(plan, facts, at)?;
        self.walk_evidence(tip, &mut wanted)
            .map_err(|error| describe_error(&error))
    }

    fn walk_evidence(
        &self,
        tip: EntryId,
        wanted: &mut EvidenceSearch,
    ) -> Result<Vec<(EntryId, Arc<StoredEntry>)>> {
        let ledger = LedgerName::evidence();
        let mut found = Vec::new();
        for passed in self.history.walk(tip) {
            let passed = passed?;
            if passed.at() < wanted.since && !wanted.lacks_artifacts() {
                break;
            }
            let about = passed
                .mention
                .commits
                .iter()
                .any(|commit| wanted.commits.contains(commit));
            if !about && passed.mention.action != "artifact" {
                continue;
            }
            let is_content = passed
                .mention
                .content
                .as_ref()
                .and_then(|text| text.parse().ok())
                .map(Content);
            let built = wanted.contents.keys().any(|(component, content)| {
                is_content == Some(*content)
                    && passed
                        .mention
                        .components
                        .iter()
                        .any(|it| it == component.as_str())
            });
            if about || built {
                let stored = self.history.entry(&ledger, passed.id)?;
                self.note_artifact(&stored, wanted);
                found.push((passed.id, stored));
            }
        }
        Ok(found)
    }

    /// Notes that an artifact was found for a content, and extends the walk to its commit: another
    /// digest for the same commit is not older than that.
    fn note_artifact(&self, stored: &StoredEntry, wanted: &mut EvidenceSearch) {
        let Action::Artifact(it) = &stored.statement.action else {
            return;
        };
        let Some(found) = wanted.contents.get_mut(&(it.component.clone(), it.content)) else {
            return;
        };
        *found = true;
        // Its commit may be gone, as those of a squashed branch are; then its own time is all there is.
        let time = self
            .code
            .commit(it.commit)
            .map_or(stored.statement.at, |(_, time)| time);
        wanted.since = wanted.since.min(time.minus(SKEW));
    }

    /// Returns the open yanks of the commits, of the digests that the request names, and of the
    /// digests found for its components.
    pub(super) fn read_yanks(&self, plan: &FactPlan<'_>, facts: &Facts) -> Fact<State> {
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
                        .any(|moved| moved.component == it.component))
            {
                digests.insert(it.image.digest.clone());
            }
        }
        for stay in facts.earlier_runs.values() {
            for stored in stay.clone()? {
                let ended = stored.statement.component_results();
                digests.extend(
                    ended
                        .into_iter()
                        .flat_map(|it| it.target.artifacts)
                        .map(|image| image.digest),
                );
            }
        }
        let commits = plan.subjects.iter().copied().map(SlotKey::YankedCommit);
        let places = commits.chain(digests.into_iter().map(SlotKey::YankedDigest));
        let load = || {
            self.states
                .load_slots(self.chain(&ledger, Some(*tip))?.1, &ledger, places)
        };
        load().map_err(|error| describe_error(&error))
    }
}

impl EvidenceSearch {
    fn new(plan: &FactPlan<'_>, facts: &Facts, at: Time) -> Fact<Self> {
        let mut since: Option<Time> = None;
        for commit in &plan.subjects {
            let time = match facts
                .commits
                .get(commit)
                .ok_or("a commit's time was not read")?
            {
                Err(_) if facts.missing_commits.contains(commit) => at,
                known => known.clone()?.time,
            };
            since = Some(since.map_or(time, |other| other.min(time)));
        }
        let mut contents = BTreeMap::new();
        for it in plan.changes.iter().filter(|it| it.changed) {
            if let Some(content) = facts.contents.get(&(it.commit, it.component.clone())) {
                contents.extend(
                    content
                        .clone()?
                        .map(|content| ((it.component.clone(), content), false)),
                );
            }
        }
        let required = plan
            .environment
            .as_ref()
            .is_some_and(|(_, rules)| rules.artifact_required);
        Ok(Self {
            commits: plan.subjects.clone(),
            contents,
            to_artifacts: required || !plan.digests.is_empty(),
            since: since.unwrap_or(Time::EPOCH).minus(SKEW),
        })
    }

    fn lacks_artifacts(&self) -> bool {
        self.to_artifacts && self.contents.values().any(|found| !found)
    }
}
