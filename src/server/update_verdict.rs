//! The verdicts on the updates of a push, and the decision that follows from them.

use crate::domain::entry::{Statement, Target};
use crate::domain::id::CommitId;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Decision, Verdict};

/// The most targets that are listed in a description.
const MAX_TARGETS: usize = 3;

/// The verdict on one update.
#[derive(Debug)]
pub struct UpdateVerdict {
    /// The ref's full name, safe to show.
    pub name: String,
    /// A short description of the new value, such as `api 1.4.2, 2affccc97fa0`.
    pub description: Option<String>,
    /// The verdict of the rules.
    pub verdict: Verdict,
    /// Whether the verdict is enforced, or only reported.
    pub is_enforced: bool,
    /// Whether it uses the owner's permission to recover.
    pub uses_recovery: bool,
}

impl UpdateVerdict {
    /// Creates a verdict from one check.
    pub fn from_check(name: &[u8], check: Check) -> Self {
        Self {
            name: sanitize(&String::from_utf8_lossy(name)),
            description: None,
            verdict: Verdict {
                checks: vec![check],
            },
            is_enforced: true,
            uses_recovery: false,
        }
    }

    /// Returns the decision. If the verdict is not enforced, the update is allowed.
    pub fn decision(&self) -> Decision {
        if self.is_enforced {
            self.verdict.decision()
        } else {
            Decision::Allowed
        }
    }
}

/// Returns the decision about a whole push: refused if one update is, else "cannot tell" if one
/// cannot be judged.
pub fn decide_push(judgements: &[UpdateVerdict]) -> Decision {
    let has = |decision| {
        judgements
            .iter()
            .any(|judgement| judgement.decision() == decision)
    };
    if has(Decision::Refused) {
        Decision::Refused
    } else if has(Decision::CannotTell) {
        Decision::CannotTell
    } else {
        Decision::Allowed
    }
}

/// Describes an entry: `api 1.4.2, 2affccc97fa0`, or the subject of its message.
pub(super) fn describe_statement(statement: &Statement) -> String {
    let results = statement.component_results();
    let targets: Vec<&Target> = match statement.deployment() {
        Some(deployment) => deployment.changed().map(|change| &change.target).collect(),
        None => results.iter().map(|result| &result.target).collect(),
    };
    if targets.is_empty() || targets.len() > MAX_TARGETS {
        return statement
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
    }
    let names = targets.iter().map(|target| match &target.version {
        Some(version) => format!("{} {version}", target.component),
        None => target.component.to_string(),
    });
    let mut words: Vec<String> = names.collect();
    let mut commits: Vec<CommitId> = targets.iter().map(|target| target.commit).collect();
    commits.dedup();
    words.extend(commits.iter().map(CommitId::short));
    words.join(", ")
}
