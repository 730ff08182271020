//! A host without hooks loses, rewrites and accepts what it should not: clients find it, one of
//! them repairs it, and nothing valid is lost. What an auditor files about it.

use crate::harness::{Project, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";

/// Returns a project on a host that does not run our hooks, with two deployments to dev.
fn on_a_forge(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    for hook in ["pre-receive", "proc-receive"] {
        std::fs::remove_file(project.server.path().join("hooks").join(hook)).unwrap();
    }
    for key in ["receive.procReceiveRefs", "receive.hideRefs"] {
        project.server.git(&["config", "--unset-all", key]).ok();
    }
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    project.push("api/x", "two\n");
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    for member in [&project.bob, &project.carol] {
        member.deploy(&["sync"]).ok();
    }
    project
}

/// Checks that bob can restore `valid` for dev on the remote, and that all clones then accept it.
#[track_caller]
fn repaired(project: &Project<'_>, valid: &str, words: &[&str]) {
    project.bob.deploy(&["sync"]).fails(1);
    let before = project.refs();
    let tried = project.bob.deploy(&["repair", "--dry-run"]).ok();
    for word in words {
        assert!(tried.err().contains(word), "{word}: {tried}");
    }
    assert_eq!(project.refs(), before, "{tried}");
    project.bob.deploy(&["repair"]).fails(2);
    assert_eq!(project.refs(), before);
    project.bob.deploy(&["repair", "--yes"]).ok();
    assert_eq!(project.server.rev("refs/deploy/dev"), valid);
    let nothing = project
        .bob
        .deploy(&["repair", "--yes", "--json"])
        .ok()
        .json();
    assert_eq!(nothing["ledgers"], serde_json::json!([]));
    project.bob.deploy(&["audit"]).ok();
    project.carol.deploy(&["sync"]).ok();
}

/// A ledger that was deleted, rewound, or rewound and extended is restored.
#[test]
fn lost_and_rewritten_ledgers_are_restored() {
    let world = World::new();
    let project = on_a_forge(&world);
    let tip = project.server.rev("refs/deploy/dev");
    let first = project.server.rev("refs/deploy/dev~1");

    project
        .server
        .git(&["update-ref", "-d", "refs/deploy/dev"])
        .ok();
    repaired(
        &project,
        &tip,
        &[
            "the remote has lost the ledger dev",
            &format!("dev@{} is the last valid entry", &tip[..10]),
        ],
    );

    project
        .server
        .git(&["update-ref", "refs/deploy/dev", &first])
        .ok();
    repaired(&project, &tip, &["the remote has rewritten the ledger dev"]);

    // Somebody who knew no better wrote on: what he signed is set aside, not lost.
    project
        .server
        .git(&["update-ref", "refs/deploy/dev", &first])
        .ok();
    let late = project.world.clone(&project.server, "late");
    let key = project.world.path().join("home/ci.key");
    late.git(&["config", "deploy.key", &key.to_string_lossy()])
        .ok();
    late.deploy(&["record", "dev", "--all", "-m", "from elsewhere"])
        .ok();
    let aside = project.server.rev("refs/deploy/dev");
    repaired(
        &project,
        &tip,
        &[&format!("dev@{} is set aside: deploy demo", &aside[..10])],
    );
    assert_eq!(
        project
            .bob
            .repo
            .rev(&format!("refs/deploy-set-aside/dev/{}", &aside[..10])),
        aside
    );
}

/// A forged entry and everything after it does not count; what is valid before it stays, even if
/// nobody here had seen it.
#[test]
fn forged_entries_are_cut_off() {
    let world = World::new();
    let project = on_a_forge(&world);
    project
        .ci
        .deploy(&["record", "dev", "--all", "-m", "unseen"])
        .ok();
    let valid = project.server.rev("refs/deploy/dev");
    let forged = project
        .ci
        .append("dev", crate::harness::member::a_lock(), None, |statement| {
            statement.by = "alice".parse().unwrap();
        });
    project.ci.push(&["refs/deploy/dev"]).ok();
    assert_eq!(project.server.rev("refs/deploy/dev"), forged.to_string());
    repaired(&project, &valid, &["has an entry that does not verify"]);
    // With our hooks nobody but the owner may: to the server these entries are old.
    world.advance("10m");
    project
        .server
        .deploy(&[
            "server",
            "init",
            ".",
            "--admin",
            &project.alice.key().to_string(),
        ])
        .ok();
    project
        .server
        .git(&["update-ref", "refs/deploy/dev", "refs/deploy/dev~2"])
        .ok();
    let refused = project.bob.deploy(&["repair", "--yes"]).fails(1);
    let root = project.bob.repo.git(&["config", "deploy.root"]).ok().text();
    let clone = project.bob.repo.path().to_string_lossy().into_owned();
    for remedy in [
        "git fetch CLONE refs/deploy/dev:refs/deploy/dev".to_owned(),
        format!("git-deploy server adopt . --root {root}"),
    ] {
        assert!(
            refused
                .words_of_err()
                .contains(&format!("on the server: {remedy}")),
            "{refused}"
        );
        let command = remedy.replace("CLONE", &clone);
        let words: Vec<&str> = command.split(' ').collect();
        project.server.run(words[0], &words[1..]).ok();
    }
    project.bob.deploy(&["sync"]).ok();
    project.bob.deploy(&["audit"]).ok();
}

/// An audit writes the JSON that the next audit continues from, and a JUnit report.
#[test]
fn audits_can_be_filed() {
    let world = World::new();
    let project = on_a_forge(&world);
    let carol = &project.carol;
    let report = carol.deploy(&["audit", "--json"]).ok();
    carol.repo.write("last.json", &report.text());
    let root = report.json()["project"].as_str().unwrap().to_owned();
    carol.deploy(&["audit", "--root", &root]).ok();
    let other = carol
        .deploy(&["audit", "--root", &root.replace(|_: char| true, "1")])
        .fails(1);
    assert!(
        other.text().contains("--root names the project 1111"),
        "{other}"
    );

    project.ci.deploy(&["record", "dev", "--all"]).ok();
    carol.deploy(&["sync"]).ok();
    let since = carol
        .deploy(&[
            "audit",
            "--since",
            "last.json",
            "--json",
            "--junit",
            "audit.xml",
        ])
        .ok()
        .json();
    let entries = |name: &str| {
        since["ledgers"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["ledger"] == name)
            .unwrap()["entries"]
            .clone()
    };
    assert_eq!(
        (entries("dev"), entries("policy")),
        (1.into(), 1.into()),
        "{since}"
    );
    let xml = std::fs::read_to_string(carol.repo.path().join("audit.xml")).unwrap();
    assert!(
        xml.contains("tests=\"3\" failures=\"0\" errors=\"0\""),
        "{xml}"
    );

    // A clone made after the ledger was rewritten knows nothing of it; the filed report does.
    project
        .server
        .git(&["update-ref", "refs/deploy/dev", "refs/deploy/dev~2"])
        .ok();
    let fresh = project.world.clone(&project.server, "fresh");
    fresh.deploy(&["sync"]).ok();
    fresh.write("last.json", &report.text());
    fresh.deploy(&["audit", "dev"]).ok();
    let found = fresh
        .deploy(&["audit", "--since", "last.json", "--junit", "audit.xml"])
        .fails(1);
    assert!(
        found.text().contains("the ledger no longer contains it"),
        "{found}"
    );
    let xml = std::fs::read_to_string(fresh.path().join("audit.xml")).unwrap();
    assert!(
        xml.contains("failures=\"1\"") && xml.contains("the ledger no longer contains it"),
        "{xml}"
    );

    fresh.write("bad.json", "{}");
    fresh.deploy(&["audit", "--since", "bad.json"]).fails(2);
    fresh.deploy(&["audit", "--since", "none.json"]).fails(3);
}

/// Junk refs, pushed without any key, and a forged ledger stop neither commands about other
/// ledgers nor fresh clones. Entries that depend on the forged ledger are refused. The printed
/// commands fix everything.
#[test]
fn junk_and_bad_tips_are_contained() {
    let world = World::new();
    let project = on_a_forge(&world);
    let head = project.server.rev("refs/heads/main");
    for name in ["x/y", "Prod", "a'b$(touch)", "nowhere"] {
        let refspec = format!("{head}:refs/deploy/{name}");
        project.carol.push(&[&refspec]).ok();
    }
    let forged = project
        .carol
        .append("dev", crate::harness::member::a_lock(), None, |statement| {
            statement.by = "alice".parse().unwrap();
        });
    project.carol.push(&["refs/deploy/dev"]).ok();
    let valid = project.server.rev("refs/deploy/dev~1");
    assert_eq!(project.server.rev("refs/deploy/dev"), forged.to_string());

    let fresh = project.world.clone(&project.server, "fresh");
    fresh.deploy(&["sync"]).fails(1);
    let key = world.path().join("home/ci.key");
    fresh
        .git(&["config", "deploy.key", &key.to_string_lossy()])
        .ok();
    project.bob.deploy(&["sync"]).fails(1);
    for clone in [&project.bob.repo, &fresh] {
        for command in [&["status"][..], &["log", "dev"], &["show"]] {
            let run = clone.deploy(command).ok();
            assert!(
                run.words_of_err()
                    .contains("refs/deploy/x/y is not a ledger"),
                "{run}"
            );
        }
        assert_eq!(clone.rev("refs/deploy/dev"), valid);
    }
    // A lock of prod does not depend on dev; a deployment does.
    fresh.deploy(&["lock", "prod", "-m", "x"]).ok();
    project.bob.deploy(&["unlock", "prod"]).ok();
    for command in [
        &["lock", "dev", "-m", "x"][..],
        &["record", "prod", "--all"],
    ] {
        let before = project.refs();
        let run = fresh.deploy(command).fails(3);
        assert!(
            run.words_of_err()
                .contains("the remote's ledger dev has an entry that does not verify"),
            "{run}"
        );
        assert_eq!(project.refs(), before);
    }
    // What is printed can be typed.
    let run = fresh.deploy(&["repair", "--yes"]).fails(1);
    assert_eq!(project.server.rev("refs/deploy/dev"), valid);
    let text = run.err();
    let fixes: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("git push "))
        .map(|(_, command)| command)
        .collect();
    assert_eq!(fixes.len(), 4, "{run}");
    for fix in fixes {
        fresh.run("sh", &["-c", &format!("git push {fix}")]).ok();
    }
    fresh.deploy(&["sync"]).ok();
    fresh.deploy(&["audit"]).ok();
    fresh.deploy(&["record", "prod", "--all"]).ok();
    project.bob.deploy(&["sync"]).ok();
    project.bob.deploy(&["audit"]).ok();
}

