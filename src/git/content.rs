//! The content of a component at a commit: the id of the tree that holds only the component's
//! paths.
//!
//! The tree is computed and never written. Two commits with equal ids hold the same bytes of the
//! component: entries are copied byte for byte, including symbolic links and submodules.
//!
//! Git reads the `.gitattributes` files of a folder and of those above it to check out a file, so
//! these belong to the content, too.

use super::error::{Error, Result};
use super::object::ObjectKind;
use super::repo::Repository;
use super::tree_entries::{TreeEntry, parse_entries};
use crate::domain::id::{Content, Oid};
use crate::domain::policy::{Coverage, FileOwnership};

/// The most tree entries examined to compute the content of one component.
const ENTRY_LIMIT: u64 = 1_000_000;
/// The deepest folder examined.
const DEPTH_LIMIT: u64 = 256;

/// The paths of a component. Paths are bytes, relative to the root, without a slash at either end.
pub trait ComponentPaths {
    /// Returns how much of a folder belongs to the component. The root (an empty path) is asked
    /// about first.
    fn classify_folder(&self, path: &[u8]) -> Coverage;
    /// Returns how a file, or a link (a symbolic link or a submodule), belongs to the component.
    fn classify_file(&self, path: &[u8], is_link: bool) -> FileOwnership;
}

/// A file, symbolic link or submodule of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFile {
    /// Its path from the root of the commit.
    pub path: Vec<u8>,
    /// Its mode in octal digits.
    pub mode: Vec<u8>,
    /// The id of its bytes, or of a submodule's commit.
    pub id: Oid,
}

impl ComponentFile {
    /// Checks whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.mode == b"120000"
    }

    /// Checks whether it is a file with bytes of its own.
    pub fn is_regular(&self) -> bool {
        !self.is_symlink() && !self.is_submodule()
    }

    /// Checks whether it is a submodule, whose files are not in this repository.
    pub fn is_submodule(&self) -> bool {
        self.mode == b"160000"
    }
}

/// The part of a folder that belongs to a component.
struct FilteredFolder {
    tree: Oid,
    /// Whether the component owns something in it.
    has_owned: bool,
}

/// One walk over the files of a component.
struct ContentFilter<'a, P: ?Sized> {
    repository: &'a Repository,
    paths: &'a P,
    examined: u64,
    /// The files of the component; `None` if only the id of the content is computed.
    files: Option<Vec<ComponentFile>>,
}

impl Repository {
    /// Computes the content of the component with these paths in a commit's tree. Returns `None` if
    /// the component owns nothing in it.
    pub fn compute_content(
        &self,
        tree: Oid,
        paths: &(impl ComponentPaths + ?Sized),
    ) -> Result<Option<Content>> {
        if paths.classify_folder(b"") == Coverage::Whole {
            return Ok((tree != self.hash_kind().empty_tree()).then_some(Content(tree)));
        }
        let filtered = ContentFilter::new(self, paths).filter_root(tree)?;
        Ok(filtered
            .filter(|filtered| filtered.has_owned)
            .map(|filtered| Content(filtered.tree)))
    }

    /// Lists the files, symbolic links and submodules that make up the content of a component, in
    /// git's order.
    ///
    /// # Errors
    /// If a folder is malformed, or beyond the limits.
    pub fn list_component_files(
        &self,
        tree: Oid,
        paths: &(impl ComponentPaths + ?Sized),
    ) -> Result<Vec<ComponentFile>> {
        let mut filter = ContentFilter {
            files: Some(Vec::new()),
            ..ContentFilter::new(self, paths)
        };
        match paths.classify_folder(b"") {
            Coverage::Whole => filter.add_folder(tree, &mut Vec::new(), 0)?,
            _ => {
                filter.filter_root(tree)?;
            }
        }
        Ok(filter.files.unwrap_or_default())
    }
}

impl<'a, P: ComponentPaths + ?Sized> ContentFilter<'a, P> {
    fn new(repository: &'a Repository, paths: &'a P) -> Self {
        Self {
            repository,
            paths,
            examined: 0,
            files: None,
        }
    }

    fn filter_root(&mut self, tree: Oid) -> Result<Option<FilteredFolder>> {
        match self.paths.classify_folder(b"") {
            Coverage::Nothing => Ok(None),
            _ => self.filter_folder(tree, &mut Vec::new(), 0),
        }
    }

