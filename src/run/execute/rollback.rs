//! Rolls components back to their last good release: in reverse order, with one attempt each, and
//! never if that would destroy anything.

use std::collections::BTreeSet;

use super::apply::Ours;
use super::{Lost, Report, Task, find};
use crate::domain::entry::{Outcome, VerificationResult};
use crate::domain::name::ComponentName;
use crate::domain::plan::{Made, Terraform};
use crate::run::command_env::Piece;
use crate::run::graph::Graph;
use crate::run::run_dirs::Site;
use crate::run::schedule::{Fate, Foreman, Leave, carry_out};

/// Rolls back these components of a deployment and adds the results to the report.
pub(super) fn bring_back(
    (task, site): (&Task<'_>, &Site<'_>),
    wanted: &BTreeSet<ComponentName>,
    ours: &mut Ours<'_>,
    report: &mut Report,
) {
    let known: BTreeSet<ComponentName> = wanted
        .iter()
        .filter(|name| task.good.contains_key(*name))
        .cloned()
        .collect();
    if !known.is_empty() {
        task.crew.witness.goes_back(&known);
    }
    let graph = Graph::new(task.crew.surroundings.policy, wanted).reversed();
    let mut foreman = BringingBack {
        task,
        site,
        ours,
        lost: None,
    };
    let work = |_: &ComponentName, piece: Piece, leave: &Leave<'_, (), Left>| {
        brought_back(task, &piece, leave)
    };
    let fates = carry_out(&graph, task.parallel, &mut foreman, &work);
    let lost = foreman.lost.take();
    for it in &mut report.results {
        match fates.get(&it.component) {
            Some(Fate::Done(())) => {
                it.outcome = Outcome::RolledBack;
                it.to = find(task.deployment, &it.component).and_then(|change| change.from);
                it.verification = VerificationResult::None;
            }
            Some(fate) => {
                // A component that was deployed and then failed to go back is in neither state.
                if it.outcome == Outcome::Succeeded
                    && matches!(fate, Fate::Failed(Left { touched: true, .. }))
                {
                    it.outcome = Outcome::Failed;
                    it.verification = VerificationResult::None;
                }
                let why = match fate {
                    Fate::Failed(left) => left.why.clone(),
                    Fate::After(other) => format!("{other} could not be brought back"),
                    Fate::Done(()) | Fate::NotBegun => "interrupted".to_owned(),
                };
                report.left.insert(it.component.clone(), why);
            }
            None => {}
        }
    }
    match lost {
        Some(Lost::Taken(why)) => report.lost = Some(why),
        Some(Lost::Unknown(why)) => report.halted = Some(why),
        None => {}
    }
}

/// Why a component was not rolled back.
struct Left {
    why: String,
    /// Whether an attempt was made.
    touched: bool,
}

impl Left {
    /// Makes the reason for a component that was not touched.
    fn alone(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            touched: false,
        }
    }
}

struct BringingBack<'a, 'o> {
    task: &'a Task<'a>,
    site: &'a Site<'a>,
    ours: &'a mut Ours<'o>,
    lost: Option<Lost>,
}

impl Foreman<Piece, (), Left> for BringingBack<'_, '_> {
    fn goes_on(&mut self) -> bool {
        self.lost.is_none() && !self.task.crew.stop.begins_nothing()
    }

    fn begin(&mut self, component: &ComponentName) -> Result<Piece, Left> {
        self.may_go_on(component)?;
        let Some(good) = self.task.good.get(component) else {
            return Err(Left::alone("nothing is known to have run well before"));
        };
        let failed = find(self.task.deployment, component).map(|change| change.target.commit);
        self.site
            .piece(good.clone(), failed, "rollback")
            .map_err(|error| Left::alone(error.to_string()))
    }

    fn may_go_on(&mut self, _: &ComponentName) -> Result<(), Left> {
        (self.ours)().map_err(|lost| {
            let (Lost::Taken(why) | Lost::Unknown(why)) = &lost;
            let left = Left::alone(why.clone());
            self.lost = Some(lost);
            left
        })
    }

    fn ended(&mut self, _: &ComponentName, _: &Result<(), Left>) {}
}

/// Rolls back one component.
fn brought_back(task: &Task<'_>, piece: &Piece, leave: &Leave<'_, (), Left>) -> Result<(), Left> {
    let crew = task.crew;
    let made = crew
        .plan(piece)
        .map_err(|broken| Left::alone(format!("its plan failed: {}", broken.why)))?;
    let plan = made.as_ref().and_then(Made::of_terraform);
    if plan.is_some_and(Terraform::destroys_whole) {
        return Err(Left::alone(
            "going back would destroy something: that is for a person to decide",
        ));
    }
    let touched = |what: &str, why: &str| Left {
        why: format!("{what} failed: {why}"),
        touched: true,
    };
    if !made.as_ref().is_some_and(Made::is_empty) {
        leave
            .ask()
            .map_err(|left| left.unwrap_or_else(|| Left::alone("interrupted")))?;
        crew.apply(piece)
            .map_err(|broken| touched("its apply", &broken.why))?;
    }
    crew.verify(piece)
        .map(drop)
        .map_err(|broken| touched("its verification", &broken.why))
}