/// A clone whose own ledger git has moved to a forged entry does not push it over the valid one. Nor
/// does it if its record claims that the entry was verified: its own audit rejects the entry.
#[test]
fn entries_that_an_audit_rejects_are_not_restored() {
    let world = World::new();
    let project = on_a_forge(&world);
    let valid = project.server.rev("refs/deploy/dev");
    let forged = project
        .ci
        .append("dev", crate::harness::member::a_lock(), None, |statement| {
            statement.by = "alice".parse().unwrap();
        })
        .to_string();
    project.ci.push(&["refs/deploy/dev"]).ok();
    let bob = &project.bob;
    let fetch = ["fetch", "-q", "origin", "+refs/deploy/*:refs/deploy/*"];
    bob.repo.git(&fetch).ok();
    let server = &project.server;
    server.git(&["update-ref", "refs/deploy/dev", &valid]).ok();
    let run = bob.deploy(&["repair", "--yes"]).ok();
    let restored = "the ledger dev here had been moved";
    assert!(run.words_of_err().contains(restored), "{run}");
    assert_eq!(bob.repo.rev("refs/deploy/dev"), valid, "{run}");
    assert_eq!(server.rev("refs/deploy/dev"), valid, "{run}");

    bob.repo
        .git(&["update-ref", "refs/deploy/dev", &forged])
        .ok();
    let record = bob.repo.path().join(".git/git-deploy/verified-tips");
    let text = std::fs::read_to_string(&record).unwrap();
    assert!(text.contains(&valid), "{text}");
    std::fs::write(&record, text.replace(&valid, &forged)).unwrap();
    let run = bob.deploy(&["repair", "--yes"]).fails(1);
    let rejected = "the audit of this clone rejects its own ledger dev";
    assert!(run.words_of_err().contains(rejected), "{run}");
    assert_eq!(server.rev("refs/deploy/dev"), valid, "{run}");
}

