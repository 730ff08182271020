//! What a pusher without rights sends: old pushes again, forced pushes, ids of another format, and
//! objects that are far too large.

use crate::harness::attack::an_entry;
use crate::harness::{AttackRunner, Project, RawPush, World};

const POLICY: &str =
    "[environments]\ndev = {}\nprod = { branch = \"prod\", deploy_on = \"approval\" }\n";

/// A push that was recorded on the way is good for nothing when it is sent again, neither as it was
/// nor with the present ids.
#[test]
fn recorded_pushes_cannot_be_sent_again() {
    for world in [World::new(), World::sha256()] {
        let project = Project::new(&world, POLICY);
        let ci = &project.ci;
        let genesis = ci
            .repo
            .git(&["rev-parse", "-q", "--verify", "refs/deploy/dev"]);
        assert!(!genesis.succeeded());
        let mut seen = Vec::new();
        for _ in 0..3 {
            world.advance("1m");
            ci.deploy(&["record", "dev", "--all"]).ok();
            seen.push(project.server.rev("refs/deploy/dev"));
        }
        let zero = "0".repeat(seen[0].len());
        let attacks = AttackRunner::of(&project);
        let tip = seen[2].clone();
        for (attack, old, new) in [
            ("the first push again", &zero, &seen[0]),
            ("the second push again", &seen[0], &seen[1]),
            ("the last push again", &seen[1], &seen[2]),
        ] {
            attacks.fails_raw(
                attack,
                &RawPush::new(&ci.repo).update(old, new, "refs/deploy/dev"),
            );
        }
        for (attack, new) in [
            ("an old entry after the tip", &seen[0]),
            ("the entry before", &seen[1]),
        ] {
            attacks.refused_raw(
                attack,
                &["chain"],
                &RawPush::new(&ci.repo).update(&tip, new, "refs/deploy/dev"),
            );
        }
        attacks.finish();
    }
}

/// A bound branch moves to content that runs there, and not back, whatever force a pusher uses.
#[test]
fn forced_pushes_do_not_move_bound_branches() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, ci) = (&project.alice, &project.ci);
    let good = project.push("api/x", "two\n");
    ci.deploy(&["record", "prod", "--all"]).ok();
    alice.push(&[&format!("{good}:refs/heads/prod")]).ok();
    let other = project.commit("api/x", "three\n");
    let attacks = AttackRunner::of(&project);
    let forced = format!("+{other}:refs/heads/prod");
    let back = format!("+{good}~1:refs/heads/prod");
    for (attack, arguments) in [
        ("force", vec!["--force", forced.as_str()]),
        ("force with lease", vec!["--force-with-lease", &forced]),
        ("back to the commit before", vec![&back]),
        ("deleted", vec![":refs/heads/prod"]),
        (
            "in one push with a ref that may move",
            vec!["--atomic", "HEAD:refs/heads/free", &forced],
        ),
        ("mirrored", vec!["--mirror"]),
        (
            "pruned",
            vec!["--prune", "refs/heads/none*:refs/heads/prod*"],
        ),
    ] {
        attacks.fails(attack, || alice.push(&arguments));
    }
    attacks.finish();
}

/// Ids of the other object format are refused wherever a pusher or a command can write one, and a
/// clone of one format does not take the ledgers of the other.
#[test]
fn object_formats_do_not_mix() {
    let (one, two) = (World::new(), World::sha256());
    for (world, digits) in [(&one, 64), (&two, 40)] {
        let project = Project::new(world, POLICY);
        let ci = &project.ci;
        ci.deploy(&["record", "dev"]).ok();
        let attacks = AttackRunner::of(&project);
        let next = an_entry(ci, "dev");
        let (other, zero) = ("1".repeat(digits), "0".repeat(digits));
        let tip = project.server.rev("refs/deploy/dev");
        for (attack, old, new) in [
            ("an old id", other.as_str(), next.as_str()),
            ("zeros", &zero, &next),
            ("a new id", &tip, &other),
        ] {
            let line = format!("{old} {new} refs/deploy/dev");
            attacks.fails_raw(
                attack,
                &RawPush::new(&ci.repo).line(line.as_bytes()).objects(&next),
            );
        }
        for arguments in [
            &["record", "dev", &other][..],
            &["show", &other],
            &["yank", &other, "-m", "x"],
            &["approve", "prod", &other],
            &["audit", "--root", &other],
        ] {
            attacks.fails_locally(&format!("{arguments:?}"), || ci.deploy(arguments));
        }
        // The pin of a project has the length of its repository's ids.
        let pin = ci.repo.git(&["config", "deploy.root"]).ok().text();
        ci.repo.git(&["config", "deploy.root", &other]).ok();
        attacks.fails_locally("a pin", || ci.deploy(&["sync"]));
        ci.repo.git(&["config", "deploy.root", &pin]).ok();
        ci.deploy(&["sync"]).ok();
        attacks.finish();
    }
    let here = one.repo("mallory");
    here.commit("api/x", "one\n", "Begin");
    let there = two.path().join("server.git");
    here.git(&[
        "remote",
        "add",
        "origin",
        &format!("file://{}", there.display()),
    ])
    .ok();
    let run = here.deploy(&["sync"]);
    assert!(!run.succeeded(), "{run}");
    assert_eq!(
        here.git(&["for-each-ref", "refs/deploy", "refs/deploy-incoming"])
            .ok()
            .text(),
        ""
    );
}

/// A hook refuses an entry, a policy and a message of 200 MB with little memory.
#[test]
fn huge_objects_do_not_exhaust_the_hooks() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    let entry = an_entry(ci, "dev");
    let policy = ci.repo.rev("refs/deploy/policy");
    let huge = ci.object("blob", &vec![b' '; 200 << 20]);
    let attacks = AttackRunner::of(&project);
    let replace =
        |id: &str, file: &str| ci.retree(id, &[&["--cacheinfo", &format!("100644,{huge},{file}")]]);
    let message = ci.recommit(&entry, |raw| raw.to_owned() + &"x".repeat(200 << 20));
    // git checks and unpacks what it gets within this limit too.
    let receive = "ulimit -v 1500000; git-receive-pack";
    let program = world.path().join("home/receive");
    std::fs::write(&program, format!("#!/bin/sh\n{receive} \"$@\"\n")).unwrap();
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let limited = format!("--receive-pack={}", program.display());
    for (attack, id, ledger) in [
        ("an entry", replace(&entry, "entry.json"), "dev"),
        ("a signature", replace(&entry, "entry.json.minisig"), "dev"),
        ("a policy", replace(&policy, "deploy.toml"), "policy"),
        ("a message", message, "dev"),
    ] {
        let said = attacks.fails(attack, || {
            ci.push(&[&limited, &format!("+{id}:refs/deploy/{ledger}")])
        });
        assert!(
            said.contains("git-deploy: refused") || said.contains("git-deploy: cannot tell"),
            "{attack}: {said}"
        );
    }
    ci.push(&[&limited, &format!("{entry}:refs/deploy/dev")])
        .ok();
    attacks.finish();
}
