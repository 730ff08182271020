//! `[people]`: people and machines with their keys, and the sets of them that rules name.
//!
//! Groups are expanded when the policy is read: a [`Members`] contains only people and machines
//! that the policy lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::reader::TomlValue;
use super::table::{TextForm, ValueForm};
use super::table_macros::policy_table;
use crate::domain::email::Email;
use crate::domain::id::PublicKey;
use crate::domain::name::Person;

/// A minisign public key.
const PUBLIC_KEY: TextForm = TextForm::new("public key", "^RW[A-Za-z0-9+/]{54}$");
const EMAIL: TextForm = TextForm::new("e-mail address", "^[^@\\s<>]+@[^\\s<>]+$");

/// What the values of `[people]` look like.
pub(super) const PERSON: ValueForm = ValueForm::Either(&[
    ValueForm::Text(&PUBLIC_KEY),
    ValueForm::Table(&PersonSpec::TABLE),
]);

policy_table! {
    /// A person or machine of `[people]`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct PersonSpec, read with (field, claims: &mut IdentityClaims<'_>);

    keys {
        /// The current minisign public key: the second line of a `.pub` file.
        pub key: PublicKey {
            form: ValueForm::Text(&PUBLIC_KEY),
            example: "\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"",
            used_as: "person_of_key",
            required: field.read(|value| claims.claim_key(value, KeyStatus::Current)),
        }
        /// Earlier keys. A retired key cannot sign anything new, except the outcome of a deployment
        /// that it started; its earlier signatures still count. Remove a stolen key instead of
        /// retiring it: then none of its signatures count.
        pub retired: Vec<PublicKey> {
            form: ValueForm::OneOrMore(&ValueForm::Text(&PUBLIC_KEY)),
            example: "\"RWQBAQEBAQEBAQEHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\"",
            used_as: "person_of_key",
            read: field.read_each(|value| claims.claim_key(value, KeyStatus::Retired)),
        }
        /// The e-mail addresses that the person commits with; case does not matter. `prevent_self`
        /// uses them to find the authors of newly deployed commits.
        pub emails: BTreeSet<String> {
            form: ValueForm::OneOrMore(&ValueForm::Text(&EMAIL)),
            example: "[\"alice@example.com\"]",
            used_as: "person_of_email",
            read: field.read_each(|value| claims.claim_email(value)).into_iter().collect(),
        }
        /// Whether this is a machine. A machine may deploy and sign attestations; it cannot
        /// approve, break glass or unlock.
        pub machine: bool {
            form: ValueForm::Flag,
            example: "true",
            default: "`false`",
            used_as: "is_machine",
            read: field.flag().unwrap_or(false),
        }
    }
}

/// Reads a value of `[people]`: a key, or a table.
pub(super) fn read_person(
    value: &TomlValue<'_>,
    claims: &mut IdentityClaims<'_>,
) -> Option<PersonSpec> {
    if value.is_table() {
        return PersonSpec::read(&value.fields(&PersonSpec::TABLE), claims);
    }
    Some(PersonSpec {
        key: claims.claim_key(value, KeyStatus::Current)?,
        retired: Vec::new(),
        emails: BTreeSet::new(),
        machine: false,
    })
}

/// Whether a key may still sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// The person's current key.
    Current,
    /// An earlier key of the person, which cannot sign anything new.
    Retired,
}

/// Collects all keys and addresses, and reports one that belongs to two people.
pub(super) struct IdentityClaims<'a> {
    /// The person whose entry is being read.
    pub(super) owner: &'a Person,
    pub(super) keys: &'a mut BTreeMap<PublicKey, (Person, KeyStatus)>,
    pub(super) emails: &'a mut BTreeMap<String, Person>,
}

impl IdentityClaims<'_> {
    fn claim_key(&mut self, value: &TomlValue<'_>, status: KeyStatus) -> Option<PublicKey> {
        let key: PublicKey = value.parse()?;
        if let Some((other, _)) = self.keys.insert(key, (self.owner.clone(), status)) {
            value.report(
                format!("this key already belongs to {other}; list each key only once"),
                None,
            );
        }
        Some(key)
    }

    /// Reads an address and lowers its case.
    fn claim_email(&mut self, value: &TomlValue<'_>) -> Option<String> {
        let address = value.text()?.to_ascii_lowercase();
        if address.parse::<Email>().is_err() {
            value.report(
                format!("{address:?} is not an e-mail address such as alice@example.com"),
                None,
            );
            return None;
        }
        match self.emails.insert(address.clone(), self.owner.clone()) {
            Some(other) if other != *self.owner => value.report(
                format!(
                    "{address} is an address of {other} already; it can belong to one person only"
                ),
                None,
            ),
            _ => {}
        }
        Some(address)
    }
}

/// A set of people and machines that a rule names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    persons: Arc<BTreeSet<Person>>,
    /// The names of people and groups as the policy writes them; empty for a default.
    listed_names: Vec<String>,
}

impl Members {
    pub(super) fn new(persons: Arc<BTreeSet<Person>>, listed_names: Vec<String>) -> Self {
        Self {
            persons,
            listed_names,
        }
    }

    /// Checks whether the person is one of the members.
    pub fn contains(&self, person: &Person) -> bool {
        self.persons.contains(person)
    }

    /// Returns the persons, in order of name.
    pub fn persons(&self) -> &BTreeSet<Person> {
        &self.persons
    }

    /// Returns the names of people and groups as the policy writes them; none if this is a default.
    pub fn listed_names(&self) -> &[String] {
        &self.listed_names
    }
}

impl fmt::Display for Members {
    /// Writes the names as the policy has them, or the names of the persons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = if self.listed_names.is_empty() {
            self.persons.iter().map(Person::to_string).collect()
        } else {
            self.listed_names.clone()
        };
        f.pad(&names.join(", "))
    }
}
