//! `git deploy show ENTRY`: every id of an entry that a screen prints can be shown, and no command takes
//! one for a commit of the code. Also the hints in a clone without ledgers.

use std::collections::BTreeSet;

use crate::harness::{Project, Repo, Run, Sandbox, World};

/// Returns the words `LEDGER@ID` in a text, without those that are e-mail addresses.
fn entry_names(text: &str) -> BTreeSet<String> {
    let is_separator = |c: char| !(c.is_ascii_alphanumeric() || "@-_./".contains(c));
    let words = text.split(is_separator);
    words
        .map(|word| word.trim_matches(['.', '/']))
        .filter(|word| {
            let id = word.split_once('@').map_or("", |(_, id)| id);
            id.len() >= 10 && id.bytes().all(|it| it.is_ascii_hexdigit())
        })
        .map(str::to_owned)
        .collect()
}

/// Runs a command in a terminal of this width, and returns both streams.
fn screen(repo: &Repo<'_>, words: &[&str], columns: &str) -> String {
    let mut command = repo.command("git-deploy");
    command.args(words).env("COLUMNS", columns);
    let run = Run::of(repo.world(), &mut command);
    format!("{}\n{}", run.text(), run.err())
}

/// Each entry that the tour and the commands after it name can be shown by the name that they print, and
/// by the id alone.
#[test]
fn every_printed_entry_can_be_shown() {
    let world = World::new();
    let sandbox = Sandbox::new(&world);
    let alice = sandbox.person("alice");
    alice.deploy(&["sync"]).ok();
    let mut text = sandbox.transcript.clone();
    for columns in ["80", "200"] {
        for words in [
            &["log", "--all", "-n", "500"][..],
            &["status"],
            &["policy", "show"],
            &["audit"],
            &["show"],
            &["sync"],
            &["lock", "prod", "-m", "incident"],
            &["unlock", "prod"],
        ] {
            text += &screen(&alice, words, columns);
        }
    }
    let names = entry_names(&text);
    assert!(names.len() > 10, "{names:?}");
    for name in &names {
        let (ledger, id) = name.split_once('@').unwrap();
        for word in [name.as_str(), id] {
            let run = alice.deploy(&["show", word, "--json"]).ok();
            let shown = &run.json()["entries"][0];
            assert_eq!(shown["ledger"], ledger, "{run}");
            assert!(shown["entry"].as_str().unwrap().starts_with(id), "{run}");
        }
        assert!(
            alice.deploy(&["show", name]).ok().text().contains(name),
            "{name}"
        );
    }
}

/// An entry is no commit of the code: nothing is deployed, approved or checked from it, and the refusal
/// names the command that shows it.
#[test]
fn entries_are_not_taken_for_commits() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nprod = {}\n");
    let recorded = project.bob.deploy(&["record", "prod"]).ok();
    let name = entry_names(&recorded.text()).pop_first().unwrap();
    let id = name.split_once('@').unwrap().1;
    let root = project.bob.repo.git(&["config", "deploy.root"]).ok().text();
    for words in [
        &["record", "prod", id][..],
        &["check", "prod", id],
        &["yank", id, "-m", "x"],
        &["contains", id],
        &["show", &root],
    ] {
        let run = project.bob.deploy(words).fails(2);
        let said = run.words_of_err();
        assert!(said.contains("not a commit of the code"), "{run}");
    }
    let run = project.bob.deploy(&["check", "prod", id]).fails(2);
    assert!(
        run.err().contains(&format!("git deploy show {name}")),
        "{run}"
    );
    let missing = project.bob.deploy(&["show", "prod@0123456789"]).fails(2);
    assert!(missing.err().contains("git deploy sync"), "{missing}");
    // A file of this name in the code makes no commit an entry.
    let commit = project.push("entry.json", "{}\n");
    project.bob.deploy(&["show", &commit]).ok();
}

/// In a clone without ledgers, the hint is to fetch them if there is a remote, and otherwise to begin a
/// project. If a policy is in force, a missing deploy.toml is restored from it.
#[test]
fn clones_without_ledgers_are_told_to_fetch_them() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nprod = {}\n");
    let clone = world.clone(&project.server, "dave");
    let audit = clone.deploy(&["audit"]).fails(3);
    assert!(audit.err().contains("hint: git deploy sync"), "{audit}");
    assert!(!audit.err().contains("git deploy init"), "{audit}");
    clone.git(&["remote", "rename", "origin", "upstream"]).ok();
    for words in [&["status"][..], &["audit"], &["check", "prod"]] {
        let run = clone.deploy(words).fails(3);
        let said = run.err();
        assert!(!said.contains("git deploy init"), "{run}");
        assert!(
            said.contains("hint: git config deploy.remote upstream && git deploy sync"),
            "{run}"
        );
    }
    let typed = "git config deploy.remote upstream && git deploy sync && git deploy status";
    clone.run("sh", &["-c", typed]).ok();
    let missing = clone.deploy(&["policy", "diff"]).fails(3);
    assert!(!missing.err().contains("git deploy init"), "{missing}");
    let typed = "git deploy policy show > deploy.toml && git deploy policy diff";
    assert!(
        missing
            .err()
            .contains("git deploy policy show > deploy.toml"),
        "{missing}"
    );
    clone.run("sh", &["-c", typed]).ok();
    let alone = world.existing("home", "dave");
    alone.git(&["init", "-q", "."]).ok();
    let run = alone.deploy(&["status"]).fails(3);
    assert!(run.err().contains("hint: git deploy init"), "{run}");
}
