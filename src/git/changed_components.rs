//! Finds which components a commit changes: compares its tree with those of its parents, and opens
//! only folders whose ids differ.
//!
//! A folder that belongs to one component as a whole is never opened: its different id already
//! shows a change. So the cost depends on the folders above the changed files, not on the number of
//! files and components.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;

use super::cache::Cache;
use super::error::{Error, Result};
use super::object::ObjectKind;
use super::repo::Repository;
use super::tree_entries::{TreeEntry, parse_entries, skip_common_entries};
use crate::domain::id::Oid;
use crate::domain::name::ComponentName;
use crate::domain::policy::{FolderOwners, FolderPosition, PathIndex, Policy};

/// The most differing tree entries examined per commit.
const ENTRY_LIMIT: usize = 1_000_000;
/// The deepest folder examined.
const DEPTH_LIMIT: usize = 256;
/// The size of the folder cache, in bytes: the next older commit is compared with the same folders.
const FOLDER_CACHE: usize = 8 << 20;

/// Finds the changed components of one commit after another.
pub struct ChangeFinder<'a> {
    repository: &'a Repository,
    owners: PathIndex<'a>,
    folders: Cache<Oid, Arc<[u8]>>,
    /// How many tree entries all comparisons have examined.
    examined: Cell<usize>,
}

/// One comparison of two trees.
struct TreeComparison<'t, 'a> {
    finder: &'t ChangeFinder<'a>,
    changed: Vec<bool>,
    examined: usize,
}

impl<'a> ChangeFinder<'a> {
    /// Creates a finder for the components of a policy.
    pub fn new(repository: &'a Repository, policy: &'a Policy) -> Self {
        Self {
            repository,
            owners: PathIndex::new(policy),
            folders: Cache::new(FOLDER_CACHE),
            examined: Cell::new(0),
        }
    }

    /// Returns the components. Results list them in this order.
    pub fn components(&self) -> &[ComponentName] {
        self.owners.components()
    }

    /// Returns how many tree entries all comparisons so far have examined. The number depends only on
    /// the compared trees and the policy.
    pub fn examined(&self) -> usize {
        self.examined.get()
    }

    /// Returns for each component whether a commit changes it, as `git log -- <paths>` would list
    /// it. For a merge, only what differs from every parent counts.
    pub fn find_in_commit(&self, commit: Oid) -> Result<Vec<bool>> {
        let (tree, parents) = self.repository.read_tree_and_parents(commit)?;
        if parents.is_empty() {
            return self.compare_trees(None, tree);
        }
        let mut changed = vec![true; self.components().len()];
        for parent in parents {
            let (old, _) = self.repository.read_tree_and_parents(parent)?;
            let from_parent = self.compare_trees(Some(old), tree)?;
            changed
                .iter_mut()
                .zip(from_parent)
                .for_each(|(changed, differs)| *changed &= differs);
        }
        Ok(changed)
    }

    /// Returns for each parent of a commit which components differ from it, by component. A commit
    /// without parents differs from nothing in each component that it has.
    pub fn find_by_parent(&self, commit: Oid) -> Result<Vec<(Option<Oid>, Vec<bool>)>> {
        let (tree, parents) = self.repository.read_tree_and_parents(commit)?;
        if parents.is_empty() {
            return Ok(vec![(None, self.compare_trees(None, tree)?)]);
        }
        let compare = |parent: Oid| {
            let (old, _) = self.repository.read_tree_and_parents(parent)?;
            Ok((Some(parent), self.compare_trees(Some(old), tree)?))
        };
        parents.into_iter().map(compare).collect()
    }

    /// Returns for each component whether a commit differs in it from its first parent. A merge
    /// counts as the change that it brings to the branch it was made on.
    pub fn find_since_first_parent(&self, commit: Oid) -> Result<Vec<bool>> {
        let (tree, parents) = self.repository.read_tree_and_parents(commit)?;
        let old = match parents.first() {
            Some(parent) => Some(self.repository.read_tree_and_parents(*parent)?.0),
            None => None,
        };
        self.compare_trees(old, tree)
    }

    /// Returns for each component whether it differs between two commits, in one walk over what
    /// differs between their trees.
    pub fn find_between(&self, old: Oid, new: Oid) -> Result<Vec<bool>> {
        let (old, _) = self.repository.read_tree_and_parents(old)?;
        let (new, _) = self.repository.read_tree_and_parents(new)?;
        self.compare_trees(Some(old), new)
    }

    /// Returns for each component whether it differs between two trees. `None` as the old tree
    /// means that everything is new.
    fn compare_trees(&self, old: Option<Oid>, new: Oid) -> Result<Vec<bool>> {
        let mut walk = TreeComparison {
            finder: self,
            changed: vec![false; self.components().len()],
            examined: 0,
        };
        if old != Some(new) {
            let result =
                walk.compare_folders(old, Some(new), &mut Vec::new(), &self.owners.root(), 0);
            self.examined.set(self.examined.get() + walk.examined);
            result?;
        }
        Ok(walk.changed)
    }

