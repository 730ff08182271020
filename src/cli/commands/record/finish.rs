//! `git deploy record --finish`: ends a run that `--start` began.

use std::cell::RefCell;

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::outcome::OutcomeArgs;
use crate::cli::deploy_runner::report_recorded;
use crate::cli::key_lookup;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{self, Action, Deployment, Finish};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::name::Person;
use crate::domain::state::{OpenRun, Scope};
use crate::ledger::writer::EntryDraft;
use crate::run::outcome;
use crate::view::result_text;

/// The options of `git deploy record --finish`.
#[derive(Clone, Copy)]
pub(super) struct FinishOptions<'a> {
    /// The run to finish. Optional if the signer has only one.
    pub run: Option<u64>,
    /// How the run ended.
    pub outcome: &'a OutcomeArgs,
    /// How to write the entry.
    pub write: &'a WriteArgs,
}

/// Writes the finish of a run that `--start` began.
pub(super) fn finish_run(
    options: FinishOptions<'_>,
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
    rev: Option<&str>,
) -> Result<(), CliError> {
    let commit = rev
        .map(|revision| workspace.resolve_commit(revision))
        .transpose()?;
    let source = key_lookup::find_source(Some(&workspace.repository))?;
    let key = key_lookup::find_public_key(Some(&workspace.repository), &source)?;
    // The deployment of the run's start. Each attempt to write the entry replaces it.
    let deployment: RefCell<Option<Deployment>> = RefCell::default();
    let appended = workspace.append(
        ui,
        env.ledger(),
        options.write.append_options(),
        &|snapshot| {
            let signer = snapshot
                .policy
                .and_then(|policy| policy.person_of_key(&key))
                .map(|(person, _)| person);
            let state = snapshot
                .load_state(env.ledger(), &Scope::All)
                .context(ErrorKind::CannotTell, "cannot read the ledger")?;
            let runs = env.state_in(&state).runs();
            let run = find_run(options.run, env, runs, signer, commit)?;
            *deployment.borrow_mut() = run.deployment().cloned();
            Ok(EntryDraft::in_environment(
                env,
                Action::Finish(build_finish(options.outcome, run)?),
            ))
        },
    )?;
    append_report::report_entry(
        ui,
        &result_text::summarize_outcomes(
            env.name().as_str(),
            &appended.statement.component_results(),
        ),
        &appended,
    )?;
    let deployment = deployment.borrow();
    report_recorded(ui, workspace, env, deployment.as_ref(), &appended);
    super::reconcile_after_record(ui, workspace, env, &appended);
    Ok(())
}

/// Finds the run to finish: the run with this number, or else the only run that `signer` owns. If
/// `commit` is given, considers only runs that deploy it.
///
/// # Errors
///
/// Fails if there is no such run, or if there are several.
fn find_run<'a>(
    number: Option<u64>,
    env: &EnvRef,
    runs: Vec<OpenRun<'a>>,
    signer: Option<&Person>,
    commit: Option<CommitId>,
) -> Result<OpenRun<'a>, CliError> {
    let is_selected = |run: &OpenRun<'_>| match number {
        Some(number) => run.sequence == number,
        None => Some(&run.owner.statement.by) == signer,
    };
    let deploys_commit = |run: &OpenRun<'_>| {
        commit.is_none_or(|commit| run.start.statement.deployed_commits().contains(&commit))
    };
    let runs: Vec<OpenRun<'a>> = runs
        .into_iter()
        .filter(|run| is_selected(run) && deploys_commit(run))
        .collect();
    match runs[..] {
        [run] => Ok(run),
        [] => Err(CliError::new(
            ErrorKind::Usage,
            format!("no such run is under way in {}", env.name()),
        )
        .hint(format!("git deploy status {}", env.name()))),
        _ => {
            let numbers: Vec<String> = runs.iter().map(|run| run.sequence.to_string()).collect();
            Err(CliError::new(
                ErrorKind::Usage,
                format!("you have several runs under way: {}", numbers.join(", ")),
            )
            .hint("--run NUMBER"))
        }
    }
}

/// Builds the finish of a run from its start and the outcome options.
///
/// # Errors
///
/// Fails if the run is a one-off command of `git deploy exec`, which writes its own finish.
fn build_finish(outcome_args: &OutcomeArgs, run: OpenRun<'_>) -> Result<Finish, CliError> {
    let (Some(run_id), Some(deployment)) = (run.id(), run.deployment()) else {
        return Err(CliError::new(
            ErrorKind::CannotTell,
            format!("run {} cannot be read", run.sequence),
        ));
    };
    if deployment.kind == entry::DeploymentKind::Exec {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!(
                "run {} is a one-off command: it is finished automatically when the command ends",
                run.sequence
            ),
        ));
    }
    let results = outcome_args.build_results(&deployment.components)?;
    Ok(Finish {
        logs: outcome_args.logs.clone(),
        ..outcome::build_finish(run.sequence, run_id, deployment, results)
    })
}
