//! Tests of the rule `previous environment`.

use crate::domain::entry::{
    Action, Baseline, ComponentAtCommit, DeploymentKind, Outcome, Unlock, Verification,
    VerificationResult,
};
use crate::domain::rules::testing::{
    Case, change, commit, deploy, deployment, parse, ran, record, start,
};
use crate::domain::verdict::Rule;

const POLICY: &str = "[environments.stage]\n[environments.prod]\npromote_from = \"stage\"\n";
const VERIFY: &str = "[components.catalogue]\napply = \"true\"\nverify = \"true\"\n";

fn case(rest: &str, history: Vec<(&str, Action)>) -> Case {
    let mut case = Case::new(
        &format!("{POLICY}{rest}"),
        "prod",
        "alice",
        deploy("catalogue", 1, None),
    );
    case.source(history);
    case
}

fn recorded(to: u8, outcome: Outcome, verification: VerificationResult) -> Action {
    record(
        deployment(DeploymentKind::Deploy, vec![change("catalogue", to, None)]),
        outcome,
        verification,
    )
}

fn verification(to: u8, verification: VerificationResult) -> Action {
    let components = vec![ComponentAtCommit {
        component: parse("catalogue"),
        commit: commit(to),
    }];
    Action::Verification(Verification {
        components,
        verification,
        comment: None,
        logs: vec![],
    })
}

/// The commit must have run there, now or earlier.
#[test]
fn ran_there() {
    case("", vec![("ci", ran("catalogue", 1, None))]).passes(Rule::PreviousEnvironment);
    case(
        "",
        vec![
            ("ci", ran("catalogue", 1, None)),
            ("ci", ran("catalogue", 2, Some(1))),
        ],
    )
    .passes(Rule::PreviousEnvironment);
    let check = case("", vec![("ci", ran("catalogue", 2, None))])
        .fails(Rule::PreviousEnvironment, "stage never ran 010101010101");
    assert_eq!(
        check.remedy.as_deref(),
        Some("git deploy record stage 010101010101")
    );
}

/// Without `promote_from`, the rule gives no answer.
#[test]
fn first_environment() {
    assert_eq!(
        Case::new(POLICY, "stage", "alice", deploy("catalogue", 1, None))
            .checks(Rule::PreviousEnvironment),
        []
    );
}

/// A later failure or failed verification cancels the success.
#[test]
fn later_failures() {
    let success = || ("ci", ran("catalogue", 1, None));
    let failed = ("ci", recorded(1, Outcome::Failed, VerificationResult::None));
    case("", vec![success(), failed]).fails(Rule::PreviousEnvironment, "on hold in stage");
    let failed_verification = ("ci", verification(1, VerificationResult::Failed));
    let check = case("", vec![success(), failed_verification]).fails(
        Rule::PreviousEnvironment,
        "its verification in stage failed",
    );
    assert_eq!(
        check.remedy.as_deref(),
        Some("git deploy record stage 010101010101 --all --verification passed")
    );
}

/// A hold blocks the promotion, and lifting it does not turn the failure into a success.
#[test]
fn holds() {
    let failed = deployment(
        DeploymentKind::Deploy,
        vec![change("catalogue", 1, Some(2))],
    );
    let failed = record(failed, Outcome::RolledBack, VerificationResult::None);
    let unlock = Action::Unlock(Unlock {
        component: None,
        commit: Some(commit(1)),
        holds: vec![crate::domain::entry::Hold {
            component: parse("catalogue"),
            content: crate::domain::rules::testing::content(1),
        }],
        comment: None,
    });
    let check = case("", vec![("ci", failed.clone())]).fails(Rule::PreviousEnvironment, "on hold");
    assert_eq!(
        check.remedy.as_deref(),
        Some("git deploy unlock stage --commit 010101010101")
    );
    case("", vec![("ci", failed.clone()), ("bob", unlock.clone())]).fails(
        Rule::PreviousEnvironment,
        "was rolled back in stage (09:58)",
    );
    case(
        "",
        vec![
            ("ci", failed),
            ("bob", unlock),
            ("ci", ran("catalogue", 1, None)),
        ],
    )
    .passes(Rule::PreviousEnvironment);
    let rollback = deployment(
        DeploymentKind::Rollback,
        vec![change("catalogue", 2, Some(1))],
    );
    let rollback = record(rollback, Outcome::Succeeded, VerificationResult::Passed);
    let history = vec![
        ("ci", ran("catalogue", 2, None)),
        ("ci", ran("catalogue", 1, Some(2))),
        ("ci", rollback),
    ];
    case("", history).fails(Rule::PreviousEnvironment, "on hold");
}

/// An unverified success is enough only if the component has no `verify` command.
#[test]
fn unverified() {
    let without_verification = || {
        vec![(
            "ci",
            recorded(1, Outcome::Succeeded, VerificationResult::None),
        )]
    };
    case("", without_verification()).passes(Rule::PreviousEnvironment);
    case(VERIFY, without_verification())
        .fails(Rule::PreviousEnvironment, "it was not verified in stage");
    let mut later = without_verification();
    later.push(("ci", verification(1, VerificationResult::Passed)));
    case(VERIFY, later).passes(Rule::PreviousEnvironment);
}

