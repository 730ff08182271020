//! Edits the `deploy.toml` of the work tree: shared by `person`, `component` and `environment`.
//!
//! An edit changes the file only. It takes effect when an admin publishes the file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::policy_file::{POLICY_FILE, ProposedPolicy};
use super::policy_warnings::{PolicyWarning, find_policy_warnings};
use super::read_context::identify_user;
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::count::count;
use crate::domain::id::Digest;
use crate::domain::name::Person;
use crate::domain::policy::{EditError, Policy, PolicyEditor, compare_policies, suggest_nearest};
use crate::server::file_replacement::replace_file;
use crate::view::policy_changes::{self, PolicyChange};
use crate::view::text_diff::{self, NamedText};
use crate::view::wrap;

/// The options of the commands that edit `deploy.toml`.
#[derive(clap::Args)]
pub struct EditArgs {
    /// Print how deploy.toml would change, without writing it
    #[arg(long)]
    dry_run: bool,
}

/// A `deploy.toml` that is being edited.
pub struct PolicyEdit {
    /// The repository and the policy in force.
    pub workspace: Workspace,
    /// The text and its edits.
    pub editor: PolicyEditor,
    /// The file as it is.
    pub current: ProposedPolicy,
    path: PathBuf,
}

/// What an edit does, in words.
pub struct EditSummary {
    /// The edit as a command, which becomes the message of commits: "Add carol".
    pub title: String,
    /// Further sentences.
    pub notes: Vec<String>,
    /// The commands to type after the policy is published.
    pub afterwards: Vec<String>,
}

/// An edit of `deploy.toml`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyEditDocument<'a> {
    /// The file.
    file: String,
    /// Whether the file was left as it was, because of `--dry-run`.
    dry_run: bool,
    /// The digest of the edited file.
    digest: Digest,
    /// What changes for whom.
    changes: Vec<PolicyChange>,
    /// What the edit does that may not be intended.
    warnings: &'a [PolicyWarning],
    /// The edited `deploy.toml`, byte for byte.
    text: &'a str,
    /// What to type next.
    #[serde(rename = "try")]
    next: &'a [String],
}

impl PolicyEdit {
    /// Opens the `deploy.toml` of the work tree.
    pub fn open(ui: &Ui) -> Result<Self, CliError> {
        let workspace = Workspace::open(ui)?;
        let current = ProposedPolicy::open(&workspace.repository, None, ui)?;
        let folder = workspace.repository.work_dir().unwrap_or(Path::new("."));
        // If the file is a link, its target is written.
        let path = folder
            .join(POLICY_FILE)
            .canonicalize()
            .context(ErrorKind::CannotTell, format!("cannot read {POLICY_FILE}"))?;
        let editor = PolicyEditor::parse(&current.text).map_err(explain_edit_error)?;
        Ok(Self {
            workspace,
            editor,
            current,
            path,
        })
    }

    /// Returns the admins under the edited or the current policy.
    pub fn admins(&self, policy: &Policy) -> std::collections::BTreeSet<Person> {
        policy.admins(&self.workspace.project.root_keys)
    }

    /// Finds a person of the file.
    pub fn find_person(&self, name: &Person) -> Result<(), CliError> {
        if self.current.policy.people.contains_key(name) {
            return Ok(());
        }
        let people = self.current.policy.people.keys().map(Person::as_str);
        Err(explain_unknown("person", name.as_str(), people))
    }

    /// Parses the edited text.
    pub fn parse_edited(&self, ui: &Ui) -> Result<ProposedPolicy, CliError> {
        let text = self.editor.text();
        let policy = Policy::from_bytes(text.as_bytes()).map_err(|errors| {
            for error in errors.errors() {
                let message = match &error.key[..] {
                    "" => error.message.clone(),
                    key => format!("{key}: {}", error.message),
                };
                let hint = error
                    .hint
                    .as_ref()
                    .map_or_else(String::new, |it| format!("; {it}"));
                ui.eprint_sentence(format_args!("{message}{hint}"));
            }
            CliError::new(
                ErrorKind::Denied,
                "the edited policy would not be valid: nothing was written",
            )
            .with_details(errors.errors().iter().map(ToString::to_string))
        })?;
        Ok(ProposedPolicy {
            name: POLICY_FILE.to_owned(),
            text,
            policy,
        })
    }

