//! Rolls components back to their last good release: in reverse order, with one attempt each, and
//! never if the plan of Terraform would destroy resources that this run did not create.

use std::collections::BTreeSet;

use super::changes::find_change;
use super::deploy_task::{DeployTask, OwnershipCheck, RunReport, StopReason};
use crate::domain::count::count;
use crate::domain::entry::{Outcome, VerificationResult};
use crate::domain::name::ComponentName;
use crate::domain::plan::{CreatedResources, PlanOutput};
use crate::run::command_env::ComponentJob;
use crate::run::component_steps::StepRunner;
use crate::run::graph::Graph;
use crate::run::schedule::{ContinueGuard, SchedulerCallbacks, TaskResult, run_graph};
use crate::run::work_dirs::WorkDirs;

/// Rolls back these components of a deployment and adds the results to the report.
pub(super) fn roll_back(
    task: &DeployTask<'_>,
    work_dirs: &WorkDirs<'_>,
    selected: &BTreeSet<ComponentName>,
    check_ownership: &mut OwnershipCheck<'_>,
    report: &mut RunReport,
) {
    let restorable: BTreeSet<ComponentName> = selected
        .iter()
        .filter(|name| task.last_good.contains_key(*name))
        .cloned()
        .collect();
    if !restorable.is_empty() {
        task.runner.observer.on_rollback(&restorable);
    }
    let graph = Graph::new(task.runner.command_env.policy, selected).reversed();
    let mut callbacks = RollbackCallbacks {
        task,
        work_dirs,
        check_ownership,
        stop_reason: None,
    };
    let created = &report.created;
    let work = |component: &ComponentName,
                job: ComponentJob,
                guard: &ContinueGuard<'_, (), RollbackFailure>| {
        roll_back_component(task, &job, created.get(component), guard)
    };
    let results = run_graph(&graph, task.parallel, &mut callbacks, &work);
    let stop_reason = callbacks.stop_reason.take();
    for (component, result) in results {
        record_rollback(task, &component, result, report);
    }
    if let Some(reason) = stop_reason {
        report.set_stop_reason(reason);
    }
}

/// Records the result of a component's rollback in the report.
fn record_rollback(
    task: &DeployTask<'_>,
    component: &ComponentName,
    result: TaskResult<(), RollbackFailure>,
    report: &mut RunReport,
) {
    let Some(recorded) = report
        .results
        .iter_mut()
        .find(|recorded| recorded.component == *component)
    else {
        return;
    };
    let reason = match result {
        TaskResult::Succeeded(()) => {
            recorded.outcome = Outcome::RolledBack;
            recorded.to = find_change(task.deployment, component).and_then(|change| change.from);
            recorded.verification = VerificationResult::None;
            return;
        }
        TaskResult::Failed(failure) => {
            // A component that was deployed and then failed to roll back is in neither state.
            if failure.may_have_changed && recorded.outcome == Outcome::Succeeded {
                recorded.outcome = Outcome::Failed;
                recorded.verification = VerificationResult::None;
            }
            failure.reason
        }
        TaskResult::SkippedAfter(other) => format!("{other} could not be rolled back"),
        TaskResult::NotStarted => "interrupted".to_owned(),
    };
    report.not_rolled_back.insert(component.clone(), reason);
}

/// Why a component was not rolled back.
struct RollbackFailure {
    reason: String,
    /// Whether the component may have been changed.
    may_have_changed: bool,
}

impl RollbackFailure {
    /// Creates the failure of a component that was not changed.
    fn without_change(why: impl Into<String>) -> Self {
        Self {
            reason: why.into(),
            may_have_changed: false,
        }
    }
}

/// Decides for the scheduler which components may be rolled back.
struct RollbackCallbacks<'a, 'o> {
    task: &'a DeployTask<'a>,
    work_dirs: &'a WorkDirs<'a>,
    check_ownership: &'a mut OwnershipCheck<'o>,
    stop_reason: Option<StopReason>,
}

impl SchedulerCallbacks<ComponentJob, (), RollbackFailure> for RollbackCallbacks<'_, '_> {
    fn may_start(&mut self) -> bool {
        self.stop_reason.is_none() && !self.task.runner.cancellation.is_draining()
    }

    fn prepare(&mut self, component: &ComponentName) -> Result<ComponentJob, RollbackFailure> {
        self.check_continue(component)?;
        let Some(release) = self.task.last_good.get(component) else {
            return Err(RollbackFailure::without_change(
                "no earlier good release is known",
            ));
        };
        let failed_commit =
            find_change(self.task.deployment, component).map(|change| change.target.commit);
        self.work_dirs
            .prepare_job(release.clone(), failed_commit, "rollback")
            .map_err(|error| RollbackFailure::without_change(error.to_string()))
    }

    fn check_continue(&mut self, _: &ComponentName) -> Result<(), RollbackFailure> {
        (self.check_ownership)().map_err(|reason| {
            let failure = RollbackFailure::without_change(match &reason {
                StopReason::TakenOver(why) | StopReason::OwnerUnknown(why) => why.clone(),
                StopReason::ConfigChanged(what) => format!("{what} has changed during the run"),
            });
            self.stop_reason = Some(reason);
            failure
        })
    }

    fn on_result(&mut self, _: &ComponentName, _: &Result<(), RollbackFailure>) {}
}

/// Rolls back one component. `created` lists the resources that its apply was planned to create.
/// The rollback may destroy these, but no others, because others may be in use.
fn roll_back_component(
    task: &DeployTask<'_>,
    job: &ComponentJob,
    created: Option<&CreatedResources>,
    guard: &ContinueGuard<'_, (), RollbackFailure>,
) -> Result<(), RollbackFailure> {
    let runner = StepRunner {
        is_rollback: true,
        ..*task.runner
    };
    let plan = runner.plan(job).map_err(|error| {
        RollbackFailure::without_change(format!("its plan failed: {}", error.reason))
    })?;
    let no_resources = CreatedResources::default();
    let terraform = plan.as_ref().and_then(PlanOutput::as_terraform);
    let destroyed = terraform
        .map(|terraform| terraform.list_destroyed_except(created.unwrap_or(&no_resources)))
        .unwrap_or_default();
    if let Some((first, more)) = destroyed.split_first() {
        let others = match more.len() {
            0 => ", which is not new".to_owned(),
            more => format!(" and {}, which are not new", count(more, "more resource")),
        };
        return Err(RollbackFailure::without_change(format!(
            "a rollback would destroy {first}{others}, so a person must decide"
        )));
    }
    let after_change = |step: &str, why: &str| RollbackFailure {
        reason: format!("{step} failed: {why}"),
        may_have_changed: true,
    };
    if !plan.as_ref().is_some_and(PlanOutput::is_empty) {
        guard.check().map_err(|failure| {
            failure.unwrap_or_else(|| RollbackFailure::without_change("interrupted"))
        })?;
        runner
            .apply(job, plan.as_ref())
            .map_err(|error| after_change("its apply", &error.reason))?;
    }
    runner
        .verify(job)
        .map(drop)
        .map_err(|error| after_change("its verification", &error.reason))
}
