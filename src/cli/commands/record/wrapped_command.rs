//! `git deploy record ENV -- COMMAND`: runs the command that a team already has between a start and a
//! finish entry, if the rules allow the deployment.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use super::args::Args;
use super::requested_deployment::{build_recorded_deployment, refuse_unmarked_start};
use super::typed_command::format_command;
use crate::cli::append_report;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::{
    ComponentPlans, DeployRunner, Preparation, StartedRun, explain_config_change, report_recorded,
};
use crate::cli::required_program::require_program;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::command_line::component_options;
use crate::domain::deploy_command::{DeployCommand, find_manual_components};
use crate::domain::entry::{
    Action, CommandStep, Deployment, DeploymentKind, Finish, RecordedResult, VerificationResult,
};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::text::sanitize;
use crate::ledger::writer::{AppendedEntry, LedgerSnapshot};
use crate::run::caller_env::CallerEnv;
use crate::run::command_log::CommandLog;
use crate::run::isolation::CommandIsolation;
use crate::run::outcome::{self, OutcomeReport, ReportedOutcome};
use crate::run::process::{
    self, CommandEnd, CommandResult, CommandSpec, MAX_KEPT_OUTPUT, Program, Stream, TERM_GRACE,
};
use crate::view::result_text;

/// The name of the command's scratch folder and log.
const STAGE: &str = "command";

/// Fails if `--` was typed without a command after it. A script whose variable is empty would otherwise
/// record a deployment that was not made.
pub(super) fn refuse_empty_command(command: &[OsString]) -> Result<(), CliError> {
    let is_empty = command.first().is_none_or(|program| program.is_empty());
    if is_empty && env::args_os().any(|word| word == "--") {
        return Err(CliError::new(
            ErrorKind::Usage,
            "there is no command after --: nothing was run or recorded",
        ));
    }
    Ok(())
}

/// Checks the rules, runs the command between a start and a finish entry, and fails if it fails.
pub(super) fn run_command(
    args: &Args,
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
    commit: CommitId,
) -> Result<(), CliError> {
    let program = args.command.first().map(OsString::as_os_str);
    let search_path = env::var_os("PATH").unwrap_or_default();
    require_program(program.unwrap_or_default(), &search_path, None)?;
    let (person, _) = workspace.find_current_signer()?;
    let options = RunOptions::default();
    let metadata = &args.deployment.metadata;
    let runner = DeployRunner::new(ui, workspace, env, &options)?
        .with_named(&args.deployment.components)
        .with_requester(metadata.requested_by.as_ref())
        .with_inputs(metadata.inputs.read(ui)?)
        .with_dry_run(args.write.dry_run);
    let build = |snapshot: &LedgerSnapshot<'_>| {
        let deployment = build_recorded_deployment(args, ui, env, snapshot, commit)?;
        // Another command beside those of the policy would make the ledger untrue.
        refuse_unmarked_start(env, snapshot, &deployment)?;
        Ok(deployment)
    };
    let deployment = runner.check_rules_without_plans(&person, &build)?;
    if deployment.components.is_empty() {
        runner.report_unchanged(&build, &deployment)?;
        let manual = find_manual_components(&workspace.policy);
        let options = manual.map_or_else(|| " --all".to_owned(), |it| component_options(&it));
        ui.eprint_sentence(format_args!(
            "The command was not run. To run it anyway, add{options}."
        ));
        return Ok(());
    }
    // The command cannot be undone, so the options are checked before it runs.
    args.outcome.build_results(&deployment.components)?;
    if args.write.dry_run {
        ui.print_sentence("The rules allow it; the command was not run, and nothing was written.");
        let plan = runner.build_plan_view(commit, &deployment, &ComponentPlans::new())?;
        return if ui.json() {
            ui.print_document("plan", &plan)
        } else {
            Ok(())
        };
    }
    let command = WrappedCommand::prepare(args, &runner, &deployment)?;
    runner.require_uninterrupted()?;
    let started = runner.write_start(&build, &deployment, &ComponentPlans::new())?;
    let result = command.run(&started);
    let is_success = result.as_ref().is_ok_and(|result| result.end.is_success());
    let appended = command
        .write_finish(&started, &result, is_success)
        .map_err(|error| {
            // What the command did matters more than that its end is not recorded.
            if is_success {
                error
            } else {
                error.with_kind(ErrorKind::Command)
            }
        })?;
    command.report(&started, &appended, result)
}

