//! What the reading commands say is true: of renamed components, of what a person did, of commands that
//! `record` wraps, of components that an environment lacks, and of what a rollback could go back to.

use crate::harness::{Project, World};

const POLICY: &str = r#"
[environments.dev]
[environments.prod]

[components.api]
paths = "api/**"
[components.web]
paths = "web/**"
"#;

/// A renamed component is one row, compared with what runs under its former name, until the next
/// deployment; so are promotions from an environment that runs it under the former name.
#[test]
fn a_renamed_component_is_compared_under_both_names() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    project.push("web/x", "one\n");
    for environment in ["dev", "prod"] {
        alice.deploy(&["record", environment]).ok();
    }
    let renamed = "components.server]\nrenamed_from = \"api\"";
    project.publish(&POLICY.replace("components.api]", renamed));
    let diff = |words: &[&str]| {
        let command = [&["diff"], words, &["--json"]].concat();
        let document = alice.deploy(&command).ok().json();
        let rows = document["components"].as_array().unwrap().iter();
        let describe = |row: &serde_json::Value| {
            let field = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {}",
                field("component"),
                field("renamedFrom"),
                field("change")
            )
        };
        rows.map(describe).collect::<Vec<_>>()
    };
    let same = ["server api renamed", "web - unchanged"];
    assert_eq!(diff(&["prod"]), same);
    assert_eq!(diff(&["prod", "dev"]), same);
    let text = alice.deploy(&["diff", "prod"]).ok().text();
    assert!(text.contains("api → server  renamed"), "{text}");
    project.push("api/x", "two\n");
    assert_eq!(diff(&["prod"]), ["server api changed", "web - unchanged"]);
    // The content stays until dev has the new one.
    assert_eq!(diff(&["prod", "dev"]), same);
    alice.deploy(&["record", "dev"]).ok();
    assert_eq!(diff(&["dev"]), ["server - unchanged", "web - unchanged"]);
    assert_eq!(
        diff(&["prod", "dev"]),
        ["server api changed", "web - unchanged"]
    );
}

/// `log --by` shows everything that the person did, in every ledger.
#[test]
fn the_log_of_a_person_is_complete() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob) = (&project.alice.repo, &project.bob.repo);
    alice.deploy(&["record", "dev"]).ok();
    bob.deploy(&["lock", "dev", "-m", "incident"]).ok();
    bob.deploy(&["unlock", "dev"]).ok();
    bob.deploy(&["record", "prod", "--start"]).ok();
    bob.deploy(&["record", "prod", "--finish"]).ok();
    bob.deploy(&["yank", "HEAD", "-m", "It leaks"]).ok();
    let did = |words: &[&str]| {
        let log = bob
            .deploy(&[&["log", "--json"], words].concat())
            .ok()
            .json();
        let entries = log["entries"].as_array().unwrap().iter();
        let actions = entries.map(|it| it["action"].as_str().unwrap().to_owned());
        // Entries of several ledgers may have the same time.
        let mut actions: Vec<String> = actions.collect();
        actions.sort();
        actions.join(" ")
    };
    assert_eq!(did(&["--by", "bob"]), "finish lock unlock yank");
    assert_eq!(did(&["--by", "bob", "dev"]), "lock unlock");
    assert_eq!(did(&[]), "finish record");
}

/// A wrapped command is not called a command of the policy.
#[test]
fn a_wrapped_command_that_failed_is_named() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    project.push("web/x", "one\n");
    alice
        .deploy(&["record", "dev", "--", "sh", "-c", "exit 3"])
        .fails(4);
    for command in ["log", "show"] {
        let text = alice.deploy(&[command]).ok().text();
        let said = "the command given to record failed (exit status 3)";
        assert!(text.contains(said), "{text}");
        assert!(!text.contains("apply of"), "{text}");
    }
    let log = alice.deploy(&["log", "--json"]).ok().json();
    assert_eq!(log["entries"][0]["commands"][0]["wrapped"], true);
}

/// A deployment of the running commit does not look like a change.
#[test]
fn the_same_commit_is_deployed_again() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    let commit = alice.rev("HEAD");
    for word in ["→", "again"] {
        let run = alice.deploy(&["record", "dev", "--all", "--", "true"]).ok();
        let text = run.err() + &run.text();
        assert!(text.contains(word), "{text}");
        let change = format!("{0} → {0}", &commit[..7]);
        assert!(!text.contains(&change), "{text}");
    }
}

/// An environment has a commit only if it has it in every component that the commit has, whether or
/// not the commit changes it.
#[test]
fn contains_names_the_component_that_is_missing() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    project.push("web/x", "one\n");
    alice.deploy(&["record", "prod", "--component", "api"]).ok();
    alice
        .git(&["commit", "-q", "--allow-empty", "-m", "Nothing"])
        .ok();
    let text = alice.deploy(&["contains", "prod"]).fails(1).text();
    let row = text.lines().find(|line| line.contains("web")).unwrap();
    assert!(row.contains("prod does not run it"), "{text}");
    alice.deploy(&["record", "prod"]).ok();
    alice.deploy(&["contains", "prod"]).ok();
}

/// The list of releases to go back to is fetched first, and says why there is none.
#[test]
fn the_list_of_rollbacks_is_fresh_and_explained() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob) = (&project.alice.repo, &project.bob.repo);
    let list = |words: &[&str]| {
        let run = bob
            .deploy(&[&["rollback", "dev", "--list"], words].concat())
            .ok();
        run.err() + &run.text()
    };
    let empty = list(&[]);
    assert!(
        empty.contains("nothing has been deployed to dev yet"),
        "{empty}"
    );
    let first = alice.rev("HEAD");
    alice.deploy(&["record", "dev"]).ok();
    let single = list(&[]);
    let reason = format!("api: no other release than {} has run", &first[..7]);
    assert!(single.contains(&reason), "{single}");
    assert!(!single.contains("nothing yet"), "{single}");
    let never = list(&["--component", "web"]);
    assert!(never.contains("never deployed"), "{never}");
    project.push("api/x", "two\n");
    alice.deploy(&["record", "dev"]).ok();
    assert!(list(&[]).contains(&first[..7]));
}
