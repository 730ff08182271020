//! `git deploy promote`: deploys what the previous environment runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::args::environment::EnvArg;
use crate::cli::args::metadata::MetadataArgs;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::DeployRunner;
use crate::cli::deployment_request::{self, find_expiry, find_rules};
use crate::cli::left_out::LeftOutReport;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::entry;
use crate::domain::name::ComponentName;
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection};

/// Deploy what the previous environment runs
///
/// The previous environment is the policy's `promote_from`. Each component is promoted at its own
/// commit. Exit codes are those of `git deploy run`.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Promote everything from stage to prod:
    git deploy promote prod

  Promote one component:
    git deploy promote prod --component api")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// Promote only this component (repeatable). Defaults to those that differ
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    options: RunOptions,
}

/// Deploys what the environment in the policy's `promote_from` runs, each component at its own
/// commit.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let name = args.environment.find(&workspace, ui)?;
    let (env, rules) = workspace.find_environment(name.as_str())?;
    let source = rules.promote_from.as_ref().ok_or_else(|| {
        CliError::new(
            ErrorKind::Usage,
            format!("{name} has no promote_from in the policy, so nothing can be promoted to it"),
        )
        .hint(format!("git deploy run {name} REV"))
    })?;
    let mut commits = workspace.find_running(source.as_str())?.unwrap_or_default();
    if let Some(absent) = args
        .components
        .iter()
        .find(|name| !commits.contains_key(*name))
    {
        deployment_request::require_component(&workspace.policy, absent)?;
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{absent} does not run in {source}"),
        )
        .hint(format!("git deploy status {source}")));
    }
    let named: BTreeSet<ComponentName> = args.components.iter().cloned().collect();
    commits.retain(|component, _| named.is_empty() || named.contains(component));
    let selection = if named.is_empty() {
        Selection::Unblocked
    } else {
        Selection::Named(named)
    };
    let (person, _) = workspace.find_current_signer()?;
    let runner = DeployRunner::new(ui, &workspace, &env, &args.options)?
        .with_requester(args.metadata.requested_by.as_ref());
    let left_out = LeftOutReport::default();
    runner.deploy(&person, &|view| {
        let (policy, rules) = find_rules(&env, view)?;
        let spec = DeploymentSpec {
            env: &env,
            rules,
            commits: Commits::Each(commits.clone()),
            selection: selection.clone(),
            kind: entry::DeploymentKind::Deploy,
            destroy: false,
            versions: BTreeMap::new(),
            artifact: None,
        };
        let mut deployment = deployment_request::compose_from_spec(view, policy, &spec)?;
        left_out.print(ui, (view, policy), &spec)?;
        args.metadata.apply_to(&mut deployment, view)?;
        deployment.expires = find_expiry(&env, view, ui, None)?;
        Ok(deployment)
    })?;
    left_out.require_none(&name)
}
