//! Judges an approval before it is written, so that one that cannot count is reported at once, and
//! one that was given, for the status.

use super::build_deployment::build_statement;
use crate::domain::entry::{
    ApprovalPurpose, Approve, ComponentChange, Deployment, DeploymentKind, StoredEntry, Target,
};
use crate::domain::env_ref::EnvRef;
use crate::domain::name::Person;
use crate::domain::policy::Policy;
use crate::domain::rules::{self, ApprovalRefusal, Fact, Request};
use crate::domain::state::EnvState;
use crate::domain::time::Time;
use crate::git::Error;
use crate::ledger::Tips;
use crate::ledger::facts::FactGatherer;
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

/// Returns whether a given approval can no longer count for any deployment: the content of a component
/// is missing or on hold, the commit is behind what runs or gone, or the approver may not approve it.
/// Returns `false` if that cannot be determined.
#[expect(clippy::too_many_arguments)]
pub fn is_without_effect(
    gatherer: &FactGatherer<'_>,
    policy: &Policy,
    env: &EnvRef,
    env_state: EnvState<'_>,
    tips: &Tips,
    entry: &StoredEntry,
    approve: &Approve,
    now: Time,
) -> bool {
    if !rules::has_listed_key(policy, entry) {
        return true;
    }
    // The other purposes are about what runs.
    if approve.purpose != ApprovalPurpose::Deploy {
        return false;
    }
    let mut changes = Vec::new();
    let declared = approve.components.iter();
    for component in declared.filter(|name| policy.has_component(name)) {
        let content = match gatherer.content(policy, approve.commit, component) {
            Ok(Some(content)) => content,
            Err(error) if !matches!(error, Error::Missing(_)) => return false,
            _ => return true,
        };
        let from = env_state.commit(component);
        let is_behind = from.is_some_and(|from| {
            from != approve.commit && gatherer.contains(from, approve.commit).unwrap_or(false)
        });
        if is_behind || env_state.hold(component, content).is_some() {
            return true;
        }
        let target = Target::new(component.clone(), approve.commit, Some(content));
        changes.push(ComponentChange::new(target, from));
    }
    let Ok(tip) = gatherer.load_tip(env.ledger(), tips.get(env.ledger()).copied()) else {
        return false;
    };
    let deployment = Deployment::new(DeploymentKind::Deploy, changes);
    let by = &entry.statement.by;
    let statement = build_statement(by.clone(), &tip.chain, env, &deployment);
    let request = Request::Entry {
        statement: &statement,
        key: None,
        policy_text: None,
    };
    let mut other_tips = tips.clone();
    other_tips.remove(env.ledger());
    let facts = gatherer.gather_to_approve(policy, &request, &other_tips, tip.chain);
    let refusal = rules::refuse_proposed_approval(policy, &request, &facts, now, by, approve);
    // A plan can be made again.
    refusal.is_ok_and(|it| it.is_some_and(|why| why != ApprovalRefusal::OtherPlan))
}
