use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::domain::policy::Policy;

/// A policy in which `edges` says who depends on whom.
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

struct Plain {
    left: usize,
    log: Vec<String>,
}

impl SchedulerCallbacks<(), (), String> for Plain {
    fn may_start(&mut self) -> bool {
        self.left > 0
    }
    fn prepare(&mut self, component: &ComponentName) -> Result<(), String> {
        self.left -= 1;
        self.log.push(format!("+{component}"));
        Ok(())
    }
    fn check_continue(&mut self, component: &ComponentName) -> Result<(), String> {
        self.log.push(format!("?{component}"));
        if self.left > 0 {
            Ok(())
        } else {
            Err("not any more".to_owned())
        }
    }
    fn on_result(&mut self, component: &ComponentName, _: &Result<(), String>) {
        self.log.push(format!("-{component}"));
    }
}

fn play(graph: &Graph, parallel: usize, left: usize, bad: &str) -> (String, Vec<String>) {
    let mut foreman = Plain {
        left,
        log: Vec::new(),
    };
    let work = |name: &ComponentName, (): (), _: &ContinueGuard<'_, (), String>| {
        if name.as_str() == bad {
            Err("broken".to_owned())
        } else {
            Ok(())
        }
    };
    let fates = run_graph(graph, parallel, &mut foreman, &work);
    let told = fates.iter().map(|(name, fate)| match fate {
        TaskResult::Succeeded(()) => format!("{name} done"),
        TaskResult::Failed(why) => format!("{name} {why}"),
        TaskResult::SkippedAfter(other) => format!("{name} after {other}"),
        TaskResult::NotStarted => format!("{name} not begun"),
    });
    (foreman.log.join(" "), told.collect())
}

/// What depends on a failure is out, by the name of whoever failed; everything else goes on.
#[test]
fn a_failure_stops_its_own() {
    let policy = policy(6, &[(1, 0), (2, 1), (4, 3), (5, 2), (5, 4)]);
    let graph = Graph::new(
        &policy,
        &policy
            .component_names()
            .into_iter()
            .filter(|it| it.as_str() != "rest")
            .collect(),
    );
    let (log, fates) = play(&graph, 1, 100, "c1");
    assert_eq!(log, "+c0 -c0 +c1 -c1 +c3 -c3 +c4 -c4");
    assert_eq!(
        fates,
        [
            "c0 done",
            "c1 broken",
            "c2 after c1",
            "c3 done",
            "c4 done",
            "c5 after c1"
        ]
    );
    // Told to stop, it begins nothing more; taken down, the order is the other one.
    assert_eq!(
        play(&graph, 1, 1, "")
            .1
            .iter()
            .filter(|fate| fate.ends_with("not begun"))
            .count(),
        5
    );
    assert_eq!(
        play(&graph.reversed(), 1, 100, "").0,
        "+c5 -c5 +c2 -c2 +c1 -c1 +c4 -c4 +c0 -c0 +c3 -c3"
    );
}

/// What is not deployed now still stands between those that are.
#[test]
fn through_others() {
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
    /// Nothing begins before what it waits for has ended, no more run at once than may, and everything is done.
    #[test]
    fn in_order(count in 1usize..12, edges in proptest::collection::vec((0usize..12, 0usize..12), 0..30), parallel in 1usize..5) {
        // Towards smaller numbers only, so that there is no circle.
        let edges: Vec<(usize, usize)> = edges.into_iter().filter(|(from, to)| from > to && *from < count).collect();
        let policy = policy(count, &edges);
        let all: BTreeSet<ComponentName> = policy.components.keys().cloned().collect();
        let graph = Graph::new(&policy, &all);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let ended: Mutex<BTreeSet<ComponentName>> = Mutex::default();
        let work = |name: &ComponentName, (): (), _: &ContinueGuard<'_, (), String>| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let early = graph.predecessors(name).any(|before| !ended.lock().unwrap().contains(before));
            std::thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            ended.lock().unwrap().insert(name.clone());
            if early { Err("too early".to_owned()) } else { Ok(()) }
        };
        let fates = run_graph(&graph, parallel, &mut Plain { left: 100, log: Vec::new() }, &work);
        prop_assert!(fates.values().all(|fate| *fate == TaskResult::Succeeded(())));
        prop_assert_eq!(fates.len(), count);
        prop_assert!(most.into_inner() <= parallel);
    }
}

/// Work that has begun may ask on its way, and is answered on the caller's thread, while others are at work.
#[test]
fn on_the_way() {
    let graph = Graph::unordered(&names(&["c0", "c1"]));
    let mut foreman = Plain {
        left: 2,
        log: Vec::new(),
    };
    let work = |_: &ComponentName, (): (), leave: &ContinueGuard<'_, (), String>| {
        leave.check().map_err(Option::unwrap_or_default)
    };
    let fates = run_graph(&graph, 2, &mut foreman, &work);
    assert!(
        fates
            .values()
            .all(|fate| *fate == TaskResult::Failed("not any more".to_owned())),
        "{fates:?}"
    );
    assert_eq!(
        foreman.log.iter().filter(|it| it.starts_with('?')).count(),
        2
    );
    foreman.left = 3;
    let fates = run_graph(&graph, 1, &mut foreman, &work);
    assert_eq!(
        fates
            .values()
            .filter(|fate| **fate == TaskResult::Succeeded(()))
            .count(),
        2,
        "{fates:?}"
    );
}
