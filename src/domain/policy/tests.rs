//! Sample policies are read as the reference describes.
//!
//! Mistakes are tested in `mistakes`. Types in their own file are tested in that file.

pub(crate) mod execution;
mod hostile;
pub(crate) mod mistakes;
mod unused_keys;

use std::collections::BTreeSet;

use super::*;
use crate::domain::id::PublicKey;
use crate::domain::name::{ComponentName, EnvName, Person, ProjectName};

/// Returns a key that differs from others only in its first byte.
pub(crate) fn key(number: u8) -> PublicKey {
    let mut bytes = [7; 32];
    bytes[0] = number;
    PublicKey::new([number; 8], bytes)
}

/// Replaces `<1>`, `<2>`, … by keys.
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

pub(crate) const MINIMAL_POLICY: &str = r#"
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

pub(crate) const FULL_POLICY: &str = r#"
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

/// The defaults are safe: an absent key never grants anything.
#[test]
fn minimal_policy() {
    let policy = parse(MINIMAL_POLICY);
    let component = policy.component(&"catalogue".parse().unwrap()).unwrap();
    assert_eq!(
        (policy.components.len(), &component.paths, &component.apply),
        (1, &None, &None)
    );
    assert!(!policy.has_rest());
    let prod = env(&policy, "prod");
    assert_eq!(names(&prod.deployers), ["alice", "bob", "ci"]);
    assert_eq!(prod.rollback_by, prod.deployers);
    let [requirement] = &prod.approvals[..] else {
        panic!("one requirement")
    };
    assert_eq!(
        (
            requirement.required,
            names(&requirement.by),
            requirement.prevent_self
        ),
        (1, vec!["alice", "bob"], PreventSelf::Involved)
    );
    assert_eq!(
        (requirement.bind, requirement.expires.to_string().as_str()),
        (ApprovalBinding::Commit, "1w")
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
    // Without [policy], the admins are the owners of the keys in the genesis entry, even if one of
    // the keys is not listed any more.
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

/// A policy with most keys is read as it is written.
#[test]
fn full_policy() {
    let policy = parse(FULL_POLICY);
    let prod = env(&policy, "prod");
    assert_eq!(names(&prod.deployers), ["ci"]);
    assert_eq!(
        (
            names(&prod.rollback_by),
            prod.rollback_by.to_string().as_str()
        ),
        (vec!["bob", "carol", "ci"], "release, ci")
    );
    assert_eq!(prod.approvals[1].bind, ApprovalBinding::Plan);
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

/// `pr-17` has the rules and the ledger of `pr-*`. A name that only looks similar has none.
#[test]
fn patterns() {
    let policy = parse(FULL_POLICY);
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

/// While unowned paths are gated, every path has an owner: `rest` owns exactly the paths of no
/// other component.
#[test]
fn rest_component() {
    let policy = parse(FULL_POLICY);
    let (api, rest) = ("api".parse().unwrap(), ComponentName::rest());
    let (owned, outside) = (FileOwnership::Owned, FileOwnership::Outside);
    let ownership =
        |path: &[u8]| [&api, &rest].map(|component| policy.file_ownership(component, path, false));
    assert_eq!(ownership(b"lib/x"), [owned, outside]);
    assert_eq!(ownership(b"README.md"), [outside, owned]);
    assert_eq!(
        ownership(b".gitmodules"),
        [FileOwnership::WithNeighbours; 2]
    );
    let unknown = "nope".parse().unwrap();
    assert_eq!(policy.file_ownership(&unknown, b"lib/x", false), outside);
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
    let free = parse(&FULL_POLICY.replacen("schema  = 1", "schema  = 1\nunowned = \"free\"", 1));
    assert!(
        free.file_ownership(&rest, b"README.md", false) == outside
            && !free.component_names().contains(&rest)
    );
}

/// `prevent_self` is a flag or the word `starter`; anything else is an error.
#[test]
fn prevent_self_values() {
    let read = |value: &str| {
        Policy::parse(&format!(
            "schema = 1\nproject = \"p\"\n[people]\nalice = \"{}\"\nbob = \"{}\"\n[environments]\nprod = {{ approvals = {{ prevent_self = {value} }} }}\n",
            key(1),
            key(2)
        ))
        .map(|policy| env(&policy, "prod").approvals[0].prevent_self)
    };
    assert_eq!(read("true").unwrap(), PreventSelf::Involved);
    assert_eq!(read("\"starter\"").unwrap(), PreventSelf::Starter);
    assert_eq!(read("false").unwrap(), PreventSelf::Off);
    for wrong in ["\"start\"", "\"true\"", "1", "[]", "{}"] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(
            error.contains("environments.prod.approvals.prevent_self"),
            "{error}"
        );
    }
}

/// The file that `init` writes parses, also for one person and for names with dots.
#[test]
fn starter_parses() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.parse().unwrap())
            .collect::<Vec<EnvName>>()
    };
    let project: ProjectName = "catalogue".parse().unwrap();
    let starter = |name, byte, email: &str| StarterPerson {
        name: person(name),
        key: key(byte),
        email: email.parse().ok(),
    };
    let alice = starter("alice", 1, "ali\"ce\\@example.com");
    let text = Policy::starter(
        &project,
        &[alice.clone(), starter("b.ob", 2, "no address")],
        &names(&["dev", "st.age", "prod"]),
    );
    let policy = parse(&text);
    assert_eq!(env(&policy, "prod").approvals.len(), 1);
    assert_eq!(
        env(&policy, "prod").promote_from,
        ["st.age".parse().unwrap()].into()
    );
    assert_eq!(policy.people.len(), 2);
    let author = policy.person_of_email(b"ali\"ce\\@example.com");
    assert_eq!(author, Some(&person("alice")), "{text}");
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
