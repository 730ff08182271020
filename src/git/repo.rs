//! A repository, opened once and safely: absolute paths, owner checked, replace refs ignored, kinds that would lie refused.
//!
//! A [`Repository`] belongs to one thread. Other threads get their own from [`Repository::share`].

use std::any::Any;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use gix::bstr::ByteSlice;

use super::cache::Cache;
use super::command::Git;
use super::error::{Error, Result};
use super::object::Unsynced;
use super::quarantine::{HookEnvironment, Quarantine};
use crate::domain::id::Oid;

/// The largest object that is read: a tree of a million entries fits, and a push cannot make us allocate more.
pub(super) const OBJECT_LIMIT: usize = 128 << 20;
/// Decoded objects kept in memory, in bytes: trees and commits that several questions share.
const CACHE: usize = 16 << 20;
/// Objects that others in their pack are stored as differences to, in bytes: without them each is put together from the first of its
/// line, and neighbouring entries of a ledger are such lines.
const BASES: usize = 16 << 20;

/// The hash that names a repository's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// SHA-1: ids of 40 digits.
    Sha1,
    /// SHA-256: ids of 64 digits.
    Sha256,
}

impl HashKind {
    /// Git's id of "nothing".
    pub fn zero(self) -> Oid {
        from_gix(&gix::ObjectId::null(self.to_gix()))
    }

    /// The id of the tree without entries.
    pub fn empty_tree(self) -> Oid {
        from_gix(&gix::ObjectId::empty_tree(self.to_gix()))
    }

    pub(crate) fn to_gix(self) -> gix::hash::Kind {
        match self {
            Self::Sha1 => gix::hash::Kind::Sha1,
            Self::Sha256 => gix::hash::Kind::Sha256,
        }
    }
}

/// Our id of gix's id.
pub(crate) fn from_gix(id: &gix::oid) -> Oid {
    // gix is built with SHA-1 and SHA-256 only, whose ids have 20 and 32 bytes; zero stands for what cannot be.
    Oid::from_bytes(id.as_bytes()).unwrap_or_else(|| HashKind::Sha1.zero())
}

/// gix's id of our id.
pub(crate) fn to_gix(id: Oid) -> gix::ObjectId {
    // An id of ours has 20 or 32 bytes, the two lengths that gix knows.
    gix::ObjectId::try_from(id.as_bytes()).unwrap_or(gix::ObjectId::null(gix::hash::Kind::Sha1))
}

/// Folders of ledgers' trees that are cached, in bytes.
const TREE_CACHE: usize = 8 << 20;

/// What all threads of one opened repository share.
pub(super) struct Common {
    graph: OnceLock<Option<gix::commitgraph::Graph>>,
    /// `Some` while objects of a push are visible that are not in the repository yet.
    quarantine: Option<Quarantine>,
    /// Folders of ledgers' trees: read, or computed by folding.
    pub(super) trees: Cache<Oid, Arc<[u8]>>,
    /// What the layer above keeps with the repository.
    attachment: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// An opened repository, for one thread.
pub struct Repository {
    pub(crate) gix: gix::Repository,
    pub(super) common: Arc<Common>,
    /// What received objects since the last ref moved: it is on the disk before the next one does.
    pub(super) unsynced: RefCell<Unsynced>,
}

/// A handle that can be given to other threads.
#[derive(Clone)]
pub struct Shared {
    gix: gix::ThreadSafeRepository,
    common: Arc<Common>,
}

impl Shared {
    /// A repository for the calling thread: cheap, packs and indices are shared.
    pub fn fork(&self) -> Repository {
        Repository::new(self.gix.to_thread_local(), Arc::clone(&self.common))
    }

    /// The same repository with packs of its own, which leave the memory as soon as nobody uses this handle and its forks any more: for
    /// reading everything, bit by bit. Where they cannot be opened, these are shared as usual.
    #[must_use]
    pub fn apart(&self) -> Self {
        let mut gix = self.gix.to_thread_local();
        let options = gix::odb::store::init::Options {
            alloc_limit_bytes: Some(OBJECT_LIMIT),
            current_dir: Some(gix.common_dir().to_owned()),
            ..Default::default()
        };
        let folder = gix.objects.store_ref().path().to_owned();
        match gix::odb::at_opts(folder, gix.object_hash(), None, options) {
            Ok(handle) => {
                gix.objects = gix::odb::memory::Proxy::from(handle).with_write_passthrough()
            }
            Err(_) => return self.clone(),
        }
        Self {
            gix: gix.into_sync(),
            common: Arc::clone(&self.common),
        }
    }
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repository({})", self.git_dir().display())
    }
}

fn options() -> Result<gix::open::Options> {
    Ok(gix::open::Options::default()
        // As C git does: not in a repository of another user, whose configuration could run programs.
        .bail_if_untrusted(true)
        .cli_overrides(super::config_env::of_process()?)
        .config_overrides([format!("gitoxide.objects.allocLimit={OBJECT_LIMIT}")]))
}

