//! Facts out of real ledgers: what a rule needs is there, and what cannot be established is an error and no answer.

mod code;
mod ledgers;

use std::sync::Arc;

use super::testing::{World, deployment, parse, start, starting};
use super::*;
use crate::domain::entry::{
    Abort, Approve, Artifact, Attestation, ComponentAtCommit, ComponentChange, DeploymentKind,
    Image, Intent, Lock, Outcome, StoredEntry, Verification, VerificationResult, Yank,
};
use crate::domain::id::{Digest, RunId};
use crate::domain::policy::DeployOn;
use crate::domain::rules::{SKEW, SeenFact};
use crate::domain::time::Span;

const STAGES: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";
const PARTS: &str =
    "[components.api]\npaths = [\"api/**\"]\n[components.web]\npaths = [\"web/**\"]\n";

/// An id that no object has.
fn nowhere() -> CommitId {
    parse("2affccc97fa05736482d4523166f70cb561afa11")
}

<<<<<<< int-rules
fn names(list: &Fact<Vec<Arc<StoredEntry>>>) -> Vec<String> {
||||||| vbase
fn names(list: &Known<Vec<Arc<StoredEntry>>>) -> Vec<String> {
=======
fn deploying(change: ComponentChange) -> Action {
    starting(deployment(DeploymentKind::Deploy, vec![change]))
}

fn names(list: &Known<Vec<Arc<StoredEntry>>>) -> Vec<String> {
>>>>>>> int-actions
    let name = |kept: &Arc<StoredEntry>| {
        format!(
            "{} {}",
            kept.statement.sequence,
            kept.statement.action.name()
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
        reason: parse("no"),
    })
}

/// The policy in force is that of the tip, and nothing else than its ledger can be one's end.
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
    let (none, tree) = gatherer.chain(&dev, None).unwrap();
    assert_eq!(
        (none.sequence, none.at, tree),
        (0, Time::EPOCH, world.repository.hash_kind().empty_tree())
    );
    assert!(
        gatherer.chain(&dev, Some(world.project.id)).is_err(),
        "another genesis"
    );
    assert!(gatherer.chain(&dev, Some(tip)).is_err(), "another ledger");
    let locked = world.append("dev", lock());
    let (chain, _) = world.gatherer().chain(&dev, Some(locked)).unwrap();
    assert_eq!(
        (chain.sequence, chain.at, chain.tip),
        (1, world.now, locked)
    );
    assert_eq!(chain.seen, [(LedgerName::policy(), tip)].into());
    assert_eq!(
        world.gatherer().chain(&dev, Some(none.tip)).unwrap().0,
        none
    );

    let broken = world.publish("schema = 1\nproject = 3\n");
    assert!(world.gatherer().policy_at(broken).is_err());
}

/// Content is what a component's paths hold: others do not touch it, and absence is not equality.
#[test]
fn contents() {
    let mut world = World::new(&format!("{STAGES}{PARTS}"));
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
            .content(&world.policy, nowhere(), &parse("api"))
            .is_err()
    );
    drop(gatherer);

    world.deploy("dev", "api", one, Outcome::Succeeded);
    let facts = world.facts_of("dev", DeploymentKind::Deploy, "api", three);
    let key = |commit| facts.contents[&(commit, parse("api"))].clone().unwrap();
    assert!(key(one).is_some() && key(three).is_some() && key(one) != key(three));
}

/// What was seen lies on the ledger's own chain: code that is a further parent does not count, and what is missing is no answer.
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
            reachable: true,
            forward: true
        })
    );
    assert_eq!(
        fact(old),
        Ok(SeenFact {
            is_tip: false,
            reachable: true,
            forward: false
        })
    );
    assert!(!fact(EntryId(code.0)).unwrap().reachable);
    assert!(fact(EntryId(nowhere().0)).is_err());
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

