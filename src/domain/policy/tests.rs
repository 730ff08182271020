//! Sample policies mean what the reference says.
//!
//! Mistakes are in `mistakes`. A type of its own is tested beside it.

pub(crate) mod mistakes;
mod unused_keys;

use std::collections::BTreeSet;

use super::*;
use crate::domain::id::PublicKey;
use crate::domain::name::{ComponentName, EnvName, Person, ProjectName};

/// A key of which only the first byte differs.
pub(crate) fn key(number: u8) -> PublicKey {
    let mut bytes = [7; 32];
    bytes[0] = number;
    PublicKey::new([number; 8], bytes)
}

/// Puts keys in for `<1>`, `<2>`, ….
pub(crate) fn with_keys(text: &str) -> String {
    (1..=12).fold(text.to_owned(), |text, number| {
        text.replace(&format!("<{number}>"), &key(number).to_string())
    })
}

fn parse(text: &str) -> Policy {
    Policy::parse(&with_keys(text)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn person(name: &str) -> Person {
    name.parse().unwrap()
}

fn env<'p>(policy: &'p Policy, name: &str) -> &'p Environment {
    policy.environment(&name.parse().unwrap()).unwrap()
}

fn names(members: &Members) -> Vec<&str> {
    members.persons().iter().map(Person::as_str).collect()
}

pub(crate) const FIRST_DAY: &str = r#"
schema  = 1
project = "catalogue"

[people]
alice = "<1>"
bob   = "<2>"
ci    = { key = "<3>", machine = true }

[environments]
dev   = {}
stage = { promote_from = "dev" }
prod  = { promote_from = "stage", approvals = 1 }
"#;

pub(crate) const GROWN_UP: &str = r#"
schema  = 1
project = "catalogue"

[people]
alice = { key = "<1>", emails = ["alice@example.com"] }
bob   = { key = "<2>", retired = ["<7>"], emails = ["bob@example.com", "Bob@home.example"] }
carol = { key = "<3>", emails = ["carol@example.com"] }
dana  = { key = "<4>", emails = ["dana@example.com"] }
erin  = { key = "<5>", emails = ["erin@example.com"] }
ci    = { key = "<6>", machine = true }

[groups]
developers = ["alice", "bob", "dana"]
release    = ["bob", "carol"]
security   = ["erin"]
oncall     = ["bob", "dana"]

[policy]
admins    = ["alice", "erin"]
approvals = 1

[environments.dev]
deployers    = ["developers", "ci"]
approvals    = { required = 1, by = "developers", prevent_self = false }
tag          = "{timestamp}_{env}_{branch}"

[environments.qa]
promote_from = "dev"
branch       = "qa"
deploy_on    = "approval"
deployers    = "ci"
approvals    = { required = 1, by = "developers" }
checks       = ["test-result", "change-review"]
up_to_date   = true

[environments.stage]
promote_from = "qa"

[environments.prod]
promote_from = "stage"
branch       = "main"
deployers    = "ci"
rollback_by  = ["release", "ci"]
approvals    = [{ required = 1, by = "release" }, { required = 1, by = "security", bind = "plan", expires = "2d" }]
checks       = ["test-result", { type = "test-result", suite = "e2e", environment = "stage", by = "ci" }]
artifact     = "required"
soak         = "1h"
version      = { from = "file:VERSION", require_bump = true }
tag          = "{version}.{timestamp}.{env}"
freeze       = [{ start = "Fri 16:00", end = "Mon 08:00", timezone = "Europe/London", reason = "weekend" }]
break_glass  = { by = "oncall" }
hotfix       = { by = "release", skip = ["promote_from", "soak"] }
stale_after  = "1h"
url          = "https://catalogue.example.com"
enforcement  = "active"

[environments."pr-*"]
ephemeral    = { ttl = "8h", limit = 20 }
tag          = "{timestamp}_{env}"

[components.network]
paths      = ["infra/network/**"]
plan       = "terraform init -input=false && terraform plan -out=$DEPLOY_PLAN"
apply      = "terraform apply $DEPLOY_PLAN"

