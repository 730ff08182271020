//! Tests of the order of work, of failures, and of questions from running work.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::domain::policy::Policy;

/// Returns a policy with components `c0`, `c1` …, in which the first component of each edge depends
/// on the second.
fn policy(count: usize, edges: &[(usize, usize)]) -> Policy {
    let mut text = String::from(
        "schema = 1\nproject = \"catalogue\"\n[people]\nalice = \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"\n[environments]\ndev = {}\n",
    );
    for component in 0..count {
        let needs: Vec<String> = edges
            .iter()
            .filter(|(from, _)| *from == component)
            .map(|(_, to)| format!("\"c{to}\""))
            .collect();
        let needs = needs.join(", ");
        writeln!(
            text,
            "[components.c{component}]\npaths = [\"c{component}/**\"]\ndepends_on = [{needs}]"
        )
        .unwrap();
    }
    Policy::parse(&text).unwrap()
}

fn names(names: &[&str]) -> BTreeSet<ComponentName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// Callbacks that start this many components and log every call.
struct LoggingCallbacks {
    remaining_starts: usize,
    log: Vec<String>,
}

impl SchedulerCallbacks<(), (), String> for LoggingCallbacks {
    fn may_start(&mut self) -> bool {
        self.remaining_starts > 0
    }
    fn prepare(&mut self, component: &ComponentName) -> Result<(), String> {
        self.remaining_starts -= 1;
        self.log.push(format!("+{component}"));
        Ok(())
    }
    fn check_continue(&mut self, component: &ComponentName) -> Result<(), String> {
        self.log.push(format!("?{component}"));
        if self.remaining_starts > 0 {
            Ok(())
        } else {
            Err("not any more".to_owned())
        }
    }
    fn on_result(&mut self, component: &ComponentName, _: &Result<(), String>) {
        self.log.push(format!("-{component}"));
    }
}

/// Runs a graph in which `failing` fails, and starts at most `max_starts` components. Returns the
/// log and the results.
fn run_with_log(
    graph: &Graph,
    parallel: usize,
    max_starts: usize,
    failing: &str,
) -> (String, Vec<String>) {
    let mut callbacks = LoggingCallbacks {
        remaining_starts: max_starts,
        log: Vec::new(),
    };
    let work = |name: &ComponentName, (): (), _: &ContinueGuard<'_, (), String>| {
        if name.as_str() == failing {
            Err("broken".to_owned())
        } else {
            Ok(())
        }
    };
    let results = run_graph(graph, parallel, &mut callbacks, &work);
    let described = results.iter().map(|(name, result)| match result {
        TaskResult::Succeeded(()) => format!("{name} done"),
        TaskResult::Failed(why) => format!("{name} {why}"),
        TaskResult::SkippedAfter(other) => format!("{name} after {other}"),
        TaskResult::NotStarted => format!("{name} not started"),
    });
    (callbacks.log.join(" "), described.collect())
}

/// Components that depend on a failed one are skipped, with its name as the cause. All others are
/// started.
#[test]
fn a_failure_skips_dependents() {
    let policy = policy(6, &[(1, 0), (2, 1), (4, 3), (5, 2), (5, 4)]);
    let graph = Graph::new(
        &policy,
        &policy
            .component_names()
            .into_iter()
            .filter(|it| it.as_str() != "rest")
            .collect(),
    );
    let (log, results) = run_with_log(&graph, 1, 100, "c1");
    assert_eq!(log, "+c0 -c0 +c1 -c1 +c3 -c3 +c4 -c4");
    assert_eq!(
        results,
        [
            "c0 done",
            "c1 broken",
            "c2 after c1",
            "c3 done",
            "c4 done",
            "c5 after c1"
        ]
    );
    // After a request to stop, nothing more starts. A removal uses the reverse order.
    assert_eq!(
        run_with_log(&graph, 1, 1, "")
            .1
            .iter()
            .filter(|result| result.ends_with("not started"))
            .count(),
        5
    );
    assert_eq!(
        run_with_log(&graph.reversed(), 1, 100, "").0,
        "+c5 -c5 +c2 -c2 +c1 -c1 +c4 -c4 +c0 -c0 +c3 -c3"
    );
}

/// A component also waits for those on which it depends through components that are not deployed.
#[test]
fn indirect_dependencies() {
    let policy = policy(4, &[(1, 0), (2, 1), (3, 2)]);
    let graph = Graph::new(&policy, &names(&["c0", "c3"]));
    let before: Vec<&ComponentName> = graph.predecessors(&"c3".parse().unwrap()).collect();
    assert_eq!(before, [&"c0".parse::<ComponentName>().unwrap()]);
    assert_eq!(
        graph.longest_paths().into_values().collect::<Vec<_>>(),
        [2, 1]
    );
}

proptest! {
    /// No component starts before its predecessors have ended, no more than `parallel` run at once,
    /// and all are done.
    #[test]
    fn in_order(count in 1usize..12, edges in proptest::collection::vec((0usize..12, 0usize..12), 0..30), parallel in 1usize..5) {
        // Edges lead to smaller numbers only, so that there is no cycle.
        let edges: Vec<(usize, usize)> = edges.into_iter().filter(|(from, to)| from > to && *from < count).collect();
        let policy = policy(count, &edges);
        let all: BTreeSet<ComponentName> = policy.components.keys().cloned().collect();
        let graph = Graph::new(&policy, &all);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let ended: Mutex<BTreeSet<ComponentName>> = Mutex::default();
        let work = |name: &ComponentName, (): (), _: &ContinueGuard<'_, (), String>| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let is_early = graph.predecessors(name).any(|before| !ended.lock().unwrap().contains(before));
            std::thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            ended.lock().unwrap().insert(name.clone());
            if is_early { Err("too early".to_owned()) } else { Ok(()) }
        };
        let results = run_graph(&graph, parallel, &mut LoggingCallbacks { remaining_starts: 100, log: Vec::new() }, &work);
        prop_assert!(results.values().all(|result| *result == TaskResult::Succeeded(())));
        prop_assert_eq!(results.len(), count);
        prop_assert!(most.into_inner() <= parallel);
    }
}

/// Running work can ask whether it may continue, and is answered on the caller's thread.
#[test]
fn questions_of_running_work() {
    let graph = Graph::unordered(&names(&["c0", "c1"]));
    let mut callbacks = LoggingCallbacks {
        remaining_starts: 2,
        log: Vec::new(),
    };
    let work = |_: &ComponentName, (): (), guard: &ContinueGuard<'_, (), String>| {
        guard.check().map_err(Option::unwrap_or_default)
    };
    let results = run_graph(&graph, 2, &mut callbacks, &work);
    assert!(
        results
            .values()
            .all(|result| *result == TaskResult::Failed("not any more".to_owned())),
        "{results:?}"
    );
    assert_eq!(
        callbacks
            .log
            .iter()
            .filter(|it| it.starts_with('?'))
            .count(),
        2
    );
    callbacks.remaining_starts = 3;
    let results = run_graph(&graph, 1, &mut callbacks, &work);
    assert_eq!(
        results
            .values()
            .filter(|result| **result == TaskResult::Succeeded(()))
            .count(),
        2,
        "{results:?}"
    );
}
