//! Checks the parts of a policy against each other: names resolve, nothing is circular or claimed
//! twice, every rule can be met.
//!
//! A rule that no one could ever satisfy is an error in the file. Otherwise it would block a
//! deployment later.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ErrorCollector, suggest_nearest};
use super::{ApprovalRequirement, Environment, Policy};
use crate::domain::count::count;
use crate::domain::name::{EnvName, Person};

/// Reports every contradiction.
pub(super) fn check(policy: &Policy, errors: &ErrorCollector<'_>) {
    check_patterns(policy, errors);
    check_branches(policy, errors);
    check_promotions(policy, errors);
    check_dependencies(policy, errors);
    check_renames(policy, errors);
    policy
        .all_environments()
        .for_each(|environment| check_attestations(policy, environment, errors));
    // Whether there are enough approvers depends on a correct list of people.
    if errors.is_empty() {
        check_admin_approvals(policy, errors);
        policy
            .all_environments()
            .for_each(|environment| check_approvals(environment, errors));
    }
}

/// Returns the path of an environment's key in the file.
fn key_path(environment: &Environment, key: &str) -> String {
    let suffix = if environment.ephemeral.is_some() {
        "-*"
    } else {
        ""
    };
    format!("environments.{}{suffix}{key}", environment.name)
}

fn check_patterns(policy: &Policy, errors: &ErrorCollector<'_>) {
    for prefix in policy.patterns.keys() {
        let pattern = format!("environments.{prefix}-*");
        if policy.environments.contains_key(prefix) {
            errors.add_for_key(
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
                errors.add_for_key(
                    &pattern,
                    format!("it would also match \"{other}\""),
                    Some("rename one of them"),
                );
            }
        }
    }
}

/// Reports an old name that two components claim: only one can continue its history.
fn check_renames(policy: &Policy, errors: &ErrorCollector<'_>) {
    let mut owners = BTreeMap::new();
    for component in policy.components.values() {
        for old in &component.renamed_from {
            if let Some(other) = owners.insert(old, &component.name) {
                errors.add_for_key(
                    &format!("components.{}.renamed_from", component.name),
                    format!("{other} is renamed from {old} already"),
                    None,
                );
            }
        }
    }
}

fn check_branches(policy: &Policy, errors: &ErrorCollector<'_>) {
    let mut branch_owners = BTreeMap::new();
    for environment in policy.environments.values() {
        if let Some(branch) = &environment.branch
            && let Some(other) = branch_owners.insert(branch, &environment.name)
        {
            let message = format!(
                "the branch {branch} belongs to the environment {other} already; a branch can belong to one environment only"
            );
            errors.add_for_key(&key_path(environment, ".branch"), message, None);
        }
    }
}

fn check_promotions(policy: &Policy, errors: &ErrorCollector<'_>) {
    for environment in policy.all_environments() {
        let is_unknown = |from: &&EnvName| !policy.environments.contains_key(*from);
        for from in environment.promote_from.iter().filter(is_unknown) {
            let message = format!("\"{from}\" is not an environment of this policy");
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
            errors.add_for_key(
                &key_path(environment, ".promote_from"),
                message,
                hint.as_deref(),
            );
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
        errors.add_for_key(
            &key,
            format!(
                "environments promote from each other in a circle: {}",
                cycle.join(" → ")
            ),
            None,
        );
    }
}

fn check_dependencies(policy: &Policy, errors: &ErrorCollector<'_>) {
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
        errors.add_for_key(
            &key,
            format!(
                "components depend on each other in a circle: {}",
                cycle.join(" → ")
            ),
            None,
        );
    }
}

/// Finds a cycle in a graph and returns it with its first name repeated at the end; `None` if there
/// is none.
fn find_cycle<'n>(mut edges: BTreeMap<&'n str, BTreeSet<&'n str>>) -> Option<Vec<&'n str>> {
    // A node without outgoing edges is on no cycle: remove such nodes, with their incoming edges,
    // until there is none.
    let mut incoming: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let nodes: BTreeSet<&str> = edges.keys().copied().collect();
    for (from, to) in &mut edges {
        to.retain(|name| nodes.contains(name));
        for name in to.iter() {
            incoming.entry(name).or_default().push(from);
        }
    }
    let mut leaves: Vec<&str> = edges
        .iter()
        .filter(|(_, to)| to.is_empty())
        .map(|(name, _)| *name)
        .collect();
    while let Some(name) = leaves.pop() {
        edges.remove(name);
        for from in incoming.get(name).into_iter().flatten() {
            if let Some(to) = edges.get_mut(from)
                && to.remove(name)
                && to.is_empty()
            {
                leaves.push(from);
            }
        }
    }
    // Each remaining node has an edge to another one, so a walk must return to a node that it has
    // visited.
    let (mut walk, mut name) = (Vec::new(), *edges.keys().next()?);
    let mut visited = BTreeMap::new();
    loop {
        if let Some(start) = visited.insert(name, walk.len()) {
            walk.push(name);
            return Some(walk.split_off(start));
        }
        walk.push(name);
        name = edges.get(name)?.first()?;
    }
}

