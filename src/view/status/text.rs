//! The table of `git deploy status` and the remarks below it.
//!
//! A few components have a row each. If there are many, equal components share a row. Shared rows come
//! last, because the exceptions matter more to the reader.

use std::collections::{BTreeSet, HashMap};

use anstyle::Style;

use super::remarks::{add_artifacts, add_remarks};
use super::report::{ComponentState, ComponentStatus, EnvironmentStatus, StatusReport};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::text::Line;
use crate::domain::time::{Span, Time};
use crate::view::commit_count::CommitCount;
use crate::view::symbols::Mark;
use crate::view::table::{Cell, Table};

/// The maximum number of components for which each has its own row, unless all are equal.
const MAX_SINGLE_ROWS: usize = 8;
/// If there are more components, a group of at least this size shares a row.
const MIN_GROUP: usize = 3;

/// The minimum width of the state: `not deployed yet`, `deploying 8f3c2a1`, `unknown, yanked`.
const MIN_STATE_WIDTH: usize = 17;

/// Which components share a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowSharing {
    /// Equal components, if there are many.
    Equal,
    /// None: every component has its own row.
    None,
}

/// How to render the status.
#[derive(Debug, Clone, Copy)]
pub struct TextOptions {
    /// Which components share a row.
    pub sharing: RowSharing,
    /// Whether to list the artifacts of each component.
    pub with_artifacts: bool,
    /// The width of the terminal.
    pub width: Option<usize>,
    /// The current time.
    pub now: Time,
}

/// The age from which the last fetch is mentioned.
const MIN_SHOWN_AGE: Span = Span::from_seconds(60);

/// Renders the table and the remarks. `when` formats a time.
pub fn render_text(
    status: &StatusReport,
    options: TextOptions,
    when: &dyn Fn(Time) -> String,
) -> String {
    let TextOptions { width, now, .. } = options;
    let behind = status
        .branch
        .as_ref()
        .map_or_else(|| "BEHIND".to_owned(), |branch| format!("BEHIND {branch}"));
    // On a narrow terminal the headers are shortened first, then the rows.
    let layouts = [
        (Some("Environment"), behind.as_str()),
        (Some("Environment"), "BEHIND"),
        (Some("Env"), "BEHIND"),
        (None, behind.as_str()),
        (None, "BEHIND"),
    ];
    let [.., narrowest] = layouts;
    let lay_out = |(environment, behind)| build_table(status, environment, behind, options, when);
    let fitting = layouts
        .into_iter()
        .map(lay_out)
        .find(|table| table.fits(width));
    let table = fitting.unwrap_or_else(|| lay_out(narrowest)).render(width);
    let age = render_age(status.fetched, now, when).filter(|_| status.remote.is_some());
    [Some(table), age]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n")
}

/// Builds the table. If there is no column for the environment, its name is on a separate line
/// above its rows.
fn build_table(
    status: &StatusReport,
    environment: Option<&str>,
    behind: &str,
    options: TextOptions,
    when: &dyn Fn(Time) -> String,
) -> Table {
    let headers = [
        environment.unwrap_or_default(),
        "Component",
        "Version",
        "Commit",
        "State",
        "Since",
        "By",
    ];
    let has_headings = environment.is_none();
    // The person and the version can be looked up elsewhere, so their columns are shortened first.
    // The component and its state matter most.
    let (by, version, component, state) = if has_headings {
        (5, 1, 0, 3)
    } else {
        (6, 2, 1, 4)
    };
    let table = if has_headings {
        Table::with_indented_header(&headers[1..])
    } else {
        Table::new(&headers)
    };
    let mut table = table
        .with_column(behind)
        .shorten_columns(&[by, version, state, component])
        .with_min_width(state, MIN_STATE_WIDTH);
    for environment in &status.environments {
        if has_headings {
            table.add_heading(Cell::styled(environment.name.as_str(), Style::new().bold()));
        }
        for row in environment_rows(environment, options.sharing, when) {
            if has_headings {
                let [_, component, rest @ ..] = row;
                table.add_row(std::iter::once(component.indent()).chain(rest));
            } else {
                table.add_row(row);
            }
        }
        if options.with_artifacts {
            add_artifacts(&mut table, environment);
        }
        add_remarks(&mut table, environment, options.sharing, when);
    }
    table
}

/// Returns the line `fetched 3 min ago (update: git deploy sync)`, for output that was produced
/// without fetching. Returns `None` if the last fetch was within a minute.
pub fn render_age(
    fetched: Option<Time>,
    now: Time,
    when: &dyn Fn(Time) -> String,
) -> Option<String> {
    let is_recent = |fetched: Time| now.duration_since(fetched) < MIN_SHOWN_AGE;
    if fetched.is_some_and(is_recent) {
        return None;
    }
    let dim = Style::new().dimmed();
    let age = fetched.map_or_else(
        // Git fetched the ledgers with the clone. Every command verifies what was not verified before.
        || "fetched by git, verified now".to_owned(),
        |fetched| format!("fetched {}", when(fetched)),
    );
    Some(format!("{dim}{age} (update: git deploy sync){dim:#}"))
}

