//! Whether an environment contains a change: the text of `git deploy contains`, and the document
//! `git-deploy/contains/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::deployment_diff::format_revision;
use super::grouping;
use super::symbols::Mark;
use super::wrap;
use crate::domain::count::choose;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::text::sanitize;

/// The body of the document.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainmentReport {
    /// The revision or environment that was asked for.
    pub revision: String,
    /// Whether every environment contains all of the change.
    pub answer: ContainmentAnswer,
    /// The environments that were asked for.
    pub environments: Vec<EnvironmentContainment>,
}

/// One environment.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentContainment {
    /// Its name.
    pub environment: EnvName,
    /// Whether the environment contains all of the change.
    pub answer: ContainmentAnswer,
    /// The components affected by the change, by name.
    pub components: Vec<ComponentContainment>,
}

/// Whether an environment contains a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ContainmentAnswer {
    /// The environment contains it.
    Yes,
    /// The environment does not contain it.
    No,
    /// The answer is unknown, because something needed for it is missing.
    CannotTell,
}

/// One component.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentContainment {
    /// Its name.
    pub component: ComponentName,
    /// The commit that was searched for.
    pub commit: CommitId,
    /// The running commit; absent if nothing runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<CommitId>,
    /// Whether it was found, and how.
    pub result: ComponentAnswer,
}

/// Whether a change was found, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "answer")]
pub enum ComponentAnswer {
    /// It was found.
    #[serde(rename_all = "camelCase")]
    Yes {
        /// How it was found.
        #[serde(rename = "match")]
        kind: MatchKind,
        /// The commits with the same change, if it was cherry-picked.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        cherry_picks: Vec<CommitId>,
    },
    /// It was not found.
    #[serde(rename_all = "camelCase")]
    No {
        /// The reason, in a sentence.
        reason: String,
        /// The deployed commit that reverts it, if it was deployed before.
        #[serde(skip_serializing_if = "Option::is_none")]
        reverted_by: Option<CommitId>,
    },
    /// The answer is unknown.
    #[serde(rename_all = "camelCase")]
    CannotTell {
        /// The reason, in a sentence.
        reason: String,
        /// The deployed commit whose message says that it reverts it, but which does not make exactly
        /// the inverse change.
        #[serde(skip_serializing_if = "Option::is_none")]
        possibly_reverted_by: Option<CommitId>,
    },
}

/// How a change was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MatchKind {
    /// The running commit has it in its history.
    History,
    /// The running commit has the same content.
    Content,
    /// The history of the running commit contains commits with the same change.
    Patch,
}

impl ComponentAnswer {
    /// Creates the answer for a change that was never deployed.
    pub fn no(reason: String) -> Self {
        Self::No {
            reason,
            reverted_by: None,
        }
    }

    /// Creates the answer if something needed for it is missing.
    pub fn cannot_tell(reason: String) -> Self {
        Self::CannotTell {
            reason,
            possibly_reverted_by: None,
        }
    }

    /// Returns the answer without the details.
    pub fn answer(&self) -> ContainmentAnswer {
        match self {
            Self::Yes { .. } => ContainmentAnswer::Yes,
            Self::No { .. } => ContainmentAnswer::No,
            Self::CannotTell { .. } => ContainmentAnswer::CannotTell,
        }
    }
}

impl ContainmentAnswer {
    /// Returns the answer for several parts together: one "no" decides.
    pub fn combine(answers: impl Iterator<Item = Self>) -> Self {
        let answers: Vec<Self> = answers.collect();
        match (
            answers.contains(&Self::No),
            answers.contains(&Self::CannotTell),
        ) {
            (true, _) => Self::No,
            (_, true) => Self::CannotTell,
            _ => Self::Yes,
        }
    }
}

impl EnvironmentContainment {
    /// Creates the answer for an environment from those for its components.
    pub fn new(environment: EnvName, components: Vec<ComponentContainment>) -> Self {
        let answers = components.iter().map(|it| it.result.answer());
        Self {
            environment,
            answer: ContainmentAnswer::combine(answers),
            components,
        }
    }
}

/// Renders the text: for each environment the answer, then one line per component. `subject` is the
/// first line of the commit message, if the revision is a commit.
pub fn render_text(
    report: &ContainmentReport,
    subject: Option<&str>,
    width: Option<usize>,
) -> String {
    let environments = report.environments.iter();
    let texts = environments.map(|it| render_environment(it, &report.revision, subject, width));
    texts.collect::<Vec<_>>().join("\n")
}

/// Renders the answer for one environment.
fn render_environment(
    contains: &EnvironmentContainment,
    revision: &str,
    subject: Option<&str>,
    width: Option<usize>,
) -> String {
    let subject = subject.map_or_else(String::new, |subject| format!(" \"{}\"", sanitize(subject)));
    let (environment, revision) = (&contains.environment, format_revision(revision));
    let heading = match contains.answer {
        ContainmentAnswer::Yes => format!("{environment} has {revision}{subject}:"),
        ContainmentAnswer::No => format!("{environment} does not have {revision}{subject}:"),
        ContainmentAnswer::CannotTell => {
            format!("Cannot tell whether {environment} has {revision}{subject}:")
        }
    };
    let describe = |it: &ComponentContainment| match &it.result {
        ComponentAnswer::Yes { kind, cherry_picks } => {
            (Mark::Yes, describe_match(it, *kind, cherry_picks))
        }
        ComponentAnswer::No { reason, .. } => (Mark::No, sanitize(reason)),
        ComponentAnswer::CannotTell { reason, .. } => (Mark::Unknown, sanitize(reason)),
    };
    let rows = grouping::group_with_labels(
        contains
            .components
            .iter()
            .map(|it| (&it.component, describe(it))),
        contains.components.len(),
    );
    let mut lines = wrap::wrap_indented("", 2, &heading, width);
    let label_width = grouping::label_width(&rows, width);
    for (components, (mark, text)) in rows {
        lines.extend(grouping::render_group(
            &format!("  {mark} "),
            &components,
            label_width,
            &text,
            width,
        ));
    }
    lines.join("\n")
}

/// The maximum number of cherry-picked commits that are named. More are only counted.
const MAX_NAMED: usize = 3;

/// Describes how the change was found, in a phrase.
fn describe_match(
    component: &ComponentContainment,
    kind: MatchKind,
    cherry_picks: &[CommitId],
) -> String {
    let running = component
        .running
        .map_or_else(String::new, |commit| commit.0.prefix(7));
    match kind {
        MatchKind::History => format!("{running} has it in its history"),
        MatchKind::Content => format!("{running} has the same content"),
        MatchKind::Patch
            if component
                .running
                .is_some_and(|running| cherry_picks == [running]) =>
        {
            format!("{running} makes the same change")
        }
        MatchKind::Patch if cherry_picks.len() > MAX_NAMED => {
            format!(
                "{running} has {} commits that make the same changes",
                cherry_picks.len()
            )
        }
        MatchKind::Patch => {
            let commits: Vec<String> = cherry_picks
                .iter()
                .map(|commit| commit.0.prefix(7))
                .collect();
            let make = choose(commits.len(), "makes", "make");
            format!(
                "{running} has it as {}, which {make} the same change",
                commits.join(", ")
            )
        }
    }
}
