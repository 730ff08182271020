//! Group 1: rewind, delete or recreate a ledger, by git and by raw lines that name zero or made-up old ids.

use crate::harness::attack::an_entry;
use crate::harness::member::a_lock;
use crate::harness::{AttackRunner, Project, RawPush, World};

const BOUND: &str = "[environments]\ndev = {}\nprod = { branch = \"prod\", deploy_on = \"approval\", tag = \"v-{env}\" }\n";

/// A ledger moves only forward and is never deleted, whatever old id a pusher claims.
#[test]
fn ledgers_only_move_forward() {
    for world in [World::new(), World::sha256()] {
        let project = Project::new(&world, "[environments]\ndev = {}\n");
        let (ci, alice) = (&project.ci, &project.alice);
        ci.deploy(&["record", "dev"]).ok();
        // A sibling of the next entry, and the next entry itself.
        let fork = an_entry(ci, "dev");
        world.advance("1m");
        ci.deploy(&["record", "dev", "--all"]).ok();
        let tip = ci.repo.rev("refs/deploy/dev");
        let (before, genesis) = (
            ci.repo.rev("refs/deploy/dev~1"),
            ci.repo.rev("refs/deploy/dev~2"),
        );
        let next = an_entry(ci, "dev");
        let (zero, made_up) = ("0".repeat(tip.len()), "1".repeat(tip.len()));
        let attacks = AttackRunner::of(&project);
        let claims = [
            ("nothing", &zero),
            ("the tip", &tip),
            ("the one before", &before),
            ("nonsense", &made_up),
        ];
        let goals = [
            ("delete", &zero),
            ("rewind", &before),
            ("begin anew", &genesis),
            ("fork", &fork),
            ("go forward", &next),
        ];
        for (claim, old) in claims {
            for (goal, new) in goals {
                let attack = format!("{goal}, claiming {claim}");
                if (claim, goal) == ("the tip", "go forward") || old == new {
                    continue;
                }
                // Of a push that would change nothing else, each is refused on its own and in company.
                let wire = RawPush::new(&ci.repo).update(old, new, "refs/deploy/dev");
                attacks.refused_raw(&attack, &["chain"], &wire);
                let wire = wire
                    .update(&zero, &ci.repo.rev("HEAD"), "refs/heads/ride")
                    .with("report-status atomic");
                attacks.refused_raw(&format!("{attack}, atomically"), &["chain"], &wire);
            }
        }
        // To the tip itself there is nothing to be done.
        let wire = RawPush::new(&ci.repo).update(&zero, &tip, "refs/deploy/dev");
        attacks.refused_raw("create what is there", &["chain"], &wire);
        // Away and back again in one breath.
        for (first, then) in [
            (&zero, &before),
            (&zero, &tip),
            (&before, &next),
            (&zero, &genesis),
        ] {
            let wire = RawPush::new(&ci.repo)
                .update(&tip, first, "refs/deploy/dev")
                .update(first, then, "refs/deploy/dev");
            attacks.refused_raw("twice the same ref", &["chain"], &wire);
        }
        // The policy's ledger, by an admin.
        alice.deploy(&["sync"]).ok();
        let (policy, first) = (
            alice.repo.rev("refs/deploy/policy"),
            alice.repo.rev("refs/deploy/policy~1"),
        );
        for (old, new) in [
            (&policy, &zero),
            (&zero, &zero),
            (&made_up, &first),
            (&policy, &first),
            (&zero, &first),
        ] {
            let wire = RawPush::new(&alice.repo).update(old, new, "refs/deploy/policy");
            attacks.refused_raw("the policy", &["chain"], &wire);
        }
        // Gone by making room for a folder.
        let wire = RawPush::new(&ci.repo)
            .update(&tip, &zero, "refs/deploy/dev")
            .update(&zero, &next, "refs/deploy/dev/dev");
        attacks.refused_raw("a folder in its chain", &["chain"], &wire);
        attacks.refused("by git, gone", &["chain"], || {
            ci.push(&[":refs/deploy/dev"])
        });
        attacks.refused("all, mirrored", &["chain"], || {
            ci.repo.git(&[
                "push",
                "-q",
                "--force",
                "--prune",
                "origin",
                "refs/heads/*:refs/deploy/*",
            ])
        });
        ci.push(&[&format!("{next}:refs/deploy/dev")]).ok();
        attacks.finish();
    }
}

/// A branch or tag of an environment is neither deleted nor rewound, whatever old id a pusher
/// claims.
#[test]
fn bound_refs_neither_vanish_nor_rewind() {
    let world = World::new();
    let project = Project::new(&world, BOUND);
    let (alice, ci) = (&project.alice, &project.ci);
    let one = alice.repo.rev("HEAD");
    let two = project.push("api/x", "two\n");
    ci.deploy(&["record", "prod", "--verification", "passed"])
        .ok();
    alice
        .push(&["HEAD:refs/heads/prod", "HEAD:refs/tags/v-prod"])
        .ok();
    let three = project.commit("api/x", "three\n");
    let (zero, made_up) = ("0".repeat(40), "1".repeat(40));
    let attacks = AttackRunner::of(&project);
    for old in [&zero, &made_up, &one, &two, &three] {
        for new in [&zero, &one, &three] {
            if old == new && *new != zero {
                continue;
            }
            for (name, rule) in [("refs/heads/prod", "branch"), ("refs/tags/v-prod", "tag")] {
                let wire = RawPush::new(&alice.repo).update(old, new, name);
                attacks.refused_raw(&format!("{name} from {old} to {new}"), &[rule], &wire);
            }
        }
    }
    attacks.finish();
}

/// Of two entries for the same place, pushed one after the other or both at once, only one is
/// accepted.
#[test]
fn one_place_takes_one_entry() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\nqa = {}\n");
    let ci = &project.ci;
    let (one, other) = (an_entry(ci, "dev"), an_entry(ci, "dev"));
    assert_ne!(one, other);
    let attacks = AttackRunner::of(&project);
    let zero = "0".repeat(40);
    let both = RawPush::new(&ci.repo)
        .update(&zero, &one, "refs/deploy/dev")
        .update(&zero, &other, "refs/deploy/dev");
    let said = both.send(&project.server);
    assert!(said.contains("ng refs/deploy/dev"), "{said}");
    let tip = project.server.rev("refs/deploy/dev");
    assert_eq!(tip, one, "the first that is named");
    attacks.refused_entry("the other one", &["chain"], ci, "dev", &other);
    attacks.refused_entry("the same, elsewhere", &["chain"], ci, "qa", &one);
    let again = ci.build("dev", a_lock(), None, |it| it.sequence = 1);
    attacks.refused_entry("its number again", &["chain"], ci, "dev", &again);
    attacks.finish();
}
