//! `git deploy reconcile`: what follows from the ledgers outside them is made once, also if the
//! process that should have made it was lost.

use crate::harness::{Project, World};

const ADVANCE: &str = "[environments]\ndev = {}\nprod = { advance = { branch = \"release\" } }\n";

/// A hook of a server that refuses a ref, as a forge with protected refs does.
fn refuse(project: &Project<'_>, name: &str) {
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in {name}) echo 'this ref is protected' >&2; exit 1;; esac\n"
    );
    project.server.hook("update", &script);
}

fn allow(project: &Project<'_>) {
    std::fs::remove_file(project.server.path().join("hooks/update")).unwrap();
}

/// The branch of `advance` follows each success of `record`, and a success whose branch was not
/// moved is made up for by the next reconciliation, by anyone and in any clone.
#[test]
fn a_lost_advance_is_made_up_for() {
    let world = World::new();
    let project = Project::new(&world, ADVANCE);
    let (bob, ci, server) = (&project.bob, &project.ci, &project.server);
    let release = || server.rev("refs/heads/release");
    let one = ci.repo.rev("HEAD");
    let recorded = ci.deploy(&["record", "prod"]).ok();
    assert!(
        recorded
            .text()
            .contains(&format!("The branch release is now at {}.", &one[..7])),
        "{recorded}"
    );
    assert_eq!(release(), one);

    let two = project.push("api/x", "two\n");
    refuse(&project, "refs/heads/release");
    let recorded = ci.deploy(&["record", "prod"]).ok();
    let words = recorded.words_of_err();
    assert!(
        words.contains(&format!(
            "The branch release was not moved to {}:",
            &two[..7]
        )) && words.contains("this ref is protected"),
        "{recorded}"
    );
    let refused = bob.deploy(&["reconcile"]).fails(1);
    assert!(
        refused.words_of_err().contains("this ref is protected"),
        "{refused}"
    );
    allow(&project);
    assert_eq!(release(), one);
    let preview = bob.deploy(&["reconcile", "prod", "--dry-run"]).ok();
    assert_eq!(
        preview.text(),
        format!("The branch release would be moved to {}.", &two[..7])
    );
    assert_eq!(release(), one);
    let document = bob.deploy(&["reconcile", "--json"]).ok().json();
    let moved = &document["projections"][0];
    assert_eq!(
        [
            &moved["environment"],
            &moved["name"],
            &moved["commit"],
            &moved["outcome"]
        ],
        ["prod", "release", &two, "done"]
    );
    assert_eq!(release(), two);
    for member in [bob, ci, &project.carol] {
        let run = member.deploy(&["reconcile"]).ok();
        assert_eq!(
            run.text(),
            "Everything is in line with the ledgers.",
            "{run}"
        );
    }
    bob.deploy(&["reconcile", "nowhere"]).fails(2);
    project.audited();
}

/// Nothing follows from an entry that the policy in force, or the policy of its time, does not ask
/// for, from a rollback, or from a failure. A branch never moves back.
#[test]
fn only_what_follows_is_projected() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\nprod = {}\n");
    let (ci, server) = (&project.ci, &project.server);
    let one = ci.repo.rev("HEAD");
    ci.deploy(&["record", "prod"]).ok();
    // The entry is older than the key.
    project.publish(ADVANCE);
    let before = project.refs();
    let is_unchanged = |before: &str| {
        for member in [&project.bob, ci] {
            let run = member.deploy(&["reconcile"]).ok();
            assert_eq!(
                run.text(),
                "Everything is in line with the ledgers.",
                "{run}"
            );
        }
        assert_eq!(project.refs(), before);
    };
    is_unchanged(&before);
    // A run that is open, one that failed, and one whose verification failed.
    project.push("api/x", "two\n");
    ci.deploy(&["record", "prod", "--start"]).ok();
    is_unchanged(&project.refs());
    ci.deploy(&["record", "prod", "--finish", "--failed"]).ok();
    project.push("api/x", "two and a half\n");
    ci.deploy(&["record", "prod", "--verification", "failed"])
        .ok();
    is_unchanged(&project.refs());
    // A success moves it, and a rollback does not move it back.
    let three = project.push("api/x", "three\n");
    ci.deploy(&["record", "prod"]).ok();
    assert_eq!(server.rev("refs/heads/release"), three);
    ci.deploy(&["record", "prod", &one, "--rollback"]).ok();
    is_unchanged(&project.refs());
    assert_eq!(server.rev("refs/heads/release"), three);
    // Someone moved it on: it contains the commit.
    let four = project.push("api/x", "four\n");
    project.alice.push(&["HEAD:refs/heads/release"]).ok();
    is_unchanged(&project.refs());
    // It has commits of its own: nothing is forced.
    project
        .alice
        .repo
        .git(&["checkout", "-q", "-b", "side", "HEAD~1"])
        .ok();
    let side = project
        .alice
        .repo
        .commit("api/y", "five\n", "Go another way");
    project.alice.push(&["+HEAD:refs/heads/release"]).ok();
    let recorded = ci.deploy(&["record", "prod", &four]).ok();
    assert!(
        recorded.words_of_err().contains("does not contain"),
        "{recorded}"
    );
    ci.deploy(&["reconcile"]).fails(1);
    assert_eq!(server.rev("refs/heads/release"), side);
    project.audited();
}

/// A ledger that does not verify is left alone: it is unknown what follows from it.
#[test]
fn doubtful_ledgers_are_left_alone() {
    let world = World::new();
    let project = Project::new(&world, ADVANCE);
    let (bob, ci, server) = (&project.bob, &project.ci, &project.server);
    refuse(&project, "refs/heads/release");
    ci.deploy(&["record", "prod"]).ok();
    allow(&project);
    bob.deploy(&["sync"]).ok();
    let tip = server.rev("refs/deploy/prod");
    server
        .git(&["update-ref", "refs/deploy/prod", "refs/deploy/prod~1"])
        .ok();
    let run = bob.deploy(&["reconcile"]).fails(3);
    assert!(
        run.words_of_err()
            .contains("Nothing was reconciled in prod"),
        "{run}"
    );
    server
        .git(&["rev-parse", "--verify", "-q", "refs/heads/release"])
        .fails(1);
    server.git(&["update-ref", "refs/deploy/prod", &tip]).ok();
    bob.deploy(&["reconcile"]).ok();
    assert_eq!(server.rev("refs/heads/release"), ci.repo.rev("HEAD"));
    // The remote is gone.
    bob.repo
        .git(&["remote", "set-url", "origin", "/nowhere"])
        .ok();
    bob.deploy(&["reconcile"]).fails(3);
}

/// Without a remote the branch of this repository moves.
#[test]
fn without_a_remote() {
    let world = World::new();
    let repo = world.local_project("a", "dev");
    let policy = std::fs::read_to_string(repo.path().join("deploy.toml")).unwrap();
    let advance = "dev = { advance = { branch = \"live\" } }";
    repo.write("deploy.toml", &policy.replace("dev = {}", advance));
    repo.deploy(&["policy", "publish", "--yes"]).ok();
    repo.deploy(&["record", "dev", "--all"]).ok();
    assert_eq!(repo.rev("live"), repo.rev("HEAD"));
    repo.git(&["branch", "-q", "-D", "live"]).ok();
    repo.deploy(&["reconcile"]).ok();
    assert_eq!(repo.rev("live"), repo.rev("HEAD"));
}
