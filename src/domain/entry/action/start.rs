//! `start`: a deployment begins. Of several concurrent starts, only one can be pushed.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, ComponentResult, Deployment,
    EnvironmentBody, HistoryRole, RunStep,
};
use crate::domain::entry::headline;
use crate::domain::entry::invalid::InvalidError;
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::{self, Note};
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid, RunId};
use crate::domain::name::{EnvName, Person};
use crate::domain::text::{Description, Line};
use crate::domain::time::Time;

/// A deployment begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The run's id, a new random number.
    pub run: RunId,
    /// The requested deployment.
    #[serde(flatten)]
    pub deployment: Deployment,
}

impl ActionType for Start {
    const INFO: ActionInfo = ActionInfo {
        name: "start",
        commits: CommitRole::Deploys,
        history: HistoryRole::Request,
    };
}

impl ActionBody for Start {
    fn subjects(&self) -> Vec<Subject<'_>> {
        Subject::targets(self.deployment.targets())
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        Trailer::targets(self.deployment.targets())
    }

    fn other_ids(&self) -> Vec<Oid> {
        self.deployment.other_ids()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        Vec::new()
    }

    fn headline(&self, environment: &str) -> String {
        let targets = self.deployment.targets().collect();
        let deployment = headline::deployment(self.deployment.kind, targets, environment);
        format!("{deployment}: started")
    }

    fn free_text(&self) -> Option<&str> {
        self.deployment
            .description
            .as_ref()
            .map(Description::as_str)
    }

    fn note(&self, commit: CommitId) -> Note {
        let at_commit = self.deployment.targets().filter(|it| it.commit == commit);
        let object = note::targets(at_commit);
        Note::new("started", object)
            .with_break_glass(self.break_glass())
            .with_references(self.deployment.change.as_ref(), &self.deployment.labels)
    }

    fn log(&self) -> LogText {
        LogText::new(
            "started",
            Tone::Started,
            log_text::targets(self.deployment.targets()),
        )
    }

    fn validate(&self, environment: Option<&EnvName>) -> Result<(), InvalidError> {
        self.deployment.validate(environment)
    }
}

impl EnvironmentBody for Start {
    fn deployment(&self) -> Option<&Deployment> {
        Some(&self.deployment)
    }

    fn deployment_mut(&mut self) -> Option<&mut Deployment> {
        Some(&mut self.deployment)
    }

    fn component_results(&self) -> Vec<ComponentResult> {
        Vec::new()
    }

    fn run_step(&self) -> Option<RunStep> {
        Some(RunStep::Starts { run: self.run })
    }

    fn expires(&self) -> Option<Time> {
        self.deployment.expires
    }

    fn approved_by(&self) -> &[Person] {
        &self.deployment.approved_by
    }

    fn break_glass(&self) -> Option<&Line> {
        self.deployment.break_glass.as_ref()
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Start {
    fn sample(ephemeral: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let kinds = vec![
            DeploymentKind::Deploy,
            DeploymentKind::Rollback,
            DeploymentKind::Hotfix,
            DeploymentKind::Destroy,
            DeploymentKind::Exec,
        ];
        (run(), deployment(kinds, ephemeral))
            .prop_map(|(run, deployment)| Self { run, deployment })
            .boxed()
    }
}
