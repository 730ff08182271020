//! Compares `docs/rules.md` with the definitions of the rules.

use std::fmt::Write as _;
use std::path::Path;

use super::*;
use request_kind::RequestKinds;

const MARK: &str = "<!-- Generated from src/domain/rules; to update: UPDATE_DOCS=1 cargo test --lib rules::documentation -->\n\n";

/// Returns a table of all rules: the name, what the rule requires and which requests face it.
fn reference() -> String {
    let mut text = "| rule | requires | faced by |\n|---|---|---|\n".to_owned();
    for rule in Rule::ALL {
        let faced_by = describe_kinds(rule.definition());
        let (name, description) = (rule.name(), rule.description());
        writeln!(text, "| `{name}` | {description} | {faced_by} |").unwrap();
    }
    text
}

fn describe_kinds(definition: &RuleDefinition) -> String {
    let faced_by_every_entry = RequestKind::ALL
        .iter()
        .filter(|kind| RequestKinds::ENTRIES.contains(**kind))
        .all(|kind| definition.faced_by.contains(*kind));
    let listed = RequestKind::ALL.iter().filter(|kind| {
        definition.faced_by.contains(**kind)
            && !(faced_by_every_entry && RequestKinds::ENTRIES.contains(**kind))
    });
    let names = listed.map(|kind| match (kind, definition.hotfix_skip) {
        (RequestKind::Hotfix, Some(skip)) => {
            format!("hotfix (unless `hotfix.skip` contains `{}`)", skip.word())
        }
        _ => kind.name().to_owned(),
    });
    let every_entry = faced_by_every_entry.then(|| "every entry".to_owned());
    every_entry
        .into_iter()
        .chain(names)
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn reference_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (head, _) = text.split_once(MARK).unwrap();
    let expected = format!("{head}{MARK}{}", reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, expected).unwrap();
        return;
    }
    assert!(
        text == expected,
        "docs/rules.md is out of date; run: UPDATE_DOCS=1 cargo test --lib rules::documentation"
    );
}
