//! It goes forward: what runs is contained in what comes, unless it is a way back that was good before; and it is not on hold.
//!
//! A hold counts for everything, a rollback and a hotfix too, until a person lifts it.

use super::{Context, Known, answer, moved, unless};
use crate::domain::entry::{
    Action, Change, Deployment, Intent, Kept, Kind, Outcome, VerificationResult,
};
use crate::domain::name::ComponentName;
use crate::domain::state::Here;
use crate::domain::verdict::{Check, Rule};

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    answer(
        Rule::Direction,
        judge(ctx).map(|against| unless(Rule::Direction, against)),
    )
}

fn judge(ctx: &Context<'_>) -> Known<Vec<Check>> {
    let (deployment, here) = (ctx.deployment()?, ctx.here()?);
    let mut against: Vec<Check> = deployment
        .components
        .iter()
        .filter_map(|change| held(ctx, here, change))
        .collect();
    for change in deployment.changed() {
        let found = match deployment.kind {
            Kind::Rollback => back(ctx, change),
            _ => forward(ctx, here, deployment, change),
        };
        against.extend(found.unwrap_or_else(|why| {
            Some(Check::unknown(
                Rule::Direction,
                crate::domain::text::sanitize(&why),
            ))
        }));
    }
    Ok(against)
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::Direction, why)
}

fn held(ctx: &Context<'_>, here: Here<'_>, change: &Change) -> Option<Check> {
    let target = &change.target;
    let hold = here.hold(&target.component, target.content.filter(|_| moved(change))?)?;
    let (commit, place) = (target.commit.short(), ctx.shown());
    let why = format!(
        "{} at {commit} is on hold in {place} since {}",
        target.component, hold.statement.at
    );
    Some(fail(why).remedy(format!("git deploy unlock {place} --commit {commit}")))
}

/// What runs must be contained in a hotfix always, and in any other deployment where the environment has a branch.
fn forward(
    ctx: &Context<'_>,
    here: Here<'_>,
    deployment: &Deployment,
    change: &Change,
) -> Known<Option<Check>> {
    let (component, commit) = (&change.target.component, change.target.commit);
    let Some(runs) = here.commit(component) else {
        return Ok(None);
    };
    let equal =
        here.unknown(component).is_none() && here.content(component) == change.target.content;
    let hotfix = deployment.kind == Kind::Hotfix;
    let asked = hotfix || ctx.environment()?.branch.is_some() && !equal;
    if !asked || ctx.contains(commit, runs)? {
        return Ok(None);
    }
    let place = ctx.shown();
    let check = fail(format!(
        "{} does not contain {}, which runs of {component} in {place}",
        commit.short(),
        runs.short()
    ));
    Ok(Some(if hotfix {
        check
    } else {
        check.remedy(format!(
            "git deploy record {place} {} --rollback",
            commit.short()
        ))
    }))
}

/// A rollback goes only where the component was well, here.
fn back(ctx: &Context<'_>, change: &Change) -> Known<Option<Check>> {
    let (component, place) = (&change.target.component, ctx.shown());
    if change.intent == Intent::Destroy {
        // Otherwise an old commit without the component would take it away, and nobody be asked.
        return Ok(Some(fail(format!(
            "a rollback takes no component away: {component} is absent at its commit"
        ))));
    }
    let entries = match ctx.facts.earlier.get(component) {
        Some(Ok(entries)) => entries,
        Some(Err(why)) => return Err(why.clone()),
        None => {
            return Err(format!(
                "whether {component} ran here before was not looked up"
            ));
        }
    };
    // Oldest first; a verification alone is no stay.
    let good = entries
        .iter()
        .rev()
        .fold(None, |good, kept| match &kept.statement.action {
            Action::Verification(it)
                if it
                    .components
                    .iter()
                    .any(|other| other.component == *component) =>
            {
                good.map(|_| it.verification == VerificationResult::Passed)
            }
            _ => success(ctx, change, kept).or(good),
        });
    let what = format!("{component} at {}", change.target.commit.short());
    Ok(match good {
        Some(true) => None,
        Some(false) => Some(fail(format!(
            "{what} was not a verified success in {place}"
        ))),
        None => Some(fail(format!("{what} never ran in {place}"))),
    }
    .map(|check| check.remedy(format!("git deploy log {place}"))))
}

/// Whether the entry put the wanted content here, and if so, whether it was verified.
fn success(ctx: &Context<'_>, change: &Change, kept: &Kept) -> Option<bool> {
    let component = &change.target.component;
    let ended = kept.statement.end_of(component)?;
    let this = ended.outcome == Outcome::Succeeded && ended.target.content == change.target.content;
    // A baseline is an admin's word, and asks for no verification.
    let baseline = matches!(kept.statement.action, Action::Baseline(_));
    this.then(|| baseline || verified(ctx, component, ended.verification))
}

/// "Nobody asked" is good enough only where the policy in force does not ask.
fn verified(ctx: &Context<'_>, component: &ComponentName, result: VerificationResult) -> bool {
    match result {
        VerificationResult::Passed => true,
        VerificationResult::Failed => false,
        VerificationResult::None => ctx
            .policy
            .component(component)
            .is_none_or(|it| it.verify.is_none()),
    }
}

#[cfg(test)]
mod tests;
