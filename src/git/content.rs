//! The content of a component at a commit: the id of the tree that holds only the component's
//! paths.
//!
//! The tree is computed and never written. Two commits with equal ids hold the same bytes of the
//! component: entries are copied byte for byte, including symbolic links and submodules.

use super::error::{Error, Result};
use super::object::ObjectKind;
use super::repo::Repository;
use super::tree_entries::{TreeEntry, parse_entries};
use crate::domain::id::{Content, Oid};

/// The most tree entries examined for one content.
const ENTRY_LIMIT: u64 = 1_000_000;
/// The deepest folder examined.
const DEPTH_LIMIT: u64 = 256;

/// How a folder relates to a component's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderOwnership {
    /// The component owns everything below it.
    Whole,
    /// The component owns nothing below it.
    Outside,
    /// The component may own some of it, so its entries must be examined.
    Mixed,
}

/// How a file, a symbolic link or a submodule relates to a component's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOwnership {
    /// The component owns it.
    Owned,
    /// It belongs to every component, like `.gitattributes` at the root: part of the content, but
    /// it does not make the component exist.
    Shared,
    /// It is not part of the content.
    Outside,
}

/// The paths of a component. Paths are bytes, relative to the root, without a slash at either end.
pub trait ComponentPaths {
    /// Classifies a folder. The root (an empty path) is asked about first.
    fn classify_folder(&self, path: &[u8]) -> FolderOwnership;
    /// Classifies anything that is not a folder.
    fn classify_file(&self, path: &[u8]) -> FileOwnership;
}

/// The part of a folder that belongs to a component.
struct FilteredFolder {
    tree: Oid,
    /// Whether the component owns something in it.
    has_owned: bool,
}

/// One computation of a component's content.
struct ContentFilter<'a, P: ?Sized> {
    repository: &'a Repository,
    paths: &'a P,
    examined: u64,
}

impl Repository {
    /// Computes the content of the component with these paths in a commit's tree. Returns `None` if
    /// the component owns nothing in it.
    pub fn compute_content(
        &self,
        tree: Oid,
        paths: &(impl ComponentPaths + ?Sized),
    ) -> Result<Option<Content>> {
        let filtered = match paths.classify_folder(b"") {
            FolderOwnership::Whole => {
                return Ok((tree != self.hash_kind().empty_tree()).then_some(Content(tree)));
            }
            FolderOwnership::Outside => None,
            FolderOwnership::Mixed => ContentFilter {
                repository: self,
                paths,
                examined: 0,
            }
            .filter_folder(tree, &mut Vec::new(), 0)?,
        };
        Ok(filtered
            .filter(|filtered| filtered.has_owned)
            .map(|filtered| Content(filtered.tree)))
    }
}

impl<P: ComponentPaths + ?Sized> ContentFilter<'_, P> {
    /// Filters a folder down to the component's paths. Returns `None` if nothing is left.
    fn filter_folder(
        &mut self,
        tree: Oid,
        path: &mut Vec<u8>,
        depth: u64,
    ) -> Result<Option<FilteredFolder>> {
        if depth > DEPTH_LIMIT {
            return Err(Error::limit_exceeded(
                "the depth of the commit's folders",
                DEPTH_LIMIT,
            ));
        }
        let raw = self.repository.read_object(tree, ObjectKind::Tree)?;
        let (mut filtered, mut has_owned) = (Vec::with_capacity(raw.len()), false);
        let length = path.len();
        for entry in parse_entries(tree, &raw) {
            let entry = entry?;
            self.examined += 1;
            if self.examined > ENTRY_LIMIT {
                return Err(Error::limit_exceeded(
                    "the number of files in the commit",
                    ENTRY_LIMIT,
                ));
            }
            if length > 0 {
                path.push(b'/');
            }
            path.extend(entry.name);
            has_owned |= self.filter_entry(&entry, path, depth, &mut filtered)?;
            path.truncate(length);
        }
        if filtered.is_empty() {
            return Ok(None);
        }
        // A folder that is kept whole keeps its id.
        let tree = if filtered == raw {
            tree
        } else {
            self.repository.hash_object(ObjectKind::Tree, &filtered)?
        };
        Ok(Some(FilteredFolder { tree, has_owned }))
    }

    /// Adds an entry, or the part of it that belongs to the component, to `filtered`. Returns
    /// whether the component owns some of it.
    fn filter_entry(
        &mut self,
        entry: &TreeEntry,
        path: &mut Vec<u8>,
        depth: u64,
        filtered: &mut Vec<u8>,
    ) -> Result<bool> {
        if !entry.is_tree() {
            let file = self.paths.classify_file(path);
            if file != FileOwnership::Outside {
                filtered.extend(entry.raw);
            }
            return Ok(file == FileOwnership::Owned);
        }
        match self.paths.classify_folder(path) {
            FolderOwnership::Outside => Ok(false),
            // Git stores no empty folders; a forged one must not make a component exist.
            FolderOwnership::Whole if entry.id == self.repository.hash_kind().empty_tree() => {
                Ok(false)
            }
            FolderOwnership::Whole => {
                filtered.extend(entry.raw);
                Ok(true)
            }
            FolderOwnership::Mixed => match self.filter_folder(entry.id, path, depth + 1)? {
                None => Ok(false),
                Some(below) => {
                    let id_start = entry.raw.len() - entry.id.as_bytes().len();
                    filtered.extend(entry.raw.get(..id_start).unwrap_or_default());
                    filtered.extend(below.tree.as_bytes());
                    Ok(below.has_owned)
                }
            },
        }
    }
}
