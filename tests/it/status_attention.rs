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

/// What failed or was rolled back, also by hand, is on hold until a later version is deployed.
#[test]
fn holds_are_shown_until_they_are_superseded() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    let first = alice.rev("HEAD");
    alice.deploy(&["record", "dev"]).ok();
    let bad = project.push("api/x", "bad\n");
    alice.deploy(&["record", "dev"]).ok();
    assert!(field(alice, "dev", "holds").is_null());
    alice.deploy(&["record", "dev", &first, "--rollback"]).ok();
    let hold = serde_json::json!([{
        "component": "api", "commit": bad, "outcome": "rolledBack", "rolledBackBy": "alice",
    }]);
    assert_eq!(field(alice, "dev", "holds"), hold);
    let text = alice.deploy(&["status", "dev"]).ok().text();
    assert!(text.contains("because alice rolled it back"), "{text}");
    project.push("api/x", "good\n");
    alice.deploy(&["record", "dev"]).ok();
    assert!(field(alice, "dev", "holds").is_null());

    let failing = project.push("api/x", "failing\n");
    alice.deploy(&["record", "dev", "--failed"]).ok();
    assert_eq!(field(alice, "dev", "holds")[0]["commit"], failing.as_str());
    alice.deploy(&["unlock", "dev", "--commit", &failing]).ok();
    assert!(field(alice, "dev", "holds").is_null());
    assert_eq!(
        field(alice, "dev", "failures")[0]["commit"],
        failing.as_str()
    );
    let text = alice.deploy(&["status", "dev"]).ok().text();
    assert!(text.contains("failed in dev"), "{text}");
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
