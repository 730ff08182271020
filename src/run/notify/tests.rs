//! Tests of notifications over real sockets on loopback. Whatever a receiver does, the run
//! continues, every lost message is reported, and no report contains an address.
//!
//! No test depends on the speed of the machine: limits are long, except for receivers that never
//! answer, and tests wait for the conditions that they need.

mod forms;
mod server;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::Value;
use server::{Answer, Server};

use super::*;
use crate::domain::policy::NotifyEvent;
use crate::domain::policy::ShellCommand;
use crate::domain::policy::{WebhookAddress, WebhookUrl};

/// Limits that no test reaches if the receiver answers.
const LIMITS: Limits = Limits {
    attempt_timeout: PATIENCE,
    first_pause: Duration::from_millis(10),
    max_pause: Duration::from_millis(50),
    finish_timeout: PATIENCE,
};

/// For receivers that never answer, and for messages that never arrive.
const SHORT: Limits = Limits {
    attempt_timeout: Duration::from_millis(200),
    finish_timeout: Duration::from_millis(300),
    ..LIMITS
};

/// How long a test waits for something that is certain to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that was run: its text, its standard input, and its variables.
type CommandCall = (String, Vec<u8>, Vec<(&'static str, String)>);

/// Runs no command, but records the calls.
#[derive(Default)]
struct FakeRunner {
    /// The notifications that were run.
    calls: Mutex<Vec<CommandCall>>,
    /// How many further calls fail, of both kinds.
    remaining_failures: AtomicU32,
    /// The output of commands that print a secret.
    secret: String,
}

impl FakeRunner {
    /// Fails while failures remain.
    fn take_failure(&self) -> Result<(), String> {
        let decrement = |remaining: u32| remaining.checked_sub(1);
        match self
            .remaining_failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, decrement)
        {
            Ok(_) => Err("exit status 3\x1b[2J".to_owned()),
            Err(_) => Ok(()),
        }
    }
}

impl CommandRunner for FakeRunner {
    fn run_notification(
        &self,
        command: &ShellCommand,
        input: &[u8],
        variables: &[(&'static str, String)],
    ) -> Result<(), String> {
        if command.as_str() == "hang" {
            loop {
                thread::park();
            }
        }
        self.calls.lock().unwrap().push((
            command.as_str().to_owned(),
            input.to_vec(),
            variables.to_vec(),
        ));
        self.take_failure()
    }

    fn read_secret(&self, _: &ShellCommand) -> Result<String, String> {
        self.take_failure().map(|()| self.secret.clone())
    }

    fn cancel(&self) {}
}

/// Waits until a condition holds.
#[track_caller]
fn wait_until(description: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Deadline::after(PATIENCE);
    while !condition() {
        assert!(
            !deadline.has_passed(),
            "{description}: not within {PATIENCE:?}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until each receiver's oldest message was tried at least once.
#[track_caller]
fn wait_for_attempts(notifier: &Notifier) {
    let has_tried_all = || {
        let mut channels = notifier.channels.iter();
        channels.all(|channel| channel.worker.has_tried())
    };
    wait_until("a first attempt", has_tried_all);
}

fn events(words: &[&str]) -> std::collections::BTreeSet<NotifyEvent> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

fn webhook(url: &str, format: WebhookFormat) -> Notify {
    let address = WebhookAddress::Literal(url.parse::<WebhookUrl>().unwrap());
    Notify {
        channel: NotifyChannel::Webhook { address, format },
        on: events(&["started", "failed"]),
    }
}

fn command(text: &str) -> Notify {
    Notify {
        channel: NotifyChannel::Command(text.parse().unwrap()),
        on: events(&["started", "failed"]),
    }
}

fn notifier(notify: &[Notify], limits: Limits) -> (Notifier, Arc<FakeRunner>) {
    let runner = Arc::new(FakeRunner::default());
    (notifier_with(notify, &runner, limits), runner)
}

fn notifier_with(notify: &[Notify], runner: &Arc<FakeRunner>, limits: Limits) -> Notifier {
    let commands: Arc<dyn CommandRunner> = Arc::<FakeRunner>::clone(runner);
    Notifier::new(notify, &commands, limits)
}

fn notice(event: NotifyEvent) -> Notice {
    let time = "2026-03-05T10:02:11Z".parse().unwrap();
    Notice::new(
        event,
        time,
        "catalogue".parse().unwrap(),
        "prod".parse().unwrap(),
    )
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// A receiver that is down for a while gets every message in the end, in order, each with the same
/// id in every attempt.
#[test]
fn a_receiver_that_recovers_gets_every_message() {
    let too_many_requests =
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(vec![
        Answer::Text("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"),
        Answer::Close,
        Answer::Text("not HTTP at all\r\n\r\n"),
        Answer::Text(too_many_requests),
        Answer::SlowBody,
        Answer::Text("HTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    let (notifier, _) = notifier(
        &[webhook(&server.url(), WebhookFormat::CloudEvents)],
        LIMITS,
    );
    notifier.send(&notice(NotifyEvent::Started));
    notifier.send(&notice(NotifyEvent::Succeeded)); // Not configured, so not sent.
    notifier.send(&notice(NotifyEvent::Failed));
    assert_eq!(notifier.finish(), []);
    let requests = server.requests();
    assert_eq!(requests.len(), 6);
    let started = json(&requests[0].body)["id"].clone();
    assert!(
        requests[..5]
            .iter()
            .all(|request| json(&request.body)["id"] == started)
    );
    assert_eq!(
        json(&requests[5].body)["data"]["customData"]["event"],
        "failed"
    );
    assert_ne!(json(&requests[5].body)["id"], started);
    let head = requests[0].head.to_lowercase();
    assert!(head.starts_with("post /secret http/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/cloudevents+json; charset=utf-8\r\n"),
        "{head}"
    );
}

/// An attempt that gets no answer ends at its limit, and the same message is sent again.
#[test]
fn a_receiver_that_hangs_is_tried_again() {
    let answers = [
        vec![Answer::Hang],
        vec![Answer::Text("HTTP/1.1 204 No Content\r\n\r\n"); 1_000],
    ];
    let server = Server::start(answers.concat());
    let limits = Limits {
        finish_timeout: PATIENCE,
        ..SHORT
    };
    let (notifier, _) = notifier(
        &[webhook(&server.url(), WebhookFormat::CloudEvents)],
        limits,
    );
    notifier.send(&notice(NotifyEvent::Failed));
    assert_eq!(notifier.finish(), []);
    let ids: Vec<Value> = server
        .requests()
        .iter()
        .map(|request| json(&request.body)["id"].clone())
        .collect();
    assert!(
        ids.len() > 1 && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
}

const NOT_FOUND: &str = "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n";
const UNAVAILABLE: &str = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
const BUSY: &str = "HTTP/1.1 429 Wait\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n";

/// A receiver that fails permanently is not tried again. One that still fails when the run ends is
/// reported with its own reason. No report contains the address.
#[test]
fn undelivered_messages_are_reported() {
    let elsewhere = Server::start(Vec::new());
    let redirect = format!(
        "HTTP/1.1 307 Go\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    let refusals = [
        (Answer::Text(NOT_FOUND), "it answered 404"),
        (
            Answer::Owned(redirect),
            "it answered 307, a redirect, which is not followed",
        ),
        // Longer than a run waits.
        (Answer::Text(BUSY), "it answered 429"),
    ];
    let failures = [
        (Some(Answer::Text(UNAVAILABLE)), "it answered 503"),
        (Some(Answer::EndlessHead), "its answer is not proper HTTP"),
        (None, "Connection refused"),
    ];
    thread::scope(|scope| {
        for (answer, why) in refusals {
            scope.spawn(move || check_report(Some(&answer), why, LIMITS, Some(1)));
        }
        for (answer, why) in failures {
            let limits = Limits {
                finish_timeout: SHORT.finish_timeout,
                ..LIMITS
            };
            scope.spawn(move || check_report(answer.as_ref(), why, limits, None));
        }
        let why = "no answer within 0.2 s (tried";
        scope.spawn(move || check_report(Some(&Answer::Hang), why, SHORT, None));
    });
    assert!(elsewhere.requests().is_empty());
}

/// Checks the report about a receiver that always gives this answer. `None` stands for a receiver
/// that does not listen.
fn check_report(answer: Option<&Answer>, why: &str, limits: Limits, attempts: Option<u32>) {
    let case = format!("{answer:?}");
    let server = Server::start(vec![answer.cloned().unwrap_or(Answer::Close); 1_000]);
    let url = server.url();
    if answer.is_none() {
        server.stop();
    }
    let (notifier, _) = notifier(&[webhook(&url, WebhookFormat::Slack)], limits);
    notifier.send(&notice(NotifyEvent::Failed));
    wait_for_attempts(&notifier);
    let [lost] = &notifier.finish()[..] else {
        panic!("{case}: not reported")
    };
    assert_eq!(lost.events, [NotifyEvent::Failed]);
    assert!(lost.to_string().contains(why), "{case}: {lost}");
    assert!(
        attempts.is_none_or(|attempts| lost.attempts == attempts),
        "{case}: {lost}"
    );
    assert!(
        lost.channel.starts_with("the webhook at 127.0.0.1:")
            && !format!("{lost:?}").contains("secret"),
        "{lost:?}"
    );
}

/// An attempt that the end of the run cuts short does not replace the reason of the attempt before
/// it.
#[test]
fn earlier_reason_is_kept() {
    let answers = [vec![Answer::Text(UNAVAILABLE)], vec![Answer::Hang; 1_000]];
    let server = Server::start(answers.concat());
    let limits = Limits {
        attempt_timeout: Duration::from_secs(20),
        finish_timeout: Duration::from_millis(2_500),
        first_pause: PATIENCE,
        max_pause: PATIENCE,
    };
    let (notifier, _) = notifier(&[webhook(&server.url(), WebhookFormat::Slack)], limits);
    notifier.send(&notice(NotifyEvent::Failed));
    wait_for_attempts(&notifier);
    let lost = notifier.finish();
    assert!(lost[0].to_string().contains("503"), "{}", lost[0]);
}

/// A receiver that never answers does not delay others. The messages queued behind a lost one are
/// reported too.
#[test]
fn a_receiver_that_hangs_delays_no_other() {
    let hanging = Server::start(vec![Answer::Hang; 100]);
    let server = Server::start(vec![
        Answer::Text(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        );
        2
    ]);
    let all = [
        webhook(&hanging.url(), WebhookFormat::Slack),
        command("hang"),
        webhook(&server.url(), WebhookFormat::Slack),
    ];
    let limits = Limits {
        finish_timeout: SHORT.finish_timeout,
        ..LIMITS
    };
    let (notifier, _) = notifier(&all, limits);
    notifier.send(&notice(NotifyEvent::Started));
    notifier.send(&notice(NotifyEvent::Failed));
    wait_until("the last receiver's messages", || {
        notifier.channels[2].worker.is_idle()
    });
    let lost = notifier.finish();
    let reported: Vec<String> = lost
        .iter()
        .map(|lost| format!("{} {:?}", &lost.channel[..12], lost.events))
        .collect();
    assert_eq!(
        reported,
        [
            "the webhook  [Started, Failed]",
            "the command  [Started, Failed]"
        ]
    );
    assert!(
        lost[0].channel.ends_with("(number 1 of notify)"),
        "{}",
        lost[0].channel
    );
    assert_eq!(server.requests().len(), 2);
}

/// The end of the run cuts a long pause short: a receiver that has recovered gets the message.
#[test]
fn the_end_cuts_a_pause_short() {
    let down = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(vec![
        Answer::Text(down),
        Answer::Text("HTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    let hour = Duration::from_secs(3_600);
    let limits = Limits {
        first_pause: hour,
        max_pause: hour,
        ..LIMITS
    };
    let (notifier, _) = notifier(&[webhook(&server.url(), WebhookFormat::Slack)], limits);
    notifier.send(&notice(NotifyEvent::Failed));
    wait_for_attempts(&notifier);
    assert_eq!(notifier.finish(), []);
}

/// A command gets the event as its input and in variables. It is retried only a few times, and its
/// message is made safe to show.
#[test]
fn commands_are_run() {
    let (notifier, runner) = notifier(&[command("announce")], LIMITS);
    runner.remaining_failures.store(1, Ordering::SeqCst);
    notifier.send(&notice(NotifyEvent::Started));
    assert_eq!(notifier.finish(), []);
    let calls = std::mem::take(&mut *runner.calls.lock().unwrap());
    assert_eq!(calls.len(), 2);
    let (text, input, variables) = &calls[1];
    assert_eq!((text.as_str(), input), ("announce", &calls[0].1));
    assert_eq!(
        json(input)["type"],
        "dev.cdevents.pipelinerun.started.0.3.0"
    );
    let value_of = |name: &str| {
        variables
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(
        (
            value_of("DEPLOY_EVENT"),
            value_of("DEPLOY_ENV"),
            value_of("DEPLOY_COMMIT")
        ),
        (Some("started"), Some("prod"), Some(""))
    );

    runner.remaining_failures.store(100, Ordering::SeqCst);
    let notifier = notifier_with(&[command("announce")], &runner, LIMITS);
    notifier.send(&notice(NotifyEvent::Started));
    let lost: Vec<String> = notifier.finish().iter().map(ToString::to_string).collect();
    let words = "the command `announce` was not notified of \"started\": exit status 3\u{fffd}[2J (tried 3 times)";
    assert_eq!(lost, [words]);
}

/// A secret address is read when it is needed, and is never reported, even if it is invalid.
#[test]
fn secret_addresses() {
    let server = Server::start(vec![Answer::Text(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    )]);
    let address = WebhookAddress::FromCommand("pass show hook".parse().unwrap());
    let channel = NotifyChannel::Webhook {
        address,
        format: WebhookFormat::Slack,
    };
    let notify = [Notify {
        channel,
        on: events(&["failed"]),
    }];
    let runner = Arc::new(FakeRunner {
        secret: server.url() + "\n",
        remaining_failures: AtomicU32::new(2),
        ..FakeRunner::default()
    });
    let notifier = notifier_with(&notify, &runner, LIMITS);
    notifier.send(&notice(NotifyEvent::Failed));
    assert_eq!(notifier.finish(), []);
    assert_eq!(server.requests().len(), 1);

    let runner = Arc::new(FakeRunner {
        secret: "http://example.com/secret".to_owned(),
        ..FakeRunner::default()
    });
    let limits = Limits {
        finish_timeout: SHORT.finish_timeout,
        ..LIMITS
    };
    let notifier = notifier_with(&notify, &runner, limits);
    notifier.send(&notice(NotifyEvent::Failed));
    wait_for_attempts(&notifier);
    let [lost] = &notifier.finish()[..] else {
        panic!("not reported")
    };
    let text = format!("{lost} {lost:?}");
    assert!(
        text.contains("read and changed on the way") && !text.contains("example.com"),
        "{text}"
    );
    assert!(
        text.starts_with("the webhook whose address `pass show hook` prints was not notified"),
        "{text}"
    );
}
