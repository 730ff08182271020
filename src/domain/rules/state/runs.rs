//! Unfinished runs: a resume gives the run a new `run` id, a finish or abort names the newest id,
//! and a finish repeats its start.
//!
//! The rules judged only the start. If a finish differed from it, no rule would have judged the
//! difference.

use super::fail;
use crate::domain::entry::{Abort, Action, ComponentResult, Deployment, Finish, Outcome, Resume};
use crate::domain::id::RunId;
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::Fact;
use crate::domain::state::{EnvState, OpenRun};
use crate::domain::verdict::Check;

/// Returns whether no unfinished run has this id, or had it before the run was resumed.
pub(super) fn is_new_run(env_state: EnvState<'_>, run: RunId) -> bool {
    let began_with_id = |open: &OpenRun<'_>| matches!(&open.start.statement.action, Action::Start(it) if it.run == run);
    env_state
        .runs()
        .iter()
        .all(|open| open.id() != Some(run) && !began_with_id(open))
}

fn find_open_run(env_state: EnvState<'_>, start: u64, run: RunId) -> Result<OpenRun<'_>, Check> {
    let open = env_state
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

/// Checks that a resumed run is open, and that its new id is not one that it had before: the process
/// with that id would go on as if it still owned the run.
pub(super) fn check_resume(
    ctx: &Context<'_>,
    env_state: EnvState<'_>,
    resume: &Resume,
) -> Fact<Vec<Check>> {
    if env_state.run(resume.start).is_none() {
        return Ok(vec![fail(format!("run {} is not open", resume.start))]);
    }
    let run_ids = ctx.facts.run_ids.clone();
    let run_ids =
        run_ids.unwrap_or_else(|| Err("the earlier ids of the run were not read".to_owned()))?;
    if !is_new_run(env_state, resume.run) || run_ids.contains(&resume.run) {
        return Ok(vec![fail("its `run` is the id of an unfinished run")]);
    }
    Ok(Vec::new())
}

pub(super) fn check_abort(env_state: EnvState<'_>, abort: &Abort) -> Option<Check> {
    let run = match find_open_run(env_state, abort.start, abort.run) {
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
    let is_same = changed.eq(abort.components.iter().map(|it| (&it.component, it.commit)));
    (!is_same).then(|| fail("its components or commits are not those that the run was changing"))
}

pub(super) fn check_finish(env_state: EnvState<'_>, finish: &Finish) -> Vec<Check> {
    let run = match find_open_run(env_state, finish.start, finish.run) {
        Ok(run) => run,
        Err(check) => return vec![check],
    };
    let Some(start) = run.start.statement.deployment() else {
        return vec![fail(format!("run {} has no deployment", finish.start))];
    };
    let mut violations = Vec::new();
    let repeated = [
        ("kind", finish.kind == start.kind),
        ("approvers", finish.approved_by == start.approved_by),
        ("change request", finish.change == start.change),
        ("labels", finish.labels == start.labels),
        ("description", finish.description == start.description),
        (
            "reason to break glass",
            finish.break_glass == start.break_glass,
        ),
    ];
    for (field, is_same) in repeated {
        if !is_same {
            violations.push(fail(format!("its {field} differs from the start's")));
        }
    }
    let targets = start.components.iter().map(|change| &change.target);
    if !targets.eq(finish.components.iter().map(|result| &result.target)) {
        violations.push(fail("its components or commits differ from the start's"));
        return violations;
    }
    for (change, result) in start.components.iter().zip(&finish.components) {
        if !change.allows(start.kind, result.outcome) {
            violations.push(fail(format!(
                "the outcome of {} does not fit the start",
                result.target.component
            )));
        }
    }
    violations.extend(check_results(start, &finish.components));
    violations
}

/// Checks that a rolled-back component returned to its previous commit, and that a component was
/// skipped because of another component in the same run.
pub(super) fn check_results(start: &Deployment, results: &[ComponentResult]) -> Vec<Check> {
    let mut violations = Vec::new();
    for (change, result) in start.components.iter().zip(results) {
        let component = &result.target.component;
        if result.outcome == Outcome::RolledBack && result.to != change.from {
            violations.push(fail(format!(
                "{component} was rolled back to another commit than the one that ran before"
            )));
        }
        if let Some(because) = &result.because
            && !start
                .components
                .iter()
                .any(|other| other.target.component == *because && because != component)
        {
            violations.push(fail(format!(
                "{component} was skipped because of {because}, which is not in the run"
            )));
        }
    }
    violations
}
