//! A project of which git-deploy deploys some components itself, and another system the others: what
//! was not executed is never recorded as deployed, and what is printed deploys it.

use crate::harness::{Project, Run, World};

const POLICY: &str = "[environments]\ndev = {}\nqa = { promote_from = \"dev\" }\nprod = { approvals = 1 }\n\
                      [components.api]\npaths = \"api/**\"\napply = \"true\"\ndestroy = \"true\"\n\
                      [components.job]\npaths = \"job/**\"\napply = \"true\"\ndepends_on = \"web\"\n\
                      [components.web]\npaths = \"web/**\"\n";

/// Returns a project with a new commit of all components, which no environment runs.
fn begin(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    change(&project, "1\n");
    project
}

/// Changes all components in one commit, and returns the commit.
fn change(project: &Project<'_>, content: &str) -> String {
    for file in ["api/n", "job/n"] {
        project.alice.repo.write(file, content);
        project.alice.repo.git(&["add", file]).ok();
    }
    project.push("web/n", content)
}

/// Returns the commit of each component in an environment.
fn running(project: &Project<'_>, environment: &str) -> Vec<(String, String)> {
    let status = project.ci.deploy(&["status", environment, "--json"]).ok();
    let components = status.json()["environments"][0]["components"].clone();
    let components = components.as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    components
        .map(|it| (text(&it["component"]), text(&it["commit"])))
        .filter(|(name, _)| name != "rest")
        .collect()
}

fn names(project: &Project<'_>, environment: &str) -> String {
    let running = running(project, environment).into_iter();
    running.map(|it| it.0).collect::<Vec<_>>().join(" ")
}

/// Types the printed command that records components, with a command that succeeds.
fn record_as_printed<'w>(project: &Project<'w>, printed: &Run<'_>) -> Run<'w> {
    let text = printed.err();
    let line = text.lines().find(|line| line.contains("-- COMMAND"));
    let (_, command) = line.unwrap().split_once("git deploy ").unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    project
        .ci
        .deploy(&[&words[..words.len() - 1], &["true"]].concat())
}

/// Each command that carries a deployment out leaves out what it cannot deploy, says so, and ends with
/// 6. Components that depend on it wait.
#[test]
fn components_without_a_command_are_left_out() {
    for (arguments, expected) in [
        (&["run", "dev"][..], "api"),
        (&["run", "dev", "--all"], "api"),
        (&["dev"], "api"),
        (&["promote", "qa"], "api"),
        (&["promote", "qa", "--all"], "api"),
    ] {
        let world = World::new();
        let project = begin(&world);
        let environment = if arguments[0] == "promote" {
            "qa"
        } else {
            "dev"
        };
        if environment == "qa" {
            let run = project.ci.deploy(&["run", "dev", "--yes"]).fails(6);
            record_as_printed(&project, &run).ok();
            project.ci.deploy(&["run", "dev", "--yes"]).ok();
        }
        let arguments: Vec<&str> = match arguments {
            ["dev"] => vec!["all", "dev", "--yes"],
            _ => [arguments, &["--yes"]].concat(),
        };
        let run = project.ci.deploy(&arguments).fails(6);
        let words = run.words_of_err();
        for expected in [
            "web is left out: it is not deployed by git-deploy (no apply command in the policy).",
            "job is left out: it depends on web, which is not deployed by git-deploy",
            &format!("the deployment to {environment} is partial: job, web were not deployed"),
        ] {
            assert!(words.contains(expected), "{arguments:?}: {run}");
        }
        assert_eq!(names(&project, environment), expected, "{arguments:?}");
        // What is printed deploys it, and the same command then deploys the rest.
        record_as_printed(&project, &run).ok();
        assert_eq!(names(&project, environment), "api web", "{arguments:?}");
        if !arguments.contains(&"--all") {
            project.ci.deploy(&arguments).ok();
            assert_eq!(names(&project, environment), "api job web", "{arguments:?}");
        }
        project.audited();
    }
}

/// If nothing else is to be deployed, or if they are named, the command is refused.
#[test]
fn named_components_without_a_command_are_refused() {
    let world = World::new();
    let project = begin(&world);
    for named in [
        &["--component", "web"][..],
        &["--component", "api", "--component", "web"],
    ] {
        let run = project
            .ci
            .deploy(&[&["run", "dev", "--yes"], named].concat());
        let run = run.fails(2);
        let words = run.words_of_err();
        assert!(
            words.contains("no apply command for web: nothing was done"),
            "{run}"
        );
        assert_eq!(
            words.contains("git deploy run dev"),
            named.len() > 2,
            "{run}"
        );
        assert_eq!(names(&project, "dev"), "");
        assert!(run.err().contains("--component web -- COMMAND"), "{run}");
    }
    let plan = project.ci.deploy(&["plan", "dev", "--json"]).ok().json();
    assert_eq!(plan["leftOut"][1]["component"], "web", "{plan}");
    let run = project.ci.deploy(&["run", "dev", "--yes"]).fails(6);
    record_as_printed(&project, &run).ok();
    project.ci.deploy(&["run", "dev", "--yes"]).ok();
    // Only what git-deploy cannot deploy has changed.
    project.push("web/n", "2\n");
    let run = project.ci.deploy(&["run", "dev", "--yes"]).fails(2);
    record_as_printed(&project, &run).ok();
    project.ci.deploy(&["run", "dev", "--yes"]).ok();
    project.audited();
}

