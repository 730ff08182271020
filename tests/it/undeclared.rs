//! Components that the policy no longer declares: they leave an environment with one command, or
//! continue under a new name.

use crate::harness::{Project, Run, World};

const WITH_OLD: &str = "[components]\napi = { paths = \"api/**\" }\nold = { paths = \"old/**\" }\n";
const WITHOUT: &str = "[components]\napi = { paths = \"api/**\" }\n";
const RENAMED: &str = "[components]\napi = { paths = \"api/**\" }\nnew = { paths = \"old/**\", renamed_from = \"old\" }\n";

/// Environments with every rule that a removal faces.
const PLAIN: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";
const GUARDED: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\", approvals = { required = 1, by = \"bob\" }, branch = \"release\", deploy_on = \"approval\" }\n";

/// Returns a project in which both environments run `api` and `old`.
fn with_old<'w>(world: &'w World, environments: &str) -> Project<'w> {
    let project = Project::new(world, &format!("{environments}{WITH_OLD}"));
    project.push("old/x", "one\n");
    deploy_everywhere(&project, environments);
    project
}

fn deploy_everywhere(project: &Project<'_>, environments: &str) {
    project.ci.deploy(&["record", "dev"]).ok();
    if environments == GUARDED {
        project.bob.deploy(&["approve", "prod"]).ok();
    }
    project.ci.deploy(&["record", "prod"]).ok();
}

/// Runs a command that a text prints, exactly as printed.
fn run_printed<'w>(project: &Project<'w>, printed: &Run<'_>, needle: &str) -> Run<'w> {
    let text = printed.text();
    let commands = text.split(['→', '·', '\n']);
    let command = commands
        .map(str::trim)
        .filter(|it| it.starts_with("git deploy "))
        .find(|command| command.contains(needle))
        .unwrap_or_else(|| panic!("no command with {needle:?} in {text}"));
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[..2], ["git", "deploy"], "{command}");
    project.ci.deploy(&words[2..])
}

fn components(project: &Project<'_>, environment: &str) -> Vec<String> {
    let status = project.ci.deploy(&["status", environment, "--json"]).ok();
    let components = status.json()["environments"][0]["components"].clone();
    let names = components.as_array().unwrap().iter();
    names
        .map(|it| it["component"].as_str().unwrap().to_owned())
        .filter(|it| it != "rest")
        .collect()
}

/// The command that `status` and `check` print removes the component: with approvals or without,
/// even if the commit at which it runs is in no branch any more.
#[test]
fn printed_command_removes_undeclared_components() {
    for environments in [PLAIN, GUARDED] {
        let world = World::new();
        let project = with_old(&world, environments);
        // As after a squash merge, the running commit is not in the history of the new one.
        let alice = &project.alice.repo;
        alice.git(&["checkout", "-q", "--orphan", "fresh"]).ok();
        alice.git(&["commit", "-q", "-m", "Squash"]).ok();
        project
            .server
            .git(&["config", "receive.denyNonFastForwards", "false"])
            .ok();
        project.publish(&format!("{environments}{WITHOUT}"));
        project.ci.deploy(&["sync"]).ok();
        let squash = alice.rev("HEAD");
        project.alice.push(&["HEAD:refs/heads/squash"]).ok();
        for member in [&project.bob, &project.ci] {
            member.repo.git(&["fetch", "-q", "origin"]).ok();
            member.repo.git(&["checkout", "-q", &squash]).ok();
        }
        // It is still named, and every command that needs it says what to do.
        let named = project
            .ci
            .deploy(&["record", "prod", "--component", "old"])
            .fails(2);
        assert!(
            named
                .err()
                .contains("the policy no longer has the component old, but prod still runs it"),
            "{named}"
        );
        let check = project.ci.deploy(&["check", "dev"]);
        assert!(
            check
                .text()
                .contains("old is no longer a component of the policy"),
            "{check}"
        );
        run_printed(&project, &check, "--destroy").ok();
        assert_eq!(components(&project, "dev"), ["api"]);

        let status = project.ci.deploy(&["status", "prod"]).ok();
        if environments == GUARDED {
            let refused = run_printed(&project, &status, "--destroy").fails(1);
            assert!(refused.err().contains("0 of 1: needs bob"), "{refused}");
            project
                .bob
                .deploy(&["approve", "prod", "--destroy", "--component", "old"])
                .ok();
        }
        project.ci.deploy(&["sync"]).ok();
        let check = ["check", "prod", "--destroy", "--component", "old"];
        project.ci.deploy(&check).ok();
        run_printed(&project, &status, "--destroy").ok();
        assert_eq!(components(&project, "prod"), ["api"]);
        project.audited();
    }
}

/// A run removes an undeclared component too: there is no command, so it only records the removal.
#[test]
fn run_removes_undeclared_components() {
    let world = World::new();
    let project = with_old(&world, PLAIN);
    project.publish(&format!("{PLAIN}{WITHOUT}"));
    let run = ["run", "dev", "--destroy", "--component", "old", "--yes"];
    let gone = project.ci.deploy(&run).ok();
    assert!(
        gone.words_of_err()
            .contains("The policy no longer has old: nothing is executed for it"),
        "{gone}"
    );
    assert_eq!(components(&project, "dev"), ["api"]);
    project.audited();
}

