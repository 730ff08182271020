//! Edits the trees of ledgers by replacing only the folders that change.
//!
//! Only the folders on the way to an edit are read and written, so an edit costs the same with a
//! thousand components. A server computes the id that an edit leads to without writing anything:
//! [`Repository::compute_edited_tree`].

use std::sync::Arc;

use super::error::{Error, Result};
use super::object::ObjectKind;
use super::repo::Repository;
use super::tree::{FolderEntry, Leaf, TreeItem, check_path, parse_folder};
use crate::domain::id::Oid;

/// Folders that an edit leads to: computed, but possibly not stored.
#[derive(Debug, Default)]
pub struct ComputedFolders(Vec<(Oid, Arc<[u8]>)>);

/// One edit: the rest of its path, the whole path for errors, and the new value.
type PathEdit<'a> = (&'a str, &'a str, Option<Leaf>);

/// The destination of finished folders: the disk, or only a result.
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
            .map(|(path, leaf)| (*path, *path, *leaf))
            .collect();
        sorted.sort_by_key(|(path, ..)| *path);
        for (path, ..) in &sorted {
            check_path(path)?;
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
        for (rest, path, leaf) in edits {
            let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
            match groups.iter_mut().rev().find(|(other, _)| *other == name) {
                Some((_, group)) => group.push((rest, path, *leaf)),
                None => groups.push((name, vec![(rest, path, *leaf)])),
            }
        }
        for (name, group) in groups {
            let at = nodes.iter().position(|node| node.name == name);
            let old = at.map(|at| nodes.remove(at).item);
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
            group.iter().partition(|(rest, ..)| rest.is_empty());
        let old = match direct.as_slice() {
            [] => old,
            [(.., None)] => None,
            [(_, path, Some(leaf))] => {
                return match old {
                    Some(TreeItem::Tree(_)) => refused(path, "there is a folder"),
                    _ if !below.is_empty() => {
                        refused(path, "it is edited as a file and as a folder")
                    }
                    _ => Ok(Some(TreeItem::Leaf(*leaf))),
                };
            }
            [(_, path, _), ..] => return refused(path, "it is edited twice"),
        };
        let base = match old {
            _ if below.is_empty() => return Ok(old),
            Some(TreeItem::Tree(base)) => Some(base),
            None => None,
            Some(TreeItem::Leaf(_)) => {
                // A removal below a file removes nothing.
                return match below.iter().find(|(.., leaf)| leaf.is_some()) {
                    Some((_, path, _)) => refused(path, "there is a file on the way"),
                    None => Ok(old),
                };
            }
        };
        Ok(self.edit_folder(base, &below, sink)?.map(TreeItem::Tree))
    }

    /// Stores a folder with these entries, which are in git's order, and returns its id.
    fn store_folder(&self, nodes: &[FolderEntry<'_>], sink: &mut FolderSink) -> Result<Oid> {
        let mut raw = Vec::with_capacity(nodes.len() * 64);
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
