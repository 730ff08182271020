//! Faults in the hooks that do not decide: update on hosts without proc-receive, post-receive,
//! reference-transaction, and pre-push.

use super::{Fault, FaultInjection, Injected, POLICY, Target, told};
use crate::harness::{Project, World};

/// Checks that the server's notes cover every entry of its ledgers.
fn notes_are_complete(faults: &FaultInjection<'_, '_>, injected: &Injected<'_>) {
    let covers = faults
        .server
        .git(&["log", "-1", "--format=%B", "refs/notes/deploy"])
        .ok()
        .text();
    for (name, tip) in faults.tips() {
        let line = format!(
            "Deploy-Covers: {} {tip}",
            name.strip_prefix("refs/deploy/").unwrap()
        );
        assert!(
            covers.lines().any(|it| it == line),
            "{}: {line}\n{covers}\n{}",
            injected.turn,
            injected.run
        );
    }
}

/// Checks that every entry was handed on in order; some may come twice.
fn handed_on(faults: &FaultInjection<'_, '_>, injected: &Injected<'_>) {
    let got = std::fs::read_to_string(faults.server.path().join("got")).unwrap_or_default();
    let ids = got
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let ids: Vec<String> = ids
        .map(|event| event["entry"].as_str().unwrap().to_owned())
        .collect();
    for (name, tip) in faults.tips() {
        let old = injected
            .before
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, old)| format!("^{old}"));
        let range = [Some(tip), old].into_iter().flatten().collect::<Vec<_>>();
        let range: Vec<&str> = range.iter().map(String::as_str).collect();
        let list = [
            &["rev-list", "--first-parent", "--reverse", "--min-parents=1"],
            &range[..],
        ]
        .concat();
        let entries = faults.server.git(&list).ok().text();
        let mut at = 0;
        for entry in entries.lines() {
            let found = ids.iter().skip(at).position(|id| id == entry);
            at += found.unwrap_or_else(|| {
                panic!(
                    "{}: {entry} of {name} is lost\n{got}\n{}",
                    injected.turn, injected.run
                )
            });
        }
    }
}

/// Returns a project whose server hands entries to a program that writes them down beside the
/// repository.
fn handing<'w>(world: &'w World, options: &[&str]) -> Project<'w> {
    let project = Project::new(world, POLICY);
    let program = project.world.path().join("home/handoff");
    project.server.write(
        "../home/handoff",
        "#!/bin/sh\nexec cat >> \"$GIT_DIR/got\"\n",
    );
    project
        .server
        .run("chmod", &["+x", &program.to_string_lossy()])
        .ok();
    let init = [
        "server",
        "init",
        ".",
        "--handoff",
        &program.to_string_lossy(),
    ];
    project.server.deploy(&[&init, options].concat()).ok();
    project
}

/// What git accepted is noted and handed on with the next push at the latest, with or without
/// proc-receive.
#[test]
fn notes_and_handoff_catch_up() {
    let instead = ["--no-proc-receive"];
    let all = [
        (&[][..], Target::Hook("post-receive"), 2),
        (&[], Target::Opening("post-receive"), 29),
        (&[], Target::Opening("proc-receive"), 29),
        (&instead, Target::Hook("post-receive"), 5),
        (&instead, Target::Opening("post-receive"), 29),
        (&instead, Target::Opening("update"), 29),
    ];
    for (options, target, step) in all {
        let world = World::new();
        let project = handing(&world, options);
        let faults = FaultInjection::new(&world, &project.bob.repo, &project.server, Fault::Killed);
        let record = ["record", "dev", "--all"];
        let ends = faults.sweep_each(&target, &record, step, &|injected| {
            faults.check_entries(injected, 1);
            let locked = faults.check_continues(&record, injected.turn);
            notes_are_complete(&faults, injected);
            handed_on(&faults, injected);
            locked
        });
        told(&format!("{target:?} {options:?}"), &ends);
    }
}

/// If the hook is killed, a branch is at its old or its new place, the ledgers have not moved, and
/// what it forbids stays forbidden.
#[test]
fn reference_transaction_fails_closed() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    project
        .server
        .deploy(&["server", "init", ".", "--reference-transaction"])
        .ok();
    let (bob, server) = (&project.bob.repo, &project.server);
    bob.commit("api/x", "two\n", "Two");
    let faults = FaultInjection::new(&world, bob, server, Fault::Killed);
    let push = ["git", "push", "-q", "origin", "HEAD:refs/heads/topic"];
    let ends = faults.sweep_each(
        &Target::Opening("reference-transaction"),
        &push,
        7,
        &|injected| {
            faults.check_entries(injected, 0);
            let there = server.git(&["rev-parse", "-q", "--verify", "refs/heads/topic"]);
            assert!(
                !there.succeeded() || there.text() == bob.rev("HEAD"),
                "{}: {}",
                injected.turn,
                injected.run
            );
            faults.check_continues(&push, injected.turn)
        },
    );
    told("reference-transaction", &ends);

    let policy = server.rev("refs/deploy/policy");
    let past = FaultInjection::new(&world, server, server, Fault::Killed);
    let update = [
        "git",
        "update-ref",
        "refs/deploy/policy",
        &format!("{policy}~1"),
    ];
    for target in [
        Target::Hook("reference-transaction"),
        Target::Opening("reference-transaction"),
    ] {
        let ends = past.sweep_each(&target, &update, 7, &|injected| {
            assert!(
                !injected.run.succeeded(),
                "{}: {}",
                injected.turn,
                injected.run
            );
            assert_eq!(
                server.rev("refs/deploy/policy"),
                policy,
                "{}: {}",
                injected.turn,
                injected.run
            );
            past.check_locks(&update, injected.turn)
        });
        told(&format!("{target:?}, past the others"), &ends);
    }
}

/// If the hook is killed, nothing is pushed, the clone loses nothing, and the next push works.
#[test]
fn pre_push_loses_nothing() {
    let world = World::new();
    let policy = "[environments]\ndev = { branch = \"dev\" }\n";
    let project = Project::new(&world, policy);
    let bob = &project.bob.repo;
    bob.deploy(&["init", "--pre-push", "--yes"]).ok();
    project.alice.push(&["HEAD:refs/heads/dev"]).ok();
    project.ci.deploy(&["record", "dev"]).ok();
    project.push("api/x", "two\n");
    let faults = FaultInjection::new(&world, bob, &project.server, Fault::Killed);
    let push = ["git", "push", "-q", "origin", "HEAD:refs/heads/dev"];
    for (target, step) in [
        (Target::Hook("pre-push"), 5),
        (Target::Opening("pre-push"), 29),
    ] {
        let ends = faults.sweep_each(&target, &push, step, &|injected| {
            faults.check_entries(injected, 0);
            faults.check_continues(&push, injected.turn)
        });
        told(&format!("{target:?}"), &ends);
    }
}
