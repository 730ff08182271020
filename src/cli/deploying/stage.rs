//! What is made ready before a deployment is carried out: its folders, and what ran well before.

use std::collections::BTreeMap;

use super::Deploying;
use crate::cli::releases::{self, Release};
use crate::cli::{Failure, Kind, OrFail as _};
use crate::domain::entry::{Deployment, Target};
use crate::domain::name::ComponentName;
use crate::run::site::Site;

/// Where a deployment is carried out.
pub struct Stage<'a> {
    /// Its folders.
    pub site: Site<'a>,
    /// The last good release of each component that ever ran here.
    pub good: BTreeMap<ComponentName, Release>,
    /// The width of the longest name.
    pub names: usize,
}

impl<'a> Stage<'a> {
    /// Makes it ready.
    pub fn new(of: &Deploying<'a>, deployment: &Deployment) -> Result<Self, Failure> {
        let workspace = of.workspace;
        let place = of.look()?;
        let all = releases::attempted(workspace, &place);
        let good = releases::newest(workspace, &place, &all, &|_, _| true)?;
        let site = Site::new(&workspace.repository, &workspace.policy, &of.place.name);
        let site = site.or_fail(Kind::CannotTell, "cannot make the deployment's folders")?;
        let names = deployment.components.iter().map(|change| change.target.component.as_str().len());
        Ok(Self { site, good, names: names.max().unwrap_or_default() })
    }

    /// What each changed component goes back to by itself: what ran before, if that was good. Everything else is a person's choice.
    pub fn targets(&self, deployment: &Deployment) -> BTreeMap<ComponentName, Target> {
        let target = |change: &crate::domain::entry::Change| {
            let release = self.good.get(&change.target.component)?;
            (Some(release.target.commit) == change.from)
                .then(|| (change.target.component.clone(), release.target.clone()))
        };
        deployment.changed().filter_map(target).collect()
    }
}