<<<<<<< int-rules
||||||| vbase
/// A commit that rode along has the success that put its content there, however old, and all that happened since.
#[test]
fn source() {
    let mut world = World::new(STAGES);
    let one = world.code("a", "1", &[]);
    world.deploy("dev", "catalogue", one, Outcome::Succeeded);
    world.append("dev", verified("catalogue", one));
    world.append("dev", lock());
    world.now = world.now.plus(Span::from_days(1));
    let two = world.code("a", "1", &[one]);
    let three = world.code("a", "3", &[one]);
    world.deploy("dev", "catalogue", two, Outcome::Unchanged);
    let started = world.change("dev", "catalogue", three, Intent::Change);
    world.append(
        "dev",
        starting(deployment(DeploymentKind::Deploy, vec![started])),
    );
    let abort = Abort {
        start: 7,
        run: RunId([2; 16]),
        components: vec![ComponentAtCommit {
            component: parse("catalogue"),
            commit: three,
        }],
        reason: parse("no"),
    };
    world.append("dev", Action::Abort(abort));

    let key = |commit| (parse("catalogue"), commit);
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", two);
    let all = [
        "8 abort",
        "7 start",
        "6 finish",
        "5 start",
        "3 verification",
        "2 finish",
    ];
    assert_eq!(names(&facts.source[&key(two)]), all);
    assert_eq!(
        facts
            .source_state
            .unwrap()
            .unwrap()
            .environment(None)
            .commit(&parse("catalogue")),
        Some(two)
    );
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", three);
    assert_eq!(
        names(&facts.source[&key(three)]),
        ["8 abort", "7 start", "6 finish", "5 start"]
    );

    let change = world.change("prod", "catalogue", two, Intent::Change);
    let statement = world.statement(
        "prod",
        starting(deployment(DeploymentKind::Deploy, vec![change])),
    );
    let facts = world.facts(&world.gatherer().limited(5, 5), &statement);
    assert!(
        facts.source[&key(two)]
            .as_ref()
            .unwrap_err()
            .contains("limit of 5")
    );
    world.tips.remove("dev");
    let facts = world.facts(&world.gatherer(), &statement);
    assert_eq!(names(&facts.source[&key(two)]), Vec::<String>::new());
}

fn artifact(commit: CommitId, content: Content, digest: &Digest) -> Action {
    let image = Image {
        name: parse("img"),
        digest: digest.clone(),
    };
    Action::Artifact(Artifact {
        component: parse("api"),
        commit,
        content,
        image,
        builder: None,
    })
}

fn attested(commit: CommitId) -> Action {
    Action::Attestation(Attestation {
        commit,
        environment: None,
        predicate_type: parse("https://in-toto.io/attestation/test-result/v0.1"),
        suite: None,
        predicate: serde_json::Map::new(),
    })
}

/// An artifact of the same content counts whatever commit it was built from; its yank is found where the entry is silent about it.
#[test]
fn evidence_and_yanks() {
    let mut world = World::new(&format!(
        "[environments]\nprod = {{ artifact = \"required\" }}\n{PARTS}"
    ));
    let ann = "Ann <ann@example.com>";
    let one = world.commit(&[("api/a", "1")], &[], ann, "one");
    let content = world
        .gatherer()
        .content(&world.policy, one, &parse("api"))
        .unwrap()
        .unwrap();
    let (good, bad) = (Digest::sha256(b"good"), Digest::sha256(b"bad"));
    world.append("evidence", artifact(one, content, &bad));
    world.append("evidence", artifact(one, content, &good));
    world.append("evidence", attested(one));
    world.now = world.now.plus(Span::from_days(1));
    let two = world.commit(&[("api/a", "1"), ("web/a", "1")], &[one], ann, "two");
    world.append("evidence", attested(two));
    world.append(
        "evidence",
        Action::Yank(Yank {
            commit: None,
            digest: Some(bad.clone()),
            reason: parse("bad"),
        }),
    );

    let facts = world.facts_of("prod", DeploymentKind::Deploy, "api", two);
    assert_eq!(
        names(facts.evidence.as_ref().unwrap()),
        ["4 attestation", "2 artifact", "1 artifact"]
    );
    assert!(facts.yanks.unwrap().unwrap().yanked_digest(&bad).is_some());
    let signers: Vec<u64> = facts
        .signers
        .iter()
        .filter(|(_, key)| key.is_ok())
        .map(|((_, at), _)| *at)
        .collect();
    assert_eq!(signers, [1, 2, 4]);

    // A second registration meets the first ones.
    let statement = world.statement("evidence", artifact(one, content, &bad));
    let facts = world.facts(&world.gatherer(), &statement);
    assert_eq!(
        names(facts.evidence.as_ref().unwrap()),
        ["3 attestation", "2 artifact", "1 artifact"]
    );

    let change = world.change("prod", "api", two, Intent::Change);
    let statement = world.statement(
        "prod",
        starting(deployment(DeploymentKind::Deploy, vec![change])),
    );
    let facts = world.facts(&world.gatherer().limited(2, 2), &statement);
    assert!(facts.evidence.unwrap().is_err() && facts.yanks.unwrap().is_err());
    world.tips.remove("evidence");
    let facts = world.facts(&world.gatherer(), &statement);
    assert_eq!(
        (facts.evidence, facts.yanks),
        (Some(Ok(Vec::new())), Some(Ok(State::empty())))
    );
}

