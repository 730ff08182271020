//! Small things that help people: steps that are not needed, and errors that say what to type next.

use std::fmt::Write as _;

use crate::harness::{Repo, Run, World};
use crate::write_commands::{joined, served};

/// Returns a repository with one commit, set up without a remote by alice.
fn alone(world: &World) -> Repo<'_> {
    let alice = world.repo("alice");
    alice.commit("api/main.rs", "fn main() {}\n", "Begin");
    alice
        .deploy(&["init", "--name", "shop", "--no-password"])
        .ok();
    alice
}

fn policy(repo: &Repo<'_>) -> String {
    std::fs::read_to_string(repo.path().join("deploy.toml")).unwrap()
}

/// A person or component that was just added is known to the next command, without a manual sync.
#[test]
fn new_people_can_write_without_sync() {
    let world = World::new();
    let (server, alice) = served(&world);
    let (bob, key) = joined(&world, &server, "bob");
    bob.deploy(&["init"]).ok();
    bob.deploy(&["lock", "dev", "-m", "a stranger"]).fails(1);

    let listed = policy(&alice)
        .replace(
            "\n[environments]",
            &format!("bob = \"{key}\"\n\n[environments]"),
        )
        .replace("\ndev ", "\nqa = {}\ndev ");
    alice.write("deploy.toml", &listed);
    alice.deploy(&["policy", "publish", "--yes"]).ok();
    let commit = alice.commit(
        "api/main.rs",
        "fn main() { login() }\n",
        "Fix login redirect",
    );
    alice.git(&["push", "-q", "origin", "HEAD"]).ok();
    let record = bob.deploy(&["record", "qa", &commit]).ok();
    assert!(record.text().starts_with("qa is now at "), "{record}");
}

