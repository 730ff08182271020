//! What a deployment would change, and whether a change is deployed: the questions before every
//! release.

use crate::harness::{Project, World, with_random_keys};

const POLICY: &str = r#"
[environments.dev]
[environments.stage]
version = { from = "file:{component}/VERSION" }
[environments.prod]
version = { from = "file:{component}/VERSION" }

[components.api]
paths = "api/**"
[components.web]
paths = "web/**"
[components.old]
paths = "old/**"
"#;

/// Returns a project with three releases of two components: the first runs in prod, the second in
/// stage, where web has the third.
fn released(world: &World) -> (Project<'_>, [String; 3]) {
    let project = Project::new(world, POLICY);
    project.commit("web/VERSION", "2.0.0\n");
    project.commit("old/VERSION", "1.0.0\n");
    let first = project.commit("api/VERSION", "1.4.1\n");
    project.alice.deploy(&["record", "prod"]).ok();
    project.commit("api/y", "y\n");
    project.commit("web/index", "y\n");
    let second = project.commit("api/VERSION", "1.4.2\n");
    project.alice.deploy(&["record", "stage"]).ok();
    project.commit("web/index", "z\n");
    let third = project.commit("web/VERSION", "2.0.1\n");
    project
        .alice
        .deploy(&["record", "stage", "--component", "web"])
        .ok();
    (project, [first, second, third])
}

/// The changes of the next deployment are listed by component, without bare merges, and including
/// what it would remove.
#[test]
fn changes_are_listed_by_component() {
    let world = World::new();
    let (project, [first, second, third]) = released(&world);
    let alice = &project.alice.repo;
    insta::assert_snapshot!(
        "next",
        alice
            .deploy(&["diff", "prod", "stage", "--dates=relative"])
            .ok()
    );
    insta::assert_snapshot!(
        "next_of_one",
        alice
            .deploy(&["diff", "prod", "stage", "--component", "web"])
            .ok()
    );
    insta::assert_snapshot!(
        "back",
        alice
            .deploy(&["diff", "stage", "prod", "-n", "1", "--dates=relative"])
            .ok()
    );
    insta::assert_snapshot!("nothing", alice.deploy(&["diff", "prod", &first]).ok());
    insta::assert_snapshot!("first", alice.deploy(&["diff", "dev", "prod"]).ok());
    alice.git(&["rm", "-q", "-r", "old"]).ok();
    alice
        .git(&["commit", "-q", "-m", "Remove what is old"])
        .ok();
    insta::assert_snapshot!(
        "gone",
        alice.deploy(&["diff", "prod", "--dates=relative"]).ok()
    );
    let diff = alice
        .deploy(&["diff", "prod", "stage", "--json"])
        .ok()
        .json();
    assert_eq!(diff["schema"], "git-deploy/diff/v1");
    assert_eq!(diff["affected"], serde_json::json!(["api", "web"]));
    let components = diff["components"].as_array().unwrap().iter();
    let told = components.map(|it| {
        serde_json::json!([
            it["component"],
            it["change"],
            it["from"],
            it["to"],
            it["gained"]["commits"]
        ])
    });
    let expected = serde_json::json!([
        ["api", "changed", first, second, 2],
        ["old", "unchanged", first, second, null],
        ["web", "changed", first, third, 3],
    ]);
    assert_eq!(told.collect::<serde_json::Value>(), expected);
    assert_eq!(diff["commits"].as_array().unwrap().len(), 5, "{diff:#}");
}

/// In a shallow clone the changed components are known, and the number of changes is not guessed.
#[test]
fn truncated_history_is_not_guessed() {
    let world = World::new();
    let (project, _) = released(&world);
    project.alice.push(&["HEAD:refs/heads/main"]).ok();
    project.alice.deploy(&["sync"]).ok();
    let clone = world.path().join("shallow");
    project
        .alice
        .repo
        .git(&[
            "clone",
            "-q",
            "--depth=1",
            &project.server.url(),
            &clone.to_string_lossy(),
        ])
        .ok();
    let shallow = world.existing("shallow", "dave");
    let _hidden = with_random_keys().bind_to_scope();
    let run = shallow.deploy(&["diff", "prod", "--json"]);
    assert_eq!(run.json()["components"][0]["component"], "api", "{run}");
    assert!(run.json()["components"][0].get("gained").is_none(), "{run}");
}