/// The command, ready to run.
struct WrappedCommand<'a> {
    args: &'a Args,
    runner: &'a DeployRunner<'a>,
    preparation: Preparation<'a>,
    folder: PathBuf,
    caller_env: CallerEnv,
    isolation: CommandIsolation,
    log: PathBuf,
}

impl<'a> WrappedCommand<'a> {
    fn prepare(
        args: &'a Args,
        runner: &'a DeployRunner<'a>,
        deployment: &Deployment,
    ) -> Result<Self, CliError> {
        let cannot_run = "cannot run the command";
        let preparation = Preparation::new(runner, deployment)?;
        let (scratch, log) = preparation
            .work_dirs
            .prepare_command(STAGE)
            .context(ErrorKind::CannotTell, cannot_run)?;
        let (policy, name) = (&runner.workspace.policy, runner.env.name());
        let components = deployment.components.iter();
        let secrets: BTreeSet<_> = components
            .flat_map(|change| policy.secrets(name, &change.target.component).into_keys())
            .collect();
        let mut caller_env =
            CallerEnv::read(&secrets).context(ErrorKind::CannotTell, cannot_run)?;
        report_left_out(runner.ui, &caller_env.left_out);
        let isolation = preparation
            .isolate_command(deployment, &scratch)
            .context(ErrorKind::CannotTell, cannot_run)?;
        if matches!(isolation, CommandIsolation::Files(_)) {
            // The command may not write to the caller's.
            caller_env
                .variables
                .insert("TMPDIR".to_owned(), scratch.into());
        }
        Ok(Self {
            args,
            runner,
            preparation,
            folder: env::current_dir().context(ErrorKind::CannotTell, cannot_run)?,
            caller_env,
            isolation,
            log,
        })
    }

    /// Runs the command and prints its output without the secrets.
    fn run(&self, started: &StartedRun) -> Result<CommandResult, CliError> {
        let mut variables = self.caller_env.variables.clone();
        variables.extend(self.describe_deployment(started));
        let (ui, mask) = (self.runner.ui, &self.caller_env.mask);
        let show = |stream: Stream, line: &[u8]| match stream {
            Stream::Out => ui.print(mask.clean_line(line)),
            Stream::Err => ui.eprint(mask.clean_line(line)),
        };
        let spec = CommandSpec {
            program: Program::Direct(&self.args.command),
            folder: &self.folder,
            variables: &variables,
            isolation: &self.isolation,
            input: b"",
            timeout: None,
            grace: TERM_GRACE,
            kept_bytes: MAX_KEPT_OUTPUT,
            mask,
            log: Some(&self.log),
            on_line: Some(&show),
        };
        process::run(&spec, &self.runner.cancellation)
            .context(ErrorKind::Command, "the command could not be run")
    }

