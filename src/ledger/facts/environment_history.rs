//! What environments have lived through: the one before, for a promotion, and the own one, for a rollback.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::history::Passed;
use super::needs::Ask;
use super::{Gatherer, words};
use crate::domain::entry::{Action, Outcome, StoredEntry};
use crate::domain::id::{CommitId, Content, EntryId};
use crate::domain::name::{ComponentName, EnvName, LedgerName};
use crate::domain::policy::{Environment, Policy};
use crate::domain::rules::{Facts, SKEW};
use crate::domain::state::{Scope, State};
use crate::domain::time::Time;
use crate::git::error::Result;

/// One environment in its ledger.
struct Stage<'p> {
    ledger: &'p LedgerName,
    /// The environment, where the ledger is a pattern's.
    member: Option<&'p EnvName>,
}

impl<'p> Stage<'p> {
    fn new(name: &'p EnvName, rules: &'p Environment) -> Self {
        Self {
            ledger: &rules.ledger,
            member: rules.ephemeral.map(|_| name),
        }
    }

    /// Whether a ledger commit is of this environment.
    fn has(&self, passed: &Passed) -> bool {
        self.member
            .is_none_or(|member| passed.mention.environment.as_deref() == Some(member.as_str()))
    }
}

/// What is looked for in the environment before.
struct Wanted {
    component: ComponentName,
    commit: CommitId,
    /// Older entries matter only where the commit rode along.
    since: Time,
    /// The commit rode along, and the success that put its content there has not been met yet.
    rode: bool,
    done: bool,
    found: Vec<Arc<StoredEntry>>,
}

impl Wanted {
    fn meet(&mut self, kept: &Arc<StoredEntry>) {
        if let Some(ended) = kept.statement.component_result(&self.component) {
            match ended.outcome {
                Outcome::Unchanged if ended.target.commit == self.commit => self.rode = true,
                Outcome::Succeeded | Outcome::Destroyed => self.rode = false,
                _ => {}
            }
        }
        self.found.push(Arc::clone(kept));
    }
}

