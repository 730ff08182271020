//! The judgements about the updates of a push, and the decision that follows from them.

use crate::domain::entry::{Statement, Target};
use crate::domain::id::CommitId;
use crate::domain::text::harmless;
use crate::domain::verdict::{Check, Decision, Verdict};

/// The most targets that are listed in a description.
const NAMED: usize = 3;

/// The judgement of one update.
#[derive(Debug)]
pub struct Judgement {
    /// The ref's full name, safe to show.
    pub name: String,
    /// What it brings, such as `api 1.4.2, 2affccc97fa0`.
    pub what: Option<String>,
    /// The verdict of the rules.
    pub verdict: Verdict,
    /// Whether the verdict is enforced, or only reported.
    pub enforced: bool,
    /// Whether it uses the owner's permission to recover.
    pub recovers: bool,
}

impl Judgement {
    /// Makes a judgement from one check.
    pub fn of_check(name: &[u8], check: Check) -> Self {
        Self {
            name: harmless(&String::from_utf8_lossy(name)),
            what: None,
            verdict: Verdict {
                checks: vec![check],
            },
            enforced: true,
            recovers: false,
        }
    }

    /// Returns the decision. If the verdict is not enforced, the update is allowed.
    pub fn decision(&self) -> Decision {
        if self.enforced {
            self.verdict.decision()
        } else {
            Decision::Allowed
        }
    }
}

/// Returns the decision about a whole push: one refused update refuses it, and so does one that
/// cannot be judged.
pub fn decision(judgements: &[Judgement]) -> Decision {
    let any = |wanted| {
        judgements
            .iter()
            .any(|judgement| judgement.decision() == wanted)
    };
    if any(Decision::Refused) {
        Decision::Refused
    } else if any(Decision::CannotTell) {
        Decision::CannotTell
    } else {
        Decision::Allowed
    }
}

/// Describes an entry: `api 1.4.2, 2affccc97fa0`, or the subject of its message.
pub(super) fn about(statement: &Statement) -> String {
    let ended = statement.component_results();
    let targets: Vec<&Target> = match statement.deployment() {
        Some(deployment) => deployment.changed().map(|change| &change.target).collect(),
        None => ended.iter().map(|it| &it.target).collect(),
    };
    if targets.is_empty() || targets.len() > NAMED {
        return statement
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
    }
    let named = targets.iter().map(|target| match &target.version {
        Some(version) => format!("{} {version}", target.component),
        None => target.component.to_string(),
    });
    let mut words: Vec<String> = named.collect();
    let mut commits: Vec<CommitId> = targets.iter().map(|target| target.commit).collect();
    commits.dedup();
    words.extend(commits.iter().map(CommitId::short));
    words.join(", ")
}
