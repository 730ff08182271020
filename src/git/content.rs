//! The content of a component at a commit: the id of the tree that holds only the component's paths.
//!
//! It is computed and never written. Two commits with equal ids hold the same bytes of the component; entries are taken over byte for
//! byte, symbolic links and submodules included.

use super::error::{Error, Result};
use super::object::Kind;
use super::repo::Repository;
use super::tree::{Entry, entries};
use crate::domain::id::{Content, Oid};

/// The most tree entries that are looked at for one content.
const ENTRY_LIMIT: u64 = 1_000_000;
/// The deepest folder that is looked at.
const DEPTH_LIMIT: u64 = 256;

/// How a folder lies to a component's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// All below it is the component's own.
    Whole,
    /// Nothing below it is.
    Nothing,
    /// One has to look.
    Descend,
}

/// How a file, a symbolic link or a submodule lies to a component's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// It is the component's own.
    Own,
    /// It belongs to every component, as the root's `.gitattributes` does: part of the content, but no component is there for it.
    Shared,
    /// It is not part of the content.
    No,
}

/// The paths of a component. Paths are bytes, relative to the root, without a slash at either end.
pub trait Paths {
    /// How a folder lies to them. It is asked about the root (an empty path) first.
    fn folder(&self, path: &[u8]) -> Folder;
    /// How anything else lies to them.
    fn file(&self, path: &[u8]) -> File;
}

/// What is left of a folder.
struct Kept {
    tree: Oid,
    /// Whether something in it is the component's own.
    own: bool,
}

struct Walk<'a, P: ?Sized> {
    repository: &'a Repository,
    paths: &'a P,
    examined: u64,
}

impl Repository {
    /// The content of the component with these paths in a commit's tree; none if nothing in it is the component's own.
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
        // What is wholly kept keeps its id.
        let tree = if kept == raw {
            tree
        } else {
            self.repository.hash(Kind::Tree, &kept)?
        };
        Ok(Some(Kept { tree, own }))
    }

    /// Keeps an entry or what is left of it; whether some of that is the component's own.
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
            // Git stores no empty folders; a forged one must not make a component be there.
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
