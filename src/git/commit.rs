//! Parses commits, of ledgers and of the code.

use std::ops::Range;

use super::error::{Error, Result};
use crate::domain::id::Oid;
use crate::domain::text::sanitize;
use crate::domain::time::{Span, Time};

/// The longest subject, in characters.
pub const MAX_SUBJECT_CHARS: usize = 200;

/// A commit, from a ledger or from the code.
///
/// Git has accepted code commits in many forms, so parsing requires only what git itself relies on:
/// a tree, parents, then other headers. To check a ledger commit, build the bytes that it must have
/// and compare them with [`Commit::raw`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its object id.
    pub id: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// The committer time as the commit claims it. It can be anything, so never order commits by
    /// it. As in git, an unreadable date counts as the start of 1970; one past 9999 as the end of
    /// 9999.
    pub committer_time: Time,
    /// The object's content, without the header that states kind and size.
    pub raw: Vec<u8>,
    author: Range<usize>,
    committer: Range<usize>,
    message: Range<usize>,
}

impl Commit {
    /// Returns the value of the author header, `name <address> seconds zone`; empty if there is
    /// none.
    pub fn author(&self) -> &[u8] {
        self.slice(&self.author)
    }

    /// Returns the value of the committer header; empty if there is none.
    pub fn committer(&self) -> &[u8] {
        self.slice(&self.committer)
    }

    /// Returns the first paragraph of the message as one plain line of at most
    /// [`MAX_SUBJECT_CHARS`], or `None` if it is empty.
    pub fn subject(&self) -> Option<String> {
        let message = String::from_utf8_lossy(self.message());
        let lines = message
            .lines()
            .skip_while(|line| line.trim().is_empty())
            .take_while(|line| !line.trim().is_empty());
        let words: Vec<String> = lines
            .flat_map(str::split_whitespace)
            .map(sanitize)
            .collect();
        let line = words.join(" ");
        let cut: String = line.trim().chars().take(MAX_SUBJECT_CHARS).collect();
        let line = cut.trim().to_owned();
        (!line.is_empty()).then_some(line)
    }

    /// Returns everything after the empty line that ends the headers.
    pub fn message(&self) -> &[u8] {
        self.slice(&self.message)
    }

    /// Returns the bytes in a range of the raw object; empty if the range is out of bounds.
    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.raw.get(range.clone()).unwrap_or_default()
    }

    /// Parses the bytes of a commit object.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the tree header is missing or a header does not hold an id of this
    /// repository's hash.
    pub fn parse(id: Oid, raw: Vec<u8>) -> Result<Self> {
        let corrupt = |why: &str| Error::corrupt(format!("commit {id}"), why);
        let parse_id = |hex: &[u8]| {
            let parsed = std::str::from_utf8(hex)
                .ok()
                .and_then(|hex| hex.parse::<Oid>().ok());
            parsed
                .filter(|oid| oid.as_bytes().len() == id.as_bytes().len())
                .ok_or_else(|| corrupt("a header holds no object id"))
        };
        let (mut tree, mut parents) = (None, Vec::new());
        let (mut author, mut committer) = (None, None);
        // As in git, the first other header ends the parents: a later "parent" is an unknown
        // header.
        let mut in_parents = true;
        let mut position = 0;
        let message = loop {
            let rest = raw.get(position..).unwrap_or_default();
            // A commit without a message can end with its last header.
            let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
                break raw.len()..raw.len();
            };
            let line = rest.get(..length).unwrap_or_default();
            let value = |key: &[u8]| {
                line.strip_prefix(key)
                    .map(|value| position + length - value.len()..position + length)
            };
            if line.is_empty() {
                break position + 1..raw.len();
            } else if tree.is_none() {
                tree =
                    Some(parse_id(line.strip_prefix(b"tree ").ok_or_else(|| {
                        corrupt("it does not begin with its tree")
                    })?)?);
            } else if in_parents && let Some(parent) = line.strip_prefix(b"parent ") {
                parents.push(parse_id(parent)?);
            } else {
                in_parents = false;
                if author.is_none() && line.starts_with(b"author ") {
                    author = value(b"author ");
                } else if committer.is_none() && line.starts_with(b"committer ") {
                    committer = value(b"committer ");
                }
            }
            position += length + 1;
        };
        let tree = tree.ok_or_else(|| corrupt("it has no tree"))?;
        let committer = committer.unwrap_or(0..0);
        let committer_time = parse_committer_time(raw.get(committer.clone()).unwrap_or_default());
        Ok(Self {
            id,
            tree,
            parents,
            committer_time,
            author: author.unwrap_or(0..0),
            committer,
            message,
            raw,
        })
    }
}

/// Reads the time in `name <address> seconds zone`: the number after the last `>`.
fn parse_committer_time(ident: &[u8]) -> Time {
    let after_address = ident
        .rsplit(|byte| *byte == b'>')
        .next()
        .unwrap_or_default();
    let text = std::str::from_utf8(after_address).unwrap_or_default();
    let digits = text.split_ascii_whitespace().next().unwrap_or_default();
    // A number that does not fit is far beyond 9999. A negative one is before 1970.
    let number = if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() {
        digits.parse().unwrap_or(u64::MAX)
    } else {
        0
    };
    Time::EPOCH.plus(Span::from_seconds(number))
}
