//! `git deploy contains` knows reverts: a change that a later deployed commit takes back is not
//! deployed. `git deploy show` agrees.

use std::fmt::Write as _;

use crate::harness::{Repo, World};

const BEFORE: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
/// The change that is asked for is the line `two`.
const AFTER: &str = "1\n2\n3\n4\ntwo\n5\n6\n7\n8\n9\n";

/// Returns a repository whose component `api` is in dev, with a change to ask for as `HEAD`.
fn deployed(world: &World) -> Repo<'_> {
    let repo = world.repo("alice");
    repo.commit("api/x", BEFORE, "Begin");
    repo.deploy(&["init", "--name", "shop", "--no-password"])
        .ok();
    repo.commit("api/x", AFTER, "Add two");
    repo
}

fn git(repo: &Repo<'_>, args: &[&str]) -> String {
    repo.world().advance("1m");
    repo.git(args).ok();
    repo.rev("HEAD")
}

fn revert(repo: &Repo<'_>, commit: &str) -> String {
    git(repo, &["revert", "--no-edit", commit])
}

fn revert_merge(repo: &Repo<'_>, merge: &str) -> String {
    git(repo, &["revert", "--no-edit", "-m", "1", merge])
}

/// Makes the commits up to `tip` those of a side branch that begins before the change, and merges it.
fn merge(repo: &Repo<'_>, change: &str, tip: &str) -> String {
    git(repo, &["reset", "-q", "--hard", &format!("{change}^")]);
    git(repo, &["merge", "-q", "--no-ff", "-m", "Merge it", tip])
}

/// Begins a side branch before the change, and picks the change there.
fn pick_on_side(repo: &Repo<'_>, change: &str) -> String {
    git(
        repo,
        &["checkout", "-q", "-b", "side", &format!("{change}^")],
    );
    repo.commit("api/w", "w\n", "Another base");
    git(repo, &["cherry-pick", change])
}

fn merge_side(repo: &Repo<'_>) {
    git(repo, &["checkout", "-q", "main"]);
    git(repo, &["merge", "-q", "--no-edit", "side"]);
}

/// Commits a file, with a message that says that it reverts the change.
fn say_revert(repo: &Repo<'_>, change: &str, file: &str, content: &str) -> String {
    let words = format!("Tidy up\n\nThis reverts commit {change}.");
    repo.commit(file, content, &words)
}

/// What the deployed file shows of the change.
#[derive(Clone, Copy, Debug, PartialEq)]
enum File {
    Has,
    Lacks,
    /// The file shows nothing: what it lacks may have been taken back on purpose or rewritten.
    Unclear,
}

/// A history on top of the change: its name, how to make it, the exit code for the commit that this
/// returns, and what the file shows.
type History = (&'static str, fn(&Repo<'_>, String) -> String, i32, File);

