//! Facts from the logs of environments: of the previous one for a promotion, and of the same one for a rollback.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::needs::FactPlan;
use super::{FactGatherer, describe_error};
use crate::domain::entry::{Action, Outcome, StoredEntry};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Content, EntryId};
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::rules::{Facts, SKEW};
use crate::domain::state::{Scope, State};
use crate::domain::time::Time;
use crate::git::error::Result;

/// What is looked for in the previous environment's log, for one component.
struct PromotionSearch {
    component: ComponentName,
    commit: CommitId,
    /// Older entries matter only if the commit rode along.
    since: Time,
    /// Whether the commit rode along and the success that deployed its content has not been met yet.
    rode_along: bool,
    done: bool,
    found: Vec<Arc<StoredEntry>>,
}

impl PromotionSearch {
    fn add_entry(&mut self, stored: &Arc<StoredEntry>) {
        if let Some(ended) = stored.statement.component_result(&self.component) {
            match ended.outcome {
                Outcome::Unchanged if ended.target.commit == self.commit => self.rode_along = true,
                Outcome::Succeeded | Outcome::Destroyed => self.rode_along = false,
                _ => {}
            }
        }
        self.found.push(Arc::clone(stored));
    }
}

impl FactGatherer<'_> {
    /// Gathers the previous environment's log of each changed component, and its state.
    pub(super) fn gather_previous_environment(
        &self,
        policy: &Policy,
        plan: &FactPlan<'_>,
        facts: &mut Facts,
    ) {
        let Some((_, rules)) = &plan.environment else {
            return;
        };
        let Some(before) = &rules.promote_from else {
            return;
        };
        let Some(there) = policy.environment(before) else {
            return;
        };
        let env = EnvRef::new(before, there);
        let mut wanted = Vec::new();
        for it in plan.changes.iter().filter(|it| it.changed) {
            match self.code.commit(it.commit) {
                Ok((_, time)) => wanted.push(PromotionSearch {
                    component: it.component.clone(),
                    commit: it.commit,
                    since: time.minus(SKEW),
                    rode_along: false,
                    done: false,
                    found: Vec::new(),
                }),
                Err(error) => drop(facts.previous_log.insert(
                    (it.component.clone(), it.commit),
                    Err(describe_error(&error)),
                )),
            }
        }
        let tip = facts.tips.get(env.ledger()).copied();
        let walked = tip.map_or(Ok(()), |tip| self.walk_previous_log(&env, tip, &mut wanted));
        let names = wanted.iter().map(|it| it.component.clone()).collect();
        facts.previous_state = Some(
            self.read_previous_state(&env, tip, names)
                .map_err(|error| describe_error(&error)),
        );
        for it in wanted {
            // What was found to its end before the walk broke off holds.
            let known = match &walked {
                Err(error) if !it.done => Err(describe_error(error)),
                _ => Ok(it.found),
            };
            facts.previous_log.insert((it.component, it.commit), known);
        }
    }

    /// Walks the log once for all components.
    fn walk_previous_log(
        &self,
        env: &EnvRef,
        tip: EntryId,
        wanted: &mut [PromotionSearch],
    ) -> Result<()> {
        for passed in self.history.walk(tip) {
            let passed = passed?;
            for it in wanted.iter_mut() {
                it.done |= passed.at() < it.since && !it.rode_along;
            }
            if wanted.iter().all(|it| it.done) {
                break;
            }
            let speaks = |component: &ComponentName| {
                env.matches(&passed.mention)
                    && passed
                        .mention
                        .components
                        .iter()
                        .any(|it| it == component.as_str())
            };
            let mut concerned = wanted
                .iter_mut()
                .filter(|it| !it.done && speaks(&it.component))
                .peekable();
            if concerned.peek().is_some() {
                let stored = self.history.entry(env.ledger(), passed.id)?;
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

    /// Gathers for a rollback when the wanted contents last ran here. A content whose commit was
    /// never here has no earlier run.
    pub(super) fn gather_earlier_runs(&self, plan: &FactPlan<'_>, facts: &mut Facts) {
        let (Some((env, _)), Some(chain)) = (&plan.environment, &facts.chain) else {
            return;
        };
        let mut stays = Vec::new();
        for it in plan.changes.iter().filter(|it| it.changed) {
            let component = it.component.clone();
            match facts.contents.get(&(it.commit, component.clone())) {
                Some(Ok(Some(content))) => {
                    let (commit, content) = (it.commit, *content);
                    stays.push(RollbackSearch {
                        component,
                        commit,
                        content,
                        verification: None,
                        success: None,
                        commit_seen: false,
                    });
                }
                Some(Ok(None)) => drop(facts.earlier_runs.insert(component, Ok(Vec::new()))),
                Some(Err(why)) => drop(facts.earlier_runs.insert(component, Err(why.clone()))),
                None => {}
            }
        }
        let walked = if chain.sequence == 0 {
            Ok(())
        } else {
            self.walk_earlier_runs(env, chain.tip, &mut stays)
        };
        for it in stays {
            let known = match (it.success, &walked) {
                (Some(success), _) if it.commit_seen => {
                    Ok(it.verification.into_iter().chain([success]).collect())
                }
                (_, Ok(())) => Ok(Vec::new()),
                (_, Err(error)) => Err(describe_error(error)),
            };
            facts.earlier_runs.insert(it.component, known);
        }
    }

    fn walk_earlier_runs(
        &self,
        env: &EnvRef,
        tip: EntryId,
        stays: &mut [RollbackSearch],
    ) -> Result<()> {
        for passed in self.history.walk(tip) {
            if stays.iter().all(RollbackSearch::is_done) {
                break;
            }
            let passed = passed?;
            let speaks = |it: &RollbackSearch| {
                let component = passed
                    .mention
                    .components
                    .iter()
                    .any(|name| name == it.component.as_str());
                env.matches(&passed.mention)
                    && (component || passed.mention.commits.contains(&it.commit))
            };
            let mut open = stays
                .iter_mut()
                .filter(|it| !it.is_done() && speaks(it))
                .peekable();
            if open.peek().is_some() {
                let stored = self.history.entry(env.ledger(), passed.id)?;
                open.for_each(|it| it.add_entry(&stored));
            }
        }
        Ok(())
    }
}

/// What is looked for in the environment's own log for a rollback: the last time that a content ran.
struct RollbackSearch {
    component: ComponentName,
    commit: CommitId,
    content: Content,
    /// The newest verification of the run period that the walk is in.
    verification: Option<Arc<StoredEntry>>,
    success: Option<Arc<StoredEntry>>,
    /// Whether its commit ran here, with this component or another. A commit that never did can contain anything besides this
    /// content that no rule has judged.
    commit_seen: bool,
}

impl RollbackSearch {
    fn is_done(&self) -> bool {
        self.success.is_some() && self.commit_seen
    }

    fn add_entry(&mut self, stored: &Arc<StoredEntry>) {
        let ended = stored.statement.component_results();
        self.commit_seen |= ended.iter().any(|ended| {
            ended.target.commit == self.commit
                && matches!(ended.outcome, Outcome::Succeeded | Outcome::Unchanged)
        });
        if self.success.is_some() {
            return;
        }
        if let Action::Verification(it) = &stored.statement.action
            && it
                .components
                .iter()
                .any(|checked| checked.component == self.component)
        {
            self.verification.get_or_insert_with(|| Arc::clone(stored));
        }
        for ended in ended
            .iter()
            .filter(|ended| ended.target.component == self.component)
        {
            match ended.outcome {
                Outcome::Succeeded if ended.target.content == Some(self.content) => {
                    self.success = Some(Arc::clone(stored));
                }
                // Later verifications were of this other content, or of nothing.
                Outcome::Succeeded | Outcome::Destroyed => self.verification = None,
                _ => {}
            }
        }
    }
}
