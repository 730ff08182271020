//! Turns a repository into a server: installs the hooks, and the settings that they depend on.
//! Running it again changes nothing.

use std::fs;
use std::path::Path;

use super::handoff::{self, HANDOFF_SETTING};
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

/// The options of `git-deploy server init`.
#[derive(Debug)]
pub struct InstallOptions<'a> {
    /// The repository: a bare one, or the top of a worktree.
    pub repository: &'a Path,
    /// Keys to add to those that may be roots of the project.
    pub admins: &'a [PublicKey],
    /// A key that may publish one policy, to recover the project.
    pub recovery: Option<PublicKey>,
    /// Whether the host does not call proc-receive, so that the hooks `update` and `post-receive`
    /// replace it.
    pub without_proc_receive: bool,
    /// Whether to install the hook that prevents git itself from moving ledgers.
    pub reference_transaction: bool,
    /// The program that accepted entries are handed over to.
    pub handoff: Option<&'a Path>,
    /// The program that the hooks call.
    pub program: &'a Path,
}

/// Installs the hooks and settings that are missing or different. Returns every step, changed or
/// not.
pub fn init_server(options: &InstallOptions<'_>) -> Result<Vec<InstallStep>, InstallError> {
    let repository = open_repository(options.repository)?;
    // An invalid ref among the ledgers would make every later push undecidable.
    repository.tips()?;
    // Recorded here, so that the first push need not verify a long ledger. The hooks report what
    // does not verify.
    let _ = repository.local_ledgers();
    if options.without_proc_receive && is_managed_by_gitolite(&repository) {
        return Err(InstallError::Gitolite(options.repository.to_owned()));
    }
    let mut installer = Installer {
        repository: &repository,
        steps: Vec::new(),
    };
    installer.set_owner_keys(options)?;
    let hooks = installer.find_hooks_folder()?;
    // Settings come before hooks: with the settings alone, git refuses pushes to ledgers.
    for setting in &SETTINGS {
        if setting.key != PROC_RECEIVE_REFS.key || !options.without_proc_receive {
            installer.apply_setting(setting)?;
        }
    }
    installer.set_handoff(options.handoff)?;
    let shims = installer.choose_shims(options)?;
    for shim in shims.needed {
        installer.install_hook(&hooks, &shim, options.program)?;
    }
    for shim in shims.obsolete {
        installer.remove_shim(&hooks, &shim)?;
    }
    if options.without_proc_receive {
        installer.remove_setting(&PROC_RECEIVE_REFS)?;
        installer.take_branches_back()?;
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

/// Returns whether gitolite manages a repository: it links its own `update` hook there and writes
/// its compiled rules to `gl-conf`.
fn is_managed_by_gitolite(repository: &Repository) -> bool {
    let update = repository.common_dir().join("hooks/update");
    let has_its_hook =
        fs::read_link(update).is_ok_and(|target| target.iter().any(|part| part == ".gitolite"));
    has_its_hook || repository.common_dir().join("gl-conf").is_file()
}

/// Installs the hook of a clone, which reports before a push what the server will decide.
pub fn install_clone_hook(
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

/// The hooks that a server needs, and those that an earlier installation may have left.
struct ShimChoice {
    needed: Vec<Shim>,
    obsolete: Vec<Shim>,
}

impl Installer<'_> {
    /// Sets the keys that may begin or recover the project. Refuses a project that another key has
    /// begun.
    fn set_owner_keys(&mut self, options: &InstallOptions<'_>) -> Result<(), InstallError> {
        let mut admins = self.read_local(ADMINS.key)?;
        admins.extend(options.admins.iter().map(PublicKey::to_string));
        if admins.is_empty() {
            return Err(InstallError::NoAdmin);
        }
        if let Some(tip) = self.repository.tip(&LedgerName::policy())? {
            let roots = Project::from_policy_tip(self.repository, tip)?.root_keys;
            let is_admin =
                |root: &&PublicKey| admins.iter().any(|admin| admin.parse() == Ok(**root));
            if let Some(unknown) = roots.iter().find(|root| !is_admin(root)) {
                return Err(InstallError::OtherRoots(*unknown));
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

    /// Sets the program that later entries are handed over to.
    fn set_handoff(&mut self, program: Option<&Path>) -> Result<(), InstallError> {
        let Some(program) = program else {
            return Ok(());
        };
        let text = program.to_str().filter(|_| program.is_absolute());
        let text = text.ok_or_else(|| InstallError::HandoffNotAbsolute(program.to_owned()))?;
        // The record comes before the setting, so that a push in between does not hand over all
        // past entries.
        handoff::mark_all_handed_over(self.repository)?;
        self.set_value(HANDOFF_SETTING, text)
    }

    /// Chooses the hooks to install and the hooks to remove. Every push waits for the process of
    /// each hook, so only the necessary ones are installed.
    fn choose_shims(&self, options: &InstallOptions<'_>) -> Result<ShimChoice, InstallError> {
        let (mut needed, obsolete) = if options.without_proc_receive {
            (vec![UPDATE, POST_RECEIVE], vec![PROC_RECEIVE])
        } else {
            (vec![PROC_RECEIVE], vec![UPDATE])
        };
        if !options.without_proc_receive && !self.read_local(HANDOFF_SETTING)?.is_empty() {
            needed.push(POST_RECEIVE);
        }
        if options.reference_transaction {
            needed.push(REFERENCE_TRANSACTION);
        }
        // pre-receive comes last: alone it would accept pushes that no other hook judges again.
        needed.push(PRE_RECEIVE);
        Ok(ShimChoice { needed, obsolete })
    }

    /// Writes a commit-graph, so that checks of ancestry need not read the commits one by one.
    /// Later, `git gc` updates it.
    fn write_commit_graph(&mut self) -> Result<(), InstallError> {
        let output = self
            .repository
            .git("commit-graph")
            .args(["write", "--reachable"])
            .run()?;
        let lock = self
            .repository
            .common_dir()
            .join("objects/info/commit-graph.lock");
        if !output.is_success() && lock.exists() {
            return Err(git::Error::Locked(lock).into());
        }
        output.into_stdout()?;
        self.add_changed("a commit-graph of all branches");
        Ok(())
    }
}
