//! The checkout of a component: its files at a commit and nothing else, so that a command sees only
//! what the rules judged.
//!
//! The files are checked when a component is prepared, and written again before each step, which
//! undoes any changes that a command made to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::id::CommitId;
use crate::domain::text::{self, sanitize};
use crate::git::Repository;
use crate::git::checkout::{FileWriter, explain_refused_path};
use crate::git::content::ComponentFile;
use crate::git::private_files::{create_folder, remove_folder};

/// The maximum number of symbolic links that are followed for one path, as on Linux.
const MAX_LINKS: usize = 40;

/// The maximum number of paths that are looked up after a failure.
const MAX_CANDIDATES: usize = 100;

/// The longest target of a symbolic link in bytes: far more than any system allows. All targets are kept
/// in memory.
const LINK_LIMIT: usize = 16 << 10;

/// Why the files of a component cannot be checked out.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// Two names differ only in case. On a case-insensitive file system they are the same file.
    #[error("{0} and {1} differ only in upper and lower case")]
    CaseCollision(String, String),
    /// Git checks out no file of this path.
    #[error("the commit has {path:?}, a path that git does not check out: {why}")]
    RefusedPath {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A symbolic link leads to something that is not part of the component.
    #[error(
        "the symbolic link {link} leads to {target}, which does not belong to the component: add it to its paths or to `shared`"
    )]
    LinkLeavesComponent {
        /// The link.
        link: String,
        /// Its target as the link has it.
        target: String,
    },
    /// The files of a submodule are not in this repository.
    #[error(
        "{0} is a submodule, and its files are not part of the commit: remove it from the component's paths, or set submodules = \"ignore\" to leave its folder empty"
    )]
    Submodule(String),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] crate::git::Error),
    /// A folder or its permissions could not be changed.
    #[error("cannot prepare {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The files of a component at a commit, and the folder that they are written to.
#[derive(Debug, Clone)]
pub struct ComponentCheckout {
    /// The folder. It contains only these files.
    pub folder: PathBuf,
    files: Arc<[ComponentFile]>,
    /// The targets of the symbolic links among the files.
    links: Arc<BTreeMap<Vec<u8>, Vec<u8>>>,
    ignores_submodules: bool,
    writer: Arc<FileWriter>,
}

impl ComponentCheckout {
    /// Prepares a checkout: reads the targets of the symbolic links. Writes nothing to `folder` yet.
    pub fn new(
        repository: &Repository,
        writer: Arc<FileWriter>,
        files: Vec<ComponentFile>,
        ignores_submodules: bool,
        folder: PathBuf,
    ) -> Result<Self, CheckoutError> {
        let mut links = BTreeMap::new();
        for file in files.iter().filter(|file| file.is_symlink()) {
            let target = repository.read_blob(file.id, LINK_LIMIT)?;
            links.insert(file.path.clone(), target);
        }
        Ok(Self {
            folder,
            files: files.into(),
            links: links.into(),
            ignores_submodules,
            writer,
        })
    }

    /// Returns the file at a path, relative to the root of the commit, if that is not a folder.
    pub fn find_file(&self, path: &str) -> Option<&ComponentFile> {
        self.files.iter().find(|file| file.path == path.as_bytes())
    }

    /// Empties the folder and writes the files, read-only.
    ///
    /// # Errors
    /// Fails if git would not check out one of the files, if two would be the same on a
    /// case-insensitive file system, if a symbolic link leads out of the component, or if a file
    /// cannot be written.
    pub fn write(&self) -> Result<(), CheckoutError> {
        check_files(&self.files, &self.links, self.ignores_submodules)?;
        let folder_error = |source| CheckoutError::Folder {
            path: self.folder.clone(),
            source,
        };
        remove_folder(&self.folder).map_err(folder_error)?;
        create_folder(&self.folder).map_err(folder_error)?;
        self.writer.write_files(&self.files, &self.folder)?;
        change_permissions(&self.folder, |mode| mode & !0o222).map_err(folder_error)
    }

    /// Finds a path that a failed command may have looked for: one that the command or its output
    /// mentions, and that is in the commit but not in the checkout. `base` is the folder in which
    /// the command ran.
    pub fn find_missing_path<'t>(
        &self,
        commit: CommitId,
        base: &Path,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Option<String> {
        let base = base.strip_prefix(&self.folder).ok()?.to_str()?;
        let words = texts.into_iter().flat_map(|text| {
            text.split(|character: char| {
                character.is_whitespace() || "'\"`:;,()<>=|&".contains(character)
            })
        });
        let mut candidates: Vec<String> = Vec::new();
        for word in words.filter(|word| word.contains(char::is_alphanumeric)) {
            for start in [base, ""] {
                candidates.extend(join_path(start, word).filter(|path| !self.has_path(path)));
            }
        }
        candidates.dedup();
        candidates.truncate(MAX_CANDIDATES);
        let existing = self.writer.find_paths(commit, &candidates).ok()?;
        let find_match = |candidate: &String| {
            existing
                .iter()
                .find(|path| path.trim_end_matches('/') == candidate)
        };
        candidates.iter().find_map(find_match).cloned()
    }

