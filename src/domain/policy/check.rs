//! What must hold between the parts of a policy: names that resolve, no cycles, nothing claimed twice, nothing that can never be met.
//!
//! A rule that nobody could ever satisfy is a mistake here, not a lock-out in the middle of a deployment.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ErrorCollector, suggest_nearest};
use super::{ApprovalRequirement, Environment, Policy};
use crate::domain::name::{EnvName, Person};

/// Reports what does not hold.
pub(super) fn check(policy: &Policy, out: &ErrorCollector<'_>) {
    names(policy, out);
    branches(policy, out);
    promotions(policy, out);
    dependencies(policy, out);
    policy
        .all_environments()
        .for_each(|environment| checks(policy, environment, out));
    // Who is enough for what can only be told when it is known who there is.
    if out.is_empty() {
        change(policy, out);
        policy
            .all_environments()
            .for_each(|environment| approvals(environment, out));
    }
}

/// The key of an environment in the file.
fn path(environment: &Environment, key: &str) -> String {
    let star = if environment.ephemeral.is_some() {
        "-*"
    } else {
        ""
    };
    format!("environments.{}{star}{key}", environment.name)
}

fn names(policy: &Policy, out: &ErrorCollector<'_>) {
    for prefix in policy.patterns.keys() {
        let pattern = format!("environments.{prefix}-*");
        if policy.environments.contains_key(prefix) {
            out.add_for_key(
                &pattern,
                format!("its ledger would be that of the environment \"{prefix}\""),
                Some("rename one of them"),
            );
        }
        for other in policy.environments.keys().chain(policy.patterns.keys()) {
            if other
                .as_str()
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.starts_with('-'))
            {
                out.add_for_key(
                    &pattern,
                    format!("it would also match \"{other}\""),
                    Some("rename one of them"),
                );
            }
        }
    }
}

fn branches(policy: &Policy, out: &ErrorCollector<'_>) {
    let mut bound = BTreeMap::new();
    for environment in policy.environments.values() {
        if let Some(branch) = &environment.branch
            && let Some(other) = bound.insert(branch, &environment.name)
        {
            let what = format!(
                "the branch {branch} stands for the environment {other} already; one branch, one environment"
            );
            out.add_for_key(&path(environment, ".branch"), what, None);
        }
    }
}

fn promotions(policy: &Policy, out: &ErrorCollector<'_>) {
    for environment in policy.all_environments() {
        if let Some(from) = &environment.promote_from
            && !policy.environments.contains_key(from)
        {
            let what = format!("\"{from}\" is not an environment of this policy");
            let hint = if policy.environment(from).is_some() {
                Some(
                    "ephemeral environments come and go, so nothing is promoted from them"
                        .to_owned(),
                )
            } else {
                suggest_nearest(
                    from.as_str(),
                    policy.environments.keys().map(EnvName::as_str),
                )
            };
            out.add_for_key(&path(environment, ".promote_from"), what, hint.as_deref());
        }
    }
    let edges = policy.environments.values().map(|it| {
        (
            it.name.as_str(),
            it.promote_from.iter().map(EnvName::as_str).collect(),
        )
    });
    if let Some(cycle) = find_cycle(edges.collect()) {
        let key = format!(
            "environments.{}.promote_from",
            cycle.first().copied().unwrap_or_default()
        );
        out.add_for_key(
            &key,
            format!(
                "environments wait for each other in a circle: {}",
                cycle.join(" → ")
            ),
            None,
        );
    }
}

fn dependencies(policy: &Policy, out: &ErrorCollector<'_>) {
    let edges = policy.components.values().map(|it| {
        (
            it.name.as_str(),
            it.depends_on.iter().map(AsRef::as_ref).collect(),
        )
    });
    if let Some(cycle) = find_cycle(edges.collect()) {
        let key = format!(
            "components.{}.depends_on",
            cycle.first().copied().unwrap_or_default()
        );
        out.add_for_key(
            &key,
            format!(
                "components depend on each other in a circle: {}",
                cycle.join(" → ")
            ),
            None,
        );
    }
}

/// A circle in a graph, its first name repeated at the end; `None` if there is none.
fn find_cycle<'n>(mut edges: BTreeMap<&'n str, BTreeSet<&'n str>>) -> Option<Vec<&'n str>> {
    // Whatever leads nowhere is on no circle: taken away again and again, with the edges into it, until nothing changes.
    let mut into: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let known: BTreeSet<&str> = edges.keys().copied().collect();
    for (from, to) in &mut edges {
        to.retain(|name| known.contains(name));
        for name in to.iter() {
            into.entry(name).or_default().push(from);
        }
    }
    let mut free: Vec<&str> = edges
        .iter()
        .filter(|(_, to)| to.is_empty())
        .map(|(name, _)| *name)
        .collect();
    while let Some(name) = free.pop() {
        edges.remove(name);
        for from in into.get(name).into_iter().flatten() {
            if let Some(to) = edges.get_mut(from)
                && to.remove(name)
                && to.is_empty()
            {
                free.push(from);
            }
        }
    }
    // Everything left leads to something left, so a walk must come back to where it was.
    let (mut walk, mut name) = (Vec::new(), *edges.keys().next()?);
    let mut seen = BTreeMap::new();
    loop {
        if let Some(start) = seen.insert(name, walk.len()) {
            walk.push(name);
            return Some(walk.split_off(start));
        }
        walk.push(name);
        name = edges.get(name)?.first()?;
    }
}

