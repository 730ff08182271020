//! The list of all documents that `--json` prints.
//!
//! Their JSON Schemas are committed in `docs/schemas`, and the integration tests validate all
//! output against them. To add a kind, add its line in [`KINDS`] and run `UPDATE_DOCS=1 cargo test
//! --lib schemas`.

use schemars::JsonSchema;
use serde_json::Value;

use super::commands::{init, key, notes, policy, server};
use super::{append_report, error, policy_edit, sync_report};
use crate::server::handoff::Event;
use crate::view;

/// A kind of JSON document.
pub struct DocumentKind {
    /// Its name, as passed to `Ui::print_document`.
    pub name: &'static str,
    /// What it contains, and which command prints it.
    pub about: &'static str,
    schema: fn(&str, &str) -> Value,
}

impl DocumentKind {
    const fn new<T: JsonSchema>(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            schema: view::json::build_schema::<T>,
        }
    }

    /// Returns its JSON Schema, draft 2020-12.
    pub fn schema(&self) -> Value {
        (self.schema)(self.name, self.about)
    }
}

/// All kinds, sorted by name.
pub const KINDS: &[DocumentKind] = &[
    DocumentKind::new::<view::audit::AuditDocument>("audit", "What an audit found: `audit`."),
    DocumentKind::new::<view::check::CheckDocument>(
        "check",
        "Whether the rules allow a deployment, and what is missing: `check`.",
    ),
    DocumentKind::new::<view::contains::ContainmentReport>(
        "contains",
        "Whether a change is in one or several environments: `contains`.",
    ),
    DocumentKind::new::<view::destroyed::DestroyReport>(
        "destroyed",
        "What happened to each ephemeral environment that was to be destroyed: `destroy`, `reap`.",
    ),
    DocumentKind::new::<view::deployment_diff::DeploymentDiff>(
        "diff",
        "What a deployment would change: `diff`.",
    ),
    DocumentKind::new::<append_report::EntryDocument<'_>>(
        "entry",
        "An entry that was written, or would be: `abort`, `approve`, `attest`, `build`, `exec`, `expire`, `lock`, `policy approve`, `policy publish`, `policy revoke`, `promote`, `record`, `register`, `resume`, `revoke`, `rollback`, `run`, `unlock`, `unyank`, `verify`, `yank`.",
    ),
    DocumentKind::new::<error::ErrorDocument>(
        "error",
        "Why a command failed: every command, instead of its own document.",
    ),
    DocumentKind::new::<Event>(
        "event",
        "An entry that a server has accepted: the input of the `deploy.handoff` program, one document per line.",
    ),
    DocumentKind::new::<view::good::GoodReleases>(
        "good",
        "The last good release of each component in an environment: `good`.",
    ),
    DocumentKind::new::<init::InitDocument>("init", "What was set up: `init`."),
    DocumentKind::new::<key::KeyDocument>("key", "A key: `key new`, `key show`."),
    DocumentKind::new::<key::KeysDocument>("keys", "The available keys: `key list`."),
    DocumentKind::new::<view::log::LogPage>(
        "log",
        "The history of the ledgers: `log`; one entry: `show ENTRY`.",
    ),
    DocumentKind::new::<notes::NotesDocument>(
        "notes-rebuild",
        "The result of rebuilding the notes: `notes rebuild`.",
    ),
    DocumentKind::new::<view::plan::DeploymentPlan>(
        "plan",
        "What a deployment would do: `plan`, and `run`, `promote`, `rollback` and `record ENV -- COMMAND` with `--dry-run`.",
    ),
    DocumentKind::new::<policy::PolicyDocument<'_>>(
        "policy",
        "The policy in force: `policy show`.",
    ),
    DocumentKind::new::<policy::PolicyDiffDocument<'_>>(
        "policy-diff",
        "How a proposal differs from the policy in force: `policy diff`, and `policy publish` if they are the same.",
    ),
    DocumentKind::new::<policy_edit::PolicyEditDocument<'_>>(
        "policy-edit",
        "An edit of `deploy.toml`: `person`, `component`, `environment`.",
    ),
    DocumentKind::new::<policy::PolicySchemaDocument>(
        "policy-schema",
        "The JSON Schema of `deploy.toml`: `policy schema`.",
    ),
    DocumentKind::new::<view::replay::ReplayReport>(
        "policy-test",
        "How a proposal would have decided past deployments: `policy test`.",
    ),
    DocumentKind::new::<view::deployment_diff::PromotionDiffs>(
        "promotion-diffs",
        "What a promotion would change in each environment: `diff` without arguments.",
    ),
    DocumentKind::new::<view::reconcile::ReconcileReport>(
        "reconcile",
        "Which branches and tags were brought in line with the ledgers: `reconcile`.",
    ),
    DocumentKind::new::<super::commands::repair::RepairDocument>(
        "repair",
        "The ledgers that were restored on a remote: `repair`.",
    ),
    DocumentKind::new::<server::AdoptDocument<'_>>(
        "server-adopt",
        "What was found in a copy, and installed: `server adopt`.",
    ),
    DocumentKind::new::<view::server::ServerCheck>(
        "server-check",
        "Whether a server is protected: `server check`.",
    ),
    DocumentKind::new::<server::ServerInitDocument<'_>>(
        "server-init",
        "What was installed: `server init`.",
    ),
    DocumentKind::new::<view::show::CommitReport>(
        "show",
        "The path of one commit to production: `show`.",
    ),
    DocumentKind::new::<view::status::StatusReport>("status", "What runs where: `status`."),
    DocumentKind::new::<sync_report::SyncDocument>("sync", "The new entries: `sync`."),
    DocumentKind::new::<append_report::UnchangedDocument<'_>>(
        "unchanged",
        "That nothing was written, because the environment already has the content: `run`, `promote`, `rollback`, `record`.",
    ),
    DocumentKind::new::<view::version::VersionReport>(
        "version",
        "The current and the next version of a component: `version`.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    use clap::CommandFactory as _;

    use super::*;

    fn docs() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
    }

    /// Checks that the committed schemas match the types, and that the documentation lists them.
    #[test]
    fn are_up_to_date() {
        assert!(KINDS.is_sorted_by_key(|kind| kind.name));
        let folder = docs().join("schemas");
        let mut wanted = BTreeMap::new();
        for kind in KINDS {
            let text = serde_json::to_string_pretty(&kind.schema()).unwrap();
            wanted.insert(folder.join(format!("{}.v1.json", kind.name)), text + "\n");
        }
        let rows = KINDS.iter().map(|it| {
            format!(
                "| [`{0}`](schemas/{0}.v1.json) | {1} |\n",
                it.name, it.about
            )
        });
        let page = docs().join("json.md");
        let text = std::fs::read_to_string(&page).unwrap();
        let (before, table) = text.split_once("|---|---|\n").unwrap();
        let (_, after) = table.split_once("\n\n").unwrap();
        wanted.insert(
            page,
            format!("{before}|---|---|\n{}\n{after}", rows.collect::<String>()),
        );

        let update = std::env::var_os("UPDATE_DOCS").is_some();
        let committed = folder
            .read_dir()
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path());
        for path in committed.filter(|path| !wanted.contains_key(path)) {
            assert!(
                update,
                "{} belongs to no kind; run: UPDATE_DOCS=1 cargo test --lib schemas",
                path.display()
            );
            std::fs::remove_file(path).unwrap();
        }
        for (path, text) in wanted {
            if update {
                std::fs::write(&path, &text).unwrap();
            }
            let same = std::fs::read_to_string(&path).is_ok_and(|current| current == text);
            assert!(
                same,
                "{} is out of date; run: UPDATE_DOCS=1 cargo test --lib schemas",
                path.display()
            );
        }
    }

    /// Checks that the list names a document of each command, and no command that does not exist.
    #[test]
    fn every_command_has_a_document() {
        /// Commands that print something else, as `docs/json.md` says.
        const OTHERS: [&str; 5] = ["completions", "demo", "help", "hook", "man"];
        fn collect_leaves(command: &clap::Command, path: &str, leaves: &mut Vec<String>) {
            for inner in command.get_subcommands() {
                let path = format!("{path} {}", inner.get_name());
                if inner.get_subcommands().next().is_none() {
                    leaves.push(path.trim_start().to_owned());
                }
                collect_leaves(inner, &path, leaves);
            }
        }
        let mut leaves = Vec::new();
        collect_leaves(&crate::cli::Cli::command(), "", &mut leaves);
        assert!(leaves.len() > 40, "{leaves:?}");
        let documented: BTreeSet<&str> = KINDS
            .iter()
            .flat_map(|kind| kind.about.split('`').skip(1).step_by(2))
            .collect();
        // A group such as `person` stands for all of its commands.
        let is_documented = |leaf: &String| {
            let group = leaf.split(' ').next().unwrap();
            documented.contains(leaf.as_str())
                || leaf != group && documented.contains(group)
                || OTHERS.contains(&group)
        };
        let missing: Vec<&String> = leaves.iter().filter(|it| !is_documented(it)).collect();
        assert!(missing.is_empty(), "no document is listed for {missing:?}");
        let is_command = |name: &&&str| {
            leaves
                .iter()
                .any(|leaf| leaf == *name || leaf.starts_with(&format!("{name} ")))
        };
        let names = documented.iter().filter(|it| {
            it.chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == ' ' || letter == '-')
                && !it.starts_with('-')
        });
        let unknown: Vec<&&str> = names.filter(|it| !is_command(it)).collect();
        assert!(unknown.is_empty(), "there is no command {unknown:?}");
    }

    /// Checks that every field has a description.
    #[test]
    fn every_field_is_described() {
        fn collect_undescribed(at: &str, value: &Value, missing: &mut Vec<String>) {
            if let Some(properties) = value.get("properties").and_then(Value::as_object) {
                // A constant is clear without a description.
                let is_described =
                    |it: &Value| it.get("description").is_some() || it.get("const").is_some();
                let undescribed = properties.iter().filter(|(_, it)| !is_described(it));
                missing.extend(undescribed.map(|(name, _)| format!("{at}.{name}")));
            }
            for (key, inner) in value.as_object().into_iter().flatten() {
                collect_undescribed(&format!("{at}.{key}"), inner, missing);
            }
            for inner in value.as_array().into_iter().flatten() {
                collect_undescribed(at, inner, missing);
            }
        }
        let mut missing = Vec::new();
        for kind in KINDS {
            collect_undescribed(kind.name, &kind.schema(), &mut missing);
        }
        assert!(missing.is_empty(), "{missing:#?}");
    }
}
