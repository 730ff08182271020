//! `git deploy plan`: shows what a deployment would do, without doing it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::args::deployment::DeploymentArgs;
use crate::cli::args::environment::EnvRevArgs;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::{DeployRunner, PlanProgress};
use crate::cli::deployment_notes;
use crate::cli::deployment_request::{
    self, explain_selection_error, find_environment_policy, find_expiry,
};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, read_context};
use crate::domain::entry::Deployment;
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::name::EnvName;
use crate::input_file::read_regular_file;
use crate::ledger::writer::LedgerSnapshot;
use crate::run::build_deployment::{Commits, DeploymentSpec, LeftOut, Selection, list_left_out};
use crate::view::plan::{self as view, DeploymentPlan, PlanDetail, PlanState};

/// Show what a deployment would do, without doing it
///
/// Runs the policy's plan commands for the components that a deployment would change, and shows what the
/// rules say about the deployment. Needs no key.
/// The commands always come from the policy in force, not from the commit. Exits with 4 if one of
/// them fails.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Plan a deployment of HEAD to production:
    git deploy plan prod

  Post the plan as a comment on a change request:
    git deploy plan prod --format markdown > comment.md

  Show how the plan changed since the last push:
    git deploy plan prod --since plans.json")]
pub struct Args {
    #[command(flatten)]
    env_rev: EnvRevArgs,
    #[command(flatten)]
    deployment: DeploymentArgs,
    /// The output format: text, markdown or json
    #[arg(
        long,
        hide_possible_values = true,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true
    )]
    format: PlanFormat,
    /// Print the complete output of the plan commands
    #[arg(long)]
    full: bool,
    /// Also compare with earlier plans, saved with --json
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    #[command(flatten)]
    options: RunOptions,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    Text,
    Markdown,
    Json,
}

/// Plans the components, prints the plans, and fails if a plan command fails.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    if ui.json() && args.format == PlanFormat::Markdown {
        let message = "the options --format markdown and --json cannot be used together";
        return Err(CliError::new(ErrorKind::Usage, message));
    }
    let workspace = Workspace::open(ui)?;
    read_context::report_problems(&workspace, ui)?;
    let (name, rev) = args.env_rev.find_reviewed_environment(&workspace, ui)?;
    let (env, rules) = workspace.find_environment(name.as_str())?;
    // Read first, so that an unreadable file is reported before any plan command runs.
    let earlier = read_earlier_plans(args)?;
    let commit = workspace.resolve_commit(rev.unwrap_or("HEAD"))?;
    let metadata = &args.deployment.metadata;
    let runner = DeployRunner::new(ui, &workspace, &env, &args.options)?
        .with_requester(metadata.requested_by.as_ref())
        .with_inputs(metadata.inputs.read(ui)?);
    let person = read_context::find_deployer(&workspace, rules, args.deployment.kind());
    let person = person.ok_or_else(|| {
        CliError::new(
            ErrorKind::CannotTell,
            format!("{name} has no deployers in the policy"),
        )
    })?;
    let left_out = RefCell::new(Vec::new());
    let build = |snapshot: &LedgerSnapshot<'_>| {
        build_deployment(args, ui, &env, commit, &left_out, snapshot)
    };
    let (deployment, _) = runner.evaluate_rules(&person, &build, &BTreeMap::new())?;
    let snapshot = runner.read_environment()?;
    deployment_notes::report_losses(ui, &workspace, &name, snapshot.state(), &deployment);
    if rev.is_none() {
        deployment_notes::report_uncommitted_changes(ui, &workspace);
    }
    let progress = if ui.json() || args.format != PlanFormat::Text {
        PlanProgress::Hidden
    } else {
        PlanProgress::Shown
    };
    let plans = runner.plan(&deployment, progress)?;
    let mut document = runner.build_plan_view(commit, &deployment, &plans)?;
    let (_, verdict) = runner.evaluate_rules(&person, &build, &plans)?;
    document.verdict = Some(verdict);
    document.left_out = left_out.borrow().iter().map(Into::into).collect();
    if let Some(earlier) = earlier {
        let comparison = view::compare_plans(&earlier, env.name(), &document.components);
        document.comparison =
            Some(comparison.context(ErrorKind::Usage, "cannot compare with the earlier plans")?);
    }
    print_plan(args, ui, &workspace, &document)?;
    require_all_planned(&document, &name)
}

/// Reads the earlier plans to compare with, if there are any.
fn read_earlier_plans(args: &Args) -> Result<Option<Vec<u8>>, CliError> {
    let earlier = args.since.as_ref().map(|file| {
        read_regular_file(file, view::MAX_DOCUMENT_BYTES).context(
            ErrorKind::CannotTell,
            format!("cannot read {}", file.display()),
        )
    });
    earlier.transpose()
}

/// Prints the plans in the chosen format.
fn print_plan(
    args: &Args,
    ui: &Ui,
    workspace: &Workspace,
    document: &DeploymentPlan,
) -> Result<(), CliError> {
    match args.format {
        PlanFormat::Text if !ui.json() => {
            let detail = if args.full {
                PlanDetail::Output
            } else {
                PlanDetail::Changes
            };
            ui.print(view::render_text(document, detail, ui.width()));
            read_context::print_fetch_age(workspace, ui);
        }
        PlanFormat::Markdown => ui.print(view::render_markdown(document)),
        _ => ui.print_document("plan", document)?,
    }
    Ok(())
}

/// Computes the deployment to plan, and stores the components that it leaves out in `left_out`.
fn build_deployment(
    args: &Args,
    ui: &Ui,
    env: &EnvRef,
    commit: CommitId,
    left_out: &RefCell<Vec<LeftOut>>,
    snapshot: &LedgerSnapshot<'_>,
) -> Result<Deployment, CliError> {
    let request = &args.deployment;
    let (policy, rules) = find_environment_policy(env, snapshot)?;
    let spec = DeploymentSpec {
        env,
        rules,
        commits: Commits::One(commit),
        selection: deployment_request::select_to_deploy(&request.components, request.all),
        kind: request.kind(),
        destroy: request.destroy,
        leaves_out_manual: request.components.is_empty(),
        versions: BTreeMap::new(),
        artifact: None,
    };
    let mut deployment = deployment_request::build_from_spec(snapshot, policy, &spec)?;
    if spec.selection == Selection::UnblockedWithDependents || spec.leaves_out_manual {
        let listed = list_left_out(snapshot, policy, &spec);
        left_out.replace(listed.map_err(|error| explain_selection_error(policy, error))?);
    }
    request.metadata.apply_to(&mut deployment, snapshot)?;
    deployment.expires = find_expiry(env, snapshot, ui, request.ttl)?;
    Ok(deployment)
}

/// Checks that no plan command has failed.
fn require_all_planned(plan: &DeploymentPlan, name: &EnvName) -> Result<(), CliError> {
    let failed: Vec<&str> = plan
        .components
        .iter()
        .filter(|it| it.state == PlanState::Failed)
        .map(|it| it.component.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(CliError::new(
        ErrorKind::Command,
        format!("{} could not be planned for {name}", failed.join(", ")),
    ))
}
