//! One commit of a ledger. Its bytes are a pure function of the entry, signature, chain and tree.

use std::sync::Arc;

use super::entry_files::{ENTRY_FILE, SIGNATURE_FILE, estimate_memory};
use crate::domain::entry::{
    Entry, MAX_BYTES, Statement, StoredEntry, Trailers, Unverified, read_trailers,
};
use crate::domain::id::{EntryId, Oid};
use crate::domain::name::{LedgerName, ProjectName};
use crate::git::commit::Commit;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::git::tree::{Leaf, TreeItem};

/// The maximum size of a signature file, which has four short lines.
const SIGNATURE_LIMIT: usize = 8 * 1024;

/// A commit of a ledger.
#[derive(Debug, Clone)]
pub enum LedgerCommit {
    /// The first commit.
    Genesis,
    /// A commit that carries an entry.
    Entry {
        /// The commit.
        commit: Arc<Commit>,
        /// The commit before it.
        previous: EntryId,
        /// Its entry, parsed, with an unverified signature.
        entry: Entry<Unverified>,
    },
}

/// Returns the bytes that the commit of an entry must have.
pub fn entry_commit_bytes(statement: &Statement, tree: Oid, project: &ProjectName) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut text = format!("tree {tree}\nparent {}\n", statement.previous);
    // Writing to a string cannot fail.
    for commit in statement.deployed_commits() {
        let _ = writeln!(text, "parent {commit}");
    }
    let identity = format!(
        "{} {} +0000",
        statement.identity(project),
        statement.at.as_seconds()
    );
    let _ = write!(
        text,
        "author {identity}\ncommitter {identity}\n\n{}",
        statement.message()
    );
    text.into_bytes()
}

impl Repository {
    /// Reads a commit of `ledger`.
    ///
    /// # Errors
    /// Fails with [`Error::Corrupt`] for a commit without an entry of that ledger.
    pub fn read_ledger_commit(&self, ledger: &LedgerName, id: EntryId) -> Result<LedgerCommit> {
        let cache = &self.ledger_cache().ledger_commits;
        if let Some(ledger_commit) = cache.get(&id)
            && matches!(&ledger_commit, LedgerCommit::Entry { entry, .. } if entry.statement().ledger == *ledger)
        {
            return Ok(ledger_commit);
        }
        let ledger_commit = self.read_uncached_ledger_commit(ledger, id)?;
        if let LedgerCommit::Entry { commit, entry, .. } = &ledger_commit {
            let weight =
                estimate_memory(entry.stored()) + commit.raw.len() + entry.signature().len() + 500;
            cache.insert(id, ledger_commit.clone(), weight);
        }
        Ok(ledger_commit)
    }

    /// Reads a commit of `ledger` without the cache.
    fn read_uncached_ledger_commit(
        &self,
        ledger: &LedgerName,
        id: EntryId,
    ) -> Result<LedgerCommit> {
        let commit = self.read_commit(id.0)?;
        let Some(previous) = commit.parents.first().copied().map(EntryId) else {
            return Ok(LedgerCommit::Genesis);
        };
        let corrupt =
            |why: String| Error::corrupt(format!("the commit {id} of the ledger {ledger}"), why);
        let blob = |name| match self.item_at(commit.tree, name)? {
            Some(TreeItem::Leaf(Leaf::Blob(blob))) => Ok(blob),
            _ => Err(corrupt(format!(
                "it has no file {name}, so it is not an entry"
            ))),
        };
        let (entry_blob, signature) = (
            blob(ENTRY_FILE)?,
            self.read_limited_file(blob(SIGNATURE_FILE)?, SIGNATURE_LIMIT)?,
        );
        let stored = self.read_stored_entry(entry_blob, &corrupt)?;
        let entry = Entry::from_stored(stored, &signature);
        if entry.statement().ledger != *ledger {
            return Err(corrupt(format!(
                "its entry is for the ledger {}",
                entry.statement().ledger
            )));
        }
        // The commit's own id has the length of this repository's hash.
        let has_other_length = |named: &Oid| named.as_bytes().len() != id.0.as_bytes().len();
        if let Some(named) = entry.statement().ids().into_iter().find(has_other_length) {
            return Err(corrupt(format!(
                "its entry names {named}, which is not an id of this repository's hash"
            )));
        }
        Ok(LedgerCommit::Entry {
            previous,
            entry,
            commit: Arc::new(commit),
        })
    }

    /// Reads the entry in a commit of `ledger` for display. Checks neither its signature nor its
    /// form again: this is for ledgers of this repository, whose entries were checked before the
    /// ref moved.
    pub fn read_entry_for_display(
        &self,
        ledger: &LedgerName,
        commit: &Commit,
    ) -> Result<StoredEntry> {
        let corrupt = |why: String| {
            Error::corrupt(
                format!("the commit {} of the ledger {ledger}", commit.id),
                why,
            )
        };
        let bytes = self.read_file_at(commit.tree, ENTRY_FILE, MAX_BYTES)?;
        let bytes = bytes.ok_or_else(|| {
            corrupt(format!(
                "it has no file {ENTRY_FILE}, so it is not an entry"
            ))
        })?;
        StoredEntry::parse_trusted(&bytes).map_err(|error| corrupt(error.to_string()))
    }

    /// Returns an iterator over a ledger's commits, newest first, that reads commit objects only:
    /// see [`LedgerCommits`].
    pub fn walk_ledger(&self, tip: EntryId) -> LedgerCommits<'_> {
        LedgerCommits {
            repository: self,
            next: Some(tip),
        }
    }
}

/// The commits of a ledger, newest first and without the genesis, each with the trailers of its
/// message.
///
/// Use it only for ledgers whose entries were verified: only then does the message match the entry.
pub struct LedgerCommits<'a> {
    repository: &'a Repository,
    next: Option<EntryId>,
}

impl Iterator for LedgerCommits<'_> {
    type Item = Result<(Commit, Trailers)>;

    fn next(&mut self) -> Option<Self::Item> {
        let commit = match self.repository.read_commit(self.next.take()?.0) {
            Ok(commit) => commit,
            Err(error) => return Some(Err(error)),
        };
        self.next = commit.parents.first().copied().map(EntryId);
        // The genesis has no entry.
        self.next?;
        let message = String::from_utf8_lossy(commit.message());
        let trailers = read_trailers(&message);
        drop(message);
        Some(Ok((commit, trailers)))
    }
}
