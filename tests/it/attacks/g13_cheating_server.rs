//! Group 13: changes on the server past the hooks. The owner of a server can make them; every
//! client that fetches, and every audit, must find them.

use crate::harness::attack::an_entry;
use crate::harness::member::a_lock;
use crate::harness::{Member, Project, Repo, Run, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { approvals = 1 }\n";

/// Returns a project with a few entries in two ledgers, which all clones have.
fn begun(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    for _ in 0..2 {
        world.advance("1m");
        project.ci.deploy(&["record", "dev", "--all"]).ok();
    }
    project.bob.deploy(&["approve", "prod"]).ok();
    project.ci.deploy(&["record", "prod"]).ok();
    for member in [&project.alice, &project.bob, &project.carol, &project.ci] {
        member.deploy(&["sync"]).ok();
    }
    project
}

fn ledgers(repo: &Repo<'_>) -> String {
    repo.git(&[
        "for-each-ref",
        "--format=%(refname) %(objectname)",
        "refs/deploy/",
    ])
    .ok()
    .text()
}

/// Moves a ref on the server as its owner can, past all hooks, and makes the server forget what it
/// verified.
fn moved(project: &Project<'_>, ledger: &str, to: &str) {
    project
        .server
        .git(&["update-ref", &format!("refs/deploy/{ledger}"), to])
        .ok();
    let _ = std::fs::remove_dir_all(project.server.path().join("git-deploy"));
}

/// Checks that a clone that knew better reports it with every command, keeps the truth, and writes
/// nothing to the ledger that the words name.
#[track_caller]
fn told<'w>(client: &Member<'w>, words: &str) -> Vec<Run<'w>> {
    let before = ledgers(&client.repo);
    // Everything depends on the policy.
    let ledger = words.rsplit(' ').next().filter(|it| *it != "policy");
    let runs: Vec<Run<'w>> = [
        &["sync"][..],
        &["record", ledger.unwrap_or("dev"), "--all"],
        &["lock", ledger.unwrap_or("prod"), "-m", "x"],
        &["audit"],
    ]
    .iter()
    .map(|arguments| client.deploy(arguments))
    .collect();
    for run in &runs {
        assert!(
            !run.succeeded() && run.to_string().contains(words),
            "{words:?}: {run}"
        );
    }
    // Who only looks is told as well.
    for arguments in [&["status"][..], &["log", "dev"], &["check", "prod"]] {
        let run = client.deploy(arguments);
        assert!(run.to_string().contains(words), "{words:?}: {run}");
    }
    assert_eq!(ledgers(&client.repo), before);
    runs
}

/// A ledger that was rewound, forked or deleted is detected.
#[test]
fn rewound_ledgers_are_detected() {
    let world = World::new();
    let project = begun(&world);
    let bob = &project.bob;
    let tip = |ledger: &str| bob.repo.rev(&format!("refs/deploy/{ledger}"));
    for ledger in ["dev", "prod", "policy"] {
        let (good, zero) = (tip(ledger), "0".repeat(40));
        let before = bob.repo.rev(&format!("{good}~1"));
        moved(&project, ledger, &before);
        told(bob, &format!("rewritten the ledger {ledger}"));
        moved(&project, ledger, &zero);
        told(bob, &format!("lost the ledger {ledger}"));
        moved(&project, ledger, &good);
        bob.deploy(&["sync"]).ok();
    }
    // Another end, of honest entries only: signed, in their place, let in by the hook itself.
    let (good, notes) = (tip("dev"), project.server.rev("refs/notes/deploy"));
    moved(&project, "dev", &format!("{good}~1"));
    let fork = Member::at(&project.ci, &project.server, "fork");
    fork.repo
        .git(&["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"])
        .ok();
    for _ in 0..3 {
        world.advance("1m");
        fork.append("dev", fork.a_record("HEAD", Some("HEAD")), None, |_| ());
        fork.push(&["refs/deploy/dev"]).ok();
    }
    told(bob, "rewritten the ledger dev");
    moved(&project, "dev", &good);
    project
        .server
        .git(&["update-ref", "refs/notes/deploy", &notes])
        .ok();
    bob.deploy(&["sync"]).ok();
    project.audited();
}

