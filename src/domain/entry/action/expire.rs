//! `expire`: an ephemeral environment gets a new expiry time.

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
use crate::domain::name::{EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// An ephemeral environment's new expiry time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expire {
    /// When the environment expires.
    pub expires: Time,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

impl Expire {
    /// Returns the entry that replaces a deployment which only changes the expiry of an ephemeral
    /// environment. Returns `None` for every other deployment.
    pub fn replacing(deployment: &Deployment) -> Option<Self> {
        let expires = deployment
            .expires
            .filter(|_| deployment.components.is_empty())?;
        Some(Self {
            expires,
            comment: None,
        })
    }
}

impl ActionType for Expire {
    const INFO: ActionInfo = ActionInfo {
        name: "expire",
        commits: CommitRole::None,
        history: HistoryRole::None,
    };
}

impl ActionBody for Expire {
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
        format!("{environment} expires at {}", self.expires)
    }

    fn free_text(&self) -> Option<&str> {
        self.comment.as_ref().map(Line::as_str)
    }

    fn note(&self, _: CommitId) -> Note {
        Note::placeholder()
    }

    fn log(&self) -> LogText {
        LogText::new("expires", Tone::Neutral, self.expires.to_string())
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        Ok(())
    }
}

impl EnvironmentBody for Expire {
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
        Some(self.expires)
    }

    fn approved_by(&self) -> &[Person] {
        &[]
    }

    fn break_glass(&self) -> Option<&Line> {
        None
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Expire {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        (time(), option::of(line()))
            .prop_map(|(expires, comment)| Self { expires, comment })
            .boxed()
    }
}
