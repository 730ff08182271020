//! Applies a deployment in dependency order and reports how each component ended.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    DeployTask, RunCallbacks, RunReport, StopReason, find_change, list_changes, make_result,
    make_start_error, prepare_job, rollback,
};
use crate::domain::entry::{ComponentChange, Intent, Outcome, RecordedResult, VerificationResult};
use crate::domain::name::ComponentName;
use crate::domain::plan::{PlanOutput, PlanResult, TerraformPlan};
use crate::domain::policy::Rollback;
use crate::run::command_env::ComponentJob;
use crate::run::component_steps::StepError;
use crate::run::graph::Graph;
use crate::run::run_dirs::WorkDirs;
use crate::run::schedule::{ContinueGuard, SchedulerCallbacks, TaskResult, run_graph};

/// Checks whether this program still owns the run. Called before each piece of work, on the
/// caller's thread.
pub type OwnershipCheck<'a> = dyn FnMut() -> Result<(), StopReason> + 'a;

/// A component that was deployed or destroyed.
struct AppliedComponent {
    verification: VerificationResult,
    /// Whether its outputs, which other components read, may have changed.
    outputs_changed: bool,
}

/// Why a component was not deployed.
enum ApplyFailure {
    /// A step failed. The flag tells whether the component had been touched.
    StepFailed(StepError, bool),
    /// Its plan changed since it was accepted.
    PlanRefused,
    /// This program no longer owns the run, or that cannot be determined.
    Stopped,
}

/// Applies the deployment: changes first, then removals, then the rollback of what failed.
pub fn apply_deployment(
    task: &DeployTask<'_>,
    site: &WorkDirs<'_>,
    foresight: &dyn RunCallbacks,
    ours: &mut OwnershipCheck<'_>,
) -> RunReport {
    let all: BTreeSet<ComponentName> = list_changes(task.deployment)
        .map(|it| it.target.component.clone())
        .collect();
    let gone: BTreeSet<ComponentName> = task
        .deployment
        .components
        .iter()
        .filter(|it| it.intent == Intent::Destroy)
        .map(|it| it.target.component.clone())
        .collect();
    let policy = task.runner.command_env.policy;
    let mut report = RunReport::default();
    let mut fates = apply_graph(
        (task, site),
        &Graph::new(policy, &all),
        (foresight, &mut *ours),
        &mut report,
    );
    // Removals come last and only if everything else succeeded: new components may still need the
    // old ones until then.
    let well = fates
        .values()
        .all(|fate| matches!(fate, TaskResult::Succeeded(_)));
    if well {
        fates.extend(apply_graph(
            (task, site),
            &Graph::new(policy, &gone).reversed(),
            (foresight, &mut *ours),
            &mut report,
        ));
    } else {
        fates.extend(
            gone.into_iter()
                .map(|component| (component, TaskResult::NotStarted)),
        );
    }
    let well = fates
        .values()
        .all(|fate| matches!(fate, TaskResult::Succeeded(_)));
    report.results = task
        .deployment
        .components
        .iter()
        .map(|change| find_component_result(change, &fates, well))
        .collect();
    if report.taken_over.is_none() && report.owner_unknown.is_none() {
        roll_back_failed((task, site), ours, &mut report);
    }
    report
}

/// Works through the components of a graph and returns how each ended.
fn apply_graph(
    (task, site): (&DeployTask<'_>, &WorkDirs<'_>),
    graph: &Graph,
    (foresight, ours): (&dyn RunCallbacks, &mut OwnershipCheck<'_>),
    report: &mut RunReport,
) -> BTreeMap<ComponentName, TaskResult<AppliedComponent, ApplyFailure>> {
    let mut foreman = ApplyCallbacks {
        task,
        work_dirs: site,
        graph,
        check_ownership: ours,
        changed_outputs: BTreeSet::new(),
        failed: false,
        report,
    };
    let work = |component: &ComponentName,
                (piece, anew): (ComponentJob, bool),
                leave: &ContinueGuard<'_, AppliedComponent, ApplyFailure>| {
        match find_change(task.deployment, component).map(|change| change.intent) {
            Some(Intent::Destroy) => destroy_component(task, &piece),
            _ => apply_component((task, leave), foresight, &piece, anew),
        }
    };
    run_graph(graph, task.parallel, &mut foreman, &work)
}