impl Gatherer<'_> {
    /// What the environment before says of each changed component, and its state.
    pub(super) fn source(&self, policy: &Policy, ask: &Ask<'_>, facts: &mut Facts) {
        let Some((_, rules)) = &ask.place else { return };
        let Some(before) = &rules.promote_from else {
            return;
        };
        let Some(there) = policy.environment(before) else {
            return;
        };
        let stage = Stage::new(before, there);
        let mut wanted = Vec::new();
        for it in ask.moves.iter().filter(|it| it.changed) {
            match self.code.commit(it.commit) {
                Ok((_, time)) => wanted.push(Wanted {
                    component: it.component.clone(),
                    commit: it.commit,
                    since: time.minus(SKEW),
                    rode: false,
                    done: false,
                    found: Vec::new(),
                }),
                Err(error) => drop(
                    facts
                        .source
                        .insert((it.component.clone(), it.commit), Err(words(&error))),
                ),
            }
        }
        let tip = facts.tips.get(stage.ledger).copied();
        let walked = tip.map_or(Ok(()), |tip| self.walk_source(&stage, tip, &mut wanted));
        let names = wanted.iter().map(|it| it.component.clone()).collect();
        facts.source_state = Some(
            self.source_state(&stage, tip, names)
                .map_err(|error| words(&error)),
        );
        for it in wanted {
            // What was found to its end before the walk broke off holds.
            let known = match &walked {
                Err(error) if !it.done => Err(words(error)),
                _ => Ok(it.found),
            };
            facts.source.insert((it.component, it.commit), known);
        }
    }

    /// One walk for all.
    fn walk_source(&self, stage: &Stage<'_>, tip: EntryId, wanted: &mut [Wanted]) -> Result<()> {
        for passed in self.history.walk(tip) {
            let passed = passed?;
            for it in wanted.iter_mut() {
                it.done |= passed.at() < it.since && !it.rode;
            }
            if wanted.iter().all(|it| it.done) {
                break;
            }
            let speaks = |component: &ComponentName| {
                stage.has(&passed)
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
                let kept = self.history.entry(stage.ledger, passed.id)?;
                concerned.for_each(|it| it.meet(&kept));
            }
        }
        Ok(())
    }

    fn source_state(
        &self,
        stage: &Stage<'_>,
        tip: Option<EntryId>,
        components: BTreeSet<ComponentName>,
    ) -> Result<State> {
        let Some(tip) = tip else {
            return Ok(State::empty());
        };
        let (_, tree) = self.chain(stage.ledger, Some(tip))?;
        let scope = if stage.member.is_some() {
            Scope::All
        } else {
            Scope::Components(components)
        };
        self.states.load(tree, stage.ledger, &scope)
    }

    /// For a rollback: when the wanted contents ran here last; of a commit that never came here, never.
    pub(super) fn earlier(&self, ask: &Ask<'_>, facts: &mut Facts) {
        let (Some((name, rules)), Some(chain)) = (&ask.place, &facts.chain) else {
            return;
        };
        let stage = Stage::new(name, rules);
        let mut stays = Vec::new();
        for it in ask.moves.iter().filter(|it| it.changed) {
            let component = it.component.clone();
            match facts.contents.get(&(it.commit, component.clone())) {
                Some(Ok(Some(content))) => {
                    let (commit, content) = (it.commit, *content);
                    stays.push(Stay {
                        component,
                        commit,
                        content,
                        verification: None,
                        success: None,
                        came: false,
                    });
                }
                Some(Ok(None)) => drop(facts.earlier.insert(component, Ok(Vec::new()))),
                Some(Err(why)) => drop(facts.earlier.insert(component, Err(why.clone()))),
                None => {}
            }
        }
        let walked = if chain.sequence == 0 {
            Ok(())
        } else {
            self.walk_stays(&stage, chain.tip, &mut stays)
        };
        for it in stays {
            let known = match (it.success, &walked) {
                (Some(success), _) if it.came => {
                    Ok(it.verification.into_iter().chain([success]).collect())
                }
                (_, Ok(())) => Ok(Vec::new()),
                (_, Err(error)) => Err(words(error)),
            };
            facts.earlier.insert(it.component, known);
        }
    }

    fn walk_stays(&self, stage: &Stage<'_>, tip: EntryId, stays: &mut [Stay]) -> Result<()> {
        for passed in self.history.walk(tip) {
            if stays.iter().all(Stay::is_done) {
                break;
            }
            let passed = passed?;
            let speaks = |it: &Stay| {
                let component = passed
                    .mention
                    .components
                    .iter()
                    .any(|name| name == it.component.as_str());
                stage.has(&passed) && (component || passed.mention.commits.contains(&it.commit))
            };
            let mut open = stays
                .iter_mut()
                .filter(|it| !it.is_done() && speaks(it))
                .peekable();
            if open.peek().is_some() {
                let kept = self.history.entry(stage.ledger, passed.id)?;
                open.for_each(|it| it.meet(&kept));
            }
        }
        Ok(())
    }
}

/// The last time that a content ran.
struct Stay {
    component: ComponentName,
    commit: CommitId,
    content: Content,
    /// The newest verification of the stay that the walk is in.
    verification: Option<Arc<StoredEntry>>,
    success: Option<Arc<StoredEntry>>,
    /// Whether its commit came here, with this component or another. One that never did can hold anything beside this content, and no
    /// rule has seen it.
    came: bool,
}

impl Stay {
    fn is_done(&self) -> bool {
        self.success.is_some() && self.came
    }

    fn meet(&mut self, kept: &Arc<StoredEntry>) {
        let ended = kept.statement.component_results();
        self.came |= ended.iter().any(|ended| {
            ended.target.commit == self.commit
                && matches!(ended.outcome, Outcome::Succeeded | Outcome::Unchanged)
        });
        if self.success.is_some() {
            return;
        }
        if let Action::Verification(it) = &kept.statement.action
            && it
                .components
                .iter()
                .any(|checked| checked.component == self.component)
        {
            self.verification.get_or_insert_with(|| Arc::clone(kept));
        }
        for ended in ended
            .iter()
            .filter(|ended| ended.target.component == self.component)
        {
            match ended.outcome {
                Outcome::Succeeded if ended.target.content == Some(self.content) => {
                    self.success = Some(Arc::clone(kept));
                }
                // Later verifications were of this other content, or of nothing.
                Outcome::Succeeded | Outcome::Destroyed => self.verification = None,
                _ => {}
            }
        }
    }
}
