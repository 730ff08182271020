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
    at: EnvArg,
    /// The run to take over. Optional if there is only one
    #[arg(long, value_name = "NUMBER")]
    run: Option<u64>,
    #[command(flatten)]
    options: RunOptions,
}

/// What is known of the run before it is taken over.
struct FoundRun {
    sequence: u64,
    owner: u64,
    deployment: Deployment,
    description: String,
}

/// Takes over a run after confirmation, plans it again, and runs it to its end.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let env = match find_dropped_environment(&workspace, args.at.as_typed()) {
        Some(env) => env,
        None => {
            workspace
                .find_environment(args.at.find(&workspace, ui)?.as_str())?
                .0
        }
    };
    let known = workspace.read_state(env.ledger(), &Scope::All)?;
    let found = describe_run(
        ui,
        &env,
        deployment_request::find_run(args.run, "resume", ui, &env, env.state_in(&known).runs())?,
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
    ui.print_sentence(format_args!("{}", found.description));
    for line in result_text::render_changes(&found.deployment, ui.width()) {
        ui.print(line);
    }
    if !ui.confirm("Has it stopped, and should it be taken over?")? {
        return Err(CliError::new(ErrorKind::Denied, "nothing was done"));
    }
    workspace.find_current_signer()?;
    let deploying = DeployRunner::new(ui, &workspace, &env, &args.options)?;
    let run = RunId(clock::random().context(ErrorKind::CannotTell, "cannot begin a run")?);
    deploying.append(&|view| {
        let state = view
            .load_state(env.ledger(), &Scope::All)
            .context(ErrorKind::CannotTell, "cannot read the ledger")?;
        let owner = env
            .state_in(&state)
            .run(found.sequence)
            .map(|run| run.owner.statement.clone());
        match owner {
            // If two clients take over at once, the second one gives way.
            Some(owner) if owner.sequence != found.owner => {
                let words = format!("{} has just taken over the run", owner.by);
                Err(CliError::new(ErrorKind::Denied, words)
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
    let begun = StartedRun {
        sequence: found.sequence,
        run,
        deployment: found.deployment,
    };
    let stage = Preparation::new(&deploying, &begun.deployment)?;
    let progress = DeploymentProgress::new(ui, stage.name_width);
    let plans = deploying.replan(&stage, &progress, &begun)?;
    deploying.run_to_finish(&stage, &progress, &begun, &plans)
}

fn describe_run(ui: &Ui, env: &EnvRef, run: OpenRun<'_>) -> Result<FoundRun, CliError> {
    let deployment = run.deployment().cloned();
    let deployment = deployment.ok_or_else(|| {
        CliError::new(
            ErrorKind::CannotTell,
            format!("the run {} cannot be read", run.sequence),
        )
    })?;
    let owner = &run.owner.statement;
    let told = format!(
        "Run {} in {} is {}'s, {}.",
        run.sequence,
        env.name(),
        owner.by,
        ui.format_time(owner.at)
    );
    Ok(FoundRun {
        sequence: run.sequence,
        owner: owner.sequence,
        deployment,
        description: told,
    })
}
