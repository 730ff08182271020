//! `git deploy check`: checks whether the rules would allow a deployment, and shows what is
//! missing. Needs neither a key nor a network.

use std::collections::BTreeMap;

use crate::cli::args::deployment::DeploymentArgs;
use crate::cli::args::environment::EnvRevArgs;
use crate::cli::deployment_notes;
use crate::cli::deployment_request::{require_ephemeral_for_ttl, select_to_change};
use crate::cli::expected_project::report_missing_pin;
use crate::cli::lfs_pointers::report_lfs_pointers;
use crate::cli::missing_emails::describe_missing_emails;
use crate::cli::promoted_commits::find_promoted_commits;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui, read_context};
use crate::domain::entry::{Deployment, DeploymentKind};
use crate::domain::id::CommitId;
use crate::domain::name::{EnvName, Person};
use crate::domain::policy::Environment;
use crate::domain::verdict::Decision;
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection, SelectionError};
use crate::run::preview::{Preview, PreviewError, Previewer};
use crate::view::check::{self, DeploymentCheck};

/// Check whether the rules allow a deployment, and what is missing
///
/// Needs neither a key nor a network. Also lists the components that a run would leave out. Exits
/// with 0 if the whole deployment is allowed, 1 if not, 3 if that cannot be determined.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  May HEAD be deployed to production?
    git deploy check prod

  Check another commit, for another deployer:
    git deploy check prod v1.5.0 --by ci

  What would be promoted from the previous environment, and may it be?
    git deploy check prod --promote

  Check one component only:
    git deploy check prod --component api")]
pub struct Args {
    #[command(flatten)]
    env_rev: EnvRevArgs,
    #[command(flatten)]
    deployment: DeploymentArgs,
    /// Check what `promote` would deploy
    ///
    /// That is each component at its own commit.
    #[arg(long, conflicts_with_all = ["rev", "rollback"])]
    promote: bool,
    /// Check a rollback to a release that was good here
    #[arg(long, conflicts_with_all = ["hotfix", "destroy"])]
    rollback: bool,
    /// Check for this deployer. Defaults to you
    ///
    /// If you may not deploy there, defaults to the first eligible deployer.
    #[arg(long, value_name = "PERSON")]
    by: Option<Person>,
}

/// Checks a deployment against the rules, prints the verdict, and fails unless they allow it.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    read_context::report_problems(&workspace, ui)?;
    report_missing_pin(&workspace.repository, ui)?;
    let (name, rev) = args.env_rev.find_reviewed_environment(&workspace, ui)?;
    let (env, rules) = workspace.find_environment(name.as_str())?;
    let request = &args.deployment;
    require_ephemeral_for_ttl(&env, rules, request.ttl)?;
    let commits = find_commits(args, &workspace, rules, rev)?;
    let by = find_deployer(args, &workspace, &name, rules)?;
    let spec = DeploymentSpec {
        env: &env,
        rules,
        selection: if request.all {
            Selection::All
        } else {
            select_to_change(&request.components)
        },
        commits,
        kind: args.kind(),
        destroy: request.destroy,
        leaves_out_manual: false,
        versions: BTreeMap::new(),
        artifact: None,
    };
    // A rollback, or a run of named components, leaves none out.
    let is_run_of_all = request.components.is_empty() && !args.rollback && !request.all;
    let previewer = Previewer {
        inputs: request.metadata.inputs.read(ui)?,
        requested_by: request.metadata.requested_by.clone(),
        break_glass: request.metadata.break_glass.clone(),
        description: request.metadata.message.clone(),
        ttl: request.ttl,
        ..workspace.previewer()
    };
    let answer = if is_run_of_all {
        previewer.preview_run(&by, &spec)
    } else {
        previewer.preview_start(&by, &spec)
    };
    let answer = answer.map_err(|error| explain_preview_error(error, name.as_str()))?;
    // A start always has a deployment.
    let Some(deployment) = answer.deployment() else {
        return Err(CliError::reported(ErrorKind::CannotTell));
    };
    report_lfs_pointers(ui, &workspace, deployment);
    let snapshot = read_context::read_environment(&workspace, name.as_str())?;
    deployment_notes::report(ui, &workspace, rules, &name, snapshot.state(), deployment);
    if rev.is_none() {
        deployment_notes::report_uncommitted_changes(ui, &workspace);
    }
    for sentence in describe_missing_emails(&workspace.policy, [rules]) {
        ui.eprint_warning(sentence);
    }
    let mut undeclared = read_context::find_undeclared(&workspace.policy, snapshot.state());
    undeclared.retain(|name| !deployment.targets().any(|it| it.component == *name));
    let report = DeploymentCheck {
        environment: &name,
        commit: find_commit(&spec.commits, deployment)?,
        by: &by,
        deployment,
        verdict: &answer.verdict,
        left_out: &answer.left_out,
        undeclared: if is_run_of_all { &undeclared } else { &[] },
        announcements: ui.announcements(),
    };
    print_report(ui, &workspace, &report)?;
    to_exit_code(&answer)
}

