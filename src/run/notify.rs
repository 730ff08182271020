//! Sends notifications to the channels in the policy's `notify`.
//!
//! A run does not wait for them, except for a short time at its end: each channel has its own
//! thread and queue. Failed attempts are retried with growing pauses while the run continues.
//! Undelivered messages are returned, so that the run can report them. A failed notification never
//! fails a deployment.

mod cloudevents;
mod delivery;
mod event;
mod post;
mod slack;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use delivery::Message;
pub use delivery::{CommandRunner, Limits, Undelivered};
pub use event::Notice;
use worker::Worker;

use crate::clock::Deadline;
use crate::domain::policy::{Notify, NotifyChannel, WebhookFormat};

/// Sends notifications about the events of a run.
pub struct Notifier {
    channels: Vec<ChannelWorker>,
    commands: Arc<dyn CommandRunner>,
    limits: Limits,
}

/// A channel of the policy and the worker that sends its messages.
struct ChannelWorker {
    notify: Notify,
    worker: Worker,
}

impl Notifier {
    /// Starts a worker for each channel in the environment's policy.
    pub fn new(notify: &[Notify], commands: &Arc<dyn CommandRunner>, limits: Limits) -> Self {
        let has_several = notify.len() > 1;
        let start_worker = |(index, notify): (usize, &Notify)| {
            let number = if has_several {
                format!(" (number {} of notify)", index + 1)
            } else {
                String::new()
            };
            let channel_name = format!("{}{number}", notify.channel);
            ChannelWorker {
                notify: notify.clone(),
                worker: Worker::new(
                    channel_name,
                    notify.channel.clone(),
                    Arc::clone(commands),
                    limits,
                ),
            }
        };
        Self {
            channels: notify.iter().enumerate().map(start_worker).collect(),
            commands: Arc::clone(commands),
            limits,
        }
    }

    /// Queues a notice for every channel that subscribes to its event, and returns immediately.
    pub fn send(&self, notice: &Notice) {
        for ChannelWorker { notify, worker } in &self.channels {
            if !notify.on.contains(&notice.event) {
                continue;
            }
            for message in build_messages(&notify.channel, notice) {
                worker.send(message);
            }
        }
    }

    /// Waits a short while for the queues, with one more attempt for each message, and returns the
    /// undelivered messages.
    pub fn finish(self) -> Vec<Undelivered> {
        let end = Deadline::after(self.limits.finish_timeout);
        for channel in &self.channels {
            channel.worker.finish_by(end);
        }
        self.channels
            .iter()
            .flat_map(|channel| channel.worker.wait_for_undelivered(end))
            .collect()
    }
}

impl Drop for Notifier {
    /// Ends the threads and the commands that they run. If [`Self::finish`] was not called, the queued
    /// messages are dropped.
    fn drop(&mut self) {
        for channel in &self.channels {
            channel.worker.finish_by(Deadline::after(Duration::ZERO));
        }
        self.commands.cancel();
    }
}

/// Builds the messages that a channel gets for a notice.
fn build_messages(channel: &NotifyChannel, notice: &Notice) -> Vec<Message> {
    let new_message = |media_type, body| Message {
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
                ..new_message(cloudevents::MEDIA_TYPE, body)
            }]
        }
        NotifyChannel::Webhook {
            format: WebhookFormat::Slack,
            ..
        } => {
            vec![new_message(
                "application/json; charset=utf-8",
                slack::build_message(notice),
            )]
        }
        NotifyChannel::Webhook {
            format: WebhookFormat::CloudEvents,
            ..
        } => cloudevents::encode_all(notice)
            .into_iter()
            .map(|body| new_message(cloudevents::MEDIA_TYPE, body))
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
        ("DEPLOY_RELEASE", text(notice.release.as_ref())),
        // A name can contain a comma, but no line break.
        ("DEPLOY_AUTHORS", notice.safe_authors().join("\n")),
        (
            "DEPLOY_REASON",
            notice.safe_reasons().into_iter().next().unwrap_or_default(),
        ),
        ("DEPLOY_RUN", text(notice.run.as_ref())),
        ("DEPLOY_ENTRY", text(notice.entry.as_ref())),
        ("DEPLOY_URL", text(notice.url.as_ref())),
        ("DEPLOY_RUN_URL", text(notice.run_url.as_ref())),
        ("DEPLOY_EXPIRES", text(notice.expires.as_ref())),
    ]
}
