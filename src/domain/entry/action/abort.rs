//! `abort`: ends an unfinished run without results. The running versions of its components are
//! unknown afterwards.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, ComponentAtCommit, ComponentResult,
    Deployment, EnvironmentBody, HistoryRole, RunStep,
};
use crate::domain::entry::invalid::{InvalidError, is_ascending, require};
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::{self, Note};
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid, RunId};
use crate::domain::name::{EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// The end of a run that has no results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abort {
    /// The sequence number of the run's `start` entry.
    pub start: u64,
    /// The run's current id: that of its last `resume`, or else of its `start`.
    pub run: RunId,
    /// The components that the run was changing, in bytewise order; empty if there were none, as
    /// for an `exec`.
    pub components: Vec<ComponentAtCommit>,
    /// Why the run is aborted.
    pub reason: Line,
}

impl ActionType for Abort {
    const INFO: ActionInfo = ActionInfo {
        name: "abort",
        commits: CommitRole::Deployed,
        history: HistoryRole::Outcome,
    };
}

impl ActionBody for Abort {
    fn subjects(&self) -> Vec<Subject<'_>> {
        Subject::components(&self.components)
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        Trailer::components(&self.components)
    }

    fn other_ids(&self) -> Vec<Oid> {
        Vec::new()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        Vec::new()
    }

    fn headline(&self, environment: &str) -> String {
        format!("abort run {} in {environment}", self.start)
    }

    fn free_text(&self) -> Option<&str> {
        Some(self.reason.as_str())
    }

    fn note(&self, commit: CommitId) -> Note {
        let names = note::components(&self.components, commit);
        Note::new("aborted", format!("{names}  \"{}\"", self.reason))
    }

    fn log(&self) -> LogText {
        let object = if self.components.is_empty() {
            format!("run {}", self.start)
        } else {
            log_text::names(self.components.iter().map(|it| &it.component))
        };
        LogText::new(
            "aborted",
            Tone::Bad,
            format!("{object}, \"{}\"", self.reason),
        )
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        // The list may be empty: a run that changes nothing can be aborted, too.
        require(
            is_ascending(self.components.iter().map(|it| &it.component)),
            InvalidError::Order("the components"),
        )
    }
}

impl EnvironmentBody for Abort {
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
        Some(RunStep::Ends {
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
impl crate::domain::entry::samples::Sample for Abort {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let aborted = btree_map(component(), commit(), 0..4);
        (0u64..4, run(), aborted, line())
            .prop_map(|(start, run, aborted, reason)| {
                let components = aborted
                    .into_iter()
                    .map(|(component, commit)| ComponentAtCommit { component, commit })
                    .collect();
                Self {
                    start,
                    run,
                    components,
                    reason,
                }
            })
            .boxed()
    }
}