impl Args {
    fn kind(&self) -> DeploymentKind {
        if self.rollback {
            DeploymentKind::Rollback
        } else {
            self.deployment.kind()
        }
    }
}

/// Finds the commits to check: those that would be promoted, or a single one.
fn find_commits(
    args: &Args,
    workspace: &Workspace,
    rules: &Environment,
    rev: Option<&str>,
) -> Result<Commits, CliError> {
    Ok(if args.promote {
        Commits::Each(find_promoted_commits(workspace, rules, &args.deployment)?)
    } else {
        Commits::One(workspace.resolve_commit(rev.unwrap_or("HEAD"))?)
    })
}

/// Prints the verdict.
fn print_report(
    ui: &Ui,
    workspace: &Workspace,
    report: &DeploymentCheck<'_>,
) -> Result<(), CliError> {
    if ui.json() {
        ui.print_document("check", &check::to_document(report))?;
    } else {
        ui.print(check::render_text(report, ui.width()));
        read_context::print_fetch_age(workspace, ui);
    }
    Ok(())
}

/// Returns the commit that names the deployment: its only one, or that of its first component.
fn find_commit(commits: &Commits, deployment: &Deployment) -> Result<CommitId, CliError> {
    let first = || deployment.targets().map(|target| target.commit).next();
    let commit = match commits {
        Commits::One(commit) => Some(*commit),
        Commits::Each(commits) => first().or_else(|| commits.values().next().copied()),
    };
    commit.ok_or_else(|| CliError::new(ErrorKind::Usage, "nothing can be promoted"))
}

/// Returns the deployer to check for: the named one, the user, or the first eligible one.
fn find_deployer(
    args: &Args,
    workspace: &Workspace,
    name: &EnvName,
    rules: &Environment,
) -> Result<Person, CliError> {
    let deployer = args
        .by
        .clone()
        .or_else(|| read_context::find_deployer(workspace, rules, args.kind()));
    deployer.ok_or_else(|| {
        CliError::new(
            ErrorKind::CannotTell,
            format!("{name} has no deployers in the policy"),
        )
    })
}

/// Fails unless the rules allow the whole deployment.
fn to_exit_code(answer: &Preview) -> Result<(), CliError> {
    match answer.verdict.decision() {
        Decision::Allowed if answer.left_out.is_empty() => Ok(()),
        // The answer is also no if the rules allow only a part of it.
        Decision::Allowed | Decision::Refused => Err(CliError::reported(ErrorKind::Denied)),
        Decision::CannotTell => Err(CliError::reported(ErrorKind::CannotTell)),
    }
}

/// Turns the reason why there is no deployment to check into the command's error.
fn explain_preview_error(error: PreviewError, name: &str) -> CliError {
    let kind = match &error {
        PreviewError::Build(
            SelectionError::UnknownComponent(_)
            | SelectionError::Undeclared { .. }
            | SelectionError::NotInCommit { .. }
            | SelectionError::NothingToDestroy { .. }
            | SelectionError::NoComponents(_),
        ) => ErrorKind::Usage,
        _ => ErrorKind::CannotTell,
    };
    CliError::new(
        kind,
        format!("cannot determine what would be deployed to {name}"),
    )
    .because(error)
}
