//! Works out what a deployment of a commit consists of: which components change, which are listed
//! as unchanged, and their versions and artifacts.
//!
//! The result is computed for every attempt, from the state that the new entry will follow. The
//! server computes it again and compares.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::{
    Action, ComponentChange, Deployment, DeploymentKind, Image, Intent, Start, Statement, Target,
};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Content, RunId};
use crate::domain::name::{ComponentName, Person};
use crate::domain::policy::{DeployOn, Environment, Policy};
use crate::domain::rules::{Fact, Facts, Request};
use crate::domain::state::{EnvState, Scope, State};
use crate::ledger::Tips;
use crate::ledger::writer::LedgerSnapshot;

/// The components that a deployment selects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selection {
    /// Components whose content differs change. The others are listed as unchanged.
    #[default]
    Changed,
    /// Components whose content differs, and components with a plan command that depend on one of
    /// those, unless they are blocked: locked, on hold, or part of another run. Blocked components
    /// are left for a later deployment. If all of them are blocked, all are kept, so that the rules
    /// can report why.
    Unblocked,
    /// The same components as [`Self::Free`], blocked or not.
    WithDependents,
    /// All components, as changes, whether they differ or not.
    All,
    /// These components, as changes, whether they differ or not. The others are left out.
    Named(BTreeSet<ComponentName>),
}

/// The deployment that is asked for.
#[derive(Debug, Clone)]
pub struct DeploymentSpec<'a> {
    /// The environment.
    pub env: &'a EnvRef,
    /// The environment's part of the policy.
    pub rules: &'a Environment,
    /// The commit of each component: one for all, or one per component.
    pub commits: Commits,
    /// The components to deploy.
    pub selection: Selection,
    /// The kind of deployment.
    pub kind: DeploymentKind,
    /// Whether components that the commit no longer has are destroyed.
    pub destroy: bool,
    /// Versions given by hand, by component. They take precedence over the policy's.
    pub versions: BTreeMap<ComponentName, crate::domain::text::Line>,
}

/// The commits to deploy.
#[derive(Debug, Clone)]
pub enum Commits {
    /// One for all components.
    One(CommitId),
    /// One per component. Components that are not listed are left out.
    Each(BTreeMap<ComponentName, CommitId>),
}

impl Commits {
    /// Returns the commit to deploy for a component, or `None` if the component is left out.
    fn get(&self, component: &ComponentName) -> Option<CommitId> {
        match self {
            Self::One(commit) => Some(*commit),
            Self::Each(commits) => commits.get(component).copied(),
        }
    }
}

/// Why the content of a deployment could not be worked out.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The policy has no such component.
    #[error("the policy has no component {0}")]
    UnknownComponent(ComponentName),
    /// A component that was named is not in the commit.
    #[error("{component} has no file in {}", commit.short())]
    NotInCommit {
        /// The component.
        component: ComponentName,
        /// The commit.
        commit: CommitId,
    },
    /// There is no component to deploy.
    #[error("no component is in {0}: nothing can be deployed")]
    NoComponents(String),
    /// A required fact is missing.
    #[error("{0}")]
    MissingFact(String),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] crate::git::Error),
}

