//! `yank`: a commit, with the contents that it introduced, or an artifact must no longer be
//! deployed.

use serde::{Deserialize, Serialize};

use super::{ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, HistoryRole};
use crate::domain::entry::invalid::{InvalidError, is_ascending, require};
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Content, Digest, Oid};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::text::Line;

/// A component's content that the yank of a commit covers: it must no longer be deployed under any
/// commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct YankedContent {
    /// The component.
    pub component: ComponentName,
    /// Its content.
    pub content: Content,
}

/// A commit or an artifact must no longer be deployed. Exactly one of `commit` and `digest` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yank {
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// The digest of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The contents that the commit introduced, in order; present only with a commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<YankedContent>,
    /// Why it must no longer be deployed.
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

    /// Returns the names of the components whose contents it covers: `api, web`.
    pub(super) fn component_names(&self) -> Option<String> {
        let names = self.contents.iter().map(|it| it.component.as_str());
        let names: Vec<&str> = names.collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Returns the covered components and the reason, for a note.
    pub(super) fn note_text(&self) -> String {
        match self.component_names() {
            Some(names) => format!("{names}  \"{}\"", self.reason),
            None => format!("\"{}\"", self.reason),
        }
    }

    /// Returns the object, the covered components and the reason, for a line of the log.
    pub(super) fn log_text(&self) -> String {
        let object = self.object(log_text::commit);
        match self.component_names() {
            Some(names) => format!("{object} ({names}), \"{}\"", self.reason),
            None => format!("{object}, \"{}\"", self.reason),
        }
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
        let components = self.contents.iter().map(|it| &it.component);
        let commit = self.commit.map(Trailer::Commit);
        let digest = self.digest.as_ref().map(Trailer::Digest);
        let components = components.map(Trailer::Component);
        components.chain(commit).chain(digest).collect()
    }

    fn other_ids(&self) -> Vec<Oid> {
        self.contents.iter().map(|it| it.content.0).collect()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        let commit = self.commit.into_iter();
        commit
            .flat_map(|commit| self.contents.iter().map(move |it| (commit, it)))
            .map(|(commit, it)| {
                CodeClaim::in_policy(&it.component).with_content(commit, Some(it.content))
            })
            .collect()
    }

    fn headline(&self, _: &str) -> String {
        format!("yank {}", self.object(|commit| commit.short()))
    }

    fn free_text(&self) -> Option<&str> {
        Some(self.reason.as_str())
    }

    fn note(&self, _: CommitId) -> Note {
        Note::new("yanked", self.note_text())
    }

    fn log(&self) -> LogText {
        LogText::new("yanked", Tone::Bad, self.log_text())
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        require(
            self.commit.is_some() != self.digest.is_some(),
            InvalidError::Contradiction("a yank names either a commit or a digest"),
        )?;
        require(
            self.commit.is_some() || self.contents.is_empty(),
            InvalidError::Contradiction("only the yank of a commit lists contents"),
        )?;
        require(
            is_ascending(&self.contents),
            InvalidError::Order("the contents"),
        )
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Yank {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        use std::collections::BTreeSet;
        let object = prop_oneof![
            (commit(), vec((component(), content()), 0..3)).prop_map(|(it, contents)| {
                let contents: BTreeSet<YankedContent> = contents
                    .into_iter()
                    .map(|(component, content)| YankedContent { component, content })
                    .collect();
                (Some(it), None, contents.into_iter().collect())
            }),
            digest().prop_map(|it| (None, Some(it), Vec::new()))
        ];
        (object, line())
            .prop_map(|((commit, digest, contents), reason)| Self {
                commit,
                digest,
                contents,
                reason,
            })
            .boxed()
    }
}
