//! `refs/notes/deploy`: the history of each commit, one line per event, derived from the ledgers.
//!
//! The message of a notes commit names the ledger tips that the notes cover. After a failure, the
//! next update therefore knows which lines are missing. An update gives the same notes as a rebuild.

use std::collections::BTreeMap;

use super::entry_notes::EntryNotes;
use super::{LedgerCommit, Tips};
use crate::domain::id::{CommitId, EntryId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::time::Time;
use crate::git::commit::Commit;
use crate::git::error::Result;
use crate::git::notes_tree::NotesTree;
use crate::git::repo::Repository;

/// The ref of the notes.
pub const NOTES_REF: &str = "refs/notes/deploy";
/// The start of each line of the message that names a covered ledger tip.
const COVERS: &str = "Deploy-Covers: ";

/// Lines by commit; lines of one ledger are in its order.
type Lines = BTreeMap<CommitId, Vec<String>>;

/// The sort key of lines. Lines with equal keys stay in the order of their ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct LineKey {
    time: String,
    ledger: String,
}

impl LineKey {
    /// Parses the key of a line that [`format_note_line`] wrote. Any other line gets a key that
    /// sorts first.
    fn parse(line: &str) -> Self {
        let time = line.split(' ').next().unwrap_or_default();
        let last = line.rsplit(' ').next().unwrap_or_default();
        let ledger = last.split('@').next().unwrap_or_default();
        Self {
            time: time.to_owned(),
            ledger: ledger.to_owned(),
        }
    }
}

/// The state of the notes; by default there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotesState {
    /// The notes commit; `None` if there are no notes.
    pub commit: Option<Oid>,
    /// The ledger tips that they cover.
    pub covers: Tips,
}

impl Repository {
    /// Reads which ledger tips a notes commit covers: none if another program wrote it.
    pub fn read_notes_state(&self, commit: Option<Oid>) -> Result<NotesState> {
        let Some(id) = commit else {
            return Ok(NotesState::default());
        };
        let commit = self.read_commit(id)?;
        let covers = parse_covered_tips(commit.message());
        let is_own = is_notes_commit(&commit, &covers);
        Ok(NotesState {
            commit: Some(id),
            covers: if is_own { covers } else { Tips::new() },
        })
    }

