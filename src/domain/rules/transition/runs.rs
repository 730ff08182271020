//! Unfinished runs: who goes on with one names its newest `run`, and a finish repeats its start.
//!
//! The start went through every gate; a finish that said anything else would put into the ledger what no gate has seen.

use super::fail;
use crate::domain::entry::{Abort, Action, ComponentResult, Deployment, Finish, Outcome, Resume};
use crate::domain::id::RunId;
use crate::domain::state::{EnvState, OpenRun};
use crate::domain::verdict::Check;

/// Whether no unfinished run has this id, now or at its start.
pub(super) fn fresh(here: EnvState<'_>, run: RunId) -> bool {
    let began = |open: &OpenRun<'_>| matches!(&open.start.statement.action, Action::Start(it) if it.run == run);
    here.runs()
        .iter()
        .all(|open| open.id() != Some(run) && !began(open))
}

fn open(here: EnvState<'_>, start: u64, run: RunId) -> Result<OpenRun<'_>, Check> {
    let open = here
        .run(start)
        .ok_or_else(|| fail(format!("run {start} is not open")))?;
    if open.id() == Some(run) {
        Ok(open)
    } else {
        let (by, sequence) = (&open.owner.statement.by, open.owner.statement.sequence);
        Err(fail(format!(
            "run {start} was taken over by {by} with entry {sequence}"
        )))
    }
}

pub(super) fn resume(here: EnvState<'_>, resume: &Resume) -> Vec<Check> {
    if here.run(resume.start).is_none() {
        return vec![fail(format!("run {} is not open", resume.start))];
    }
    if !fresh(here, resume.run) {
        return vec![fail("its `run` is that of an unfinished run")];
    }
    Vec::new()
}

pub(super) fn abort(here: EnvState<'_>, abort: &Abort) -> Option<Check> {
    let run = match open(here, abort.start, abort.run) {
        Ok(run) => run,
        Err(check) => return Some(check),
    };
    let changed = run
        .start
        .statement
        .deployment()
        .into_iter()
        .flat_map(Deployment::changed);
    let changed = changed.map(|change| (&change.target.component, change.target.commit));
    let same = changed.eq(abort.components.iter().map(|it| (&it.component, it.commit)));
    (!same).then(|| fail("its components or commits are not those that the run was changing"))
}

pub(super) fn finish(here: EnvState<'_>, finish: &Finish) -> Vec<Check> {
    let run = match open(here, finish.start, finish.run) {
        Ok(run) => run,
        Err(check) => return vec![check],
    };
    let Some(start) = run.start.statement.deployment() else {
        return vec![fail(format!("run {} has no deployment", finish.start))];
    };
    let mut against = Vec::new();
    let repeated = [
        ("kind", finish.kind == start.kind),
        ("approvers", finish.approved_by == start.approved_by),
        ("description", finish.description == start.description),
        (
            "reason to break glass",
            finish.break_glass == start.break_glass,
        ),
    ];
    for (what, same) in repeated {
        if !same {
            against.push(fail(format!("its {what} is not the start's")));
        }
    }
    let targets = start.components.iter().map(|change| &change.target);
    if !targets.eq(finish.components.iter().map(|ended| &ended.target)) {
        against.push(fail("its components or commits are not the start's"));
        return against;
    }
    for (change, ended) in start.components.iter().zip(&finish.components) {
        if !change.intent.allows(ended.outcome) {
            against.push(fail(format!(
                "{} cannot have ended so",
                ended.target.component
            )));
        }
    }
    against.extend(rolled_back(start, &finish.components));
    against
}

/// A component that failed goes back to what ran before and nowhere else; a skip is the fault of a component of the same run.
pub(super) fn rolled_back(start: &Deployment, ended: &[ComponentResult]) -> Vec<Check> {
    let mut against = Vec::new();
    for (change, ended) in start.components.iter().zip(ended) {
        let component = &ended.target.component;
        if ended.outcome == Outcome::RolledBack && ended.to != change.from {
            against.push(fail(format!(
                "{component} was rolled back to another commit than ran before"
            )));
        }
        if let Some(because) = &ended.because
            && !start
                .components
                .iter()
                .any(|other| other.target.component == *because && because != component)
        {
            against.push(fail(format!(
                "{component} was skipped because of {because}, which is not in the run"
            )));
        }
    }
    against
}