struct ApplyCallbacks<'a, 'o> {
    task: &'a DeployTask<'a>,
    work_dirs: &'a WorkDirs<'a>,
    graph: &'a Graph,
    check_ownership: &'a mut OwnershipCheck<'o>,
    /// The components whose outputs changed since the plans were made.
    changed_outputs: BTreeSet<ComponentName>,
    failed: bool,
    report: &'a mut RunReport,
}

impl SchedulerCallbacks<(ComponentJob, bool), AppliedComponent, ApplyFailure>
    for ApplyCallbacks<'_, '_>
{
    fn may_start(&mut self) -> bool {
        let lost = self.report.taken_over.is_some() || self.report.owner_unknown.is_some();
        let ended = lost || !self.report.refused_plans.is_empty();
        !(ended
            || self.task.runner.cancellation.is_draining()
            || self.failed && self.task.fail_fast)
    }

    fn prepare(&mut self, component: &ComponentName) -> Result<(ComponentJob, bool), ApplyFailure> {
        self.check_continue(component)?;
        let change = find_change(self.task.deployment, component)
            .ok_or_else(|| ApplyFailure::StepFailed(make_start_error(None), false))?;
        let piece = prepare_job(self.work_dirs, change)
            .map_err(|error| ApplyFailure::StepFailed(make_start_error(Some(&error)), false))?;
        // Without a known plan, whatever is in the plan file must not be applied.
        let planned = matches!(self.task.plans.get(component), Some(PlanResult::Planned(_)));
        let unplanned = !planned
            && self
                .task
                .runner
                .component_policy(&piece)
                .is_some_and(|it| it.plan.is_some());
        let anew = unplanned
            || self
                .graph
                .predecessors(component)
                .any(|before| self.changed_outputs.contains(before));
        Ok((piece, anew))
    }

    fn check_continue(&mut self, _: &ComponentName) -> Result<(), ApplyFailure> {
        (self.check_ownership)().map_err(|lost| {
            match &lost {
                StopReason::TakenOver(why) => self.report.taken_over = Some(why.clone()),
                StopReason::OwnerUnknown(why) => self.report.owner_unknown = Some(why.clone()),
            }
            ApplyFailure::Stopped
        })
    }

    fn on_result(
        &mut self,
        component: &ComponentName,
        result: &Result<AppliedComponent, ApplyFailure>,
    ) {
        match result {
            Ok(done) => self
                .changed_outputs
                .extend(done.outputs_changed.then(|| component.clone())),
            Err(ApplyFailure::StepFailed(broken, _)) => {
                self.failed = true;
                self.report.errors.insert(component.clone(), broken.clone());
            }
            Err(ApplyFailure::PlanRefused) => {
                self.report.refused_plans.insert(component.clone());
            }
            Err(ApplyFailure::Stopped) => {}
        }
    }
}

/// Deploys one component. If `anew`, makes its plan again, because what it is based on has changed.
fn apply_component(
    (task, leave): (
        &DeployTask<'_>,
        &ContinueGuard<'_, AppliedComponent, ApplyFailure>,
    ),
    foresight: &dyn RunCallbacks,
    piece: &ComponentJob,
    anew: bool,
) -> Result<AppliedComponent, ApplyFailure> {
    let (crew, component) = (task.runner, &piece.target.component);
    let shown = match task.plans.get(component) {
        Some(PlanResult::Planned(made)) => Some(made),
        _ => None,
    };
    let planned = |touched| {
        crew.plan(piece)
            .map_err(|broken| ApplyFailure::StepFailed(broken, touched))
    };
    let same = |made: &PlanOutput| shown.is_some_and(|shown| shown.digest == made.digest);
    let mut made = shown.cloned();
    if anew {
        made = planned(false)?;
        if let Some(other) = made.as_ref().filter(|made| !same(made))
            && (task.plans_are_bound || !foresight.accepts_plan(component, other))
        {
            return Err(ApplyFailure::PlanRefused);
        }
    }
    let retries = crew.component_policy(piece).map_or(0, |it| it.retries);
    let mut tries = 0;
    let is_empty = |made: &Option<PlanOutput>| made.as_ref().is_some_and(PlanOutput::is_empty);
    // A component whose attempt failed counts as failed, whatever stops the next attempt.
    let still_ours = |failed: Option<&StepError>| {
        let bad = |bad: Option<ApplyFailure>| {
            failed.map_or(bad.unwrap_or(ApplyFailure::Stopped), |it| {
                ApplyFailure::StepFailed(it.clone(), true)
            })
        };
        leave.check().map_err(bad)
    };
    let mut failed: Option<StepError> = None;
    let mut touched = false;
    while !is_empty(&made) {
        still_ours(failed.as_ref())?;
        touched = true;
        let Err(broken) = crew.apply(piece) else {
            break;
        };
        if broken.interrupted || tries == retries || !crew.wait_before_retry(tries) {
            return Err(ApplyFailure::StepFailed(broken, true));
        }
        tries += 1;
        still_ours(Some(&broken))?;
        // Never retry with an old plan: the failed attempt may have changed things.
        made = planned(true)?;
        if task.plans_are_bound
            && made
                .as_ref()
                .is_some_and(|made| !same(made) && !made.is_empty())
        {
            return Err(ApplyFailure::StepFailed(broken, true));
        }
        failed = Some(broken);
    }
    let verification = crew
        .verify(piece)
        .map_err(|broken| ApplyFailure::StepFailed(broken, true))?;
    let known = made.as_ref().and_then(PlanOutput::as_terraform);
    // Only terraform tells whether outputs changed. Any other tool is assumed to change them.
    Ok(AppliedComponent {
        verification,
        outputs_changed: touched && known.is_none_or(TerraformPlan::changes_outputs),
    })
}

