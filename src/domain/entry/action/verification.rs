//! `verification`: a check of running components after their deployment ended.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, ComponentAtCommit, ComponentResult,
    Deployment, EnvironmentBody, HistoryRole, RunStep, VerificationResult,
};
use crate::domain::entry::headline;
use crate::domain::entry::invalid::{InvalidError, is_ascending, require};
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::{self, Note};
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::{EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

use InvalidError::{Contradiction, Order};

/// A check of running components after their deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The checked components, in bytewise order.
    pub components: Vec<ComponentAtCommit>,
    /// The result: `passed` or `failed`, never `none`.
    pub verification: VerificationResult,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
    /// Where its logs are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<Line>,
}

impl Verification {
    fn passed(&self) -> bool {
        self.verification == VerificationResult::Passed
    }
}

impl ActionType for Verification {
    const INFO: ActionInfo = ActionInfo {
        name: "verification",
        commits: CommitRole::Deployed,
        history: HistoryRole::Verification,
    };
}

impl ActionBody for Verification {
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
        let names = headline::names(self.components.iter().map(|it| &it.component));
        let result = if self.passed() { "passed" } else { "failed" };
        format!("verify {names} in {environment}: {result}")
    }

    fn free_text(&self) -> Option<&str> {
        self.comment.as_ref().map(Line::as_str)
    }

    fn note(&self, commit: CommitId) -> Note {
        let verb = if self.passed() {
            "verified"
        } else {
            "unhealthy"
        };
        Note::new(verb, note::components(&self.components, commit))
    }

    fn log(&self) -> LogText {
        let (verb, tone) = if self.passed() {
            ("verified", Tone::Good)
        } else {
            ("unhealthy", Tone::Bad)
        };
        let names = log_text::names(self.components.iter().map(|it| &it.component));
        LogText::new(verb, tone, names)
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        let names = self.components.iter().map(|it| &it.component);
        require(
            !self.components.is_empty() && is_ascending(names),
            Order("the components"),
        )?;
        require(
            self.verification != VerificationResult::None,
            Contradiction("the result of a verification is passed or failed, never none"),
        )
    }
}

impl EnvironmentBody for Verification {
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
impl crate::domain::entry::samples::Sample for Verification {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        (names(), commit(), any::<bool>(), option::of(line()))
            .prop_map(|(names, commit, passed, comment)| Self {
                components: names
                    .into_iter()
                    .map(|component| ComponentAtCommit { component, commit })
                    .collect(),
                verification: if passed {
                    VerificationResult::Passed
                } else {
                    VerificationResult::Failed
                },
                comment,
                logs: Vec::new(),
            })
            .boxed()
    }
}
