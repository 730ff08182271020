//! What runs where in a repository of several components: how far each is behind, and whether it
//! matches its branch.

use crate::harness::{Project, World};

const POLICY: &str = r#"
[environments.dev]
[environments.prod]
branch = "release"
deploy_on = "approval"

[components.api]
paths = "api/**"
[components.web]
paths = "web/**"
"#;

/// A component is behind by the commits that touch it, without bare merges, and CI reads the exit
/// code.
#[test]
fn status_counts_commits_behind() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    project.push("web/x", "x\n");
    alice.deploy(&["record", "dev"]).ok();
    alice.deploy(&["record", "prod"]).ok();
    alice.deploy(&["status", "dev", "--exit-code"]).ok();
    project.push("api/x", "two\n");
    project.push("api/x", "three\n");
    alice.git(&["checkout", "-q", "-b", "side", "HEAD~1"]).ok();
    project.commit("web/y", "y\n");
    alice.git(&["checkout", "-q", "main"]).ok();
    alice
        .git(&["merge", "-q", "--no-ff", "-m", "Merge side", "side"])
        .ok();
    project.alice.push(&["HEAD:refs/heads/main"]).ok();
    alice.deploy(&["record", "dev", "--component", "web"]).ok();
    insta::assert_snapshot!("behind", alice.deploy(&["status", "--dates=relative"]).ok());
    insta::assert_snapshot!(
        "differs",
        alice
            .deploy(&["status", "dev", "--exit-code", "--dates=relative"])
            .fails(1)
    );
    let status = alice
        .deploy(&["status", "dev", "--json", "--exit-code"])
        .fails(1)
        .json();
    let dev = &status["environments"][0];
    assert_eq!(dev["differingComponents"], serde_json::json!(["api"]));
    let behind: Vec<_> = dev["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["behind"]["commits"])
        .collect();
    assert_eq!(behind, [2, 0]);
    // A branch that is not here is no answer.
    alice.deploy(&["status", "prod", "--exit-code"]).fails(3);

    // The words of those who come from elsewhere: a component or all, then the environment.
    let words = |words: &[&str]| {
        let status = alice
            .deploy(&[&["status", "--json"], words].concat())
            .ok()
            .json();
        let environments = status["environments"].as_array().unwrap().iter();
        let told = environments.flat_map(|it| {
            it["components"].as_array().unwrap().iter().map(|part| {
                format!(
                    "{} {}",
                    it["name"].as_str().unwrap(),
                    part["component"].as_str().unwrap()
                )
            })
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(words(&["all", "dev"]), ["dev api", "dev web"]);
    assert_eq!(words(&["api", "dev"]), ["dev api"]);
    assert_eq!(words(&["web"]), ["dev web", "prod web"]);
    insta::assert_snapshot!("no_such_word", alice.deploy(&["status", "wbe"]).fails(2));
    insta::assert_snapshot!(
        "no_such_part",
        alice.deploy(&["status", "wbe", "dev"]).fails(2)
    );
}

/// The log is searched for a change request by its number, people and words.
#[test]
fn log_finds_change_requests() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob) = (&project.alice.repo, &project.bob.repo);
    project.push("web/x", "x\n");
    alice.deploy(&["record", "dev", "--change", "17"]).ok();
    project.push("api/x", "two\n");
    bob.deploy(&[
        "record",
        "dev",
        "--start",
        "--change",
        "18",
        "--component",
        "api",
        "--requested-by",
        "carol",
    ])
    .ok();
    world.advance("1m");
    bob.deploy(&["lock", "prod", "-m", "incident"]).ok();
    world.advance("1m");
    bob.deploy(&["record", "dev", "--finish"]).ok();
    alice.deploy(&["sync"]).ok();
    let log = |words: &[&str]| {
        let log = alice
            .deploy(&[&["log", "--json"], words].concat())
            .ok()
            .json();
        let entries = log["entries"].as_array().unwrap().iter();
        let told = entries.map(|it| {
            format!(
                "{} {}",
                it["action"].as_str().unwrap(),
                it["by"].as_str().unwrap()
            )
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(log(&[]), ["finish bob", "record alice"]);
    // The finish does not say what its start said; it is found all the same.
    assert_eq!(log(&["--change", "18"]), ["finish bob"]);
    assert_eq!(log(&["--change", "17", "dev"]), ["record alice"]);
    assert_eq!(log(&["--by", "carol"]), ["finish bob"]);
    assert_eq!(
        log(&["--by", "bob", "--all"]),
        ["finish bob", "lock bob", "start bob"]
    );
    assert_eq!(log(&["--component", "web"]), ["record alice"]);
    let none = alice.deploy(&["log", "--change", "19"]).ok();
    assert_eq!(
        (none.text().as_str(), none.err().as_str()),
        ("", "nothing matches")
    );
}
