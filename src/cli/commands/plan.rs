//! `git deploy plan`: shows what a deployment would do, without doing it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::deploy_runner::{Carrying, Deploying};
use crate::cli::deployment_request::{self, Place};
use crate::cli::env_args::EnvRev;
use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure, Kind, OrFail as _, read_context};
use crate::domain::entry;
use crate::domain::name::ComponentName;
use crate::run::build_deployment::{Commits, DeploymentSpec};
use crate::run::preview::first_deployer;
use crate::view::plan::{self as view, State};

/// Show what a deployment would do, side by side for all components; needs no key
///
/// The commands are those of the policy in force, whatever the commit says. Exits with 4 where one of them failed.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    at: EnvRev,
    /// The component; can be repeated; without it those whose content differs from what runs
    #[arg(short, long = "component", value_name = "NAME", conflicts_with = "all")]
    components: Vec<ComponentName>,
    /// All components, whether they differ or not
    #[arg(long)]
    all: bool,
    /// Count components that the commit no longer has as to be removed
    #[arg(long)]
    destroy: bool,
    /// How it is printed; markdown is what a change request shows
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true
    )]
    format: Format,
    /// Print all that the plan commands printed
    #[arg(long)]
    full: bool,
    /// Show also how the plans differ from those in this file, which an earlier plan printed with --json
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    #[command(flatten)]
    carrying: Carrying,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Json,
}

/// Plans every component, prints the plans, and fails if a plan command fails.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open(context)?;
    read_context::problems(&workspace, context)?;
    let (name, rev) = args.at.find(&workspace, context)?;
    let place = Place::find(&workspace, name.as_str())?;
    let (_, rules) = workspace.environment(name.as_str())?;
    let earlier = args.since.as_ref().map(|file| {
        std::fs::read(file).or_fail(Kind::CannotTell, format!("cannot read {}", file.display()))
    });
    let earlier = earlier.transpose()?;
    let commit = workspace.commit(rev.unwrap_or("HEAD"))?;
    let deploying = Deploying::new(context, &workspace, &place, &args.carrying)?;
    let person = read_context::asker(&workspace)
        .or_else(|| first_deployer(rules, entry::DeploymentKind::Deploy).cloned());
    let person = person
        .ok_or_else(|| Failure::new(Kind::CannotTell, format!("nobody may deploy to {name}")))?;
    let (deployment, _) = deploying.asked(
        &person,
        &|view| {
            let (policy, rules) = place.rules(view)?;
            let wish = DeploymentSpec {
                name: &place.name,
                rules,
                commits: Commits::One(commit),
                selection: deployment_request::to_carry_out(&args.components, args.all),
                kind: entry::DeploymentKind::Deploy,
                destroy: args.destroy,
                versions: BTreeMap::new(),
            };
            let mut deployment = deployment_request::composed(view, policy, &wish)?;
            deployment.expires = place.expiry(view, context, None)?;
            Ok(deployment)
        },
        &BTreeMap::new(),
    )?;
    let quiet = context.json() || args.format != Format::Text;
    let plans = deploying.plan(&deployment, quiet)?;
    let mut shown = deploying.shown(commit, &deployment, &plans)?;
    if let Some(earlier) = earlier {
        let since = view::since(&earlier, &place.name, &shown.components);
        shown.since = Some(since.or_fail(Kind::Usage, "cannot compare with the earlier plans")?);
    }
    match args.format {
        Format::Text if !context.json() => {
            context.print(view::text(&shown, args.full, context.width()));
            read_context::age(&workspace, context);
        }
        Format::Markdown => context.print(view::markdown(&shown)),
        _ => context.report("plan", &shown)?,
    }
    let failed: Vec<&str> = shown
        .components
        .iter()
        .filter(|it| it.state == State::Failed)
        .map(|it| it.component.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Command,
        format!("{} could not be planned for {name}", failed.join(", ")),
    ))
}
