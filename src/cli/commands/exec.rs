//! `git deploy exec`: runs a one-off command in an environment, subject to the rules and recorded
//! in the ledger.
//!
//! The ledger permanently records who ran it, its exit status, how long it took, and a digest of its
//! output. The output is printed and not stored.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use crate::cli::args::command_line::format_command;
use crate::cli::args::metadata::MetadataArgs;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::{
    ComponentPlans, DeployRunner, Preparation, StartedRun, explain_config_change,
};
use crate::cli::deployment_request;
use crate::cli::required_program::require_program;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, append_report};
use crate::domain::entry::{self, Action, CommandRecord, CommandStep, Deployment, Finish, Target};
use crate::domain::id::RunId;
use crate::domain::name::ComponentName;
use crate::domain::text::Line;
use crate::ledger::writer::LedgerSnapshot;
use crate::run::command_env::{ComponentJob, SecretPurpose, Secrets};
use crate::run::command_log::CommandLog;
use crate::run::process::{
    self, CommandResult, CommandSpec, MAX_KEPT_OUTPUT, Mask, Program, Stream, TERM_GRACE,
};
use crate::run::{execute, outcome};

/// What stands for the command while its secrets are unknown.
const HIDDEN_COMMAND: &str = "***";

/// Run a one-off command in an environment, and record it
///
/// The command runs in a checkout of the component's running commit, with its variables and
/// secrets. The ledger records the command (with *** for the values of secrets), who ran it, its
/// exit status and a digest of its output, but not the output. Exits with 4 if the command fails.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Run a migration:
    git deploy exec prod --component api -- ./manage migrate

  Use shell features:
    git deploy exec prod --component api -- sh -c 'ls | wc -l'")]
pub struct Args {
    /// The environment
    #[arg(value_name = "ENV")]
    env: String,
    /// The component whose variables to use. Optional if only one runs
    #[arg(short, long = "component", value_name = "NAME")]
    component: Option<ComponentName>,
    /// The command and its arguments, run without a shell
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    metadata: MetadataArgs,
}

/// Runs the command between a start and a finish entry, and fails if the command fails.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let (env, _) = workspace.find_environment(&args.env)?;
    // Whatever the secrets are, this could not be recorded.
    format_command(&args.command)?;
    let (person, _) = workspace.find_current_signer()?;
    let options = RunOptions::default();
    let runner = DeployRunner::new(ui, &workspace, &env, &options)?
        .with_requester(args.metadata.requested_by.as_ref())
        .with_inputs(args.metadata.inputs.read(ui)?);
    let target = find_target(&workspace, &runner, args.component.as_ref())?;
    // No secret is read for a command that the rules do not allow, and none is recorded, so the rules
    // are asked twice: first without the words.
    let hidden: Line = HIDDEN_COMMAND
        .parse()
        .context(ErrorKind::CannotTell, "cannot hide the command")?;
    let build_hidden =
        |snapshot: &LedgerSnapshot<'_>| build_deployment(args, &target, hidden.clone(), snapshot);
    let deployment = runner.precheck_rules(&person, &build_hidden)?;
    let preparation = Preparation::new(&runner, &deployment)?;
    let secrets = read_secrets(&runner, &preparation, &target)?;
    let command = mask_command(&args.command, &secrets.mask)?;
    let build =
        |snapshot: &LedgerSnapshot<'_>| build_deployment(args, &target, command.clone(), snapshot);
    let deployment = runner.check_rules(&person, &build)?;
    if !runner.confirm(&format!("Run it in {}?", env.name()))? {
        return Err(CliError::new(ErrorKind::Denied, "nothing was run"));
    }
    let words = &args.command;
    let job = prepare_job(&runner, &preparation, &target, &secrets, words)?;
    let started = runner.write_start(&build, &deployment, &ComponentPlans::new())?;
    let commands = CommandLog::default();
    let result = run_command(&runner, &preparation, started.run, &job, &secrets, words);
    if let Ok(result) = &result {
        commands.add(&target.component, CommandStep::Exec, result);
    }
    // A failure is also recorded, because every start entry needs a finish entry.
    let status = shell_status(&result);
    let commands = commands.into_commands();
    write_finish(&runner, &started, &target, status, commands)?;
    if let Some(what) = preparation.find_config_change() {
        return Err(explain_config_change(
            &what,
            "the command's end is recorded",
        ));
    }
    let CommandResult { end, output, .. } = result?;
    if end.is_success() {
        return Ok(());
    }
    let error = CliError::new(
        ErrorKind::Command,
        format!("the command failed in {}: {end}", env.name()),
    );
    let lines = output.tail.iter().map(String::as_str);
    let words = words.iter().filter_map(|word| word.to_str());
    Err(match preparation.explain_sudo(lines.chain(words)) {
        Some(explanation) => error.because(explanation),
        None => error,
    })
}

/// Computes the deployment that records the command. It changes no component.
fn build_deployment(
    args: &Args,
    running: &Target,
    command: Line,
    snapshot: &LedgerSnapshot<'_>,
) -> Result<Deployment, CliError> {
    let mut deployment = Deployment::new_exec(
        running.component.clone(),
        running.commit,
        running.content,
        command,
    );
    args.metadata.apply_to(&mut deployment, snapshot)?;
    Ok(deployment)
}

/// Returns the exit status as shells report it: 127 if the command cannot be run.
fn shell_status(result: &Result<CommandResult, CliError>) -> u8 {
    result
        .as_ref()
        .map_or(127, |result| result.end.shell_status())
}

