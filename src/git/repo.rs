//! An opened repository, and opening one safely: absolute paths, owner checked, replace refs
//! ignored, unsupported formats refused.
//!
//! A [`Repository`] belongs to one thread. Other threads get their own from [`Repository::share`].

use std::any::Any;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use gix::bstr::ByteSlice;

use super::cache::Cache;
use super::command::GitCommand;
use super::error::{Error, Result};
use super::object::UnsyncedObjects;
use super::quarantine::{HookEnvironment, Quarantine};
use crate::domain::id::Oid;

/// The largest object that is read: a tree of a million entries fits, and a push cannot make us
/// allocate more.
pub(super) const OBJECT_LIMIT: usize = 128 << 20;
/// The size of the cache of decoded objects, in bytes: several questions share the same trees and
/// commits.
const OBJECT_CACHE: usize = 16 << 20;
/// The size of the cache of delta bases, in bytes. Without it every delta is resolved from the
/// start of its chain, and neighbouring entries of a ledger form such chains.
const DELTA_BASE_CACHE: usize = 16 << 20;

/// The hash function that names a repository's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// SHA-1: ids of 40 digits.
    Sha1,
    /// SHA-256: ids of 64 digits.
    Sha256,
}

impl HashKind {
    /// Returns the id of all zeros, which git uses for "nothing".
    pub fn zero_id(self) -> Oid {
        from_gix(&gix::ObjectId::null(self.to_gix()))
    }

    /// Returns the id of the empty tree.
    pub fn empty_tree(self) -> Oid {
        from_gix(&gix::ObjectId::empty_tree(self.to_gix()))
    }

    /// Converts to gix's hash kind.
    pub(crate) fn to_gix(self) -> gix::hash::Kind {
        match self {
            Self::Sha1 => gix::hash::Kind::Sha1,
            Self::Sha256 => gix::hash::Kind::Sha256,
        }
    }
}

/// Converts gix's object id.
pub(crate) fn from_gix(id: &gix::oid) -> Oid {
    // gix is built with SHA-1 and SHA-256 only, whose ids have 20 and 32 bytes, so the zero id is
    // never used.
    Oid::from_bytes(id.as_bytes()).unwrap_or_else(|| HashKind::Sha1.zero_id())
}

/// Converts to gix's object id.
pub(crate) fn to_gix(id: Oid) -> gix::ObjectId {
    // Our ids have 20 or 32 bytes, the two lengths that gix knows.
    gix::ObjectId::try_from(id.as_bytes()).unwrap_or(gix::ObjectId::null(gix::hash::Kind::Sha1))
}

/// The size of the cache of folders in ledger trees, in bytes.
const TREE_CACHE: usize = 8 << 20;

/// State shared by all threads that use one opened repository.
pub(super) struct SharedState {
    graph: OnceLock<Option<gix::commitgraph::Graph>>,
    /// `Some` while objects of a push are visible that the repository has not accepted yet.
    quarantine: Option<Quarantine>,
    /// Folders of ledger trees, read or computed by folding.
    pub(super) trees: Cache<Oid, Arc<[u8]>>,
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

