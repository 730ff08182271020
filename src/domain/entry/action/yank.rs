//! `yank`: a commit or an artifact must no longer be deployed.

use serde::{Deserialize, Serialize};

use super::{ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, HistoryRole};
use crate::domain::entry::invalid::{InvalidError, require};
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Digest, Oid};
use crate::domain::name::EnvName;
use crate::domain::text::Line;

/// A commit or an artifact must no longer be deployed. Exactly one of `commit` and `digest` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yank {
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// The digest of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Why.
    pub reason: Line,
}

impl Yank {
    /// Returns the commit as `format_commit` writes it, or the short form of the digest.
    pub(super) fn object(&self, format_commit: impl Fn(CommitId) -> String) -> String {
        let digest = self.digest.as_ref().map(Digest::short);
        self.commit
            .map(format_commit)
            .or(digest)
            .unwrap_or_default()
    }
}

impl ActionType for Yank {
    const INFO: ActionInfo = ActionInfo {
        name: "yank",
        commits: CommitRole::MayBeMissing,
        history: HistoryRole::None,
    };
}

impl ActionBody for Yank {
    fn subjects(&self) -> Vec<Subject<'_>> {
        let commit = self.commit.map(Subject::commit);
        let digest = self.digest.as_ref();
        let digest = digest.map(|digest| Subject::digest("artifact", digest));
        commit.into_iter().chain(digest).collect()
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        let commit = self.commit.map(Trailer::Commit);
        let digest = self.digest.as_ref().map(Trailer::Digest);
        commit.into_iter().chain(digest).collect()
    }

    fn other_ids(&self) -> Vec<Oid> {
        Vec::new()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        Vec::new()
    }

    fn headline(&self, _: &str) -> String {
        format!("yank {}", self.object(|commit| commit.short()))
    }

    fn free_text(&self) -> Option<&str> {
        Some(self.reason.as_str())
    }

    fn note(&self, _: CommitId) -> Note {
        Note::new("yanked", format!("\"{}\"", self.reason))
    }

    fn log(&self) -> LogText {
        let object = self.object(log_text::commit);
        LogText::new(
            "yanked",
            Tone::Bad,
            format!("{object}, \"{}\"", self.reason),
        )
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        require(
            self.commit.is_some() != self.digest.is_some(),
            InvalidError::Contradiction("a yank names either a commit or a digest"),
        )
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Yank {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let object = prop_oneof![
            commit().prop_map(|it| (Some(it), None)),
            digest().prop_map(|it| (None, Some(it)))
        ];
        (object, line())
            .prop_map(|((commit, digest), reason)| Self {
                commit,
                digest,
                reason,
            })
            .boxed()
    }
}
