//! Writes files of a commit into a folder, as git checks them out, the same on every machine.
//!
//! The settings of the user, the machine and the repository have no effect: neither line endings
//! nor filters nor `.git/info/attributes` can change the written bytes. Only the `.gitattributes`
//! files among the written files can.

use std::path::{Path, PathBuf};

use gix::validate::path::component;
use gix::validate::path::component::{Error as PathError, Mode, Options};

use super::command::GitCommand;
use super::content::ComponentFile;
use super::error::Result;
use super::repo::Repository;
use super::temp_repo::create_bare_folder;
use crate::domain::id::CommitId;

/// The settings that change the bytes or the modes of files.
const SETTINGS: [(&str, &str); 6] = [
    ("core.attributesFile", "/dev/null"),
    ("core.autocrlf", "false"),
    ("core.eol", "lf"),
    ("core.fileMode", "true"),
    ("core.safecrlf", "false"),
    ("core.symlinks", "true"),
];

/// Writes files of one repository. It can be used from several threads.
#[derive(Debug)]
pub struct FileWriter {
    /// An empty repository, so that no setting of the real one applies.
    git_dir: tempfile::TempDir,
    objects: PathBuf,
}

/// Returns why git checks out no file of this path, on any system, or `None` if it does. Git itself
/// only prints a warning and leaves the file out.
pub fn explain_refused_path(file: &ComponentFile) -> Option<&'static str> {
    let options = Options {
        protect_windows: false,
        protect_hfs: true,
        protect_ntfs: true,
    };
    let mut names = file.path.split(|byte| *byte == b'/').peekable();
    while let Some(name) = names.next() {
        let mode = (names.peek().is_none() && file.is_symlink()).then_some(Mode::Symlink);
        match component(name.into(), mode, options) {
            Err(PathError::Relative) => return Some("a name in it is . or .."),
            Err(PathError::Empty) => return Some("a name in it is empty"),
            _ => {}
        }
        // To Windows, a backslash separates names, too.
        for part in name.split(|byte| *byte == b'\\') {
            match component(part.into(), mode, options) {
                Err(PathError::DotGitDir) => {
                    return Some("a system can take a name in it for .git");
                }
                Err(PathError::SymlinkedGitModules) => {
                    return Some("a symbolic link must not be named .gitmodules");
                }
                _ => {}
            }
        }
    }
    None
}

impl Repository {
    /// Returns a writer for files of this repository, which keeps its own files in `folder`.
    pub fn file_writer(&self, folder: &Path) -> Result<FileWriter> {
        Ok(FileWriter {
            git_dir: create_bare_folder(folder, self.hash_kind())?,
            objects: self.common_dir().join("objects"),
        })
    }
}

impl FileWriter {
    /// Returns which of these paths exist in a commit, in git's order. A folder ends in a slash.
    pub fn find_paths(&self, commit: CommitId, paths: &[String]) -> Result<Vec<String>> {
        let output = self
            .git("ls-tree", self.git_dir.path())
            .args(["-z", "--full-tree", "--format=%(objecttype) %(path)"])
            .arg(commit.to_string())
            .arg("--")
            .args(paths)
            .run()?
            .into_stdout()?;
        let lines = String::from_utf8_lossy(&output);
        let lines = lines.split('\0').filter_map(|line| line.split_once(' '));
        Ok(lines
            .map(|(kind, path)| match kind {
                "tree" => format!("{path}/"),
                _ => path.to_owned(),
            })
            .collect())
    }

    /// Prepares `git <name>` with this folder as its work tree.
    fn git(&self, name: &'static str, folder: &Path) -> GitCommand {
        let mut command = GitCommand::new(self.git_dir.path(), Some(folder), name)
            .env("GIT_OBJECT_DIRECTORY", &self.objects)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_CONFIG_PARAMETERS", "")
            .env("GIT_CONFIG_COUNT", SETTINGS.len().to_string());
        for (number, (key, value)) in SETTINGS.iter().enumerate() {
            command = command
                .env(&format!("GIT_CONFIG_KEY_{number}"), key)
                .env(&format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        command
    }

    /// Writes files into an empty folder. Submodules become empty folders.
    pub fn write_files(&self, files: &[ComponentFile], folder: &Path) -> Result<()> {
        let index_folder = tempfile::tempdir_in(self.git_dir.path()).map_err(|source| {
            super::error::Error::Open {
                path: self.git_dir.path().to_owned(),
                source: source.into(),
            }
        })?;
        let index = index_folder.path().join("index");
        let mut list = Vec::new();
        for file in files {
            list.extend(&file.mode);
            list.extend(format!(" {}\t", file.id).as_bytes());
            list.extend(&file.path);
            list.push(0);
        }
        let git = |name| self.git(name, folder).env("GIT_INDEX_FILE", &index);
        git("update-index")
            .args(["-z", "--index-info"])
            .input(list)
            .run()?
            .into_stdout()?;
        git("checkout-index")
            .args(["--all", "--quiet"])
            .run()?
            .into_stdout()
            .map(drop)
    }
}
