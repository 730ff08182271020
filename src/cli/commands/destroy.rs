//! `git deploy destroy`: destroys an ephemeral environment.

use crate::cli::args::environment::EnvArg;
use crate::cli::args::inputs::InputArgs;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::{DeployRunner, Destruction, build_destruction, make_gone_error};
use crate::cli::entry_name::format_entry_name;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui, append_report};
use crate::domain::entry::{self, Deployment};
use crate::domain::env_ref::EnvRef;
use crate::domain::name::Person;
use crate::domain::state::Scope;
use crate::domain::text::{Description, Line};
use crate::ledger::writer::LedgerSnapshot;
use crate::view::destroyed::{DestroyOutcome, DestroyReport, DestroyedEnvironment};
use crate::view::result_text;

/// Destroy an ephemeral environment
///
/// Destroys all its components, dependents first. If a component fails, repeat the command to
/// continue. Succeeds if the environment does not exist. Exits with 4 if a command of the policy
/// failed.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy destroy pr-17
  git deploy destroy pr-17 --yes -m \"The change request was merged\"")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// Override most rules, for a reason that is recorded
    #[arg(long, value_name = "REASON", value_parser = append_report::parse_line)]
    break_glass: Option<Line>,
    #[command(flatten)]
    inputs: InputArgs,
    /// The person who asked for the destruction
    #[arg(long, value_name = "PERSON")]
    requested_by: Option<Person>,
    /// A description
    #[arg(short, long, value_parser = append_report::parse_description)]
    message: Option<Description>,
    #[command(flatten)]
    options: RunOptions,
}

/// Destroys an ephemeral environment. Succeeds if it does not exist.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let name = args.environment.find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    if env.member().is_none() {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{name} is not ephemeral, so it cannot be destroyed as a whole"),
        )
        .hint(format!("git deploy run {name} REV --destroy")));
    }
    let state = workspace.read_state(env.ledger(), &Scope::All)?;
    let env_state = env.state_in(&state);
    let describe = |outcome, entry, why| DestroyedEnvironment {
        name: name.clone(),
        expires: env_state.expires(),
        outcome,
        why,
        entry,
    };
    if !env_state.exists() {
        ui.print_sentence(format_args!(
            "{name} does not exist: there is nothing to destroy."
        ));
        return print_document(ui, describe(DestroyOutcome::Absent, None, None));
    }
    let Destruction { finish, result } = destroy_environment(args, ui, &workspace, &env)?;
    let sentence = result_text::summarize_deployment(
        name.as_str(),
        entry::DeploymentKind::Destroy,
        &finish.statement.component_results(),
    );
    ui.print(append_report::format_with_entry(
        ui,
        &sentence,
        &format_entry_name(env.ledger(), finish.id),
    ));
    let (outcome, why) = if result.is_ok() {
        (DestroyOutcome::Destroyed, None)
    } else {
        (DestroyOutcome::Failed, Some(sentence))
    };
    print_document(ui, describe(outcome, Some(finish.id), why))?;
    result
}

/// Destroys the environment after confirmation.
fn destroy_environment(
    args: &Args,
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
) -> Result<Destruction, CliError> {
    let (person, _) = workspace.find_current_signer()?;
    let runner = DeployRunner::new(ui, workspace, env, &args.options)?
        .with_requester(args.requested_by.as_ref())
        .with_inputs(args.inputs.read(ui)?);
    let build = |snapshot: &LedgerSnapshot<'_>| build_deployment(args, env, snapshot);
    let confirm = || {
        if ui.confirm(&format!("Destroy {}?", env.name()))? {
            Ok(())
        } else {
            Err(CliError::new(ErrorKind::Denied, "nothing was destroyed"))
        }
    };
    runner.destroy(&person, &build, &confirm)
}

/// Computes the deployment that destroys the environment.
///
/// # Errors
///
/// Fails if another process has destroyed the environment in the meantime.
fn build_deployment(
    args: &Args,
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
) -> Result<Deployment, CliError> {
    let mut deployment =
        build_destruction(env, snapshot, &|_| Ok(()))?.ok_or_else(|| make_gone_error(env))?;
    deployment.description.clone_from(&args.message);
    deployment.break_glass.clone_from(&args.break_glass);
    Ok(deployment)
}

/// Prints the JSON document if `--json` was given.
fn print_document(ui: &Ui, environment: DestroyedEnvironment) -> Result<(), CliError> {
    if !ui.json() {
        return Ok(());
    }
    ui.print_document(
        "destroyed",
        &DestroyReport {
            dry_run: false,
            environments: vec![environment],
        },
    )
}
