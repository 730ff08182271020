//! The rule `soak`: the content or commit ran in each `promote_from` environment for long enough,
//! verified and without interruption. Periods are not added up: one of them must be long enough.
//!
//! The start and the end of a period can come from the clocks of different machines. A difference
//! between the clocks must not make a period long enough, so the tolerance is added to the required
//! time.

use super::context::{Context, or_unknown};
use super::definition::{OtherLedger, RuleDefinition};
use super::facts::{Fact, SKEW};
use super::findings::{Findings, Violation, format_length, format_moment};
use super::previous_log;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::ComponentChange;
use crate::domain::history::VerifiedPeriod;
use crate::domain::name::EnvName;
use crate::domain::policy::HotfixSkip;
use crate::domain::time::Span;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Soak,
    name: "soak",
    description: "The content or commit (see `match`) ran in each `promote_from` environment for at least the time that `soak` requires plus 5 minutes of tolerance for clocks that differ, verified and without interruption. A run that was signed with a removed key does not count.",
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

fn check_component(
    ctx: &Context<'_>,
    source: &EnvName,
    soak: Span,
    change: &ComponentChange,
) -> Fact<Option<Violation>> {
    let Some(mut periods) = find_verified_periods(ctx, source, change)? else {
        return Ok(None);
    };
    let length = |period: &VerifiedPeriod| period.length(ctx.now);
    let required = Span::from_seconds(soak.as_seconds().saturating_add(SKEW.as_seconds()));
    if periods.iter().any(|period| length(period) >= required) {
        return Ok(None);
    }
    // An ongoing period comes first, because it can still become long enough.
    periods.sort_by_key(|period| (period.to.is_some(), period.from));
    let ongoing = periods.first().filter(|period| period.to.is_none());
    let reported = ongoing.or_else(|| periods.iter().max_by_key(|period| length(period)));
    let (ongoing_verb, past_verb) = if change.is_removal() {
        ("has been without it", "was without it")
    } else {
        ("has run it", "ran it")
    };
    let detail = match reported {
        None => format!("it was never verified in {source} (soak {soak})"),
        Some(period) if period.to.is_none() => {
            let remaining = required
                .as_seconds()
                .saturating_sub(length(period).as_seconds());
            format!(
                "{source} {ongoing_verb} since {}, soak {soak} plus {SKEW} clock tolerance: {} left",
                format_moment(period.from, ctx.now),
                format_length(Span::from_seconds(remaining))
            )
        }
        Some(period) => format!(
            "{source} {past_verb} for {} at most, soak {soak} plus {SKEW} clock tolerance",
            format_length(length(period))
        ),
    };
    Ok(Some(Violation::new(detail)))
}

/// Returns the periods in which a previous environment ran the content or commit verified or, for a
/// removal, ran without the component.
///
/// Returns `None` if the component to remove never ran there: its removal needs no soak.
fn find_verified_periods(
    ctx: &Context<'_>,
    source: &EnvName,
    change: &ComponentChange,
) -> Fact<Option<Vec<VerifiedPeriod>>> {
    let history = previous_log::previous_history(ctx, source, change)?;
    if !change.is_removal() {
        let unverified_counts = previous_log::unverified_counts(ctx, change);
        let periods = previous_log::counted_periods(ctx, &history, change)?
            .into_iter()
            .filter(|period| !period.is_baseline)
            .flat_map(|period| period.verified_periods(unverified_counts));
        return Ok(Some(periods.collect()));
    }
    let absences: Vec<_> = previous_log::find_absences(&history, change).collect();
    let absence_periods: Vec<_> = absences
        .iter()
        .filter(|period| period.untrusted.is_none())
        .flat_map(|period| period.verified_periods(true))
        .collect();
    let component = &change.target.component;
    let never_ran = absences.is_empty()
        && previous_log::previous_state(ctx, source)?
            .commit(component)
            .is_none();
    Ok((!never_ran).then_some(absence_periods))
}

#[cfg(test)]
mod tests;
