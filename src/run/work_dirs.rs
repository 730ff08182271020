//! The folders of a run: a checkout of each component, and a scratch folder and a log for it.
//!
//! A component's checkout has the same path in every run of an environment by one user on one
//! machine, so that absolute paths in a plan do not change its digest. Only one run at a time can
//! use it: the next one waits. The logs of the newest runs stay in the repository's git folder;
//! everything else is removed at the end.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::cancellation::Cancellation;
use super::command_env::ComponentJob;
use super::component_checkout::{CheckoutError, ComponentCheckout, remove_folder};
use crate::clock;
use crate::domain::entry::Target;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::EnvName;
use crate::domain::policy::{Paths, Policy, Submodules, tag_timestamp};
use crate::git::Repository;
use crate::git::checkout::FileWriter;
use crate::ledger::facts::PolicyComponent;

/// The number of runs whose logs are kept.
const KEPT_RUNS: usize = 20;
/// The folder of the logs, in the repository's git folder.
const LOGS_FOLDER: &str = "git-deploy/logs";
/// How long a run that waits for another one sleeps between its attempts to lock the checkouts.
const LOCK_INTERVAL: Duration = Duration::from_millis(100);

/// Why a folder could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum WorkDirsError {
    /// A component could not be checked out.
    #[error("cannot check out {}: {source}", commit.short())]
    Checkout {
        /// The commit.
        commit: CommitId,
        /// The cause.
        source: Box<CheckoutError>,
    },
    /// A folder could not be created or locked.
    #[error("cannot prepare {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// No variable names a folder for the checkouts.
    #[error("neither XDG_CACHE_HOME nor HOME is set to a folder for the checkouts")]
    NoCacheFolder,
    /// Git failed.
    #[error(transparent)]
    Git(#[from] crate::git::Error),
    /// The wait for another run was interrupted.
    #[error("interrupted while another run of this environment works on this machine")]
    Interrupted,
}

/// The folders of a run.
pub struct WorkDirs<'a> {
    repository: &'a Repository,
    policy: &'a Policy,
    scratch: tempfile::TempDir,
    logs: PathBuf,
    checkouts: PathBuf,
    writer: Arc<FileWriter>,
    /// Held while the run uses the checkouts.
    _lock: File,
}

impl<'a> WorkDirs<'a> {
    /// Creates the folders for a run in this environment of the project. If another run uses them,
    /// calls `on_wait` and waits for its end.
    pub fn new(
        repository: &'a Repository,
        policy: &'a Policy,
        project: EntryId,
        environment: &EnvName,
        cancellation: &Cancellation,
        on_wait: &dyn Fn(),
    ) -> Result<Self, WorkDirsError> {
        let scratch = tempfile::Builder::new()
            .prefix("git-deploy-")
            .tempdir()
            .map_err(|source| WorkDirsError::Folder {
                path: std::env::temp_dir(),
                source,
            })?;
        let all_logs = repository.common_dir().join(LOGS_FOLDER);
        let logs = all_logs.join(format!(
            "{}-{environment}-{}",
            tag_timestamp(clock::now()),
            std::process::id()
        ));
        create_folder(&logs, 0o777)?;
        remove_old_logs(&all_logs);
        let checkouts = find_cache_folder()?
            .join("checkouts")
            .join(project.0.prefix(16))
            .join(environment.as_str());
        create_folder(&checkouts, 0o700)?;
        let lock = lock_folder(&checkouts, cancellation, on_wait)?;
        Ok(Self {
            repository,
            policy,
            scratch,
            logs,
            checkouts,
            writer: Arc::new(repository.file_writer()?),
            _lock: lock,
        })
    }

    /// Prepares a component at a commit for its commands. `stage` names the part of the run, such
    /// as `rollback`: each stage has its own scratch folder and log.
    pub fn prepare_job(
        &self,
        target: Target,
        previous: Option<CommitId>,
        stage: &str,
    ) -> Result<ComponentJob, WorkDirsError> {
        let checkout = self.prepare_checkout(&target)?;
        let component = target.component.as_str();
        let scratch = self.scratch.path().join(stage).join(component);
        for folder in ["tmp", "terraform"] {
            create_folder(&scratch.join(folder), 0o777)?;
        }
        let log = self.logs.join(format!("{component}.{stage}.log"));
        Ok(ComponentJob {
            folder: self.find_working_folder(&checkout, &target),
            checkout,
            target,
            previous,
            scratch,
            log,
        })
    }

