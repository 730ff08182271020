//! The folders of a run: a checkout of each component, and a scratch folder and a log for it.
//!
//! All of them are in one folder of the user, which other users cannot read. A component's checkout
//! has the same path in every run of an environment by one user on one machine, so that absolute
//! paths in a plan do not change its digest. Only one run at a time can use it: the next one waits.
//! The logs of the newest runs stay; everything else is removed at the end, or by the next run if
//! this one is killed.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cancellation::Cancellation;
use super::command_env::ComponentJob;
use super::component_checkout::{CheckoutError, ComponentCheckout};
use super::saved_plan::PlanSlot;
use crate::clock;
use crate::domain::entry::Target;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::EnvName;
use crate::domain::policy::{Paths, Policy, Submodules, tag_timestamp};
use crate::git::Repository;
use crate::git::checkout::FileWriter;
use crate::git::private_files::{
    self, TempFolder, append_to_file, find_user_folder, remove_folder,
};
use crate::ledger::facts::PolicyComponent;

/// The number of runs of a project whose logs are kept.
const KEPT_RUNS: usize = 20;
/// The folder of the plan files that commands read, in the temporary folder of a run.
const PLANS_FOLDER: &str = "plans";
/// The file by which a run locks the checkouts of an environment.
const LOCK_FILE: &str = "lock";
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
    /// The scratch folders and the plans.
    temp: TempFolder,
    logs: PathBuf,
    checkouts: PathBuf,
    /// The plan of each component, by its scratch folder.
    plans: Mutex<BTreeMap<PathBuf, Arc<PlanSlot>>>,
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
        let user_folder = find_user_folder()?;
        let temp = TempFolder::new()?;
        let project = project.0.prefix(16);
        let all_logs = user_folder.join("logs").join(&project);
        let logs = all_logs.join(format!(
            "{}-{environment}-{}",
            tag_timestamp(clock::now()),
            std::process::id()
        ));
        create_folder(&logs)?;
        remove_old_logs(&all_logs);
        let all_checkouts = user_folder.join("checkouts");
        let checkouts = all_checkouts.join(project).join(environment.as_str());
        create_folder(&checkouts)?;
        let lock = lock_folder(&checkouts, cancellation, on_wait)?;
        remove_abandoned_checkouts(&all_checkouts);
        create_folder(&temp.path().join(PLANS_FOLDER))?;
        Ok(Self {
            repository,
            policy,
            writer: Arc::new(repository.file_writer(temp.path())?),
            temp,
            logs,
            checkouts,
            plans: Mutex::default(),
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
        let scratch = self.temp.path().join(stage).join(component);
        for folder in ["tmp", "terraform"] {
            create_folder(&scratch.join(folder))?;
        }
        let log = self.logs.join(format!("{component}.{stage}.log"));
        Ok(ComponentJob {
            folder: self.find_working_folder(&checkout, &target),
            checkout,
            target,
            previous,
            plan: self.find_plan_slot(&scratch),
            plans: self.temp.path().join(PLANS_FOLDER),
            scratch,
            log,
        })
    }

    /// Prepares a command that works outside of the checkouts. Returns the folder in which it may
    /// write, and its log.
    pub fn prepare_command(&self, stage: &str) -> Result<(PathBuf, PathBuf), WorkDirsError> {
        let scratch = self.temp.path().join(stage);
        create_folder(&scratch)?;
        Ok((scratch, self.logs.join(format!("{stage}.log"))))
    }

    /// Returns the path for a copy of the configuration of git.
    pub fn config_folder(&self) -> PathBuf {
        self.temp.path().join("git")
    }

    /// Returns the place of the plan that belongs to a scratch folder.
    fn find_plan_slot(&self, scratch: &Path) -> Arc<PlanSlot> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(plans.entry(scratch.to_owned()).or_default())
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
        let folder = if checkout.find_file(&base).is_some() {
            base.rsplit_once('/').map_or("", |(above, _)| above)
        } else {
            &base
        };
        checkout.folder.join(folder)
    }
}

impl Drop for WorkDirs<'_> {
    /// Removes the checkouts. Errors are ignored.
    fn drop(&mut self) {
        remove_checkouts(&self.checkouts);
    }
}

/// Removes the checkouts of an environment, which must be locked. Errors are ignored.
fn remove_checkouts(checkouts: &Path) {
    for checkout in list_folders(checkouts) {
        let _ = remove_folder(&checkout);
    }
}

/// Removes the checkouts of killed runs: those that no run has locked.
fn remove_abandoned_checkouts(all_checkouts: &Path) {
    let projects = list_folders(all_checkouts);
    for environment in projects.iter().flat_map(|project| list_folders(project)) {
        let lock = File::open(environment.join(LOCK_FILE));
        if lock.as_ref().is_ok_and(|lock| lock.try_lock().is_ok()) {
            remove_checkouts(&environment);
        }
    }
}

/// Lists the folders in a folder.
fn list_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Locks a folder, and waits as long as another process has locked it. The lock is released when
/// the returned file is closed, or when the process dies.
fn lock_folder(
    folder: &Path,
    cancellation: &Cancellation,
    on_wait: &dyn Fn(),
) -> Result<File, WorkDirsError> {
    let path = folder.join(LOCK_FILE);
    let lock_error = |source| WorkDirsError::Folder {
        path: path.clone(),
        source,
    };
    let file = append_to_file(&path).map_err(lock_error)?;
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

fn create_folder(path: &Path) -> Result<(), WorkDirsError> {
    private_files::create_folder(path).map_err(|source| WorkDirsError::Folder {
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
