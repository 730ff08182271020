//! The rule `soak`: the commit ran in `promote_from` for long enough, verified and without a break. The longest such time counts.

use super::context::{Context, or_unknown};
use super::definition::{OtherLedger, RuleDefinition};
use super::facts::Fact;
use super::findings::{Findings, Violation, format_length, format_moment};
use super::previous_log;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::{Change, Intent};
use crate::domain::name::EnvName;
use crate::domain::policy::HotfixSkip;
use crate::domain::time::Span;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Soak,
    name: "soak",
    description: "The commit ran verified and without a break in the `promote_from` environment for at least the time that `soak` requires.",
    faced_by: RequestKinds::of(&[RequestKind::Deploy, RequestKind::Hotfix, RequestKind::Merge]),
    hotfix_skip: Some(HotfixSkip::Soak),
    reads: &[OtherLedger::PreviousEnvironment],
    needs: previous_log::needs,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Soak, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let environment = ctx.environment()?;
    let (Some(source), Some(soak)) = (&environment.promote_from, environment.soak) else {
        return Ok(Vec::new());
    };
    let mut found = Findings::new(Rule::Soak);
    for change in ctx.deployment()?.changed() {
        found.add(
            &change.target.component,
            check_component(ctx, source, soak, change),
        );
    }
    Ok(found.checks())
}

fn check_component(
    ctx: &Context<'_>,
    source: &EnvName,
    soak: Span,
    change: &Change,
) -> Fact<Option<Violation>> {
    let history = previous_log::previous_history(ctx, change)?;
    let commit = change.target.commit;
    let none_counts = previous_log::none_counts(ctx, change);
    let mut times: Vec<_> = if change.intent == Intent::Destroy {
        let gone: Vec<_> = previous_log::find_absences(&history, change)
            .flat_map(|stay| stay.verified(true))
            .collect();
        if gone.is_empty()
            && previous_log::previous_state(ctx)?
                .commit(&change.target.component)
                .is_none()
        {
            // It was gone before anything that the log was read for.
            return Ok(None);
        }
        gone
    } else {
        let stays = history.run_periods_of(commit).filter(|stay| !stay.baseline);
        stays.flat_map(|stay| stay.verified(none_counts)).collect()
    };
    // What lasts comes first: it is what can still grow.
    times.sort_by_key(|(from, to)| (to.is_some(), *from));
    let how_long = |(from, to): &(_, Option<_>)| to.unwrap_or(ctx.now).since(*from);
    if times.iter().any(|time| how_long(time) >= soak) {
        return Ok(None);
    }
    let (does, did) = if change.intent == Intent::Destroy {
        ("is without it", "was without it")
    } else {
        ("runs it", "ran it")
    };
    let shown = |time: &(_, Option<_>)| {
        let left = Span::seconds(
            soak.as_seconds()
                .saturating_sub(how_long(time).as_seconds()),
        );
        let (from, to) = time;
        match to {
            None => format!(
                "{source} {does} since {}, soak {soak}: {} left",
                format_moment(*from, ctx.now),
                format_length(left)
            ),
            Some(_) => format!(
                "{source} {did} for {} at most, soak {soak}",
                format_length(how_long(time))
            ),
        }
    };
    let last = times.first().filter(|(_, to)| to.is_none());
    let most = last.or_else(|| times.iter().max_by_key(|time| how_long(time)));
    Ok(Some(Violation::new(most.map_or_else(
        || format!("{source} never ran it verified, soak {soak}"),
        shown,
    ))))
}

#[cfg(test)]
mod tests;
