//! `git deploy policy test`: the past as another policy would have judged it.

use insta::assert_snapshot;

use unicode_width::UnicodeWidthStr as _;

use crate::harness::{Project, Run, World, with_random_keys};

const LOOSE: &str = r#"[environments]
dev = {}
prod = { promote_from = "dev", break_glass = { by = "bob" } }
"#;

/// Makes three deployments to dev, and to prod one without an approval, one with break-glass, and a
/// rollback.
fn a_past(world: &World) -> Project<'_> {
    let project = Project::new(world, LOOSE);
    let (bob, ci) = (&project.bob, &project.ci);
    ci.deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    ci.deploy(&["record", "prod", "--verification", "passed"])
        .ok();
    let one = ci.repo.rev("HEAD");
    project.push("api/x", "two\n");
    bob.deploy(&["record", "prod", "--break-glass", "the shop is down"])
        .ok();
    ci.deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    world.advance("2h");
    ci.deploy(&[
        "record",
        "prod",
        &one,
        "--rollback",
        "--verification",
        "passed",
    ])
    .ok();
    project.alice.deploy(&["sync"]).ok();
    project
}

/// Writes what follows the people in the work tree's deploy.toml.
fn propose(project: &Project<'_>, rest: &str) {
    project
        .alice
        .repo
        .write("deploy.toml", &project.policy(rest));
}

/// `policy test` shows what a stricter policy would have stopped, by which rule, and what a looser
/// one would have let in, for people and scripts. Nothing is written.
#[test]
fn a_stricter_and_a_looser_policy() {
    let world = World::new();
    let project = a_past(&world);
    let alice = &project.alice;
    let before = alice.repo.git(&["for-each-ref"]).ok().text();
    let same = alice.deploy(&["policy", "test"]).ok();
    propose(
        &project,
        r#"[environments]
dev = { deployers = "bob" }
prod = { promote_from = "dev", soak = "1h", approvals = { required = 1, by = "carol" } }
"#,
    );
    let stricter = alice.deploy(&["policy", "test"]).fails(1);
    let mut narrow = alice.repo.command("git-deploy");
    let narrow = Run::of(&world, narrow.env("COLUMNS", "60").args(["policy", "test"]))
        .fails(1)
        .text();
    assert!(
        narrow.lines().all(|line| line.width() <= 60)
            && narrow.contains("\n                            "),
        "{narrow}"
    );
    propose(
        &project,
        "[environments]\ndev = {}\nprod = { break_glass = { by = \"bob\" } }\n",
    );
    let looser = alice.deploy(&["policy", "test"]).ok();
    let shown = [&same, &stricter, &looser]
        .map(ToString::to_string)
        .join("\n");
    with_random_keys().bind(|| assert_snapshot!(shown));

    propose(&project, "[environments]\ndev = {}\n");
    let found = alice
        .deploy(&["policy", "test", "--json", "-n", "2"])
        .fails(1)
        .json();
    assert_eq!(
        (&found["deployments"], &found["refused"]),
        (&5.into(), &3.into()),
        "{found:#}"
    );
    assert_eq!(found["rules"][0]["rule"], "chain", "{found:#}");
    let told = found["wouldBeRefused"].as_array().unwrap();
    assert!(
        told.len() == 2 && told[0]["at"].as_str() > told[1]["at"].as_str(),
        "{found:#}"
    );
    // Of what is older than asked for nothing is said.
    let late = alice
        .deploy(&["policy", "test", "--json", "--since", "1h"])
        .fails(1)
        .json();
    assert_eq!(
        (&late["deployments"], &late["refused"]),
        (&1.into(), &1.into()),
        "{late:#}"
    );
    alice
        .deploy(&["policy", "test", "--since", "yesterday"])
        .fails(2);
    propose(&project, "[environments]\ndev = 1\n");
    alice.deploy(&["policy", "test"]).fails(1);
    assert_eq!(alice.repo.git(&["for-each-ref"]).ok().text(), before);
}

