//! Turns a repository into a server: installs the hooks, and the settings that they depend on.
//! Running it again changes nothing.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::handoff::{self, HANDOFF, HandoffError};
use super::required_settings::{
    ADMINS, PROC_RECEIVE_REFS, RECOVERY_KEY, RequiredSetting, SETTINGS, WantedValue,
};
use super::shim::{
    POST_RECEIVE, PRE_PUSH, PRE_RECEIVE, PROC_RECEIVE, REFERENCE_TRANSACTION, Shim, UPDATE,
    is_our_shim, kept_path, render_shim,
};
use crate::domain::id::PublicKey;
use crate::domain::name::LedgerName;
use crate::git::{self, Repository};
use crate::ledger::Project;

/// What the owner asked for.
#[derive(Debug)]
pub struct InstallOptions<'a> {
    /// The repository: a bare one, or the top of a worktree.
    pub repository: &'a Path,
    /// Keys that may be roots of the project, in addition to those named before.
    pub admins: &'a [PublicKey],
    /// A key that may publish one policy, to recover the project.
    pub recovery: Option<PublicKey>,
    /// Whether the host does not call proc-receive, so that other hooks must stand in for it.
    pub without_proc_receive: bool,
    /// Whether a hook prevents git itself from moving ledgers.
    pub reference_transaction: bool,
    /// The program that accepted entries are handed over to.
    pub handoff: Option<&'a Path>,
    /// The program that the hooks call.
    pub program: &'a Path,
}

/// One result of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallStep {
    /// The state now, in one line.
    pub message: String,
    /// Whether it had to be changed.
    pub changed: bool,
}

/// Why a repository was not turned into a server.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is no repository.
    #[error("there is no git repository at {}", path.display())]
    NoRepository {
        /// The path.
        path: PathBuf,
        /// The error of git's library.
        source: git::Error,
    },
    /// No key is named that may publish the first policy.
    #[error("nobody is named who may publish the first policy")]
    NoAdmin,
    /// The existing project began with another key.
    #[error(
        "the project that is in the repository names a root key that is not among the admins: {0}"
    )]
    OtherRoots(PublicKey),
    /// The hooks are outside of the repository.
    #[error("core.hooksPath leads out of the repository, to {}, where other repositories may have their hooks too", .0.display())]
    HooksElsewhere(PathBuf),
    /// The program to hand entries over to is not an absolute path.
    #[error("the program that entries are handed to is named by its absolute path, and {} is none", .0.display())]
    HandoffNotAbsolute(PathBuf),
    /// The hand-off could not begin.
    #[error("the hand-off could not begin")]
    HandoffFailed(#[from] HandoffError),
    /// gitolite has its own hook at the place of ours.
    #[error(
        "gitolite manages {}, and puts its own hook update back in the place of the one that would stand in for proc-receive",
        .0.display()
    )]
    Gitolite(PathBuf),
    /// There is already a hook that cannot be called first.
    #[error("a hook proc-receive is there already, at {}, and git calls only one", .0.display())]
    HookExists(PathBuf),
    /// The name for the previous hook is taken.
    #[error("the hook {} would be moved to a name that is taken already: {}", hook.display(), taken.display())]
    NameTaken {
        /// The hook.
        hook: PathBuf,
        /// Its new name.
        taken: PathBuf,
    },
    /// The program's path cannot be written into a shell script.
    #[error("the program's path is not UTF-8: {}", .0.display())]
    Program(PathBuf),
    /// A file could not be written.
    #[error("{} could not be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] git::Error),
}

type Result<T> = std::result::Result<T, InstallError>;