[components.api]
paths      = ["api/**", "lib/**"]
depends_on = "network"
apply      = "make deploy"
verify     = "curl -fsS $DEPLOY_URL/health"

[checks]
test-result   = { by = "ci" }
change-review = { by = "developers" }

[artifacts]
by = "ci"
"#;

pub(crate) const CARRYING_OUT: &str = r#"
schema = 1
project = "p"
notify = "tell everyone"
[people]
alice = "<1>"
[environments.dev]
parallel = 2
rollback = "manual"
exec_by = "alice"
advance = { branch = "release", method = "ff" }
variables = { REGION = "eu", ZONE = "b" }
secrets = { TOKEN = { command = "print token", plan = true } }
freeze = { start = 2026-12-20, end = 2026-12-24T12:00:00Z }
[environments.prod]
notify = [
  "tell ops",
  { command = "tell boss", on = "succeeded" },
  { webhook = "https://hooks.example.com/T0/secret", format = "slack", on = ["failed", "rolled-back"] },
  { webhook = { command = "print hook" } },
]
version = { from = "tag:{component}/v*", scheme = "calver" }
[components.api]
paths = "api"
destroy = "make clean"
variables = { REGION = "us", NAME = "api" }
secrets = { PASSWORD = "print password" }
retries = 2
timeout = "30m"
"#;

/// The defaults are the safe ones: an absent key must never open anything.
#[test]
fn the_first_day() {
    let policy = parse(FIRST_DAY);
    let component = policy.component(&"catalogue".parse().unwrap()).unwrap();
    assert_eq!(
        (policy.components.len(), &component.paths, &component.apply),
        (1, &None, &None)
    );
    assert!(!policy.has_rest());
    let prod = env(&policy, "prod");
    assert_eq!(names(&prod.deployers), ["alice", "bob", "ci"]);
    assert_eq!(prod.rollback_by, prod.deployers);
    let [seat] = &prod.approvals[..] else {
        panic!("one seat")
    };
    assert_eq!(
        (seat.required, names(&seat.by), seat.prevent_self),
        (1, vec!["alice", "bob"], true)
    );
    assert_eq!(
        (seat.bind, seat.expires.to_string().as_str()),
        (Bind::Commit, "1w")
    );
    assert_eq!(
        (&prod.break_glass, &prod.hotfix, prod.enforcement),
        (&None, &None, Enforcement::Active)
    );
    assert_eq!(
        (prod.deploy_on, prod.rollback),
        (DeployOn::Merge, Rollback::Auto)
    );
    assert_eq!(policy.unowned, UnownedPaths::Gated);
    // Without [policy] the genesis says who the admins are, and keeps saying so when a key is replaced.
    assert_eq!(
        policy.admins(&[key(1), key(9)]),
        BTreeSet::from([person("alice")])
    );
    assert!(policy.may_attest(&person("bob"), &PredicateType::test_result()));
    assert!(!policy.may_attest(&person("mallory"), &PredicateType::test_result()));
    assert!(
        policy.is_machine(&person("ci"))
            && policy.is_machine(&person("mallory"))
            && !policy.is_machine(&person("bob"))
    );
}

