//! reference-transaction: git itself cannot move a ledger in the server's repository past the other
//! hooks; everything else works.

use super::{entries, installed};
use crate::harness::{Project, World};

/// Returns a project whose server has the hook, with two entries in dev.
fn guarded(world: &World) -> Project<'_> {
    let project = Project::new(world, "[environments]\ndev = {}\n");
    project
        .server
        .deploy(&["server", "init", ".", "--reference-transaction"])
        .ok();
    assert_eq!(
        installed(&project.server),
        ["pre-receive", "proc-receive", "reference-transaction"]
    );
    project.ci.deploy(&["record", "dev"]).ok();
    project.bob.deploy(&["lock", "dev", "-m", "incident"]).ok();
    project
}

/// Git cannot move, delete or alias a ledger or the notes, as files or packed.
#[test]
fn git_cannot_move_ledgers() {
    for world in [World::new(), World::sha256()] {
        let project = guarded(&world);
        let server = &project.server;
        let (dev, before, notes) = (
            "refs/deploy/dev",
            server.rev("refs/deploy/dev~1"),
            "refs/notes/deploy",
        );
        project.ci.deploy(&["sync"]).ok();
        // A good entry, too: nobody has judged it.
        project.bob.deploy(&["sync"]).ok();
        let next = project
            .bob
            .build("dev", crate::harness::member::a_lock(), None, |_| ())
            .to_string();
        project.bob.push(&[&format!("{next}:refs/left/dev")]).ok();
        let tip = server.rev(dev);
        for packed in [false, true] {
            if packed {
                server.git(&["pack-refs", "--all"]).ok();
            }
            let refs = project.refs();
            for attempt in [
                &["update-ref", dev, &next][..],
                &["update-ref", dev, &before],
                &["update-ref", dev, &before, &tip],
                &["update-ref", "-d", dev],
                &["update-ref", "-d", dev, &tip],
                &["update-ref", "refs/deploy/new", &tip],
                &["update-ref", "refs/Deploy/dev", &tip],
                &["update-ref", notes, &tip],
                &["update-ref", "-d", notes],
                &["symbolic-ref", "refs/deploy/alias", "refs/heads/main"],
                &["symbolic-ref", dev, "refs/heads/main"],
                &["notes", "--ref=deploy", "add", "-f", "-m", "x", "HEAD"],
                &[
                    "fetch",
                    "-q",
                    &project.bob.repo.url(),
                    &format!("+{tip}~1:{dev}"),
                ],
                &[
                    "fetch",
                    "-q",
                    &project.bob.repo.url(),
                    "+refs/heads/main:refs/deploy/dev",
                ],
            ] {
                let run = server.git(attempt);
                assert!(!run.succeeded(), "packed: {packed}, {run}");
                assert_eq!(project.refs(), refs, "packed: {packed}, {run}");
            }
            let run = server.git(&["update-ref", dev, &before]);
            assert!(
                run.err()
                    .contains("git-deploy: refused  refs/deploy/dev\n  ✗ chain"),
                "{run}"
            );
        }
        // Git lets nobody stop it here, and moves nothing that this hook is for.
        server
            .git(&["update-ref", "refs/heads/other", "refs/heads/main"])
            .ok();
        project.audited();
    }
}

/// Our pushes, other pushes, git's housekeeping and fetching into a clone with the hook work.
#[test]
fn everything_else_works() {
    let world = World::new();
    let project = guarded(&world);
    let (server, ci) = (&project.server, &project.ci);
    for round in 0..2 {
        for housekeeping in [
            &["pack-refs", "--all"][..],
            &["pack-refs", "--all", "--prune"],
            &["pack-refs", "--all", "--no-prune"],
            &["gc", "-q"],
            &["gc", "-q", "--prune=now"],
            &["reflog", "expire", "--all", "--expire=now"],
            &["repack", "-q", "-a", "-d"],
        ] {
            let before = project.refs();
            server.git(housekeeping).ok();
            assert_eq!(project.refs(), before, "{housekeeping:?}");
            let verb = if entries(&project, "dev").len().is_multiple_of(2) {
                "unlock"
            } else {
                "lock"
            };
            let lock = ["lock", "dev", "-m", "incident"];
            project
                .bob
                .deploy(if verb == "lock" {
                    &lock
                } else {
                    &["unlock", "dev"]
                })
                .ok();
        }
        project.push("api/x", &format!("{round}\n"));
        ci.push(&["HEAD:refs/tags/free", "HEAD:refs/heads/topic", "--force"])
            .ok();
        ci.push(&[":refs/heads/topic"]).ok();
    }
    let many = project.refused(&["chain"], || ci.push(&["HEAD:refs/deploy/unknown"]));
    assert!(many.contains("no environment"), "{many}");

    // A clone, whose git fetches ledgers to another place, and whose ledgers only we move.
    let place = project
        .carol
        .repo
        .path()
        .join(".git/hooks/reference-transaction");
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::copy(server.path().join("hooks/reference-transaction"), &place).unwrap();
    project
        .carol
        .repo
        .git(&[
            "config",
            "--add",
            "remote.origin.fetch",
            "+refs/deploy/*:refs/deploy-incoming/*",
        ])
        .ok();
    project.carol.repo.git(&["fetch", "-q"]).ok();
    project.carol.repo.git(&["fetch", "-q", "--prune"]).ok();
    project.carol.deploy(&["sync"]).ok();
    project
        .carol
        .deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    project.carol.repo.git(&["gc", "-q"]).ok();
    project
        .carol
        .repo
        .git(&["update-ref", "-d", "refs/deploy/dev"])
        .fails(128);
    // And a mirror takes all there is: it has no hooks.
    let mirror = world.path().join("mirror.git");
    server
        .git(&[
            "clone",
            "-q",
            "--mirror",
            &server.url(),
            &mirror.to_string_lossy(),
        ])
        .ok();
    project.audited();
}

/// An existing hook is still called for every state, with git's arguments.
#[test]
fn existing_hooks_are_kept() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let script =
        "#!/bin/sh\nread old new ref\necho \"$1 $ref\" >> seen\ntest \"$ref\" != refs/heads/bad\n";
    project.server.hook("reference-transaction", script);
    project
        .server
        .deploy(&["server", "init", ".", "--reference-transaction"])
        .ok();
    project.ci.push(&["HEAD:refs/heads/good"]).ok();
    let bad = project.ci.push(&["HEAD:refs/heads/bad"]);
    assert!(
        !bad.succeeded() && bad.err().contains("reference-transaction.local refuses"),
        "{bad}"
    );
    project
        .server
        .git(&["rev-parse", "--verify", "-q", "refs/heads/bad"])
        .fails(1);
    let seen = std::fs::read_to_string(project.server.path().join("seen")).unwrap();
    assert!(
        seen.contains("prepared refs/heads/good\n") && seen.contains("committed refs/heads/good\n"),
        "{seen}"
    );
}
