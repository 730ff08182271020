//! The files that a component's commands may change if files are isolated.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::name::ComponentName;
use crate::domain::policy::{Policy, WritablePath};

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
    /// all commands may change, lead to a protected path.
    pub fn find<'c>(
        policy: &Policy,
        components: impl IntoIterator<Item = &'c ComponentName>,
        shared: &[PathBuf],
        protected: &[PathBuf],
    ) -> Result<Self, FilesError> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let home = home.as_deref().filter(|home| home.is_absolute());
        // A missing file cannot be changed, but it could be created.
        let protected: Vec<PathBuf> = protected.iter().map(|path| resolve(path)).collect();
        check_paths(shared, &protected)?;
        let mut found = BTreeMap::new();
        for name in components {
            let Some(component) = policy.component(name) else {
                continue;
            };
            let mut paths = Vec::new();
            for path in &component.writable {
                paths.push(find_path(name, path, home)?);
            }
            check_paths(&paths, &protected)?;
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

/// Returns a path without symbolic links. The end of it may be missing.
fn resolve(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(canonical), ..) => canonical,
        (Err(_), Some(parent), Some(name)) => resolve(parent).join(name),
        _ => path.to_owned(),
    }
}

/// Checks that no writable path contains a protected one, or is a part of it.
fn check_paths(writable: &[PathBuf], protected: &[PathBuf]) -> Result<(), FilesError> {
    for writable in writable {
        let overlaps = |protected: &&PathBuf| {
            protected.starts_with(writable) || writable.starts_with(protected)
        };
        if let Some(protected) = protected.iter().find(overlaps) {
            return Err(FilesError::Protected {
                writable: writable.clone(),
                protected: protected.clone(),
            });
        }
    }
    Ok(())
}
