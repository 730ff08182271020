//! What follows from an entry, whatever came before.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::super::{Scope, Slot, State, Value};
use super::fold;
use crate::domain::entry::Statement;
use crate::domain::entry::samples::{statement, verified};

/// Statements of one ledger, numbered as a chain would.
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

/// The part of a state that a scope asks for, as a reader of trees would load it.
fn part(state: &State, scope: &Scope) -> State {
    let mut part = State::empty();
    for (slot, value) in state.slots() {
        let path = slot.to_string();
        let component = path.strip_prefix("components/").and_then(|rest| rest.split('/').next());
        if component.is_none_or(|component| scope.holds(component)) {
            part.insert(slot.clone(), value.clone());
        }
    }
    part
}

proptest! {
    /// Fold never panics, every edit is real, and every path reads back: whatever a valid signature was put under.
    #[test]
    fn fold_is_total(chain in chain()) {
        let mut state = State::empty();
        for statement in &chain {
            let edits = fold(&state, &verified(statement), Some(&b"schema = 1\n"[..].into()));
            for edit in &edits {
                prop_assert!(edit.value.is_some() || state.slots().any(|(slot, _)| *slot == edit.slot), "{}", edit.slot);
                let path = edit.slot.to_string();
                let read = if statement.ledger.is_policy() { Slot::parse_policy(&path) } else { Slot::parse(&path) };
                prop_assert_eq!(read.as_ref(), Ok(&edit.slot));
            }
            state.apply(&edits);
        }
    }

    /// A server that loads only what the entry names comes to the same edits as an audit that holds everything.
    #[test]
    fn a_part_is_enough(chain in chain()) {
        let mut state = State::empty();
        for statement in &chain {
            let entry = verified(statement);
            let whole = fold(&state, &entry, None);
            prop_assert_eq!(&fold(&part(&state, &Scope::of(statement)), &entry, None), &whole);
            state.apply(&whole);
        }
    }

    /// What runs is always known with the entry that put it there, and that entry names its content.
    #[test]
    fn what_runs_has_its_entry(chain in chain()) {
        let mut state = State::empty();
        for statement in &chain {
            state.apply(&fold(&state, &verified(statement), None));
            let environments = state.environments().into_iter().map(Some).chain([None]);
            for environment in environments {
                let here = state.at(environment.as_ref());
                for component in here.components().keys() {
                    prop_assert!(here.content(component).is_some() && here.verified(component).is_some());
                }
            }
        }
    }
}

/// A destroyed ephemeral environment leaves nothing behind, so that its name can be used again and its limit counts right.
#[test]
fn destroy_leaves_nothing() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = false;
    for _ in 0..2_000 {
        let statement = statement().new_tree(&mut runner).unwrap().current();
        let Some(deployment) = statement.deployment().filter(|_| statement.environment.is_some()) else { continue };
        let ended = statement.ended();
        let all_gone = ended.iter().all(|it| it.outcome == crate::domain::entry::Outcome::Destroyed);
        if deployment.kind != crate::domain::entry::Kind::Destroy || ended.is_empty() || !all_gone {
            continue;
        }
        seen = true;
        let mut state = State::empty();
        let lock = Slot { environment: statement.environment.clone(), place: super::Place::Lock };
        state.insert(lock, Value::Kept(std::sync::Arc::clone(verified(&statement).kept())));
        state.apply(&fold(&state, &verified(&statement), None));
        assert_eq!(state, State::empty());
    }
    assert!(seen, "no statement destroyed an environment");
}