    /// Writes the edited file, or prints how it would change. Reports what changes for whom and what
    /// to do next.
    pub fn finish(self, args: &EditArgs, summary: &EditSummary, ui: &Ui) -> Result<(), CliError> {
        let new = self.parse_edited(ui)?;
        let root_keys = &self.workspace.project.root_keys;
        let changes = compare_policies(&self.current.policy, &new.policy, root_keys);
        let warnings = find_policy_warnings(&self.workspace, &self.current.text, None, &new)?;
        let old_warnings =
            find_policy_warnings(&self.workspace, &self.current.text, None, &self.current)?;
        let warnings: Vec<PolicyWarning> = warnings
            .into_iter()
            .filter(|it| !old_warnings.iter().any(|old| old.message == it.message))
            .collect();
        if !args.dry_run {
            self.write(&new)?;
        }
        let (sentences, next) = self.describe_next_steps(summary);
        if ui.json() {
            return ui.print_document(
                "policy-edit",
                &PolicyEditDocument {
                    file: self.path.display().to_string(),
                    dry_run: args.dry_run,
                    digest: new.digest(),
                    changes: policy_changes::to_documents(&changes),
                    warnings: &warnings,
                    text: &new.text,
                    next: &next,
                },
            );
        }
        if args.dry_run {
            self.print_lines(&new, ui);
        } else {
            ui.print(format_args!(
                "{POLICY_FILE} is changed; it is not in force yet."
            ));
            for line in policy_changes::render_text(&changes, ui.width()) {
                ui.print(line);
            }
        }
        for warning in &warnings {
            warning.print(ui);
        }
        for note in &summary.notes {
            ui.print_sentence(note);
        }
        if !args.dry_run {
            for sentence in sentences {
                ui.print_sentence(sentence);
            }
            ui.print("Next:");
            for command in next {
                ui.print(wrap::render_command(2, &command, ui.width()));
            }
        }
        Ok(())
    }

    /// Writes the edited file atomically, with the permissions that it had.
    fn write(&self, new: &ProposedPolicy) -> Result<(), CliError> {
        let cannot_write = || format!("cannot write {}", self.path.display());
        let mode = std::fs::metadata(&self.path)
            .context(ErrorKind::CannotTell, cannot_write())?
            .permissions()
            .mode();
        replace_file(&self.path, new.text.as_bytes(), mode & 0o777)
            .context(ErrorKind::CannotTell, cannot_write())
    }

    fn print_lines(&self, new: &ProposedPolicy, ui: &Ui) {
        let named = |text| NamedText {
            name: POLICY_FILE,
            text,
        };
        for line in text_diff::render_diff(named(&self.current.text), named(&new.text)) {
            ui.print(line);
        }
    }

    /// Returns what the user should know and type next: an admin publishes the file, everyone else
    /// hands it to an admin.
    fn describe_next_steps(&self, summary: &EditSummary) -> (Vec<String>, Vec<String>) {
        let title = &summary.title;
        let commit = format!("git commit -m \"{title}\" {POLICY_FILE}");
        let policy = &self.workspace.policy;
        let admins = self.admins(policy);
        let user = identify_user(&self.workspace);
        let mut sentences = Vec::new();
        if Digest::sha256(self.current.text.as_bytes()) != self.digest_in_force() {
            sentences.push(format!(
                "{POLICY_FILE} already differed from the policy in force, so publishing it brings these changes into force, too."
            ));
        }
        let others: Vec<&str> = admins
            .iter()
            .filter(|admin| Some(*admin) != user.as_ref())
            .map(Person::as_str)
            .collect();
        if !user.is_some_and(|user| admins.contains(&user)) {
            sentences.push(format!(
                "Only an admin ({}) can publish it: push the commit, and ask for that.",
                others.join(", ")
            ));
            return (sentences, vec!["git deploy policy diff".to_owned(), commit]);
        }
        let publish = format!("git deploy policy publish -m \"{title}\"");
        let mut next = vec!["git deploy policy diff".to_owned()];
        let required = policy.admin_rules.approvals;
        if required > 0 {
            let approvals = count(required, "approval");
            sentences.push(format!(
                "Before you can publish it, it needs {approvals} by other admins ({}): push the commit; each of them pulls it and types `git deploy policy approve`.",
                others.join(", ")
            ));
            next.extend([commit, publish]);
        } else {
            next.extend([publish, commit]);
        }
        next.extend(summary.afterwards.iter().cloned());
        (sentences, next)
    }

    /// Returns the digest of the policy in force; that of the file if it cannot be read.
    fn digest_in_force(&self) -> Digest {
        super::commands::policy::read_policy_text(&self.workspace).map_or_else(
            |_| self.current.digest(),
            |text| Digest::sha256(text.as_bytes()),
        )
    }
}

/// Explains why the file cannot be edited.
pub fn explain_edit_error(error: EditError) -> CliError {
    CliError::new(
        ErrorKind::CannotTell,
        format!("cannot edit {POLICY_FILE}: nothing was written"),
    )
    .because(error)
    .hint("edit the file by hand, then: git deploy policy diff")
}

/// Explains that the file lists no such name, and suggests a similar one.
pub fn explain_unknown<'n>(
    kind: &str,
    name: &str,
    known: impl Iterator<Item = &'n str> + Clone,
) -> CliError {
    let suggestion =
        suggest_nearest(name, known.clone()).map_or_else(String::new, |it| format!("; {it}"));
    let list: Vec<&str> = known.collect();
    CliError::new(
        ErrorKind::Usage,
        format!(
            "there is no {kind} {name:?}: {POLICY_FILE} lists {}{suggestion}",
            if list.is_empty() {
                "none".to_owned()
            } else {
                list.join(", ")
            }
        ),
    )
}
