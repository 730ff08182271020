//! Tests of the rule `tag`: on which commits a promotion tag may be created.

use crate::domain::rules::testing::{commit, content, fold_history, parse, policy, ran};
use crate::domain::rules::{Facts, Request, evaluate};
use crate::domain::verdict::{Check, CheckResult, Rule};

/// Returns the checks of a tag update. `api` runs content 1 and `web` content 2. Commit 4 has
/// both, and commit 3 has other content of `web`.
fn checks(
    template: &str,
    name: &str,
    old: Option<u8>,
    new: Option<u8>,
    edit_facts: impl Fn(&mut Facts),
) -> Vec<Check> {
    let policy = policy(&format!(
        "[environments.prod]\ntag = \"{template}\"\n\
         [components.api]\npaths = [\"api/**\"]\n[components.web]\npaths = [\"web/**\"]\n"
    ));
    let mut facts = Facts::default();
    let history = vec![("ci", ran("api", 1, None)), ("ci", ran("web", 2, None))];
    facts.state = Some(Ok(fold_history("prod", None, history).0));
    for (at, api, web) in [(3, 1, 3), (4, 1, 2)] {
        facts
            .contents
            .insert((commit(at), parse("api")), Ok(Some(content(api))));
        facts
            .contents
            .insert((commit(at), parse("web")), Ok(Some(content(web))));
    }
    edit_facts(&mut facts);
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
fn expect_check(checks: &[Check], outcome: CheckResult, words: &str) {
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

/// A tag must be on a commit that has the running content of all its components.
#[test]
fn running_content() {
    let tag = |new| {
        checks(
            "{env}-{timestamp}",
            "prod-20260305T100211Z",
            None,
            Some(new),
            |_| (),
        )
    };
    expect_check(&tag(4), CheckResult::Pass, "");
    expect_check(
        &tag(3),
        CheckResult::Fail,
        "web: prod runs 020202020202, which has different content",
    );
    let without_web = |facts: &mut Facts| drop(facts.contents.remove(&(commit(4), parse("web"))));
    let unread = checks("{env}-{timestamp}", "prod-x", None, Some(4), without_web);
    assert!(unread.iter().any(
        |check| check.outcome == CheckResult::Unknown && check.detail.contains("was not read")
    ));
    let empty = |facts: &mut Facts| facts.state = Some(Ok(fold_history("prod", None, vec![]).0));
    expect_check(
        &checks("{env}-x", "prod-x", None, Some(4), empty),
        CheckResult::Fail,
        "none of its components runs in prod",
    );
    expect_check(
        &checks("{env}-x", "prod-x", None, Some(4), |facts| {
            facts.state = None;
        }),
        CheckResult::Unknown,
        "",
    );
}

/// A tag for one component is compared with that component only, which must run.
#[test]
fn one_component() {
    let tag = |name, new| checks("{component}/{env}-{version}", name, None, Some(new), |_| ());
    expect_check(&tag("api/prod-1.0.0", 3), CheckResult::Pass, "");
    expect_check(
        &tag("web/prod-1.0.0", 3),
        CheckResult::Fail,
        "different content",
    );
    expect_check(
        &tag("db/prod-1.0.0", 3),
        CheckResult::Fail,
        "none of its components runs",
    );
}

/// An existing tag cannot be moved or deleted.
#[test]
fn never_moves() {
    expect_check(
        &checks("{env}-x", "prod-x", Some(3), Some(4), |_| ()),
        CheckResult::Fail,
        "cannot be moved",
    );
    expect_check(
        &checks("{env}-x", "prod-x", Some(4), None, |_| ()),
        CheckResult::Fail,
        "cannot be moved",
    );
}
