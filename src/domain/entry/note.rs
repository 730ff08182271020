//! The text of an action in the note of a commit. The phrases are part of the format: each is a
//! pure function of the entry.

use super::{
    ComponentAtCommit, ComponentResult, DeploymentKind, Labels, Outcome, Target, attempted_results,
    overall_outcome,
};
use crate::domain::id::CommitId;
use crate::domain::text::Line;

/// The most characters of a change request or a label that a note shows.
const MAX_SHOWN: usize = 60;

/// The text of an action in the note of one commit.
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

    /// Returns a placeholder for an action that is about no commit. It is never written.
    pub(super) fn placeholder() -> Self {
        Self::new("noted", String::new())
    }

    /// Adds the reason for overriding the rules, if there is one.
    pub(super) fn with_break_glass(self, reason: Option<&Line>) -> Self {
        match reason {
            Some(reason) => Self {
                object: format!("{}  BREAK-GLASS \"{reason}\"", self.object),
                ..self
            },
            None => self,
        }
    }

    /// Adds that a deployment was made outside git-deploy, if it states that.
    pub(super) fn with_external(self, is_external: bool) -> Self {
        if !is_external {
            return self;
        }
        Self {
            object: format!("{}  external", self.object),
            ..self
        }
    }

    /// Adds the change request and the labels of a deployment, if there are any.
    pub(super) fn with_references(self, change: Option<&Line>, labels: &Labels) -> Self {
        let change = change.map(|change| format!("change {}", shorten(change)));
        let labels = labels
            .iter()
            .map(|(name, value)| format!("{name}={}", shorten(value)));
        let references: Vec<String> = change.into_iter().chain(labels).collect();
        if references.is_empty() {
            return self;
        }
        Self {
            object: format!("{}  {}", self.object, references.join(", ")),
            ..self
        }
    }
}

/// Cuts a long line.
fn shorten(line: &Line) -> String {
    let mut characters = line.as_str().chars();
    let mut shown: String = characters.by_ref().take(MAX_SHOWN).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Returns a text in quotation marks; empty if there is none.
pub(super) fn quoted(text: Option<&Line>) -> String {
    text.map_or_else(String::new, |text| format!("\"{text}\""))
}

/// Writes the names of the components at this commit.
pub(super) fn components(components: &[ComponentAtCommit], commit: CommitId) -> String {
    let at_commit = components.iter().filter(|it| it.commit == commit);
    at_commit
        .map(|it| it.component.as_str())
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
/// Skipped ones are left out unless all were skipped.
pub(super) fn results(kind: DeploymentKind, results: &[ComponentResult], commit: CommitId) -> Note {
    let at_commit: Vec<ComponentResult> = results
        .iter()
        .filter(|it| it.target.commit == commit)
        .cloned()
        .collect();
    let attempted = attempted_results(&at_commit);
    let verb = match (overall_outcome(&at_commit), kind) {
        ("succeeded", kind) => success_verb(Some(kind)),
        ("rolled back", _) => "rolledback",
        (other, _) => other,
    };
    let is_same_outcome = attempted
        .windows(2)
        .all(|pair| pair[0].outcome == pair[1].outcome);
    let object = if is_same_outcome {
        targets(attempted.iter().map(|it| &it.target))
    } else {
        let each = attempted
            .iter()
            .map(|it| format!("{} {}", target(&it.target), outcome_word(it.outcome)));
        each.collect::<Vec<_>>().join(", ")
    };
    Note::new(verb, object)
}

/// Returns the verb for components that run after an entry: a deployment of this kind, or a
/// baseline for `None`.
pub(super) fn success_verb(kind: Option<DeploymentKind>) -> &'static str {
    match kind {
        None => "baseline",
        Some(DeploymentKind::Rollback) => "restored",
        Some(_) => "deployed",
    }
}

pub(super) fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "deployed",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
        Outcome::RolledBack => "rolled back",
        Outcome::Destroyed => "destroyed",
        Outcome::Executed => "executed",
    }
}
