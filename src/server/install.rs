//! Turns a repository into a server: installs the hooks, and the settings that they depend on.
//! Running it again changes nothing.

use std::fs;
use std::path::Path;

use super::handoff::{self, HANDOFF};
pub use super::install_error::{InstallError, InstallStep};
use super::installer::Installer;
use super::location;
use super::required_settings::{ADMINS, PROC_RECEIVE_REFS, RECOVERY_KEY, SETTINGS};
use super::shim::{
    POST_RECEIVE, PRE_PUSH, PRE_RECEIVE, PROC_RECEIVE, REFERENCE_TRANSACTION, Shim, UPDATE,
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

/// Installs hooks and settings. Leaves alone what is as it should be.
pub fn init_server(options: &InstallOptions<'_>) -> Result<Vec<InstallStep>, InstallError> {
    let repository = open_repository(options.repository)?;
    // An invalid ref among the ledgers would make every later push undecidable.
    repository.tips()?;
    if options.without_proc_receive && is_managed_by_gitolite(&repository) {
        return Err(InstallError::Gitolite(options.repository.to_owned()));
    }
    let mut installer = Installer {
        repository: &repository,
        steps: Vec::new(),
    };
    installer.set_owner_keys(options)?;
    let hooks = installer.find_hooks_folder()?;
    // Settings come before hooks: git itself refuses a ledger for a hook that does not exist yet.
    for setting in &SETTINGS {
        if setting.key != PROC_RECEIVE_REFS.key || !options.without_proc_receive {
            installer.apply_setting(setting)?;
        }
    }
    installer.set_handoff(options.handoff)?;
    let (shims, others) = installer.choose_shims(options)?;
    for shim in shims {
        installer.install_hook(&hooks, &shim, options.program)?;
    }
    for shim in others {
        installer.remove_shim(&hooks, &shim)?;
    }
    if options.without_proc_receive {
        installer.remove_setting(&PROC_RECEIVE_REFS)?;
    }
    installer.write_commit_graph()?;
    Ok(installer.steps)
}

/// Opens the repository of a server.
fn open_repository(path: &Path) -> Result<Repository, InstallError> {
    location::open_repository(path).map_err(|error| match error {
        source @ git::Error::Open { .. } => InstallError::NoRepository {
            path: path.to_owned(),
            source,
        },
        other => other.into(),
    })
}

/// Returns whether gitolite manages a repository. It writes its compiled rules into a file of each,
/// and links its own hook.
fn is_managed_by_gitolite(repository: &Repository) -> bool {
    let update = repository.common_dir().join("hooks/update");
    let leads = fs::read_link(update).is_ok_and(|to| to.iter().any(|part| part == ".gitolite"));
    leads || repository.common_dir().join("gl-conf").is_file()
}

/// Installs the hook of a clone, which reports before a push what the server will decide.
pub fn init_clone(
    repository: &Repository,
    program: &Path,
) -> Result<Vec<InstallStep>, InstallError> {
    let mut installer = Installer {
        repository,
        steps: Vec::new(),
    };
    let hooks = installer.find_hooks_folder()?;
    installer.install_hook(&hooks, &PRE_PUSH, program)?;
    Ok(installer.steps)
}

impl Installer<'_> {
    /// Sets who may begin or recover the project.
    fn set_owner_keys(&mut self, options: &InstallOptions<'_>) -> Result<(), InstallError> {
        let mut admins = self.read_local(ADMINS.key)?;
        admins.extend(options.admins.iter().map(PublicKey::to_string));
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
        for admin in options.admins {
            self.add_value(ADMINS.key, &admin.to_string())?;
        }
        if let Some(recovery) = options.recovery {
            self.set_value(RECOVERY_KEY.key, &recovery.to_string())?;
        }
        Ok(())
    }

    /// Sets the program that entries are handed over to, from now on.
    fn set_handoff(&mut self, program: Option<&Path>) -> Result<(), InstallError> {
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
    fn choose_shims(
        &self,
        options: &InstallOptions<'_>,
    ) -> Result<(Vec<Shim>, Vec<Shim>), InstallError> {
        let (mut shims, others) = if options.without_proc_receive {
            (vec![UPDATE, POST_RECEIVE], vec![PROC_RECEIVE])
        } else {
            (vec![PROC_RECEIVE], vec![UPDATE])
        };
        if !options.without_proc_receive && !self.read_local(HANDOFF)?.is_empty() {
            shims.push(POST_RECEIVE);
        }
        if options.reference_transaction {
            shims.push(REFERENCE_TRANSACTION);
        }
        // The hook that decides alone if the others are missing comes last.
        shims.push(PRE_RECEIVE);
        Ok((shims, others))
    }

    /// Writes a commit-graph. Every push asks about ancestry, and without a graph each answer reads
    /// the commits one by one. Later, `git gc` updates it.
    fn write_commit_graph(&mut self) -> Result<(), InstallError> {
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
