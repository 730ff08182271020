//! Tests of all rules together: which rules each kind of request faces, and what holds for every
//! rule.

use std::collections::BTreeSet;

use super::testing::{
    Case, approve, change, commit, content, deployment, parse, policy, ran, record, start,
};
use super::*;
use crate::domain::entry::{
    Action, ComponentChange, Deployment, DeploymentKind, Lock, Outcome, Revoke, VerificationResult,
};
use crate::domain::verdict::Decision;

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\", hotfix = { skip = [\"soak\"] }, branch = \"main\" }\nqa = { promote_from = \"dev\", branch = \"qa\", deploy_on = \"approval\" }\n";

/// The rules that every entry faces.
const EVERY: [Rule; 5] = [
    Rule::Authorization,
    Rule::Chain,
    Rule::Time,
    Rule::Content,
    Rule::State,
];

/// Returns the names of the rules that an action faces, without those of every entry.
fn faced(action: &Action) -> Vec<&'static str> {
    let case = Case::new(POLICY, "prod", "alice", action.clone());
    let environment = case.policy.environment(&parse("prod"));
    let rules = faced_rules(RequestKind::of_action(&case.statement.action), environment);
    assert!(EVERY.iter().all(|rule| rules.contains(rule)));
    rules
        .into_iter()
        .filter(|rule| !EVERY.contains(rule))
        .map(Rule::name)
        .collect()
}

/// The rules that every entry faces, as the table's test prints them.
const EVERY_AS_TEXT: &str = "authorization, chain, time, content, state";

/// Each kind of request, whether it is an entry, and the rules that it faces in addition to those
/// of every entry. A new rule or kind of request must be added here too.
#[rustfmt::skip]
const TABLE: &[(RequestKind, bool, &str)] = &[
    (RequestKind::Deploy, true, "previous environment, soak, approvals, checks, artifact, yanked, fast-forward, hold, up to date, lock, freeze, version, inputs"),
    (RequestKind::Hotfix, true, "previous environment, soak, approvals, checks, artifact, yanked, fast-forward, hold, lock, freeze, version, inputs"),
    (RequestKind::Rollback, true, "approvals, artifact, yanked, fast-forward, hold, lock, inputs"),
    (RequestKind::Destroy, true, "approvals, lock, freeze"),
    (RequestKind::Exec, true, "approvals, lock, freeze, inputs"),
    (RequestKind::BreakGlass, true, "approvals, yanked, lock"),
    (RequestKind::Baseline, true, ""),
    (RequestKind::Resume, true, ""),
    (RequestKind::Finish, true, ""),
    (RequestKind::Abort, true, ""),
    (RequestKind::Verification, true, ""),
    (RequestKind::Approve, true, "yanked"),
    (RequestKind::Revoke, true, ""),
    (RequestKind::Lock, true, ""),
    (RequestKind::Unlock, true, ""),
    (RequestKind::Expire, true, ""),
    (RequestKind::Build, true, ""),
    (RequestKind::Artifact, true, "artifact"),
    (RequestKind::Attestation, true, ""),
    (RequestKind::Yank, true, ""),
    (RequestKind::Unyank, true, ""),
    (RequestKind::Publish, true, "approvals"),
    (RequestKind::PolicyApprove, true, ""),
    (RequestKind::PolicyRevoke, true, ""),
    (RequestKind::UnknownEnvironment, false, "chain"),
    (RequestKind::Merge, false, "previous environment, soak, approvals, checks, artifact, yanked, fast-forward, hold, lock, freeze, version, branch"),
    (RequestKind::Branch, false, "branch"),
    (RequestKind::Tag, false, "tag"),
];

#[test]
fn table() {
    let kinds: Vec<_> = TABLE.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, RequestKind::ALL, "each kind has a line");
    for (kind, is_entry, more) in TABLE {
        let names: Vec<_> = faced_rules(*kind, None)
            .into_iter()
            .map(Rule::name)
            .collect();
        let expected: Vec<_> = [if *is_entry { EVERY_AS_TEXT } else { "" }, *more]
            .into_iter()
            .filter(|names| !names.is_empty())
            .collect();
        assert_eq!(names.join(", "), expected.join(", "), "{kind:?}");
    }
}

/// A hotfix skips exactly the rules that its environment's `hotfix.skip` names.
#[test]
fn hotfix_skips() {
    for (skip, expected) in [
        ("", vec![]),
        ("\"soak\"", vec![Rule::Soak]),
        ("\"promote_from\"", vec![Rule::PreviousEnvironment]),
        (
            "\"promote_from\", \"soak\"",
            vec![Rule::PreviousEnvironment, Rule::Soak],
        ),
    ] {
        let text = format!(
            "[environments]\ndev = {{}}\nprod = {{ promote_from = \"dev\", hotfix = {{ skip = [{skip}] }} }}\n"
        );
        let policy = policy(&text);
        let environment = policy.environment(&parse("prod"));
        for kind in RequestKind::ALL {
            let (all, faced) = (faced_rules(*kind, None), faced_rules(*kind, environment));
            let skipped: Vec<_> = all
                .into_iter()
                .filter(|rule| !faced.contains(rule))
                .collect();
            let expected = if *kind == RequestKind::Hotfix {
                &expected[..]
            } else {
                &[]
            };
            assert_eq!(skipped, expected, "{kind:?} {skip}");
        }
    }
}

/// Names are distinct, and a rule's file is called after it.
#[test]
fn names() {
    let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    for name in names {
        let file = format!("src/domain/rules/{}.rs", name.replace([' ', '-'], "_"));
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        assert!(path.exists(), "{}", path.display());
    }
}