/// A server that was restored from a backup is detected.
#[test]
fn a_restored_backup_is_detected() {
    let world = World::new();
    let project = begun(&world);
    let (bob, ci) = (&project.bob, &project.ci);
    let backup = world.path().join("backup");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let mut command = std::process::Command::new("cp");
        assert!(
            command
                .arg("-a")
                .arg(from)
                .arg(to)
                .status()
                .unwrap()
                .success()
        );
    };
    copy(project.server.path(), &backup);
    world.advance("1h");
    for _ in 0..2 {
        ci.deploy(&["record", "dev", "--all"]).ok();
    }
    ci.deploy(&["attest", "test-result", "--result", "failed"])
        .ok();
    project.publish("[environments]\ndev = {}\nprod = { approvals = 2 }\n");
    bob.deploy(&["sync"]).ok();
    let today = world.path().join("today");
    std::fs::rename(project.server.path(), &today).unwrap();
    copy(&backup, project.server.path());
    let runs = told(bob, "rewritten the ledger dev");
    for words in ["rewritten the ledger policy", "lost the ledger evidence"] {
        assert!(runs[0].to_string().contains(words), "{}", runs[0]);
    }
    // Who comes anew cannot know, and what they write is found by who does.
    let dana = Member::at(&project.carol, &project.server, "dana");
    dana.deploy(&["sync"]).ok();
    told(bob, "rewritten the ledger dev");
    std::fs::remove_dir_all(project.server.path()).unwrap();
    std::fs::rename(&today, project.server.path()).unwrap();
    bob.deploy(&["sync"]).ok();
    dana.deploy(&["sync"]).ok();
    project.audited();
}

/// Two clients that were shown different histories detect it once they meet.
#[test]
fn two_histories_are_detected() {
    let world = World::new();
    let project = begun(&world);
    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    let tip = bob.repo.rev("refs/deploy/dev");
    let one = an_entry(ci, "dev");
    world.advance("1m");
    let other = ci
        .build("dev", ci.a_record("HEAD", Some("HEAD")), None, |_| ())
        .to_string();
    ci.push(&[&format!("{one}:refs/deploy/dev")]).ok();
    bob.deploy(&["sync"]).ok();
    moved(&project, "dev", &tip);
    ci.push(&[&format!("{other}:refs/deploy/dev")]).ok();
    carol.deploy(&["sync"]).ok();
    // By way of the server: whichever it shows now.
    told(bob, "rewritten the ledger dev");
    carol.deploy(&["sync"]).ok();
    moved(&project, "dev", &one);
    told(carol, "rewritten the ledger dev");
    // From clone to clone, without a server.
    bob.deploy(&["sync"]).ok();
    let run = {
        bob.repo
            .git(&[
                "fetch",
                "-q",
                &carol.repo.url(),
                "+refs/deploy/*:refs/deploy-incoming/*",
            ])
            .ok();
        bob.deploy(&["audit"])
    };
    assert!(
        run.to_string().contains("rewritten the ledger dev"),
        "{run}"
    );
    // By what is signed: an entry that saw the one history does not stand beside the other.
    bob.deploy(&["sync"]).ok();
    ci.repo.git(&["update-ref", "refs/deploy/dev", &other]).ok();
    let policy = format!("{}# a comment\n", project.policy(POLICY));
    project
        .alice
        .repo
        .git(&[
            "fetch",
            "-q",
            &ci.repo.url(),
            "+refs/deploy/dev:refs/deploy/dev",
        ])
        .ok();
    let publish = super::forged_entries::publish(&project.alice, &policy).to_string();
    let run = project
        .alice
        .push(&[&format!("{publish}:refs/deploy/policy")])
        .fails(1);
    assert!(run.err().contains("✗ chain"), "{run}");
    moved(&project, "policy", &bob.repo.rev("refs/deploy/policy"));
    project
        .server
        .git(&["fetch", "-q", &project.alice.repo.url(), &publish])
        .ok();
    moved(&project, "policy", &publish);
    let run = bob.deploy(&["sync"]).fails(1);
    assert!(
        run.err()
            .contains("of dev, which that ledger does not contain"),
        "{run}"
    );
}

