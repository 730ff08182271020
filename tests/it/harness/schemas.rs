//! Checks every `--json` output: it must be one document, valid by the committed schema of its
//! kind.
//!
//! The harness does this for every run, so that no test can forget it and no undocumented field
//! slips through.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::Run;

/// Commands that print no report: they print a document only if they fail.
const SILENT: &[&str] = &["completions", "demo", "hook", "man"];

/// The validators by the schema's name, such as `git-deploy/status/v1`.
static SCHEMAS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let read =
        |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let schemas = folder
        .read_dir()
        .unwrap()
        .map(|entry| read(&entry.unwrap().path()));
    schemas
        .map(|it| {
            (
                it["title"].as_str().unwrap().to_owned(),
                jsonschema::draft202012::new(&it).unwrap(),
            )
        })
        .collect()
});

/// Returns whether a command runs our program and asks for a document.
pub(super) fn wanted(command: &Command) -> bool {
    let words: Vec<_> = command
        .get_args()
        .take_while(|word| *word != "--")
        .collect();
    let ours = command.get_program() == "git-deploy"
        || words.first().is_some_and(|word| *word == "deploy");
    ours && words.iter().any(|word| *word == "--json")
}

/// Fails unless standard output is what `--json` promises.
#[track_caller]
pub(super) fn check(run: &Run<'_>, output: &Output) {
    if output.stdout.is_empty() {
        let silent = SILENT
            .iter()
            .any(|command| run.words().any(|word| word == *command));
        assert!(silent && output.status.success(), "no document: {run}");
        return;
    }
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("not one document: {error}: {run}"));
    let complaints = complaints(&document);
    assert!(complaints.is_empty(), "{}\n{run}", complaints.join("\n"));
    if document["schema"] == "git-deploy/error/v1" {
        let exit = document["exit"].as_i64();
        assert_eq!(
            exit,
            output.status.code().map(Into::into),
            "the document and the exit code differ: {run}"
        );
    }
}

/// Returns what is wrong with a document.
pub fn complaints(document: &Value) -> Vec<String> {
    let name = document["schema"].as_str().unwrap_or_default();
    match SCHEMAS.get(name) {
        None => vec![format!(
            "there is no schema {name:?}: add the kind in src/cli/schemas.rs"
        )],
        Some(schema) => schema
            .iter_errors(document)
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect(),
    }
}

/// The validation rejects an unknown kind, a missing field, an extra field, a `null` and a
/// malformed word.
#[test]
fn bad_documents_are_found() {
    let good = serde_json::json!({
        "schema": "git-deploy/sync/v1", "remote": "origin",
        "moved": [{
            "ledger": "prod", "new": "8f3c2a10aa05736482d4523166f70cb561afa111", "entries": 2, "subject": "Lock prod",
            "at": "2026-03-05T10:02:11Z", "by": "ci",
        }],
    });
    assert_eq!(complaints(&good), Vec::<String>::new());
    let bad = |place: &str, value: Value| {
        let mut document = good.clone();
        let (parent, key) = place.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[key] = value;
        assert!(!complaints(&document).is_empty(), "{document}");
    };
    bad("/schema", "git-deploy/novel/v1".into());
    bad("/schema", "git-deploy/status/v1".into());
    bad("/moved", Value::Null);
    bad("/remote", Value::Null);
    bad("/moved/0/old", Value::Null);
    bad("/moved/0/novel", 1.into());
    bad("/moved/0/by", "A person".into());
    bad("/moved/0/at", "yesterday".into());
    bad("/moved/0/new", "8f3c2a1".into());
}
