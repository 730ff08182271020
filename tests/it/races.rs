//! Two people who write at the same moment, with the real program: one wins, the other tries again
//! and follows.

mod either_order;

use crate::harness::{Member, Project, World};

/// How often each writes. Every round is a race: both begin it together.
const ROUNDS: usize = 4;

/// Runs both at once, round after round; a round ends when both have ended, so that one that fails leaves nobody waiting.
fn rounds(one: &(dyn Fn(usize) + Sync), two: &(dyn Fn(usize) + Sync)) {
    for round in 0..ROUNDS {
        std::thread::scope(|scope| {
            scope.spawn(|| one(round));
            scope.spawn(|| two(round));
        });
    }
}

/// Returns the entries of a ledger, oldest first, after checking their number against the newest
/// one's.
#[track_caller]
fn entries(project: &Project<'_>, ledger: &str) -> Vec<String> {
    let name = format!("refs/deploy/{ledger}");
    let log = project
        .server
        .git(&["log", "--first-parent", "--reverse", "--format=%s", &name])
        .ok()
        .text();
    let subjects: Vec<String> = log.lines().skip(1).map(str::to_owned).collect();
    let tip = project
        .server
        .git(&["cat-file", "blob", &format!("{name}:entry.json")])
        .ok()
        .json();
    assert_eq!(tip["predicate"]["sequence"], subjects.len(), "{log}");
    subjects
}

/// Checks that the notes list each entry of the ledger for the commit once.
#[track_caller]
fn noted(project: &Project<'_>, ledger: &str, commit: &str) {
    let notes = project
        .server
        .git(&["notes", "--ref=deploy", "show", commit])
        .ok()
        .text();
    let log = [
        "log",
        "--first-parent",
        "--format=%H",
        &format!("refs/deploy/{ledger}"),
    ];
    let ids = project.server.git(&log).ok().text();
    let told = |id: &str| {
        notes
            .lines()
            .filter(|line| line.ends_with(&format!("{ledger}@{}", &id[..10])))
            .count()
    };
    let silent: Vec<&str> = ids.lines().filter(|id| told(id) != 1).collect();
    // The genesis says nothing.
    assert_eq!(silent.len(), 1, "{notes}\n{ids}");
}

/// Concurrent records on one environment are all written, in one chain, each once.
#[test]
fn concurrent_records_all_land() {
    for world in [World::new(), World::sha256()] {
        let project = Project::new(&world, "[environments]\ndev = {}\n");
        let record = |member: &Member<'_>, round: usize| {
            let message = format!("{} {round}", member.person);
            member
                .deploy(&["record", "dev", "--all", "-m", &message])
                .ok();
        };
        rounds(&|round| record(&project.bob, round), &|round| {
            record(&project.ci, round);
        });
        let dev = entries(&project, "dev");
        assert_eq!(dev.len(), 2 * ROUNDS, "{dev:?}");
        let name = "refs/deploy/dev";
        let bodies = project
            .server
            .git(&["log", "--first-parent", "--reverse", "--format=%b", name])
            .ok()
            .text();
        for person in ["bob", "ci"] {
            let told = bodies
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("{person} ")));
            let told: Vec<String> = told.map(str::to_owned).collect();
            assert_eq!(
                told,
                (0..ROUNDS)
                    .map(|round| round.to_string())
                    .collect::<Vec<_>>(),
                "{bodies}"
            );
        }
        noted(&project, "dev", &project.ci.repo.rev("HEAD"));
        project.audited();
    }
}

/// Evidence that arrives all the time neither stops a deployment nor is lost.
#[test]
fn evidence_does_not_disturb_deployments() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = { checks = [\"test-result\"] }\n[checks]\ntest-result = { by = [\"bob\", \"ci\"] }\n",
    );
    let attest = |member: &Member<'_>| {
        drop(
            member
                .deploy(&["attest", "test-result", "--result", "passed"])
                .ok(),
        );
    };
    attest(&project.bob);
    let record = |_| drop(project.ci.deploy(&["record", "dev", "--all"]).ok());
    rounds(&|_| attest(&project.bob), &record);
    assert_eq!(
        (
            entries(&project, "evidence").len(),
            entries(&project, "dev").len()
        ),
        (ROUNDS + 1, ROUNDS)
    );
    for ledger in ["evidence", "dev"] {
        noted(&project, ledger, &project.ci.repo.rev("HEAD"));
    }
    project.audited();
}

/// Of two concurrent starts one wins, and the other is told who holds the environment.
#[test]
fn one_of_two_starts_wins() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let won = std::sync::Mutex::new(Vec::new());
    let start = |member: &Member<'_>, _| {
        let run = member.deploy(&["record", "dev", "--all", "--start"]);
        if run.succeeded() {
            member.deploy(&["record", "dev", "--finish"]).ok();
            won.lock().unwrap().push(member.person.to_owned());
        } else {
            let run = run.fails(1);
            assert!(run.err().contains("✗ lock"), "{run}");
        }
    };
    rounds(&|round| start(&project.bob, round), &|round| {
        start(&project.ci, round);
    });
    let won = won.into_inner().unwrap();
    assert!(won.len() >= ROUNDS, "{won:?}");
    let dev = entries(&project, "dev");
    assert_eq!(dev.len(), 2 * won.len(), "{dev:?}");
    for pair in dev.chunks(2) {
        assert!(
            pair[0].ends_with(": started") && pair[1].ends_with(": succeeded"),
            "{dev:?}"
        );
    }
    project.audited();
}

/// A policy comes into force between two deployments; the loser of a race writes under the new one.
#[test]
fn policies_change_between_deployments() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let publish = |round: usize| {
        project.publish(&format!("[environments]\ndev = {{}}\nqa-{round} = {{}}\n"));
    };
    let record = |_| drop(project.ci.deploy(&["record", "dev", "--all"]).ok());
    rounds(&publish, &record);
    assert_eq!(
        (
            entries(&project, "policy").len(),
            entries(&project, "dev").len()
        ),
        (ROUNDS + 1, ROUNDS)
    );
    project.audited();
}