/// A new project with the owner's own first policy, or with the old one's ledgers, is detected.
#[test]
fn another_beginning_is_detected() {
    let world = World::new();
    let project = begun(&world);
    let (bob, alice) = (&project.bob, &project.alice);
    let mallory = Member::new(&world, &project.server, "mallory");
    mallory
        .repo
        .git(&["update-ref", "refs/deploy/policy", "HEAD"])
        .ok();
    let text = project.policy(POLICY);
    for (keys, who) in [(&mallory, "a stranger's"), (alice, "an admin's")] {
        let policy = text.replace(&alice.key().to_string(), &keys.key().to_string());
        let clone = Member::at(keys, &project.server, &format!("graft-{}", keys.person));
        clone.begin(&policy);
        clone.record("dev", "HEAD", None);
        let before = project.refs();
        for ledger in ["policy", "dev"] {
            let id = clone.repo.rev(&format!("refs/deploy/{ledger}"));
            project
                .server
                .git(&["fetch", "-q", &clone.repo.url(), &id])
                .ok();
            moved(&project, ledger, &id);
        }
        let kept = ledgers(&bob.repo);
        for arguments in [
            &["sync"][..],
            &["record", "dev", "--all"],
            &["lock", "prod", "-m", "x"],
        ] {
            let run = bob.deploy(arguments);
            assert!(
                !run.succeeded() && run.err().contains("trusts"),
                "{who}: {run}"
            );
        }
        assert_eq!(ledgers(&bob.repo), kept, "{who}");
        // An audit that takes everything over as it is still begins at the pin.
        bob.repo
            .git(&["fetch", "-q", "origin", "+refs/deploy/*:refs/deploy/*"])
            .ok();
        let run = bob.deploy(&["audit"]).fails(1);
        assert!(
            run.to_string().contains("deploy.root") || run.to_string().contains("trusts"),
            "{who}: {run}"
        );
        for line in before
            .lines()
            .filter(|line| line.starts_with("refs/deploy/"))
        {
            let (name, id) = line.split_once(' ').unwrap();
            project.server.git(&["update-ref", name, id]).ok();
            bob.repo.git(&["update-ref", name, id]).ok();
        }
        bob.deploy(&["sync"]).ok();
    }
    project.audited();
}

