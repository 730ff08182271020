//! The rule `soak`: the content or commit ran in each `promote_from` environment for long enough,
//! verified and without a break.
//! The longest such time counts.
//!
//! The ends of that time are by the clocks of different machines. A clock that differs by the
//! tolerance must not make the time long enough, so the tolerance is subtracted from it.

use super::context::{Context, or_unknown};
use super::definition::{OtherLedger, RuleDefinition};
use super::facts::{Fact, SKEW};
use super::findings::{Findings, Violation, format_length, format_moment};
use super::previous_log;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::ComponentChange;
use crate::domain::name::EnvName;
use crate::domain::policy::HotfixSkip;
use crate::domain::time::{Span, Time};
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Soak,
    name: "soak",
    description: "The content or commit (see `match`) ran in each `promote_from` environment for at least the time that `soak` requires, verified and without interruption. The tolerance for clocks, 5 minutes, is subtracted from the time that it ran.",
    faced_by: RequestKinds::of(&[RequestKind::Deploy, RequestKind::Hotfix, RequestKind::Merge]),
    hotfix_skip: Some(HotfixSkip::Soak),
    reads: &[OtherLedger::PreviousEnvironments],
    needs: previous_log::needs,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Soak, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let environment = ctx.environment()?;
    let Some(soak) = environment.soak else {
        return Ok(Vec::new());
    };
    let mut findings = Findings::new(Rule::Soak);
    for change in ctx.deployment()?.changed() {
        for source in &environment.promote_from {
            findings.add(
                &change.target.component,
                check_component(ctx, source, soak, change),
            );
        }
    }
    Ok(findings.checks())
}

/// A time during which a commit ran verified: its start and end. The end is `None` if it still
/// lasts.
type VerifiedTime = (Time, Option<Time>);

fn check_component(
    ctx: &Context<'_>,
    source: &EnvName,
    soak: Span,
    change: &ComponentChange,
) -> Fact<Option<Violation>> {
    let Some(mut times) = verified_times(ctx, source, change)? else {
        return Ok(None);
    };
    let length = |(from, to): &VerifiedTime| to.unwrap_or(ctx.now).duration_since(*from);
    let required = Span::from_seconds(soak.as_seconds().saturating_add(SKEW.as_seconds()));
    if times.iter().any(|time| length(time) >= required) {
        return Ok(None);
    }
    // A current time comes first: it can still become long enough.
    times.sort_by_key(|(from, to)| (to.is_some(), *from));
    let current = times.first().filter(|(_, to)| to.is_none());
    let longest = current.or_else(|| times.iter().max_by_key(|time| length(time)));
    let (current_verb, past_verb) = if change.is_removal() {
        ("has been without it", "was without it")
    } else {
        ("has run it", "ran it")
    };
    let detail = match longest {
        None => format!("it was never verified in {source} (soak {soak})"),
        Some(time @ (from, None)) => {
            let remaining = required
                .as_seconds()
                .saturating_sub(length(time).as_seconds());
            format!(
                "{source} {current_verb} since {}, soak {soak} plus {SKEW} clock tolerance: {} left",
                format_moment(*from, ctx.now),
                format_length(Span::from_seconds(remaining))
            )
        }
        Some(time) => format!(
            "{source} {past_verb} for {} at most, soak {soak} plus {SKEW} clock tolerance",
            format_length(length(time))
        ),
    };
    Ok(Some(Violation::new(detail)))
}

/// Returns the times during which a previous environment ran the content or commit verified, or
/// was without a component that is destroyed.
///
/// `None` if the component to destroy neither runs there nor appears in the log: its removal needs
/// no soak.
fn verified_times(
    ctx: &Context<'_>,
    source: &EnvName,
    change: &ComponentChange,
) -> Fact<Option<Vec<VerifiedTime>>> {
    let history = previous_log::previous_history(ctx, source, change)?;
    if !change.is_removal() {
        let none_counts = previous_log::none_counts(ctx, change);
        let times = previous_log::counted_periods(ctx, &history, change)?
            .into_iter()
            .filter(|period| !period.is_baseline)
            .flat_map(|period| period.verified_spans(none_counts));
        return Ok(Some(times.collect()));
    }
    let absent: Vec<_> = previous_log::find_absences(&history, change)
        .flat_map(|period| period.verified_spans(true))
        .collect();
    let component = &change.target.component;
    let always_absent = absent.is_empty()
        && previous_log::previous_state(ctx, source)?
            .commit(component)
            .is_none();
    Ok((!always_absent).then_some(absent))
}

#[cfg(test)]
mod tests;
