//! Notifications over real sockets on loopback. Whatever a receiver does, the run continues, every lost message is reported, and no
//! report contains an address.
//!
//! No test depends on how fast the machine is: limits are long, except where a test is about a receiver that never answers, and tests
//! wait for what they need to have happened.

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

/// A command, what it got on its standard input, and in its environment.
type Told = (String, Vec<u8>, Vec<(&'static str, String)>);

/// Runs nothing: notes what it was asked.
#[derive(Default)]
struct Fake {
    /// What `tell` got.
    told: Mutex<Vec<Told>>,
    /// So many calls fail, of both kinds.
    fails: AtomicU32,
    /// What `secret` prints.
    prints: String,
}

impl Fake {
    fn fail(&self) -> Result<(), String> {
        let less = |left: u32| left.checked_sub(1);
        match self
            .fails
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        {
            Ok(_) => Err("exit status 3\x1b[2J".to_owned()),
            Err(_) => Ok(()),
        }
    }
}

impl CommandRunner for Fake {
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
        self.told.lock().unwrap().push((
            command.as_str().to_owned(),
            input.to_vec(),
            variables.to_vec(),
        ));
        self.fail()
    }

    fn read_secret(&self, _: &ShellCommand) -> Result<String, String> {
        self.fail().map(|()| self.prints.clone())
    }
}

/// Waits until a condition holds.
#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Deadline::after(PATIENCE);
    while !holds() {
        assert!(!deadline.has_passed(), "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until each receiver's oldest message was tried at least once.
#[track_caller]
fn wait_for_attempts(notifier: &Notifier) {
    let all = || {
        notifier
            .workers
            .iter()
            .all(|(_, worker)| worker.has_tried())
    };
    wait_until("a first attempt", all);
}

fn on(words: &[&str]) -> std::collections::BTreeSet<NotifyEvent> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

fn webhook(url: &str, format: WebhookFormat) -> Notify {
    let address = WebhookAddress::Literal(url.parse::<WebhookUrl>().unwrap());
    Notify {
        channel: NotifyChannel::Webhook { address, format },
        on: on(&["started", "failed"]),
    }
}

fn command(text: &str) -> Notify {
    Notify {
        channel: NotifyChannel::Command(text.parse().unwrap()),
        on: on(&["started", "failed"]),
    }
}

fn notifier(notify: &[Notify], limits: Limits) -> (Notifier, Arc<Fake>) {
    let fake = Arc::new(Fake::default());
    (with(notify, &fake, limits), fake)
}

fn with(notify: &[Notify], fake: &Arc<Fake>, limits: Limits) -> Notifier {
    let commands: Arc<dyn CommandRunner> = Arc::<Fake>::clone(fake);
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

/// A receiver that is down for a while gets everything in the end, in order, each message under the id that it had before.
#[test]
fn a_receiver_that_recovers_gets_every_message() {
    let patience = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(vec![
        Answer::Text("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"),
        Answer::Close,
        Answer::Text("not HTTP at all\r\n\r\n"),
        Answer::Text(patience),
        Answer::SlowBody,
        Answer::Text("HTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    let (notifier, _) = notifier(
        &[webhook(&server.url(), WebhookFormat::CloudEvents)],
        LIMITS,
    );
    notifier.send(&notice(NotifyEvent::Started));
    notifier.send(&notice(NotifyEvent::Succeeded)); // Nobody asked for it.
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

/// A receiver that fails for good is not tried again; one that still fails when the run ends is reported with its own reason. No
/// report contains the address.
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
            scope.spawn(move || reported(Some(&answer), why, LIMITS, Some(1)));
        }
        for (answer, why) in failures {
            let limits = Limits {
                finish_timeout: SHORT.finish_timeout,
                ..LIMITS
            };
            scope.spawn(move || reported(answer.as_ref(), why, limits, None));
        }
        let why = "no answer within 0.2 s (tried";
        scope.spawn(move || reported(Some(&Answer::Hang), why, SHORT, None));
    });
    assert!(elsewhere.requests().is_empty());
}

/// Checks what is reported of a receiver that always answers in this way, or, without an answer, is not there.
fn reported(answer: Option<&Answer>, why: &str, limits: Limits, attempts: Option<u32>) {
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
    assert_eq!(lost.event, NotifyEvent::Failed);
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

/// An attempt that the end of the run cuts short does not replace the reason of the attempt before it.
#[test]
fn the_reason_is_the_receivers_own() {
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

/// A receiver that never answers delays no other, and the messages that wait behind a lost one are reported with it.
#[test]
fn a_receiver_that_hangs_delays_no_other() {
    let deaf = Server::start(vec![Answer::Hang; 100]);
    let server = Server::start(vec![
        Answer::Text(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        );
        2
    ]);
    let all = [
        webhook(&deaf.url(), WebhookFormat::Slack),
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
        notifier.workers[2].1.is_idle()
    });
    let lost = notifier.finish();
    let told: Vec<String> = lost
        .iter()
        .map(|lost| format!("{} {}", &lost.channel[..12], lost.event))
        .collect();
    assert_eq!(
        told,
        [
            "the webhook  started",
            "the webhook  failed",
            "the command  started",
            "the command  failed"
        ]
    );
    assert!(
        lost[0].channel.ends_with("(number 1 of notify)"),
        "{}",
        lost[0].channel
    );
    assert_eq!(server.requests().len(), 2);
}

/// A service that came back during a long pause is not missed: the end of the run tries once more at once.
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

/// A command gets the event in both ways, is not run for ever, and its words cannot drive a terminal.
#[test]
fn commands_are_run() {
    let (notifier, fake) = notifier(&[command("announce")], LIMITS);
    fake.fails.store(1, Ordering::SeqCst);
    notifier.send(&notice(NotifyEvent::Started));
    assert_eq!(notifier.finish(), []);
    let told = std::mem::take(&mut *fake.told.lock().unwrap());
    assert_eq!(told.len(), 2);
    let (text, input, variables) = &told[1];
    assert_eq!((text.as_str(), input), ("announce", &told[0].1));
    assert_eq!(
        json(input)["type"],
        "dev.cdevents.pipelinerun.started.0.3.0"
    );
    let of = |name: &str| {
        variables
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(
        (of("DEPLOY_EVENT"), of("DEPLOY_ENV"), of("DEPLOY_COMMIT")),
        (Some("started"), Some("prod"), Some(""))
    );

    fake.fails.store(100, Ordering::SeqCst);
    let notifier = with(&[command("announce")], &fake, LIMITS);
    notifier.send(&notice(NotifyEvent::Started));
    let lost: Vec<String> = notifier.finish().iter().map(ToString::to_string).collect();
    let words = "the command `announce` was not told of \"started\": exit status 3\u{fffd}[2J (tried 3 times)";
    assert_eq!(lost, [words]);
}

/// An address that is a secret is read when it is needed, and told nowhere, also when it is none.
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
        on: on(&["failed"]),
    }];
    let fake = Arc::new(Fake {
        prints: server.url() + "\n",
        fails: AtomicU32::new(2),
        ..Fake::default()
    });
    let notifier = with(&notify, &fake, LIMITS);
    notifier.send(&notice(NotifyEvent::Failed));
    assert_eq!(notifier.finish(), []);
    assert_eq!(server.requests().len(), 1);

    let fake = Arc::new(Fake {
        prints: "http://example.com/secret".to_owned(),
        ..Fake::default()
    });
    let limits = Limits {
        finish_timeout: SHORT.finish_timeout,
        ..LIMITS
    };
    let notifier = with(&notify, &fake, limits);
    notifier.send(&notice(NotifyEvent::Failed));
    wait_for_attempts(&notifier);
    let [lost] = &notifier.finish()[..] else {
        panic!("not told")
    };
    let text = format!("{lost} {lost:?}");
    assert!(
        text.contains("read and changed on the way") && !text.contains("example.com"),
        "{text}"
    );
    assert!(
        text.starts_with("the webhook whose address `pass show hook` prints was not told"),
        "{text}"
    );
}
