//! Which rules a request faces: the table of actions, and nothing else decides that.
//!
//! A `record` is judged as a `start`. Whoever breaks glass still signs, stands in a place, fits the state, and stops for locks and
//! yanks.

use std::collections::BTreeSet;

use super::{Context, Request};
use crate::domain::entry::{Action, Deployment, DeploymentKind, Statement};
use crate::domain::name::LedgerName;
use crate::domain::policy::{DeployOn, Environment, HotfixSkip, Policy};
use crate::domain::verdict::Rule;

/// What every entry faces.
const EVERY: [Rule; 5] = [
    Rule::Signer,
    Rule::Place,
    Rule::Time,
    Rule::Content,
    Rule::State,
];
/// What new code faces, besides.
const DEPLOY: [Rule; 11] = [
    Rule::PreviousEnvironment,
    Rule::Soak,
    Rule::Approvals,
    Rule::Checks,
    Rule::Artifact,
    Rule::Yanked,
    Rule::Direction,
    Rule::UpToDate,
    Rule::Lock,
    Rule::Freeze,
    Rule::Version,
];

/// The rules that a request faces, in their order.
pub(super) fn rules(ctx: &Context<'_>) -> BTreeSet<Rule> {
    match ctx.request {
        Request::Entry { statement, .. }
            if statement.ledger.is_environment()
                && ctx.environment.is_none()
                && !statement.action.ends_a_run() =>
        {
            // Nothing is asked of an environment that is not there; the place says so.
            [Rule::Place].into()
        }
        Request::Entry { statement, .. } => of_entry(statement, ctx.environment),
        Request::Branch { new, .. } => {
            let merge = ctx
                .environment
                .is_some_and(|it| it.deploy_on == DeployOn::Merge);
            // The tip that is moved away from must be contained: the branch rule asks that itself.
            let all = DEPLOY
                .into_iter()
                .filter(|rule| *rule != Rule::UpToDate && merge && new.is_some());
            all.chain([Rule::Branch]).collect()
        }
        Request::Tag { .. } => [Rule::Tag].into(),
    }
}

/// The rules that an entry faces.
fn of_entry(statement: &Statement, environment: Option<&Environment>) -> BTreeSet<Rule> {
    let more: BTreeSet<Rule> = match &statement.action {
        Action::Start(start) => of_deployment(&start.deployment, environment),
        Action::Record(record) => of_deployment(&record.deployment, environment),
        Action::Approve(_) => [Rule::Yanked].into(),
        Action::Publish(_) => [Rule::Approvals].into(),
        Action::Artifact(_) => [Rule::Artifact].into(),
        Action::Baseline(_)
        | Action::Resume(_)
        | Action::Finish(_)
        | Action::Abort(_)
        | Action::Verification(_)
        // Consent can always be withdrawn, and above all to what was yanked.
        | Action::Revoke(_)
        | Action::Lock(_)
        | Action::Unlock(_)
        | Action::Expire(_)
        | Action::Build(_)
        | Action::Attestation(_)
        | Action::Yank(_)
        | Action::Unyank(_)
        | Action::PolicyApprove(_)
        | Action::PolicyRevoke(_) => BTreeSet::new(),
    };
    more.into_iter().chain(EVERY).collect()
}

fn of_deployment(deployment: &Deployment, environment: Option<&Environment>) -> BTreeSet<Rule> {
    if deployment.break_glass.is_some() {
        // None is asked for, and so none may be claimed: approvals answers nothing else here.
        return [Rule::Approvals, Rule::Lock, Rule::Yanked].into();
    }
    match deployment.kind {
        DeploymentKind::Deploy => DEPLOY.into(),
        DeploymentKind::Hotfix => {
            let skip = environment
                .and_then(|it| it.hotfix.as_ref())
                .map(|it| &it.skip);
            let skips = |which| skip.is_some_and(|skip| skip.contains(&which));
            let faces = |rule: &Rule| match rule {
                Rule::PreviousEnvironment => !skips(HotfixSkip::PromoteFrom),
                Rule::Soak => !skips(HotfixSkip::Soak),
                Rule::UpToDate => false,
                _ => true,
            };
            DEPLOY.into_iter().filter(faces).collect()
        }
        // Of approvals as above.
        DeploymentKind::Rollback => [
            Rule::Approvals,
            Rule::Lock,
            Rule::Yanked,
            Rule::Direction,
            Rule::Artifact,
        ]
        .into(),
        DeploymentKind::Destroy | DeploymentKind::Exec => {
            [Rule::Lock, Rule::Approvals, Rule::Freeze].into()
        }
    }
}

