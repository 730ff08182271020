//! `git deploy record`: records a deployment made by another system.
//!
//! It records either a finished deployment at once, or its start with `--start` and its end with
//! `--finish`. A start also locks its components.

mod args;
mod finish;
mod requested_deployment;
mod typed_command;
mod versions;
mod wrapped_command;

use std::cell::{Cell, RefCell};

pub use args::Args;
use finish::finish_run;
use requested_deployment::{build_recorded_deployment, refuse_unmarked_start};
use typed_command::format_command;
use versions::parse_versions;
use wrapped_command::run_command;

use crate::cli::append_report;
use crate::cli::baseline::{self, BaselineCommits};
use crate::cli::deploy_runner::{notify_refusal, report_recorded};
use crate::cli::deployed_branch::state_branch;
use crate::cli::deployment_notes::{self, NotesOnce};
use crate::cli::deployment_request::{find_dropped_environment, find_environment_policy};
use crate::cli::projections::reconcile_after_entry;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::clock;
use crate::domain::command_line::component_options;
use crate::domain::entry::{Action, Deployment, Expire, Record, Start};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, RunId};
use crate::domain::name::EnvName;
use crate::domain::policy::Policy;
use crate::domain::text::Line;
use crate::ledger::writer::{AppendedEntry, EntryDraft, LedgerSnapshot};
use crate::view::result_text;

/// Writes a record, a start, a finish or a baseline, depending on the options.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    wrapped_command::refuse_empty_command(&args.command)?;
    let workspace = Workspace::open_to_write(ui)?;
    let (typed_env, rev) = args.env_rev.as_typed();
    if let Some(env) = find_dropped_environment(&workspace, typed_env).filter(|_| args.finish) {
        return finish_run(args.finish_options(), ui, &workspace, &env, rev);
    }
    let (name, rev) = args.env_rev.find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    if args.finish {
        return finish_run(args.finish_options(), ui, &workspace, &env, rev);
    }
    if rev.is_none() {
        refuse_implicit_commit(args, &workspace.policy, &name)?;
        deployment_notes::report_uncommitted_changes(ui, &workspace);
    }
    let commit = workspace.resolve_commit(rev.unwrap_or("HEAD"))?;
    if !args.command.is_empty() {
        run_command(args, ui, &workspace, &env, commit)
    } else if args.baseline {
        record_baseline(args, ui, &workspace, &env, commit)
    } else {
        record_deployment(args, ui, &workspace, &env, commit)
    }
}

/// Fails with `--rollback` or `--baseline`, for which the default commit `HEAD` is rarely right.
fn refuse_implicit_commit(args: &Args, policy: &Policy, name: &EnvName) -> Result<(), CliError> {
    let option = match (args.deployment.rollback, args.baseline) {
        (true, _) => "--rollback",
        (false, true) => "--baseline",
        (false, false) => return Ok(()),
    };
    let mut command = format!("git deploy record {name} REV {option}");
    command += &component_options(&args.deployment.components);
    if !args.command.is_empty() {
        command += " -- ";
        command += &format_command(policy, &args.command);
    }
    let error = CliError::new(
        ErrorKind::Usage,
        format!("{option} requires an explicit commit"),
    );
    let error = error.hint(command);
    Err(if args.baseline {
        error
    } else {
        error.ask(
            "the releases to roll back to",
            format!("git deploy rollback {name} --list"),
        )
    })
}

