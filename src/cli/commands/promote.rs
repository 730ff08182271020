//! `git deploy promote`: deploys what the previous environments run.

use std::collections::BTreeMap;

use crate::cli::args::deployment::DeploymentArgs;
use crate::cli::args::environment::EnvRevArgs;
use crate::cli::args::run::{DryRunArg, RunOptions};
use crate::cli::deploy_runner::DeployRunner;
use crate::cli::deployment_request::{self, find_environment_policy, find_expiry};
use crate::cli::left_out_components::LeftOutReport;
use crate::cli::promoted_commits::find_promoted_commits;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::run::build_deployment::{Commits, DeploymentSpec};

/// Deploy what the previous environment runs
///
/// The previous environment is the policy's `promote_from`. If that is a list, a component is
/// promoted only if all of these environments run the same. Each component is promoted at its own
/// commit; with REV, all at that commit, which the rules require to have run there. To see what the
/// rules say first: `git deploy check ENV --promote`. Exit codes are those of `git deploy run`.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Promote everything from stage to prod:
    git deploy promote prod

  Promote one component:
    git deploy promote prod --component api

  Also remove the components that stage has removed:
    git deploy promote prod --destroy")]
pub struct Args {
    #[command(flatten)]
    env_rev: EnvRevArgs,
    #[command(flatten)]
    deployment: DeploymentArgs,
    #[command(flatten)]
    try_only: DryRunArg,
    #[command(flatten)]
    options: RunOptions,
}

/// Deploys what the environment in the policy's `promote_from` runs, each component at its own
/// commit.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let (name, rev) = args.env_rev.find(&workspace, ui)?;
    let (env, rules) = workspace.find_environment(name.as_str())?;
    let commits = match rev {
        Some(rev) => Commits::One(workspace.resolve_commit(rev)?),
        None => Commits::Each(find_promoted_commits(&workspace, rules, &args.deployment)?),
    };
    let selection =
        deployment_request::select_to_deploy(&args.deployment.components, args.deployment.all);
    let (person, _) = workspace.find_current_signer()?;
    let runner = DeployRunner::new(ui, &workspace, &env, &args.options)?
        .with_named(&args.deployment.components)
        .with_requester(args.deployment.metadata.requested_by.as_ref())
        .with_inputs(args.deployment.metadata.inputs.read(ui)?)
        .with_dry_run(args.try_only.dry_run);
    let left_out = LeftOutReport::default();
    runner.deploy(
        &person,
        &|snapshot| {
            let (policy, rules) = find_environment_policy(&env, snapshot)?;
            let spec = DeploymentSpec {
                env: &env,
                rules,
                commits: commits.clone(),
                selection: selection.clone(),
                kind: args.deployment.kind(),
                destroy: args.deployment.destroy,
                leaves_out_manual: args.deployment.components.is_empty(),
                versions: BTreeMap::new(),
                artifact: None,
            };
            let mut deployment = deployment_request::build_from_spec(snapshot, policy, &spec)?;
            left_out.print(ui, snapshot, policy, &spec)?;
            args.deployment
                .metadata
                .apply_to(&mut deployment, snapshot)?;
            deployment.expires = find_expiry(&env, snapshot, ui, args.deployment.ttl)?;
            Ok(deployment)
        },
        &left_out,
    )?;
    left_out.require_none(&name)
}
