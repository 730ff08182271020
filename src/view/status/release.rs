//! The text of `git deploy status all ENV`: when and by whom an environment was last released, and one
//! line per component.

use super::remarks::{add_artifacts, add_remarks};
use super::report::{ComponentStatus, EnvironmentStatus, ReleaseStatus, StatusReport};
use super::text::{TextOptions, render_age};
use crate::domain::text::Line;
use crate::domain::time::Time;
use crate::view::symbols::Mark;
use crate::view::table::{Cell, Table};

/// Renders the status of a release. `when` formats a time.
pub fn render_release(
    status: &StatusReport,
    options: TextOptions,
    when: &dyn Fn(Time) -> String,
) -> String {
    let mut parts: Vec<String> = status
        .environments
        .iter()
        .map(|environment| render_environment(environment, options, when))
        .collect();
    parts.extend(render_age(status.fetched, options.now, when).filter(|_| status.remote.is_some()));
    parts.join("\n")
}

/// Renders the summary of an environment and its components.
fn render_environment(
    environment: &EnvironmentStatus,
    options: TextOptions,
    when: &dyn Fn(Time) -> String,
) -> String {
    let dash = || Mark::None.symbol().to_string();
    let last_released = environment.last_released.map_or_else(dash, when);
    let released_by = environment.released_by.as_ref();
    let released_by = released_by.map_or_else(dash, ToString::to_string);
    let status = environment.release_status;
    let summary = format!(
        "Last released: {last_released}\nReleased by:   {released_by}\nStatus:        {}",
        status.map_or_else(dash, style_status)
    );
    let mut table =
        Table::new(&["Component", "Release", "Status", "Since", "By"]).shorten_columns(&[4, 1, 0]);
    for component in &environment.components {
        table.add_row(row_cells(component, when));
    }
    for component in &environment.not_deployed {
        let dim = Mark::None.style();
        let cells = [component.as_str(), "–", "NOT_DEPLOYED", "", ""];
        table.add_row(cells.map(|text| Cell::styled(text, dim)));
    }
    if options.with_artifacts {
        add_artifacts(&mut table, environment);
    }
    add_remarks(&mut table, environment, options.sharing, when);
    format!("{summary}\n\n{}", table.render(options.width))
}

/// Returns the cells of a component's row.
fn row_cells(component: &ComponentStatus, when: &dyn Fn(Time) -> String) -> [Cell; 5] {
    let running = match (&component.version, component.commit) {
        (Some(version), _) => Some(Line::to_string(version)),
        (None, commit) => commit.map(|commit| commit.0.prefix(7)),
    };
    let status = component.state.release_status();
    // While a release is in progress, its own hash is shown.
    let release = component.target.clone().or(running);
    [
        Cell::from(component.component.as_str()),
        Cell::from(release.unwrap_or_else(|| Mark::None.symbol().to_string())),
        Cell::styled(status.name(), status_mark(status).style()),
        Cell::from(when(component.since)),
        Cell::from(component.by.as_str()),
    ]
}

/// Returns the name of a status in its colour.
fn style_status(status: ReleaseStatus) -> String {
    let style = status_mark(status).style();
    format!("{style}{}{style:#}", status.name())
}

/// Returns the mark whose colour a status has.
fn status_mark(status: ReleaseStatus) -> Mark {
    match status {
        ReleaseStatus::Complete => Mark::Yes,
        ReleaseStatus::InProgress => Mark::Live,
        ReleaseStatus::Failed => Mark::No,
    }
}
