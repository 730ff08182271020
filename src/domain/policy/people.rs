//! People and the sets of them that rules name.
//!
//! Groups are expanded when the policy is read: a [`Members`] always holds persons that the policy lists.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::domain::id::PublicKey;
use crate::domain::name::Person;

/// What the policy says of a person or machine: `[people]`, as a key alone or as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSpec {
    /// `key`: the minisign public key that signs now.
    pub key: PublicKey,
    /// `retired`: earlier keys. They sign nothing new (but the finish of their open run); what they signed still counts.
    pub retired: Vec<PublicKey>,
    /// `emails`: the addresses under which the person commits, in ASCII lower case; addresses are compared without regard to ASCII case.
    pub emails: BTreeSet<String>,
    /// `machine` (default false): a machine may deploy and vouch, but never approves, breaks glass or unlocks.
    pub machine: bool,
}

/// Whether a key may still sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// The person's key of today.
    Current,
    /// An earlier key of the person, which signs nothing new.
    Retired,
}

/// A set of people that a rule names, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    persons: Arc<BTreeSet<Person>>,
    written: Vec<String>,
}

impl Members {
    pub(super) fn new(persons: Arc<BTreeSet<Person>>, written: Vec<String>) -> Self {
        Self { persons, written }
    }

    /// Whether the person is one of them.
    pub fn contains(&self, person: &Person) -> bool {
        self.persons.contains(person)
    }

    /// The persons, in order of name.
    pub fn persons(&self) -> &BTreeSet<Person> {
        &self.persons
    }

    /// The names of people and groups as the policy writes them; empty where a default stands.
    pub fn written(&self) -> &[String] {
        &self.written
    }
}

impl fmt::Display for Members {
    /// As the policy writes it, or the names of the persons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = if self.written.is_empty() {
            self.persons.iter().map(Person::to_string).collect()
        } else {
            self.written.clone()
        };
        f.pad(&names.join(", "))
    }
}
