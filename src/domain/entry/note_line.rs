//! The lines that an entry adds to the notes of commits: one for each commit that it names, and one
//! for each other commit that it brings to its environment or takes out.
//!
//! A line is a pure function of the ledger commit and the code, so that the notes can be rebuilt
//! from the ledgers at any time and compared with them.

use std::fmt::Write as _;

use super::note::{self, Note};
use super::{DeploymentKind, Statement};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, Person};

/// The commits that a component moved across, if they are too many for a line each.
#[derive(Debug, Clone, Copy)]
pub struct UnlistedCommits<'a> {
    /// The component.
    pub component: &'a ComponentName,
    /// The commit that it ran before.
    pub from: Option<CommitId>,
    /// The commit that it runs now.
    pub to: CommitId,
}

/// Formats the line for a commit that the entry names, without a newline. Returns `None` if the
/// entry does not name the commit. The line contains the ranges of the components in `unlisted`
/// that now run this commit.
///
/// The line has the time, verb, environment, object, signer and ledger commit:
/// `2026-03-05T10:02:11Z  deployed  prod    api 1.4.2    by ci    prod@3f2a9c1e77`.
pub fn format_note_line(
    statement: &Statement,
    id: EntryId,
    commit: CommitId,
    unlisted: &[UnlistedCommits<'_>],
) -> Option<String> {
    let commits = statement.commits();
    if !commits.contains(&commit) {
        return None;
    }
    let Note { verb, mut object } = statement.action.body().note(commit);
    for moved in unlisted.iter().filter(|moved| moved.to == commit) {
        let range = describe_range(statement, *moved);
        // Writing to a string cannot fail.
        let _ = write!(object, "  ({} {range})", moved.component);
    }
    Some(format_line(statement, id, &Note { verb, object }))
}

/// Formats the line for a commit that components newly brought to the environment with `to`.
pub fn format_brought_line(
    statement: &Statement,
    id: EntryId,
    components: &[&ComponentName],
    to: CommitId,
) -> String {
    let results = statement.component_results();
    let targets = results
        .iter()
        .map(|result| &result.target)
        .filter(|target| components.contains(&&target.component));
    let object = format!("{} (with {})", note::targets(targets), short(to));
    let note = Note::new(note::success_verb(statement.ended_kind()), object);
    format_line(
        statement,
        id,
        &note.with_break_glass(statement.break_glass()),
    )
}

/// Formats the line for a commit that components took out of the environment by deploying `to`.
pub fn format_taken_out_line(
    statement: &Statement,
    id: EntryId,
    components: &[&ComponentName],
    to: CommitId,
) -> String {
    let names: Vec<&str> = components.iter().map(|name| name.as_str()).collect();
    let object = format!("{} (replaced by {})", names.join(", "), short(to));
    let note = Note::new("taken out", object);
    format_line(
        statement,
        id,
        &note.with_break_glass(statement.break_glass()),
    )
}

/// Describes the range of commits that a component moved across, in git's notation.
fn describe_range(statement: &Statement, moved: UnlistedCommits<'_>) -> String {
    let to = moved.to.short();
    let is_rollback = statement.ended_kind() == Some(DeploymentKind::Rollback);
    match moved.from.map(|from| from.short()) {
        None => "with all before it".to_owned(),
        Some(from) if is_rollback => format!("takes out {to}..{from}"),
        Some(from) => format!("with {from}..{to}"),
    }
}

fn short(commit: CommitId) -> String {
    commit.0.prefix(7)
}

/// Formats a line.
fn format_line(statement: &Statement, id: EntryId, note: &Note) -> String {
    let Note { verb, object } = note;
    let environment = statement
        .environment()
        .map_or_else(String::new, |name| name.to_string());
    let on_behalf_of = statement
        .requested_by
        .as_ref()
        .map_or_else(String::new, |person| format!(" for {person}"));
    let people = format!(
        "by {}{on_behalf_of}{}",
        statement.by,
        describe_approvers(statement)
    );
    format!(
        "{}  {verb:<10}  {environment:<7}  {object:<40}  {people:<10}  {}@{}",
        statement.at,
        statement.ledger,
        id.0.prefix(10)
    )
}

/// Names the approvers of the deployment whose end a `finish` or `record` states.
fn describe_approvers(statement: &Statement) -> String {
    let approvers = statement.approved_by();
    if statement.ended_kind().is_none() || approvers.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = approvers.iter().map(Person::as_str).collect();
    format!(", approved by {}", names.join(", "))
}
