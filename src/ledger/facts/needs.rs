//! What the rules will ask, worked out from policy and request, so that a lock costs no walk over history.
//!
//! This follows the action table of the gates. What is left out here makes a rule that asks for it answer "cannot tell", so a
//! mistake costs a deployment and never lets one through.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::{Action, Deployment, DeploymentKind, Intent};
use crate::domain::id::{CommitId, Content, Digest};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::{DeployOn, Environment, HotfixSkip, Policy, PredicateType};
use crate::domain::rules::{Known, Request};
use crate::domain::state::{EnvState, State};

/// A group of facts that some rule needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// The tip of the environment's branch, and how the commits lie to it.
    Branch,
    /// Whether the commits contain what runs.
    Direction,
    /// What the environment before says.
    Source,
    /// Attestations, builds and artifacts.
    Evidence,
    /// Open yanks.
    Yanks,
    /// Who signed the approvals.
    Approvals,
    /// Who wrote what is newly brought in.
    Authors,
    /// The versions.
    Versions,
    /// What ran here before.
    Earlier,
}

/// One component that the request brings, or would bring, to a commit.
#[derive(Debug, Clone)]
pub(super) struct Move {
    pub component: ComponentName,
    pub commit: CommitId,
    /// What runs.
    pub from: Option<CommitId>,
    /// Whether the content is, or may be, another one than what runs.
    pub changed: bool,
}

/// What has to be gathered.
pub(super) struct Ask<'a> {
    /// The environment by name, and its rules.
    pub place: Option<(EnvName, &'a Environment)>,
    pub moves: Vec<Move>,
    /// Components at commits of which the content is needed, besides those of the moves.
    pub contents: Vec<(CommitId, ComponentName)>,
    /// The commits that the request is about: who vouches for them, and whether they are yanked.
    pub subjects: BTreeSet<CommitId>,
    /// The commits of which the time is needed: these, and those that run.
    pub commits: BTreeSet<CommitId>,
    /// Digests that the request names.
    pub digests: BTreeSet<Digest>,
    /// The branch's tip that the entry names.
    pub named_tip: Option<CommitId>,
    /// Of a branch or tag: where it goes, and where it was.
    pub step: Option<(CommitId, Option<CommitId>)>,
    needs: BTreeSet<Need>,
}

impl<'a> Ask<'a> {
    pub fn new(policy: &'a Policy, request: &Request<'_>, state: &Known<State>) -> Self {
        let mut ask = Self {
            place: None,
            moves: Vec::new(),
            contents: Vec::new(),
            subjects: BTreeSet::new(),
            commits: BTreeSet::new(),
            digests: BTreeSet::new(),
            named_tip: None,
            step: None,
            needs: BTreeSet::new(),
        };
        match request {
            Request::Entry { statement, .. } => {
                ask.place = statement
                    .environment()
                    .and_then(|name| ask.rules(policy, name));
                ask.subjects = statement.commits().into_iter().collect();
                ask.entry(&statement.action, statement.deployment());
            }
            Request::Branch {
                environment,
                old,
                new,
                ..
            } => {
                ask.place = ask.rules(policy, (*environment).clone());
                ask.moved(policy, *old, *new, state, true);
            }
            Request::Tag {
                environment,
                old,
                new,
                ..
            } => {
                ask.place = ask.rules(policy, (*environment).clone());
                ask.moved(policy, *old, *new, state, false);
            }
        }
        ask.commits.extend(&ask.subjects);
        ask
    }

    pub fn needs(&self, need: Need) -> bool {
        self.needs.contains(&need)
    }

    /// Leaves only these needs.
    pub fn only(&mut self, needs: &[Need]) {
        self.needs.retain(|need| needs.contains(need));
    }

    /// The environment's part of its ledger's state.
    pub fn here<'s>(&'s self, state: &'s State) -> EnvState<'s> {
        let member = self
            .place
            .as_ref()
            .filter(|(_, rules)| rules.ephemeral.is_some());
        state.environment(member.map(|(name, _)| name))
    }

    #[allow(clippy::unused_self)] // It ties the lifetime of the rules to that of the policy.
    fn rules(&self, policy: &'a Policy, name: EnvName) -> Option<(EnvName, &'a Environment)> {
        // A promotion tag is of a pattern as a whole.
        let rules = policy
            .environment(&name)
            .or_else(|| policy.patterns.get(&name))?;
        Some((name, rules))
    }

    fn entry(&mut self, action: &Action, deployment: Option<&Deployment>) {
        if let Some(deployment) = deployment {
            return self.deployment(deployment);
        }
        let claims = action.body().code_claims();
        self.contents.extend(claims.into_iter().filter_map(|claim| {
            let (commit, _) = claim.content?;
            Some((commit, claim.component.clone()))
        }));
        match action {
            Action::Finish(it) => {
                let there = it
                    .components
                    .iter()
                    .map(|ended| &ended.target)
                    .filter(|target| target.content.is_some());
                self.contents
                    .extend(there.map(|target| (target.commit, target.component.clone())));
            }
            // Another digest may be registered already.
            Action::Artifact(_) => drop(self.needs.insert(Need::Evidence)),
            Action::Approve(_) => self.needs.extend([Need::Yanks, Need::Evidence]),
            _ => {}
        }
    }