/// Installs hooks and settings. Leaves alone what is as it should be.
pub fn init_server(wish: &InstallOptions<'_>) -> Result<Vec<InstallStep>> {
    let repository = open_repository(wish.repository)?;
    // An invalid ref among the ledgers would make every later push undecidable.
    repository.tips()?;
    if wish.without_proc_receive && is_managed_by_gitolite(&repository) {
        return Err(InstallError::Gitolite(wish.repository.to_owned()));
    }
    let mut installer = Installer {
        repository: &repository,
        steps: Vec::new(),
    };
    installer.set_owner_keys(wish)?;
    let hooks = installer.find_hooks_folder()?;
    // Settings come before hooks: git itself refuses a ledger for a hook that does not exist yet.
    for setting in &SETTINGS {
        if setting.key != PROC_RECEIVE_REFS.key || !wish.without_proc_receive {
            installer.apply_setting(setting)?;
        }
    }
    installer.set_handoff(wish.handoff)?;
    let (shims, others) = installer.choose_shims(wish)?;
    for shim in shims {
        installer.install_hook(&hooks, &shim, wish.program)?;
    }
    for shim in others {
        installer.remove_shim(&hooks, &shim)?;
    }
    if wish.without_proc_receive {
        installer.remove_setting(&PROC_RECEIVE_REFS)?;
    }
    installer.write_commit_graph()?;
    Ok(installer.steps)
}

/// Returns whether gitolite manages a repository. It writes its compiled rules into a file of each,
/// and links its own hook.
fn is_managed_by_gitolite(repository: &Repository) -> bool {
    let update = repository.common_dir().join("hooks/update");
    let leads = fs::read_link(update).is_ok_and(|to| to.iter().any(|part| part == ".gitolite"));
    leads || repository.common_dir().join("gl-conf").is_file()
}

/// Installs the hook of a clone, which reports before a push what the server will decide.
pub fn init_clone(repository: &Repository, program: &Path) -> Result<Vec<InstallStep>> {
    let mut installer = Installer {
        repository,
        steps: Vec::new(),
    };
    let hooks = installer.find_hooks_folder()?;
    installer.install_hook(&hooks, &PRE_PUSH, program)?;
    Ok(installer.steps)
}

/// Opens a bare repository, or the one of a worktree's top folder.
fn open_repository(path: &Path) -> Result<Repository> {
    let none = |source| InstallError::NoRepository {
        path: path.to_owned(),
        source,
    };
    match Repository::open(path) {
        Err(git::Error::Open { .. }) => Repository::open(&path.join(".git")).map_err(none),
        other => Ok(other?),
    }
}

struct Installer<'a> {
    repository: &'a Repository,
    steps: Vec<InstallStep>,
}

