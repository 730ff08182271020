//! Group 3: other objects under a ledger's name, names that are not a ledger's, and refs that
//! shadow one.

use crate::harness::attack::an_entry;
use crate::harness::{AttackRunner, Project, RawPush, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { branch = \"prod\", deploy_on = \"approval\" }\n[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n";

/// Objects of any other kind are refused on existing, possible and unknown ledgers.
#[test]
fn objects_that_are_no_entries_are_refused() {
    for world in [World::new(), World::sha256()] {
        let project = Project::new(&world, POLICY);
        let ci = &project.ci;
        ci.deploy(&["record", "dev"]).ok();
        let next = an_entry(ci, "dev");
        let attacks = AttackRunner::of(&project);
        ci.repo
            .git(&["tag", "-a", "-m", "a tag", "of-an-entry", &next])
            .ok();
        ci.repo
            .git(&["tag", "-a", "-m", "a tag", "of-a-tag", "of-an-entry"])
            .ok();
        let names = [
            "HEAD",
            "HEAD^{tree}",
            "HEAD:api/x",
            "refs/tags/of-an-entry",
            "refs/tags/of-a-tag",
            "refs/deploy/dev^{tree}",
            "refs/deploy/dev:entry.json",
            "refs/deploy/policy",
        ];
        for name in names {
            let id = ci.repo.rev(name);
            for ledger in ["dev", "prod", "evidence", "pr", "nowhere"] {
                attacks.refused_entry(&format!("{name} as {ledger}"), &["chain"], ci, ledger, &id);
            }
        }
        // What is no object at all, and what says to be one.
        let broken = ci.object("commit", b"tree 0\n\n");
        attacks.fails_raw(
            "a broken commit",
            &RawPush::new(&ci.repo).update(&"0".repeat(next.len()), &broken, "refs/deploy/prod"),
        );
        ci.push(&[&format!("{next}:refs/deploy/dev")]).ok();
        attacks.finish();
    }
}

/// Names that resemble a ledger's, or that git would take for one, are refused.
#[test]
fn similar_names_are_refused() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    let next = an_entry(ci, "dev");
    let attacks = AttackRunner::of(&project);
    let names = [
        "refs/deploy/Dev",
        "refs/deploy/DEV",
        "refs/Deploy/dev",
        "refs/DEPLOY/prod",
        "REFS/deploy/prod",
        "refs/deploy/dev.x",
        "refs/deploy/dev-",
        "refs/deploy/pr-17",
        "refs/deploy/pr-",
        "refs/deploy/dev/x",
        "refs/deploy/policy/x",
        "refs/deploy/nowhere",
        "refs/deploy/rest",
        "refs/deploy/-x",
        "refs/deploy/_x",
        "refs/deploy/d\u{435}v",
        "refs/deploy/dev\u{200b}",
        "refs/deploy/\u{202e}ved",
        "refs/deploy",
        "refs/heads/deploy",
        "refs/heads/deploy/dev",
        "refs/heads/Deploy/dev",
        "refs/tags/deploy/dev",
        "refs/tags/DEPLOY",
        "refs/deploy-incoming/dev",
        "refs/deploy-incoming-notes/deploy",
        "refs/notes/deploy/x",
    ];
    for name in names {
        // git itself wants nothing that does not begin with refs/.
        let wire = RawPush::new(&ci.repo).update(&"0".repeat(40), &next, name);
        if name.starts_with("REFS/") {
            attacks.fails_raw(name, &wire);
        } else {
            attacks.refused_raw(name, &["chain"], &wire);
        }
    }
    // Bytes that are no text, and lines that are no update.
    let zero = "0".repeat(40);
    let lines: [Vec<u8>; 7] = [
        [format!("{zero} {next} refs/deploy/").as_bytes(), b"d\xffv"].concat(),
        [
            format!("{zero} {next} refs/deploy/").as_bytes(),
            b"dev\x1b[2J",
        ]
        .concat(),
        format!("{zero} {next} refs/deploy/../heads/x").into_bytes(),
        format!("{zero} {next} refs/deploy//dev").into_bytes(),
        format!("{zero} {next} refs/deploy/dev ").into_bytes(),
        format!("{zero} {next} refs/deploy/x.lock").into_bytes(),
        format!("{zero} {next} refs/deploy/x\nrefs/deploy/dev").into_bytes(),
    ];
    for line in &lines {
        let said = attacks.fails_raw(
            &String::from_utf8_lossy(line),
            &RawPush::new(&ci.repo).line(line).objects(&next),
        );
        // git repeats a name as it is; we do not.
        assert!(
            said.lines()
                .all(|it| it.contains("ng refs") || !it.contains('\u{1b}')),
            "{said:?}"
        );
    }
    // Something that is no business of ours keeps its freedom, also where it looks a little like ours.
    ci.push(&[
        &format!("{next}:refs/heads/deployment"),
        &format!("{next}:refs/remotes/deploy/dev"),
    ])
    .ok();
    attacks.finish();
}

/// A push to a symbolic ref on the server is judged as a push to the ref that it leads to.
#[test]
fn symbolic_refs_are_judged_by_their_target() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, ci) = (&project.alice, &project.ci);
    ci.deploy(&["record", "dev"]).ok();
    ci.deploy(&["record", "prod"]).ok();
    alice.push(&["HEAD:refs/heads/prod"]).ok();
    let one = alice.repo.rev("HEAD");
    let two = project.push("api/x", "two\n");
    let orphan = alice
        .repo
        .git(&["commit-tree", "-m", "x", "HEAD^{tree}"])
        .ok()
        .text();
    let alias = |name: &str, target: &str| project.server.git(&["symbolic-ref", name, target]).ok();
    let away = |name: &str| project.server.git(&["symbolic-ref", "--delete", name]).ok();
    let attacks = AttackRunner::of(&project);
    // As a server has it whose branch was renamed.
    for name in [
        "refs/heads/master",
        "refs/tags/latest",
        "refs/pull/1/head",
        "refs/heads/deep/alias",
    ] {
        alias(name, "refs/heads/prod");
        for id in [&orphan, &"0".repeat(40)] {
            let wire =
                RawPush::new(&alice.repo).update(&project.server.rev("refs/heads/prod"), id, name);
            attacks.fails_raw(&format!("{name}, which is prod, to {id}"), &wire);
        }
        away(name);
        alias(name, "refs/deploy/dev");
        for id in [
            &two,
            &"0".repeat(40),
            &project.server.rev("refs/deploy/dev~1"),
            &an_entry(ci, "dev"),
        ] {
            let wire =
                RawPush::new(&ci.repo).update(&project.server.rev("refs/deploy/dev"), id, name);
            attacks.fails_raw(&format!("{name}, which is the ledger dev, to {id}"), &wire);
        }
        away(name);
        // One that is not there yet.
        alias(name, "refs/deploy/pr");
        let wire = RawPush::new(&ci.repo).update(&"0".repeat(40), &two, name);
        attacks.fails_raw(&format!("{name}, which would be the ledger pr"), &wire);
        away(name);
    }
    // By way of another.
    alias("refs/heads/a", "refs/heads/b");
    alias("refs/heads/b", "refs/heads/prod");
    let wire = RawPush::new(&alice.repo).update(
        &project.server.rev("refs/heads/prod"),
        &orphan,
        "refs/heads/a",
    );
    attacks.fails_raw("by two steps", &wire);
    away("refs/heads/a");
    away("refs/heads/b");
    // A ledger that leads elsewhere is nobody's.
    for target in ["refs/heads/free", "refs/deploy/dev", "refs/heads/prod"] {
        alias("refs/deploy/evidence", target);
        attacks.fails(&format!("evidence, which is {target}"), || {
            alice.push(&["HEAD:refs/deploy/evidence"])
        });
        // A deployment depends on it: the content may be yanked there.
        attacks.fails(
            &format!("a deployment beside evidence, which is {target}"),
            || {
                let record = ci.a_record(&two, Some(&one));
                let entry = ci.build("dev", record, None, |_| ());
                ci.push(&[&format!("{entry}:refs/deploy/dev")])
            },
        );
        away("refs/deploy/evidence");
    }
    // What leads to something free is free.
    alias("refs/heads/current", "refs/heads/main");
    alice.push(&["HEAD:refs/heads/current"]).ok();
    assert_eq!(project.server.rev("refs/heads/main"), two);
    away("refs/heads/current");
    attacks.finish();
}