/// A clone that lacks an entry which the notes name does not restore its older tip: it names the entry,
/// and a clone that has it repairs.
#[test]
fn clones_that_lack_entries_do_not_repair() {
    let world = World::new();
    let project = on_a_forge(&world);
    let [first, second] = ["~1", ""].map(|it| project.server.rev(&format!("refs/deploy/dev{it}")));
    project.push("api/x", "three\n");
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    let newest = project.server.rev("refs/deploy/dev");
    let rewind = ["update-ref", "refs/deploy/dev", &first];
    project.server.git(&rewind).ok();
    for arguments in [&["repair", "--yes"][..], &["repair", "--dry-run"]] {
        let refused = project.bob.deploy(arguments).fails(1);
        let reason = format!(
            "the notes cover dev@{} ({newest}), which this clone lacks",
            &newest[..10]
        );
        assert!(refused.words_of_err().contains(&reason), "{refused}");
        assert_eq!(project.server.rev("refs/deploy/dev"), first);
    }
    project.ci.deploy(&["repair", "--yes"]).ok();
    assert_eq!(project.server.rev("refs/deploy/dev"), newest);
    // If no clone has the entry any more, a person decides to go on without it.
    project.server.git(&rewind).ok();
    let restored = project.bob.deploy(&["repair", "--drop-newer", "--yes"]);
    restored.ok();
    assert_eq!(project.server.rev("refs/deploy/dev"), second);
}
