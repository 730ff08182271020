//! The input and the result of a run: the deployment with its plans, the caller's decisions, and
//! the report.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::{Deployment, Outcome, RecordedResult, Target};
use crate::domain::name::ComponentName;
use crate::domain::plan::{CreatedResources, PlanOutput, PlanResult};
use crate::run::component_steps::{StepError, StepRunner};

/// A deployment to carry out.
pub struct DeployTask<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// Runs the steps.
    pub runner: &'a StepRunner<'a>,
    /// The plans that were shown and approved.
    pub plans: &'a BTreeMap<ComponentName, PlanResult>,
    /// The last good release of each component that was running it before the deployment.
    pub last_good: &'a BTreeMap<ComponentName, Target>,
    /// The maximum number of components to work on at once.
    pub parallel: usize,
    /// Whether the first failure stops the deployment.
    pub fail_fast: bool,
    /// Whether an approval covers exactly these plans. If so, no other plan is applied.
    pub plans_are_bound: bool,
}

/// The decisions that a running deployment asks its caller for.
pub trait RunCallbacks: Sync {
    /// Returns whether this plan may be applied, though it differs from the one that was shown
    /// before. Called from several threads.
    fn accepts_plan(&self, component: &ComponentName, plan: &PlanOutput) -> bool;
}

/// Why a run must not continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// Another runner took the run over, or the run has ended.
    TakenOver(String),
    /// It cannot be determined who owns the run.
    OwnerUnknown(String),
    /// The configuration of git or a hook has changed.
    ConfigChanged(String),
}

/// Checks whether this program still owns the run. Called before each piece of work, on the
/// caller's thread.
pub type OwnershipCheck<'a> = dyn FnMut() -> Result<(), StopReason> + 'a;

/// The result of a deployment.
#[derive(Debug, Default)]
pub struct RunReport {
    /// How each component ended, in the order of the deployment.
    pub results: Vec<RecordedResult>,
    /// The failed steps.
    pub errors: BTreeMap<ComponentName, StepError>,
    /// Why components were not rolled back, by component.
    pub not_rolled_back: BTreeMap<ComponentName, String>,
    /// The components whose plan had changed and was not accepted.
    pub refused_plans: BTreeSet<ComponentName>,
    /// The resources that the applied plans were to create, by component. A rollback may destroy
    /// these and no others.
    pub created: BTreeMap<ComponentName, CreatedResources>,
    /// Set if another runner took the run over. This program must not record its results then.
    pub taken_over: Option<String>,
    /// Set if no more steps were started because the owner of the run could not be determined.
    pub owner_unknown: Option<String>,
    /// Set to what has changed if no more steps were started because the configuration of git or a
    /// hook has changed during the run.
    pub config_changed: Option<String>,
}

impl RunReport {
    /// Records why the run must not continue.
    pub(super) fn set_stop_reason(&mut self, reason: StopReason) {
        match reason {
            StopReason::TakenOver(why) => self.taken_over = Some(why),
            StopReason::OwnerUnknown(why) => self.owner_unknown = Some(why),
            StopReason::ConfigChanged(what) => self.config_changed = Some(what),
        }
    }

    /// Returns whether the run must not continue.
    pub(super) fn is_stopped(&self) -> bool {
        self.taken_over.is_some() || self.owner_unknown.is_some() || self.config_changed.is_some()
    }

    /// Returns whether every component reached its target and no other runner took the run over.
    pub fn is_success(&self) -> bool {
        let is_done = |it: &RecordedResult| {
            matches!(
                it.outcome,
                Outcome::Succeeded | Outcome::Destroyed | Outcome::Executed
            )
        };
        self.taken_over.is_none() && self.results.iter().all(is_done)
    }

    /// Lists the failed steps, one line each: `apply of api: exit status 3`.
    pub fn list_failures(&self) -> Vec<String> {
        self.errors
            .iter()
            .map(|(name, it)| format!("{} of {name}: {}", it.step.name(), it.reason))
            .collect()
    }
}
