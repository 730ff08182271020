//! The rule `approvals`: each required approval is given by a different person who may give it.
//!
//! Requirements with overlapping groups are a matching of slots and people, never a count per group. Each commit is approved for
//! itself: a deployment of components at several commits needs the approvals for each.

mod approved_by;
mod commit_approvals;
mod publish;

use std::collections::BTreeSet;

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::RuleDefinition;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::findings::join_names;
use super::request::RequestContext;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::{Action, DeploymentKind, Intent};
use crate::domain::name::Person;
<<<<<<< int-policy
use crate::domain::policy::{ApprovalRequirement, Bind, Policy};
use crate::domain::time::Time;
||||||| vbase
use crate::domain::policy::{Bind, Policy, Seat};
use crate::domain::time::Time;
=======
>>>>>>> int-rules
use crate::domain::verdict::{Check, Rule};

use approved_by::check_approved_by;
use commit_approvals::{CommitApprovals, approvers, commit_approvals, is_exempt};
use publish::{check_publish, consenting_admins};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Approvals,
    name: "approvals",
    description: "Enough different people approved what changes, and `approvedBy` names exactly those whose approval counts.",
    faced_by: RequestKinds::of(&[
        RequestKind::Deploy,
        RequestKind::Hotfix,
        RequestKind::Destroy,
        RequestKind::Exec,
        RequestKind::Merge,
        RequestKind::Publish,
        // These require no approval, and so must not name any.
        RequestKind::Rollback,
        RequestKind::BreakGlass,
    ]),
    hotfix_skip: None,
    reads: &[],
    needs,
    check,
};

fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    match (subject.kind, subject.environment) {
        (RequestKind::Publish, _) => vec![FactNeed::ApprovalSigners],
        (RequestKind::Rollback | RequestKind::BreakGlass, _) | (_, None) => Vec::new(),
        (_, Some(environment)) => {
            let required = &environment.approvals;
            let signers = (!required.is_empty()).then_some(FactNeed::ApprovalSigners);
            let prevent_self = required.iter().any(|seat| seat.prevent_self);
            let authors = prevent_self.then_some(FactNeed::Authors);
            signers.into_iter().chain(authors).collect()
        }
    }
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Approvals, judge(ctx))
}

/// Returns everyone whose approval counts for a `start`, `record` or `publish`; empty if a fact is missing.
pub(super) fn counting_approvers(ctx: &Context<'_>) -> BTreeSet<Person> {
    let counting = match ctx.statement.map(|statement| &statement.action) {
        Some(Action::Publish(publish)) => {
            consenting_admins(ctx, publish).map(|(_, persons)| persons)
        }
        Some(Action::Start(_) | Action::Record(_)) => {
            commit_approvals(ctx).map(|requests| approvers(&requests))
        }
        _ => Ok(BTreeSet::new()),
    };
    counting.unwrap_or_default()
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    if let Some(Action::Publish(publish)) = ctx.statement.map(|statement| &statement.action) {
        return check_publish(ctx, publish);
    }
    let (approvals, deployment) = (commit_approvals(ctx)?, ctx.deployment()?);
    let mut violations = Vec::new();
    if ctx.statement.is_some() {
        violations.extend(check_approved_by(
            &deployment.approved_by,
            &approvers(&approvals),
        ));
    }
    let not_required = ctx.environment()?.approvals.is_empty() || is_exempt(deployment);
    if deployment.kind == DeploymentKind::Exec && approvals.is_empty() && !not_required {
        // An approval is for components at a commit: a command that names none would need no approval.
        violations.push(Check::fail(
            Rule::Approvals,
            "a command that names no component cannot be approved: name those that run",
        ));
    }
    let mut filled = Vec::new();
    for one in &approvals {
        match one.describe_missing(ctx)? {
            Some(detail) => violations.push(
                Check::fail(Rule::Approvals, one.prefix_commit(&approvals, detail))
                    .remedy(approve_command(ctx, deployment.kind, one)),
            ),
            None => filled.push(one.prefix_commit(&approvals, one.describe_tally())),
        }
    }
    Ok(match not_required {
        true => violations,
        false if violations.is_empty() => vec![Check::pass(Rule::Approvals, join_names(filled))],
        false => pass_if_none(Rule::Approvals, violations),
    })
}

<<<<<<< int-policy
/// What an entry says of who approved must be so: messages and notes repeat it.
fn check_approved_by(named: &[Person], counting: &BTreeSet<Person>) -> Option<Check> {
    let show = |names: String| {
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names
        }
    };
    (!named.iter().eq(counting)).then(|| {
        let (named, counting) = (show(join_names(named)), show(join_names(counting)));
        Check::fail(
            RULE,
            format!("it says approved by {named}, and the approvals that count are of {counting}"),
        )
    })
}

fn is_exempt(deployment: &Deployment) -> bool {
    deployment.kind == DeploymentKind::Rollback || deployment.break_glass.is_some()
}