fn deployment_of(kind: DeploymentKind, breaks_glass: bool) -> Deployment {
    let mut it = deployment(kind, vec![change("catalogue", 1, None)]);
    it.break_glass = breaks_glass.then(|| parse("it burns"));
    it
}

/// A deployment faces the rules of its kind, even if it is recorded afterwards. For a rollback and
/// break glass, `approvals` only checks that the entry names no approvers.
#[test]
fn rows() {
    let all = [
        "previous environment",
        "soak",
        "approvals",
        "checks",
        "artifact",
        "yanked",
        "fast-forward",
        "hold",
        "up to date",
        "lock",
        "freeze",
        "version",
        "inputs",
    ];
    let all_except = |names: &[&str]| {
        all.into_iter()
            .filter(|name| !names.contains(name))
            .collect::<Vec<_>>()
    };
    let rows = [
        (
            deployment_of(DeploymentKind::Deploy, false),
            all_except(&[]),
        ),
        (
            deployment_of(DeploymentKind::Hotfix, false),
            all_except(&["soak", "up to date"]),
        ),
        (
            deployment_of(DeploymentKind::Rollback, false),
            vec![
                "approvals",
                "artifact",
                "yanked",
                "fast-forward",
                "hold",
                "lock",
                "inputs",
            ],
        ),
        (
            deployment_of(DeploymentKind::Destroy, false),
            vec!["approvals", "lock", "freeze"],
        ),
        (
            deployment_of(DeploymentKind::Exec, false),
            vec!["approvals", "lock", "freeze", "inputs"],
        ),
        (
            deployment_of(DeploymentKind::Deploy, true),
            vec!["approvals", "yanked", "lock"],
        ),
        (
            deployment_of(DeploymentKind::Hotfix, true),
            vec!["approvals", "yanked", "lock"],
        ),
    ];
    for (deployment, rules) in rows {
        assert_eq!(
            faced(&start(1, deployment.clone())),
            rules,
            "{:?}",
            deployment.kind
        );
        // A `record` of the deployment faces the same rules.
        let recorded = record(deployment, Outcome::Succeeded, VerificationResult::None);
        assert_eq!(faced(&recorded), rules);
    }
    assert_eq!(faced(&approve(1, &["catalogue"])), ["yanked"]);
    // A yanked commit cannot be approved, but its approvals can be revoked.
    let approver = parse("bob");
    assert!(
        faced(&Action::Revoke(Revoke {
            commit: commit(1),
            approver,
            comment: None
        }))
        .is_empty()
    );
    assert!(
        faced(&Action::Lock(Lock {
            component: None,
            until: None,
            reason: parse("x")
        }))
        .is_empty()
    );
}

/// An entry for an environment that the policy does not have is refused by the rule `chain` alone.
#[test]
fn unknown_environments() {
    let case = Case::new(
        POLICY,
        "nowhere",
        "alice",
        start(1, deployment_of(DeploymentKind::Deploy, false)),
    );
    let verdict = case.verdict();
    assert_eq!(verdict.decision(), Decision::Refused);
    assert!(
        verdict.checks.iter().all(|check| check.rule == Rule::Chain),
        "{verdict:?}"
    );
}

/// With `deploy_on = "merge"`, the environment's rules judge a branch update as a deployment of the
/// new commit.
#[test]
fn branches() {
    let policy = policy(POLICY);
    let case = Case::after(
        POLICY,
        "prod",
        vec![("alice", ran("catalogue", 1, None))],
        "alice",
        start(1, deployment_of(DeploymentKind::Deploy, false)),
    );
    let mut facts = Facts {
        state: case.facts.state.clone(),
        ..Facts::default()
    };
    facts
        .contents
        .insert((commit(2), parse("catalogue")), Ok(Some(content(2))));
    let move_to = |name: &str, new| {
        let environment = parse(name);
        let request = Request::Branch {
            environment: &environment,
            name: "main",
            old: Some(commit(1)),
            new,
        };
        let subject = RequestContext::new(&policy, request);
        let rules = faced_rules(subject.kind, subject.environment);
        let ctx = add_facts(subject, &facts, case.now);
        (
            rules,
            ctx.deployment().cloned(),
            evaluate(&policy, &request, &facts, case.now).decision(),
        )
    };
    let (rules, deployment, decision) = move_to("prod", Some(commit(2)));
    assert_eq!(
        (rules.first(), rules.last(), rules.len()),
        (Some(&Rule::PreviousEnvironment), Some(&Rule::Branch), 12)
    );
    assert_eq!(
        deployment.unwrap().components,
        [ComponentChange {
            ..change("catalogue", 2, Some(1))
        }]
    );
    assert_eq!(decision, Decision::CannotTell, "almost no facts are given");
    assert_eq!(move_to("prod", None).0, [Rule::Branch]);
    assert_eq!(move_to("qa", Some(commit(2))).0, [Rule::Branch]);
    assert!(
        move_to("prod", Some(commit(3))).1.is_err(),
        "its content was not read"
    );
}

proptest::proptest! {
    /// Without facts, no entry is allowed and no rule panics.
    #[test]
    fn no_facts_no_permission(
        statement in crate::domain::entry::samples::statement(),
        signed in proptest::prelude::any::<bool>(),
    ) {
        let key = super::testing::key(statement.by.as_str());
        let request = Request::Entry { statement: &statement, key: signed.then_some(&key), policy_text: None };
        let verdict = evaluate(&policy(POLICY), &request, &Facts::default(), statement.at);
        proptest::prop_assert!(!verdict.is_allowed(), "{:?}", verdict);
        for check in verdict.checks {
            proptest::prop_assert!(check.detail.chars().all(crate::domain::text::is_plain), "{:?}", check);
        }
    }
}