    /// Finds and checks the files of a component. They are written before each step.
    fn prepare_checkout(&self, target: &Target) -> Result<ComponentCheckout, WorkDirsError> {
        let checkout_error = |source| WorkDirsError::Checkout {
            commit: target.commit,
            source: Box::new(source),
        };
        let paths = PolicyComponent::new(self.policy, &target.component);
        let tree = self.repository.read_commit(target.commit.0)?.tree;
        let files = self.repository.list_component_files(tree, &paths)?;
        let ignores_submodules = self
            .policy
            .component(&target.component)
            .is_some_and(|component| component.submodules == Submodules::Ignore);
        ComponentCheckout::new(
            self.repository,
            Arc::clone(&self.writer),
            files,
            ignores_submodules,
            self.checkouts.join(target.component.as_str()),
        )
        .map_err(checkout_error)
    }

    /// Returns the folder in which a component's commands run: its first path, or the folder of the
    /// file that this path names.
    fn find_working_folder(&self, checkout: &ComponentCheckout, target: &Target) -> PathBuf {
        let paths = self
            .policy
            .component(&target.component)
            .and_then(|it| it.paths.as_ref());
        let base = paths.map_or_else(String::new, Paths::base_dir);
        let folder = if checkout.has_file(&base) {
            base.rsplit_once('/').map_or("", |(above, _)| above)
        } else {
            &base
        };
        checkout.folder.join(folder)
    }
}

impl Drop for WorkDirs<'_> {
    /// Removes the checkouts and the scratch folders. Errors are ignored.
    fn drop(&mut self) {
        let _ = remove_folder(self.scratch.path());
        let Ok(entries) = fs::read_dir(&self.checkouts) else {
            return;
        };
        for checkout in entries.filter_map(Result::ok) {
            if checkout.file_type().is_ok_and(|kind| kind.is_dir()) {
                let _ = remove_folder(&checkout.path());
            }
        }
    }
}

/// Returns the folder in which this user's checkouts are.
///
/// # Errors
/// No variable names one.
pub fn find_cache_folder() -> Result<PathBuf, WorkDirsError> {
    let absolute_path = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    absolute_path("XDG_CACHE_HOME")
        .or_else(|| Some(absolute_path("HOME")?.join(".cache")))
        .map(|folder| folder.join("git-deploy"))
        .ok_or(WorkDirsError::NoCacheFolder)
}

/// Locks a folder, and waits as long as another process has locked it. The lock is released when
/// the returned file is closed, or when the process dies.
fn lock_folder(
    folder: &Path,
    cancellation: &Cancellation,
    on_wait: &dyn Fn(),
) -> Result<File, WorkDirsError> {
    let path = folder.join("lock");
    let lock_error = |source| WorkDirsError::Folder {
        path: path.clone(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(lock_error)?;
    let mut has_waited = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(lock_error(error)),
            Err(TryLockError::WouldBlock) if cancellation.is_draining() => {
                return Err(WorkDirsError::Interrupted);
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !has_waited {
            on_wait();
            has_waited = true;
        }
        std::thread::sleep(LOCK_INTERVAL);
    }
}

fn create_folder(path: &Path, mode: u32) -> Result<(), WorkDirsError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| WorkDirsError::Folder {
            path: path.to_owned(),
            source,
        })
}

/// Removes the logs of all but the newest runs.
fn remove_old_logs(all_logs: &Path) {
    let Ok(entries) = fs::read_dir(all_logs) else {
        return;
    };
    let mut runs: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    // The names begin with the time, so this puts the oldest run first.
    runs.sort();
    // Another run may be removing the same folders.
    runs.iter()
        .rev()
        .skip(KEPT_RUNS)
        .for_each(|run| drop(fs::remove_dir_all(run)));
}
