//! Writes the `deploy.toml` of a new project.
//!
//! It has about a dozen lines, because every default is safe. It must parse.

use std::fmt::Write as _;

use crate::domain::email::Email;
use crate::domain::id::PublicKey;
use crate::domain::name::{EnvName, Person, ProjectName};

/// A person of a new project.
#[derive(Debug, Clone)]
pub struct StarterPerson {
    /// The name.
    pub name: Person,
    /// The public key.
    pub key: PublicKey,
    /// The address that the person commits with, if it is known.
    pub email: Option<Email>,
}

impl StarterPerson {
    /// Writes the person's line of `[people]`, with the name padded to this width.
    fn write_line(&self, width: usize) -> String {
        let (name, key) = (toml_key(self.name.as_str()), self.key);
        match &self.email {
            // A basic string has escapes, which an address may look like.
            Some(email) => format!(
                "{name:width$} = {{ key = \"{key}\", emails = [{}] }}",
                toml::Value::from(email.as_str())
            ),
            None => format!("{name:width$} = \"{key}\""),
        }
    }
}

/// Writes the file; see [`super::Policy::starter`].
pub(super) fn write_starter(
    project: &ProjectName,
    people: &[StarterPerson],
    environments: &[EnvName],
) -> String {
    let mut text = format!(
        "schema  = 1\nproject = \"{project}\"\n\n[people]  # keys, and the addresses that people commit with; a CI job: ci = {{ key = \"RW…\", machine = true }}\n"
    );
    // Writing to a string cannot fail.
    let width = people
        .iter()
        .map(|person| toml_key(person.name.as_str()).len())
        .max()
        .unwrap_or(0);
    for person in people {
        let _ = writeln!(text, "{}", person.write_line(width));
    }
    text.push_str("\n[environments]  # each may demand that a commit ran in the one before it\n");
    let width = environments
        .iter()
        .map(|name| toml_key(name.as_str()).len())
        .max()
        .unwrap_or(0);
    for (index, name) in environments.iter().enumerate() {
        let previous = index
            .checked_sub(1)
            .and_then(|index| environments.get(index));
        let mut rules: Vec<String> = previous
            .map(|previous| format!("promote_from = \"{previous}\""))
            .into_iter()
            .collect();
        // A single person could never approve, because no one approves their own deployment.
        if previous.is_some() && index + 1 == environments.len() && people.len() > 1 {
            rules.push("approvals = 1".to_owned());
        }
        let rules = if rules.is_empty() {
            "{}".to_owned()
        } else {
            format!("{{ {} }}", rules.join(", "))
        };
        let _ = writeln!(text, "{:width$} = {rules}", toml_key(name.as_str()));
    }
    text
}

/// Writes a name as a TOML key, in quotes if it contains a dot, which would make a table.
fn toml_key(name: &str) -> String {
    if name.contains('.') {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}
