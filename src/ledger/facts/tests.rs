//! Tests of facts gathered from real ledgers: needed facts are present, and a fact that cannot be
//! established is an error, not an answer.

mod code;
mod component_history;
mod ledgers;

use std::sync::Arc;

use super::testing::{World, deployment, parse, start_of, start_time};
use super::*;
use crate::domain::entry::{
    Abort, Action, Artifact, Attestation, ComponentAtCommit, DeploymentKind, Image, Lock, Outcome,
    Resume, StoredEntry, Verification, VerificationResult, Yank,
};
use crate::domain::id::{Content, Digest, RunId};
use crate::domain::name::ComponentName;
use crate::domain::policy::DeployOn;
use crate::domain::rules::{SKEW, SeenFact};
use crate::domain::time::Span;

const STAGES: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";
const COMPONENTS: &str =
    "[components.api]\npaths = [\"api/**\"]\n[components.web]\npaths = [\"web/**\"]\n";

/// Returns the id of a commit that does not exist.
fn missing_commit() -> CommitId {
    parse("2affccc97fa05736482d4523166f70cb561afa11")
}

fn names(list: &Fact<Vec<Arc<StoredEntry>>>) -> Vec<String> {
    let name = |entry: &Arc<StoredEntry>| {
        format!(
            "{} {}",
            entry.statement.sequence,
            entry.statement.action.name()
        )
    };
    list.as_ref().unwrap().iter().map(name).collect()
}

fn verified(component: &str, commit: CommitId) -> Action {
    Action::Verification(Verification {
        components: vec![ComponentAtCommit {
            component: parse(component),
            commit,
        }],
        verification: VerificationResult::Passed,
        comment: None,
        logs: Vec::new(),
    })
}

fn lock() -> Action {
    Action::Lock(Lock {
        component: None,
        until: None,
        reason: parse("no"),
    })
}

/// `policy_at` returns the policy in force at a tip of the policy ledger. `chain` accepts as the
/// tip of a ledger only a commit of that ledger.
#[test]
fn policies_and_chains() {
    let mut world = World::new(STAGES);
    let gatherer = world.gatherer();
    assert_eq!(gatherer.policy_at(world.project.id).unwrap(), None);
    let tip = world.tips[&LedgerName::policy()];
    let policy = gatherer.policy_at(tip).unwrap().unwrap();
    assert_eq!(*policy, world.policy);
    assert!(Arc::ptr_eq(
        &policy,
        &gatherer.policy_at(tip).unwrap().unwrap()
    ));

    let dev: LedgerName = parse("dev");
    let empty = gatherer.load_tip(&dev, None).unwrap();
    assert_eq!(
        (empty.chain.sequence, empty.chain.at, empty.tree),
        (0, Time::EPOCH, world.repository.hash_kind().empty_tree())
    );
    assert!(
        gatherer.load_tip(&dev, Some(world.project.id)).is_err(),
        "another genesis"
    );
    assert!(
        gatherer.load_tip(&dev, Some(tip)).is_err(),
        "another ledger"
    );
    let locked = world.append("dev", lock());
    let chain = world.gatherer().load_tip(&dev, Some(locked)).unwrap().chain;
    assert_eq!(
        (chain.sequence, chain.at, chain.tip),
        (1, world.now, locked)
    );
    assert_eq!(chain.seen, [(LedgerName::policy(), tip)].into());
    let genesis = Some(empty.chain.tip);
    assert_eq!(
        world.gatherer().load_tip(&dev, genesis).unwrap().chain,
        empty.chain
    );

    let broken = world.publish("schema = 1\nproject = 3\n");
    assert!(world.gatherer().policy_at(broken).is_err());
}

/// The content of a component depends on its own paths only, and is `None` if the component is
/// absent.
#[test]
fn contents() {
    let mut world = World::new(&format!("{STAGES}{COMPONENTS}"));
    let ann = "Ann <ann@example.com>";
    let one = world.commit(&[("api/a", "1"), ("README", "x")], &[], ann, "one");
    let two = world.commit(
        &[("api/a", "1"), ("web/a", "1"), ("README", "y")],
        &[one],
        ann,
        "two",
    );
    let three = world.commit(
        &[
            ("api/a", "1"),
            ("README", "y"),
            (".gitattributes", "* text"),
        ],
        &[two],
        ann,
        "three",
    );
    let gatherer = world.gatherer();
    let content = |commit, name: &str| {
        gatherer
            .content(&world.policy, commit, &parse(name))
            .unwrap()
    };
    assert_eq!(content(one, "api"), content(two, "api"));
    assert_ne!(content(two, "api"), content(three, "api"));
    assert_ne!(content(one, "rest"), content(two, "rest"));
    assert!(
        content(one, "web").is_none()
            && content(three, "web").is_none()
            && content(one, "other").is_none()
    );
    assert!(
        gatherer
            .content(&world.policy, missing_commit(), &parse("api"))
            .is_err()
    );
    drop(gatherer);

    world.deploy("dev", "api", one, Outcome::Succeeded);
    let facts = world.facts_of("dev", DeploymentKind::Deploy, "api", three);
    let fact = |commit| facts.contents[&(commit, parse("api"))].clone().unwrap();
    assert!(fact(one).is_some() && fact(three).is_some() && fact(one) != fact(three));
}

