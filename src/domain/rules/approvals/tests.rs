//! Who may consent to what, and what their consent is for.

use std::collections::BTreeSet;

use crate::domain::entry::{Action, DeploymentKind, Intent, PolicyApprove, Publish, Start};
use crate::domain::id::Digest;
use crate::domain::name::Person;
use crate::domain::rules::testing::{
    Case, approve, change, deploy, deployment, key, noon, parse, policy_text, start,
};
use crate::domain::rules::{Request, counting_approvers};
use crate::domain::time::Span;
use crate::domain::verdict::{Check, Rule};

const TWO: &str = "[environments.prod]\napprovals = 2\n";

fn one_of(seat: &str) -> String {
    format!("[environments.prod]\napprovals = [{{ {seat} }}]\n")
}

/// The case with `approvedBy` as the client fills it in.
fn named(mut case: Case) -> Case {
    case.deployment().approved_by = who_counts(&case).into_iter().collect();
    case
}

fn who_counts(case: &Case) -> BTreeSet<Person> {
    let request = Request::Entry {
        statement: &case.statement,
        key: case.key.as_ref(),
        policy_text: None,
    };
    counting_approvers(&case.policy, &request, &case.facts, case.now)
}

fn case(policy: &str, approvals: Vec<(&str, Action)>) -> Case {
    named(Case::after(
        policy,
        "prod",
        approvals,
        "ci",
        deploy("catalogue", 1, None),
    ))
}

/// As many different people as are asked for; one person twice is one.
#[test]
fn seats() {
    let bob = || ("bob", approve(1, &["catalogue"]));
    case(TWO, vec![bob(), ("carol", approve(1, &["catalogue"]))]).passes(Rule::Approvals);
    let check = case(TWO, vec![bob(), bob()]).fails(
        Rule::Approvals,
        "1 of 2: bob ✓, needs one of alice, carol, dana, erin",
    );
    assert_eq!(
        check.remedy.as_deref(),
        Some("git deploy approve prod 010101010101")
    );
    case(TWO, vec![]).fails(Rule::Approvals, "0 of 2: needs 2 more, of alice, bob");
}

/// Members of overlapping groups are assigned to the requirement that needs them, and each counts
/// once.
#[test]
fn overlapping_groups() {
    let policy = "[groups]\nrelease = [\"bob\", \"erin\"]\nsecurity = [\"erin\"]\n[environments.prod]\n\
        approvals = [{ by = \"release\" }, { by = \"security\" }]\n";
    let by = |who| (who, approve(1, &["catalogue"]));
    case(policy, vec![by("erin")]).fails(Rule::Approvals, "1 of 2: erin ✓, needs bob");
    case(policy, vec![by("bob")]).fails(Rule::Approvals, "1 of 2: bob ✓, needs erin");
    case(policy, vec![by("bob"), by("erin")]).passes(Rule::Approvals);
    case(policy, vec![by("dana"), by("erin")]).fails(Rule::Approvals, "needs bob");
}

/// Neither starter, requester nor author fills a seat that guards against it.
#[test]
fn nobody_alone() {
    let bob = vec![("bob", approve(1, &["catalogue"]))];
    let policy = one_of("required = 1");
    let mut own = case(&policy, bob.clone());
    own.by("bob");
    named(own).fails(
        Rule::Approvals,
        "not by bob: authors and the deployer cannot approve (prevent_self)",
    );
    let mut requested = case(&policy, bob.clone());
    requested.statement.requested_by = Some(parse("bob"));
    named(requested).fails(Rule::Approvals, "authors and the deployer cannot approve");
    let mut written = case(&policy, bob.clone());
    written.facts.authors = Some(Ok(["bob@example.com".to_owned()].into()));
    named(written).fails(Rule::Approvals, "authors and the deployer cannot approve");
    let mut free = case(&one_of("prevent_self = false"), bob.clone());
    free.by("bob");
    named(free).passes(Rule::Approvals);
    let mut unread = case(&policy, bob);
    unread.facts.authors = None;
    unread.unknown(Rule::Approvals, "authors");
}

