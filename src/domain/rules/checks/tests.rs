//! Tests of the rule `checks`: whose attestations count, and which is the latest.

use crate::domain::entry::{Action, Attestation};
use crate::domain::policy::PredicateType;
use crate::domain::rules::testing::{Case, authored_by, commit, deploy, parse};
use crate::domain::verdict::Rule;

const TESTED: &str = "[environments.stage]\n[environments.prod]\nchecks = [\"test-result\"]\n[checks]\n\
    test-result = { by = [\"ci\", \"cd\"] }\nchange-review = { by = [\"bob\", \"carol\", \"ci\"] }\n";

fn attested(kind: &str, fields: &str, suite: Option<&str>, environment: Option<&str>) -> Action {
    let predicate: serde_json::Value = serde_json::from_str(fields).unwrap();
    Action::Attestation(Attestation {
        commit: commit(1),
        environment: environment.map(parse),
        predicate_type: parse(kind.parse::<PredicateType>().unwrap().uri()),
        suite: suite.map(parse),
        predicate: predicate.as_object().unwrap().clone(),
    })
}

fn test(result: &str, suite: Option<&str>, environment: Option<&str>) -> Action {
    attested(
        "test-result",
        &format!("{{\"result\":\"{result}\"}}"),
        suite,
        environment,
    )
}

fn review(unresolved: u8) -> Action {
    attested(
        "change-review",
        &format!("{{\"approvals\":1,\"unresolved\":{unresolved}}}"),
        None,
        None,
    )
}

/// Returns a deployment to `prod` with these entries in `evidence`, oldest first.
fn case(policy: &str, evidence: Vec<(&str, Action)>) -> Case {
    let mut case = Case::new(policy, "prod", "alice", deploy("catalogue", 1, None));
    case.evidence(evidence);
    case
}

/// An attestation is required, and the latest one counts, whichever accepted signer made it.
#[test]
fn latest() {
    let (good, bad) = (|| test("PASSED", None, None), || test("FAILED", None, None));
    case(TESTED, vec![("ci", good())]).passes(Rule::Checks);
    case(TESTED, vec![("ci", bad()), ("cd", good())]).passes(Rule::Checks);
    case(TESTED, vec![("ci", good()), ("cd", bad())]).fails(
        Rule::Checks,
        "test-result: failed, as attested by cd (09:59)",
    );
    let check = case(TESTED, vec![]).fails(
        Rule::Checks,
        "test-result: none for 010101010101 from cd, ci",
    );
    assert_eq!(
        check.remedy.as_deref(),
        Some("git deploy attest test-result 010101010101 --result passed")
    );
}