/// Returns the rows of an environment.
fn environment_rows(
    environment: &EnvironmentStatus,
    sharing: RowSharing,
    when: &dyn Fn(Time) -> String,
) -> Vec<[Cell; 8]> {
    let components: Vec<&ComponentStatus> = environment.components.iter().collect();
    if components.is_empty() {
        let dim = Mark::None.style();
        let mut cells =
            ["", "–", "–", "–", "nothing yet", "", "", "–"].map(|text| Cell::styled(text, dim));
        cells[0] = Cell::from(environment.name.as_str());
        return vec![cells];
    }
    let (single, shared) = match sharing {
        RowSharing::Equal => split_rows(components),
        RowSharing::None => (components, Vec::new()),
    };
    let (single_count, group_count) = (single.len(), shared.len());
    let mut name = Some(environment.name.as_str());
    let mut rows = Vec::new();
    for component in single {
        rows.push(row_cells(
            name.take(),
            component.component.as_str(),
            component,
            component.behind,
            environment,
            when,
        ));
    }
    for group in shared {
        // All components of the group have been equal since the newest change.
        let Some(newest) = group.iter().max_by_key(|it| it.since) else {
            continue;
        };
        let word = match (single_count, group_count) {
            (0, 1) => "all",
            (_, 1) => "others",
            _ => "alike",
        };
        let label = format!("{word} ({})", group.len());
        rows.push(row_cells(
            name.take(),
            &label,
            newest,
            count_missing(&group),
            environment,
            when,
        ));
    }
    rows.extend(not_deployed_rows(&environment.not_deployed, sharing));
    rows
}

/// Returns the rows of the components that were never deployed. Many share one row.
fn not_deployed_rows(components: &[ComponentName], sharing: RowSharing) -> Vec<[Cell; 8]> {
    let dim = Mark::None.style();
    let row = |label: &str| {
        ["", label, "–", "–", "not deployed yet", "", "", "–"].map(|text| Cell::styled(text, dim))
    };
    if sharing == RowSharing::Equal && components.len() >= MIN_GROUP {
        return vec![row(&format!("others ({})", components.len()))];
    }
    components.iter().map(|name| row(name.as_str())).collect()
}

/// Splits the components into those with their own row and the groups that share one.
fn split_rows(
    components: Vec<&ComponentStatus>,
) -> (Vec<&ComponentStatus>, Vec<Vec<&ComponentStatus>>) {
    let count = components.len();
    let mut groups: Vec<Vec<&ComponentStatus>> = Vec::new();
    let mut group_indexes = HashMap::new();
    for component in components {
        let index = *group_indexes
            .entry(row_key(component))
            .or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.push(component),
            None => groups.push(vec![component]),
        }
    }
    let shares_row = |group: &Vec<&ComponentStatus>| {
        let all_equal = group.len() == count && count > 1;
        all_equal || (count > MAX_SINGLE_ROWS && group.len() >= MIN_GROUP)
    };
    let (shared, single): (Vec<_>, Vec<_>) = groups.into_iter().partition(shares_row);
    let mut single: Vec<&ComponentStatus> = single.into_iter().flatten().collect();
    single.sort_by_key(|it| &it.component);
    (single, shared)
}

/// Returns the number of commits that are missing from at least one component of a group. Returns
/// `None` if the number is unknown for a component.
fn count_missing(group: &[&ComponentStatus]) -> Option<CommitCount> {
    let mut missing: BTreeSet<CommitId> = BTreeSet::new();
    let mut truncated = false;
    for component in group {
        truncated |= component.behind?.truncated;
        missing.extend(&component.missing_commits);
    }
    Some(CommitCount {
        commits: missing.len(),
        truncated,
    })
}

/// Returns everything by which two components can differ in the table.
fn row_key(component: &ComponentStatus) -> impl Eq + std::hash::Hash {
    (
        component.commit,
        &component.version,
        component.state,
        &component.target,
        component.lock.is_some(),
        component.yanked.is_some(),
        component.placement,
    )
}

/// Returns the cells of one row. `name` is the environment, `label` the component or the group.
fn row_cells(
    name: Option<&str>,
    label: &str,
    component: &ComponentStatus,
    behind: Option<CommitCount>,
    environment: &EnvironmentStatus,
    when: &dyn Fn(Time) -> String,
) -> [Cell; 8] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| Mark::None.symbol().to_string());
    let number = match behind {
        Some(CommitCount {
            commits: 0,
            truncated: false,
        }) => None,
        Some(count) => Some(count.to_string()),
        None => component.commit.map(|_| "?".to_owned()),
    };
    // The header names the branch of most environments. An environment's own branch is next to its
    // number.
    let branch = environment
        .branch
        .as_ref()
        .map_or_else(String::new, |branch| format!(" ({branch})"));
    let number = number.map(|number| format!("{number}{branch}"));
    [
        Cell::from(name.unwrap_or_default()),
        Cell::from(label),
        Cell::from(or_dash(component.version.as_ref().map(Line::to_string))),
        Cell::from(or_dash(component.commit.map(|commit| commit.0.prefix(7)))),
        state_cell(component),
        Cell::from(when(component.since)),
        Cell::from(component.by.as_str()),
        Cell::from(or_dash(number)),
    ]
}

/// Returns the cell with the state.
fn state_cell(component: &ComponentStatus) -> Cell {
    let to = component.target.as_deref().unwrap_or_default();
    let (text, style) = match component.state {
        ComponentState::Live => ("live".to_owned(), Mark::Yes.style()),
        ComponentState::Deploying => (format!("deploying {to}"), Mark::Live.style()),
        ComponentState::RollingBack => (format!("rolling back to {to}"), Mark::Live.style()),
        ComponentState::Destroying => ("being destroyed".to_owned(), Mark::Live.style()),
        ComponentState::Unknown => ("unknown".to_owned(), Mark::No.style()),
        ComponentState::Unhealthy => ("unhealthy".to_owned(), Mark::No.style()),
    };
    let yanked = if component.yanked.is_some() {
        ", yanked"
    } else {
        ""
    };
    let locked = if component.lock.is_some() {
        ", locked"
    } else {
        ""
    };
    Cell::styled(format!("{text}{yanked}{locked}"), style)
}
