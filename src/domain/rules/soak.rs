//! Soak: how long the commit ran in `promote_from`, verified and without a break. The longest such time counts.

use super::findings::{Against, Found, length, moment};
use super::{Context, Known, answer, promotion};
use crate::domain::entry::{Change, Intent};
use crate::domain::name::EnvName;
use crate::domain::time::Span;
use crate::domain::verdict::{Check, Rule};

const RULE: Rule = Rule::Soak;

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    answer(RULE, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Known<Vec<Check>> {
    let environment = ctx.environment()?;
    let (Some(source), Some(soak)) = (&environment.promote_from, environment.soak) else {
        return Ok(Vec::new());
    };
    let mut found = Found::new(RULE);
    for change in ctx.deployment()?.changed() {
        found.add(&change.target.component, one(ctx, source, soak, change));
    }
    Ok(found.checks())
}

fn one(ctx: &Context<'_>, source: &EnvName, soak: Span, change: &Change) -> Known<Option<Against>> {
    let history = promotion::history(ctx, change)?;
    let commit = change.target.commit;
    let none_counts = promotion::none_counts(ctx, change);
    let mut times: Vec<_> = if change.intent == Intent::Destroy {
        let gone: Vec<_> = promotion::absences(&history, change)
            .flat_map(|stay| stay.verified_spans(true))
            .collect();
        if gone.is_empty()
            && promotion::state(ctx)?
                .commit(&change.target.component)
                .is_none()
        {
            // It was gone before anything that the log was read for.
            return Ok(None);
        }
        gone
    } else {
        let stays = history
            .run_periods_of(commit)
            .filter(|stay| !stay.is_baseline);
        stays
            .flat_map(|stay| stay.verified_spans(none_counts))
            .collect()
    };
    // What lasts comes first: it is what can still grow.
    times.sort_by_key(|(from, to)| (to.is_some(), *from));
    let how_long = |(from, to): &(_, Option<_>)| to.unwrap_or(ctx.now).duration_since(*from);
    if times.iter().any(|time| how_long(time) >= soak) {
        return Ok(None);
    }
    let (does, did) = if change.intent == Intent::Destroy {
        ("is without it", "was without it")
    } else {
        ("runs it", "ran it")
    };
    let shown = |time: &(_, Option<_>)| {
        let left = Span::from_seconds(
            soak.as_seconds()
                .saturating_sub(how_long(time).as_seconds()),
        );
        let (from, to) = time;
        match to {
            None => format!(
                "{source} {does} since {}, soak {soak}: {} left",
                moment(*from, ctx.now),
                length(left)
            ),
            Some(_) => format!(
                "{source} {did} for {} at most, soak {soak}",
                length(how_long(time))
            ),
        }
    };
    let last = times.first().filter(|(_, to)| to.is_none());
    let most = last.or_else(|| times.iter().max_by_key(|time| how_long(time)));
    Ok(Some(Against::new(most.map_or_else(
        || format!("{source} never ran it verified, soak {soak}"),
        shown,
    ))))
}

#[cfg(test)]
mod tests;
