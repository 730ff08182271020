//! Reads a `deploy.toml` from its top: the project, people and groups, and what holds for all environments.
//!
//! Broken parts are replaced by defaults while reading goes on; any finding at all means that no policy comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::error::{ErrorCollector, suggest_nearest};
use super::reader::{NamedValue, TableFields, TomlValue};
use super::{
    AdminRules, KeyStatus, MAX_BYTES, Members, PersonSpec, Policy, PolicyErrors, PredicateType,
    UnownedPaths, check, parse_component, parse_environment, parse_notify, schema,
};
use crate::domain::id::PublicKey;
use crate::domain::name::{GroupName, Person, ProjectName};

/// The most people, and the most groups.
const MOST_PEOPLE: usize = 2_000;
/// The most types in `[checks]`.
const MOST_TYPES: usize = 200;

/// Reads and validates a policy.
pub(super) fn parse(text: &str) -> Result<Policy, PolicyErrors> {
    let findings = ErrorCollector::new(text);
    let policy = read(text, &findings);
    findings.into_result()?;
    // Without a finding there is a policy: what keeps `read` from making one is reported there.
    policy.ok_or_else(|| PolicyErrors::single("it holds no policy"))
}

fn read(text: &str, out: &ErrorCollector<'_>) -> Option<Policy> {
    if text.len() > MAX_BYTES {
        out.add(
            None,
            "",
            format!(
                "the file has {} bytes, at most {MAX_BYTES} are allowed",
                text.len()
            ),
            None,
        );
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    // The first alone: where a file is broken off, what follows is read as what it is not.
    if let Some(error) = errors.first() {
        let what = error
            .message()
            .split(", expected")
            .next()
            .unwrap_or_default();
        let merging = text
            .lines()
            .any(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> "));
        let hint = merging.then(|| "it holds the marks of a merge that is not done yet".to_owned());
        out.add(
            error.span().map(|span| span.start),
            "",
            format!("not valid TOML: {what}"),
            hint,
        );
        return None;
    }
    let document = DeValue::Table(document.into_inner());
    read_document(&TomlValue::root(&document, out), out)
}

fn read_document<'a>(root: &TomlValue<'a>, out: &'a ErrorCollector<'a>) -> Option<Policy> {
    // A file of another schema may hold keys that are unknown here: all that can be said is that it is of another schema.
    let schema = root
        .named_values(usize::MAX)
        .into_iter()
        .find(|entry| entry.key == "schema")
        .map(|entry| entry.value);
    match schema {
        None => out.add(
            None,
            "",
            "the key \"schema\" is missing",
            Some("begin the file with schema = 1".to_owned()),
        ),
        Some(node) if node.number(1, u32::MAX)? != 1 => {
            node.report(
                "this git-deploy knows schema 1 only",
                Some("install a newer git-deploy".to_owned()),
            );
            return None;
        }
        Some(_) => {}
    }
    let fields = root.fields(&schema::TOP);
    let project: Option<ProjectName> = fields.with("project", TomlValue::parse);
    if fields.get("project").is_none() {
        let hint = "add project = \"NAME\", which never changes".to_owned();
        out.add(None, "", "the key \"project\" is missing", Some(hint));
    }
    let cast = Roster::read(&fields, out);
    let notify = parse_notify::notify(&fields).unwrap_or_default();
    let (environments, patterns) = parse_environment::all(&fields, &cast, &notify);
    let project = project?;
    let policy = Policy {
        components: parse_component::all(&fields, &project),
        admin_rules: change_rules(&fields, &cast),
        checks: fields.get("checks").map(|node| vouchers(&node, &cast)),
        artifacts: fields
            .get("artifacts")
            .and_then(|node| cast.members_at(&node.fields(&schema::ARTIFACTS), "by"))
            .unwrap_or_else(|| cast.everyone.clone()),
        unowned: fields
            .word(
                "unowned",
                &[("gated", UnownedPaths::Gated), ("free", UnownedPaths::Free)],
            )
            .unwrap_or(UnownedPaths::Gated),
        project,
        environments,
        patterns,
        people: cast.people,
        groups: cast.groups,
        keys: cast.keys,
        emails: cast.emails,
    };
    check::check(&policy, out);
    Some(policy)
}

fn change_rules(fields: &TableFields<'_>, cast: &Roster) -> AdminRules {
    let Some(node) = fields.get("policy") else {
        return AdminRules {
            admins: None,
            approvals: 0,
        };
    };
    let fields = node.fields(&schema::CHANGE);
    AdminRules {
        admins: cast.members_at(&fields, "admins"),
        approvals: fields.number("approvals").unwrap_or(0),
    }
}

fn vouchers(node: &TomlValue<'_>, cast: &Roster) -> BTreeMap<PredicateType, Members> {
    let mut checks = BTreeMap::new();
    for entry in node.named_values(MOST_TYPES) {
        let by = entry.value.fields(&schema::VOUCHERS);
        let members = by
            .need("by")
            .and_then(|node| cast.members(&node))
            .unwrap_or_else(|| cast.everyone.clone());
        if let Some(predicate_type) = entry.parse_name::<PredicateType>()
            && checks.insert(predicate_type, members).is_some()
        {
            entry.report(
                "this type is listed twice, by its short name and by its URI",
                None,
            );
        }
    }
    checks
}

/// The people and groups of the file.
pub(super) struct Roster {
    people: BTreeMap<Person, PersonSpec>,
    groups: BTreeMap<GroupName, BTreeSet<Person>>,
    keys: BTreeMap<PublicKey, (Person, KeyStatus)>,
    emails: BTreeMap<String, Person>,
    /// Names that the file declares, also where their value is broken: naming them is no further mistake.
    declared: BTreeSet<String>,
    /// Everyone listed.
    pub(super) everyone: Members,
    /// Everyone who is not a machine.
    pub(super) persons: Members,
}

impl Roster {
    fn read(fields: &TableFields<'_>, out: &ErrorCollector<'_>) -> Self {
        let nobody = Members::new(Arc::default(), Vec::new());
        let mut cast = Self {
            people: BTreeMap::new(),
            groups: BTreeMap::new(),
            keys: BTreeMap::new(),
            emails: BTreeMap::new(),
            declared: BTreeSet::new(),
            everyone: nobody.clone(),
            persons: nobody,
        };
        let people = fields
            .get("people")
            .map(|node| node.named_values(MOST_PEOPLE))
            .unwrap_or_default();
        if people.is_empty() && out.is_empty() {
            let hint = "add [people] with a line such as alice = \"RW…\", the second line of her minisign .pub file";
            fields.node.report(
                "nobody is listed, so nobody could sign anything",
                Some(hint.to_owned()),
            );
        }
        for entry in &people {
            cast.person(entry);
        }
        let everyone: BTreeSet<Person> = cast.people.keys().cloned().collect();
        cast.persons = Members::new(Arc::new(cast.without_machines(&everyone)), Vec::new());
        cast.everyone = Members::new(Arc::new(everyone), Vec::new());
        for entry in fields
            .get("groups")
            .map(|node| node.named_values(MOST_PEOPLE))
            .unwrap_or_default()
        {
            cast.group(&entry);
        }
        cast
    }

    fn person(&mut self, entry: &NamedValue<'_>) {
        self.declared.insert(entry.key.to_owned());
        let node = &entry.value;
        let fields = node.is_table().then(|| node.fields(&schema::PERSON));
        let key_node = fields
            .as_ref()
            .map_or_else(|| Some(node.clone()), |fields| fields.need("key"));
        let retired = fields
            .as_ref()
            .and_then(|fields| fields.get("retired"))
            .map(|node| node.list())
            .unwrap_or_default();
        let (Some(name), Some(key_node)) = (entry.parse_name::<Person>(), key_node) else {
            return;
        };
        let key = self.key(&key_node, &name, KeyStatus::Current);
        let spec = PersonSpec {
            retired: retired
                .iter()
                .filter_map(|node| self.key(node, &name, KeyStatus::Retired))
                .collect(),
            emails: fields
                .as_ref()
                .map(|fields| fields.each("emails", |node| self.email(node, &name)))
                .into_iter()
                .flatten()
                .collect(),
            machine: fields
                .as_ref()
                .and_then(|fields| fields.with("machine", TomlValue::flag))
                .unwrap_or(false),
            key: match key {
                Some(key) => key,
                None => return,
            },
        };
        self.people.insert(name, spec);
    }

    fn key(
        &mut self,
        node: &TomlValue<'_>,
        owner: &Person,
        standing: KeyStatus,
    ) -> Option<PublicKey> {
        let key: PublicKey = node.parse()?;
        if let Some((other, _)) = self.keys.insert(key, (owner.clone(), standing)) {
            node.report(
                format!("this key is given to {other} already; a key belongs to one person, once"),
                None,
            );
        }
        Some(key)
    }

    fn email(&mut self, node: &TomlValue<'_>, owner: &Person) -> Option<String> {
        let address = node.text()?.to_ascii_lowercase();
        let plain = |character: char| {
            crate::domain::text::is_plain(character)
                && !character.is_whitespace()
                && !"<>".contains(character)
        };
        let parts = address
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        if !parts || address.len() > 254 || !address.chars().all(plain) {
            node.report(
                format!("{address:?} is not an e-mail address such as alice@example.com"),
                None,
            );
            return None;
        }
        match self.emails.insert(address.clone(), owner.clone()) {
            Some(other) if other != *owner => {
                node.report(
                    format!("{address} is an address of {other} already; it can belong to one person only"),
                    None,
                );
            }
            _ => {}
        }
        Some(address)
    }

    fn group(&mut self, entry: &NamedValue<'_>) {
        if !self.declared.insert(entry.key.to_owned()) {
            entry.report(
                "this name is a person's already; people and groups share one name space",
                None,
            );
        }
        let name = entry.parse_name::<GroupName>();
        let mut persons = BTreeSet::new();
        for node in entry.value.list() {
            let Some(word) = node.text() else { continue };
            if let Some(person) = self
                .people
                .get_key_value(word)
                .map(|(person, _)| person.clone())
            {
                persons.insert(person);
            } else if self.groups.contains_key(word)
                || word == entry.key && !self.people.contains_key(word)
            {
                node.report(
                    format!("{word:?} is a group; a group holds people only"),
                    None,
                );
            } else if !self.declared.contains(word) {
                node.report(
                    format!("{word:?} is not listed under [people]"),
                    suggest_nearest(word, self.people.keys().map(Person::as_str)),
                );
            }
        }
        if entry.value.list().is_empty() {
            entry.report("a group must hold somebody", None);
        }
        if let Some(name) = name {
            self.groups.insert(name, persons);
        }
    }

    fn without_machines(&self, persons: &BTreeSet<Person>) -> BTreeSet<Person> {
        let person = |name: &&Person| self.people.get(*name).is_some_and(|spec| !spec.machine);
        persons.iter().filter(person).cloned().collect()
    }

    /// The people and groups that a value names.
    pub(super) fn members(&self, node: &TomlValue<'_>) -> Option<Members> {
        let (mut persons, mut written) = (BTreeSet::new(), Vec::new());
        let list = node.list();
        for node in &list {
            let Some(word) = node.text() else { continue };
            if let Some(group) = self.groups.get(word) {
                persons.extend(group.iter().cloned());
            } else if let Some((person, _)) = self.people.get_key_value(word) {
                persons.insert(person.clone());
            } else if !self.declared.contains(word) {
                let known = self.declared.iter().map(String::as_str);
                node.report(
                    format!("{word:?} is neither a person nor a group of this policy"),
                    suggest_nearest(word, known),
                );
            }
            written.push(word.to_owned());
        }
        if list.is_empty() {
            node.report("it names nobody; leave the key out for its default", None);
        }
        (!persons.is_empty()).then(|| Members::new(Arc::new(persons), written))
    }

    /// The people and groups that a key names, if it is there.
    pub(super) fn members_at(&self, fields: &TableFields<'_>, key: &str) -> Option<Members> {
        fields.with(key, |node| self.members(node))
    }

    /// Those whom a key names who are not machines; at least one must be.
    pub(super) fn persons_at(
        &self,
        fields: &TableFields<'_>,
        key: &str,
        what: &str,
    ) -> Option<Members> {
        let node = fields.get(key)?;
        let members = self.members(&node)?;
        let persons = self.without_machines(members.persons());
        if persons.is_empty() {
            node.report(
                format!("it names machines only, and a machine never {what}"),
                None,
            );
        }
        Some(Members::new(Arc::new(persons), members.written().to_vec()))
    }
}