/// Every key of the design's example means what the design says.
#[test]
fn a_grown_up_one() {
    let policy = parse(GROWN_UP);
    let prod = env(&policy, "prod");
    assert_eq!(names(&prod.deployers), ["ci"]);
    assert_eq!(
        (
            names(&prod.rollback_by),
            prod.rollback_by.to_string().as_str()
        ),
        (vec!["bob", "carol", "ci"], "release, ci")
    );
    assert_eq!(prod.approvals[1].bind, Bind::Plan);
    assert_eq!(prod.approvals[1].expires, "2d".parse().unwrap());
    assert_eq!(prod.checks[1].suite.as_ref().unwrap().as_str(), "e2e");
    assert!(prod.artifact_required && prod.version.as_ref().unwrap().require_bump);
    assert_eq!(
        prod.freeze[0].to_string(),
        "Fri 16:00 to Mon 08:00 Europe/London"
    );
    assert_eq!(names(prod.break_glass.as_ref().unwrap()), ["bob", "dana"]);
    assert_eq!(prod.hotfix.as_ref().unwrap().skip.len(), 2);
    assert_eq!(
        policy.environment_of_branch("main").unwrap().name.as_str(),
        "prod"
    );
    assert_eq!(env(&policy, "qa").deploy_on, DeployOn::Approval);
    assert_eq!(
        policy.admins(&[key(2)]),
        BTreeSet::from([person("alice"), person("erin")])
    );
    assert!(policy.may_attest(&person("ci"), &PredicateType::test_result()));
    assert!(!policy.may_attest(&person("alice"), &PredicateType::test_result()));
    assert!(!policy.may_attest(&person("ci"), &"vulns".parse().unwrap()));
    // Keys and addresses lead to one person.
    assert_eq!(
        policy.person_of_key(&key(2)),
        Some((&person("bob"), KeyStatus::Current))
    );
    assert_eq!(
        policy.person_of_key(&key(7)),
        Some((&person("bob"), KeyStatus::Retired))
    );
    assert_eq!(policy.person_of_key(&key(8)), None);
    assert_eq!(
        policy.person_of_email(b"BOB@home.example"),
        Some(&person("bob"))
    );
    assert_eq!(policy.person_of_email(b"\xff@home.example"), None);
}

