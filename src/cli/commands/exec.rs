//! `git deploy exec`: runs a one-off command in an environment, subject to the rules and recorded
//! in the ledger.
//!
//! The ledger permanently records who ran it and its exit status. The output is printed and not
//! stored.

use std::ffi::OsString;

use crate::cli::args::metadata::MetadataArgs;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::{ComponentPlans, DeployRunner, Preparation};
use crate::cli::deployment_request;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, append_report};
use crate::domain::entry::{self, Action, ComponentChange, Deployment, Finish, Intent, Target};
use crate::domain::id::RunId;
use crate::domain::name::ComponentName;
use crate::domain::text::Line;
use crate::run::process::{self, CommandEnd, CommandSpec, MAX_KEPT_OUTPUT, Program, Stream};
use crate::run::{execute, outcome};

/// Run a one-off command in an environment, and record it
///
/// The command runs in a checkout of the component's running commit, with its variables and
/// secrets. The ledger records the command, who ran it and its exit status, but not its output.
/// Exits with 4 if the command fails.
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
    let line = format_command(&args.command)?;
    let (person, _) = workspace.find_current_signer()?;
    let carrying = RunOptions::default();
    let deploying = DeployRunner::new(ui, &workspace, &env, &carrying)?
        .with_requester(args.metadata.requested_by.as_ref());
    let target = find_target(&workspace, &deploying, args.component.as_ref())?;
    let compose = |view: &crate::ledger::writer::LedgerSnapshot<'_>| {
        let from = Some(target.commit);
        // An entry identifies an unchanged component by its content alone.
        let target = Target {
            version: None,
            artifacts: Vec::new(),
            ..target.clone()
        };
        let change = ComponentChange {
            target,
            from,
            plan: None,
            intent: Intent::Unchanged,
        };
        let mut deployment = Deployment::new(entry::DeploymentKind::Exec, vec![change]);
        args.metadata.apply_to(&mut deployment, view)?;
        deployment.command = Some(line.clone());
        Ok(deployment)
    };
    let deployment = deploying.check_rules(&person, &compose)?;
    if !deploying.confirm(&format!("Run it in {}?", env.name()))? {
        return Err(CliError::new(ErrorKind::Denied, "nothing was run"));
    }
    let stage = Preparation::new(&deploying, &deployment)?;
    let begun = deploying.write_start(&compose, &deployment, &ComponentPlans::new())?;
    let ended = run_command(&deploying, &stage, begun.run, &target, &args.command);
    // The exit status as shells report it: 127 if the command cannot be run. A failure is recorded
    // as well, because a start needs a finish.
    let status = match &ended {
        Ok(CommandEnd::Exited(status)) => *status,
        Ok(CommandEnd::Signalled(signal)) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        Ok(CommandEnd::TimedOut | CommandEnd::Cancelled) => 130,
        Err(_) => 127,
    };
    let result = execute::make_result(&target.component, entry::Outcome::Unchanged);
    let finish = outcome::build_finish(begun.sequence, begun.run, &begun.deployment, vec![result]);
    let finish = Finish {
        status: Some(status),
        ..finish
    };
    let appended = deploying.write_end(begun.sequence, &Action::Finish(finish))?;
    let sentence = format!("The command in {} exited with status {status}.", env.name());
    append_report::report_entry(ui, &sentence, &appended)?;
    let end = ended?;
    if end.is_success() {
        return Ok(());
    }
    Err(CliError::new(
        ErrorKind::Command,
        format!("the command failed in {}: {end}", env.name()),
    ))
}

/// Returns the running target of the component named on the command line, or of the only one that
/// runs.
fn find_target(
    workspace: &Workspace,
    deploying: &DeployRunner<'_>,
    named: Option<&ComponentName>,
) -> Result<Target, CliError> {
    let snapshot = deploying.read_environment()?;
    let here = snapshot.state();
    let running: Vec<ComponentName> = here
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
        (None, all) => {
            let all: Vec<&str> = all.iter().map(ComponentName::as_str).collect();
            let words = format!(
                "{} runs several components: {}",
                snapshot.name(),
                all.join(", ")
            );
            return Err(CliError::new(ErrorKind::Usage, words).hint("--component NAME"));
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

fn run_command(
    deploying: &DeployRunner<'_>,
    stage: &Preparation<'_>,
    run: RunId,
    target: &Target,
    words: &[OsString],
) -> Result<CommandEnd, CliError> {
    let cannot = || format!("cannot run the command in {}", deploying.env.name());
    let piece = stage
        .work_dirs
        .prepare_job(target.clone(), Some(target.commit), "exec")
        .context(ErrorKind::CannotTell, cannot())?;
    let surroundings = deploying.command_env(stage, Some(run))?;
    let secrets = surroundings.read_secrets(&target.component, false, &deploying.cancellation);
    let secrets = secrets.context(ErrorKind::Command, cannot())?;
    let ui = deploying.ui;
    let show = |stream: Stream, line: &[u8]| match stream {
        Stream::Out => ui.print(secrets.mask.clean_line(line)),
        Stream::Err => ui.eprint(secrets.mask.clean_line(line)),
    };
    let job = CommandSpec {
        program: Program::Direct(words),
        folder: &piece.folder,
        variables: &surroundings.build_variables(&piece, &secrets),
        input: b"",
        timeout: None,
        kept_bytes: MAX_KEPT_OUTPUT,
        mask: &secrets.mask,
        log: None,
        on_line: Some(&show),
    };
    process::run(&job, &deploying.cancellation)
        .map(|ran| ran.end)
        .context(ErrorKind::Command, cannot())
}

/// Formats the command for the entry, quoting words as a shell needs it.
fn format_command(words: &[OsString]) -> Result<Line, CliError> {
    let quoted = |word: &OsString| {
        let text = word.to_str()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
        let quoted = || format!("'{}'", text.replace('\'', "'\\''"));
        Some(if !text.is_empty() && text.chars().all(plain) {
            text.to_owned()
        } else {
            quoted()
        })
    };
    let words: Option<Vec<String>> = words.iter().map(quoted).collect();
    let line = words.and_then(|words| words.join(" ").parse().ok());
    line.ok_or_else(|| {
        CliError::new(
            ErrorKind::Usage,
            "a recorded command must be one line of plain text, at most 1,000 characters",
        )
        .hint("move it to a script in the repository")
    })
}
