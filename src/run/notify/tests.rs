//! Telling, over real sockets on loopback: whatever a receiver does, the run goes on, nothing is lost without a word, and no address is told.

mod forms;
mod server;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::Value;
use server::{Answer, Server};

use super::*;
use crate::domain::policy::{Address, WebhookUrl};

const LIMITS: Limits = Limits {
    attempt_timeout: Duration::from_millis(1_500),
    first_pause: Duration::from_millis(10),
    max_pause: Duration::from_millis(50),
    finish_timeout: Duration::from_secs(30),
};

/// For what never arrives.
const SHORT: Limits = Limits {
    finish_timeout: Duration::from_secs(2),
    ..LIMITS
};

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
        command: &Command,
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

    fn read_secret(&self, _: &Command) -> Result<String, String> {
        self.fail().map(|()| self.prints.clone())
    }
}

fn on(words: &[&str]) -> std::collections::BTreeSet<Event> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

fn webhook(url: &str, format: Format) -> Notify {
    let address = Address::Written(url.parse::<WebhookUrl>().unwrap());
    Notify {
        channel: Channel::Webhook { address, format },
        on: on(&["started", "failed"]),
    }
}

fn command(text: &str) -> Notify {
    Notify {
        channel: Channel::Command(text.parse().unwrap()),
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

fn notice(event: Event) -> Notice {
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
fn trouble_that_passes() {
    let patience = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(vec![
        Answer::Text("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"),
        Answer::Close,
        Answer::Hang,
        Answer::Text("not HTTP at all\r\n\r\n"),
        Answer::Text(patience),
        Answer::SlowBody,
        Answer::Text("HTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    let (notifier, _) = notifier(&[webhook(&server.url(), Format::CloudEvents)], LIMITS);
    notifier.send(&notice(Event::Started));
    notifier.send(&notice(Event::Succeeded)); // Nobody asked for it.
    notifier.send(&notice(Event::Failed));
    assert_eq!(notifier.finish(), []);
    let requests = server.requests();
    assert_eq!(requests.len(), 7);
    let started = json(&requests[0].body)["id"].clone();
    assert!(
        requests[..6]
            .iter()
            .all(|request| json(&request.body)["id"] == started)
    );
    assert_eq!(
        json(&requests[6].body)["data"]["customData"]["event"],
        "failed"
    );
    assert_ne!(json(&requests[6].body)["id"], started);
    let head = requests[0].head.to_lowercase();
    assert!(head.starts_with("post /secret http/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/cloudevents+json; charset=utf-8\r\n"),
        "{head}"
    );
}

/// What no patience mends is not tried for ever; what is still down at the end is told. Neither tells the address.
#[test]
fn what_cannot_be_told() {
    let elsewhere = Server::start(Vec::new());
    let redirect = format!(
        "HTTP/1.1 307 Go\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    let busy = "HTTP/1.1 429 Wait\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n";
    let cases = [
        (
            Some(Answer::Text(
                "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n",
            )),
            "it answered 404",
            Some(1),
        ),
        (
            Some(Answer::Owned(redirect)),
            "it answered 307, a redirect, which is not followed",
            Some(1),
        ),
        (Some(Answer::Text(busy)), "it answered 429", Some(1)),
        (
            Some(Answer::Text("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")),
            "it answered 503",
            None,
        ),
        (Some(Answer::Hang), "no answer within", None),
        (
            Some(Answer::EndlessHead),
            "its answer is not proper HTTP",
            None,
        ),
        (None, "Connection refused", None),
    ];
    thread::scope(|scope| {
        for (answer, why, attempts) in cases {
            scope.spawn(move || cannot_be_told(answer.as_ref(), why, attempts));
        }
    });
    assert!(elsewhere.requests().is_empty());
}

fn cannot_be_told(answer: Option<&Answer>, why: &str, attempts: Option<u32>) {
    let said = format!("{answer:?}");
    let server = Server::start(vec![answer.cloned().unwrap_or(Answer::Close); 1_000]);
    let url = server.url();
    if answer.is_none() {
        server.stop();
    }
    let (notifier, _) = notifier(&[webhook(&url, Format::Slack)], SHORT);
    notifier.send(&notice(Event::Failed));
    let [lost] = &notifier.finish()[..] else {
        panic!("{said}: not told")
    };
    assert_eq!(lost.event, Event::Failed);
    assert!(lost.reason.contains(why), "{said}: {lost}");
    assert!(
        attempts.is_none_or(|attempts| lost.attempts == attempts),
        "{said}: {lost}"
    );
    assert!(
        lost.channel.starts_with("the webhook at 127.0.0.1:")
            && !format!("{lost:?}").contains("secret"),
        "{lost:?}"
    );
}

/// One who is deaf keeps nothing from the others, and what waits behind a message is told with it.
#[test]
fn the_deaf_delay_nobody() {
    let deaf = Server::start(vec![Answer::Hang; 100]);
    let server = Server::start(vec![
        Answer::Text(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        );
        2
    ]);
    let all = [
        webhook(&deaf.url(), Format::Slack),
        command("hang"),
        webhook(&server.url(), Format::Slack),
    ];
    let (notifier, _) = notifier(&all, SHORT);
    notifier.send(&notice(Event::Started));
    notifier.send(&notice(Event::Failed));
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
    let (notifier, _) = notifier(&[webhook(&server.url(), Format::Slack)], limits);
    notifier.send(&notice(Event::Failed));
    while server.requests().is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(notifier.finish(), []);
}

/// A command gets the event in both ways, is not run for ever, and its words cannot drive a terminal.
#[test]
fn commands_are_run() {
    let (notifier, fake) = notifier(&[command("announce")], LIMITS);
    fake.fails.store(1, Ordering::SeqCst);
    notifier.send(&notice(Event::Started));
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
    notifier.send(&notice(Event::Started));
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
    let address = Address::Printed("pass show hook".parse().unwrap());
    let channel = Channel::Webhook {
        address,
        format: Format::Slack,
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
    notifier.send(&notice(Event::Failed));
    assert_eq!(notifier.finish(), []);
    assert_eq!(server.requests().len(), 1);

    let fake = Arc::new(Fake {
        prints: "http://example.com/secret".to_owned(),
        ..Fake::default()
    });
    let notifier = with(&notify, &fake, SHORT);
    notifier.send(&notice(Event::Failed));
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
