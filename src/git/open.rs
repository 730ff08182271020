//! Opens repositories safely: absolute paths, owner checked, unsupported formats refused.
//!
//! A format that gix would open and then misread is refused, because a commit or ref that gix
//! cannot see would look as if it did not exist.

use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::linked_files::{refuse_linked_files, refuse_linked_files_around};
use super::object_store::OBJECT_LIMIT;
use super::quarantine::{HookEnvironment, Quarantine};
use super::repo::Repository;

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
        // gix reports an unreadable file as the same error, so check the owner.
        let is_foreign = |path: &Path| {
            gix::sec::identity::is_path_owned_by_current_user(path).is_ok_and(|own| !own)
        };
        if error.is_permission_denied() && (is_foreign(&path) || is_foreign(&path.join(".git"))) {
            return Error::OtherOwner(path);
        }
        if error.is_not_found() {
            return Error::Open {
                path,
                source: "it is not a git repository, or its .git file points to a missing one"
                    .into(),
            };
        }
        Error::Open {
            path,
            source: error.into(),
        }
    }
}

impl Repository {
    /// Opens the repository that contains `directory`. As in git, `GIT_DIR` in the environment
    /// overrides that, `GIT_WORK_TREE` sets the worktree, and `GIT_CEILING_DIRECTORIES` limits the
    /// search.
    pub fn discover(directory: &Path) -> Result<Self> {
        let directory = canonicalize(directory)?;
        if let Some(git_dir) = std::env::var_os("GIT_DIR") {
            let mut opened = Self::open(Path::new(&git_dir))?;
            let has_work_tree = std::env::var_os("GIT_WORK_TREE").is_some()
                || opened.config_string("core.worktree")?.is_some();
            if !has_work_tree && opened.config_bool("core.bare")? != Some(true) {
                // With GIT_DIR alone, git uses the working directory as the top of the worktree.
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
        refuse_linked_files_around(&directory)?;
        // A ceiling that is not above the directory has no effect.
        upwards.match_ceiling_dir_or_error = false;
        let gix = gix::ThreadSafeRepository::discover_opts(&directory, upwards, trust);
        let gix = gix
            .map_err(convert_open_error(&directory))?
            .to_thread_local();
        refuse_found_bare_repository(&gix, &directory)?;
        Self::from_opened(gix, None)
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
        refuse_linked_files(&git_dir)?;
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
        // In a linked worktree this is another folder.
        refuse_linked_files(gix.common_dir())?;
        let quarantine = match environment {
            Some(environment) => Quarantine::enter(&mut gix, environment)?,
            None => None,
        };
        Ok(Self::with_quarantine(gix, quarantine))
    }
}

/// Refuses a bare repository that was found because the directory is in it, if `safe.bareRepository`
/// is `explicit`: a checkout can contain one, with settings that run programs.
///
/// As in git, a repository's own settings do not count, and directories in a `.git` folder are
/// allowed.
fn refuse_found_bare_repository(gix: &gix::Repository, directory: &Path) -> Result<()> {
    let git_dir = gix.git_dir();
    let is_below_git_folder = || git_dir.components().any(|part| part.as_os_str() == ".git");
    if !directory.starts_with(git_dir) || is_below_git_folder() {
        return Ok(());
    }
    let snapshot = gix.config_snapshot();
    let sections = snapshot.plumbing().sections_by_name("safe");
    let values = sections
        .into_iter()
        .flatten()
        .filter(|section| section.meta().source.kind() != gix::config::source::Kind::Repository)
        .filter_map(|section| section.value("bareRepository"));
    match values.last() {
        Some(value) if *value == b"explicit"[..] => Err(Error::BareRepository(git_dir.to_owned())),
        _ => Ok(()),
    }
}

/// Resolves a path: a relative one would change its meaning with the working directory.
fn canonicalize(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        source: source.into(),
    })
}

/// The repository format extensions that gix reads correctly, or that do not affect reading.
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
                        "git clone --ref-format=files, or since git 2.48 git refs migrate --ref-format=files",
                    );
                }
                ("partialclone", _) => return refuse_partial_clone(gix),
                (known, _) if KNOWN_EXTENSIONS.contains(&known) => {}
                (unknown, _) => {
                    return unsupported(
                        format!("the extension {unknown:?}"),
                        "git clone, which does not copy extensions",
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
        feature: "objects that were filtered out of the clone (--filter)".to_owned(),
        remedy: "git clone, without --filter",
    })
}
