//! `git deploy run`: deploys a commit.

use crate::cli::args::deployment::DeploymentArgs;
use crate::cli::args::environment::EnvRevArgs;
use crate::cli::args::run::{DryRunArg, RunOptions};
use crate::cli::chosen_deployment::ChosenDeployment;
use crate::cli::deploy_runner::DeployRunner;
use crate::cli::deployment_notes;
use crate::cli::deployment_request::select_to_deploy;
use crate::cli::repository::{find_remote, open_repository};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::run::build_deployment::Commits;

/// Deploy a commit
///
/// Plans the components that change, asks for confirmation, applies them in dependency order,
/// verifies them, and rolls back on failure. Exits with 4 if a command of the policy failed, and
/// with 5 if approvals are missing: repeat the command once they are given. Exits with 6 if it had to
/// leave components out, because they or their dependencies are locked, on hold, being deployed, or
/// have no command in the policy: another system deploys those.
/// Press Ctrl-C once to finish running steps and start no new ones, twice to cancel them.
///
/// `git deploy COMPONENT ENV` is short for `git deploy run ENV --component COMPONENT`; `all` as the
/// component stands for all that differ. If a component has the name of a command, the command wins:
/// use the long form.
#[derive(clap::Args)]
#[command(alias = "deploy")]
#[command(after_long_help = "\
Examples:
  Deploy HEAD to production:
    git deploy run prod

  Show what a run would do, and what the rules say:
    git deploy run prod --dry-run

  Deploy one component at a tag, without a prompt:
    git deploy run prod v1.5.0 --component api --yes

  Create or update the preview environment of a change request:
    git deploy run pr-17 --ttl 4h --change 17 --yes

  Deploy a hotfix:
    git deploy run prod --hotfix -m \"Fix the checkout\"")]
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

impl Args {
    /// Returns whether the arguments are in the order `COMPONENT ENV`, according to the policy of
    /// this clone.
    pub fn is_component_first(&self, ui: &Ui) -> bool {
        let open = || {
            let repository = open_repository()?;
            let remote = find_remote(&repository, ui)?;
            Workspace::open_offline(repository, remote)
        };
        open().is_ok_and(|workspace| self.env_rev.parse_component_first(&workspace).is_some())
    }
}

/// Deploys a commit. Also accepts the arguments in the order `COMPONENT ENV`.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let mut components = args.deployment.components.clone();
    let (name, rev) = match args.env_rev.parse_component_first(&workspace) {
        Some((component, name)) => {
            components.extend(component);
            (name, None)
        }
        None => args.env_rev.find(&workspace, ui)?,
    };
    let (env, _) = workspace.find_environment(name.as_str())?;
    let commit = workspace.resolve_commit(rev.unwrap_or("HEAD"))?;
    if rev.is_none() {
        deployment_notes::report_uncommitted_changes(ui, &workspace);
    }
    let request = &args.deployment;
    let runner = DeployRunner::new(ui, &workspace, &env, &args.options)?
        .with_named(&components)
        .with_dry_run(args.try_only.dry_run);
    let chosen = ChosenDeployment {
        commits: Commits::One(commit),
        selection: select_to_deploy(&components, request.all),
        kind: request.kind(),
        destroy: request.destroy,
        leaves_out_manual: request.components.is_empty(),
        artifact: None,
        metadata: &request.metadata,
        ttl: request.ttl,
    };
    chosen.carry_out(runner)
}
