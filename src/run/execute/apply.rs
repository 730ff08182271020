//! Applies a deployment in dependency order and reports how each component ended.

use std::collections::{BTreeMap, BTreeSet};

use super::{Foresight, Lost, Report, Task, changes, find, piece, reported, rollback, unready};
use crate::domain::entry::{ComponentChange, Intent, Outcome, RecordedResult, VerificationResult};
use crate::domain::name::ComponentName;
use crate::domain::plan::{Made, Planned, Terraform};
use crate::domain::policy::Rollback;
use crate::run::command_env::Piece;
use crate::run::component_steps::Broken;
use crate::run::graph::Graph;
use crate::run::run_dirs::Site;
use crate::run::schedule::{Fate, Foreman, Leave, carry_out};

/// Checks whether this program still owns the run. Called before each piece of work, on the
/// caller's thread.
pub type Ours<'a> = dyn FnMut() -> Result<(), Lost> + 'a;

/// A component that was deployed or destroyed.
struct Done {
    verification: VerificationResult,
    /// Whether its outputs, which other components read, may have changed.
    outputs: bool,
}

/// Why a component was not deployed.
enum Bad {
    /// A step failed. The flag tells whether the component had been touched.
    Broken(Broken, bool),
    /// Its plan changed since it was accepted.
    Refused,
    /// This program no longer owns the run, or that cannot be determined.
    Lost,
}

/// Applies the deployment: changes first, then removals, then the rollback of what failed.
pub fn apply(
    task: &Task<'_>,
    site: &Site<'_>,
    foresight: &dyn Foresight,
    ours: &mut Ours<'_>,
) -> Report {
    let all: BTreeSet<ComponentName> = changes(task.deployment)
        .map(|it| it.target.component.clone())
        .collect();
    let gone: BTreeSet<ComponentName> = task
        .deployment
        .components
        .iter()
        .filter(|it| it.intent == Intent::Destroy)
        .map(|it| it.target.component.clone())
        .collect();
    let policy = task.crew.surroundings.policy;
    let mut report = Report::default();
    let mut fates = walk(
        (task, site),
        &Graph::new(policy, &all),
        (foresight, &mut *ours),
        &mut report,
    );
    // Removals come last and only if everything else succeeded: new components may still need the
    // old ones until then.
    let well = fates.values().all(|fate| matches!(fate, Fate::Done(_)));
    if well {
        fates.extend(walk(
            (task, site),
            &Graph::new(policy, &gone).reversed(),
            (foresight, &mut *ours),
            &mut report,
        ));
    } else {
        fates.extend(
            gone.into_iter()
                .map(|component| (component, Fate::NotBegun)),
        );
    }
    let well = fates.values().all(|fate| matches!(fate, Fate::Done(_)));
    report.results = task
        .deployment
        .components
        .iter()
        .map(|change| ended(change, &fates, well))
        .collect();
    if report.lost.is_none() && report.halted.is_none() {
        bring_back((task, site), ours, &mut report);
    }
    report
}

/// Works through the components of a graph and returns how each ended.
fn walk(
    (task, site): (&Task<'_>, &Site<'_>),
    graph: &Graph,
    (foresight, ours): (&dyn Foresight, &mut Ours<'_>),
    report: &mut Report,
) -> BTreeMap<ComponentName, Fate<Done, Bad>> {
    let mut foreman = Applying {
        task,
        site,
        graph,
        ours,
        fresh: BTreeSet::new(),
        failed: false,
        report,
    };
    let work =
        |component: &ComponentName, (piece, anew): (Piece, bool), leave: &Leave<'_, Done, Bad>| {
            match find(task.deployment, component).map(|change| change.intent) {
                Some(Intent::Destroy) => destroyed(task, &piece),
                _ => applied((task, leave), foresight, &piece, anew),
            }
        };
    carry_out(graph, task.parallel, &mut foreman, &work)
}

struct Applying<'a, 'o> {
    task: &'a Task<'a>,
    site: &'a Site<'a>,
    graph: &'a Graph,
    ours: &'a mut Ours<'o>,
    /// The components whose outputs changed since the plans were made.
    fresh: BTreeSet<ComponentName>,
    failed: bool,
    report: &'a mut Report,
}

impl Foreman<(Piece, bool), Done, Bad> for Applying<'_, '_> {
    fn goes_on(&mut self) -> bool {
        let lost = self.report.lost.is_some() || self.report.halted.is_some();
        let ended = lost || !self.report.refused.is_empty();
        !(ended || self.task.crew.stop.begins_nothing() || self.failed && self.task.fail_fast)
    }

    fn begin(&mut self, component: &ComponentName) -> Result<(Piece, bool), Bad> {
        self.may_go_on(component)?;
        let change = find(self.task.deployment, component)
            .ok_or_else(|| Bad::Broken(unready(None), false))?;
        let piece =
            piece(self.site, change).map_err(|error| Bad::Broken(unready(Some(&error)), false))?;
        // Without a known plan, whatever is in the plan file must not be applied.
        let planned = matches!(self.task.plans.get(component), Some(Planned::Made(_)));
        let unplanned = !planned
            && self
                .task
                .crew
                .component(&piece)
                .is_some_and(|it| it.plan.is_some());
        let anew = unplanned
            || self
                .graph
                .before(component)
                .any(|before| self.fresh.contains(before));
        Ok((piece, anew))
    }

    fn may_go_on(&mut self, _: &ComponentName) -> Result<(), Bad> {
        (self.ours)().map_err(|lost| {
            match &lost {
                Lost::Taken(why) => self.report.lost = Some(why.clone()),
                Lost::Unknown(why) => self.report.halted = Some(why.clone()),
            }
            Bad::Lost
        })
    }

