//! The trees of ledgers: read strictly, edited by replacing only the folders that change.
//!
//! Only the folders on the way to an edit are read and written, so an edit costs the same with a
//! thousand components. A server computes the id that an edit leads to without writing anything:
//! [`Repository::edited_id`].

use std::cmp::Ordering;
use std::sync::Arc;

use super::error::{Error, Result};
use super::object::ObjectKind;
use super::repo::Repository;
use crate::domain::id::Oid;

/// The longest path in a ledger's tree, in bytes.
const PATH_LIMIT: usize = 1_024;

/// A file or commit in a ledger's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// A file that is not executable (mode 100644).
    Blob(Oid),
    /// A commit of the code (mode 160000).
    Commit(Oid),
}

/// What a path of a ledger's tree leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeItem {
    /// A file or a commit.
    Leaf(Leaf),
    /// A folder.
    Tree(Oid),
}

/// One entry of any tree, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeEntry<'a> {
    /// The mode's octal digits, without the leading zeros that old tools wrote.
    pub mode: &'a [u8],
    /// Its name: no slash, no NUL.
    pub name: &'a [u8],
    /// The id of its object.
    pub id: Oid,
    /// The whole entry, byte for byte.
    pub raw: &'a [u8],
}

impl TreeEntry<'_> {
    /// Checks whether the entry is a folder.
    pub fn is_tree(&self) -> bool {
        self.mode == b"40000"
    }
}

/// Parses the entries of a tree object. `id` gives the length of ids and appears in errors.
pub fn parse_entries(id: Oid, raw: &[u8]) -> impl Iterator<Item = Result<TreeEntry<'_>>> {
    let length = id.as_bytes().len();
    let mut rest = raw;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = split_entry(rest, length).ok_or_else(|| {
            Error::corrupt(format!("tree {id}"), "an entry is cut off or has no name")
        });
        rest = entry.as_ref().map_or(&[], |(_, rest)| rest);
        Some(entry.map(|(entry, _)| entry))
    })
}

/// Skips the entries with which both trees begin, byte for byte, and returns the rest of each.
pub fn skip_common_entries<'a>(
    id: Oid,
    left: &'a [u8],
    right: &'a [u8],
) -> Result<(&'a [u8], &'a [u8])> {
    const STRIDE: usize = 64;
    if left == right {
        return Ok((&[], &[]));
    }
    let blocks = left
        .chunks_exact(STRIDE)
        .zip(right.chunks_exact(STRIDE))
        .take_while(|(one, two)| one == two)
        .count();
    let begin = blocks * STRIDE;
    let tails = left.iter().zip(right).skip(begin);
    let equal = begin + tails.take_while(|(one, two)| one == two).count();
    let mut at = 0;
    loop {
        let rest = left.get(at..equal).unwrap_or_default();
        let Some(nul) = rest.iter().position(|byte| *byte == 0) else {
            break;
        };
        let end = at + nul + 1 + id.as_bytes().len();
        if end > equal {
            break;
        }
        at = end;
    }
    let rest = |raw: &'a [u8]| raw.get(at..);
    let cut = || Error::corrupt(format!("tree {id}"), "an entry is cut off");
    rest(left).zip(rest(right)).ok_or_else(cut)
}

/// Parses the first entry of a tree, and returns it with the rest.
fn split_entry(raw: &[u8], length: usize) -> Option<(TreeEntry<'_>, &[u8])> {
    let space = raw.iter().take(8).position(|byte| *byte == b' ')?;
    let nul = space + raw.get(space..)?.iter().position(|byte| *byte == 0)?;
    let end = nul + 1 + length;
    let mode = raw.get(..space)?;
    let mode = mode.get(mode.iter().position(|byte| *byte != b'0')?..)?;
    let name = raw.get(space + 1..nul)?;
    if name.is_empty()
        || name.contains(&b'/')
        || !mode.iter().all(|byte| (b'0'..=b'7').contains(byte))
    {
        return None;
    }
    let id = Oid::from_bytes(raw.get(nul + 1..end)?)?;
    Some((
        TreeEntry {
            mode,
            name,
            id,
            raw: raw.get(..end)?,
        },
        raw.get(end..)?,
    ))
}

/// A parsed entry of a ledger's tree. A new entry has no stored bytes yet.
#[derive(Clone, Copy)]
struct FolderEntry<'a> {
    name: &'a str,
    item: TreeItem,
    raw: Option<&'a [u8]>,
}

