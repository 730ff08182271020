//! Applies a deployment in dependency order and reports the outcome of each component.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::apply_component::{
    AppliedComponent, ApplyFailure, PreparedComponent, apply_component, destroy_component,
};
use super::changes::{find_change, make_result, make_start_error, prepare_job};
use super::deploy_task::{DeployTask, OwnershipCheck, RunCallbacks, RunReport};
use super::rollback;
use crate::domain::entry::{ComponentChange, Outcome, RecordedResult};
use crate::domain::name::ComponentName;
use crate::domain::plan::{CreatedResources, PlanResult};
use crate::domain::policy::Rollback;
use crate::run::graph::Graph;
use crate::run::schedule::{ContinueGuard, SchedulerCallbacks, TaskResult, run_graph};
use crate::run::work_dirs::WorkDirs;

/// Applies the deployment: changes first, then removals, then the rollback of failed components.
pub fn apply_deployment(
    task: &DeployTask<'_>,
    work_dirs: &WorkDirs<'_>,
    callbacks: &dyn RunCallbacks,
    check_ownership: &mut OwnershipCheck<'_>,
) -> RunReport {
    let deployed: BTreeSet<ComponentName> = task
        .deployment
        .deployed()
        .map(|change| change.target.component.clone())
        .collect();
    let destroyed: BTreeSet<ComponentName> = task
        .deployment
        .components
        .iter()
        .filter(|change| change.is_removal())
        .map(|change| change.target.component.clone())
        .collect();
    let policy = task.runner.command_env.policy;
    let mut report = RunReport::default();
    let mut results = apply_graph(
        task,
        work_dirs,
        &Graph::new(policy, &deployed),
        callbacks,
        check_ownership,
        &mut report,
    );
    // Removals come last, and only if everything else succeeded: until then, components may still
    // need the old ones.
    let all_succeeded = results
        .values()
        .all(|result| matches!(result, TaskResult::Succeeded(_)));
    if all_succeeded {
        results.extend(apply_graph(
            task,
            work_dirs,
            &Graph::new(policy, &destroyed).reversed(),
            callbacks,
            check_ownership,
            &mut report,
        ));
    } else {
        results.extend(
            destroyed
                .into_iter()
                .map(|component| (component, TaskResult::NotStarted)),
        );
    }
    report.results = task
        .deployment
        .components
        .iter()
        .map(|change| find_component_result(change, &results))
        .collect();
    if !report.is_stopped() {
        roll_back_failed(task, work_dirs, check_ownership, &mut report);
    }
    report
}

/// Deploys or destroys the components of a graph, and returns the result of each.
fn apply_graph(
    task: &DeployTask<'_>,
    work_dirs: &WorkDirs<'_>,
    graph: &Graph,
    callbacks: &dyn RunCallbacks,
    check_ownership: &mut OwnershipCheck<'_>,
    report: &mut RunReport,
) -> BTreeMap<ComponentName, TaskResult<AppliedComponent, ApplyFailure>> {
    let created_by_component: Mutex<BTreeMap<ComponentName, CreatedResources>> = Mutex::default();
    let mut apply_callbacks = ApplyCallbacks {
        task,
        work_dirs,
        graph,
        check_ownership,
        changed_outputs: BTreeSet::new(),
        has_failed: false,
        report,
    };
    let work = |component: &ComponentName,
                prepared: PreparedComponent,
                guard: &ContinueGuard<'_, AppliedComponent, ApplyFailure>| {
        match find_change(task.deployment, component) {
            Some(change) if change.is_removal() => destroy_component(task, &prepared.job),
            _ => apply_component(task, guard, callbacks, &prepared, &|plan| {
                let mut all_created = created_by_component
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                let created = all_created.entry(component.clone()).or_default();
                plan.as_terraform()
                    .into_iter()
                    .for_each(|plan| created.add_plan(plan));
            }),
        }
    };
    let results = run_graph(graph, task.parallel, &mut apply_callbacks, &work);
    report.created.extend(
        created_by_component
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
    );
    results
}

/// Decides for the scheduler which components may start, and records their results.
struct ApplyCallbacks<'a, 'o> {
    task: &'a DeployTask<'a>,
    work_dirs: &'a WorkDirs<'a>,
    graph: &'a Graph,
    check_ownership: &'a mut OwnershipCheck<'o>,
    /// The components whose outputs changed since the plans were made.
    changed_outputs: BTreeSet<ComponentName>,
    /// Whether a step has failed.
    has_failed: bool,
    report: &'a mut RunReport,
}

