//! Which environment and which commit a command line means if some arguments are left out.

use crate::harness::{Project, Repo, Run, World};

const POLICY: &str = r#"
[environments.dev]
[environments.qa]
branch = "main"
deploy_on = "approval"
[environments.stage]
tag = "{version}.{env}"
[environments."pr-*"]
ephemeral = { ttl = "8h", limit = 5 }

[components.api]
paths = "api/**"
[components.web]
paths = "web/**"
"#;

/// Runs our program in a CI's environment.
fn in_ci<'w>(
    world: &'w World,
    repo: &Repo<'_>,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Run<'w> {
    Run::of(
        world,
        repo.command("git-deploy")
            .envs(variables.iter().copied())
            .args(arguments),
    )
}

/// The environment is taken from the branch; if the branch names none, nothing is written and the
/// choices are listed.
#[test]
fn the_environment_follows_from_the_branch() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, head) = (&project.alice.repo, project.alice.repo.rev("HEAD"));
    // The checked-out branch.
    let run = alice.deploy(&["record"]).ok();
    assert_eq!(
        run.err().lines().next(),
        Some("qa, from the branch main"),
        "{run}"
    );
    assert!(run.text().starts_with("qa is now at "), "{run}");
    let run = alice.deploy(&["lock", "-m", "incident"]).ok();
    assert!(run.text().starts_with("qa is locked by alice"), "{run}");
    // A word that is no environment is the commit, and an environment's name is the environment.
    let run = alice.deploy(&["check", "--json", "HEAD"]).fails(1).json();
    assert_eq!(
        (&run["environment"], &run["commit"]),
        (&"qa".into(), &head.as_str().into())
    );
    let run = alice.deploy(&["check", "--json", "dev"]).ok().json();
    assert_eq!(run["environment"], "dev");
    let before = project.refs();
    insta::assert_snapshot!("neither", alice.deploy(&["record", "prdo"]).fails(2));

    alice.git(&["checkout", "-q", "-b", "feature"]).ok();
    insta::assert_snapshot!("unbound", alice.deploy(&["record"]).fails(2));
    insta::assert_snapshot!(
        "unbound_word",
        alice.deploy(&["lock", "prdo", "-m", "x"]).fails(2)
    );
    insta::assert_snapshot!("unbound_rev", alice.deploy(&["record", "prdo"]).fails(2));
    // CI checks commits out, and its variables say what for; they win over the branch.
    alice.git(&["checkout", "-q", "--detach"]).ok();
    insta::assert_snapshot!("detached", alice.deploy(&["record"]).fails(2));
    let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_SHA", &*head)];
    let on = |reference| [&github[..], &[("GITHUB_REF", reference)]].concat();
    let run = in_ci(&world, alice, &on("refs/heads/main"), &["unlock"]).ok();
    assert_eq!(run.err(), "qa, from the branch main");
    let run = in_ci(&world, alice, &on("refs/pull/17/merge"), &["record"]).ok();
    assert!(run.text().starts_with("pr-17 is now at "), "{run}");
    let run = in_ci(&world, alice, &on("refs/tags/1.2.stage"), &["check"]).ok();
    assert_eq!(run.err(), "stage, from the tag 1.2.stage");
    let other = [
        ("GITLAB_CI", "true"),
        ("CI_COMMIT_SHA", &*"8".repeat(40)),
        ("CI_COMMIT_BRANCH", "main"),
    ];
    let run = in_ci(&world, alice, &other, &["record"]).fails(2);
    assert!(
        run.err()
            .contains("CI_COMMIT_SHA is not the commit that is checked out here"),
        "{run}"
    );
    let moved: Vec<String> = project
        .refs()
        .lines()
        .filter(|line| !before.contains(line))
        .map(str::to_owned)
        .collect();
    assert!(
        moved.iter().all(|line| ["/qa ", "/pr ", "/notes/deploy "]
            .iter()
            .any(|it| line.contains(it))),
        "{moved:?}"
    );
}

/// An environment's name stands for the commit that runs there; if there are several, a component
/// selects one.
#[test]
fn an_environment_stands_for_its_commit() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    let first = alice.rev("HEAD");
    alice.deploy(&["record", "dev"]).ok();
    let second = project.commit("web/x", "one\n");
    alice.deploy(&["record", "dev", "--component", "web"]).ok();
    insta::assert_snapshot!("several_commits", alice.deploy(&["show", "dev"]).fails(2));
    insta::assert_snapshot!(
        "no_such_component",
        alice.deploy(&["show", "dev:wbe"]).fails(2)
    );
    let commit = |word: &str| {
        alice.deploy(&["show", "--json", word]).ok().json()["commit"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (commit("dev:api"), commit("dev:web")),
        (first, second.clone())
    );
    let run = alice
        .deploy(&["record", "stage", "dev:web", "--dry-run", "--json"])
        .ok()
        .json();
    assert_eq!(
        run["statement"]["subject"][0]["digest"]["gitCommit"],
        second.as_str(),
        "{run:#}"
    );
}
