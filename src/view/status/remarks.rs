//! The remarks below the rows of an environment: locks, yanks, holds, undeclared components and the
//! expiry.

use super::report::{EnvironmentStatus, LockInfo};
use crate::domain::entry::Outcome;
use crate::domain::time::Time;
use crate::view::grouping::{group_equal, list_or_count};
use crate::view::symbols::Mark;
use crate::view::table::{Cell, Table};
use crate::view::undeclared::UndeclaredRemark;

/// Adds the remarks on an environment. `when` formats a time.
pub(super) fn add_remarks(
    table: &mut Table,
    environment: &EnvironmentStatus,
    when: &dyn Fn(Time) -> String,
) {
    add_locks(table, environment, when);
    add_yanks(table, environment);
    add_holds(table, environment);
    add_undeclared(table, environment);
    add_expiry(table, environment, when);
}

/// Returns a remark in the colour of a warning.
fn style_warning(text: impl AsRef<str>) -> Cell {
    Cell::styled(text, Mark::Warning.style())
}

/// Adds the lock of the environment and those of its components.
fn add_locks(table: &mut Table, environment: &EnvironmentStatus, when: &dyn Fn(Time) -> String) {
    let name = &environment.name;
    let locked = |subject: &str, lock: &LockInfo| {
        style_warning(format!(
            "{subject} is locked by {}: \"{}\" ({})",
            lock.by,
            lock.reason,
            when(lock.at)
        ))
    };
    if let Some(lock) = &environment.lock {
        table.add_remark(locked(name.as_str(), lock));
    }
    let locks = environment
        .components
        .iter()
        .filter_map(|it| Some((it.component.as_str(), it.lock.clone()?)));
    for (components, lock) in group_equal(locks) {
        let subject = format!("{} in {name}", list_or_count(&components));
        table.add_remark(locked(&subject, &lock));
    }
}

/// Adds the components that run a yanked commit.
fn add_yanks(table: &mut Table, environment: &EnvironmentStatus) {
    let name = &environment.name;
    let yanks = environment
        .components
        .iter()
        .filter_map(|it| Some((it.component.as_str(), it.yanked.clone()?)));
    for (components, reason) in group_equal(yanks) {
        let verb = if components.len() == 1 { "runs" } else { "run" };
        let subject = list_or_count(&components);
        table.add_remark(style_warning(format!(
            "{subject} in {name} {verb} a yanked commit: \"{reason}\""
        )));
    }
}

/// Adds the components whose content is on hold, with the command that releases it.
fn add_holds(table: &mut Table, environment: &EnvironmentStatus) {
    let name = &environment.name;
    let holds = environment
        .holds
        .iter()
        .map(|it| (it.component.as_str(), (it.commit, it.outcome)));
    for (components, (commit, outcome)) in group_equal(holds) {
        let verb = if components.len() == 1 { "is" } else { "are" };
        let subject = list_or_count(&components);
        let cause = match (outcome, components.len()) {
            (Outcome::RolledBack, 1) => "it was rolled back",
            (Outcome::RolledBack, _) => "they were rolled back",
            (_, 1) => "it failed",
            _ => "they failed",
        };
        let commit = commit.0.prefix(7);
        table.add_command_remark(
            style_warning(format!(
                "{subject} ({commit}) {verb} on hold in {name} because {cause}"
            )),
            format!("git deploy unlock {name} --commit {commit}"),
        );
    }
}

/// Adds the components that the policy no longer declares, and those that it has under a new name.
fn add_undeclared(table: &mut Table, environment: &EnvironmentStatus) {
    let name = &environment.name;
    if let Some(remark) = UndeclaredRemark::describe(name, &environment.undeclared) {
        table.add_command_remark(style_warning(remark.text), remark.command);
    }
    for (old, new) in &environment.renamed {
        table.add_remark(format!(
            "{old} is named {new} in the policy: the next deployment of {new} to {name} replaces it"
        ));
    }
}

/// Adds the expiry of an ephemeral environment.
fn add_expiry(table: &mut Table, environment: &EnvironmentStatus, when: &dyn Fn(Time) -> String) {
    let name = &environment.name;
    match environment.expires {
        Some(end) if environment.expired => table.add_command_remark(
            style_warning(format!("{name} expired {}", when(end))),
            "git deploy reap",
        ),
        Some(end) => table.add_remark(format!("{name} expires {}", when(end))),
        None => {}
    }
}