/// A rollback never says that a component went back that still runs the bad commit.
#[test]
fn rollbacks_leave_out_components_without_a_command() {
    let world = World::new();
    let project = begin(&world);
    let mut commits = Vec::new();
    for content in ["2\n", "3\n"] {
        commits.push(change(&project, content));
        let run = project.ci.deploy(&["run", "dev", "--yes"]).fails(6);
        record_as_printed(&project, &run).ok();
        project.ci.deploy(&["run", "dev", "--yes"]).ok();
    }
    let [good, bad] = &commits[..] else { panic!() };
    let back = ["rollback", "dev", "--to", good, "--yes"];
    let named = project
        .ci
        .deploy(&[&back[..], &["--component", "web"]].concat())
        .fails(2);
    assert!(
        named
            .err()
            .contains("--rollback --component web -- COMMAND"),
        "{named}"
    );
    // `job` does not wait: a rollback goes against the order of dependencies.
    let run = project.ci.deploy(&back).fails(6);
    let commit_of = |component: &str| {
        let running = running(&project, "dev").into_iter();
        running
            .filter(|it| it.0 == component)
            .map(|it| it.1)
            .collect::<String>()
    };
    assert_eq!(["api", "job", "web"].map(commit_of), [&**good, good, bad]);
    record_as_printed(&project, &run).ok();
    assert_eq!(commit_of("web"), *good);
    project.audited();
}

/// Returns the words of the printed command that contains a text, after `git deploy`.
fn find_command(printed: &Run<'_>, needle: &str) -> Vec<String> {
    let text = format!("{}\n{}", printed.text(), printed.err());
    let mut commands = text
        .lines()
        .filter_map(|line| line.split_once("git deploy "));
    let command = commands.find(|(_, command)| command.contains(needle));
    let Some((_, command)) = command else {
        panic!("no command with {needle:?}: {printed}");
    };
    command.trim().split(' ').map(str::to_owned).collect()
}

fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}

/// What a wrapped command prints when it fails, or does not run, can be typed.
#[test]
fn suggestions_of_wrapped_commands_are_accepted() {
    let world = World::new();
    let project = begin(&world);
    let script = "#!/bin/sh\ntest ! -e \"$HOME/bad\"\n";
    project.ci.repo.write("web.sh", script);
    project.ci.repo.run("chmod", &["+x", "web.sh"]).ok();
    let bad = world.path().join("home/bad");
    let record = ["record", "dev", "--component", "web", "--", "./web.sh"];
    project.ci.deploy(&record).ok();
    project.ci.deploy(&["run", "dev", "--yes"]).ok();
    let unchanged = project.ci.deploy(&["record", "dev", "--", "./web.sh"]).ok();
    assert!(
        unchanged
            .words_of_err()
            .contains("To run it anyway, add --component web."),
        "{unchanged}"
    );
    project.push("web/n", "2\n");
    std::fs::write(&bad, "").unwrap();
    let failed = project.ci.deploy(&record).fails(4);
    std::fs::remove_file(&bad).unwrap();
    let command = find_command(&failed, "--rollback --component web -- ./web.sh");
    project.ci.deploy(&words(&command)).ok();
    project.audited();
}

/// If only the commit differs, the command that `check` prints makes the difference.
#[test]
fn equal_content_at_another_commit_can_be_promoted() {
    let world = World::new();
    let project = begin(&world);
    project
        .ci
        .deploy(&["record", "dev", "--component", "web"])
        .ok();
    project.push("unrelated", "1\n");
    let check = ["check", "qa", "--component", "web"];
    let refused = project.ci.deploy(&check).fails(1);
    let command = find_command(&refused, "record dev ");
    project.ci.deploy(&words(&command)).ok();
    project.ci.deploy(&check).ok();
}

/// Suggestions keep the named components, a refusal names the author's commit, a repeated approval is
/// not signed again, and `status` does not list approvals that cannot count.
#[test]
fn approvals_of_one_component() {
    let world = World::new();
    let project = begin(&world);
    let commit = project.push("web/n", "2\n");
    project.bob.repo.commit("api/other", "1\n", "Only the api");
    project.bob.push(&["HEAD:refs/heads/main"]).ok();
    for member in [&project.alice, &project.ci] {
        member.repo.git(&["fetch", "-q", "origin"]).ok();
        member
            .repo
            .git(&["reset", "-q", "--hard", "origin/main"])
            .ok();
    }
    let check = ["check", "prod", "--component", "web"];
    let refused = project.ci.deploy(&check).fails(1);
    let command = find_command(&refused, "approve prod ");
    // Alice changed the component, and Bob did not.
    let author = project.alice.deploy(&words(&command)).fails(1);
    let reason = format!(
        "{} \"Change web/n\" makes this person an author",
        &commit[..7]
    );
    assert!(author.words_of_err().contains(&reason), "{author}");
    let anyway = [&words(&command)[..], &["--anyway"]].concat();
    project.alice.deploy(&anyway).ok();
    project.bob.deploy(&words(&command)).ok();
    let tip = || {
        project
            .server
            .git(&["rev-parse", "refs/deploy/prod"])
            .ok()
            .text()
    };
    let before = tip();
    let again = project.bob.deploy(&words(&command)).ok();
    assert!(
        again.text().contains("bob has already approved web ("),
        "{again}"
    );
    assert_eq!(tip(), before);
    let status = project
        .bob
        .deploy(&["status", "prod", "--json"])
        .ok()
        .json();
    let approvals = status["environments"][0]["approvals"].as_array().unwrap();
    let by: Vec<_> = approvals
        .iter()
        .map(|it| it["by"].as_str().unwrap())
        .collect();
    assert_eq!(by, ["bob"]);
    project
        .ci
        .deploy(&["record", "prod", "--component", "web"])
        .ok();
    project.audited();
}