/// Writes a finished deployment or, with `--start`, its start.
fn record_deployment(
    args: &Args,
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
    commit: CommitId,
) -> Result<(), CliError> {
    let (is_unchanged, notes) = (Cell::new(false), NotesOnce::default());
    // The deployment to record. Each attempt to write the entry replaces it.
    let drafted: RefCell<Option<Deployment>> = RefCell::default();
    let inputs = args.deployment.metadata.inputs.read(ui)?;
    let appended = workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
        let mut deployment = build_recorded_deployment(args, ui, env, snapshot, commit)?;
        inputs.apply_to(&mut deployment);
        state_branch(workspace, env, &mut deployment);
        notes.report(ui, workspace, env, snapshot, &deployment)?;
        drafted.replace(Some(deployment.clone()));
        let Some(action) = draft_action(args, env, snapshot, deployment)? else {
            is_unchanged.set(true);
            return Err(CliError::reported(ErrorKind::Usage));
        };
        let requested_by = args.deployment.metadata.requested_by.clone();
        Ok(EntryDraft {
            requested_by,
            ..EntryDraft::in_environment(env, action).naming(&args.deployment.components)
        })
    });
    let appended = match appended {
        // The environment already has this content, which is not an error.
        Err(_) if is_unchanged.get() => {
            return append_report::report_unchanged(ui, env.name());
        }
        Err(error) => {
            if let Some(deployment) = drafted.take().filter(|_| !args.write.dry_run) {
                notify_refusal(ui, workspace, env, &deployment, &error);
            }
            return Err(error);
        }
        Ok(appended) => appended,
    };
    let sentence = describe_entry(env, &appended);
    append_report::report_entry(ui, &sentence, &appended)?;
    let deployment = appended.statement.deployment();
    report_recorded(ui, workspace, env, deployment, &appended);
    reconcile_after_record(ui, workspace, env, &appended);
    Ok(())
}

/// Brings what follows from a recorded end of a deployment in line with the ledger.
fn reconcile_after_record(ui: &Ui, workspace: &Workspace, env: &EnvRef, appended: &AppendedEntry) {
    let ends = matches!(
        appended.statement.action,
        Action::Record(_) | Action::Finish(_)
    );
    if ends && !appended.dry_run {
        reconcile_after_entry(ui, workspace, env);
    }
}

/// Returns the action that is written for a deployment. Returns `None` if it would change nothing.
fn draft_action(
    args: &Args,
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    deployment: Deployment,
) -> Result<Option<Action>, CliError> {
    Ok(if let Some(renewal) = Expire::replacing(&deployment) {
        Some(Action::Expire(renewal))
    } else if deployment.components.is_empty() {
        None
    } else if args.start {
        refuse_unmarked_start(env, snapshot, &deployment)?;
        let run = RunId(clock::random().context(ErrorKind::CannotTell, "cannot begin a run")?);
        Some(Action::Start(Start { run, deployment }))
    } else {
        let results = args.outcome.build_results(&deployment.components)?;
        Some(Action::Record(Record {
            deployment,
            results,
            logs: args.outcome.logs.clone(),
        }))
    })
}

/// Describes the written entry in a sentence.
fn describe_entry(env: &EnvRef, appended: &AppendedEntry) -> String {
    let (name, statement) = (env.name().as_str(), &appended.statement);
    match &statement.action {
        Action::Expire(_) => result_text::describe_unchanged(env.name()),
        Action::Start(start) => {
            result_text::describe_start(name, &start.deployment, statement.sequence)
        }
        _ => result_text::summarize_outcomes(name, &statement.component_results()),
    }
}

/// Writes a baseline: the commit that already runs.
fn record_baseline(
    args: &Args,
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
    commit: CommitId,
) -> Result<(), CliError> {
    let options = &args.deployment;
    let comment = options
        .metadata
        .message
        .as_ref()
        .map(|message| message.as_str().parse::<Line>());
    let comment = comment.transpose().context(
        ErrorKind::Usage,
        "the message of a baseline must be one line",
    )?;
    let commits = BaselineCommits::new(commit, &options.components);
    let appended =
        workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
            let versions =
                parse_versions(&options.versions, find_environment_policy(env, snapshot)?.0)?;
            baseline::draft_baseline(env, snapshot, &commits, &versions, comment.clone())
        })?;
    let summary = result_text::summarize_outcomes(
        env.name().as_str(),
        &appended.statement.component_results(),
    );
    append_report::report_entry(
        ui,
        &format!(
            "{summary} Recorded as a baseline by {}.",
            appended.statement.by
        ),
        &appended,
    )
}
