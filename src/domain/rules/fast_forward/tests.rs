//! Tests of the rule `fast-forward`: deployments contain the running commit, and rollbacks return
//! to a verified success.

use super::*;
use crate::domain::entry::{Baseline, ComponentAtCommit, Verification};
use crate::domain::rules::testing::{
    Case, change, commit, deploy, deployment, entry_time, finish, parse, ran, record, start,
    statement, stored_entry,
};
use crate::domain::text::Line;

const BOUND: &str = "[environments]\nprod = { branch = \"main\", hotfix = {} }\n";
const FREE: &str = "[environments]\nprod = { hotfix = {} }\n";

fn after_one(rest: &str, kind: DeploymentKind, to: u8, contains: bool) -> Case {
    let history = vec![("alice", ran("catalogue", 1, None))];
    let wanted = start(1, deployment(kind, vec![change("catalogue", to, Some(1))]));
    let mut case = Case::after(rest, "prod", history, "alice", wanted);
    case.facts
        .containment
        .insert((commit(to), commit(1)), Ok(contains));
    let key = (commit(to), parse("catalogue"));
    case.facts.running_content_in_history.insert(key, Ok(false));
    case
}

/// With a branch, a deployment must contain the running commit; without one, any commit is allowed.
#[test]
fn forward() {
    after_one(BOUND, DeploymentKind::Deploy, 2, true).passes(Rule::FastForward);
    let check = after_one(BOUND, DeploymentKind::Deploy, 2, false).fails(
        Rule::FastForward,
        "020202020202 contains neither 010101010101",
    );
    assert_eq!(check.remedy.as_deref(), Some("git merge 010101010101"));
    // An older commit is no merge: only a release that ran there is a way back.
    let mut older = after_one(BOUND, DeploymentKind::Deploy, 2, false);
    let containment = &mut older.facts.containment;
    containment.insert((commit(1), commit(2)), Ok(true));
    let check = older.fails(Rule::FastForward, "contains neither");
    assert_eq!(
        check.remedy.as_deref(),
        Some("git deploy rollback prod --list")
    );
    after_one(FREE, DeploymentKind::Deploy, 2, false).passes(Rule::FastForward);
    // After a squash or a rebase the running commit is in no branch, and its content is.
    let mut squashed = after_one(BOUND, DeploymentKind::Deploy, 2, false);
    let key = (commit(2), parse("catalogue"));
    let facts = &mut squashed.facts.running_content_in_history;
    facts.insert(key.clone(), Ok(true));
    squashed.passes(Rule::FastForward);
    squashed.facts.running_content_in_history.remove(&key);
    squashed.unknown(Rule::FastForward, "not looked up");
    let mut blind = after_one(BOUND, DeploymentKind::Deploy, 2, true);
    blind.facts.containment.clear();
    blind.unknown(Rule::FastForward, "not looked up");
    // The running content may be deployed at any commit, unless the running version is unknown.
    let mut equal = after_one(BOUND, DeploymentKind::Deploy, 2, false);
    equal.deployment().components[0].target.content = change("catalogue", 1, None).target.content;
    equal.passes(Rule::FastForward);
}

/// A hotfix must contain the running commit, with a branch or without: otherwise it would drop the
/// code that it fixes.
#[test]
fn hotfix() {
    for rest in [BOUND, FREE] {
        after_one(rest, DeploymentKind::Hotfix, 2, true).passes(Rule::FastForward);
        assert_eq!(
            after_one(rest, DeploymentKind::Hotfix, 2, false)
                .fails(Rule::FastForward, "contains neither")
                .remedy
                .as_deref(),
            Some("git merge 010101010101")
        );
    }
}

/// No commit has a component that the policy does not declare, so its removal need not be forward,
/// unless it continues under a new name.
#[test]
fn removals_of_undeclared_components() {
    let removal = |rest: &str, contains| {
        let mut old = change("old", 2, Some(1));
        old.target.content = None;
        let wanted = start(1, deployment(DeploymentKind::Deploy, vec![old]));
        let history = vec![("alice", ran("old", 1, None))];
        let policy = format!("{BOUND}{rest}");
        let mut case = Case::after(&policy, "prod", history, "alice", wanted);
        case.facts
            .containment
            .insert((commit(2), commit(1)), Ok(contains));
        let key = (commit(2), parse("old"));
        case.facts.running_content_in_history.insert(key, Ok(false));
        case
    };
    let api = "[components]\napi = { paths = \"api\" }\n";
    let renamed = "[components]\nnew = { paths = \"api\", renamed_from = \"old\" }\n";
    removal(api, false).passes(Rule::FastForward);
    removal(renamed, true).passes(Rule::FastForward);
    removal(renamed, false).fails(Rule::FastForward, "contains neither 010101010101");
}

/// A hotfix needs a component that runs: one that was never deployed, failed at its first deployment
/// or was removed is refused, whatever rules a hotfix skips.
#[test]
fn hotfix_of_an_absent_component() {
    let hotfix = |component: &str| {
        start(
            1,
            deployment(DeploymentKind::Hotfix, vec![change(component, 2, None)]),
        )
    };
    let mut removal = deployment(
        DeploymentKind::Deploy,
        vec![change("catalogue", 9, Some(1))],
    );
    removal.components[0].target.content = None;
    let removed = vec![
        ("alice", ran("catalogue", 1, None)),
        (
            "alice",
            record(removal, Outcome::Destroyed, VerificationResult::None),
        ),
    ];
    let first = deployment(DeploymentKind::Deploy, vec![change("catalogue", 1, None)]);
    let failed = vec![(
        "alice",
        record(first, Outcome::Failed, VerificationResult::None),
    )];
    let other = vec![("alice", ran("web", 1, None))];
    let skipping = "[environments]\nqa = {}\nprod = { promote_from = \"qa\", hotfix = { skip = [\"promote_from\", \"soak\"] } }\n";
    for rest in [BOUND, FREE, skipping] {
        for history in [vec![], other.clone(), failed.clone(), removed.clone()] {
            let check = Case::after(rest, "prod", history, "alice", hotfix("catalogue"))
                .fails(Rule::FastForward, "catalogue does not run in prod");
            assert_eq!(
                check.remedy.as_deref(),
                Some("git deploy check prod 020202020202 --component catalogue")
            );
        }
    }
}

