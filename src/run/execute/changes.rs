//! The changes of a deployment: finds them, prepares their folders, and creates their results.

use crate::domain::entry::{
    ComponentChange, Deployment, Outcome, RecordedResult, Target, VerificationResult,
};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::run::command_env::ComponentJob;
use crate::run::component_steps::{ComponentStep, StepError};
use crate::run::work_dirs::{WorkDirs, WorkDirsError};

/// Returns the change of a component.
pub(super) fn find_change<'d>(
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
pub fn prepare_job(
    work_dirs: &WorkDirs<'_>,
    change: &ComponentChange,
) -> Result<ComponentJob, WorkDirsError> {
    let removed_commit: Option<CommitId> = change.from.filter(|_| change.is_removal());
    let target = Target {
        commit: removed_commit.unwrap_or(change.target.commit),
        ..change.target.clone()
    };
    work_dirs.prepare_job(target, change.from, "run")
}

/// Creates the error of a component whose work could not begin. `error` is `None` if the component
/// is not in the deployment.
pub(super) fn make_start_error(error: Option<&WorkDirsError>) -> StepError {
    let why = error.map_or_else(
        || "it is not in the deployment".to_owned(),
        ToString::to_string,
    );
    StepError {
        step: ComponentStep::Plan,
        reason: why,
        last_lines: Vec::new(),
        log: std::path::PathBuf::new(),
        is_interrupted: false,
        is_explained: false,
        may_have_run: false,
    }
}

/// Creates the result of a component, without details.
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
