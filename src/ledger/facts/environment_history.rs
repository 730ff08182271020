//! Facts from the logs of environments: of the previous environments for a promotion, and of the
//! environment itself for a rollback.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::needs::{FactPlan, FactTarget};
use super::{FactGatherer, begins_period, describe_error, is_older};
use crate::domain::entry::{Action, Outcome, StoredEntry, Target, VerificationResult};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Content, Digest, EntryId};
use crate::domain::name::ComponentName;
use crate::domain::policy::{Policy, PromotionMatch};
use crate::domain::rules::{Fact, Facts, SKEW, has_listed_key};
use crate::domain::state::{Scope, State};
use crate::git::error::{Error, Result};

impl FactGatherer<'_> {
    /// Gathers each previous environment's log of each changed component, and its state.
    pub(super) fn gather_previous_environments(
        &self,
        policy: &Policy,
        plan: &FactPlan<'_>,
        facts: &mut Facts,
    ) {
        let Some((_, settings)) = &plan.environment else {
            return;
        };
        let changed = || plan.changes.iter().filter(|change| change.changes_content);
        for previous in &settings.promote_from {
            let Some(previous_settings) = policy.environment(previous) else {
                continue;
            };
            let env = EnvRef::new(previous, previous_settings);
            let tip = facts.tips.get(env.ledger()).copied();
            let names = changed().map(|change| change.component.clone()).collect();
            let state = self.read_previous_state(&env, tip, names);
            let state = state.map_err(|error| describe_error(&error));
            facts.previous_state.insert(previous.clone(), state);
            for change in changed() {
                let counts = policy.promotion_match(settings, &change.component);
                let log = self.read_previous_log(&env, tip, change, counts);
                let key = (previous.clone(), change.component.clone(), change.commit);
                facts.previous_log.insert(key, log);
            }
        }
    }

    /// Returns the entries of a component's history in a previous environment that can be about the
    /// commit of a change or, if runs of its content count, all of them: a run of the content can be
    /// older than the commit, and each one's authors count. Newest first.
    fn read_previous_log(
        &self,
        env: &EnvRef,
        tip: Option<EntryId>,
        change: &FactTarget,
        counts: PromotionMatch,
    ) -> Fact<Vec<Arc<StoredEntry>>> {
        let read = || {
            // No accepted entry about the commit is older than this.
            let since = self.code.commit(change.commit)?.time.minus(SKEW);
            let mut entries = Vec::new();
            let Some(tip) = tip else {
                return Ok(entries);
            };
            // At least the current period is read: a removal counts from its beginning.
            let mut has_deployment = false;
            for stored in self.history.component_entries(env, &change.component, tip) {
                let stored = stored?;
                if has_deployment && counts == PromotionMatch::Commit && is_older(&stored, since) {
                    break;
                }
                has_deployment |= begins_period(&stored, &change.component);
                entries.push(stored);
            }
            Ok(entries)
        };
        let entries = read().map_err(|error: Error| describe_error(&error))?;
        self.check_tags_of(env.ledger(), &change.component, &entries)?;
        Ok(entries)
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
        let tree = self.load_tip(env.ledger(), Some(tip))?.tree;
        let scope = if env.member().is_some() {
            Scope::All
        } else {
            Scope::Components(components)
        };
        self.states.load(tree, env.ledger(), &scope)
    }

    /// Gathers, for each component of a rollback, the last run of the content that it goes back to.
    /// There is none if the commit never ran here. If every such run was signed with a removed key,
    /// gathers the newest of these, for the rule to refuse it.
    pub(super) fn gather_earlier_runs(
        &self,
        policy: &Policy,
        plan: &FactPlan<'_>,
        facts: &mut Facts,
    ) {
        let (Some((env, _)), Some(chain)) = (&plan.environment, &facts.chain) else {
            return;
        };
        let mut searches = Vec::new();
        for change in plan.changes.iter().filter(|it| it.changes_content) {
            let component = change.component.clone();
            match facts.contents.get(&(change.commit, component.clone())) {
                Some(Ok(Some(content))) => {
                    searches.push(RollbackSearch {
                        component,
                        commit: change.commit,
                        content: *content,
                        digests: change.digests.clone(),
                        other_build: None,
                        verification: None,
                        success: None,
                        is_commit_seen: false,
                        is_removed: false,
                        untrusted: None,
                    });
                }
                Some(Ok(None)) => drop(facts.earlier_runs.insert(component, Ok(Vec::new()))),
                Some(Err(why)) => drop(facts.earlier_runs.insert(component, Err(why.clone()))),
                None => {}
            }
        }
        let tip = (chain.sequence > 0).then_some(chain.tip);
        for search in searches {
            let component = search.component.clone();
            let entries = tip.map_or(Ok(Vec::new()), |tip| {
                self.read_earlier_run(policy, env, tip, search)
                    .map_err(|error| describe_error(&error))
            });
            facts.earlier_runs.insert(component, entries);
        }
    }

    /// Returns the last success of the content of a rollback and the newest verification of it, if
    /// its commit ran here. Otherwise returns the newest run that was signed with a removed key, if
    /// there is one.
    fn read_earlier_run(
        &self,
        policy: &Policy,
        env: &EnvRef,
        tip: EntryId,
        mut search: RollbackSearch,
    ) -> Result<Vec<Arc<StoredEntry>>> {
        for stored in self.history.component_entries(env, &search.component, tip) {
            search.add_entry(policy, &stored?);
            if search.success.is_some() || search.is_removed {
                break;
            }
        }
        search.use_other_build();
        if search.success.is_some() && !search.is_commit_seen {
            self.find_runs_of_commit(policy, env, tip, &mut search)?;
        }
        Ok(match search.success.filter(|_| search.is_commit_seen) {
            Some(success) => search.verification.into_iter().chain([success]).collect(),
            None => search.untrusted.into_iter().collect(),
        })
    }

    /// Looks for a run of the search's commit in an environment, with any component.
    fn find_runs_of_commit(
        &self,
        policy: &Policy,
        env: &EnvRef,
        tip: EntryId,
        search: &mut RollbackSearch,
    ) -> Result<()> {
        let commit = search.commit;
        // No accepted entry about the commit is older than this.
        let since = self.code.commit(commit)?.time.minus(SKEW);
        for walked in self.history.walk(tip) {
            let walked = walked?;
            if walked.at() < since {
                break;
            }
            if !env.matches(&walked.trailers) || !walked.trailers.commits.contains(&commit) {
                continue;
            }
            search.add_run_of_commit(policy, &self.history.entry(env.ledger(), walked.id)?);
            if search.is_commit_seen {
                break;
            }
        }
        Ok(())
    }
}

