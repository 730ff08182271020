//! The reading of real terraform plans: summaries, digests that two equal plans share, and no value
//! shown.
//!
//! The states are those of `testdata/terraform`, whose commands run as `git deploy run` runs them:
//! in a folder that they do not write to.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use git_deploy::testing::domain::plan::{
    Plan, PlanOutput, PlanResult, PlannedAction, TerraformError, TerraformPlan,
    is_saved_terraform_plan,
};
use git_deploy::testing::domain::policy::Policy;
use git_deploy::testing::view::plan::{
    ComponentPlan, ComponentTransition, DeploymentPlan, PlanDetail, render_markdown, render_text,
};

use crate::harness::has_tool;

const PASSWORD: &str = "correct horse battery staple";

/// A checkout of the sample, and beside it the states and each component's scratch folder.
struct States {
    folder: tempfile::TempDir,
    commands: toml::Table,
}

impl States {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/terraform");
        let policy = std::fs::read_to_string(sample.join("deploy.toml")).unwrap();
        for component in ["network", "database", "api"] {
            let there = folder.path().join("infra").join(component);
            std::fs::create_dir_all(&there).unwrap();
            std::fs::create_dir(folder.path().join(component)).unwrap();
            std::fs::copy(
                sample.join("infra").join(component).join("main.tf"),
                there.join("main.tf"),
            )
            .unwrap();
        }
        Self {
            folder,
            commands: policy.parse().unwrap(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a program in the component's folder, with what `git deploy run` gives it.
    fn run(&self, component: &str, program: &str, arguments: &[&str]) -> Output {
        let scratch = self.at(component);
        Command::new(program)
            .args(arguments)
            .current_dir(self.at("infra").join(component))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .envs([
                ("TF_IN_AUTOMATION", "1"),
                ("TF_INPUT", "0"),
                ("CHECKPOINT_DISABLE", "1"),
                ("DEPLOY_ENV", "dev"),
            ])
            .env("STATE", self.at("state"))
            .env("TMPDIR", &scratch)
            .env("TF_DATA_DIR", scratch.join("data"))
            .env("DEPLOY_PLAN", scratch.join("plan"))
            .output()
            .unwrap()
    }

    /// Runs the policy's command for it.
    fn command(&self, component: &str, name: &str) -> Output {
        self.run(
            component,
            "sh",
            &[
                "-c",
                self.commands["components"][component][name]
                    .as_str()
                    .unwrap(),
            ],
        )
    }

    fn plan(&self, component: &str) -> Result<TerraformPlan, TerraformError> {
        self.command(component, "plan");
        self.read(component)
    }

    /// Reads the plan.
    fn read(&self, component: &str) -> Result<TerraformPlan, TerraformError> {
        let plan = self.at(component).join("plan");
        assert!(is_saved_terraform_plan(&std::fs::read(&plan).unwrap()));
        let shown = self.run(
            component,
            "terraform",
            &["show", "-json", plan.to_str().unwrap()],
        );
        assert!(
            shown.status.success(),
            "{}",
            String::from_utf8_lossy(&shown.stderr)
        );
        TerraformPlan::parse(&shown.stdout)
    }

    fn apply(&self, component: &str) -> bool {
        self.command(component, "apply").status.success()
    }

    fn edit(&self, component: &str, from: &str, to: &str) {
        let file = self.at("infra").join(component).join("main.tf");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(file, text.replace(from, to)).unwrap();
    }

    /// Returns every file of the checkout.
    fn checkout(&self) -> Vec<PathBuf> {
        let files = walkdir::WalkDir::new(self.at("infra")).sort_by_file_name();
        files
            .into_iter()
            .map(|file| file.unwrap().into_path())
            .collect()
    }
}

fn summary(plan: &TerraformPlan) -> (String, bool, bool, bool) {
    (
        plan.action_counts().to_string(),
        plan.is_empty(),
        plan.destroys(),
        plan.changes_outputs(),
    )
}

fn told(summary: &str, empty: bool, destroys: bool, outputs: bool) -> (String, bool, bool, bool) {
    (summary.to_owned(), empty, destroys, outputs)
}

/// From nothing to a replacement: a summary without one of these would let something be destroyed,
/// or never be applied.
#[test]
fn every_kind_of_change_is_summarised() {
    if !has_tool("terraform") {
        return;
    }
    let states = States::new();
    let checkout = states.checkout();
    let printed = states.command("database", "plan");
    assert!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    let first = states.read("database").unwrap();
    assert_eq!(
        summary(&first),
        told("3 to add, 0 to change, 0 to destroy", false, false, false)
    );
    assert_eq!(
        first.digest(),
        states.plan("database").unwrap().digest(),
        "two plans of the same"
    );
    shows_no_value(&first, &String::from_utf8_lossy(&printed.stdout));

    assert!(states.apply("database"));
    let empty = states.plan("database").unwrap();
    assert_eq!(
        summary(&empty),
        told("0 to add, 0 to change, 0 to destroy", true, false, false)
    );
    assert_eq!(empty.digest(), states.plan("database").unwrap().digest());

    states.edit("database", PASSWORD, "another");
    let secret = states.plan("database").unwrap();
    assert_eq!(
        summary(&secret),
        told("0 to add, 1 to change, 0 to destroy", false, false, false)
    );
    states.edit("database", "another", "a third");
    assert_ne!(
        secret.digest(),
        states.plan("database").unwrap().digest(),
        "a value that is never shown counts"
    );

    states.edit("database", "size = 10", "size = 20");
    let replace = states.plan("database").unwrap();
    assert_eq!(
        summary(&replace),
        told("1 to add, 1 to change, 1 to destroy", false, true, false)
    );
    let change = &replace.changes()[0];
    assert_eq!(
        (change.address.as_str(), change.action, change.is_tainted),
        ("terraform_data.disk", PlannedAction::Replace, false)
    );
    assert_eq!(
        states.checkout(),
        checkout,
        "nothing is written where the code is"
    );
}

/// Checks that no format shows a value.
fn shows_no_value(plan: &TerraformPlan, printed: &str) {
    let plan = Plan {
        component: "database".parse().unwrap(),
        commit: "8f3c2a1caa05736482d4523166f70cb561afa111".parse().unwrap(),
        result: PlanResult::Planned(PlanOutput::from_terraform(plan.clone(), printed.to_owned())),
    };
    let component = ComponentPlan::from_plan(&plan, ComponentTransition::default());
    let plans = DeploymentPlan {
        environment: "dev".parse().unwrap(),
        commit: plan.commit,
        components: vec![component],
        left_out: Vec::new(),
        announcements: Vec::new(),
        verdict: None,
        comparison: None,
    };
    let document = git_deploy::testing::view::json::render_document("plan", &plans).unwrap();
    for shown in [
        render_text(&plans, PlanDetail::Changes, None),
        render_text(&plans, PlanDetail::Output, None),
        render_markdown(&plans),
        document,
    ] {
        assert!(!shown.contains(PASSWORD), "{shown}");
        assert!(
            shown.contains("3 to add") || shown.contains("\"add\": 3"),
            "{shown}"
        );
    }
    assert!(!format!("{plan:?}").contains(PASSWORD));
}

/// A plan made from an output that has changed since is applied by terraform without a warning:
/// only a new plan shows it, and the one before may even have been empty.
#[test]
fn plans_across_states() {
    if !has_tool("terraform") {
        return;
    }
    let states = States::new();
    assert!(
        !states.command("api", "plan").status.success(),
        "there is no network yet whose output could be read"
    );
    let network = states.plan("network").unwrap();
    assert_eq!(
        summary(&network),
        told("1 to add, 0 to change, 0 to destroy", false, false, true)
    );
    assert!(states.apply("network"));
    assert!(states.plan("api").unwrap().changes_outputs() && states.apply("api"));

    states.edit("network", "10.0.0.0", "10.1.0.0");
    let (network, api) = (states.plan("network").unwrap(), states.plan("api").unwrap());
    assert!(network.changes_outputs() && api.is_empty());
    assert!(states.apply("network"));
    let anew = states.plan("api").unwrap();
    assert_eq!(
        summary(&anew),
        told("0 to add, 2 to change, 0 to destroy", false, false, true)
    );
    assert_ne!(anew.digest(), api.digest());
    assert!(states.apply("api"));
}

/// After a failure half-way the plan is stale, planning again is refused, and the previous code
/// repairs the state without destroying anything.
#[test]
fn plans_after_a_failure() {
    if !has_tool("terraform") {
        return;
    }
    let states = States::new();
    for component in ["network", "api"] {
        assert!(!states.plan(component).unwrap().is_empty() && states.apply(component));
    }
    states.edit("api", "replicas = 2", "replicas = 11");
    assert_eq!(
        summary(&states.plan("api").unwrap()),
        told("0 to add, 1 to change, 0 to destroy", false, false, false)
    );
    assert!(!states.apply("api"));
    assert!(!states.apply("api"), "the state has changed");
    assert!(matches!(states.plan("api"), Err(TerraformError::Errored)));
    states.edit("api", "replicas = 11", "replicas = 2");
    let back = states.plan("api").unwrap();
    assert_eq!(
        summary(&back),
        told("0 to add, 1 to change, 0 to destroy", false, false, false)
    );
    assert!(states.apply("api") && states.plan("api").unwrap().is_empty());
}

/// The sample is used by other tests and by those who try it.
#[test]
fn the_sample_policy_is_valid() {
    let people =
        "\n[people]\nalice = \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"\n";
    let policy =
        Policy::parse(&(include_str!("../../testdata/terraform/deploy.toml").to_owned() + people))
            .unwrap();
    let names: Vec<String> = policy
        .component_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["api", "database", "network"]);
}
