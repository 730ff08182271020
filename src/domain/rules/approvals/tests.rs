//! Tests of the rule `approvals`: whose approvals count, and for which commit, components and plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::{Action, Approve, DeploymentKind, PolicyApprove, Publish, Start};
use crate::domain::id::Digest;
use crate::domain::name::Person;
use crate::domain::rules::testing::{
    Case, approve, authored_by, change, deploy, deployment, entry_time, key, parse, policy,
    policy_text, start,
};
use crate::domain::rules::{
    ApprovalRefusal, AuthoredCommit, Fact, Request, counting_approvers, refuse_proposed_approval,
};
use crate::domain::time::Span;
use crate::domain::verdict::{Check, Rule};

const TWO: &str = "[environments.prod]\napprovals = 2\n";

fn with_requirement(fields: &str) -> String {
    format!("[environments.prod]\napprovals = [{{ {fields} }}]\n")
}

/// Fills in `approvedBy` as the client does.
fn with_approved_by(mut case: Case) -> Case {
    case.deployment().approved_by = approvers_that_count(&case).into_iter().collect();
    case
}

fn approvers_that_count(case: &Case) -> BTreeSet<Person> {
    let request = Request::Entry {
        statement: &case.statement,
        key: case.key.as_ref(),
        policy_text: None,
    };
    counting_approvers(&case.policy, &request, &case.facts, case.now)
}

fn case(policy: &str, approvals: Vec<(&str, Action)>) -> Case {
    with_approved_by(Case::after(
        policy,
        "prod",
        approvals,
        "ci",
        deploy("catalogue", 1, None),
    ))
}

