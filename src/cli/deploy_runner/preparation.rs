//! Prepares a deployment: creates its work folders, and finds the last good releases to roll back
//! to.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::isolation::RunIsolation;
use super::runner::DeployRunner;
use crate::cli::lfs_pointers::report_lfs_pointers;
use crate::cli::rollback_targets::{self, GoodRelease};
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::entry::{ComponentChange, Deployment, Target};
use crate::domain::id::RunId;
use crate::domain::name::ComponentName;
use crate::git::frozen_config::FrozenConfig;
use crate::run::command_env::CommandEnv;
use crate::run::isolation::CommandIsolation;
use crate::run::work_dirs::WorkDirs;

/// The folders and releases that a run works with.
pub struct Preparation<'a> {
    /// The configuration of git before any command of the policy ran. Dropped before the work
    /// folders, which contain it.
    config: FrozenConfig<'a>,
    /// The work folders.
    pub work_dirs: WorkDirs<'a>,
    /// The last good release of each component that was ever deployed here.
    pub last_good: BTreeMap<ComponentName, GoodRelease>,
    /// How commands are isolated.
    isolation: RunIsolation,
    /// The width of the longest component name.
    pub name_width: usize,
}

impl<'a> Preparation<'a> {
    /// Creates the folders and finds the last good releases.
    pub fn new(runner: &DeployRunner<'a>, deployment: &Deployment) -> Result<Self, CliError> {
        let isolation = runner.isolate_commands(deployment)?;
        let workspace = runner.workspace;
        let snapshot = runner.read_environment()?;
        let attempted = rollback_targets::find_attempted(workspace, &snapshot);
        let last_good =
            rollback_targets::find_newest(workspace, &snapshot, &attempted, &|_, _| true)?;
        let on_wait = || {
            runner.ui.eprint_sentence(format_args!(
                "Another run of {} works on this machine: waiting for its end.",
                runner.env.name()
            ));
        };
        let work_dirs = WorkDirs::new(
            &workspace.repository,
            &workspace.policy,
            workspace.project.id,
            runner.env.name(),
            &runner.cancellation,
            &on_wait,
        );
        let work_dirs = work_dirs.context(
            ErrorKind::CannotTell,
            "cannot create the deployment's folders",
        )?;
        let config = workspace
            .repository
            .freeze_config(&work_dirs.config_folder())
            .context(
                ErrorKind::CannotTell,
                "cannot read the configuration of git",
            )?;
        report_lfs_pointers(runner.ui, workspace, deployment);
        let names = deployment
            .components
            .iter()
            .map(|change| change.target.component.as_str().len());
        Ok(Self {
            config,
            work_dirs,
            last_good,
            isolation,
            name_width: names.max().unwrap_or_default(),
        })
    }

    /// Returns what has changed in the configuration of git and the hooks since the preparation, if
    /// anything.
    pub fn find_config_change(&self) -> Option<String> {
        self.config.find_change()
    }

    /// Fails if the configuration of git or a hook has changed since the preparation.
    pub fn require_same_config(&self) -> Result<(), CliError> {
        self.find_config_change().map_or(Ok(()), |what| {
            Err(explain_config_change(&what, "nothing was recorded"))
        })
    }

    /// Returns how a command that deploys several components is isolated. If files are, it may write
    /// to `scratch`, and to the `writable` paths of each of the components.
    ///
    /// # Errors
    ///
    /// Fails if the folder does not exist.
    pub fn isolate_command(
        &self,
        deployment: &Deployment,
        scratch: &Path,
    ) -> io::Result<CommandIsolation> {
        let scratch = scratch.canonicalize()?;
        let names = deployment.targets().map(|target| &target.component);
        let writable = names.flat_map(|name| self.isolation.writable.of_component(name));
        let commands = &self.isolation.commands;
        Ok(commands.allow(std::iter::once(scratch.as_path()).chain(writable)))
    }

    /// Explains why a failed command could not use `sudo`, if these texts mention that.
    pub fn explain_sudo<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Option<String> {
        self.isolation.commands.explain_sudo(texts)
    }

    /// Returns the target that each changed component is rolled back to automatically: the release
    /// that ran before, if it is good. Only a person may roll back to any other release.
    pub fn find_rollback_targets(
        &self,
        deployment: &Deployment,
    ) -> BTreeMap<ComponentName, Target> {
        let find_target = |change: &ComponentChange| {
            let release = self.last_good.get(&change.target.component)?;
            (Some(release.target.commit) == change.from)
                .then(|| (change.target.component.clone(), release.target.clone()))
        };
        deployment.changed().filter_map(find_target).collect()
    }
}

/// Returns the error for a configuration of git, or a hook, that has changed during a run.
pub fn explain_config_change(what: &str, consequence: &str) -> CliError {
    CliError::new(
        ErrorKind::Command,
        format!("{what} has changed while commands of the policy ran: {consequence}"),
    )
    .because("a command, or another program, has changed it; what it makes git run or reach is not trusted")
    .hint("git config --list --show-origin")
}

impl DeployRunner<'_> {
    /// Returns the environment variables and secrets that the policy's commands get.
    pub fn command_env<'s>(
        &'s self,
        preparation: &'s Preparation<'_>,
        run: Option<RunId>,
    ) -> Result<CommandEnv<'s>, CliError> {
        let (_, rules) = self.workspace.find_environment(self.env.name().as_str())?;
        let last_good = preparation
            .last_good
            .iter()
            .map(|(name, release)| (name.clone(), release.target.commit))
            .collect();
        Ok(CommandEnv {
            policy: &self.workspace.policy,
            environment: self.env.name(),
            rules,
            run,
            last_good,
            isolation: &preparation.isolation.commands,
            writable: &preparation.isolation.writable,
        })
    }
}
