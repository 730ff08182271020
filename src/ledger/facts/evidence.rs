//! What the ledger `evidence` says of the request's commits and of what was built from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::needs::Ask;
use super::{Gatherer, words};
use crate::domain::entry::{Action, Kept, Statement};
use crate::domain::id::{CommitId, Content, Digest, EntryId};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::rules::{Facts, Known, Request, SKEW};
use crate::domain::state::{Place, State};
use crate::domain::time::Time;
use crate::git::error::Result;

/// What is looked for.
struct Wanted {
    commits: BTreeSet<CommitId>,
    /// The contents whose artifacts count, whatever commit they were built from; true once one was found.
    contents: BTreeMap<(ComponentName, Content), bool>,
    /// Whether the walk goes on, past the commits' time, until each content's artifact was found.
    to_artifacts: bool,
    since: Time,
}

impl Gatherer<'_> {
    /// The entries about the request's commits, and the artifacts of its components' contents, newest first.
    pub(super) fn evidence(
        &self,
        ask: &Ask<'_>,
        request: &Request<'_>,
        facts: &Facts,
    ) -> Known<Vec<(EntryId, Arc<Kept>)>> {
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
        let mut wanted = Wanted::new(ask, facts, at)?;
        self.walk_evidence(tip, &mut wanted)
            .map_err(|error| words(&error))
    }

    fn walk_evidence(
        &self,
        tip: EntryId,
        wanted: &mut Wanted,
    ) -> Result<Vec<(EntryId, Arc<Kept>)>> {
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
                let kept = self.history.entry(&ledger, passed.id)?;
                self.met(&kept, wanted);
                found.push((passed.id, kept));
            }
        }
        Ok(found)
    }

    /// Another digest for the same commit stands no earlier than that commit, so the walk goes that far.
    fn met(&self, kept: &Kept, wanted: &mut Wanted) {
        let Action::Artifact(it) = &kept.statement.action else {
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
            .map_or(kept.statement.at, |(_, time)| time);
        wanted.since = wanted.since.min(time.minus(SKEW));
    }

    /// The open yanks of the commits, of the digests that the request names, and of those that were found for its components.
    pub(super) fn yanks(&self, ask: &Ask<'_>, facts: &Facts) -> Known<State> {
        let ledger = LedgerName::evidence();
        let Some(tip) = facts.tips.get(&ledger) else {
            return Ok(State::empty());
        };
        let mut digests: BTreeSet<Digest> = ask.digests.clone();
        for kept in facts.evidence.clone().transpose()?.into_iter().flatten() {
            if let Action::Artifact(it) = &kept.statement.action
                && (ask.moves.is_empty()
                    || ask
                        .moves
                        .iter()
                        .any(|moved| moved.component == it.component))
            {
                digests.insert(it.image.digest.clone());
            }
        }
        for stay in facts.earlier.values() {
            for kept in stay.clone()? {
                let ended = kept.statement.ended();
                digests.extend(
                    ended
                        .into_iter()
                        .flat_map(|it| it.target.artifacts)
                        .map(|image| image.digest),
                );
            }
        }
        let commits = ask.subjects.iter().copied().map(Place::YankedCommit);
        let places = commits.chain(digests.into_iter().map(Place::YankedDigest));
        let load = || {
            self.states
                .load_slots(self.chain(&ledger, Some(*tip))?.1, &ledger, places)
        };
        load().map_err(|error| words(&error))
    }
}

impl Wanted {
    fn new(ask: &Ask<'_>, facts: &Facts, at: Time) -> Known<Self> {
        let mut since: Option<Time> = None;
        for commit in &ask.subjects {
            let time = match facts
                .commits
                .get(commit)
                .ok_or("a commit's time was not read")?
            {
                Err(_) if facts.gone.contains(commit) => at,
                known => known.clone()?.time,
            };
            since = Some(since.map_or(time, |other| other.min(time)));
        }
        let mut contents = BTreeMap::new();
        for it in ask.moves.iter().filter(|it| it.changed) {
            if let Some(content) = facts.contents.get(&(it.commit, it.component.clone())) {
                contents.extend(
                    content
                        .clone()?
                        .map(|content| ((it.component.clone(), content), false)),
                );
            }
        }
        let required = ask
            .place
            .as_ref()
            .is_some_and(|(_, rules)| rules.artifact_required);
        Ok(Self {
            commits: ask.subjects.clone(),
            contents,
            to_artifacts: required || !ask.digests.is_empty(),
            since: since.unwrap_or(Time::EPOCH).minus(SKEW),
        })
    }

    fn lacks_artifacts(&self) -> bool {
        self.to_artifacts && self.contents.values().any(|found| !found)
    }
}
