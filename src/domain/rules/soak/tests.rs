//! Tests of the rule `soak`: how long a commit must have run.

use crate::domain::entry::{Action, ComponentAtCommit, Verification, VerificationResult};
use crate::domain::rules::SKEW;
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
        "stage has run it since 09:59, soak 1h plus 5m clock tolerance: 27 minutes left",
    );
    case.now = entry_time().plus(Span::from_seconds(64 * 60 - 1));
    case.fails(Rule::Soak, "1 second left");
    case.now = entry_time().plus(Span::from_seconds(64 * 60));
    case.passes(Rule::Soak);
}

/// A time that is long enough only by a clock that differs by the tolerance does not count.
#[test]
fn clocks_that_differ() {
    for (soak, seconds) in [("1s", 1), ("10m", 600), ("1d", 86_400)] {
        let mut case = case(soak, vec![("ci", ran("catalogue", 1, None))]);
        let began = entry_time().minus(Span::from_seconds(60));
        for (by_clock, is_enough) in [
            (seconds, false),
            (seconds + SKEW.as_seconds() - 1, false),
            (seconds + SKEW.as_seconds(), true),
        ] {
            case.now = began.plus(Span::from_seconds(by_clock));
            if is_enough {
                case.passes(Rule::Soak);
            } else {
                case.fails(Rule::Soak, "left");
            }
        }
    }
}

/// Returns a history with this number of verifications of what runs, one minute apart.
fn verified_for(minutes: usize) -> Vec<(&'static str, Action)> {
    let passed = || ("ci", verification(VerificationResult::Passed));
    let first = [("ci", ran("catalogue", 1, None))];
    first
        .into_iter()
        .chain(std::iter::repeat_with(passed).take(minutes - 1))
        .collect()
}

/// A replaced version keeps its soak time. The longest time counts, not the sum.
#[test]
fn replaced() {
    let mut once = verified_for(6);
    once.push(("ci", ran("catalogue", 2, Some(1))));
    case("60s", once.clone()).passes(Rule::Soak);
    case("61s", once.clone()).fails(
        Rule::Soak,
        "stage ran it for 6 minutes at most, soak 61s plus 5m clock tolerance",
    );
    let twice = [once.clone(), once].concat();
    case("2m", twice).fails(Rule::Soak, "at most");
}

/// A failed verification ends the time, and a passed one begins another.
#[test]
fn failed_verification() {
    let (bad, good) = (
        ("ci", verification(VerificationResult::Failed)),
        ("ci", verification(VerificationResult::Passed)),
    );
    case("3m", verified_for(8)).passes(Rule::Soak);
    let mut again = verified_for(7);
    again.extend([bad.clone(), good]);
    case("3m", again).fails(Rule::Soak, "stage has run it since 09:59");
    let mut ended = verified_for(6);
    ended.push(bad);
    case("2m", ended).fails(Rule::Soak, "for 6 minutes at most");
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