impl FolderEntry<'_> {
    /// Compares two entries in git's order, which treats folder names as if they ended in a slash.
    fn cmp_in_git_order(&self, other: &Self) -> Ordering {
        let (own, its) = (self.name.as_bytes(), other.name.as_bytes());
        let common = own.len().min(its.len());
        let next = |node: &Self| {
            let slash = matches!(node.item, TreeItem::Tree(_)).then_some(b'/');
            node.name.as_bytes().get(common).copied().or(slash)
        };
        own.get(..common)
            .cmp(&its.get(..common))
            .then_with(|| next(self).cmp(&next(other)))
    }

    /// Appends the entry in git's format.
    fn append_to(&self, bytes: &mut Vec<u8>) {
        if let Some(raw) = self.raw {
            return bytes.extend_from_slice(raw);
        }
        let (mode, id) = match &self.item {
            TreeItem::Tree(id) => ("40000 ", id),
            TreeItem::Leaf(Leaf::Blob(id)) => ("100644 ", id),
            TreeItem::Leaf(Leaf::Commit(id)) => ("160000 ", id),
        };
        for part in [mode.as_bytes(), self.name.as_bytes(), b"\0", id.as_bytes()] {
            bytes.extend_from_slice(part);
        }
    }
}

/// Parses a folder of a ledger's tree, and refuses what no such tree may contain.
fn parse_folder(tree: Oid, raw: &[u8]) -> Result<Vec<FolderEntry<'_>>> {
    let corrupt = |why| Error::corrupt(format!("tree {tree}"), why);
    let mut nodes: Vec<FolderEntry> = Vec::new();
    for entry in parse_entries(tree, raw) {
        let entry = entry?;
        let name = std::str::from_utf8(entry.name)
            .ok()
            .filter(|name| is_valid_path_part(name));
        let name = name.ok_or_else(|| corrupt("a name that no ledger's tree may hold"))?;
        let node = FolderEntry {
            name,
            item: parse_item(tree, &entry)?,
            raw: Some(entry.raw),
        };
        if nodes
            .last()
            .is_some_and(|last| last.cmp_in_git_order(&node).is_ge() || last.name == node.name)
        {
            return Err(corrupt("its entries are not in git's order"));
        }
        nodes.push(node);
    }
    Ok(nodes)
}

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

/// Returns what an entry of a ledger's tree is. Links and executable files are not allowed.
fn parse_item(tree: Oid, entry: &TreeEntry) -> Result<TreeItem> {
    match entry.mode {
        b"40000" => Ok(TreeItem::Tree(entry.id)),
        b"100644" => Ok(TreeItem::Leaf(Leaf::Blob(entry.id))),
        b"160000" => Ok(TreeItem::Leaf(Leaf::Commit(entry.id))),
        _ => Err(Error::corrupt(
            format!("tree {tree}"),
            "a mode that no ledger's tree may hold",
        )),
    }
}

/// Checks whether a name is allowed in a ledger's tree.
fn is_valid_path_part(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    // These characters rule out the names that HFS or NTFS treat as `.git`; its 8.3 short name
    // needs a tilde.
    !name.is_empty()
        && name != "."
        && name != ".."
        && !name.eq_ignore_ascii_case(".git")
        && name.bytes().all(plain)
}

/// Checks the length and every name of a path in a ledger's tree.
fn check_path(path: &str) -> Result<()> {
    let refused = |why| {
        Err(Error::InvalidPath {
            path: path.chars().take(200).collect(),
            why,
        })
    };
    if path.len() > PATH_LIMIT {
        return refused("it is too long");
    }
    if !path.split('/').all(is_valid_path_part) {
        return refused(
            "each part is made of letters, digits, dot, underscore and hyphen, and is not ., .. or .git",
        );
    }
    Ok(())
}

impl Repository {
    /// Applies edits to a tree, writes the folders that change, and returns the new root.
    ///
    /// `None` removes the file or the whole folder at its path, if there is one. Removals come
    /// first, so one call can remove a folder and fill it again. Folders that become empty are
    /// removed.
    ///
    /// # Errors
    /// [`Error::Path`] for a file that would replace a folder or the other way round, and for two
    /// edits of one path.
    pub fn write_edited_tree(
        &self,
        base: Option<Oid>,
        edits: &[(&str, Option<Leaf>)],
    ) -> Result<Oid> {
        self.apply_edits(base, edits, &mut FolderSink::Store)
    }

    /// Computes the root that [`Repository::edit`] would return, and all new folders in it. Writes
    /// nothing.
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