    fn has_path(&self, path: &str) -> bool {
        self.files.iter().any(|file| {
            let rest = file.path.strip_prefix(path.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
        })
    }
}

/// Joins two paths and resolves `.` and `..`. Returns `None` for a path that leads out of the
/// repository, is its root, or is absolute.
fn join_path(base: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut names: Vec<&str> = Vec::new();
    for name in base.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    (!names.is_empty()).then(|| names.join("/"))
}

/// Changes the permissions of all files and folders.
fn change_permissions(root: &Path, change: impl Fn(u32) -> u32) -> io::Result<()> {
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry?;
        if !entry.file_type().is_symlink() {
            let mode = entry.metadata()?.permissions().mode();
            fs::set_permissions(entry.path(), Permissions::from_mode(change(mode)))?;
        }
    }
    Ok(())
}

/// Checks that git checks out all the files, on a case-insensitive file system too, and that no
/// symbolic link leads out of the component.
fn check_files(
    files: &[ComponentFile],
    links: &BTreeMap<Vec<u8>, Vec<u8>>,
    ignores_submodules: bool,
) -> Result<(), CheckoutError> {
    for file in files {
        if let Some(why) = explain_refused_path(file) {
            let path = show_path(&file.path);
            return Err(CheckoutError::RefusedPath { path, why });
        }
    }
    check_case(files)?;
    if let Some(submodule) = files.iter().find(|file| file.is_submodule())
        && !ignores_submodules
    {
        return Err(CheckoutError::Submodule(show_path(&submodule.path)));
    }
    let tree = FileTree::new(files, links);
    for (link, target) in links {
        if !tree.leads_inside(link) {
            return Err(CheckoutError::LinkLeavesComponent {
                link: show_path(link),
                target: show_path(target),
            });
        }
    }
    Ok(())
}

/// Checks that no two names in one folder differ only in case.
fn check_case(files: &[ComponentFile]) -> Result<(), CheckoutError> {
    let mut paths_by_folded_name: BTreeMap<Vec<u8>, &[u8]> = BTreeMap::new();
    for file in files {
        for path in list_folders(&file.path).chain([&file.path[..]]) {
            if let Some(other) = paths_by_folded_name.insert(fold_path_case(path), path)
                && other != path
            {
                return Err(CheckoutError::CaseCollision(
                    show_path(other),
                    show_path(path),
                ));
            }
        }
    }
    Ok(())
}

/// Lists the folders above a path, outermost first.
fn list_folders(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.filter_map(|(end, _)| path.get(..end))
}

/// Folds the case of a path: all of Unicode if it is UTF-8, else ASCII.
fn fold_path_case(path: &[u8]) -> Vec<u8> {
    std::str::from_utf8(path).map_or_else(
        |_| path.to_ascii_lowercase(),
        |text| text::fold_case(text).into_bytes(),
    )
}

fn show_path(path: &[u8]) -> String {
    sanitize(&String::from_utf8_lossy(path))
}

/// The paths of a component's files and folders, and its symbolic links, to find out where a link
/// leads.
struct FileTree<'a> {
    /// All paths, including those of folders.
    paths: BTreeSet<&'a [u8]>,
    links: &'a BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<'a> FileTree<'a> {
    fn new(files: &'a [ComponentFile], links: &'a BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        let mut paths = BTreeSet::new();
        for file in files {
            paths.extend(list_folders(&file.path));
            paths.insert(&file.path);
        }
        Self { paths, links }
    }

    /// Checks whether a link leads to a path of the component, possibly through other links.
    fn leads_inside(&self, link: &[u8]) -> bool {
        // The names that are not resolved yet, the next one last.
        let mut remaining: Vec<Vec<u8>> = split_path(link);
        let mut resolved: Vec<u8> = Vec::new();
        let mut followed = 0;
        while let Some(name) = remaining.pop() {
            match &name[..] {
                b"" | b"." => continue,
                b".." if resolved.is_empty() => return false,
                b".." => {
                    let parent = resolved.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                    resolved.truncate(parent);
                    continue;
                }
                _ => {}
            }
            let parent = resolved.len();
            if parent > 0 {
                resolved.push(b'/');
            }
            resolved.extend(&name);
            if let Some(target) = self.links.get(&resolved[..]) {
                followed += 1;
                if followed > MAX_LINKS || target.first() == Some(&b'/') {
                    return false;
                }
                resolved.truncate(parent);
                remaining.extend(split_path(target));
            } else if !self.paths.contains(&resolved[..]) {
                return false;
            }
        }
        true
    }
}

/// Splits a path into its names, in reverse order.
fn split_path(path: &[u8]) -> Vec<Vec<u8>> {
    path.rsplit(|byte| *byte == b'/')
        .map(<[u8]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests;