/// The required number of different people must approve. Two approvals by one person count once.
#[test]
fn number_of_people() {
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

/// With `prevent_self`, approvals by the signer, the requester and the authors do not count.
#[test]
fn prevent_self() {
    let bob = vec![("bob", approve(1, &["catalogue"]))];
    let policy = with_requirement("required = 1");
    let mut own = case(&policy, bob.clone());
    own.by("bob");
    with_approved_by(own).fails(
        Rule::Approvals,
        "not by bob: authors and the deployer cannot approve (prevent_self)",
    );
    let mut requested = case(&policy, bob.clone());
    requested.statement.requested_by = Some(parse("bob"));
    with_approved_by(requested).fails(Rule::Approvals, "authors and the deployer cannot approve");
    let mut written = case(&policy, bob.clone());
    written.facts.authors = Some(Ok(authored_by(&["bob"])));
    with_approved_by(written).fails(Rule::Approvals, "authors and the deployer cannot approve");
    let mut free = case(&with_requirement("prevent_self = false"), bob.clone());
    free.by("bob");
    with_approved_by(free).passes(Rule::Approvals);
    let mut unread = case(&policy, bob);
    unread.facts.authors = None;
    unread.unknown(Rule::Approvals, "authors");
}

/// `prevent_self` decides whose own approval counts. Each message that excludes a person names it.
#[test]
fn prevent_self_values() {
    const INVOLVED: &str = "not by bob: authors and the deployer cannot approve (prevent_self)";
    const STARTER: &str =
        "not by bob: the deployer and the requester cannot approve (prevent_self = \"starter\")";
    // For each value: why the approval of the starter, the requester and an author is excluded.
    let rows = [
        ("true", Some(INVOLVED), Some(INVOLVED), Some(INVOLVED)),
        ("\"starter\"", Some(STARTER), Some(STARTER), None),
        ("false", None, None, None),
    ];
    for (value, starter, requester, author) in rows {
        let policy = with_requirement(&format!("prevent_self = {value}"));
        let bob = || case(&policy, vec![("bob", approve(1, &["catalogue"]))]);
        let (mut by_starter, mut by_requester, mut by_author) = (bob(), bob(), bob());
        by_starter.by("bob");
        by_requester.statement.requested_by = Some(parse("bob"));
        by_author.facts.authors = Some(Ok(authored_by(&["bob"])));
        for (case, expected) in [
            (by_starter, starter),
            (by_requester, requester),
            (by_author, author),
        ] {
            match expected {
                Some(why) => drop(with_approved_by(case).fails(Rule::Approvals, why)),
                None => with_approved_by(case).passes(Rule::Approvals),
            }
        }
        // The authors are read only if they matter.
        let mut unread = bob();
        unread.facts.authors = None;
        if value == "true" {
            unread.unknown(Rule::Approvals, "authors");
        } else {
            unread.passes(Rule::Approvals);
        }
        let alone = with_requirement(&format!("by = \"bob\", prevent_self = {value}"));
        let mut alone = case(&alone, vec![]);
        alone.by("bob");
        if value == "false" {
            alone.fails(Rule::Approvals, "needs bob");
        } else {
            alone.fails(Rule::Approvals, "(prevent_self");
        }
    }
}

/// An approval is for one commit, certain components and a limited time; one by an
/// unlisted person does not count.
#[test]
fn limits_of_an_approval() {
    let policy = with_requirement("required = 1, expires = \"1d\"");
    case(&policy, vec![("bob", approve(2, &["catalogue"]))]).fails(Rule::Approvals, "0 of 1");
    case(&policy, vec![("bob", approve(1, &["web"]))])
        .fails(Rule::Approvals, "not by bob: it is for other components");
    case(&policy, vec![("bob", approve(1, &["catalogue", "web"]))]).passes(Rule::Approvals);
    case(&policy, vec![("mallory", approve(1, &["catalogue"]))]).fails(Rule::Approvals, "0 of 1");
    case(&policy, vec![("ci", approve(1, &["catalogue"]))]).fails(Rule::Approvals, "0 of 1");
}

/// An approval expires after the time that its signer or the policy sets, less the tolerance for
/// clocks: a clock that is behind by the tolerance does not extend it.
#[test]
fn expiry() {
    const MINUTE: u64 = 60;
    const DAY: u64 = 86_400;
    let policy = with_requirement("required = 1, expires = \"1d\"");
    // The approval is written one minute before the case's entry. For each validity that its signer
    // chose, counted from that entry: the last second at which it counts.
    for (chosen, last) in [
        (2 * DAY, DAY - MINUTE - 5 * MINUTE - 1),
        (60 * MINUTE, 55 * MINUTE - 1),
        (5 * MINUTE + 1, 0),
    ] {
        let Action::Approve(mut approve) = approve(1, &["catalogue"]) else {
            panic!()
        };
        approve.expires = entry_time().plus(Span::from_seconds(chosen));
        let at = |seconds| {
            let mut case = case(&policy, vec![("bob", Action::Approve(approve.clone()))]);
            case.now = entry_time().plus(Span::from_seconds(seconds));
            with_approved_by(case)
        };
        at(last).passes(Rule::Approvals);
        at(last + 1).fails(Rule::Approvals, "not by bob: it has expired");
        at(chosen + DAY).fails(Rule::Approvals, "not by bob: it has expired");
    }
}

/// An approval signed with a removed key does not count, even if its signer has a new key.
#[test]
fn removed_keys() {
    for signer in ["bob:mallory", "bob:carol"] {
        case(
            &with_requirement("required = 1"),
            vec![(signer, approve(1, &["catalogue"]))],
        )
        .fails(Rule::Approvals, "the key that signed it was removed");
    }
}

/// With `bind = "plan"`, an approval is for one plan, and the deployment must have that plan.
#[test]
fn plans() {
    let policy = format!(
        "{}[components.catalogue]\nplan = \"p\"\napply = \"a\"\n",
        with_requirement("bind = \"plan\"")
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
        with_approved_by(case)
    };
    case(Some(&one), Some(&one)).passes(Rule::Approvals);
    case(Some(&one), Some(&other)).fails(Rule::Approvals, "it is for another plan");
    case(None, Some(&one)).fails(Rule::Approvals, "another plan");
    case(Some(&one), None).fails(Rule::Approvals, "another plan");
    case(None, None).fails(Rule::Approvals, "another plan");
}

/// Components at several commits need an approval of each commit.
#[test]
fn several_commits() {
    let policy = format!(
        "{TWO}[components.api]\npaths = [\"a/**\"]\n[components.web]\npaths = [\"w/**\"]\n"
    );
    let by = |who, to, name: &str| (who, approve(to, &[name]));
    let case = |approvals| {
        let two = deployment(
            DeploymentKind::Deploy,
            vec![change("api", 1, None), change("web", 2, None)],
        );
        with_approved_by(Case::after(&policy, "prod", approvals, "ci", start(1, two)))
    };
    let api = vec![by("bob", 1, "api"), by("carol", 1, "api")];
    case(api.clone()).fails(Rule::Approvals, "020202020202: 0 of 2: needs 2 more");
    let both = [api, vec![by("bob", 2, "web"), by("dana", 2, "web")]].concat();
    let case = case(both);
    case.passes(Rule::Approvals);
    let persons: BTreeSet<Person> = ["bob", "carol", "dana"].map(parse).into();
    assert_eq!(approvers_that_count(&case), persons);
}

/// An entry names exactly the people who approved it, and none if no approval is required.
#[test]
fn approved_by() {
    let mut case = case(
        &with_requirement("required = 1"),
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

/// A command needs approval for the components that it names, although it changes none.
#[test]
fn exec() {
    let mut exec = deployment(DeploymentKind::Exec, vec![change("catalogue", 1, Some(1))]);
    exec.components[0].from = None;
    let case = Case::after(
        &with_requirement("required = 1"),
        "prod",
        vec![],
        "ci",
        start(1, exec.clone()),
    );
    case.fails(Rule::Approvals, "0 of 1");
    // A command that names no component is refused: it would need no approval.
    exec.components.clear();
    Case::after(
        &with_requirement("required = 1"),
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

/// An approval authorises only its own purpose. The refusal suggests the missing approval.
#[test]
fn purposes() {
    let exec = |command: &str| {
        let mut exec = deployment(DeploymentKind::Exec, vec![change("catalogue", 1, None)]);
        exec.command = Some(parse(command));
        exec
    };
    let removal = |kind| {
        let mut removal = deployment(kind, vec![change("catalogue", 1, Some(1))]);
        removal.components[0].target.content = None;
        removal
    };
    let change = vec![change("catalogue", 1, None)];
    let requests = [
        (deployment(DeploymentKind::Deploy, change.clone()), ""),
        (deployment(DeploymentKind::Hotfix, change), ""),
        (removal(DeploymentKind::Deploy), " --destroy"),
        (
            removal(DeploymentKind::Destroy),
            " --component catalogue --destroy",
        ),
        (
            exec("sh -c 'ls | wc'"),
            " --component catalogue --exec -- sh -c 'ls | wc'",
        ),
        (exec("true"), " --component catalogue --exec -- true"),
    ];
    let purposes = requests
        .clone()
        .map(|(request, _)| request.purpose_of(&request.components[0]));
    for (request, options) in requests {
        for purpose in &purposes {
            let mut given = approve(1, &["catalogue"]);
            if let Action::Approve(given) = &mut given {
                given.purpose = purpose.clone();
            }
            let policy = with_requirement("required = 1");
            let approvals = vec![("bob", given)];
            let start = start(1, request.clone());
            let case = with_approved_by(Case::after(&policy, "prod", approvals, "ci", start));
            if *purpose == request.purpose_of(&request.components[0]) {
                case.passes(Rule::Approvals);
            } else {
                let why = "not by bob: it is for another purpose";
                let remedy = case.fails(Rule::Approvals, why).remedy.unwrap();
                assert_eq!(
                    remedy,
                    format!("git deploy approve prod 010101010101{options}")
                );
            }
        }
    }
    // A line that a shell would not read as it is, is not suggested.
    let unsafe_line = start(1, exec("true; id"));
    let case = Case::new(&with_requirement("required = 1"), "prod", "ci", unsafe_line);
    assert_eq!(case.fails(Rule::Approvals, "0 of 1").remedy, None);
}

fn publish_case(approvals: Vec<(&str, Digest)>, approved_by: &[&str]) -> Case {
    let policy = "[policy]\nadmins = [\"alice\", \"erin\", \"bob\", \"cd\"]\napprovals = 1\n[environments.prod]\n";
    let digest = Digest::sha256(policy_text("[environments.prod]").as_bytes());
    let publish = Publish {
        keys: digest.clone(),
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
    // On an empty chain no policy is in force that could require approvals, so there is an older
    // entry.
    let history = [vec![("alice", approve(Digest::sha256(b"older")))], history].concat();
    let mut case = Case::after(policy, "policy", history, "alice", Action::Publish(publish));
    case.policy_text = Some(policy_text("[environments.prod]").into_bytes());
    case
}

/// A policy needs the approval of another admin, a person, for exactly this text.
#[test]
fn policies() {
    let digest = || Digest::sha256(policy_text("[environments.prod]").as_bytes());
    publish_case(vec![("erin", digest())], &["erin"]).passes(Rule::Approvals);
    publish_case(vec![("erin", digest())], &[]).fails(Rule::Approvals, "`approvedBy` names nobody");
    publish_case(vec![("alice", digest())], &[])
        .fails(Rule::Approvals, "0 of 1, needs one of bob, erin");
    publish_case(vec![("carol", digest())], &[]).fails(Rule::Approvals, "0 of 1");
    publish_case(vec![("cd", digest())], &[]).fails(Rule::Approvals, "0 of 1");
    publish_case(vec![("erin", Digest::sha256(b"other"))], &[]).fails(Rule::Approvals, "0 of 1");
    let mut first = publish_case(vec![], &[]);
    first.facts.chain.as_mut().unwrap().sequence = 0;
    assert_eq!(first.checks(Rule::Approvals), Vec::<Check>::new());
    let mut unread = publish_case(vec![], &[]);
    unread.facts.state = None;
    unread.unknown(Rule::Approvals, "");
}

/// A policy is refused if its own admins could not approve the next one. Without `admins` these are
/// the owners of the project's root keys, here Alice alone at first.
#[test]
fn the_next_policy_can_be_approved() {
    let (one, two) = ([key("alice")], [key("alice"), key("bob")]);
    for (rest, roots, shortage) in [
        ("[policy]\napprovals = 1\n", &one[..], Some("only 1 person")),
        ("[policy]\napprovals = 1\n", &two, None),
        ("[policy]\napprovals = 2\n", &two, Some("only 2 people")),
        (
            "[policy]\napprovals = 1\nadmins = [\"alice\", \"bob\"]\n",
            &one,
            None,
        ),
        // A machine publishes, and Alice approves.
        (
            "[policy]\napprovals = 1\nadmins = [\"alice\", \"ci\"]\n",
            &one,
            None,
        ),
        ("", &one, None),
    ] {
        for sequence in [0, 1] {
            let text = policy_text(&format!("{rest}[environments.prod]"));
            let mut case = publish_case(vec![], &[]);
            case.policy = policy("[environments.prod]");
            case.policy_text = Some(text.into_bytes());
            let chain = case.facts.chain.as_mut().unwrap();
            (chain.sequence, chain.root_keys) = (sequence, roots.to_vec());
            if let Some(shortage) = shortage {
                case.fails(Rule::Approvals, shortage);
            } else {
                assert_eq!(case.checks(Rule::Approvals), [], "{rest} {roots:?}");
            }
        }
    }
}

/// Before an approval is written, the answer is that of the rule for the deployment with this
/// approval, started by another person.
#[test]
fn proposed_approvals() {
    use ApprovalRefusal::{Expired, Involved, OtherPlan};
    let author = || {
        let authored = authored_by(&["alice"]);
        Some(Involved(authored.into_values().next()))
    };
    let component = "[components.catalogue]\nplan = \"p\"\napply = \"a\"\n";
    let planless = "[components.catalogue]\napply = \"a\"\n";
    let any = with_requirement("required = 1");
    let by_group = "[groups]\nrelease = [\"bob\", \"ci\"]\n".to_owned()
        + &with_requirement("by = \"release\"");
    let bound = with_requirement("bind = \"plan\"");
    // The policy, the approver, whether the approval names a plan, its validity in seconds.
    let rows = [
        (any.clone(), "bob", false, 600, None),
        (any.clone(), "alice", false, 600, author()),
        (
            with_requirement("prevent_self = false"),
            "alice",
            false,
            600,
            None,
        ),
        // `authorization` refuses machines and people whom no requirement names.
        (by_group.clone(), "bob", false, 600, None),
        (by_group.clone(), "ci", false, 600, None),
        (by_group, "dana", false, 600, None),
        (any.clone(), "bob", false, 0, Some(Expired)),
        (bound.clone() + component, "bob", true, 600, None),
        (
            bound.clone() + component,
            "bob",
            false,
            600,
            Some(OtherPlan),
        ),
        (bound.clone() + planless, "bob", true, 600, Some(OtherPlan)),
        (bound + planless, "bob", false, 600, None),
        (any + component, "bob", true, 600, None),
    ];
    for (policy, by, has_plan, validity, expected) in rows {
        let row = format!("{by}, plan: {has_plan}, {validity} s:\n{policy}");
        let plan = Digest::sha256(b"plan");
        let Action::Approve(mut approve) = approve(1, &["catalogue"]) else {
            panic!()
        };
        approve.expires = entry_time().plus(Span::from_seconds(validity));
        if has_plan {
            approve.plans = [(parse("catalogue"), plan.clone())].into();
        }
        let authors = || Some(Ok(authored_by(&["alice"])));
        let refusal = refuse_proposed(
            &policy,
            by,
            deploy("catalogue", 1, None),
            &approve,
            authors(),
        );
        assert_eq!(refusal, Ok(expected.clone()), "{row}");
        let mut with_approval = case(&policy, vec![(by, Action::Approve(approve))]);
        let has_plan_command = policy.contains("plan = \"p\"");
        with_approval.deployment().components[0].plan = has_plan_command.then_some(plan);
        with_approval.facts.authors = authors();
        let counts = approvers_that_count(&with_approval).contains(&parse::<Person>(by));
        let has_seat = !["ci", "dana"].contains(&by);
        assert_eq!(counts, expected.is_none() && has_seat, "{row}");
    }
}

/// Without plans, an approval may still be for a branch update. One of a command needs none.
#[test]
fn proposed_approvals_without_plans() {
    let component = "[components.catalogue]\nplan = \"p\"\napply = \"a\"\n";
    let prod = |more: &str| {
        format!("[environments.prod]\napprovals = [{{ bind = \"plan\" }}]\n{more}{component}")
    };
    let Action::Approve(approve) = approve(1, &["catalogue"]) else {
        panic!()
    };
    let refuse = |policy: &str, from, authors| {
        refuse_proposed(
            policy,
            "bob",
            deploy("catalogue", 1, from),
            &approve,
            authors,
        )
    };
    let none = || Some(Ok(BTreeMap::new()));
    let other_plan = Ok(Some(ApprovalRefusal::OtherPlan));
    assert_eq!(refuse(&prod(""), None, none()), other_plan);
    assert_eq!(refuse(&prod(""), Some(2), none()), other_plan);
    assert_eq!(refuse(&prod(""), Some(1), none()), other_plan);
    let mut exec = deployment(DeploymentKind::Exec, vec![change("catalogue", 1, None)]);
    exec.command = Some(parse("true"));
    let of_command = Approve {
        purpose: exec.purpose_of(&exec.components[0]),
        ..approve.clone()
    };
    let request = start(1, exec);
    let refusal = refuse_proposed(&prod(""), "bob", request, &of_command, none());
    assert_eq!(refusal, Ok(None));
    let merge = prod("branch = \"main\"\ndeploy_on = \"merge\"\n");
    assert_eq!(refuse(&merge, Some(2), none()), Ok(None));
    refuse(&merge, Some(2), None).unwrap_err();
    refuse(&merge, Some(2), Some(Err("shallow".to_owned()))).unwrap_err();
}

fn refuse_proposed(
    policy: &str,
    by: &str,
    action: Action,
    approve: &Approve,
    authors: Option<Fact<BTreeMap<String, AuthoredCommit>>>,
) -> Fact<Option<ApprovalRefusal>> {
    let mut case = Case::new(policy, "prod", by, action);
    case.facts.authors = authors;
    let request = Request::Entry {
        statement: &case.statement,
        key: None,
        policy_text: None,
    };
    let (by, facts, now) = (parse(by), &case.facts, case.now);
    refuse_proposed_approval(&case.policy, &request, facts, now, &by, approve)
}

/// Naming people in `approvedBy` does not replace their approvals.
#[test]
fn claimed_approvals_do_not_count() {
    let start = Start {
        run: crate::domain::id::RunId([1; 16]),
        deployment: crate::domain::entry::Deployment {
            approved_by: vec![parse("bob"), parse("carol")],
            ..deployment(DeploymentKind::Deploy, vec![change("catalogue", 1, None)])
        },
    };
    let case = Case::after(TWO, "prod", vec![], "ci", Action::Start(start));
    assert_eq!(approvers_that_count(&case), BTreeSet::new());
    case.fails(Rule::Approvals, "0 of 2");
}
