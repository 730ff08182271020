//! The people and groups of a policy: reads `[people]` and `[groups]`, and resolves their names
//! elsewhere in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::suggest_nearest;
use super::people::{IdentityClaims, KeyStatus, Members, PersonSpec, read_person};
use super::reader::{NamedValue, TomlValue};
use crate::domain::id::PublicKey;
use crate::domain::name::{GroupName, Person};

/// The largest number of people, and also of groups.
pub(super) const MAX_PEOPLE: usize = 2_000;

/// The people and groups of the file.
pub(super) struct Roster {
    pub(super) people: BTreeMap<Person, PersonSpec>,
    pub(super) groups: BTreeMap<GroupName, BTreeSet<Person>>,
    pub(super) keys: BTreeMap<PublicKey, (Person, KeyStatus)>,
    pub(super) emails: BTreeMap<String, Person>,
    /// All names that the file declares, even with an invalid value, so that a use of such a name is
    /// not reported as a second error.
    declared: BTreeSet<String>,
    /// Everyone under `[people]`.
    pub(super) everyone: Members,
    /// Everyone who is not a machine.
    pub(super) all_persons: Members,
}

impl Roster {
    /// Reads the entries of `[people]` and `[groups]`.
    pub(super) fn read(people: &[NamedValue<'_>], groups: &[NamedValue<'_>]) -> Self {
        let no_one = Members::new(Arc::default(), Vec::new());
        let mut roster = Self {
            people: BTreeMap::new(),
            groups: BTreeMap::new(),
            keys: BTreeMap::new(),
            emails: BTreeMap::new(),
            declared: BTreeSet::new(),
            everyone: no_one.clone(),
            all_persons: no_one,
        };
        for entry in people {
            roster.add_person(entry);
        }
        let everyone: BTreeSet<Person> = roster.people.keys().cloned().collect();
        let persons = roster.without_machines(&everyone);
        roster.all_persons = Members::new(Arc::new(persons), Vec::new());
        roster.everyone = Members::new(Arc::new(everyone), Vec::new());
        for entry in groups {
            roster.add_group(entry);
        }
        roster
    }

    fn add_person(&mut self, entry: &NamedValue<'_>) {
        self.declared.insert(entry.key.to_owned());
        let Some(name) = entry.parse_name::<Person>() else {
            return;
        };
        let mut claims = IdentityClaims {
            owner: &name,
            keys: &mut self.keys,
            emails: &mut self.emails,
        };
        if let Some(spec) = read_person(&entry.value, &mut claims) {
            self.people.insert(name, spec);
        }
    }

    fn add_group(&mut self, entry: &NamedValue<'_>) {
        if !self.declared.insert(entry.key.to_owned()) {
            entry.report(
                "this name already belongs to a person; people and groups share one name space",
                None,
            );
        }
        let list = entry.value.list();
        if list.is_empty() {
            entry.report("a group must have at least one member", None);
        }
        let members = list
            .iter()
            .filter_map(|value| self.group_member(value, entry.key))
            .collect();
        if let Some(name) = entry.parse_name::<GroupName>() {
            self.groups.insert(name, members);
        }
    }

    fn group_member(&self, value: &TomlValue<'_>, group: &str) -> Option<Person> {
        let name = value.text()?;
        if let Some((person, _)) = self.people.get_key_value(name) {
            return Some(person.clone());
        }
        if self.groups.contains_key(name) || name == group {
            let message = format!("{name:?} is a group, and a group can contain people only");
            value.report(message, None);
        } else if !self.declared.contains(name) {
            value.report(
                format!("{name:?} is not listed under [people]"),
                suggest_nearest(name, self.people.keys().map(Person::as_str)),
            );
        }
        None
    }

    fn without_machines(&self, persons: &BTreeSet<Person>) -> BTreeSet<Person> {
        let is_person = |name: &&Person| self.people.get(*name).is_some_and(|spec| !spec.machine);
        persons.iter().filter(is_person).cloned().collect()
    }

    /// Resolves the people and groups that a value names.
    pub(super) fn members(&self, value: &TomlValue<'_>) -> Option<Members> {
        let (mut persons, mut listed_names) = (BTreeSet::new(), Vec::new());
        let list = value.list();
        for value in &list {
            let Some(name) = value.text() else { continue };
            if let Some(group) = self.groups.get(name) {
                persons.extend(group.iter().cloned());
            } else if let Some((person, _)) = self.people.get_key_value(name) {
                persons.insert(person.clone());
            } else if !self.declared.contains(name) {
                let candidates = self.declared.iter().map(String::as_str);
                value.report(
                    format!("{name:?} is neither a person nor a group of this policy"),
                    suggest_nearest(name, candidates),
                );
            }
            listed_names.push(name.to_owned());
        }
        if list.is_empty() {
            let hint = "leave the key out for its default".to_owned();
            value.report("the list is empty", Some(hint));
        }
        (!persons.is_empty()).then(|| Members::new(Arc::new(persons), listed_names))
    }

    /// Resolves the people that a value names, without machines. Reports an error if no person is
    /// left. `action` completes its message: "a machine never approves".
    pub(super) fn persons(&self, value: &TomlValue<'_>, action: &str) -> Option<Members> {
        let members = self.members(value)?;
        let persons = self.without_machines(members.persons());
        if persons.is_empty() {
            value.report(
                format!("it names machines only, and a machine never {action}"),
                None,
            );
        }
        Some(Members::new(
            Arc::new(persons),
            members.listed_names().to_vec(),
        ))
    }
}
