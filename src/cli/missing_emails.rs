//! Approvers whose own commits are not recognized, because the policy lists no address of theirs: they
//! could approve their own work.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::name::Person;
use crate::domain::policy::{Environment, Policy};

/// Returns one sentence for each group of environments in which the same approvers have no `emails`.
pub fn describe_missing_emails<'a>(
    policy: &Policy,
    environments: impl IntoIterator<Item = &'a Environment>,
) -> Vec<String> {
    let mut places: BTreeMap<BTreeSet<&Person>, Vec<String>> = BTreeMap::new();
    for environment in environments {
        let persons = policy.unrecognized_approvers(environment);
        if !persons.is_empty() {
            let names = places.entry(persons).or_default();
            names.push(environment.display_name());
        }
    }
    places
        .into_iter()
        .map(|(persons, environments)| describe(&persons, &environments))
        .collect()
}

fn describe(persons: &BTreeSet<&Person>, environments: &[String]) -> String {
    let lines = if persons.len() == 1 {
        "the line"
    } else {
        "the lines"
    };
    let names: Vec<&str> = persons.iter().map(|person| person.as_str()).collect();
    format!(
        "The policy lists no addresses of {names}, so prevent_self does not recognize their own commits, and they could approve them in {}. Add emails = [\"ADDRESS\"] to {lines} of {names} under [people] in deploy.toml.",
        environments.join(", "),
        names = names.join(", ")
    )
}
