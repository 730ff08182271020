//! The content of a component at a commit: the id of the tree that holds only the component's
//! paths.
//!
//! The tree is computed and never written. Two commits with equal ids hold the same bytes of the
//! component: entries are copied byte for byte, including symbolic links and submodules.

use super::error::{Error, Result};
use super::object::Kind;
use super::repo::Repository;
use super::tree::{Entry, entries};
use crate::domain::id::{Content, Oid};

/// The most tree entries examined for one content.
const ENTRY_LIMIT: u64 = 1_000_000;
/// The deepest folder examined.
const DEPTH_LIMIT: u64 = 256;

/// How a folder relates to a component's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// The component owns everything below it.
    Whole,
    /// The component owns nothing below it.
    Nothing,
    /// The component may own some of it, so its entries must be examined.
    Descend,
}

/// How a file, a symbolic link or a submodule relates to a component's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// The component owns it.
    Own,
    /// It belongs to every component, like `.gitattributes` at the root: part of the content, but
    /// it does not make the component exist.
    Shared,
    /// It is not part of the content.
    No,
}

/// The paths of a component. Paths are bytes, relative to the root, without a slash at either end.
pub trait Paths {
    /// Classifies a folder. The root (an empty path) is asked about first.
    fn folder(&self, path: &[u8]) -> Folder;
    /// Classifies anything that is not a folder.
    fn file(&self, path: &[u8]) -> File;
}

/// The part of a folder that belongs to a component.
struct Kept {
    tree: Oid,
    /// Whether the component owns something in it.
    own: bool,
}

/// One computation of a component's content.
struct Walk<'a, P: ?Sized> {
    repository: &'a Repository,
    paths: &'a P,
    examined: u64,
}

impl Repository {
    /// Computes the content of the component with these paths in a commit's tree. Returns `None` if
    /// the component owns nothing in it.
    pub fn content(&self, tree: Oid, paths: &(impl Paths + ?Sized)) -> Result<Option<Content>> {
        let kept = match paths.folder(b"") {
            Folder::Whole => {
                return Ok((tree != self.hash_kind().empty_tree()).then_some(Content(tree)));
            }
            Folder::Nothing => None,
            Folder::Descend => Walk {
                repository: self,
                paths,
                examined: 0,
            }
            .folder(tree, &mut Vec::new(), 0)?,
        };
        Ok(kept.filter(|kept| kept.own).map(|kept| Content(kept.tree)))
    }
}

impl<P: Paths + ?Sized> Walk<'_, P> {
    /// Filters a folder down to the component's paths. Returns `None` if nothing is left.
    fn folder(&mut self, tree: Oid, path: &mut Vec<u8>, depth: u64) -> Result<Option<Kept>> {
        if depth > DEPTH_LIMIT {
            return Err(Error::Bounds {
                what: "the depth of the commit's folders".to_owned(),
                limit: DEPTH_LIMIT,
            });
        }
        let raw = self.repository.read(tree, Kind::Tree)?;
        let (mut kept, mut own) = (Vec::with_capacity(raw.len()), false);
        let length = path.len();
        for entry in entries(tree, &raw) {
            let entry = entry?;
            self.examined += 1;
            if self.examined > ENTRY_LIMIT {
                return Err(Error::Bounds {
                    what: "the number of files in the commit".to_owned(),
                    limit: ENTRY_LIMIT,
                });
            }
            if length > 0 {
                path.push(b'/');
            }
            path.extend(entry.name);
            own |= self.entry(&entry, path, depth, &mut kept)?;
            path.truncate(length);
        }
        if kept.is_empty() {
            return Ok(None);
        }
        // A folder that is kept whole keeps its id.
        let tree = if kept == raw {
            tree
        } else {
            self.repository.hash(Kind::Tree, &kept)?
        };
        Ok(Some(Kept { tree, own }))
    }

    /// Adds an entry, or the part of it that belongs to the component, to `kept`. Returns whether
    /// the component owns some of it.
    fn entry(
        &mut self,
        entry: &Entry,
        path: &mut Vec<u8>,
        depth: u64,
        kept: &mut Vec<u8>,
    ) -> Result<bool> {
        if !entry.is_tree() {
            let file = self.paths.file(path);
            if file != File::No {
                kept.extend(entry.raw);
            }
            return Ok(file == File::Own);
        }
        match self.paths.folder(path) {
            Folder::Nothing => Ok(false),
            // Git stores no empty folders; a forged one must not make a component exist.
            Folder::Whole if entry.id == self.repository.hash_kind().empty_tree() => Ok(false),
            Folder::Whole => {
                kept.extend(entry.raw);
                Ok(true)
            }
            Folder::Descend => match self.folder(entry.id, path, depth + 1)? {
                None => Ok(false),
                Some(below) => {
                    let head = entry.raw.len() - entry.id.as_bytes().len();
                    kept.extend(entry.raw.get(..head).unwrap_or_default());
                    kept.extend(below.tree.as_bytes());
                    Ok(below.own)
                }
            },
        }
    }
}