/// Works out the components of a deployment. The caller adds descriptions and other texts.
pub fn build_deployment(
    view: &LedgerSnapshot<'_>,
    policy: &Policy,
    wish: &DeploymentSpec<'_>,
) -> Result<Deployment, BuildError> {
    let scope = match &wish.selection {
        Selection::Named(names) => Scope::Components(names.clone()),
        _ => Scope::All,
    };
    // An environment pattern's ledger is read whole, because its environments are small.
    let scope = if wish.rules.is_pattern() || wish.destroy {
        Scope::All
    } else {
        scope
    };
    let state = view.load_state(wish.env.ledger(), &scope)?;
    let here = wish.env.state_in(&state);
    let in_policy = policy.component_names();
    let mut all = in_policy.clone();
    if wish.destroy {
        // A running component that left the policy is absent from every commit, so it is destroyed
        // together with those that the commit no longer has.
        all.extend(here.components().into_keys().cloned());
    }
    if let Selection::Named(wanted) = &wish.selection
        && let Some(unknown) = wanted.iter().find(|name| !all.contains(*name))
    {
        return Err(BuildError::UnknownComponent(unknown.clone()));
    }
    let mut components = Vec::new();
    for component in &all {
        let left_out =
            matches!(&wish.selection, Selection::Named(wanted) if !wanted.contains(component));
        let Some(commit) = wish.commits.get(component).filter(|_| !left_out) else {
            continue;
        };
        let content = if in_policy.contains(component) {
            let found = view.gatherer.content(policy, commit, component);
            found.map_err(|error| BuildError::MissingFact(error.to_string()))?
        } else {
            None
        };
        components.extend(build_change(here, wish, component, commit, content)?);
    }
    if matches!(
        wish.selection,
        Selection::Unblocked | Selection::WithDependents
    ) {
        include_dependents(here, policy, &mut components);
    }
    let components = remove_blocked(here, &wish.selection, components);
    if components.is_empty() {
        let commit = match &wish.commits {
            Commits::One(commit) => commit.short(),
            Commits::Each(_) => "the commits".to_owned(),
        };
        return Err(BuildError::NoComponents(commit));
    }
    let mut deployment = Deployment::new(wish.kind, components);
    let facts = gather_facts(view, policy, wish, &deployment, &state);
    // Both rules depend on where the commit lies relative to the branch, and an audit knows only
    // the tip that the entry names.
    if wish.rules.branch.is_some()
        && (wish.rules.up_to_date || wish.rules.deploy_on == DeployOn::Merge)
    {
        deployment.branch_tip = match &facts.branch_tip {
            Some(Ok(tip)) => *tip,
            Some(Err(why)) => return Err(BuildError::MissingFact(why.clone())),
            None => None,
        };
    }
    for change in deployment
        .components
        .iter_mut()
        .filter(|change| change.intent == Intent::Change)
    {
        add_version_and_artifacts(&mut change.target, wish, &facts)?;
    }
    Ok(deployment)
}

/// Returns what happens to one component, or `None` if the deployment does not include it.
fn build_change(
    here: EnvState<'_>,
    wish: &DeploymentSpec<'_>,
    component: &ComponentName,
    commit: CommitId,
    content: Option<Content>,
) -> Result<Option<ComponentChange>, BuildError> {
    let (from, running) = (here.commit(component), here.content(component));
    let named = matches!(wish.selection, Selection::Named(_));
    let intent = match (content, from) {
        (None, Some(_)) if wish.destroy => Intent::Destroy,
        (None, _) if named => {
            return Err(BuildError::NotInCommit {
                component: component.clone(),
                commit,
            });
        }
        (None, _) => return Ok(None),
        (Some(_), Some(_)) if named || wish.selection == Selection::All => Intent::Change,
        (Some(content), Some(_))
            if running == Some(content) && here.unknown_since(component).is_none() =>
        {
            Intent::Unchanged
        }
        (Some(_), _) => Intent::Change,
    };
    let target = Target {
        component: component.clone(),
        commit,
        content,
        version: None,
        artifacts: Vec::new(),
    };
    Ok(Some(ComponentChange {
        target,
        from,
        plan: None,
        intent,
    }))
}

/// Turns unchanged components into changes if a component that they depend on changes, or was
/// deployed after them: its outputs can change their plans though their own files are the same.
/// Only components with a plan command are affected.
fn include_dependents(here: EnvState<'_>, policy: &Policy, components: &mut [ComponentChange]) {
    let comes = |change: &&ComponentChange| change.intent == Intent::Change;
    let mut changed: BTreeSet<ComponentName> = components
        .iter()
        .filter(comes)
        .map(|change| change.target.component.clone())
        .collect();
    let since = |name: &ComponentName| here.live_entry(name).map(|kept| kept.statement.sequence);
    let depends = |name: &ComponentName, changed: &BTreeSet<ComponentName>| {
        let leans =
            |before: &ComponentName| changed.contains(before) || since(before) > since(name);
        policy
            .component(name)
            .is_some_and(|it| it.depends_on.iter().any(leans))
    };
    // Follow the dependencies one component at a time until no more are added.
    while let Some(next) = policy
        .components
        .keys()
        .find(|name| !changed.contains(*name) && depends(name, &changed))
        .cloned()
    {
        changed.insert(next);
    }
    let planned = |name: &ComponentName| policy.component(name).is_some_and(|it| it.plan.is_some());
    for change in components
        .iter_mut()
        .filter(|change| change.intent == Intent::Unchanged)
    {
        if changed.contains(&change.target.component) && planned(&change.target.component) {
            change.intent = Intent::Change;
        }
    }
}

