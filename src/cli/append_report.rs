//! Shared by the commands that write an entry: their options, and the report of the written entry.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::entry_name::format_entry_name;
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::address::credentials::check_addresses;
use crate::domain::entry::{ComponentChange, ComponentResult, Deployment, DeploymentKind, Outcome};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{EnvName, LedgerName, Person};
use crate::domain::text::{Description, Line};
use crate::ledger::writer::{AppendOptions, AppendedEntry};
use crate::view::announcement::Announcement;
use crate::view::grouping::list_alternatives;
use crate::view::{result_text, wrap};

/// How an entry is written: the options of every command that writes one.
#[derive(clap::Args)]
pub struct WriteArgs {
    /// Check the rules without writing anything
    #[arg(long)]
    pub dry_run: bool,
    /// Let the server decide even if the rules refuse the entry here
    ///
    /// For clones without the full history.
    #[arg(hide_short_help = true, long, conflicts_with = "dry_run")]
    no_verify: bool,
}

impl WriteArgs {
    /// Converts the options for the ledger writer.
    pub fn append_options(&self) -> AppendOptions {
        AppendOptions {
            dry_run: self.dry_run,
            no_verify: self.no_verify,
            ..AppendOptions::default()
        }
    }
}

/// An entry: the document `git-deploy/entry/v1`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryDocument<'a> {
    /// The entry's commit; absent after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<EntryId>,
    /// The ledger.
    ledger: &'a LedgerName,
    /// The environment; absent in the ledgers `policy` and `evidence`.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<EnvName>,
    /// The action: `approve`, `record`, `lock`, …
    action: &'static str,
    /// The entry's number in the ledger, counted from 1.
    sequence: u64,
    /// Whether this was a dry run: the rules were checked and nothing was written.
    dry_run: bool,
    /// The signed statement: an in-toto statement as FORMAT.md describes it.
    statement: serde_json::Map<String, serde_json::Value>,
    /// The messages of the remote.
    messages: &'a [String],
    /// What a person should know before the deployment, although no rule forbids it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    announcements: Vec<Announcement>,
}

/// That nothing was written: the document `git-deploy/unchanged/v1`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UnchangedDocument<'a> {
    /// The environment, which already has the content.
    environment: &'a EnvName,
    /// What a person should know, although no rule forbids it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    announcements: Vec<Announcement>,
}

/// Reports that nothing was written, because the environment already has the content.
pub fn report_unchanged(ui: &Ui, environment: &EnvName) -> Result<(), CliError> {
    if ui.json() {
        let announcements = ui.announcements();
        let document = UnchangedDocument {
            environment,
            announcements,
        };
        return ui.print_document("unchanged", &document);
    }
    ui.print_sentence(result_text::describe_unchanged(environment));
    Ok(())
}

/// Prints the result of an append: `sentence` with the entry's name or, with `--json`, the document
/// `entry`.
///
/// Also prints the remote's messages, and a warning if this clone or the notes do not have the
/// entry yet.
pub fn report_entry(ui: &Ui, sentence: &str, appended: &AppendedEntry) -> Result<(), CliError> {
    let statement = &appended.statement;
    for line in &appended.messages {
        ui.eprint_remote(line);
    }
    if let Some(why) = &appended.local_error {
        ui.eprint_sentence(format_args!(
            "The remote has the entry, but this clone does not yet: {why}. Next: git deploy sync"
        ));
    }
    if let Some(why) = &appended.notes_error {
        ui.eprint_sentence(format_args!(
            "The entry is written, but the notes are not updated yet: {why}. Next: git deploy sync"
        ));
    }
    if ui.json() {
        let bytes = statement
            .print()
            .context(ErrorKind::CannotTell, "cannot print the entry")?;
        return ui.print_document(
            "entry",
            &EntryDocument {
                entry: (!appended.dry_run).then_some(appended.id),
                ledger: &statement.ledger,
                environment: statement.environment(),
                action: statement.action.name(),
                sequence: statement.sequence,
                dry_run: appended.dry_run,
                statement: serde_json::from_slice(&bytes)
                    .context(ErrorKind::CannotTell, "cannot print the entry")?,
                messages: &appended.messages,
                announcements: ui.announcements(),
            },
        );
    }
    if appended.dry_run {
        ui.print_sentence(format_args!(
            "The rules allow it; nothing was written. Afterwards: {sentence}"
        ));
    } else {
        ui.print(format_with_entry(
            ui,
            sentence,
            &format_entry_name(&statement.ledger, appended.id),
        ));
    }
    Ok(())
}

