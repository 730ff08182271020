//! `git deploy run` with real terraform, real hooks and real pushes: three states, one of which
//! reads another's output.
//!
//! What counts are the state files afterwards, whatever was printed and recorded about them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Project, Run, World, has_tool};

const SAMPLE: &str = include_str!("../../testdata/terraform/deploy.toml");

/// The sample in a project with a server: its policy is in force, its files are on main, nothing runs yet.
struct Shop<'w> {
    project: Project<'w>,
    states: PathBuf,
}

impl<'w> Shop<'w> {
    /// Makes a project of the sample; `edit` changes its policy.
    fn new(world: &'w World, edit: impl Fn(String) -> String) -> Self {
        let project = Project::new(world, "[environments]\ndev = {}\n");
        let shop = Self {
            project,
            states: world.path().join("states"),
        };
        std::fs::create_dir(&shop.states).unwrap();
        shop.publish(edit);
        for component in ["network", "database", "api"] {
            let file = format!("infra/{component}/main.tf");
            let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("testdata/terraform")
                .join(&file);
            shop.project
                .alice
                .repo
                .write(&file, &std::fs::read_to_string(sample).unwrap());
        }
        shop.project.alice.repo.git(&["rm", "-rq", "api"]).ok();
        shop.push("The shop's states");
        shop
    }

    fn publish(&self, edit: impl Fn(String) -> String) {
        let people = self.project.policy("");
        let people = people.split_once("[people]").unwrap().1;
        let policy = edit(SAMPLE.replace("/srv/terraform", self.states.to_str().unwrap()));
        let policy = policy.replace("project = \"shop\"", "project = \"demo\"");
        self.project
            .alice
            .repo
            .write("deploy.toml", &format!("{policy}\n[people]{people}"));
        self.project
            .alice
            .deploy(&["policy", "publish", "--yes"])
            .ok();
        for member in [&self.project.bob, &self.project.carol, &self.project.ci] {
            member.deploy(&["sync"]).ok();
        }
    }

    /// Commits and pushes whatever alice has changed.
    fn push(&self, subject: &str) -> String {
        self.project.world.advance("1m");
        let alice = &self.project.alice;
        alice.repo.git(&["add", "--all"]).ok();
        alice.repo.git(&["commit", "-q", "-m", subject]).ok();
        alice.push(&["HEAD:refs/heads/main"]).ok();
        self.project.fetch();
        alice.repo.rev("HEAD")
    }

    /// Pushes a change of one component's code.
    fn change(&self, component: &str, from: &str, to: &str) -> String {
        let file = self
            .project
            .alice
            .repo
            .path()
            .join("infra")
            .join(component)
            .join("main.tf");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(file, text.replace(from, to)).unwrap();
        self.push(&format!("{component}: {to}"))
    }

    fn ci(&self, arguments: &[&str]) -> Run<'w> {
        self.project.world.advance("1m");
        self.project.ci.deploy(arguments)
    }

    /// Returns a component's state, as terraform keeps it.
    fn state(&self, environment: &str, component: &str) -> Value {
        serde_json::from_slice(&self.bytes(environment, component)).unwrap()
    }

    fn bytes(&self, environment: &str, component: &str) -> Vec<u8> {
        std::fs::read(
            self.states
                .join(environment)
                .join(format!("{component}.tfstate")),
        )
        .unwrap()
    }

    /// Returns what the network outputs, and what the service was made from: its subnet and its
    /// replicas.
    fn made(&self, environment: &str) -> (String, String, u64) {
        let network = self.state(environment, "network");
        let api = self.state(environment, "api");
        let service = &attributes(&api, "service")["output"]["value"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert_eq!(
            api["outputs"]["subnet"]["value"], service["subnet"],
            "{api}"
        );
        let replicas = service["replicas"].as_u64().unwrap();
        (
            text(&network["outputs"]["range"]["value"]),
            text(&service["subnet"]),
            replicas,
        )
    }

    /// Returns how each component ended in the newest finish of an environment's ledger.
    fn outcomes(&self, environment: &str) -> Vec<(String, String)> {
        let show = format!("refs/deploy/{environment}:entry.json");
        let entry = self.project.server.git(&["show", &show]).ok().json();
        assert_eq!(entry["predicate"]["action"], "finish", "{entry:#}");
        let component = |it: &Value| {
            (
                it["component"].as_str().unwrap().to_owned(),
                it["outcome"].as_str().unwrap().to_owned(),
            )
        };
        entry["predicate"]["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(component)
            .collect()
    }
}

/// Returns the attributes of a resource.
fn attributes<'s>(state: &'s Value, name: &str) -> &'s Value {
    let resources = state["resources"].as_array().unwrap();
    let resource = resources
        .iter()
        .find(|it| it["name"] == name && it["mode"] == "managed")
        .unwrap();
    &resource["instances"][0]["attributes"]
}

