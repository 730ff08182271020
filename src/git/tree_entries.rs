//! Parses the entries of any tree, of a ledger or of the code, without copying them.

use super::error::{Error, Result};
use crate::domain::id::Oid;

/// The modes of entries: folders, files (one of them as old versions of git wrote it), executable
/// files, symbolic links, and submodules.
///
/// Git reads any other mode as one of these, but not every program agrees which. Such an entry
/// could be a folder for git and a file for a rule.
const MODES: [&[u8]; 6] = [
    b"40000", b"100644", b"100664", b"100755", b"120000", b"160000",
];

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

    /// Checks whether the entry is a symbolic link or a submodule.
    pub fn is_link(&self) -> bool {
        matches!(self.mode, b"120000" | b"160000")
    }

    /// Returns the bytes by which git orders the entries of a folder: the name, followed by a slash
    /// for a folder. So a file and a folder of the same name are two entries.
    pub fn sort_key(&self) -> impl Iterator<Item = &u8> {
        self.name.iter().chain(self.is_tree().then_some(&b'/'))
    }
}

/// Parses the entries of a tree object. `id` gives the length of ids and appears in errors.
pub fn parse_entries(id: Oid, raw: &[u8]) -> impl Iterator<Item = Result<TreeEntry<'_>>> {
    let id_length = id.as_bytes().len();
    let mut rest = raw;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry =
            split_entry(rest, id_length).map_err(|why| Error::corrupt(format!("tree {id}"), why));
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
    // Whole blocks are compared first, which is faster than byte by byte.
    const BLOCK_BYTES: usize = 64;
    if left == right {
        return Ok((&[], &[]));
    }
    let blocks = left
        .chunks_exact(BLOCK_BYTES)
        .zip(right.chunks_exact(BLOCK_BYTES))
        .take_while(|(left, right)| left == right)
        .count();
    let begin = blocks * BLOCK_BYTES;
    let tails = left.iter().zip(right).skip(begin);
    let common_length = begin + tails.take_while(|(left, right)| left == right).count();
    let mut position = 0;
    loop {
        let rest = left.get(position..common_length).unwrap_or_default();
        let Some(nul) = rest.iter().position(|byte| *byte == 0) else {
            break;
        };
        let end = position + nul + 1 + id.as_bytes().len();
        if end > common_length {
            break;
        }
        position = end;
    }
    let rest = |raw: &'a [u8]| raw.get(position..);
    let cut = || Error::corrupt(format!("tree {id}"), "an entry is cut off");
    rest(left).zip(rest(right)).ok_or_else(cut)
}

/// Parses the first entry of a tree, and returns it with the rest, or what is wrong with it.
fn split_entry(
    raw: &[u8],
    id_length: usize,
) -> std::result::Result<(TreeEntry<'_>, &[u8]), &'static str> {
    let (entry, rest) = cut_entry(raw, id_length).ok_or("an entry is cut off")?;
    if !MODES.contains(&entry.mode) {
        return Err("an entry has a mode that git does not write");
    }
    if entry.name.is_empty() || entry.name.contains(&b'/') {
        return Err("an entry has no name, or one with a slash");
    }
    Ok((entry, rest))
}

/// Cuts the first entry off a tree, and returns it with the rest.
fn cut_entry(raw: &[u8], id_length: usize) -> Option<(TreeEntry<'_>, &[u8])> {
    // The space after the mode, which has at most seven digits.
    let space = raw.iter().take(8).position(|byte| *byte == b' ')?;
    let nul = space + raw.get(space..)?.iter().position(|byte| *byte == 0)?;
    let end = nul + 1 + id_length;
    let mode = raw.get(..space)?;
    let digits = mode.iter().position(|byte| *byte != b'0');
    let entry = TreeEntry {
        mode: mode.get(digits.unwrap_or(space)..)?,
        name: raw.get(space + 1..nul)?,
        id: Oid::from_bytes(raw.get(nul + 1..end)?)?,
        raw: raw.get(..end)?,
    };
    Some((entry, raw.get(end..)?))
}