    /// Reads the bytes of a folder, from the cache if possible; empty for no folder.
    fn read_folder(&self, tree: Option<Oid>) -> Result<Arc<[u8]>> {
        let Some(tree) = tree else {
            return Ok(Arc::default());
        };
        if let Some(cached) = self.folders.get(&tree) {
            return Ok(cached);
        }
        let raw: Arc<[u8]> = self.repository.read_object(tree, ObjectKind::Tree)?.into();
        self.folders.insert(tree, Arc::clone(&raw), raw.len());
        Ok(raw)
    }
}

impl TreeComparison<'_, '_> {
    /// Compares two differing folders at one path.
    fn compare_folders(
        &mut self,
        old: Option<Oid>,
        new: Option<Oid>,
        path: &mut Vec<u8>,
        folder_owners: &FolderOwners<'_>,
        depth: usize,
    ) -> Result<()> {
        self.mark_changed(&folder_owners.owners);
        if !folder_owners.descend || self.changed.iter().all(|it| *it) {
            return Ok(());
        }
        if depth > DEPTH_LIMIT {
            return Err(Error::limit_exceeded(
                "the depth of the commit's folders",
                DEPTH_LIMIT,
            ));
        }
        let (old_raw, new_raw) = (self.finder.read_folder(old)?, self.finder.read_folder(new)?);
        // All ids of a repository have the same length.
        let Some(id) = old.or(new) else { return Ok(()) };
        let (mut left, mut right) = (&*old_raw, &*new_raw);
        loop {
            let (old_entry, new_entry) = take_differing_entries(id, &mut left, &mut right)?;
            // A link can belong to components that a file of the same name does not belong to.
            let new_link = new_entry.as_ref().filter(|it| it.is_link());
            let Some(entry) = new_link.or(old_entry.as_ref()).or(new_entry.as_ref()) else {
                return Ok(());
            };
            self.count_examined()?;
            self.compare_entry(
                entry,
                old_entry.as_ref().map(|it| it.id),
                new_entry.as_ref().map(|it| it.id),
                path,
                &folder_owners.position,
                depth,
            )?;
        }
    }

    /// Records an entry that differs or exists on one side only, and descends into it if it is a
    /// folder.
    fn compare_entry(
        &mut self,
        entry: &TreeEntry<'_>,
        old: Option<Oid>,
        new: Option<Oid>,
        path: &mut Vec<u8>,
        position: &FolderPosition<'_>,
        depth: usize,
    ) -> Result<()> {
        let length = path.len();
        if length > 0 {
            path.push(b'/');
        }
        path.extend(entry.name);
        let owners = &self.finder.owners;
        if !entry.is_tree() {
            let is_link = entry.is_link();
            self.mark_changed(&owners.owners_of_file(position, path, is_link));
        } else if old != new {
            self.compare_folders(
                old,
                new,
                path,
                &owners.enter_folder(position, entry.name),
                depth + 1,
            )?;
        }
        path.truncate(length);
        Ok(())
    }

    /// Counts one more examined entry. Fails if this comparison has examined too many.
    fn count_examined(&mut self) -> Result<()> {
        self.examined += 1;
        if self.examined > ENTRY_LIMIT {
            return Err(Error::limit_exceeded(
                "the number of files that differ in the commit",
                ENTRY_LIMIT,
            ));
        }
        Ok(())
    }

    /// Marks these components as changed.
    fn mark_changed(&mut self, indexes: &[usize]) {
        for index in indexes {
            if let Some(changed) = self.changed.get_mut(*index) {
                *changed = true;
            }
        }
    }
}

/// Skips the entries that two folders have in common, and removes the next entry: from both folders
/// if both have one of that name and kind, otherwise from the only one. Returns what was removed from
/// each folder. `id` is the id of either folder.
fn take_differing_entries<'r>(
    id: Oid,
    left: &mut &'r [u8],
    right: &mut &'r [u8],
) -> Result<(Option<TreeEntry<'r>>, Option<TreeEntry<'r>>)> {
    (*left, *right) = skip_common_entries(id, left, right)?;
    let (old_entry, new_entry) = (parse_first_entry(id, left)?, parse_first_entry(id, right)?);
    let order = match (&old_entry, &new_entry) {
        (None, None) => return Ok((None, None)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(old), Some(new)) => old.sort_key().cmp(new.sort_key()),
    };
    let old_entry = old_entry
        .filter(|_| order.is_le())
        .inspect(|it| *left = left.get(it.raw.len()..).unwrap_or_default());
    let new_entry = new_entry
        .filter(|_| order.is_ge())
        .inspect(|it| *right = right.get(it.raw.len()..).unwrap_or_default());
    Ok((old_entry, new_entry))
}

/// Parses the first entry of a tree.
fn parse_first_entry(tree: Oid, raw: &[u8]) -> Result<Option<TreeEntry<'_>>> {
    parse_entries(tree, raw).next().transpose()
}
