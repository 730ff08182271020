//! What the writing commands share: how they write, and telling what was written.

use schemars::JsonSchema;
use serde::Serialize;

use super::workspace::entry_name;
use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::id::EntryId;
use crate::domain::name::{EnvName, LedgerName};
use crate::domain::text::{Description, Line};
use crate::ledger::writer::{Appended, Manner};
use crate::view::{result_text, wrap};

/// How an entry is written: the options of every command that writes one.
#[derive(clap::Args)]
pub struct How {
    /// Say whether the rules allow it, and write nothing to any ledger
    #[arg(long)]
    pub dry_run: bool,
    /// Let the server decide also what the rules refuse here, as in a clone without history
    #[arg(long, conflicts_with = "dry_run")]
    no_verify: bool,
}

impl How {
    /// The same for the writer.
    pub fn manner(&self) -> Manner {
        Manner {
            dry_run: self.dry_run,
            no_verify: self.no_verify,
            ..Manner::default()
        }
    }
}

/// An entry in JSON: `git-deploy/entry/v1`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    /// Its commit; absent after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<EntryId>,
    /// Its ledger.
    ledger: &'a LedgerName,
    /// Its environment; absent in `policy` and `evidence`.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<EnvName>,
    /// The action's word: `approve`, `record`, `lock`, …
    action: &'static str,
    /// Its place in the ledger, from 1.
    sequence: u64,
    /// Whether nothing was written, because only the rules were asked.
    dry_run: bool,
    /// What was signed: an in-toto statement, as FORMAT.md describes it.
    statement: serde_json::Map<String, serde_json::Value>,
    /// What the remote said.
    messages: &'a [String],
}

/// Tells of an entry: a sentence and its name, or the document.
pub fn tell(context: &Context, sentence: &str, appended: &Appended) -> Result<(), Failure> {
    let statement = &appended.statement;
    for line in &appended.messages {
        context.remote_said(line);
    }
    if let Some(why) = &appended.behind {
        context.mention(format_args!(
            "The remote has the entry, and this clone has not yet: {why}. Next: git deploy sync"
        ));
    }
    if let Some(why) = &appended.untold {
        context.mention(format_args!(
            "The entry is written, and the notes do not tell of it yet: {why}. Next: git deploy sync"
        ));
    }
    if context.json() {
        let bytes = statement
            .print()
            .or_fail(Kind::CannotTell, "cannot print the entry")?;
        return context.report(
            "entry",
            &Body {
                entry: (!appended.dry_run).then_some(appended.id),
                ledger: &statement.ledger,
                environment: statement.environment(),
                action: statement.action.name(),
                sequence: statement.sequence,
                dry_run: appended.dry_run,
                statement: serde_json::from_slice(&bytes)
                    .or_fail(Kind::CannotTell, "cannot print the entry")?,
                messages: &appended.messages,
            },
        );
    }
    if appended.dry_run {
        context.say(format_args!(
            "The rules allow it; nothing was written. Afterwards: {sentence}"
        ));
    } else {
        context.print(with_entry(
            context,
            sentence,
            &entry_name(&statement.ledger, appended.id),
        ));
    }
    Ok(())
}

/// Says of what failed or was taken back that it does not come again by itself, and what lets it.
pub fn on_hold(context: &Context, name: &EnvName, appended: &Appended) {
    if appended.dry_run {
        return;
    }
    for commit in result_text::held(&appended.statement.component_results()) {
        let commit = commit.0.prefix(7);
        let sentence = format!("It is on hold in {name} until a person lifts it");
        context.print(context.with_command(
            &sentence,
            &format!("git deploy unlock {name} --commit {commit}"),
        ));
    }
}

/// A sentence and the entry that it is about; where that does not fit on one line, the entry has its own.
pub fn with_entry(context: &Context, sentence: &str, entry: &str) -> String {
    let width = context.width();
    let mut lines = wrap::below("", 2, &format!("{sentence}   entry {entry}"), width);
    if lines.len() > 1 {
        lines = wrap::below("", 2, sentence, width);
        lines.push(format!("  entry {entry}"));
    }
    lines.join("\n")
}

/// Reads a text of one line, such as a reason, from the command line.
pub fn line(text: &str) -> Result<Line, String> {
    text.trim()
        .parse()
        .map_err(|error: crate::domain::text::TextError| error.to_string())
}

/// Reads a text of several lines from the command line.
pub fn description(text: &str) -> Result<Description, String> {
    text.replace("\r\n", "\n")
        .trim()
        .parse()
        .map_err(|error: crate::domain::text::TextError| error.to_string())
}
