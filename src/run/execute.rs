//! Carries out a deployment: makes the plans, applies them in dependency order, verifies, and rolls
//! back failed components.
//!
//! The result is how each component ended, as the `finish` entry records it. Nothing here writes to
//! a ledger.

mod apply;
mod rollback;

use std::collections::{BTreeMap, BTreeSet};

use super::command_env::ComponentJob;
use super::component_steps::{StepError, StepRunner};
use super::graph::Graph;
use super::run_dirs::{WorkDirs, WorkDirsError};
use super::schedule::{ContinueGuard, SchedulerCallbacks, TaskResult, run_graph};
use crate::domain::entry::{
    ComponentChange, Deployment, Intent, Outcome, RecordedResult, Target, VerificationResult,
};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::plan::{PlanOutput, PlanResult};

pub use apply::apply_deployment;

/// A deployment to carry out.
pub struct DeployTask<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// Runs the steps.
    pub runner: &'a StepRunner<'a>,
    /// The plans that were shown and approved.
    pub plans: &'a BTreeMap<ComponentName, PlanResult>,
    /// The last good release of each component, if it is the one that ran before.
    pub last_good: &'a BTreeMap<ComponentName, Target>,
    /// How many components are worked on at once.
    pub parallel: usize,
    /// Whether the first failure stops the deployment.
    pub fail_fast: bool,
    /// Whether an approval covers exactly these plans. If so, no other plan is applied.
    pub plans_are_bound: bool,
}

/// Questions that come up while a deployment runs.
pub trait RunCallbacks: Sync {
    /// Returns whether this plan may be applied, though it differs from the one that was shown
    /// before. Called from several threads.
    fn accepts_plan(&self, component: &ComponentName, made: &PlanOutput) -> bool;
}

/// Why a run must not continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// Another run took it over, or it has ended.
    TakenOver(String),
    /// It cannot be determined who owns the run.
    OwnerUnknown(String),
}

/// The result of a deployment.
#[derive(Debug, Default)]
pub struct RunReport {
    /// How each component ended, in the order of the deployment.
    pub results: Vec<RecordedResult>,
    /// The failed steps.
    pub errors: BTreeMap<ComponentName, StepError>,
    /// Why failed components were not rolled back.
    pub not_rolled_back: BTreeMap<ComponentName, String>,
    /// The components whose plan had changed and was not accepted.
    pub refused_plans: BTreeSet<ComponentName>,
    /// Set if another runner took the run over. Nothing may be recorded about it then.
    pub taken_over: Option<String>,
    /// Set if no more steps were started because the owner of the run could not be determined.
    pub owner_unknown: Option<String>,
}

impl RunReport {
    /// Returns whether everything that was to be done was done.
    pub fn is_success(&self) -> bool {
        let done = |it: &RecordedResult| {
            matches!(
                it.outcome,
                Outcome::Succeeded | Outcome::Destroyed | Outcome::Unchanged
            )
        };
        self.taken_over.is_none() && self.results.iter().all(done)
    }

    /// Lists the failed steps, one line each: `apply of api: exit status 3`.
    pub fn list_failures(&self) -> Vec<String> {
        self.errors
            .iter()
            .map(|(name, it)| format!("{} of {name}: {}", it.step.name(), it.reason))
            .collect()
    }
}

/// Makes all plans at once. A component without a plan command has no plan.
///
/// If a plan fails while a component that it depends on is going to change, it is deferred until
/// that component is deployed, because it may fail only for lack of that change.
pub fn make_plans(
    deployment: &Deployment,
    (site, crew): (&WorkDirs<'_>, &StepRunner<'_>),
    parallel: usize,
) -> BTreeMap<ComponentName, PlanResult> {
    let all: BTreeSet<ComponentName> = list_changes(deployment)
        .map(|change| change.target.component.clone())
        .collect();
    let policy = crew.command_env.policy;
    let mut at_once = UnorderedCallbacks {
        work_dirs: site,
        runner: crew,
        deployment,
    };
    let work =
        |_: &ComponentName, piece: ComponentJob, _: &ContinueGuard<'_, _, _>| crew.plan(&piece);
    let fates = run_graph(&Graph::unordered(&all), parallel, &mut at_once, &work);
    let mut plans = BTreeMap::new();
    let mut failed = Vec::new();
    for (component, fate) in fates {
        match fate {
            TaskResult::Succeeded(Some(made)) => {
                drop(plans.insert(component, PlanResult::Planned(made)));
            }
            TaskResult::Failed(broken) => failed.push((component, broken)),
            TaskResult::Succeeded(None) | TaskResult::SkippedAfter(_) | TaskResult::NotStarted => {}
        }
    }
    let graph = Graph::new(policy, &all);
    let failing: BTreeSet<ComponentName> = failed
        .iter()
        .map(|(component, _)| component.clone())
        .collect();
    for (component, broken) in failed {
        let idle = |before: &&ComponentName| {
            matches!(plans.get(*before), Some(PlanResult::Planned(made)) if made.is_empty())
                && !failing.contains(*before)
        };
        let waits_for: Vec<ComponentName> = graph
            .predecessors(&component)
            .filter(|before| !idle(before))
            .cloned()
            .collect();
        let planned = if waits_for.is_empty() || broken.interrupted {
            PlanResult::Failed {
                reason: broken.reason,
                output: broken.last_lines.join("\n"),
            }
        } else {
            PlanResult::Deferred { waits_for }
        };
        plans.insert(component, planned);
    }
    plans
}

