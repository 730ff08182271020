//! Approvals of a deployment at one commit: whose approvals count for which requirement, and who
//! could still approve.

use std::collections::{BTreeMap, BTreeSet};

use super::excluded::ExcludedPersons;
use super::refusal::ApprovalRefusal;
use crate::domain::entry::{
    Action, ApprovalPurpose, Approve, ComponentChange, Deployment, DeploymentKind, StoredEntry,
};
use crate::domain::id::CommitId;
use crate::domain::name::Person;
use crate::domain::policy::{ApprovalBinding, ApprovalRequirement};
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::{Fact, SKEW};
use crate::domain::rules::findings::join_names;
use crate::domain::rules::key_trust;
use crate::domain::rules::matching::match_slots;
use crate::domain::time::Time;

/// The changes that need approval at one commit, and the approvals given.
pub(super) struct CommitApprovals<'a> {
    /// The commit.
    pub commit: CommitId,
    /// What the approvals must be for.
    pub purpose: ApprovalPurpose,
    /// The changes of components to this commit.
    pub changes: Vec<&'a ComponentChange>,
    /// The environment's requirements.
    pub requirements: &'a [ApprovalRequirement],
    /// For each requirement, the people whose approval counts for it.
    pub approvers: Vec<BTreeSet<Person>>,
    /// For each person whose approval counts for none of the requirements that name the person, the
    /// reason.
    pub refused: BTreeMap<Person, ApprovalRefusal>,
}

/// An approval: one that the state stores, or one to be written.
pub(super) struct GivenApproval<'a> {
    /// The approver.
    pub by: &'a Person,
    /// When it was given.
    pub at: Time,
    /// What it approves.
    pub approve: &'a Approve,
}

/// The requirements that an approval counts for.
pub(super) struct RequirementMatch {
    /// The indexes of these requirements.
    pub counting: Vec<usize>,
    /// Why the approval does not count for another requirement that names the approver.
    pub refusal: Option<ApprovalRefusal>,
}

