//! `revoke`: all approvals of a commit by one person are withdrawn.

use serde::{Deserialize, Serialize};

use super::{
    ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, ComponentResult, Deployment,
    EnvironmentBody, HistoryRole, RunStep,
};
use crate::domain::entry::invalid::InvalidError;
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::{EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// All approvals of a commit by one person are withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoke {
    /// The commit.
    pub commit: CommitId,
    /// The person whose approvals are withdrawn.
    pub approver: Person,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

impl ActionType for Revoke {
    const INFO: ActionInfo = ActionInfo {
        name: "revoke",
        commits: CommitRole::MayBeMissing,
        history: HistoryRole::None,
    };
}

impl ActionBody for Revoke {
    fn subjects(&self) -> Vec<Subject<'_>> {
        vec![Subject::commit(self.commit)]
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        vec![Trailer::Commit(self.commit)]
    }

    fn other_ids(&self) -> Vec<Oid> {
        Vec::new()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        Vec::new()
    }

    fn headline(&self, environment: &str) -> String {
        format!(
            "revoke the approval of {} by {} for {environment}",
            self.commit.short(),
            self.approver
        )
    }

    fn free_text(&self) -> Option<&str> {
        self.comment.as_ref().map(Line::as_str)
    }

    fn note(&self, _: CommitId) -> Note {
        Note::new("revoked", format!("approval of {}", self.approver))
    }

    fn log(&self) -> LogText {
        let commit = log_text::commit(self.commit);
        let object = format!("the approval of {commit} by {}", self.approver);
        LogText::new("revoked", Tone::Neutral, object)
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        Ok(())
    }
}

impl EnvironmentBody for Revoke {
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
impl crate::domain::entry::samples::Sample for Revoke {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        (commit(), person(), option::of(line()))
            .prop_map(|(commit, approver, comment)| Self {
                commit,
                approver,
                comment,
            })
            .boxed()
    }
}
