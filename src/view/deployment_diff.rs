//! What a deployment would change: the text of `git deploy diff`, and the document
//! `git-deploy/diff/v1`.

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::Serialize;

use super::commit_count::CommitCount;
use super::grouping::list_or_count;
use super::symbols::Mark;
use super::table::{Cell, Table};
use super::wrap;
use crate::domain::count::{choose, count};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::text::{Line, sanitize};
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentDiff {
    /// The target environment.
    pub environment: EnvName,
    /// The revision or environment to deploy, as it was typed.
    pub revision: String,
    /// The components that a deployment would change, by name.
    pub affected: Vec<ComponentName>,
    /// Every component that runs there now or would run after the deployment, by name.
    pub components: Vec<ComponentDiff>,
    /// The commits that the affected components would gain, newest first.
    pub commits: Vec<CommitSummary>,
    /// The commits that the affected components run now and would lose, newest first.
    pub lost_commits: Vec<CommitSummary>,
    /// Whether `commits` or `lostCommits` is incomplete, because there were too many commits to examine.
    pub truncated: bool,
}

/// What a promotion would change in each environment: the body of `git-deploy/promotion-diffs/v1`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotionDiffs {
    /// The environments in the order of promotion, each compared with the one before it. Environments
    /// that are promoted from none, or from one in which nothing runs, are left out.
    pub environments: Vec<DeploymentDiff>,
}

/// One component.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentDiff {
    /// Its name.
    pub component: ComponentName,
    /// The name under which it runs, if the policy has renamed it since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<ComponentName>,
    /// What would happen to it.
    pub change: ContentChange,
    /// The running commit; absent if nothing runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<CommitId>,
    /// The commit to deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<CommitId>,
    /// The running version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_version: Option<Line>,
    /// The version to deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_version: Option<Line>,
    /// The number of commits that it would gain; absent if unknown, as in a shallow clone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gained: Option<CommitCount>,
    /// The number of commits that it would lose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<CommitCount>,
}

/// What would happen to a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ContentChange {
    /// It would run there for the first time.
    New,
    /// Its content would change.
    Changed,
    /// Its content would change, and it would lose commits that it runs now.
    LosesCommits,
    /// The running content is unknown, so any deployment changes it.
    Unknown,
    /// The revision does not contain it; only a deployment with `--destroy` removes it.
    Absent,
    /// It would run under its new name, with the same content.
    Renamed,
    /// Its content would not change.
    Unchanged,
}

impl ContentChange {
    /// Returns whether a deployment would change it.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::Absent | Self::Unchanged)
    }

    /// Returns whether its content stays as it is.
    pub fn keeps_content(self) -> bool {
        matches!(self, Self::Renamed | Self::Unchanged)
    }
}

/// One commit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitSummary {
    /// Its id.
    pub commit: CommitId,
    /// The first paragraph of its message, in one line.
    pub subject: String,
    /// Its author: a person in the policy, or else the name in the commit.
    pub author: String,
    /// The commit date, as stated in the commit.
    pub at: Time,
    /// The components that it touches, among those that would change.
    pub components: Vec<ComponentName>,
}

/// Renders the text: one line per changed component, then the commits that would be gained and
/// lost, at most `max_commits` each. `when` formats a time.
pub fn render_text(
    diff: &DeploymentDiff,
    max_commits: usize,
    width: Option<usize>,
    when: &dyn Fn(Time) -> String,
) -> String {
    let (environment, revision) = (&diff.environment, format_revision(&diff.revision));
    let remark = unchanged_remark(diff);
    if diff.affected.is_empty()
        && !diff
            .components
            .iter()
            .any(|it| it.change == ContentChange::Absent)
    {
        return wrap::wrap_indented(
            "",
            2,
            &format!("{environment} already has the content of {revision}{remark}."),
            width,
        )
        .join("\n");
    }
    let bold = Style::new().bold();
    let mut parts = wrap::wrap_indented(
        "",
        2,
        &format!("{bold}To {environment}, from {revision}:{bold:#}"),
        width,
    );
    parts.push(build_table(diff, &remark).render(width));
    let changing = diff.components.iter().filter(|it| it.change.is_change());
    let is_single_component = changing.count() == 1;
    if !diff.commits.is_empty() {
        let commits = render_commits(&diff.commits, is_single_component, max_commits, width, when);
        parts.push(format!("\n{commits}"));
    }
    if !diff.lost_commits.is_empty() {
        let red = AnsiColor::Red.on_default();
        let commits = render_commits(
            &diff.lost_commits,
            is_single_component,
            max_commits,
            width,
            when,
        );
        parts.push(format!(
            "\n{red}Lost commits, which the running version has and the new one does not:{red:#}\n{commits}"
        ));
    }
    parts.extend(describe_hidden(diff, max_commits));
    parts.join("\n")
}

/// Builds the table of the components that would change, with `remark` below it.
fn build_table(diff: &DeploymentDiff, remark: &str) -> Table {
    let mut table =
        Table::new(&["Component", "", "Version", "Commit", "Commits"]).shorten_columns(&[2, 0]);
    let rows: Vec<&ComponentDiff> = diff
        .components
        .iter()
        .filter(|it| it.change != ContentChange::Unchanged)
        .collect();
    match rows.first() {
        // One row stands for all components, so their names are not needed.
        Some(first)
            if remark.is_empty()
                && rows.len() > MAX_SINGLE_ROWS
                && rows.iter().all(|it| row_key(it) == row_key(first)) =>
        {
            table.add_row(row_cells(first, &format!("all ({})", rows.len())));
        }
        _ => rows
            .iter()
            .for_each(|it| table.add_row(row_cells(it, &row_label(it)))),
    }
    if !remark.is_empty() {
        table.add_remark(Cell::styled(
            remark.trim_start_matches(", "),
            Mark::None.style(),
        ));
    }
    table
}

