//! The thread and the queue of one notification channel. Messages are sent in order, one at a time,
//! until each has arrived or the run is over.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::delivery::{CommandRunner, Limits, Message, SendFailure, Undelivered};
use super::post::post;
use crate::clock::Deadline;
use crate::domain::policy::{NotifyChannel, ShellCommand, WebhookAddress, WebhookUrl};
use crate::domain::text::sanitize;

/// How many times a command is tried. The number is small, because a retry may repeat the effects
/// of a failed attempt.
const COMMAND_ATTEMPTS: u32 = 3;
/// The longest reason that is reported, in characters.
const MAX_REASON_CHARS: usize = 300;
/// An attempt begins only if at least its time limit divided by this number is left before the run
/// is over. With less, it would time out whatever the receiver does.
const MIN_TIME_DIVISOR: u32 = 10;

/// The worker of one channel.
pub(super) struct Worker {
    channel_name: String,
    shared: Arc<SharedQueue>,
}

/// State shared by the run and the thread. The lock is never held while a message is sent.
#[derive(Default)]
struct SharedQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

/// The messages of a channel and what has happened to them.
#[derive(Default)]
struct QueueState {
    /// The messages to send. The first one is being tried.
    queue: VecDeque<Arc<Message>>,
    /// How many times the first message was tried.
    attempts: u32,
    /// Why its last attempt failed.
    last_failure: Option<String>,
    /// The messages that failed permanently.
    failed: Vec<FailedMessage>,
    /// Set when the run is over. No attempt is made after this time.
    deadline: Option<Deadline>,
    /// Whether the thread has ended: no time was left for another attempt.
    is_over: bool,
    /// Set if no thread could be started: the cause.
    thread_error: Option<String>,
}

/// A message that is not tried again.
struct FailedMessage {
    message: Arc<Message>,
    attempts: u32,
    /// Why the last attempt failed.
    reason: String,
}

impl QueueState {
    /// Removes the first message, which was delivered or failed permanently.
    fn end_message(&mut self, result: Result<(), SendFailure>) {
        let message = self.queue.pop_front();
        if let (Some(message), Err(SendFailure::Permanent(why))) = (message, result) {
            self.failed.push(FailedMessage {
                message,
                attempts: self.attempts,
                reason: clean_reason(&why),
            });
        }
        (self.attempts, self.last_failure) = (0, None);
    }
}

impl SharedQueue {
    /// Locks the state.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // The state is complete at every point at which a thread could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change of the state, for at most `max_wait`. May return early.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, QueueState>,
        max_wait: Duration,
    ) -> MutexGuard<'a, QueueState> {
        // Every wait is in a loop, so a span that is too long for the clock can be cut to an hour.
        let max_wait = max_wait.min(Duration::from_secs(3_600));
        self.changed
            .wait_timeout(state, max_wait)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

impl Worker {
    /// Starts the thread of a channel.
    pub(super) fn new(
        channel_name: String,
        channel: NotifyChannel,
        commands: Arc<dyn CommandRunner>,
        limits: Limits,
    ) -> Self {
        let shared = Arc::<SharedQueue>::default();
        let mut sender = ChannelSender {
            channel,
            commands,
            limits,
            url: None,
        };
        let thread_shared = Arc::clone(&shared);
        let spawned = thread::Builder::new()
            .name("notify".to_owned())
            .spawn(move || send_queued(&thread_shared, &mut sender));
        if let Err(error) = spawned {
            shared.lock().thread_error =
                Some(format!("no thread could be started: {}", error.kind()));
        }
        Self {
            channel_name,
            shared,
        }
    }

    /// Queues a message.
    pub(super) fn send(&self, message: Message) {
        self.shared.lock().queue.push_back(Arc::new(message));
        self.shared.changed.notify_all();
    }

    /// Ends the queue: the remaining messages may be tried until `end`. Later calls have no effect.
    pub(super) fn finish_by(&self, end: Deadline) {
        self.shared.lock().deadline.get_or_insert(end);
        self.shared.changed.notify_all();
    }