    /// Adds a folder to the cache.
    fn cache_folder(&self, id: Oid, raw: Arc<[u8]>) {
        let weight = raw.len() + 150;
        self.shared.trees.insert(id, raw, weight);
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
            if let Some(found) = self.edit_child(old, &group, sink)? {
                let node = FolderEntry {
                    name,
                    item: found,
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
        let (here, below): (Vec<PathEdit>, Vec<PathEdit>) =
            group.iter().partition(|(rest, ..)| rest.is_empty());
        let old = match here.as_slice() {
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

    /// Reads and checks the bytes of one folder of a ledger's tree, from the cache if possible.
    fn read_folder_bytes(&self, tree: Oid) -> Result<Arc<[u8]>> {
        if let Some(known) = self.shared.trees.get(&tree) {
            return Ok(known);
        }
        let raw = self.read_object(tree, ObjectKind::Tree)?;
        parse_folder(tree, &raw)?;
        let raw: Arc<[u8]> = raw.into();
        self.cache_folder(tree, Arc::clone(&raw));
        Ok(raw)
    }

    /// Reads the entries of a folder in a ledger's tree.
    pub fn read_folder(&self, tree: Oid) -> Result<Vec<(String, TreeItem)>> {
        Ok(parse_folder(tree, &self.read_folder_bytes(tree)?)?
            .iter()
            .map(|node| (node.name.to_owned(), node.item))
            .collect())
    }

    /// Returns what a path in a ledger's tree leads to, or `None`.
    pub fn item_at(&self, tree: Oid, path: &str) -> Result<Option<TreeItem>> {
        check_path(path)?;
        let mut found = TreeItem::Tree(tree);
        for name in path.split('/') {
            let TreeItem::Tree(folder) = found else {
                return Ok(None);
            };
            match self.find_child(folder, name)? {
                Some(next) => found = next,
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// Returns the entry of this name in a folder, or `None`.
    fn find_child(&self, folder: Oid, name: &str) -> Result<Option<TreeItem>> {
        let known = self.shared.trees.get(&folder);
        let read = if known.is_none() {
            self.read_object(folder, ObjectKind::Tree)?
        } else {
            Vec::new()
        };
        for entry in parse_entries(folder, known.as_deref().unwrap_or(&read)) {
            let entry = entry?;
            if entry.name == name.as_bytes() {
                return parse_item(folder, &entry).map(Some);
            }
        }
        Ok(None)
    }

    /// Reads the file at a path in a ledger's tree, at most `limit` bytes; `None` if there is no
    /// such file.
    pub fn read_file_at(&self, tree: Oid, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        match self.item_at(tree, path)? {
            Some(TreeItem::Leaf(Leaf::Blob(id))) => self.read_blob(id, limit).map(Some),
            _ => Ok(None),
        }
    }

    /// Lists all files and commits below a folder of a ledger's tree (`""` is its root), with full
    /// paths, in order; an empty list if the folder does not exist.
    ///
    /// # Errors
    /// [`Error::Bounds`] for more than `limit`.
    pub fn list_tree(&self, tree: Oid, folder: &str, limit: usize) -> Result<Vec<(String, Leaf)>> {
        let mut leaves = Vec::new();
        let start = match folder {
            "" => Some(TreeItem::Tree(tree)),
            folder => self.item_at(tree, folder)?,
        };
        if let Some(TreeItem::Tree(start)) = start {
            self.collect_files(start, folder, limit, &mut leaves)?;
        }
        Ok(leaves)
    }

    /// Adds all files and commits below a folder to `leaves`.
    fn collect_files(
        &self,
        tree: Oid,
        folder: &str,
        limit: usize,
        leaves: &mut Vec<(String, Leaf)>,
    ) -> Result<()> {
        if folder.len() > PATH_LIMIT {
            return Err(Error::LimitExceeded {
                what: "the depth of a ledger's tree".to_owned(),
                limit: PATH_LIMIT as u64,
            });
        }
        for node in parse_folder(tree, &self.read_folder_bytes(tree)?)? {
            let path = if folder.is_empty() {
                node.name.to_owned()
            } else {
                format!("{folder}/{}", node.name)
            };
            match node.item {
                TreeItem::Tree(id) => self.collect_files(id, &path, limit, leaves)?,
                TreeItem::Leaf(leaf) => leaves.push((path, leaf)),
            }
            if leaves.len() > limit {
                return Err(Error::LimitExceeded {
                    what: "the number of files in a ledger's tree".to_owned(),
                    limit: limit as u64,
                });
            }
        }
        Ok(())
    }
}