fn check_admin_approvals(policy: &Policy, errors: &ErrorCollector<'_>) {
    let everyone: BTreeSet<Person> = policy.people.keys().cloned().collect();
    // Without `admins` they follow from the project's root keys, which the file does not have: the
    // rule `approvals` checks them when the policy is published.
    let admins = policy
        .admin_rules
        .admins
        .as_ref()
        .map_or(&everyone, |admins| admins.persons());
    if let Some(message) = policy.describe_admin_shortage(admins) {
        errors.add_for_key(
            "policy.approvals",
            message,
            Some("name more admins or ask for fewer approvals"),
        );
    }
}

fn check_attestations(policy: &Policy, environment: &Environment, errors: &ErrorCollector<'_>) {
    let key = key_path(environment, ".checks");
    for check in &environment.checks {
        if let Some(name) = &check.environment
            && policy.environment(name).is_none()
        {
            let hint = suggest_nearest(
                name.as_str(),
                policy.environments.keys().map(EnvName::as_str),
            );
            errors.add_for_key(
                &key,
                format!("\"{name}\" is not an environment of this policy"),
                hint.as_deref(),
            );
        }
        let Some(accepted_signers) = &policy.checks else {
            continue;
        };
        match (accepted_signers.get(&check.predicate_type), &check.by) {
            (None, _) => {
                let message = format!(
                    "{} is required, but [checks] accepts it from no one",
                    check.predicate_type
                );
                errors.add_for_key(&key, message, Some("list the type under [checks]"));
            }
            (Some(accepted), Some(by)) if by.persons().is_disjoint(accepted.persons()) => {
                let message = format!(
                    "{} by {by} is required, but [checks] accepts it from {accepted} only",
                    check.predicate_type
                );
                errors.add_for_key(&key, message, None);
            }
            _ => {}
        }
    }
}

fn check_approvals(environment: &Environment, errors: &ErrorCollector<'_>) {
    let key = key_path(environment, ".approvals");
    let requirements = &environment.approvals;
    let required: u32 = requirements.iter().map(|it| it.required).sum();
    let Some(approvers) = assign_approvers(requirements, None) else {
        let eligible: BTreeSet<&Person> =
            requirements.iter().flat_map(|it| it.by.persons()).collect();
        let message = format!(
            "it needs approvals by {}, and the eligible people ({}, without machines) cannot meet all requirements",
            count(required, "different person"),
            eligible.len()
        );
        errors.add_for_key(
            &key,
            message,
            Some("name more people or ask for fewer approvals"),
        );
        return;
    };
    // A deployer who is needed as an approver cannot deploy, so at least one deployer must not be
    // needed.
    let is_needed = |deployer: &Person| {
        approvers.contains(deployer) && assign_approvers(requirements, Some(deployer)).is_none()
    };
    if !environment.deployers.persons().is_empty()
        && environment.deployers.persons().iter().all(is_needed)
    {
        let message = format!(
            "it needs {} by people other than the one who deploys, and too few are left, whichever of {} deploys",
            count(required, "approval"),
            environment.deployers
        );
        errors.add_for_key(
            &key,
            message,
            Some("name more people or deployers, ask for fewer approvals, or set prevent_self = false"),
        );
    }
}

impl Policy {
    /// Returns why these admins could not publish another policy, because too few of them can
    /// approve it; `None` if they could.
    pub fn describe_admin_shortage(&self, admins: &BTreeSet<Person>) -> Option<String> {
        let required = self.admin_rules.approvals;
        let persons = admins
            .iter()
            .filter(|admin| !self.is_machine(admin))
            .count();
        // If an admin is a machine, it can publish, and then every person can approve.
        let must_publish_as_person = persons == admins.len();
        let needed = required as usize + usize::from(must_publish_as_person);
        (required > 0 && needed > persons).then(|| {
            format!(
                "it needs {} in addition to the publisher's signature, but the admins include only {}: no policy could be published again",
                count(required, "approval"),
                count(persons, "person"),
            )
        })
    }
}

/// Finds people who together meet all requirements, each person once; `None` if there are too few.
/// The deployer does not count for a requirement that excludes the starter (`prevent_self`).
fn assign_approvers<'s>(
    requirements: &'s [ApprovalRequirement],
    deployer: Option<&Person>,
) -> Option<BTreeSet<&'s Person>> {
    let slots: Vec<&ApprovalRequirement> = requirements
        .iter()
        .flat_map(|requirement| (0..requirement.required).map(move |_| requirement))
        .collect();
    let mut assigned = BTreeMap::new();
    for slot in 0..slots.len() {
        if !assign_slot(slot, &slots, deployer, &mut assigned, &mut BTreeSet::new()) {
            return None;
        }
    }
    Some(assigned.into_keys().collect())
}

/// Finds a person for a slot, moving others to free one up (an augmenting path). Returns whether the
/// slot was filled. The recursion is at most as deep as there are slots: 20. `assigned` maps each
/// chosen person to a slot.
fn assign_slot<'s>(
    slot: usize,
    slots: &[&'s ApprovalRequirement],
    deployer: Option<&Person>,
    assigned: &mut BTreeMap<&'s Person, usize>,
    tried: &mut BTreeSet<&'s Person>,
) -> bool {
    let Some(requirement) = slots.get(slot) else {
        return false;
    };
    for person in requirement.by.persons() {
        if requirement.prevent_self.excludes_starters() && Some(person) == deployer
            || !tried.insert(person)
        {
            continue;
        }
        let is_free = match assigned.get(person).copied() {
            None => true,
            Some(other) => assign_slot(other, slots, deployer, assigned, tried),
        };
        if is_free {
            assigned.insert(person, slot);
            return true;
        }
    }
    false
}
