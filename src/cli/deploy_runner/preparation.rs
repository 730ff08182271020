//! What a deployment needs before it runs: its work folders, and the last good releases to roll
//! back to.

use std::collections::BTreeMap;

use super::{ComponentPlans, DeployRunner};
use crate::cli::rollback_targets::{self, GoodRelease};
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::entry::{ComponentChange, Deployment, Intent, Target};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::plan::Plan;
use crate::run::run_dirs::WorkDirs;
use crate::view::plan::{
    ComponentPlan, ComponentTransition, DeploymentPlan as Shown, PlanState, render_text,
};

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
    pub fn new(of: &DeployRunner<'a>, deployment: &Deployment) -> Result<Self, CliError> {
        let workspace = of.workspace;
        let snapshot = of.read_environment()?;
        let all = rollback_targets::find_attempted(workspace, &snapshot);
        let good = rollback_targets::find_newest(workspace, &snapshot, &all, &|_, _| true)?;
        let site = WorkDirs::new(&workspace.repository, &workspace.policy, of.env.name());
        let site = site.context(
            ErrorKind::CannotTell,
            "cannot make the deployment's folders",
        )?;
        let names = deployment
            .components
            .iter()
            .map(|change| change.target.component.as_str().len());
        Ok(Self {
            work_dirs: site,
            last_good: good,
            name_width: names.max().unwrap_or_default(),
        })
    }

    /// Returns the target that each changed component is rolled back to automatically: the running
    /// release, if it is good. Any other target is a person's choice.
    pub fn find_rollback_targets(
        &self,
        deployment: &Deployment,
    ) -> BTreeMap<ComponentName, Target> {
        let target = |change: &ComponentChange| {
            let release = self.last_good.get(&change.target.component)?;
            (Some(release.target.commit) == change.from)
                .then(|| (change.target.component.clone(), release.target.clone()))
        };
        deployment.changed().filter_map(target).collect()
    }
}

impl DeployRunner<'_> {
    /// Returns the plans of a deployment in the form that is printed.
    pub fn build_plan_view(
        &self,
        commit: CommitId,
        deployment: &Deployment,
        plans: &ComponentPlans,
    ) -> Result<Shown, CliError> {
        let snapshot = self.read_environment()?;
        let component = |change: &ComponentChange| {
            let target = &change.target;
            let way = ComponentTransition {
                from: change.from,
                to: (change.intent != Intent::Destroy).then_some(target.commit),
                from_version: snapshot.version(&target.component),
                to_version: target.version.clone(),
            };
            match (plans.get(&target.component), change.intent) {
                (Some(planned), _) => {
                    let component = target.component.clone();
                    ComponentPlan::from_plan(
                        &Plan {
                            component,
                            commit: target.commit,
                            result: planned.clone(),
                        },
                        way,
                    )
                }
                (None, intent) => {
                    let state = match intent {
                        Intent::Change => PlanState::Unplanned,
                        Intent::Unchanged => PlanState::Unchanged,
                        Intent::Destroy => PlanState::Destroyed,
                    };
                    ComponentPlan::without_plan(target.component.clone(), state, way)
                }
            }
        };
        let components = deployment.components.iter().map(component).collect();
        Ok(Shown {
            environment: self.env.name().clone(),
            commit,
            components,
            since: None,
        })
    }

    /// Prints the plans, if there are any.
    pub(super) fn print_plans(
        &self,
        deployment: &Deployment,
        plans: &ComponentPlans,
    ) -> Result<(), CliError> {
        let commits = deployment.changed().map(|change| change.target.commit);
        if let Some(commit) = commits.max().filter(|_| !plans.is_empty()) {
            let shown = self.build_plan_view(commit, deployment, plans)?;
            self.ui.print(render_text(&shown, false, self.ui.width()));
        }
        Ok(())
    }
}