/// Nobody who had a hand in what is new is left out, and who wrote what runs already is none of them. Where nothing runs, the commit's own author is not
/// left out: else whoever writes it could let it in alone.
#[test]
fn authors() {
    let mut world = World::new("[environments]\nprod = { approvals = 1 }\n");
    let one = world.commit(&[("a", "1")], &[], "Old <old@example.com>", "one");
    let first = world
        .facts_of("prod", DeploymentKind::Deploy, "catalogue", one)
        .authors
        .unwrap()
        .unwrap();
    assert!(
        first.contains("old@example.com") && !first.contains("ann@example.com"),
        "{first:?}"
    );
    world.deploy("prod", "catalogue", one, Outcome::Succeeded);
    let body = "two\n\nco-Authored-BY : Bob <x> <BOB@Example.com>\n\nCo-authored-by: carol@example.com\n\nnot the last";
    let two = world.commit(&[("a", "2")], &[one], "A < Ann@Example.com >", body);
    let three = world.commit(&[("a", "3")], &[two], "Dan <dan@example.com>", "three");
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", three);
    let all: Vec<String> = facts.authors.unwrap().unwrap().into_iter().collect();
    assert_eq!(
        all,
        [
            "ann@example.com",
            "bob@example.com",
            "carol@example.com",
            "dan@example.com",
            "x"
        ]
    );

    let mut change = world.change("prod", "catalogue", three, Intent::Change);
    let statement = world.statement(
        "prod",
        starting(deployment(DeploymentKind::Deploy, vec![change.clone()])),
    );
    assert!(
        world
            .facts(&world.gatherer().limited(9, 1), &statement)
            .authors
            .unwrap()
            .is_err()
    );
    change.from = Some(nowhere());
    let statement = world.statement(
        "prod",
        starting(deployment(DeploymentKind::Deploy, vec![change])),
    );
    let facts = world.facts(&world.gatherer(), &statement);
    assert!(facts.authors.unwrap().is_err() && facts.commits[&nowhere()].is_err());
}

=======
/// A commit that rode along has the success that put its content there, however old, and all that happened since.
#[test]
fn source() {
    let mut world = World::new(STAGES);
    let one = world.code("a", "1", &[]);
    world.deploy("dev", "catalogue", one, Outcome::Succeeded);
    world.append("dev", verified("catalogue", one));
    world.append("dev", lock());
    world.now = world.now.plus(Span::from_days(1));
    let two = world.code("a", "1", &[one]);
    let three = world.code("a", "3", &[one]);
    world.deploy("dev", "catalogue", two, Outcome::Unchanged);
    let started = world.change("dev", "catalogue", three, Intent::Change);
    world.append("dev", deploying(started));
    let abort = Abort {
        start: 7,
        run: RunId([2; 16]),
        components: vec![ComponentAtCommit {
            component: parse("catalogue"),
            commit: three,
        }],
        reason: parse("no"),
    };
    world.append("dev", Action::Abort(abort));

    let key = |commit| (parse("catalogue"), commit);
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", two);
    let all = [
        "8 abort",
        "7 start",
        "6 finish",
        "5 start",
        "3 verification",
        "2 finish",
    ];
    assert_eq!(names(&facts.source[&key(two)]), all);
    assert_eq!(
        facts
            .source_state
            .unwrap()
            .unwrap()
            .environment(None)
            .commit(&parse("catalogue")),
        Some(two)
    );
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", three);
    assert_eq!(
        names(&facts.source[&key(three)]),
        ["8 abort", "7 start", "6 finish", "5 start"]
    );

    let change = world.change("prod", "catalogue", two, Intent::Change);
    let statement = world.statement("prod", deploying(change));
    let facts = world.facts(&world.gatherer().limited(5, 5), &statement);
    assert!(
        facts.source[&key(two)]
            .as_ref()
            .unwrap_err()
            .contains("limit of 5")
    );
    world.tips.remove("dev");
    let facts = world.facts(&world.gatherer(), &statement);
    assert_eq!(names(&facts.source[&key(two)]), Vec::<String>::new());
}

