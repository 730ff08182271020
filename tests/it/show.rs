//! `git deploy show` is right for every commit: it agrees with `git deploy contains` and with plain
//! git, and answers why a commit is not in an environment.

use crate::harness::{Project, Repo, Run, World};

const POLICY: &str = r#"
[environments.dev]
[environments.prod]
promote_from = "dev"
deployers = ["alice", "ci"]

[components.api]
paths = "api/**"
[components.web]
paths = "web/**"
"#;

/// Returns the row of prod.
fn prod_row(repo: &Repo<'_>, commit: &str) -> serde_json::Value {
    let show = repo.deploy(&["show", commit, "--json"]).ok().json();
    let rows = show["environments"].as_array().unwrap().clone();
    rows.into_iter()
        .find(|row| row["environment"] == "prod")
        .unwrap()
}

/// Returns the states of the commit in prod, per component: `api runs, web ran`.
fn states(row: &serde_json::Value) -> String {
    let runs = row["runs"].as_array().unwrap().iter();
    let states = runs.map(|run| format!("{} {}", run["component"], run["state"]).replace('"', ""));
    states.collect::<Vec<_>>().join(", ")
}

/// Every commit of a history with merges, reverts, cherry-picks and rollbacks is shown as running
/// exactly if the running commit has it and nothing reverts it.
#[test]
fn every_commit_is_shown_where_it_is() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    let git = |words: &[&str]| {
        world.advance("1m");
        alice.git(words).ok();
        alice.rev("HEAD")
    };
    let mut commits = vec![alice.rev("HEAD")];
    let deploy = |commit: &str, options: &[&str]| {
        project
            .alice
            .push(&["--force", "HEAD:refs/heads/main"])
            .ok();
        for environment in ["dev", "prod"] {
            alice
                .deploy(&[&["record", environment, commit], options].concat())
                .ok();
        }
    };
    deploy(&commits[0], &[]);
    for number in 0..3 {
        commits.push(project.commit("api/x", &format!("{number}\n")));
        commits.push(project.commit("web/x", &format!("{number}\n")));
    }
    // Deployed inside a later commit.
    deploy(&commits[6], &[]);
    let reverted = project.commit("api/y", "reverted\n");
    let revert = git(&["revert", "--no-edit", &reverted]);
    git(&["checkout", "-q", "-b", "side", "HEAD~2"]);
    let merged = project.commit("web/side", "x\n");
    let original = project.commit("web/original", "x\n");
    git(&["checkout", "-q", "main"]);
    git(&["merge", "-q", "--no-ff", "-m", "Merge", &merged]);
    let picked = git(&["cherry-pick", &original]);
    deploy(&picked, &[]);
    let rolled_back = project.commit("api/z", "bad\n");
    deploy(&rolled_back, &[]);
    deploy(&picked, &["--rollback"]);
    let waiting = project.commit("web/z", "new\n");
    project.alice.push(&["HEAD:refs/heads/main"]).ok();

    for commit in &commits {
        let row = prod_row(alice, commit);
        let states = states(&row);
        let all_run = !states.is_empty() && states.split(", ").all(|it| it.ends_with(" runs"));
        assert!(all_run && row["next"].is_null(), "{commit}: {row}");
        alice.deploy(&["contains", "prod", commit]).ok();
        alice
            .git(&["merge-base", "--is-ancestor", commit, &picked])
            .ok();
    }
    for (commit, expected, has_next, code) in [
        (&reverted, "api reverted", false, 1),
        (&revert, "api runs", false, 0),
        (&merged, "web runs", false, 0),
        (&original, "web runs", false, 0),
        (&picked, "api runs, web runs", false, 0),
        (&rolled_back, "api ran", true, 1),
        (&waiting, "", true, 1),
    ] {
        let row = prod_row(alice, commit);
        assert_eq!(states(&row), expected, "{commit}: {row}");
        assert_eq!(!row["next"].is_null(), has_next, "{commit}: {row}");
        let contains = alice.deploy(&["contains", "prod", commit]);
        if code == 0 {
            contains.ok()
        } else {
            contains.fails(code)
        };
    }
    let text = alice.deploy(&["show", &reverted]).ok().text();
    assert!(
        text.contains(&format!("reverted by {}", &revert[..7])),
        "{text}"
    );
    let text = alice.deploy(&["show", &rolled_back]).ok().text();
    assert!(text.contains("is on hold in prod"), "{text}");
}

/// A commit that the environment before has inside a later one is deployed with that one.
#[test]
fn the_next_step_is_that_of_the_later_commit() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    alice.deploy(&["record", "dev"]).ok();
    alice.deploy(&["record", "prod"]).ok();
    let inside = project.push("api/x", "two\n");
    let later = project.push("api/x", "three\n");
    alice.deploy(&["record", "dev"]).ok();
    let next = &prod_row(alice, &inside)["next"];
    assert_eq!(
        (&next["with"], &next["decision"], &next["by"]),
        (&later.as_str().into(), &"allowed".into(), &"alice".into())
    );
    let text = alice.deploy(&["show", &inside]).ok().text();
    let command = format!("git deploy record prod {}", &later[..12]);
    assert!(text.contains(&command), "{text}");
    // Bob may not deploy there, so he learns who may, and no command.
    project.bob.deploy(&["sync"]).ok();
    let text = project.bob.deploy(&["show", &inside]).ok().text();
    assert!(
        text.contains("by alice (bob may not deploy there)"),
        "{text}"
    );
    assert!(!text.contains("git deploy record prod"), "{text}");
    assert_eq!(
        prod_row(&project.bob.repo, &inside)["next"]["notFor"],
        "bob"
    );
}

/// The key in `GIT_DEPLOY_KEY` tells who asks, before the configured key and the address.
#[test]
fn the_key_of_a_ci_job_tells_who_asks() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let key = world.path().join("home").join("ci.key");
    let mut check = project.bob.repo.command("git-deploy");
    check
        .args(["check", "dev", "--json"])
        .env("GIT_DEPLOY_KEY", std::fs::read_to_string(key).unwrap());
    let check = Run::of(&world, &mut check).ok().json();
    assert_eq!(check["by"], "ci");
    let check = project.bob.deploy(&["check", "dev", "--json"]).ok().json();
    assert_eq!(check["by"], "bob");
}
