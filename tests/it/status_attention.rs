//! `git deploy status` shows what needs attention: holds, failures, unfinished runs, approvals that
//! wait, uses of break-glass, and commits that exist only in this clone.

use std::process::Stdio;

use crate::harness::{Project, Repo, World, wait_until};

const POLICY: &str = r#"
[environments.dev]
[environments.prod]
approvals = 1
break_glass = { by = "alice" }

[components.api]
paths = "api/**"
[components.web]
paths = "web/**"
"#;

/// Returns one field of an environment's status.
fn field(repo: &Repo<'_>, environment: &str, name: &str) -> serde_json::Value {
    let status = repo.deploy(&["status", environment, "--json"]).ok().json();
    status["environments"][0][name].clone()
}

/// Every content that failed or was rolled back, also by hand, is shown until a person lifts its hold,
/// with the command, and with the people to ask for readers who may not.
#[test]
fn every_hold_is_shown_until_it_is_lifted() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    let first = alice.rev("HEAD");
    alice.deploy(&["record", "dev"]).ok();
    let bad = project.push("api/x", "bad\n");
    alice.deploy(&["record", "dev"]).ok();
    assert!(field(alice, "dev", "holds").is_null());
    alice.deploy(&["record", "dev", &first, "--rollback"]).ok();
    let expected = serde_json::json!([{
        "component": "api", "commit": bad, "outcome": "rolledBack", "rolledBackBy": "alice",
    }]);
    assert_eq!(field(alice, "dev", "holds"), expected);
    let text = alice.deploy(&["status", "dev"]).ok().text();
    assert!(text.contains("because alice rolled it back"), "{text}");

    let mut held = vec![bad];
    for number in 0..5 {
        held.insert(0, project.push("api/x", &format!("failing {number}\n")));
        alice.deploy(&["record", "dev", "--failed"]).ok();
    }
    project.push("api/x", "good\n");
    alice.deploy(&["record", "dev"]).ok();
    let shown = || -> Vec<String> {
        let holds = field(alice, "dev", "holds");
        let holds = holds.as_array().into_iter().flatten();
        holds
            .map(|it| it["commit"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(shown(), held);
    assert_eq!(field(alice, "dev", "holds")[0]["superseded"], true);
    let text = alice.deploy(&["status", "dev"]).ok().text();
    assert_eq!(
        text.matches("git deploy unlock dev --commit").count(),
        3,
        "{text}"
    );
    assert!(text.contains("3 older commits are also on hold"), "{text}");
    let all = alice.deploy(&["status", "dev", "--all"]).ok().text();
    for commit in &held {
        let command = format!("git deploy unlock dev --commit {}", &commit[..7]);
        assert!(all.contains(&command), "{all}");
        assert!(!all.contains("can lift"), "{all}");
    }
    project.ci.deploy(&["sync"]).ok();
    let text = project.ci.deploy(&["status", "dev"]).ok().text();
    assert!(text.contains("because it failed (alice"), "{text}");
    for _ in 0..held.len() {
        let commit = held.remove(0);
        alice.deploy(&["unlock", "dev", "--commit", &commit]).ok();
        assert_eq!(shown(), held);
    }

    let failing = project.push("api/x", "failing\n");
    alice.deploy(&["record", "dev", "--failed"]).ok();
    alice.deploy(&["unlock", "dev", "--commit", &failing]).ok();
    assert!(field(alice, "dev", "holds").is_null());
    assert_eq!(
        field(alice, "dev", "failures")[0]["commit"],
        failing.as_str()
    );
    let text = alice.deploy(&["status", "dev"]).ok().text();
    assert!(text.contains("failed in dev"), "{text}");
}

/// A component that the policy declares is shown in each environment where it was never deployed.
#[test]
fn components_that_were_never_deployed_are_shown() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    assert_eq!(
        field(alice, "dev", "notDeployed"),
        serde_json::json!(["api", "web"])
    );
    alice.deploy(&["record", "dev", "--component", "api"]).ok();
    assert_eq!(
        field(alice, "dev", "notDeployed"),
        serde_json::json!(["web"])
    );
    let text = alice.deploy(&["status", "dev"]).ok().text();
    let row = text.lines().find(|line| line.contains("web")).unwrap();
    assert!(row.contains("not deployed yet"), "{text}");
    let release = alice.deploy(&["status", "all", "dev"]).ok().text();
    assert!(release.contains("NOT_DEPLOYED"), "{release}");
    project.push("web/x", "one\n");
    alice.deploy(&["record", "dev"]).ok();
    assert!(field(alice, "dev", "notDeployed").is_null());
}

/// An approval of a component that the policy no longer declares waits for nothing. The log keeps it.
#[test]
fn approvals_of_undeclared_components_do_not_wait() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob) = (&project.alice.repo, &project.bob.repo);
    bob.deploy(&["approve", "prod"]).ok();
    alice.deploy(&["sync"]).ok();
    let components = || field(alice, "prod", "approvals")[0]["components"].clone();
    assert_eq!(components(), serde_json::json!(["api"]));
    project.publish(&POLICY.replace("components.api]", "components.server]"));
    assert!(components().is_null());
    let log = alice.deploy(&["log", "prod", "--all"]).ok().text();
    assert!(log.contains("api"), "{log}");
}

