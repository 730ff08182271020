//! Locks that end at a time: until then they hold, and afterwards they neither refuse nor show.

use crate::harness::{Project, Run, World};

const POLICY: &str = "[environments.dev]\ndeployers = [\"bob\", \"ci\"]\n\
    [environments.prod]\ndeployers = [\"bob\", \"ci\"]\n\
    [components.api]\npaths = \"api/**\"\n[components.web]\npaths = \"web/**\"\n";

/// A lock refuses until its end and no longer, on every screen and in the entries that are written
/// around it. What was signed after the end passes the audit.
#[test]
fn a_lock_holds_until_its_end() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let Project { bob, ci, .. } = &project;
    project.push("api/x", "two\n");
    project.push("web/x", "one\n");
    for (target, until) in [
        (&["dev"][..], "2h"),
        (&["prod", "--component", "api"], "2026-03-05T12:00:00+00:00"),
    ] {
        let end = world.now().plus("2h".parse().unwrap());
        let until = if until == "2h" {
            until.to_owned()
        } else {
            end.to_string()
        };
        let lock = ["lock"].into_iter().chain(target.iter().copied());
        let lock: Vec<&str> = lock.chain(["--until", &until, "-m", "load test"]).collect();
        let locked = bob.deploy(&lock).ok();
        assert!(locked.text().contains(&format!("until {end}")), "{locked}");
        let environment = target[0];
        // While it holds.
        let again: Vec<&str> = [&["lock"], target, &["-m", "x"]].concat();
        bob.deploy(&again).fails(1);
        let refused = ci
            .deploy(&["record", environment, "--component", "api"])
            .fails(1);
        assert!(
            refused
                .words_of_err()
                .contains(&format!("until {end}: load test")),
            "{refused}"
        );
        let status = || bob.deploy(&["status", environment, "--json"]).ok().text();
        let log = bob
            .deploy(&["log", environment, "--all", "--json"])
            .ok()
            .text();
        assert!(log.contains(&format!("\"expires\": \"{end}\"")), "{log}");
        let log = bob.deploy(&["log", environment, "--all"]).ok().text();
        assert!(log.contains(&format!("until {end}")), "{log}");
        world.advance("119m");
        ci.deploy(&["record", environment, "--component", "api"])
            .fails(1);
        let unlocked = || bob.deploy(&[&["unlock"], target].concat());
        if environment == "dev" {
            assert!(
                status().contains(&format!("\"until\": \"{end}\"")),
                "{}",
                status()
            );
        }
        // From its end on.
        world.advance("1m");
        assert!(!status().contains("\"lock\""), "{}", status());
        let ended = unlocked().fails(1);
        assert!(
            ended.words_of_err().contains(&format!("ended at {end}")),
            "{ended}"
        );
        ci.deploy(&["record", environment, "--component", "api"])
            .ok();
        bob.deploy(&again).ok();
        unlocked().ok();
    }
    project.audited();
}

/// The server judges by its own clock: a client whose clock is ahead does not end a lock early.
#[test]
fn a_fast_clock_ends_no_lock() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let Project { bob, ci, .. } = &project;
    project.push("api/x", "two\n");
    bob.deploy(&["lock", "dev", "--until", "4m", "-m", "load test"])
        .ok();
    // Over a path, the hooks inherit the pusher's clock unless they set their own.
    for hook in ["pre-receive", "proc-receive"] {
        let clock = format!("GIT_DEPLOY_TEST_NOW={}", world.now());
        let text = format!("#!/bin/sh\n{clock} exec git-deploy hook {hook} \"$@\"\n");
        project.server.hook(hook, &text);
    }
    let ahead = world.now().plus("4m".parse().unwrap());
    let mut record = ci.repo.command("git-deploy");
    record.env("GIT_DEPLOY_TEST_NOW", ahead.to_string());
    record.args(["record", "dev", "--all"]);
    let refused = Run::of(&world, &mut record).fails(1);
    assert!(
        refused.words_of_err().contains("dev is locked by bob"),
        "{refused}"
    );
}

/// A lock that would not hold at all is refused, and a text that is no time is a usage error.
#[test]
fn the_end_is_later_than_now() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let lock = |until| {
        project
            .bob
            .deploy(&["lock", "dev", "--until", until, "-m", "x"])
    };
    let now = world.now().to_string();
    for past in ["0s", "2020-01-01", &now] {
        let run = lock(past).fails(1);
        assert!(run.words_of_err().contains("a time after"), "{run}");
    }
    for other in ["tomorrow", "18:00", "2026-13-01"] {
        let run = lock(other).fails(2);
        assert!(run.words_of_err().contains("span such as 4h"), "{run}");
    }
}
