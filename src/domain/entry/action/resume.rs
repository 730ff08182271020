//! `resume`: another runner takes over an unfinished run.

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
use crate::domain::id::{CommitId, Oid, RunId};
use crate::domain::name::{EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// Another runner takes over a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The sequence number of the run's `start` entry.
    pub start: u64,
    /// The run's new id: only the runner that pushed this entry may continue the run.
    pub run: RunId,
    /// Why the run is taken over from its owner before it is stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line>,
}

impl ActionType for Resume {
    const INFO: ActionInfo = ActionInfo {
        name: "resume",
        commits: CommitRole::None,
        history: HistoryRole::None,
    };
}

impl ActionBody for Resume {
    fn subjects(&self) -> Vec<Subject<'_>> {
        Vec::new()
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        Vec::new()
    }

    fn other_ids(&self) -> Vec<Oid> {
        Vec::new()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        Vec::new()
    }

    fn headline(&self, environment: &str) -> String {
        format!("resume run {} in {environment}", self.start)
    }

    fn free_text(&self) -> Option<&str> {
        self.reason.as_ref().map(Line::as_str)
    }

    fn note(&self, _: CommitId) -> Note {
        Note::placeholder()
    }

    fn log(&self) -> LogText {
        let reason = self.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(", \"{reason}\""));
        let object = format!("run {}{reason}", self.start);
        LogText::new("resumed", Tone::Neutral, object)
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        Ok(())
    }
}

impl EnvironmentBody for Resume {
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
        Some(RunStep::Resumes {
            start: self.start,
            run: self.run,
        })
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
impl crate::domain::entry::samples::Sample for Resume {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        (0u64..4, run(), proptest::option::of(line()))
            .prop_map(|(start, run, reason)| Self { start, run, reason })
            .boxed()
    }
}
