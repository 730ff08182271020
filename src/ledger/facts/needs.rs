//! Plans which facts are gathered for a request: those about its changes, and those that its rules
//! declare as needed.
//!
//! A lock, for example, needs no walk over history. If a fact is missing, a rule answers "cannot
//! tell". A mistake in this module can therefore block a deployment, but never allow one.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::{Deployment, DeploymentKind, VersionTag};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Content, Digest};
use crate::domain::name::ComponentName;
use crate::domain::policy::{Environment, Policy};
use crate::domain::rules::{Fact, FactNeed, Request, RequestContext, RequestKind, fact_needs};
use crate::domain::state::{EnvState, State};

/// A component that the request moves, or would move, to a commit.
#[derive(Debug, Clone)]
pub(super) struct FactTarget {
    /// The component.
    pub component: ComponentName,
    /// Its new commit.
    pub commit: CommitId,
    /// Its running commit; `None` if it does not run.
    pub from: Option<CommitId>,
    /// The tag that the entry names as the source of its version.
    pub tag: Option<VersionTag>,
    /// The digests of the artifacts that the entry names.
    pub digests: BTreeSet<Digest>,
    /// Whether its content changes, or may change.
    pub changes_content: bool,
}

/// The facts to gather for a request.
pub(super) struct FactPlan<'a> {
    /// The environment and its settings.
    pub environment: Option<(EnvRef, &'a Environment)>,
    /// The components that the request changes, or that a branch would change.
    pub changes: Vec<FactTarget>,
    /// The commits that the request is about: attestations and yanks of these count.
    pub subjects: BTreeSet<CommitId>,
    /// The commits whose date is needed: the subjects, and the running commits.
    pub commits: BTreeSet<CommitId>,
    /// The digests of the artifacts that the request names.
    pub digests: BTreeSet<Digest>,
    /// The branch's tip that the entry names.
    pub stated_tip: Option<CommitId>,
    /// Whether the request is an update of a branch or tag.
    is_ref: bool,
    kind: RequestKind,
    needs: BTreeSet<FactNeed>,
}

impl<'a> FactPlan<'a> {
    /// Plans the facts for a request before which the ledger has `state`.
    pub fn new(policy: &'a Policy, request: &'a Request<'a>, state: &Fact<State>) -> Self {
        let context = RequestContext::new(policy, *request);
        let needs = fact_needs(&context);
        let mut plan = Self {
            environment: context
                .environment_name
                .zip(context.environment)
                .map(|(name, settings)| (EnvRef::new(&name, settings), settings)),
            changes: Vec::new(),
            subjects: BTreeSet::new(),
            commits: BTreeSet::new(),
            digests: BTreeSet::new(),
            stated_tip: None,
            is_ref: context.statement.is_none(),
            kind: context.kind,
            needs,
        };
        match *request {
            Request::Entry { statement, .. } => {
                plan.subjects = statement.commits().into_iter().collect();
                if let Some(deployment) = statement.deployment() {
                    plan.add_deployment(deployment);
                }
            }
            Request::Branch { old, new, .. } => {
                plan.commits.extend(old);
                plan.subjects.extend(new);
                if let Some(new) = new {
                    plan.add_all_components(policy, new, state);
                }
            }
            Request::Tag { new, .. } => plan.subjects.extend(new),
        }
        plan.commits.extend(&plan.subjects);
        plan
    }

    /// Returns whether a rule of the request needs these facts.
    pub fn needs(&self, need: &FactNeed) -> bool {
        self.needs.contains(need)
    }

    /// Returns the components at commits whose contents are needed: the changing ones at their
    /// running and new commits, and those that rules need.
    pub fn contents(&self) -> BTreeSet<(CommitId, ComponentName)> {
        let changes = self.changes.iter().flat_map(|change| {
            let commits = [Some(change.commit), change.from].into_iter().flatten();
            commits.map(|commit| (commit, change.component.clone()))
        });
        let needed = self.needs.iter().filter_map(|need| match need {
            FactNeed::Content(commit, component) => Some((*commit, component.clone())),
            _ => None,
        });
        changes.chain(needed).collect()
    }

