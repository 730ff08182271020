//! Reads `[components.<name>]`, and the variables and secrets that components and environments have alike.

use std::collections::{BTreeMap, BTreeSet};

use super::error::nearest;
use super::reader::{Entry, Fields, Node};
use super::{Component, Paths, Secret, VarName, schema};
use crate::domain::name::{ComponentName, ProjectName, REST};

/// The most components.
const MOST: usize = 5_000;
/// The most variables or secrets of one component or environment.
const MOST_VARIABLES: usize = 1_000;

/// All components; without the table, one with the project's name.
pub(super) fn all(
    fields: &Fields<'_>,
    project: &ProjectName,
) -> BTreeMap<ComponentName, Component> {
    let Some(node) = fields.get("components") else {
        return sole(project).into_iter().collect();
    };
    let entries = node.entries(MOST);
    if entries.is_empty() && node.is_table() {
        node.wrong(
            "it names no component; leave the table out for one component that is the whole tree",
            None,
        );
    }
    let known: BTreeSet<&str> = entries.iter().map(|entry| entry.key).collect();
    entries
        .iter()
        .filter_map(|entry| {
            let name: ComponentName = entry.name()?;
            if name.as_str() == REST {
                entry.wrong(
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

fn component(entry: &Entry<'_>, name: ComponentName, known: &BTreeSet<&str>) -> Component {
    let fields = entry.node.fields(&schema::COMPONENT);
    fields.needs("plan", "apply", "a plan is for something that is applied");
    let (variables, secrets) = variables(&fields);
    Component {
        name,
        paths: fields.with("paths", paths),
        depends_on: fields
            .each("depends_on", |node| dependency(node, known))
            .into_iter()
            .collect(),
        plan: fields.with("plan", Node::parse),
        apply: fields.with("apply", Node::parse),
        verify: fields.with("verify", Node::parse),
        destroy: fields.with("destroy", Node::parse),
        build: fields.with("build", Node::parse),
        variables,
        secrets,
        retries: fields.number("retries").unwrap_or(0),
        timeout: fields.with("timeout", Node::span),
    }
}

fn paths(node: &Node<'_>) -> Option<Paths> {
    let patterns: Vec<&str> = node.list().iter().filter_map(Node::text).collect();
    if patterns.len() < node.list().len() {
        return None;
    }
    Paths::new(patterns)
        .map_err(|error| node.wrong(error.to_string(), None))
        .ok()
}

fn dependency(node: &Node<'_>, known: &BTreeSet<&str>) -> Option<ComponentName> {
    let word = node.text()?;
    if !known.contains(word) {
        node.wrong(
            format!("{word:?} is not a component of this policy"),
            nearest(word, known.iter().copied()),
        );
        return None;
    }
    word.parse().ok()
}

/// `variables` and `secrets`.
pub(super) fn variables(
    fields: &Fields<'_>,
) -> (BTreeMap<VarName, String>, BTreeMap<VarName, Secret>) {
    let (mut variables, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    for entry in fields
        .get("variables")
        .map(|node| node.entries(MOST_VARIABLES))
        .unwrap_or_default()
    {
        if let (Some(name), Some(text)) = (entry.name::<VarName>(), entry.node.text()) {
            if text.contains('\0') {
                entry.wrong("no variable can hold the character U+0000", None);
            }
            variables.insert(name, text.to_owned());
        }
    }
    for entry in fields
        .get("secrets")
        .map(|node| node.entries(MOST_VARIABLES))
        .unwrap_or_default()
    {
        let Some(name) = entry.name::<VarName>() else {
            continue;
        };
        if variables.contains_key(&name) {
            entry.wrong("this name is among the variables already", None);
        }
        if let Some(secret) = secret(&entry.node) {
            secrets.insert(name, secret);
        }
    }
    (variables, secrets)
}

fn secret(node: &Node<'_>) -> Option<Secret> {
    if !node.is_table() {
        return Some(Secret {
            command: node.parse()?,
            plan: false,
        });
    }
    let fields = node.fields(&schema::SECRET);
    let plan = fields.with("plan", Node::flag).unwrap_or(false);
    Some(Secret {
        command: fields.need("command")?.parse()?,
        plan,
    })
}
