//! Facts from the logs of environments: of the previous one for a promotion, and of the same one
//! for a rollback.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::needs::{FactPlan, PlannedChange};
use super::{FactGatherer, describe_error};
use crate::domain::entry::{Action, Outcome, StoredEntry};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Content, EntryId};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::{Environment, Policy, PromotionMatch};
use crate::domain::rules::{Facts, SKEW};
use crate::domain::state::{Scope, State};
use crate::domain::time::Time;
use crate::git::error::Result;

/// The search of the previous environment's log for one component.
struct PromotionSearch {
    component: ComponentName,
    commit: CommitId,
    /// The time of the oldest entry that can be about the commit.
    since: Time,
    /// The content, if its runs at other commits count, until the newest success with it is found.
    /// Such a run can be older than the commit.
    awaited_content: Option<Content>,
    is_done: bool,
    entries: Vec<Arc<StoredEntry>>,
}

impl PromotionSearch {
    fn add_entry(&mut self, stored: &Arc<StoredEntry>) {
        if let Some(result) = stored.statement.component_result(&self.component)
            && result.outcome == Outcome::Succeeded
            && result.target.content == self.awaited_content
        {
            self.awaited_content = None;
        }
        self.entries.push(Arc::clone(stored));
    }
}

/// Returns the content of a change, if its runs at other commits count for a promotion.
fn counted_content(
    policy: &Policy,
    rules: &Environment,
    change: &PlannedChange,
    facts: &Facts,
) -> Option<Content> {
    if policy.promotion_match(rules, &change.component) == PromotionMatch::Commit {
        return None;
    }
    let key = (change.commit, change.component.clone());
    facts.contents.get(&key)?.clone().ok().flatten()
}

