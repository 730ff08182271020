//! The files that a component's commands may change if files are isolated.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::name::ComponentName;
use crate::domain::policy::{Policy, WritablePath};

/// The most links to missing files that lead to one another, as many as Linux follows.
const MAX_LINKS: usize = 40;

/// Why the files that commands may change cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A path cannot be read, or does not exist.
    #[error("the commands of {component} may write to {path}, but {source}")]
    Unreadable {
        /// The component.
        component: ComponentName,
        /// The path as the policy has it.
        path: WritablePath,
        /// The file or folder that it stands for.
        resolved: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A path is below the home folder, and there is none.
    #[error("the commands of {component} may write to {path}, but HOME is not set")]
    NoHome {
        /// The component.
        component: ComponentName,
        /// The path as the policy has it.
        path: WritablePath,
    },
    /// A path contains something that no command may change, or is a part of it.
    #[error("commands may write to {}, which must not be: {} is there", writable.display(), protected.display())]
    Protected {
        /// The path that commands may write to.
        writable: PathBuf,
        /// The path that they must not change.
        protected: PathBuf,
    },
}

/// The `writable` paths of components, found once, before the first command runs.
#[derive(Debug, Clone, Default)]
pub struct WritableFiles(BTreeMap<ComponentName, Vec<PathBuf>>);

impl WritableFiles {
    /// Finds the `writable` paths of these components. Checks that neither they nor `shared`, which
    /// all commands may change, lead to a protected path, or contain one of the `program_folders`. What is
    /// in a folder below these is no program that is found by its name.
    pub fn find<'c>(
        policy: &Policy,
        components: impl IntoIterator<Item = &'c ComponentName>,
        shared: &[PathBuf],
        protected: &[PathBuf],
        program_folders: &[PathBuf],
    ) -> Result<Self, FilesError> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let home = home.as_deref().filter(|home| home.is_absolute());
        // A missing file cannot be changed, but it could be created.
        let resolve_all = |paths: &[PathBuf]| paths.iter().map(|path| resolve(path)).collect();
        let (protected, folders): (Vec<_>, Vec<_>) =
            (resolve_all(protected), resolve_all(program_folders));
        check_paths(shared, &protected, &folders)?;
        let mut found = BTreeMap::new();
        for name in components {
            let Some(component) = policy.component(name) else {
                continue;
            };
            let mut paths = Vec::new();
            for path in &component.writable {
                paths.push(find_path(name, path, home)?);
            }
            check_paths(&paths, &protected, &folders)?;
            found.insert(name.clone(), paths);
        }
        Ok(Self(found))
    }

    /// Returns the paths of a component.
    pub fn of_component(&self, component: &ComponentName) -> impl Iterator<Item = &Path> {
        let paths = self.0.get(component);
        paths.into_iter().flatten().map(PathBuf::as_path)
    }
}

/// Returns the canonical path that a path of the policy stands for.
fn find_path(
    component: &ComponentName,
    path: &WritablePath,
    home: Option<&Path>,
) -> Result<PathBuf, FilesError> {
    let resolved = path.resolve(home).ok_or_else(|| FilesError::NoHome {
        component: component.clone(),
        path: path.clone(),
    })?;
    resolved
        .canonicalize()
        .map_err(|source| FilesError::Unreadable {
            component: component.clone(),
            path: path.clone(),
            resolved,
            source,
        })
}

/// Returns a path without symbolic links. The end of it may be missing, also that of a link's target.
fn resolve(path: &Path) -> PathBuf {
    resolve_links(path, MAX_LINKS)
}

/// Resolves at most this many links to missing files.
fn resolve_links(path: &Path, max_links: usize) -> PathBuf {
    if let Ok(canonical) = path.canonicalize() {
        return canonical;
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return path.to_owned();
    };
    match path.read_link() {
        Ok(target) if max_links > 0 => resolve_links(&parent.join(target), max_links - 1),
        _ => resolve_links(parent, max_links).join(name),
    }
}

/// Checks that no writable path contains a protected one or one of these folders, or is a part of a
/// protected one.
fn check_paths(
    writable: &[PathBuf],
    protected: &[PathBuf],
    folders: &[PathBuf],
) -> Result<(), FilesError> {
    for writable in writable {
        let contained = folders.iter().find(|folder| folder.starts_with(writable));
        let overlaps = |protected: &&PathBuf| {
            protected.starts_with(writable) || writable.starts_with(protected)
        };
        if let Some(protected) = contained.or_else(|| protected.iter().find(overlaps)) {
            return Err(FilesError::Protected {
                writable: writable.clone(),
                protected: protected.clone(),
            });
        }
    }
    Ok(())
}
