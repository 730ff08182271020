//! The rule `freeze`: nothing is deployed inside a freeze window.

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::Fact;
use super::findings::format_moment;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::policy::Freeze;
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Freeze,
    name: "freeze",
    description: "The current time is outside the environment's freeze windows.",
    faced_by: RequestKinds::of(&[
        RequestKind::Deploy,
        RequestKind::Hotfix,
        RequestKind::Destroy,
        RequestKind::Exec,
        RequestKind::Merge,
    ]),
    hotfix_skip: None,
    reads: &[],
    needs: needs_nothing,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Freeze, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let windows = &ctx.environment()?.freeze;
    if windows.is_empty() {
        return Ok(Vec::new());
    }
    let refusal = |freeze: &Freeze, until: Time| {
        let reason = freeze
            .reason
            .as_ref()
            .map_or_else(|| "frozen".to_owned(), |reason| format!("frozen: {reason}"));
        Check::fail(
            Rule::Freeze,
            format!(
                "{reason}, until {} UTC ({freeze})",
                format_moment(until, ctx.now)
            ),
        )
    };
    let refusals = windows
        .iter()
        .filter_map(|freeze| Some(refusal(freeze, freeze.active_until(ctx.now)?)));
    Ok(pass_if_none(Rule::Freeze, refusals.collect()))
}

#[cfg(test)]
mod tests {
    use crate::domain::rules::testing::{Case, deploy, parse};
    use crate::domain::verdict::Rule;

    /// The window is compared with the clock, not with the entry's time.
    #[test]
    fn windows() {
        let weekend = "[environments.prod]\nfreeze = [{ start = \"Fri 16:00\", end = \"Mon 08:00\", reason = \"weekend\" }]";
        let mut case = Case::new(weekend, "prod", "alice", deploy("catalogue", 1, None));
        case.passes(Rule::Freeze);
        case.now = parse("2026-03-06T16:00:00Z");
        case.fails(
            Rule::Freeze,
            "frozen: weekend, until 2026-03-09 08:00 UTC (Fri 16:00 to Mon 08:00 UTC)",
        );
        case.now = parse("2026-03-09T08:00:00Z");
        case.passes(Rule::Freeze);
    }

    /// Without freeze windows, the rule returns no check.
    #[test]
    fn none() {
        let case = Case::new(
            "[environments.prod]",
            "prod",
            "alice",
            deploy("catalogue", 1, None),
        );
        assert_eq!(case.checks(Rule::Freeze), []);
    }
}
