//! Shared by the deployment commands: selecting components, computing the deployment, and finding
//! open runs.

use std::collections::{BTreeMap, BTreeSet};

use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{self, Abort, ComponentAtCommit, ComponentChange, Deployment};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Content};
use crate::domain::name::{ComponentName, EnvName, LedgerName};
use crate::domain::policy::{Environment, Policy};
use crate::domain::state::OpenRun;
use crate::domain::text::Line;
use crate::domain::time::{Span, Time};
use crate::ledger::writer::LedgerSnapshot;
use crate::run::build_deployment::{
    Commits, DeploymentSpec, Selection, SelectionError, build_deployment,
};

/// Finds an environment that was removed from the policy but still has a ledger, so that its
/// unfinished runs can be ended. Returns `None` if the policy has the environment.
pub fn find_dropped_environment(workspace: &Workspace, word: Option<&str>) -> Option<EnvRef> {
    let name: EnvName = word?
        .parse()
        .ok()
        .filter(|name| workspace.policy.environment(name).is_none())?;
    // The ledger of `pr-17` is `pr`.
    let dashes = name
        .as_str()
        .match_indices('-')
        .map(|(position, _)| position);
    let ends = std::iter::once(name.as_str().len()).chain(dashes);
    let mut ledgers = ends.filter_map(|end| name.as_str().get(..end)?.parse::<LedgerName>().ok());
    let ledger =
        ledgers.find(|ledger| ledger.is_environment() && workspace.tips().contains_key(ledger))?;
    Some(EnvRef::dropped(name, ledger))
}

/// Returns when an ephemeral environment expires after a deployment: after `ttl`, else after the
/// policy's time to live. Returns `None` for other environments.
///
/// # Errors
///
/// Fails if a `ttl` is given and the environment is not ephemeral.
pub fn find_expiry(
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    ui: &Ui,
    ttl: Option<Span>,
) -> Result<Option<Time>, CliError> {
    let now = ui.now().max(snapshot.tip.chain.at);
    let rules = find_environment_policy(env, snapshot)?.1;
    require_ephemeral_for_ttl(env, rules, ttl)?;
    let ephemeral = rules.ephemeral;
    Ok(ephemeral.map(|ephemeral| now.plus(ttl.unwrap_or(ephemeral.ttl))))
}

/// Checks that an environment is ephemeral if a `ttl` is given.
///
/// # Errors
///
/// Fails if it is not.
pub fn require_ephemeral_for_ttl(
    env: &EnvRef,
    rules: &Environment,
    ttl: Option<Span>,
) -> Result<(), CliError> {
    if ttl.is_none() || rules.ephemeral.is_some() {
        return Ok(());
    }
    let message = format!("{} is not ephemeral: it has no --ttl", env.name());
    Err(CliError::new(ErrorKind::Usage, message))
}

/// Returns the policy that the writer has just read, and the environment's rules in it.
///
/// # Errors
///
/// Fails if there is no policy, or if it no longer has the environment.
pub fn find_environment_policy<'v>(
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'v>,
) -> Result<(&'v Policy, &'v Environment), CliError> {
    let policy = snapshot
        .policy
        .ok_or_else(|| CliError::new(ErrorKind::CannotTell, "no policy is in force"))?;
    let rules = env.rules_in(policy).ok_or_else(|| {
        CliError::new(
            ErrorKind::Usage,
            format!(
                "the policy in force no longer has the environment {}",
                env.name()
            ),
        )
    })?;
    Ok((policy, rules))
}

/// A request on the command line to deploy one commit.
pub struct DeploymentRequest<'a> {
    /// The commit.
    pub commit: CommitId,
    /// Which components to deploy.
    pub selection: Selection,
    /// The kind of deployment.
    pub kind: entry::DeploymentKind,
    /// Whether to remove components that the commit no longer has.
    pub destroy: bool,
    /// The versions given on the command line.
    pub versions: &'a BTreeMap<ComponentName, Line>,
}

/// Selects the named components or, if none are named, those whose content differs.
pub fn select_named_or_differing(named: &[ComponentName]) -> Selection {
    if named.is_empty() {
        Selection::Changed
    } else {
        Selection::Named(named.iter().cloned().collect::<BTreeSet<_>>())
    }
}

/// Selects the named components or, if none are named, those that a run would change, including
/// blocked ones. Used for approvals and rollbacks.
pub fn select_to_change(named: &[ComponentName]) -> Selection {
    if named.is_empty() {
        Selection::ChangedWithDependents
    } else {
        select_named_or_differing(named)
    }
}

/// Selects the components to deploy: all, the named ones, or those that differ and are not blocked.
pub fn select_to_deploy(named: &[ComponentName], all: bool) -> Selection {
    match (named, all) {
        (_, true) => Selection::All,
        ([], false) => Selection::UnblockedWithDependents,
        (named, false) => select_named_or_differing(named),
    }
}

/// Checks that the policy has a component.
///
/// # Errors
///
/// Fails if the policy does not have it, because an entry that names an unknown component has no
/// effect.
pub fn require_component(policy: &Policy, component: &ComponentName) -> Result<(), CliError> {
    if policy.has_component(component) {
        return Ok(());
    }
    Err(explain_unknown_component(
        policy,
        format!("the policy has no component {component}"),
    ))
}

fn explain_unknown_component(policy: &Policy, message: String) -> CliError {
    let names: Vec<String> = policy
        .component_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    CliError::new(ErrorKind::Usage, message)
        .because(format!("its components are {}", names.join(", ")))
}