/// Entries without a right, and objects that are no entries, are detected if the server moved refs
/// past its hooks.
#[test]
fn refs_moved_past_the_hooks_are_detected() {
    let world = World::new();
    let project = begun(&world);
    let (bob, ci) = (&project.bob, &project.ci);
    let mallory = Member::new(&world, &project.server, "mallory");
    mallory
        .repo
        .git(&["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"])
        .ok();
    let good = bob.repo.rev("refs/deploy/dev");
    let honest = an_entry(ci, "dev");
    let lock = |bend: &dyn Fn(&mut git_deploy::testing::domain::entry::Statement)| {
        mallory.build("dev", a_lock(), None, bend).to_string()
    };
    let forged = [
        (
            "a stranger's",
            lock(&|it| it.by = "ci".parse().unwrap()),
            "authorization",
        ),
        ("nobody's", lock(&|_| ()), "authorization"),
        (
            "an edited one",
            ci.retree(&honest, &[&["--force-remove", "components/demo/live.json"]]),
            "chain",
        ),
        (
            "another's words",
            ci.recommit(&honest, |raw| {
                raw.replace("Deploy-By: ci", "Deploy-By: bob")
            }),
            "chain",
        ),
        (
            "one that was there",
            ci.replant(&bob.repo.rev("refs/deploy/dev"), &good),
            "chain",
        ),
        ("the code", bob.repo.rev("HEAD"), "rewritten"),
        (
            "another ledger",
            bob.repo.rev("refs/deploy/prod"),
            "rewritten",
        ),
    ];
    for (what, id, words) in &forged {
        for member in [&mallory, ci] {
            let _ = project.server.git(&["fetch", "-q", &member.repo.url(), id]);
        }
        if !project.server.git(&["cat-file", "-e", id]).succeeded() {
            // What no ref names is not fetched: the owner puts it there by hand.
            let member = if what.ends_with("'s") && words == &"authorization" {
                &mallory
            } else {
                ci
            };
            member
                .repo
                .git(&["update-ref", "refs/heads/forged", id])
                .ok();
            project
                .server
                .git(&["fetch", "-q", &member.repo.url(), "refs/heads/forged"])
                .ok();
        }
        moved(&project, "dev", id);
        let before = ledgers(&bob.repo);
        for arguments in [&["sync"][..], &["record", "dev", "--all"]] {
            let run = bob.deploy(arguments);
            assert!(
                !run.succeeded() && run.to_string().contains(words),
                "{what}: {run}"
            );
        }
        assert_eq!(ledgers(&bob.repo), before, "{what}");
        // On the server itself an audit needs no clone.
        let run = project.server.deploy(&["audit"]);
        assert!(!run.succeeded(), "{what}: {run}");
        moved(&project, "dev", &good);
    }
    // Refs that no ledger has, and a ledger that leads to another.
    for name in ["refs/deploy/Prod", "refs/deploy/nowhere", "refs/deploy/a/b"] {
        project.server.git(&["update-ref", name, &good]).ok();
        let (run, before) = (bob.deploy(&["sync"]), ledgers(&bob.repo));
        assert!(
            !run.succeeded() && run.err().contains(name.trim_start_matches("refs/deploy/")),
            "{name}: {run}"
        );
        assert_eq!(ledgers(&bob.repo), before, "{name}");
        let run = project.server.deploy(&["audit"]);
        assert!(!run.succeeded(), "{name}: {run}");
        project.server.git(&["update-ref", "-d", name]).ok();
        bob.deploy(&["sync"]).ok();
    }
    project
        .server
        .git(&["symbolic-ref", "refs/deploy/evidence", "refs/deploy/dev"])
        .ok();
    assert!(!bob.deploy(&["sync"]).succeeded());
    assert!(!project.server.deploy(&["audit"]).succeeded());
    project
        .server
        .git(&["symbolic-ref", "--delete", "refs/deploy/evidence"])
        .ok();
    bob.deploy(&["sync"]).ok();
    project.audited();
}

/// Altered notes are detected, and decide nothing.
#[test]
fn altered_notes_are_detected() {
    let world = World::new();
    let project = begun(&world);
    let (bob, head) = (&project.bob, project.ci.repo.rev("HEAD"));
    bob.deploy(&["audit"]).ok();
    let good = project.server.rev("refs/notes/deploy");
    for message in [
        "2026-03-05T10:00:00Z  deployed  prod  demo  by alice  prod@0000000000",
        "",
    ] {
        project
            .server
            .git(&[
                "notes",
                "--ref=deploy",
                "add",
                "-f",
                "--allow-empty",
                "-m",
                message,
                &head,
            ])
            .ok();
        bob.deploy(&["sync"]).ok();
        let run = bob.deploy(&["audit"]).fails(1);
        assert!(run.to_string().contains("notes"), "{run}");
        project
            .server
            .git(&["update-ref", "refs/notes/deploy", &good])
            .ok();
    }
    bob.deploy(&["sync"]).ok();
    project.audited();
}
