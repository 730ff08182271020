//! The line that an entry leaves in the notes of each commit that it is about.
//!
//! The line is a pure function of the ledger commit, so that the notes can be rebuilt from the
//! ledgers at any time and compared with them.

use super::{Note, Statement};
use crate::domain::id::{CommitId, EntryId};

/// Writes the line for `commit`, without a newline; `None` if the entry is not about it.
///
/// It has the time, verb, environment, object, signer and ledger commit:
/// `2026-03-05T10:02:11Z  deployed  prod    api 1.4.2    by ci    prod@3f2a9c1e77`.
pub fn note_line(statement: &Statement, id: EntryId, commit: CommitId) -> Option<String> {
    if !statement.commits().contains(&commit) {
        return None;
    }
    let Note { verb, object } = statement.action.body().note(commit);
    let place = statement
        .environment()
        .map_or_else(String::new, |environment| environment.to_string());
    let on_behalf_of = statement
        .requested_by
        .as_ref()
        .map_or_else(String::new, |person| format!(" for {person}"));
    let by = format!("by {}{on_behalf_of}", statement.by);
    Some(format!(
        "{}  {verb:<10}  {place:<7}  {object:<40}  {by:<10}  {}@{}",
        statement.at,
        statement.ledger,
        id.0.prefix(10)
    ))
}
