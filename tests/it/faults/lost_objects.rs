//! A disk that has lost an object: an audit reports what it cannot tell, and accuses nobody.

use super::POLICY;
use crate::harness::{Project, Repo, World};

/// Objects one by one, each a file.
fn unpacked(repo: &Repo<'_>) {
    let script = "mkdir ../packs && for it in .git/objects/pack/*.pack; do test ! -f $it || mv $it ../packs; done && \
                  rm -rf .git/objects/pack/* && for it in ../packs/*.pack; do test ! -f $it || git unpack-objects -q < $it; done";
    repo.run("sh", &["-c", script]).ok();
}

/// Returns what an audit says about the notes.
fn of_the_notes(repo: &Repo<'_>, code: i32) -> Vec<(String, String)> {
    let told = repo.deploy(&["audit", "--json"]).fails(code).json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = told["notes"]["findings"]
        .as_array()
        .unwrap_or_else(|| panic!("{told:#}"))
        .iter();
    findings
        .map(|it| (text(&it["outcome"]), text(&it["detail"])))
        .collect()
}

/// A lost object of an entry is reported as unknown, not as a forgery; notes that are wrong are
/// still found.
#[test]
fn lost_objects_are_reported() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    for file in ["one", "two", "three"] {
        project.push("api/x", file);
        project.ci.deploy(&["record", "dev"]).ok();
    }
    let bob = &project.bob.repo;
    bob.deploy(&["sync"]).ok();
    unpacked(bob);
    bob.deploy(&["audit"]).ok();
    for lost in [
        "dev~1:entry.json",
        "dev~1",
        "dev~2",
        "dev:entry.json",
        "policy:entry.json",
    ] {
        let id = bob.rev(&format!("refs/deploy/{lost}"));
        let object = bob
            .path()
            .join(".git/objects")
            .join(&id[..2])
            .join(&id[2..]);
        let kept = world.path().join("kept-object");
        std::fs::rename(&object, &kept).unwrap();
        let findings = of_the_notes(bob, 3);
        assert!(
            findings.iter().all(|(outcome, _)| outcome == "unknown"),
            "{lost}: {findings:?}"
        );
        assert_eq!(
            findings.is_empty(),
            lost.starts_with("policy"),
            "{lost}: {findings:?}"
        );
        std::fs::rename(&kept, &object).unwrap();
    }

    // A line about a ledger of which all is here.
    let id = bob.rev("refs/deploy/dev~1:entry.json");
    std::fs::remove_file(
        bob.path()
            .join(".git/objects")
            .join(&id[..2])
            .join(&id[2..]),
    )
    .unwrap();
    let covers = bob
        .git(&["log", "-1", "--format=%B", "refs/notes/deploy"])
        .ok()
        .text();
    let lie = "2026-03-05T10:00:00Z  evil  policy@0123456789";
    bob.git(&["notes", "--ref=deploy", "append", "-m", lie, "HEAD"])
        .ok();
    let tree = bob.rev("refs/notes/deploy^{tree}");
    let commit = bob.git(&["commit-tree", "-m", &covers, &tree]).ok().text();
    bob.git(&["update-ref", "refs/notes/deploy", &commit]).ok();
    let findings = of_the_notes(bob, 1);
    assert!(
        findings
            .iter()
            .any(|(outcome, detail)| outcome == "fail" && detail.contains("evil")),
        "{findings:?}"
    );
}
