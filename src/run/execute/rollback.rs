//! Rolls components back to their last good release: in reverse order, with one attempt each, and
//! never if that would destroy anything.

use std::collections::BTreeSet;

use super::apply::OwnershipCheck;
use super::{DeployTask, RunReport, StopReason, find_change};
use crate::domain::entry::{Outcome, VerificationResult};
use crate::domain::name::ComponentName;
use crate::domain::plan::{PlanOutput, TerraformPlan};
use crate::run::command_env::ComponentJob;
use crate::run::graph::Graph;
use crate::run::run_dirs::WorkDirs;
use crate::run::schedule::{ContinueGuard, SchedulerCallbacks, TaskResult, run_graph};

/// Rolls back these components of a deployment and adds the results to the report.
pub(super) fn roll_back(
    (task, site): (&DeployTask<'_>, &WorkDirs<'_>),
    wanted: &BTreeSet<ComponentName>,
    ours: &mut OwnershipCheck<'_>,
    report: &mut RunReport,
) {
    let known: BTreeSet<ComponentName> = wanted
        .iter()
        .filter(|name| task.last_good.contains_key(*name))
        .cloned()
        .collect();
    if !known.is_empty() {
        task.runner.observer.on_rollback(&known);
    }
    let graph = Graph::new(task.runner.command_env.policy, wanted).reversed();
    let mut foreman = RollbackCallbacks {
        task,
        work_dirs: site,
        check_ownership: ours,
        stop_reason: None,
    };
    let work =
        |_: &ComponentName, piece: ComponentJob, leave: &ContinueGuard<'_, (), RollbackFailure>| {
            roll_back_component(task, &piece, leave)
        };
    let fates = run_graph(&graph, task.parallel, &mut foreman, &work);
    let lost = foreman.stop_reason.take();
    for it in &mut report.results {
        match fates.get(&it.component) {
            Some(TaskResult::Succeeded(())) => {
                it.outcome = Outcome::RolledBack;
                it.to = find_change(task.deployment, &it.component).and_then(|change| change.from);
                it.verification = VerificationResult::None;
            }
            Some(fate) => {
                // A component that was deployed and then failed to go back is in neither state.
                if it.outcome == Outcome::Succeeded
                    && matches!(
                        fate,
                        TaskResult::Failed(RollbackFailure { touched: true, .. })
                    )
                {
                    it.outcome = Outcome::Failed;
                    it.verification = VerificationResult::None;
                }
                let why = match fate {
                    TaskResult::Failed(left) => left.reason.clone(),
                    TaskResult::SkippedAfter(other) => format!("{other} could not be rolled back"),
                    TaskResult::Succeeded(()) | TaskResult::NotStarted => "interrupted".to_owned(),
                };
                report.not_rolled_back.insert(it.component.clone(), why);
            }
            None => {}
        }
    }
    match lost {
        Some(StopReason::TakenOver(why)) => report.taken_over = Some(why),
        Some(StopReason::OwnerUnknown(why)) => report.owner_unknown = Some(why),
        None => {}
    }
}

/// Why a component was not rolled back.
struct RollbackFailure {
    reason: String,
    /// Whether an attempt was made.
    touched: bool,
}

impl RollbackFailure {
    /// Makes the reason for a component that was not touched.
    fn untouched(why: impl Into<String>) -> Self {
        Self {
            reason: why.into(),
            touched: false,
        }
    }
}

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
        let Some(good) = self.task.last_good.get(component) else {
            return Err(RollbackFailure::untouched(
                "no earlier good release is known",
            ));
        };
        let failed =
            find_change(self.task.deployment, component).map(|change| change.target.commit);
        self.work_dirs
            .prepare_job(good.clone(), failed, "rollback")
            .map_err(|error| RollbackFailure::untouched(error.to_string()))
    }

    fn check_continue(&mut self, _: &ComponentName) -> Result<(), RollbackFailure> {
        (self.check_ownership)().map_err(|lost| {
            let (StopReason::TakenOver(why) | StopReason::OwnerUnknown(why)) = &lost;
            let left = RollbackFailure::untouched(why.clone());
            self.stop_reason = Some(lost);
            left
        })
    }

    fn on_result(&mut self, _: &ComponentName, _: &Result<(), RollbackFailure>) {}
}

/// Rolls back one component.
fn roll_back_component(
    task: &DeployTask<'_>,
    piece: &ComponentJob,
    leave: &ContinueGuard<'_, (), RollbackFailure>,
) -> Result<(), RollbackFailure> {
    let crew = task.runner;
    let made = crew.plan(piece).map_err(|broken| {
        RollbackFailure::untouched(format!("its plan failed: {}", broken.reason))
    })?;
    let plan = made.as_ref().and_then(PlanOutput::as_terraform);
    if plan.is_some_and(TerraformPlan::destroys_untainted) {
        return Err(RollbackFailure::untouched(
            "a rollback would destroy something, which a person must decide",
        ));
    }
    let touched = |what: &str, why: &str| RollbackFailure {
        reason: format!("{what} failed: {why}"),
        touched: true,
    };
    if !made.as_ref().is_some_and(PlanOutput::is_empty) {
        leave
            .check()
            .map_err(|left| left.unwrap_or_else(|| RollbackFailure::untouched("interrupted")))?;
        crew.apply(piece)
            .map_err(|broken| touched("its apply", &broken.reason))?;
    }
    crew.verify(piece)
        .map(drop)
        .map_err(|broken| touched("its verification", &broken.reason))
}