/// An attestation that states a failure satisfies no check, whatever its type.
#[test]
fn stated_results() {
    // The type, the predicate, and whether it passed.
    let rows = [
        ("test-result", r#"{"result":"PASSED"}"#, true),
        ("test-result", r#"{"result":"passed"}"#, false),
        ("test-result", r#"{"result":"WARNED"}"#, false),
        ("test-result", r#"{"result":"FAILED"}"#, false),
        ("test-result", "{}", false),
        ("change-review", r#"{"approvals":1,"unresolved":0}"#, true),
        (
            "change-review",
            r#"{"approvals":1,"unresolved":0,"result":"FAILED"}"#,
            false,
        ),
        ("provenance", "{}", true),
        ("provenance", r#"{"result":"FAILED"}"#, false),
        ("vsa", r#"{"verificationResult":"PASSED"}"#, true),
        ("vsa", r#"{"verificationResult":"FAILED"}"#, false),
        (
            "vsa",
            r#"{"verificationResult":"FAILED","result":"PASSED"}"#,
            false,
        ),
        ("urn:acme:scan:v1", r#"{"findings":3}"#, true),
        ("urn:acme:scan:v1", r#"{"result":"PASSED"}"#, true),
        ("urn:acme:scan:v1", r#"{"result":"success"}"#, true),
        ("urn:acme:scan:v1", r#"{"result":true}"#, true),
        ("urn:acme:scan:v1", r#"{"result":"FAILED"}"#, false),
        ("urn:acme:scan:v1", r#"{"result":"WARNED"}"#, false),
        ("urn:acme:scan:v1", r#"{"result":"error"}"#, false),
        ("urn:acme:scan:v1", r#"{"result":""}"#, false),
        ("urn:acme:scan:v1", r#"{"result":false}"#, false),
        ("urn:acme:scan:v1", r#"{"result":null}"#, false),
        ("urn:acme:scan:v1", r#"{"result":0}"#, false),
        (
            "urn:acme:scan:v1",
            r#"{"result":{"state":"PASSED"}}"#,
            false,
        ),
    ];
    for (kind, predicate, passed) in rows {
        let policy = format!("[environments.prod]\nchecks = [\"{kind}\"]\n");
        let case = case(&policy, vec![("ci", attested(kind, predicate, None, None))]);
        if passed {
            case.passes(Rule::Checks);
        } else {
            case.fails(Rule::Checks, &format!("{kind}: failed, as attested by ci"));
        }
    }
}

/// An attestation by a signer who is not accepted has no effect.
#[test]
fn accepted() {
    case(TESTED, vec![("alice", test("PASSED", None, None))]).fails(Rule::Checks, "none for");
    case(
        TESTED,
        vec![
            ("ci", test("PASSED", None, None)),
            ("alice", test("FAILED", None, None)),
        ],
    )
    .passes(Rule::Checks);
    case(TESTED, vec![("mallory", test("PASSED", None, None))]).fails(Rule::Checks, "none for");
    let open = "[environments.prod]\nchecks = [\"test-result\"]\n";
    case(open, vec![("alice", test("PASSED", None, None))]).passes(Rule::Checks);
    case(open, vec![("mallory", test("PASSED", None, None))]).fails(Rule::Checks, "none for");
    let narrow = "[environments.prod]\nchecks = [{ type = \"test-result\", by = \"ci\" }]\n";
    case(narrow, vec![("cd", test("PASSED", None, None))]).fails(Rule::Checks, "from ci");
    let stolen = vec![("ci:mallory", test("PASSED", None, None))];
    case(TESTED, stolen).fails(Rule::Checks, "none for");
}

/// An attestation for another suite or environment does not count. Without a suite in the policy,
/// the latest of every suite must have passed.
#[test]
fn suites_and_environments() {
    let e2e = TESTED.replace(
        "[\"test-result\"]",
        "[{ type = \"test-result\", suite = \"e2e\", environment = \"stage\" }]",
    );
    case(
        &e2e,
        vec![("ci", test("PASSED", Some("e2e"), Some("stage")))],
    )
    .passes(Rule::Checks);
    for (suite, place) in [
        (Some("unit"), Some("stage")),
        (Some("e2e"), None),
        (Some("e2e"), Some("prod")),
    ] {
        let check = case(&e2e, vec![("ci", test("PASSED", suite, place))])
            .fails(Rule::Checks, "test-result e2e in stage: none");
        assert!(
            check
                .remedy
                .unwrap()
                .ends_with(" --suite e2e --env stage --result passed")
        );
    }
    case(TESTED, vec![("ci", test("PASSED", None, Some("stage")))]).fails(Rule::Checks, "none for");
    let unit = ("ci", test("PASSED", Some("unit"), None));
    case(TESTED, vec![unit.clone()]).passes(Rule::Checks);
    case(
        TESTED,
        vec![("ci", test("FAILED", Some("lint"), None)), unit],
    )
    .fails(Rule::Checks, "failed, as attested by ci");
}

/// An author cannot pass their own change; a machine that reports for a forge can.
#[test]
fn reviews() {
    let policy = TESTED.replace("checks = [\"test-result\"]", "checks = [\"change-review\"]");
    let case = |who: &'static str, unresolved| {
        let mut case = self::case(&policy, vec![(who, review(unresolved))]);
        case.facts.authors = Some(Ok(authored_by(&["bob"])));
        case
    };
    case("carol", 0).passes(Rule::Checks);
    case("carol", 2).fails(Rule::Checks, "change-review: failed, as attested by carol");
    case("bob", 0).fails(Rule::Checks, "none for");
    case("bob", 1).fails(Rule::Checks, "failed, as attested by bob");
    case("ci", 0).passes(Rule::Checks);
    let mut own = case("carol", 0);
    own.by("carol");
    own.fails(Rule::Checks, "none for");
    let mut unread = case("carol", 0);
    unread.facts.authors = None;
    unread.unknown(Rule::Checks, "authors");
}

/// A missing fact is never a pass.
#[test]
fn missing() {
    let mut case = case(TESTED, vec![("ci", test("PASSED", None, None))]);
    case.facts.evidence = Some(Err("past the bound".to_owned()));
    case.unknown(Rule::Checks, "past the bound");
    case.facts.evidence = None;
    case.unknown(Rule::Checks, "not read");
}