fn artifact(commit: CommitId, content: Content, digest: &Digest) -> Action {
    let image = Image {
        name: parse("img"),
        digest: digest.clone(),
    };
    Action::Artifact(Artifact {
        component: parse("api"),
        commit,
        content,
        image,
        builder: None,
    })
}

fn attested(commit: CommitId) -> Action {
    Action::Attestation(Attestation {
        commit,
        environment: None,
        predicate_type: parse("https://in-toto.io/attestation/test-result/v0.1"),
        suite: None,
        predicate: serde_json::Map::new(),
    })
}

/// An artifact of the same content counts whatever commit it was built from; its yank is found where the entry is silent about it.
#[test]
fn evidence_and_yanks() {
    let mut world = World::new(&format!(
        "[environments]\nprod = {{ artifact = \"required\" }}\n{PARTS}"
    ));
    let ann = "Ann <ann@example.com>";
    let one = world.commit(&[("api/a", "1")], &[], ann, "one");
    let content = world
        .gatherer()
        .content(&world.policy, one, &parse("api"))
        .unwrap()
        .unwrap();
    let (good, bad) = (Digest::sha256(b"good"), Digest::sha256(b"bad"));
    world.append("evidence", artifact(one, content, &bad));
    world.append("evidence", artifact(one, content, &good));
    world.append("evidence", attested(one));
    world.now = world.now.plus(Span::from_days(1));
    let two = world.commit(&[("api/a", "1"), ("web/a", "1")], &[one], ann, "two");
    world.append("evidence", attested(two));
    world.append(
        "evidence",
        Action::Yank(Yank {
            commit: None,
            digest: Some(bad.clone()),
            reason: parse("bad"),
        }),
    );

    let facts = world.facts_of("prod", DeploymentKind::Deploy, "api", two);
    assert_eq!(
        names(facts.evidence.as_ref().unwrap()),
        ["4 attestation", "2 artifact", "1 artifact"]
    );
    assert!(facts.yanks.unwrap().unwrap().yanked_digest(&bad).is_some());
    let signers: Vec<u64> = facts
        .signers
        .iter()
        .filter(|(_, key)| key.is_ok())
        .map(|((_, at), _)| *at)
        .collect();
    assert_eq!(signers, [1, 2, 4]);

    // A second registration meets the first ones.
    let statement = world.statement("evidence", artifact(one, content, &bad));
    let facts = world.facts(&world.gatherer(), &statement);
    assert_eq!(
        names(facts.evidence.as_ref().unwrap()),
        ["3 attestation", "2 artifact", "1 artifact"]
    );

    let change = world.change("prod", "api", two, Intent::Change);
    let statement = world.statement("prod", deploying(change));
    let facts = world.facts(&world.gatherer().limited(2, 2), &statement);
    assert!(facts.evidence.unwrap().is_err() && facts.yanks.unwrap().is_err());
    world.tips.remove("evidence");
    let facts = world.facts(&world.gatherer(), &statement);
    assert_eq!(
        (facts.evidence, facts.yanks),
        (Some(Ok(Vec::new())), Some(Ok(State::empty())))
    );
}

