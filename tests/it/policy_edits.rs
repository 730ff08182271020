//! `git deploy person`, `component` and `environment`: they edit deploy.toml, change nothing else, and
//! answer clearly if they cannot. `policy diff`: what changes for whom, and what may not be intended.

use crate::harness::{Member, Project, World};

const REST: &str = "\
# who may release
[groups]
release = [\"bob\", \"carol\"]

[environments]
dev  = {}
prod = { promote_from = \"dev\", approvals = { required = 1, by = \"release\" } }  # careful

[components]
api = { paths = \"api/**\" }
";

/// Creates a key in alice's home, and returns the path of its public file.
fn new_key(member: &Member<'_>, world: &World, name: &str) -> String {
    let file = world.path().join("home").join(name);
    let secret = file.with_extension("key").to_string_lossy().into_owned();
    member
        .deploy(&["key", "new", &secret, "--no-password"])
        .ok();
    file.with_extension("pub").to_string_lossy().into_owned()
}

fn policy_text(member: &Member<'_>) -> String {
    std::fs::read_to_string(member.repo.path().join("deploy.toml")).unwrap()
}

/// Checks the whole life of a person in the policy, each step published with the commands that the
/// one before printed, and that every line that was not meant stays as it was.
#[test]
fn a_person_joins_rotates_and_leaves() {
    let world = World::new();
    let project = Project::new(&world, REST);
    let alice = &project.alice;
    let before = policy_text(alice);
    let (first, second) = (
        new_key(alice, &world, "dave"),
        new_key(alice, &world, "dave2"),
    );
    let publish = |said: &str, title: &str| {
        let command = format!("git deploy policy publish -m \"{title}\"");
        assert!(said.contains(&command), "{said}");
        alice
            .deploy(&["policy", "publish", "--yes", "-m", title])
            .ok();
    };
    let add = [
        "person",
        "add",
        "dave",
        "--key",
        &first,
        "--email",
        "dave@example.com",
        "--group",
        "release",
    ];
    let dry = alice
        .deploy(&[&add[..], &["--dry-run"]].concat())
        .ok()
        .text();
    assert!(
        dry.contains("+dave = {") && policy_text(alice) == before,
        "{dry}"
    );
    publish(&alice.deploy(&add).ok().text(), "Add dave");
    let kept = |text: &str| {
        let is_own = |line: &&str| line.contains("dave") || line.starts_with("release");
        let lines: Vec<&str> = text.lines().filter(|it| !is_own(it)).collect();
        lines.join("\n")
    };
    assert_eq!(kept(&policy_text(alice)), kept(&before));
    let rotate = ["person", "rotate", "dave", "--key", &second];
    publish(
        &alice.deploy(&rotate).ok().text(),
        "Replace the key of dave",
    );
    assert!(policy_text(alice).contains("retired = "));
    let said = alice.deploy(&["person", "remove", "dave"]).ok().text();
    assert!(said.contains("Also removed from groups.release."), "{said}");
    publish(&said, "Remove dave");
    assert_eq!(policy_text(alice), before);
    project.audited();
}

/// Checks that each edit that cannot be made says why, and leaves the file as it was.
#[test]
fn impossible_edits_are_explained() {
    let world = World::new();
    let rest = REST.replace(
        "required = 1, by = \"release\"",
        "required = 2, by = \"release\", prevent_self = false",
    );
    let project = Project::new(
        &world,
        &format!("{rest}\n[checks]\ntest-result = {{ by = \"ci\" }}\n"),
    );
    let alice = &project.alice;
    let before = policy_text(alice);
    let new = new_key(alice, &world, "new");
    let bobs = project.bob.key().to_string();
    let rows: &[(&[&str], i32, &str)] = &[
        (
            &["person", "add", "bob", "--key", &bobs],
            2,
            "already listed with this key",
        ),
        (
            &["person", "add", "bob", "--key", &new],
            2,
            "git deploy person rotate bob --key",
        ),
        (
            &["person", "add", "dave", "--key", &bobs],
            2,
            "this key is the key of bob",
        ),
        (
            &["person", "add", "dave", "--key", "RWx"],
            2,
            "neither a public key",
        ),
        (
            &["person", "add", "dave", "--key", &new, "--group", "relase"],
            2,
            "did you mean \"release\"?",
        ),
        (
            &["person", "add", "release", "--key", &new],
            1,
            "share one name space",
        ),
        (
            &[
                "person",
                "add",
                "dave",
                "--key",
                &new,
                "--email",
                "bob@example.com",
            ],
            1,
            "address of bob already",
        ),
        (
            &["person", "rotate", "bbo", "--key", &new],
            2,
            "did you mean \"bob\"?",
        ),
        (
            &["person", "rotate", "bob", "--key", &bobs],
            2,
            "rotate needs a new one",
        ),
        (
            &["person", "remove", "nobody"],
            2,
            "there is no person \"nobody\"",
        ),
        (&["person", "remove", "alice"], 1, "alice is the last admin"),
        (
            &["person", "remove", "ci"],
            1,
            "the only one in this list: checks.test-result.by",
        ),
        (
            &["person", "remove", "bob"],
            1,
            "cannot meet all requirements",
        ),
        (
            &["component", "add", "api", "--paths", "x/**"],
            2,
            "already a component api",
        ),
        (
            &[
                "component",
                "add",
                "web",
                "--paths",
                "web/**",
                "--depends-on",
                "apy",
            ],
            1,
            "not a component of this policy",
        ),
        (
            &["environment", "add", "prod"],
            2,
            "already an environment prod",
        ),
        (
            &["environment", "add", "qa", "--after", "dve"],
            2,
            "did you mean \"dev\"?",
        ),
        (&["environment", "add", "pr-*"], 1, "a pattern needs limits"),
    ];
    for (args, code, expected) in rows {
        let run = alice.deploy(args).fails(*code);
        let said = run.err();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&said).contains(expected), "{args:?}: {said}");
        assert_eq!(policy_text(alice), before, "{args:?}");
    }
}

/// Checks that components and environments are added as the others are written, between others if
/// asked, and that a person who is no admin is told whom to ask.
#[test]
fn components_and_environments_are_added() {
    let world = World::new();
    let project = Project::new(&world, REST);
    let bob = &project.bob;
    bob.repo.write("deploy.toml", &policy_text(&project.alice));
    bob.deploy(&[
        "environment",
        "add",
        "qa",
        "--after",
        "dev",
        "--before",
        "prod",
        "--soak",
        "1h",
    ])
    .ok();
    let said = bob
        .deploy(&[
            "component",
            "add",
            "web",
            "--paths",
            "web/**",
            "--apply",
            "make web",
        ])
        .ok();
    assert!(
        said.text().contains("Only an admin (alice) can publish it"),
        "{said}"
    );
    assert!(
        said.err()
            .contains("components.web.paths: 'web/**' matches no file"),
        "{said}"
    );
    let text = policy_text(bob);
    let expected = "\
[environments]
dev  = {}
qa   = { promote_from = \"dev\", soak = \"1h\" }
prod = { promote_from = \"qa\", approvals = { required = 1, by = \"release\" } }  # careful

[components]
api = { paths = \"api/**\" }
web = { paths = [\"web/**\"], apply = \"make web\" }
";
    assert!(text.ends_with(expected), "{text}");
    let edit = [
        "component",
        "add",
        "db",
        "--paths",
        "db/**",
        "--dry-run",
        "--json",
    ];
    let document = bob.deploy(&edit).ok().json();
    assert_eq!(document["dryRun"], true);
    assert_eq!(document["changes"][0]["subject"], "component");
    assert_eq!(document["warnings"][0]["kind"], "unmatchedPath");
}

/// Checks that a comparison warns about what still runs and is no longer declared, about files that
/// now need approval, and about paths that match no file, and that another layout changes nothing.
#[test]
fn a_comparison_warns_about_what_may_not_be_intended() {
    let world = World::new();
    let project = Project::new(&world, &format!("{REST}web = {{ paths = \"web/**\" }}\n"));
    let alice = &project.alice;
    project.push("web/x", "one\n");
    alice.deploy(&["record", "dev"]).ok();
    let diff = |text: &str| {
        alice.repo.write("deploy.toml", text);
        alice.deploy(&["policy", "diff", "--json"]).ok().json()
    };
    let before = policy_text(alice);
    let same = diff(&format!(
        "# a comment\n{}",
        before.replace("api = {", "api={")
    ));
    assert_eq!(same["differs"], true);
    assert_eq!(same["changesRules"], false);
    assert!(same["changes"].as_array().unwrap().is_empty(), "{same}");
    let without = before
        .replace("web = { paths = \"web/**\" }\n", "")
        .replace("api/**", "apy/**");
    let found = diff(&without);
    let kinds: Vec<&str> = found["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["orphanedComponent", "newlyGated", "unmatchedPath"],
        "{found}"
    );
    assert_eq!(
        found["warnings"][0]["try"][0],
        "git deploy record dev --destroy --component web"
    );
    let said = alice.deploy(&["policy", "diff"]).ok();
    let text = said.text();
    assert!(
        text.contains("- web") && text.contains("~ api") && !text.contains("@@"),
        "{said}"
    );
    assert!(
        alice
            .deploy(&["policy", "diff", "--patch"])
            .ok()
            .text()
            .contains("@@")
    );
    // Until the component is removed there, or continued by another one.
    let renamed = before.replace("web = { paths", "site = { renamed_from = \"web\", paths");
    let found = diff(&renamed);
    assert!(found["warnings"].as_array().unwrap().is_empty(), "{found}");
}

/// Checks that what runs and leaves the policy is removed by the printed commands, once the policy is
/// published.
#[test]
fn a_component_leaves_with_the_printed_commands() {
    let world = World::new();
    let rest = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n[components]\napi = { paths = \"api/**\" }\nweb = { paths = \"web/**\" }\n";
    let project = Project::new(&world, rest);
    let alice = &project.alice;
    project.push("web/x", "one\n");
    alice.deploy(&["record", "dev"]).ok();
    alice.deploy(&["record", "prod"]).ok();
    let without = policy_text(alice).replace("web = { paths = \"web/**\" }\n", "");
    alice.repo.write("deploy.toml", &without);
    let said = alice.deploy(&["policy", "diff"]).ok().words_of_err();
    assert!(said.contains("after this policy is published"), "{said}");
    let found = alice.deploy(&["policy", "diff", "--json"]).ok().json();
    alice.deploy(&["policy", "publish", "--yes"]).ok();
    let commands = found["warnings"][0]["try"].as_array().unwrap();
    assert_eq!(commands.len(), 2, "{found}");
    for command in commands {
        let command = command
            .as_str()
            .unwrap()
            .strip_prefix("git deploy ")
            .unwrap();
        alice.deploy(&command.split(' ').collect::<Vec<_>>()).ok();
    }
    let status = alice.deploy(&["status"]).ok().text();
    assert!(!status.contains("--destroy"));
}

/// Checks that whoever removes themselves is told so.
#[test]
fn a_person_is_told_that_it_is_oneself() {
    let world = World::new();
    let project = Project::new(&world, REST);
    let remove = ["person", "remove", "bob", "--dry-run"];
    let text = policy_text(&project.alice);
    for (member, is_told) in [(&project.bob, true), (&project.alice, false)] {
        member.repo.write("deploy.toml", &text);
        let said = member.deploy(&remove).ok().text();
        assert_eq!(said.contains("You are bob"), is_told, "{said}");
    }
}

/// Checks that a change that has no description of its own is not called a change of the layout.
#[test]
fn a_change_without_a_description_is_not_denied() {
    let world = World::new();
    let project = Project::new(&world, REST);
    let (alice, text) = (&project.alice, policy_text(&project.alice));
    let other = text.replace("by = \"release\"", "by = [\"bob\", \"carol\"]");
    alice.repo.write("deploy.toml", &other);
    let said = alice.deploy(&["policy", "diff"]).ok().text();
    assert!(
        said.contains("→ git deploy policy diff --patch") && !said.contains("changes no rule"),
        "{said}"
    );
}
