//! Tests of the rule `soak`: how long a commit must have run.

use crate::domain::entry::{Action, ComponentAtCommit, Verification, VerificationResult};
use crate::domain::rules::testing::{Case, commit, deploy, entry_time, parse, ran};
use crate::domain::time::Span;
use crate::domain::verdict::Rule;

fn case(soak: &str, history: Vec<(&str, Action)>) -> Case {
    let policy = format!(
        "[environments.stage]\n[environments.prod]\npromote_from = \"stage\"\nsoak = \"{soak}\"\n"
    );
    let mut case = Case::new(&policy, "prod", "alice", deploy("catalogue", 1, None));
    case.source(history);
    case
}

fn verification(verification: VerificationResult) -> Action {
    let components = vec![ComponentAtCommit {
        component: parse("catalogue"),
        commit: commit(1),
    }];
    Action::Verification(Verification {
        components,
        verification,
        comment: None,
        logs: vec![],
    })
}

/// A version that still runs is measured up to now, and the message says how much time is left.
#[test]
fn still_running() {
    let mut case = case("1h", vec![("ci", ran("catalogue", 1, None))]);
    case.now = entry_time().plus(Span::from_seconds(37 * 60));
    case.fails(
        Rule::Soak,
        "stage has run it since 09:59, soak 1h: 22 minutes left",
    );
    case.now = entry_time().plus(Span::from_seconds(59 * 60 - 1));
    case.fails(Rule::Soak, "1 second left");
    case.now = entry_time().plus(Span::from_seconds(59 * 60));
    case.passes(Rule::Soak);
}

/// A replaced version keeps its soak time. The longest time counts, not the sum.
#[test]
fn replaced() {
    let once = vec![
        ("ci", ran("catalogue", 1, None)),
        ("ci", ran("catalogue", 2, Some(1))),
    ];
    case("60s", once.clone()).passes(Rule::Soak);
    case("61s", once.clone()).fails(Rule::Soak, "stage ran it for 1 minute at most, soak 61s");
    let twice = [once.clone(), once].concat();
    case("2m", twice).fails(Rule::Soak, "at most");
}

/// A failed verification ends the time, and a passed one begins another.
#[test]
fn failed_verification() {
    let fine = ("ci", ran("catalogue", 1, None));
    let (bad, good) = (
        verification(VerificationResult::Failed),
        verification(VerificationResult::Passed),
    );
    case(
        "3m",
        vec![fine.clone(), ("ci", good.clone()), ("ci", good.clone())],
    )
    .passes(Rule::Soak);
    case("3m", vec![fine.clone(), ("ci", bad.clone()), ("ci", good)])
        .fails(Rule::Soak, "stage has run it since 09:59");
    case("2m", vec![fine, ("ci", bad)]).fails(Rule::Soak, "for 1 minute at most");
    case("1s", vec![]).fails(Rule::Soak, "it was never verified in stage (soak 1s)");
}

/// A missing fact is never a pass.
#[test]
fn missing() {
    let mut case = case("1s", vec![("ci", ran("catalogue", 1, None))]);
    case.facts.previous_log.clear();
    case.unknown(Rule::Soak, "not read");
}

/// Without `soak` in the policy, the rule gives no answer.
#[test]
fn no_soak() {
    let policy = "[environments.stage]\n[environments.prod]\npromote_from = \"stage\"\n";
    assert_eq!(
        Case::new(policy, "prod", "alice", deploy("catalogue", 1, None)).checks(Rule::Soak),
        []
    );
}
