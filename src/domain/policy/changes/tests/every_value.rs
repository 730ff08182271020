//! No change of a policy is hidden: each key of each table is set to many values, and each two policies
//! that differ are compared.

use std::collections::BTreeSet;

use super::key;
use crate::domain::policy::changes::{KeyChange, OTHER_SUBJECTS, compare_policies};
use crate::domain::policy::forms::is_member_list;
use crate::domain::policy::{KeyTable, Policy, TableKey, ValueForm};

/// Where each table stands: the place in [`policy_text`], and the text there. `KEYS` stands for its keys.
const PLACES: [(&str, &str, &str); 18] = [
    ("Policy", "top", "KEYS"),
    ("AdminRules", "top", "policy = { KEYS }"),
    (
        "AcceptedSigners",
        "top",
        "checks = { test-result = { KEYS } }",
    ),
    ("ArtifactRules", "top", "artifacts = { KEYS }"),
    ("PersonSpec", "people", "carol = { KEYS }"),
    ("Component", "components", "api = { KEYS }"),
    ("Environment", "environments", "prod = { KEYS }"),
    (
        "Ephemeral",
        "environments",
        "\"pr-*\" = { ephemeral = { KEYS } }",
    ),
    ("Advance", "environments", "prod = { advance = { KEYS } }"),
    (
        "BreakGlass",
        "environments",
        "prod = { break_glass = { KEYS } }",
    ),
    (
        "Hotfix",
        "environments",
        "prod = { promote_from = \"stage\", soak = \"1h\", hotfix = { KEYS } }",
    ),
    (
        "ApprovalRequirement",
        "environments",
        "prod = { approvals = { KEYS } }",
    ),
    (
        "RequiredCheck",
        "environments",
        "prod = { checks = { KEYS } }",
    ),
    (
        "VersionRule",
        "environments",
        "prod = { version = { KEYS } }",
    ),
    (
        "FreezeTable",
        "environments",
        "prod = { freeze = { KEYS } }",
    ),
    (
        "NotifyTable",
        "environments",
        "prod = { notify = { KEYS } }",
    ),
    (
        "WebhookTable",
        "environments",
        "prod = { notify = { webhook = { KEYS } } }",
    ),
    (
        "Secret",
        "environments",
        "prod = { secrets = { TOKEN = { KEYS } } }",
    ),
];

/// Values of many forms. A key is compared with those that it accepts.
const VALUES: [&str; 38] = [
    "1",
    "2",
    "true",
    "false",
    "\"alice\"",
    "\"bob\"",
    "[\"alice\", \"bob\"]",
    "\"network\"",
    "\"stage\"",
    "\"main\"",
    "\"other\"",
    "[\"one\", \"two\"]",
    "\"false\"",
    "\"none\"",
    "\"1h\"",
    "\"30m\"",
    "\"a/**\"",
    "\"~/a\"",
    "\"/srv/a\"",
    "\"make a\"",
    "\"make a                                                                        b\"",
    "\"make a                                                                        c\"",
    "\"change\"",
    "\"release\"",
    "\"file:A\"",
    "\"command:a\"",
    "\"tag:v*\"",
    "\"2026-12-23\"",
    "\"2027-01-03\"",
    "\"Europe/Paris\"",
    "\"https://hooks.example.com/a\"",
    "\"https://hooks.example.com/b\"",
    "{ command = \"pass show a\" }",
    "{ A = \"1\" }",
    "{ A = \"2\" }",
    "\"a@example.com\"",
    "{ webhook = \"https://hooks.example.com/a\" }",
    "\"{version}.{env}\"",
];

fn policy_text(place: &str, text: &str) -> String {
    let at = |name: &str| if name == place { text } else { "" };
    format!(
        "schema = 1\nproject = \"shop\"\n{}\n\
         [people]\nalice = \"{}\"\nbob = \"{}\"\nci = {{ key = \"{}\", machine = true }}\n{}\n\
         [groups]\nrelease = \"bob\"\nsecurity = \"alice\"\noncall = \"bob\"\n\
         [components]\nnetwork = {{ paths = \"n/**\" }}\n{}\n\
         [environments]\ndev = {{}}\nstage = {{}}\n{}\n",
        at("top"),
        key(1),
        key(2),
        key(3),
        at("people"),
        at("components"),
        at("environments"),
    )
}

/// Returns the lines of the other keys that a table needs.
fn other_keys(table: &KeyTable, key: &TableKey) -> Vec<String> {
    let needed = |other: &&TableKey| {
        let is_needed = other.required || key.needs.is_some_and(|(it, _)| it == other.name);
        other.name != key.name && is_needed
    };
    let mut others: Vec<&TableKey> = table.keys.iter().filter(needed).collect();
    let has_choice = |it: &&TableKey| it.or.is_some();
    if key.or.is_none() && !others.iter().any(has_choice) {
        others.extend(table.keys.iter().find(has_choice));
    }
    others
        .iter()
        .map(|it| format!("{} = {}", it.name, it.example))
        .collect()
}