    /// Returns whether the oldest message was tried at least once, or none is left.
    #[cfg(test)]
    pub(super) fn has_tried(&self) -> bool {
        let state = self.shared.lock();
        state.queue.is_empty() || state.attempts > 0
    }

    /// Returns whether no message waits.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.shared.lock().queue.is_empty()
    }

    /// Waits until the queue is empty or `end` has passed, and returns the undelivered messages.
    /// Those with the same reason are returned together, so that a dead channel is reported once.
    pub(super) fn wait_for_undelivered(&self, end: Deadline) -> Vec<Undelivered> {
        let mut state = self.shared.lock();
        while state.thread_error.is_none()
            && !state.is_over
            && !state.queue.is_empty()
            && !end.has_passed()
        {
            state = self.shared.wait(state, end.time_left());
        }
        let mut reports: Vec<Undelivered> = Vec::new();
        let mut add = |message: &Message, attempts: u32, reason: String| match reports
            .iter_mut()
            .find(|it| it.reason == reason)
        {
            Some(report) => report.events.push(message.event),
            None => reports.push(Undelivered {
                channel: self.channel_name.clone(),
                events: vec![message.event],
                reason,
                attempts,
            }),
        };
        for failed in std::mem::take(&mut state.failed) {
            add(&failed.message, failed.attempts, failed.reason);
        }
        let reason = state
            .thread_error
            .take()
            .or_else(|| state.last_failure.take());
        let reason =
            reason.unwrap_or_else(|| "it was still being sent when the run ended".to_owned());
        let attempts = state.attempts;
        for (index, message) in std::mem::take(&mut state.queue).into_iter().enumerate() {
            let attempts = if index == 0 { attempts } else { 0 };
            add(&message, attempts, reason.clone());
        }
        reports
    }
}

/// Sends the queued messages one after the other, until the run is over.
fn send_queued(shared: &SharedQueue, sender: &mut ChannelSender) {
    let limits = sender.limits;
    let min_time = limits.attempt_timeout / MIN_TIME_DIVISOR;
    let (mut pause, mut pause_was_cut) = (limits.first_pause, false);
    let mut state = shared.lock();
    loop {
        let Some(message) = state.queue.front().cloned() else {
            if state.deadline.is_some() {
                return;
            }
            state = shared.wait(state, Duration::MAX);
            continue;
        };
        let time_limit = state.deadline.map_or(limits.attempt_timeout, |end| {
            end.time_left().min(limits.attempt_timeout)
        });
        if time_limit < min_time {
            return mark_over(shared, state);
        }
        drop(state);
        let result = sender.send(&message, time_limit);
        state = shared.lock();
        // The run has ended in the meantime, and reports the message as undelivered.
        if !state
            .queue
            .front()
            .is_some_and(|first| Arc::ptr_eq(first, &message))
        {
            return;
        }
        state.attempts += 1;
        match sender.review(result, &state, time_limit) {
            Err(SendFailure::Temporary { why, after }) => {
                state.last_failure = Some(clean_reason(&why));
                let may_be_cut = after.is_none() && !pause_was_cut;
                let span = after.unwrap_or_default().max(pause);
                let (locked, end) =
                    wait_between_attempts(shared, state, span, may_be_cut, min_time);
                state = locked;
                pause = match end {
                    PauseEnd::Elapsed => pause.saturating_mul(2).min(limits.max_pause),
                    // Little time is left, so the pauses start again from the shortest.
                    PauseEnd::Cut => limits.first_pause,
                    PauseEnd::TooLong => return mark_over(shared, state),
                };
                pause_was_cut |= matches!(end, PauseEnd::Cut);
            }
            result => {
                state.end_message(result);
                pause = limits.first_pause;
                shared.changed.notify_all();
            }
        }
    }
}

/// Marks the thread as ended, so that the end of the run does not wait for it.
fn mark_over(shared: &SharedQueue, mut state: MutexGuard<'_, QueueState>) {
    state.is_over = true;
    shared.changed.notify_all();
}

/// Returns the reason to report for an attempt without an answer. If the end of the run cut the
/// attempt short, the reason of the attempt before it is kept: the receiver may not be at fault.
fn describe_timeout(state: &QueueState, time_limit: Duration, full_limit: Duration) -> String {
    if time_limit == full_limit {
        return format!("no answer within {} s", full_limit.as_secs_f32());
    }
    state
        .last_failure
        .clone()
        .unwrap_or_else(|| "no answer before the run ended".to_owned())
}