/// Checks that these pieces of text follow each other, whatever the width of the columns.
#[track_caller]
fn in_order(text: &str, pieces: &[&str]) {
    let collapse = |text: &str| {
        text.split(' ')
            .filter(|it| !it.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let whole = collapse(text);
    let mut rest = whole.as_str();
    for piece in pieces {
        let (_, after) = rest
            .split_once(&collapse(piece))
            .unwrap_or_else(|| panic!("{piece:?} does not come next in:\n{text}"));
        rest = after;
    }
}

fn made(range: &str, subnet: &str, replicas: u64) -> (String, String, u64) {
    (range.to_owned(), subnet.to_owned(), replicas)
}

/// Lists how components ended, as the ledger does.
fn ended(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(component, outcome)| ((*component).to_owned(), (*outcome).to_owned()))
        .collect()
}

/// Runs before each plan: waits until all three components plan, so that they plan at the same time or never.
const MEETING: &str = r#"
touch "$STATE/$DEPLOY_ENV.$DEPLOY_COMPONENT"
for other in network database api; do
  for try in $(seq 3000); do [ -e "$STATE/$DEPLOY_ENV.$other" ] && break; sleep 0.1; done
  [ -e "$STATE/$DEPLOY_ENV.$other" ] || exit 1
done
"#;

/// From the first deployment to stage: outputs are waited for, changed ones cause a new plan, and
/// unchanged components are left out. Without a new plan terraform would silently apply an old
/// value.
#[test]
fn a_deployment_to_stage() {
    if !has_tool("terraform") {
        return;
    }
    let world = World::new();
    let shop = Shop::new(&world, |policy| {
        let policy = policy.replace("plan    = \"\"\"\n", &format!("plan    = \"\"\"{MEETING}"));
        policy.replace(
            "plan       = \"\"\"\n",
            &format!("plan       = \"\"\"{MEETING}"),
        )
    });
    let first = shop.ci(&["run", "dev", "--yes"]).ok();
    assert!(
        first
            .err()
            .contains("api is planned after the apply of database, network."),
        "{first}"
    );
    in_order(
        &first.text(),
        &[
            "apply   network  ✓",
            "plan    api      ✓ 2 to add",
            "apply   api      ✓",
            "verify  api      ✓",
        ],
    );
    in_order(
        &first.text(),
        &["apply   database ✓", "plan    api      ✓ 2 to add"],
    );
    assert_eq!(shop.made("dev"), made("10.0.0.0/16", "10.0.1.0/24", 2));

    shop.change("network", "10.0.0.0", "10.1.0.0");
    let plan = shop.ci(&["plan", "dev", "--json"]).ok().json();
    let planned = |name: &str| {
        plan["components"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["component"] == name)
            .unwrap()["state"]
            .clone()
    };
    assert_eq!([planned("api"), planned("network")], ["empty", "planned"]);
    let stale = shop.ci(&["run", "dev", "--yes"]).ok();
    in_order(
        &stale.text(),
        &[
            "plan    api      ✓ nothing to do",
            "apply   network  ✓",
            "plan    api      ✓ 0 to add, 2 to change",
            "apply   api      ✓",
        ],
    );
    assert_eq!(shop.made("dev"), made("10.1.0.0/16", "10.1.1.0/24", 2));
    assert_eq!(
        shop.outcomes("dev"),
        ended(&[("api", "succeeded"), ("network", "succeeded")])
    );

    // Going back to what the network was takes api with it, too.
    shop.ci(&["rollback", "dev", "--to", "HEAD~1", "--yes"])
        .ok();
    assert_eq!(shop.made("dev"), made("10.0.0.0/16", "10.0.1.0/24", 2));
    shop.ci(&["unlock", "dev", "--commit", "HEAD"]);
    shop.project
        .alice
        .deploy(&["unlock", "dev", "--commit", "HEAD", "-m", "It was well"])
        .ok();
    // Who takes the network alone leaves api for the next time.
    shop.ci(&["run", "dev", "--component", "network", "--yes"])
        .ok();
    assert_eq!(shop.made("dev"), made("10.1.0.0/16", "10.0.1.0/24", 2));
    let rest = shop.ci(&["run", "dev", "--yes"]).ok();
    assert!(
        rest.text().contains("plan    api ✓ 0 to add, 2 to change"),
        "{rest}"
    );
    assert_eq!(shop.made("dev"), made("10.1.0.0/16", "10.1.1.0/24", 2));

    shop.change("database", "# What is in it", "# All that is in it");
    let before = ["network", "database", "api"].map(|name| shop.bytes("dev", name));
    let empty = shop.ci(&["run", "dev", "--yes"]).ok();
    assert!(
        empty.text().contains("plan    database ✓ nothing to do")
            && !empty.text().contains("apply"),
        "{empty}"
    );
    assert_eq!(
        shop.outcomes("dev"),
        ended(&[("api", "succeeded"), ("database", "succeeded")])
    );
    let all = shop.ci(&["run", "dev", "--all", "--yes"]).ok();
    assert!(
        all.text().matches("✓ nothing to do").count() == 3 && !all.text().contains("apply"),
        "{all}"
    );
    assert_eq!(
        ["network", "database", "api"].map(|name| shop.bytes("dev", name)),
        before
    );

    shop.ci(&["promote", "stage", "--yes"]).ok();
    assert_eq!(shop.made("stage"), made("10.1.0.0/16", "10.1.1.0/24", 2));
    assert_eq!(
        shop.outcomes("stage")
            .iter()
            .filter(|(_, outcome)| outcome == "succeeded")
            .count(),
        3
    );
    shop.project.audited();
}

/// A step that fails half-way has changed its state: the previous code repairs it, but never by
/// destroying something that was there before.
#[test]
fn a_half_applied_change_is_repaired() {
    if !has_tool("terraform") {
        return;
    }
    let world = World::new();
    let shop = Shop::new(&world, |policy| policy);
    shop.ci(&["run", "dev", "--yes"]).ok();
    let good = shop.made("dev");
    let bad = shop.change("api", "replicas = 2", "replicas = 11");
    let failed = shop.ci(&["run", "dev", "--yes"]).fails(4);
    in_order(
        &failed.text(),
        &[
            "apply   api ✗",
            "There is no room for so many.",
            "plan    api      ✓ 0 to add, 1 to change",
            "apply   api      ✓",
            "verify  api      ✓",
            "on hold",
        ],
    );
    assert_eq!(shop.made("dev"), good, "repaired");
    assert_eq!(
        attributes(&shop.state("dev", "api"), "service")["input"]["value"]["replicas"],
        2
    );
    assert_eq!(
        shop.outcomes("dev")[0],
        ("api".to_owned(), "rolledBack".to_owned())
    );
    let held = shop.ci(&["run", "dev", &bad, "--yes"]).fails(1);
    assert!(held.err().contains("hold"), "{held}");
    shop.ci(&["promote", "stage", "--yes"]).ok();
    assert_eq!(shop.made("stage").2, 2, "what was rolled back goes nowhere");

    // What this run was to create goes again.
    let queue = |version: u32| {
        format!(
            "resource \"terraform_data\" \"queue\" {{\n  triggers_replace = {version}\n}}\n\nresource \"terraform_data\" \"service\" {{\n  depends_on = [terraform_data.queue]"
        )
    };
    let service = "resource \"terraform_data\" \"service\" {";
    shop.change("api", service, &queue(1));
    let back = shop.ci(&["run", "dev", "--yes"]).fails(4);
    in_order(
        &back.text(),
        &[
            "plan    api      ✓ 0 to add, 1 to change, 1 to destroy",
            "apply   api      ✓",
        ],
    );
    assert_eq!(shop.made("dev"), good, "repaired");
    assert!(!shop.state("dev", "api").to_string().contains("queue"));
    assert_eq!(
        shop.outcomes("dev")[0],
        ("api".to_owned(), "rolledBack".to_owned())
    );

    // Going back from here would destroy the queue that took the place of an earlier one, and which
    // may hold something.
    shop.change("api", "replicas = 11", "replicas = 2");
    shop.ci(&["run", "dev", "--yes"]).ok();
    shop.change("api", "triggers_replace = 1", "triggers_replace = 2");
    shop.change("api", "replicas = 2", "replicas = 11");
    let left = shop.ci(&["run", "dev", "--yes"]).fails(4);
    assert!(
        left.words_of_err().contains(
            "api was not rolled back: a rollback would destroy terraform_data.queue, which is not new, so a person must decide."
        ),
        "{left}"
    );
    let state = shop.state("dev", "api");
    assert_eq!(
        (
            attributes(&state, "service")["input"]["value"]["replicas"].as_u64(),
            attributes(&state, "queue")["id"].is_string()
        ),
        (Some(11), true)
    );
    assert_eq!(
        shop.outcomes("dev")[0],
        ("api".to_owned(), "failed".to_owned())
    );
    let status = shop.ci(&["status", "dev"]).ok();
    assert!(status.text().contains("unknown"), "{status}");
    shop.change("api", "replicas = 11", "replicas = 3");
    shop.ci(&["run", "dev", "--yes"]).ok();
    assert_eq!(shop.made("dev"), made("10.0.0.0/16", "10.0.1.0/24", 3));
    shop.project.audited();
}

/// What was approved is applied: neither a state that has changed meanwhile nor another component's
/// new output gets past the approver, who types only what is printed.
#[test]
fn only_the_approved_plan_is_applied() {
    if !has_tool("terraform") {
        return;
    }
    let world = World::new();
    let shop = Shop::new(&world, |policy| {
        policy.replace(
            "promote_from = \"dev\"",
            "promote_from = \"dev\"\napprovals = [{ required = 1, by = [\"bob\", \"carol\"], bind = \"plan\" }]",
        )
    });
    shop.ci(&["run", "dev", "--yes"]).ok();
    let early = shop.ci(&["run", "stage", "--yes"]).fails(4);
    assert!(
        early
            .words_of_err()
            .contains("api can only be planned after the apply of database, network, and approvals bind plans here"),
        "{early}"
    );
    let commit = &shop.project.ci.repo.rev("HEAD")[..12];
    let first = [
        "run",
        "stage",
        commit,
        "--component",
        "database",
        "--component",
        "network",
        "--yes",
    ];
    assert!(
        early
            .words_of_err()
            .contains(&first[..first.len() - 1].join(" ")),
        "{early}"
    );
    shop.consent(&shop.ci(&first).fails(5));
    shop.ci(&first).ok();
    shop.consent(&shop.ci(&["run", "stage", "--yes"]).fails(5));
    shop.ci(&["run", "stage", "--yes"]).ok();
    assert_eq!(shop.made("stage"), made("10.0.0.0/16", "10.0.1.0/24", 2));

    shop.change("api", "replicas = 2", "replicas = 3");
    shop.ci(&["run", "dev", "--yes"]).ok();
    let waits = shop.ci(&["run", "stage", "--yes"]).fails(5);
    shop.consent(&waits);
    shop.by_hand("stage", "api", "replicas = 3", "replicas = 4");
    let before = shop.bytes("stage", "api");
    let anew = shop.ci(&["run", "stage", "--yes"]).fails(5);
    assert!(
        approve_command(&anew) != approve_command(&waits) && shop.bytes("stage", "api") == before,
        "{anew}"
    );
    shop.consent(&anew);
    shop.ci(&["run", "stage", "--yes"]).ok();
    assert_eq!(shop.made("stage").2, 3);

    // The plan of api is empty until the network has changed; the one that comes of it has been seen by nobody.
    shop.change("network", "10.0.0.0", "10.1.0.0");
    shop.ci(&["run", "dev", "--yes"]).ok();
    shop.consent(&shop.ci(&["run", "stage", "--yes"]).fails(5));
    let other = shop.ci(&["run", "stage", "--yes"]).fails(5);
    assert!(
        other
            .words_of_err()
            .contains("the plan of api has changed since it was confirmed"),
        "{other}"
    );
    assert_eq!(shop.made("stage"), made("10.1.0.0/16", "10.0.1.0/24", 3));
    shop.consent(&shop.ci(&["run", "stage", "--yes"]).fails(5));
    shop.ci(&["run", "stage", "--yes"]).ok();
    assert_eq!(shop.made("stage"), made("10.1.0.0/16", "10.1.1.0/24", 3));
    shop.project.audited();
}

/// Components that a commit no longer has are destroyed on request only, dependents first.
#[test]
fn removed_components_are_destroyed_on_request() {
    if !has_tool("terraform") {
        return;
    }
    let world = World::new();
    let shop = Shop::new(&world, |policy| policy);
    shop.ci(&["run", "dev", "--yes"]).ok();
    shop.project
        .alice
        .repo
        .git(&["rm", "-rq", "infra/api", "infra/database"])
        .ok();
    shop.change("network", "10.0.0.0", "10.1.0.0");
    let kept = shop.ci(&["run", "dev", "--yes"]).ok();
    assert_eq!(
        kept.words_of_err(),
        "No longer in the code, but not removed: api, database. Use --destroy to remove them."
    );
    assert!(!resources(&shop, "api").is_empty() && !resources(&shop, "database").is_empty());
    let plan = shop.ci(&["plan", "dev", "--destroy"]).ok();
    assert!(
        plan.text().contains("api") && plan.text().contains("destroy"),
        "{plan}"
    );
    let gone = shop.ci(&["run", "dev", "--destroy", "--yes"]).ok();
    in_order(&gone.text(), &["destroy api      ✓", "destroy database ✓"]);
    assert_eq!(
        shop.outcomes("dev"),
        ended(&[("api", "destroyed"), ("database", "destroyed")])
    );
    assert!(
        resources(&shop, "api").is_empty()
            && resources(&shop, "database").is_empty()
            && !resources(&shop, "network").is_empty()
    );
    let status = shop.ci(&["status", "dev", "--json"]).ok().json();
    let components = &status["environments"][0]["components"];
    assert!(!components.to_string().contains("database"), "{status:#}");
    shop.project.audited();
}

fn resources(shop: &Shop<'_>, component: &str) -> Vec<Value> {
    shop.state("dev", component)["resources"]
        .as_array()
        .unwrap()
        .clone()
}

/// Returns the command that a waiting run tells its approvers to type.
#[track_caller]
fn approve_command(run: &Run<'_>) -> String {
    let command = run.words_of_err();
    let (_, command) = command
        .rsplit_once(": git deploy approve ")
        .unwrap_or_else(|| panic!("{run}"));
    format!("approve {command}")
}

impl Shop<'_> {
    /// Runs, as bob, the command that the run printed.
    #[track_caller]
    fn consent(&self, run: &Run<'_>) {
        let command = approve_command(run);
        self.project
            .bob
            .deploy(&command.split(' ').collect::<Vec<_>>())
            .ok();
    }

    /// Applies other code from another machine.
    fn by_hand(&self, environment: &str, component: &str, from: &str, to: &str) {
        let policy: toml::Table = SAMPLE.parse().unwrap();
        let commands = &policy["components"][component];
        let text = std::fs::read_to_string(
            self.project
                .alice
                .repo
                .path()
                .join("infra")
                .join(component)
                .join("main.tf"),
        )
        .unwrap();
        self.project
            .world
            .repo("elsewhere")
            .write("main.tf", &text.replace(from, to));
        for command in ["plan", "apply"] {
            let mut shell = self.project.world.command("sh", "alice");
            shell
                .args(["-c", commands[command].as_str().unwrap()])
                .current_dir(self.project.world.path().join("elsewhere"));
            shell
                .env("STATE", &self.states)
                .env("DEPLOY_ENV", environment)
                .env("DEPLOY_PLAN", "plan")
                .env("CHECKPOINT_DISABLE", "1");
            Run::of(self.project.world, &mut shell).ok();
        }
    }
}