    /// Returns the variables that tell the command what to deploy.
    fn describe_deployment(&self, started: &StartedRun) -> BTreeMap<String, OsString> {
        // A component that was renamed is deployed under its new name. Its former name is neither
        // deployed nor removed.
        let changed = || {
            let changes = started.deployment.changed();
            changes.filter(|change| change.renamed_to.is_none())
        };
        let list = |is_removal: bool| -> String {
            let selected = changed().filter(|change| change.is_removal() == is_removal);
            let names: Vec<&str> = selected.map(|it| it.target.component.as_str()).collect();
            names.join(" ")
        };
        let commit = changed().next().map(|it| it.target.commit.to_string());
        [
            ("DEPLOY_ENV", self.runner.env.name().to_string()),
            ("DEPLOY_COMMIT", commit.unwrap_or_default()),
            ("DEPLOY_COMPONENTS", list(false)),
            ("DEPLOY_REMOVED", list(true)),
            ("DEPLOY_RUN", started.run.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into()
    }

    /// Writes the finish entry: what the command did to each component, with its status.
    fn write_finish(
        &self,
        started: &StartedRun,
        result: &Result<CommandResult, CliError>,
        is_success: bool,
    ) -> Result<AppendedEntry, CliError> {
        let deployment = &started.deployment;
        let results = if is_success {
            self.args.outcome.build_results(&deployment.components)?
        } else {
            build_failed_results(deployment)?
        };
        let commands = CommandLog::default();
        for change in deployment.changed() {
            let step = if change.is_removal() {
                CommandStep::Destroy
            } else {
                CommandStep::Apply
            };
            if let Ok(result) = result {
                commands.add(&change.target.component, step, result);
            }
        }
        let finish = Finish {
            commands: commands.into_commands(),
            logs: self.args.outcome.logs.clone(),
            ..outcome::build_finish(started.sequence, started.run, deployment, results)
        };
        let outcome = if is_success { "succeeded" } else { "failed" };
        let next = format!(
            "git deploy record {} --finish --run {} --outcome {outcome}",
            self.runner.env.name(),
            started.sequence
        );
        self.runner
            .write_end(started.sequence, &Action::Finish(finish), &next)
    }

    /// Prints the outcome, and returns the error of a command that failed.
    fn report(
        &self,
        started: &StartedRun,
        appended: &AppendedEntry,
        result: Result<CommandResult, CliError>,
    ) -> Result<(), CliError> {
        let (runner, name) = (self.runner, self.runner.env.name());
        let reason = match &result {
            Ok(result) if result.end.is_success() => None,
            Ok(result) if result.end == CommandEnd::Cancelled => Some(format!(
                "the command was cancelled in {name}, which may run parts of the change"
            )),
            Ok(result) => Some(format!("the command failed in {name}: {}", result.end)),
            Err(error) => Some(error.to_sentence()),
        };
        let kind = started.deployment.kind;
        let sentence = result_text::summarize_entry(name.as_str(), kind, &appended.statement);
        append_report::report_entry(runner.ui, &sentence, appended)?;
        report_recorded(
            runner.ui,
            runner.workspace,
            runner.env,
            Some(&started.deployment),
            appended,
        );
        if let Some(what) = self.preparation.find_config_change() {
            return Err(explain_config_change(
                &what,
                "the command's end is recorded",
            ));
        }
        super::reconcile_after_record(runner.ui, runner.workspace, runner.env, appended);
        let output = result?.output;
        let Some(reason) = reason else { return Ok(()) };
        let error = CliError::new(ErrorKind::Command, reason);
        let lines = output.tail.iter().map(String::as_str);
        let words = self.args.command.iter().filter_map(|word| word.to_str());
        let error = match self.preparation.explain_sudo(lines.chain(words)) {
            Some(explanation) => error.because(explanation),
            None => error,
        };
        let error = error.hint(format!("less {}", self.log.display()));
        Err(self
            .suggest_rollback(&started.deployment)
            .into_iter()
            .fold(error, CliError::hint))
    }

    /// Returns the commands that run the same command with the commits that ran before. Returns none
    /// after a failed rollback: what ran before it is what was to be rolled back.
    fn suggest_rollback(&self, deployment: &Deployment) -> Vec<String> {
        if deployment.kind == DeploymentKind::Rollback {
            return Vec::new();
        }
        let mut previous: BTreeMap<CommitId, Vec<&ComponentName>> = BTreeMap::new();
        for change in deployment.changed() {
            if let (Some(commit), false) = (change.from, change.is_removal()) {
                let names = previous.entry(commit).or_default();
                names.push(&change.target.component);
            }
        }
        let policy = &self.runner.workspace.policy;
        let words = format_command(policy, &self.args.command);
        previous
            .into_iter()
            .map(|(commit, names)| {
                DeployCommand::new(policy, self.runner.env.name())
                    .commit(commit)
                    .kind(DeploymentKind::Rollback)
                    .only(names)
                    .with_command(&words)
                    .to_string()
            })
            .collect()
    }
}

/// Says which variables the command does not get.
fn report_left_out(ui: &Ui, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let names: Vec<String> = names.iter().map(|name| sanitize(name)).collect();
    let verb = if names.len() == 1 {
        "contains"
    } else {
        "contain"
    };
    ui.eprint_sentence(format_args!(
        "Not passed to the command: {}, which {verb} the signing key or its password.",
        names.join(", ")
    ));
}

/// Returns the results of a deployment whose command failed: every component may be affected.
fn build_failed_results(deployment: &Deployment) -> Result<Vec<RecordedResult>, CliError> {
    let report = OutcomeReport {
        outcome: ReportedOutcome::Failed,
        outcomes: BTreeMap::new(),
        verification: VerificationResult::None,
        verifications: BTreeMap::<ComponentName, _>::new(),
    };
    outcome::resolve_results(&deployment.components, &report)
        .context(ErrorKind::CannotTell, "cannot record the failure")
}
