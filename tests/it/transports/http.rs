//! Git over HTTP: `git http-backend` behind a real web server that asks for a name and a password.

use super::{day, not_let_in, project, protocol};
use crate::harness::http_server::{WEB, Web};
use crate::harness::member::a_lock;
use crate::harness::{Repo, Run, World, has_tool};

/// Returns this many bytes that do not compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_le_bytes()[0]
    });
    next.take(bytes).collect()
}

/// Pushes these; whether it was sent in pieces of unknown number, as what is larger than the buffer always is.
fn chunked(repo: &Repo<'_>, refspecs: &[&str]) -> bool {
    let mut command = repo.command("git");
    command
        .env("GIT_CURL_VERBOSE", "1")
        .args(["push", "-q", "origin"])
        .args(refspecs);
    let run = Run::of(repo.world(), &mut command).ok();
    run.err()
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
}

/// A day over HTTP, in both versions of the protocol, with a push larger than the buffer; a wrong
/// or missing password ends in "cannot tell", without a question.
#[test]
fn over_http() {
    if !WEB.iter().all(|tool| has_tool(tool)) {
        return;
    }
    let world = World::new();
    let server = world.bare_server("server.git");
    let web = Web::start(&world, &["alice", "bob", "carol", "ci"]);
    let url = web.url("server.git");
    let project = project(&world, server, |person| {
        world.clone_from(
            &url,
            person,
            &[&format!("credential.helper={}", Web::helper(person, true))],
        )
    });
    let (carol, ci) = (&project.carol.repo, &project.ci.repo);
    assert_eq!(protocol(carol), 2);
    ci.git(&["config", "protocol.version", "0"]).ok();
    assert_eq!(protocol(ci), 0);
    day(&project);

    let lock = project.bob.build("prod", a_lock(), None, |_| ());
    let bob = &project.bob.repo;
    bob.git(&["config", "http.postBuffer", "65536"]).ok();
    std::fs::write(bob.path().join("noise"), noise(3 << 20)).unwrap();
    bob.git(&["add", "noise"]).ok();
    bob.git(&["commit", "-q", "-m", "Add noise"]).ok();
    assert!(chunked(
        bob,
        &["HEAD:refs/heads/large", &format!("{lock}:refs/deploy/prod")]
    ));
    assert_eq!(project.server.rev("refs/deploy/prod"), lock.to_string());
    assert_eq!(project.server.rev("refs/heads/large"), bob.rev("HEAD"));

    carol
        .git(&["config", "credential.helper", &Web::helper("carol", false)])
        .ok();
    not_let_in(carol, "Authentication failed");
    carol.git(&["config", "--unset", "credential.helper"]).ok();
    not_let_in(carol, "could not read Username");
}