    /// Returns the components at commits whose content at the first parent is needed.
    pub fn parent_contents(&self) -> Vec<(CommitId, ComponentName)> {
        let needed = self.needs.iter().filter_map(|need| match need {
            FactNeed::ParentContent(commit, component) => Some((*commit, component.clone())),
            _ => None,
        });
        needed.collect()
    }

    /// Returns the pairs of commits for which a rule needs to know whether the first contains the
    /// second.
    pub fn containments(&self) -> Vec<(CommitId, CommitId)> {
        let pairs = self.needs.iter().filter_map(|need| match need {
            FactNeed::Containment(commit, base) => Some((*commit, *base)),
            _ => None,
        });
        pairs.collect()
    }

    /// Keeps only the facts that are needed to build a deployment, before its rules are evaluated.
    ///
    /// The entry of a hotfix names the branch's tip as well, although no rule of a hotfix reads it.
    pub fn keep_needs_to_build(&mut self) {
        self.needs.retain(|need| {
            matches!(
                need,
                FactNeed::BranchTip
                    | FactNeed::Versions
                    | FactNeed::EarlierRuns
                    | FactNeed::Evidence
            )
        });
        if self.kind == RequestKind::Hotfix {
            self.needs.insert(FactNeed::BranchTip);
        }
    }

    /// Keeps only the facts that decide whether an approval can count, before it is written.
    pub fn keep_needs_to_approve(&mut self) {
        self.needs
            .retain(|need| matches!(need, FactNeed::Authors | FactNeed::PreviousLog));
    }

    /// Returns the environment's part of its ledger's state.
    pub fn environment_state<'s>(&'s self, state: &'s State) -> EnvState<'s> {
        match &self.environment {
            Some((env, _)) => env.state_in(state),
            None => state.environment(None),
        }
    }

    fn add_deployment(&mut self, deployment: &Deployment) {
        for change in &deployment.components {
            self.commits.extend(change.from);
            let digests = change.target.digests();
            self.digests.extend(digests.iter().cloned());
            self.changes.push(FactTarget {
                component: change.target.component.clone(),
                commit: change.target.commit,
                from: change.from,
                tag: change.target.tag.clone(),
                digests,
                changes_content: deployment.kind != DeploymentKind::Exec,
            });
        }
        self.stated_tip = deployment.branch_tip;
    }

    /// Adds the changes that a deployment of the new commit of a branch would make.
    fn add_all_components(&mut self, policy: &Policy, new: CommitId, state: &Fact<State>) {
        // A running component may no longer be in the policy.
        let mut components = policy.component_names();
        if let Ok(state) = state {
            components.extend(
                self.environment_state(state)
                    .components()
                    .into_keys()
                    .cloned(),
            );
        }
        for component in components {
            let from = state
                .as_ref()
                .ok()
                .and_then(|state| self.environment_state(state).commit(&component));
            // Once the contents are known, `mark_unchanged` decides whether it changes.
            self.changes.push(FactTarget {
                component,
                commit: new,
                from,
                tag: None,
                digests: BTreeSet::new(),
                changes_content: true,
            });
        }
    }

    /// Marks those components of a branch as unchanged that have the running content. Does
    /// nothing for an entry.
    pub fn mark_unchanged(
        &mut self,
        state: &State,
        contents: &BTreeMap<(CommitId, ComponentName), Fact<Option<Content>>>,
    ) {
        if !self.is_ref {
            return;
        }
        let mut changes = std::mem::take(&mut self.changes);
        let env_state = self.environment_state(state);
        for change in &mut changes {
            let component = &change.component;
            let content = contents.get(&(change.commit, component.clone()));
            let is_same = content == Some(&Ok(env_state.content(component)));
            change.changes_content = !is_same || env_state.unknown_since(component).is_some();
        }
        self.changes = changes;
    }
}