const HISTORIES: [History; 24] = [
    ("the change alone", |_, change| change, 0, File::Has),
    (
        "a revert",
        |repo, change| {
            revert(repo, &change);
            change
        },
        1,
        File::Lacks,
    ),
    (
        "a revert of the revert",
        |repo, change| {
            let first = revert(repo, &change);
            revert(repo, &first);
            change
        },
        0,
        File::Has,
    ),
    (
        "three reverts",
        |repo, change| {
            let first = revert(repo, &change);
            let second = revert(repo, &first);
            revert(repo, &second);
            change
        },
        1,
        File::Lacks,
    ),
    (
        "the change again after its revert",
        |repo, change| {
            revert(repo, &change);
            git(repo, &["cherry-pick", &change]);
            change
        },
        0,
        File::Has,
    ),
    (
        "a revert of the change that was made again",
        |repo, change| {
            revert(repo, &change);
            let again = git(repo, &["cherry-pick", &change]);
            revert(repo, &again);
            change
        },
        1,
        File::Lacks,
    ),
    (
        "a revert after a line nearby changed",
        |repo, change| {
            repo.commit("api/x", &AFTER.replace('6', "six"), "Write six");
            revert(repo, &change);
            change
        },
        1,
        File::Lacks,
    ),
    (
        "a revert with another file",
        |repo, change| {
            git(repo, &["revert", "--no-commit", &change]);
            say_revert(repo, &change, "api/y", "y\n");
            change
        },
        1,
        File::Lacks,
    ),
    (
        "a revert with an abbreviated id",
        |repo, change| {
            say_revert(repo, &change[..7], "api/x", BEFORE);
            change
        },
        1,
        File::Lacks,
    ),
    (
        "a revert with an id of six digits",
        |repo, change| {
            say_revert(repo, &change[..6], "api/x", BEFORE);
            change
        },
        0,
        File::Unclear,
    ),
    (
        "the words of a revert with another change",
        |repo, change| {
            say_revert(repo, &change, "api/y", "y\n");
            change
        },
        3,
        File::Has,
    ),
    (
        "that reverted",
        |repo, change| {
            let said = say_revert(repo, &change, "api/y", "y\n");
            revert(repo, &said);
            change
        },
        0,
        File::Has,
    ),
    (
        "a revert with a conflict",
        |repo, change| {
            repo.commit("api/x", &AFTER.replace("two", "zwei"), "Translate");
            say_revert(repo, &change, "api/x", BEFORE);
            change
        },
        3,
        File::Unclear,
    ),
    (
        "the inverse change without the words",
        |repo, change| {
            repo.commit("api/x", BEFORE, "Write it again");
            change
        },
        0,
        File::Unclear,
    ),
    (
        "a revert of the merge that brought it",
        |repo, change| {
            let merge = merge(repo, &change, &change);
            revert_merge(repo, &merge);
            change
        },
        1,
        File::Lacks,
    ),
    (
        "a reverted merge",
        |repo, change| {
            let merge = merge(repo, &change, &change);
            revert_merge(repo, &merge);
            merge
        },
        1,
        File::Lacks,
    ),
    (
        "a revert of the revert of a merge",
        |repo, change| {
            let merge = merge(repo, &change, &change);
            let first = revert_merge(repo, &merge);
            revert(repo, &first);
            change
        },
        0,
        File::Has,
    ),
    (
        "the change again after the revert of a merge",
        |repo, change| {
            let merge = merge(repo, &change, &change);
            revert_merge(repo, &merge);
            git(repo, &["cherry-pick", &change]);
            change
        },
        0,
        File::Has,
    ),
    (
        "a merge of two commits, reverted and squashed again",
        |repo, change| {
            let tip = repo.commit("api/y", "y\n", "Add y");
            let merge = merge(repo, &change, &tip);
            revert_merge(repo, &merge);
            git(repo, &["cherry-pick", "-m", "1", &merge]);
            change
        },
        0,
        File::Has,
    ),
    (
        "a merge whose only commit is reverted",
        |repo, change| {
            let merge = merge(repo, &change, &change);
            revert(repo, &change);
            merge
        },
        1,
        File::Lacks,
    ),
    (
        "a merge of two commits, both reverted",
        |repo, change| {
            let tip = repo.commit("api/y", "y\n", "Add y");
            let merge = merge(repo, &change, &tip);
            revert(repo, &tip);
            revert(repo, &change);
            merge
        },
        1,
        File::Lacks,
    ),
    (
        "a merge of two commits, one reverted",
        |repo, change| {
            let tip = repo.commit("api/y", "y\n", "Add y");
            let merge = merge(repo, &change, &tip);
            revert(repo, &change);
            merge
        },
        0,
        File::Unclear,
    ),
    (
        "picked and reverted on a side branch",
        |repo, change| {
            let picked = pick_on_side(repo, &change);
            revert(repo, &picked);
            merge_side(repo);
            change
        },
        0,
        File::Has,
    ),
    (
        "picked on a side branch, and reverted as the pick",
        |repo, change| {
            let picked = pick_on_side(repo, &change);
            merge_side(repo);
            revert(repo, &picked);
            change
        },
        1,
        File::Lacks,
    ),
];

