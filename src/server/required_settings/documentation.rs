//! Tests that the table in `docs/server.md` matches the table of settings.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

const START: &str = "<!-- Made from src/server/required_settings.rs: UPDATE_DOCS=1 cargo test --lib required_settings -->\n\n";
const END: &str = "\n<!-- The end of the made part. -->\n";

/// Returns a table of all settings.
fn build_reference() -> String {
    let mut text = "| setting | value | why | otherwise |\n|---|---|---|---|\n".to_owned();
    for setting in &SETTINGS {
        let value = match setting.wanted {
            WantedValue::Contains(value)
            | WantedValue::Equals(value)
            | WantedValue::Covers(value) => format!("`{value}`, set by `server init`"),
            WantedValue::Not { bad, .. } => format!("anything but `{bad}`"),
            WantedValue::BoolOrUnset(value) => format!("unset, or `{value}`"),
            WantedValue::EnforcedBranches => "`refs/heads/<branch>` for the branch of each environment whose rules are enforced, set by `server init` and whenever a policy is published".to_owned(),
            WantedValue::Described(value) => value.to_owned(),
        };
        let level = match setting.level {
            Level::Good => "",
            Level::Advice => "advice",
            Level::Problem => "problem",
        };
        let (key, why) = (setting.key, setting.why);
        writeln!(text, "| `{key}` | {value} | {why} | {level} |").unwrap();
    }
    text
}

#[test]
fn reference_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/server.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(START).unwrap();
    let (_, after) = rest.split_once(&END[1..]).unwrap();
    let expected = format!("{before}{START}{}{END}{after}", build_reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, expected).unwrap();
        return;
    }
    assert!(
        text == expected,
        "docs/server.md is out of date; run: UPDATE_DOCS=1 cargo test --lib required_settings"
    );
}

/// Each setting is in the table once. Two rows of a key add different values to it.
#[test]
fn rows_are_unique() {
    let rows: std::collections::BTreeSet<String> = SETTINGS
        .iter()
        .map(|setting| match setting.wanted {
            WantedValue::Contains(value) => format!("{} {value}", setting.key),
            WantedValue::EnforcedBranches => format!("{} refs/heads/<branch>", setting.key),
            _ => setting.key.to_owned(),
        })
        .collect();
    assert_eq!(rows.len(), SETTINGS.len());
}
