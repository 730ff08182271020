//! `git deploy contains` knows reverts: a change that a later deployed commit takes back is not
//! deployed.

use crate::harness::{Repo, World};

/// Returns a repository whose component `api` is in dev, with a change to ask for as `HEAD`.
fn deployed(world: &World) -> Repo<'_> {
    let repo = world.repo("alice");
    repo.commit("api/x", "one\n", "Begin");
    repo.deploy(&["init", "--name", "shop", "--no-password"])
        .ok();
    repo.commit("api/x", "one\ntwo\n", "Add two");
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

/// A history on top of the change: its name, how to make it, and whether the change is in effect.
type History = (&'static str, fn(&Repo<'_>, &str), bool);

const HISTORIES: [History; 8] = [
    ("the change alone", |_, _| {}, true),
    ("a revert", |repo, change| drop(revert(repo, change)), false),
    (
        "a revert of the revert",
        |repo, change| {
            let first = revert(repo, change);
            revert(repo, &first);
        },
        true,
    ),
    (
        "three reverts",
        |repo, change| {
            let first = revert(repo, change);
            let second = revert(repo, &first);
            revert(repo, &second);
        },
        false,
    ),
    (
        "the change again after its revert",
        |repo, change| {
            revert(repo, change);
            git(repo, &["cherry-pick", change]);
        },
        true,
    ),
    (
        "a revert of the change that was made again",
        |repo, change| {
            revert(repo, change);
            let again = git(repo, &["cherry-pick", change]);
            revert(repo, &again);
        },
        false,
    ),
    (
        "the words of a revert with another change",
        |repo, change| {
            let words = format!("Tidy up\n\nThis reverts commit {change}.");
            repo.commit("api/y", "y\n", &words);
        },
        true,
    ),
    (
        "the inverse change without the words",
        |repo, _| drop(repo.commit("api/x", "one\n", "Write it again")),
        true,
    ),
];

#[test]
fn reverts_count_if_they_are_in_effect() {
    for (name, make, is_in_effect) in HISTORIES {
        let world = World::new();
        let repo = deployed(&world);
        let change = repo.rev("HEAD");
        make(&repo, &change);
        // Otherwise the content of the commit would be the answer.
        repo.commit("api/z", "z\n", "Go on");
        repo.deploy(&["record", "dev"]).ok();
        let answer = repo.deploy(&["contains", "dev", &change]);
        println!("{name}");
        let answer = if is_in_effect {
            answer.ok()
        } else {
            answer.fails(1)
        };
        if !is_in_effect {
            assert!(answer.text().contains("reverted by "), "{name}: {answer}");
            let json = repo
                .deploy(&["contains", "dev", &change, "--json"])
                .fails(1)
                .json();
            let result = &json["environments"][0]["components"][0]["result"];
            let reverted_by = result["revertedBy"].as_str().unwrap();
            assert!(
                result["reason"]
                    .as_str()
                    .unwrap()
                    .contains(&reverted_by[..7]),
                "{name}: {result}"
            );
        }
    }
}

/// A change that was deployed as a cherry-pick is reverted by the revert of that.
#[test]
fn revert_of_a_cherry_pick() {
    let world = World::new();
    let repo = deployed(&world);
    let change = repo.rev("HEAD");
    repo.git(&["checkout", "-q", "-b", "release", "HEAD^"]).ok();
    repo.commit("api/w", "w\n", "Another base");
    let picked = git(&repo, &["cherry-pick", &change]);
    repo.commit("api/z", "z\n", "Go on");
    repo.deploy(&["record", "dev"]).ok();
    repo.deploy(&["contains", "dev", &change]).ok();
    let revert = revert(&repo, &picked);
    repo.deploy(&["record", "dev"]).ok();
    let answer = repo.deploy(&["contains", "dev", &change]).fails(1);
    let words = format!("reverted by {} \"Revert \"Add two\"\"", &revert[..7]);
    assert!(answer.text().contains(&words), "{answer}");
}
