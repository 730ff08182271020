//! Keeps the configuration of git as it is while the commands of a policy run. These commands could
//! change `.git/config` or a hook, and so make this program's own git commands run something else or
//! talk to another server.
//!
//! Git commands then use a git folder of their own, with a copy of the configuration and with links
//! to the refs of the repository. They run no hooks.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use sha2::{Digest as _, Sha256};

use super::error::{Error, Result};
use super::frozen_folder::FrozenFolder;
use super::private_files::{append_to_file, create_folder};
use super::repo::Repository;

/// What the folder has in common with the repository, apart from the objects. Git creates
/// `packed-refs` and `shallow` through a link, but not a folder.
const LINKS: [(&str, bool); 4] = [
    ("refs", true),
    ("logs", true),
    ("packed-refs", false),
    ("shallow", false),
];
/// Settings that mean something else in another folder. Included files are copied.
const OMITTED: [&[u8]; 4] = [
    b"core.worktree",
    b"extensions.worktreeconfig",
    b"include",
    b"includeif",
];
/// How much of a hook is compared, in bytes.
const MAX_HOOK_BYTES: u64 = 16 << 20;

/// The configuration and the hooks of a repository at one time. Until it is dropped, the git
/// commands of the repository use this configuration.
pub struct FrozenConfig<'r> {
    repository: &'r Repository,
    folder: Arc<FrozenFolder>,
    listing: Vec<u8>,
    hooks_folder: PathBuf,
    hooks: BTreeMap<OsString, HookState>,
}

/// The mode of a hook, and the digest of its bytes.
type HookState = (u32, [u8; 32]);

impl Repository {
    /// Copies the configuration to a new folder at this path. Git commands use the copy until the
    /// result is dropped.
    pub fn freeze_config(&self, folder: &Path) -> Result<FrozenConfig<'_>> {
        let listing = list_config(self)?;
        let hooks_folder = find_hooks_folder(self)?;
        let hooks = read_hooks(&hooks_folder).map_err(Error::io("reading", &hooks_folder))?;
        let files = create_git_folder(folder, self.common_dir(), &listing)
            .map_err(Error::io("copying git's configuration to", folder))?;
        let folder = Arc::new(FrozenFolder::new(folder, files));
        let frozen = self.shared.frozen.lock();
        *frozen.unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&folder));
        Ok(FrozenConfig {
            repository: self,
            folder,
            listing,
            hooks_folder,
            hooks,
        })
    }
}

impl Repository {
    /// Lists the folder of the hooks, and the files of the configuration: those that git reads, and
    /// those that they include, even if they are missing or only a condition includes them.
    pub fn list_config_paths(&self) -> Result<Vec<PathBuf>> {
        let base = self.work_dir().unwrap_or(self.git_dir());
        let output = self
            .unfrozen_git("config")
            .args(["--list", "--null", "--show-origin"])
            .run()?
            .into_stdout()?;
        let mut paths = vec![find_hooks_folder(self)?];
        let mut fields = output.split(|byte| *byte == 0);
        while let (Some(origin), Some(setting)) = (fields.next(), fields.next()) {
            let origin = origin.strip_prefix(b"file:");
            let origin = origin.map(|path| base.join(OsStr::from_bytes(path)));
            if let Some(path) = find_included_path(setting) {
                let folder = origin.as_deref().and_then(Path::parent).unwrap_or(base);
                paths.push(folder.join(path));
            }
            // The settings of one file follow each other.
            paths.extend(origin.filter(|path| paths.last() != Some(path)));
        }
        Ok(paths)
    }
}

/// Returns the path of a setting that includes a file.
fn find_included_path(setting: &[u8]) -> Option<PathBuf> {
    let newline = setting.iter().position(|byte| *byte == b'\n')?;
    let (name, value) = (setting.get(..newline)?, setting.get(newline + 1..)?);
    let is_include =
        name == b"include.path" || name.starts_with(b"includeif.") && name.ends_with(b".path");
    let path = Path::new(OsStr::from_bytes(value));
    is_include.then(
        || match (path.strip_prefix("~"), std::env::var_os("HOME")) {
            (Ok(rest), Some(home)) => Path::new(&home).join(rest),
            _ => path.to_owned(),
        },
    )
}

impl FrozenConfig<'_> {
    /// Returns what has changed in the repository since then, if anything, as the subject of a
    /// sentence. What cannot be read counts as changed.
    pub fn find_change(&self) -> Option<String> {
        if list_config(self.repository).ok().as_ref() != Some(&self.listing) {
            return Some("the configuration of git".to_owned());
        }
        if !self.folder.is_unchanged() {
            return Some("the copy of git's configuration".to_owned());
        }
        let Ok(hooks) = read_hooks(&self.hooks_folder) else {
            return Some(format!("the folder {}", self.hooks_folder.display()));
        };
        let mut names = self.hooks.keys().chain(hooks.keys());
        names
            .find(|name| self.hooks.get(*name) != hooks.get(*name))
            .map(|name| format!("the hook {}", self.hooks_folder.join(name).display()))
    }
}