/// What must be approved at one commit, and who did.
struct ApprovalRequest<'a> {
    commit: CommitId,
    changes: Vec<&'a ComponentChange>,
    seats: &'a [ApprovalRequirement],
    /// For each seat, those whose approval counts for it.
    consents: Vec<BTreeSet<Person>>,
    /// Those whose approval counts for no seat they could fill, and why.
    refused: BTreeMap<Person, &'static str>,
}

fn approvers(asked: &[ApprovalRequest<'_>]) -> BTreeSet<Person> {
    asked
||||||| vbase
/// What an entry says of who approved must be so: messages and notes repeat it.
fn check_approved_by(named: &[Person], counting: &BTreeSet<Person>) -> Option<Check> {
    let show = |names: String| {
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names
        }
    };
    (!named.iter().eq(counting)).then(|| {
        let (named, counting) = (show(join_names(named)), show(join_names(counting)));
        Check::fail(
            RULE,
            format!("it says approved by {named}, and the approvals that count are of {counting}"),
        )
    })
}

fn is_exempt(deployment: &Deployment) -> bool {
    deployment.kind == DeploymentKind::Rollback || deployment.break_glass.is_some()
}

/// What must be approved at one commit, and who did.
struct ApprovalRequest<'a> {
    commit: CommitId,
    changes: Vec<&'a ComponentChange>,
    seats: &'a [Seat],
    /// For each seat, those whose approval counts for it.
    consents: Vec<BTreeSet<Person>>,
    /// Those whose approval counts for no seat they could fill, and why.
    refused: BTreeMap<Person, &'static str>,
}

