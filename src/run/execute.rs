//! Carries a deployment out: plans it, applies it in order, verifies it, and brings back what failed.
//!
//! What comes out is how each component ended, as the `finish` entry says it; nothing here writes to a ledger.

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

/// A deployment that is to be carried out.
pub struct Task<'a> {
    /// What is asked for.
    pub deployment: &'a Deployment,
    /// By whom.
    pub crew: &'a Crew<'a>,
    /// The plans that were shown and approved.
    pub plans: &'a BTreeMap<ComponentName, Planned>,
    /// The last good release of a component, where it is what ran before.
    pub good: &'a BTreeMap<ComponentName, Target>,
    /// How many components at once.
    pub parallel: usize,
    /// Whether the first failure ends it.
    pub fail_fast: bool,
    /// Whether an approval is bound to the plans: then no other plan is applied.
    pub bound: bool,
}

/// What has to be asked while it goes on.
pub trait Foresight: Sync {
    /// Whether this plan, which is not the one that was shown before, may be applied. Asked from several threads.
    fn agrees(&self, component: &ComponentName, made: &Made) -> bool;
}

/// Why a run does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// It is somebody else's, or over.
    Taken(String),
    /// Whose it is cannot be told now.
    Unknown(String),
}

/// What became of a deployment.
#[derive(Debug, Default)]
pub struct Report {
    /// How each component ended, in the deployment's order.
    pub results: Vec<RecordedResult>,
    /// What failed, and why.
    pub broken: BTreeMap<ComponentName, Broken>,
    /// Why a component that failed was not brought back.
    pub left: BTreeMap<ComponentName, String>,
    /// The components whose plan had changed and was not agreed to.
    pub refused: BTreeSet<ComponentName>,
    /// Somebody else has taken the run over: nothing may be written about it.
    pub lost: Option<String>,
    /// Nothing more was begun, because it could not be told whether the run is still ours.
    pub halted: Option<String>,
}

impl Report {
    /// Whether all was done that was to be done.
    pub fn is_success(&self) -> bool {
        let done = |it: &RecordedResult| {
            matches!(
                it.outcome,
                Outcome::Succeeded | Outcome::Destroyed | Outcome::Unchanged
            )
        };
        self.lost.is_none() && self.results.iter().all(done)
    }

    /// What failed, and why, a line each: `apply of api: exit status 3`.
    pub fn failures(&self) -> Vec<String> {
        self.broken
            .iter()
            .map(|(name, it)| format!("{} of {name}: {}", it.step.word(), it.why))
            .collect()
    }
}

/// Makes all plans at once. A component without a command for it has none.
///
/// One that fails while another that comes before it is going to change is made later: it may only lack what is not there yet.
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

/// Verifies all components at once, and says which are well; what was not asked any more is left out.
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

/// Has every component done at once, whatever the order between them.
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

/// The components that are to be changed, without those that are to be destroyed.
fn changes(deployment: &Deployment) -> impl Iterator<Item = &ComponentChange> {
    deployment
        .components
        .iter()
        .filter(|change| change.intent == Intent::Change)
}

fn find<'d>(deployment: &'d Deployment, component: &ComponentName) -> Option<&'d ComponentChange> {
    deployment
        .components
        .iter()
        .find(|change| change.target.component == *component)
}

/// Where a change is worked on. What is destroyed is worked on as it runs: the new commit does not have it.
fn piece(site: &Site<'_>, change: &ComponentChange) -> Result<Piece, SiteError> {
    let commit: Option<CommitId> = change.from.filter(|_| change.intent == Intent::Destroy);
    let target = Target {
        commit: commit.unwrap_or(change.target.commit),
        ..change.target.clone()
    };
    site.piece(target, change.from, "run")
}

/// A step that could not even begin.
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

/// A component's end with nothing more to say.
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
