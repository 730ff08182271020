//! `git deploy resume`: takes over an unfinished run and continues from what is recorded.

use crate::cli::args::environment::EnvArg;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::{DeployRunner, Preparation, StartedRun};
use crate::cli::deployment_request::{self, find_dropped_environment};
use crate::cli::progress::DeploymentProgress;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::clock;
use crate::domain::entry::{self, Action, Deployment, Resume};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::RunId;
use crate::domain::state::{OpenRun, Scope};
use crate::view::result_text;

/// Take over an unfinished run and complete it
///
/// For a run whose process was killed or whose machine was lost. All changes are planned again. If
/// the original process is still alive, it stops at its next step.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy resume prod
  git deploy resume prod --run 412 --yes")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// The run to take over. Optional if there is only one
    #[arg(long, value_name = "NUMBER")]
    run: Option<u64>,
    #[command(flatten)]
    options: RunOptions,
}

/// An unfinished run to take over, read from the ledger.
struct FoundRun {
    /// The number of its start entry.
    sequence: u64,
    /// The number of its newest start or resume entry, whose signer owns the run.
    owner_entry: u64,
    deployment: Deployment,
    /// A sentence for the user: whose run it is, and since when.
    description: String,
}

/// Takes over a run after confirmation, plans it again, and runs it to its end.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let env = match find_dropped_environment(&workspace, args.environment.as_typed()) {
        Some(env) => env,
        None => {
            workspace
                .find_environment(args.environment.find(&workspace, ui)?.as_str())?
                .0
        }
    };
    let found = find_resumable_run(args, ui, &workspace, &env)?;
    ui.print_sentence(format_args!("{}", found.description));
    for line in result_text::render_changes(&found.deployment, ui.width()) {
        ui.print(line);
    }
    if !ui.confirm("Has it stopped, and should it be taken over?")? {
        return Err(CliError::new(ErrorKind::Denied, "nothing was done"));
    }
    workspace.find_current_signer()?;
    let runner = DeployRunner::new(ui, &workspace, &env, &args.options)?;
    let started = take_over(&runner, found)?;
    let preparation = Preparation::new(&runner, &started.deployment)?;
    let progress = DeploymentProgress::new(ui, preparation.name_width);
    let planning = DeploymentProgress::for_planning(ui, preparation.name_width);
    let plans = runner.replan(&preparation, &planning, &started)?;
    runner.run_to_finish(preparation, &progress, &started, &plans)
}

/// Finds the run of `--run`, or the only unfinished run.
///
/// # Errors
///
/// Fails if there is no such run, if there are several, or if it is a one-off command.
fn find_resumable_run(
    args: &Args,
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
) -> Result<FoundRun, CliError> {
    let state = workspace.read_state(env.ledger(), &Scope::All)?;
    let runs = env.state_in(&state).runs();
    let found = describe_run(
        ui,
        env,
        deployment_request::find_run(args.run, "resume", ui, env, runs)?,
    )?;
    if found.deployment.kind == entry::DeploymentKind::Exec {
        return Err(
            CliError::new(ErrorKind::Usage, "a one-off command cannot be resumed").hint(format!(
                "git deploy abort {} --run {} -m REASON",
                env.name(),
                found.sequence
            )),
        );
    }
    Ok(found)
}

/// Writes the entry that makes this client the owner of the run.
///
/// # Errors
///
/// Fails if the run has ended, or if another client has taken it over since it was shown.
fn take_over(runner: &DeployRunner<'_>, found: FoundRun) -> Result<StartedRun, CliError> {
    let env = runner.env;
    let run = RunId(clock::random().context(ErrorKind::CannotTell, "cannot begin a run")?);
    runner.append(&|view| {
        let state = view
            .load_state(env.ledger(), &Scope::All)
            .context(ErrorKind::CannotTell, "cannot read the ledger")?;
        let owner = env
            .state_in(&state)
            .run(found.sequence)
            .map(|run| run.owner.statement.clone());
        match owner {
            // If two clients take over at once, the second one gives way.
            Some(owner) if owner.sequence != found.owner_entry => {
                let message = format!("{} has just taken over the run", owner.by);
                Err(CliError::new(ErrorKind::Denied, message)
                    .hint(format!("git deploy status {}", env.name())))
            }
            None => Err(CliError::new(
                ErrorKind::Denied,
                format!("run {} has ended", found.sequence),
            )),
            Some(_) => Ok(Action::Resume(Resume {
                start: found.sequence,
                run,
            })),
        }
    })?;
    Ok(StartedRun {
        sequence: found.sequence,
        run,
        deployment: found.deployment,
    })
}

/// Describes a run for the user.
///
/// # Errors
///
/// Fails if the run's start entry has no deployment that can be read.
fn describe_run(ui: &Ui, env: &EnvRef, run: OpenRun<'_>) -> Result<FoundRun, CliError> {
    let deployment = run.deployment().cloned();
    let deployment = deployment.ok_or_else(|| {
        CliError::new(
            ErrorKind::CannotTell,
            format!("run {} cannot be read", run.sequence),
        )
    })?;
    let owner = &run.owner.statement;
    let description = format!(
        "Run {} in {} is {}'s, {}.",
        run.sequence,
        env.name(),
        owner.by,
        ui.format_time(owner.at)
    );
    Ok(FoundRun {
        sequence: run.sequence,
        owner_entry: owner.sequence,
        deployment,
        description,
    })
}