    /// Returns the same repository with packs of its own, which leave memory once this handle and
    /// its forks are dropped: for reading everything, part by part. If the packs cannot be opened,
    /// the handle shares the existing ones.
    #[must_use]
    pub fn with_own_packs(&self) -> Self {
        let mut gix = self.gix.to_thread_local();
        let options = gix::odb::store::init::Options {
            alloc_limit_bytes: Some(OBJECT_LIMIT),
            current_dir: Some(gix.common_dir().to_owned()),
            ..Default::default()
        };
        let folder = gix.objects.store_ref().path().to_owned();
        match gix::odb::at_opts(folder, gix.object_hash(), None, options) {
            Ok(handle) => {
                gix.objects = gix::odb::memory::Proxy::from(handle).with_write_passthrough();
            }
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

/// Returns the options for opening any repository.
fn open_options() -> Result<gix::open::Options> {
    Ok(gix::open::Options::default()
        // Like C git, refuse a repository of another user, whose configuration could run programs.
        .bail_if_untrusted(true)
        .cli_overrides(super::config_env::read_process_settings()?)
        .config_overrides([format!("gitoxide.objects.allocLimit={OBJECT_LIMIT}")]))
}

/// Returns a converter from gix's error for a repository at `path`.
fn convert_open_error(path: &Path) -> impl FnOnce(gix::Error) -> Error {
    let path = path.to_owned();
    move |error| {
        // Only the owner tells: gix reports an unreadable file as the same error.
        let foreign = |path: &Path| {
            gix::sec::identity::is_path_owned_by_current_user(path).is_ok_and(|own| !own)
        };
        if error.is_permission_denied() && (foreign(&path) || foreign(&path.join(".git"))) {
            return Error::OtherOwner(path);
        }
        if error.is_not_found() {
            return Error::Open {
                path,
                source: "it is none, or its .git file leads nowhere".into(),
            };
        }
        Error::Open {
            path,
            source: error.into(),
        }
    }
}

impl Repository {
    /// Wraps a gix repository and sets its caches.
    fn new(mut gix: gix::Repository, common: Arc<SharedState>) -> Self {
        // A replace ref changes what history says, and nobody signs it.
        gix.objects.ignore_replacements = true;
        gix.object_cache_size(OBJECT_CACHE);
        gix.objects.set_pack_cache(|| {
            Box::new(gix::odb::pack::cache::lru::MemoryCappedHashmap::new(
                DELTA_BASE_CACHE,
            ))
        });
        Self {
            gix,
            shared: common,
            unsynced: RefCell::default(),
        }
    }

    /// Opens the repository that contains `directory`. As in git, `GIT_DIR` in the environment
    /// overrides that, `GIT_WORK_TREE` sets the worktree, and `GIT_CEILING_DIRECTORIES` limits the
    /// search.
    pub fn discover(directory: &Path) -> Result<Self> {
        let directory = canonicalize(directory)?;
        if let Some(git_dir) = std::env::var_os("GIT_DIR") {
            let mut opened = Self::open(Path::new(&git_dir))?;
            let said = std::env::var_os("GIT_WORK_TREE").is_some()
                || opened.config_string("core.worktree")?.is_some();
            if !said && opened.config_bool("core.bare")? != Some(true) {
                // With GIT_DIR alone, git takes the working directory for the top of the worktree.
                opened
                    .gix
                    .set_workdir(directory.clone())
                    .map_err(convert_open_error(&directory))?;
            }
            return Ok(opened);
        }
        let trust = gix::sec::trust::Mapping {
            full: open_options()?,
            reduced: open_options()?,
        };
        let mut upwards = gix::discover::upwards::Options::default().apply_environment();
        // A ceiling that is not above the directory has no effect.
        upwards.match_ceiling_dir_or_error = false;
        let gix = gix::ThreadSafeRepository::discover_opts(&directory, upwards, trust);
        Self::from_opened(
            gix.map_err(convert_open_error(&directory))?
                .to_thread_local(),
            None,
        )
    }

    /// Opens exactly this git folder: a bare repository, or the `.git` of a worktree.
    pub fn open(git_dir: &Path) -> Result<Self> {
        Self::open_with(git_dir, None)
    }

    /// Opens the repository in which git runs this hook, with the objects of the push being
    /// checked.
    pub fn open_in_hook() -> Result<Self> {
        Self::open_in_environment(&HookEnvironment::from_process()?)
    }

    /// Does the same as [`Repository::open_in_hook`], with the given variables.
    pub fn open_in_environment(environment: &HookEnvironment) -> Result<Self> {
        Self::open_with(&environment.git_dir, Some(environment))
    }

    /// Opens a git folder, with the objects of a push if a hook's environment is given.
    fn open_with(git_dir: &Path, environment: Option<&HookEnvironment>) -> Result<Self> {
        let git_dir = canonicalize(git_dir)?;
        let gix = open_options()?
            .open_path_as_is(true)
            .open(&git_dir)
            .map_err(convert_open_error(&git_dir))?;
        Self::from_opened(gix.to_thread_local(), environment)
    }

    /// Refuses unsupported repositories, makes the objects of a push visible, and wraps the result.
    fn from_opened(
        mut gix: gix::Repository,
        environment: Option<&HookEnvironment>,
    ) -> Result<Self> {
        refuse_unsupported(&gix)?;
        let quarantine = match environment {
            Some(environment) => Quarantine::enter(&mut gix, environment)?,
            None => None,
        };
        Ok(Self::new(
            gix,
            Arc::new(SharedState {
                graph: OnceLock::new(),
                quarantine,
                trees: Cache::new(TREE_CACHE),
                attachment: OnceLock::new(),
            }),
        ))
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

    /// Returns a second repository for one other thread. For many, keep the result of
    /// [`Repository::share`].
    #[must_use]
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

    /// Checks whether objects of a push are visible that may still be refused. Nothing can be
    /// written then.
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

    /// Returns the quarantine of a push, if objects of one are visible.
    pub(super) fn quarantine(&self) -> Option<&Quarantine> {
        self.shared.quarantine.as_ref()
    }

    /// Returns the commit-graph, if there is a usable one.
    ///
    /// It is loaded once: it describes commits that never change, and commits that it lacks are
    /// read as objects.
    pub(super) fn commit_graph(&self) -> Option<&gix::commitgraph::Graph> {
        self.shared
            .graph
            .get_or_init(|| self.open_commit_graph())
            .as_ref()
    }

    /// Opens the commit-graph, if there is a usable one.
    pub(super) fn open_commit_graph(&self) -> Option<gix::commitgraph::Graph> {
        // Git, too, ignores the graph in a shallow clone: it would know parents that are not there.
        if self.is_shallow().unwrap_or(true)
            || !self.config_bool("core.commitGraph").ok()?.unwrap_or(true)
        {
            return None;
        }
        // In quarantine the object store is a stand-in, so the path is given here. A broken graph
        // is ignored: it is only a cache.
        let info = self.common_dir().join("objects/info");
        gix::commitgraph::at(info, self.gix.object_hash(), Some(OBJECT_LIMIT)).ok()
    }

    /// Checks whether a setting has any value.
    pub fn has_config(&self, key: &str) -> bool {
        self.gix.config_snapshot().string(key).is_some()
    }

    /// Returns a setting's value, the last one that applies. A value that is not UTF-8 is an error.
    pub fn config_string(&self, key: &str) -> Result<Option<String>> {
        let Some(value) = self.gix.config_snapshot().string(key) else {
            return Ok(None);
        };
        let text = value
            .to_str()
            .map_err(|_| Error::corrupt(format!("the git setting {key}"), "not UTF-8"))?;
        Ok(Some(text.to_owned()))
    }

    /// Returns all values of a multi-valued setting, in order.
    pub fn config_strings(&self, key: &str) -> Result<Vec<String>> {
        let values = self
            .gix
            .config_snapshot()
            .plumbing()
            .strings(key)
            .unwrap_or_default();
        let text = |value: &gix::bstr::BString| value.to_str().map(str::to_owned);
        values
            .iter()
            .map(text)
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| Error::corrupt(format!("the git setting {key}"), "not UTF-8"))
    }

    /// Returns a boolean setting. A value that git would not accept as a boolean is an error.
    pub fn config_bool(&self, key: &str) -> Result<Option<bool>> {
        self.gix
            .config_snapshot()
            .try_boolean(key)
            .map_err(Error::library(format!("reading the git setting {key}")))
    }

    /// Sets a value in the repository's own configuration and replaces all its previous values.
    /// This object keeps the values it read when opened.
    pub fn set_config(&self, key: &str, value: &str) -> Result<()> {
        self.change_config("--replace-all", key, value)
    }

    /// Adds a value to a multi-valued setting.
    pub fn add_config(&self, key: &str, value: &str) -> Result<()> {
        self.change_config("--add", key, value)
    }

    /// Runs `git config` to change a setting.
    ///
    /// # Errors
    /// [`Error::Locked`] if a lock file is in the way.
    fn change_config(&self, how: &str, key: &str, value: &str) -> Result<()> {
        let changed = self
            .git("config")
            .args(["--local", how, "--end-of-options", key, value])
            .run()?;
        let lock = self.common_dir().join("config.lock");
        // A git process that was killed leaves its lock behind.
        if !changed.is_success() && lock.exists() {
            return Err(Error::Locked(lock));
        }
        changed.into_stdout().map(drop)
    }

    /// Prepares a `git` process in this repository: see [`Git`].
    pub fn git(&self, command: &'static str) -> GitCommand {
        GitCommand::new(self.git_dir(), self.work_dir(), command)
    }
}

/// Resolves a path: a relative one would change its meaning with the working directory.
fn canonicalize(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        source: source.into(),
    })
}

/// Repository format extensions that make no difference here.
const KNOWN_EXTENSIONS: [&str; 6] = [
    "noop",
    "noop-v1",
    "objectformat",
    "preciousobjects",
    "relativeworktrees",
    "worktreeconfig",
];

/// Refuses repositories that gix would open and then misread: missing facts would look like
/// negative ones.
fn refuse_unsupported(gix: &gix::Repository) -> Result<()> {
    let unsupported = |feature: String, remedy| {
        Err(Error::Unsupported {
            path: gix.git_dir().to_owned(),
            feature,
            remedy,
        })
    };
    if gix.refs.namespace.is_some() {
        return unsupported("a ref namespace".to_owned(), "unset GIT_NAMESPACE");
    }
    let snapshot = gix.config_snapshot();
    let config = snapshot.plumbing();
    for section in config.sections_by_name("extensions").into_iter().flatten() {
        for name in section.value_names() {
            let name = name.to_ascii_lowercase();
            let value = section
                .value(&name)
                .unwrap_or_default()
                .to_ascii_lowercase();
            match (&*name, &*value) {
                ("refstorage", b"files") => {}
                ("refstorage", _) => {
                    return unsupported(
                        "reftable refs".to_owned(),
                        "git clone --ref-format=files; since git 2.48 also git refs migrate",
                    );
                }
                ("partialclone", _) => return refuse_partial_clone(gix),
                (known, _) if KNOWN_EXTENSIONS.contains(&known) => {}
                (unknown, _) => {
                    return unsupported(
                        format!("the extension {unknown:?}"),
                        "git clone, which leaves extensions behind",
                    );
                }
            }
        }
    }
    for section in config.sections_by_name("remote").into_iter().flatten() {
        if section
            .value("promisor")
            .is_some_and(|value| !matches!(&**value, b"false" | b"no" | b"off" | b"0"))
        {
            return refuse_partial_clone(gix);
        }
    }
    Ok(())
}

/// Returns the error for a partial clone.
fn refuse_partial_clone(gix: &gix::Repository) -> Result<()> {
    Err(Error::Unsupported {
        path: gix.git_dir().to_owned(),
        feature: "objects that were left out of the clone (--filter)".to_owned(),
        remedy: "git clone, without --filter",
    })
}
