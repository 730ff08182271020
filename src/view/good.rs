//! The last healthy release of each component: the text of `git deploy good`, and the document
//! `git-deploy/good/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::grouping;
use super::symbols::Mark;
use super::table::{Cell, Table};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoodReleases {
    /// The environment.
    pub environment: EnvName,
    /// Every component that runs or was attempted in the environment, by name.
    pub components: Vec<ComponentRelease>,
}

/// One component.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentRelease {
    /// Its name.
    pub component: ComponentName,
    /// The last healthy release; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<GoodReleaseRow>,
    /// Why there is none, if something was deployed: the newest releases, and why they are not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A healthy release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoodReleaseRow {
    /// The commit.
    pub commit: CommitId,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// Whether a verification passed. If not, the component has no verify command, and its
    /// deployment succeeded.
    pub verified: bool,
    /// Whether it runs now.
    pub running: bool,
    /// When it began to run.
    pub since: Time,
    /// When it stopped; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Who deployed it.
    pub by: Person,
    /// The sequence number, in the environment's ledger, of the entry that deployed it.
    pub sequence: u64,
}

/// Renders the table. `when` formats a time.
pub fn render_text(
    good: &GoodReleases,
    width: Option<usize>,
    when: &dyn Fn(Time) -> String,
) -> String {
    let mut table = Table::new(&["Component", "Version", "Commit", "Good", "Ran", "By"])
        .shorten_columns(&[5, 1, 0]);
    let dash = || Mark::None.symbol().to_string();
    // The sequence number is not shown, so it must not separate equal rows.
    let without_sequence = |release: &GoodReleaseRow| GoodReleaseRow {
        sequence: 0,
        ..release.clone()
    };
    for (components, (release, reason)) in grouping::group_rows(good.components.iter().map(|it| {
        let release = it.release.as_ref().map(without_sequence);
        (&it.component, (release, it.reason.clone()))
    })) {
        let Some(release) = release else {
            let word = if reason.is_some() {
                "none"
            } else {
                "never deployed"
            };
            let none = Cell::styled(word, Mark::No.style());
            let rest = [none, Cell::from(dash()), Cell::from(dash())];
            table.add_row(
                [Cell::from(components), dash().into(), dash().into()]
                    .into_iter()
                    .chain(rest),
            );
            if let Some(reason) = reason {
                table.add_remark(Cell::styled(reason, Mark::Warning.style()));
            }
            continue;
        };
        let word = if release.verified {
            "verified"
        } else {
            "succeeded"
        };
        let ran = match release.until {
            None => format!("since {}", when(release.since)),
            Some(to) => format!("until {}", when(to)),
        };
        let style = if release.running {
            Mark::Live.style()
        } else {
            Mark::Yes.style()
        };
        table.add_row([
            Cell::from(components),
            Cell::from(release.version.as_ref().map_or_else(dash, Line::to_string)),
            Cell::from(release.commit.0.prefix(7)),
            Cell::styled(word, style),
            Cell::from(ran),
            Cell::from(release.by.as_str()),
        ]);
    }
    table.render(width)
}
