//! `git deploy log` shows what happened and how it ended, in the order of cause and effect.

use crate::harness::{Project, Repo, Run, World};

const POLICY: &str = r#"
[environments.dev]
exec_by = "alice"
[environments.qa]
promote_from = "dev"
[environments.prod]
promote_from = "qa"
approvals = 1

[components.api]
paths = "api/**"
[components.web]
paths = "web/**"
"#;

/// Returns what a command prints on this number of columns, with single spaces.
fn print_at(repo: &Repo<'_>, columns: &str, arguments: &[&str]) -> String {
    let mut command = repo.command("git-deploy");
    command.args(arguments).env("COLUMNS", columns);
    let text = Run::of(repo.world(), &mut command).ok().text();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An `exec` shows its command and its status, and a failed one does not read as a success.
#[test]
fn an_exec_reads_as_it_ended() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    alice.deploy(&["record", "dev"]).ok();
    let exec = ["exec", "dev", "--component", "api", "--yes", "--"];
    alice.deploy(&[&exec[..], &["true"]].concat()).ok();
    let failed = alice.deploy(&[&exec[..], &["sh", "-c", "exit 3"]].concat());
    assert!(!failed.succeeded(), "{failed}");
    let log = alice.deploy(&["log", "dev", "--json"]).ok().json();
    let told: Vec<_> = (0..2)
        .map(|index| {
            let entry = &log["entries"][index];
            (&entry["result"], &entry["command"], &entry["exitStatus"])
        })
        .collect();
    assert_eq!(
        told,
        [
            (&"failed".into(), &"sh -c 'exit 3'".into(), &3.into()),
            (&"executed".into(), &"true".into(), &0.into())
        ]
    );
    for columns in ["80", "140"] {
        let text = print_at(alice, columns, &["log", "dev"]);
        for part in [
            "failed exit status 3",
            "$ sh -c 'exit 3'",
            "executed a command in api",
            "$ true",
        ] {
            assert!(text.contains(part), "{part} at {columns}: {text}");
        }
    }
}

/// Of entries with the same time, one that has seen another stands above it, whatever the names of
/// the ledgers.
#[test]
fn entries_follow_their_causes() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob) = (&project.alice.repo, &project.bob.repo);
    for content in ["two\n", "three\n"] {
        project.push("api/x", content);
        alice.deploy(&["record", "dev"]).ok();
        alice.deploy(&["record", "qa"]).ok();
        bob.deploy(&["approve", "prod"]).ok();
        alice.deploy(&["record", "prod"]).ok();
    }
    let ledgers = |words: &[&str]| {
        let log = alice.deploy(&[&["log", "--json"], words].concat());
        let log = log.ok().json();
        let entries = log["entries"].as_array().unwrap().iter();
        let named = entries.map(|entry| entry["ledger"].as_str().unwrap().to_owned());
        named.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ledgers(&[]), "prod qa dev prod qa dev");
    assert_eq!(ledgers(&["-n", "4"]), "prod qa dev prod");
    let all = ledgers(&["--all"]);
    assert!(
        all.starts_with("prod prod qa dev prod prod qa dev"),
        "{all}"
    );
}

/// Why, for what and by whose approval something was deployed is shown on a narrow terminal, too.
#[test]
fn details_are_shown_at_any_width() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob) = (&project.alice.repo, &project.bob.repo);
    alice.deploy(&["record", "dev"]).ok();
    alice.deploy(&["record", "qa"]).ok();
    bob.deploy(&["approve", "prod", "-m", "Looks fine"]).ok();
    alice
        .deploy(&[
            "record",
            "prod",
            "-m",
            "Go live",
            "--change",
            "CHG-1",
            "--release",
            "r1",
            "--label",
            "ticket=OPS-7",
            "--log",
            "https://ci.example.com/1",
        ])
        .ok();
    for columns in ["80", "140"] {
        let text = print_at(alice, columns, &["log", "prod", "--all"]);
        for part in [
            "approved by bob",
            "\"Go live\"",
            "\"Looks fine\"",
            "change CHG-1, release r1, ticket=OPS-7",
            "log https://ci.example.com/1",
        ] {
            assert!(text.contains(part), "{part} at {columns}: {text}");
        }
    }
    let log = alice.deploy(&["log", "prod", "--all", "--json"]).ok();
    assert_eq!(log.json()["entries"][1]["comment"], "Looks fine");
}