/// A seen commit must be on the ledger's own chain: code commits, which are further parents, do not
/// count, and a missing commit is an error.
#[test]
fn seen() {
    let mut world = World::new(STAGES);
    let code = world.code("a", "1", &[]);
    let old = world.append("dev", lock());
    world.append("dev", lock());
    world.deploy("dev", "catalogue", code, Outcome::Succeeded);
    world.append("prod", lock());
    let tip = world.tips[&parse::<LedgerName>("dev")];
    let base = world.statement("prod", lock());
    let fact = |seen| {
        let mut statement = base.clone();
        statement.seen.insert(parse("dev"), seen);
        world.facts(&world.gatherer(), &statement).seen[&parse::<LedgerName>("dev")].clone()
    };
    assert_eq!(
        fact(tip),
        Ok(SeenFact {
            is_tip: true,
            is_reachable: true,
            is_forward: true
        })
    );
    assert_eq!(
        fact(old),
        Ok(SeenFact {
            is_tip: false,
            is_reachable: true,
            is_forward: false
        })
    );
    assert!(!fact(EntryId(code.0)).unwrap().is_reachable);
    assert!(fact(EntryId(missing_commit().0)).is_err());
    let facts = world.facts(&world.gatherer().limited(1, 1), &base);
    assert!(
        facts.seen.values().all(std::result::Result::is_ok),
        "tips are near"
    );
    let mut far = base.clone();
    far.seen.insert(parse("dev"), old);
    let facts = world.facts(&world.gatherer().limited(1, 1), &far);
    assert!(
        facts.seen[&parse::<LedgerName>("dev")]
            .as_ref()
            .unwrap_err()
            .contains("limit of 1")
    );
}

/// For a branch update, the facts are about the components that it would change, and whether it
/// fast-forwards.
#[test]
fn pushes() {
    let mut world = World::new(&format!(
        "[environments]\nprod = {{ branch = \"main\", artifact = \"required\" }}\n{COMPONENTS}"
    ));
    let ann = "Ann <ann@example.com>";
    let one = world.commit(&[("api/a", "1")], &[], ann, "one");
    let two = world.commit(&[("api/a", "1"), ("web/a", "1")], &[one], ann, "two");
    world.deploy("prod", "api", one, Outcome::Succeeded);
    let (environment, prod) = (parse("prod"), parse::<LedgerName>("prod"));
    let mut policy = world.policy.clone();
    let mut push = |old, new, deploy_on| {
        policy.environments.get_mut("prod").unwrap().deploy_on = deploy_on;
        let request = Request::Branch {
            environment: &environment,
            name: "main",
            old: Some(old),
            new,
        };
        let gatherer = world.gatherer();
        let prod_tip = world.tips.get(&prod).copied();
        let tree = gatherer.load_tip(&prod, prod_tip).unwrap().tree;
        gatherer.gather(
            &policy,
            &request,
            &world.tips,
            None,
            gatherer.state(&prod, tree, &request),
        )
    };
    let facts = push(one, Some(two), DeployOn::Approval);
    assert_eq!(facts.containment[&(two, one)], Ok(true));
    assert_eq!(
        facts.contents.len(),
        6,
        "three components, before and after"
    );
    assert!(facts.evidence.is_none() && facts.yanks.is_none() && facts.branch_tip.is_none());
    let facts = push(one, Some(two), DeployOn::Merge);
    assert_eq!(facts.containment[&(two, one)], Ok(true));
    assert_eq!(
        facts.contents.len(),
        4,
        "three components, and the running one"
    );
    assert!(facts.evidence.is_some() && facts.yanks.is_some());
    assert!(
        facts.branch_tip.is_none(),
        "the update is judged, not the branch's present tip"
    );
    for deploy_on in [DeployOn::Approval, DeployOn::Merge] {
        let back = push(two, Some(one), deploy_on);
        assert_eq!(back.containment[&(one, two)], Ok(false));
        let unknown = push(two, Some(missing_commit()), deploy_on).contents;
        assert_eq!(unknown.values().filter(|fact| fact.is_err()).count(), 3);
        assert!(push(two, None, deploy_on).contents.is_empty());
    }
}

/// A lock needs no walk over history. For a publish, the facts tell whether it has seen every
/// environment.
#[test]
fn only_needed_facts() {
    let mut world = World::new(STAGES);
    let code = world.code("a", "1", &[]);
    world.deploy("dev", "catalogue", code, Outcome::Succeeded);
    let statement = world.statement("prod", lock());
    let facts = world.facts(&world.gatherer(), &statement);
    assert!(facts.evidence.is_none() && facts.yanks.is_none() && facts.authors.is_none());
    assert!(facts.previous_log.is_empty() && facts.contents.is_empty() && facts.commits.is_empty());
    assert!(!facts.tips.contains_key("prod") && facts.tips.contains_key("dev"));

    let text = Digest::sha256(b"x");
    let publish = crate::domain::entry::Publish {
        digest: text.clone(),
        keys: text,
        approved_by: vec![],
        description: None,
        admits: vec![],
        recovered: false,
    };
    let mut statement = world.statement("policy", Action::Publish(publish));
    let seen = |statement: &_| world.facts(&world.gatherer(), statement).environments_seen;
    assert_eq!(seen(&statement), [(parse("dev"), true)].into());
    statement.seen.clear();
    assert_eq!(seen(&statement), [(parse("dev"), false)].into());
}
