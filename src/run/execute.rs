//! Carries out a deployment: makes the plans, applies them in dependency order, verifies, and rolls
//! back failed components.
//!
//! The result is how each component ended, as the `finish` entry records it. Nothing here writes to
//! a ledger.

mod apply;
mod rollback;

use std::collections::{BTreeMap, BTreeSet};

use super::command_env::Piece;
use super::component_steps::{Broken, Crew};
use super::graph::Graph;
use super::run_dirs::{Site, SiteError};
use super::schedule::{Fate, Foreman, Leave, carry_out};
use crate::domain::entry::{
    ComponentChange, Deployment, Intent, Outcome, RecordedResult, Target, VerificationResult,
};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::plan::{Made, Planned};

pub use apply::apply;

/// A deployment to carry out.
pub struct Task<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// Runs the steps.
    pub crew: &'a Crew<'a>,
    /// The plans that were shown and approved.
    pub plans: &'a BTreeMap<ComponentName, Planned>,
    /// The last good release of each component, if it is the one that ran before.
    pub good: &'a BTreeMap<ComponentName, Target>,
    /// How many components are worked on at once.
    pub parallel: usize,
    /// Whether the first failure stops the deployment.
    pub fail_fast: bool,
    /// Whether an approval covers exactly these plans. If so, no other plan is applied.
    pub bound: bool,
}

/// Questions that come up while a deployment runs.
pub trait Foresight: Sync {
    /// Returns whether this plan may be applied, though it differs from the one that was shown
    /// before. Called from several threads.
    fn agrees(&self, component: &ComponentName, made: &Made) -> bool;
}

/// Why a run must not continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Another run took it over, or it has ended.
    Taken(String),
    /// It cannot be determined who owns the run.
    Unknown(String),
}

/// The result of a deployment.
#[derive(Debug, Default)]
pub struct Report {
    /// How each component ended, in the order of the deployment.
    pub results: Vec<RecordedResult>,
    /// The failed steps.
    pub broken: BTreeMap<ComponentName, Broken>,
    /// Why failed components were not rolled back.
    pub left: BTreeMap<ComponentName, String>,
    /// The components whose plan had changed and was not accepted.
    pub refused: BTreeSet<ComponentName>,
    /// Set if another runner took the run over. Nothing may be recorded about it then.
    pub lost: Option<String>,
    /// Set if no more steps were started because the owner of the run could not be determined.
    pub halted: Option<String>,
}

impl Report {
    /// Returns whether everything that was to be done was done.
    pub fn is_success(&self) -> bool {
        let done = |it: &RecordedResult| {
            matches!(
                it.outcome,
                Outcome::Succeeded | Outcome::Destroyed | Outcome::Unchanged
            )
        };
        self.lost.is_none() && self.results.iter().all(done)
    }

    /// Lists the failed steps, one line each: `apply of api: exit status 3`.
    pub fn failures(&self) -> Vec<String> {
        self.broken
            .iter()
            .map(|(name, it)| format!("{} of {name}: {}", it.step.word(), it.why))
            .collect()
    }
}

/// Makes all plans at once. A component without a plan command has no plan.
///
/// If a plan fails while a component that it depends on is going to change, it is deferred until
/// that component is deployed, because it may fail only for lack of that change.
pub fn plan(
    deployment: &Deployment,
    (site, crew): (&Site<'_>, &Crew<'_>),
    parallel: usize,
) -> BTreeMap<ComponentName, Planned> {
    let all: BTreeSet<ComponentName> = changes(deployment)
        .map(|change| change.target.component.clone())
        .collect();
    let policy = crew.surroundings.policy;
    let mut at_once = AtOnce {
        site,
        crew,
        deployment,
    };
    let work = |_: &ComponentName, piece: Piece, _: &Leave<'_, _, _>| crew.plan(&piece);
    let fates = carry_out(&Graph::without_order(&all), parallel, &mut at_once, &work);
    let mut plans = BTreeMap::new();
    let mut failed = Vec::new();
    for (component, fate) in fates {
        match fate {
            Fate::Done(Some(made)) => drop(plans.insert(component, Planned::Made(made))),
            Fate::Failed(broken) => failed.push((component, broken)),
            Fate::Done(None) | Fate::After(_) | Fate::NotBegun => {}
        }
    }
    let graph = Graph::new(policy, &all);
    let failing: BTreeSet<ComponentName> = failed
        .iter()
        .map(|(component, _)| component.clone())
        .collect();
    for (component, broken) in failed {
        let idle = |before: &&ComponentName| {
            matches!(plans.get(*before), Some(Planned::Made(made)) if made.is_empty())
                && !failing.contains(*before)
        };
        let waits_for: Vec<ComponentName> = graph
            .before(&component)
            .filter(|before| !idle(before))
            .cloned()
            .collect();
        let planned = if waits_for.is_empty() || broken.interrupted {
            Planned::Failed {
                reason: broken.why,
                output: broken.tail.join("\n"),
            }
        } else {
            Planned::Deferred { waits_for }
        };
        plans.insert(component, planned);
    }
    plans
}

