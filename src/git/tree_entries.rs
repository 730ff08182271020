//! Parses the entries of any tree, of a ledger or of the code, without copying them.

use super::error::{Error, Result};
use crate::domain::id::Oid;

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
    let id_length = id.as_bytes().len();
    let mut rest = raw;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = split_entry(rest, id_length).ok_or_else(|| {
            Error::corrupt(format!("tree {id}"), "an entry is cut off or has no name")
        });
        rest = entry.as_ref().map_or(&[], |(_, rest)| rest);
        Some(entry.map(|(entry, _)| entry))
    })
}

/// Skips the leading entries that are the same bytes in both trees, and returns the rest of each.
pub fn skip_common_entries<'a>(
    id: Oid,
    left: &'a [u8],
    right: &'a [u8],
) -> Result<(&'a [u8], &'a [u8])> {
    /// How many bytes are compared at once.
    const STRIDE: usize = 64;
    if left == right {
        return Ok((&[], &[]));
    }
    let blocks = left
        .chunks_exact(STRIDE)
        .zip(right.chunks_exact(STRIDE))
        .take_while(|(left, right)| left == right)
        .count();
    let begin = blocks * STRIDE;
    let tails = left.iter().zip(right).skip(begin);
    let common_length = begin + tails.take_while(|(left, right)| left == right).count();
    let mut at = 0;
    loop {
        let rest = left.get(at..common_length).unwrap_or_default();
        let Some(nul) = rest.iter().position(|byte| *byte == 0) else {
            break;
        };
        let end = at + nul + 1 + id.as_bytes().len();
        if end > common_length {
            break;
        }
        at = end;
    }
    let rest = |raw: &'a [u8]| raw.get(at..);
    let cut = || Error::corrupt(format!("tree {id}"), "an entry is cut off");
    rest(left).zip(rest(right)).ok_or_else(cut)
}

/// Parses the first entry of a tree, whose ids have `id_length` bytes, and returns it with the
/// rest.
fn split_entry(raw: &[u8], id_length: usize) -> Option<(TreeEntry<'_>, &[u8])> {
    let space = raw.iter().take(8).position(|byte| *byte == b' ')?;
    let nul = space + raw.get(space..)?.iter().position(|byte| *byte == 0)?;
    let end = nul + 1 + id_length;
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
