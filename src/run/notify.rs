//! Tells people and programs what happens: `notify` of the policy.
//!
//! Nobody waits for them: each of those who are told has a thread and a queue of its own, what fails is tried again with growing pauses while
//! the run goes on, and what did not arrive in the end is given back, for the run to tell. Nothing here can fail a deployment.

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

pub use event::{Notice, Part};
use worker::Worker;

use crate::clock::{self, Deadline};
use crate::domain::policy::{Notify, NotifyChannel, NotifyEvent, ShellCommand, WebhookFormat};

/// What runs the policy's commands. Called from other threads, which outlive whoever made them.
pub trait Commands: Send + Sync + 'static {
    /// Runs a command with this on its standard input and these variables besides the usual ones. The error says why it failed, and no secret.
    fn tell(
        &self,
        command: &ShellCommand,
        input: &[u8],
        variables: &[(&'static str, String)],
    ) -> Result<(), String>;

    /// What a command prints: a secret. The error says why it failed, and not what it printed.
    fn secret(&self, command: &ShellCommand) -> Result<String, String>;
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One attempt to post a message.
    pub attempt: Duration,
    /// The pause after a first failure; each further one is twice as long.
    pub pause: Duration,
    /// The longest pause that is chosen here; a service may ask for a longer one.
    pub longest: Duration,
    /// How long the end of a run waits for what is not told yet.
    pub finish: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let short = clock::limit(Duration::from_secs(10));
        Self {
            attempt: short,
            pause: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            finish: short,
        }
    }
}

/// What could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// To whom, in words that hold no secret.
    pub to: String,
    /// What.
    pub event: NotifyEvent,
    /// Why not.
    pub why: String,
    /// How often it was tried.
    pub attempts: u32,
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            to,
            event,
            why,
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
enum Failure {
    /// Trying again helps nothing.
    Final(String),
    /// It may work later; a service may say when.
    Later {
        why: String,
        after: Option<Duration>,
    },
}

impl Failure {
    fn later(why: impl Into<String>) -> Self {
        Self::Later {
            why: why.into(),
            after: None,
        }
    }
}

/// Something to be told, ready to be sent.
struct Message {
    event: NotifyEvent,
    media_type: &'static str,
    body: Vec<u8>,
    /// For commands.
    variables: Vec<(&'static str, String)>,
}

/// Tells of the events of a run.
pub struct Notifier {
    workers: Vec<(Notify, Worker)>,
    limits: Limits,
}

impl Notifier {
    /// For those whom the environment's policy names.
    pub fn new(notify: &[Notify], commands: &Arc<dyn Commands>, limits: Limits) -> Self {
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

    /// Hands a notice to everyone who is to be told of its event, and returns at once.
    pub fn send(&self, notice: &Notice) {
        for (notify, worker) in &self.workers {
            if !notify.on.contains(&notice.event) {
                continue;
            }
            for message in messages(&notify.channel, notice) {
                worker.send(message);
            }
        }
    }

    /// Waits a little for what is still to be told, tries it once more at once, and gives back what could not be.
    pub fn finish(self) -> Vec<Undelivered> {
        let end = Deadline::after(self.limits.finish);
        for (_, worker) in &self.workers {
            worker.end(end);
        }
        self.workers
            .iter()
            .flat_map(|(_, worker)| worker.undelivered(end))
            .collect()
    }
}

impl Drop for Notifier {
    /// Without a finish nothing more is tried, and the threads end.
    fn drop(&mut self) {
        for (_, worker) in &self.workers {
            worker.end(Deadline::after(Duration::ZERO));
        }
    }
}

fn messages(channel: &NotifyChannel, notice: &Notice) -> Vec<Message> {
    let message = |media_type, body| Message {
        event: notice.event,
        media_type,
        body,
        variables: Vec::new(),
    };
    match channel {
        NotifyChannel::Command(_) => {
            let body = cloudevents::one(notice);
            vec![Message {
                variables: variables(notice),
                ..message(cloudevents::MEDIA_TYPE, body)
            }]
        }
        NotifyChannel::Webhook {
            format: WebhookFormat::Slack,
            ..
        } => {
            vec![message(
                "application/json; charset=utf-8",
                slack::message(notice),
            )]
        }
        NotifyChannel::Webhook {
            format: WebhookFormat::CloudEvents,
            ..
        } => cloudevents::all(notice)
            .into_iter()
            .map(|body| message(cloudevents::MEDIA_TYPE, body))
            .collect(),
    }
}

/// What a command sees of a notice. Absent is empty, so that `set -u` helps those who write one.
fn variables(notice: &Notice) -> Vec<(&'static str, String)> {
    fn text(value: Option<&impl ToString>) -> String {
        value.map(ToString::to_string).unwrap_or_default()
    }
    let components = notice
        .components
        .iter()
        .take(event::MOST)
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
            notice.reasons().into_iter().next().unwrap_or_default(),
        ),
        ("DEPLOY_RUN", text(notice.run.as_ref())),
        ("DEPLOY_ENTRY", text(notice.entry.as_ref())),
        ("DEPLOY_URL", text(notice.url.as_ref())),
        ("DEPLOY_EXPIRES", text(notice.expires.as_ref())),
    ]
}