/// Prints the command that lifts the hold for each commit that failed or was rolled back: by the
/// deployment itself, or by a person, whose rollback is `deployment`. Prints nothing after a dry run.
/// Returns the commits that a person's rollback put on hold.
pub fn report_holds(
    ui: &Ui,
    workspace: &Workspace,
    name: &EnvName,
    deployment: Option<&Deployment>,
    appended: &AppendedEntry,
) -> BTreeSet<CommitId> {
    if appended.dry_run {
        return BTreeSet::new();
    }
    let results = appended.statement.component_results();
    let rollback = deployment.filter(|it| it.kind == DeploymentKind::Rollback);
    let rolled_back = rollback.map_or_else(BTreeSet::new, |rollback| {
        list_rolled_back(workspace, rollback, &results)
    });
    let lifters = describe_lifters(workspace, name, &appended.statement.by);
    for commit in &result_text::list_commits_on_hold(&results) | &rolled_back {
        let mut held = results
            .iter()
            .filter(|it| it.target.commit == commit)
            .peekable();
        let is_cancelled = held.peek().is_some()
            && held.all(|it| appended.statement.was_cancelled(&it.target.component));
        let commit = commit.0.prefix(7);
        let cause = if is_cancelled {
            " because its deployment was cancelled and may be there in part,"
        } else {
            ""
        };
        let sentence =
            format!("{commit} stays on hold in {name}{cause} until {lifters} lifts the hold");
        ui.print(ui.format_with_command(
            &sentence,
            &format!("git deploy unlock {name} --commit {commit}"),
        ));
    }
    rolled_back
}

/// Returns who may lift a hold: `a person`, or the names if the reader may not.
fn describe_lifters(workspace: &Workspace, name: &EnvName, reader: &Person) -> String {
    let policy = &workspace.policy;
    let admins = policy.admins(&workspace.project.root_keys);
    let environment = policy.environment(name);
    let able = environment.map_or_else(BTreeSet::new, |it| policy.unlockers(it, admins));
    if able.is_empty() || able.contains(reader) {
        "a person".to_owned()
    } else {
        list_alternatives(&able)
    }
}

/// Returns the commits that a person's rollback took out, and whose content is on hold now.
fn list_rolled_back(
    workspace: &Workspace,
    rollback: &Deployment,
    results: &[ComponentResult],
) -> BTreeSet<CommitId> {
    let has_succeeded = |change: &&ComponentChange| {
        results.iter().any(|it| {
            it.target.component == change.target.component && it.outcome == Outcome::Succeeded
        })
    };
    let gatherer = workspace.gatherer();
    let find_content = |commit, component| gatherer.content(&workspace.policy, commit, component);
    rollback
        .deployed()
        .filter(has_succeeded)
        .filter_map(|change| {
            let (from, component) = (change.from?, &change.target.component);
            let content = find_content(from, component).ok().flatten()?;
            (Some(content) != change.target.content).then_some(from)
        })
        .collect()
}

/// Formats a sentence followed by the name of its entry. If both do not fit on one line, the entry
/// gets a line of its own.
pub fn format_with_entry(ui: &Ui, sentence: &str, entry: &str) -> String {
    let width = ui.width();
    let mut lines = wrap::wrap_indented("", 2, &format!("{sentence}   entry {entry}"), width);
    if lines.len() > 1 {
        lines = wrap::wrap_indented("", 2, sentence, width);
        lines.push(format!("  entry {entry}"));
    }
    lines.join("\n")
}

/// Parses a text of one line, such as a reason or an address, from the command line. Refuses
/// addresses with credentials.
pub fn parse_line(text: &str) -> Result<Line, String> {
    parse_recorded(text.trim())
}

/// Parses a text of one or more lines from the command line. Refuses addresses with credentials.
pub fn parse_description(text: &str) -> Result<Description, String> {
    parse_recorded(text.replace("\r\n", "\n").trim())
}

/// Parses a text that an entry records.
fn parse_recorded<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    check_addresses(text).map_err(|error| error.to_string())?;
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Returns the sentence for a withdrawn approval of `what`.
pub fn describe_revocation(by: &Person, approver: &Person, what: &str) -> String {
    let whose = if by == approver {
        "their approval".to_owned()
    } else {
        format!("the approval of {approver}")
    };
    format!("{by} withdraws {whose} of {what}.")
}