impl FactGatherer<'_> {
    /// Gathers each previous environment's log of each changed component, and its state.
    pub(super) fn gather_previous_environments(
        &self,
        policy: &Policy,
        plan: &FactPlan<'_>,
        facts: &mut Facts,
    ) {
        let Some((_, rules)) = &plan.environment else {
            return;
        };
        for previous in &rules.promote_from {
            self.gather_previous_environment(policy, plan, previous, facts);
        }
    }

    fn gather_previous_environment(
        &self,
        policy: &Policy,
        plan: &FactPlan<'_>,
        previous: &EnvName,
        facts: &mut Facts,
    ) {
        let Some((_, rules)) = &plan.environment else {
            return;
        };
        let Some(previous_rules) = policy.environment(previous) else {
            return;
        };
        let env = EnvRef::new(previous, previous_rules);
        let mut searches = Vec::new();
        for it in plan.changes.iter().filter(|it| it.is_changed) {
            match self.code.commit(it.commit) {
                Ok((_, time)) => searches.push(PromotionSearch {
                    component: it.component.clone(),
                    commit: it.commit,
                    since: time.minus(SKEW),
                    awaited_content: counted_content(policy, rules, it, facts),
                    is_done: false,
                    entries: Vec::new(),
                }),
                Err(error) => drop(facts.previous_log.insert(
                    (previous.clone(), it.component.clone(), it.commit),
                    Err(describe_error(&error)),
                )),
            }
        }
        let tip = facts.tips.get(env.ledger()).copied();
        let walk_result = tip.map_or(Ok(()), |tip| {
            self.walk_previous_log(&env, tip, &mut searches)
        });
        let names = searches.iter().map(|it| it.component.clone()).collect();
        let state = self.read_previous_state(&env, tip, names);
        let state = state.map_err(|error| describe_error(&error));
        facts.previous_state.insert(previous.clone(), state);
        for it in searches {
            // A search that was done before the walk failed is complete.
            let log = match &walk_result {
                Err(error) if !it.is_done => Err(describe_error(error)),
                _ => self
                    .check_tags_of(env.ledger(), &it.component, &it.entries)
                    .map(|()| it.entries),
            };
            let key = (previous.clone(), it.component, it.commit);
            facts.previous_log.insert(key, log);
        }
    }

    /// Walks the log once for all components.
    fn walk_previous_log(
        &self,
        env: &EnvRef,
        tip: EntryId,
        searches: &mut [PromotionSearch],
    ) -> Result<()> {
        for walked in self.history.walk(tip) {
            let walked = walked?;
            for it in searches.iter_mut() {
                it.is_done |= walked.at() < it.since && it.awaited_content.is_none();
            }
            if searches.iter().all(|it| it.is_done) {
                break;
            }
            let is_mentioned = |component: &ComponentName| {
                env.matches(&walked.trailers)
                    && walked
                        .trailers
                        .components
                        .iter()
                        .any(|it| it == component.as_str())
            };
            let mut concerned = searches
                .iter_mut()
                .filter(|it| !it.is_done && is_mentioned(&it.component))
                .peekable();
            if concerned.peek().is_some() {
                let stored = self.history.entry(env.ledger(), walked.id)?;
                concerned.for_each(|it| it.add_entry(&stored));
            }
        }
        Ok(())
    }

    fn read_previous_state(
        &self,
        env: &EnvRef,
        tip: Option<EntryId>,
        components: BTreeSet<ComponentName>,
    ) -> Result<State> {
        let Some(tip) = tip else {
            return Ok(State::empty());
        };
        let (_, tree) = self.chain(env.ledger(), Some(tip))?;
        let scope = if env.member().is_some() {
            Scope::All
        } else {
            Scope::Components(components)
        };
        self.states.load(tree, env.ledger(), &scope)
    }

    /// Gathers, for each component of a rollback, the last run of the content that it goes back to.
    /// There is none if the commit never ran here.
    pub(super) fn gather_earlier_runs(&self, plan: &FactPlan<'_>, facts: &mut Facts) {
        let (Some((env, _)), Some(chain)) = (&plan.environment, &facts.chain) else {
            return;
        };
        let mut searches = Vec::new();
        for it in plan.changes.iter().filter(|it| it.is_changed) {
            let component = it.component.clone();
            match facts.contents.get(&(it.commit, component.clone())) {
                Some(Ok(Some(content))) => {
                    let (commit, content) = (it.commit, *content);
                    searches.push(RollbackSearch {
                        component,
                        commit,
                        content,
                        verification: None,
                        success: None,
                        is_commit_seen: false,
                    });
                }
                Some(Ok(None)) => drop(facts.earlier_runs.insert(component, Ok(Vec::new()))),
                Some(Err(why)) => drop(facts.earlier_runs.insert(component, Err(why.clone()))),
                None => {}
            }
        }
        let walk_result = if chain.sequence == 0 {
            Ok(())
        } else {
            self.walk_earlier_runs(env, chain.tip, &mut searches)
        };
        for it in searches {
            let entries = match (it.success, &walk_result) {
                (Some(success), _) if it.is_commit_seen => {
                    Ok(it.verification.into_iter().chain([success]).collect())
                }
                (_, Ok(())) => Ok(Vec::new()),
                (_, Err(error)) => Err(describe_error(error)),
            };
            facts.earlier_runs.insert(it.component, entries);
        }
    }

    fn walk_earlier_runs(
        &self,
        env: &EnvRef,
        tip: EntryId,
        searches: &mut [RollbackSearch],
    ) -> Result<()> {
        for walked in self.history.walk(tip) {
            if searches.iter().all(RollbackSearch::is_done) {
                break;
            }
            let walked = walked?;
            let is_mentioned = |it: &RollbackSearch| {
                let names_component = walked
                    .trailers
                    .components
                    .iter()
                    .any(|name| name == it.component.as_str());
                env.matches(&walked.trailers)
                    && (names_component || walked.trailers.commits.contains(&it.commit))
            };
            let mut unfinished = searches
                .iter_mut()
                .filter(|it| !it.is_done() && is_mentioned(it))
                .peekable();
            if unfinished.peek().is_some() {
                let stored = self.history.entry(env.ledger(), walked.id)?;
                unfinished.for_each(|it| it.add_entry(&stored));
            }
        }
        Ok(())
    }
}

/// A search of the environment's own log for the last run of the content of a rollback.
struct RollbackSearch {
    component: ComponentName,
    commit: CommitId,
    content: Content,
    /// The newest verification of the run period that the walk is in.
    verification: Option<Arc<StoredEntry>>,
    success: Option<Arc<StoredEntry>>,
    /// Whether its commit ran here, with this component or another. A commit that never ran here
    /// can contain, in addition to this content, code that no rule has judged.
    is_commit_seen: bool,
}

impl RollbackSearch {
    fn is_done(&self) -> bool {
        self.success.is_some() && self.is_commit_seen
    }

    fn add_entry(&mut self, stored: &Arc<StoredEntry>) {
        let results = stored.statement.component_results();
        self.is_commit_seen |= results.iter().any(|result| {
            result.target.commit == self.commit && result.outcome == Outcome::Succeeded
        });
        if self.success.is_some() {
            return;
        }
        if let Action::Verification(it) = &stored.statement.action
            && it
                .components
                .iter()
                .any(|verified| verified.component == self.component)
        {
            self.verification.get_or_insert_with(|| Arc::clone(stored));
        }
        for result in results
            .iter()
            .filter(|result| result.target.component == self.component)
        {
            match result.outcome {
                Outcome::Succeeded if result.target.content == Some(self.content) => {
                    self.success = Some(Arc::clone(stored));
                }
                // The later verifications were of other content, or of none.
                Outcome::Succeeded | Outcome::Destroyed => self.verification = None,
                _ => {}
            }
        }
    }
}
