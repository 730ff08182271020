//! What a promotion tag may stand on.

use crate::domain::rules::testing::{commit, content, folded, parse, policy, ran};
use crate::domain::rules::{Facts, Request, evaluate};
use crate::domain::verdict::{Check, CheckResult, Rule};

/// `api` runs commit 1 and `web` commit 2; at commit 3 `api` has the content of 1, and `web` that of 3.
fn checks(
    template: &str,
    name: &str,
    old: Option<u8>,
    new: Option<u8>,
    change: impl Fn(&mut Facts),
) -> Vec<Check> {
    let policy = policy(&format!(
        "[environments.prod]\ntag = \"{template}\"\n\
         [components.api]\npaths = [\"api/**\"]\n[components.web]\npaths = [\"web/**\"]\n"
    ));
    let mut facts = Facts::default();
    let history = vec![("ci", ran("api", 1, None)), ("ci", ran("web", 2, None))];
    facts.state = Some(Ok(folded("prod", None, history).0));
    for (at, api, web) in [(3, 1, 3), (4, 1, 2)] {
        facts
            .contents
            .insert((commit(at), parse("api")), Ok(Some(content(api))));
        facts
            .contents
            .insert((commit(at), parse("web")), Ok(Some(content(web))));
    }
    change(&mut facts);
    let environment = parse("prod");
    let request = Request::Tag {
        environment: &environment,
        name,
        old: old.map(commit),
        new: new.map(commit),
    };
    evaluate(&policy, &request, &facts, parse("2026-03-05T10:00:00Z")).checks
}

#[track_caller]
fn says(checks: &[Check], outcome: CheckResult, words: &str) {
    let [check] = checks else {
        panic!("{checks:?}")
    };
    assert_eq!(
        (check.rule, check.outcome),
        (Rule::Tag, outcome),
        "{check:?}"
    );
    assert!(check.detail.contains(words), "{check:?}");
}

/// A tag must be on the commit at which all of its components run.
#[test]
fn of_what_runs() {
    let tag = |new| {
        checks(
            "{env}-{timestamp}",
            "prod-20260305T100211Z",
            None,
            Some(new),
            |_| (),
        )
    };
    says(&tag(4), CheckResult::Pass, "");
    says(
        &tag(3),
        CheckResult::Fail,
        "web: prod runs 020202020202, which has different content",
    );
    let half = |facts: &mut Facts| drop(facts.contents.remove(&(commit(4), parse("web"))));
    let unread = checks("{env}-{timestamp}", "prod-x", None, Some(4), half);
    assert!(unread.iter().any(
        |check| check.outcome == CheckResult::Unknown && check.detail.contains("was not read")
    ));
    let empty = |facts: &mut Facts| facts.state = Some(Ok(folded("prod", None, vec![]).0));
    says(
        &checks("{env}-x", "prod-x", None, Some(4), empty),
        CheckResult::Fail,
        "none of its components runs in prod",
    );
    says(
        &checks("{env}-x", "prod-x", None, Some(4), |facts| {
            facts.state = None;
        }),
        CheckResult::Unknown,
        "",
    );
}

/// A component's own tag asks for that component only, and for one that runs.
#[test]
fn of_a_component() {
    let tag = |name, new| checks("{component}/{env}-{version}", name, None, Some(new), |_| ());
    says(&tag("api/prod-1.0.0", 3), CheckResult::Pass, "");
    says(
        &tag("web/prod-1.0.0", 3),
        CheckResult::Fail,
        "different content",
    );
    says(
        &tag("db/prod-1.0.0", 3),
        CheckResult::Fail,
        "none of its components runs",
    );
}

/// It says what ran once, for good.
#[test]
fn never_moves() {
    says(
        &checks("{env}-x", "prod-x", Some(3), Some(4), |_| ()),
        CheckResult::Fail,
        "cannot be moved",
    );
    says(
        &checks("{env}-x", "prod-x", Some(4), None, |_| ()),
        CheckResult::Fail,
        "cannot be moved",
    );
}