/// Returns the component that was built: the named one, or the only one.
pub fn find_built_component(
    policy: &Policy,
    named: Option<&ComponentName>,
) -> Result<ComponentName, CliError> {
    if let Some(name) = named {
        return require_component(policy, name).map(|()| name.clone());
    }
    let components: Vec<ComponentName> = policy.component_names().into_iter().collect();
    if let [name] = &components[..] {
        return Ok(name.clone());
    }
    let list: Vec<&str> = components.iter().map(ComponentName::as_str).collect();
    Err(CliError::new(
        ErrorKind::Usage,
        format!("the policy has several components: {}", list.join(", ")),
    )
    .hint("--component NAME"))
}

/// Returns the content of a component at the commit that it was built from.
///
/// # Errors
///
/// Fails if the component has no file there.
pub fn find_content(
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    commit: CommitId,
    component: &ComponentName,
) -> Result<Content, CliError> {
    let content = snapshot.gatherer.content(policy, commit, component);
    let content = content.context(
        ErrorKind::CannotTell,
        format!("cannot read the content of {component}"),
    )?;
    content.ok_or_else(|| {
        let message = format!(
            "{component} has no files in {}, so it cannot have been built from it",
            commit.short()
        );
        CliError::new(ErrorKind::Usage, message)
    })
}

/// Computes the deployment of a commit from the present state.
pub fn build_requested(
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    request: &DeploymentRequest<'_>,
) -> Result<Deployment, CliError> {
    let (policy, rules) = find_environment_policy(env, snapshot)?;
    let spec = DeploymentSpec {
        env,
        rules,
        commits: Commits::One(request.commit),
        selection: request.selection.clone(),
        kind: request.kind,
        destroy: request.destroy,
        leaves_out_manual: false,
        versions: request.versions.clone(),
        artifact: None,
    };
    build_from_spec(snapshot, policy, &spec)
}

/// Computes a deployment from the present state.
pub fn build_from_spec(
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
) -> Result<Deployment, CliError> {
    build_deployment(snapshot, policy, spec).map_err(|error| explain_selection_error(policy, error))
}

/// Turns the reason why a deployment cannot be computed into the command's error.
pub fn explain_selection_error(policy: &Policy, error: SelectionError) -> CliError {
    match error {
        SelectionError::UnknownComponent(_) => explain_unknown_component(policy, error.to_string()),
        SelectionError::Undeclared {
            ref component,
            ref environment,
        } => {
            let hint = format!("git deploy record {environment} --destroy --component {component}");
            CliError::new(ErrorKind::Usage, error.to_string()).hint(hint)
        }
        SelectionError::NotInCommit { .. }
        | SelectionError::NothingToDestroy { .. }
        | SelectionError::NoComponents(_) => CliError::new(ErrorKind::Usage, error.to_string()),
        SelectionError::MissingFact(_) | SelectionError::Git(_) => CliError::new(
            ErrorKind::CannotTell,
            "cannot determine what would be deployed",
        )
        .because(error),
    }
}

/// Finds the run with this number, or the only run. `verb` is the name of the current command; the hints
/// of an error repeat it.
///
/// # Errors
///
/// Fails if there is no such run, or if there are several.
pub fn find_run<'a>(
    number: Option<u64>,
    verb: &str,
    ui: &Ui,
    env: &EnvRef,
    runs: Vec<OpenRun<'a>>,
) -> Result<OpenRun<'a>, CliError> {
    let matches = |run: &OpenRun<'_>| number.is_none_or(|number| run.sequence == number);
    let mut candidates: Vec<OpenRun<'a>> = runs.into_iter().filter(matches).collect();
    let name = env.name();
    match (candidates.pop(), candidates.is_empty()) {
        (Some(run), true) => Ok(run),
        (None, _) => {
            let subject =
                number.map_or_else(|| "no run".to_owned(), |number| format!("no run {number}"));
            Err(CliError::new(
                ErrorKind::Usage,
                format!("{subject} is under way in {name}"),
            )
            .hint(format!("git deploy status {name}")))
        }
        (Some(last), false) => {
            candidates.push(last);
            let reason = if verb == "abort" { " -m REASON" } else { "" };
            let descriptions: Vec<String> =
                candidates.iter().map(|run| describe_run(run, ui)).collect();
            let error = CliError::new(
                ErrorKind::Usage,
                format!("{name} has several runs under way: choose one"),
            );
            let error = error.because(descriptions.join("\n"));
            Err(candidates.iter().fold(error, |error, run| {
                error.hint(format!(
                    "git deploy {verb} {name} --run {}{reason}",
                    run.sequence
                ))
            }))
        }
    }
}

/// Describes a run in one line, so that the user can choose between several.
fn describe_run(run: &OpenRun<'_>, ui: &Ui) -> String {
    let changed = run.deployment().into_iter().flat_map(Deployment::changed);
    let names: Vec<&str> = changed
        .map(|change| change.target.component.as_str())
        .collect();
    let (by, since) = (
        &run.owner.statement.by,
        ui.format_time(run.start.statement.at),
    );
    format!(
        "run {} of {by} changes {}, since {since}",
        run.sequence,
        names.join(", ")
    )
}

/// Returns the entry that aborts a run. Returns `None` if the run's entries cannot be read.
pub fn build_abort(run: &OpenRun<'_>, reason: Line) -> Option<Abort> {
    let component = |change: &ComponentChange| ComponentAtCommit {
        component: change.target.component.clone(),
        commit: change.target.commit,
    };
    Some(Abort {
        start: run.sequence,
        run: run.id()?,
        components: run.deployment()?.changed().map(component).collect(),
        reason,
    })
}
