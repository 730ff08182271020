//! A component's own chain of entries gives the same history as the whole ledger.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::*;
use crate::domain::entry::{HistoryRole, Statement};
use crate::domain::env_ref::EnvRef;
use crate::domain::history::{History, LatestEvent, RunSubject};
use crate::domain::state::EnvState;

const COMPONENTS: [&str; 3] = ["api", "network", "web"];
const COMMITS: std::ops::Range<u8> = 1..6;
const OUTCOMES: [&str; 5] = ["succeeded", "succeeded", "failed", "rolledBack", "skipped"];

fn commit(number: u8) -> CommitId {
    CommitId(Oid::from_bytes(&[number; 20]).unwrap())
}

/// Returns the content of a component at a commit. Several commits share one.
fn content(number: u8) -> Content {
    Content(Oid::from_bytes(&[number % 3 + 100; 20]).unwrap())
}

/// A random step: what happens, to which components, and details.
#[derive(Debug, Clone)]
struct Step {
    what: u8,
    /// A bit per component; never 0.
    components: u8,
    commits: [u8; 3],
    outcomes: [usize; 3],
    /// Which environment of the pattern.
    member: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let details = (vec(COMMITS, 3), vec(0..OUTCOMES.len(), 3), any::<bool>());
    (0u8..14, 1u8..8, details).prop_map(|(what, components, (commits, outcomes, member))| Step {
        what,
        components,
        commits: commits.try_into().unwrap(),
        outcomes: outcomes.try_into().unwrap(),
        member,
    })
}

