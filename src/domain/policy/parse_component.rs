//! Reads `[components.<name>]`, and the variables and secrets that components and environments have alike.

use std::collections::{BTreeMap, BTreeSet};

use super::error::suggest_nearest;
use super::reader::{NamedValue, TableFields, TomlValue};
use super::{Component, Paths, Secret, VarName, schema};
use crate::domain::name::{ComponentName, ProjectName, REST};

/// The most components.
const MOST: usize = 5_000;
/// The most variables or secrets of one component or environment.
const MOST_VARIABLES: usize = 1_000;

/// All components; without the table, one with the project's name.
pub(super) fn all(
    fields: &TableFields<'_>,
    project: &ProjectName,
) -> BTreeMap<ComponentName, Component> {
    let Some(node) = fields.get("components") else {
        return sole(project).into_iter().collect();
    };
    let entries = node.named_values(MOST);
    if entries.is_empty() && node.is_table() {
        node.report(
            "it names no component; leave the table out for one component that is the whole tree",
            None,
        );
    }
    let known: BTreeSet<&str> = entries.iter().map(|entry| entry.key).collect();
    entries
        .iter()
        .filter_map(|entry| {
            let name: ComponentName = entry.parse_name()?;
            if name.as_str() == REST {
                entry.report(
                    "\"rest\" is reserved: it stands for the paths that no component owns",
                    None,
                );
            }
            Some((name.clone(), component(entry, name, &known)))
        })
        .collect()
}

fn sole(project: &ProjectName) -> Option<(ComponentName, Component)> {
    // Names of projects and components follow one grammar.
    let name: ComponentName = project.as_str().parse().ok()?;
    let component = Component {
        name: name.clone(),
        paths: None,
        depends_on: BTreeSet::new(),
        plan: None,
        apply: None,
        verify: None,
        destroy: None,
        build: None,
        variables: BTreeMap::new(),
        secrets: BTreeMap::new(),
        retries: 0,
        timeout: None,
    };
    Some((name, component))
}

fn component(entry: &NamedValue<'_>, name: ComponentName, known: &BTreeSet<&str>) -> Component {
    let fields = entry.value.fields(&schema::COMPONENT);
    fields.needs("plan", "apply", "a plan is for something that is applied");
    let (variables, secrets) = variables(&fields);
    Component {
        name,
        paths: fields.with("paths", paths),
        depends_on: fields
            .each("depends_on", |node| dependency(node, known))
            .into_iter()
            .collect(),
        plan: fields.with("plan", TomlValue::parse),
        apply: fields.with("apply", TomlValue::parse),
        verify: fields.with("verify", TomlValue::parse),
        destroy: fields.with("destroy", TomlValue::parse),
        build: fields.with("build", TomlValue::parse),
        variables,
        secrets,
        retries: fields.number("retries").unwrap_or(0),
        timeout: fields.with("timeout", TomlValue::span),
    }
}

fn paths(node: &TomlValue<'_>) -> Option<Paths> {
    let patterns: Vec<&str> = node.list().iter().filter_map(TomlValue::text).collect();
    if patterns.len() < node.list().len() {
        return None;
    }
    Paths::new(patterns)
        .map_err(|error| node.report(error.to_string(), None))
        .ok()
}

fn dependency(node: &TomlValue<'_>, known: &BTreeSet<&str>) -> Option<ComponentName> {
    let word = node.text()?;
    if !known.contains(word) {
        node.report(
            format!("{word:?} is not a component of this policy"),
            suggest_nearest(word, known.iter().copied()),
        );
        return None;
    }
    word.parse().ok()
}

/// `variables` and `secrets`.
pub(super) fn variables(
    fields: &TableFields<'_>,
) -> (BTreeMap<VarName, String>, BTreeMap<VarName, Secret>) {
    let (mut variables, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    for entry in fields
        .get("variables")
        .map(|node| node.named_values(MOST_VARIABLES))
        .unwrap_or_default()
    {
        if let (Some(name), Some(text)) = (entry.parse_name::<VarName>(), entry.value.text()) {
            if text.contains('\0') {
                entry.report("no variable can hold the character U+0000", None);
            }
            variables.insert(name, text.to_owned());
        }
    }
    for entry in fields
        .get("secrets")
        .map(|node| node.named_values(MOST_VARIABLES))
        .unwrap_or_default()
    {
        let Some(name) = entry.parse_name::<VarName>() else {
            continue;
        };
        if variables.contains_key(&name) {
            entry.report("this name is among the variables already", None);
        }
        if let Some(secret) = secret(&entry.value) {
            secrets.insert(name, secret);
        }
    }
    (variables, secrets)
}

fn secret(node: &TomlValue<'_>) -> Option<Secret> {
    if !node.is_table() {
        return Some(Secret {
            command: node.parse()?,
            plan: false,
        });
    }
    let fields = node.fields(&schema::SECRET);
    let plan = fields.with("plan", TomlValue::flag).unwrap_or(false);
    Some(Secret {
        command: fields.need("command")?.parse()?,
        plan,
    })
}
