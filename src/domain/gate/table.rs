//! Which rules a request faces: the table of actions, and nothing else decides that.
//!
//! A `record` is judged as a `start`. Whoever breaks glass still signs, stands in a place, fits the state, and stops for locks and
//! yanks.

use std::collections::BTreeSet;

use super::{Context, Request};
use crate::domain::entry::{Action, Deployment, Kind, Statement};
use crate::domain::name::LedgerName;
use crate::domain::policy::{DeployOn, Environment, HotfixSkip, Policy};
use crate::domain::verdict::Rule;

/// What every entry faces.
const EVERY: [Rule; 5] = [Rule::Signer, Rule::Place, Rule::Time, Rule::Content, Rule::State];
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
        Request::Entry { statement, .. } if statement.ledger.is_environment() && ctx.environment.is_none() => {
            // Nothing is asked of an environment that is not there; the place says so.
            [Rule::Place].into()
        }
        Request::Entry { statement, .. } => of_entry(statement, ctx.environment),
        Request::Branch { new, .. } => {
            let merge = ctx.environment.is_some_and(|it| it.deploy_on == DeployOn::Merge);
            // The tip that is moved away from must be contained: the branch rule asks that itself.
            let all = DEPLOY.into_iter().filter(|rule| *rule != Rule::UpToDate && merge && new.is_some());
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
        Action::Approve(_) | Action::Revoke(_) => [Rule::Yanked].into(),
        Action::Publish(_) => [Rule::Approvals].into(),
        Action::Artifact(_) => [Rule::Artifact].into(),
        Action::Baseline(_)
        | Action::Resume(_)
        | Action::Finish(_)
        | Action::Abort(_)
        | Action::Verification(_)
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
        return [Rule::Lock, Rule::Yanked].into();
    }
    match deployment.kind {
        Kind::Deploy => DEPLOY.into(),
        Kind::Hotfix => {
            let skip = environment.and_then(|it| it.hotfix.as_ref()).map(|it| &it.skip);
            let skips = |which| skip.is_some_and(|skip| skip.contains(&which));
            let faces = |rule: &Rule| match rule {
                Rule::PreviousEnvironment => !skips(HotfixSkip::PromoteFrom),
                Rule::Soak => !skips(HotfixSkip::Soak),
                Rule::UpToDate => false,
                _ => true,
            };
            DEPLOY.into_iter().filter(faces).collect()
        }
        Kind::Rollback => [Rule::Lock, Rule::Yanked, Rule::Direction, Rule::Artifact].into(),
        Kind::Destroy | Kind::Exec => [Rule::Lock, Rule::Approvals, Rule::Freeze].into(),
    }
}

/// The other ledgers that are read to judge an entry: those whose tips its `seen` must name, as far as they exist.
///
/// Always the policy's; that of `evidence` where a rule looks for yanks, attestations or artifacts; that of the environment
/// before where the commit must have run there; for a `publish` those of all environments.
pub fn reads(policy: &Policy, statement: &Statement) -> BTreeSet<LedgerName> {
    let environment = statement.environment().and_then(|name| policy.environment(&name));
    let rules = of_entry(statement, environment);
    let mut ledgers = BTreeSet::from([LedgerName::policy()]);
    if [Rule::Yanked, Rule::Checks, Rule::Artifact].iter().any(|rule| rules.contains(rule)) {
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
