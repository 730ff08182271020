//! Which components a commit touches: by comparing its tree with its parents', folder by folder, and only where they differ.
//!
//! A folder that is wholly a component's own is never opened: that its ids differ is all there is to know. So the cost is that of the folders
//! on the way to a change, however many files and components there are.

use std::cmp::Ordering;

use super::content::{File, Folder, Paths};
use super::error::{Error, Result};
use super::object::Kind;
use super::repo::Repository;
use super::tree::{Entry, entries};
use crate::domain::id::Oid;

/// The most tree entries that are looked at for one commit.
const ENTRY_LIMIT: usize = 1_000_000;
/// The deepest folder that is looked at.
const DEPTH_LIMIT: usize = 256;

struct Walk<'a, P> {
    repository: &'a Repository,
    components: &'a [P],
    touched: Vec<bool>,
    examined: usize,
}

impl Repository {
    /// Whether a commit touches each of these components, as `git log -- <paths>` would list it: one parent or none, by what it changed; a
    /// merge, only by what is like none of its parents.
    pub fn touched(&self, commit: Oid, components: &[impl Paths]) -> Result<Vec<bool>> {
        let mut touched = vec![true; components.len()];
        let (tree, parents) = self.outline(commit)?;
        let mut before = Vec::new();
        for parent in parents {
            before.push(Some(self.outline(parent)?.0));
        }
        if before.is_empty() {
            before.push(None);
        }
        for old in before {
            let mut walk = Walk { repository: self, components, touched: vec![false; components.len()], examined: 0 };
            walk.trees(old, Some(tree), &mut Vec::new(), &(0..components.len()).collect::<Vec<_>>(), 0)?;
            touched.iter_mut().zip(walk.touched).for_each(|(all, one)| *all &= one);
        }
        Ok(touched)
    }
}

impl<P: Paths> Walk<'_, P> {
    /// Compares two folders at one path for the components that may be in it.
    fn trees(
        &mut self,
        old: Option<Oid>,
        new: Option<Oid>,
        path: &mut Vec<u8>,
        within: &[usize],
        depth: usize,
    ) -> Result<()> {
        if old == new {
            return Ok(());
        }
        if depth > DEPTH_LIMIT {
            return Err(bounds("the depth of the commit's folders", DEPTH_LIMIT));
        }
        let open = self.open(path, within);
        if open.is_empty() {
            return Ok(());
        }
        let (old_raw, new_raw) = (self.read(old)?, self.read(new)?);
        let (mut left, mut right) = (list(old, &old_raw)?, list(new, &new_raw)?);
        self.examined += left.len() + right.len();
        if self.examined > ENTRY_LIMIT {
            return Err(bounds("the number of files in the commit", ENTRY_LIMIT));
        }
        let (mut left, mut right) = (left.drain(..).peekable(), right.drain(..).peekable());
        let length = path.len();
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => order(old, new),
            };
            let old = if order == Ordering::Greater { None } else { left.next() };
            let new = if order == Ordering::Less { None } else { right.next() };
            let Some(either) = old.or(new) else { return Ok(()) };
            if old.zip(new).is_some_and(|(old, new)| old.raw == new.raw) {
                continue;
            }
            if length > 0 {
                path.push(b'/');
            }
            path.extend(either.name);
            if either.is_tree() {
                self.trees(old.map(|it| it.id), new.map(|it| it.id), path, &open, depth + 1)?;
            } else {
                self.file(path, &open);
            }
            path.truncate(length);
        }
    }

    /// The components that one has to look inside a folder for, which differs; whose own it is, or what is left untouched, is settled.
    fn open(&mut self, path: &[u8], within: &[usize]) -> Vec<usize> {
        let mut open = Vec::new();
        for index in within {
            let (Some(paths), Some(touched)) = (self.components.get(*index), self.touched.get_mut(*index)) else {
                continue;
            };
            match paths.folder(path) {
                _ if *touched => {}
                Folder::Whole => *touched = true,
                Folder::Nothing => {}
                Folder::Descend => open.push(*index),
            }
        }
        open
    }

    fn file(&mut self, path: &[u8], within: &[usize]) {
        for index in within {
            if let (Some(paths), Some(touched)) = (self.components.get(*index), self.touched.get_mut(*index)) {
                *touched = *touched || paths.file(path) != File::No;
            }
        }
    }

    fn read(&self, tree: Option<Oid>) -> Result<Vec<u8>> {
        tree.map_or(Ok(Vec::new()), |tree| self.repository.read(tree, Kind::Tree))
    }
}

fn list(id: Option<Oid>, raw: &[u8]) -> Result<Vec<Entry<'_>>> {
    id.map_or(Ok(Vec::new()), |id| entries(id, raw).collect())
}

/// Git's order of entries: folders as if their names ended in a slash. So a file and a folder of one name are two entries.
fn order(old: &Entry<'_>, new: &Entry<'_>) -> Ordering {
    let slash = |entry: &Entry<'_>| entry.is_tree().then_some(&b'/');
    old.name.iter().chain(slash(old)).cmp(new.name.iter().chain(slash(new)))
}

fn bounds(what: &str, limit: usize) -> Error {
    Error::Bounds { what: what.to_owned(), limit: limit as u64 }
}