impl SchedulerCallbacks<PreparedComponent, AppliedComponent, ApplyFailure>
    for ApplyCallbacks<'_, '_>
{
    fn may_start(&mut self) -> bool {
        let is_over = self.report.is_stopped() || !self.report.refused_plans.is_empty();
        !(is_over
            || self.task.runner.cancellation.is_draining()
            || self.has_failed && self.task.fail_fast)
    }

    fn prepare(&mut self, component: &ComponentName) -> Result<PreparedComponent, ApplyFailure> {
        self.check_continue(component)?;
        let change = find_change(self.task.deployment, component)
            .ok_or_else(|| ApplyFailure::without_change(make_start_error(None)))?;
        let job = prepare_job(self.work_dirs, change)
            .map_err(|error| ApplyFailure::without_change(make_start_error(Some(&error))))?;
        // If planning failed or was deferred, the plan file is not valid: plan again before
        // applying.
        let is_planned = matches!(self.task.plans.get(component), Some(PlanResult::Planned(_)));
        let lacks_plan = !is_planned
            && self
                .task
                .runner
                .component_policy(&job)
                .is_some_and(|component| component.plan.is_some());
        let needs_new_plan = lacks_plan
            || self
                .graph
                .predecessors(component)
                .any(|predecessor| self.changed_outputs.contains(predecessor));
        Ok(PreparedComponent {
            job,
            needs_new_plan,
        })
    }

    fn check_continue(&mut self, _: &ComponentName) -> Result<(), ApplyFailure> {
        (self.check_ownership)().map_err(|reason| {
            self.report.set_stop_reason(reason);
            ApplyFailure::Stopped
        })
    }

    fn on_result(
        &mut self,
        component: &ComponentName,
        result: &Result<AppliedComponent, ApplyFailure>,
    ) {
        match result {
            Ok(applied) => self
                .changed_outputs
                .extend(applied.outputs_changed.then(|| component.clone())),
            Err(ApplyFailure::StepFailed { error, .. }) => {
                self.has_failed = true;
                self.report.errors.insert(component.clone(), error.clone());
            }
            Err(ApplyFailure::PlanRefused) => {
                self.report.refused_plans.insert(component.clone());
            }
            Err(ApplyFailure::Stopped) => {}
        }
    }
}

/// Returns the result to record for a component.
fn find_component_result(
    change: &ComponentChange,
    results: &BTreeMap<ComponentName, TaskResult<AppliedComponent, ApplyFailure>>,
) -> RecordedResult {
    let component = &change.target.component;
    let make = |outcome| make_result(component, outcome);
    match results.get(component) {
        Some(TaskResult::Succeeded(_)) if change.is_removal() => make(Outcome::Destroyed),
        Some(TaskResult::Succeeded(applied)) => RecordedResult {
            verification: applied.verification,
            ..make(Outcome::Succeeded)
        },
        Some(TaskResult::Failed(ApplyFailure::StepFailed {
            may_have_changed: true,
            ..
        })) => make(Outcome::Failed),
        // The component was not changed.
        Some(TaskResult::Failed(_) | TaskResult::NotStarted) | None => make(Outcome::Skipped),
        Some(TaskResult::SkippedAfter(cause)) => {
            let is_failure = matches!(
                results.get(cause),
                Some(TaskResult::Failed(ApplyFailure::StepFailed { .. }))
            );
            RecordedResult {
                because: is_failure.then(|| cause.clone()),
                ..make(Outcome::Skipped)
            }
        }
    }
}

/// Rolls back the components that the policy's `rollback` selects, if a component has failed.
fn roll_back_failed(
    task: &DeployTask<'_>,
    work_dirs: &WorkDirs<'_>,
    check_ownership: &mut OwnershipCheck<'_>,
    report: &mut RunReport,
) {
    let rules = task.runner.command_env.rules;
    let has_failed = report
        .results
        .iter()
        .any(|result| result.outcome == Outcome::Failed);
    if !has_failed || rules.rollback == Rollback::Manual || task.runner.cancellation.is_draining() {
        return;
    }
    let is_selected = |result: &&RecordedResult| match rules.rollback {
        Rollback::Auto => result.outcome == Outcome::Failed,
        Rollback::All => matches!(result.outcome, Outcome::Failed | Outcome::Succeeded),
        Rollback::Manual => false,
    };
    // A destroyed component has no release to roll back to.
    let is_deployed = |result: &&RecordedResult| {
        task.deployment
            .deployed()
            .any(|change| change.target.component == result.component)
    };
    let selected = report
        .results
        .iter()
        .filter(is_selected)
        .filter(is_deployed)
        .map(|result| result.component.clone())
        .collect();
    rollback::roll_back(task, work_dirs, &selected, check_ownership, report);
}
