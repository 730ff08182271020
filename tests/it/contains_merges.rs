//! `git deploy contains` and `git deploy show` look for a change in the components that it changes. A
//! merge changes those that differ from its first parent.

use crate::harness::{Project, World};

const POLICY: &str = r#"
[environments.dev]
[environments.prod]

[components.api]
paths = "api/**"
[components.web]
paths = "web/**"
"#;

/// Returns a project in which files outside of all components are free.
fn begin(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    let policy = project.policy(POLICY);
    let policy = policy.replacen("schema = 1", "schema = 1\nunowned = \"free\"", 1);
    project.alice.repo.write("deploy.toml", &policy);
    project.alice.deploy(&["policy", "publish", "--yes"]).ok();
    project
}

/// The components in which a commit is searched in prod, each with the answer: `api yes, web no`.
fn answers(project: &Project<'_>, commit: &str) -> String {
    let repo = &project.alice.repo;
    let contains = repo.deploy(&["contains", "prod", commit, "--json"]).json();
    let components = contains["environments"][0]["components"]
        .as_array()
        .unwrap();
    let answers = components
        .iter()
        .map(|it| format!("{} {}", it["component"], it["result"]["answer"]).replace('"', ""));
    answers.collect::<Vec<_>>().join(", ")
}

fn record(project: &Project<'_>, environment: &str, commit: &str, options: &[&str]) {
    let repo = &project.alice.repo;
    project
        .alice
        .push(&["--force", "HEAD:refs/heads/main"])
        .ok();
    repo.deploy(&[&["record", environment, commit], options].concat())
        .ok();
}

fn git(project: &Project<'_>, words: &[&str]) -> String {
    project.world.advance("1m");
    project.alice.repo.git(words).ok();
    project.alice.repo.rev("HEAD")
}

/// Makes a merge whose branch changed the given files, while its main changed `web/main`.
fn merge(project: &Project<'_>, files: &[&str]) -> String {
    git(project, &["checkout", "-q", "-b", "side"]);
    for file in files {
        project.commit(file, "side\n");
    }
    git(project, &["checkout", "-q", "main"]);
    project.commit("web/main", "main\n");
    git(project, &["merge", "-q", "--no-ff", "-m", "Merge", "side"])
}

/// A merge is searched in the components that it brought, also if it equals one of its parents in them.
#[test]
fn merges_are_searched_in_what_they_brought() {
    let world = World::new();
    let project = begin(&world);
    let base = project.commit("web/x", "one\n");
    project.commit("api/x", "begin\n");
    record(&project, "prod", "HEAD", &[]);
    let merged = merge(&project, &["api/y", "api/z"]);
    assert_eq!(answers(&project, &merged), "api no");
    record(&project, "prod", "HEAD", &["-c", "api"]);
    project.commit("api/x", "two\n");
    record(&project, "prod", "HEAD", &["-c", "api"]);
    assert_eq!(answers(&project, &merged), "api yes");
    assert_eq!(answers(&project, &base), "web yes");
    // A commit that changes no component is searched in all.
    let other = project.commit("README", "text\n");
    assert_eq!(answers(&project, &other), "api yes, web no");

    // The merge as one commit, on a branch that lacks it.
    git(&project, &["checkout", "-q", "-b", "release", &base]);
    project.commit("web/release", "x\n");
    let backport = git(&project, &["cherry-pick", "-m", "1", &merged]);
    assert_eq!(answers(&project, &backport), "api yes");
    // The other way round: the running version has the merge as one commit.
    project.commit("api/w", "x\n");
    record(&project, "prod", "HEAD", &[]);
    assert_eq!(answers(&project, &merged), "api yes");
}

/// In each component, only the changes of that component count.
#[test]
fn each_component_is_compared_by_itself() {
    let world = World::new();
    let project = begin(&world);
    let base = project.commit("web/x", "one\n");
    project.alice.repo.write("api/y", "y\n");
    project.alice.repo.git(&["add", "api"]).ok();
    let both = project.commit("web/y", "y\n");
    // The same change of api, with other files.
    git(&project, &["checkout", "-q", "-b", "release", &base]);
    git(&project, &["cherry-pick", "--no-commit", &both]);
    project.alice.repo.git(&["rm", "-qf", "web/y"]).ok();
    let only_api = project.commit("README", "text\n");
    let more_of_api = project.commit("api/z", "z\n");
    record(&project, "prod", "HEAD", &[]);
    assert_eq!(answers(&project, &both), "api yes, web no");
    git(&project, &["checkout", "-q", "main"]);
    project.commit("api/w", "w\n");
    project.commit("web/w", "w\n");
    record(&project, "prod", "HEAD", &[]);
    assert_eq!(answers(&project, &only_api), "api yes");
    assert_eq!(answers(&project, &more_of_api), "api no");

    git(&project, &["revert", "--no-commit", &both]);
    project
        .alice
        .repo
        .git(&["checkout", "HEAD", "--", "api"])
        .ok();
    let words = format!("Revert in web\n\nThis reverts commit {both}.");
    git(&project, &["commit", "-q", "-m", &words]);
    record(&project, "prod", "HEAD", &[]);
    assert_eq!(answers(&project, &both), "api yes, web no");
}

/// A commit that changes no component ran if a deployed commit contained it, and runs no more after a
/// rollback.
#[test]
fn commits_outside_of_all_components_ran() {
    let world = World::new();
    let project = begin(&world);
    let states = |commit: &str| {
        let show = project
            .alice
            .deploy(&["show", commit, "--json"])
            .ok()
            .json();
        let runs = show["environments"][0]["runs"].as_array().unwrap().clone();
        let states = runs
            .iter()
            .map(|run| format!("{} {}", run["component"], run["state"]).replace('"', ""));
        states.collect::<Vec<_>>().join(", ")
    };
    project.commit("api/x", "begin\n");
    let before = project.commit("web/x", "one\n");
    record(&project, "dev", &before, &[]);
    // Otherwise the content of the commit would be the answer.
    project.commit("api/y", "y\n");
    project.commit("web/y", "y\n");
    let inside = project.commit("README", "text\n");
    assert_eq!(states(&inside), "");
    project.commit("web/x", "two\n");
    let after = project.commit("api/x", "two\n");
    record(&project, "dev", &after, &[]);
    assert_eq!(states(&inside), "api runs, web runs");
    record(&project, "dev", &before, &["--rollback"]);
    assert_eq!(states(&inside), "api ran, web ran");
}