impl Drop for FrozenConfig<'_> {
    fn drop(&mut self) {
        let frozen = self.repository.shared.frozen.lock();
        *frozen.unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Returns the folder of the hooks.
fn find_hooks_folder(repository: &Repository) -> Result<PathBuf> {
    let path = repository
        .unfrozen_git("rev-parse")
        .args(["--git-path", "hooks"])
        .run()?
        .into_stdout()?;
    let path = OsStr::from_bytes(path.trim_ascii_end());
    let base = repository.work_dir().unwrap_or(repository.git_dir());
    Ok(base.join(path))
}

/// Returns all settings with their scopes, from all files including those that are included. Reading
/// them runs no program.
fn list_config(repository: &Repository) -> Result<Vec<u8>> {
    repository
        .unfrozen_git("config")
        .args(["--list", "--null", "--show-scope"])
        .run()?
        .into_stdout()
}

/// Reads the hooks in a folder. A missing folder has none.
fn read_hooks(folder: &Path) -> io::Result<BTreeMap<OsString, HookState>> {
    let entries = match fs::read_dir(folder) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(BTreeMap::new());
        }
        result => result?,
    };
    let mut hooks = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        // Of a broken link, or a folder, nothing can be run.
        let Ok(metadata) = fs::metadata(entry.path()) else {
            continue;
        };
        if metadata.is_file() {
            let mut bytes = Vec::new();
            File::open(entry.path())?
                .take(MAX_HOOK_BYTES)
                .read_to_end(&mut bytes)?;
            let hook = (metadata.permissions().mode(), Sha256::digest(&bytes).into());
            hooks.insert(entry.file_name(), hook);
        }
    }
    Ok(hooks)
}

/// Creates a git folder with these settings and the refs of a repository. Returns the names and the
/// bytes of its configuration files.
fn create_git_folder(
    folder: &Path,
    common_dir: &Path,
    listing: &[u8],
) -> io::Result<BTreeMap<&'static str, Vec<u8>>> {
    create_folder(folder)?;
    for (name, is_folder) in LINKS {
        let target = common_dir.join(name);
        if !is_folder || target.exists() {
            std::os::unix::fs::symlink(target, folder.join(name))?;
        }
    }
    append_to_file(&folder.join("HEAD"))?.write_all(b"ref: refs/heads/none\n")?;
    let mut files = BTreeMap::from([
        ("system", Vec::new()),
        ("global", Vec::new()),
        ("config", Vec::new()),
    ]);
    let mut fields = listing.split(|byte| *byte == 0);
    while let (Some(scope), Some(setting)) = (fields.next(), fields.next()) {
        let file = match scope {
            b"system" => "system",
            b"global" => "global",
            b"local" | b"worktree" => "config",
            // The environment of this process has these.
            _ => continue,
        };
        files
            .entry(file)
            .or_default()
            .extend(format_setting(setting));
    }
    for (name, bytes) in &files {
        append_to_file(&folder.join(name))?.write_all(bytes)?;
    }
    Ok(files)
}

/// Formats a setting for a configuration file. `setting` is its name and, after a newline, its value,
/// if it has one.
fn format_setting(setting: &[u8]) -> Vec<u8> {
    let newline = setting.iter().position(|byte| *byte == b'\n');
    let (name, value) = setting.split_at(newline.unwrap_or(setting.len()));
    let first = name.iter().position(|byte| *byte == b'.');
    let last = name.iter().rposition(|byte| *byte == b'.');
    let (Some(first), Some(last)) = (first, last) else {
        return Vec::new();
    };
    let (section, key) = (&name[..first], &name[last + 1..]);
    if OMITTED.contains(&section) || OMITTED.contains(&name) {
        return Vec::new();
    }
    let mut line = b"[".to_vec();
    line.extend(section);
    if first < last {
        line.extend(b" \"");
        line.extend(escape(&name[first + 1..last]));
        line.push(b'"');
    }
    line.extend(b"]\n\t");
    line.extend(key);
    if newline.is_some() {
        line.extend(b" = \"");
        line.extend(escape(value.get(1..).unwrap_or_default()));
        line.push(b'"');
    }
    line.push(b'\n');
    line
}

/// Escapes the special characters of a quoted text in a configuration file.
fn escape(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in text {
        match byte {
            b'\\' | b'"' => escaped.extend([b'\\', *byte]),
            b'\n' => escaped.extend(b"\\n"),
            byte => escaped.push(*byte),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
