//! Reads `[environments]`: the environments, and the patterns of ephemeral ones.

use std::collections::BTreeMap;

use super::environment::{Environment, EnvironmentContext};
use super::fields::TableFields;
use super::notify::Notify;
use super::reader::NamedValue;
use super::roster::Roster;
use crate::domain::name::EnvName;

/// The largest number of environments and patterns together.
const MAX_ENVIRONMENTS: usize = 500;

/// The environments and patterns of the file.
#[derive(Default)]
pub(super) struct DeclaredEnvironments {
    /// The environments, by name.
    pub(super) environments: BTreeMap<EnvName, Environment>,
    /// The patterns, by prefix.
    pub(super) patterns: BTreeMap<EnvName, Environment>,
}

/// Reads `[environments]`.
pub(super) fn read_environments(
    file: &TableFields<'_>,
    roster: &Roster,
    notify: &[Notify],
) -> DeclaredEnvironments {
    let mut declared = DeclaredEnvironments::default();
    for entry in file.key("environments").named_values(MAX_ENVIRONMENTS) {
        let prefix = entry.key.strip_suffix("-*");
        match prefix.unwrap_or(entry.key).parse::<EnvName>() {
            Ok(name) => {
                let context = EnvironmentContext {
                    name: &name,
                    roster,
                    notify,
                };
                let environment = read_environment(&entry, prefix.is_some(), context);
                let target = if prefix.is_some() {
                    &mut declared.patterns
                } else {
                    &mut declared.environments
                };
                target.extend(environment.map(|environment| (name, environment)));
            }
            Err(_) if entry.key.contains('*') => entry.report(
                "a pattern is a literal prefix, a dash and a star, such as \"pr-*\"",
                None,
            ),
            Err(error) => entry.report(error.to_string(), None),
        }
    }
    declared
}

fn read_environment(
    entry: &NamedValue<'_>,
    is_pattern: bool,
    context: EnvironmentContext<'_>,
) -> Option<Environment> {
    let fields = entry.value.fields(&Environment::TABLE);
    match (is_pattern, fields.key("ephemeral").value()) {
        (true, None) => {
            let hint = "add ephemeral = { ttl = \"8h\", limit = 20 }".to_owned();
            entry.report(
                "a pattern needs limits for the lifetime and the number of its environments",
                Some(hint),
            );
        }
        (false, Some(value)) => value.report(
            "only the environments of a pattern such as \"pr-*\" are ephemeral",
            None,
        ),
        _ => {}
    }
    if let (true, Some(value)) = (is_pattern, fields.key("branch").value()) {
        value.report(
            "a branch belongs to one environment, and a pattern stands for many",
            None,
        );
    }
    Environment::read(&fields, context)
}