/// Approvals, unfinished runs, break-glass and unpushed commits are shown while they last.
#[test]
fn what_waits_is_shown() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob) = (&project.alice.repo, &project.bob.repo);
    bob.deploy(&["approve", "prod"]).ok();
    alice.deploy(&["sync"]).ok();
    assert_eq!(field(alice, "prod", "approvals")[0]["by"], "bob");
    let text = alice.deploy(&["status", "prod"]).ok().text();
    assert!(
        text.contains("approved for prod but not used yet: api"),
        "{text}"
    );
    alice.deploy(&["record", "prod"]).ok();
    assert!(field(alice, "prod", "approvals").is_null());

    project.commit("api/x", "local\n");
    alice.deploy(&["record", "dev", "--start"]).ok();
    assert_eq!(field(alice, "dev", "unfinishedRuns")[0]["by"], "alice");
    alice.deploy(&["record", "dev", "--finish"]).ok();
    assert!(field(alice, "dev", "unfinishedRuns").is_null());
    assert_eq!(
        field(alice, "dev", "components")[0]["placement"],
        "unpushed"
    );
    // As git clone leaves it.
    alice.git(&["remote", "set-head", "origin", "main"]).ok();
    project.alice.push(&["HEAD:refs/heads/side"]).ok();
    alice.git(&["fetch", "-q"]).ok();
    assert!(field(alice, "dev", "components")[0]["placement"].is_null());

    project.push("web/x", "urgent\n");
    alice
        .deploy(&["record", "prod", "--break-glass", "it burns"])
        .ok();
    assert_eq!(field(alice, "prod", "breakGlass")[0]["reason"], "it burns");
}

/// `status all ENV` says when, by whom and how far an environment was released, with one line per
/// component.
#[test]
fn a_release_has_a_status() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    project.push("web/x", "one\n");
    alice.deploy(&["record", "dev"]).ok();
    let release = || {
        alice
            .deploy(&["status", "all", "dev", "--dates=iso"])
            .ok()
            .text()
    };
    let text = release();
    let at = world.now().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            &format!("Last released: {at}")[..],
            "Released by:   alice",
            "Status:        COMPLETE"
        ]
    );
    assert_eq!(text.matches(" COMPLETE").count(), 3, "{text}");
    let second = project.push("api/x", "two\n");
    alice.deploy(&["record", "dev", "--start"]).ok();
    let text = release();
    assert!(text.contains("Status:        IN_PROGRESS"), "{text}");
    assert!(
        text.contains(&format!("api        {}  IN_PROGRESS", &second[..7])),
        "{text}"
    );
    assert_eq!(field(alice, "dev", "releaseStatus"), "inProgress");
}

/// The age of the last fetch is mentioned only from a minute on.
#[test]
fn recent_fetches_are_not_mentioned() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    alice.deploy(&["record", "dev"]).ok();
    for (pause, is_mentioned) in [("59s", false), ("1s", true)] {
        world.advance(pause);
        for command in ["status", "log", "show", "diff dev", "contains dev"] {
            let words: Vec<&str> = command.split(' ').collect();
            let text = alice.deploy(&words).text();
            assert_eq!(text.contains("git deploy sync"), is_mentioned, "{text}");
        }
    }
}

/// `status --watch` shows what others deploy, without another command.
#[test]
fn watching_follows_other_clones() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let first = project.alice.repo.rev("HEAD");
    project.alice.repo.deploy(&["record", "dev"]).ok();
    let output = world.path().join("watched");
    let mut watch = project.bob.repo.command("git-deploy");
    watch
        .args(["status", "dev", "--watch"])
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&output).unwrap());
    let mut watch = watch.spawn().unwrap();
    let shows = |commit: &str| {
        let text = std::fs::read_to_string(&output).unwrap();
        text.contains(&commit[..7])
    };
    wait_until("the first deployment is not shown", || shows(&first));
    let second = project.push("api/x", "two\n");
    project.alice.repo.deploy(&["record", "dev"]).ok();
    wait_until("the second deployment is not shown", || shows(&second));
    watch.kill().unwrap();
    watch.wait().unwrap();
}

/// Where a component has no good release, the reason is shown.
#[test]
fn missing_releases_have_a_reason() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    let first = alice.rev("HEAD");
    alice.deploy(&["record", "dev"]).ok();
    alice.deploy(&["yank", &first, "-m", "It leaks"]).ok();
    let good = alice.deploy(&["good", "dev"]).fails(1).text();
    assert!(
        good.contains(&format!("{} is yanked: \"It leaks\"", &first[..7])),
        "{good}"
    );
    project.push("api/x", "two\n");
    alice.deploy(&["record", "dev"]).ok();
    let list = alice.deploy(&["rollback", "dev", "--list"]).ok().text();
    assert!(
        list.contains(&format!("{} is yanked", &first[..7])),
        "{list}"
    );
    let json = alice
        .deploy(&["rollback", "dev", "--list", "--json"])
        .ok()
        .json();
    assert!(json["components"][0]["reason"].is_string(), "{json}");
}
