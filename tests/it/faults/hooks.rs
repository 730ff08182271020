//! The hooks beside those that decide: the recheck of hosts without proc-receive, what follows from an entry, what stops git itself,
//! and what tells in a clone.

use super::{Fault, POLICY, Scene, Strike, Victim, told};
use crate::harness::{Project, World};

/// Checks that the server's notes cover every entry of its ledgers.
fn notes_are_complete(scene: &Scene<'_, '_>, strike: &Strike<'_>) {
    let covers = scene
        .server
        .git(&["log", "-1", "--format=%B", "refs/notes/deploy"])
        .ok()
        .text();
    for (name, tip) in scene.tips() {
        let line = format!(
            "Deploy-Covers: {} {tip}",
            name.strip_prefix("refs/deploy/").unwrap()
        );
        assert!(
            covers.lines().any(|it| it == line),
            "{}: {line}\n{covers}\n{}",
            strike.turn,
            strike.run
        );
    }
}

/// Checks that every entry was handed on in order; some may come twice.
fn handed_on(scene: &Scene<'_, '_>, strike: &Strike<'_>) {
    let got = std::fs::read_to_string(scene.server.path().join("got")).unwrap_or_default();
    let ids = got
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let ids: Vec<String> = ids
        .map(|event| event["entry"].as_str().unwrap().to_owned())
        .collect();
    for (name, tip) in scene.tips() {
        let old = strike
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
        let entries = scene.server.git(&list).ok().text();
        let mut at = 0;
        for entry in entries.lines() {
            let found = ids.iter().skip(at).position(|id| id == entry);
            at += found.unwrap_or_else(|| {
                panic!(
                    "{}: {entry} of {name} is lost\n{got}\n{}",
                    strike.turn, strike.run
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
        (&[][..], Victim::Hook("post-receive"), 2),
        (&[], Victim::Opening("post-receive"), 29),
        (&[], Victim::Opening("proc-receive"), 29),
        (&instead, Victim::Hook("post-receive"), 5),
        (&instead, Victim::Opening("post-receive"), 29),
        (&instead, Victim::Opening("update"), 29),
    ];
    for (options, victim, step) in all {
        let world = World::new();
        let project = handing(&world, options);
        let scene = Scene::new(&world, &project.bob.repo, &project.server, Fault::Killed);
        let record = ["record", "dev", "--all"];
        let ends = scene.each(&victim, &record, step, &|strike| {
            scene.judged(strike, 1);
            let locked = scene.goes_on(&record, strike.turn);
            notes_are_complete(&scene, strike);
            handed_on(&scene, strike);
            locked
        });
        told(&format!("{victim:?} {options:?}"), &ends);
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
    let scene = Scene::new(&world, bob, server, Fault::Killed);
    let push = ["git", "push", "-q", "origin", "HEAD:refs/heads/topic"];
    let ends = scene.each(
        &Victim::Opening("reference-transaction"),
        &push,
        7,
        &|strike| {
            scene.judged(strike, 0);
            let there = server.git(&["rev-parse", "-q", "--verify", "refs/heads/topic"]);
            assert!(
                !there.succeeded() || there.text() == bob.rev("HEAD"),
                "{}: {}",
                strike.turn,
                strike.run
            );
            scene.goes_on(&push, strike.turn)
        },
    );
    told("reference-transaction", &ends);

    let policy = server.rev("refs/deploy/policy");
    let past = Scene::new(&world, server, server, Fault::Killed);
    let update = [
        "git",
        "update-ref",
        "refs/deploy/policy",
        &format!("{policy}~1"),
    ];
    for victim in [
        Victim::Hook("reference-transaction"),
        Victim::Opening("reference-transaction"),
    ] {
        let ends = past.each(&victim, &update, 7, &|strike| {
            assert!(!strike.run.succeeded(), "{}: {}", strike.turn, strike.run);
            assert_eq!(
                server.rev("refs/deploy/policy"),
                policy,
                "{}: {}",
                strike.turn,
                strike.run
            );
            past.unlocked(&update, strike.turn)
        });
        told(&format!("{victim:?}, past the others"), &ends);
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
    let scene = Scene::new(&world, bob, &project.server, Fault::Killed);
    let push = ["git", "push", "-q", "origin", "HEAD:refs/heads/dev"];
    for (victim, step) in [
        (Victim::Hook("pre-push"), 5),
        (Victim::Opening("pre-push"), 29),
    ] {
        let ends = scene.each(&victim, &push, step, &|strike| {
            scene.judged(strike, 0);
            scene.goes_on(&push, strike.turn)
        });
        told(&format!("{victim:?}"), &ends);
    }
}