fn values_of(key: &TableKey) -> BTreeSet<String> {
    let mut values: BTreeSet<String> = VALUES.iter().map(ToString::to_string).collect();
    values.insert(key.example.to_owned());
    for byte in [4, 5] {
        values.insert(format!("\"{}\"", super::key(byte)));
    }
    add_words(&key.form, &mut values);
    values
}

fn add_words(form: &ValueForm, values: &mut BTreeSet<String>) {
    match form {
        ValueForm::Words(words) => values.extend(words.iter().map(|it| format!("\"{it}\""))),
        ValueForm::Number(least, most) => values.extend([least, most].map(ToString::to_string)),
        ValueForm::OneOrMore(inner) => add_words(inner, values),
        ValueForm::Either(forms) => forms.iter().for_each(|it| add_words(it, values)),
        _ => {}
    }
}

fn tables_in(form: &ValueForm) -> Vec<&'static KeyTable> {
    match form {
        ValueForm::Table(table) => vec![*table],
        ValueForm::Named(_, inner) | ValueForm::OneOrMore(inner) => tables_in(inner),
        ValueForm::Either(forms) => forms.iter().flat_map(tables_in).collect(),
        _ => Vec::new(),
    }
}

/// Checks the comparison of each two of the policies. Returns the number of different policies.
fn compare_each(name: &str, key: &TableKey, policies: &[(String, Policy)]) -> usize {
    let (mut different, mut hidden) = (Vec::<&Policy>::new(), Vec::new());
    for (old_value, old) in policies {
        if !different.contains(&old) {
            different.push(old);
        }
        for (new_value, new) in policies {
            let changes = compare_policies(old, new, &[super::key(1)]);
            let what = format!(
                "{name}.{}: {old_value} → {new_value}: {changes:?}",
                key.name
            );
            // A group in place of its members is noticed, but has no other description.
            let is_described = changes
                .iter()
                .flat_map(|it| &it.keys)
                .all(KeyChange::is_described);
            let is_known = is_described || is_member_list(&key.form);
            if changes.is_empty() != (old == new) || !is_known {
                hidden.push(what);
            }
        }
    }
    assert!(hidden.is_empty(), "{hidden:#?}");
    different.len()
}

/// Sets each key of a table, and of the tables in it, to each value that it accepts.
fn check_table(table: &'static KeyTable, seen: &mut BTreeSet<&'static str>) {
    if !seen.insert(table.struct_name) {
        return;
    }
    let place = PLACES.iter().find(|(name, ..)| *name == table.struct_name);
    let (name, place, text) = place.unwrap_or_else(|| panic!("{} has no place", table.struct_name));
    for key in table.keys {
        for inner in tables_in(&key.form) {
            check_table(inner, seen);
        }
        let is_fixed = ["schema", "project"].contains(&key.name);
        if *name == "Policy" && (is_fixed || OTHER_SUBJECTS.contains(&key.name)) {
            continue;
        }
        let read = |value: Option<&str>| {
            let mut lines = match *name {
                "Policy" => Vec::new(),
                _ => other_keys(table, key),
            };
            lines.extend(value.map(|value| format!("{} = {value}", key.name)));
            let text = text.replace("KEYS", &lines.join(", "));
            Policy::parse(&policy_text(place, &text)).ok()
        };
        let absent = read(None);
        let default = key.default.strip_prefix('`');
        if let Some(default) = default.and_then(|it| it.strip_suffix('`'))
            && !key.required
        {
            assert_eq!(
                absent,
                read(Some(default)),
                "{name}.{}: {default}",
                key.name
            );
        }
        let mut policies: Vec<(String, Policy)> = values_of(key)
            .into_iter()
            .filter_map(|value| Some((value.clone(), read(Some(&value))?)))
            .collect();
        policies.extend(absent.map(|policy| ("absent".to_owned(), policy)));
        let count = compare_each(name, key, &policies);
        // The one legal value of `method`, and a key that only a pattern has.
        let is_single = ["method", "ephemeral"].contains(&key.name);
        assert!(count > 1 || is_single, "{name}.{}: {count}", key.name);
    }
}

/// Checks that a comparison shows every change of every key to another value that it accepts.
#[test]
fn every_change_of_a_value_is_noticed() {
    let mut seen = BTreeSet::new();
    check_table(&Policy::TABLE, &mut seen);
    assert_eq!(seen.len(), PLACES.len(), "{seen:?}");
}
