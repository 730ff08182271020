//! The thread and the queue of one notification channel. Messages are sent in order, one at a time,
//! until each has arrived or the run is over.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::post::post;
use super::{Commands, Failure, Limits, Message, Undelivered};
use crate::clock::Deadline;
use crate::domain::policy::{Address, Channel, Command, WebhookUrl};
use crate::domain::text::harmless;

/// How often a command is tried. Few times, because a failed attempt may have had effects that a
/// retry repeats.
const COMMAND_ATTEMPTS: u32 = 3;
/// The longest reason that is reported, in characters.
const REASON: usize = 300;

/// The worker of one channel.
pub(super) struct Worker {
    to: String,
    shared: Arc<Shared>,
}

/// State shared by the run and the thread. The lock is never held while a message is sent.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The queue. The first message is being tried.
    waiting: VecDeque<Arc<Message>>,
    /// How often the first message was tried, and why that failed.
    attempts: u32,
    why: Option<String>,
    /// The messages that were given up.
    lost: Vec<(Arc<Message>, u32, String)>,
    /// Set when the run is over. Nothing is tried after it.
    end: Option<Deadline>,
    /// Set if no thread could be started: the cause.
    dead: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is complete at every point at which a thread could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, longest: Duration) -> MutexGuard<'a, State> {
        // Every wait is in a loop, so a span that is too long for the clock can be cut to an hour.
        let longest = longest.min(Duration::from_secs(3_600));
        self.changed
            .wait_timeout(state, longest)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

impl Worker {
    /// Starts the thread of a channel.
    pub(super) fn new(
        to: String,
        channel: Channel,
        commands: Arc<dyn Commands>,
        limits: Limits,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let mut sender = Sender {
            channel,
            commands,
            limits,
            url: None,
        };
        let own = Arc::clone(&shared);
        let spawned = thread::Builder::new()
            .name("notify".to_owned())
            .spawn(move || serve(&own, &mut sender));
        if let Err(error) = spawned {
            shared.lock().dead = Some(format!("no thread could be started: {}", error.kind()));
        }
        Self { to, shared }
    }

    /// Queues a message.
    pub(super) fn send(&self, message: Message) {
        self.shared.lock().waiting.push_back(Arc::new(message));
        self.shared.changed.notify_all();
    }

    /// Ends the queue: the remaining messages may be tried until `end`. Later calls have no effect.
    pub(super) fn end(&self, end: Deadline) {
        self.shared.lock().end.get_or_insert(end);
        self.shared.changed.notify_all();
    }

    /// Waits until the queue is empty or `end` has passed, and returns what was not delivered.
    pub(super) fn undelivered(&self, end: Deadline) -> Vec<Undelivered> {
        let mut state = self.shared.lock();
        while state.dead.is_none() && !state.waiting.is_empty() && !end.passed() {
            state = self.shared.wait(state, end.left());
        }
        let undelivered = |message: &Message, attempts: u32, why: String| Undelivered {
            to: self.to.clone(),
            event: message.event,
            why,
            attempts,
        };
        let lost: Vec<_> = std::mem::take(&mut state.lost);
        let mut all: Vec<Undelivered> = lost
            .into_iter()
            .map(|(it, attempts, why)| undelivered(&it, attempts, why))
            .collect();
        let first = state.dead.take().or_else(|| state.why.take());
        let first =
            first.unwrap_or_else(|| "it was still being told when the run ended".to_owned());
        let attempts = state.attempts;
        for (at, message) in std::mem::take(&mut state.waiting).into_iter().enumerate() {
            all.push(undelivered(
                &message,
                if at == 0 { attempts } else { 0 },
                first.clone(),
            ));
        }
        all
    }
}

