//! Clones that lack history, as a CI makes them: what is possible works, and the rest says what to
//! fetch.

use super::{ENVIRONMENTS, begun, publish, round};
use crate::harness::{Repo, World, with_random_keys};
use crate::write_commands::joined;

/// An environment whose rules ask how a commit lies to a branch and to what runs.
const BOUND: &str = "[environments]\ndev = {}\nprod = { branch = \"main\", deploy_on = \"approval\", up_to_date = true }\n";

/// Makes a clone of one commit.
fn shallow<'w>(world: &'w World, server: &Repo<'w>, folder: &str) -> Repo<'w> {
    let repo = world.existing(folder, "alice");
    std::fs::create_dir(repo.path()).unwrap();
    repo.git(&["clone", "-q", "--depth=1", &server.url(), "."])
        .ok();
    repo
}

/// CI jobs in new clones of one commit work if no rule needs history.
#[test]
fn jobs_need_no_history() {
    for world in [World::new(), World::sha256()] {
        let (server, alice) = begun(&world, ENVIRONMENTS);
        round(&server, &shallow(&world, &server, "job1"));
        let job = shallow(&world, &server, "job2");
        round(&server, &job);
        assert!(
            job.path().join(".git/shallow").exists(),
            "nothing more than the ledgers was fetched"
        );
        // A commit that comes later, and one of before, by its id.
        let early = alice.rev("HEAD~3");
        alice.commit("api/main.rs", "later\n", "Later");
        alice.git(&["push", "-q", "origin", "HEAD"]).ok();
        let job = shallow(&world, &server, "job3");
        job.deploy(&["record", "dev"]).ok();
        let absent = job.deploy(&["record", "dev", &early]);
        if !absent.succeeded() {
            let next = absent
                .fails(2)
                .err()
                .lines()
                .find_map(|line| line.strip_prefix("  hint: git ").map(str::to_owned));
            server
                .git(&["config", "uploadpack.allowAnySHA1InWant", "true"])
                .ok();
            job.git(&next.unwrap().split(' ').collect::<Vec<_>>()).ok();
            job.deploy(&["record", "dev", &early]).ok();
        }
        alice.deploy(&["sync"]).ok();
        alice.deploy(&["audit"]).ok();
        server.git(&["fsck", "--strict", "--no-dangling"]).ok();
    }
}

/// If a rule needs history, the clone is reported as too short, and the suggested command fixes it.
#[test]
fn missing_history_is_reported() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    publish(&alice, BOUND);
    let release = |text: &str| {
        alice.commit("api/main.rs", text, text);
        alice
            .git(&["push", "-q", "origin", "HEAD:refs/heads/next"])
            .ok();
        alice.deploy(&["record", "prod"]).ok();
        alice
            .git(&["push", "-q", "origin", "HEAD:refs/heads/main"])
            .ok();
    };
    release("one");
    alice.commit("api/main.rs", "two", "two");
    alice
        .git(&["push", "-q", "origin", "HEAD:refs/heads/next"])
        .ok();
    // Every entry of before can be told of, the new one cannot.
    let job = shallow(&world, &server, "job");
    job.git(&["fetch", "-q", "--depth=1", "origin", "next"])
        .ok();
    job.git(&["checkout", "-q", "--detach", "FETCH_HEAD"]).ok();
    let new = job.deploy(&["record", "prod"]).fails(3);
    release("three");
    let job2 = shallow(&world, &server, "job2");
    let before = job2.git(&["for-each-ref", "refs/deploy"]).ok().text();
    let old = job2.deploy(&["record", "dev"]).fails(3);
    assert_eq!(
        job2.git(&["for-each-ref", "refs/deploy"]).ok().text(),
        before
    );
    let looked = job2.deploy(&["status"]).fails(3);
    let gone = job2.deploy(&["check", "dev", "HEAD~1"]).fails(3);
    with_random_keys().bind(|| insta::assert_snapshot!(format!("{new}\n{old}\n{looked}\n{gone}")));

    for repo in [&job, &job2] {
        repo.git(&["fetch", "-q", "--unshallow"]).ok();
    }
    // With the history the answers are plain: what was overtaken meanwhile, and what was not.
    assert!(
        job.deploy(&["record", "prod"])
            .fails(1)
            .err()
            .contains("does not contain")
    );
    job2.deploy(&["record", "prod", "--all"]).ok();
    job2.deploy(&["audit"]).ok();
}

/// A fetch of one commit also cuts ledgers off if they are configured: it is reported, and undone
/// by the suggested command.
#[test]
fn shallow_ledgers_are_reported() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    round(&server, &alice);
    alice.git(&["fetch", "-q", "--depth=1"]).ok();
    alice
        .git(&["reflog", "expire", "--expire=now", "--all"])
        .ok();
    alice.git(&["gc", "-q", "--prune=now"]).ok();
    for command in [&["record", "dev"][..], &["status"], &["log"], &["audit"]] {
        let run = alice.deploy(command).fails(3);
        assert!(format!("{run}").contains("git fetch --unshallow"), "{run}");
    }
    let job = shallow(&world, &server, "job");
    job.git(&[
        "fetch",
        "-q",
        "--depth=1",
        "origin",
        "+refs/deploy/*:refs/deploy-incoming/*",
    ])
    .ok();
    let run = job.deploy(&["record", "dev"]).fails(3);
    assert!(run.err().contains("hint: git fetch --unshallow"), "{run}");
    for repo in [&alice, &job] {
        repo.git(&["fetch", "-q", "--unshallow"]).ok();
        round(&server, repo);
    }
}

/// An approved or attested commit that was never deployed may vanish with its branch, and the
/// ledgers stay valid.
#[test]
fn commits_may_vanish() {
    let world = World::new();
    let (server, alice) = begun(&world, ENVIRONMENTS);
    alice.git(&["checkout", "-q", "-b", "topic"]).ok();
    alice.commit("api/main.rs", "topic\n", "A topic");
    alice.git(&["push", "-q", "origin", "topic"]).ok();
    alice.deploy(&["approve", "prod"]).ok();
    alice
        .deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    alice
        .deploy(&[
            "register",
            "ghcr.io/acme/shop@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ])
        .ok();
    alice.git(&["checkout", "-q", "main"]).ok();
    alice.git(&["push", "-q", "origin", ":topic"]).ok();
    server.git(&["gc", "-q", "--prune=now"]).ok();

    let (bob, key) = joined(&world, &server, "bob");
    bob.deploy(&["sync"]).ok();
    bob.deploy(&["audit"]).ok();
    round(&server, &world.clone(&server, "alice2"));
    round(&server, &shallow(&world, &server, "job"));

    // Nobody gets a word in on a commit that the server does not have, whatever a client makes of it.
    let people = format!("bob = \"{key}\"\n\n{ENVIRONMENTS}");
    publish(&alice, &people);
    bob.commit("api/main.rs", "not pushed\n", "Kept back");
    let unpushed = bob.deploy(&["approve", "prod"]).fails(3);
    assert!(
        unpushed.words_of_err().contains("push or fetch the commit"),
        "{unpushed}"
    );
}
