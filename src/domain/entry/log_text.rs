//! The text that `git deploy log` shows for an action: a verb, and its object.
//!
//! Unlike the headline and the note, it is not part of the format.

use super::note::outcome_word;
use super::{
    CANCELLED_STATUS, ComponentResult, DeploymentKind, Outcome, Target, attempted_results,
    overall_outcome,
};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;

/// More components than this are counted, not named.
const MAX_NAMED: usize = 4;

/// Whether an entry is good news, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something went well.
    Good,
    /// Something failed, was aborted or was yanked.
    Bad,
    /// Something has begun.
    Started,
    /// None of these.
    Neutral,
}

/// The text that the log shows for an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogText {
    /// What happened, in a word or two: `deployed`, `rolled back`.
    pub verb: &'static str,
    /// Whether that is good news.
    pub tone: Tone,
    /// What it happened to.
    pub object: String,
}

impl LogText {
    /// Makes the text of an action.
    pub(super) fn new(verb: &'static str, tone: Tone, object: String) -> Self {
        Self { verb, tone, object }
    }

    /// Says that the run was cancelled, if it was.
    pub(super) fn or_cancelled(self, is_cancelled: bool) -> Self {
        let verb = if is_cancelled { "cancelled" } else { self.verb };
        Self { verb, ..self }
    }
}

/// Writes a commit as the log does.
pub(super) fn commit(commit: CommitId) -> String {
    commit.0.prefix(7)
}

/// Writes the names of targets: `api 1.4.2 (2affccc), web (2affccc)`, or counts them.
pub(super) fn targets<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    let all: Vec<&Target> = targets.collect();
    if all.len() > MAX_NAMED {
        let first = all.first().map(|target| target.commit);
        let shared = first.filter(|first| all.iter().all(|target| target.commit == *first));
        let shared = shared.map_or_else(String::new, |id| format!(" ({})", commit(id)));
        return format!("{} components{shared}", all.len());
    }
    if let [first, _, ..] = all[..]
        && all
            .iter()
            .all(|it| it.commit == first.commit && it.version.is_none())
    {
        let names = names(all.iter().map(|target| &target.component));
        return format!("{names} ({})", commit(first.commit));
    }
    all.into_iter()
        .map(describe_target)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Writes a target: `api 1.4.2 (2affccc)`.
fn describe_target(target: &Target) -> String {
    let (component, commit) = (&target.component, commit(target.commit));
    match &target.version {
        Some(version) => format!("{component} {version} ({commit})"),
        None => format!("{component} ({commit})"),
    }
}

/// Writes the names of components, or counts them.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a ComponentName>) -> String {
    let all: Vec<&str> = names.map(ComponentName::as_str).collect();
    if all.len() > MAX_NAMED {
        format!("{} components", all.len())
    } else {
        all.join(", ")
    }
}

/// Describes how the components of a deployment ended.
pub(super) fn results(kind: DeploymentKind, results: &[ComponentResult]) -> LogText {
    let (verb, tone) = match (overall_outcome(results), kind) {
        ("succeeded", DeploymentKind::Rollback) => ("restored", Tone::Good),
        ("succeeded", DeploymentKind::Hotfix) => ("hotfixed", Tone::Good),
        ("succeeded", _) => ("deployed", Tone::Good),
        (verb @ ("failed" | "rolled back"), _) => (verb, Tone::Bad),
        (verb, _) => (verb, Tone::Neutral),
    };
    let attempted = attempted_results(results);
    let is_same_outcome = attempted
        .windows(2)
        .all(|pair| pair[0].outcome == pair[1].outcome);
    // A destruction names what ran. The target of another removal is the commit without the component,
    // which the component never ran.
    let is_named_alone =
        |it: &ComponentResult| kind != DeploymentKind::Destroy && it.outcome == Outcome::Destroyed;
    let object = if attempted.iter().all(|it| is_named_alone(it)) {
        names(attempted.iter().map(|it| &it.target.component))
    } else if is_same_outcome || attempted.len() > MAX_NAMED {
        targets(notable_targets(results).into_iter())
    } else {
        // Failures come first, because a narrow terminal cuts the end off.
        let mut ordered: Vec<_> = attempted.iter().collect();
        ordered.sort_by_key(|it| !matches!(it.outcome, Outcome::Failed | Outcome::RolledBack));
        let phrases = ordered.into_iter().map(|it| {
            let subject = if is_named_alone(it) {
                it.target.component.to_string()
            } else {
                describe_target(&it.target)
            };
            format!("{subject} {}", outcome_word(it.outcome))
        });
        phrases.collect::<Vec<_>>().join(", ")
    };
    LogText::new(verb, tone, object)
}

/// Describes an `exec` that ended with an exit status.
pub(super) fn exec<'a>(status: u8, in_targets: impl Iterator<Item = &'a Target>) -> LogText {
    let (verb, tone) = match status {
        0 => ("executed", Tone::Good),
        _ => ("failed", Tone::Bad),
    };
    LogText::new(verb, tone, targets(in_targets)).or_cancelled(status == CANCELLED_STATUS)
}

/// Returns the most important targets: those that failed, or else those that changed, or else all.
fn notable_targets(results: &[ComponentResult]) -> Vec<&Target> {
    let targets_with = |condition: &dyn Fn(Outcome) -> bool| -> Vec<&Target> {
        let matching = results.iter().filter(|it| condition(it.outcome));
        matching.map(|it| &it.target).collect()
    };
    let failed = targets_with(&|outcome| matches!(outcome, Outcome::Failed | Outcome::RolledBack));
    let changed = targets_with(&|outcome| outcome != Outcome::Skipped);
    [failed, changed]
        .into_iter()
        .find(|targets| !targets.is_empty())
        .unwrap_or_else(|| targets_with(&|_| true))
}
