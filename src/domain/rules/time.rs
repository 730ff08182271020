//! Its time is possible: not before the entry before it, near the clock, and not before the commits that it speaks of.
//!
//! An entry that got in with a clock ahead must not lock a ledger until that time: whoever follows may take the very same time.

use super::{Context, Request, SKEW, unless};
use crate::domain::entry::{Action, Statement};
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Rule};

/// What gets around a commit from a clock that was ahead.
const ANEW: &str =
    "git commit --allow-empty, with the clock right, and the same command with that commit";

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry { statement, .. } = ctx.request else {
        return Vec::new();
    };
    let mut against: Vec<Check> = chain(ctx, statement).into_iter().collect();
    against.extend(commits(ctx, statement));
    against.extend(ends(statement));
    unless(Rule::Time, against)
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::Time, why)
}

fn chain(ctx: &Context<'_>, statement: &Statement) -> Option<Check> {
    let Some(chain) = &ctx.facts.chain else {
        return Some(Check::unknown(Rule::Time, "the ledger's end was not read"));
    };
    let (at, before, now) = (statement.at, chain.at, ctx.now);
    let near = at.duration_since(now) <= SKEW && now.duration_since(at) <= SKEW;
    let follows = at == before && before > now;
    if at < before {
        Some(fail(format!(
            "{at} is before the entry before it, {before}"
        )))
    } else if near || follows {
        None
    } else {
        let off = fail(format!(
            "{at} is more than {SKEW} off the clock here, {now}"
        ));
        Some(off.remedy("date -u, here and on the server; set the clock that is wrong, then the same command again"))
    }
}

/// Looking for what was said of a commit ends at entries older than it, so none may be hidden behind a date.
fn commits(ctx: &Context<'_>, statement: &Statement) -> Vec<Check> {
    let judge = |commit: crate::domain::id::CommitId| match ctx.facts.commits.get(&commit) {
        // Nothing can be hidden from those who look for what was said of a commit that nobody has.
        Some(Err(_)) if ctx.facts.gone.contains(&commit) => None,
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
            .remedy(ANEW)
        }),
    };
    statement.commits().into_iter().filter_map(judge).collect()
}

/// What ends, ends later than it begins.
fn ends(statement: &Statement) -> Option<Check> {
    let expires = match &statement.action {
        Action::Approve(it) => Some(it.expires),
        Action::Expire(it) => Some(it.expires),
        _ => statement.deployment().and_then(|it| it.expires),
    }?;
    (expires <= statement.at).then(|| fail(format!("it ends at {expires}, before it begins")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rules::CommitFact;
    use crate::domain::rules::testing::{Case, approve, commit, deploy, noon};
    use crate::domain::time::Span;

    const POLICY: &str = "[environments]\nprod = { approvals = 1 }\n";

    fn case() -> Case {
        Case::new(POLICY, "prod", "alice", deploy("catalogue", 1, None))
    }

    /// Nothing is backdated or postdated past the skew, and the skew itself is allowed.
    #[test]
    fn near_the_clock() {
        let skew = SKEW.as_seconds();
        for (ahead, good) in [(0, true), (skew, true), (skew + 1, false)] {
            let mut case = case();
            case.now = noon().plus(Span::from_seconds(ahead));
            if good {
                case.passes(Rule::Time);
            } else {
                drop(case.fails(Rule::Time, "off the clock"));
            }
            case.now = noon().minus(Span::from_seconds(ahead));
            if good {
                case.passes(Rule::Time)
            } else {
                drop(case.fails(Rule::Time, "off the clock"))
            }
        }
    }

    /// A ledger never goes back in time, and one entry from a fast clock does not stop it.
    #[test]
    fn after_the_entry_before() {
        let mut case = case();
        case.facts.chain.as_mut().unwrap().at = noon().plus(Span::from_seconds(1));
        case.fails(Rule::Time, "before the entry before it");
        case.facts.chain.as_mut().unwrap().at = noon();
        case.passes(Rule::Time);
        case.now = noon().minus(Span::from_days(1));
        case.passes(Rule::Time);
        case.now = noon().plus(Span::from_days(1));
        case.fails(Rule::Time, "off the clock");
        case.facts.chain = None;
        case.unknown(Rule::Time, "not read");
    }

    /// A commit dated in the future would hide what was said of it before.
    #[test]
    fn not_before_its_commits() {
        let mut case = case();
        case.facts.commits.insert(
            commit(1),
            Ok(CommitFact {
                time: noon().plus(SKEW),
            }),
        );
        case.passes(Rule::Time);
        case.facts.commits.insert(
            commit(1),
            Ok(CommitFact {
                time: noon().plus(SKEW).plus(Span::from_seconds(1)),
            }),
        );
        case.fails(Rule::Time, "dated");
        case.facts
            .commits
            .insert(commit(1), Err("no such object".to_owned()));
        case.facts.gone.insert(commit(1));
        case.passes(Rule::Time);
        case.facts.gone.clear();
        case.unknown(Rule::Time, "no such object");
        case.facts.commits.clear();
        case.unknown(Rule::Time, "not read");
    }

    /// Consent that is over when it is given consents to nothing.
    #[test]
    fn ends_later() {
        let mut case = Case::new(POLICY, "prod", "bob", approve(1, &["catalogue"]));
        case.passes(Rule::Time);
        let Action::Approve(approve) = &mut case.statement.action else {
            panic!("not an approval")
        };
        approve.expires = noon();
        case.fails(Rule::Time, "before it begins");
    }
}