    /// Filters a folder down to the component's paths. Returns `None` if nothing is left.
    fn filter_folder(
        &mut self,
        tree: Oid,
        path: &mut Vec<u8>,
        depth: u64,
    ) -> Result<Option<FilteredFolder>> {
        let raw = self.read_folder(tree, depth)?;
        let mut filtered = Vec::with_capacity(raw.len());
        let (mut has_owned, mut has_shared) = (false, false);
        let file_count = self.files.as_ref().map_or(0, Vec::len);
        for entry in self.parse_sorted(tree, &raw)? {
            let length = push_name(path, entry.name);
            match self.filter_entry(&entry, path, depth, &mut filtered)? {
                FileOwnership::Owned => has_owned = true,
                FileOwnership::Shared => has_shared = true,
                FileOwnership::WithNeighbours | FileOwnership::Outside => {}
            }
            path.truncate(length);
        }
        if !has_owned && !has_shared {
            // The files of this folder belong to the component only together with other files, and
            // there are none. Remove them from the list again.
            self.files
                .iter_mut()
                .for_each(|files| files.truncate(file_count));
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

    /// Adds an entry, or the part of it that belongs to the component, to `filtered`. Returns how
    /// it belongs to the component: a folder as the most important of its files.
    fn filter_entry(
        &mut self,
        entry: &TreeEntry<'_>,
        path: &mut Vec<u8>,
        depth: u64,
        filtered: &mut Vec<u8>,
    ) -> Result<FileOwnership> {
        if !entry.is_tree() {
            let ownership = self.paths.classify_file(path, entry.is_link());
            if ownership != FileOwnership::Outside {
                filtered.extend(entry.raw);
                self.add_file(entry, path);
            }
            return Ok(ownership);
        }
        match self.paths.classify_folder(path) {
            Coverage::Nothing => Ok(FileOwnership::Outside),
            // Git stores no empty folders; a forged one must not make a component exist.
            Coverage::Whole if entry.id == self.repository.hash_kind().empty_tree() => {
                Ok(FileOwnership::Outside)
            }
            Coverage::Whole => {
                filtered.extend(entry.raw);
                if self.files.is_some() {
                    self.add_folder(entry.id, path, depth + 1)?;
                }
                Ok(FileOwnership::Owned)
            }
            Coverage::Descend => match self.filter_folder(entry.id, path, depth + 1)? {
                None => Ok(FileOwnership::Outside),
                Some(below) => {
                    let head = entry.raw.len() - entry.id.as_bytes().len();
                    filtered.extend(entry.raw.get(..head).unwrap_or_default());
                    filtered.extend(below.tree.as_bytes());
                    Ok(if below.has_owned {
                        FileOwnership::Owned
                    } else {
                        FileOwnership::Shared
                    })
                }
            },
        }
    }

    /// Adds everything below a folder to the list of files.
    fn add_folder(&mut self, tree: Oid, path: &mut Vec<u8>, depth: u64) -> Result<()> {
        let raw = self.read_folder(tree, depth)?;
        for entry in self.parse_sorted(tree, &raw)? {
            let length = push_name(path, entry.name);
            if entry.is_tree() {
                self.add_folder(entry.id, path, depth + 1)?;
            } else {
                self.add_file(&entry, path);
            }
            path.truncate(length);
        }
        Ok(())
    }

    fn add_file(&mut self, entry: &TreeEntry<'_>, path: &[u8]) {
        if let Some(files) = &mut self.files {
            files.push(ComponentFile {
                path: path.to_owned(),
                mode: entry.mode.to_owned(),
                id: entry.id,
            });
        }
    }

    fn read_folder(&self, tree: Oid, depth: u64) -> Result<Vec<u8>> {
        if depth > DEPTH_LIMIT {
            return Err(Error::limit_exceeded(
                "the depth of the commit's folders",
                DEPTH_LIMIT,
            ));
        }
        self.repository.read_object(tree, ObjectKind::Tree)
    }

    /// Parses a folder whose entries must be in git's order, each name once.
    ///
    /// Git's commands treat other folders differently: if two entries have the same name, a
    /// checkout writes the last one, and a lookup finds the first one.
    fn parse_sorted<'r>(&mut self, tree: Oid, raw: &'r [u8]) -> Result<Vec<TreeEntry<'r>>> {
        let entries = parse_entries(tree, raw).collect::<Result<Vec<TreeEntry<'r>>>>()?;
        self.examined += entries.len() as u64;
        if self.examined > ENTRY_LIMIT {
            return Err(Error::limit_exceeded(
                "the number of files in the commit",
                ENTRY_LIMIT,
            ));
        }
        let malformed = |why| Err(Error::corrupt(format!("tree {tree}"), why));
        if !entries.is_sorted_by(|one, next| one.sort_key().lt(next.sort_key())) {
            return malformed("its entries are not in order, or one is there twice");
        }
        let file_named = |name: &[u8]| {
            entries
                .binary_search_by(|entry| entry.sort_key().cmp(name))
                .is_ok()
        };
        if entries
            .iter()
            .any(|entry| entry.is_tree() && file_named(entry.name))
        {
            return malformed("a file and a folder have the same name");
        }
        Ok(entries)
    }
}

/// Adds a name to a path. Returns the length to which to cut it afterwards.
fn push_name(path: &mut Vec<u8>, name: &[u8]) -> usize {
    let length = path.len();
    if length > 0 {
        path.push(b'/');
    }
    path.extend(name);
    length
}
