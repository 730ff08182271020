//! Tests of the harness, on which all other tests rely.

use super::{World, has_tool, with_random_keys};

/// A setting of the machine would make tests pass on one machine and fail on another.
#[test]
fn nothing_of_the_machine_gets_in() {
    let world = World::new();
    let repo = world.repo("alice");
    let origins = repo
        .git(&["config", "--list", "--show-origin", "--name-only"])
        .ok();
    for line in origins.text().lines() {
        let home = format!("file:{}/home/.gitconfig\t", world.path().display());
        assert!(
            line.starts_with(&home) || line.starts_with("file:.git/config\t"),
            "{line}"
        );
    }
}

/// Snapshots may show ids only because these are the same in every run, and move with the clock.
#[test]
fn ids_come_from_the_steered_clock() {
    let commit = |span| {
        let world = World::new();
        world.advance(span);
        world
            .repo("alice")
            .commit("api/main.rs", "fn main() {}\n", "Begin")
    };
    assert_eq!(commit("0s"), commit("0s"));
    assert_ne!(commit("0s"), commit("1s"));
}

/// A server's hooks run in an environment that git makes from the pusher's: our binary and our
/// clock must reach them.
#[test]
fn hooks_reach_the_program_and_the_clock() {
    for world in [World::new(), World::sha256()] {
        let server = world.bare_server("server.git");
        server.hook(
            "pre-receive",
            "#!/bin/sh\ngit-deploy --version && git deploy --version && echo now $GIT_DEPLOY_TEST_NOW\n",
        );
        let alice = world.clone(&server, "alice");
        let id = alice.commit("file", "content\n", "Begin");
        world.advance("1h");
        let push = alice
            .git(&["push", "-q", "origin", "HEAD:refs/heads/main"])
            .ok();
        let version = concat!("remote: git-deploy ", env!("CARGO_PKG_VERSION"));
        let said: Vec<_> = push
            .err()
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        assert_eq!(said, [version, version, "remote: now 2026-03-05T11:00:00Z"]);
        assert_eq!(server.rev("refs/heads/main"), id);
    }
}

/// A world that claims SHA-256 and uses SHA-1 would test nothing.
#[test]
fn sha256_worlds_use_sha256() {
    let world = World::sha256();
    assert_eq!(
        world
            .repo("alice")
            .commit("file", "content\n", "Begin")
            .len(),
        64
    );
}

/// The judge of signatures must be able to reject.
#[test]
fn minisign_rejects_bad_signatures() {
    if !has_tool("minisign") {
        return;
    }
    let world = World::new();
    let (alice, bob) = (world.minisign("alice"), world.minisign("bob"));
    let file = world.path().join("file");
    let signature = world.path().join("file.minisig");
    std::fs::write(&file, "content").unwrap();
    alice.sign(&file, "a comment");
    assert!(alice.verifies(&file, &signature));
    assert!(!bob.verifies(&file, &signature));
    with_random_keys()
        .bind(|| insta::assert_snapshot!(format!("alice {}", alice.public_line()), @"alice <KEY>"));
}
