//! The ways to reach a server: the same day over each, with the hooks in the environment that the
//! server gives them.

mod gitolite;
mod http;
mod ssh;

use crate::harness::member::a_lock;
use crate::harness::project::said;
use crate::harness::{Project, Repo, Run, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";

/// Returns a project on this server, in which all have set up, cloned and synced over it.
fn project<'w>(
    world: &'w World,
    server: Repo<'w>,
    clone: impl Fn(&'static str) -> Repo<'w>,
) -> Project<'w> {
    Project::on(world, server, POLICY, |_, person| clone(person))
}

/// Plays a day: a deployment is accepted and noted, a forbidden one is refused with its reasons, a
/// branch, a tag and a ledger are pushed together, a second clone sees all of it, and an audit
/// finds nothing.
fn day(project: &Project<'_>) {
    let Project {
        server,
        bob,
        carol,
        ci,
        ..
    } = project;
    ci.deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    assert_eq!(
        server.rev("refs/deploy/dev"),
        ci.repo.rev("refs/deploy/dev")
    );
    let noted = server
        .git(&["notes", "--ref=deploy", "show", &ci.repo.rev("HEAD")])
        .ok();
    assert!(noted.text().contains("dev@"), "{noted}");

    project.push("api/x", "two\n");
    bob.deploy(&["sync"]).ok();
    let said_to_bob = project.refused(&["previous environment"], || {
        bob.deploy(&["record", "prod", "--no-verify"])
    });
    assert!(
        said_to_bob.contains("→ git deploy record dev"),
        "{said_to_bob}"
    );
    // What the client would never write, and plain git carries: refused before it leaves quarantine.
    let forged = bob.build("dev", a_lock(), None, |statement| statement.sequence += 1);
    let mixed = [
        "push",
        "-q",
        "origin",
        "HEAD:refs/heads/ride",
        &format!("{forged}:refs/deploy/dev"),
    ];
    project.refused(&["chain"], || bob.repo.git(&mixed));
    server
        .git(&["cat-file", "-e", &forged.to_string()])
        .fails(1);

    let lock = bob.append("dev", a_lock(), None, |_| ());
    let together = [
        "HEAD:refs/heads/topic",
        "HEAD:refs/tags/v1",
        "refs/deploy/dev",
    ];
    bob.push(&together).ok();
    assert_eq!(server.rev("refs/deploy/dev"), lock.to_string());
    assert_eq!(server.rev("refs/heads/topic"), server.rev("refs/tags/v1"));

    let news = carol.deploy(&["sync"]).ok();
    assert!(news.text().contains("dev"), "{news}");
    assert_eq!(carol.repo.rev("refs/deploy/dev"), lock.to_string());
    assert_eq!(
        carol.repo.rev("refs/notes/deploy"),
        server.rev("refs/notes/deploy")
    );
    project.audited();
}

/// Returns the version of git's protocol that a fetch of this clone uses.
fn protocol(repo: &Repo<'_>) -> u8 {
    let mut command = repo.command("git");
    let run = Run::of(
        repo.world(),
        command
            .env("GIT_TRACE_PACKET", "1")
            .args(["ls-remote", "-q", "origin"]),
    )
    .ok();
    if run.err().contains("< version 2") {
        2
    } else {
        0
    }
}

/// Runs our program in this clone without a terminal, as a CI has it; a question fails.
fn alone<'w>(repo: &Repo<'w>, arguments: &[&str]) -> Run<'w> {
    let mut command = repo.command("timeout");
    command
        .args(["300", "setsid", "--wait", "git-deploy"])
        .args(arguments)
        .env_remove("GIT_TERMINAL_PROMPT");
    Run::of(repo.world(), &mut command)
}

/// Checks that a client without access is told that nothing was fetched or written, why, and which
/// command shows the reason, and that it does not wait.
fn not_let_in(repo: &Repo<'_>, why: &str) {
    let before = repo.git(&["for-each-ref"]).ok().text();
    for command in [
        &["sync"][..],
        &["record", "dev", "--no-verify"],
        &["lock", "dev", "-m", "stop"],
    ] {
        let run = alone(repo, command).fails(3);
        assert!(
            run.err()
                .starts_with("error: cannot fetch from origin: nothing was changed\n  because: "),
            "{run}"
        );
        assert!(run.err().contains(why), "{run}");
        assert!(run.err().ends_with("  hint: git ls-remote origin"), "{run}");
    }
    assert_eq!(repo.git(&["for-each-ref"]).ok().text(), before);
    // What is here can be read without them.
    alone(repo, &["status"]).ok();
}

/// The shortest way: a path. An existing `update` hook, which controls who writes which ref, is
/// asked about ledgers too, although git itself does not ask it about refs that proc-receive gets.
#[test]
fn over_a_path() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let url = server.url();
    let project = project(&world, server, |person| world.clone_from(&url, person, &[]));
    day(&project);

    let (bob, server) = (&project.bob, &project.server);
    let house = "#!/bin/sh\necho \"asked about $1 $(echo \"$2\" | tr -d 0) $3\"\ntest \"$1\" != refs/deploy/prod\n";
    server.hook("update", house);
    let installed = std::fs::read_to_string(server.path().join("hooks/proc-receive")).unwrap();
    // As it is installed, and as a shell calls it.
    for shim in [&*installed, include_str!("../../hooks/proc-receive")] {
        server.hook("proc-receive", shim);
        let lock = bob.build("prod", a_lock(), None, |_| ());
        let refused = bob.push(&[&format!("{lock}:refs/deploy/prod")]).fails(1);
        let words = said(&refused);
        assert!(
            words.starts_with(&format!("asked about refs/deploy/prod  {lock}\n")),
            "{refused}"
        );
        assert!(
            words.contains("✗ chain") && words.contains("hooks/update refuses it"),
            "{refused}"
        );
        server
            .git(&["rev-parse", "--verify", "-q", "refs/deploy/prod"])
            .fails(1);
    }
    bob.deploy(&["unlock", "dev"]).ok();
    // One that cannot be run is no yes.
    server.hook("update", "#!/nowhere\n");
    let before = project.refs();
    let run = bob.deploy(&["lock", "dev", "-m", "stop"]);
    assert!(
        !run.succeeded()
            && run
                .words_of_err()
                .contains("cannot run the hook hooks/update"),
        "{run}"
    );
    assert_eq!(project.refs(), before);
}
