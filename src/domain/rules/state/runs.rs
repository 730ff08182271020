//! Unfinished runs: a resume, finish or abort names the run's newest `run` id, and a finish repeats its start.
//!
//! The start was judged by every rule. A finish that said anything else would bring into the ledger what no rule has judged.

use super::fail;
use crate::domain::entry::{Abort, Action, ComponentResult, Deployment, Finish, Outcome, Resume};
use crate::domain::id::RunId;
use crate::domain::state::{EnvState, OpenRun};
use crate::domain::verdict::Check;

/// Returns whether no unfinished run has this id, now or at its start.
pub(super) fn is_new_run(here: EnvState<'_>, run: RunId) -> bool {
    let began = |open: &OpenRun<'_>| matches!(&open.start.statement.action, Action::Start(it) if it.run == run);
    here.runs()
        .iter()
        .all(|open| open.id() != Some(run) && !began(open))
}

fn find_open_run(here: EnvState<'_>, start: u64, run: RunId) -> Result<OpenRun<'_>, Check> {
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

pub(super) fn check_resume(here: EnvState<'_>, resume: &Resume) -> Vec<Check> {
    if here.run(resume.start).is_none() {
        return vec![fail(format!("run {} is not open", resume.start))];
    }
    if !is_new_run(here, resume.run) {
        return vec![fail("its `run` is that of an unfinished run")];
    }
    Vec::new()
}

pub(super) fn check_abort(here: EnvState<'_>, abort: &Abort) -> Option<Check> {
    let run = match find_open_run(here, abort.start, abort.run) {
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

pub(super) fn check_finish(here: EnvState<'_>, finish: &Finish) -> Vec<Check> {
    let run = match find_open_run(here, finish.start, finish.run) {
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
    against.extend(check_results(start, &finish.components));
    against
}

/// Checks that a failed component was rolled back to its previous commit, and that a skip names a
/// component of the same run.
pub(super) fn check_results(start: &Deployment, ended: &[ComponentResult]) -> Vec<Check> {
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