impl Step {
    /// Returns the selected components, each with its number.
    fn selected(&self) -> impl Iterator<Item = (usize, &'static str)> + '_ {
        let all = COMPONENTS.iter().copied().enumerate();
        all.filter(|(index, _)| self.components & (1 << index) != 0)
    }

    fn target(&self, index: usize, name: &str) -> Value {
        let number = self.commits[index];
        json!({ "component": name, "commit": commit(number), "content": content(number) })
    }

    /// Returns the actions that this step appends to a ledger that ends with `sequence`.
    fn actions(&self, state: EnvState<'_>, sequence: u64) -> Vec<Action> {
        let deploys = self
            .selected()
            .map(|(index, name)| (self.target(index, name), OUTCOMES[self.outcomes[index]]));
        let removals = self.selected().map(|(index, name)| {
            let number = self.commits[index];
            let target =
                json!({ "component": name, "commit": commit(number), "from": commit(number) });
            (
                target,
                if self.outcomes[index] < 3 {
                    "destroyed"
                } else {
                    "failed"
                },
            )
        });
        let destroys = COMPONENTS.map(|name| {
            (
                json!({ "component": name, "commit": commit(1) }),
                "destroyed",
            )
        });
        match self.what {
            0 => vec![record("deploy", deploys.collect())],
            1 => vec![record("rollback", deploys.collect())],
            2 => vec![record("deploy", removals.collect())],
            3 => vec![record("destroy", destroys.into())],
            4..=7 => run("deploy", deploys.collect(), sequence + 1),
            8 => run("deploy", removals.collect(), sequence + 1),
            9 => {
                let targets: Vec<_> = deploys.map(|(target, _)| target).collect();
                abort(&targets, sequence + 1)
            }
            10 | 11 => verification(self, state).into_iter().collect(),
            12 => exec(self.target(0, "api"), sequence + 1),
            _ => vec![lock()],
        }
    }
}

fn read(name: &str, fields: Value) -> Action {
    let read = |fields| match name {
        "record" => serde_json::from_value(fields).map(Action::Record),
        "start" => serde_json::from_value(fields).map(Action::Start),
        "finish" => serde_json::from_value(fields).map(Action::Finish),
        "abort" => serde_json::from_value(fields).map(Action::Abort),
        _ => serde_json::from_value(fields).map(Action::Verification),
    };
    read(fields).unwrap()
}

/// Returns a result: the outcome, the commit that it went back to, the verification.
fn result(outcome: &str) -> serde_json::Map<String, Value> {
    let mut fields = serde_json::Map::new();
    fields.insert("outcome".into(), outcome.into());
    if outcome == "rolledBack" {
        fields.insert("to".into(), json!(commit(1)));
    }
    fields.insert("verification".into(), "none".into());
    fields
}

fn record(kind: &str, components: Vec<(Value, &str)>) -> Action {
    let results = components.iter().map(|(target, outcome)| {
        let mut fields = result(outcome);
        fields.insert("component".into(), target["component"].clone());
        Value::Object(fields)
    });
    let results: Vec<_> = results.collect();
    let components: Vec<_> = components.into_iter().map(|(target, _)| target).collect();
    read(
        "record",
        json!({ "kind": kind, "components": components, "results": results }),
    )
}

fn start(kind: &str, components: &[Value]) -> Action {
    let mut fields = json!({ "run": "02".repeat(16), "kind": kind, "components": components });
    if kind == "exec" {
        fields["command"] = "migrate".into();
    }
    read("start", fields)
}

fn run(kind: &str, components: Vec<(Value, &str)>, start_sequence: u64) -> Vec<Action> {
    let targets: Vec<_> = components
        .iter()
        .map(|(target, _)| target.clone())
        .collect();
    let results = components.into_iter().map(|(mut target, outcome)| {
        let fields = target.as_object_mut().unwrap();
        fields.remove("from");
        fields.extend(result(outcome));
        target
    });
    let mut fields = json!({
        "start": start_sequence, "run": "02".repeat(16), "kind": kind, "components": results.collect::<Vec<_>>()
    });
    if kind == "exec" {
        fields["status"] = 0.into();
    }
    vec![start(kind, &targets), read("finish", fields)]
}

fn exec(target: Value, start_sequence: u64) -> Vec<Action> {
    run("exec", vec![(target, "executed")], start_sequence)
}

fn abort(targets: &[Value], start_sequence: u64) -> Vec<Action> {
    let components = targets
        .iter()
        .map(|it| json!({ "component": it["component"], "commit": it["commit"] }));
    let fields = json!({
        "start": start_sequence, "run": "02".repeat(16), "components": components.collect::<Vec<_>>(), "reason": "no"
    });
    vec![start("deploy", targets), lock(), read("abort", fields)]
}

/// Returns a verification of the selected components that run; the rules refuse any other.
fn verification(step: &Step, state: EnvState<'_>) -> Option<Action> {
    let running = step.selected().filter_map(|(_, name)| {
        let commit = state.commit(&parse(name))?;
        Some(json!({ "component": name, "commit": commit }))
    });
    let running: Vec<_> = running.collect();
    let result = if step.outcomes[0] < 3 {
        "passed"
    } else {
        "failed"
    };
    let fields = json!({ "components": running, "verification": result });
    (!running.is_empty()).then(|| read("verification", fields))
}

/// Appends the entries of the steps to a ledger.
fn append_all(world: &mut World, ledger: &str, steps: &[Step]) {
    for step in steps {
        if ledger == "pr" {
            world.member = Some(parse(if step.member { "pr-1" } else { "pr-2" }));
        }
        let name: LedgerName = parse(ledger);
        let gatherer = world.gatherer();
        let tip = gatherer
            .load_tip(&name, world.tips.get(&name).copied())
            .unwrap();
        let state = StateReader::new(&world.repository).load(tip.tree, &name, &Scope::All);
        let actions = step.actions(
            state.unwrap().environment(world.member.as_ref()),
            tip.chain.sequence,
        );
        for action in actions {
            world.append(ledger, action);
        }
    }
    world.member = None;
}

/// Reads every entry of the environment that adds to a history, newest first: in an ephemeral
/// environment, those since it was last destroyed.
fn whole_ledger(world: &World, env: &EnvRef, tip: EntryId) -> Vec<Arc<StoredEntry>> {
    let gatherer = world.gatherer();
    let is_destroyed = |statement: &Statement| {
        let results = statement.component_results();
        let is_destroy = statement
            .deployment()
            .is_some_and(|it| it.kind == DeploymentKind::Destroy);
        is_destroy && results.iter().all(|it| it.outcome == Outcome::Destroyed)
    };
    let mut entries = Vec::new();
    for walked in gatherer.history().walk(tip) {
        let walked = walked.unwrap();
        if !env.matches(&walked.trailers) || walked.trailers.history_role() == HistoryRole::None {
            continue;
        }
        let stored = gatherer.history().entry(env.ledger(), walked.id).unwrap();
        if env.member().is_some() && is_destroyed(&stored.statement) {
            break;
        }
        entries.push(stored);
    }
    entries
}

/// Describes everything that a history tells.
fn describe(history: &History<'_>) -> Vec<String> {
    let periods = history.run_periods.iter().map(|it| {
        let verified = [true, false].map(|none_counts| it.verified_periods(none_counts));
        let sequence = it.entry.statement.sequence;
        let what = (
            it.content,
            it.commit,
            it.is_baseline,
            it.last_verification(),
        );
        format!("{sequence} {what:?} {:?} {:?} {verified:?}", it.from, it.to)
    });
    let attempts = history.attempts.iter().map(|it| {
        let sequence = it.entry.statement.sequence;
        format!(
            "{sequence} {:?} {:?} {:?}",
            it.commit, it.content, it.failure
        )
    });
    let events = COMMITS.flat_map(|number| {
        let by_commit = (RunSubject::Commit(commit(number)), Some(content(number)));
        [by_commit, (RunSubject::Content(content(number)), None)].map(|(subject, content)| {
            match history.latest_event(subject, content) {
                LatestEvent::Never => "never".to_owned(),
                LatestEvent::Ran(it) | LatestEvent::Untrusted(it) => {
                    format!("ran {} {:?}", it.entry.statement.sequence, it.from)
                }
                LatestEvent::Failed(it) => format!("failed {}", it.entry.statement.sequence),
            }
        })
    });
    periods.chain(attempts).chain(events).collect()
}

fn check_ledger(ledger: &str, environments: &[&str], steps: &[Step]) {
    let mut world = World::new(
        "[environments]\ndev = {}\n\"pr-*\" = { ephemeral = { ttl = \"8h\", limit = 20 } }\n",
    );
    append_all(&mut world, ledger, steps);
    let Some(tip) = world.tips.get(&parse::<LedgerName>(ledger)) else {
        return;
    };
    for name in environments {
        let (env, _) = EnvRef::find(&world.policy, &parse(name)).unwrap();
        let whole = whole_ledger(&world, &env, *tip);
        for component in COMPONENTS.map(parse::<ComponentName>) {
            let gatherer = world.gatherer();
            let chain = gatherer.history().component_entries(&env, &component, *tip);
            let chain: Vec<_> = chain.map(Result::unwrap).collect();
            assert_eq!(
                describe(&History::read(&component, &chain, &|_| true)),
                describe(&History::read(&component, &whole, &|_| true)),
                "{component} in {name}"
            );
            // No entry of another component is read.
            assert!(
                chain
                    .iter()
                    .all(|it| it.statement.components().contains(&component))
            );
        }
    }
}

/// The property holds for random ledgers of one environment and of a pattern, whatever happens
/// there: removals and later deployments, aborts, commands, several components in one entry.
#[test]
fn chain_gives_the_same_history_as_the_ledger() {
    let config = Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = (vec(step(), 1..25), any::<bool>());
    let result = TestRunner::new(config).run(&steps, |(steps, is_pattern)| {
        if is_pattern {
            check_ledger("pr", &["pr-1", "pr-2"], &steps);
        } else {
            check_ledger("dev", &["dev"], &steps);
        }
        Ok(())
    });
    result.unwrap();
}

/// The entries of other components are never read: not even their commits are opened.
#[test]
fn unrelated_entries_are_passed_over() {
    let mut world = World::new(STAGES);
    let step = |components, number| Step {
        what: 0,
        components,
        commits: [number; 3],
        outcomes: [0; 3],
        member: false,
    };
    let mut steps = vec![step(0b001, 1), step(0b001, 2)];
    steps.extend((0..30).map(|_| step(0b100, 3)));
    steps.push(step(0b001, 3));
    append_all(&mut world, "dev", &steps);
    let (env, _) = EnvRef::find(&world.policy, &parse("dev")).unwrap();
    // 33 entries are beyond this limit, 3 are not.
    let gatherer = world.gatherer().limited(3, 1);
    let entries = gatherer
        .history()
        .component_entries(&env, &parse("api"), world.tips["dev"]);
    let sequences: Vec<_> = entries.map(|it| it.unwrap().statement.sequence).collect();
    assert_eq!(sequences, [33, 2, 1]);
}
