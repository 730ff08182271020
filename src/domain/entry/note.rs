//! What an action says in the note of a commit: its phrases are part of the format, each a pure function of the entry.

use super::{ComponentAtCommit, ComponentResult, DeploymentKind, Outcome, Target, overall_outcome};
use crate::domain::id::CommitId;
use crate::domain::text::Line;

/// What an action leaves in the note of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What happened, in a word.
    pub(super) verb: &'static str,
    /// What it happened to.
    pub(super) object: String,
}

impl Note {
    /// Makes the note of an action.
    pub(super) fn new(verb: &'static str, object: String) -> Self {
        Self { verb, object }
    }

    /// Returns the note of an action that is about no commit. It is never written.
    pub(super) fn of_no_commit() -> Self {
        Self::new("noted", String::new())
    }

    /// Adds the reason for breaking the rules, if there is one.
    pub(super) fn with_break_glass(self, reason: Option<&Line>) -> Self {
        match reason {
            Some(reason) => Self {
                object: format!("{}  BREAK-GLASS \"{reason}\"", self.object),
                ..self
            },
            None => self,
        }
    }
}

/// Returns a text in quotes; empty if there is none.
pub(super) fn quoted(text: Option<&Line>) -> String {
    text.map_or_else(String::new, |text| format!("\"{text}\""))
}

/// Writes the names of the components at this commit.
pub(super) fn components(components: &[ComponentAtCommit], commit: CommitId) -> String {
    let mine = components.iter().filter(|it| it.commit == commit);
    mine.map(|it| it.component.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Writes the names of targets with their versions.
pub(super) fn targets<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    targets.map(target).collect::<Vec<_>>().join(", ")
}

fn target(target: &Target) -> String {
    match &target.version {
        Some(version) => format!("{} {version}", target.component),
        None => target.component.to_string(),
    }
}

/// Describes how the components at this commit ended: one by one if they ended differently.
pub(super) fn results(kind: DeploymentKind, results: &[ComponentResult], commit: CommitId) -> Note {
    let mine: Vec<ComponentResult> = results
        .iter()
        .filter(|it| it.target.commit == commit)
        .cloned()
        .collect();
    let verb = match (overall_outcome(&mine), kind) {
        ("succeeded", DeploymentKind::Rollback) => "restored",
        ("succeeded", _) => "deployed",
        ("rolled back", _) => "rolledback",
        ("unchanged", DeploymentKind::Exec) => "executed",
        (other, _) => other,
    };
    let same = mine
        .windows(2)
        .all(|pair| pair[0].outcome == pair[1].outcome);
    let object = if same {
        targets(mine.iter().map(|it| &it.target))
    } else {
        let each = mine
            .iter()
            .map(|it| format!("{} {}", target(&it.target), outcome_word(it.outcome)));
        each.collect::<Vec<_>>().join(", ")
    };
    Note::new(verb, object)
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "deployed",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
        Outcome::RolledBack => "rolled back",
        Outcome::Destroyed => "destroyed",
        Outcome::Unchanged => "unchanged",
    }
}
