//! What `--json` prints. The harness validates every document by its schema; here each kind is
//! printed, and the fields that programs rely on are checked.

use std::collections::BTreeSet;

use git_deploy::testing::cli::schemas::KINDS;

use crate::harness::World;
use crate::versions::versioned;
use crate::write_commands::{joined, served};

/// Every kind in the list is printed by some command.
#[test]
fn every_kind_is_printed() {
    let world = World::new();
    let (server, alice) = served(&world);
    let mut printed = BTreeSet::new();
    let mut runs = vec![server.deploy(&["server", "init", ".", "--json"])];
    for command in [
        "init",
        "key show",
        "key list",
        "record dev",
        "record dev",
        "record stage --dry-run --json -- true",
        "status",
        "log",
        "show",
        "check stage",
        "contains dev",
        "diff",
        "diff stage dev",
        "plan dev",
        "good dev",
        "audit",
        "sync",
        "repair",
        "reap",
        "reconcile",
        "policy show",
        "policy diff",
        "policy test",
        "policy schema",
        "environment add qa --dry-run",
        "notes rebuild",
        "show nothing",
    ] {
        let mut words: Vec<&str> = command.split(' ').collect();
        if !words.contains(&"--json") {
            words.push("--json");
        }
        runs.push(alice.deploy(&words));
    }
    let other_world = World::new();
    let versioned = versioned(&other_world, "from = \"tag:v*\"");
    runs.push(versioned.deploy(&["version", "api", "--json"]));
    let root = alice.git(&["config", "deploy.root"]).ok().text();
    runs.push(server.deploy(&["server", "check", "--json"]));
    runs.push(server.deploy(&["server", "adopt", ".", "--root", &root, "--json"]));
    printed.extend(
        runs.iter()
            .filter(|run| !run.text().is_empty())
            .map(|run| run.json()["schema"].to_string()),
    );
    // What a server hands on is no report: `hooks::handed` holds it against its schema.
    for kind in KINDS.iter().filter(|kind| kind.name != "event") {
        let name = format!("\"git-deploy/{}/v1\"", kind.name);
        assert!(printed.contains(&name), "nothing here prints {name}");
    }
}

/// A program learns from a refusal which rules refused and what to type next, as a person does.
#[test]
fn a_refusal_holds_the_verdict() {
    let world = World::new();
    let (server, alice) = served(&world);
    let refused = alice.deploy(&["record", "stage", "--json"]).fails(1).json();
    assert_eq!(refused["kind"], "denied");
    let checks = refused["verdict"]["checks"].as_array().unwrap();
    let failed: Vec<_> = checks
        .iter()
        .filter(|check| check["outcome"] == "fail")
        .collect();
    let [check] = &failed[..] else {
        panic!("{refused}")
    };
    assert_eq!(check["rule"], "previous environment");
    assert!(
        check["remedy"]
            .as_str()
            .unwrap()
            .starts_with("git deploy record dev "),
        "{refused}"
    );
    assert_eq!(refused["verdict"]["decision"], "refused");

    // What the server alone says is there, too.
    let (bob, _) = joined(&world, &server, "bob");
    bob.deploy(&["init"]).ok();
    let rejected = alice
        .deploy(&["record", "stage", "--no-verify", "--json"])
        .fails(1)
        .json();
    let said = rejected["details"].to_string();
    assert!(
        said.contains("previous environment") && rejected.get("verdict").is_none(),
        "{rejected}"
    );
}

/// A job that checks a policy gets every mistake with its place, in the document as on the
/// terminal.
#[test]
fn a_bad_policy_holds_its_mistakes() {
    let world = World::new();
    let (_, alice) = served(&world);
    alice.write(
        "deploy.toml",
        "schema = 1\nproject = \"shop\"\npepole = {}\n",
    );
    let refused = alice.deploy(&["policy", "diff", "--json"]).fails(1).json();
    let details = refused["details"].as_array().unwrap();
    let told = |words: &str| {
        details
            .iter()
            .any(|line| line.as_str().unwrap().contains(words))
    };
    assert!(
        told("deploy.toml:3:1") && told("did you mean \"people\"?"),
        "{refused}"
    );
}

/// A mistyped command line is reported in a document as well, with the same exit code.
#[test]
fn wrong_usage_is_a_document() {
    let world = World::new();
    let alice = world.repo("alice");
    for (words, message) in [
        (
            &["status", "--frobnicate", "--json"][..],
            "unexpected argument '--frobnicate' found",
        ),
        (
            &["--json"],
            "'git deploy' requires a subcommand but one was not provided",
        ),
        (&["--json", "key"], "a command is missing"),
        (
            &["--json", "exec", "dev"],
            "the following required arguments were not provided:\n  <COMMAND>...",
        ),
        (&["--json", "lock", "dev"], "a reason is required"),
    ] {
        let run = alice.deploy(words).fails(2);
        let document = run.json();
        assert_eq!(document["kind"], "usage");
        assert!(
            document["message"].as_str().unwrap().starts_with(message),
            "{run}"
        );
    }
    // Behind `--` it is no option.
    assert!(
        alice
            .deploy(&["status", "--", "a", "b", "--json"])
            .fails(2)
            .text()
            .is_empty()
    );
}
