//! Tests of `fold`: properties that hold for any chain of entries, and when approvals are used up.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::json;

use super::super::{Scope, Slot, State, Value};
use super::fold;
use crate::domain::entry::samples::{statement, verified};
use crate::domain::entry::{Action, ApprovalPurpose, Statement};
use crate::domain::id::PublicKey;
use crate::domain::policy::PublishedPolicy;
use crate::domain::time::Time;

/// Generates the statements of one ledger, numbered as in a chain.
fn chain() -> impl Strategy<Value = Vec<Statement>> {
    vec(statement(), 1..25).prop_map(|mut all| {
        let ledger = all[0].ledger.clone();
        all.retain(|it| it.ledger == ledger);
        all.sort_by_key(|it| it.at);
        for (statement, sequence) in all.iter_mut().zip(1..) {
            statement.sequence = sequence;
        }
        all
    })
}

/// Returns the part of a state that a scope covers, as a reader of trees would load it.
fn part(state: &State, scope: &Scope) -> State {
    let mut part = State::empty();
    for (slot, value) in state.slots() {
        let path = slot.to_string();
        let component = path
            .strip_prefix("components/")
            .and_then(|rest| rest.split('/').next());
        if component.is_none_or(|component| scope.contains(component)) {
            part.insert(slot.clone(), value.clone());
        }
    }
    part
}

proptest! {
    /// For any verified entry, `fold` does not panic, every edit changes something, and every path
    /// can be parsed.
    #[test]
    fn fold_is_total(chain in chain()) {
        let mut state = State::empty();
        let published = PublishedPolicy::new(b"schema = 1\n"[..].into(), &[]);
        for statement in &chain {
            let edits = fold(&state, &verified(statement), Some(&published));
            for edit in &edits {
                prop_assert!(edit.value.is_some() || state.slots().any(|(slot, _)| *slot == edit.slot), "{}", edit.slot);
                let path = edit.slot.to_string();
                let read = if statement.ledger.is_policy() { Slot::parse_policy(&path) } else { Slot::parse(&path) };
                prop_assert_eq!(read.as_ref(), Ok(&edit.slot));
            }
            state.apply(&edits);
        }
    }

    /// A server that loads only the components that the entry names gets the same edits as an audit
    /// that loads everything.
    #[test]
    fn a_partial_state_gives_the_same_edits(chain in chain()) {
        let mut state = State::empty();
        for statement in &chain {
            let entry = verified(statement);
            let whole = fold(&state, &entry, None);
            prop_assert_eq!(&fold(&part(&state, &Scope::for_statement(statement)), &entry, None), &whole);
            state.apply(&whole);
        }
    }

    /// A running component always has the entry that deployed it, and that entry names its content.
    #[test]
    fn running_components_have_entries(chain in chain()) {
        let mut state = State::empty();
        for statement in &chain {
            state.apply(&fold(&state, &verified(statement), None));
            let environments = state.environments().into_iter().map(Some).chain([None]);
            for environment in environments {
                let env_state = state.environment(environment.as_ref());
                for component in env_state.components().keys() {
                    prop_assert!(env_state.content(component).is_some() && env_state.newest_verification(component).is_some());
                }
            }
        }
    }
}

/// A destroyed ephemeral environment leaves nothing behind, so that its name can be used again and
/// it does not count towards the limit.
#[test]
fn destroy_leaves_nothing() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut destroyed_count = 0;
    for _ in 0..50_000 {
        if destroyed_count == 3 {
            break;
        }
        let statement = statement().new_tree(&mut runner).unwrap().current();
        let Some(deployment) = statement
            .deployment()
            .filter(|_| statement.environment.is_some())
        else {
            continue;
        };
        let results = statement.component_results();
        let all_gone = results
            .iter()
            .all(|it| it.outcome == crate::domain::entry::Outcome::Destroyed);
        if deployment.kind != crate::domain::entry::DeploymentKind::Destroy
            || results.is_empty()
            || !all_gone
        {
            continue;
        }
        destroyed_count += 1;
        let mut state = State::empty();
        let lock = Slot {
            environment: statement.environment.clone(),
            key: super::SlotKey::Lock,
        };
        state.insert(
            lock,
            Value::Entry(std::sync::Arc::clone(verified(&statement).stored())),
        );
        state.apply(&fold(&state, &verified(&statement), None));
        assert_eq!(state, State::empty());
    }
    assert!(destroyed_count > 0, "no statement destroyed an environment");
}

/// Returns the state of `prod` after these actions, all signed by bob, one minute apart.
fn after(actions: &[Action]) -> State {
    let mut state = State::empty();
    for (action, sequence) in actions.iter().zip(1..) {
        let id = |byte: &str| byte.repeat(20).parse().unwrap();
        let statement = Statement {
            at: Time::from_seconds(1_700_000_000 + 60 * i64::try_from(sequence).unwrap()).unwrap(),
            by: "bob".parse().unwrap(),
            key: PublicKey::new([0; 8], [1; 32]),
            requested_by: None,
            ledger: "prod".parse().unwrap(),
            environment: None,
            project: id("01"),
            previous: id("02"),
            sequence,
            seen: [("policy".parse().unwrap(), id("03"))].into(),
            action: action.clone(),
        };
        state.apply(&fold(&state, &verified(&statement), None));
    }
    state
}