/// Writes the finish entry with the command's exit status, and reports it.
fn write_finish(
    runner: &DeployRunner<'_>,
    started: &StartedRun,
    target: &Target,
    status: u8,
    commands: Vec<CommandRecord>,
) -> Result<(), CliError> {
    let result = execute::make_result(&target.component, entry::Outcome::Executed);
    let finish = Finish {
        status: Some(status),
        commands,
        ..outcome::build_finish(
            started.sequence,
            started.run,
            &started.deployment,
            vec![result],
        )
    };
    let name = runner.env.name();
    let next = format!("git deploy resume {name}");
    let appended = runner.write_end(started.sequence, &Action::Finish(finish), &next)?;
    let sentence = format!("The command in {name} exited with status {status}.");
    append_report::report_entry(runner.ui, &sentence, &appended)
}

/// Returns the running target of the component named on the command line, or of the only running
/// component.
fn find_target(
    workspace: &Workspace,
    runner: &DeployRunner<'_>,
    named: Option<&ComponentName>,
) -> Result<Target, CliError> {
    let snapshot = runner.read_environment()?;
    let running: Vec<ComponentName> = snapshot
        .state()
        .components()
        .into_keys()
        .filter(|name| **name != ComponentName::rest())
        .cloned()
        .collect();
    let name = match (named, &running[..]) {
        (Some(name), _) => {
            deployment_request::require_component(&workspace.policy, name)?;
            name
        }
        (None, [name]) => name,
        (None, []) => {
            let message = format!("nothing runs in {}", snapshot.name());
            return Err(CliError::new(ErrorKind::Usage, message)
                .hint(format!("git deploy status {}", snapshot.name())));
        }
        (None, several) => {
            let running_names: Vec<&str> = several.iter().map(ComponentName::as_str).collect();
            let message = format!(
                "{} runs several components: {}",
                snapshot.name(),
                running_names.join(", ")
            );
            return Err(CliError::new(ErrorKind::Usage, message).hint("--component NAME"));
        }
    };
    snapshot.running(name).ok_or_else(|| {
        CliError::new(
            ErrorKind::Usage,
            format!("{name} does not run in {}", snapshot.name()),
        )
        .hint(format!("git deploy status {}", snapshot.name()))
    })
}

/// Reads the secrets of the component that the command runs for.
fn read_secrets(
    runner: &DeployRunner<'_>,
    preparation: &Preparation<'_>,
    target: &Target,
) -> Result<Secrets, CliError> {
    let command_env = runner.command_env(preparation, None)?;
    let secrets = command_env.read_secrets(
        &target.component,
        SecretPurpose::Other,
        &runner.cancellation,
    );
    secrets.context(ErrorKind::Command, explain_not_run(runner))
}

fn explain_not_run(runner: &DeployRunner<'_>) -> String {
    format!("cannot run the command in {}", runner.env.name())
}

/// Formats the command for the entry, with `***` for each secret: in single words, and in all of
/// them, since a shell splits an unquoted secret at its spaces.
fn mask_command(words: &[OsString], mask: &Mask) -> Result<Line, CliError> {
    let mask_word = |word: &OsString| match word.to_str() {
        Some(text) => mask.mask_text(text).into(),
        None => word.clone(),
    };
    let words: Vec<OsString> = words.iter().map(mask_word).collect();
    let line = format_command(&words)?;
    mask.mask_text(line.as_str()).parse().context(
        ErrorKind::Usage,
        "the command is too long with its secrets masked",
    )
}

/// Writes the checkout of the running commit, and fails if the program cannot be executed in it.
fn prepare_job(
    runner: &DeployRunner<'_>,
    preparation: &Preparation<'_>,
    target: &Target,
    secrets: &Secrets,
    words: &[OsString],
) -> Result<ComponentJob, CliError> {
    let cannot_run = || explain_not_run(runner);
    let job = preparation
        .work_dirs
        .prepare_job(target.clone(), Some(target.commit), "exec")
        .context(ErrorKind::CannotTell, cannot_run())?;
    job.checkout
        .write()
        .context(ErrorKind::CannotTell, cannot_run())?;
    let program = words.first().map(OsString::as_os_str);
    let command_env = runner.command_env(preparation, None)?;
    let variables = command_env.build_variables(&job, secrets, &job.new_plan_file());
    let search_path = variables.get("PATH").cloned().unwrap_or_default();
    let program = program.unwrap_or_default();
    // The error would contain the name.
    if !secrets.mask.finds(program.as_bytes()) {
        require_program(program, &search_path, Some(&job.folder))?;
    }
    Ok(job)
}

/// Runs the command in the checkout, and prints its output without the secrets.
fn run_command(
    runner: &DeployRunner<'_>,
    preparation: &Preparation<'_>,
    run: RunId,
    job: &ComponentJob,
    secrets: &Secrets,
    words: &[OsString],
) -> Result<CommandResult, CliError> {
    let cannot_run = || explain_not_run(runner);
    let command_env = runner.command_env(preparation, Some(run))?;
    let ui = runner.ui;
    let show = |stream: Stream, line: &[u8]| match stream {
        Stream::Out => ui.print(secrets.mask.clean_line(line)),
        Stream::Err => ui.eprint(secrets.mask.clean_line(line)),
    };
    let spec = CommandSpec {
        program: Program::Direct(words),
        folder: &job.folder,
        variables: &command_env.build_variables(job, secrets, &job.new_plan_file()),
        isolation: &command_env
            .isolate(job)
            .context(ErrorKind::CannotTell, cannot_run())?,
        input: b"",
        timeout: None,
        grace: TERM_GRACE,
        kept_bytes: MAX_KEPT_OUTPUT,
        mask: &secrets.mask,
        log: None,
        on_line: Some(&show),
    };
    process::run(&spec, &runner.cancellation).context(ErrorKind::Command, cannot_run())
}
