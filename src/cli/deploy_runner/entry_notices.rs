//! Sends notifications of entries that were written outside a run of this program: recorded
//! deployments, failed checks and yanks.

use std::sync::Arc;

use super::checks::list_reasons;
use super::runner::DeployRunner;
use crate::cli::args::run::RunOptions;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui, append_report};
use crate::domain::entry::{Action, Deployment, DeploymentKind, Outcome};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{EnvName, Person};
use crate::domain::policy::{NotifyChannel, NotifyEvent};
use crate::domain::time::Time;
use crate::ledger::writer::AppendedEntry;
use crate::run::cancellation::Cancellation;
use crate::run::notify::Notice;

/// Prints what a recorded deployment put on hold, and sends notifications: of the start, or of how it
/// ended. Does nothing after a dry run.
pub fn report_recorded(
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
    deployment: Option<&Deployment>,
    appended: &AppendedEntry,
) {
    let held = append_report::report_holds(ui, workspace, env.name(), deployment, appended);
    let Some(deployment) = deployment.filter(|_| !appended.dry_run) else {
        return;
    };
    let results = appended.statement.component_results();
    let has = |outcome| results.iter().any(|it| it.outcome == outcome);
    let event = match &appended.statement.action {
        Action::Start(_) => NotifyEvent::Started,
        _ if has(Outcome::RolledBack) => NotifyEvent::RolledBack,
        _ if has(Outcome::Failed) || has(Outcome::Skipped) => NotifyEvent::Failed,
        _ => NotifyEvent::Succeeded,
    };
    let options = RunOptions::default();
    let runner = notification_runner(ui, workspace, env, &options);
    let statement = &appended.statement;
    runner.notify(event, &statement.by, deployment, |notice| Notice {
        run: match &statement.action {
            Action::Start(start) => Some(start.run),
            Action::Finish(finish) => Some(finish.run),
            _ => None,
        },
        entry: Some(appended.id),
        ..notice.with_results(&results)
    });
    runner.notify_holds(&held, deployment, appended);
}

/// Sends a notification if the rules refused to record a deployment.
pub fn notify_refusal(
    ui: &Ui,
    workspace: &Workspace,
    env: &EnvRef,
    deployment: &Deployment,
    error: &CliError,
) {
    let Some(verdict) = error.refusing_verdict() else {
        return;
    };
    let Ok((person, _)) = workspace.find_current_signer() else {
        return;
    };
    let options = RunOptions::default();
    let runner = notification_runner(ui, workspace, env, &options);
    runner.notify(NotifyEvent::Refused, &person, deployment, |notice| Notice {
        reasons: list_reasons(verdict),
        ..notice
    });
}

/// An event that concerns several environments.
pub struct SharedNotice<'a> {
    /// What happened.
    pub event: NotifyEvent,
    /// Who did it.
    pub by: &'a Person,
    /// The commit that it is about.
    pub commit: Option<CommitId>,
    /// What happened, for each environment.
    pub describe: &'a dyn Fn(&EnvName) -> Vec<String>,
    /// The entry that records it.
    pub entry: Option<EntryId>,
    /// When it takes effect.
    pub expires: Option<Time>,
}

/// Sends a notification about several environments. A recipient of several of them gets only the
/// first one's.
pub fn notify_environments<'e>(
    ui: &Ui,
    workspace: &Workspace,
    environments: impl IntoIterator<Item = &'e EnvName>,
    shared: &SharedNotice<'_>,
) {
    let mut notified: Vec<NotifyChannel> = Vec::new();
    for name in environments {
        let Ok((env, rules)) = workspace.find_environment(name.as_str()) else {
            continue;
        };
        let options = RunOptions::default();
        let mut runner = notification_runner(ui, workspace, &env, &options);
        runner.not_notified.clone_from(&notified);
        let deployment = Deployment::new(DeploymentKind::Deploy, Vec::new());
        runner.notify(shared.event, shared.by, &deployment, |notice| Notice {
            commit: shared.commit,
            entry: shared.entry,
            expires: shared.expires,
            reasons: (shared.describe)(name),
            ..notice
        });
        notified.extend(rules.notify.iter().map(|it| it.channel.clone()));
    }
}

/// Returns a runner that only sends notifications.
fn notification_runner<'a>(
    ui: &'a Ui,
    workspace: &'a Workspace,
    env: &'a EnvRef,
    options: &'a RunOptions,
) -> DeployRunner<'a> {
    DeployRunner::with_cancellation(
        ui,
        workspace,
        env,
        options,
        Arc::new(Cancellation::default()),
    )
}
