//! The lines that the notes must contain, collected while entries are validated.

use crate::domain::entry::{Statement, format_note_line};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::time::Time;

/// A line that an entry adds to the note of a commit. Lines sort as they do in the notes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExpectedLine {
    pub commit: CommitId,
    pub at: Time,
    /// The ledger's number, which follows the order of names.
    pub ledger: usize,
    pub position: usize,
    pub line: Box<str>,
}

/// Adds the lines of an entry.
pub(super) fn collect_lines(
    ledger: usize,
    position: usize,
    id: EntryId,
    statement: &Statement,
    lines: &mut Vec<ExpectedLine>,
) {
    for commit in statement.commits() {
        if let Some(line) = format_note_line(statement, id, commit) {
            lines.push(ExpectedLine {
                commit,
                at: statement.at,
                ledger,
                position,
                line: line.into(),
            });
        }
    }
}