    fn deployment(&mut self, deployment: &Deployment) {
        for change in &deployment.components {
            self.commits.extend(change.from);
            self.digests.extend(
                change
                    .target
                    .artifacts
                    .iter()
                    .map(|image| image.digest.clone()),
            );
            self.moves.push(Move {
                component: change.target.component.clone(),
                commit: change.target.commit,
                from: change.from,
                changed: change.intent != Intent::Unchanged,
            });
        }
        self.named_tip = deployment.branch_tip;
        // Where the entry keeps silent about its artifacts, those that are registered may be yanked; what rides along is always silent.
        let mut put = deployment
            .components
            .iter()
            .filter(|change| change.intent != Intent::Destroy);
        let silent = put.any(|change| change.target.artifacts.is_empty());
        match deployment.kind {
            _ if deployment.break_glass.is_some() => self.yanks(true),
            DeploymentKind::Deploy | DeploymentKind::Hotfix => self.every_rule(deployment.kind),
            DeploymentKind::Rollback => {
                self.yanks(silent);
                self.needs.insert(Need::Earlier);
            }
            DeploymentKind::Destroy | DeploymentKind::Exec => self.approvals(),
        }
    }

    fn yanks(&mut self, with_evidence: bool) {
        self.needs.insert(Need::Yanks);
        self.needs.extend(with_evidence.then_some(Need::Evidence));
    }

    /// All that a deployment faces.
    fn every_rule(&mut self, kind: DeploymentKind) {
        self.needs.extend([Need::Yanks, Need::Evidence]);
        self.approvals();
        let Some((_, rules)) = &self.place else {
            return;
        };
        if rules.branch.is_some() {
            self.needs.extend([Need::Branch, Need::Direction]);
        }
        if rules.version.is_some() {
            self.needs.insert(Need::Versions);
        }
        let skip = rules
            .hotfix
            .as_ref()
            .filter(|_| kind == DeploymentKind::Hotfix)
            .map(|hotfix| &hotfix.skip);
        let skipped = |rule| skip.is_some_and(|skip| skip.contains(&rule));
        if rules.promote_from.is_some()
            && !(skipped(HotfixSkip::PromoteFrom) && skipped(HotfixSkip::Soak))
        {
            self.needs.insert(Need::Source);
        }
        if kind == DeploymentKind::Hotfix {
            self.needs.insert(Need::Direction);
        }
    }

    fn approvals(&mut self) {
        let Some((_, rules)) = &self.place else {
            return;
        };
        let review = rules
            .checks
            .iter()
            .any(|check| check.predicate_type == PredicateType::change_review());
        if !rules.approvals.is_empty() {
            self.needs.insert(Need::Approvals);
        }
        if review || rules.approvals.iter().any(|seat| seat.prevent_self) {
            self.needs.insert(Need::Authors);
        }
    }

    /// A branch or a tag goes to a commit: what it would mean to deploy that.
    fn moved(
        &mut self,
        policy: &Policy,
        old: Option<CommitId>,
        new: Option<CommitId>,
        state: &Known<State>,
        is_branch: bool,
    ) {
        self.commits.extend(old);
        self.subjects.extend(new);
        let Some(new) = new else { return };
        self.step = Some((new, old));
        // What runs may be of a component that the policy no longer knows.
        let mut components = policy.component_names();
        if let Ok(state) = state {
            components.extend(self.here(state).components().into_keys().cloned());
        }
        for component in components {
            self.contents
                .extend(old.map(|old| (old, component.clone())));
            let from = state
                .as_ref()
                .ok()
                .and_then(|state| self.here(state).commit(&component));
            // Whether it changes turns out once the contents are known.
            self.moves.push(Move {
                component,
                commit: new,
                from,
                changed: true,
            });
        }
        let merge = self
            .place
            .as_ref()
            .is_some_and(|(_, rules)| rules.deploy_on == DeployOn::Merge);
        if is_branch && merge {
            self.every_rule(DeploymentKind::Deploy);
        }
    }

    /// For a branch or tag: what has the content that runs, and is known to, does not change.
    pub fn leave_equal_ones(
        &mut self,
        state: &State,
        contents: &BTreeMap<(CommitId, ComponentName), Known<Option<Content>>>,
    ) {
        let mut moves = std::mem::take(&mut self.moves);
        let here = self.here(state);
        for it in &mut moves {
            let content = contents.get(&(it.commit, it.component.clone()));
            let same = content == Some(&Ok(here.content(&it.component)));
            it.changed = !same || here.unknown_since(&it.component).is_some();
        }
        self.moves = moves;
    }
}
