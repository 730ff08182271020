//! The folders of a run: a read-only checkout of each commit, and a scratch folder and a log for
//! each component.
//!
//! Everything except the logs is removed at the end. The logs of the newest runs stay in the
//! repository's git folder.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::command_env::ComponentJob;
use crate::clock;
use crate::domain::entry::Target;
use crate::domain::id::CommitId;
use crate::domain::name::EnvName;
use crate::domain::policy::{Policy, tag_timestamp};
use crate::git::Repository;

/// How many runs' logs are kept.
const KEPT_RUNS: usize = 20;
/// The folder of the logs, in the git folder.
const LOGS_FOLDER: &str = "git-deploy/logs";

/// Why a folder could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum WorkDirsError {
    /// A commit could not be checked out.
    #[error("cannot check out {}: {source}", commit.short())]
    Checkout {
        /// The commit.
        commit: CommitId,
        /// The cause.
        source: crate::git::Error,
    },
    /// A folder or its permissions could not be changed.
    #[error("cannot prepare {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The folders of a run.
pub struct WorkDirs<'a> {
    repository: &'a Repository,
    policy: &'a Policy,
    /// The temporary folder that holds everything except the logs.
    root: tempfile::TempDir,
    /// The folder of this run's logs.
    logs: PathBuf,
    checkouts: RefCell<BTreeMap<CommitId, PathBuf>>,
}

impl<'a> WorkDirs<'a> {
    /// Creates the folders for a run in this environment.
    pub fn new(
        repository: &'a Repository,
        policy: &'a Policy,
        name: &EnvName,
    ) -> Result<Self, WorkDirsError> {
        let failed = |source| WorkDirsError::Folder {
            path: std::env::temp_dir(),
            source,
        };
        let root = tempfile::Builder::new()
            .prefix("git-deploy-")
            .tempdir()
            .map_err(failed)?;
        let logs_folder = repository.common_dir().join(LOGS_FOLDER);
        let logs = logs_folder.join(format!(
            "{}-{name}-{}",
            tag_timestamp(clock::now()),
            std::process::id()
        ));
        fs::create_dir_all(&logs).map_err(|source| WorkDirsError::Folder {
            path: logs.clone(),
            source,
        })?;
        remove_old_logs(&logs_folder);
        Ok(Self {
            repository,
            policy,
            root,
            logs,
            checkouts: RefCell::default(),
        })
    }

    /// Prepares the folders for a component's commands. `name` is the stage of the run, `run` or
    /// `rollback`: each has a scratch folder and a log.
    pub fn prepare_job(
        &self,
        target: Target,
        previous: Option<CommitId>,
        name: &str,
    ) -> Result<ComponentJob, WorkDirsError> {
        let checkout = self.check_out(target.commit)?;
        let component = target.component.as_str();
        let scratch = self.root.path().join("scratch").join(name).join(component);
        for folder in ["tmp", "terraform"] {
            let path = scratch.join(folder);
            fs::create_dir_all(&path).map_err(|source| WorkDirsError::Folder { path, source })?;
        }
        let log = self.logs.join(format!("{component}.{name}.log"));
        Ok(ComponentJob {
            folder: self.find_working_folder(&checkout, &target),
            target,
            previous,
            scratch,
            log,
        })
    }

    /// Returns the folder in which a component's commands run: its first path, or the folder of the
    /// file that this path names.
    fn find_working_folder(&self, checkout: &Path, target: &Target) -> PathBuf {
        let paths = self
            .policy
            .component(&target.component)
            .and_then(|it| it.paths.as_ref());
        let base = checkout.join(paths.map_or("", |paths| paths.base_dir()));
        match base.parent() {
            Some(folder) if base.is_file() => folder.to_owned(),
            _ => base,
        }
    }

    /// Checks out a commit, read-only, and returns the folder.
    pub fn check_out(&self, commit: CommitId) -> Result<PathBuf, WorkDirsError> {
        if let Some(known) = self.checkouts.borrow().get(&commit) {
            return Ok(known.clone());
        }
        let path = self.root.path().join("commits").join(commit.to_string());
        let failed = |source| WorkDirsError::Folder {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&path).map_err(failed)?;
        let index = self.root.path().join("index");
        let checked_out = self.repository.check_out(commit, &path, &index);
        checked_out.map_err(|source| WorkDirsError::Checkout { commit, source })?;
        let removed = fs::remove_file(&index);
        removed
            .and_then(|()| change_permissions(&path, |mode| mode & !0o222))
            .map_err(failed)?;
        self.checkouts.borrow_mut().insert(commit, path.clone());
        Ok(path)
    }
}

impl Drop for WorkDirs<'_> {
    /// Makes all folders writable, so that they can be removed.
    fn drop(&mut self) {
        // Checkouts are read-only, and tools may make other folders read-only too. Folders that
        // cannot be removed stay in the temporary folder.
        for folder in walkdir::WalkDir::new(self.root.path())
            .into_iter()
            .filter_map(Result::ok)
        {
            if let Some(metadata) = folder.metadata().ok().filter(std::fs::Metadata::is_dir) {
                let _ = fs::set_permissions(
                    folder.path(),
                    Permissions::from_mode(metadata.permissions().mode() | 0o700),
                );
            }
        }
    }
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

/// Removes the logs of old runs. Their names begin with the time.
fn remove_old_logs(logs_folder: &Path) {
    let Ok(entries) = fs::read_dir(logs_folder) else {
        return;
    };
    let mut runs: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    runs.sort();
    // Another run may be removing the same folders.
    runs.iter()
        .rev()
        .skip(KEPT_RUNS)
        .for_each(|run| drop(fs::remove_dir_all(run)));
}
