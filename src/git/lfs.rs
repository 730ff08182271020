//! Finds Git LFS pointers: files whose bytes only name the content, which Git LFS stores elsewhere.

use super::content::ComponentFile;
use super::error::{Error, Result};
use super::object::ObjectKind;
use super::object_id::to_gix;
use super::repo::Repository;

/// The size below which a pointer is, by the specification of Git LFS.
const POINTER_SIZE: u64 = 1_024;

/// How a pointer begins. The second one is that of early versions.
const FIRST_LINES: [&[u8]; 2] = [
    b"version https://git-lfs.github.com/spec/v1\n",
    b"version https://hawser.github.com/spec/v1\n",
];

impl Repository {
    /// Lists those of a component's files that are Git LFS pointers.
    ///
    /// Reads no file unless a `.gitattributes` file among them uses Git LFS.
    pub fn find_lfs_pointers<'f>(
        &self,
        files: &'f [ComponentFile],
    ) -> Result<Vec<&'f ComponentFile>> {
        let mut uses_lfs = false;
        let is_attributes = |file: &&ComponentFile| {
            file.is_regular()
                && file.path.rsplit(|byte| *byte == b'/').next() == Some(b".gitattributes")
        };
        for file in files.iter().filter(is_attributes) {
            let attributes = self.read_object(file.id, ObjectKind::Blob)?;
            uses_lfs |= attributes.windows(10).any(|it| it == b"filter=lfs");
        }
        let mut pointers = Vec::new();
        for file in files.iter().filter(|file| uses_lfs && file.is_regular()) {
            if self.is_lfs_pointer(file)? {
                pointers.push(file);
            }
        }
        Ok(pointers)
    }

    fn is_lfs_pointer(&self, file: &ComponentFile) -> Result<bool> {
        let header = self.gix.try_find_header(to_gix(file.id));
        let header = header.map_err(Error::library(format!("looking for {}", file.id)))?;
        if header.is_some_and(|header| header.size() >= POINTER_SIZE) {
            return Ok(false);
        }
        let bytes = self.read_object(file.id, ObjectKind::Blob)?;
        let has_line = |key: &[u8]| {
            bytes
                .split(|byte| *byte == b'\n')
                .any(|it| it.starts_with(key))
        };
        Ok(FIRST_LINES.iter().any(|first| bytes.starts_with(first))
            && has_line(b"oid sha256:")
            && has_line(b"size "))
    }
}