/// Returns everyone whose approval counts for any of the commits.
pub(super) fn approvers(groups: &[CommitApprovals<'_>]) -> BTreeSet<Person> {
    groups
        .iter()
        .flat_map(|group| &group.approvers)
        .flatten()
        .cloned()
        .collect()
}

/// Returns the approvals for each commit that components change to, and for each purpose there. An
/// `exec` changes nothing, but needs approval for every component that it names.
pub(super) fn commit_approvals<'c>(ctx: &'c Context<'_>) -> Fact<Vec<CommitApprovals<'c>>> {
    let (requirements, deployment) = (&ctx.environment()?.approvals, ctx.deployment()?);
    if requirements.is_empty() || is_exempt(deployment) {
        return Ok(Vec::new());
    }
    let mut groups: BTreeMap<(CommitId, ApprovalPurpose), Vec<&ComponentChange>> = BTreeMap::new();
    for change in &deployment.components {
        groups
            .entry((change.target.commit, deployment.purpose_of(change)))
            .or_default()
            .push(change);
    }
    let excluded = ExcludedPersons::find(ctx, requirements)?;
    let mut approvals_by_group = Vec::new();
    for ((commit, purpose), changes) in groups {
        let mut approvals = CommitApprovals::new(commit, purpose, changes, requirements);
        for (_, _, entry) in ctx
            .environment_state()?
            .approvals()
            .filter(|(approved_commit, _, _)| *approved_commit == commit)
        {
            if let Action::Approve(approve) = &entry.statement.action {
                approvals.add_approval(ctx, entry, approve, &excluded);
            }
        }
        approvals_by_group.push(approvals);
    }
    Ok(approvals_by_group)
}

impl<'a> CommitApprovals<'a> {
    /// Returns the changes to a commit, without any approval.
    pub fn new(
        commit: CommitId,
        purpose: ApprovalPurpose,
        changes: Vec<&'a ComponentChange>,
        requirements: &'a [ApprovalRequirement],
    ) -> Self {
        Self {
            commit,
            purpose,
            changes,
            requirements,
            approvers: vec![BTreeSet::new(); requirements.len()],
            refused: BTreeMap::new(),
        }
    }

    /// Adds an approval to each requirement that it counts for. If it counts for none, notes the
    /// reason.
    fn add_approval(
        &mut self,
        ctx: &Context<'_>,
        entry: &StoredEntry,
        approve: &Approve,
        excluded: &ExcludedPersons,
    ) {
        let person = &entry.statement.by;
        let approval = GivenApproval {
            by: person,
            at: entry.statement.at,
            approve,
        };
        let RequirementMatch {
            mut counting,
            mut refusal,
        } = self.match_requirements(ctx, &approval, excluded);
        if !counting.is_empty() && !key_trust::has_listed_key(ctx.policy, entry) {
            counting.clear();
            refusal = Some(ApprovalRefusal::RemovedKey);
        }
        if counting.is_empty() {
            self.refused
                .extend(refusal.map(|reason| (person.clone(), reason)));
        }
        for (index, approvers) in self.approvers.iter_mut().enumerate() {
            if counting.contains(&index) {
                approvers.insert(person.clone());
            }
        }
    }

    /// Matches an approval with the requirements that name the approver. `excluded` lists the people
    /// whom `prevent_self` may exclude.
    pub fn match_requirements(
        &self,
        ctx: &Context<'_>,
        approval: &GivenApproval<'_>,
        excluded: &ExcludedPersons,
    ) -> RequirementMatch {
        let mut matched = RequirementMatch {
            counting: Vec::new(),
            refusal: None,
        };
        let requirements = self.requirements.iter().enumerate();
        for (index, requirement) in requirements.filter(|(_, it)| it.by.contains(approval.by)) {
            match self.refuse_for(ctx, approval, requirement, excluded) {
                None => matched.counting.push(index),
                refusal => matched.refusal = refusal,
            }
        }
        matched
    }

    /// Returns why an approval does not count for a requirement; `None` if it does.
    fn refuse_for(
        &self,
        ctx: &Context<'_>,
        approval: &GivenApproval<'_>,
        requirement: &ApprovalRequirement,
        excluded: &ExcludedPersons,
    ) -> Option<ApprovalRefusal> {
        let approve = approval.approve;
        if ctx.policy.is_machine(approval.by) {
            return Some(ApprovalRefusal::Machine);
        }
        if approve.purpose != self.purpose {
            return Some(ApprovalRefusal::OtherPurpose);
        }
        if let Some(refusal) = excluded.refuse(requirement.prevent_self, approval.by) {
            return Some(refusal);
        }
        let expires = approve.expires.min(approval.at.plus(requirement.expires));
        // On a clock that is ahead by the tolerance, the approval has already expired.
        if expires <= ctx.now.plus(SKEW) {
            Some(ApprovalRefusal::Expired)
        } else if !self
            .changes
            .iter()
            .all(|change| approve.components.contains(&change.target.component))
        {
            Some(ApprovalRefusal::OtherComponents)
        } else if requirement.bind == ApprovalBinding::Plan
            // A branch update has no plans yet; the start that follows is checked.
            && ctx.statement.is_some()
            && !self.plans_match(ctx, approve)
        {
            Some(ApprovalRefusal::OtherPlan)
        } else {
            None
        }
    }

    /// Returns whether an approval covers exactly the plan of each component. A changed component
    /// with a `plan` command must have a plan.
    fn plans_match(&self, ctx: &Context<'_>, approve: &Approve) -> bool {
        let is_exec = ctx
            .deployment()
            .is_ok_and(|deployment| deployment.kind == DeploymentKind::Exec);
        self.changes.iter().all(|change| {
            let component = &change.target.component;
            let has_plan_command = ctx
                .policy
                .component(component)
                .is_some_and(|it| it.plan.is_some());
            let plan_required = has_plan_command && !change.is_removal() && !is_exec;
            approve.plans.get(component) == change.plan.as_ref()
                && (change.plan.is_some() || !plan_required)
        })
    }

    /// Returns one slot per required approval. A slot lists the people who can fill it.
    pub fn slots<'s>(
        &self,
        approvers_by_requirement: &'s [BTreeSet<Person>],
    ) -> Vec<&'s BTreeSet<Person>> {
        let requirements = self.requirements.iter().zip(approvers_by_requirement);
        requirements
            .flat_map(|(requirement, approvers)| (0..requirement.required).map(move |_| approvers))
            .collect()
    }

    /// Describes how many of the required approvals are given, and by whom.
    pub fn describe_tally(&self) -> String {
        let slots = self.slots(&self.approvers);
        let names: Vec<String> = match_slots(&slots)
            .into_iter()
            .flatten()
            .map(|person| format!("{person} ✓"))
            .collect();
        let tally = format!("{} of {}", names.len(), slots.len());
        if names.is_empty() {
            tally
        } else {
            format!("{tally}: {}", join_names(names))
        }
    }

    /// Puts the commit before a message, if there are several commits.
    pub fn prefix_commit(&self, groups: &[Self], detail: String) -> String {
        let commit = self.commit.short();
        match self.purpose {
            _ if groups.len() == 1 => detail,
            ApprovalPurpose::Destroy => format!("{commit} (removal): {detail}"),
            _ => format!("{commit}: {detail}"),
        }
    }
}

/// Returns whether an approval by a person would count for a requirement.
pub(super) fn may_approve(
    ctx: &Context<'_>,
    requirement: &ApprovalRequirement,
    person: &Person,
    excluded: &ExcludedPersons,
) -> bool {
    requirement.by.contains(person)
        && !ctx.policy.is_machine(person)
        && excluded.refuse(requirement.prevent_self, person).is_none()
}

/// Returns whether a deployment requires no approval, whatever its environment requires.
pub(super) fn is_exempt(deployment: &Deployment) -> bool {
    deployment.kind == DeploymentKind::Rollback || deployment.break_glass.is_some()
}