fn read<T: serde::de::DeserializeOwned>(fields: serde_json::Value) -> T {
    serde_json::from_value(fields).unwrap()
}

/// A success uses up the approvals on which it could rely, so that not even a removal or a command
/// can be repeated with them. An approval for fewer components or another purpose did not count,
/// and stays.
#[test]
fn success_uses_up_approvals() {
    let (new, tree) = ("aa".repeat(20), "cc".repeat(20));
    let approve = |components: &[&str], purpose: ApprovalPurpose| {
        let mut fields = serde_json::to_value(purpose).unwrap();
        fields["commit"] = json!(new);
        fields["components"] = json!(components);
        fields["expires"] = json!("2030-01-01T00:00:00Z");
        Action::Approve(read(fields))
    };
    let command = |line: &str| ApprovalPurpose::of_command(&line.parse().unwrap());
    // Sequences 1 to 7.
    let approvals = [
        approve(&["web"], ApprovalPurpose::Deploy),
        approve(&["api", "web"], ApprovalPurpose::Deploy),
        approve(&["api"], ApprovalPurpose::Deploy),
        approve(&["web"], ApprovalPurpose::Destroy),
        approve(&["api"], ApprovalPurpose::Destroy),
        approve(&["api"], command("migrate")),
        approve(&["api"], command("migrate --all")),
    ];
    let remaining = |more: &[Action]| -> Vec<u64> {
        let state = after(&[&approvals, more].concat());
        state
            .environment(None)
            .approvals()
            .map(|(_, sequence, _)| sequence)
            .collect()
    };
    let api = json!({ "component": "api", "commit": new, "content": tree });
    let web = json!({ "component": "web", "commit": new, "from": new });
    let record = |components: serde_json::Value, outcomes: &[(&str, &str)]| {
        let results: Vec<_> = outcomes
            .iter()
            .map(|(name, outcome)| json!({ "component": name, "outcome": outcome, "verification": "none" }))
            .collect();
        [Action::Record(read(
            json!({ "kind": "deploy", "components": components, "results": results }),
        ))]
    };
    let run = "07".repeat(16);
    let exec = |status: u8| {
        let start = json!({
            "run": run, "kind": "exec", "command": "migrate",
            "components": [{ "component": "api", "commit": new, "content": tree }]
        });
        let finish = json!({
            "start": 8, "run": run, "kind": "exec", "status": status,
            "components": [{
                "component": "api", "commit": new, "content": tree, "outcome": "executed", "verification": "none"
            }]
        });
        [Action::Start(read(start)), Action::Finish(read(finish))]
    };
    let all = [1, 2, 3, 4, 5, 6, 7];
    assert_eq!(remaining(&[]), all);
    let both = [("api", "succeeded"), ("web", "destroyed")];
    assert_eq!(remaining(&record(json!([api, web]), &both)), [1, 5, 6, 7]);
    let destroyed = record(json!([web]), &[("web", "destroyed")]);
    assert_eq!(remaining(&destroyed), [1, 2, 3, 5, 6, 7]);
    assert_eq!(remaining(&record(json!([web]), &[("web", "failed")])), all);
    assert_eq!(remaining(&exec(0)), [1, 2, 3, 4, 5, 7]);
    assert_eq!(remaining(&exec(1)), all);
}

/// A removed component leaves only its last entry behind, from which its history is followed. It
/// has no history for a baseline, and a later deployment replaces the entry.
#[test]
fn removal_keeps_the_last_entry() {
    let (new, tree) = ("aa".repeat(20), "cc".repeat(20));
    let record = |component: serde_json::Value, outcome: &str| {
        let result = json!({ "component": "api", "outcome": outcome, "verification": "none" });
        Action::Record(read(
            json!({ "kind": "deploy", "components": [component], "results": [result] }),
        ))
    };
    let deployed = record(
        json!({ "component": "api", "commit": new, "content": tree }),
        "succeeded",
    );
    let removed = record(
        json!({ "component": "api", "commit": new, "from": new }),
        "destroyed",
    );
    let verified = Action::Verification(read(
        json!({ "components": [{ "component": "api", "commit": new }], "verification": "passed" }),
    ));
    let api = "api".parse().unwrap();
    for (actions, paths, is_present) in [
        (
            vec![&deployed, &verified, &removed],
            vec!["components/api/last.json"],
            false,
        ),
        (
            vec![&deployed, &removed, &deployed],
            vec![
                "components/api/commit",
                "components/api/live.json",
                "components/api/last.json",
            ],
            true,
        ),
    ] {
        let state = after(&actions.into_iter().cloned().collect::<Vec<_>>());
        let stored_paths: Vec<_> = state.slots().map(|(slot, _)| slot.to_string()).collect();
        assert_eq!(stored_paths, paths);
        let env_state = state.environment(None);
        assert_eq!(env_state.last_attempt(&api).is_some(), is_present);
        assert_eq!(env_state.has_history(&api), is_present);
        assert_eq!(env_state.present_commits().contains_key(&api), is_present);
    }
}
