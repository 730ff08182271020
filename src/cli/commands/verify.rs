//! `git deploy verify`: verifies what is deployed again, and records the results.

use std::collections::{BTreeMap, BTreeSet};

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
    at: EnvArg,
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
    let name = args.at.find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    workspace.find_current_signer()?;
    let deploying = DeployRunner::new(ui, &workspace, &env, &args.options)?;
    let running = find_running_targets(&workspace, &deploying, &args.components)?;
    let changes = running.values().map(|target| entry::ComponentChange {
        from: Some(target.commit),
        target: target.clone(),
        plan: None,
        intent: entry::Intent::Change,
    });
    let deployment = Deployment::new(entry::DeploymentKind::Deploy, changes.collect());
    let stage = Preparation::new(&deploying, &deployment)?;
    let progress = DeploymentProgress::new(ui, stage.name_width);
    let surroundings = deploying.command_env(&stage, None)?;
    let crew = StepRunner {
        command_env: &surroundings,
        cancellation: &deploying.cancellation,
        observer: &progress,
    };
    let well =
        execute::verify_components(&deployment, (&stage.work_dirs, &crew), deploying.parallel());
    let mut failed = Vec::new();
    for (result, good) in [
        (VerificationResult::Passed, true),
        (VerificationResult::Failed, false),
    ] {
        let of = |target: &&Target| well.get(&target.component) == Some(&good);
        let component = |target: &Target| ComponentAtCommit {
            component: target.component.clone(),
            commit: target.commit,
        };
        let components: Vec<ComponentAtCommit> =
            running.values().filter(of).map(component).collect();
        if components.is_empty() {
            continue;
        }
        let names: Vec<&str> = components.iter().map(|it| it.component.as_str()).collect();
        let names = names.join(", ");
        let verification = entry::Verification {
            components: components.clone(),
            verification: result,
            comment: args.message.clone(),
            logs: Vec::new(),
        };
        let appended = deploying.append(&|_| Ok(Action::Verification(verification.clone())))?;
        let words = if good { "passed" } else { "failed" };
        append_report::report_entry(
            ui,
            &format!("The verification of {names} in {name} has {words}."),
            &appended,
        )?;
        if !good {
            failed.push(names);
        }
    }
    if well.len() < running.len() {
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
        format!("{} failed its verification in {name}", failed.join(", ")),
    )
    .hint(format!("git deploy rollback {name}")))
}

/// Returns the running targets of the components to verify.
///
/// # Errors
///
/// Fails if a named component has no verify command, or if nothing is left to verify.
fn find_running_targets(
    workspace: &Workspace,
    deploying: &DeployRunner<'_>,
    named: &[ComponentName],
) -> Result<BTreeMap<ComponentName, Target>, CliError> {
    let snapshot = deploying.read_environment()?;
    let here = snapshot.state();
    let known = |name: &ComponentName| {
        workspace
            .policy
            .component(name)
            .is_some_and(|it| it.verify.is_some())
    };
    for component in named {
        deployment_request::require_component(&workspace.policy, component)?;
        if !known(component) {
            let words = format!("the policy does not say how to verify {component}");
            return Err(CliError::new(ErrorKind::Usage, words)
                .hint(format!("verify = \"…\" under [components.{component}]")));
        }
    }
    let named: BTreeSet<&ComponentName> = named.iter().collect();
    let target = |component: &ComponentName| snapshot.running(component);
    let all: Vec<ComponentName> = here.components().into_keys().cloned().collect();
    let running: BTreeMap<ComponentName, Target> = all
        .into_iter()
        .filter(|name| known(name) && (named.is_empty() || named.contains(name)))
        .filter_map(|name| Some((name.clone(), target(&name)?)))
        .collect();
    if running.is_empty() {
        let words = format!(
            "{} runs no component with a verify command",
            snapshot.name()
        );
        return Err(CliError::new(ErrorKind::Usage, words)
            .hint(format!("git deploy status {}", snapshot.name())));
    }
    Ok(running)
}
