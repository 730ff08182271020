//! What terraform only warns about, and what it plans without a change of a resource: an approver sees
//! both, with real terraform.

use crate::harness::{Project, World, has_tool};

const POLICY: &str = r#"[environments.prod]
approvals = { required = 1, by = ["bob", "carol"], bind = "plan" }
variables = { STATE = "%STATE%" }
[components.infra]
paths = "infra/**"
plan = """
terraform init -input=false -backend-config="path=$STATE/state" &&
terraform plan -input=false -out="$DEPLOY_PLAN"
"""
apply = 'terraform apply -input=false "$DEPLOY_PLAN"'
"#;

const MAIN: &str = r#"terraform {
  backend "local" {}
}

resource "terraform_data" "server" {
  input = "one"
}

check "health" {
  assert {
    condition     = terraform_data.server.input == "two"
    error_message = "the server is not healthy"
  }
}
"#;

/// Instead of a new resource, an existing one under a new name, and one that terraform did not manage.
const MOVED: &str = r#"terraform {
  backend "local" {}
}

resource "terraform_data" "host" {
  input = "one"
}

moved {
  from = terraform_data.server
  to   = terraform_data.host
}

resource "terraform_data" "disk" {}

import {
  to = terraform_data.disk
  id = "disk-1"
}
"#;

/// A failing `check` block and a warning are on each screen of an approver and of the deployer, and in
/// each format. A plan of moves and imports alone is shown and applied.
#[test]
fn warnings_and_moves_are_shown() {
    if !has_tool("terraform") {
        return;
    }
    let world = World::new();
    let state = world.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let policy = POLICY.replace("%STATE%", state.to_str().unwrap());
    let project = Project::new(&world, &policy);
    let (bob, ci) = (&project.bob, &project.ci);
    project.push("infra/terraform.tfvars", "unknown = 1\n");
    project.push("infra/main.tf", MAIN);
    ci.repo.git(&["pull", "-q", "--ff-only"]).ok();
    bob.repo.git(&["pull", "-q", "--ff-only"]).ok();
    let check = "the check check.health fails";
    let warning = "Value for undeclared variable";
    let has_both = |text: &str| text.contains(check) && text.contains(warning);

    let text = ci.deploy(&["plan", "prod"]).ok();
    assert!(has_both(&text.text()), "{text}");
    let markdown = ci.deploy(&["plan", "prod", "--format", "markdown"]).ok();
    let decoded = markdown.text().replace("&#46;", ".");
    assert!(
        decoded.contains("**Warnings:**") && has_both(&decoded),
        "{markdown}"
    );
    let json = ci.deploy(&["plan", "prod", "--json"]).ok();
    let terraform = &json.json()["components"][0]["terraform"];
    assert_eq!(terraform["failingChecks"][0], "check.health", "{json}");
    assert_eq!(terraform["warnings"][0], warning, "{json}");

    let plans = world.path().join("plans.json");
    std::fs::write(&plans, json.text()).unwrap();
    let plans = plans.to_str().unwrap();
    let approved = bob
        .deploy(&["approve", "prod", "--plans", plans, "--json"])
        .ok();
    assert!(has_both(&approved.words_of_err()), "{approved}");
    let announced = approved.json()["announcements"].clone();
    let kinds: Vec<_> = announced
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds, ["planWarning", "planWarning"], "{approved}");
    let run = ci.deploy(&["run", "prod", "--yes"]).ok();
    assert!(has_both(&run.text()), "{run}");

    project.push("infra/main.tf", MOVED);
    ci.repo.git(&["pull", "-q", "--ff-only"]).ok();
    bob.repo.git(&["pull", "-q", "--ff-only"]).ok();
    let json = ci.deploy(&["plan", "prod", "--json"]).ok();
    let component = &json.json()["components"][0];
    assert_eq!(component["state"], "planned", "{json}");
    assert_eq!(component["terraform"]["import"], 1, "{json}");
    let text = ci.deploy(&["plan", "prod"]).ok();
    let lines = [
        "terraform_data.host (moved, not changed)",
        "terraform_data.disk (imported)",
    ];
    assert!(
        lines.iter().all(|line| text.text().contains(line)),
        "{text}"
    );
    std::fs::write(plans, json.text()).unwrap();
    bob.deploy(&["approve", "prod", "--plans", plans]).ok();
    ci.deploy(&["run", "prod", "--yes"]).ok();
    let applied = std::fs::read_to_string(state.join("state")).unwrap();
    assert!(
        applied.contains("\"host\"") && applied.contains("\"disk\""),
        "{applied}"
    );
    assert!(!applied.contains("\"server\""), "{applied}");
}
