//! Access to the objects of a push that hooks are still checking.
//!
//! `receive-pack` keeps them in a separate folder until pre-receive accepts the push, and names
//! that folder in the environment. gix does not read those variables, so a stand-in object folder
//! lists the named folders as its alternates; then gix sees what git sees.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use gix::bstr::{BStr, ByteSlice as _};

use super::error::{Error, Result};
use super::object_store::open_object_store;
use super::private_files::TempFolder;

/// The prefix of the stand-in folders' names.
const PREFIX: &str = "git-deploy-objects-";

/// The variables that git sets for a hook.
#[derive(Debug, Clone, Default)]
pub struct HookEnvironment {
    /// The folder against which relative paths in the variables resolve: the hook's working
    /// directory.
    pub current_dir: PathBuf,
    /// `GIT_DIR`, or the working directory if it is not set.
    pub git_dir: PathBuf,
    /// `GIT_OBJECT_DIRECTORY`.
    pub objects: Option<OsString>,
    /// `GIT_ALTERNATE_OBJECT_DIRECTORIES`: paths separated by colons, some of them C-quoted.
    pub alternates: Option<OsString>,
    /// Whether `GIT_QUARANTINE_PATH` is set: the push can still be refused.
    pub is_quarantined: bool,
}

impl HookEnvironment {
    /// Reads the variables of this process.
    pub fn from_process() -> Result<Self> {
        let current_dir = std::env::current_dir()
            .map_err(Error::io("reading the working directory", Path::new(".")))?;
        Ok(Self {
            git_dir: current_dir.join(std::env::var_os("GIT_DIR").unwrap_or_default()),
            current_dir,
            objects: std::env::var_os("GIT_OBJECT_DIRECTORY"),
            alternates: std::env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES"),
            is_quarantined: std::env::var_os("GIT_QUARANTINE_PATH").is_some(),
        })
    }
}

/// The stand-in object folder, which exists as long as the repository is open.
pub(super) struct Quarantine {
    _folder: Option<TempFolder>,
    is_provisional: bool,
}

impl Quarantine {
    /// Makes the objects that the environment names visible to gix; returns `None` if it names
    /// none.
    pub(super) fn enter(
        gix: &mut gix::Repository,
        environment: &HookEnvironment,
    ) -> Result<Option<Self>> {
        let quarantine = |folder| {
            Some(Self {
                _folder: folder,
                is_provisional: environment.is_quarantined,
            })
        };
        if environment.objects.is_none() && environment.alternates.is_none() {
            return Ok(if environment.is_quarantined {
                quarantine(None)
            } else {
                None
            });
        }
        let own_objects = || gix.common_dir().join("objects").into_os_string();
        let mut folders = vec![
            environment
                .current_dir
                .join(environment.objects.clone().unwrap_or_else(own_objects)),
        ];
        let alternates = environment.alternates.as_deref().unwrap_or(OsStr::new(""));
        folders.extend(
            split_alternates(alternates)?
                .into_iter()
                .map(|path| environment.current_dir.join(path)),
        );

        // The folder is next to `objects`, at the same depth: gix resolves the relative alternates
        // of an alternate against the first folder.
        let folder = TempFolder::new_in(gix.common_dir(), PREFIX)
            .map_err(Error::io("making an object folder in", gix.common_dir()))?;
        write_alternates(folder.path(), &folders)
            .map_err(Error::io("writing the alternates of", folder.path()))?;
        gix.objects = open_object_store(gix, folder.path())
            .map_err(Error::io("opening the object folder", folder.path()))?;
        Ok(quarantine(Some(folder)))
    }

    /// Checks whether the push can still be refused.
    pub(super) fn is_provisional(&self) -> bool {
        self.is_provisional
    }
}

/// Lists folders as the alternates of an object folder.
fn write_alternates(objects: &Path, folders: &[PathBuf]) -> io::Result<()> {
    let info = objects.join("info");
    std::fs::create_dir(&info)?;
    let mut file = File::create(info.join("alternates"))?;
    // Each path is absolute, so none can look like a comment. Characters that could end the line
    // are quoted.
    folders.iter().try_for_each(|path| {
        file.write_all(&gix::quote::ansi_c::quote(BStr::new(
            path.as_os_str().as_bytes(),
        )))?;
        file.write_all(b"\n")
    })
}

/// Splits the variable as git does: at colons; a part that begins with a quotation mark is
/// C-quoted.
fn split_alternates(value: &OsStr) -> Result<Vec<PathBuf>> {
    let mut rest: &[u8] = value.as_bytes();
    let mut paths = Vec::new();
    while !rest.is_empty() {
        let (path, length) = if rest.starts_with(b"\"") {
            let (path, length) = gix::quote::ansi_c::undo(BStr::new(rest)).map_err(|_| {
                Error::corrupt(
                    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
                    "a quotation mark without its end",
                )
            })?;
            (path.to_vec(), length)
        } else {
            let length = rest.find_byte(b':').unwrap_or(rest.len());
            (rest[..length].to_vec(), length)
        };
        rest = &rest[length..];
        rest = rest.strip_prefix(b":").unwrap_or(rest);
        if !path.is_empty() {
            paths.push(PathBuf::from(OsString::from_vec(path)));
        }
    }
    Ok(paths)
}