/// A baseline does not count as a deployment.
#[test]
fn baseline() {
    let target = change("catalogue", 1, None).target;
    let baseline = Action::Baseline(Baseline {
        components: vec![target],
        comment: None,
    });
    let alone = vec![("alice", baseline.clone())];
    let check = case("", alone).fails(Rule::PreviousEnvironment, "only a baseline");
    // Without `--all`, a running component would not be deployed again.
    assert!(
        check
            .remedy
            .as_ref()
            .is_some_and(|it| it.ends_with(" --all")),
        "{check:?}"
    );
    case(
        "",
        vec![
            ("alice", baseline),
            ("ci", verification(1, VerificationResult::Passed)),
        ],
    )
    .fails(Rule::PreviousEnvironment, "baseline");
}

/// Each component must have run: with `match = "content"` under any commit, with `"commit"` under
/// this one. The default is the content if the component's commands see nothing else.
#[test]
fn component_by_component() {
    let rows = [
        ("", "", false),
        ("", "apply = \"true\"\n", true),
        ("match = \"content\"\n", "", true),
        ("match = \"commit\"\n", "apply = \"true\"\n", false),
    ];
    for (of_prod, of_web, passes) in rows {
        let policy = format!(
            "{POLICY}{of_prod}[components.api]\npaths = [\"api/**\"]\n[components.web]\npaths = [\"web/**\"]\n{of_web}"
        );
        let mut two = deployment(
            DeploymentKind::Deploy,
            vec![change("api", 1, None), change("web", 3, None)],
        );
        two.components[1].target.content = change("web", 2, None).target.content;
        let mut case = Case::new(&policy, "prod", "alice", start(1, two.clone()));
        case.source(vec![("ci", ran("api", 1, None))]);
        case.fails(
            Rule::PreviousEnvironment,
            "web: stage never ran 030303030303",
        );
        case.source(vec![
            ("ci", ran("api", 1, None)),
            ("ci", ran("web", 2, None)),
        ]);
        if passes {
            case.passes(Rule::PreviousEnvironment);
        } else {
            case.fails(
                Rule::PreviousEnvironment,
                "it ran the same content of web at 020202020202, which counts only with match = \"content\"",
            );
        }
    }
}

/// A component may be removed only if it is or was absent from the previous environment.
#[test]
fn removal() {
    let removal = || {
        let mut removal = deployment(
            DeploymentKind::Deploy,
            vec![change("catalogue", 2, Some(1))],
        );
        removal.components[0].target.content = None;
        removal
    };
    let mut case = Case::new(POLICY, "prod", "alice", start(1, removal()));
    case.source(vec![("ci", ran("catalogue", 1, None))])
        .fails(Rule::PreviousEnvironment, "stage still has it");
    let destroyed = record(removal(), Outcome::Destroyed, VerificationResult::None);
    let log = vec![("ci", ran("catalogue", 1, None)), ("ci", destroyed)];
    case.source(log.clone()).passes(Rule::PreviousEnvironment);
    case.source([log, vec![("ci", ran("catalogue", 3, None))]].concat())
        .passes(Rule::PreviousEnvironment);
    case.source(vec![]).passes(Rule::PreviousEnvironment);
}

/// A missing fact is never a pass.
#[test]
fn missing() {
    let mut case = case("", vec![("ci", ran("catalogue", 1, None))]);
    case.facts
        .previous_log
        .values_mut()
        .for_each(|log| *log = Err("past 100,000 entries".to_owned()));
    case.unknown(Rule::PreviousEnvironment, "past 100,000 entries");
    case.facts.previous_log.clear();
    case.unknown(Rule::PreviousEnvironment, "the log of stage was not read");
    case.source(vec![("ci", ran("catalogue", 1, None))])
        .facts
        .previous_state
        .clear();
    case.unknown(Rule::PreviousEnvironment, "the state of stage was not read");
}

/// A list of environments demands all of them, and the refusal names the one that lacks it.
#[test]
fn several_environments() {
    let policy = "[environments.e2e]\n[environments.perf]\n[environments.prod]\npromote_from = [\"e2e\", \"perf\"]\nsoak = \"1h\"\n";
    let good = || vec![("ci", ran("catalogue", 1, None))];
    let other = || vec![("ci", ran("catalogue", 2, None))];
    let case = |e2e, perf| {
        let mut case = Case::new(policy, "prod", "alice", deploy("catalogue", 1, None));
        case.source_named("e2e", e2e).source_named("perf", perf);
        case
    };
    case(good(), good()).passes(Rule::PreviousEnvironment);
    for (e2e, perf, lacking) in [
        (good(), other(), "perf never ran 010101010101"),
        (other(), good(), "e2e never ran 010101010101"),
    ] {
        let mut case = case(e2e, perf);
        let check = case.fails(Rule::PreviousEnvironment, lacking);
        let (environment, _) = lacking.split_once(' ').unwrap();
        assert_eq!(
            check.remedy.unwrap(),
            format!("git deploy record {environment} 010101010101")
        );
        assert_eq!(case.checks(Rule::PreviousEnvironment).len(), 1);
        case.fails(Rule::Soak, &format!("never verified in {environment}"));
        let gone: crate::domain::name::EnvName = parse(environment);
        case.facts.previous_state.remove(&gone);
        case.unknown(
            Rule::PreviousEnvironment,
            &format!("the state of {environment} was not read"),
        );
    }
    let both = case(other(), other()).checks(Rule::PreviousEnvironment);
    assert_eq!(both.len(), 2);
}