/// Returns a line with the number of commits that are not shown, or `None` if all are.
fn describe_hidden(diff: &DeploymentDiff, max_commits: usize) -> Option<String> {
    let (gained, lost) = (diff.commits.len(), diff.lost_commits.len());
    let hidden = gained.saturating_sub(max_commits) + lost.saturating_sub(max_commits);
    let dim = Mark::None.style();
    let more = if diff.truncated { " or more" } else { "" };
    (hidden > 0 || diff.truncated).then(|| {
        format!(
            "{dim}and {hidden}{more} older (show them: -n {}){dim:#}",
            gained.max(lost)
        )
    })
}

/// Returns a revision as it was typed. Shortens a full commit id.
pub(super) fn format_revision(revision: &str) -> String {
    revision
        .parse::<CommitId>()
        .map_or_else(|_| sanitize(revision), |commit| commit.0.prefix(7))
}

/// Returns `, 5 components are unchanged` if some components would change and others would not.
/// Otherwise returns an empty text.
fn unchanged_remark(diff: &DeploymentDiff) -> String {
    let number = diff
        .components
        .iter()
        .filter(|it| it.change == ContentChange::Unchanged)
        .count();
    if diff.affected.is_empty() || number == 0 {
        return String::new();
    }
    let (components, verb) = (count(number, "component"), choose(number, "is", "are"));
    format!(", {components} {verb} unchanged")
}

/// The maximum number of components for which each has its own row, even if all rows are equal.
const MAX_SINGLE_ROWS: usize = 4;

/// Returns the values that the row of a component shows. Components with equal values can share a row.
fn row_key(component: &ComponentDiff) -> impl PartialEq {
    (
        component.change,
        component.from,
        component.to,
        component.from_version.clone(),
        component.to_version.clone(),
        component.gained,
        component.lost,
    )
}

/// Returns the name of a component, after the one under which it runs if the policy has renamed it.
fn row_label(component: &ComponentDiff) -> String {
    let name = component.component.to_string();
    format_change(
        component.renamed_from.as_ref().map(ToString::to_string),
        Some(name),
    )
}

/// Returns the cells of a component's row.
fn row_cells(component: &ComponentDiff, name: &str) -> [Cell; 5] {
    let (word, style) = match component.change {
        ContentChange::New => ("new", Mark::Yes.style()),
        ContentChange::Changed => ("changes", Mark::Live.style()),
        ContentChange::LosesCommits => ("goes back", Mark::No.style()),
        ContentChange::Unknown => ("is unknown", Mark::No.style()),
        ContentChange::Absent => ("absent", Mark::None.style()),
        ContentChange::Renamed => ("renamed", Mark::Live.style()),
        ContentChange::Unchanged => ("unchanged", Mark::None.style()),
    };
    let format_count = |count: Option<CommitCount>, sign: &str| {
        let count = count.filter(|count| count.commits > 0);
        count.map(|count| format!("{sign}{count}"))
    };
    let numbers = [
        format_count(component.gained, ""),
        format_count(component.lost, "−"),
    ];
    let numbers: Vec<String> = numbers.into_iter().flatten().collect();
    let has_new_content = component.change.is_change() && !component.change.keeps_content();
    let is_comparable = has_new_content && component.from.is_some();
    let numbers = match &numbers[..] {
        [] if is_comparable && component.gained.is_none() => "?".to_owned(),
        [] => Mark::None.symbol().to_string(),
        numbers => numbers.join(" "),
    };
    let short = |commit: CommitId| commit.0.prefix(7);
    [
        Cell::from(name),
        Cell::styled(word, style),
        Cell::from(format_change(
            component.from_version.as_ref().map(Line::to_string),
            component.to_version.as_ref().map(Line::to_string),
        )),
        Cell::from(format_change(
            component.from.map(short),
            component.to.map(short),
        )),
        Cell::from(numbers),
    ]
}

/// Returns `from → to`, or the only one of the two that exists.
pub(super) fn format_change(from: Option<String>, to: Option<String>) -> String {
    match (from, to) {
        (None, None) => Mark::None.symbol().to_string(),
        (Some(from), Some(to)) if from == to => from,
        (Some(from), Some(to)) => format!("{from} → {to}"),
        (None, Some(to)) => to,
        (Some(from), None) => from,
    }
}

/// Renders a table of at most `max_commits` commits.
fn render_commits(
    commits: &[CommitSummary],
    is_single_component: bool,
    max_commits: usize,
    width: Option<usize>,
    when: &dyn Fn(Time) -> String,
) -> String {
    let headers: &[&str] = if is_single_component {
        &["Commit", "Subject", "Author", "When"]
    } else {
        &["Commit", "Subject", "Author", "When", "Component"]
    };
    let mut table = Table::new(headers)
        .shorten_columns(&[2, 4, 1])
        .with_min_width(2, 12)
        .with_min_width(4, 16);
    for it in commits.iter().take(max_commits) {
        let mut cells = vec![
            Cell::from(it.commit.0.prefix(7)),
            Cell::from(&it.subject),
            Cell::from(&it.author),
            Cell::from(when(it.at)),
        ];
        if !is_single_component {
            let names: Vec<&str> = it.components.iter().map(ComponentName::as_str).collect();
            cells.push(Cell::from(list_or_count(&names)));
        }
        table.add_row(cells);
    }
    table.render(width)
}
