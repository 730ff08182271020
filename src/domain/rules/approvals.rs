//! Approvals: every seat is filled by a different person who may fill it.
//!
//! Seats of overlapping groups are a matching of slots and people, never a count a group. A commit is approved for itself: a
//! deployment of components at several commits needs the seats filled for each.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::list;
use super::matching::fill;
use super::{Context, Facts, Known, Request, answer, key_trust, unless};
use crate::domain::entry::{
    Action, Approve, ComponentChange, Deployment, DeploymentKind, Intent, Publish, StoredEntry,
};
use crate::domain::id::CommitId;
use crate::domain::name::Person;
use crate::domain::policy::{Bind, Policy, Seat};
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Rule};

const RULE: Rule = Rule::Approvals;

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    answer(RULE, judge(ctx))
}

/// Everyone whose approval counts for a `start`, `record` or `publish`: what its `approvedBy` must say, whatever it says now. Nobody where
/// none is asked for: without seats, for a rollback, with the glass broken. Nobody either where a fact is missing; the verdict then is
/// "cannot tell" in any case.
pub fn counting(
    policy: &Policy,
    request: &Request<'_>,
    facts: &Facts,
    now: Time,
) -> BTreeSet<Person> {
    let ctx = Context::new(policy, *request, facts, now);
    let counting = match ctx.statement.map(|statement| &statement.action) {
        Some(Action::Publish(publish)) => {
            consenting_admins(&ctx, publish).map(|(_, persons)| persons)
        }
        Some(Action::Start(_) | Action::Record(_)) => asked(&ctx).map(|asked| persons(&asked)),
        _ => Ok(BTreeSet::new()),
    };
    counting.unwrap_or_default()
}

fn judge(ctx: &Context<'_>) -> Known<Vec<Check>> {
    if let Some(Action::Publish(publish)) = ctx.statement.map(|statement| &statement.action) {
        return published(ctx, publish);
    }
    let (asked, deployment) = (asked(ctx)?, ctx.deployment()?);
    let mut against = Vec::new();
    if ctx.statement.is_some() {
        against.extend(misnamed(&deployment.approved_by, &persons(&asked)));
    }
    let unasked = ctx.environment()?.approvals.is_empty() || not_asked(deployment);
    if deployment.kind == DeploymentKind::Exec && asked.is_empty() && !unasked {
        // Consent is to components at a commit: a command that names none would need nobody's.
        against.push(Check::fail(
            RULE,
            "a command that names no component cannot be approved: name those that run",
        ));
    }
    let mut filled = Vec::new();
    for one in &asked {
        match one.missing(ctx)? {
            Some(detail) => {
                let destroys = one
                    .changes
                    .iter()
                    .any(|change| change.intent == Intent::Destroy);
                let more = match deployment.kind {
                    // What is there already is approved only by its name.
                    DeploymentKind::Destroy => {
                        let names = one
                            .changes
                            .iter()
                            .map(|it| format!(" --component {}", it.target.component));
                        names.collect::<Vec<_>>().concat()
                    }
                    _ if destroys => " --destroy".to_owned(),
                    _ => String::new(),
                };
                let command = format!(
                    "git deploy approve {} {}{more}",
                    ctx.shown(),
                    one.commit.short()
                );
                against.push(Check::fail(RULE, one.named(&asked, detail)).remedy(command));
            }
            None => filled.push(one.named(&asked, one.tally())),
        }
    }
    Ok(match unasked {
        true => against,
        false if against.is_empty() => vec![Check::pass(RULE, list(filled))],
        false => unless(RULE, against),
    })
}

/// What an entry says of who approved must be so: messages and notes repeat it.
fn misnamed(named: &[Person], counting: &BTreeSet<Person>) -> Option<Check> {
    let show = |names: String| {
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names
        }
    };
    (!named.iter().eq(counting)).then(|| {
        let (named, counting) = (show(list(named)), show(list(counting)));
        Check::fail(
            RULE,
            format!("it says approved by {named}, and the approvals that count are of {counting}"),
        )
    })
}

fn not_asked(deployment: &Deployment) -> bool {
    deployment.kind == DeploymentKind::Rollback || deployment.break_glass.is_some()
}

/// What must be approved at one commit, and who did.
struct Asked<'a> {
    commit: CommitId,
    changes: Vec<&'a ComponentChange>,
    seats: &'a [Seat],
    /// For each seat, those whose approval counts for it.
    consents: Vec<BTreeSet<Person>>,
    /// Those whose approval counts for no seat they could fill, and why.
    refused: BTreeMap<Person, &'static str>,
}

