//! Deploys or destroys one component: its plan, its apply with retries, and its verification.

use super::deploy_task::{DeployTask, RunCallbacks};
use crate::domain::entry::VerificationResult;
use crate::domain::plan::{PlanOutput, PlanResult, TerraformPlan};
use crate::run::command_env::ComponentJob;
use crate::run::component_steps::StepError;
use crate::run::schedule::ContinueGuard;

/// A component that was deployed or destroyed.
pub(super) struct AppliedComponent {
    /// The result of its verification.
    pub verification: VerificationResult,
    /// Whether its outputs, which other components read, may have changed.
    pub outputs_changed: bool,
}

/// Why a component was not deployed.
pub(super) enum ApplyFailure {
    /// A step failed.
    StepFailed {
        error: StepError,
        /// Whether the component may have been changed, by this step or an earlier one.
        may_have_changed: bool,
    },
    /// Its plan has changed, and the new plan was not accepted.
    PlanRefused,
    /// This program no longer owns the run, or that cannot be determined.
    Stopped,
}

impl ApplyFailure {
    /// Creates the failure of a step before which nothing was changed.
    pub(super) fn without_change(error: StepError) -> Self {
        Self::StepFailed {
            error,
            may_have_changed: false,
        }
    }

    /// Creates the failure of a step, if an earlier step `may_have_changed` the component.
    fn after(may_have_changed: bool, error: StepError) -> Self {
        Self::StepFailed {
            may_have_changed: may_have_changed || error.may_have_run,
            error,
        }
    }

    /// Creates the failure of a step that, or a step before it, may have changed the component.
    fn after_change(error: StepError) -> Self {
        Self::StepFailed {
            error,
            may_have_changed: true,
        }
    }
}

/// A component that is ready to be deployed or destroyed.
pub(super) struct PreparedComponent {
    pub job: ComponentJob,
    /// Whether the component must be planned again: there is no valid plan, or a component that it
    /// depends on has changed its outputs.
    pub needs_new_plan: bool,
}

/// Deploys one component. Calls `on_apply` with each plan just before it is applied.
pub(super) fn apply_component(
    task: &DeployTask<'_>,
    guard: &ContinueGuard<'_, AppliedComponent, ApplyFailure>,
    callbacks: &dyn RunCallbacks,
    prepared: &PreparedComponent,
    on_apply: &dyn Fn(&PlanOutput),
) -> Result<AppliedComponent, ApplyFailure> {
    let PreparedComponent {
        job,
        needs_new_plan,
    } = prepared;
    let (runner, component) = (task.runner, &job.target.component);
    let shown_plan = match task.plans.get(component) {
        Some(PlanResult::Planned(plan)) => Some(plan),
        _ => None,
    };
    let mut plan = shown_plan.cloned();
    if *needs_new_plan {
        plan = runner.plan(job).map_err(ApplyFailure::without_change)?;
        if let Some(new_plan) = plan.as_ref().filter(|plan| !is_same_plan(plan, shown_plan))
            && (task.plans_are_bound || !callbacks.accepts_plan(component, new_plan))
        {
            return Err(ApplyFailure::PlanRefused);
        }
    }
    let was_applied = apply_with_retries(task, guard, job, shown_plan, &mut plan, on_apply)?;
    let verification = runner.verify(job).map_err(ApplyFailure::after_change)?;
    let terraform = plan.as_ref().and_then(PlanOutput::as_terraform);
    // Only terraform reports whether outputs changed. Any other tool is assumed to change them.
    Ok(AppliedComponent {
        verification,
        outputs_changed: was_applied && terraform.is_none_or(TerraformPlan::changes_outputs),
    })
}

/// Applies a plan, with as many retries as the policy allows. Returns whether there was anything to
/// apply.
fn apply_with_retries(
    task: &DeployTask<'_>,
    guard: &ContinueGuard<'_, AppliedComponent, ApplyFailure>,
    job: &ComponentJob,
    shown_plan: Option<&PlanOutput>,
    plan: &mut Option<PlanOutput>,
    on_apply: &dyn Fn(&PlanOutput),
) -> Result<bool, ApplyFailure> {
    let runner = task.runner;
    // After a failed attempt, the component counts as failed, even if the next attempt is stopped
    // for another reason.
    let check_continue = |previous_error: Option<&StepError>, may_have_changed| {
        let explain = |stop: Option<ApplyFailure>| match previous_error {
            Some(error) => ApplyFailure::after(may_have_changed, error.clone()),
            None => stop.unwrap_or(ApplyFailure::Stopped),
        };
        guard.check().map_err(explain)
    };
    let retries = runner.component_policy(job).map_or(0, |it| it.retries);
    let mut failed_attempts = 0;
    let mut previous_error: Option<StepError> = None;
    let mut was_applied = false;
    let mut may_have_changed = false;
    while !plan.as_ref().is_some_and(PlanOutput::is_empty) {
        check_continue(previous_error.as_ref(), may_have_changed)?;
        was_applied = true;
        plan.iter().for_each(on_apply);
        let Err(error) = runner.apply(job, plan.as_ref()) else {
            break;
        };
        if error.is_interrupted
            || failed_attempts == retries
            || !runner.wait_before_retry(failed_attempts)
        {
            return Err(ApplyFailure::after(may_have_changed, error));
        }
        failed_attempts += 1;
        may_have_changed |= error.may_have_run;
        check_continue(Some(&error), may_have_changed)?;
        // Never retry with an old plan: the failed attempt may have changed things.
        *plan = runner
            .plan(job)
            .map_err(|error| ApplyFailure::after(may_have_changed, error))?;
        let differs = |plan: &PlanOutput| !is_same_plan(plan, shown_plan) && !plan.is_empty();
        if task.plans_are_bound && plan.as_ref().is_some_and(differs) {
            return Err(ApplyFailure::after(may_have_changed, error));
        }
        previous_error = Some(error);
    }
    Ok(was_applied)
}

/// Returns whether a plan is the one that was shown.
fn is_same_plan(plan: &PlanOutput, shown_plan: Option<&PlanOutput>) -> bool {
    shown_plan.is_some_and(|shown_plan| shown_plan.digest == plan.digest)
}

/// Destroys one component.
pub(super) fn destroy_component(
    task: &DeployTask<'_>,
    job: &ComponentJob,
) -> Result<AppliedComponent, ApplyFailure> {
    let destroyed = task.runner.destroy(job);
    destroyed
        .map(|()| AppliedComponent {
            verification: VerificationResult::None,
            outputs_changed: true,
        })
        .map_err(|error| ApplyFailure::after(false, error))
}
