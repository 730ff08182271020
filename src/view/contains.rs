//! Whether an environment contains a change: the text of `git deploy contains`, and the document
//! `git-deploy/contains/v1`.

use anstyle::AnsiColor;
use schemars::JsonSchema;
use serde::Serialize;

use super::deployment_diff::shown;
use super::grouping;
use super::symbols::Mark;
use super::wrap;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::text::harmless;

/// The body of the document.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contains {
    /// The environment.
    pub environment: EnvName,
    /// The revision or environment that was asked for.
    pub revision: String,
    /// Whether the environment contains all of the change.
    pub answer: Answer,
    /// The components affected by the change, by name.
    pub components: Vec<Component>,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// The environment contains it.
    Yes,
    /// The environment does not contain it.
    No,
    /// It is unknown, because something needed for the answer is missing.
    CannotTell,
}

/// One component.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name.
    pub component: ComponentName,
    /// The commit that was searched for.
    pub commit: CommitId,
    /// The running commit; absent if nothing runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<CommitId>,
    /// Whether it was found, and how.
    pub found: Found,
}

/// Whether a change was found, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "answer")]
pub enum Found {
    /// It was found.
    #[serde(rename_all = "camelCase")]
    Yes {
        /// How it was found.
        by: By,
        /// The commits with the same change, if it was cherry-picked.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        picked: Vec<CommitId>,
    },
    /// It was not found.
    #[serde(rename_all = "camelCase")]
    No {
        /// Why, in a sentence.
        why: String,
    },
    /// It is unknown.
    #[serde(rename_all = "camelCase")]
    CannotTell {
        /// Why, in a sentence.
        why: String,
    },
}

/// How a change was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// The running commit has it in its history.
    History,
    /// The running commit has the same content.
    Content,
    /// The history of the running commit contains commits with the same change.
    Patch,
}

impl Found {
    /// Returns the answer without the details.
    pub fn answer(&self) -> Answer {
        match self {
            Self::Yes { .. } => Answer::Yes,
            Self::No { .. } => Answer::No,
            Self::CannotTell { .. } => Answer::CannotTell,
        }
    }
}

impl Contains {
    /// Returns the answer for all components together: one "no" decides.
    pub fn overall(components: &[Component]) -> Answer {
        let any = |answer| components.iter().any(|it| it.found.answer() == answer);
        match (any(Answer::No), any(Answer::CannotTell)) {
            (true, _) => Answer::No,
            (_, true) => Answer::CannotTell,
            _ => Answer::Yes,
        }
    }
}

/// Renders the text: the answer, then one line per component. `subject` is the first line of the
/// commit message, if the revision is a commit.
pub fn text(contains: &Contains, subject: Option<&str>, width: Option<usize>) -> String {
    let subject = subject.map_or_else(String::new, |subject| format!(" \"{}\"", harmless(subject)));
    let (environment, revision) = (&contains.environment, shown(&contains.revision));
    let first = match contains.answer {
        Answer::Yes => format!("{environment} has {revision}{subject}:"),
        Answer::No => format!("{environment} does not have {revision}{subject}:"),
        Answer::CannotTell => {
            format!("Nobody can tell whether {environment} has {revision}{subject}:")
        }
    };
    let yellow = AnsiColor::Yellow.on_default();
    let said = |it: &Component| match &it.found {
        Found::Yes { by, picked } => (Mark::Yes.to_string(), there(it, *by, picked)),
        Found::No { why } => (Mark::No.to_string(), harmless(why)),
        Found::CannotTell { why } => (format!("{yellow}?{yellow:#}"), harmless(why)),
    };
    let rows = grouping::joined(
        contains
            .components
            .iter()
            .map(|it| (&it.component, said(it))),
        contains.components.len(),
    );
    let mut lines = wrap::below("", 2, &first, width);
    let label = grouping::width(&rows, width);
    for (components, (mark, words)) in rows {
        lines.extend(grouping::line(
            &format!("  {mark} "),
            &components,
            label,
            &words,
            width,
        ));
    }
    lines.join("\n")
}

/// A list with more commits than this shows only their number.
const NAMED: usize = 3;

/// Returns a phrase that says how the change was found.
fn there(it: &Component, by: By, picked: &[CommitId]) -> String {
    let running = it
        .running
        .map_or_else(String::new, |commit| commit.0.prefix(7));
    match by {
        By::History => format!("{running} has it in its history"),
        By::Content => format!("{running} has the same content"),
        By::Patch if it.running.is_some_and(|running| picked == [running]) => {
            format!("{running} makes the same change")
        }
        By::Patch if picked.len() > NAMED => {
            format!(
                "{running} has {} commits that make the same changes",
                picked.len()
            )
        }
        By::Patch => {
            let commits: Vec<String> = picked.iter().map(|commit| commit.0.prefix(7)).collect();
            format!(
                "{running} has it as {}, which makes the same change",
                commits.join(", ")
            )
        }
    }
}
