//! The remarks below the rows of an environment: what needs attention there.

mod holds;

use std::collections::BTreeSet;

use super::report::{CommitPlacement, EnvironmentStatus, LockInfo};
use super::text::RowSharing;
use crate::domain::count::choose;
use crate::domain::entry::Outcome;
use crate::domain::name::ComponentName;
use crate::domain::time::Time;
use crate::view::grouping::{group_equal, list_or_count};
use crate::view::symbols::Mark;
use crate::view::table::{Cell, Table};
use crate::view::undeclared::UndeclaredRemark;

/// Adds the remarks on an environment. `when` formats a time.
pub(super) fn add_remarks(
    table: &mut Table,
    environment: &EnvironmentStatus,
    sharing: RowSharing,
    when: &dyn Fn(Time) -> String,
) {
    add_locks(table, environment, when);
    add_unfinished_runs(table, environment, when);
    add_break_glass(table, environment, when);
    add_yanks(table, environment);
    holds::add_holds(table, environment, sharing);
    add_failures(table, environment, when);
    add_placements(table, environment);
    add_approvals(table, environment, when);
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
        let ends = |until| format!(", ends {}", when(until));
        let end = lock.until.map(ends).unwrap_or_default();
        style_warning(format!(
            "{subject} is locked by {}: \"{}\" ({}{end})",
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
        let verb = choose(components.len(), "runs", "run");
        let subject = list_or_count(&components);
        table.add_remark(style_warning(format!(
            "{subject} in {name} {verb} a yanked commit: \"{reason}\""
        )));
    }
}

/// Adds the components whose last attempt failed and is no longer on hold.
fn add_failures(table: &mut Table, environment: &EnvironmentStatus, when: &dyn Fn(Time) -> String) {
    let name = &environment.name;
    let is_held = |component: &ComponentName| {
        let mut holds = environment.holds.iter();
        holds.any(|hold| hold.component == *component)
    };
    let failures = environment.failures.iter();
    let failures = failures.filter(|it| !is_held(&it.component)).map(|it| {
        let end = (it.outcome, it.cancelled);
        (it.component.as_str(), (it.commit, end, it.at))
    });
    for (components, (commit, (outcome, is_cancelled), at)) in group_equal(failures) {
        let verb = match (is_cancelled, components.len()) {
            (true, 1) => "was cancelled",
            (true, _) => "were cancelled",
            (false, _) => "failed",
        };
        let ending = match (outcome, components.len()) {
            (Outcome::RolledBack, 1) => " and was rolled back",
            (Outcome::RolledBack, _) => " and were rolled back",
            _ => "",
        };
        table.add_remark(style_warning(format!(
            "{} ({}) {verb} in {name}{ending} ({})",
            list_or_count(&components),
            commit.0.prefix(7),
            when(at)
        )));
    }
}

/// Adds the runs that have not ended.
fn add_unfinished_runs(
    table: &mut Table,
    environment: &EnvironmentStatus,
    when: &dyn Fn(Time) -> String,
) {
    let name = &environment.name;
    for run in &environment.unfinished_runs {
        let components: Vec<&str> = run.components.iter().map(ComponentName::as_str).collect();
        let components = list_or_count(&components);
        let what = match &run.command {
            Some(command) => format!("{command}, in {components}"),
            None => components,
        };
        table.add_remark(Cell::styled(
            format!(
                "run {} in {name} has not finished: {what}, by {} ({})",
                run.run,
                run.by,
                when(run.at)
            ),
            Mark::Live.style(),
        ));
    }
}

/// Adds the components that were deployed by overriding the rules.
fn add_break_glass(
    table: &mut Table,
    environment: &EnvironmentStatus,
    when: &dyn Fn(Time) -> String,
) {
    let name = &environment.name;
    let uses = environment.break_glass.iter();
    let uses = uses.map(|it| (it.component.as_str(), (&it.by, &it.reason, it.at)));
    for (components, (by, reason, at)) in group_equal(uses) {
        let verb = choose(components.len(), "was", "were");
        table.add_remark(Cell::styled(
            format!(
                "{} in {name} {verb} deployed with BREAK-GLASS by {by}: \"{reason}\" ({})",
                list_or_count(&components),
                when(at)
            ),
            Mark::No.style(),
        ));
    }
}

/// Adds the running commits that are not where they belong.
fn add_placements(table: &mut Table, environment: &EnvironmentStatus) {
    let name = &environment.name;
    let placements = environment.components.iter().filter_map(|it| {
        let place = (it.commit?, it.placement?);
        Some((it.component.as_str(), place))
    });
    for (components, (commit, placement)) in group_equal(placements) {
        let place = match placement {
            CommitPlacement::Unpushed => "that is on no branch of the remote",
            CommitPlacement::OffBranch => "that is not on the branch of the environment",
        };
        let verb = choose(components.len(), "runs", "run");
        table.add_remark(style_warning(format!(
            "{} in {name} {verb} {}, a commit {place}",
            list_or_count(&components),
            commit.0.prefix(7)
        )));
    }
}

/// Adds the approvals that wait for a deployment.
fn add_approvals(
    table: &mut Table,
    environment: &EnvironmentStatus,
    when: &dyn Fn(Time) -> String,
) {
    let name = &environment.name;
    let approvals = environment.approvals.iter();
    let approvals = approvals.map(|it| (it, (it.commit, &it.components, it.purpose)));
    for (approvals, (commit, components, purpose)) in group_equal(approvals) {
        let names: Vec<&str> = components.iter().map(ComponentName::as_str).collect();
        let what = match purpose {
            "destroy" => "the removal of ",
            "exec" => "a command in ",
            _ => "",
        };
        let people: BTreeSet<&str> = approvals.iter().map(|it| it.by.as_str()).collect();
        let people: Vec<&str> = people.into_iter().collect();
        let Some(expires) = approvals.iter().map(|it| it.expires).min() else {
            continue;
        };
        table.add_remark(format!(
            "approved for {name} but not used yet: {what}{} ({}), by {}, expires {}",
            list_or_count(&names),
            commit.0.prefix(7),
            people.join(", "),
            when(expires)
        ));
    }
}

/// Adds the artifacts of the running versions.
pub(super) fn add_artifacts(table: &mut Table, environment: &EnvironmentStatus) {
    for component in &environment.components {
        for artifact in &component.artifacts {
            table.add_remark(format!("{} is {artifact}", component.component));
        }
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