fn approvers(asked: &[ApprovalRequest<'_>]) -> BTreeSet<Person> {
    asked
=======
/// Returns the command that approves what is missing at one commit.
fn approve_command(ctx: &Context<'_>, kind: DeploymentKind, one: &CommitApprovals<'_>) -> String {
    let destroys = one
        .changes
>>>>>>> int-rules
        .iter()
<<<<<<< int-policy
        .flat_map(|one| &one.consents)
        .flatten()
        .cloned()
        .collect()
}

/// One for each commit that is to be changed to; an `exec` changes nothing and is asked for all that it names.
fn approval_requests<'c>(ctx: &'c Context<'_>) -> Fact<Vec<ApprovalRequest<'c>>> {
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
        let mut one = ApprovalRequest {
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

impl ApprovalRequest<'_> {
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
        // The key is asked for last: of an approval that would not count anyway it need not be known.
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
            Some("a machine never approves")
        } else if seat.prevent_self && involved.contains(person) {
            Some("nobody approves what they wrote or start")
        } else if approve.expires <= ctx.now || kept.statement.at.plus(seat.expires) <= ctx.now {
            Some("it has expired")
        } else if !self
||||||| vbase
        .flat_map(|one| &one.consents)
        .flatten()
        .cloned()
        .collect()
}

/// One for each commit that is to be changed to; an `exec` changes nothing and is asked for all that it names.
fn approval_requests<'c>(ctx: &'c Context<'_>) -> Fact<Vec<ApprovalRequest<'c>>> {
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
        let mut one = ApprovalRequest {
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

impl ApprovalRequest<'_> {
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
        // The key is asked for last: of an approval that would not count anyway it need not be known.
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

    fn reason_not_counted(
        &self,
        ctx: &Context<'_>,
        kept: &StoredEntry,
        approve: &Approve,
        seat: &Seat,
        involved: &BTreeSet<Person>,
    ) -> Option<&'static str> {
        let person = &kept.statement.by;
        if ctx.policy.is_machine(person) {
            Some("a machine never approves")
        } else if seat.prevent_self && involved.contains(person) {
            Some("nobody approves what they wrote or start")
        } else if approve.expires <= ctx.now || kept.statement.at.plus(seat.expires) <= ctx.now {
            Some("it has expired")
        } else if !self
=======
        .any(|change| change.intent == Intent::Destroy);
    let options = match kind {
        // A running component is approved for destruction only by its name.
        DeploymentKind::Destroy => one
>>>>>>> int-rules
            .changes
            .iter()
<<<<<<< int-policy
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

    /// Whether it is the present plan of each component that was approved. One that the policy has planned must have a plan. A branch
    /// has none yet: the start that follows is asked.
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

    /// A slot for each person that a seat asks for.
    fn slots<'s>(&self, consents: &'s [BTreeSet<Person>]) -> Vec<&'s BTreeSet<Person>> {
        let seats = self.seats.iter().zip(consents);
        seats
            .flat_map(|(seat, who)| (0..seat.required).map(move |_| who))
            .collect()
    }

    fn describe_tally(&self) -> String {
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

    /// The line about one of several commits says which.
    fn prefix_commit(&self, all: &[Self], detail: String) -> String {
        if all.len() == 1 {
            detail
        } else {
            format!("{}: {detail}", self.commit.short())
        }
    }

    /// Says who is missing; `None` if nobody is.
    fn describe_missing(&self, ctx: &Context<'_>) -> Fact<Option<String>> {
        let slots = self.slots(&self.consents);
        let filled = match_slots(&slots).into_iter().flatten().count();
        if filled == slots.len() {
            return Ok(None);
        }
        let helpful = self.eligible_approvers(ctx, filled)?;
        let tally = self.describe_tally();
        let needs = match (slots.len() - filled, helpful.len()) {
            (_, 0) => "and nobody is left who may".to_owned(),
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

    /// Those whose approval would fill one more slot.
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

/// How many admins must approve a policy besides its publisher, and who did.
fn consenting_admins(ctx: &Context<'_>, publish: &Publish) -> Fact<(u32, BTreeSet<Person>)> {
    let chain = ctx
        .facts
        .chain
        .as_ref()
        .ok_or("the policy's ledger was not read")?;
    let required = ctx.policy.admin_rules.approvals;
    // The first has no policy in force that could ask, and a recovery nobody left to ask; the signer rule guards both.
    if chain.sequence == 0 || publish.recovered || required == 0 {
        return Ok((0, BTreeSet::new()));
    }
    let may = exclude_signers(ctx, ctx.policy.admins(&chain.root_keys));
    let mut consents = BTreeSet::new();
    for kept in ctx.state()?.policy_approvals() {
        let digest = matches!(&kept.statement.action, Action::PolicyApprove(it) if it.digest == publish.digest);
        if digest && may.contains(&kept.statement.by) && key_trust::has_listed_key(ctx, kept)? {
            consents.insert(kept.statement.by.clone());
        }
    }
    Ok((required, consents))
}

/// The persons among some who neither sign nor request the entry.
fn exclude_signers(ctx: &Context<'_>, all: BTreeSet<Person>) -> BTreeSet<Person> {
    let own = |person: &Person| {
        ctx.statement
            .is_some_and(|it| it.by == *person || it.requested_by.as_ref() == Some(person))
||||||| vbase
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

    /// Whether it is the present plan of each component that was approved. One that the policy has planned must have a plan. A branch
    /// has none yet: the start that follows is asked.
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

    /// A slot for each person that a seat asks for.
    fn slots<'s>(&self, consents: &'s [BTreeSet<Person>]) -> Vec<&'s BTreeSet<Person>> {
        let seats = self.seats.iter().zip(consents);
        seats
            .flat_map(|(seat, who)| (0..seat.required).map(move |_| who))
            .collect()
    }

    fn describe_tally(&self) -> String {
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

    /// The line about one of several commits says which.
    fn prefix_commit(&self, all: &[Self], detail: String) -> String {
        if all.len() == 1 {
            detail
        } else {
            format!("{}: {detail}", self.commit.short())
        }
    }

    /// Says who is missing; `None` if nobody is.
    fn describe_missing(&self, ctx: &Context<'_>) -> Fact<Option<String>> {
        let slots = self.slots(&self.consents);
        let filled = match_slots(&slots).into_iter().flatten().count();
        if filled == slots.len() {
            return Ok(None);
        }
        let helpful = self.eligible_approvers(ctx, filled)?;
        let tally = self.describe_tally();
        let needs = match (slots.len() - filled, helpful.len()) {
            (_, 0) => "and nobody is left who may".to_owned(),
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

    /// Those whose approval would fill one more slot.
    fn eligible_approvers(&self, ctx: &Context<'_>, filled: usize) -> Fact<BTreeSet<Person>> {
        let guarded = self.seats.iter().any(|seat| seat.prevent_self);
        let involved = if guarded {
            key_trust::involved_persons(ctx)?
        } else {
            BTreeSet::new()
        };
        let may = |seat: &Seat, person: &Person| {
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

/// How many admins must approve a policy besides its publisher, and who did.
fn consenting_admins(ctx: &Context<'_>, publish: &Publish) -> Fact<(u32, BTreeSet<Person>)> {
    let chain = ctx
        .facts
        .chain
        .as_ref()
        .ok_or("the policy's ledger was not read")?;
    let required = ctx.policy.change.approvals;
    // The first has no policy in force that could ask, and a recovery nobody left to ask; the signer rule guards both.
    if chain.sequence == 0 || publish.recovered || required == 0 {
        return Ok((0, BTreeSet::new()));
    }
    let may = exclude_signers(ctx, ctx.policy.admins(&chain.root_keys));
    let mut consents = BTreeSet::new();
    for kept in ctx.state()?.policy_approvals() {
        let digest = matches!(&kept.statement.action, Action::PolicyApprove(it) if it.digest == publish.digest);
        if digest && may.contains(&kept.statement.by) && key_trust::has_listed_key(ctx, kept)? {
            consents.insert(kept.statement.by.clone());
        }
    }
    Ok((required, consents))
}

/// The persons among some who neither sign nor request the entry.
fn exclude_signers(ctx: &Context<'_>, all: BTreeSet<Person>) -> BTreeSet<Person> {
    let own = |person: &Person| {
        ctx.statement
            .is_some_and(|it| it.by == *person || it.requested_by.as_ref() == Some(person))
=======
            .map(|it| format!(" --component {}", it.target.component))
            .collect::<Vec<_>>()
            .concat(),
        _ if destroys => " --destroy".to_owned(),
        _ => String::new(),
>>>>>>> int-rules
    };
    let (environment, commit) = (ctx.environment_label(), one.commit.short());
    format!("git deploy approve {environment} {commit}{options}")
}

#[cfg(test)]
mod tests;
