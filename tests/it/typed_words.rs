//! Words on the command line that could mean several things: commands, components, environments and
//! revisions; and commands that only show what another would do.

use std::collections::BTreeSet;

use crate::harness::{Project, World};

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n\
                      [components]\napi = { paths = \"api\", plan = \"echo a plan\", apply = \"echo x >> $HOME/applied\" }\n\
                      web = { paths = \"web\", apply = \"echo x >> $HOME/applied\" }\nstatus = { paths = \"status\", apply = \"true\" }\n";

fn begin(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    project.push("web/x", "one\n");
    project.push("status/x", "one\n");
    project
}

/// `git deploy SERVICE ENV` deploys one component or all; a command's name always means the command.
#[test]
fn the_component_may_come_first() {
    let world = World::new();
    let project = begin(&world);
    let ci = &project.ci;
    let run = ci.deploy(&["api", "dev"]).fails(2);
    assert!(
        run.text().contains("Deploy to dev:") && run.text().contains("api"),
        "{run}"
    );
    assert!(!run.text().contains("web"), "{run}");
    assert!(run.err().contains("--yes"), "{run}");
    let run = ci.deploy(&["api", "dev", "--skip_confirm"]).ok();
    assert!(
        run.text().contains("dev is now at") && run.text().contains("(api)"),
        "{run}"
    );
    // With options before it, and from another folder.
    let folder = ci.repo.path().to_str().unwrap().to_owned();
    let world_repo = world.existing("home", "ci");
    world_repo
        .deploy(&["-C", &folder, "all", "dev", "--yes"])
        .ok();
    // The command wins, and the long form deploys the component.
    let run = ci.deploy(&["status", "dev"]).ok();
    assert!(run.text().starts_with("ENVIRONMENT"), "{run}");
    ci.deploy(&["run", "dev", "--component", "status", "--yes"])
        .ok();
    // Anything else is a typing error of the command.
    for words in [
        &["stauts", "dev"][..],
        &["api", "nowhere"],
        &["api"],
        &["nothing", "dev"],
    ] {
        let run = ci.deploy(words).fails(2);
        assert!(run.err().contains("unrecognized subcommand"), "{run}");
    }
}

/// As ENV, a word is the environment. As REV, it must not mean two commits.
#[test]
fn a_word_that_names_an_environment_and_a_branch() {
    let world = World::new();
    let project = begin(&world);
    let alice = &project.alice;
    alice
        .deploy(&[
            "record",
            "dev",
            "HEAD~1",
            "--component",
            "api",
            "--external",
        ])
        .ok();
    let run = alice.deploy(&["check", "prod", "dev", "--component", "api", "--json"]);
    assert_eq!(run.json()["commit"], alice.repo.rev("HEAD~1"), "{run}");
    for (folder, kind) in [("heads", "branch"), ("tags", "tag")] {
        let reference = format!("refs/{folder}/dev");
        // At the same commit there is nothing to choose.
        alice.repo.git(&["update-ref", &reference, "HEAD~1"]).ok();
        alice.deploy(&["show", "dev"]).ok();
        alice.repo.git(&["update-ref", &reference, "HEAD"]).ok();
        let run = alice.deploy(&["check", "prod", "dev"]).fails(2);
        let words = run.words_of_err();
        assert!(
            words.contains(&format!(
                "dev is ambiguous: the environment runs {}",
                &alice.repo.rev("HEAD~1")[..12]
            )),
            "{run}"
        );
        assert!(
            words.contains("hint: dev:api, for the environment"),
            "{run}"
        );
        assert!(
            words.contains(&format!("hint: {folder}/dev, for the {kind}")),
            "{run}"
        );
        for (spelling, commit) in [("dev:api", "HEAD~1"), (&format!("{folder}/dev"), "HEAD")] {
            let run = alice.deploy(&["check", "prod", spelling, "--component", "api", "--json"]);
            assert_eq!(run.json()["commit"], alice.repo.rev(commit), "{run}");
        }
        // The first word is the environment.
        alice.deploy(&["status", "dev"]).ok();
        let run = alice.deploy(&["check", "dev", "--json"]);
        assert_eq!(run.json()["environment"], "dev", "{run}");
        alice.repo.git(&["update-ref", "-d", &reference]).ok();
    }
    // An environment that runs nothing does not hide the branch, either.
    alice.repo.git(&["branch", "prod"]).ok();
    let run = alice.deploy(&["check", "dev", "prod"]).fails(2);
    assert!(run.err().contains("heads/prod, for the branch"), "{run}");
    let run = alice.deploy(&["check", "prdo"]).fails(2);
    assert!(run.words_of_err().contains("prod"), "{run}");
}

/// The help of every command is found by its name and its aliases, and that of the topics.
#[test]
fn help_of_commands_aliases_and_topics() {
    let world = World::new();
    let repo = world.bare_server("server.git");
    for (words, text) in [
        (&["help"][..], "Get started:"),
        (&["help", "run"], "Usage: git deploy run"),
        (&["help", "deploy"], "Usage: git deploy run"),
        (
            &["help", "policy", "publish"],
            "Usage: git deploy policy publish",
        ),
        (&["help", "revisions"], "ENV:COMPONENT"),
        (&["help", "exit-codes"], "waiting for approvals"),
    ] {
        let run = repo.deploy(words).ok();
        assert!(run.text().contains(text), "{run}");
    }
    let list = repo.deploy(&["help"]).ok().text();
    for line in list
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
    {
        let name = line.split_whitespace().next().unwrap();
        if name.chars().all(|letter| letter.is_ascii_lowercase()) && name != "git" {
            repo.deploy(&["help", name]).ok();
        }
    }
    let run = repo.deploy(&["help", "pormote"]).fails(2);
    assert!(run.err().contains("promote"), "{run}");
}

/// A dry run says what the rules say and what would change, and changes nothing.
#[test]
fn dry_runs_and_plans_show_the_verdict() {
    let world = World::new();
    let project = begin(&world);
    let ci = &project.ci;
    let before = project.refs();
    let run = ci.deploy(&["run", "dev", "--dry-run"]).ok();
    for words in [
        "Deploy to dev:",
        "a plan",
        "rules",
        "nothing was deployed to dev",
    ] {
        assert!(run.text().contains(words) || words == "a plan", "{run}");
    }
    let run = ci.deploy(&["run", "prod", "--dry-run"]).fails(1);
    assert!(run.err().contains("dev never ran"), "{run}");
    let run = ci.deploy(&["plan", "prod"]).ok();
    assert!(
        run.text().contains("dev never ran") && run.text().contains("the rules do not allow it"),
        "{run}"
    );
    let document = ci.deploy(&["plan", "prod", "--json"]).ok().json();
    assert_eq!(document["verdict"]["decision"], "refused", "{document:#}");
    let run = ci.deploy(&["plan", "prod", "--format", "markdown"]).ok();
    assert!(
        run.text()
            .contains("The rules do not allow this deployment:"),
        "{run}"
    );
    assert_eq!(project.refs(), before);
    assert!(!world.path().join("home/applied").exists());
    // Components at several commits: what `promote` would do, and what the rules say.
    ci.deploy(&["run", "dev", "HEAD~1", "--component", "api", "--yes"])
        .ok();
    ci.deploy(&["run", "dev", "--component", "web", "--yes"])
        .ok();
    let document = ci
        .deploy(&["check", "prod", "--promote", "--json"])
        .ok()
        .json();
    let commits: Vec<&str> = document["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["commit"].as_str().unwrap())
        .collect();
    assert_eq!(commits, [ci.repo.rev("HEAD~1"), ci.repo.rev("HEAD")]);
    let before = project.refs();
    let json = ci.deploy(&["promote", "prod", "--dry-run", "--json"]);
    let json = json.ok().json();
    assert_eq!(
        (&json["schema"], &json["verdict"]["decision"]),
        (&"git-deploy/plan/v1".into(), &"allowed".into()),
        "{json:#}"
    );
    let run = ci.deploy(&["promote", "prod", "--dry-run"]).ok();
    assert!(run.text().contains("nothing was deployed to prod"), "{run}");
    assert_eq!(project.refs(), before);
    ci.deploy(&["promote", "prod", "--yes"]).ok();
    ci.deploy(&["promote", "prod", "--all", "--yes"]).ok();
    // A commit of one's own choice must have run there.
    ci.deploy(&["promote", "prod", "HEAD", "--component", "status", "--yes"])
        .fails(1);
    ci.deploy(&["check", "dev", "--all"]).ok();
}

/// `promote` takes every option of `run`, and `plan` and `check` those that describe the deployment, so
/// that one command line can be tried, checked and carried out.
#[test]
fn deployment_commands_share_their_options() {
    let world = World::new();
    let alice = world.repo("alice");
    let options = |command: &str| -> BTreeSet<String> {
        let help = alice.deploy(&[command, "--help"]).ok().text();
        let lines = help.lines().filter_map(|line| line.trim().split_once("--"));
        let options = lines.filter(|(before, _)| before.len() <= 4);
        let name = |rest: &str| rest.split([' ', '<', '[']).next().unwrap().to_owned();
        options.map(|(_, rest)| name(rest)).collect()
    };
    let run = options("run");
    assert!(run.len() > 15, "{run:?}");
    let how = BTreeSet::from(["dry-run", "fail-fast", "parallel"].map(str::to_owned));
    let what: BTreeSet<String> = run.difference(&how).cloned().collect();
    for (command, wanted) in [("promote", &run), ("plan", &what), ("check", &what)] {
        let missing: Vec<_> = wanted.difference(&options(command)).cloned().collect();
        assert!(missing.is_empty(), "{command} lacks {missing:?}");
    }
}

/// `promote --destroy` removes what the previous environment has removed, and nothing else.
#[test]
fn promotions_can_remove() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\nstage = {}\nprod = { promote_from = \"stage\" }\n\
         [components.api]\npaths = \"api/**\"\napply = \"true\"\ndestroy = \"true\"\n\
         [components.web]\npaths = \"web/**\"\napply = \"true\"\ndestroy = \"true\"\n\
         [components.old]\npaths = \"old/**\"\napply = \"true\"\ndestroy = \"true\"\n",
    );
    let Project { alice, ci, .. } = &project;
    project.push("web/x", "one\n");
    project.push("old/x", "one\n");
    ci.repo.git(&["pull", "-q", "--ff-only"]).ok();
    ci.deploy(&["run", "stage", "--yes"]).ok();
    ci.deploy(&["promote", "prod", "--yes"]).ok();
    let nothing = ci.deploy(&["promote", "prod", "--destroy", "--yes"]).ok();
    assert!(nothing.text().contains("already"), "{nothing}");
    alice.repo.git(&["rm", "-rq", "web", "old"]).ok();
    alice
        .repo
        .git(&["commit", "-qm", "Remove web and old"])
        .ok();
    alice.push(&["HEAD:refs/heads/main"]).ok();
    ci.repo.git(&["pull", "-q", "--ff-only"]).ok();
    ci.deploy(&["run", "stage", "--destroy", "--component", "web", "--yes"])
        .ok();
    let running = || {
        let status = ci.deploy(&["status", "prod", "--json"]).ok().json();
        let components = status["environments"][0]["components"].as_array().unwrap();
        let names = components
            .iter()
            .map(|it| it["component"].as_str().unwrap());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    ci.deploy(&["promote", "prod", "--yes"]).ok();
    assert_eq!(running(), ["api", "old", "web"]);
    let check = ["check", "prod", "--promote", "--destroy", "--json"];
    let check = ci.deploy(&check).ok().json();
    assert_eq!(check["components"][0]["component"], "web", "{check:#}");
    ci.deploy(&["promote", "prod", "--destroy", "--yes"]).ok();
    assert_eq!(running(), ["api", "old"]);
}