impl Installer<'_> {
    /// Adds a result.
    fn add_step(&mut self, changed: bool, what: impl Into<String>) {
        self.steps.push(InstallStep {
            message: what.into(),
            changed,
        });
    }

    /// Sets who may begin or recover the project.
    fn set_owner_keys(&mut self, wish: &InstallOptions<'_>) -> Result<()> {
        let mut admins = self.read_local(ADMINS.key)?;
        admins.extend(wish.admins.iter().map(PublicKey::to_string));
        if admins.is_empty() {
            return Err(InstallError::NoAdmin);
        }
        if let Some(tip) = self.repository.tip(&LedgerName::policy())? {
            let roots = Project::from_policy_tip(self.repository, tip)?.root_keys;
            let known = |root: &&PublicKey| admins.iter().any(|admin| admin.parse() == Ok(**root));
            if let Some(stranger) = roots.iter().find(|root| !known(root)) {
                return Err(InstallError::OtherRoots(*stranger));
            }
        }
        for admin in wish.admins {
            self.add_value(ADMINS.key, &admin.to_string())?;
        }
        if let Some(recovery) = wish.recovery {
            self.set_value(RECOVERY_KEY.key, &recovery.to_string())?;
        }
        Ok(())
    }

    /// Returns the values of a setting in the repository's own configuration.
    fn read_local(&self, key: &str) -> Result<Vec<String>> {
        let output = self
            .repository
            .git("config")
            .args(["--local", "--null", "--get-all", key])
            .run()?;
        // 1 means that there is none.
        let values = if output.code == Some(1) {
            Vec::new()
        } else {
            output.into_stdout()?
        };
        let values = values
            .split(|byte| *byte == 0)
            .filter(|value| !value.is_empty());
        Ok(values
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect())
    }

    /// Adds a value to a setting, unless it has it.
    fn add_value(&mut self, key: &str, value: &str) -> Result<()> {
        let missing = !self.read_local(key)?.iter().any(|one| one == value);
        if missing {
            self.repository.add_config(key, value)?;
        }
        self.add_step(missing, format!("{key} = {value}"));
        Ok(())
    }

    /// Sets a setting to one value.
    fn set_value(&mut self, key: &str, value: &str) -> Result<()> {
        let differs = self.read_local(key)? != [value];
        if differs {
            self.repository.set_config(key, value)?;
        }
        self.add_step(differs, format!("{key} = {value}"));
        Ok(())
    }

    /// Gives a setting the value that every server needs. Leaves it alone if it is right by default
    /// or depends on the server.
    fn apply_setting(&mut self, setting: &RequiredSetting) -> Result<()> {
        let key = setting.key;
        match setting.wanted {
            WantedValue::Contains(value) => self.add_value(key, value),
            WantedValue::Equals(value) => self.set_value(key, value),
            WantedValue::Covers(value) => self.set_value_if_unset(key, value),
            WantedValue::Not { .. } | WantedValue::BoolOrUnset(_) | WantedValue::Described(_) => {
                Ok(())
            }
        }
    }

    /// Removes the wanted value from a setting with several values, if it has it.
    fn remove_setting(&mut self, setting: &RequiredSetting) -> Result<()> {
        let (key, WantedValue::Contains(value)) = (setting.key, setting.wanted) else {
            return Ok(());
        };
        if self.read_local(key)?.iter().any(|one| one == value) {
            self.repository
                .git("config")
                .args(["--local", "--fixed-value", "--unset-all", key, value])
                .run()?
                .into_stdout()?;
            self.add_step(true, format!("{key} = {value} is gone"));
        }
        Ok(())
    }

    /// Sets the program that entries are handed over to, from now on.
    fn set_handoff(&mut self, program: Option<&Path>) -> Result<()> {
        let Some(program) = program else {
            return Ok(());
        };
        let text = program.to_str().filter(|_| program.is_absolute());
        let text = text.ok_or_else(|| InstallError::HandoffNotAbsolute(program.to_owned()))?;
        // Comes before the setting, so that a push in between does not hand over all past entries.
        handoff::mark_all_done(self.repository)?;
        self.set_value(HANDOFF, text)
    }

    /// Returns the hooks that this host needs, and those that they replace. A hook without a
    /// purpose is not installed, because every push waits for each hook's process.
    fn choose_shims(&self, wish: &InstallOptions<'_>) -> Result<(Vec<Shim>, Vec<Shim>)> {
        let (mut shims, others) = if wish.without_proc_receive {
            (vec![UPDATE, POST_RECEIVE], vec![PROC_RECEIVE])
        } else {
            (vec![PROC_RECEIVE], vec![UPDATE])
        };
        if !wish.without_proc_receive && !self.read_local(HANDOFF)?.is_empty() {
            shims.push(POST_RECEIVE);
        }
        if wish.reference_transaction {
            shims.push(REFERENCE_TRANSACTION);
        }
        // The hook that decides alone if the others are missing comes last.
        shims.push(PRE_RECEIVE);
        Ok((shims, others))
    }

    /// Removes a shim that is not needed any more, and restores the hook that it had replaced.
    fn remove_shim(&mut self, folder: &Path, shim: &Shim) -> Result<()> {
        let path = folder.join(shim.name);
        if !fs::read(&path).is_ok_and(|bytes| is_our_shim(&bytes, shim.name)) {
            return Ok(());
        }
        let before = kept_path(&path);
        let gone = if before.symlink_metadata().is_ok() {
            fs::rename(before, &path)
        } else {
            fs::remove_file(&path)
        };
        gone.map_err(|source| InstallError::Io {
            path: path.clone(),
            source,
        })?;
        self.add_step(
            true,
            format!("hook {} is gone: it has nothing to do", path.display()),
        );
        Ok(())
    }

    /// Sets a setting, unless the owner has chosen another value.
    fn set_value_if_unset(&mut self, key: &str, value: &str) -> Result<()> {
        match self.repository.config_string(key)? {
            Some(own) if own != value => self.add_step(false, format!("{key} = {own}, as it was")),
            _ => self.set_value(key, value)?,
        }
        Ok(())
    }

    /// Returns the folder in which git looks for this repository's hooks. Creates it if it is
    /// missing.
    fn find_hooks_folder(&self) -> Result<PathBuf> {
        // Git handles core.hooksPath, a tilde in it, and worktrees.
        let mut path = self
            .repository
            .git("rev-parse")
            .args(["--git-path", "hooks"])
            .run()?
            .into_stdout()?;
        path.truncate(path.trim_ascii_end().len());
        let start = self
            .repository
            .work_dir()
            .unwrap_or(self.repository.git_dir());
        let folder = start.join(OsString::from_vec(path));
        let failed = |source| InstallError::Io {
            path: folder.clone(),
            source,
        };
        fs::create_dir_all(&folder).map_err(failed)?;
        let folder = fs::canonicalize(&folder).map_err(failed)?;
        let inside = folder.starts_with(self.repository.common_dir());
        if inside {
            Ok(folder)
        } else {
            Err(InstallError::HooksElsewhere(folder))
        }
    }

    /// Writes one shim, and keeps the hook that was there.
    fn install_hook(&mut self, folder: &Path, shim: &Shim, program: &Path) -> Result<()> {
        let path = folder.join(shim.name);
        let program = program
            .to_str()
            .ok_or_else(|| InstallError::Program(program.to_owned()))?;
        let text = render_shim(shim.text, program);
        let failed = |source| InstallError::Io {
            path: path.clone(),
            source,
        };
        let there = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if there.as_deref() == Some(text.as_bytes()) {
            self.add_step(false, format!("hook {}", path.display()));
            return Ok(());
        }
        if there.is_some_and(|bytes| !is_our_shim(&bytes, shim.name)) {
            self.keep_previous_hook(&path, shim)?;
        }
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix(".git-deploy-hook-")
                .tempfile_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file()
                .set_permissions(fs::Permissions::from_mode(0o755))?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)
        };
        write().map_err(failed)?;
        self.add_step(true, format!("hook {}", path.display()));
        Ok(())
    }

    /// Keeps the previous hook under another name.
    fn keep_previous_hook(&mut self, path: &Path, shim: &Shim) -> Result<()> {
        if !shim.keeps_previous {
            return Err(InstallError::HookExists(path.to_owned()));
        }
        let taken = kept_path(path);
        if taken.symlink_metadata().is_ok() {
            if !is_same_hook(path, &taken) {
                return Err(InstallError::NameTaken {
                    hook: path.to_owned(),
                    taken,
                });
            }
        } else {
            // The hook gets a second name until the shim takes the first, so git never lacks it.
            // Some file systems have no hard links, so it is renamed there.
            let kept = fs::hard_link(path, &taken).or_else(|_| fs::rename(path, &taken));
            kept.map_err(|source| InstallError::Io {
                path: taken.clone(),
                source,
            })?;
        }
        self.add_step(
            true,
            format!(
                "the hook that was there is {} now, and called first",
                taken.display()
            ),
        );
        Ok(())
    }

    /// Writes a commit-graph. Every push asks about ancestry, and without a graph each answer reads
    /// the commits one by one. Later, `git gc` updates it.
    fn write_commit_graph(&mut self) -> Result<()> {
        let written = self
            .repository
            .git("commit-graph")
            .args(["write", "--reachable"])
            .run()?;
        let lock = self
            .repository
            .common_dir()
            .join("objects/info/commit-graph.lock");
        if !written.is_success() && lock.exists() {
            return Err(git::Error::Locked(lock).into());
        }
        written.into_stdout()?;
        self.add_step(true, "a commit-graph of all branches");
        Ok(())
    }
}

/// Returns whether both are the same hook: an earlier installation was interrupted while it kept
/// the hook, or a host that links its hooks has restored it.
fn is_same_hook(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| path.symlink_metadata().map(|file| (file.dev(), file.ino()));
    let linked =
        fs::read_link(one).is_ok_and(|here| fs::read_link(other).is_ok_and(|there| here == there));
    linked || file(one).is_ok_and(|here| file(other).is_ok_and(|there| here == there))
}
