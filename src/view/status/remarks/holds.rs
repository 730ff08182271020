//! The holds of an environment: each with its cause and with the command that lifts it.

use super::style_warning;
use crate::domain::count::{choose, count};
use crate::domain::entry::Outcome;
use crate::view::grouping::{group_equal, list_alternatives, list_or_count};
use crate::view::status::report::{EnvironmentStatus, HeldComponent};
use crate::view::status::text::RowSharing;
use crate::view::table::Table;

/// The maximum number of superseded holds of an environment that are shown unless all are asked for.
const MAX_SUPERSEDED: usize = 3;

/// Adds a line for each commit that is on hold. If not every row is asked for, only counts the older
/// ones of those that another version has superseded.
pub(in crate::view::status) fn add_holds(
    table: &mut Table,
    environment: &EnvironmentStatus,
    sharing: RowSharing,
) {
    let holds = environment.holds.iter();
    let holds = holds.map(|it| {
        let cause = (it.outcome, it.cancelled, &it.rolled_back_by);
        (it, (it.commit, cause, it.superseded))
    });
    let (mut superseded, mut hidden) = (0_usize, 0_usize);
    for (held, _) in group_equal(holds) {
        let is_superseded = held.iter().all(|it| it.superseded);
        superseded += usize::from(is_superseded);
        if is_superseded && superseded > MAX_SUPERSEDED && sharing == RowSharing::Equal {
            hidden += 1;
        } else {
            add_hold(table, environment, &held);
        }
    }
    if hidden > 0 {
        let name = &environment.name;
        let (number, verb) = (count(hidden, "older commit"), choose(hidden, "is", "are"));
        table.add_command_remark(
            style_warning(format!("{number} {verb} also on hold in {name}")),
            format!("git deploy status {name} --all"),
        );
    }
}

/// Adds the line for components with the same commit on hold for the same reason.
fn add_hold(table: &mut Table, environment: &EnvironmentStatus, held: &[&HeldComponent]) {
    let Some(first) = held.first() else { return };
    let name = &environment.name;
    let components: Vec<&str> = held.iter().map(|it| it.component.as_str()).collect();
    let is_single = components.len() == 1;
    let (verb, pronoun) = if is_single {
        ("is", "it")
    } else {
        ("are", "they")
    };
    let was = if is_single { "was" } else { "were" };
    let cause = match (&first.rolled_back_by, first.outcome) {
        (Some(person), _) if is_single => format!("{person} rolled it back"),
        (Some(person), _) => format!("{person} rolled them back"),
        (None, Outcome::RolledBack) => format!("{pronoun} failed and {was} rolled back"),
        (None, _) if first.cancelled => {
            let its = if is_single { "its" } else { "their" };
            format!("{its} deployment was cancelled")
        }
        (None, _) => format!("{pronoun} failed"),
    };
    let commit = first.commit.0.prefix(7);
    let subject = list_or_count(&components);
    let text = format!("{subject} ({commit}) {verb} on hold in {name} because {cause}");
    let command = format!("git deploy unlock {name} --commit {commit}");
    match environment.hold_lifters.as_deref() {
        None => table.add_command_remark(style_warning(text), command),
        Some([]) => table.add_remark(style_warning(text)),
        Some(people) => {
            let people = list_alternatives(people);
            table.add_command_remark(
                style_warning(format!("{text} ({people} can lift it)")),
                command,
            );
        }
    }
}
