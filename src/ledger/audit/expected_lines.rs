//! The lines that the notes must contain, collected while entries are validated.

use crate::domain::entry::Statement;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::ledger::entry_notes::EntryNotes;

/// A line that an entry adds to the note of a commit. Lines sort as they do in the notes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExpectedLine {
    pub commit: CommitId,
    pub at: Time,
    /// The index of the ledger among all ledgers in the order of their names.
    pub ledger: usize,
    /// The position of the entry in its ledger.
    pub position: usize,
    /// The index of the line among those of its entry.
    pub number: usize,
    pub line: Box<str>,
}

/// The note lines of the entries that were read so far.
#[derive(Debug, Default)]
pub(super) struct ExpectedLines {
    pub lines: Vec<ExpectedLine>,
    /// The entries whose lines cannot be computed in this repository.
    pub unknown: Vec<UnknownEntry>,
}

/// An entry whose lines cannot be computed, because this repository lacks commits of the code.
#[derive(Debug)]
pub(super) struct UnknownEntry {
    /// The entry as its lines name it: `prod@3f2a9c1e77`.
    pub name: String,
    /// Why its lines cannot be computed.
    pub why: String,
}

impl ExpectedLines {
    /// Adds the lines of the entry at a position of a ledger. `ledger` is the ledger's index.
    pub fn add_entry(
        &mut self,
        ledger: usize,
        position: usize,
        id: EntryId,
        previous: EntryId,
        statement: &Statement,
        entry_notes: &EntryNotes<'_>,
    ) {
        match entry_notes.read_lines(statement, id, previous) {
            Ok(lines) => {
                let lines = lines.into_iter().enumerate();
                self.lines
                    .extend(lines.map(|(number, (commit, line))| ExpectedLine {
                        commit,
                        at: statement.at,
                        ledger,
                        position,
                        number,
                        line: line.into(),
                    }));
            }
            Err(error) => self.unknown.push(UnknownEntry {
                name: format!("{}@{}", statement.ledger, id.0.prefix(10)),
                why: sanitize(&error.to_string()),
            }),
        }
    }

    /// Adds the lines of other entries.
    pub fn append(&mut self, mut other: Self) {
        self.lines.append(&mut other.lines);
        self.unknown.append(&mut other.unknown);
    }
}
