//! The types for delivering a message: the limits, the runner of commands, the message, and the
//! failures.

use std::fmt;
use std::time::Duration;

use crate::clock;
use crate::domain::policy::{NotifyEvent, ShellCommand};

/// Runs the policy's commands. Called from other threads, which may outlive the caller.
pub trait CommandRunner: Send + Sync + 'static {
    /// Runs a command with this standard input and these variables in addition to the usual ones.
    /// The error says why it failed and contains no secret.
    fn run_notification(
        &self,
        command: &ShellCommand,
        input: &[u8],
        variables: &[(&'static str, String)],
    ) -> Result<(), String>;

    /// Returns what a command prints, which is a secret. The error says why it failed and contains
    /// no output.
    fn read_secret(&self, command: &ShellCommand) -> Result<String, String>;

    /// Ends the commands that still run, with all processes of their groups. None starts afterwards.
    fn cancel(&self);
}

/// The time limits of a delivery.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The time limit of one attempt to post a message.
    pub attempt_timeout: Duration,
    /// The pause after a first failure. It doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause. A receiver can ask for a longer one with `Retry-After`.
    pub max_pause: Duration,
    /// How long the end of a run waits for undelivered messages.
    pub finish_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let short = clock::time_limit("notify", Duration::from_secs(10));
        Self {
            attempt_timeout: short,
            first_pause: Duration::from_secs(1),
            max_pause: Duration::from_secs(60),
            finish_timeout: short,
        }
    }
}

/// Notifications that were not delivered to a channel for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// A description of the channel, without secrets.
    pub channel: String,
    /// The events, in the order in which they happened.
    pub events: Vec<NotifyEvent>,
    /// The cause.
    pub reason: String,
    /// How many times the first one was tried.
    pub attempts: u32,
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            channel,
            events,
            reason,
            attempts,
        } = self;
        let times = match attempts {
            0 => String::new(),
            1 => " (tried once)".to_owned(),
            attempts => format!(" (tried {attempts} times)"),
        };
        // An event can have several messages.
        let mut names: Vec<String> = events.iter().map(|event| format!("\"{event}\"")).collect();
        names.dedup();
        let list = names.join(", ");
        write!(f, "{channel} was not notified of {list}: {reason}{times}")
    }
}

/// Why an attempt failed.
pub(super) enum SendFailure {
    /// A retry cannot help.
    Permanent(String),
    /// A retry may succeed.
    Temporary {
        /// The reason.
        why: String,
        /// How long to wait before the retry, if the receiver asked for a pause.
        after: Option<Duration>,
    },
    /// No answer came in the time that the attempt had.
    TimedOut,
}

impl SendFailure {
    /// Creates a failure that may be retried at any time.
    pub(super) fn temporary(why: impl Into<String>) -> Self {
        Self::Temporary {
            why: why.into(),
            after: None,
        }
    }
}

/// A message, ready to be sent.
pub(super) struct Message {
    pub event: NotifyEvent,
    pub media_type: &'static str,
    pub body: Vec<u8>,
    /// The environment variables, for a command.
    pub variables: Vec<(&'static str, String)>,
}
