//! How a command fails: what happened, why, and what to type next.
//!
//! The kind picks the exit code. "No" and "could not tell" are different kinds, because a caller must never take the one for
//! the other.

use std::error::Error;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::text::harmless;
use crate::domain::verdict::Verdict;
use crate::git;
use crate::view::{verdict, wrap};

/// What sort of failure, and so which exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// No: a gate refuses, an audit found something.
    Denied = 1,
    /// The command was used wrongly.
    Usage = 2,
    /// A fact could not be established: git, network, disk, something missing.
    CannotTell = 3,
    /// A command of the policy failed, and with it a deployment.
    Command = 4,
    /// It waits for an approval.
    Waiting = 5,
}

impl Kind {
    /// The exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Kind> for ExitCode {
    fn from(kind: Kind) -> Self {
        kind.code().into()
    }
}

/// The one error type at the top.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    /// Nothing where the command has said it all itself.
    message: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
    hints: Vec<String>,
    /// What the rules say, where they were asked: shown by whoever asked.
    verdict: Option<Verdict>,
    /// What else was shown already, such as the words of a remote.
    details: Vec<String>,
}

/// Why a command failed; the exit code says the same.
#[derive(JsonSchema, Serialize)]
pub(super) struct Body {
    /// What sort of failure it is.
    kind: Kind,
    /// The exit code.
    exit: u8,
    /// What happened.
    message: String,
    /// The reasons, from the nearest to the deepest.
    because: Vec<String>,
    /// What to type next.
    r#try: Vec<String>,
    /// What the rules say, where they were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<verdict::Json>,
    /// What else there is to know, such as what the remote said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
}

impl Failure {
    /// A failure with a sentence that says what happened.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            ..Self::told(kind)
        }
    }

    /// A failure that the command's own report has told already, such as a verdict: only the exit code is left to say.
    pub fn told(kind: Kind) -> Self {
        Self {
            kind,
            message: None,
            source: None,
            hints: Vec::new(),
            verdict: None,
            details: Vec::new(),
        }
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        // Wherever it is met, what to do about a lock is the same.
        let lock = match source.downcast_ref::<git::Error>() {
            Some(git::Error::Locked(lock)) => Some(lock.clone()),
            _ => None,
        };
        self.source = Some(source);
        match lock {
            Some(lock) => self
                .hint("the same command again, once the other process is done")
                .hint(format!(
                    "rm {}, if no git process is running here",
                    lock.display()
                )),
            None => self,
        }
    }

    /// Adds a command to try next, such as `git deploy sync`.
    #[must_use]
    pub fn hint(mut self, command: impl Into<String>) -> Self {
        self.hints.push(command.into());
        self
    }

    /// Adds what the rules say, for the JSON document; for people it must have been shown.
    #[must_use]
    pub fn verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = Some(verdict);
        self
    }

    /// Adds what else there is to know, for the JSON document; for people it must have been shown.
    #[must_use]
    pub fn details(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(lines);
        self
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The reasons from the nearest to the deepest; one that its predecessor already ends with is left out.
    fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = Vec::new();
        let mut next = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = next {
            let text = error.to_string();
            if !reasons
                .last()
                .or(self.message.as_ref())
                .is_some_and(|before| before.ends_with(&text))
            {
                reasons.push(text);
            }
            next = error.source();
        }
        reasons
    }

    /// The text for a person, with colours and without a newline at its end; `None` if all has been told. What to type stays on one line.
    pub fn text(&self, width: Option<usize>) -> Option<String> {
        let message = self.message.as_ref()?;
        let mut text = labelled("error", AnsiColor::Red.on_default().bold(), message, width);
        for reason in self.reasons() {
            text += "\n";
            text += &labelled("  because", Style::new().bold(), &reason, width);
        }
        for hint in &self.hints {
            text += "\n";
            text += &labelled("  try", AnsiColor::Cyan.on_default().bold(), hint, None);
        }
        Some(text)
    }

    /// The body of the JSON document `git-deploy/error/v1`; `None` if all has been told.
    pub(super) fn json(&self) -> Option<Body> {
        let message = self.message.clone()?;
        Some(Body {
            kind: self.kind,
            exit: self.kind.code(),
            message,
            because: self.reasons(),
            r#try: self.hints.clone(),
            verdict: self.verdict.as_ref().map(verdict::json),
            details: self.details.clone(),
        })
    }
}

/// `label: text`, further lines indented under it; the text may come from anywhere, so it is made harmless.
fn labelled(label: &str, style: Style, text: &str, width: Option<usize>) -> String {
    let mut head = format!("{style}{label}:{style:#} ");
    let mut lines = Vec::new();
    for line in text.lines() {
        lines.extend(wrap::hanging(&head, &harmless(line), width));
        head = " ".repeat(label.len() + 2);
    }
    lines.join("\n")
}

/// Turns the error of an operation into a [`Failure`] that says what was being done.
pub trait OrFail<T> {
    /// The value, or a failure of this kind, with the error as its reason.
    fn or_fail(self, kind: Kind, what: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> OrFail<T> for Result<T, E> {
    fn or_fail(self, kind: Kind, what: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(kind, what).because(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the object is missing: {0}")]
    struct Missing(#[source] std::io::Error);

    fn plain(failure: &Failure) -> String {
        anstream::adapter::strip_str(&failure.text(None).unwrap()).to_string()
    }

    /// A person reads what, why and what next; a reason that is repeated inside another is told once.
    #[test]
    fn text() {
        let failure = Failure::new(Kind::CannotTell, "cannot read the ledger of prod")
            .because(Missing(std::io::Error::other("no such file")))
            .hint("git deploy sync");
        assert_eq!(
            plain(&failure),
            "error: cannot read the ledger of prod\n  because: the object is missing: no such file\n  try: git deploy sync"
        );
    }

    /// An error's words may quote a repository: they must not drive the terminal.
    #[test]
    fn hostile_words() {
        let failure = Failure::new(Kind::Denied, "bad name \u{1b}[2J\u{202e}\nsecond line");
        let text = failure.text(None).unwrap();
        assert!(
            text.contains("bad name \u{fffd}[2J\u{fffd}\n       second line"),
            "{text:?}"
        );
    }

    /// Scripts read the document and the exit code; they must agree.
    #[test]
    fn json() {
        let failure =
            Failure::new(Kind::Denied, "two approvals are missing").hint("git deploy approve prod");
        let body = serde_json::to_value(failure.json().unwrap()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "kind": "denied", "exit": 1, "message": "two approvals are missing", "because": [],
                "try": ["git deploy approve prod"],
            })
        );
    }
}
