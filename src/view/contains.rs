//! Whether a change is in an environment: what `git deploy contains` prints, and the document `git-deploy/contains/v1`.

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
    /// What was asked about: a revision or an environment.
    pub revision: String,
    /// Whether all of it is there.
    pub answer: Answer,
    /// The components that it concerns, by name.
    pub components: Vec<Component>,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It is there.
    Yes,
    /// It is not.
    No,
    /// Something that is needed to tell is missing.
    CannotTell,
}

/// One component.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name.
    pub component: ComponentName,
    /// The commit that was looked for.
    pub commit: CommitId,
    /// The commit that runs; absent where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<CommitId>,
    /// Whether it is there, and by what.
    pub found: Found,
}

/// Whether and how a change is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "answer")]
pub enum Found {
    /// It is there.
    #[serde(rename_all = "camelCase")]
    Yes {
        /// By what.
        by: By,
        /// The commits that make the same change, where it was picked.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        picked: Vec<CommitId>,
    },
    /// It is not there.
    #[serde(rename_all = "camelCase")]
    No {
        /// Why, in words.
        why: String,
    },
    /// Nobody can tell.
    #[serde(rename_all = "camelCase")]
    CannotTell {
        /// Why, in words.
        why: String,
    },
}

/// By what a change is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// What runs has the commit in its history.
    History,
    /// What runs has the same content.
    Content,
    /// What runs has commits that make the same change.
    Patch,
}

impl Found {
    /// The bare answer.
    pub fn answer(&self) -> Answer {
        match self {
            Self::Yes { .. } => Answer::Yes,
            Self::No { .. } => Answer::No,
            Self::CannotTell { .. } => Answer::CannotTell,
        }
    }
}

impl Contains {
    /// The answer for all: one "no" is enough for "no".
    pub fn overall(components: &[Component]) -> Answer {
        let any = |answer| components.iter().any(|it| it.found.answer() == answer);
        match (any(Answer::No), any(Answer::CannotTell)) {
            (true, _) => Answer::No,
            (_, true) => Answer::CannotTell,
            _ => Answer::Yes,
        }
    }
}

/// The text: the answer, then a line a component; `subject` is the commit's, where it is one.
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

/// More commits than this are counted, not named.
const NAMED: usize = 3;

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