fn persons(asked: &[Asked<'_>]) -> BTreeSet<Person> {
    asked
        .iter()
        .flat_map(|one| &one.consents)
        .flatten()
        .cloned()
        .collect()
}

/// One for each commit that is to be changed to; an `exec` changes nothing and is asked for all that it names.
fn asked<'c>(ctx: &'c Context<'_>) -> Known<Vec<Asked<'c>>> {
    let (seats, deployment) = (&ctx.environment()?.approvals, ctx.deployment()?);
    if seats.is_empty() || not_asked(deployment) {
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
        key_trust::involved(ctx)?
    } else {
        BTreeSet::new()
    };
    let mut asked = Vec::new();
    for (commit, changes) in commits {
        let consents = vec![BTreeSet::new(); seats.len()];
        let mut one = Asked {
            commit,
            changes,
            seats,
            consents,
            refused: BTreeMap::new(),
        };
        for (_, _, kept) in ctx.here()?.approvals().filter(|(it, _, _)| *it == commit) {
            if let Action::Approve(approve) = &kept.statement.action {
                one.add(ctx, kept, approve, &involved)?;
            }
        }
        asked.push(one);
    }
    Ok(asked)
}

impl Asked<'_> {
    fn add(
        &mut self,
        ctx: &Context<'_>,
        kept: &StoredEntry,
        approve: &Approve,
        involved: &BTreeSet<Person>,
    ) -> Known<()> {
        let person = &kept.statement.by;
        let mut why = None;
        let mut seats = Vec::new();
        for (index, seat) in self
            .seats
            .iter()
            .enumerate()
            .filter(|(_, seat)| seat.by.contains(person))
        {
            match self.against(ctx, kept, approve, seat, involved) {
                None => seats.push(index),
                Some(reason) => why = Some(reason),
            }
        }
        // The key is asked for last: of an approval that would not count anyway it need not be known.
        if !seats.is_empty() && !key_trust::counts(ctx, kept)? {
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

    fn against(
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

    fn tally(&self) -> String {
        let slots = self.slots(&self.consents);
        let holders: Vec<String> = fill(&slots)
            .into_iter()
            .flatten()
            .map(|person| format!("{person} ✓"))
            .collect();
        let tally = format!("{} of {}", holders.len(), slots.len());
        if holders.is_empty() {
            tally
        } else {
            format!("{tally}: {}", list(holders))
        }
    }

    /// The line about one of several commits says which.
    fn named(&self, all: &[Self], detail: String) -> String {
        if all.len() == 1 {
            detail
        } else {
            format!("{}: {detail}", self.commit.short())
        }
    }

    /// Says who is missing; `None` if nobody is.
    fn missing(&self, ctx: &Context<'_>) -> Known<Option<String>> {
        let slots = self.slots(&self.consents);
        let filled = fill(&slots).into_iter().flatten().count();
        if filled == slots.len() {
            return Ok(None);
        }
        let helpful = self.helpful(ctx, filled)?;
        let tally = self.tally();
        let needs = match (slots.len() - filled, helpful.len()) {
            (_, 0) => "and nobody is left who may".to_owned(),
            (1, 1) => format!("needs {}", list(&helpful)),
            (1, _) => format!("needs one of {}", list(&helpful)),
            (missing, _) => format!("needs {missing} more, of {}", list(&helpful)),
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
    fn helpful(&self, ctx: &Context<'_>, filled: usize) -> Known<BTreeSet<Person>> {
        let guarded = self.seats.iter().any(|seat| seat.prevent_self);
        let involved = if guarded {
            key_trust::involved(ctx)?
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
            fill(&self.slots(&consents)).into_iter().flatten().count() > filled
        };
        Ok(all.into_iter().filter(helps).cloned().collect())
    }
}

/// How many admins must approve a policy besides its publisher, and who did.
fn consenting_admins(ctx: &Context<'_>, publish: &Publish) -> Known<(u32, BTreeSet<Person>)> {
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
    let may = others(ctx, ctx.policy.admins(&chain.root_keys));
    let mut consents = BTreeSet::new();
    for kept in ctx.state()?.policy_approvals() {
        let digest = matches!(&kept.statement.action, Action::PolicyApprove(it) if it.digest == publish.digest);
        if digest && may.contains(&kept.statement.by) && key_trust::counts(ctx, kept)? {
            consents.insert(kept.statement.by.clone());
        }
    }
    Ok((required, consents))
}

/// The persons among some who neither sign nor request the entry.
fn others(ctx: &Context<'_>, all: BTreeSet<Person>) -> BTreeSet<Person> {
    let own = |person: &Person| {
        ctx.statement
            .is_some_and(|it| it.by == *person || it.requested_by.as_ref() == Some(person))
    };
    all.into_iter()
        .filter(|person| !ctx.policy.is_machine(person) && !own(person))
        .collect()
}

fn published(ctx: &Context<'_>, publish: &Publish) -> Known<Vec<Check>> {
    let (required, consents) = consenting_admins(ctx, publish)?;
    let mut against: Vec<Check> = misnamed(&publish.approved_by, &consents)
        .into_iter()
        .collect();
    if required == 0 {
        return Ok(against);
    }
    let filled: Vec<String> = consents
        .iter()
        .map(|person| format!("{person} ✓"))
        .collect();
    let tally = format!("{} of {required}", filled.len());
    let tally = if filled.is_empty() {
        tally
    } else {
        format!("{tally}: {}", list(filled))
    };
    if usize::try_from(required).is_ok_and(|required| consents.len() >= required) {
        return Ok(if against.is_empty() {
            vec![Check::pass(RULE, tally)]
        } else {
            against
        });
    }
    let root_keys = ctx
        .facts
        .chain
        .as_ref()
        .map_or(&[][..], |chain| &chain.root_keys);
    let may = others(ctx, ctx.policy.admins(root_keys));
    let left = may.difference(&consents);
    let needs = format!("{tally}, needs {}", list(left));
    against.push(Check::fail(RULE, needs).remedy("git deploy policy approve"));
    Ok(against)
}

#[cfg(test)]
mod tests;
