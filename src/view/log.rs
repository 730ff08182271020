//! The history of the ledgers: the table of `git deploy log`, and the document `git-deploy/log/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::deployment_details::DeploymentDetails;
use super::symbols::Mark;
use super::table::{Cell, Table};
use crate::domain::entry::{
    Action, ComponentResult, Deployment, Outcome, Statement, Target, Tone, VerificationResult,
};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogPage {
    /// The entries, newest first.
    pub entries: Vec<LogEntry>,
    /// Whether there are older entries, which are left out.
    pub truncated: bool,
}

/// One entry.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// The ledger commit.
    pub entry: EntryId,
    /// Its ledger.
    pub ledger: LedgerName,
    /// The environment; absent in `policy` and `evidence`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvName>,
    /// When it was signed.
    pub at: Time,
    /// Who signed.
    pub by: Person,
    /// The person on whose behalf it was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Person>,
    /// The name of the action: `approve`, `record`, `lock`, …
    pub action: &'static str,
    /// What happened, in a word: `deployed`, `failed`, `rolled back`, …
    pub result: &'static str,
    /// Whether the result is good or bad, which decides the colour.
    #[serde(skip)]
    #[schemars(skip)]
    pub tone: Tone,
    /// What the entry is about, in words.
    pub summary: String,
    /// The command of an `exec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Line>,
    /// The exit status of that command, if it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<u8>,
    /// The comment or reason of an entry that is not a deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When the approval, lock or environment expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// The components that the entry deploys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<EntryComponent>,
    /// The people whose approvals count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<Person>,
    /// The reason for breaking the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Line>,
    /// What the deployment belongs to, where it comes from, and its commands.
    #[serde(flatten)]
    pub details: DeploymentDetails,
}

/// One component of an entry.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryComponent {
    /// Its name.
    pub component: ComponentName,
    /// Its commit.
    pub commit: CommitId,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// The outcome, if it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The result of its verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationResult>,
}

/// Converts an entry for the table and the document. `start` is the start of the run that the entry
/// ends or resumes.
pub fn describe_entry(
    entry: EntryId,
    statement: &Statement,
    start: Option<&Statement>,
) -> LogEntry {
    let text = statement.action.body().log();
    let command = [Some(statement), start]
        .into_iter()
        .flatten()
        .find_map(Statement::deployment)
        .and_then(|deployment| deployment.command.clone());
    let exit_status = match &statement.action {
        Action::Finish(finish) => finish.status,
        _ => None,
    };
    let is_deployment = statement.deployment().is_some() || start.is_some();
    let comment = statement.action.body().free_text();
    LogEntry {
        entry,
        ledger: statement.ledger.clone(),
        environment: statement.environment(),
        at: statement.at,
        by: statement.by.clone(),
        requested_by: statement.requested_by.clone(),
        action: statement.action.name(),
        result: text.verb,
        tone: text.tone,
        summary: match &command {
            Some(_) => describe_exec(exit_status, &text.object),
            None => text.object,
        },
        command,
        exit_status,
        comment: comment.filter(|_| !is_deployment).map(str::to_owned),
        expires: statement.expires(),
        components: entry_components(statement),
        approved_by: statement.approved_by().to_vec(),
        break_glass: statement.break_glass().cloned(),
        details: DeploymentDetails::new(statement, start),
    }
}

/// Describes an `exec`: its exit status if it failed, and the components that it ran in.
fn describe_exec(exit_status: Option<u8>, components: &str) -> String {
    match exit_status {
        Some(status) if status != 0 => format!("exit status {status} in {components}"),
        _ => format!("a command in {components}"),
    }
}

/// Returns the components that an entry deploys, with their outcomes if it has any.
fn entry_components(statement: &Statement) -> Vec<EntryComponent> {
    let component = |target: &Target, result: Option<&ComponentResult>| EntryComponent {
        component: target.component.clone(),
        commit: target.commit,
        version: target.version.clone(),
        outcome: result.map(|result| result.outcome),
        verification: result.map(|result| result.verification),
    };
    let results = statement.component_results();
    if results.is_empty() {
        let deployment = statement.deployment().into_iter();
        return deployment
            .flat_map(Deployment::targets)
            .map(|target| component(target, None))
            .collect();
    }
    results
        .iter()
        .map(|result| component(&result.target, Some(result)))
        .collect()
}

/// Renders the table. `when` formats a time.
pub fn render_text(log: &LogPage, width: Option<usize>, when: &dyn Fn(Time) -> String) -> String {
    let table = build_table(log, true, when);
    // On a narrow terminal the entry's id is shown without its ledger. git finds the commit by the
    // id alone.
    if table.fits(width) {
        table.render(width)
    } else {
        build_table(log, false, when).render(width)
    }
}

/// Builds the table. `with_ledgers` adds the ledger to the entry's id.
fn build_table(log: &LogPage, with_ledgers: bool, when: &dyn Fn(Time) -> String) -> Table {
    // `show` lists the people, so their column is shortened first. A shortened environment is still
    // clearer than a shortened description.
    let mut table = Table::new(&["When", "Where", "Did", "What", "Who", "Entry"])
        .shorten_columns(&[4, 1, 3])
        .with_min_width(1, 14);
    for log_entry in &log.entries {
        let location = log_entry
            .environment
            .as_ref()
            .map_or_else(|| log_entry.ledger.to_string(), EnvName::to_string);
        let style = match log_entry.tone {
            Tone::Bad => Mark::No.style(),
            Tone::Good => Mark::Yes.style(),
            Tone::Started => Mark::Live.style(),
            Tone::Neutral => anstyle::Style::new(),
        };
        let id = log_entry.entry.0.prefix(10);
        table.add_row([
            Cell::from(when(log_entry.at)),
            Cell::from(location),
            Cell::styled(log_entry.result, style),
            Cell::from(&log_entry.summary),
            Cell::from(format_signers(log_entry)),
            Cell::from(if with_ledgers {
                format!("{}@{id}", log_entry.ledger)
            } else {
                id
            }),
        ]);
        add_remarks(&mut table, log_entry);
    }
    table
}

/// Adds what does not fit in the row of an entry: why the rules were overridden, who approved it,
/// and its details.
fn add_remarks(table: &mut Table, log_entry: &LogEntry) {
    if let Some(reason) = &log_entry.break_glass {
        table.add_remark(Cell::styled(
            format!("BREAK-GLASS \"{reason}\""),
            Mark::No.style(),
        ));
    }
    let people: Vec<&str> = log_entry.approved_by.iter().map(Person::as_str).collect();
    let approved = (!people.is_empty()).then(|| format!("approved by {}", people.join(", ")));
    // The summary of some actions already quotes the comment.
    let comment = log_entry
        .comment
        .as_ref()
        .filter(|comment| !log_entry.summary.contains(comment.as_str()))
        .map(|comment| format!("\"{comment}\""));
    let command = log_entry
        .command
        .as_ref()
        .map(|command| format!("$ {command}"));
    let parts: Vec<String> = command
        .into_iter()
        .chain(approved)
        .chain(comment)
        .chain(log_entry.details.to_phrases())
        .collect();
    if !parts.is_empty() {
        table.add_remark(Cell::styled(parts.join(" · "), Mark::None.style()));
    }
}

/// Returns who signed, and on whose behalf.
fn format_signers(log_entry: &LogEntry) -> String {
    let behalf = log_entry
        .requested_by
        .as_ref()
        .map_or_else(String::new, |person| format!(" for {person}"));
    format!("by {}{behalf}", log_entry.by)
}
