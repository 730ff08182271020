//! Tests of the rule `tag`: which tags may be created, and on which commits.

use crate::domain::entry::Action;
use crate::domain::rules::testing::{commit, entry_time, parse, policy, ran, statement};
use crate::domain::rules::{Facts, Request, evaluate};
use crate::domain::success_tags::Success;
use crate::domain::verdict::{Check, CheckResult, Rule};

/// Returns the checks of a tag update. Commit 4 was deployed to prod with `api` as entry 10, at
/// 10:00:00.
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
    let success =
        |action: Action| Success::read(&statement("prod", "ci", entry_time(), action)).unwrap();
    let successes = if new == Some(4) {
        vec![success(ran("api", 4, None))]
    } else {
        Vec::new()
    };
    facts.successes = Some(Ok(successes));
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

/// A tag must be the one that follows from a deployment of its commit, perhaps with the number of the
/// entry.
#[test]
fn tags_follow_from_entries() {
    use CheckResult::{Fail, Pass};
    let other = "it does not follow from a deployment: the tag of 040404040404 in prod is prod-20260305T100000Z";
    let never = "it follows from no deployment: 030303030303 never succeeded in prod";
    for (name, new, outcome, words) in [
        ("prod-20260305T100000Z", 4, Pass, ""),
        ("prod-20260305T100000Z.10", 4, Pass, ""),
        // The number of another entry, and of a second commit that the entry does not have.
        ("prod-20260305T100000Z.11", 4, Fail, other),
        ("prod-20260305T100000Z.10.2", 4, Fail, other),
        ("prod-20260305T100001Z", 4, Fail, other),
        ("prod-20260305T100000Z", 3, Fail, never),
    ] {
        let checks = checks("{env}-{timestamp}", name, None, Some(new), |_| ());
        expect_check(&checks, outcome, words);
    }
    let checks = |name, component: &str| {
        let text = format!("{component}/{{env}}");
        checks(&text, name, None, Some(4), |_| ())
    };
    expect_check(&checks("api/prod", "{component}"), Pass, "");
    expect_check(&checks("web/prod", "{component}"), Fail, "is api/prod");
}

/// If the deployments are unknown, so is the answer.
#[test]
fn unknown_deployments() {
    for (unknown, words) in [
        (None, "were not read"),
        (Some(Err("no ledger".to_owned())), "no ledger"),
    ] {
        let edit = |facts: &mut Facts| facts.successes = unknown.clone();
        let checks = checks("{env}-x", "prod-x", None, Some(4), edit);
        expect_check(&checks, CheckResult::Unknown, words);
    }
}

/// An existing tag cannot be moved or deleted.
#[test]
fn never_moves() {
    for (old, new) in [(Some(3), Some(4)), (Some(4), None)] {
        let checks = checks("{env}-x", "prod-x", old, new, |_| ());
        expect_check(&checks, CheckResult::Fail, "cannot be moved");
    }
}
