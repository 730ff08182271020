//! Reads `packed-refs`, the file that holds many refs.
//!
//! If it is malformed, it is unknown which refs exist, and git itself refuses to work, or does not find
//! all of them. No message contains a line of it: the file can be a link to any file.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::PoisonError;

use gix::bstr::ByteSlice as _;
use gix::refs::packed::Buffer;
use gix::refs::{FullNameRef, Target};

use super::error::{Error, Result};
use super::object_id::from_gix;
use super::repo::Repository;
use crate::domain::command_line::quote_word;
use crate::domain::id::Oid;

impl Repository {
    /// Reads the object that `packed-refs` has for a ref.
    pub(super) fn find_packed_ref(&self, name: &FullNameRef) -> Result<Option<Oid>> {
        let Some(packed) = self.open_packed_refs()? else {
            return Ok(None);
        };
        let reference = packed
            .try_find(name)
            .map_err(|_| self.explain_packed_refs())?;
        Ok(reference
            .filter(|reference| reference.name == name)
            .map(|reference| from_gix(&reference.target())))
    }

    /// Calls `add` for each packed ref below a prefix.
    pub(super) fn visit_packed_refs(
        &self,
        prefix: &str,
        mut add: impl FnMut(&FullNameRef, Target) -> Result<()>,
    ) -> Result<()> {
        let Some(packed) = self.open_packed_refs()? else {
            return Ok(());
        };
        let references = packed
            .iter_prefixed(prefix.into())
            .map_err(|_| self.explain_packed_refs())?;
        for reference in references {
            let reference = reference.map_err(|_| self.explain_packed_refs())?;
            add(reference.name, Target::Object(reference.target()))?;
        }
        Ok(())
    }

    /// Opens `packed-refs`, if there is one. It is opened for every read: gix keeps its copy while
    /// the file's timestamp is unchanged, and two writes can fall into one tick.
    fn open_packed_refs(&self) -> Result<Option<Buffer>> {
        // The library finds refs in a file that ends too early or is not sorted, but not all.
        self.require_valid_packed_refs()?;
        self.gix
            .refs
            .open_packed_buffer()
            .map_err(|_| self.explain_packed_refs())
    }

    /// Fails if `packed-refs` is malformed. Git's own message contains the line. The same file is
    /// read once.
    pub(super) fn require_valid_packed_refs(&self) -> Result<()> {
        let path = self.common_dir().join("packed-refs");
        let reading = || Error::io("reading", &path);
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(reading()(error)),
        };
        // Git writes a new file and renames it.
        let version = [
            i128::from(metadata.ino()),
            i128::from(metadata.len()),
            i128::from(metadata.mtime()),
            i128::from(metadata.mtime_nsec()),
        ];
        let checked = &self.shared.checked_packed_refs;
        let lock = || checked.lock().unwrap_or_else(PoisonError::into_inner);
        if *lock() == Some(version) {
            return Ok(());
        }
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(reading()(error)),
        };
        if let Some(fault) = find_fault(&text, self.gix.object_hash().len_in_hex()) {
            return Err(Error::PackedRefs { path, fault });
        }
        *lock() = Some(version);
        Ok(())
    }

    /// Returns the error that says what is malformed. The library's own error contains the line.
    fn explain_packed_refs(&self) -> Error {
        let other = || Error::corrupt("packed-refs", "it is not a list of refs");
        self.require_valid_packed_refs().err().unwrap_or_else(other)
    }
}

/// What is wrong with `packed-refs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackedRefsFault {
    /// It contains nothing, as after a power cut. Git writes at least a first line.
    Empty,
    /// The line with this number, from 1, is not a ref.
    Line(usize),
    /// It ends in the middle of the line with this number.
    Truncated(usize),
    /// The ref in the line with this number belongs before the one above it. Git does not find all
    /// refs in such a file.
    Unsorted(usize),
}

