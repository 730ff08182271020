//! The error of a command: what happened, why, and what to type next.
//!
//! The kind determines the exit code. "No" and "cannot tell" are different kinds, because a caller
//! must never confuse the two.

use std::error::Error;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::text::sanitize;
use crate::domain::verdict::{Decision, Verdict};
use crate::git;
use crate::ledger::sync::SyncError;
use crate::view::announcement::Announcement;
use crate::view::{verdict, wrap};

/// The kind of error, which determines the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorKind {
    /// The answer is no: a rule refuses, or an audit has findings.
    Denied = 1,
    /// The command was used incorrectly.
    Usage = 2,
    /// A fact could not be determined: git, network, disk, or something is missing.
    CannotTell = 3,
    /// A command of the policy failed, and the deployment with it.
    Command = 4,
    /// Approvals are missing.
    Waiting = 5,
    /// Some of what was asked for was deployed, but not all.
    Partly = 6,
}

impl ErrorKind {
    /// Returns the exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<ErrorKind> for ExitCode {
    fn from(kind: ErrorKind) -> Self {
        kind.code().into()
    }
}

/// The error type of all commands.
#[derive(Debug)]
pub struct CliError {
    kind: ErrorKind,
    /// What happened; `None` if the command has reported it already.
    message: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
    hints: Vec<Hint>,
    /// The verdict of the rules, if they were asked. It has been printed already.
    verdict: Option<Verdict>,
    /// Further text that has been printed already, such as a remote's messages.
    details: Vec<String>,
}

/// A command to type next.
#[derive(Debug)]
struct Hint {
    /// What stands before it: `hint`, or `ask bob or carol` if the user cannot type it.
    label: String,
    command: String,
}

/// Why a command failed. The exit code gives the kind.
#[derive(JsonSchema, Serialize)]
pub(super) struct ErrorDocument {
    /// The kind of error.
    kind: ErrorKind,
    /// The exit code.
    exit: u8,
    /// What happened.
    message: String,
    /// The causes, from the nearest to the deepest.
    because: Vec<String>,
    /// What to type next.
    r#try: Vec<String>,
    /// The verdict of the rules, if they were asked.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "verdict::serialize_some"
    )]
    #[schemars(with = "Option<verdict::VerdictDocument<'_>>")]
    verdict: Option<Verdict>,
    /// Further details, such as the remote's messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    /// What a person should know before the deployment, although no rule forbids it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    announcements: Vec<Announcement>,
}

impl CliError {
    /// Returns an error with a message that describes what happened.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            ..Self::reported(kind)
        }
    }

    /// Returns an error that the command has already reported, for example as a verdict. Only its
    /// exit code matters.
    pub fn reported(kind: ErrorKind) -> Self {
        Self {
            kind,
            message: None,
            source: None,
            hints: Vec::new(),
            verdict: None,
            details: Vec::new(),
        }
    }

    /// Sets the cause.
    ///
    /// If the cause is a lock file or a broken ref, also adds the hints for it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        let git_error = find_git_error(&*source);
        // The hints for a lock are the same in every command.
        let lock = match git_error {
            Some(git::Error::Locked(lock)) => Some(lock.clone()),
            _ => None,
        };
        let removal = git_error.and_then(git::Error::removal);
        self.source = Some(source);
        let error = removal.into_iter().fold(self, Self::hint);
        match lock {
            Some(lock) => error
                .hint("repeat the command once the other process has ended")
                .hint(format!(
                    "rm {}, if no git process is running here",
                    lock.display()
                )),
            None => error,
        }
    }

    /// Adds a command to try next, such as `git deploy sync`.
    #[must_use]
    pub fn hint(mut self, command: impl Into<String>) -> Self {
        self.hints.push(Hint {
            label: "hint".to_owned(),
            command: command.into(),
        });
        self
    }

    /// Adds a command that others can type. `request` names them: `ask bob or carol:`.
    #[must_use]
    pub fn ask(mut self, request: &str, command: impl Into<String>) -> Self {
        self.hints.push(Hint {
            label: request.trim_end_matches(':').to_owned(),
            command: command.into(),
        });
        self
    }

    /// Returns the verdict of the rules, if it refused what the command was to do.
    pub fn refusing_verdict(&self) -> Option<&Verdict> {
        self.verdict
            .as_ref()
            .filter(|verdict| verdict.decision() == Decision::Refused)
    }

    /// Adds the verdict of the rules to the JSON document. The text does not repeat it, so it must
    /// have been printed.
    #[must_use]
    pub fn with_verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = Some(verdict);
        self
    }

    /// Adds details to the JSON document. The text does not repeat them, so they must have been
    /// printed.
    #[must_use]
    pub fn with_details(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(lines);
        self
    }

    /// Changes the kind of error.
    #[must_use]
    pub fn with_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// Returns the kind of error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what happened and its causes in one sentence, without hints.
    pub fn to_sentence(&self) -> String {
        let message = self.message.iter().cloned();
        let parts: Vec<String> = message.chain(self.list_causes()).collect();
        parts.join(": ")
    }

    /// Returns the causes from the nearest to the deepest. Leaves out a cause if the text before it
    /// already ends with it.
    fn list_causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = next {
            let text = error.to_string();
            if !causes
                .last()
                .or(self.message.as_ref())
                .is_some_and(|before| before.ends_with(&text))
            {
                causes.push(text);
            }
            next = error.source();
        }
        causes
    }

    /// Formats the error for a terminal, in colour and without a newline at its end. Hints are
    /// never wrapped. Returns `None` if the error has been reported already.
    pub fn render(&self, width: Option<usize>) -> Option<String> {
        let message = self.message.as_ref()?;
        let mut text = format_labelled("error", AnsiColor::Red.on_default().bold(), message, width);
        for cause in self.list_causes() {
            text += "\n";
            text += &format_labelled("  because", Style::new().bold(), &cause, width);
        }
        for hint in &self.hints {
            text += "\n";
            let label = format!("  {}", hint.label);
            let style = AnsiColor::Cyan.on_default();
            text += &format_labelled(&label, style, &hint.command, None);
        }
        Some(text)
    }

    /// Returns the body of the JSON document `git-deploy/error/v1`, with what was announced before the
    /// failure. Returns `None` if the error has
    /// been reported already.
    pub(super) fn to_document(&self, announcements: Vec<Announcement>) -> Option<ErrorDocument> {
        let message = self.message.clone()?;
        Some(ErrorDocument {
            kind: self.kind,
            exit: self.kind.code(),
            message,
            because: self.list_causes(),
            r#try: self.hints.iter().map(|hint| hint.command.clone()).collect(),
            verdict: self.verdict.clone(),
            details: self.details.clone(),
            announcements,
        })
    }
}

