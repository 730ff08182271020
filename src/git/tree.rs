//! Reads the trees of ledgers strictly: an error if a mode, a name or the order of entries is not
//! allowed there.

use std::cmp::Ordering;
use std::sync::Arc;

use super::error::{Error, Result};
use super::object::ObjectKind;
use super::repo::Repository;
use super::tree_entries::{TreeEntry, parse_entries};
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

/// A parsed entry of a ledger's tree. A new entry has no stored bytes yet.
#[derive(Clone, Copy)]
pub(super) struct FolderEntry<'a> {
    pub(super) name: &'a str,
    pub(super) item: TreeItem,
    /// Its stored bytes.
    pub(super) raw: Option<&'a [u8]>,
}

impl FolderEntry<'_> {
    /// Compares two entries in git's order, which treats folder names as if they ended in a slash.
    pub(super) fn cmp_in_git_order(&self, other: &Self) -> Ordering {
        let (left, right) = (self.name.as_bytes(), other.name.as_bytes());
        let common = left.len().min(right.len());
        let next = |node: &Self| {
            let slash = matches!(node.item, TreeItem::Tree(_)).then_some(b'/');
            node.name.as_bytes().get(common).copied().or(slash)
        };
        left.get(..common)
            .cmp(&right.get(..common))
            .then_with(|| next(self).cmp(&next(other)))
    }

    /// Appends the entry in git's format.
    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
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

/// Parses a folder of a ledger's tree, and refuses modes, names and orders that are not allowed
/// there.
pub(super) fn parse_folder(tree: Oid, raw: &[u8]) -> Result<Vec<FolderEntry<'_>>> {
    let corrupt = |why| Error::corrupt(format!("tree {tree}"), why);
    let mut nodes: Vec<FolderEntry> = Vec::new();
    for entry in parse_entries(tree, raw) {
        let entry = entry?;
        let name = std::str::from_utf8(entry.name)
            .ok()
            .filter(|name| is_valid_path_part(name));
        let name =
            name.ok_or_else(|| corrupt("it has a name that is not allowed in a ledger's tree"))?;
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

/// Returns what an entry of a ledger's tree is. Links and executable files are not allowed.
fn parse_item(tree: Oid, entry: &TreeEntry) -> Result<TreeItem> {
    match entry.mode {
        b"40000" => Ok(TreeItem::Tree(entry.id)),
        b"100644" => Ok(TreeItem::Leaf(Leaf::Blob(entry.id))),
        b"160000" => Ok(TreeItem::Leaf(Leaf::Commit(entry.id))),
        _ => Err(Error::corrupt(
            format!("tree {tree}"),
            "it has a mode that is not allowed in a ledger's tree",
        )),
    }
}

/// Checks whether a name is allowed in a ledger's tree.
fn is_valid_path_part(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    // These characters rule out the names that HFS or NTFS treat as `.git`; its 8.3 short name
    // needs a tilde.
    !name.is_empty()
        && name != "."
        && name != ".."
        && !name.eq_ignore_ascii_case(".git")
        && name.bytes().all(is_allowed)
}

/// Checks the length and every name of a path in a ledger's tree.
pub(super) fn check_path(path: &str) -> Result<()> {
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
    /// Adds a folder to the cache.
    pub(super) fn cache_folder(&self, id: Oid, raw: Arc<[u8]>) {
        // The key and the map take about 150 bytes more.
        let weight = raw.len() + 150;
        self.shared.trees.insert(id, raw, weight);
    }

    /// Reads and checks the bytes of one folder of a ledger's tree, from the cache if possible.
    pub(super) fn read_folder_bytes(&self, tree: Oid) -> Result<Arc<[u8]>> {
        if let Some(cached) = self.shared.trees.get(&tree) {
            return Ok(cached);
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

    /// Returns the item at a path in a ledger's tree; `None` if there is none.
    pub fn item_at(&self, tree: Oid, path: &str) -> Result<Option<TreeItem>> {
        check_path(path)?;
        let mut item = TreeItem::Tree(tree);
        for name in path.split('/') {
            let TreeItem::Tree(folder) = item else {
                return Ok(None);
            };
            match self.find_child(folder, name)? {
                Some(child) => item = child,
                None => return Ok(None),
            }
        }
        Ok(Some(item))
    }

    /// Returns the entry of this name in a folder, or `None`.
    fn find_child(&self, folder: Oid, name: &str) -> Result<Option<TreeItem>> {
        let cached = self.shared.trees.get(&folder);
        let read = if cached.is_none() {
            self.read_object(folder, ObjectKind::Tree)?
        } else {
            Vec::new()
        };
        for entry in parse_entries(folder, cached.as_deref().unwrap_or(&read)) {
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
            Some(TreeItem::Leaf(Leaf::Blob(id))) => self.read_limited_file(id, limit).map(Some),
            _ => Ok(None),
        }
    }

    /// Lists all files and commits below a folder of a ledger's tree (`""` is its root), with full
    /// paths, in order; an empty list if the folder does not exist.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for more than `limit` files, or too long a path: the format limits both.
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
            let why = format!("a path in it is longer than {PATH_LIMIT} bytes");
            return Err(Error::corrupt(format!("tree {tree}"), why));
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
                let why = format!("the ledger's tree has more than {limit} files");
                return Err(Error::corrupt(format!("tree {tree}"), why));
            }
        }
        Ok(())
    }
}
