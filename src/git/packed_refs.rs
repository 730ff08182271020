//! Reads `packed-refs`, the file that holds many refs.
//!
//! If a line of it is malformed, it is unknown which refs exist, and git itself refuses to work. No
//! message contains the line: the file can be a link to any file.

use gix::bstr::ByteSlice as _;
use gix::refs::packed::Buffer;
use gix::refs::{FullNameRef, Target};

use super::error::{Error, Result};
use super::object_id::from_gix;
use super::repo::Repository;
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
        self.gix
            .refs
            .open_packed_buffer()
            .map_err(|_| self.explain_packed_refs())
    }

    /// Fails if a line of `packed-refs` is malformed. Git's own message contains the line.
    pub(super) fn require_valid_packed_refs(&self) -> Result<()> {
        let path = self.common_dir().join("packed-refs");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("reading", &path)(error)),
        };
        let digits = self.gix.object_hash().len_in_hex();
        match text.lines().position(|line| !is_valid_line(line, digits)) {
            Some(before) => Err(Error::PackedRefs {
                path,
                line: before + 1,
            }),
            None => Ok(()),
        }
    }

    /// Returns the error that names the malformed line. The library's own error contains the line.
    fn explain_packed_refs(&self) -> Error {
        let other = || Error::corrupt("packed-refs", "it is not a list of refs");
        self.require_valid_packed_refs().err().unwrap_or_else(other)
    }
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
