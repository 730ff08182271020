//! After a deployment: sends a notification, and builds the error of a failure.

use std::collections::BTreeSet;

use super::preparation::{Preparation, explain_config_change};
use super::runner::{DeployRunner, StartedRun};
use crate::cli::{CliError, ErrorKind};
use crate::domain::count::{choose, inflect};
use crate::domain::entry::{self, Outcome};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::NotifyEvent;
use crate::ledger::writer::AppendedEntry;
use crate::run::execute::RunReport;
use crate::run::notify::Notice;

impl DeployRunner<'_> {
    /// Sends a notification of how the run ended.
    pub(super) fn notify_end(
        &self,
        run: &StartedRun,
        report: &RunReport,
        appended: &AppendedEntry,
    ) {
        let rolled_back = report
            .results
            .iter()
            .any(|it| it.outcome == Outcome::RolledBack);
        let event = match (report.is_success(), rolled_back) {
            (true, _) => NotifyEvent::Succeeded,
            (false, true) => NotifyEvent::RolledBack,
            (false, false) => NotifyEvent::Failed,
        };
        let not_rolled_back = report
            .not_rolled_back
            .iter()
            .map(|(name, why)| format!("{name} was not rolled back: {why}"));
        let statement = &appended.statement;
        self.notify(event, &statement.by, &run.deployment, |notice| Notice {
            run: Some(run.run),
            entry: Some(appended.id),
            reasons: report
                .list_failures()
                .into_iter()
                .chain(not_rolled_back)
                .collect(),
            ..notice.with_results(&statement.component_results())
        });
    }

    /// Prints components that could not be rolled back, and returns the error of a run that did not
    /// succeed.
    pub(super) fn report_outcome(
        &self,
        kind: entry::DeploymentKind,
        report: &RunReport,
        can_roll_back: bool,
    ) -> Result<(), CliError> {
        for (component, why) in &report.not_rolled_back {
            self.ui
                .eprint_sentence(format_args!("{component} was not rolled back: {why}."));
        }
        let name = self.env.name();
        if let Some(what) = &report.config_changed {
            let error = explain_config_change(what, "the run was stopped");
            return Err(error.hint(format!("git deploy status {name}")));
        }
        if report.is_success() {
            return Ok(());
        }
        // A failure or an interruption matters more than a plan that was not accepted.
        let has_failed = !report.errors.is_empty() || self.cancellation.is_draining();
        if !report.refused_plans.is_empty() && !has_failed {
            return Err(explain_refused_plans(report).hint(format!("git deploy run {name}")));
        }
        let failures = report.list_failures();
        let subject = describe_deployment(kind, name);
        let message = match (&failures[..], self.cancellation.is_draining()) {
            (_, true) if self.cancellation.is_killing() => format!("{subject} was cancelled"),
            (_, true) => format!("{subject} was interrupted"),
            ([], _) => format!("{subject} could not be completed"),
            (_, _) => format!("{subject} failed"),
        };
        let mut error = CliError::new(ErrorKind::Command, message);
        if !failures.is_empty() {
            error = error.because(failures.join("\n"));
        }
        let log = report
            .errors
            .values()
            .map(|error| &error.log)
            .find(|log| log.is_file());
        let error = log.into_iter().fold(error, |error, log| {
            error.hint(format!("less {}", log.display()))
        });
        Err(match kind {
            entry::DeploymentKind::Destroy => error.hint(format!("git deploy destroy {name}")),
            _ if can_roll_back => error
                .hint(format!("git deploy rollback {name}"))
                .hint(format!("git deploy status {name}")),
            _ => error.hint(format!("git deploy status {name}")),
        })
    }
}

/// Returns whether components failed that ran before, each with a good release, so that a rollback
/// leads out of that state.
pub(super) fn has_earlier_release(
    preparation: &Preparation<'_>,
    run: &StartedRun,
    report: &RunReport,
) -> bool {
    let is_forward = matches!(
        run.deployment.kind,
        entry::DeploymentKind::Deploy | entry::DeploymentKind::Hotfix
    );
    let targets = preparation.find_rollback_targets(&run.deployment);
    let ran_before: BTreeSet<&ComponentName> = run
        .deployment
        .changed()
        .filter(|change| change.from.is_some())
        .map(|change| &change.target.component)
        .collect();
    let results = report.results.iter();
    let mut failed = results
        .filter(|it| it.outcome == Outcome::Failed && ran_before.contains(&it.component))
        .peekable();
    is_forward && failed.peek().is_some() && failed.all(|it| targets.contains_key(&it.component))
}

/// Returns the subject of a sentence about a deployment: `the deployment to prod`.
pub(super) fn describe_deployment(kind: entry::DeploymentKind, name: &EnvName) -> String {
    match kind {
        entry::DeploymentKind::Destroy => format!("the destruction of {name}"),
        entry::DeploymentKind::Exec => format!("the command in {name}"),
        _ => format!("the deployment to {name}"),
    }
}

/// Returns the error for plans that have changed since they were confirmed.
fn explain_refused_plans(report: &RunReport) -> CliError {
    let names: Vec<&str> = report
        .refused_plans
        .iter()
        .map(ComponentName::as_str)
        .collect();
    let component_list = names.join(", ");
    let number = names.len();
    let (has, it) = (choose(number, "has", "have"), choose(number, "it", "they"));
    let was = choose(number, "was", "were");
    let message = format!(
        "the {} of {component_list} {has} changed since {it} {was} confirmed: {it} {was} not applied",
        inflect(number, "plan")
    );
    CliError::new(ErrorKind::Waiting, message)
}
