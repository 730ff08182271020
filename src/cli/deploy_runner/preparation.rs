//! Prepares a deployment: creates its work folders, and finds the last good releases to roll back
//! to.

use std::collections::BTreeMap;

use super::runner::DeployRunner;
use crate::cli::lfs_pointers::report_lfs_pointers;
use crate::cli::rollback_targets::{self, GoodRelease};
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::entry::{ComponentChange, Deployment, Target};
use crate::domain::id::RunId;
use crate::domain::name::ComponentName;
use crate::run::command_env::CommandEnv;
use crate::run::work_dirs::WorkDirs;

/// The folders and releases that a run works with.
pub struct Preparation<'a> {
    /// The work folders.
    pub work_dirs: WorkDirs<'a>,
    /// The last good release of each component that was ever deployed here.
    pub last_good: BTreeMap<ComponentName, GoodRelease>,
    /// The width of the longest component name.
    pub name_width: usize,
}

impl<'a> Preparation<'a> {
    /// Creates the folders and finds the last good releases.
    pub fn new(runner: &DeployRunner<'a>, deployment: &Deployment) -> Result<Self, CliError> {
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
        report_lfs_pointers(runner.ui, workspace, deployment);
        let names = deployment
            .components
            .iter()
            .map(|change| change.target.component.as_str().len());
        Ok(Self {
            work_dirs,
            last_good,
            name_width: names.max().unwrap_or_default(),
        })
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

impl DeployRunner<'_> {
    /// Returns the environment variables and secrets that the policy's commands get.
    pub fn command_env<'s>(
        &'s self,
        preparation: &Preparation<'s>,
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
        })
    }
}
