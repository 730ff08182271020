//! The rule `time`: an entry's time is close to the current time, and not before the previous entry
//! or the commits that the entry names.
//!
//! An accepted entry from a fast clock has a time in the future. The next entry may repeat that
//! time, so that the ledger is not blocked until then.

use super::context::{Context, pass_if_none};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::SKEW;
use super::request::Request;
use super::request_kind::RequestKinds;
use crate::domain::entry::Statement;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Rule};

/// The remedy for a commit that was made with a fast clock.
const RECOMMIT: &str =
    "git commit --allow-empty with the correct clock, then repeat the command with the new commit";

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Time,
    name: "time",
    description: "The entry's time is close to the current time, and not before the previous entry or the commits that it names.",
    faced_by: RequestKinds::ENTRIES,
    hotfix_skip: None,
    reads: &[],
    needs: needs_nothing,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry { statement, .. } = ctx.request else {
        return Vec::new();
    };
    let mut violations: Vec<Check> = check_order(ctx, statement).into_iter().collect();
    violations.extend(check_commit_dates(ctx, statement));
    violations.extend(check_expiry(statement));
    pass_if_none(Rule::Time, violations)
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::Time, why)
}

fn check_order(ctx: &Context<'_>, statement: &Statement) -> Option<Check> {
    let Some(chain) = &ctx.facts.chain else {
        return Some(Check::unknown(Rule::Time, "the ledger's tip was not read"));
    };
    let (at, previous, now) = (statement.at, chain.at, ctx.now);
    let is_near = at.duration_since(now) <= SKEW && now.duration_since(at) <= SKEW;
    let repeats_future_time = at == previous && previous > now;
    if at < previous {
        Some(fail(format!(
            "{at} is earlier than the previous entry ({previous})"
        )))
    } else if is_near || repeats_future_time {
        None
    } else {
        let check = fail(format!(
            "{at} is more than {SKEW} off the clock here, {now}: set the clock that is wrong"
        ));
        Some(check.remedy("date -u"))
    }
}

/// Checks that the entry is not older than the commits it names. A search for entries about a
/// commit goes back to the commit's date, so a later date would hide the entry.
fn check_commit_dates(ctx: &Context<'_>, statement: &Statement) -> Vec<Check> {
    let check_commit = |commit: crate::domain::id::CommitId| match ctx.facts.commits.get(&commit) {
        // No search can stop at the date of a missing commit, so that date cannot hide an entry.
        Some(Err(_)) if ctx.facts.missing_commits.contains(&commit) => None,
        None => Some(Check::unknown(
            Rule::Time,
            format!("the date of {} was not read", commit.short()),
        )),
        Some(Err(why)) => Some(Check::unknown(Rule::Time, sanitize(why))),
        Some(Ok(fact)) => (fact.time > statement.at.plus(SKEW)).then(|| {
            fail(format!(
                "{} is dated {}, later than the entry",
                commit.short(),
                fact.time
            ))
            .remedy(RECOMMIT)
        }),
    };
    statement
        .commits()
        .into_iter()
        .filter_map(check_commit)
        .collect()
}

/// Checks that an approval, a lock or an environment ends after the entry.
fn check_expiry(statement: &Statement) -> Option<Check> {
    let expires = statement.expires()?;
    (expires <= statement.at).then(|| {
        fail(format!(
            "it would end at {expires}: a time after {} is required",
            statement.at
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::{Action, Lock};
    use crate::domain::rules::CommitFact;
    use crate::domain::rules::testing::{Case, approve, commit, deploy, entry_time, parse};
    use crate::domain::time::Span;

    const POLICY: &str = "[environments]\nprod = { approvals = 1 }\n";

    fn case() -> Case {
        Case::new(POLICY, "prod", "alice", deploy("catalogue", 1, None))
    }

    /// An entry may be off the clock by the skew and no more.
    #[test]
    fn near_the_clock() {
        let skew = SKEW.as_seconds();
        for (ahead, good) in [(0, true), (skew, true), (skew + 1, false)] {
            let mut case = case();
            case.now = entry_time().plus(Span::from_seconds(ahead));
            if good {
                case.passes(Rule::Time);
            } else {
                drop(case.fails(Rule::Time, "off the clock"));
            }
            case.now = entry_time().minus(Span::from_seconds(ahead));
            if good {
                case.passes(Rule::Time);
            } else {
                drop(case.fails(Rule::Time, "off the clock"));
            }
        }
    }

    /// A ledger never goes back in time, and one entry from a fast clock does not block it.
    #[test]
    fn after_the_previous_entry() {
        let mut case = case();
        case.facts.chain.as_mut().unwrap().at = entry_time().plus(Span::from_seconds(1));
        case.fails(Rule::Time, "earlier than the previous entry");
        case.facts.chain.as_mut().unwrap().at = entry_time();
        case.passes(Rule::Time);
        case.now = entry_time().minus(Span::from_days(1));
        case.passes(Rule::Time);
        case.now = entry_time().plus(Span::from_days(1));
        case.fails(Rule::Time, "off the clock");
        case.facts.chain = None;
        case.unknown(Rule::Time, "not read");
    }

    /// A commit dated in the future would hide earlier entries about it.
    #[test]
    fn not_before_named_commits() {
        let mut case = case();
        case.facts.commits.insert(
            commit(1),
            Ok(CommitFact {
                time: entry_time().plus(SKEW),
            }),
        );
        case.passes(Rule::Time);
        case.facts.commits.insert(
            commit(1),
            Ok(CommitFact {
                time: entry_time().plus(SKEW).plus(Span::from_seconds(1)),
            }),
        );
        case.fails(Rule::Time, "dated");
        case.facts
            .commits
            .insert(commit(1), Err("no such object".to_owned()));
        case.facts.missing_commits.insert(commit(1));
        case.passes(Rule::Time);
        case.facts.missing_commits.clear();
        case.unknown(Rule::Time, "no such object");
        case.facts.commits.clear();
        case.unknown(Rule::Time, "not read");
    }

    /// An approval or a lock that has ended when it is written is refused.
    #[test]
    fn expires_later() {
        let second = Span::from_seconds(1);
        let lock = |until| {
            Action::Lock(Lock {
                component: None,
                until,
                reason: parse("x"),
            })
        };
        Case::new(POLICY, "prod", "bob", lock(None)).passes(Rule::Time);
        for (end, is_later) in [
            (entry_time().minus(second), false),
            (entry_time(), false),
            (entry_time().plus(second), true),
        ] {
            let mut approval = approve(1, &["catalogue"]);
            if let Action::Approve(approval) = &mut approval {
                approval.expires = end;
            }
            for action in [approval, lock(Some(end))] {
                let case = Case::new(POLICY, "prod", "bob", action);
                if is_later {
                    case.passes(Rule::Time);
                } else {
                    drop(case.fails(Rule::Time, "it would end at"));
                }
            }
        }
    }
}
