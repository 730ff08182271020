//! Approvals of a deployment at one commit: whose count for which requirement, and who could still give one.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::{
    Action, Approve, ComponentChange, Deployment, DeploymentKind, Intent, StoredEntry,
};
use crate::domain::id::CommitId;
use crate::domain::name::Person;
use crate::domain::policy::{ApprovalRequirement, Bind};
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::Fact;
use crate::domain::rules::findings::join_names;
use crate::domain::rules::key_trust;
use crate::domain::rules::matching::match_slots;

/// What must be approved at one commit, and who approved it.
pub(super) struct CommitApprovals<'a> {
    /// The commit.
    pub commit: CommitId,
    /// The components that change to it.
    pub changes: Vec<&'a ComponentChange>,
    seats: &'a [ApprovalRequirement],
    /// For each requirement, those whose approval counts for it.
    consents: Vec<BTreeSet<Person>>,
    /// Those whose approval counts for no requirement that they could meet, and why.
    refused: BTreeMap<Person, &'static str>,
}

/// Returns everyone whose approval counts for any of the commits.
pub(super) fn approvers(asked: &[CommitApprovals<'_>]) -> BTreeSet<Person> {
    asked
        .iter()
        .flat_map(|one| &one.consents)
        .flatten()
        .cloned()
        .collect()
}

/// Returns the approvals of each commit that components change to. An `exec` changes nothing and needs them for all that it names.
pub(super) fn commit_approvals<'c>(ctx: &'c Context<'_>) -> Fact<Vec<CommitApprovals<'c>>> {
    let (seats, deployment) = (&ctx.environment()?.approvals, ctx.deployment()?);
    if seats.is_empty() || is_exempt(deployment) {
        return Ok(Vec::new());
    }
    let mut commits: BTreeMap<CommitId, Vec<&ComponentChange>> = BTreeMap::new();
    let wanted = |change: &&ComponentChange| {
        deployment.kind == DeploymentKind::Exec || change.intent != Intent::Unchanged
    };
    for change in deployment.components.iter().filter(wanted) {
        commits
            .entry(change.target.commit)
            .or_default()
            .push(change);
    }
    let involved = if seats.iter().any(|seat| seat.prevent_self) {
        key_trust::involved_persons(ctx)?
    } else {
        BTreeSet::new()
    };
    let mut asked = Vec::new();
    for (commit, changes) in commits {
        let consents = vec![BTreeSet::new(); seats.len()];
        let mut one = CommitApprovals {
            commit,
            changes,
            seats,
            consents,
            refused: BTreeMap::new(),
        };
        for (_, _, kept) in ctx
            .environment_state()?
            .approvals()
            .filter(|(it, _, _)| *it == commit)
        {
            if let Action::Approve(approve) = &kept.statement.action {
                one.add_approval(ctx, kept, approve, &involved)?;
            }
        }
        asked.push(one);
    }
    Ok(asked)
}

impl CommitApprovals<'_> {
    /// Adds an approval to each requirement that it counts for, or to the refused ones with the reason.
    fn add_approval(
        &mut self,
        ctx: &Context<'_>,
        kept: &StoredEntry,
        approve: &Approve,
        involved: &BTreeSet<Person>,
    ) -> Fact<()> {
        let person = &kept.statement.by;
        let mut why = None;
        let mut seats = Vec::new();
        for (index, seat) in self
            .seats
            .iter()
            .enumerate()
            .filter(|(_, seat)| seat.by.contains(person))
        {
            match self.reason_not_counted(ctx, kept, approve, seat, involved) {
                None => seats.push(index),
                Some(reason) => why = Some(reason),
            }
        }
        // The key comes last: it need not be known for an approval that would not count anyway.
        if !seats.is_empty() && !key_trust::has_listed_key(ctx, kept)? {
            seats.clear();
            why = Some("the key that signed it was removed");
        }
        if seats.is_empty() {
            self.refused.extend(why.map(|why| (person.clone(), why)));
        }
        for (index, consents) in self.consents.iter_mut().enumerate() {
            if seats.contains(&index) {
                consents.insert(person.clone());
            }
        }
        Ok(())
    }

    /// Returns why an approval does not count for a requirement; `None` if it does.
    fn reason_not_counted(
        &self,
        ctx: &Context<'_>,
        kept: &StoredEntry,
        approve: &Approve,
        seat: &ApprovalRequirement,
        involved: &BTreeSet<Person>,
    ) -> Option<&'static str> {
        let person = &kept.statement.by;
        if ctx.policy.is_machine(person) {
            Some("a machine cannot approve")
        } else if seat.prevent_self && involved.contains(person) {
            Some("authors and the deployer cannot approve (prevent_self)")
        } else if approve.expires <= ctx.now || kept.statement.at.plus(seat.expires) <= ctx.now {
            Some("it has expired")
        } else if !self
            .changes
            .iter()
            .all(|change| approve.components.contains(&change.target.component))
        {
            Some("it is for other components")
        } else if seat.bind == Bind::Plan
            && ctx.statement.is_some()
            && !self.plans_fit(ctx, approve)
        {
            Some("it is for another plan")
        } else {
            None
        }
    }

    /// Returns whether the present plan of each component was approved. A component whose policy has `plan` must have one. A branch has no plan
    /// yet: the start that follows is checked.
    fn plans_fit(&self, ctx: &Context<'_>, approve: &Approve) -> bool {
        self.changes.iter().all(|change| {
            let component = &change.target.component;
            let planned = ctx
                .policy
                .component(component)
                .is_some_and(|it| it.plan.is_some());
            let needs = planned && change.intent == Intent::Change;
            approve.plans.get(component) == change.plan.as_ref()
                && (change.plan.is_some() || !needs)
        })
    }

    /// Returns a slot for each person that is required: those who may fill it.
    fn slots<'s>(&self, consents: &'s [BTreeSet<Person>]) -> Vec<&'s BTreeSet<Person>> {
        let seats = self.seats.iter().zip(consents);
        seats
            .flat_map(|(seat, who)| (0..seat.required).map(move |_| who))
            .collect()
    }

    /// Describes how many of the required approvals are given, and by whom.
    pub fn describe_tally(&self) -> String {
        let slots = self.slots(&self.consents);
        let holders: Vec<String> = match_slots(&slots)
            .into_iter()
            .flatten()
            .map(|person| format!("{person} ✓"))
            .collect();
        let tally = format!("{} of {}", holders.len(), slots.len());
        if holders.is_empty() {
            tally
        } else {
            format!("{tally}: {}", join_names(holders))
        }
    }

    /// Puts the commit before a message, if there are several commits.
    pub fn prefix_commit(&self, all: &[Self], detail: String) -> String {
        if all.len() == 1 {
            detail
        } else {
            format!("{}: {detail}", self.commit.short())
        }
    }

    /// Describes how many approvals are missing, and whose would count; `None` if none is missing.
    pub fn describe_missing(&self, ctx: &Context<'_>) -> Fact<Option<String>> {
        let slots = self.slots(&self.consents);
        let filled = match_slots(&slots).into_iter().flatten().count();
        if filled == slots.len() {
            return Ok(None);
        }
        let helpful = self.eligible_approvers(ctx, filled)?;
        let tally = self.describe_tally();
        let needs = match (slots.len() - filled, helpful.len()) {
            (_, 0) if self.seats.iter().any(|seat| seat.prevent_self) => {
                "and no eligible approver \
                is left: authors and the deployer are excluded (prevent_self)"
                    .to_owned()
            }
            (_, 0) => "and no eligible approver is left".to_owned(),
            (1, 1) => format!("needs {}", join_names(&helpful)),
            (1, _) => format!("needs one of {}", join_names(&helpful)),
            (missing, _) => format!("needs {missing} more, of {}", join_names(&helpful)),
        };
        let refused = self
            .refused
            .iter()
            .filter(|(person, _)| !self.consents.iter().any(|it| it.contains(*person)));
        let refused: Vec<String> = refused
            .take(3)
            .map(|(person, why)| format!("; not by {person}: {why}"))
            .collect();
        let refused = refused.concat();
        Ok(Some(format!(
            "{tally}{} {needs}{refused}",
            if filled == 0 && !helpful.is_empty() {
                ":"
            } else {
                ","
            }
        )))
    }

    /// Returns those whose approval would fill one more slot.
    fn eligible_approvers(&self, ctx: &Context<'_>, filled: usize) -> Fact<BTreeSet<Person>> {
        let guarded = self.seats.iter().any(|seat| seat.prevent_self);
        let involved = if guarded {
            key_trust::involved_persons(ctx)?
        } else {
            BTreeSet::new()
        };
        let may = |seat: &ApprovalRequirement, person: &Person| {
            seat.by.contains(person)
                && !ctx.policy.is_machine(person)
                && !(seat.prevent_self && involved.contains(person))
        };
        let all: BTreeSet<&Person> = self
            .seats
            .iter()
            .flat_map(|seat| seat.by.persons())
            .collect();
        let helps = |person: &&Person| {
            let mut consents = self.consents.clone();
            for (_, who) in self
                .seats
                .iter()
                .zip(&mut consents)
                .filter(|(seat, _)| may(seat, person))
            {
                who.insert((*person).clone());
            }
            match_slots(&self.slots(&consents))
                .into_iter()
                .flatten()
                .count()
                > filled
        };
        Ok(all.into_iter().filter(helps).cloned().collect())
    }
}

/// Returns whether a deployment requires no approval, whatever its environment requires.
pub(super) fn is_exempt(deployment: &Deployment) -> bool {
    deployment.kind == DeploymentKind::Rollback || deployment.break_glass.is_some()
}
