//! What a deployment needs before it runs: its work folders, and the last good releases to roll
//! back to.

use std::collections::BTreeMap;

use super::{Deploying, Plans};
use crate::cli::rollback_targets::{self, Release};
use crate::cli::{Failure, Kind, OrFail as _};
use crate::domain::entry::{ComponentChange, Deployment, Intent, Target};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::plan::Plan;
use crate::run::run_dirs::Site;
use crate::view::plan::{Component, Plans as Shown, State, Way, text};

/// The folders and releases that a run works with.
pub struct Stage<'a> {
    /// The work folders.
    pub site: Site<'a>,
    /// The last good release of each component that was ever deployed here.
    pub good: BTreeMap<ComponentName, Release>,
    /// The width of the longest component name.
    pub names: usize,
}

impl<'a> Stage<'a> {
    /// Creates the folders and finds the last good releases.
    pub fn new(of: &Deploying<'a>, deployment: &Deployment) -> Result<Self, Failure> {
        let workspace = of.workspace;
        let place = of.look()?;
        let all = rollback_targets::attempted(workspace, &place);
        let good = rollback_targets::newest(workspace, &place, &all, &|_, _| true)?;
        let site = Site::new(&workspace.repository, &workspace.policy, &of.place.name);
        let site = site.or_fail(Kind::CannotTell, "cannot make the deployment's folders")?;
        let names = deployment
            .components
            .iter()
            .map(|change| change.target.component.as_str().len());
        Ok(Self {
            site,
            good,
            names: names.max().unwrap_or_default(),
        })
    }

    /// Returns the target that each changed component is rolled back to automatically: the running
    /// release, if it is good. Any other target is a person's choice.
    pub fn targets(&self, deployment: &Deployment) -> BTreeMap<ComponentName, Target> {
        let target = |change: &ComponentChange| {
            let release = self.good.get(&change.target.component)?;
            (Some(release.target.commit) == change.from)
                .then(|| (change.target.component.clone(), release.target.clone()))
        };
        deployment.changed().filter_map(target).collect()
    }
}

impl Deploying<'_> {
    /// Returns the plans of a deployment in the form that is printed.
    pub fn shown(
        &self,
        commit: CommitId,
        deployment: &Deployment,
        plans: &Plans,
    ) -> Result<Shown, Failure> {
        let place = self.look()?;
        let component = |change: &ComponentChange| {
            let target = &change.target;
            let way = Way {
                from: change.from,
                to: (change.intent != Intent::Destroy).then_some(target.commit),
                from_version: place.version(&target.component),
                to_version: target.version.clone(),
            };
            match (plans.get(&target.component), change.intent) {
                (Some(planned), _) => {
                    let component = target.component.clone();
                    Component::planned(
                        &Plan {
                            component,
                            commit: target.commit,
                            planned: planned.clone(),
                        },
                        way,
                    )
                }
                (None, intent) => {
                    let state = match intent {
                        Intent::Change => State::Unplanned,
                        Intent::Unchanged => State::Unchanged,
                        Intent::Destroy => State::Destroyed,
                    };
                    Component::unplanned(target.component.clone(), state, way)
                }
            }
        };
        let components = deployment.components.iter().map(component).collect();
        Ok(Shown {
            environment: self.place.name.clone(),
            commit,
            components,
            since: None,
        })
    }

    /// Prints the plans, if there are any.
    pub(super) fn show(&self, deployment: &Deployment, plans: &Plans) -> Result<(), Failure> {
        let commits = deployment.changed().map(|change| change.target.commit);
        if let Some(commit) = commits.max().filter(|_| !plans.is_empty()) {
            let shown = self.shown(commit, deployment, plans)?;
            self.context
                .print(text(&shown, false, self.context.width()));
        }
        Ok(())
    }
}
