//! Judges the updates that git hands to proc-receive.

use std::collections::BTreeSet;

use super::push_commands::PushCommands;
use crate::domain::id::EntryId;
use crate::domain::verdict::{Check, Decision, Rule};
use crate::git::Repository;
use crate::ledger::entry_validator::PushContext;
use crate::server::HookError;
use crate::server::branch_mover::{self, Mover};
use crate::server::classify::RefKind;
use crate::server::push_judge::{PushJudge, find_project};
use crate::server::ref_update::RefUpdate;
use crate::server::settings::Settings;
use crate::server::update_verdict::UpdateVerdict;

/// An update with its judgement.
pub(super) struct JudgedUpdate<'c> {
    pub update: &'c RefUpdate,
    pub kind: &'c RefKind,
    pub mover: Mover,
    pub judgement: UpdateVerdict,
}

impl JudgedUpdate<'_> {
    /// Returns whether it is accepted.
    pub fn is_allowed(&self) -> bool {
        self.judgement.decision() == Decision::Allowed
    }
}

/// Judges every update with the refs as they were before the push. An update that follows an
/// accepted one is also judged with the refs after that one, because the same push may move a
/// policy or an environment on which it depends.
pub(super) fn judge_updates<'c>(
    repository: &Repository,
    commands: &'c PushCommands,
    kinds: &'c [RefKind],
) -> Result<Vec<JudgedUpdate<'c>>, HookError> {
    let settings = Settings::read(repository)?;
    let before = PushContext::read(repository)?;
    let ledgers = kinds
        .iter()
        .zip(&commands.updates)
        .filter_map(|(kind, update)| Some((kind.ledger()?, update)));
    let project = find_project(repository, &before, ledgers)?;
    let judge = PushJudge::new(repository, &settings, project.as_ref(), &before)?;
    let mut after = before.clone();
    let mut judged = Vec::new();
    let mut branches = BTreeSet::new();
    for (kind, update) in kinds.iter().zip(&commands.updates) {
        let mut result = judge_update(&judge, kind, update)?;
        if let RefKind::Branch(short) = kind
            && !branches.insert(short)
        {
            let check = Check::fail(Rule::Branch, "the push updates it twice");
            result.judgement = UpdateVerdict::from_check(&update.name, check);
        }
        if result.is_allowed() && after.tips != before.tips {
            let judge = PushJudge::new(repository, &settings, project.as_ref(), &after)?;
            let second = judge_update(&judge, kind, update)?;
            // Keep the first result if only the earlier policy enforces the branch's rules.
            if second.mover == Mover::ProcReceive || result.mover == Mover::Git {
                result = second;
            }
        }
        if let (Some(ledger), Some(new)) = (kind.ledger(), update.new)
            && result.is_allowed()
        {
            after.tips.insert(ledger.clone(), EntryId(new));
        }
        judged.push(result);
    }
    Ok(judged)
}

/// Judges one update. Accepts a branch that no environment claims, which git moves.
fn judge_update<'c>(
    judge: &PushJudge<'_>,
    kind: &'c RefKind,
    update: &'c RefUpdate,
) -> Result<JudgedUpdate<'c>, HookError> {
    let policy = judge.policy.as_deref();
    let refuse = |why: &str| UpdateVerdict::from_check(&update.name, Check::fail(Rule::Chain, why));
    let judgement = match kind {
        RefKind::Ledger(ledger) => judge.judge_ledger(ledger, update)?,
        RefKind::Forbidden(why) => refuse(why),
        RefKind::Branch(short) => policy
            .and_then(|policy| judge.judge_branch(policy, short, update))
            // pre-receive has reported a verdict that is not enforced.
            .filter(|judgement| judgement.is_enforced)
            .unwrap_or_else(|| {
                UpdateVerdict::from_check(&update.name, Check::pass(Rule::Branch, ""))
            }),
        RefKind::Tag(_) | RefKind::Other => refuse("it is neither a ledger nor a branch"),
    };
    Ok(JudgedUpdate {
        update,
        kind,
        mover: branch_mover::choose_mover(judge.repository, policy, kind)?,
        judgement,
    })
}

/// Refuses the accepted updates of an atomic push, because another one is refused.
pub(super) fn refuse_allowed(judged: &mut [JudgedUpdate<'_>]) {
    for command in judged.iter_mut().filter(|command| command.is_allowed()) {
        command.judgement.verdict.checks.push(Check::fail(
            Rule::Chain,
            "another update of this atomic push was not accepted",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In an atomic push, one refusal refuses all updates.
    #[test]
    fn all_or_nothing() {
        let line = format!("{} {} x", "1".repeat(40), "2".repeat(40));
        let (update, kind) = (RefUpdate::parse(line.as_bytes()).unwrap(), RefKind::Other);
        let judge = |check| JudgedUpdate {
            update: &update,
            kind: &kind,
            mover: Mover::ProcReceive,
            judgement: UpdateVerdict::from_check(&update.name, check),
        };
        let mut judged = vec![
            judge(Check::pass(Rule::Authorization, "")),
            judge(Check::fail(Rule::Lock, "")),
        ];
        refuse_allowed(&mut judged);
        assert!(
            judged
                .iter()
                .all(|judged| judged.judgement.decision() == Decision::Refused)
        );
    }
}
