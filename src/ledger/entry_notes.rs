//! The lines that one entry adds to the notes.

use std::collections::BTreeMap;

use super::commit_movement::{CommitMovement, MovedCommits, MovementReader};
use crate::domain::entry::{
    Statement, UnlistedCommits, format_brought_line, format_note_line, format_taken_out_line,
};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::ComponentName;
use crate::git::error::Result;
use crate::git::repo::Repository;

/// The contents of a line about a moved commit, except for the components.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct MovedLine {
    /// The commit whose note gets the line.
    commit: CommitId,
    /// Whether the deployment took the commit out. Otherwise, it brought the commit.
    is_taken_out: bool,
    /// The deployed commit.
    to: CommitId,
}

/// The components of each line about a moved commit.
type MovedLines<'m> = BTreeMap<MovedLine, Vec<&'m ComponentName>>;

/// Computes the lines that entries add to the notes.
pub struct EntryNotes<'a>(MovementReader<'a>);

impl<'a> EntryNotes<'a> {
    /// Returns a value that computes lines on one thread.
    pub fn new(repository: &'a Repository) -> Self {
        Self(MovementReader::new(repository))
    }

    /// Returns the lines of an entry, each with its commit. Those of one commit are in order.
    /// `previous` is the ledger commit before the entry.
    ///
    /// # Errors
    /// Fails if this repository lacks commits of the code that the lines depend on.
    pub fn read_lines(
        &self,
        statement: &Statement,
        id: EntryId,
        previous: EntryId,
    ) -> Result<Vec<(CommitId, String)>> {
        let movements = self.0.read(statement, previous)?;
        let unlisted: Vec<UnlistedCommits<'_>> = movements
            .iter()
            .filter(|movement| movement.commits == MovedCommits::TooMany)
            .map(|movement| UnlistedCommits {
                component: &movement.component,
                from: movement.from,
                to: movement.to,
            })
            .collect();
        let own = statement.commits().into_iter().filter_map(|commit| {
            let line = format_note_line(statement, id, commit, &unlisted)?;
            Some((commit, line))
        });
        let moved = group_moved_commits(&movements).into_iter().map(
            |(
                MovedLine {
                    commit,
                    is_taken_out,
                    to,
                },
                components,
            )| {
                let line = if is_taken_out {
                    format_taken_out_line(statement, id, &components, to)
                } else {
                    format_brought_line(statement, id, &components, to)
                };
                (commit, line)
            },
        );
        Ok(own.chain(moved).collect())
    }
}

/// Groups the moved commits by their lines.
fn group_moved_commits(movements: &[CommitMovement]) -> MovedLines<'_> {
    let mut lines = MovedLines::new();
    for movement in movements {
        let MovedCommits::Listed { brought, taken_out } = &movement.commits else {
            continue;
        };
        for (commits, is_taken_out) in [(brought, false), (taken_out, true)] {
            for commit in commits {
                let line = MovedLine {
                    commit: *commit,
                    is_taken_out,
                    to: movement.to,
                };
                lines.entry(line).or_default().push(&movement.component);
            }
        }
    }
    lines
}