fn open_error(path: &Path) -> impl FnOnce(gix::Error) -> Error {
    let path = path.to_owned();
    move |error| {
        // Only whose it is says so: a file that may not be read is refused in the same way.
        let foreign = |path: &Path| {
            gix::sec::identity::is_path_owned_by_current_user(path).is_ok_and(|own| !own)
        };
        if error.is_permission_denied() && (foreign(&path) || foreign(&path.join(".git"))) {
            return Error::Foreign(path);
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
    fn new(mut gix: gix::Repository, common: Arc<Common>) -> Self {
        // A replace ref changes what history says; nobody signs those.
        gix.objects.ignore_replacements = true;
        gix.object_cache_size(CACHE);
        gix.objects.set_pack_cache(|| {
            Box::new(gix::odb::pack::cache::lru::MemoryCappedHashmap::new(BASES))
        });
        Self {
            gix,
            common,
            unsynced: RefCell::default(),
        }
    }

    /// Opens the repository that `directory` lies in. As for git, `GIT_DIR` in the environment overrules that, `GIT_WORK_TREE` says where
    /// the work tree is, and `GIT_CEILING_DIRECTORIES` where the search ends.
    pub fn discover(directory: &Path) -> Result<Self> {
        let directory = absolute(directory)?;
        if let Some(git_dir) = std::env::var_os("GIT_DIR") {
            let mut opened = Self::open(Path::new(&git_dir))?;
            let said = std::env::var_os("GIT_WORK_TREE").is_some()
                || opened.config_string("core.worktree")?.is_some();
            if !said && opened.config_bool("core.bare")? != Some(true) {
                // With GIT_DIR alone, git takes the working directory for the top of the work tree.
                opened
                    .gix
                    .set_workdir(directory.clone())
                    .map_err(open_error(&directory))?;
            }
            return Ok(opened);
        }
        let trust = gix::sec::trust::Mapping {
            full: options()?,
            reduced: options()?,
        };
        let mut upwards = gix::discover::upwards::Options::default().apply_environment();
        // A ceiling that is nowhere above stops nothing.
        upwards.match_ceiling_dir_or_error = false;
        let gix = gix::ThreadSafeRepository::discover_opts(&directory, upwards, trust);
        Self::checked(gix.map_err(open_error(&directory))?.to_thread_local(), None)
    }

    /// Opens exactly this git folder: a bare repository, or the `.git` of a worktree.
    pub fn open(git_dir: &Path) -> Result<Self> {
        Self::open_with(git_dir, None)
    }

    /// Opens the repository that git runs this hook in, with the objects of the push that is being judged.
    pub fn open_in_hook() -> Result<Self> {
        Self::open_in_environment(&HookEnvironment::of_process()?)
    }

    /// As [`Repository::open_in_hook`], with the variables given.
    pub fn open_in_environment(environment: &HookEnvironment) -> Result<Self> {
        Self::open_with(&environment.git_dir, Some(environment))
    }

    fn open_with(git_dir: &Path, environment: Option<&HookEnvironment>) -> Result<Self> {
        let git_dir = absolute(git_dir)?;
        let gix = options()?
            .open_path_as_is(true)
            .open(&git_dir)
            .map_err(open_error(&git_dir))?;
        Self::checked(gix.to_thread_local(), environment)
    }

    fn checked(mut gix: gix::Repository, environment: Option<&HookEnvironment>) -> Result<Self> {
        refuse_unsupported(&gix)?;
        let quarantine = match environment {
            Some(environment) => Quarantine::enter(&mut gix, environment)?,
            None => None,
        };
        Ok(Self::new(
            gix,
            Arc::new(Common {
                graph: OnceLock::new(),
                quarantine,
                trees: Cache::new(TREE_CACHE),
                attachment: OnceLock::new(),
            }),
        ))
    }

    /// Returns the value of type `T` that belongs to this opened repository, made at first use and shared by all threads.
    ///
    /// # Panics
    /// If it is asked for with two different types: only `ledger::cache` does ask.
    #[expect(clippy::expect_used, reason = "one caller, with one type")]
    pub(crate) fn attachment<T: Any + Default + Send + Sync>(&self) -> &T {
        let attachment = self.common.attachment.get_or_init(|| Box::<T>::default());
        attachment.downcast_ref().expect("one type is attached")
    }

    /// A handle for other threads.
    pub fn share(&self) -> Shared {
        Shared {
            gix: self.gix.clone().into_sync(),
            common: Arc::clone(&self.common),
        }
    }

    /// A second repository for one other thread; for many, keep the result of [`Repository::share`].
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(self.gix.clone(), Arc::clone(&self.common))
    }

    /// The hash of the repository's objects.
    pub fn hash_kind(&self) -> HashKind {
        match self.gix.object_hash() {
            gix::hash::Kind::Sha256 => HashKind::Sha256,
            _ => HashKind::Sha1,
        }
    }

    /// Whether there is no worktree.
    pub fn is_bare(&self) -> bool {
        self.gix.workdir().is_none()
    }

    /// The git folder of this worktree, absolute.
    pub fn git_dir(&self) -> &Path {
        self.gix.git_dir()
    }

    /// The git folder that all worktrees share, absolute: refs, objects and configuration.
    pub fn common_dir(&self) -> &Path {
        self.gix.common_dir()
    }

    /// The top of the worktree, absolute; none if bare.
    pub fn work_dir(&self) -> Option<&Path> {
        self.gix.workdir()
    }

    /// Whether history was cut off by a shallow clone.
    pub fn is_shallow(&self) -> Result<bool> {
        self.gix
            .is_shallow()
            .map_err(Error::library("looking for a shallow boundary"))
    }

    /// Whether objects of a push are visible that may yet be refused: nothing can be written then.
    pub fn is_quarantined(&self) -> bool {
        self.common
            .quarantine
            .as_ref()
            .is_some_and(Quarantine::is_provisional)
    }

    pub(super) fn refuse_in_quarantine(&self, what: &'static str) -> Result<()> {
        if self.is_quarantined() {
            Err(Error::Quarantine(what))
        } else {
            Ok(())
        }
    }

    pub(super) fn quarantine(&self) -> Option<&Quarantine> {
        self.common.quarantine.as_ref()
    }

    /// The commit-graph, where there is one that can be used.
    ///
    /// It is loaded once: it describes commits that never change, and what it lacks is read as objects.
    pub(super) fn graph(&self) -> Option<&gix::commitgraph::Graph> {
        self.common.graph.get_or_init(|| self.open_graph()).as_ref()
    }

    /// A commit-graph to give away.
    pub(super) fn open_graph(&self) -> Option<gix::commitgraph::Graph> {
        // Git, too, uses no graph in a shallow clone: it would know parents that are not there.
        if self.is_shallow().unwrap_or(true)
            || !self.config_bool("core.commitGraph").ok()?.unwrap_or(true)
        {
            return None;
        }
        // In quarantine the object store is a stand-in, so the place is named here. A broken graph is none: it is a cache.
        let info = self.common_dir().join("objects/info");
        gix::commitgraph::at(info, self.gix.object_hash(), Some(OBJECT_LIMIT)).ok()
    }

    /// Whether a setting has a value, whatever that is.
    pub fn has_config(&self, key: &str) -> bool {
        self.gix.config_snapshot().string(key).is_some()
    }

    /// A value of git's configuration, the last one that applies. A value that is not UTF-8 is an error.
    pub fn config_string(&self, key: &str) -> Result<Option<String>> {
        let Some(value) = self.gix.config_snapshot().string(key) else {
            return Ok(None);
        };
        let text = value
            .to_str()
            .map_err(|_| Error::corrupt(format!("the git setting {key}"), "not UTF-8"))?;
        Ok(Some(text.to_owned()))
    }

    /// Every value of a setting that can be given several times, in order.
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

    /// A setting that is on or off. What git would not take for either is an error.
    pub fn config_bool(&self, key: &str) -> Result<Option<bool>> {
        self.gix
            .config_snapshot()
            .try_boolean(key)
            .map_err(Error::library(format!("reading the git setting {key}")))
    }

    /// Sets a value in the repository's own configuration, in place of all it had. This object goes on seeing what it saw when opened.
    pub fn set_config(&self, key: &str, value: &str) -> Result<()> {
        self.change_config("--replace-all", key, value)
    }

    /// Adds a value to a setting that can be given several times.
    pub fn add_config(&self, key: &str, value: &str) -> Result<()> {
        self.change_config("--add", key, value)
    }

    fn change_config(&self, how: &str, key: &str, value: &str) -> Result<()> {
        let changed = self
            .git("config")
            .args(["--local", how, "--end-of-options", key, value])
            .run()?;
        let lock = self.common_dir().join("config.lock");
        // A git that was killed leaves it.
        if !changed.success() && lock.exists() {
            return Err(Error::Locked(lock));
        }
        changed.ok().map(drop)
    }

    /// A `git` process in this repository: see [`Git`].
    pub fn git(&self, command: &'static str) -> Git {
        Git::new(self.git_dir(), self.work_dir(), command)
    }
}

/// The path with links resolved: relative ones would change their meaning with the working directory.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        source: source.into(),
    })
}

/// Extensions of the repository format that change nothing for us.
const KNOWN_EXTENSIONS: [&str; 6] = [
    "noop",
    "noop-v1",
    "objectformat",
    "preciousobjects",
    "relativeworktrees",
    "worktreeconfig",
];

/// Refuses what gix would open and then misread: facts that are missing would look like facts that are not so.
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
                ("partialclone", _) => return partial_clone(gix),
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
            return partial_clone(gix);
        }
    }
    Ok(())
}

fn partial_clone(gix: &gix::Repository) -> Result<()> {
    Err(Error::Unsupported {
        path: gix.git_dir().to_owned(),
        feature: "objects that were left out of the clone (--filter)".to_owned(),
        remedy: "git clone, without --filter",
    })
}
