//! Refuses git folders in which a file that git reads is a link to some other file.
//!
//! Git and its library quote lines of such files in their messages, and paths that they contain. With
//! a link, a message could quote any file of the user, for example `/proc/self/environ`.

use std::path::Path;

use super::error::{Error, Result};

/// The files of a git folder that messages quote.
const QUOTED_FILES: [&str; 7] = [
    "HEAD",
    "commondir",
    "config",
    "config.worktree",
    "objects/info/alternates",
    "packed-refs",
    "shallow",
];

/// Refuses a git folder in which one of these files is a link to a file with another name.
///
/// `git new-workdir` makes links to the files of another repository, which have the same names, and
/// early versions of git made `HEAD` a link to a branch.
pub(super) fn refuse_linked_files(git_dir: &Path) -> Result<()> {
    for name in QUOTED_FILES {
        let file = git_dir.join(name);
        let Ok(link) = std::fs::read_link(&file) else {
            continue;
        };
        let target = std::fs::canonicalize(&file).unwrap_or_else(|_| link.clone());
        let is_branch = name == "HEAD" && link.starts_with("refs");
        if target.file_name() != file.file_name() && !is_branch {
            return Err(Error::LinkedFile(file));
        }
    }
    Ok(())
}

/// Does the same for the repository that contains a directory, before it is opened.
pub(super) fn refuse_linked_files_around(directory: &Path) -> Result<()> {
    let is_git_folder = |folder: &Path| folder.join("objects").is_dir();
    let found = directory.ancestors().find_map(|folder| {
        let inner = folder.join(".git");
        if is_git_folder(&inner) {
            Some(inner)
        } else {
            is_git_folder(folder).then(|| folder.to_owned())
        }
    });
    found.map_or(Ok(()), |git_dir| refuse_linked_files(&git_dir))
}
