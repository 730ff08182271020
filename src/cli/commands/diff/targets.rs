//! What the components of an environment are compared with: a commit, or what another environment runs.

use std::collections::BTreeMap;

use crate::cli::CliError;
use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::workspace::Workspace;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::EnvState;
use crate::domain::text::Line;

/// The commit and version that a component would be deployed at.
#[derive(Debug, Default)]
pub(super) struct ComponentTarget {
    /// `None` if the source environment does not run the component.
    pub commit: Option<CommitId>,
    /// Its version in the source environment. `None` if the source is a commit.
    pub version: Option<Line>,
}

/// Returns the target of each component that is in the policy or runs in an environment. A component
/// that runs under a former name is listed under its present one. `revision` names the source: a commit
/// or an environment.
pub(super) fn find_targets(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    revision: &str,
) -> Result<BTreeMap<ComponentName, ComponentTarget>, CliError> {
    let mut targets: BTreeMap<ComponentName, ComponentTarget> = BTreeMap::new();
    let mut components = workspace.policy.component_names();
    let current_name = |name: &ComponentName| workspace.policy.current_name(name).clone();
    components.extend(snapshot.state().components().into_keys().map(current_name));
    if let Some(running) = workspace.find_running_under_any_name(revision)? {
        let source = read_context::read_environment(workspace, revision)?;
        components.extend(running.keys().map(current_name));
        for component in components {
            let name = find_running_name(&workspace.policy, source.state(), &component);
            let version = source.version(name);
            let commit = running.get(name).copied();
            targets.insert(component, ComponentTarget { commit, version });
        }
        return Ok(targets);
    }
    let commit = Some(workspace.resolve_commit(revision)?);
    targets.extend(components.into_iter().map(|component| {
        (
            component,
            ComponentTarget {
                commit,
                version: None,
            },
        )
    }));
    Ok(targets)
}

/// Returns the name under which a component runs in an environment: its own, or a former one if only
/// that runs.
pub(super) fn find_running_name<'a>(
    policy: &'a Policy,
    state: EnvState<'_>,
    component: &'a ComponentName,
) -> &'a ComponentName {
    let mut names = policy.names_of(component);
    let running = names.find(|name| state.commit(name).is_some());
    running.unwrap_or(component)
}