#[test]
fn reverts_count_if_they_are_in_effect() {
    for (name, make, code, file) in HISTORIES {
        let world = World::new();
        let repo = deployed(&world);
        let asked = make(&repo, repo.rev("HEAD"));
        // Otherwise the content of the commit would be the answer.
        repo.commit("api/z", "z\n", "Go on");
        repo.deploy(&["record", "dev"]).ok();
        println!("{name}");
        let lines = repo.git(&["show", "HEAD:api/x"]).ok().text();
        let has_line = lines.lines().any(|line| line == "two");
        assert!(
            file == File::Unclear || has_line == (file == File::Has),
            "{name}: {lines}"
        );
        let answer = repo.deploy(&["contains", "dev", &asked]);
        let json = repo.deploy(&["contains", "dev", &asked, "--json"]);
        let show = repo.deploy(&["show", &asked, "--json"]).ok().json();
        let run = &show["environments"][0]["runs"][0];
        if code == 0 {
            answer.ok();
            assert_eq!(run["state"], "runs", "{name}: {run}");
            continue;
        }
        let (answer, json) = (answer.fails(code), json.fails(code).json());
        let result = &json["environments"][0]["components"][0]["result"];
        let (field, words, state) = if code == 1 {
            ("revertedBy", "reverted by ", "reverted")
        } else {
            (
                "possiblyRevertedBy",
                " says that it reverts it",
                "possiblyReverted",
            )
        };
        assert!(answer.text().contains(words), "{name}: {answer}");
        let by = result[field].as_str().unwrap();
        let reason = result["reason"].as_str().unwrap();
        assert!(reason.contains(&by[..7]), "{name}: {result}");
        assert_eq!(
            (&run["state"], run["revertedBy"].as_str()),
            (&state.into(), Some(by)),
            "{name}"
        );
    }
}

/// A change that was deployed as a cherry-pick is reverted by the revert of that.
#[test]
fn revert_of_a_cherry_pick() {
    let world = World::new();
    let repo = deployed(&world);
    let change = repo.rev("HEAD");
    let picked = pick_on_side(&repo, &change);
    repo.commit("api/z", "z\n", "Go on");
    repo.deploy(&["record", "dev"]).ok();
    repo.deploy(&["contains", "dev", &change]).ok();
    let revert = revert(&repo, &picked);
    repo.deploy(&["record", "dev"]).ok();
    let answer = repo.deploy(&["contains", "dev", &change]).fails(1);
    let words = format!("reverted by {} \"Revert \"Add two\"\"", &revert[..7]);
    assert!(answer.text().contains(&words), "{answer}");
}

/// Adds 2,001 commits that change one file.
fn commit_often(repo: &Repo<'_>, file: &str, before: &str) {
    let mut stream = String::new();
    let tip = repo.rev("HEAD");
    let time = repo.git(&["show", "-s", "--format=%ct"]).ok().text();
    for number in 0..=2_000 {
        let from = if number == 0 {
            format!("from {tip}\n")
        } else {
            String::new()
        };
        let content = format!("{before}{number}\n");
        let _ = write!(
            stream,
            "commit refs/heads/main\ncommitter A <a@example.com> {} +0000\ndata 1\nn\n{from}\
             M 100644 inline {file}\ndata {}\n{content}\n",
            time,
            content.len()
        );
    }
    repo.write(".git/commits", &stream);
    repo.run("sh", &["-c", "git fast-import --quiet < .git/commits"])
        .ok();
    repo.git(&["reset", "-q", "--hard"]).ok();
    repo.deploy(&["record", "dev"]).ok();
}

/// Only commits that change the same file count for the limit. Beyond it, the answer is unknown.
#[test]
fn commits_beyond_the_limit_are_unknown() {
    let world = World::new();
    let repo = deployed(&world);
    let change = repo.rev("HEAD");
    revert(&repo, &change);
    git(&repo, &["cherry-pick", &change]);
    git(
        &repo,
        &["checkout", "-q", "-b", "side", &format!("{change}^")],
    );
    let elsewhere = repo.commit("api/w", "w\n", "Add w");
    let same_file = repo.commit("api/x", &BEFORE.replace('1', "one"), "Write one");
    git(&repo, &["checkout", "-q", "main"]);
    commit_often(&repo, "api/n", "");
    for (commit, code) in [(&change, 0), (&elsewhere, 1), (&same_file, 1)] {
        let answer = repo.deploy(&["contains", "dev", commit]);
        let _ = if code == 0 {
            answer.ok()
        } else {
            answer.fails(code)
        };
    }
    commit_often(&repo, "api/x", AFTER);
    for (commit, code, words) in [
        (&change, 3, "more than 2000 later commits"),
        (&elsewhere, 1, "neither the commit nor one"),
        (&same_file, 3, "more than 2000 commits"),
    ] {
        let answer = repo.deploy(&["contains", "dev", commit]).fails(code);
        assert!(answer.text().contains(words), "{answer}");
    }
}
