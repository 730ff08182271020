//! The `deploy.toml` of a project's first day.
//!
//! A dozen lines, because every default is safe; what it says must parse.

use std::fmt::Write as _;

use crate::domain::id::PublicKey;
use crate::domain::name::{EnvName, Person, ProjectName};

pub(super) fn starter(
    project: &ProjectName,
    people: &[(Person, PublicKey)],
    environments: &[EnvName],
) -> String {
    let mut text = format!(
        "schema  = 1\nproject = \"{project}\"\n\n[people]  # name = minisign public key; a CI job: ci = {{ key = \"RW…\", machine = true }}\n"
    );
    // Writing to a string cannot fail.
    let width = people
        .iter()
        .map(|(person, _)| key(person.as_str()).len())
        .max()
        .unwrap_or(0);
    for (person, public_key) in people {
        let _ = writeln!(text, "{:width$} = \"{public_key}\"", key(person.as_str()));
    }
    text.push_str("\n[environments]  # each may demand that a commit ran in the one before it\n");
    let width = environments
        .iter()
        .map(|name| key(name.as_str()).len())
        .max()
        .unwrap_or(0);
    for (index, name) in environments.iter().enumerate() {
        let before = index
            .checked_sub(1)
            .and_then(|before| environments.get(before));
        let mut rules: Vec<String> = before
            .map(|before| format!("promote_from = \"{before}\""))
            .into_iter()
            .collect();
        // A sole person could never approve, for nobody approves their own deployment.
        if before.is_some() && index + 1 == environments.len() && people.len() > 1 {
            rules.push("approvals = 1".to_owned());
        }
        let rules = if rules.is_empty() {
            "{}".to_owned()
        } else {
            format!("{{ {} }}", rules.join(", "))
        };
        let _ = writeln!(text, "{:width$} = {rules}", key(name.as_str()));
    }
    text
}

/// A name as a TOML key: one with a dot is quoted, for a dot would make a table.
fn key(name: &str) -> String {
    if name.contains('.') {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}