/// An approval is for one commit, certain components and a limited time; an entry by an unlisted
/// person is none.
#[test]
fn what_it_is_for() {
    let policy = one_of("required = 1, expires = \"1d\"");
    case(&policy, vec![("bob", approve(2, &["catalogue"]))]).fails(Rule::Approvals, "0 of 1");
    case(&policy, vec![("bob", approve(1, &["web"]))])
        .fails(Rule::Approvals, "not by bob: it is for other components");
    case(&policy, vec![("bob", approve(1, &["catalogue", "web"]))]).passes(Rule::Approvals);
    case(&policy, vec![("mallory", approve(1, &["catalogue"]))]).fails(Rule::Approvals, "0 of 1");
    case(&policy, vec![("ci", approve(1, &["catalogue"]))]).fails(Rule::Approvals, "0 of 1");
    let mut late = case(&policy, vec![("bob", approve(1, &["catalogue"]))]);
    late.now = noon().plus(Span::from_days(1));
    named(late).fails(Rule::Approvals, "not by bob: it has expired");
    let Action::Approve(mut short) = approve(1, &["catalogue"]) else {
        panic!()
    };
    short.expires = noon().plus(Span::from_seconds(60));
    let mut ended = case(&policy, vec![("bob", Action::Approve(short))]);
    ended.passes(Rule::Approvals);
    ended.now = noon().plus(Span::from_seconds(60));
    named(ended).fails(Rule::Approvals, "expired");
}

/// What a removed key signed counts no more, even if its owner has another now.
#[test]
fn stolen_keys() {
    let mut case = case(
        &one_of("required = 1"),
        vec![("bob", approve(1, &["catalogue"]))],
    );
    let place = (parse("prod"), 1);
    case.facts.signers.insert(place.clone(), Ok(key("mallory")));
    named(case).fails(Rule::Approvals, "the key that signed it was removed");
    let mut case = self::case(
        &one_of("required = 1"),
        vec![("bob", approve(1, &["catalogue"]))],
    );
    case.facts.signers.insert(place, Ok(key("carol")));
    case.fails(Rule::Approvals, "removed");
    case.facts.signers.clear();
    case.unknown(
        Rule::Approvals,
        "which key signed entry 1 of prod was not read",
    );
}

/// With `bind = "plan"` it is the very plan that is approved, and one there must be.
#[test]
fn plans() {
    let policy = format!(
        "{}[components.catalogue]\nplan = \"p\"\napply = \"a\"\n",
        one_of("bind = \"plan\"")
    );
    let (one, other) = (Digest::sha256(b"one"), Digest::sha256(b"other"));
    let with = |plan: Option<&Digest>| {
        let Action::Approve(mut approve) = approve(1, &["catalogue"]) else {
            panic!()
        };
        approve.plans = plan
            .map(|plan| (parse("catalogue"), plan.clone()))
            .into_iter()
            .collect();
        vec![("bob", Action::Approve(approve))]
    };
    let case = |approved, planned: Option<&Digest>| {
        let mut case = self::case(&policy, with(approved));
        case.deployment().components[0].plan = planned.cloned();
        named(case)
    };
    case(Some(&one), Some(&one)).passes(Rule::Approvals);
    case(Some(&one), Some(&other)).fails(Rule::Approvals, "it is for another plan");
    case(None, Some(&one)).fails(Rule::Approvals, "another plan");
    case(Some(&one), None).fails(Rule::Approvals, "another plan");
    case(None, None).fails(Rule::Approvals, "another plan");
}

/// Components at several commits need an approval of each commit; unchanged components need none.
#[test]
fn several_commits() {
    let policy = format!(
        "{TWO}[components.api]\npaths = [\"a/**\"]\n[components.web]\npaths = [\"w/**\"]\n"
    );
    let by = |who, to, name: &str| (who, approve(to, &[name]));
    let case = |approvals, web| {
        let mut two = deployment(
            DeploymentKind::Deploy,
            vec![change("api", 1, None), change("web", 2, None)],
        );
        two.components[1].intent = web;
        named(Case::after(&policy, "prod", approvals, "ci", start(1, two)))
    };
    let api = vec![by("bob", 1, "api"), by("carol", 1, "api")];
    case(api.clone(), Intent::Unchanged).passes(Rule::Approvals);
    case(api.clone(), Intent::Change).fails(Rule::Approvals, "020202020202: 0 of 2: needs 2 more");
    let both = [api, vec![by("bob", 2, "web"), by("dana", 2, "web")]].concat();
    let case = case(both, Intent::Change);
    case.passes(Rule::Approvals);
    let persons: BTreeSet<Person> = ["bob", "carol", "dana"].map(parse).into();
    assert_eq!(who_counts(&case), persons);
}