fn rollback_after(earlier: Vec<Action>) -> Case {
    let history = vec![("alice", ran("catalogue", 2, None))];
    let wanted = start(
        1,
        deployment(
            DeploymentKind::Rollback,
            vec![change("catalogue", 1, Some(2))],
        ),
    );
    let rest =
        "[environments]\nprod = { branch = \"main\" }\n[components.catalogue]\nverify = \"true\"\n";
    let mut case = Case::after(rest, "prod", history, "alice", wanted);
    let entries = earlier
        .into_iter()
        .map(|action| stored_entry(&statement("prod", "alice", entry_time(), action)))
        .collect();
    case.facts.containment.clear();
    case.facts.earlier_runs = [(parse("catalogue"), Ok(entries))].into();
    case
}

fn later_verification(result: VerificationResult) -> Action {
    Action::Verification(Verification {
        components: vec![ComponentAtCommit {
            component: parse("catalogue"),
            commit: commit(1),
        }],
        verification: result,
        comment: None,
        logs: Vec::new(),
    })
}

/// A rollback is refused if its content never ran, never succeeded, or later failed.
#[test]
fn rollback() {
    use VerificationResult::{Failed, None, Passed};
    let ended = |outcome, verification| {
        finish(
            1,
            &deploy("catalogue", 1, Option::None),
            outcome,
            verification,
        )
    };
    let baseline = Action::Baseline(Baseline {
        components: vec![change("catalogue", 1, Option::None).target],
        comment: Option::<Line>::None,
    });
    for good in [
        vec![ended(Outcome::Succeeded, Passed)],
        vec![later_verification(Passed), ended(Outcome::Succeeded, None)],
        vec![baseline.clone()],
        vec![later_verification(Passed), baseline.clone()],
    ] {
        rollback_after(good).passes(Rule::FastForward);
    }
    for (bad, words) in [
        (vec![], "never ran"),
        (vec![ended(Outcome::Failed, None)], "never ran"),
        (vec![ran("catalogue", 3, Option::None)], "never ran"),
        (vec![later_verification(Passed)], "never ran"),
        (
            vec![ended(Outcome::Succeeded, None)],
            "not a verified success",
        ),
        (
            vec![
                later_verification(Failed),
                ended(Outcome::Succeeded, Passed),
            ],
            "not a verified success",
        ),
        (
            vec![later_verification(Failed), baseline],
            "not a verified success",
        ),
    ] {
        let check = rollback_after(bad).fails(Rule::FastForward, words);
        assert_eq!(check.remedy.as_deref(), Some("git deploy log prod"));
    }
    let mut blind = rollback_after(Vec::new());
    blind.facts.earlier_runs.clear();
    blind.unknown(Rule::FastForward, "not looked up");
}

/// A rollback cannot bring back a component whose removal succeeded after its last success.
#[test]
fn rollback_of_a_removed_component() {
    let removal = |outcome| {
        let mut removal = deployment(
            DeploymentKind::Deploy,
            vec![change("catalogue", 9, Some(1))],
        );
        removal.components[0].target.content = None;
        record(removal, outcome, VerificationResult::None)
    };
    let failed_again = || {
        let again = deployment(DeploymentKind::Deploy, vec![change("catalogue", 3, None)]);
        record(again, Outcome::Failed, VerificationResult::None)
    };
    let destroyed = || removal(Outcome::Destroyed);
    // The entries after the first success, and whether the component is removed then.
    let rows = [
        (vec![], false),
        (vec![destroyed()], true),
        (vec![destroyed(), failed_again()], true),
        (vec![removal(Outcome::Failed)], false),
        (vec![removal(Outcome::Skipped)], false),
        (vec![destroyed(), ran("catalogue", 1, None)], false),
        (vec![destroyed(), ran("catalogue", 2, None)], false),
        (
            vec![destroyed(), ran("catalogue", 1, None), destroyed()],
            true,
        ),
    ];
    for (later, is_removed) in rows {
        let mut history = vec![("alice", ran("catalogue", 1, None))];
        history.extend(later.iter().cloned().map(|action| ("alice", action)));
        let wanted = deployment(DeploymentKind::Rollback, vec![change("catalogue", 1, None)]);
        let rest = "[environments]\nprod = {}\n";
        let mut case = Case::after(rest, "prod", history, "alice", start(1, wanted));
        let success = statement("prod", "alice", entry_time(), ran("catalogue", 1, None));
        case.facts.earlier_runs = [(parse("catalogue"), Ok(vec![stored_entry(&success)]))].into();
        if is_removed {
            case.fails(Rule::FastForward, "catalogue was removed from prod");
        } else {
            case.passes(Rule::FastForward);
        }
    }
}

/// A rollback to an old commit that lacks a component is refused: it would remove the component
/// without approvals.
#[test]
fn rollback_removes_nothing() {
    let mut case = rollback_after(vec![ran("catalogue", 1, None)]);
    let change = &mut case.deployment().components[0];
    change.target.content = None;
    case.fails(Rule::FastForward, "cannot remove a component");
}