/// Nobody who had a hand in what is new is left out, and who wrote what runs already is none of them. Where nothing runs, the commit's own author is not
/// left out: else whoever writes it could let it in alone.
#[test]
fn authors() {
    let mut world = World::new("[environments]\nprod = { approvals = 1 }\n");
    let one = world.commit(&[("a", "1")], &[], "Old <old@example.com>", "one");
    let first = world
        .facts_of("prod", DeploymentKind::Deploy, "catalogue", one)
        .authors
        .unwrap()
        .unwrap();
    assert!(
        first.contains("old@example.com") && !first.contains("ann@example.com"),
        "{first:?}"
    );
    world.deploy("prod", "catalogue", one, Outcome::Succeeded);
    let body = "two\n\nco-Authored-BY : Bob <x> <BOB@Example.com>\n\nCo-authored-by: carol@example.com\n\nnot the last";
    let two = world.commit(&[("a", "2")], &[one], "A < Ann@Example.com >", body);
    let three = world.commit(&[("a", "3")], &[two], "Dan <dan@example.com>", "three");
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", three);
    let all: Vec<String> = facts.authors.unwrap().unwrap().into_iter().collect();
    assert_eq!(
        all,
        [
            "ann@example.com",
            "bob@example.com",
            "carol@example.com",
            "dan@example.com",
            "x"
        ]
    );

    let mut change = world.change("prod", "catalogue", three, Intent::Change);
    let statement = world.statement(
        "prod",
        starting(deployment(DeploymentKind::Deploy, vec![change.clone()])),
    );
    assert!(
        world
            .facts(&world.gatherer().limited(9, 1), &statement)
            .authors
            .unwrap()
            .is_err()
    );
    change.from = Some(nowhere());
    let statement = world.statement("prod", deploying(change));
    let facts = world.facts(&world.gatherer(), &statement);
    assert!(facts.authors.unwrap().is_err() && facts.commits[&nowhere()].is_err());
}

>>>>>>> int-actions
/// The key behind an approval is that of the original, which stands in the log.
#[test]
fn approvers() {
    let mut world = World::new("[environments]\nprod = { approvals = 1 }\n");
    let one = world.code("a", "1", &[]);
    let expires = world.now.plus(Span::from_days(7));
    let (components, plans) = (vec![parse("catalogue")], BTreeMap::new());
    world.append("prod", lock());
    world.append(
        "prod",
        Action::Approve(Approve {
            commit: one,
            components,
            plans,
            expires,
            comment: None,
        }),
    );
    world.append("prod", lock());
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", one);
    let ours = world.project.root_keys[0];
    assert_eq!(facts.signers, [((parse("prod"), 2), Ok(ours))].into());

    // A key that was removed since is known from the policy of that time, so that it can be seen to count no more.
    let text = format!(
        "schema = 1\nproject = \"catalogue\"\n[people]\nalice = \"{}\"\n",
        super::testing::other_key()
    );
    world.policy = Policy::parse(&format!(
        "{text}[environments]\nprod = {{ approvals = {{ prevent_self = false }} }}\n"
    ))
    .unwrap();
    let facts = world.facts_of("prod", DeploymentKind::Deploy, "catalogue", one);
    assert_eq!(facts.signers, [((parse("prod"), 2), Ok(ours))].into());
}

/// A branch's move is judged by what it would change, and only a fast-forward is one.
#[test]
fn pushes() {
    let mut world = World::new(&format!(
        "[environments]\nprod = {{ branch = \"main\", artifact = \"required\" }}\n{PARTS}"
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
        let (_, tree) = gatherer
            .chain(&prod, world.tips.get(&prod).copied())
            .unwrap();
        gatherer.gather(
            &policy,
            &request,
            &world.tips,
            None,
            gatherer.state(&prod, tree, &request),
        )
    };
    let facts = push(one, Some(two), DeployOn::Approval);
    assert_eq!(facts.contains[&(two, one)], Ok(true));
    assert_eq!(
        facts.contents.len(),
        6,
        "three components, before and after"
    );
    assert!(facts.evidence.is_none() && facts.yanks.is_none() && facts.branch_tip.is_none());
    let facts = push(one, Some(two), DeployOn::Merge);
    assert_eq!(facts.contains[&(two, one)], Ok(true));
    assert_eq!(
        facts.contents.len(),
        4,
        "three components, and the running one"
    );
    assert!(facts.evidence.is_some() && facts.yanks.is_some());
    assert!(
        facts.branch_tip.is_none(),
        "the branch's own tip is what is judged"
    );
    for deploy_on in [DeployOn::Approval, DeployOn::Merge] {
        let back = push(two, Some(one), deploy_on);
        assert_eq!(back.contains[&(one, two)], Ok(false));
        let unknown = push(two, Some(nowhere()), deploy_on).contents;
        assert_eq!(unknown.values().filter(|known| known.is_err()).count(), 3);
        assert!(push(two, None, deploy_on).contents.is_empty());
    }
}

/// A lock walks over no history; a publish must have seen every environment.
#[test]
fn nothing_more_than_is_asked() {
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
        digest: text,
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
