//! What changes for whom from one policy to another: people, groups, admins, environments,
//! components and the other rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::Policy;
use super::describe::{DescribeTable, DescribeValue as _, ValueText, is_default};
use super::table::TableKey;
use crate::domain::id::PublicKey;

/// What kind of thing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangedSubject {
    /// A person or a machine.
    Person,
    /// A group.
    Group,
    /// Who may change the policy.
    Admins,
    /// An environment, or a pattern of ephemeral ones.
    Environment,
    /// A component.
    Component,
    /// A key at the top of the file.
    Project,
}

/// How something changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Some of its keys differ.
    Changed,
}

/// A changed thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectChange {
    /// What kind of thing it is.
    pub subject: ChangedSubject,
    /// Its name; empty for the admins and the top of the file.
    pub name: String,
    /// How it changes.
    pub kind: ChangeKind,
    /// The keys that differ, or those of a new thing.
    pub keys: Vec<KeyChange>,
}

/// A key whose value changes. The two values can have the same description: then the change is known,
/// but not described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// The key.
    pub key: &'static str,
    /// The values before; none if there was none.
    pub before: ValueText,
    /// The values after.
    pub after: ValueText,
}

impl KeyChange {
    /// Checks whether the descriptions tell the two values apart.
    pub fn is_described(&self) -> bool {
        self.before.to_list() != self.after.to_list()
    }
}

/// The keys at the top of the file that other subjects describe.
const OTHER_SUBJECTS: [&str; 5] = ["people", "groups", "policy", "environments", "components"];

/// Compares two policies. The project's root keys decide who the admins are by default.
pub fn compare_policies(old: &Policy, new: &Policy, root_keys: &[PublicKey]) -> Vec<SubjectChange> {
    let mut changes = compare_named(ChangedSubject::Person, &old.people, &new.people);
    let groups = |policy: &Policy| {
        let members = policy.groups.iter();
        let describe =
            |(name, members): (&_, &BTreeSet<_>)| (ToString::to_string(name), members.describe());
        members.map(describe).collect::<BTreeMap<_, _>>()
    };
    changes.extend(compare_groups(&groups(old), &groups(new)));
    changes.extend(compare_admins(old, new, root_keys));
    let mut environments = compare_named(
        ChangedSubject::Environment,
        &by_display_name(old),
        &by_display_name(new),
    );
    let order: Vec<String> = new
        .environments_in_order()
        .into_iter()
        .map(super::Environment::display_name)
        .collect();
    environments.sort_by_key(|it| {
        let position = order.iter().position(|name| *name == it.name);
        position.unwrap_or(order.len())
    });
    changes.extend(environments);
    changes.extend(compare_named(
        ChangedSubject::Component,
        &old.components,
        &new.components,
    ));
    let is_own = |key: &KeyChange| !OTHER_SUBJECTS.contains(&key.key);
    let keys = compare_keys(Some(old), Some(new))
        .into_iter()
        .filter(is_own);
    changes.extend(changed(
        ChangedSubject::Project,
        String::new(),
        keys.collect(),
    ));
    changes
}

fn by_display_name(policy: &Policy) -> BTreeMap<String, super::Environment> {
    policy
        .all_environments()
        .map(|environment| (environment.display_name(), environment.clone()))
        .collect()
}

/// Compares the tables of two maps, such as the environments.
fn compare_named<N: Ord + Display, T: DescribeTable + PartialEq>(
    subject: ChangedSubject,
    old: &BTreeMap<N, T>,
    new: &BTreeMap<N, T>,
) -> Vec<SubjectChange> {
    let names: BTreeSet<&N> = old.keys().chain(new.keys()).collect();
    let compare = |name: &N| {
        let (before, after) = (old.get(name), new.get(name));
        let kind = match (before, after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            (Some(before), Some(after)) if before == after => return None,
            _ => ChangeKind::Changed,
        };
        let keys = match kind {
            ChangeKind::Removed => Vec::new(),
            _ => compare_keys(before, after),
        };
        (kind != ChangeKind::Changed || !keys.is_empty()).then(|| SubjectChange {
            subject,
            name: name.to_string(),
            kind,
            keys,
        })
    };
    names.into_iter().filter_map(compare).collect()
}

/// Compares the values of two tables key by key. If one is missing, lists what the other states.
fn compare_keys<T: DescribeTable>(old: Option<&T>, new: Option<&T>) -> Vec<KeyChange> {
    let values = |table: Option<&T>| table.map(T::describe_keys).unwrap_or_default();
    let (old_keys, new_keys) = (values(old), values(new));
    let differing = old
        .zip(new)
        .map(|(old, new)| new.compare_values(old))
        .unwrap_or_default();
    let is_listed = |index: usize, change: &KeyChange, key: &TableKey| {
        let differs = differing.get(index).is_some_and(|it| *it) || change.is_described();
        differs && (old.is_some() || !need_not_be_stated(key, &change.after))
    };
    let find = |name: &str| {
        let value = old_keys.iter().find(|(key, _)| key.name == name);
        value.map_or(ValueText::Nothing, |(_, value)| value.clone())
    };
    let mut changes: Vec<KeyChange> = new_keys
        .into_iter()
        .enumerate()
        .filter_map(|(index, (key, after))| {
            let change = KeyChange {
                key: key.name,
                before: find(key.name),
                after,
            };
            is_listed(index, &change, key).then_some(change)
        })
        .collect();
    // By default, those who deploy may roll back.
    if let Some(deployers) = changes.iter().find(|it| it.key == "deployers").cloned() {
        let follows = |it: &KeyChange| {
            it.key == "rollback_by" && it.before == deployers.before && it.after == deployers.after
        };
        changes.retain(|it| !follows(it));
    }
    changes
}

/// Checks whether a new thing need not state this value, because it is the default.
fn need_not_be_stated(key: &TableKey, value: &ValueText) -> bool {
    match value {
        ValueText::Text(text) => is_default(key, text),
        ValueText::Default(_) => true,
        _ => false,
    }
}

fn compare_groups(
    old: &BTreeMap<String, ValueText>,
    new: &BTreeMap<String, ValueText>,
) -> Vec<SubjectChange> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let compare = |name: &String| {
        let (before, after) = (old.get(name), new.get(name));
        let kind = match (before, after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        };
        let members = KeyChange {
            key: "members",
            before: before.cloned().unwrap_or(ValueText::Nothing),
            after: after.cloned().unwrap_or(ValueText::Nothing),
        };
        (before != after).then(|| SubjectChange {
            subject: ChangedSubject::Group,
            name: name.clone(),
            kind,
            keys: vec![members],
        })
    };
    names.into_iter().filter_map(compare).collect()
}

fn compare_admins(old: &Policy, new: &Policy, root_keys: &[PublicKey]) -> Option<SubjectChange> {
    let admins = |policy: &Policy| policy.admins(root_keys).describe();
    let admins = KeyChange {
        key: "admins",
        before: admins(old),
        after: admins(new),
    };
    let others = compare_keys(Some(&old.admin_rules), Some(&new.admin_rules));
    let mut keys: Vec<KeyChange> = others.into_iter().filter(|it| it.key != "admins").collect();
    if admins.is_described() || old.admin_rules.admins != new.admin_rules.admins {
        keys.insert(0, admins);
    }
    changed(ChangedSubject::Admins, String::new(), keys)
}

fn changed(subject: ChangedSubject, name: String, keys: Vec<KeyChange>) -> Option<SubjectChange> {
    (!keys.is_empty()).then_some(SubjectChange {
        subject,
        name,
        kind: ChangeKind::Changed,
        keys,
    })
}

#[cfg(test)]
mod tests;
