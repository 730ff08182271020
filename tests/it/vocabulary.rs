//! The words for components that a deployment does not change, and numbers with their nouns, are used in one
//! way in all messages. ARCHITECTURE.md defines the words.

use std::path::Path;

/// The files whose messages are about components that a deployment leaves out before it begins.
const LEAVING_OUT: [&str; 3] = [
    "cli/help.rs",
    "run/build_deployment/left_out.rs",
    "view/check.rs",
];

/// The files whose messages are about components of a run that were not attempted, or about tests.
const SKIPPING: [&str; 9] = [
    "domain/entry/action/result.rs",
    "domain/entry/note.rs",
    "domain/rules/state/runs.rs",
    "run/junit.rs",
    "run/junit/cases.rs",
    "run/notify/slack.rs",
    "view/attestation_text.rs",
    "view/json/domain_schemas.rs",
    "view/result_text.rs",
];

/// Returns the lines of the sources that print something, each with its file: not comments other than
/// help, and not tests.
fn message_lines() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lines = Vec::new();
    for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        let name = path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let is_test = name.contains("tests") || name.contains("testing");
        if path.extension().is_none_or(|it| it != "rs") || is_test {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for line in code.lines().map(str::trim) {
            let is_comment = line.starts_with("//");
            if !is_comment && line.contains('"') {
                lines.push((name.clone(), line.to_owned()));
            }
        }
    }
    assert!(lines.len() > 2_000, "{}", lines.len());
    lines
}

/// Fails if a message outside these files contains one of the words.
fn require_only_in(files: &[&str], words: &[&str]) {
    for (file, line) in message_lines() {
        // A character literal is not the beginning of a text.
        let line = line.replace("'\"'", "");
        let texts: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        let is_used = words
            .iter()
            .any(|word| texts.iter().any(|text| text.contains(word)));
        assert!(!is_used || files.contains(&file.as_str()), "{file}: {line}");
    }
}

/// A component is "left out" before a deployment begins, and "skipped" if its turn never came.
#[test]
fn left_out_and_skipped_mean_one_thing_each() {
    require_only_in(
        &LEAVING_OUT,
        &["left out", "leaves out ", "leave {component} out"],
    );
    require_only_in(&SKIPPING, &["kipped"]);
}

/// Whatever is counted takes its number from one place, which knows the plural.
#[test]
fn plurals_are_made_in_one_place() {
    for (file, line) in message_lines() {
        let is_noun = |word: &str| {
            let words = word.trim_matches('"');
            !words.is_empty() && words.chars().all(|it| it.is_ascii_lowercase() || it == ' ')
        };
        let mut quoted = line.split('"').skip(1).step_by(2);
        let (first, second) = (quoted.next().unwrap_or(""), quoted.next().unwrap_or(""));
        let chooses = line.contains("== 1 {") && is_noun(first) && is_noun(second);
        assert!(!chooses, "{file}: {line}");
        assert!(!line.contains("(s)"), "{file}: {line}");
    }
}
