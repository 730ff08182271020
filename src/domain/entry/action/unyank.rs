//! `unyank`: a yanked commit or artifact may be deployed again.

use serde::{Deserialize, Serialize};

use super::yank::Yank;
use super::{ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, HistoryRole};
use crate::domain::entry::invalid::InvalidError;
use crate::domain::entry::log_text::{LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::EnvName;

/// A yanked commit or artifact may be deployed again. The fields are those of the yank, with a
/// reason of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unyank(pub Yank);

impl ActionType for Unyank {
    const INFO: ActionInfo = ActionInfo {
        name: "unyank",
        commits: CommitRole::MayBeMissing,
        history: HistoryRole::None,
    };
}

impl ActionBody for Unyank {
    fn subjects(&self) -> Vec<Subject<'_>> {
        self.0.subjects()
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        self.0.trailers()
    }

    fn other_ids(&self) -> Vec<Oid> {
        self.0.other_ids()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        // The contents are those of the yank, as computed then: the policy's paths may have changed.
        Vec::new()
    }

    fn headline(&self, _: &str) -> String {
        format!("unyank {}", self.0.object(|commit| commit.short()))
    }

    fn free_text(&self) -> Option<&str> {
        self.0.free_text()
    }

    fn note(&self, _: CommitId) -> Note {
        Note::new("unyanked", self.0.note_text())
    }

    fn log(&self) -> LogText {
        LogText::new("unyanked", Tone::Neutral, self.0.log_text())
    }

    fn validate(&self, environment: Option<&EnvName>) -> Result<(), InvalidError> {
        self.0.validate(environment)
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Unyank {
    fn sample(ephemeral: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        Yank::sample(ephemeral).prop_map(Self).boxed()
    }
}
