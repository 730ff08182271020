//! Tests of the rule `authorization`: who may do what, action by action.

use super::*;
use crate::domain::entry::{
    Abort, Artifact, Attestation, Baseline, Build, BuildResult, ComponentAtCommit, Expire, Image,
    Lock, PolicyApprove, PolicyRevoke, Resume, Revoke, Unlock, Verification, VerificationResult,
};
use crate::domain::entry::{Outcome, Unyank, Yank};
use crate::domain::id::{Digest, RunId};
use crate::domain::rules::testing::{
    Case, PEOPLE, approve, change, commit, content, deployment, entry_time, finish, key, parse,
    policy_text, start,
};
use crate::domain::state::{Slot, SlotKey, State, Value};
use crate::domain::time::Span;

/// alice is the admin; bob and ci deploy; carol approves; dana rolls back;
/// cd runs commands; erin has no role.
const POLICY: &str = "[groups]
deployers = [\"bob\", \"ci\"]
[policy]
admins = \"alice\"
[environments]
dev = { deployers = \"bob\" }
[environments.prod]
deployers = \"deployers\"
approvals = { by = [\"carol\"] }
rollback_by = \"dana\"
exec_by = \"cd\"
break_glass = { by = [\"dana\", \"ci\"] }
hotfix = { by = \"carol\" }
stale_after = \"1h\"
[environments.\"pr-*\"]
ephemeral = { ttl = \"8h\", limit = 2 }
deployers = \"deployers\"
[checks]
test-result = { by = \"ci\" }
[artifacts]
by = \"ci\"
";

/// Returns the people of the policy who pass the rule.
fn allowed(ledger: &str, history: &[(&str, Action)], action: &Action) -> Vec<&'static str> {
    let mut allowed = PEOPLE.to_vec();
    allowed.retain(|person| {
        let case = Case::after(POLICY, ledger, history.to_vec(), person, action.clone());
        let checks = case.checks(Rule::Authorization);
        assert_eq!(checks.len(), 1, "{checks:?}");
        checks[0].outcome == crate::domain::verdict::CheckResult::Pass
    });
    allowed
}

fn start_of(kind: DeploymentKind) -> Action {
    start(1, deployment(kind, vec![change("catalogue", 1, None)]))
}

/// Each kind of deployment is allowed only to the people whom the policy names for it.
#[test]
fn deployments() {
    assert_eq!(
        allowed("prod", &[], &start_of(DeploymentKind::Deploy)),
        ["bob", "ci"]
    );
    assert_eq!(
        allowed("prod", &[], &start_of(DeploymentKind::Destroy)),
        ["bob", "ci"]
    );
    assert_eq!(
        allowed("prod", &[], &start_of(DeploymentKind::Rollback)),
        ["dana"]
    );
    assert_eq!(
        allowed("prod", &[], &start_of(DeploymentKind::Exec)),
        ["cd"]
    );
    assert_eq!(
        allowed("prod", &[], &start_of(DeploymentKind::Hotfix)),
        ["carol"]
    );
    assert_eq!(
        allowed("dev", &[], &start_of(DeploymentKind::Hotfix)),
        [""; 0]
    );
    Case::new(POLICY, "dev", "bob", start_of(DeploymentKind::Hotfix))
        .fails(Rule::Authorization, "hotfixes are not allowed in dev");
    Case::new(POLICY, "prod", "erin", start_of(DeploymentKind::Deploy)).fails(
        Rule::Authorization,
        "erin may not deploy to prod: deployers may",
    );
}

/// A machine may never break glass, even if `break_glass` names it. A person named there needs no
/// other role.
#[test]
fn break_glass() {
    let glass = |kind| {
        let mut broken = deployment(kind, vec![change("catalogue", 1, None)]);
        broken.break_glass = Some(parse("it burns"));
        start(1, broken)
    };
    assert_eq!(
        allowed("prod", &[], &glass(DeploymentKind::Deploy)),
        ["dana"]
    );
    assert_eq!(
        allowed("prod", &[], &glass(DeploymentKind::Hotfix)),
        ["dana"]
    );
    assert_eq!(allowed("dev", &[], &glass(DeploymentKind::Deploy)), [""; 0]);
    Case::new(POLICY, "prod", "ci", glass(DeploymentKind::Deploy))
        .fails(Rule::Authorization, "ci is a machine");
}

/// A run belongs to the person who started or last resumed it, even one who is no longer a
/// deployer; any deployer may abort a stale run.
#[test]
fn runs() {
    let begun = start_of(DeploymentKind::Deploy);
    let end = finish(1, &begun, Outcome::Succeeded, VerificationResult::Passed);
    let resume = Action::Resume(Resume {
        start: 1,
        run: RunId([2; 16]),
        reason: Some(parse("lost")),
    });
    assert_eq!(allowed("prod", &[("erin", begun.clone())], &end), ["erin"]);
    assert_eq!(
        allowed("prod", &[("ci", begun.clone())], &resume),
        ["bob", "ci"]
    );
    assert_eq!(
        allowed(
            "prod",
            &[("ci", begun.clone()), ("bob", resume.clone())],
            &end
        ),
        ["bob"]
    );
    assert_eq!(allowed("prod", &[], &end), [""; 0]);
    let abort = Action::Abort(Abort {
        start: 1,
        run: RunId([1; 16]),
        components: vec![],
        reason: parse("gone"),
    });
    assert_eq!(
        allowed("prod", &[("erin", begun.clone())], &abort),
        ["alice", "erin"]
    );
    let mut stale = Case::after(POLICY, "prod", vec![("erin", begun)], "bob", abort);
    stale.fails(
        Rule::Authorization,
        "run 1 is not stale: until 2026-03-05T10:59:00Z only its owner or an admin may abort it",
    );
    stale.now = entry_time().plus(Span::from_seconds(59 * 60));
    stale.passes(Rule::Authorization);
    stale
        .by("carol")
        .fails(Rule::Authorization, "carol may not abort a run in prod");
    stale.facts.state = None;
    stale.unknown(Rule::Authorization, "not read");
}

/// A deployer takes over another's run once it is stale, or with a reason; the owner and no other
/// person needs neither.
#[test]
fn resumes() {
    let begun = start_of(DeploymentKind::Deploy);
    let resume = |reason: Option<&str>| {
        Action::Resume(Resume {
            start: 1,
            run: RunId([2; 16]),
            reason: reason.map(parse),
        })
    };
    let after = |by: &str, reason| {
        Case::after(
            POLICY,
            "prod",
            vec![("ci", begun.clone())],
            by,
            resume(reason),
        )
    };
    after("ci", None).passes(Rule::Authorization);
    after("bob", Some("lost")).passes(Rule::Authorization);
    after("carol", Some("lost")).fails(Rule::Authorization, "carol may not deploy to prod");
    let mut early = after("bob", None);
    early.fails(
        Rule::Authorization,
        "run 1 is ci's and not stale until 2026-03-05T10:59:00Z",
    );
    early.now = entry_time().plus(Span::from_seconds(59 * 60));
    early.passes(Rule::Authorization);
    early.facts.state = None;
    early.unknown(Rule::Authorization, "not read");
}

/// Those who may start a run may resume it: their own, and another's with a reason. A run of another
/// kind stays out of reach.
#[test]
fn resumes_by_those_who_may_start() {
    let policy = "[environments]\nprod = { deployers = \"ci\", rollback_by = \"bob\", exec_by = \"carol\", hotfix = { by = \"erin\" } }\n";
    let resume = |reason: Option<&str>| {
        Action::Resume(Resume {
            start: 1,
            run: RunId([2; 16]),
            reason: reason.map(parse),
        })
    };
    for (kind, starter, other) in [
        (DeploymentKind::Deploy, "ci", "bob"),
        (DeploymentKind::Rollback, "bob", "carol"),
        (DeploymentKind::Hotfix, "erin", "bob"),
    ] {
        let after = |by: &str, reason| {
            let history = vec![(starter, start_of(kind))];
            Case::after(policy, "prod", history, by, resume(reason))
        };
        after(starter, None).passes(Rule::Authorization);
        after("ci", Some("lost")).passes(Rule::Authorization);
        let why = format!("{other} may not deploy to prod");
        after(other, Some("lost")).fails(Rule::Authorization, &why);
    }
}

/// Only eligible approvers may approve. The approver or an admin may revoke.
#[test]
fn approvals() {
    assert_eq!(allowed("prod", &[], &approve(1, &["catalogue"])), ["carol"]);
    Case::new(POLICY, "dev", "carol", approve(1, &["catalogue"]))
        .fails(Rule::Authorization, "dev requires no approvals");
    Case::new(POLICY, "prod", "ci", approve(1, &["catalogue"]))
        .fails(Rule::Authorization, "only people may approve");
    let revoke = Action::Revoke(Revoke {
        commit: commit(1),
        approver: parse("carol"),
        comment: None,
    });
    assert_eq!(allowed("prod", &[], &revoke), ["alice", "carol"]);
}

/// Everyone with a role in an environment may lock it; only a person may unlock it, so that a
/// stolen CI key cannot.
#[test]
fn locks() {
    let lock = Action::Lock(Lock {
        component: None,
        until: None,
        reason: parse("x"),
    });
    assert_eq!(allowed("prod", &[], &lock), ["alice", "bob", "carol", "ci"]);
    let unlock = Action::Unlock(Unlock {
        component: None,
        commit: None,
        holds: Vec::new(),
        comment: None,
    });
    assert_eq!(allowed("prod", &[], &unlock), ["alice", "bob", "carol"]);
}

/// The other actions of an environment's ledger: verification, baseline and expiry.
#[test]
fn other_actions() {
    let components = vec![ComponentAtCommit {
        component: parse("catalogue"),
        commit: commit(1),
    }];
    let verification = Action::Verification(Verification {
        components,
        verification: VerificationResult::Failed,
        comment: None,
        logs: Vec::new(),
    });
    assert_eq!(allowed("prod", &[], &verification), ["bob", "ci"]);
    let baseline = Action::Baseline(Baseline {
        components: vec![change("catalogue", 1, None).target],
        comment: None,
    });
    assert_eq!(allowed("prod", &[], &baseline), ["alice"]);
    let expire = Action::Expire(Expire {
        expires: entry_time().plus(Span::from_days(1)),
        comment: None,
    });
    let mut case = Case::within(POLICY, "pr", Some("pr-7"), Vec::new(), "bob", expire);
    case.passes(Rule::Authorization);
    case.by("erin").fails(Rule::Authorization, "deploy to pr-7");
}

/// Only signers whom the policy accepts may add evidence.
#[test]
fn evidence() {
    let build = Build {
        component: parse("catalogue"),
        commit: commit(1),
        result: BuildResult::Succeeded,
        log: None,
    };
    let image = Image {
        name: parse("img"),
        digest: Digest::sha256(b"x"),
    };
    let artifact = Artifact {
        component: parse("catalogue"),
        commit: commit(1),
        content: content(1),
        image,
        builder: None,
    };
    assert_eq!(allowed("evidence", &[], &Action::Build(build)), ["ci"]);
    assert_eq!(
        allowed("evidence", &[], &Action::Artifact(artifact)),
        ["ci"]
    );
    let attestation = |kind: &str| {
        Action::Attestation(Attestation {
            commit: commit(1),
            environment: None,
            predicate_type: parse(kind),
            suite: None,
            predicate: serde_json::Map::new(),
        })
    };
    assert_eq!(
        allowed(
            "evidence",
            &[],
            &attestation("https://in-toto.io/attestation/test-result/v0.1")
        ),
        ["ci"]
    );
    assert_eq!(
        allowed(
            "evidence",
            &[],
            &attestation("urn:git-deploy:change-review:v1")
        ),
        [""; 0]
    );
}

/// Every listed person and machine may yank. An admin may unyank, and so may the person who yanked,
/// but not a machine.
#[test]
fn yanks() {
    let yank = Yank {
        commit: Some(commit(1)),
        digest: None,
        contents: Vec::new(),
        reason: parse("bad"),
    };
    assert_eq!(
        allowed("evidence", &[], &Action::Yank(yank.clone())),
        PEOPLE
    );
    let unyank = Action::Unyank(Unyank(yank.clone()));
    assert_eq!(
        allowed("evidence", &[("erin", Action::Yank(yank.clone()))], &unyank),
        ["alice", "erin"]
    );
    assert_eq!(
        allowed("evidence", &[("ci", Action::Yank(yank))], &unyank),
        ["alice"]
    );
}

/// The key decides who signed, not the name in the entry; a removed key belongs to no one.
#[test]
fn keys() {
    let mut case = Case::new(POLICY, "prod", "bob", start_of(DeploymentKind::Deploy));
    case.passes(Rule::Authorization);
    case.key = Some(key("ci"));
    case.fails(
        Rule::Authorization,
        "the key belongs to ci, but the entry names bob",
    );
    case.key = Some(key("stranger"));
    case.fails(Rule::Authorization, "the policy does not list the key");
    // A preview has no signature yet.
    case.key = None;
    case.passes(Rule::Authorization);
    case.by("mallory")
        .fails(Rule::Authorization, "the policy does not list mallory");
    case.by("bob").statement.requested_by = Some(parse("mallory"));
    case.fails(Rule::Authorization, "the policy does not list mallory");
    // Another key with the same key id is not accepted.
    case.statement.requested_by = None;
    case.key = Some(PublicKey::new(key("bob").key_id(), *key("x").as_bytes()));
    case.fails(Rule::Authorization, "the policy does not list the key");
}

/// A retired key may only finish a run of its own person.
#[test]
fn retired_keys() {
    let retire = |mut case: Case| {
        case.key = Some(key("bob-old"));
        case
    };
    let begun = start_of(DeploymentKind::Deploy);
    retire(Case::new(POLICY, "prod", "bob", begun.clone()))
        .fails(Rule::Authorization, "this key of bob is retired");
    let end = finish(1, &begun, Outcome::Succeeded, VerificationResult::None);
    retire(Case::after(
        POLICY,
        "prod",
        vec![("bob", begun.clone())],
        "bob",
        end.clone(),
    ))
    .passes(Rule::Authorization);
    retire(Case::after(POLICY, "prod", vec![("ci", begun)], "bob", end))
        .fails(Rule::Authorization, "only the person who started");
}

fn publish(by: &str, text: &str, recovered: bool) -> Case {
    let publish = Publish {
        digest: Digest::sha256(text.as_bytes()),
        keys: Digest::sha256(b""),
        approved_by: Vec::new(),
        description: None,
        admits: Vec::new(),
        recovered,
    };
    let mut case = Case::new(POLICY, "policy", by, Action::Publish(publish));
    case.policy_text = Some(text.as_bytes().to_vec());
    let mut state = State::empty();
    state.insert(
        Slot {
            environment: None,
            key: SlotKey::Policy,
        },
        Value::Bytes(b"in force"[..].into()),
    );
    case.facts.state = Some(Ok(state));
    case
}

/// A policy is published by an admin of the policy in force who remains one, so no one can take
/// over or lock out all admins.
#[test]
fn policies() {
    let text = policy_text(POLICY);
    publish("alice", &text, false).passes(Rule::Authorization);
    let handed_over = text.replace("admins = \"alice\"", "admins = \"bob\"");
    publish("alice", &handed_over, false)
        .fails(Rule::Authorization, "alice would no longer be an admin");
    publish("bob", &handed_over, false).fails(
        Rule::Authorization,
        "bob is not an admin of the policy in force",
    );
    let mut stolen = publish("alice", &handed_over, false);
    stolen.key = Some(key("bob"));
    stolen.fails(Rule::Authorization, "the key belongs to bob");
    let mut unread = publish("alice", &text, false);
    unread.policy_text = None;
    unread.unknown(Rule::Authorization, "not read");
    publish("alice", "schema = 1\nprojekt = \"x\"\n", false)
        .fails(Rule::Authorization, "deploy.toml:2");
    let mut bytes = publish("alice", &text, false);
    bytes.policy_text = Some(vec![0xff]);
    bytes.fails(Rule::Authorization, "UTF-8");
}

/// The first policy is published with a root key. Its `admins` count only afterwards.
#[test]
fn first_policy() {
    let first = |by: &str, text: &str| {
        let mut case = publish(by, text, false);
        case.facts.state = Some(Ok(State::empty()));
        case.policy = Policy::parse(text).unwrap();
        case
    };
    let text = policy_text(POLICY);
    first("alice", &text).passes(Rule::Authorization);
    first(
        "bob",
        &text.replace("admins = \"alice\"", "admins = \"bob\""),
    )
    .fails(Rule::Authorization, "root key");
    let mut preview = first("alice", &text);
    preview.key = None;
    preview.passes(Rule::Authorization);
    let mut recovered = first("alice", &text);
    if let Action::Publish(publish) = &mut recovered.statement.action {
        publish.recovered = true;
    }
    recovered.fails(Rule::Authorization, "nothing to recover");
    let consent = Action::PolicyApprove(PolicyApprove {
        digest: Digest::sha256(b"x"),
        comment: None,
    });
    Case::new(POLICY, "policy", "alice", consent)
        .fails(Rule::Authorization, "no policy is in force yet");
}

/// Only the key that the server's owner armed may publish a recovery, and the entry must be marked
/// as one.
#[test]
fn recovery() {
    let text = policy_text(POLICY).replace("admins = \"alice\"", "admins = \"bob\"");
    let mut case = publish("bob", &text, true);
    case.fails(Rule::Authorization, "has not allowed this key to recover");
    case.facts.recovery = Some(key("carol"));
    case.fails(Rule::Authorization, "has not allowed this key to recover");
    case.facts.recovery = Some(key("bob"));
    case.passes(Rule::Authorization);
    let mut silent = publish("bob", &text, false);
    silent.facts.recovery = Some(key("bob"));
    silent.fails(Rule::Authorization, "not an admin");
}

/// Only admins may approve a policy or revoke such an approval.
#[test]
fn policy_approvals() {
    let digest = Digest::sha256(b"x");
    let mut case = publish("alice", "", false);
    for action in [
        Action::PolicyApprove(PolicyApprove {
            digest: digest.clone(),
            comment: None,
        }),
        Action::PolicyRevoke(PolicyRevoke {
            digest,
            approver: parse("alice"),
            comment: None,
        }),
    ] {
        case.statement.action = action;
        case.by("alice").passes(Rule::Authorization);
        case.by("bob")
            .fails(Rule::Authorization, "bob is not an admin");
    }
    // Without `admins` in the policy, the holders of the root keys are the admins.
    case.policy = Policy::parse(&policy_text(&POLICY.replace("admins = \"alice\"", ""))).unwrap();
    case.by("alice").passes(Rule::Authorization);
    case.by("bob")
        .fails(Rule::Authorization, "bob is not an admin");
    case.facts.chain = None;
    case.unknown(Rule::Authorization, "not read");
}