/// How a pause ended.
enum PauseEnd {
    /// Its time has elapsed.
    Elapsed,
    /// The run ended, so the next attempt is made at once.
    Cut,
    /// The run will be over before the next attempt could begin.
    TooLong,
}

/// Waits between two attempts. If `may_be_cut`, the end of the run cuts the pause short. `min_time`
/// is the time that an attempt needs.
fn wait_between_attempts<'a>(
    shared: &'a SharedQueue,
    mut state: MutexGuard<'a, QueueState>,
    pause: Duration,
    may_be_cut: bool,
    min_time: Duration,
) -> (MutexGuard<'a, QueueState>, PauseEnd) {
    let pause_end = Deadline::after(pause);
    loop {
        if may_be_cut && state.deadline.is_some() {
            return (state, PauseEnd::Cut);
        }
        if pause_end.has_passed() {
            return (state, PauseEnd::Elapsed);
        }
        let left = pause_end.time_left();
        if state
            .deadline
            .is_some_and(|end| end.time_left() < left.saturating_add(min_time))
        {
            return (state, PauseEnd::TooLong);
        }
        state = shared.wait(state, left);
    }
}

/// Makes a reason safe to show and cuts it.
fn clean_reason(why: &str) -> String {
    sanitize(why).chars().take(MAX_REASON_CHARS).collect()
}

/// Sends messages to one channel.
struct ChannelSender {
    channel: NotifyChannel,
    commands: Arc<dyn CommandRunner>,
    limits: Limits,
    /// The address that a command printed.
    url: Option<WebhookUrl>,
}

impl ChannelSender {
    /// Sends one message.
    fn send(&mut self, message: &Message, time_limit: Duration) -> Result<(), SendFailure> {
        let url = match &self.channel {
            NotifyChannel::Command(command) => {
                let result =
                    self.commands
                        .run_notification(command, &message.body, &message.variables);
                return result.map_err(SendFailure::temporary);
            }
            NotifyChannel::Webhook {
                address: WebhookAddress::Literal(url),
                ..
            } => url,
            NotifyChannel::Webhook {
                address: WebhookAddress::FromCommand(command),
                ..
            } => {
                if self.url.is_none() {
                    self.url = Some(read_address(&*self.commands, command)?);
                }
                // Set just above.
                self.url
                    .as_ref()
                    .ok_or_else(|| SendFailure::temporary("no address"))?
            }
        };
        post(url, message.media_type, &message.body, time_limit)
    }

    /// Decides whether a failed attempt may be repeated: turns a timeout into a temporary failure,
    /// and the last attempt of a command into a permanent one.
    fn review(
        &self,
        result: Result<(), SendFailure>,
        state: &QueueState,
        time_limit: Duration,
    ) -> Result<(), SendFailure> {
        match result {
            Err(SendFailure::TimedOut) => Err(SendFailure::temporary(describe_timeout(
                state,
                time_limit,
                self.limits.attempt_timeout,
            ))),
            Err(SendFailure::Temporary { why, .. }) if self.is_exhausted(state.attempts) => {
                Err(SendFailure::Permanent(why))
            }
            other => other,
        }
    }

    /// Returns whether a command has had enough attempts. Webhooks are tried until the end.
    fn is_exhausted(&self, attempts: u32) -> bool {
        matches!(self.channel, NotifyChannel::Command(_)) && attempts >= COMMAND_ATTEMPTS
    }
}

/// Reads an address from the output of a command.
fn read_address(
    commands: &dyn CommandRunner,
    command: &ShellCommand,
) -> Result<WebhookUrl, SendFailure> {
    let text = commands
        .read_secret(command)
        .map_err(|why| SendFailure::temporary(format!("its address is not known: {why}")))?;
    let url = text.trim_end_matches(['\n', '\r']).parse();
    url.map_err(|why: String| {
        SendFailure::temporary(format!(
            "the address that was printed cannot be used: {why}"
        ))
    })
}