/// An entry names exactly the people who approved it, and none if no approval is required.
#[test]
fn approved_by() {
    let mut case = case(
        &one_of("required = 1"),
        vec![("bob", approve(1, &["catalogue"]))],
    );
    case.deployment().approved_by = vec![];
    case.fails(
        Rule::Approvals,
        "`approvedBy` names nobody, but the approvals that count are by bob",
    );
    case.deployment().approved_by = vec![parse("bob"), parse("carol")];
    case.fails(Rule::Approvals, "`approvedBy` names bob, carol");
    for kind in [DeploymentKind::Rollback, DeploymentKind::Deploy] {
        let mut deployment = deployment(kind, vec![change("catalogue", 1, None)]);
        deployment.break_glass = (kind == DeploymentKind::Deploy).then(|| parse("fire"));
        let mut case = Case::new(TWO, "prod", "alice", start(1, deployment));
        assert_eq!(case.checks(Rule::Approvals), []);
        case.deployment().approved_by = vec![parse("bob")];
        case.fails(Rule::Approvals, "by nobody");
    }
    let mut case = Case::new(
        "[environments.prod]",
        "prod",
        "alice",
        deploy("catalogue", 1, None),
    );
    assert_eq!(case.checks(Rule::Approvals), []);
    case.deployment().approved_by = vec![parse("bob")];
    case.fails(Rule::Approvals, "by nobody");
}

/// A one-off command is approved for what it names, though it changes nothing.
#[test]
fn exec() {
    let mut exec = deployment(DeploymentKind::Exec, vec![change("catalogue", 1, Some(1))]);
    exec.components[0].intent = Intent::Unchanged;
    let case = Case::after(
        &one_of("required = 1"),
        "prod",
        vec![],
        "ci",
        start(1, exec.clone()),
    );
    case.fails(Rule::Approvals, "0 of 1");
    let bob = vec![("bob", approve(1, &["catalogue"]))];
    named(Case::after(
        &one_of("required = 1"),
        "prod",
        bob,
        "ci",
        start(1, exec.clone()),
    ))
    .passes(Rule::Approvals);
    // One that names nothing is no way around the seats.
    exec.components.clear();
    Case::after(
        &one_of("required = 1"),
        "prod",
        vec![],
        "ci",
        start(1, exec.clone()),
    )
    .fails(Rule::Approvals, "names no component");
    assert_eq!(
        Case::after("[environments.prod]", "prod", vec![], "ci", start(1, exec))
            .checks(Rule::Approvals),
        []
    );
}

fn published(approvals: Vec<(&str, Digest)>, approved_by: &[&str]) -> Case {
    let policy = "[policy]\nadmins = [\"alice\", \"erin\", \"bob\", \"cd\"]\napprovals = 1\n[environments.prod]\n";
    let digest = Digest::sha256(policy_text("[environments.prod]").as_bytes());
    let publish = Publish {
        digest,
        approved_by: approved_by.iter().map(|name| parse(name)).collect(),
        description: None,
        admits: vec![],
        recovered: false,
    };
    let approve = |digest| {
        Action::PolicyApprove(PolicyApprove {
            digest,
            comment: None,
        })
    };
    let history = approvals
        .into_iter()
        .map(|(who, digest)| (who, approve(digest)))
        .collect::<Vec<_>>();
    // A chain with nothing on it has no policy that could ask.
    let history = [vec![("alice", approve(Digest::sha256(b"older")))], history].concat();
    let mut case = Case::after(policy, "policy", history, "alice", Action::Publish(publish));
    case.policy_text = Some(policy_text("[environments.prod]").into_bytes());
    case
}

/// A policy needs another admin, who is a person and consents to this very text.
#[test]
fn policies() {
    let digest = || Digest::sha256(policy_text("[environments.prod]").as_bytes());
    published(vec![("erin", digest())], &["erin"]).passes(Rule::Approvals);
    published(vec![("erin", digest())], &[]).fails(Rule::Approvals, "`approvedBy` names nobody");
    published(vec![("alice", digest())], &[]).fails(Rule::Approvals, "0 of 1, needs bob, erin");
    published(vec![("carol", digest())], &[]).fails(Rule::Approvals, "0 of 1");
    published(vec![("cd", digest())], &[]).fails(Rule::Approvals, "0 of 1");
    published(vec![("erin", Digest::sha256(b"other"))], &[]).fails(Rule::Approvals, "0 of 1");
    let mut first = published(vec![], &[]);
    first.facts.chain.as_mut().unwrap().sequence = 0;
    assert_eq!(first.checks(Rule::Approvals), Vec::<Check>::new());
    let mut unread = published(vec![], &[]);
    unread.facts.state = None;
    unread.unknown(Rule::Approvals, "");
}

/// An approval that the statement names by itself is not believed.
#[test]
fn statement_is_not_believed() {
    let start = Start {
        run: crate::domain::id::RunId([1; 16]),
        deployment: crate::domain::entry::Deployment {
            approved_by: vec![parse("bob"), parse("carol")],
            ..deployment(DeploymentKind::Deploy, vec![change("catalogue", 1, None)])
        },
    };
    let case = Case::after(TWO, "prod", vec![], "ci", Action::Start(start));
    assert_eq!(who_counts(&case), BTreeSet::new());
    case.fails(Rule::Approvals, "0 of 2");
}