/// Leaves out blocked components, so that a lock stops only what it locks. If that would leave no
/// change, the blocked changes are kept, and the rules report why they are refused.
fn remove_blocked(
    here: EnvState<'_>,
    selection: &Selection,
    components: Vec<ComponentChange>,
) -> Vec<ComponentChange> {
    let gives_way = |change: &ComponentChange| {
        change.intent == Intent::Unchanged || *selection == Selection::Unblocked
    };
    let stays =
        |change: &ComponentChange| !gives_way(change) || find_block_reason(here, change).is_none();
    let changes = |change: &&ComponentChange| change.intent != Intent::Unchanged;
    let wanted = components.iter().any(|change| changes(&change));
    let (free, stuck): (Vec<ComponentChange>, Vec<ComponentChange>) =
        components.iter().cloned().partition(stays);
    match (
        free.is_empty(),
        wanted && !free.iter().any(|change| changes(&change)),
    ) {
        (true, _) => stuck,
        (_, true) => components
            .into_iter()
            .filter(|change| changes(&change) || stays(change))
            .collect(),
        _ => free,
    }
}

/// Why a component is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockReason {
    /// It or its environment is locked.
    #[error("locked")]
    Locked,
    /// Its new content failed in this environment, or was rolled back.
    #[error("on hold")]
    OnHold,
    /// Another run is changing it.
    #[error("being deployed by run {0}")]
    BeingDeployed(u64),
}

/// Returns what blocks a component from becoming, or staying, what the change describes.
fn find_block_reason(here: EnvState<'_>, change: &ComponentChange) -> Option<BlockReason> {
    let component = &change.target.component;
    if let Some(run) = here.run_changing(component) {
        return Some(BlockReason::BeingDeployed(run.sequence));
    }
    if here.lock().is_some() || here.component_lock(component).is_some() {
        return Some(BlockReason::Locked);
    }
    let held = |content| here.hold(component, content).is_some();
    change
        .target
        .content
        .is_some_and(held)
        .then_some(BlockReason::OnHold)
}

/// Lists the running components that the commit no longer has. The list is empty if the deployment
/// destroys them.
pub fn list_removed_components(
    view: &LedgerSnapshot<'_>,
    policy: &Policy,
    wish: &DeploymentSpec<'_>,
) -> Result<Vec<ComponentName>, BuildError> {
    let state = view.load_state(wish.env.ledger(), &Scope::All)?;
    let in_policy = policy.component_names();
    let mut gone = Vec::new();
    for component in wish
        .env
        .state_in(&state)
        .components()
        .into_keys()
        .filter(|_| !wish.destroy)
    {
        let Some(commit) = wish.commits.get(component) else {
            continue;
        };
        let content = in_policy
            .contains(component)
            .then(|| view.gatherer.content(policy, commit, component));
        let content = content
            .transpose()
            .map_err(|error| BuildError::MissingFact(error.to_string()))?;
        if content.flatten().is_none() {
            gone.push(component.clone());
        }
    }
    Ok(gone)
}

/// Lists the components that differ but are left out of a deployment, with what blocks them.
pub fn list_blocked_components(
    view: &LedgerSnapshot<'_>,
    policy: &Policy,
    wish: &DeploymentSpec<'_>,
    deployment: &Deployment,
) -> Result<Vec<(ComponentName, BlockReason)>, BuildError> {
    let state = view.load_state(wish.env.ledger(), &Scope::All)?;
    let here = wish.env.state_in(&state);
    let there: BTreeSet<&ComponentName> = deployment
        .components
        .iter()
        .map(|change| &change.target.component)
        .collect();
    let mut out = Vec::new();
    for component in policy
        .component_names()
        .into_iter()
        .filter(|component| !there.contains(component))
    {
        let Some(commit) = wish.commits.get(&component) else {
            continue;
        };
        let content = view.gatherer.content(policy, commit, &component);
        let content = content.map_err(|error| BuildError::MissingFact(error.to_string()))?;
        let change = build_change(here, wish, &component, commit, content)?
            .filter(|it| it.intent != Intent::Unchanged);
        let stuck = change.and_then(|change| find_block_reason(here, &change));
        out.extend(stuck.map(|stuck| (component, stuck)));
    }
    Ok(out)
}

