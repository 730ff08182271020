//! `build`: a component was built at a commit, or its build failed.

use serde::{Deserialize, Serialize};

use super::{ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, HistoryRole};
use crate::domain::entry::invalid::InvalidError;
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::text::Line;

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BuildResult {
    /// The component was built.
    Succeeded,
    /// The build failed.
    Failed,
}

/// A build of a component at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The component.
    pub component: ComponentName,
    /// The commit.
    pub commit: CommitId,
    /// Its result.
    pub result: BuildResult,
    /// The address or path of its log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Line>,
}

impl Build {
    fn succeeded(&self) -> bool {
        self.result == BuildResult::Succeeded
    }
}

impl ActionType for Build {
    const INFO: ActionInfo = ActionInfo {
        name: "build",
        commits: CommitRole::MayBeMissing,
        history: HistoryRole::None,
    };
}

impl ActionBody for Build {
    fn subjects(&self) -> Vec<Subject<'_>> {
        vec![Subject::component(&self.component, self.commit)]
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        vec![
            Trailer::Component(&self.component),
            Trailer::Commit(self.commit),
        ]
    }

    fn other_ids(&self) -> Vec<Oid> {
        Vec::new()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        vec![CodeClaim::in_policy(&self.component)]
    }

    fn headline(&self, _: &str) -> String {
        let result = if self.succeeded() {
            "succeeded"
        } else {
            "failed"
        };
        format!(
            "build {} ({}): {result}",
            self.component,
            self.commit.short()
        )
    }

    fn free_text(&self) -> Option<&str> {
        None
    }

    fn note(&self, _: CommitId) -> Note {
        let verb = if self.succeeded() { "built" } else { "unbuilt" };
        Note::new(verb, self.component.to_string())
    }

    fn log(&self) -> LogText {
        let (verb, tone) = if self.succeeded() {
            ("built", Tone::Neutral)
        } else {
            ("build failed", Tone::Bad)
        };
        let commit = log_text::commit(self.commit);
        LogText::new(verb, tone, format!("{} ({commit})", self.component))
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        Ok(())
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Build {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        (component(), commit(), any::<bool>(), option::of(line()))
            .prop_map(|(component, commit, succeeded, log)| Self {
                component,
                commit,
                result: if succeeded {
                    BuildResult::Succeeded
                } else {
                    BuildResult::Failed
                },
                log,
            })
            .boxed()
    }
}