/// Returns whether an entry states that a commit ran, with any component.
fn has_success_of(stored: &StoredEntry, commit: CommitId) -> bool {
    let results = stored.statement.component_results();
    let mut of_commit = results.iter().filter(|it| it.target.commit == commit);
    of_commit.any(|it| it.outcome == Outcome::Succeeded)
}

/// A search of a component's own history for the last run of the content of a rollback.
struct RollbackSearch {
    component: ComponentName,
    commit: CommitId,
    content: Content,
    /// The digests of the artifacts that the entry names; empty if it names none.
    digests: BTreeSet<Digest>,
    /// The newest success of the content with other artifacts.
    other_build: Option<OtherBuild>,
    /// The newest verification of the run period that the walk has reached.
    verification: Option<Arc<StoredEntry>>,
    /// The newest success of the content with the named artifacts.
    success: Option<Arc<StoredEntry>>,
    /// Whether the commit ran here, with this component or another. A commit that never ran here can
    /// contain, in addition to this content, code that no rule has judged.
    is_commit_seen: bool,
    /// Whether the component was removed. Older runs are no release to go back to.
    is_removed: bool,
    /// The newest run of the content or the commit that was signed with a removed key.
    untrusted: Option<Arc<StoredEntry>>,
}

/// A success of the searched content with other artifacts than the entry names.
struct OtherBuild {
    success: Arc<StoredEntry>,
    /// The newest verification of that run.
    verification: Option<Arc<StoredEntry>>,
}

impl RollbackSearch {
    /// Returns whether a run of the content had the artifacts that the entry names.
    fn has_named_artifacts(&self, target: &Target) -> bool {
        self.digests.is_empty() || self.digests == target.digests()
    }

    /// Uses the newest success with other artifacts if there is none with the named ones, so that
    /// the rules can report what ran.
    fn use_other_build(&mut self) {
        if self.success.is_none()
            && let Some(other) = self.other_build.take()
        {
            self.success = Some(other.success);
            self.verification = other.verification;
        }
    }

    /// Records whether an entry states that the commit ran.
    fn add_run_of_commit(&mut self, policy: &Policy, stored: &Arc<StoredEntry>) {
        if !has_success_of(stored, self.commit) {
            return;
        }
        if has_listed_key(policy, stored) {
            self.is_commit_seen = true;
        } else {
            self.untrusted.get_or_insert_with(|| Arc::clone(stored));
        }
    }

    /// Reads the next older entry of the component's history.
    fn add_entry(&mut self, policy: &Policy, stored: &Arc<StoredEntry>) {
        let is_trusted = has_listed_key(policy, stored);
        self.add_run_of_commit(policy, stored);
        // A failed verification counts even if its key was removed.
        if let Action::Verification(it) = &stored.statement.action
            && (is_trusted || it.verification == VerificationResult::Failed)
        {
            self.verification.get_or_insert_with(|| Arc::clone(stored));
        }
        let Some(result) = stored.statement.component_result(&self.component) else {
            return;
        };
        match result.outcome {
            Outcome::Succeeded if result.target.content == Some(self.content) => {
                if is_trusted && self.has_named_artifacts(&result.target) {
                    self.success = Some(Arc::clone(stored));
                } else if is_trusted {
                    let verification = self.verification.take();
                    self.other_build.get_or_insert_with(|| OtherBuild {
                        success: Arc::clone(stored),
                        verification,
                    });
                } else {
                    self.untrusted.get_or_insert_with(|| Arc::clone(stored));
                    // This period does not count, but its failed verification also counts against
                    // an older period of the same content.
                    self.verification.take_if(|it| !is_failed_verification(it));
                }
            }
            // The verifications after this entry were of other content.
            Outcome::Succeeded => self.verification = None,
            Outcome::Destroyed => self.is_removed = true,
            _ => {}
        }
    }
}

/// Returns whether an entry reports a failed verification.
fn is_failed_verification(stored: &StoredEntry) -> bool {
    matches!(&stored.statement.action, Action::Verification(it)
        if it.verification == VerificationResult::Failed)
}