/// Verifies all components at once and returns which of them are healthy. Components that were not
/// verified are left out.
pub fn verify(
    deployment: &Deployment,
    (site, crew): (&Site<'_>, &Crew<'_>),
    parallel: usize,
) -> BTreeMap<ComponentName, bool> {
    let all: BTreeSet<ComponentName> = changes(deployment)
        .map(|change| change.target.component.clone())
        .collect();
    let work = |_: &ComponentName, piece: Piece, _: &Leave<'_, _, _>| crew.verify(&piece);
    let fates = carry_out(
        &Graph::without_order(&all),
        parallel,
        &mut AtOnce {
            site,
            crew,
            deployment,
        },
        &work,
    );
    let well = |(component, fate): (ComponentName, Fate<_, Broken>)| match fate {
        Fate::Done(_) => Some((component, true)),
        Fate::Failed(broken) => (!broken.interrupted).then_some((component, false)),
        Fate::After(_) | Fate::NotBegun => None,
    };
    fates.into_iter().filter_map(well).collect()
}

/// Works on every component at once, whatever the order between them.
struct AtOnce<'a> {
    site: &'a Site<'a>,
    crew: &'a Crew<'a>,
    deployment: &'a Deployment,
}

impl<T> Foreman<Piece, T, Broken> for AtOnce<'_> {
    fn goes_on(&mut self) -> bool {
        !self.crew.stop.begins_nothing()
    }

    fn begin(&mut self, component: &ComponentName) -> Result<Piece, Broken> {
        let change = find(self.deployment, component);
        change
            .ok_or(None)
            .and_then(|it| piece(self.site, it).map_err(Some))
            .map_err(|error| unready(error.as_ref()))
    }

    fn may_go_on(&mut self, _: &ComponentName) -> Result<(), Broken> {
        Ok(())
    }

    fn ended(&mut self, _: &ComponentName, _: &Result<T, Broken>) {}
}

/// Returns the changed components, without those to destroy.
fn changes(deployment: &Deployment) -> impl Iterator<Item = &ComponentChange> {
    deployment
        .components
        .iter()
        .filter(|change| change.intent == Intent::Change)
}

/// Returns the change of a component.
fn find<'d>(deployment: &'d Deployment, component: &ComponentName) -> Option<&'d ComponentChange> {
    deployment
        .components
        .iter()
        .find(|change| change.target.component == *component)
}

/// Prepares the folders for a change. A component to destroy is prepared at the running commit,
/// because the new one does not have it.
fn piece(site: &Site<'_>, change: &ComponentChange) -> Result<Piece, SiteError> {
    let commit: Option<CommitId> = change.from.filter(|_| change.intent == Intent::Destroy);
    let target = Target {
        commit: commit.unwrap_or(change.target.commit),
        ..change.target.clone()
    };
    site.piece(target, change.from, "run")
}

/// Returns the error of a component whose work could not begin.
fn unready(error: Option<&SiteError>) -> Broken {
    let why = error.map_or_else(
        || "it is not in the deployment".to_owned(),
        ToString::to_string,
    );
    let step = super::component_steps::Step::Plan;
    Broken {
        step,
        why,
        tail: Vec::new(),
        log: std::path::PathBuf::new(),
        interrupted: false,
    }
}

/// Returns the result of a component, without details.
pub fn reported(component: &ComponentName, outcome: Outcome) -> RecordedResult {
    let verification = VerificationResult::None;
    RecordedResult {
        component: component.clone(),
        outcome,
        because: None,
        to: None,
        verification,
    }
}

#[cfg(test)]
mod tests;