impl PackedRefsFault {
    /// Describes the fault in one line, without the text of the file.
    pub(super) fn describe(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Empty => format!("{path} is empty"),
            Self::Line(line) => format!("line {line} of {path} is not a ref"),
            Self::Truncated(line) => format!("{path} ends in the middle of line {line}"),
            Self::Unsorted(line) => {
                format!("line {line} of {path} is not sorted, although the first line says so")
            }
        }
    }

    /// Returns the command after which git can read the file.
    pub(super) fn suggest_repair(self, path: &Path) -> String {
        let word = quote_word(&path.display().to_string());
        match self {
            Self::Empty => format!("rm {word}"),
            Self::Line(line) | Self::Truncated(line) => format!("sed -i.bak {line}d {word}"),
            // Git then sorts the lines itself.
            Self::Unsorted(_) => format!("sed -i.bak '1s/ sorted//' {word}"),
        }
    }
}

/// Returns the first fault of a file with ids of this length.
fn find_fault(text: &[u8], digits: usize) -> Option<PackedRefsFault> {
    if text.is_empty() {
        return Some(PackedRefsFault::Empty);
    }
    let first = text.lines().next().unwrap_or_default();
    let is_sorted = first.starts_with(b"#") && first.fields().any(|word| word == b"sorted");
    let mut previous: &[u8] = b"";
    for (before, line) in text.lines().enumerate() {
        if !is_valid_line(line, digits) {
            return Some(PackedRefsFault::Line(before + 1));
        }
        if is_sorted && !matches!(line, [b'#' | b'^', ..]) {
            let name = line.get(digits..).unwrap_or_default();
            if name <= previous {
                return Some(PackedRefsFault::Unsorted(before + 1));
            }
            previous = name;
        }
    }
    let is_complete = text.ends_with(b"\n");
    (!is_complete).then(|| PackedRefsFault::Truncated(text.lines().count()))
}

/// Checks whether a line is a comment, a ref, or the object of the tag in the line before.
fn is_valid_line(line: &[u8], digits: usize) -> bool {
    let is_id = |id: &[u8]| id.len() == digits && id.iter().all(u8::is_ascii_hexdigit);
    match line {
        [b'#', ..] => true,
        [b'^', id @ ..] => is_id(id),
        line => line.split_at_checked(digits).is_some_and(|(id, rest)| {
            let name = rest.strip_prefix(b" ");
            is_id(id) && name.is_some_and(|name| <&FullNameRef>::try_from(name.as_bstr()).is_ok())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every beginning of a file is complete or has a fault, and so has one with two lines swapped.
    #[test]
    fn a_cut_or_unsorted_file_has_a_fault() {
        let id = "1".repeat(40);
        let lines = [
            "# pack-refs with: peeled fully-peeled sorted \n".to_owned(),
            format!("{id} refs/deploy/dev\n"),
            format!("{id} refs/heads/main\n"),
            format!("{id} refs/tags/v1\n"),
            format!("^{id}\n"),
            format!("{id} refs/tags/v2\n"),
        ];
        let text = lines.concat();
        assert_eq!(find_fault(text.as_bytes(), 40), None);
        for length in 0..text.len() {
            let part = &text[..length];
            let is_complete = part.ends_with('\n');
            assert_eq!(
                find_fault(part.as_bytes(), 40).is_none(),
                is_complete,
                "{part:?}"
            );
        }
        for first in 1..lines.len() - 2 {
            let mut swapped = lines.clone();
            swapped.swap(first, lines.len() - 1);
            let fault = find_fault(swapped.concat().as_bytes(), 40);
            assert!(
                matches!(fault, Some(PackedRefsFault::Unsorted(_))),
                "{first}: {fault:?}"
            );
            // Without that word, git sorts them.
            let unsorted = swapped.concat().replacen(" sorted", "", 1);
            assert_eq!(find_fault(unsorted.as_bytes(), 40), None, "{first}");
        }
    }
}