/// A renamed component continues the history of the old one: its first deployment replaces that, in
/// one entry, and must be further ahead.
#[test]
fn renamed_components_continue() {
    let world = World::new();
    let project = with_old(&world, GUARDED);
    let first = project.alice.repo.rev("HEAD");
    project.publish(&format!("{GUARDED}{RENAMED}"));
    project.push("old/x", "two\n");
    project.ci.deploy(&["sync"]).ok();
    let status = project.ci.deploy(&["status", "prod"]).ok();
    assert!(
        status.text().contains(
            "old is named new in the policy: the next deployment of new to prod replaces it"
        ),
        "{status}"
    );
    let json = project.ci.deploy(&["status", "prod", "--json"]).ok().json();
    let environment = &json["environments"][0];
    assert_eq!(environment["renamed"]["old"], "new");
    assert_eq!(environment["undeclared"], serde_json::Value::Null);
    deploy_everywhere(&project, GUARDED);
    assert_eq!(components(&project, "dev"), ["api", "new"]);
    assert_eq!(components(&project, "prod"), ["api", "new"]);
    project.ci.deploy(&["contains", "prod", &first]).ok();
    project.audited();
}

/// A component that is renamed twice before an environment follows keeps its history, holds, yanks
/// and locks. `policy publish` says if a former name gets lost.
#[test]
fn components_renamed_twice_continue() {
    let world = World::new();
    let environments =
        "[environments]\ndev = {}\nprod = { branch = \"release\", deploy_on = \"approval\" }\n";
    let project = with_old(&world, environments);
    let (alice, ci) = (&project.alice, &project.ci);
    let first = alice.repo.rev("HEAD");
    let held = project.push("old/x", "held\n");
    ci.deploy(&["record", "prod", &held, "--outcome", "rolled-back"])
        .ok();
    let yanked = project.push("old/x", "yanked\n");
    alice.deploy(&["sync"]).ok();
    alice.deploy(&["yank", &yanked, "-m", "eats data"]).ok();
    alice
        .deploy(&["lock", "prod", "--component", "old", "-m", "frozen"])
        .ok();
    let renamed = |name: &str, from: &str| {
        project.policy(&format!(
            "{environments}[components]\napi = {{ paths = \"api/**\" }}\n{name} = {{ paths = \"old/**\", renamed_from = {from} }}\n"
        ))
    };
    let publish = |text: &str| {
        alice.repo.write("deploy.toml", text);
        alice
            .deploy(&["policy", "publish", "--yes"])
            .ok()
            .words_of_err()
    };
    publish(&renamed("new", "\"old\""));
    let warning = "components.newer.renamed_from: new was old before: add \"old\" unless no environment runs it any more";
    alice
        .repo
        .write("deploy.toml", &renamed("newer", "\"new\""));
    let diff = alice.deploy(&["policy", "diff"]).ok();
    assert!(diff.words_of_err().contains(warning), "{diff}");
    let said = publish(&renamed("newer", "[\"new\", \"old\"]"));
    assert!(!said.contains("renamed_from:"), "{said}");
    ci.deploy(&["sync"]).ok();

    let refused = |commit: &str, words: &str| {
        let run = ci.deploy(&["record", "prod", commit]).fails(1);
        assert!(run.words_of_err().contains(words), "{run}");
    };
    refused(&held, "newer at");
    refused(&yanked, "was yanked by alice: eats data");
    let next = project.push("old/x", "two\n");
    refused(&next, "old in prod is locked by alice");
    // The commands that the refusals print work with the old name.
    alice.deploy(&["sync"]).ok();
    alice.deploy(&["unlock", "prod", "--component", "old"]).ok();
    alice
        .deploy(&["unlock", "prod", "--commit", &held[..12]])
        .ok();
    alice
        .deploy(&["unyank", &yanked, "-m", "it was another"])
        .ok();
    ci.deploy(&["sync"]).ok();
    ci.deploy(&["record", "prod", &first]).ok();
    ci.deploy(&["record", "prod", &next]).ok();
    assert_eq!(components(&project, "prod"), ["api", "newer"]);
    assert_eq!(components(&project, "dev"), ["api", "old"]);
    ci.deploy(&["record", "dev"]).ok();
    assert_eq!(components(&project, "dev"), ["api", "newer"]);
    ci.deploy(&["contains", "prod", &first]).ok();
    project.audited();
}

/// What runs as the whole tree still counts after the policy gets components, and only for files
/// that ran.
#[test]
fn commits_stay_deployed_after_components_are_declared() {
    let world = World::new();
    let project = Project::new(&world, PLAIN);
    let first = project.push("api/x", "two\n");
    project.ci.deploy(&["record", "dev"]).ok();
    project.publish(&format!("{PLAIN}{WITHOUT}"));
    project.push("api/x", "three\n");
    project.ci.deploy(&["sync"]).ok();
    project.ci.deploy(&["contains", "dev", &first]).ok();
    project.ci.deploy(&["contains", "dev"]).fails(1);
}

/// A component that the policy no longer has proves nothing about files that it did not have.
#[test]
fn other_undeclared_components_prove_nothing() {
    let world = World::new();
    let web = "[components]\nweb = { paths = \"web/**\" }\n";
    let project = Project::new(&world, &format!("{PLAIN}{web}"));
    project.push("web/x", "one\n");
    let change = project.push("api/x", "two\n");
    project.push("web/x", "two\n");
    project
        .ci
        .deploy(&["record", "dev", "--component", "web"])
        .ok();
    project.publish(&format!("{PLAIN}{WITHOUT}"));
    project.ci.deploy(&["sync"]).ok();
    let answer = project.ci.deploy(&["contains", "dev", &change]).fails(1);
    assert!(answer.text().contains("dev does not run it"), "{answer}");
}
