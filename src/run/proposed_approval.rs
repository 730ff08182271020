//! Judges an approval before it is written, so that one that cannot count is reported at once.

use super::build_deployment::build_statement;
use crate::domain::entry::{Approve, Deployment};
use crate::domain::env_ref::EnvRef;
use crate::domain::name::Person;
use crate::domain::policy::Policy;
use crate::domain::rules::{self, ApprovalRefusal, Fact, Request};
use crate::domain::time::Time;
use crate::ledger::writer::LedgerSnapshot;

/// Returns why an approval of a deployment would not count; `None` if it would.
///
/// # Errors
///
/// Fails with the reason if a fact is missing.
pub fn refuse_proposed_approval(
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    env: &EnvRef,
    deployment: &Deployment,
    by: &Person,
    approve: &Approve,
    now: Time,
) -> Fact<Option<ApprovalRefusal>> {
    let chain = &snapshot.tip.chain;
    let statement = build_statement(by.clone(), chain, env, deployment);
    let request = Request::Entry {
        statement: &statement,
        key: None,
        policy_text: None,
    };
    let mut other_tips = snapshot.tips.clone();
    other_tips.remove(env.ledger());
    let gatherer = snapshot.gatherer;
    let facts = gatherer.gather_to_approve(policy, &request, &other_tips, chain.clone());
    rules::refuse_proposed_approval(policy, &request, &facts, now, by, approve)
}
