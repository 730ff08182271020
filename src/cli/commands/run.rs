//! `git deploy run`: deploys a commit.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::cli::args::environment::EnvRev;
use crate::cli::args::metadata::MetadataArgs;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::DeployRunner;
use crate::cli::deployment_request::{self, find_expiry, find_rules};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::domain::entry::DeploymentKind;
use crate::domain::name::ComponentName;
use crate::domain::time::Span;
use crate::run::build_deployment::{Commits, DeploymentSpec};

/// Carry a deployment out: plan, ask, apply in order, verify, and go back where it fails
///
/// Exits with 4 where one of the policy's commands failed, and with 5 where approvals are missing: the same command goes on once they are
/// there.
#[derive(clap::Args)]
#[command(alias = "deploy")]
pub struct Args {
    #[command(flatten)]
    at: EnvRev,
    /// The component; can be repeated; without it those whose content differs from what runs
    #[arg(short, long = "component", value_name = "NAME", conflicts_with = "all")]
    components: Vec<ComponentName>,
    /// All components, whether they differ or not
    #[arg(long)]
    all: bool,
    /// Remove components that the commit no longer has
    #[arg(long)]
    destroy: bool,
    /// It repairs what runs
    #[arg(long)]
    hotfix: bool,
    /// How long an ephemeral environment lives from now on, such as 4h; without it as long as the policy lets it
    #[arg(long, value_name = "SPAN")]
    ttl: Option<Span>,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    options: RunOptions,
}

/// Deploys a commit.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let mut components = args.components.clone();
    let (name, rev) = match args.at.component_first(&workspace) {
        Some((component, name)) => {
            components.extend(component);
            (name, None)
        }
        None => args.at.find(&workspace, ui)?,
    };
    let (env, _) = workspace.find_environment(name.as_str())?;
    let commit = workspace.resolve_commit(rev.unwrap_or("HEAD"))?;
    let selection = deployment_request::select_to_deploy(&components, args.all);
    let (person, _) = workspace.find_current_signer()?;
    let deploying = DeployRunner::new(ui, &workspace, &env, &args.options)?
        .with_requester(args.metadata.requested_by.as_ref());
    let told = Cell::new(false);
    deploying.deploy(&person, &|view| {
        let (policy, rules) = find_rules(&env, view)?;
        let wish = DeploymentSpec {
            env: &env,
            rules,
            commits: Commits::One(commit),
            selection: selection.clone(),
            kind: if args.hotfix {
                DeploymentKind::Hotfix
            } else {
                DeploymentKind::Deploy
            },
            destroy: args.destroy,
            versions: BTreeMap::new(),
        };
        let mut deployment = deployment_request::compose_from_spec(view, policy, &wish)?;
        deployment_request::report_left_out(ui, &told, (view, policy), &wish, &deployment)?;
        args.metadata.apply_to(&mut deployment, view)?;
        deployment.expires = find_expiry(&env, view, ui, args.ttl)?;
        Ok(deployment)
    })
}