/// Formats `label: text` with further lines indented. Replaces control characters, because the text
/// may be untrusted.
fn format_labelled(label: &str, style: Style, text: &str, width: Option<usize>) -> String {
    let mut head = format!("{style}{label}:{style:#} ");
    let mut lines = Vec::new();
    for line in text.lines() {
        lines.extend(wrap::wrap_hanging(&head, &sanitize(line), width));
        head = " ".repeat(label.len() + 2);
    }
    lines.join("\n")
}

/// Turns the error of an operation into a [`CliError`] that describes what failed.
pub trait ErrorContext<T> {
    /// Returns the value, or an error of this kind with this message and the original error as its
    /// cause.
    fn context(self, kind: ErrorKind, message: impl Into<String>) -> Result<T, CliError>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> ErrorContext<T> for Result<T, E> {
    fn context(self, kind: ErrorKind, message: impl Into<String>) -> Result<T, CliError> {
        self.map_err(|error| CliError::new(kind, message).because(error))
    }
}

/// Returns the error of git in a chain of causes.
fn find_git_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e git::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let in_sync = match error.downcast_ref::<SyncError>() {
            Some(SyncError::Git(error)) => Some(error),
            _ => None,
        };
        if let Some(found) = error.downcast_ref::<git::Error>().or(in_sync) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the object is missing: {0}")]
    struct Missing(#[source] std::io::Error);

    fn plain(failure: &CliError) -> String {
        anstream::adapter::strip_str(&failure.render(None).unwrap()).to_string()
    }

    /// Checks the format of an error, and that a cause repeated inside another one is printed once.
    #[test]
    fn text() {
        let failure = CliError::new(ErrorKind::CannotTell, "cannot read the ledger of prod")
            .because(Missing(std::io::Error::other("no such file")))
            .hint("git deploy sync");
        assert_eq!(
            plain(&failure),
            "error: cannot read the ledger of prod\n  because: the object is missing: no such file\n  hint: git deploy sync"
        );
    }

    /// Checks that text quoted from a repository cannot control the terminal.
    #[test]
    fn hostile_words() {
        let failure = CliError::new(ErrorKind::Denied, "bad name \u{1b}[2J\u{202e}\nsecond line");
        let text = failure.render(None).unwrap();
        assert!(
            text.contains("bad name \u{fffd}[2J\u{fffd}\n       second line"),
            "{text:?}"
        );
    }

    /// Checks that the JSON document agrees with the exit code.
    #[test]
    fn json() {
        let failure = CliError::new(ErrorKind::Denied, "two approvals are missing")
            .hint("git deploy approve prod");
        let body = serde_json::to_value(failure.to_document(Vec::new()).unwrap()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "kind": "denied", "exit": 1, "message": "two approvals are missing", "because": [],
                "try": ["git deploy approve prod"],
            })
        );
    }
}