    /// Adds the missing lines of the ledgers up to `tips` and moves the ref. Returns whether
    /// anything was new.
    ///
    /// Notes that cannot be read, that another program wrote, or that cover entries that the ledgers
    /// do not contain, are rebuilt.
    ///
    /// # Errors
    /// Fails if this repository lacks commits of the code that the lines depend on, as in a shallow clone.
    pub fn update_notes(&self, tips: &Tips) -> Result<bool> {
        loop {
            let old = self.read_ref(NOTES_REF)?;
            let mut notes = self.read_notes_state(old).unwrap_or_default();
            if notes.covers.is_empty() {
                notes = NotesState::default();
            }
            let (base, tips) = match self.find_tips_to_cover(&notes.covers, tips)? {
                Some(tips) => (notes, tips),
                None => (NotesState::default(), tips.clone()),
            };
            if base.covers == tips {
                return Ok(false);
            }
            let new = self.write_batch(|| self.write_notes(&base, &tips, old))?;
            match self.compare_and_swap(NOTES_REF, old, new, "git-deploy: notes") {
                Ok(()) => return Ok(true),
                // Another writer was faster. Each such loss means that the other one made progress,
                // so this ends.
                Err(error) if error.is_lost_race() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Rebuilds all notes from the ledgers up to `tips`, and moves the ref.
    pub fn rebuild_notes(&self, tips: &Tips) -> Result<()> {
        let old = self.read_ref(NOTES_REF)?;
        let new = self.write_batch(|| self.write_notes(&NotesState::default(), tips, old))?;
        self.compare_and_swap(NOTES_REF, old, new, "git-deploy: notes rebuilt")
    }

    #[cfg(test)]
    /// Returns the notes that the ledgers up to `tips` give, by commit.
    pub fn expected_notes(&self, tips: &Tips) -> Result<BTreeMap<CommitId, String>> {
        let lines = self.collect_new_lines(&Tips::new(), tips)?;
        Ok(lines
            .into_iter()
            .map(|(commit, lines)| (commit, merge_lines("", lines)))
            .collect())
    }

    /// Reads the note of a commit.
    #[cfg(any(test, feature = "testing"))]
    pub fn read_note(&self, commit: CommitId) -> Result<Option<String>> {
        let Some(notes) = self.read_ref(NOTES_REF)? else {
            return Ok(None);
        };
        let tree = self.read_commit(notes)?.tree;
        NotesTree::open(self, tree)?.read(commit)
    }

    #[cfg(test)]
    /// Returns the commits whose note differs from the expected one: missing, changed or extra.
    pub fn differing_notes(&self, tips: &Tips) -> Result<Vec<CommitId>> {
        let expected = self.expected_notes(tips)?;
        let Some(notes) = self.read_ref(NOTES_REF)? else {
            return Ok(expected.into_keys().collect());
        };
        let tree = self.read_commit(notes)?.tree;
        let mut notes = NotesTree::open(self, tree)?;
        let mut differing = Vec::new();
        for (commit, text) in &expected {
            if notes.read(*commit)?.as_ref() != Some(text) {
                differing.push(*commit);
            }
        }
        // Notes of commits that no ledger mentions.
        for commit in self.noted_commits(tree)? {
            if !expected.contains_key(&commit) {
                differing.push(commit);
            }
        }
        Ok(differing)
    }

    #[cfg(test)]
    /// Returns the commits that have a note.
    fn noted_commits(&self, tree: Oid) -> Result<Vec<CommitId>> {
        let paths = self.list_tree(tree, "", 10_000_000)?;
        Ok(paths
            .iter()
            .filter_map(|(path, _)| path.replace('/', "").parse().ok())
            .collect())
    }

    /// Returns the tips to update the notes to; `None` if the ledgers do not contain the entries
    /// that the notes cover.
    ///
    /// The notes may be ahead of `tips` if another writer has added its entry; those tips are kept.
    fn find_tips_to_cover(&self, covers: &Tips, tips: &Tips) -> Result<Option<Tips>> {
        let mut tips = tips.clone();
        for (ledger, covered) in covers {
            let is_contained = match tips.get(ledger).copied() {
                Some(tip) if self.contains_covered(tip, *covered)? => continue,
                Some(tip) => {
                    self.read_commit(covered.0).is_ok()
                        && self.is_on_chain(*covered, tip, usize::MAX)?
                }
                // The ledger was created after `tips` were read.
                None => self
                    .tip(ledger)?
                    .map_or(Ok(false), |tip| self.contains_covered(tip, *covered))?,
            };
            if !is_contained {
                return Ok(None);
            }
            tips.insert(ledger.clone(), *covered);
        }
        Ok(Some(tips))
    }

    /// Returns whether a ledger contains an entry that notes claim to cover. Notes are unproven:
    /// the id may not be that of a commit.
    pub fn contains_covered(&self, tip: EntryId, covered: EntryId) -> Result<bool> {
        Ok(self.read_commit(covered.0).is_ok() && self.is_on_chain(tip, covered, usize::MAX)?)
    }

    /// Returns the lines of all entries after `covers` up to `tips`.
    fn collect_new_lines(&self, covers: &Tips, tips: &Tips) -> Result<Lines> {
        let (mut lines, entry_notes) = (Lines::new(), EntryNotes::new(self));
        for (ledger, tip) in tips {
            // The lines of each entry, newest entry first.
            let mut ledger_lines = Vec::new();
            for walked in self.walk_ledger(*tip) {
                let (commit, trailers) = walked?;
                let id = EntryId(commit.id);
                if covers.get(ledger) == Some(&id) {
                    break;
                }
                if trailers.commits.is_empty() {
                    continue;
                }
                if let LedgerCommit::Entry {
                    entry, previous, ..
                } = self.read_ledger_commit(ledger, id)?
                {
                    ledger_lines.push(entry_notes.read_lines(entry.statement(), id, previous)?);
                }
            }
            for (commit, line) in ledger_lines.into_iter().rev().flatten() {
                lines.entry(commit).or_default().push(line);
            }
        }
        Ok(lines)
    }

    /// Adds the new lines to the notes and writes the notes commit; returns its id.
    fn write_notes(&self, base: &NotesState, tips: &Tips, parent: Option<Oid>) -> Result<Oid> {
        let lines = self.collect_new_lines(&base.covers, tips)?;
        let tree = match base.commit {
            Some(commit) => self.read_commit(commit)?.tree,
            None => self.write_tree(b"")?,
        };
        let mut notes = NotesTree::open(self, tree)?;
        for (commit, lines) in lines {
            let old = notes.read(commit)?.unwrap_or_default();
            notes.set(commit, &merge_lines(&old, lines))?;
        }
        let tree = notes.write()?;
        let mut time = Time::EPOCH;
        for tip in tips.values() {
            time = time.max(self.read_commit(tip.0)?.committer_time);
        }
        // A ref that does not point to a commit gives no parent.
        let parent = parent.and_then(|parent| self.read_commit(parent).ok());
        if let Some(parent) = &parent {
            time = time.max(parent.committer_time);
        }
        let parent = parent.map(|parent| parent.id);
        self.write_commit(&notes_commit_bytes(tree, parent, time, tips))
    }
}

/// Returns the bytes that a notes commit must have.
fn notes_commit_bytes(tree: Oid, parent: Option<Oid>, time: Time, covers: &Tips) -> Vec<u8> {
    let parent = parent.map_or_else(String::new, |parent| format!("parent {parent}\n"));
    let identity = format!("git-deploy <git-deploy@notes> {} +0000", time.as_seconds());
    let covers: Vec<String> = covers
        .iter()
        .map(|(ledger, tip)| format!("{COVERS}{ledger} {tip}\n"))
        .collect();
    format!(
        "tree {tree}\n{parent}author {identity}\ncommitter {identity}\n\ngit-deploy notes\n\n{}",
        covers.concat()
    )
    .into_bytes()
}

/// Checks whether a commit has the bytes of a notes commit. The message of any other commit is not
/// trusted to name the tips that the notes cover.
fn is_notes_commit(commit: &Commit, covers: &Tips) -> bool {
    let parent = commit.parents.first().copied();
    commit.raw == notes_commit_bytes(commit.tree, parent, commit.committer_time, covers)
}

/// Parses the ledger tips that the message of a notes commit names.
pub fn parse_covered_tips(message: &[u8]) -> Tips {
    let parse_line = |line: &str| -> Option<(LedgerName, EntryId)> {
        let (ledger, tip) = line.strip_prefix(COVERS)?.split_once(' ')?;
        Some((ledger.parse().ok()?, EntryId(tip.parse().ok()?)))
    };
    String::from_utf8_lossy(message)
        .lines()
        .filter_map(parse_line)
        .collect()
}

/// Merges new lines into a note, sorted.
pub fn merge_lines(old: &str, new: Vec<String>) -> String {
    // Only LF ends a line: other characters in foreign lines are left alone.
    let mut lines: Vec<String> = old.split_terminator('\n').map(str::to_owned).collect();
    lines.extend(new);
    // A stable sort: lines of one ledger and second keep the order of the ledger.
    lines.sort_by_cached_key(|line| LineKey::parse(line));
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::merge_lines;

    /// An update gives the same note as a rebuild, even with foreign lines.
    #[test]
    fn foreign_lines_stay() {
        let lines = || {
            ["\r", "z\r", "2026-03-05T10:02:11Z  x  prod@1", ""]
                .map(str::to_owned)
                .to_vec()
        };
        let rebuilt = merge_lines("", lines());
        assert_eq!(merge_lines(&merge_lines("", lines()), Vec::new()), rebuilt);
        assert_eq!(rebuilt, "\n\r\n2026-03-05T10:02:11Z  x  prod@1\nz\r\n");
    }
}
