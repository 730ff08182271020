//! `git deploy resume`: takes over an unfinished run and continues from what is recorded.

use crate::cli::append_report;
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
use crate::domain::name::Person;
use crate::domain::state::{OpenRun, Scope};
use crate::domain::text::Line;
use crate::domain::time::Time;
use crate::view::result_text;

/// Resume an unfinished run and complete it
///
/// For a run whose process was killed or whose machine was lost. All changes are planned again. If
/// the original process is still alive, it stops at its next step. Another person's run can be
/// resumed once it is stale (`stale_after` in the policy), or before with --take-over.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy resume prod
  git deploy resume prod --run 412 --yes

  Take over the run of a machine that was lost a moment ago:
    git deploy resume prod --take-over -m \"The runner was shut down\"")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// The run to take over. Optional if there is only one
    #[arg(long, value_name = "NUMBER")]
    run: Option<u64>,
    /// Do not wait until another person's run is stale
    #[arg(long, requires = "message")]
    take_over: bool,
    /// Why it is taken over, shown to everyone
    #[arg(short, long, value_name = "REASON", value_parser = append_report::parse_line, requires = "take_over")]
    message: Option<Line>,
    #[command(flatten)]
    options: RunOptions,
}

/// An unfinished run to take over, read from the ledger.
struct ResumableRun {
    /// The number of its start entry.
    sequence: u64,
    /// The number of its newest start or resume entry, whose signer owns the run.
    owner_entry: u64,
    deployment: Deployment,
    /// Who owns the run.
    owner: Person,
    /// When it is stale, so that any deployer may take it over.
    stale_at: Option<Time>,
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
    let resumable = find_resumable_run(args, ui, &workspace, &env)?;
    let (signer, _) = workspace.find_current_signer()?;
    if resumable.owner != signer && !args.take_over {
        refuse_before_stale(ui, &env, &resumable)?;
    }
    ui.print_sentence(format_args!("{}", resumable.description));
    for line in result_text::render_changes(&resumable.deployment, ui.width()) {
        ui.print(line);
    }
    if !ui.confirm("Has it stopped, and should it be taken over?")? {
        return Err(CliError::new(ErrorKind::Denied, "nothing was done"));
    }
    let runner = DeployRunner::new(ui, &workspace, &env, &args.options)?;
    let started = take_over(&runner, resumable, args.message.as_ref())?;
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
) -> Result<ResumableRun, CliError> {
    let state = workspace.read_state(env.ledger(), &Scope::All)?;
    let runs = env.state_in(&state).runs();
    let resumable = describe_run(
        ui,
        workspace,
        env,
        deployment_request::find_run(args.run, "resume", ui, env, runs)?,
    )?;
    if resumable.deployment.external {
        let (name, run) = (env.name(), resumable.sequence);
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("run {run} is made outside git-deploy: it cannot be resumed"),
        )
        .hint(format!("git deploy record {name} --finish --run {run}"))
        .hint(format!("git deploy abort {name} --run {run} -m REASON")));
    }
    if resumable.deployment.kind == entry::DeploymentKind::Exec {
        return Err(
            CliError::new(ErrorKind::Usage, "a one-off command cannot be resumed").hint(format!(
                "git deploy abort {} --run {} -m REASON",
                env.name(),
                resumable.sequence
            )),
        );
    }
    Ok(resumable)
}

/// Fails if another person's run is not stale: its process may be alive. The rules refuse it as well.
fn refuse_before_stale(ui: &Ui, env: &EnvRef, resumable: &ResumableRun) -> Result<(), CliError> {
    let Some(stale_at) = resumable.stale_at.filter(|stale_at| *stale_at > ui.now()) else {
        return Ok(());
    };
    let (sequence, owner, name) = (resumable.sequence, &resumable.owner, env.name());
    let until = ui.format_time(stale_at);
    let message = format!("run {sequence} is {owner}'s and not stale yet ({until})");
    Err(CliError::new(ErrorKind::Denied, message)
        .because("its process may still be working")
        .hint(format!("git deploy status {name}"))
        .hint(format!(
            "git deploy resume {name} --run {sequence} --take-over -m REASON"
        )))
}

/// Writes the entry that makes this client the owner of the run.
///
/// # Errors
///
/// Fails if the run has ended, or if another client has taken it over since it was shown.
fn take_over(
    runner: &DeployRunner<'_>,
    resumable: ResumableRun,
    reason: Option<&Line>,
) -> Result<StartedRun, CliError> {
    let env = runner.env;
    let run = RunId(clock::random().context(ErrorKind::CannotTell, "cannot begin a run")?);
    runner.append(&|snapshot| {
        let state = snapshot
            .load_state(env.ledger(), &Scope::All)
            .context(ErrorKind::CannotTell, "cannot read the ledger")?;
        let owner = env
            .state_in(&state)
            .run(resumable.sequence)
            .map(|run| run.owner.statement.clone());
        match owner {
            // Another client has taken over the run since it was displayed here.
            Some(owner) if owner.sequence != resumable.owner_entry => {
                let message = format!("{} has just taken over the run", owner.by);
                Err(CliError::new(ErrorKind::Denied, message)
                    .hint(format!("git deploy status {}", env.name())))
            }
            None => Err(CliError::new(
                ErrorKind::Denied,
                format!("run {} has ended", resumable.sequence),
            )),
            Some(_) => Ok(Action::Resume(Resume {
                start: resumable.sequence,
                run,
                reason: reason.cloned(),
            })),
        }
    })?;
    Ok(StartedRun {
        sequence: resumable.sequence,
        run,
        deployment: resumable.deployment,
    })
}

/// Describes a run for the user.
///
/// # Errors
///
/// Fails if the run's start entry has no deployment that can be read.
fn describe_run(
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
    run: OpenRun<'_>,
) -> Result<ResumableRun, CliError> {
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
    let rules = workspace.policy.environment(env.name());
    Ok(ResumableRun {
        sequence: run.sequence,
        owner_entry: owner.sequence,
        owner: owner.by.clone(),
        stale_at: rules.map(|rules| owner.at.plus(rules.stale_after)),
        deployment,
        description,
    })
}
