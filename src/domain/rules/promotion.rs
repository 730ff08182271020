//! The previous environment: the very commit ran in `promote_from`, component by component, and is well there.
//!
//! It need not run there now. What counts is the newest word: a later failure, a failed verification or a hold takes it away.

use super::findings::{Against, Found, moment};
use super::{Context, Known, answer};
use crate::domain::entry::{Change, Intent, VerificationResult};
use crate::domain::history::{Attempt, AttemptFailure, History, LatestEvent, RunPeriod};
use crate::domain::name::EnvName;
use crate::domain::state::Here;
use crate::domain::verdict::{Check, Rule};

const RULE: Rule = Rule::PreviousEnvironment;

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    answer(RULE, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Known<Vec<Check>> {
    let Some(source) = &ctx.environment()?.promote_from else {
        return Ok(Vec::new());
    };
    let mut found = Found::new(RULE);
    for change in ctx.deployment()?.changed() {
        found.add(&change.target.component, one(ctx, source, change));
    }
    Ok(found.checks())
}

/// What the environment before says of a changed component.
pub(super) fn history<'a>(ctx: &Context<'a>, change: &Change) -> Known<History<'a>> {
    let (component, commit) = (&change.target.component, change.target.commit);
    match ctx.facts.source.get(&(component.clone(), commit)) {
        Some(Ok(entries)) => Ok(History::read(component, entries)),
        Some(Err(why)) => Err(why.clone()),
        None => Err("the log of the environment before was not read".to_owned()),
    }
}

/// The state of the environment before.
pub(super) fn state<'a>(ctx: &Context<'a>) -> Known<Here<'a>> {
    match &ctx.facts.source_state {
        Some(Ok(state)) => {
            let name = ctx.environment()?.promote_from.as_ref();
            // One of a pattern is a part of its ledger's state.
            let member = |name: &&EnvName| {
                ctx.policy
                    .environment(name)
                    .is_some_and(|it| it.ephemeral.is_some())
            };
            Ok(state.at(name.filter(member)))
        }
        Some(Err(why)) => Err(why.clone()),
        None => Err("the state of the environment before was not read".to_owned()),
    }
}

/// Whether `none` is as good as a verification gets: the policy in force has no `verify` for the component.
pub(super) fn none_counts(ctx: &Context<'_>, change: &Change) -> bool {
    ctx.policy
        .component(&change.target.component)
        .is_none_or(|component| component.verify.is_none())
}

/// The times without a component that speak for taking it away: those that its removal at this commit began, and the present one.
pub(super) fn absences<'h, 'a>(
    history: &'h History<'a>,
    change: &Change,
) -> impl Iterator<Item = &'h RunPeriod<'a>> {
    let commit = change.target.commit;
    let gone = history
        .run_periods
        .iter()
        .filter(|stay| stay.content.is_none());
    gone.filter(move |stay| stay.to.is_none() || stay.commits().any(|it| it == commit))
}

fn one(ctx: &Context<'_>, source: &EnvName, change: &Change) -> Known<Option<Against>> {
    let (component, commit) = (&change.target.component, change.target.commit);
    let (here, history) = (state(ctx)?, history(ctx, change)?);
    let run = format!("git deploy record {source} {}", commit.short());
    if change.intent == Intent::Destroy {
        let gone = absences(&history, change).next().is_some();
        let runs = here.commit(component).is_some() || here.unknown(component).is_some();
        let against =
            || Against::new(format!("{source} still has it")).remedy(format!("{run} --destroy"));
        return Ok((!gone && runs).then(against));
    }
    let content = change.target.content;
    let mut contents = history
        .run_periods_of(commit)
        .filter_map(|stay| stay.content)
        .chain(content);
    if contents.any(|content| here.hold(component, content).is_some()) {
        let unlock = format!("git deploy unlock {source} --commit {}", commit.short());
        return Ok(Some(
            Against::new(format!("its content is on hold in {source}")).remedy(unlock),
        ));
    }
    Ok(match history.latest_event(commit, content) {
        LatestEvent::Never => {
            Some(Against::new(format!("{source} never ran {}", commit.short())).remedy(run))
        }
        LatestEvent::Failed(attempt) => {
            Some(Against::new(failed(ctx, source, change, attempt)).remedy(run))
        }
        LatestEvent::Ran(stay) => {
            let counts = none_counts(ctx, change);
            ran(source, stay, counts).map(|against| match (stay.to, stay.is_baseline && counts) {
                // What does not change would only ride along on what it came with.
                (None, true) => against.remedy(format!("{run} --all")),
                (None, false) => against.remedy(format!("{run} --all --verification passed")),
                (Some(_), _) => against.remedy(run),
            })
        }
    })
}

fn failed(ctx: &Context<'_>, source: &EnvName, change: &Change, attempt: &Attempt<'_>) -> String {
    let what = match attempt.failure {
        AttemptFailure::Failed => "failed",
        AttemptFailure::RolledBack => "was rolled back",
        AttemptFailure::Aborted => "was given up",
    };
    let at = moment(attempt.entry.statement.at, ctx.now);
    let same = if attempt.commit == change.target.commit {
        ""
    } else {
        ", of the same content,"
    };
    format!("{}{same} {what} in {source} ({at})", attempt.commit.short())
}

fn ran(source: &EnvName, stay: &RunPeriod<'_>, none_counts: bool) -> Option<Against> {
    if stay.is_baseline {
        Some(Against::new(format!(
            "{source} has it from a baseline, which is no deployment"
        )))
    } else if stay.is_verified(none_counts) {
        None
    } else if stay.last_verification() == VerificationResult::Failed {
        Some(Against::new(format!("its verification in {source} failed")))
    } else {
        Some(Against::new(format!("nothing verified it in {source}")))
    }
}

#[cfg(test)]
mod tests;
