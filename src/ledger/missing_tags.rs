//! The tags that gave a version and were missing when this clone first fetched the entry.
//!
//! A version is read from a tag when the server accepts the entry. A tag can be deleted later, and a
//! clone cannot see whether the server has hooks that looked at it. So the clone accepts such an
//! entry as a part of the ledger and remembers the tag in a file. Unless the user says that the
//! server enforces the rules, the entry is then no evidence for a promotion.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use crate::domain::entry::VersionTag;
use crate::domain::id::TagObject;
use crate::domain::name::LedgerName;
use crate::git::error::{Error, Result};
use crate::git::private_files::open_unlinked;
use crate::git::repo::Repository;
use crate::input_file::read_regular_file;

/// The Git setting by which the user says that the server judges every push. It is never taken from
/// the remote.
pub const SERVER_ENFORCES_SETTING: &str = "deploy.serverEnforces";
/// The file in the repository. Each line is a ledger, an object and a tag's name.
const FILE: &str = "deploy-missing-tags";
/// The largest file that is read, in bytes.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

impl Repository {
    /// Adds missing tags that entries of a ledger name.
    pub(super) fn add_missing_tags(
        &self,
        ledger: &LedgerName,
        tags: &BTreeSet<VersionTag>,
    ) -> Result<()> {
        let mut lines = String::new();
        for tag in tags {
            let _ = writeln!(lines, "{ledger} {} {}", tag.object, tag.name);
        }
        if lines.is_empty() {
            return Ok(());
        }
        let path = self.common_dir().join(FILE);
        let write = || {
            let mut options = std::fs::OpenOptions::new();
            let mut file = open_unlinked(options.create(true).append(true), &path)?;
            file.write_all(lines.as_bytes())?;
            file.sync_all()
        };
        write().map_err(Error::io("write", &path))
    }

    /// Returns the tags that were missing when this clone first fetched the entries of a ledger that
    /// name them. Returns an empty set if the user says that the server enforces the rules.
    pub(super) fn find_missing_tags(&self, ledger: &LedgerName) -> Result<BTreeSet<VersionTag>> {
        let path = self.common_dir().join(FILE);
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeSet::new());
            }
            Err(error) => return Err(Error::io("read", &path)(error)),
            Ok(metadata) if metadata.len() > FILE_LIMIT => {
                return Err(Error::corrupt(
                    path.display().to_string(),
                    "it is too large",
                ));
            }
            Ok(_) => {}
        }
        if self.config_bool(SERVER_ENFORCES_SETTING)? == Some(true) {
            return Ok(BTreeSet::new());
        }
        let bytes = read_regular_file(&path, FILE_LIMIT).map_err(Error::io("read", &path))?;
        let text = String::from_utf8_lossy(&bytes);
        let of_ledger = text
            .lines()
            .filter_map(|line| line.strip_prefix(ledger.as_str())?.strip_prefix(' '));
        of_ledger
            .map(|line| {
                let parse = || {
                    let (object, name) = line.split_once(' ')?;
                    Some(VersionTag {
                        name: name.parse().ok()?,
                        object: TagObject(object.parse().ok()?),
                    })
                };
                parse().ok_or_else(|| {
                    Error::corrupt(path.display().to_string(), "a line is not understood")
                })
            })
            .collect()
    }
}