    fn ended(&mut self, component: &ComponentName, result: &Result<Done, Bad>) {
        match result {
            Ok(done) => self.fresh.extend(done.outputs.then(|| component.clone())),
            Err(Bad::Broken(broken, _)) => {
                self.failed = true;
                self.report.broken.insert(component.clone(), broken.clone());
            }
            Err(Bad::Refused) => drop(self.report.refused.insert(component.clone())),
            Err(Bad::Lost) => {}
        }
    }
}

/// Deploys one component. If `anew`, makes its plan again, because what it is based on has changed.
fn applied(
    (task, leave): (&Task<'_>, &Leave<'_, Done, Bad>),
    foresight: &dyn Foresight,
    piece: &Piece,
    anew: bool,
) -> Result<Done, Bad> {
    let (crew, component) = (task.crew, &piece.target.component);
    let shown = match task.plans.get(component) {
        Some(Planned::Made(made)) => Some(made),
        _ => None,
    };
    let planned = |touched| {
        crew.plan(piece)
            .map_err(|broken| Bad::Broken(broken, touched))
    };
    let same = |made: &Made| shown.is_some_and(|shown| shown.digest == made.digest);
    let mut made = shown.cloned();
    if anew {
        made = planned(false)?;
        if let Some(other) = made.as_ref().filter(|made| !same(made))
            && (task.bound || !foresight.agrees(component, other))
        {
            return Err(Bad::Refused);
        }
    }
    let retries = crew.component(piece).map_or(0, |it| it.retries);
    let mut tries = 0;
    let is_empty = |made: &Option<Made>| made.as_ref().is_some_and(Made::is_empty);
    // A component whose attempt failed counts as failed, whatever stops the next attempt.
    let still_ours = |failed: Option<&Broken>| {
        let bad = |bad: Option<Bad>| {
            failed.map_or(bad.unwrap_or(Bad::Lost), |it| Bad::Broken(it.clone(), true))
        };
        leave.ask().map_err(bad)
    };
    let mut failed: Option<Broken> = None;
    let mut touched = false;
    while !is_empty(&made) {
        still_ours(failed.as_ref())?;
        touched = true;
        let Err(broken) = crew.apply(piece) else {
            break;
        };
        if broken.interrupted || tries == retries || !crew.pause(tries) {
            return Err(Bad::Broken(broken, true));
        }
        tries += 1;
        still_ours(Some(&broken))?;
        // Never retry with an old plan: the failed attempt may have changed things.
        made = planned(true)?;
        if task.bound
            && made
                .as_ref()
                .is_some_and(|made| !same(made) && !made.is_empty())
        {
            return Err(Bad::Broken(broken, true));
        }
        failed = Some(broken);
    }
    let verification = crew
        .verify(piece)
        .map_err(|broken| Bad::Broken(broken, true))?;
    let known = made.as_ref().and_then(Made::of_terraform);
    // Only terraform tells whether outputs changed. Any other tool is assumed to change them.
    Ok(Done {
        verification,
        outputs: touched && known.is_none_or(Terraform::outputs_changed),
    })
}

/// Removes one component.
fn destroyed(task: &Task<'_>, piece: &Piece) -> Result<Done, Bad> {
    let gone = task.crew.destroy(piece);
    gone.map(|()| Done {
        verification: VerificationResult::None,
        outputs: true,
    })
    .map_err(|it| Bad::Broken(it, true))
}

/// Returns how a component ended.
fn ended(
    change: &ComponentChange,
    fates: &BTreeMap<ComponentName, Fate<Done, Bad>>,
    well: bool,
) -> RecordedResult {
    let component = &change.target.component;
    let of = |outcome| reported(component, outcome);
    match fates.get(component) {
        Some(Fate::Done(_)) if change.intent == Intent::Destroy => of(Outcome::Destroyed),
        Some(Fate::Done(done)) => RecordedResult {
            verification: done.verification,
            ..of(Outcome::Succeeded)
        },
        Some(Fate::Failed(Bad::Broken(_, true))) => of(Outcome::Failed),
        // Nothing was done to it.
        Some(Fate::Failed(_) | Fate::NotBegun) => of(Outcome::Skipped),
        Some(Fate::After(culprit)) => {
            let failed = matches!(fates.get(culprit), Some(Fate::Failed(Bad::Broken(..))));
            RecordedResult {
                because: failed.then(|| culprit.clone()),
                ..of(Outcome::Skipped)
            }
        }
        // An unchanged component counts as deployed at this commit only if the whole commit was
        // deployed.
        None => of(if well {
            Outcome::Unchanged
        } else {
            Outcome::Skipped
        }),
    }
}

/// Rolls back what failed, if the policy asks for it and there is a good release to return to.
fn bring_back((task, site): (&Task<'_>, &Site<'_>), ours: &mut Ours<'_>, report: &mut Report) {
    let rules = task.crew.surroundings.rules;
    let failed = report
        .results
        .iter()
        .any(|it| it.outcome == Outcome::Failed);
    if !failed || rules.rollback == Rollback::Manual || task.crew.stop.begins_nothing() {
        return;
    }
    let wanted = |it: &&RecordedResult| match rules.rollback {
        Rollback::Auto => it.outcome == Outcome::Failed,
        Rollback::All => matches!(it.outcome, Outcome::Failed | Outcome::Succeeded),
        Rollback::Manual => false,
    };
    // A component to destroy has no release to return to.
    let comes = |it: &&RecordedResult| {
        changes(task.deployment).any(|change| change.target.component == it.component)
    };
    let wanted = report
        .results
        .iter()
        .filter(wanted)
        .filter(comes)
        .map(|it| it.component.clone())
        .collect();
    rollback::bring_back((task, site), &wanted, ours, report);
}
