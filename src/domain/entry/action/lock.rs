//! `lock`: nothing is deployed to the environment, or to one component of it, until it is unlocked.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, ComponentResult, Deployment,
    EnvironmentBody, HistoryRole, RunStep,
};
use crate::domain::entry::invalid::InvalidError;
use crate::domain::entry::log_text::{LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// The environment, or one component of it, is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The component; absent for the whole environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentName>,
    /// Why it is locked.
    pub reason: Line,
}

impl ActionType for Lock {
    const INFO: ActionInfo = ActionInfo {
        name: "lock",
        commits: CommitRole::None,
        history: HistoryRole::None,
    };
}

impl ActionBody for Lock {
    fn subjects(&self) -> Vec<Subject<'_>> {
        Vec::new()
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        self.component.iter().map(Trailer::Component).collect()
    }

    fn other_ids(&self) -> Vec<Oid> {
        Vec::new()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        self.component.iter().map(CodeClaim::in_policy).collect()
    }

    fn headline(&self, environment: &str) -> String {
        match &self.component {
            Some(component) => format!("lock {component} in {environment}"),
            None => format!("lock {environment}"),
        }
    }

    fn free_text(&self) -> Option<&str> {
        Some(self.reason.as_str())
    }

    fn note(&self, _: CommitId) -> Note {
        Note::placeholder()
    }

    fn log(&self) -> LogText {
        let object = match &self.component {
            Some(component) => format!("{component}, \"{}\"", self.reason),
            None => format!("\"{}\"", self.reason),
        };
        LogText::new("locked", Tone::Neutral, object)
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        Ok(())
    }
}

impl EnvironmentBody for Lock {
    fn deployment(&self) -> Option<&Deployment> {
        None
    }

    fn deployment_mut(&mut self) -> Option<&mut Deployment> {
        None
    }

    fn component_results(&self) -> Vec<ComponentResult> {
        Vec::new()
    }

    fn run_step(&self) -> Option<RunStep> {
        None
    }

    fn expires(&self) -> Option<Time> {
        None
    }

    fn approved_by(&self) -> &[Person] {
        &[]
    }

    fn break_glass(&self) -> Option<&Line> {
        None
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Lock {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        (option::of(component()), line())
            .prop_map(|(component, reason)| Self { component, reason })
            .boxed()
    }
}
