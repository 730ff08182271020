//! How components of a deployment ended.
//!
//! The order of the fields is that of the signed JSON, so it must not change.

use serde::{Deserialize, Serialize};

use super::Target;
use crate::domain::entry::invalid::{InvalidError, require};
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::ComponentName;

use InvalidError::Contradiction;

/// How one component of a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The new content runs.
    Succeeded,
    /// It failed and was not rolled back.
    Failed,
    /// It was not attempted.
    Skipped,
    /// It failed, and the previous version runs again.
    RolledBack,
    /// It was removed.
    Destroyed,
    /// A one-off command ran in it. This does not change its recorded state.
    Executed,
}

impl std::fmt::Display for Outcome {
    /// Writes the word of the JSON.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::RolledBack => "rolledBack",
            Self::Destroyed => "destroyed",
            Self::Executed => "executed",
        })
    }
}

/// The result of a check of the running component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VerificationResult {
    /// The component works.
    Passed,
    /// The component does not work.
    Failed,
    /// The component was not checked.
    None,
}

/// How one component of a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentResult {
    /// The component in its intended state, repeated from the `start`.
    #[serde(flatten)]
    pub target: Target,
    /// How it ended.
    pub outcome: Outcome,
    /// The component whose failure caused a skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<ComponentName>,
    /// The commit that a rollback went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<CommitId>,
    /// Its verification.
    pub verification: VerificationResult,
}

impl ComponentResult {
    /// Returns whether the component was deployed or removed, and no verification of it failed.
    pub fn is_success(&self) -> bool {
        matches!(self.outcome, Outcome::Succeeded | Outcome::Destroyed)
            && self.verification != VerificationResult::Failed
    }

    /// Returns the success, without verification, that a `baseline` means for a component.
    pub(super) fn assumed_success(target: &Target) -> Self {
        Self {
            target: target.clone(),
            outcome: Outcome::Succeeded,
            because: None,
            to: None,
            verification: VerificationResult::None,
        }
    }

    /// Lists the ids in it, other than the commit of its target.
    pub(super) fn other_ids(&self) -> impl Iterator<Item = Oid> {
        let to = self.to.map(|commit| commit.0);
        to.into_iter().chain(self.target.other_ids())
    }

    /// Checks the fields against each other.
    pub(super) fn validate(&self) -> Result<(), InvalidError> {
        require(
            self.because.is_none() || self.outcome == Outcome::Skipped,
            Contradiction("only a skipped component names the failure of another one (`because`)"),
        )?;
        require(
            self.to.is_some() == (self.outcome == Outcome::RolledBack),
            Contradiction("a rollback, and nothing else, names a commit (`to`)"),
        )?;
        require(
            self.outcome == Outcome::Succeeded || self.verification != VerificationResult::Passed,
            Contradiction("only a success passes its verification"),
        )?;
        require(
            self.outcome != Outcome::Succeeded || self.target.content.is_some(),
            Contradiction("a component that succeeded has a content"),
        )
    }
}

/// How a component of a `record` ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedResult {
    /// The component.
    pub component: ComponentName,
    /// How it ended.
    pub outcome: Outcome,
    /// The component whose failure caused a skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<ComponentName>,
    /// The commit that a rollback went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<CommitId>,
    /// Its verification.
    pub verification: VerificationResult,
}

impl RecordedResult {
    /// Returns the result that a `finish` would have for this target.
    pub fn with_target(&self, target: &Target) -> ComponentResult {
        ComponentResult {
            target: target.clone(),
            outcome: self.outcome,
            because: self.because.clone(),
            to: self.to,
            verification: self.verification,
        }
    }
}

/// Returns the outcome of a whole run, in words: the first outcome of `WORDS` that any component
/// has.
pub fn overall_outcome(results: &[ComponentResult]) -> &'static str {
    const WORDS: [(Outcome, &str); 5] = [
        (Outcome::Failed, "failed"),
        (Outcome::RolledBack, "rolled back"),
        (Outcome::Succeeded, "succeeded"),
        (Outcome::Destroyed, "destroyed"),
        (Outcome::Skipped, "skipped"),
    ];
    WORDS
        .into_iter()
        .find(|(outcome, _)| results.iter().any(|it| it.outcome == *outcome))
        .map_or("executed", |(_, word)| word)
}

/// Returns the results of the components that were attempted: all but the skipped ones, unless all
/// were skipped.
pub fn attempted_results(results: &[ComponentResult]) -> Vec<&ComponentResult> {
    let attempted = results.iter().filter(|it| it.outcome != Outcome::Skipped);
    let attempted: Vec<_> = attempted.collect();
    if attempted.is_empty() {
        return results.iter().collect();
    }
    attempted
}
