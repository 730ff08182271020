//! The hooks beside those that decide: the recheck of hosts without proc-receive, what follows from an entry, what stops git itself,
//! and what tells in a clone.

use super::{Fault, POLICY, Scene, Strike, Victim, told};
use crate::harness::{Project, World};

/// The commits that the server's notes do not tell of as its ledgers do are none.
fn notes_are_complete(scene: &Scene<'_, '_>, strike: &Strike<'_>) {
    let covers = scene.server.git(&["log", "-1", "--format=%B", "refs/notes/deploy"]).ok().text();
    for (name, tip) in scene.tips() {
        let line = format!("Deploy-Covers: {} {tip}", name.strip_prefix("refs/deploy/").unwrap());
        assert!(covers.lines().any(|it| it == line), "{}: {line}\n{covers}\n{}", strike.turn, strike.run);
    }
}

/// Every entry after the beginning was handed on, in order; some perhaps again.
fn handed_on(scene: &Scene<'_, '_>, strike: &Strike<'_>) {
    let got = std::fs::read_to_string(scene.server.path().join("got")).unwrap_or_default();
    let ids = got.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let ids: Vec<String> = ids.map(|event| event["entry"].as_str().unwrap().to_owned()).collect();
    for (name, tip) in scene.tips() {
        let old = strike.before.iter().find(|(other, _)| *other == name).map(|(_, old)| format!("^{old}"));
        let range = [Some(tip), old].into_iter().flatten().collect::<Vec<_>>();
        let range: Vec<&str> = range.iter().map(String::as_str).collect();
        let list = [&["rev-list", "--first-parent", "--reverse", "--min-parents=1"], &range[..]].concat();
        let entries = scene.server.git(&list).ok().text();
        let mut at = 0;
        for entry in entries.lines() {
            let found = ids.iter().skip(at).position(|id| id == entry);
            at += found.unwrap_or_else(|| panic!("{}: {entry} of {name} is lost\n{got}\n{}", strike.turn, strike.run));
        }
    }
}

/// A project whose server hands what comes to a program that writes it down beside the repository.
fn handing<'w>(world: &'w World, options: &[&str]) -> Project<'w> {
    let project = Project::new(world, POLICY);
    let program = project.world.path().join("home/handoff");
    project.server.write("../home/handoff", "#!/bin/sh\nexec cat >> \"$GIT_DIR/got\"\n");
    project.server.run("chmod", &["+x", &program.to_string_lossy()]).ok();
    let init = ["server", "init", ".", "--handoff", &program.to_string_lossy()];
    project.server.deploy(&[&init, options].concat()).ok();
    project
}

/// Where a host calls no proc-receive, and where it does: what git let in is noted and handed on with the next push at the latest.
#[test]
fn what_follows() {
    for options in [&[][..], &["--no-proc-receive"]] {
        let world = World::new();
        let project = handing(&world, options);
        let scene = Scene::new(&world, &project.bob.repo, &project.server, Fault::Killed);
        let hooks = if options.is_empty() { &["post-receive"][..] } else { &["pre-receive", "update", "post-receive"] };
        for hook in hooks {
            let record = ["record", "dev", "--all"];
            let ends = scene.each(&Victim::Hook(hook), &record, 5, &|strike| {
                scene.judged(strike, 1);
                let locked = scene.goes_on(&record, strike.turn);
                notes_are_complete(&scene, strike);
                handed_on(&scene, strike);
                locked
            });
            told(&format!("{hook} {options:?}"), &ends);
        }
    }
}