/// Verifies all components at once and returns which of them are healthy. Components that were not
/// verified are left out.
pub fn verify_components(
    deployment: &Deployment,
    (site, crew): (&WorkDirs<'_>, &StepRunner<'_>),
    parallel: usize,
) -> BTreeMap<ComponentName, bool> {
    let all: BTreeSet<ComponentName> = list_changes(deployment)
        .map(|change| change.target.component.clone())
        .collect();
    let work =
        |_: &ComponentName, piece: ComponentJob, _: &ContinueGuard<'_, _, _>| crew.verify(&piece);
    let fates = run_graph(
        &Graph::unordered(&all),
        parallel,
        &mut UnorderedCallbacks {
            work_dirs: site,
            runner: crew,
            deployment,
        },
        &work,
    );
    let well = |(component, fate): (ComponentName, TaskResult<_, StepError>)| match fate {
        TaskResult::Succeeded(_) => Some((component, true)),
        TaskResult::Failed(broken) => (!broken.interrupted).then_some((component, false)),
        TaskResult::SkippedAfter(_) | TaskResult::NotStarted => None,
    };
    fates.into_iter().filter_map(well).collect()
}

/// Works on every component at once, whatever the order between them.
struct UnorderedCallbacks<'a> {
    work_dirs: &'a WorkDirs<'a>,
    runner: &'a StepRunner<'a>,
    deployment: &'a Deployment,
}

impl<T> SchedulerCallbacks<ComponentJob, T, StepError> for UnorderedCallbacks<'_> {
    fn may_start(&mut self) -> bool {
        !self.runner.cancellation.is_draining()
    }

    fn prepare(&mut self, component: &ComponentName) -> Result<ComponentJob, StepError> {
        let change = find_change(self.deployment, component);
        change
            .ok_or(None)
            .and_then(|it| prepare_job(self.work_dirs, it).map_err(Some))
            .map_err(|error| make_start_error(error.as_ref()))
    }

    fn check_continue(&mut self, _: &ComponentName) -> Result<(), StepError> {
        Ok(())
    }

    fn on_result(&mut self, _: &ComponentName, _: &Result<T, StepError>) {}
}

/// Returns the changed components, without those to destroy.
fn list_changes(deployment: &Deployment) -> impl Iterator<Item = &ComponentChange> {
    deployment
        .components
        .iter()
        .filter(|change| change.intent == Intent::Change)
}

/// Returns the change of a component.
fn find_change<'d>(
    deployment: &'d Deployment,
    component: &ComponentName,
) -> Option<&'d ComponentChange> {
    deployment
        .components
        .iter()
        .find(|change| change.target.component == *component)
}

/// Prepares the folders for a change. A component to destroy is prepared at the running commit,
/// because the new one does not have it.
fn prepare_job(
    site: &WorkDirs<'_>,
    change: &ComponentChange,
) -> Result<ComponentJob, WorkDirsError> {
    let commit: Option<CommitId> = change.from.filter(|_| change.intent == Intent::Destroy);
    let target = Target {
        commit: commit.unwrap_or(change.target.commit),
        ..change.target.clone()
    };
    site.prepare_job(target, change.from, "run")
}

/// Returns the error of a component whose work could not begin.
fn make_start_error(error: Option<&WorkDirsError>) -> StepError {
    let why = error.map_or_else(
        || "it is not in the deployment".to_owned(),
        ToString::to_string,
    );
    let step = super::component_steps::ComponentStep::Plan;
    StepError {
        step,
        reason: why,
        last_lines: Vec::new(),
        log: std::path::PathBuf::new(),
        interrupted: false,
    }
}

/// Returns the result of a component, without details.
pub fn make_result(component: &ComponentName, outcome: Outcome) -> RecordedResult {
    let verification = VerificationResult::None;
    RecordedResult {
        component: component.clone(),
        outcome,
        because: None,
        to: None,
        verification,
    }
}

#[cfg(test)]
mod tests;
