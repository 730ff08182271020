//! Tests of what a run is worth whose key is in force, retired or removed, for each rule that uses
//! runs as evidence.

use crate::domain::entry::{
    Action, Baseline, ComponentAtCommit, DeploymentKind, Outcome, Verification, VerificationResult,
};
use crate::domain::rules::testing::{
    Case, change, commit, deploy, deployment, entry_time, parse, ran, record, start, statement,
    stored_entry,
};
use crate::domain::time::Span;
use crate::domain::verdict::Rule;

/// A signer whose key is in force, one whose key is retired, and one whose key was removed.
const CURRENT: &str = "cd";
const RETIRED: &str = "ci:ci-old";
const REMOVED: &str = "ci:mallory";

/// Actions with their signers, as in the tests' histories.
type SignedActions = Vec<(&'static str, Action)>;

const STAGES: &str =
    "[environments.stage]\n[environments.prod]\npromote_from = \"stage\"\nsoak = \"10m\"\n";
const VERIFY: &str = "[components.catalogue]\napply = \"true\"\nverify = \"true\"\n";

const REMOVED_RUN: &str =
    "ci signed its run in stage with a key that was removed: deploy it again in stage";
const NEVER: &str = "it was never verified in stage";
const TOO_SHORT: &str = "stage ran it for 1 minute at most";

fn run() -> Action {
    ran("catalogue", 1, None)
}

fn recorded(to: u8, outcome: Outcome) -> Action {
    let from = (outcome == Outcome::RolledBack).then_some(1);
    let changes = vec![change("catalogue", to, from)];
    record(
        deployment(DeploymentKind::Deploy, changes),
        outcome,
        VerificationResult::None,
    )
}

fn verification(verification: VerificationResult) -> Action {
    Action::Verification(Verification {
        components: vec![ComponentAtCommit {
            component: parse("catalogue"),
            commit: commit(1),
        }],
        verification,
        comment: None,
        logs: vec![],
    })
}

/// What a removed key signed in favour of a content does not count, and hides no other run of it.
/// What it signed against one counts.
#[test]
fn promotions() {
    use VerificationResult::{Failed, Passed};
    // The policy, the history of stage, and why the rules `previous environment` and `soak` refuse.
    let rows: [(&str, SignedActions, Option<&str>, Option<&str>); 10] = [
        ("", vec![(CURRENT, run())], None, None),
        ("", vec![(RETIRED, run())], None, None),
        ("", vec![(REMOVED, run())], Some(REMOVED_RUN), Some(NEVER)),
        ("", vec![(REMOVED, run()), (CURRENT, run())], None, None),
        (
            "",
            vec![(CURRENT, run()), (REMOVED, run())],
            None,
            Some(TOO_SHORT),
        ),
        (
            "",
            vec![
                (CURRENT, run()),
                (REMOVED, recorded(2, Outcome::RolledBack)),
            ],
            None,
            Some(TOO_SHORT),
        ),
        (
            "",
            vec![(CURRENT, run()), (REMOVED, verification(Failed))],
            Some("its verification in stage failed"),
            Some(TOO_SHORT),
        ),
        (
            "",
            vec![
                (CURRENT, run()),
                (REMOVED, run()),
                (CURRENT, verification(Failed)),
            ],
            Some("its verification in stage failed"),
            Some(TOO_SHORT),
        ),
        (
            VERIFY,
            vec![
                (CURRENT, recorded(1, Outcome::Succeeded)),
                (REMOVED, verification(Passed)),
            ],
            Some("it was not verified in stage"),
            Some(NEVER),
        ),
        (
            VERIFY,
            vec![
                (REMOVED, recorded(1, Outcome::Succeeded)),
                (CURRENT, verification(Passed)),
            ],
            Some(REMOVED_RUN),
            Some(NEVER),
        ),
    ];
    for (rest, history, previous_environment, soak) in rows {
        for kind in ["commit", "content"] {
            let policy = format!("{STAGES}match = \"{kind}\"\n{rest}");
            let mut case = Case::new(&policy, "prod", "alice", deploy("catalogue", 1, None));
            case.source(history.clone());
            case.now = entry_time().plus(Span::from_seconds(3_600));
            for (rule, expected) in [
                (Rule::PreviousEnvironment, previous_environment),
                (Rule::Soak, soak),
            ] {
                match expected {
                    None => case.passes(rule),
                    Some(why) => drop(case.fails(rule, why)),
                }
            }
        }
    }
}

/// A run that is still going on has to be deployed again with `--all`, which the suggested command
/// has.
#[test]
fn remedies() {
    let suggested = |rest: &str, history| {
        let policy = format!("{STAGES}{rest}");
        let mut case = Case::new(&policy, "prod", "alice", deploy("catalogue", 1, None));
        case.source(history);
        case.fails(Rule::PreviousEnvironment, REMOVED_RUN).remedy
    };
    let replaced = vec![(REMOVED, run()), (CURRENT, ran("catalogue", 2, Some(1)))];
    let verified = "[components.catalogue]\nverify = \"true\"\n";
    for (rest, history, verb, options) in [
        ("", vec![(REMOVED, run())], "record", " --all"),
        (
            verified,
            vec![(REMOVED, run())],
            "record",
            " --all --verification passed",
        ),
        (VERIFY, vec![(REMOVED, run())], "run", " --all"),
        ("", replaced, "record", ""),
    ] {
        let command = format!("git deploy {verb} stage 010101010101{options}");
        assert_eq!(suggested(rest, history), Some(command));
    }
}

/// A rollback goes back only to a release whose run or baseline a listed key signed.
#[test]
fn rollbacks() {
    let baseline = || {
        Action::Baseline(Baseline {
            components: vec![change("catalogue", 1, None).target],
            comment: None,
        })
    };
    let refused =
        "ci signed the run of catalogue at 010101010101 in prod with a key that was removed";
    let rows: [(SignedActions, Option<&str>); 7] = [
        (vec![(CURRENT, run())], None),
        (vec![(RETIRED, run())], None),
        (vec![(REMOVED, run())], Some(refused)),
        (vec![(CURRENT, run()), (REMOVED, run())], None),
        (
            vec![
                (REMOVED, verification(VerificationResult::Failed)),
                (CURRENT, run()),
            ],
            Some("was not a verified success"),
        ),
        (vec![(CURRENT, baseline())], None),
        (vec![(REMOVED, baseline())], Some(refused)),
    ];
    for (newest_first, expected) in rows {
        let wanted = deployment(
            DeploymentKind::Rollback,
            vec![change("catalogue", 1, Some(2))],
        );
        let running = vec![("alice", ran("catalogue", 2, None))];
        let policy = "[environments.prod]\n";
        let mut case = Case::after(policy, "prod", running, "alice", start(1, wanted));
        let entries = newest_first
            .into_iter()
            .map(|(who, action)| stored_entry(&statement("prod", who, entry_time(), action)))
            .collect();
        case.facts.earlier_runs = [(parse("catalogue"), Ok(entries))].into();
        match expected {
            None => case.passes(Rule::FastForward),
            Some(why) => {
                let check = case.fails(Rule::FastForward, why);
                assert!(check.remedy.is_some());
            }
        }
    }
}
