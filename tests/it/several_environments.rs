//! `diff` without arguments and `contains` without an environment look at all environments.

use crate::harness::{Project, World};

const POLICY: &str = r#"
[environments.dev]
[environments.qa]
promote_from = "dev"
[environments.prod]
promote_from = "qa"
[environments."pr-*"]
ephemeral = { ttl = "8h", limit = 2 }

[components.api]
paths = "api/**"
"#;

/// A commit is contained only if every environment has it.
#[test]
fn contains_asks_several_environments() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    let first = alice.rev("HEAD");
    let second = project.push("api/x", "two\n");
    for environment in ["dev", "qa", "prod"] {
        alice.deploy(&["record", environment, &first]).ok();
    }
    alice.deploy(&["record", "dev", &second]).ok();
    alice.deploy(&["record", "qa", &second]).ok();
    for (words, code) in [
        (&["contains", &first[..]][..], 0),
        (&["contains", &second], 1),
        (&["contains"], 1),
        (&["contains", "dev"], 0),
        (&["contains", "dev", "qa", &second], 0),
        (&["contains", "dev", "prod", &second], 1),
        // The last word is what is looked for: all that prod runs, or all that qa runs.
        (&["contains", "dev", "qa", "prod"], 0),
        (&["contains", "prod", "dev", "qa"], 1),
        (&["contains", "nowhere"], 2),
        (&["contains", "dev", "nowhere", &second], 2),
    ] {
        let run = alice.deploy(words);
        if code == 0 {
            run.ok()
        } else {
            run.fails(code)
        };
    }
    let json = alice
        .deploy(&["contains", &second, "--json"])
        .fails(1)
        .json();
    let answers = json["environments"].as_array().unwrap().iter();
    let answers: Vec<String> = answers
        .map(|it| format!("{} {}", it["environment"], it["answer"]).replace('"', ""))
        .collect();
    assert_eq!(answers, ["dev yes", "qa yes", "prod no"]);
    // A commit that touches no component is not in an environment in which nothing runs.
    project.push("README", "x\n");
    alice.deploy(&["contains", "pr-1"]).fails(1);
}

/// Each environment is compared with the one before it.
#[test]
fn diff_compares_neighbours() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let alice = &project.alice.repo;
    alice.deploy(&["record", "dev"]).ok();
    alice.deploy(&["record", "qa"]).ok();
    let second = project.push("api/x", "two\n");
    alice.deploy(&["record", "dev"]).ok();
    let json = alice.deploy(&["diff", "--json"]).ok().json();
    let diffs: Vec<_> = json["environments"].as_array().unwrap().iter().collect();
    let told: Vec<String> = diffs
        .iter()
        .map(|it| {
            format!(
                "{} {} {}",
                it["environment"], it["revision"], it["affected"]
            )
        })
        .collect();
    assert_eq!(
        told,
        [r#""qa" "dev" ["api"]"#, r#""prod" "qa" ["api"]"#],
        "{json}"
    );
    assert_eq!(diffs[0]["commits"][0]["commit"], second.as_str());
    let text = alice.deploy(&["diff"]).ok().text();
    for heading in ["To qa, from dev:", "To prod, from qa:"] {
        assert!(text.contains(heading), "{text}");
    }
    // In a CI job for a change request, it still compares the environment that the job is about.
    project.publish("[environments.dev]\n[environments.prod]\n");
    alice.deploy(&["diff"]).fails(2);
}