/// Gathers the facts about the deployment before its versions and artifacts are known.
fn gather_facts(
    view: &LedgerSnapshot<'_>,
    policy: &Policy,
    wish: &DeploymentSpec<'_>,
    deployment: &Deployment,
    state: &State,
) -> Facts {
    let chain = &view.tip.chain;
    let Some(by) = wish.rules.deployers.persons().first().cloned() else {
        return Facts::default();
    };
    let statement = build_statement(by, chain, wish, deployment);
    let request = Request::Entry {
        statement: &statement,
        key: None,
        policy_text: None,
    };
    let mut others = view.tips.clone();
    others.remove(wish.env.ledger());
    view.gatherer.gather_to_build(
        policy,
        &request,
        &others,
        Some(chain.clone()),
        Ok(state.clone()),
    )
}

/// Builds the statement that the deployment would make, to ask for facts about its commits.
fn build_statement(
    by: Person,
    chain: &crate::domain::rules::Chain,
    wish: &DeploymentSpec<'_>,
    deployment: &Deployment,
) -> Statement {
    Statement {
        at: chain.at,
        by,
        requested_by: None,
        ledger: wish.env.ledger().clone(),
        environment: wish.env.member().cloned(),
        project: chain.project,
        previous: chain.tip,
        sequence: chain.sequence + 1,
        seen: Tips::new(),
        action: Action::Start(Start {
            run: RunId([0; 16]),
            deployment: deployment.clone(),
        }),
    }
}

/// Adds the version and the artifacts to a component that changes.
fn add_version_and_artifacts(
    target: &mut Target,
    wish: &DeploymentSpec<'_>,
    facts: &Facts,
) -> Result<(), BuildError> {
    let known = |fact: Option<&Fact<Option<crate::domain::text::Line>>>| match fact {
        Some(Ok(version)) => Ok(version.clone()),
        Some(Err(why)) => Err(BuildError::MissingFact(why.clone())),
        None => Ok(None),
    };
    if wish.kind == DeploymentKind::Rollback {
        // A rollback deploys the earlier version and artifacts again, taken from the entry that
        // deployed them.
        let earlier = facts
            .earlier_runs
            .get(&target.component)
            .and_then(|fact| fact.as_ref().ok());
        let mut ended = earlier
            .into_iter()
            .flatten()
            .filter_map(|kept| kept.statement.component_result(&target.component));
        let then = ended.find(|it| it.target.content == target.content);
        if let Some(then) = then {
            target.version = then.target.version;
            target.artifacts = then.target.artifacts;
        }
        return Ok(());
    }
    let by_hand = wish.versions.get(&target.component).cloned();
    target.version = match by_hand {
        Some(version) => Some(version),
        None => known(
            facts
                .versions
                .get(&(target.commit, target.component.clone())),
        )?,
    };
    if let Some(Ok(evidence)) = &facts.evidence {
        target.artifacts =
            find_artifacts(target, evidence.iter().map(|kept| &kept.statement.action));
    }
    Ok(())
}

/// Returns the artifacts of a component: those registered for this commit or, if there are none,
/// the newest registered for the same content. Each image name appears once.
pub(super) fn find_artifacts<'a>(
    target: &Target,
    evidence: impl Iterator<Item = &'a Action>,
) -> Vec<Image> {
    let (mut of_commit, mut of_content) = (BTreeMap::new(), BTreeMap::new());
    for action in evidence {
        let Action::Artifact(artifact) = action else {
            continue;
        };
        if artifact.component != target.component || Some(artifact.content) != target.content {
            continue;
        }
        let image = &artifact.image;
        // Newest first, so the first image of a name counts.
        of_content
            .entry(image.name.clone())
            .or_insert_with(|| image.clone());
        if artifact.commit == target.commit {
            of_commit
                .entry(image.name.clone())
                .or_insert_with(|| image.clone());
        }
    }
    let chosen = if of_commit.is_empty() {
        of_content
    } else {
        of_commit
    };
    chosen.into_values().collect()
}
