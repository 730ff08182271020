//! Reads the tree of the notes. Anyone who can push to a host without hooks can write it, so it is
//! read only as far as a tree of notes can reach.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::domain::id::{CommitId, Oid};
use crate::git::error::{Error, Result};
use crate::git::repo::{Repository, RepositoryHandle};
use crate::git::tree::{Leaf, TreeItem};

/// How many items a tree may have in addition to those that the expected notes need.
const EXTRA_ITEMS: usize = 100_000;
/// The items that one expected note needs at most: itself, and a folder for each of the levels into
/// which git divides a tree of this size.
const ITEMS_PER_NOTE: usize = 5;

/// What is stored for each commit: one blob, unless the tree was tampered with.
pub(super) type StoredNotes = BTreeMap<CommitId, Vec<Leaf>>;

/// Reads the notes of a tree, in which `expected` notes are expected.
///
/// Like git, ignores each path that is no commit id, and reads only folders whose names are two
/// digits of one.
///
/// # Errors
///
/// Fails if the tree has many more items than the expected notes need: a few objects can describe a
/// tree of any size.
pub(super) fn read_stored_notes(
    repository: &Repository,
    tree: Oid,
    expected: usize,
) -> Result<StoredNotes> {
    let limit = expected
        .saturating_mul(ITEMS_PER_NOTE)
        .saturating_add(EXTRA_ITEMS);
    let reader = NotesReader {
        tree,
        id_digits: tree.as_bytes().len() * 2,
        limit,
        count: AtomicUsize::new(0),
    };
    let shared = repository.share();
    let folders: Vec<Result<Vec<(CommitId, Leaf)>>> = repository
        .read_folder(tree)?
        .into_par_iter()
        .map(|(name, item)| {
            let fork: Repository = RepositoryHandle::fork(&shared);
            let mut notes = Vec::new();
            reader.read_item(&fork, "", &name, item, &mut notes)?;
            Ok(notes)
        })
        .collect();
    let mut stored = StoredNotes::new();
    for notes in folders {
        for (commit, leaf) in notes? {
            stored.entry(commit).or_default().push(leaf);
        }
    }
    Ok(stored)
}

/// Reads one tree of notes, in several threads.
struct NotesReader {
    tree: Oid,
    /// The length of a commit id in hexadecimal digits.
    id_digits: usize,
    limit: usize,
    /// The items that were read so far.
    count: AtomicUsize,
}

impl NotesReader {
    /// Adds the note with this name, or the notes in this folder. `digits` are those of the folders
    /// above.
    fn read_item(
        &self,
        repository: &Repository,
        digits: &str,
        name: &str,
        item: TreeItem,
        notes: &mut Vec<(CommitId, Leaf)>,
    ) -> Result<()> {
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.limit {
            let why = format!(
                "the notes have more than {} items, far more than the ledgers mention",
                self.limit
            );
            return Err(Error::corrupt(format!("tree {}", self.tree), why));
        }
        let digits = format!("{digits}{name}");
        match item {
            TreeItem::Leaf(leaf) => {
                notes.extend(digits.parse().ok().map(|commit| (commit, leaf)));
            }
            TreeItem::Tree(folder) if is_folder_name(name) && digits.len() < self.id_digits => {
                for (name, item) in repository.read_folder(folder)? {
                    self.read_item(repository, &digits, &name, item, notes)?;
                }
            }
            TreeItem::Tree(_) => {}
        }
        Ok(())
    }
}

/// Returns whether git divides notes into folders of this name.
fn is_folder_name(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
