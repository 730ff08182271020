//! `artifact`: registers an artifact that was built from a component at a commit.

use serde::{Deserialize, Serialize};

use super::{ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, HistoryRole, Image};
use crate::domain::entry::invalid::InvalidError;
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Content, Oid};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::text::Line;

/// An artifact that was built from a component at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The component.
    pub component: ComponentName,
    /// The commit.
    pub commit: CommitId,
    /// The component's content at that commit.
    pub content: Content,
    /// The artifact.
    #[serde(flatten)]
    pub image: Image,
    /// The system that built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<Line>,
}

impl ActionType for Artifact {
    const INFO: ActionInfo = ActionInfo {
        name: "artifact",
        commits: CommitRole::MayBeMissing,
        history: HistoryRole::None,
    };
}

impl ActionBody for Artifact {
    fn subjects(&self) -> Vec<Subject<'_>> {
        vec![
            Subject::component(&self.component, self.commit),
            Subject::image(&self.image),
        ]
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        vec![
            Trailer::Component(&self.component),
            Trailer::Commit(self.commit),
            Trailer::Content(self.content),
            Trailer::Artifact(&self.image),
        ]
    }

    fn other_ids(&self) -> Vec<Oid> {
        vec![self.content.0]
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        vec![CodeClaim::in_policy(&self.component).with_content(self.commit, Some(self.content))]
    }

    fn headline(&self, _: &str) -> String {
        format!(
            "register {}@{} for {} ({})",
            self.image.name,
            self.image.digest.short(),
            self.component,
            self.commit.short()
        )
    }

    fn free_text(&self) -> Option<&str> {
        None
    }

    fn note(&self, _: CommitId) -> Note {
        let (name, digest) = (&self.image.name, self.image.digest.short());
        Note::new("registered", format!("{}  {name}@{digest}", self.component))
    }

    fn log(&self) -> LogText {
        let object = format!(
            "{} {}@{} ({})",
            self.component,
            self.image.name,
            self.image.digest.short(),
            log_text::commit(self.commit)
        );
        LogText::new("registered", Tone::Neutral, object)
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        self.image.validate()
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Artifact {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let texts = (digest(), option::of(line()));
        (component(), commit(), content(), texts)
            .prop_map(|(component, commit, content, (digest, builder))| Self {
                component,
                commit,
                content,
                image: Image {
                    name: "img".parse().unwrap(),
                    digest,
                },
                builder,
            })
            .boxed()
    }
}