fn change(policy: &Policy, out: &ErrorCollector<'_>) {
    let everyone: BTreeSet<Person> = policy.people.keys().cloned().collect();
    let admins = policy
        .admin_rules
        .admins
        .as_ref()
        .map_or(&everyone, |admins| admins.persons());
    let persons = admins
        .iter()
        .filter(|admin| !policy.is_machine(admin))
        .count();
    // A machine may publish, and then takes no one's place.
    let publisher = usize::from(persons == admins.len());
    if policy.admin_rules.approvals > 0
        && (policy.admin_rules.approvals as usize) + publisher > persons
    {
        let what = format!(
            "{} must approve besides the one who publishes, and the admins are only {persons} {}: no policy could be published again",
            policy.admin_rules.approvals,
            if persons == 1 { "person" } else { "people" },
        );
        out.add_for_key(
            "policy.approvals",
            what,
            Some("name more admins or ask for fewer approvals"),
        );
    }
}

fn checks(policy: &Policy, environment: &Environment, out: &ErrorCollector<'_>) {
    let key = path(environment, ".checks");
    for check in &environment.checks {
        if let Some(name) = &check.environment
            && policy.environment(name).is_none()
        {
            let hint = suggest_nearest(
                name.as_str(),
                policy.environments.keys().map(EnvName::as_str),
            );
            out.add_for_key(
                &key,
                format!("\"{name}\" is not an environment of this policy"),
                hint.as_deref(),
            );
        }
        let Some(listed) = &policy.checks else {
            continue;
        };
        match (listed.get(&check.predicate_type), &check.by) {
            (None, _) => {
                let what = format!(
                    "{} is asked for, but [checks] accepts it from nobody",
                    check.predicate_type
                );
                out.add_for_key(&key, what, Some("say under [checks] by whom it counts"));
            }
            (Some(accepted), Some(by)) if by.persons().is_disjoint(accepted.persons()) => {
                let what = format!(
                    "{} by {by} is asked for, but [checks] accepts it from {accepted} only",
                    check.predicate_type
                );
                out.add_for_key(&key, what, None);
            }
            _ => {}
        }
    }
}

fn approvals(environment: &Environment, out: &ErrorCollector<'_>) {
    let key = path(environment, ".approvals");
    let seats = &environment.approvals;
    let required: u32 = seats.iter().map(|seat| seat.required).sum();
    let Some(filled) = assign_approvers(seats, None) else {
        let eligible: BTreeSet<&Person> = seats.iter().flat_map(|seat| seat.by.persons()).collect();
        let what = format!(
            "{required} different people must approve, and of the {} who may, too few fill every seat (a machine never does)",
            eligible.len()
        );
        out.add_for_key(
            &key,
            what,
            Some("name more people or ask for fewer approvals"),
        );
        return;
    };
    // Whoever starts does not approve. Without a starter's own seat, somebody must still be able to start.
    let stuck = |deployer: &Person| {
        filled.contains(deployer) && assign_approvers(seats, Some(deployer)).is_none()
    };
    if !environment.deployers.persons().is_empty()
        && environment.deployers.persons().iter().all(stuck)
    {
        let what = format!(
            "{required} people other than the one who deploys must approve, and whoever of {} deploys, too few are left",
            environment.deployers
        );
        out.add_for_key(
            &key,
            what,
            Some("name more people or deployers, ask for fewer approvals, or set prevent_self = false"),
        );
    }
}

/// People who together fill all seats, each one seat; `None` if nobody can. The starter fills none that prevents it.
fn assign_approvers<'s>(
    seats: &'s [ApprovalRequirement],
    starter: Option<&Person>,
) -> Option<BTreeSet<&'s Person>> {
    let slots: Vec<&ApprovalRequirement> = seats
        .iter()
        .flat_map(|seat| (0..seat.required).map(move |_| seat))
        .collect();
    let mut holder = BTreeMap::new();
    for slot in 0..slots.len() {
        if !assign(slot, &slots, starter, &mut holder, &mut BTreeSet::new()) {
            return None;
        }
    }
    Some(holder.into_keys().collect())
}

/// Finds somebody for a slot, moving others where that helps (an augmenting path; as deep as there are slots, at most 20).
fn assign<'s>(
    slot: usize,
    slots: &[&'s ApprovalRequirement],
    starter: Option<&Person>,
    holder: &mut BTreeMap<&'s Person, usize>,
    tried: &mut BTreeSet<&'s Person>,
) -> bool {
    let Some(seat) = slots.get(slot) else {
        return false;
    };
    for person in seat.by.persons() {
        if seat.prevent_self && Some(person) == starter || !tried.insert(person) {
            continue;
        }
        let free = match holder.get(person).copied() {
            None => true,
            Some(other) => assign(other, slots, starter, holder, tried),
        };
        if free {
            holder.insert(person, slot);
            return true;
        }
    }
    false
}