/// Sends the queued messages until the run is over. This is the body of the thread.
fn serve(shared: &Shared, sender: &mut Sender) {
    let (mut pause, mut hurried) = (sender.limits.pause, false);
    let mut state = shared.lock();
    loop {
        let Some(message) = state.waiting.front().cloned() else {
            if state.end.is_some() {
                return;
            }
            state = shared.wait(state, Duration::MAX);
            continue;
        };
        let within = state.end.map_or(sender.limits.attempt, |end| {
            end.left().min(sender.limits.attempt)
        });
        if within.is_zero() {
            return;
        }
        drop(state);
        let result = sender.send(&message, within);
        state = shared.lock();
        // The run gave up on the message in the meantime.
        if !state
            .waiting
            .front()
            .is_some_and(|first| Arc::ptr_eq(first, &message))
        {
            return;
        }
        state.attempts += 1;
        let result = match result {
            Err(Failure::Later { why, .. }) if sender.only_so_often(state.attempts) => {
                Err(Failure::Final(why))
            }
            other => other,
        };
        match result {
            Err(Failure::Later { why, after }) => {
                state.why = Some(shown(&why));
                let hurry = after.is_none() && !hurried;
                let (rested, cut) =
                    rest(shared, state, after.unwrap_or_default().max(pause), hurry);
                (state, hurried) = (rested, hurried || cut);
                // The pauses start over, to use the short time that is left at the end.
                pause = if cut {
                    sender.limits.pause
                } else {
                    pause.saturating_mul(2).min(sender.limits.longest)
                };
            }
            done => {
                if let Err(Failure::Final(why)) = done {
                    let attempts = state.attempts;
                    state.lost.push((message, attempts, shown(&why)));
                }
                state.waiting.pop_front();
                (state.attempts, state.why, pause) = (0, None, sender.limits.pause);
                shared.changed.notify_all();
            }
        }
    }
}

/// Pauses between attempts. If `may_be_cut`, the pause ends early when the run ends. Returns
/// whether that happened.
fn rest<'a>(
    shared: &'a Shared,
    mut state: MutexGuard<'a, State>,
    pause: Duration,
    may_be_cut: bool,
) -> (MutexGuard<'a, State>, bool) {
    let over = Deadline::after(pause);
    loop {
        let cut = may_be_cut && state.end.is_some();
        if cut || over.passed() || state.end.is_some_and(Deadline::passed) {
            return (state, cut);
        }
        let left = state
            .end
            .map_or(over.left(), |end| end.left().min(over.left()));
        state = shared.wait(state, left);
    }
}

/// Makes a reason safe to show and cuts it.
fn shown(why: &str) -> String {
    harmless(why).chars().take(REASON).collect()
}

/// Sends messages to one channel.
struct Sender {
    channel: Channel,
    commands: Arc<dyn Commands>,
    limits: Limits,
    /// The address that a command printed.
    url: Option<WebhookUrl>,
}

impl Sender {
    /// Sends one message.
    fn send(&mut self, message: &Message, within: Duration) -> Result<(), Failure> {
        let url = match &self.channel {
            Channel::Command(command) => {
                let told = self
                    .commands
                    .tell(command, &message.body, &message.variables);
                return told.map_err(Failure::later);
            }
            Channel::Webhook {
                address: Address::Written(url),
                ..
            } => url,
            Channel::Webhook {
                address: Address::Printed(command),
                ..
            } => {
                if self.url.is_none() {
                    self.url = Some(printed(&*self.commands, command)?);
                }
                // Set just above.
                self.url
                    .as_ref()
                    .ok_or_else(|| Failure::later("no address"))?
            }
        };
        post(url, message.media_type, &message.body, within)
    }

    /// Returns whether a command has had enough attempts. Webhooks are tried until the end.
    fn only_so_often(&self, attempts: u32) -> bool {
        matches!(self.channel, Channel::Command(_)) && attempts >= COMMAND_ATTEMPTS
    }
}

/// Reads an address from the output of a command.
fn printed(commands: &dyn Commands, command: &Command) -> Result<WebhookUrl, Failure> {
    let text = commands
        .secret(command)
        .map_err(|why| Failure::later(format!("its address is not known: {why}")))?;
    let url = text.trim_end_matches(['\n', '\r']).parse();
    url.map_err(|why: String| {
        Failure::later(format!(
            "the address that was printed cannot be used: {why}"
        ))
    })
}
