//! What `git deploy reconcile` changed outside the ledgers: its lines, and the document
//! `git-deploy/reconcile/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::wrap;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::EnvName;

/// The body of the document.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconcileReport {
    /// Whether nothing was changed, because this was a preview.
    pub dry_run: bool,
    /// What was changed, or has to be. What was right already is not listed.
    pub projections: Vec<Projection>,
    /// The environments of which nothing is known, in the form of the policy, such as `pr-*`.
    pub undecided: Vec<UndecidedEnvironment>,
}

/// One ref that follows from an entry.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Projection {
    /// The environment.
    pub environment: EnvName,
    /// The entry that it follows from.
    pub entry: EntryId,
    /// The sequence number of that entry.
    pub sequence: u64,
    /// The key of the policy that asks for it.
    pub kind: ProjectionKind,
    /// The short name of the branch or tag; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The commit that the branch or tag is to be at.
    pub commit: CommitId,
    /// What happened.
    pub outcome: ProjectionOutcome,
    /// Why it was not changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// An environment whose ledger or refs could not be read.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UndecidedEnvironment {
    /// Its name.
    pub environment: String,
    /// Why nothing is known.
    pub why: String,
}

/// A key of the policy that has an effect outside the ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ProjectionKind {
    /// `advance`: a branch.
    Advance,
    /// `tag`: a tag.
    Tag,
}

/// What happened to a branch or tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ProjectionOutcome {
    /// It was changed.
    Done,
    /// It would be changed.
    WouldDo,
    /// It cannot be changed, or the remote refused.
    Refused,
    /// It is unknown whether it was changed.
    Unknown,
}

impl ReconcileReport {
    /// Returns whether something has this outcome.
    pub fn has(&self, outcome: ProjectionOutcome) -> bool {
        self.projections.iter().any(|it| it.outcome == outcome)
    }
}

impl Projection {
    /// Returns whether it was changed, or would be.
    pub fn is_done(&self) -> bool {
        matches!(
            self.outcome,
            ProjectionOutcome::Done | ProjectionOutcome::WouldDo
        )
    }

    /// Renders a sentence, and the reasons below it.
    pub fn render(&self, width: Option<usize>) -> Vec<String> {
        let mut lines = wrap::wrap_indented("", 2, &self.describe(), width);
        for reason in &self.reasons {
            lines.extend(wrap::wrap_indented("  ", 4, reason, width));
        }
        lines
    }

    fn describe(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        let short = self.commit.0.prefix(7);
        match (self.kind, self.outcome) {
            (ProjectionKind::Advance, ProjectionOutcome::Done) => {
                format!("The branch {name} is now at {short}.")
            }
            (ProjectionKind::Advance, ProjectionOutcome::WouldDo) => {
                format!("The branch {name} would be moved to {short}.")
            }
            (ProjectionKind::Advance, ProjectionOutcome::Refused) => {
                format!("The branch {name} was not moved to {short}:")
            }
            (ProjectionKind::Advance, ProjectionOutcome::Unknown) => {
                format!("Whether the branch {name} was moved to {short} is unknown:")
            }
            (ProjectionKind::Tag, ProjectionOutcome::Done) => {
                format!("{short} is now tagged {name}.")
            }
            (ProjectionKind::Tag, ProjectionOutcome::WouldDo) => {
                format!("{short} would be tagged {name}.")
            }
            (ProjectionKind::Tag, ProjectionOutcome::Refused) if name.is_empty() => {
                format!("{short} was not tagged:")
            }
            (ProjectionKind::Tag, ProjectionOutcome::Refused) => {
                format!("{short} was not tagged {name}:")
            }
            (ProjectionKind::Tag, ProjectionOutcome::Unknown) => {
                format!("Whether {short} was tagged {name} is unknown:")
            }
        }
    }
}