/// A component that left the policy stays until somebody removes it.
#[test]
fn removed_components_stay_until_dropped() {
    let world = World::new();
    let alice = alone(&world);
    let before = policy(&alice);
    alice.commit("old/main.rs", "fn main() {}\n", "An old thing");
    alice.write(
        "deploy.toml",
        &format!("{before}\n[components.old]\npaths = \"old\"\n"),
    );
    alice.deploy(&["policy", "publish", "--yes"]).ok();
    alice.deploy(&["record", "dev"]).ok();
    alice.write("deploy.toml", &before);
    alice.deploy(&["policy", "publish", "--yes"]).ok();
    alice.deploy(&["record", "dev"]).ok();
    let runs = || {
        let status = alice.deploy(&["status", "dev", "--json"]).ok().json();
        let components = status["environments"][0]["components"]
            .as_array()
            .unwrap()
            .clone();
        components
            .iter()
            .map(|it| it["component"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // Without components of its own the project is one again: the rest of before has left, too.
    assert_eq!(runs(), ["old", "rest", "shop"]);
    alice
        .deploy(&["record", "dev", "--component", "old"])
        .fails(2);
    let gone = alice.deploy(&["record", "dev", "--destroy"]).ok();
    assert!(gone.text().contains("dev no longer has old"), "{gone}");
    assert_eq!(runs(), ["shop"]);
}

/// Of many components the relevant ones are named, and a failure says how to retry.
#[test]
fn many_components_are_summarised() {
    let world = World::new();
    let alice = alone(&world);
    let mut text = policy(&alice);
    for name in ["a", "b", "c", "d", "e"] {
        alice.commit(&format!("{name}/file"), "one\n", "Begin a part");
        writeln!(text, "\n[components.{name}]\npaths = \"{name}\"").unwrap();
    }
    alice.write("deploy.toml", &text);
    alice.deploy(&["policy", "publish", "--yes"]).ok();
    let first = alice.deploy(&["record", "dev"]).ok().text();
    let short = alice.rev("HEAD")[..7].to_owned();
    assert!(
        first.starts_with(&format!("dev is now at {short} (6 components).")),
        "{first}"
    );
    let log = alice.deploy(&["log"]).ok().text();
    assert!(log.contains(&format!("6 components ({short})")), "{log}");

    alice.commit("c/file", "two\n", "Go on");
    let short = alice.rev("HEAD")[..7].to_owned();
    let failed = alice.deploy(&["record", "dev", "--failed"]).ok().text();
    assert!(
        failed.starts_with(&format!("c ({short}) failed in dev.")),
        "{failed}"
    );
    let lift = format!("git deploy unlock dev --commit {short}");
    assert!(
        failed.ends_with(&format!(
            "{short} stays on hold in dev until a person lifts the hold: {lift}"
        )),
        "{failed}"
    );
    let log = alice.deploy(&["log", "-n", "1"]).ok().text();
    assert!(
        log.contains(&format!("failed  c ({short})  by alice")),
        "{log}"
    );
    alice.deploy(&["log", "-n", "0"]).fails(2);
    let status = alice.deploy(&["status"]).ok().text();
    assert!(
        status.contains(&format!(
            "c ({short}) is on hold in dev because it failed · {lift}"
        )),
        "{status}"
    );

    alice.deploy(&["unlock", "dev", "--commit", &short]).ok();
    assert!(!alice.deploy(&["status"]).ok().text().contains("on hold"));
    let done = alice.deploy(&["record", "dev"]).ok().text();
    assert!(
        done.starts_with(&format!("dev is now at {short} (c).")),
        "{done}"
    );
}

/// The errors of the first minutes say what to type.
#[test]
fn first_errors_say_what_to_type() {
    let world = World::new();
    let alice = world.repo("alice");
    let outside = alice.deploy(&["-C", "..", "status"]).fails(3);
    assert!(
        outside.err().contains("hint: cd into a clone") && !outside.err().contains("NotFound"),
        "{outside}"
    );
    alice.deploy(&["init", "--no-password"]).ok();
    let nothing = alice.deploy(&["record", "dev"]).fails(2);
    assert_eq!(
        nothing.err(),
        "error: this repository has no commits yet\n  hint: git commit",
        "{nothing}"
    );
    let near = alice.deploy(&["record", "dve"]).fails(2);
    assert!(near.err().contains("did you mean \"dev\"?"), "{near}");

    let file = world.path().join("home/locked.key");
    let mut command = alice.command("git-deploy");
    command
        .args(["key", "new"])
        .arg(&file)
        .env("GIT_DEPLOY_PASSWORD", "correct horse");
    Run::of(&world, &mut command).ok();
    alice
        .git(&["config", "deploy.key", &file.to_string_lossy()])
        .ok();
    let locked = alice.deploy(&["lock", "dev", "-m", "x"]).fails(3);
    assert!(
        locked.err().contains("hint: GIT_DEPLOY_PASSWORD=…"),
        "{locked}"
    );
}

/// Ledgers without a server stay unchanged, and the way to a server is explained.
#[test]
fn a_server_can_be_added_later() {
    let world = World::new();
    let alice = alone(&world);
    assert_eq!(
        alice.deploy(&["sync"]).ok().text(),
        "There is no remote: the ledgers exist only in this repository."
    );
    let server = world.bare_server("server.git");
    let key = alice.deploy(&["key", "show"]).ok().text();
    server
        .deploy(&["server", "init", ".", "--admin", &key])
        .ok();
    alice.git(&["remote", "add", "origin", &server.url()]).ok();
    assert_eq!(
        alice.deploy(&["sync"]).ok().text(),
        "deploy.remote is empty: the ledgers exist only in this repository."
    );

    let config = || std::fs::read(alice.path().join(".git/config")).unwrap();
    let before = config();
    let refused = alice.deploy(&["init", "--remote", "origin"]).fails(1);
    assert!(
        refused.err().contains("created without a server")
            && refused.err().contains("in a new clone"),
        "{refused}"
    );
    assert_eq!(config(), before);
    alice.deploy(&["record", "dev"]).ok();
    alice.git(&["config", "--unset", "deploy.remote"]).ok();
    let unsaid = alice.deploy(&["sync"]).fails(1);
    assert!(
        unsaid.err().contains("lost the ledger") && unsaid.err().contains("in a new clone"),
        "{unsaid}"
    );

    // And so it works.
    alice.git(&["push", "-q", "origin", "HEAD"]).ok();
    let anew = world.clone(&server, "alice2");
    anew.deploy(&["init", "--name", "shop", "--as", "alice"])
        .ok();
    anew.deploy(&["record", "dev"]).ok();
}
