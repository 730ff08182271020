//! `git deploy verify`: verifies what is deployed again, and records the results.

use std::collections::BTreeMap;

use crate::cli::args::environment::EnvArg;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::{DeployRunner, Preparation};
use crate::cli::deployment_request;
use crate::cli::progress::DeploymentProgress;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui, append_report};
use crate::domain::entry::{
    self, Action, ComponentAtCommit, Deployment, Target, VerificationResult,
};
use crate::domain::name::ComponentName;
use crate::domain::text::Line;
use crate::run::component_steps::StepRunner;
use crate::run::execute;

/// Verify what is deployed again, and record the results
///
/// A failed verification blocks promotion to the next environment until a later one passes. Exits
/// with 4 if a verification fails.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Verify everything that production runs:
    git deploy verify prod

  Verify one component on a schedule:
    git deploy verify prod --component api -m \"Nightly check\"")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// Verify only this component (repeatable). Defaults to all with a verify command
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    /// A comment for the entry
    #[arg(short, long, value_parser = append_report::parse_line)]
    message: Option<Line>,
    #[command(flatten)]
    options: RunOptions,
}

/// Runs the verify commands, records the results, and fails if one of them fails.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let name = args.environment.find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    workspace.find_current_signer()?;
    let runner = DeployRunner::new(ui, &workspace, &env, &args.options)?;
    let running = find_running_targets(&workspace, &runner, &args.components)?;
    let health_by_component = run_verify_commands(&runner, &running)?;
    let select = |healthy: bool| -> Vec<ComponentAtCommit> {
        running
            .values()
            .filter(|target| health_by_component.get(&target.component) == Some(&healthy))
            .map(|target| ComponentAtCommit {
                component: target.component.clone(),
                commit: target.commit,
            })
            .collect()
    };
    let (passed, failed) = (select(true), select(false));
    record_result(args, &runner, VerificationResult::Passed, &passed)?;
    record_result(args, &runner, VerificationResult::Failed, &failed)?;
    if health_by_component.len() < running.len() {
        return Err(CliError::new(
            ErrorKind::Command,
            "interrupted: not everything was verified",
        ));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(CliError::new(
        ErrorKind::Command,
        format!("{} failed verification in {name}", join_names(&failed)),
    )
    .hint(format!("git deploy rollback {name}")))
}

/// Runs the verify command of each running component, and returns which components are healthy.
/// After an interruption, components that were not verified are missing from the result.
fn run_verify_commands(
    runner: &DeployRunner<'_>,
    running: &BTreeMap<ComponentName, Target>,
) -> Result<BTreeMap<ComponentName, bool>, CliError> {
    let changes = running
        .values()
        .map(|target| entry::ComponentChange::new(target.clone(), Some(target.commit)));
    // This deployment is not written. It only lists the components to verify, with their commits.
    let deployment = Deployment::new(entry::DeploymentKind::Deploy, changes.collect());
    let preparation = Preparation::new(runner, &deployment)?;
    let progress = DeploymentProgress::new(runner.ui, preparation.name_width);
    let command_env = runner.command_env(&preparation, None)?;
    let step_runner = StepRunner {
        command_env: &command_env,
        cancellation: &runner.cancellation,
        observer: &progress,
        commands: None,
        is_rollback: false,
    };
    let results = execute::verify_components(
        &deployment,
        &preparation.work_dirs,
        &step_runner,
        runner.parallel(),
    );
    preparation.require_same_config()?;
    Ok(results)
}

/// Writes one verification entry for the components that have this result, and reports it. Writes
/// nothing if there are none.
fn record_result(
    args: &Args,
    runner: &DeployRunner<'_>,
    result: VerificationResult,
    components: &[ComponentAtCommit],
) -> Result<(), CliError> {
    if components.is_empty() {
        return Ok(());
    }
    let verification = entry::Verification {
        components: components.to_vec(),
        verification: result,
        comment: args.message.clone(),
        logs: Vec::new(),
    };
    let appended = runner.append(&|_| Ok(Action::Verification(verification.clone())))?;
    let verb = match result {
        VerificationResult::Passed => "passed",
        _ => "failed",
    };
    append_report::report_entry(
        runner.ui,
        &format!(
            "The verification of {} in {} has {verb}.",
            join_names(components),
            runner.env.name()
        ),
        &appended,
    )
}

fn join_names(components: &[ComponentAtCommit]) -> String {
    let names: Vec<&str> = components.iter().map(|it| it.component.as_str()).collect();
    names.join(", ")
}

/// Returns the running targets of the components to verify.
///
/// # Errors
///
/// Fails if a named component has no verify command, or if there is nothing to verify.
fn find_running_targets(
    workspace: &Workspace,
    runner: &DeployRunner<'_>,
    named: &[ComponentName],
) -> Result<BTreeMap<ComponentName, Target>, CliError> {
    let snapshot = runner.read_environment()?;
    let has_verify_command = |name: &ComponentName| {
        workspace
            .policy
            .component(name)
            .is_some_and(|it| it.verify.is_some())
    };
    for component in named {
        deployment_request::require_component(&workspace.policy, component)?;
        if !has_verify_command(component) {
            let message = format!("the policy has no verify command for {component}");
            return Err(CliError::new(ErrorKind::Usage, message)
                .hint(format!("verify = \"…\" under [components.{component}]")));
        }
    }
    let running: BTreeMap<ComponentName, Target> = snapshot
        .state()
        .components()
        .into_keys()
        .filter(|name| has_verify_command(name) && (named.is_empty() || named.contains(name)))
        .filter_map(|name| Some((name.clone(), snapshot.running(name)?)))
        .collect();
    if running.is_empty() {
        let message = format!(
            "{} runs no component with a verify command",
            snapshot.name()
        );
        return Err(CliError::new(ErrorKind::Usage, message)
            .hint(format!("git deploy status {}", snapshot.name())));
    }
    Ok(running)
}