/// During an incident, a cherry-picked fix counts as deployed, "no" is never a guess, and scripts
/// read the exit code.
#[test]
fn contains_finds_picked_commits() {
    let world = World::new();
    let (project, [first, second, third]) = released(&world);
    let alice = &project.alice.repo;
    // A fix on main, of which a release branch at what runs in prod gets a pick, and something else.
    let fix = project.commit("api/fix", "fix\n");
    let both = {
        alice.write("api/both", "both\n");
        alice.write("web/both", "both\n");
        alice.git(&["add", "api", "web"]).ok();
        alice.git(&["commit", "-q", "-m", "Change both"]).ok();
        alice.rev("HEAD")
    };
    alice.git(&["checkout", "-q", "-b", "release", &first]).ok();
    project.commit("web/release", "only here\n");
    world.advance("1m");
    alice.git(&["cherry-pick", &fix]).ok();
    let picked = alice.rev("HEAD");
    alice.git(&["cherry-pick", &both]).ok();
    alice.deploy(&["record", "prod", &picked]).ok();
    let contains = |words: &[&str]| alice.deploy(&[&["contains", "prod"], words].concat());
    insta::assert_snapshot!("picked", contains(&[&fix]).ok());
    insta::assert_snapshot!("not_there", contains(&[&both]).fails(1));
    insta::assert_snapshot!("history", contains(&[&first]).ok());
    insta::assert_snapshot!("all_of_stage", contains(&["stage"]).fails(1));
    contains(&[&second]).fails(1);
    contains(&[&third, "--component", "api"]).fails(2);
    alice.deploy(&["contains", "dev", &first]).fails(1);
    // What is picked later is there in each component by itself.
    alice
        .deploy(&["record", "prod", "release", "--component", "web"])
        .ok();
    let told = contains(&[&both, "--json"]).fails(1).json();
    assert_eq!(
        (&told["schema"], &told["answer"]),
        (&"git-deploy/contains/v1".into(), &"no".into())
    );
    let told = &told["environments"][0];
    assert_eq!(told["components"][1]["component"], "web");
    let found = serde_json::json!({ "answer": "yes", "match": "patch", "cherryPicks": [alice.rev("release")] });
    assert_eq!(told["components"][1]["result"], found);
    // Without the history between nobody can say no.
    project
        .alice
        .push(&["HEAD:refs/heads/release", "main"])
        .ok();
    let clone = world.path().join("shallow");
    alice
        .git(&[
            "clone",
            "-q",
            "--depth=2",
            "--no-single-branch",
            &project.server.url(),
            &clone.to_string_lossy(),
        ])
        .ok();
    let shallow = world.existing("shallow", "dave");
    let _hidden = with_random_keys().bind_to_scope();
    insta::assert_snapshot!(
        "cannot_tell",
        shallow.deploy(&["contains", "prod", &both]).fails(3)
    );
}

/// Rollback targets are the newest successful deployments, without failed, rolled-back or badly
/// verified ones.
#[test]
fn rollback_targets_ran_well() {
    let world = World::new();
    let project = Project::new(&world, &format!("{POLICY}verify = \"true\"\n"));
    project.commit("web/VERSION", "2.0.0\n");
    project.commit("old/VERSION", "1.0.0\n");
    let first = project.commit("api/VERSION", "1.4.1\n");
    let alice = &project.alice.repo;
    alice.deploy(&["good", "prod"]).fails(1);
    alice
        .deploy(&["record", "prod", "--verification", "passed"])
        .ok();
    project.commit("api/VERSION", "1.4.2\n");
    alice.deploy(&["record", "prod", "--failed"]).ok();
    alice.git(&["mv", "old/VERSION", "old/x"]).ok();
    project.commit("old/VERSION", "1.0.1\n");
    alice.deploy(&["record", "prod", "--component", "old"]).ok();
    insta::assert_snapshot!(
        "good",
        alice.deploy(&["good", "prod", "--dates=relative"]).ok()
    );
    let good = alice.deploy(&["good", "prod", "--json"]).ok().json();
    let told = good["components"].as_array().unwrap().iter();
    let told = told.map(|it| {
        serde_json::json!([
            it["component"],
            it["release"]["commit"],
            it["release"]["running"]
        ])
    });
    // What failed in api is not good, nor what nothing verified in old, where a check is configured; web still runs what it ran.
    let expected = serde_json::json!([
        ["api", first, false],
        ["old", first, false],
        ["web", first, true]
    ]);
    assert_eq!(told.collect::<serde_json::Value>(), expected);
    alice.deploy(&["good", "dev"]).fails(1);
    alice
        .deploy(&["good", "prod", "--component", "nix"])
        .fails(2);
}
