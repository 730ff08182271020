//! Sends notifications to the channels in the policy's `notify`.
//!
//! A run never waits for them: each channel has its own thread and queue. Failed attempts are
//! retried with growing pauses while the run continues, and what was not delivered in the end is
//! returned, for the run to report. Nothing here can fail a deployment.

mod cloudevents;
mod event;
mod post;
mod slack;
mod worker;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use event::{Notice, NoticeComponent};
use worker::Worker;

use crate::clock::{self, Deadline};
use crate::domain::policy::{Notify, NotifyChannel, NotifyEvent, ShellCommand, WebhookFormat};

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
}

/// Time limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For one attempt to post a message.
    pub attempt_timeout: Duration,
    /// The pause after a first failure. It doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause that is chosen here. A service may ask for a longer one.
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

/// A notification that was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The channel, in words that contain no secret.
    pub channel: String,
    /// The event.
    pub event: NotifyEvent,
    /// The cause.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            channel: to,
            event,
            reason: why,
            attempts,
        } = self;
        let times = match attempts {
            0 => String::new(),
            1 => " (tried once)".to_owned(),
            many => format!(" (tried {many} times)"),
        };
        write!(f, "{to} was not told of \"{event}\": {why}{times}")
    }
}

/// Why an attempt failed.
enum SendFailure {
    /// A retry cannot help.
    Permanent(String),
    /// A retry may succeed. A service may say when.
    Temporary {
        why: String,
        after: Option<Duration>,
    },
    /// No answer came in the time that the attempt had.
    TimedOut,
}

impl SendFailure {
    /// Makes a failure that may be retried at any time.
    fn temporary(why: impl Into<String>) -> Self {
        Self::Temporary {
            why: why.into(),
            after: None,
        }
    }
}

/// A message, ready to be sent.
struct Message {
    event: NotifyEvent,
    media_type: &'static str,
    body: Vec<u8>,
    /// The environment variables, for a command.
    variables: Vec<(&'static str, String)>,
}

/// Sends notifications about the events of a run.
pub struct Notifier {
    workers: Vec<(Notify, Worker)>,
    limits: Limits,
}

impl Notifier {
    /// Starts a worker for each channel in the environment's policy.
    pub fn new(notify: &[Notify], commands: &Arc<dyn CommandRunner>, limits: Limits) -> Self {
        let many = notify.len() > 1;
        let worker = |(at, notify): (usize, &Notify)| {
            let number = if many {
                format!(" (number {} of notify)", at + 1)
            } else {
                String::new()
            };
            let to = format!("{}{number}", notify.channel);
            (
                notify.clone(),
                Worker::new(to, notify.channel.clone(), Arc::clone(commands), limits),
            )
        };
        Self {
            workers: notify.iter().enumerate().map(worker).collect(),
            limits,
        }
    }

    /// Queues a notice for every channel that wants its event, and returns immediately.
    pub fn send(&self, notice: &Notice) {
        for (notify, worker) in &self.workers {
            if !notify.on.contains(&notice.event) {
                continue;
            }
            for message in build_messages(&notify.channel, notice) {
                worker.send(message);
            }
        }
    }

    /// Waits a short while for the queues, with one more attempt for each message, and returns what
    /// was not delivered.
    pub fn finish(self) -> Vec<Undelivered> {
        let end = Deadline::after(self.limits.finish_timeout);
        for (_, worker) in &self.workers {
            worker.finish_by(end);
        }
        self.workers
            .iter()
            .flat_map(|(_, worker)| worker.wait_for_undelivered(end))
            .collect()
    }
}

impl Drop for Notifier {
    /// Ends the threads. Without [`Self::finish`], nothing more is tried.
    fn drop(&mut self) {
        for (_, worker) in &self.workers {
            worker.finish_by(Deadline::after(Duration::ZERO));
        }
    }
}

/// Makes the messages that a channel gets for a notice.
fn build_messages(channel: &NotifyChannel, notice: &Notice) -> Vec<Message> {
    let message = |media_type, body| Message {
        event: notice.event,
        media_type,
        body,
        variables: Vec::new(),
    };
    match channel {
        NotifyChannel::Command(_) => {
            let body = cloudevents::encode_run_event(notice);
            vec![Message {
                variables: build_variables(notice),
                ..message(cloudevents::MEDIA_TYPE, body)
            }]
        }
        NotifyChannel::Webhook {
            format: WebhookFormat::Slack,
            ..
        } => {
            vec![message(
                "application/json; charset=utf-8",
                slack::build_message(notice),
            )]
        }
        NotifyChannel::Webhook {
            format: WebhookFormat::CloudEvents,
            ..
        } => cloudevents::encode_all(notice)
            .into_iter()
            .map(|body| message(cloudevents::MEDIA_TYPE, body))
            .collect(),
    }
}

/// Returns the environment variables for a notice. A missing value is empty, so that `set -u` is
/// safe.
fn build_variables(notice: &Notice) -> Vec<(&'static str, String)> {
    fn text(value: Option<&impl ToString>) -> String {
        value.map(ToString::to_string).unwrap_or_default()
    }
    let components = notice
        .components
        .iter()
        .take(event::MAX_COMPONENTS)
        .map(|part| part.component.as_str());
    vec![
        ("DEPLOY_EVENT", notice.event.to_string()),
        ("DEPLOY_SUMMARY", notice.summary()),
        ("DEPLOY_PROJECT", notice.project.to_string()),
        ("DEPLOY_ENV", notice.environment.to_string()),
        ("DEPLOY_COMMIT", text(notice.commit.as_ref())),
        (
            "DEPLOY_SHORT",
            notice
                .commit
                .map(|commit| commit.short())
                .unwrap_or_default(),
        ),
        (
            "DEPLOY_COMPONENTS",
            components.collect::<Vec<_>>().join(" "),
        ),
        ("DEPLOY_BY", text(notice.by.as_ref())),
        ("DEPLOY_CHANGE", text(notice.change.as_ref())),
        (
            "DEPLOY_REASON",
            notice.safe_reasons().into_iter().next().unwrap_or_default(),
        ),
        ("DEPLOY_RUN", text(notice.run.as_ref())),
        ("DEPLOY_ENTRY", text(notice.entry.as_ref())),
        ("DEPLOY_URL", text(notice.url.as_ref())),
        ("DEPLOY_EXPIRES", text(notice.expires.as_ref())),
    ]
}
