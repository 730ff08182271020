//! An opened repository: its objects, its caches, and how threads share it.
//!
//! A [`Repository`] belongs to one thread. Other threads get their own from [`Repository::share`].

use std::any::Any;
use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::cache::Cache;
use super::command::GitCommand;
use super::durable::UnsyncedObjects;
use super::error::{Error, Result};
use super::frozen_folder::FrozenFolder;
use super::object_id::HashKind;
use super::object_store::open_object_store;
use super::quarantine::Quarantine;
use crate::domain::id::Oid;

/// The size of the cache of decoded objects, in bytes: different queries read the same trees and
/// commits.
const OBJECT_CACHE: usize = 16 << 20;
/// The size of the cache of delta bases, in bytes. Without it every delta is resolved from the
/// start of its chain, and neighbouring entries of a ledger form such chains.
const DELTA_BASE_CACHE: usize = 16 << 20;

/// The size of the cache of folders in ledger trees, in bytes.
const TREE_CACHE: usize = 8 << 20;

/// State shared by all threads that use one opened repository.
pub(super) struct SharedState {
    pub(super) graph: OnceLock<Option<gix::commitgraph::Graph>>,
    /// Makes the objects of a push visible, if the repository was opened in a hook.
    quarantine: Option<Quarantine>,
    /// Folders of ledger trees, read or computed by folding.
    pub(super) trees: Cache<Oid, Arc<[u8]>>,
    /// The folder that git commands use while the configuration is frozen.
    pub(super) frozen: Mutex<Option<Arc<FrozenFolder>>>,
    /// The version of `packed-refs` that was found to be valid.
    pub(super) checked_packed_refs: Mutex<Option<[i128; 4]>>,
    /// A value that the ledger layer keeps with the repository.
    attachment: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// An opened repository, for one thread.
pub struct Repository {
    pub(crate) gix: gix::Repository,
    pub(super) shared: Arc<SharedState>,
    /// Objects written since the last ref moved. They are synced to the disk before the next ref
    /// moves.
    pub(super) unsynced: RefCell<UnsyncedObjects>,
}

/// A handle to an opened repository that can be given to other threads.
#[derive(Clone)]
pub struct RepositoryHandle {
    gix: gix::ThreadSafeRepository,
    shared: Arc<SharedState>,
}

impl RepositoryHandle {
    /// Returns a repository for the calling thread. This is cheap: packs and indices are shared.
    pub fn fork(&self) -> Repository {
        Repository::new(self.gix.to_thread_local(), Arc::clone(&self.shared))
    }

