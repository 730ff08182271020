//! Installs and removes our hooks, and keeps the hooks that were there before.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::file_replacement::replace_file;
use super::install_error::InstallError;
use super::installer::Installer;
use super::location::find_hooks_folder;
use super::shim::{Shim, is_our_shim, previous_hook_path, render_shim};

impl Installer<'_> {
    /// Returns the folder in which git looks for this repository's hooks. Creates it if it is
    /// missing.
    pub(super) fn find_hooks_folder(&self) -> Result<PathBuf, InstallError> {
        let folder = find_hooks_folder(self.repository)?;
        let to_error = |source| InstallError::Io {
            path: folder.clone(),
            source,
        };
        fs::create_dir_all(&folder).map_err(to_error)?;
        let folder = fs::canonicalize(&folder).map_err(to_error)?;
        if folder.starts_with(self.repository.common_dir()) {
            Ok(folder)
        } else {
            Err(InstallError::HooksElsewhere(folder))
        }
    }

    /// Installs one shim, and keeps a previous hook of that name.
    pub(super) fn install_hook(
        &mut self,
        folder: &Path,
        shim: &Shim,
        program: &Path,
    ) -> Result<(), InstallError> {
        let path = folder.join(shim.name);
        let program = program
            .to_str()
            .ok_or_else(|| InstallError::Program(program.to_owned()))?;
        let text = render_shim(shim.text, program);
        let to_error = |source| InstallError::Io {
            path: path.clone(),
            source,
        };
        let existing = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(to_error(error)),
        };
        if existing.as_deref() == Some(text.as_bytes()) {
            self.add_unchanged(format!("hook {}", path.display()));
            return Ok(());
        }
        if existing.is_some_and(|bytes| !is_our_shim(&bytes, shim.name)) {
            self.keep_previous_hook(&path, shim)?;
        }
        replace_file(&path, text.as_bytes(), 0o755).map_err(to_error)?;
        self.add_changed(format!("hook {}", path.display()));
        Ok(())
    }

    /// Keeps the previous hook under another name.
    pub(super) fn keep_previous_hook(
        &mut self,
        path: &Path,
        shim: &Shim,
    ) -> Result<(), InstallError> {
        if !shim.keeps_previous {
            return Err(InstallError::HookExists(path.to_owned()));
        }
        let kept_path = previous_hook_path(path);
        if kept_path.symlink_metadata().is_ok() {
            if !is_same_hook(path, &kept_path) {
                return Err(InstallError::NameTaken {
                    hook: path.to_owned(),
                    taken: kept_path,
                });
            }
        } else {
            // The hook gets a second name before the shim takes the first one, so git always finds
            // a hook. On file systems without hard links, it is renamed.
            let renamed = fs::hard_link(path, &kept_path).or_else(|_| fs::rename(path, &kept_path));
            renamed.map_err(|source| InstallError::Io {
                path: kept_path.clone(),
                source,
            })?;
        }
        self.add_changed(format!(
            "the previous hook is now {}, and is called first",
            kept_path.display()
        ));
        Ok(())
    }

    /// Removes a shim that is not needed any more, and restores the hook that it had replaced.
    pub(super) fn remove_shim(&mut self, folder: &Path, shim: &Shim) -> Result<(), InstallError> {
        let path = folder.join(shim.name);
        if !fs::read(&path).is_ok_and(|bytes| is_our_shim(&bytes, shim.name)) {
            return Ok(());
        }
        let previous = previous_hook_path(&path);
        let removed = if previous.symlink_metadata().is_ok() {
            fs::rename(previous, &path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(|source| InstallError::Io {
            path: path.clone(),
            source,
        })?;
        self.add_changed(format!("hook {} removed: it is not needed", path.display()));
        Ok(())
    }
}

/// Returns whether both paths are the same hook. This happens if an earlier installation was
/// interrupted, or if a host that links its hooks has restored the link.
fn is_same_hook(first: &Path, second: &Path) -> bool {
    let inode = |path: &Path| {
        let metadata = path.symlink_metadata().ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let link_target = |path: &Path| fs::read_link(path).ok();
    link_target(first).is_some_and(|target| link_target(second) == Some(target))
        || inode(first).is_some_and(|id| inode(second) == Some(id))
}
