//! An apply of Terraform that is cancelled, by its time limit or by a CI system that stops the job:
//! the state is complete, its lock is released, and the run is recorded before it exits.

use rustix::process::Signal;
use serde_json::Value;

use super::{BackgroundRun, RunFixture};
use crate::harness::{World, has_tool};

/// Ignores `SIGINT` and dies of `SIGTERM`, as Terraform's providers do.
const RESOURCES: &str = r#"
terraform {
  backend "local" {}
}
resource "terraform_data" "first" {}
resource "terraform_data" "slow" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" {
    command = "trap '' INT; touch $HOME/slow.there; until test -e $HOME/fast; do sleep 0.1; done"
  }
}
resource "terraform_data" "last" {
  depends_on = [terraform_data.slow]
}
"#;

const PLAN: &str = r#"
terraform init -input=false -backend-config="path=$HOME/net.tfstate" &&
terraform plan -input=false -out="$DEPLOY_PLAN"
"#;

const APPLY: &str = "terraform apply -input=false \"$DEPLOY_PLAN\"\n";

fn resources(play: &RunFixture<'_>) -> Vec<(String, Option<String>)> {
    let state = std::fs::read(play.home("net.tfstate")).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    let resources = state["resources"].as_array().unwrap().iter();
    let resource = |it: &Value| {
        let status = it["instances"][0]["status"].as_str().map(str::to_owned);
        (it["name"].as_str().unwrap().to_owned(), status)
    };
    resources.map(resource).collect()
}

#[test]
fn a_cancelled_terraform_keeps_its_state() {
    if !has_tool("terraform") {
        return;
    }
    for by_signal in [true, false] {
        let world = World::new();
        let limited = ("net", "timeout = \"1h\"");
        let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[limited]);
        play.change(&[
            ("net/main.tf", RESOURCES),
            ("net/plan", PLAN),
            ("net/apply", APPLY),
        ]);
        let arguments = ["run", "dev", "--yes", "--component", "net"];
        let told = if by_signal {
            let run = BackgroundRun::begin(&play.project.ci.repo, &arguments);
            play.wait_for("slow.there");
            run.signal(Signal::TERM);
            run.ends_with(4)
        } else {
            // On a busy machine the limit may pass before the apply is in the middle.
            let mut limit = 8000;
            loop {
                // What failed is on hold.
                play.change(&[("net/n", &format!("{limit}\n"))]);
                let mut command = play.project.ci.repo.command("git-deploy");
                command.args(arguments);
                command.env("GIT_DEPLOY_TEST_LIMIT", format!("command={limit}"));
                let told = BackgroundRun::of(&play.project.ci.repo, &mut command).ends_with(4);
                if play.home("slow.there").exists() {
                    assert!(told.contains("apply of net: timed out"), "{told}");
                    break told;
                }
                limit *= 2;
            }
        };
        assert_eq!(play.ended("dev"), "net failed", "{told}");
        assert!(
            !play.home(".net.tfstate.lock.info").exists(),
            "the state is locked: {told}"
        );
        let expected = [("first", None), ("slow", Some("tainted"))];
        let expected = expected.map(|(name, status)| (name.to_owned(), status.map(str::to_owned)));
        assert_eq!(resources(&play), expected, "{told}");
        play.nothing_left();

        // The next run goes on from this state.
        play.touch("fast");
        play.change(&[("net/n", "2\n")]);
        play.run(&["--component", "net"]).ok();
        let names: Vec<String> = resources(&play).into_iter().map(|it| it.0).collect();
        assert_eq!(names, ["first", "last", "slow"]);
    }
}
