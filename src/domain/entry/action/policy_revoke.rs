//! `revoke` in the ledger `policy`: one person's consent to a proposed policy is withdrawn.

use serde::{Deserialize, Serialize};

use super::{ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, HistoryRole, PolicyBody};
use crate::domain::entry::invalid::{InvalidError, require_sha256};
use crate::domain::entry::log_text::{LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Digest, Oid};
use crate::domain::name::{EnvName, Person};
use crate::domain::text::Line;

/// One person's consent to a proposed policy is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRevoke {
    /// The SHA-256 of the proposed `deploy.toml`.
    pub digest: Digest,
    /// The person whose approval is withdrawn.
    pub approver: Person,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

impl ActionType for PolicyRevoke {
    const INFO: ActionInfo = ActionInfo {
        name: "revoke",
        commits: CommitRole::None,
        history: HistoryRole::None,
    };
}

impl ActionBody for PolicyRevoke {
    fn subjects(&self) -> Vec<Subject<'_>> {
        vec![Subject::digest("deploy.toml", &self.digest)]
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        vec![Trailer::Policy(&self.digest)]
    }

    fn other_ids(&self) -> Vec<Oid> {
        Vec::new()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        Vec::new()
    }

    fn headline(&self, _: &str) -> String {
        format!(
            "revoke the approval of policy {} by {}",
            self.digest.short(),
            self.approver
        )
    }

    fn free_text(&self) -> Option<&str> {
        self.comment.as_ref().map(Line::as_str)
    }

    fn note(&self, _: CommitId) -> Note {
        Note::placeholder()
    }

    fn log(&self) -> LogText {
        let digest = self.digest.short();
        let object = format!("the approval of policy {digest} by {}", self.approver);
        LogText::new("revoked", Tone::Neutral, object)
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        require_sha256([&self.digest])
    }
}

impl PolicyBody for PolicyRevoke {
    fn approved_by(&self) -> &[Person] {
        &[]
    }

    fn approved_by_mut(&mut self) -> Option<&mut Vec<Person>> {
        None
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for PolicyRevoke {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        (sha256(), person(), option::of(line()))
            .prop_map(|(digest, approver, comment)| Self {
                digest,
                approver,
                comment,
            })
            .boxed()
    }
}