/// `pr-17` has the rules and the ledger of `pr-*`; what only looks like it has none.
#[test]
fn patterns() {
    let policy = parse(GROWN_UP);
    let ledger = |name: &str| {
        policy
            .ledger_of(&name.parse().unwrap())
            .map(|ledger| ledger.to_string())
    };
    assert_eq!(ledger("pr-17").as_deref(), Some("pr"));
    assert_eq!(ledger("pr-a-b").as_deref(), Some("pr"));
    assert_eq!(ledger("prod").as_deref(), Some("prod"));
    for unknown in ["pr", "pr-", "prx-1", "x-pr-1", "nope"] {
        assert_eq!(ledger(unknown), None, "{unknown}");
    }
    let ledgers: Vec<String> = policy.ledgers().iter().map(ToString::to_string).collect();
    assert_eq!(ledgers, ["dev", "pr", "prod", "qa", "stage"]);
    assert_eq!(
        policy
            .environment_of_ledger(&"pr".parse().unwrap())
            .unwrap()
            .ephemeral
            .unwrap()
            .limit,
        20
    );
    let tagged = |tag: &str| {
        policy
            .environments_of_tag(tag)
            .iter()
            .map(|it| it.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(tagged("1.4.2.20260305T100211Z.prod"), ["prod"]);
    assert_eq!(tagged("20260305T100211Z_dev_main"), ["dev"]);
    assert_eq!(tagged("20260305T100211Z_pr-17"), ["pr"]);
    assert!(tagged("v1.4.2").is_empty() && tagged("20260305T100211Z_pr").is_empty());
}

/// A path has at least one owner while unowned paths are gated, and `rest` takes exactly what is left.
#[test]
fn rest_is_what_is_left() {
    let policy = parse(GROWN_UP);
    let (api, rest) = ("api".parse().unwrap(), ComponentName::rest());
    assert!(policy.owns(&api, b"lib/x") && !policy.owns(&rest, b"lib/x"));
    assert!(!policy.owns(&api, b"README.md") && policy.owns(&rest, b"README.md"));
    assert!(policy.owns(&api, b".gitmodules") && policy.owns(&rest, b".gitmodules"));
    assert!(!policy.owns(&"nope".parse().unwrap(), b"lib/x"));
    let covers = ["", "api", "infra", "infra/network", "docs"]
        .map(|folder| policy.coverage(&rest, folder.as_bytes()));
    assert_eq!(
        covers,
        [
            Coverage::Descend,
            Coverage::Nothing,
            Coverage::Descend,
            Coverage::Nothing,
            Coverage::Whole
        ]
    );
    let free = parse(&GROWN_UP.replacen("schema  = 1", "schema  = 1\nunowned = \"free\"", 1));
    assert!(!free.owns(&rest, b"README.md") && !free.component_names().contains(&rest));
}

/// The keys for carrying deployments out, which no gate reads.
#[test]
fn carrying_out() {
    let policy = parse(CARRYING_OUT);
    let (dev, prod, api) = (
        env(&policy, "dev"),
        env(&policy, "prod"),
        "api".parse().unwrap(),
    );
    assert_eq!(
        (dev.parallel, dev.rollback, prod.parallel),
        (2, Rollback::Manual, 4)
    );
    assert_eq!(
        dev.advance.as_ref().unwrap().reference(),
        "refs/heads/release"
    );
    assert_eq!(
        dev.freeze[0].active_until("2026-12-24T11:59:59Z".parse().unwrap()),
        Some("2026-12-24T12:00:00Z".parse().unwrap())
    );
    let variables = policy.variables(&dev.name, &api);
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        variables,
        [("NAME", "api"), ("REGION", "eu"), ("ZONE", "b")]
    );
    assert_eq!(
        policy
            .secrets(&dev.name, &api)
            .values()
            .map(|secret| secret.plan)
            .collect::<Vec<_>>(),
        [false, true]
    );
    let component = policy.component(&api).unwrap();
    assert_eq!(
        (component.retries, component.timeout),
        (2, Some("30m".parse().unwrap()))
    );
}

/// An environment's own `notify` replaces the policy's, and nothing that is shown of one tells a webhook's address.
#[test]
fn who_is_told() {
    let policy = parse(CARRYING_OUT);
    let told = |name: &str| {
        let words = |notify: &Notify| {
            notify
                .on
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let notify = env(&policy, name).notify.clone();
        notify
            .iter()
            .map(|notify| (notify.channel.to_string(), words(notify)))
            .collect::<Vec<_>>()
    };
    let all =
        "plan-ready approval-needed started succeeded failed rolled-back refused about-to-expire";
    let wanted = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(channel, on)| ((*channel).to_owned(), (*on).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(told("dev"), wanted(&[("the command `tell everyone`", all)]));
    assert_eq!(
        told("prod"),
        wanted(&[
            ("the command `tell ops`", all),
            ("the command `tell boss`", "succeeded"),
            ("the webhook at hooks.example.com", "failed rolled-back"),
            ("the webhook whose address `print hook` prints", all),
        ])
    );
    let formats = env(&policy, "prod")
        .notify
        .iter()
        .filter_map(|notify| match &notify.channel {
            NotifyChannel::Webhook { format, .. } => Some(*format),
            NotifyChannel::Command(_) => None,
        });
    assert_eq!(
        formats.collect::<Vec<_>>(),
        [WebhookFormat::Slack, WebhookFormat::CloudEvents]
    );
    assert!(!format!("{policy:?}").contains("T0/secret"));
    let none = CARRYING_OUT.replace("parallel = 2", "notify = []");
    assert!(env(&parse(&none), "dev").notify.is_empty());
}

/// What `init` writes is a policy, also for one person and for names with dots.
#[test]
fn starter_parses() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.parse().unwrap())
            .collect::<Vec<EnvName>>()
    };
    let project: ProjectName = "catalogue".parse().unwrap();
    let alice = (person("alice"), key(1));
    let text = Policy::starter(
        &project,
        &[alice.clone(), (person("b.ob"), key(2))],
        &names(&["dev", "st.age", "prod"]),
    );
    let policy = parse(&text);
    assert_eq!(env(&policy, "prod").approvals.len(), 1);
    assert_eq!(
        env(&policy, "prod").promote_from,
        Some("st.age".parse().unwrap())
    );
    assert_eq!(policy.people.len(), 2);
    assert!(text.lines().count() <= 13, "{text}");
    let alone = parse(&Policy::starter(
        &project,
        std::slice::from_ref(&alice),
        &names(&["dev", "prod"]),
    ));
    assert!(env(&alone, "prod").approvals.is_empty());
    assert!(
        parse(&Policy::starter(&project, &[alice], &[]))
            .environments
            .is_empty()
    );
}