/// Each deployment is judged as an honest client would have made it under the new policy: with the
/// version, artifact, ledgers and component files of its time.
#[test]
fn deployments_are_replayed_under_the_new_policy() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nqa = {}\nprod = {}\n[components]\napi = { paths = [\"api/**\"] }\nweb = { paths = [\"web/**\"] }\n",
    );
    let (alice, ci) = (&project.alice, &project.ci);
    alice.repo.commit("web/y", "one\n", "Add web");
    project.push("VERSION", "1.0.0\n");
    ci.deploy(&[
        "register",
        "registry.example/api@sha256:1111111111111111111111111111111111111111111111111111111111111111",
        "--component",
        "api",
    ])
    .ok();
    ci.deploy(&["record", "qa", "--verification", "passed"])
        .ok();
    ci.deploy(&[
        "record",
        "dev",
        "--verification",
        "passed",
        "--component",
        "api",
    ])
    .ok();
    world.advance("10m");
    ci.deploy(&["record", "prod", "--component", "api"]).ok();
    ci.deploy(&["record", "prod", "--component", "web"]).ok();
    alice.deploy(&["sync"]).ok();
    let rest = |from: &str, api: &str| {
        format!(
            r#"[environments]
dev = {{}}
qa = {{}}
[environments.prod]
promote_from = "{from}"
version = {{ from = "file:VERSION", require_bump = true }}
artifact = "required"
[components]
api = {{ paths = ["{api}/**"] }}
web = {{ paths = ["web/**"] }}
"#
        )
    };
    let rules = || -> Vec<(String, String)> {
        let found = alice.deploy(&["policy", "test", "--json"]).json();
        let cases = found["wouldBeRefused"]
            .as_array()
            .unwrap()
            .iter()
            .chain(found["unknown"].as_array().unwrap());
        let against = cases.flat_map(|case| {
            let component = case["components"][0]["component"]
                .as_str()
                .unwrap()
                .to_owned();
            let checks = case["checks"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|check| check["outcome"] != "pass");
            checks
                .map(move |check| {
                    (
                        component.clone(),
                        check["rule"].as_str().unwrap().to_owned(),
                    )
                })
                .collect::<Vec<_>>()
        });
        against.collect()
    };
    let of = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(one, two)| ((*one).to_owned(), (*two).to_owned()))
            .collect()
    };
    // Of web nothing was registered; of api something was, though dev, qa and prod never asked for it.
    propose(&project, &rest("qa", "api"));
    assert_eq!(rules(), of(&[("web", "artifact")]));
    // In dev only api ran. And what the paths would be now changes nothing of what they were.
    propose(&project, &rest("dev", "service"));
    assert_eq!(
        rules(),
        of(&[("web", "previous environment"), ("web", "artifact")])
    );
    let text = alice.deploy(&["policy", "test"]).fails(1).text();
    assert!(text.contains("assigns other files to api;"), "{text}");
    // A branch that nobody wrote down, and files that belonged to no component of the policy of then, cannot be told of.
    propose(
        &project,
        "[environments]\ndev = {}\nqa = {}\nprod = { branch = \"main\" }\n[components]\napi = { paths = [\"api/**\"] }\nweb = { paths = [\"web/**\"] }\n",
    );
    assert_eq!(rules(), of(&[("web", "up to date"), ("api", "up to date")]));
    alice.deploy(&["policy", "test"]).fails(3);
    let plain = "[environments]\ndev = {}\nqa = {}\nprod = {}\n[components]\nweb = { paths = [\"web/**\"] }\n";
    propose(
        &project,
        &format!(
            "{plain}api = {{ paths = [\"api/**\"] }}\nversion = {{ paths = [\"VERSION\"] }}\n"
        ),
    );
    assert_eq!(rules(), of(&[("api", "content")]));
    // A component that is gone is deployed nowhere.
    propose(&project, plain);
    let found = alice.deploy(&["policy", "test", "--json"]).fails(1).json();
    assert_eq!(
        (&found["refused"], &found["cannotTell"]),
        (&3.into(), &0.into()),
        "{found:#}"
    );
}

/// Only what the proposal newly refuses or allows is counted: not what the policy in force decides in
/// the same way, and not a deployment from before a rename, which had another name.
#[test]
fn only_new_decisions_count() {
    let world = World::new();
    let policy = |name: &str, more: &str, approvals: &str| {
        format!(
            "[environments.prod]\n{approvals}\n[components.{name}]\npaths = \"api/**\"\n{more}[components.web]\npaths = \"web/**\"\ndepends_on = \"{name}\"\n"
        )
    };
    let project = Project::new(&world, &policy("api", "", ""));
    let (alice, ci) = (&project.alice, &project.ci);
    project.push("web/x", "one\n");
    ci.deploy(&["record", "prod"]).ok();
    project.push("api/x", "two\n");
    ci.deploy(&["record", "prod"]).ok();
    alice.deploy(&["sync"]).ok();
    let counts = |rest: &str| {
        propose(&project, rest);
        let found = alice.deploy(&["policy", "test", "--json"]).json();
        ["deployments", "refused", "newlyAllowed", "cannotTell"]
            .map(|name| found[name].as_u64().unwrap())
    };
    let approvals = "approvals = { required = 1, by = \"carol\" }";
    let former = "renamed_from = \"api\"\n";
    // A rename alone refuses nothing, neither before nor after it is in force.
    assert_eq!(counts(&policy("core", former, "")), [2, 0, 0, 0]);
    assert_eq!(counts(&policy("core", former, approvals)), [2, 2, 0, 0]);
    project.publish(&policy("core", former, ""));
    assert_eq!(counts(&policy("core", former, "")), [2, 0, 0, 0]);
    assert_eq!(counts(&policy("core", former, approvals)), [2, 2, 0, 0]);
    project.push("api/x", "three\n");
    ci.deploy(&["record", "prod"]).ok();
    alice.deploy(&["sync"]).ok();
    assert_eq!(counts(&policy("core", former, approvals)), [3, 3, 0, 0]);
    // A second rename, before which the component had another name again.
    let both = "renamed_from = [\"core\", \"api\"]\n";
    assert_eq!(counts(&policy("engine", both, "")), [3, 0, 0, 0]);
    assert_eq!(counts(&policy("engine", both, approvals)), [3, 3, 0, 0]);
    // What the policy in force refuses as well is not news, and what it allows neither.
    project.publish(&policy("core", former, approvals));
    assert_eq!(counts(&policy("core", former, approvals)), [3, 0, 0, 0]);
    let same = alice.deploy(&["policy", "test"]).ok().text();
    assert!(same.contains("every decision would be the same"), "{same}");
    assert_eq!(counts(&policy("engine", both, approvals)), [3, 0, 0, 0]);
    // A component that is gone is refused, which the policy in force does for another reason.
    let gone = "[environments.prod]\n[components.web]\npaths = \"web/**\"\n";
    assert_eq!(counts(gone), [3, 0, 0, 0]);
}
