//! Which rules each kind of request faces, and what holds for all rules.

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

/// The rules besides those of every entry, by name.
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

/// What every entry faces, in the table below.
const ENTRY: &str = "authorization, chain, time, content, state";

/// The whole table: each kind of request and the rules that it faces besides those of every entry. A new rule or a new kind of request is
/// decided on here once more.
#[rustfmt::skip]
const TABLE: &[(RequestKind, bool, &str)] = &[
    (RequestKind::Deploy, true, "previous environment, soak, approvals, checks, artifact, yanked, fast-forward, hold, up to date, lock, freeze, version"),
    (RequestKind::Hotfix, true, "previous environment, soak, approvals, checks, artifact, yanked, fast-forward, hold, lock, freeze, version"),
    (RequestKind::Rollback, true, "approvals, artifact, yanked, fast-forward, hold, lock"),
    (RequestKind::Destroy, true, "approvals, lock, freeze"),
    (RequestKind::Exec, true, "approvals, lock, freeze"),
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
        let wanted: Vec<_> = [if *is_entry { ENTRY } else { "" }, *more]
            .into_iter()
            .filter(|names| !names.is_empty())
            .collect();
        assert_eq!(names.join(", "), wanted.join(", "), "{kind:?}");
    }
}

/// A hotfix skips exactly the rules that its environment's `hotfix.skip` names.
#[test]
fn hotfix_skips() {
    for (skip, wanted) in [
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
            let wanted = if *kind == RequestKind::Hotfix {
                &wanted[..]
            } else {
                &[]
            };
            assert_eq!(skipped, wanted, "{kind:?} {skip}");
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

fn kind(kind: DeploymentKind, glass: bool) -> Deployment {
    let mut it = deployment(kind, vec![change("catalogue", 1, None)]);
    it.break_glass = glass.then(|| parse("it burns"));
    it
}

/// A deployment faces the rules of its kind, also when it is recorded afterwards. A rollback and broken glass face `approvals`, which then only
/// checks that the entry claims none.
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
    ];
    let less = |names: &[&str]| {
        all.into_iter()
            .filter(|name| !names.contains(name))
            .collect::<Vec<_>>()
    };
    let rows = [
        (kind(DeploymentKind::Deploy, false), less(&[])),
        (
            kind(DeploymentKind::Hotfix, false),
            less(&["soak", "up to date"]),
        ),
        (
            kind(DeploymentKind::Rollback, false),
            vec![
                "approvals",
                "artifact",
                "yanked",
                "fast-forward",
                "hold",
                "lock",
            ],
        ),
        (
            kind(DeploymentKind::Destroy, false),
            vec!["approvals", "lock", "freeze"],
        ),
        (
            kind(DeploymentKind::Exec, false),
            vec!["approvals", "lock", "freeze"],
        ),
        (
            kind(DeploymentKind::Deploy, true),
            vec!["approvals", "yanked", "lock"],
        ),
        (
            kind(DeploymentKind::Hotfix, true),
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
        // Recording afterwards is no way around.
        let recorded = record(deployment, Outcome::Succeeded, VerificationResult::None);
        assert_eq!(faced(&recorded), rules);
    }
    assert_eq!(faced(&approve(1, &["catalogue"])), ["yanked"]);
    // Consent is not given to what was yanked, and can be withdrawn all the same.
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
            reason: parse("x")
        }))
        .is_empty()
    );
}

/// An environment that the policy does not know is refused as such, whatever else is unknown of it.
#[test]
fn unknown_environments() {
    let case = Case::new(
        POLICY,
        "nowhere",
        "alice",
        start(1, kind(DeploymentKind::Deploy, false)),
    );
    let verdict = case.verdict();
    assert_eq!(verdict.decision(), Decision::Refused);
    assert!(
        verdict.checks.iter().all(|check| check.rule == Rule::Chain),
        "{verdict:?}"
    );
}

/// Where merging comes first, a branch moves by the environment's rules, on what the new commit would change.
#[test]
fn branches() {
    let policy = policy(POLICY);
    let case = Case::after(
        POLICY,
        "prod",
        vec![("alice", ran("catalogue", 1, None))],
        "alice",
        start(1, kind(DeploymentKind::Deploy, false)),
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
    assert_eq!(decision, Decision::CannotTell, "there are next to no facts");
    assert_eq!(move_to("prod", None).0, [Rule::Branch]);
    assert_eq!(move_to("qa", Some(commit(2))).0, [Rule::Branch]);
    assert!(
        move_to("prod", Some(commit(3))).1.is_err(),
        "its content was not read"
    );
}

proptest::proptest! {
    /// Whatever is signed by whomever, nothing is let in without facts, and nothing panics.
    #[test]
    fn no_facts_no_permission(
        statement in crate::domain::entry::samples::statement(),
        signed in proptest::prelude::any::<bool>(),
    ) {
        let key = super::testing::key(statement.by.as_str());
        let request = Request::Entry { statement: &statement, key: signed.then_some(&key), policy_text: None };
        let verdict = evaluate(&policy(POLICY), &request, &Facts::default(), statement.at);
        proptest::prop_assert!(!verdict.allowed(), "{:?}", verdict);
        for check in verdict.checks {
            proptest::prop_assert!(check.detail.chars().all(crate::domain::text::is_plain), "{:?}", check);
        }
    }
}