    /// Returns a handle to the same repository that maps the packs separately. Dropping that handle
    /// and its forks frees the memory, so a caller can read all objects part by part. If the packs
    /// cannot be opened, the handle shares the existing ones.
    #[must_use]
    pub fn with_own_packs(&self) -> Self {
        let mut gix = self.gix.to_thread_local();
        let folder = gix.objects.store_ref().path().to_owned();
        match open_object_store(&gix, &folder) {
            Ok(objects) => gix.objects = objects,
            Err(_) => return self.clone(),
        }
        Self {
            gix: gix.into_sync(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repository({})", self.git_dir().display())
    }
}

impl Repository {
    /// Wraps a gix repository and sets its caches.
    fn new(mut gix: gix::Repository, shared: Arc<SharedState>) -> Self {
        // A replace ref is unsigned and would replace commits of the history.
        gix.objects.ignore_replacements = true;
        gix.object_cache_size(OBJECT_CACHE);
        gix.objects.set_pack_cache(|| {
            Box::new(gix::odb::pack::cache::lru::MemoryCappedHashmap::new(
                DELTA_BASE_CACHE,
            ))
        });
        Self {
            gix,
            shared,
            unsynced: RefCell::default(),
        }
    }

    /// Wraps a newly opened gix repository, with the quarantine that makes the objects of a push
    /// visible, if there is one.
    pub(super) fn with_quarantine(gix: gix::Repository, quarantine: Option<Quarantine>) -> Self {
        Self::new(
            gix,
            Arc::new(SharedState {
                graph: OnceLock::new(),
                quarantine,
                trees: Cache::new(TREE_CACHE),
                frozen: Mutex::default(),
                checked_packed_refs: Mutex::default(),
                attachment: OnceLock::new(),
            }),
        )
    }

    /// Returns the value of type `T` that belongs to this opened repository. It is created on first
    /// use and shared by all threads.
    ///
    /// # Panics
    /// If it is requested with two different types. Only `ledger::cache` requests it.
    #[expect(clippy::expect_used, reason = "one caller, with one type")]
    pub(crate) fn attached_value<T: Any + Default + Send + Sync>(&self) -> &T {
        let attachment = self.shared.attachment.get_or_init(|| Box::<T>::default());
        attachment.downcast_ref().expect("one type is attached")
    }

    /// Returns a handle for other threads.
    pub fn share(&self) -> RepositoryHandle {
        RepositoryHandle {
            gix: self.gix.clone().into_sync(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Returns a repository for one other thread. For several threads, use [`Repository::share`].
    #[must_use]
    #[cfg(any(test, feature = "testing"))]
    pub fn fork(&self) -> Self {
        Self::new(self.gix.clone(), Arc::clone(&self.shared))
    }

    /// Returns the hash function of the repository's objects.
    pub fn hash_kind(&self) -> HashKind {
        match self.gix.object_hash() {
            gix::hash::Kind::Sha256 => HashKind::Sha256,
            _ => HashKind::Sha1,
        }
    }

    /// Checks whether the repository has no worktree.
    #[cfg(any(test, feature = "testing"))]
    pub fn is_bare(&self) -> bool {
        self.gix.workdir().is_none()
    }

    /// Returns the absolute path of the git folder of this worktree.
    pub fn git_dir(&self) -> &Path {
        self.gix.git_dir()
    }

    /// Returns the absolute path of the git folder that all worktrees share: refs, objects and
    /// configuration.
    pub fn common_dir(&self) -> &Path {
        self.gix.common_dir()
    }

    /// Returns the absolute path of the top of the worktree; `None` if bare.
    pub fn work_dir(&self) -> Option<&Path> {
        self.gix.workdir()
    }

    /// Checks whether this is a shallow clone.
    pub fn is_shallow(&self) -> Result<bool> {
        self.gix
            .is_shallow()
            .map_err(Error::library("looking for a shallow boundary"))
    }

    /// Checks whether this repository shows the objects of a push that may still be refused. If so,
    /// nothing can be written.
    pub fn is_quarantined(&self) -> bool {
        self.shared
            .quarantine
            .as_ref()
            .is_some_and(Quarantine::is_provisional)
    }

    /// Returns [`Error::Quarantine`] if `what` would be written while a push is being checked.
    pub(super) fn refuse_in_quarantine(&self, what: &'static str) -> Result<()> {
        if self.is_quarantined() {
            Err(Error::Quarantine(what))
        } else {
            Ok(())
        }
    }

    /// Prepares a `git` process in this repository: see [`GitCommand`]. If the configuration is
    /// frozen, the process uses the frozen one, except to read or change the configuration itself and
    /// to list the worktrees.
    pub fn git(&self, command: &'static str) -> GitCommand {
        self.git_with_settings(&[], command)
    }

    /// Prepares the same with settings of the form `name=value`, which override those of the user.
    pub(crate) fn git_with_settings(&self, settings: &[&str], command: &'static str) -> GitCommand {
        let frozen = self.shared.frozen.lock();
        let frozen = frozen.unwrap_or_else(PoisonError::into_inner).clone();
        match frozen {
            Some(folder) if !matches!(command, "config" | "worktree") => folder.git(
                self.git_dir(),
                self.work_dir(),
                &self.common_dir().join("objects"),
                settings,
                command,
            ),
            _ => GitCommand::with_settings(self.git_dir(), self.work_dir(), settings, command),
        }
    }

    /// Prepares a `git` process that uses the configuration as it is now.
    pub(super) fn unfrozen_git(&self, command: &'static str) -> GitCommand {
        GitCommand::new(self.git_dir(), self.work_dir(), command)
    }
}
