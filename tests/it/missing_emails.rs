//! People whose own commits are recognized: `init` writes the address of the first admin, and a policy
//! that recognizes an approver by no address is reported.

use crate::harness::{Project, World};

const APPROVED: &str =
    "[environments.prod]\napprovals = { required = 1, by = [\"alice\", \"bob\"] }\n";

/// The first admin cannot approve her own commits once she requires approvals.
#[test]
fn init_lists_the_address_of_the_first_admin() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let repo = world.clone(&server, "alice");
    repo.commit("api/x", "one\n", "Begin");
    let run = repo
        .deploy(&["init", "--yes", "--no-password", "--env", "prod"])
        .ok();
    let said = run.text();
    assert!(
        said.contains("Commits by alice@example.com count as yours"),
        "{run}"
    );
    let file = repo.path().join("deploy.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("emails = [\"alice@example.com\"]"), "{text}");
    let key = world.path().join("home/bob.key");
    let key = key.to_string_lossy();
    repo.deploy(&["key", "new", &key, "--no-password"]).ok();
    let public = key.replace(".key", ".pub");
    repo.deploy(&["person", "add", "bob", "--key", &public])
        .ok();
    let text = std::fs::read_to_string(&file).unwrap();
    let gated = text.replace("prod = {}", "prod = { approvals = 1 }");
    assert_ne!(gated, text);
    repo.write("deploy.toml", &gated);
    repo.deploy(&["policy", "publish", "--yes"]).ok();
    let run = repo.deploy(&["approve", "prod"]).fails(1);
    assert!(run.words_of_err().contains("prevent_self"), "{run}");
}

/// Someone whom the policy does not list reads the whole command that adds her, addresses included.
#[test]
fn init_prints_the_command_that_adds_a_member() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nprod = {}\n");
    let dave = world.clone(&project.server, "dave");
    let run = dave.deploy(&["init", "--yes", "--no-password"]).ok();
    let said = run.text();
    let command = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("→ git "));
    let command = command.unwrap_or_else(|| panic!("{run}"));
    let words: Vec<&str> = command.split(' ').collect();
    project.alice.repo.git(&words).ok();
    let text = std::fs::read_to_string(project.alice.repo.path().join("deploy.toml")).unwrap();
    assert!(text.contains("emails = [\"dave@example.com\"]"), "{text}");
}

/// `check`, `policy diff` and `policy publish` warn about approvers whom no address identifies, and
/// about no one else.
#[test]
fn approvers_without_addresses_are_reported() {
    let world = World::new();
    let project = Project::new(&world, APPROVED);
    let alice = &project.alice;
    let warning = "The policy lists no addresses of bob";
    for command in [&["check", "prod"][..], &["policy", "diff"]] {
        let run = alice.deploy(command);
        assert!(!run.words_of_err().contains("lists no addresses"), "{run}");
    }
    let complete = project.policy(APPROVED);
    let reduced =
        |name: &str| complete.replace(&format!(", emails = [\"{name}@example.com\"]"), "");
    alice.repo.write("deploy.toml", &reduced("carol"));
    let run = alice.deploy(&["policy", "diff"]).ok();
    assert!(!run.words_of_err().contains("lists no addresses"), "{run}");
    for policy in [
        reduced("bob"),
        reduced("bob").replace("required = 1", "prevent_self = false, required = 1"),
    ] {
        let excludes_authors = !policy.contains("prevent_self");
        alice.repo.write("deploy.toml", &policy);
        let difference = alice.deploy(&["policy", "diff"]).ok();
        let publish = alice.deploy(&["policy", "publish", "--yes"]).ok();
        let check = alice.deploy(&["check", "prod"]);
        for run in [difference, publish, check] {
            assert_eq!(
                run.words_of_err().contains(warning),
                excludes_authors,
                "{run}"
            );
        }
    }
}
