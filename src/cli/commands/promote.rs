//! `git deploy promote`: deploys what the previous environments run.

use crate::cli::args::deployment::DeploymentArgs;
use crate::cli::args::environment::EnvRevArgs;
use crate::cli::args::run::{DryRunArg, RunOptions};
use crate::cli::chosen_deployment::ChosenDeployment;
use crate::cli::deploy_runner::DeployRunner;
use crate::cli::deployment_request::select_to_deploy;
use crate::cli::promoted_commits::find_promoted_commits;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::run::build_deployment::Commits;

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
    let request = &args.deployment;
    let runner = DeployRunner::new(ui, &workspace, &env, &args.options)?
        .with_named(&request.components)
        .with_dry_run(args.try_only.dry_run);
    let chosen = ChosenDeployment {
        commits,
        selection: select_to_deploy(&request.components, request.all),
        kind: request.kind(),
        destroy: request.destroy,
        leaves_out_manual: request.components.is_empty(),
        artifact: None,
        metadata: &request.metadata,
        ttl: request.ttl,
    };
    chosen.carry_out(runner)
}
