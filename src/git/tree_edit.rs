//! Edits the trees of ledgers by replacing only the folders that change.
//!
//! Only the folders above an edited path are read and written, so the cost of an edit does not grow
//! with the number of components. A server computes the id of the edited tree without writing
//! anything: [`Repository::compute_edited_tree`].

use std::sync::Arc;

use super::error::{Error, Result};
use super::object::ObjectKind;
use super::repo::Repository;
use super::tree::{FolderEntry, Leaf, TreeItem, check_path, parse_folder};
use crate::domain::id::Oid;

/// The new folders of an edited tree: computed, but possibly not stored.
#[derive(Debug, Default)]
pub struct ComputedFolders(Vec<(Oid, Arc<[u8]>)>);

/// One edit, while the folders above it are edited from the root down.
#[derive(Clone, Copy)]
struct PathEdit<'a> {
    /// The path, relative to the folder that is being edited.
    rest: &'a str,
    /// The whole path, for errors.
    path: &'a str,
    /// The new value; `None` for a removal.
    leaf: Option<Leaf>,
}

/// The size of a typical entry, to reserve memory.
const TYPICAL_ENTRY_BYTES: usize = 64;

/// The destination of finished folders: the object store, or a list in memory.
enum FolderSink {
    Store,
    Collect(ComputedFolders),
}

impl Repository {
    /// Applies edits to a tree, writes the folders that change, and returns the new root.
    ///
    /// `None` removes the file or the whole folder at its path, if there is one. Removals come
    /// first, so one call can remove a folder and fill it again. Folders that become empty are
    /// removed.
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for a file that would replace a folder or the other way round, and
    /// for two edits of one path.
    pub fn write_edited_tree(
        &self,
        base: Option<Oid>,
        edits: &[(&str, Option<Leaf>)],
    ) -> Result<Oid> {
        self.apply_edits(base, edits, &mut FolderSink::Store)
    }

    /// Computes the root that [`Repository::write_edited_tree`] would return, and all new folders
    /// in it. Writes nothing.
    pub fn compute_edited_tree(
        &self,
        base: Option<Oid>,
        edits: &[(&str, Option<Leaf>)],
    ) -> Result<(Oid, ComputedFolders)> {
        let mut sink = FolderSink::Collect(ComputedFolders::default());
        let root = self.apply_edits(base, edits, &mut sink)?;
        let FolderSink::Collect(computed) = sink else {
            return Ok((root, ComputedFolders::default()));
        };
        Ok((root, computed))
    }

    /// Caches computed folders that turned out to be stored, so that they need not be read.
    ///
    /// # Errors
    /// [`Error::Missing`] for a folder that is not stored after all.
    pub fn cache_folders(&self, computed: ComputedFolders) -> Result<()> {
        for (id, raw) in computed.0 {
            if !self.exists(id) {
                return Err(Error::Missing(id));
            }
            self.cache_folder(id, raw);
        }
        Ok(())
    }

    /// Checks and sorts the edits, and applies them to the root.
    fn apply_edits(
        &self,
        base: Option<Oid>,
        edits: &[(&str, Option<Leaf>)],
        sink: &mut FolderSink,
    ) -> Result<Oid> {
        let mut sorted: Vec<PathEdit> = edits
            .iter()
            .map(|(path, leaf)| PathEdit {
                rest: path,
                path,
                leaf: *leaf,
            })
            .collect();
        sorted.sort_by_key(|edit| edit.path);
        for edit in &sorted {
            check_path(edit.path)?;
        }
        match self.edit_folder(base, &sorted, sink)? {
            Some(root) => Ok(root),
            None => self.store_folder(&[], sink),
        }
    }

    /// Applies edits to a folder; returns `None` if nothing is left.
    fn edit_folder(
        &self,
        base: Option<Oid>,
        edits: &[PathEdit],
        sink: &mut FolderSink,
    ) -> Result<Option<Oid>> {
        let raw = base
            .map(|base| Ok((base, self.read_folder_bytes(base)?)))
            .transpose()?;
        let mut nodes = match &raw {
            Some((base, raw)) => parse_folder(*base, raw)?,
            None => Vec::new(),
        };
        // Edits of one child are usually adjacent, but not in `a`, `a-b`, `a/c`. So they are
        // grouped by name.
        let mut groups: Vec<(&str, Vec<PathEdit>)> = Vec::new();
        for edit in edits {
            let (name, rest) = edit.rest.split_once('/').unwrap_or((edit.rest, ""));
            let edit = PathEdit { rest, ..*edit };
            match groups.iter_mut().rev().find(|(other, _)| *other == name) {
                Some((_, group)) => group.push(edit),
                None => groups.push((name, vec![edit])),
            }
        }
        for (name, group) in groups {
            let index = nodes.iter().position(|node| node.name == name);
            let old = index.map(|index| nodes.remove(index).item);
            if let Some(item) = self.edit_child(old, &group, sink)? {
                let node = FolderEntry {
                    name,
                    item,
                    raw: None,
                };
                nodes.insert(
                    nodes.partition_point(|other| other.cmp_in_git_order(&node).is_lt()),
                    node,
                );
            }
        }
        if nodes.is_empty() {
            Ok(None)
        } else {
            self.store_folder(&nodes, sink).map(Some)
        }
    }

    /// Applies edits to one child of a folder; returns `None` if nothing is left.
    fn edit_child(
        &self,
        old: Option<TreeItem>,
        group: &[PathEdit],
        sink: &mut FolderSink,
    ) -> Result<Option<TreeItem>> {
        let refused = |path: &str, why| {
            Err(Error::InvalidPath {
                path: path.to_owned(),
                why,
            })
        };
        let (direct, below): (Vec<PathEdit>, Vec<PathEdit>) =
            group.iter().partition(|edit| edit.rest.is_empty());
        let old = match direct.as_slice() {
            [] => old,
            [PathEdit { leaf: None, .. }] => None,
            [
                PathEdit {
                    path,
                    leaf: Some(leaf),
                    ..
                },
            ] => {
                return match old {
                    Some(TreeItem::Tree(_)) => refused(path, "there is a folder"),
                    _ if !below.is_empty() => {
                        refused(path, "it is edited as a file and as a folder")
                    }
                    _ => Ok(Some(TreeItem::Leaf(*leaf))),
                };
            }
            [edit, ..] => return refused(edit.path, "it is edited twice"),
        };
        let base = match old {
            _ if below.is_empty() => return Ok(old),
            Some(TreeItem::Tree(base)) => Some(base),
            None => None,
            Some(TreeItem::Leaf(_)) => {
                // A removal below a file removes nothing.
                return match below.iter().find(|edit| edit.leaf.is_some()) {
                    Some(edit) => refused(edit.path, "there is a file on the way"),
                    None => Ok(old),
                };
            }
        };
        Ok(self.edit_folder(base, &below, sink)?.map(TreeItem::Tree))
    }

    /// Stores a folder with these entries, which are in git's order, and returns its id.
    fn store_folder(&self, nodes: &[FolderEntry<'_>], sink: &mut FolderSink) -> Result<Oid> {
        let mut raw = Vec::with_capacity(nodes.len() * TYPICAL_ENTRY_BYTES);
        for node in nodes {
            node.append_to(&mut raw);
        }
        match sink {
            FolderSink::Store => self.write_tree(&raw),
            FolderSink::Collect(computed) => {
                let id = self.hash_object(ObjectKind::Tree, &raw)?;
                computed.0.push((id, raw.into()));
                Ok(id)
            }
        }
    }
}