/// The other ledgers that are read to judge an entry: those whose tips its `seen` must name, as far as they exist.
///
/// Always the policy's; that of `evidence` where a rule looks for yanks, attestations or artifacts; that of the environment
/// before where the commit must have run there; for a `publish` those of all environments.
pub fn reads(policy: &Policy, statement: &Statement) -> BTreeSet<LedgerName> {
    let environment = statement
        .environment()
        .and_then(|name| policy.environment(&name));
    let rules = of_entry(statement, environment);
    let mut ledgers = BTreeSet::from([LedgerName::policy()]);
    if [Rule::Yanked, Rule::Checks, Rule::Artifact]
        .iter()
        .any(|rule| rules.contains(rule))
    {
        ledgers.insert(LedgerName::evidence());
    }
    if rules.contains(&Rule::PreviousEnvironment) || rules.contains(&Rule::Soak) {
        let before = environment.and_then(|it| it.promote_from.as_ref());
        ledgers.extend(before.and_then(|name| policy.ledger_of(name)));
    }
    if let Action::Publish(_) = statement.action {
        ledgers.extend(policy.ledgers());
    }
    ledgers.remove(&statement.ledger);
    ledgers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::{ComponentChange, Lock, Outcome, Revoke, VerificationResult};
    use crate::domain::rules::testing::{
        Case, approve, change, commit, content, deployment, parse, policy, ran, record, start,
    };
    use crate::domain::rules::{Facts, evaluate};
    use crate::domain::verdict::Decision;

    const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\", hotfix = { skip = [\"soak\"] }, branch = \"main\" }\nqa = { promote_from = \"dev\", branch = \"qa\", deploy_on = \"approval\" }\n";

    /// The rules besides those of every entry, by name.
    fn faced(action: &Action) -> Vec<&'static str> {
        let case = Case::new(POLICY, "prod", "alice", action.clone());
        let rules = of_entry(&case.statement, case.policy.environment(&parse("prod")));
        assert!(EVERY.iter().all(|rule| rules.contains(rule)));
        rules
            .into_iter()
            .filter(|rule| !EVERY.contains(rule))
            .map(Rule::name)
            .collect()
    }

    fn kind(kind: DeploymentKind, glass: bool) -> Deployment {
        let mut it = deployment(kind, vec![change("catalogue", 1, None)]);
        it.break_glass = glass.then(|| parse("it burns"));
        it
    }

    /// The table as the documentation prints it: a rule that is not faced is a rule that is skipped. Where it has no approvals, for a
    /// rollback and with the glass broken, that rule is faced only to see that none is claimed.
    #[test]
    fn rows() {
        let all = [
            "previous environment",
            "soak",
            "approvals",
            "checks",
            "artifact",
            "yanked",
            "direction",
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
                vec!["approvals", "artifact", "yanked", "direction", "lock"],
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
            verdict.checks.iter().all(|check| check.rule == Rule::Place),
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
            let ctx = Context::new(&policy, request, &facts, case.now);
            let rules: Vec<_> = rules(&ctx).into_iter().collect();
            (
                rules,
                ctx.deployment().cloned(),
                evaluate(&policy, &request, &facts, case.now).decision(),
            )
        };
        let (rules, deployment, decision) = move_to("prod", Some(commit(2)));
        assert_eq!(
            (rules.first(), rules.last(), rules.len()),
            (Some(&Rule::PreviousEnvironment), Some(&Rule::Branch), 11)
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
            let key = crate::domain::rules::testing::key(statement.by.as_str());
            let request = Request::Entry { statement: &statement, key: signed.then_some(&key), policy_text: None };
            let verdict = evaluate(&policy(POLICY), &request, &Facts::default(), statement.at);
            proptest::prop_assert!(!verdict.allowed(), "{:?}", verdict);
            for check in verdict.checks {
                proptest::prop_assert!(check.detail.chars().all(crate::domain::text::is_plain), "{:?}", check);
            }
        }
    }
}
