//! Each key of `deploy.toml` has an effect: code outside the policy module uses its value.
//!
//! A key's definition names the field or method that returns the value (`used_as`). The test
//! searches the sources for it, in files that also name the struct or the key that it belongs to.
//! It cannot prove that a value has the right effect, only that some code reads it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::domain::policy::{KeyTable, Policy, TableKey, ValueForm};

/// Lists the Rust files below a folder that are not tests and do not belong to the policy module or
/// its view.
fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if matches!(name, "policy" | "tests" | "testing") && is_excluded(&path) {
            continue;
        }
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Checks whether a path is a test, or the policy module or its view. `cli::commands::policy` is
/// neither.
fn is_excluded(path: &Path) -> bool {
    let is_policy = path.file_stem().unwrap() == "policy";
    !is_policy
        || ["domain", "view"].map(|folder| path.parent().unwrap().ends_with(folder)) != [false; 2]
}

/// Reads a source without its comments and its unit tests.
fn code_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Splits a source into identifiers, each with the character before it.
fn identifiers(code: &str) -> BTreeSet<(char, &str)> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut found = BTreeSet::new();
    let (mut before, mut rest) = (' ', code);
    while let Some(start) = rest.find(is_word) {
        before = rest[..start].chars().next_back().unwrap_or(before);
        let length = rest[start..].find(|character| !is_word(character));
        let end = length.map_or(rest.len(), |length| start + length);
        found.insert((before, &rest[start..end]));
        rest = &rest[end..];
    }
    found
}

/// Lists the keys of a table, and of the tables in it, that no source uses: `Environment.soak`.
fn unused_keys(
    table: &KeyTable,
    owners: &[&str],
    sources: &[BTreeSet<(char, &str)>],
) -> Vec<String> {
    let mut unused = Vec::new();
    for key in table.keys {
        let is_used = sources.iter().any(|source| {
            let is_accessed = ['.', ':']
                .iter()
                .any(|sign| source.contains(&(*sign, key.used_as)));
            let names_owner = |(_, word): &(char, &str)| {
                word.eq_ignore_ascii_case(table.struct_name) || owners.contains(word)
            };
            is_accessed && source.iter().any(names_owner)
        });
        if !is_used {
            unused.push(format!("{}.{}", table.struct_name, key.name));
        }
        for inner in tables_in(&key.form) {
            unused.extend(unused_keys(inner, &[key.name, key.used_as], sources));
        }
    }
    unused
}

fn tables_in(form: &ValueForm) -> Vec<&'static KeyTable> {
    match form {
        ValueForm::Table(table) => vec![*table],
        ValueForm::Named(_, inner) | ValueForm::OneOrMore(inner) => tables_in(inner),
        ValueForm::Either(forms) => forms.iter().flat_map(tables_in).collect(),
        _ => Vec::new(),
    }
}

/// Every key of every table is used outside the policy module.
#[test]
fn every_key_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let code: Vec<String> = source_files(&root)
        .iter()
        .map(|path| code_of(path))
        .collect();
    let sources: Vec<_> = code.iter().map(|code| identifiers(code)).collect();
    let unused = unused_keys(&Policy::TABLE, &["environment"], &sources);
    assert!(
        unused.is_empty(),
        "only the policy module reads {unused:?}: use the value, name the method that returns it in used_as, or declare the key as planned"
    );
}

/// A table with two keys, made up for the test below.
static SAMPLE: KeyTable = KeyTable {
    struct_name: "Sample",
    keys: &[flag("soak"), flag("idle")],
    planned: &[],
};

const fn flag(name: &'static str) -> TableKey {
    TableKey {
        name,
        used_as: name,
        form: ValueForm::Flag,
        doc: "",
        example: "true",
        default: "",
        required: false,
        hint: "",
        needs: None,
        or: None,
    }
}

/// The search detects an unused key: a longer name, or an access in a file that does not name the
/// table, does not count as a use.
#[test]
fn an_unused_key_is_found() {
    let unused = |code: &str| unused_keys(&SAMPLE, &["sample"], &[identifiers(code)]);
    assert_eq!(
        unused("fn wait(sample: &X) { sample.soak }"),
        ["Sample.idle"]
    );
    assert_eq!(
        unused("fn wait(Sample { .. }: Y) { y.idle() }"),
        ["Sample.soak"]
    );
    let both = ["Sample.soak", "Sample.idle"];
    assert_eq!(unused("fn wait(sample: &X) { sample.soaked; idle }"), both);
    assert_eq!(
        unused("fn wait(other: &X) { other.soak + other.idle }"),
        both
    );
    assert_eq!(
        unused_keys(&Policy::TABLE, &[], &[]).len(),
        count(&Policy::TABLE)
    );
}

fn count(table: &KeyTable) -> usize {
    let inner = table.keys.iter().flat_map(|key| tables_in(&key.form));
    table.keys.len() + inner.map(count).sum::<usize>()
}
