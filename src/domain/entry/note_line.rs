//! The line that an entry adds to the notes of each commit that it is about.
//!
//! The line is a pure function of the ledger commit, so that the notes can be rebuilt from the
//! ledgers at any time and compared with them.

use super::{Note, Statement};
use crate::domain::id::{CommitId, EntryId};

/// Formats the line for `commit`, without a newline. Returns `None` if the entry is not about the
/// commit.
///
/// The line has the time, verb, environment, object, signer and ledger commit:
/// `2026-03-05T10:02:11Z  deployed  prod    api 1.4.2    by ci    prod@3f2a9c1e77`.
pub fn format_note_line(statement: &Statement, id: EntryId, commit: CommitId) -> Option<String> {
    if !statement.commits().contains(&commit) {
        return None;
    }
    let Note { verb, object } = statement.action.body().note(commit);
    let environment = statement
        .environment()
        .map_or_else(String::new, |name| name.to_string());
    let on_behalf_of = statement
        .requested_by
        .as_ref()
        .map_or_else(String::new, |person| format!(" for {person}"));
    let by = format!("by {}{on_behalf_of}", statement.by);
    Some(format!(
        "{}  {verb:<10}  {environment:<7}  {object:<40}  {by:<10}  {}@{}",
        statement.at,
        statement.ledger,
        id.0.prefix(10)
    ))
}