/// Removes one component.
fn destroy_component(
    task: &DeployTask<'_>,
    piece: &ComponentJob,
) -> Result<AppliedComponent, ApplyFailure> {
    let gone = task.runner.destroy(piece);
    gone.map(|()| AppliedComponent {
        verification: VerificationResult::None,
        outputs_changed: true,
    })
    .map_err(|it| ApplyFailure::StepFailed(it, true))
}

/// Returns how a component ended.
fn find_component_result(
    change: &ComponentChange,
    fates: &BTreeMap<ComponentName, TaskResult<AppliedComponent, ApplyFailure>>,
    well: bool,
) -> RecordedResult {
    let component = &change.target.component;
    let of = |outcome| make_result(component, outcome);
    match fates.get(component) {
        Some(TaskResult::Succeeded(_)) if change.intent == Intent::Destroy => {
            of(Outcome::Destroyed)
        }
        Some(TaskResult::Succeeded(done)) => RecordedResult {
            verification: done.verification,
            ..of(Outcome::Succeeded)
        },
        Some(TaskResult::Failed(ApplyFailure::StepFailed(_, true))) => of(Outcome::Failed),
        // Nothing was done to it.
        Some(TaskResult::Failed(_) | TaskResult::NotStarted) => of(Outcome::Skipped),
        Some(TaskResult::SkippedAfter(culprit)) => {
            let failed = matches!(
                fates.get(culprit),
                Some(TaskResult::Failed(ApplyFailure::StepFailed(..)))
            );
            RecordedResult {
                because: failed.then(|| culprit.clone()),
                ..of(Outcome::Skipped)
            }
        }
        // An unchanged component counts as deployed at this commit only if the whole commit was
        // deployed.
        None => of(if well {
            Outcome::Unchanged
        } else {
            Outcome::Skipped
        }),
    }
}

/// Rolls back what failed, if the policy asks for it and there is a good release to return to.
fn roll_back_failed(
    (task, site): (&DeployTask<'_>, &WorkDirs<'_>),
    ours: &mut OwnershipCheck<'_>,
    report: &mut RunReport,
) {
    let rules = task.runner.command_env.rules;
    let failed = report
        .results
        .iter()
        .any(|it| it.outcome == Outcome::Failed);
    if !failed || rules.rollback == Rollback::Manual || task.runner.cancellation.is_draining() {
        return;
    }
    let wanted = |it: &&RecordedResult| match rules.rollback {
        Rollback::Auto => it.outcome == Outcome::Failed,
        Rollback::All => matches!(it.outcome, Outcome::Failed | Outcome::Succeeded),
        Rollback::Manual => false,
    };
    // A component to destroy has no release to return to.
    let comes = |it: &&RecordedResult| {
        list_changes(task.deployment).any(|change| change.target.component == it.component)
    };
    let wanted = report
        .results
        .iter()
        .filter(wanted)
        .filter(comes)
        .map(|it| it.component.clone())
        .collect();
    rollback::roll_back((task, site), &wanted, ours, report);
}
