//! Who is told what happens: `notify`, of the whole policy and of an environment.
//!
//! Whoever knows a webhook's address may write to it, so an address is shown by its host alone, and errors never quote one.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::component::ShellCommand;
use crate::domain::serde_str::as_text;

/// What may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotifyEvent {
    /// All components are planned.
    PlanReady,
    /// A deployment waits for people.
    ApprovalNeeded,
    /// It began.
    Started,
    /// It ended, and what was to run runs.
    Succeeded,
    /// It ended otherwise.
    Failed,
    /// It failed, and what ran before runs again.
    RolledBack,
    /// The rules said no.
    Refused,
    /// An ephemeral environment ends soon.
    AboutToExpire,
}

impl NotifyEvent {
    /// All, in the order in which they happen, with the words that stand for them.
    pub const ALL: [(&'static str, Self); 8] = [
        ("plan-ready", Self::PlanReady),
        ("approval-needed", Self::ApprovalNeeded),
        ("started", Self::Started),
        ("succeeded", Self::Succeeded),
        ("failed", Self::Failed),
        ("rolled-back", Self::RolledBack),
        ("refused", Self::Refused),
        ("about-to-expire", Self::AboutToExpire),
    ];

    /// The word for it: `rolled-back`.
    pub fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, event)| *event == self)
            .map_or("", |(word, _)| word)
    }
}

impl fmt::Display for NotifyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for NotifyEvent {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(word, _)| *word == text);
        found
            .map(|(_, event)| *event)
            .ok_or_else(|| format!("{text:?} is not an event"))
    }
}

as_text!(NotifyEvent);

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// `command` or `webhook`: by which way. A command alone may stand for the table.
    pub channel: NotifyChannel,
    /// `on` (default: all): what is told.
    pub on: BTreeSet<NotifyEvent>,
}

/// The way to somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyChannel {
    /// `command`: is run, with the event as `CloudEvents` JSON on its standard input.
    Command(ShellCommand),
    /// `webhook`: a message is posted to it.
    Webhook {
        /// Where to.
        address: WebhookAddress,
        /// `format`: in which form.
        format: WebhookFormat,
    },
}

/// The form of what is posted to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookFormat {
    /// `"cloudevents"` (the default): structured `CloudEvents` JSON that carries `CDEvents`.
    CloudEvents,
    /// `"slack"`: the message of Slack's incoming webhooks, which many others read, too.
    Slack,
}

/// How a webhook's address is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookAddress {
    /// It stands in the policy.
    Literal(WebhookUrl),
    /// `{ command }`: a secret, which a command prints at the moment of use, as secrets are.
    FromCommand(ShellCommand),
}

impl fmt::Display for NotifyChannel {
    /// For people; never with the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "the command {}", CommandExcerpt(command)),
            Self::Webhook {
                address: WebhookAddress::Literal(url),
                ..
            } => write!(f, "the webhook at {}", url.host()),
            Self::Webhook {
                address: WebhookAddress::FromCommand(command),
                ..
            } => {
                write!(
                    f,
                    "the webhook whose address {} prints",
                    CommandExcerpt(command)
                )
            }
        }
    }
}

/// The beginning of a command, in quotes.
struct CommandExcerpt<'a>(&'a ShellCommand);

impl fmt::Display for CommandExcerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.as_str().trim();
        let line: String = whole
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect();
        let more = if line.len() < whole.len() { "…" } else { "" };
        write!(f, "`{}{more}`", line.replace('\t', " "))
    }
}

/// Where a webhook listens: `https://`, or `http://` on this machine itself, at most 2,000 ASCII characters, without a name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    whole: Box<str>,
    host: Box<str>,
    local: bool,
}

impl WebhookUrl {
    /// The whole address: for the request alone.
    pub fn secret(&self) -> &str {
        &self.whole
    }

    /// Its host, with the port where one is given.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is on this machine itself.
    pub fn is_local(&self) -> bool {
        self.local
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({}, …)", self.host)
    }
}

impl FromStr for WebhookUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        const SUCH_AS: &str = "an address such as https://hooks.example.com/deployments";
        if text.len() > 2_000 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "it is not {SUCH_AS}: at most 2,000 ASCII characters without a space"
            ));
        }
        let plaintext = text.starts_with("http://");
        if !plaintext && !text.starts_with("https://") {
            return Err(format!("it is not {SUCH_AS}"));
        }
        let uri: http::Uri = text.parse().map_err(|_| format!("it is not {SUCH_AS}"))?;
        let authority = uri
            .authority()
            .filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| format!("it is not {SUCH_AS}"))?;
        if authority.as_str().contains('@') {
            return Err("an address with a name or a password is not supported".to_owned());
        }
        let host = authority.host();
        let here = matches!(host, "localhost" | "[::1]")
            || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback());
        if plaintext && !here {
            let only = "only to this machine itself: localhost, 127.0.0.1 or [::1]";
            return Err(format!(
                "http:// can be read and changed on the way, so it is allowed {only}; use https://"
            ));
        }
        Ok(Self {
            whole: text.into(),
            host: authority.as_str().into(),
            local: here,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message about a deployment must not cross a network in the open, whatever the address looks like.
    #[test]
    fn addresses() {
        for (good, host) in [
            (
                "https://hooks.example.com/services/T0/B0/secret",
                "hooks.example.com",
            ),
            (
                "https://hooks.example.com:8443?token=secret",
                "hooks.example.com:8443",
            ),
            ("http://localhost:8080/secret", "localhost:8080"),
            ("http://127.0.0.2/secret", "127.0.0.2"),
            ("http://[::1]:80/secret", "[::1]:80"),
        ] {
            let url: WebhookUrl = good.parse().unwrap();
            assert_eq!(
                (url.host(), url.is_local()),
                (host, good.starts_with("http:"))
            );
            assert!(!format!("{url:?}").contains("secret"));
        }
        for (bad, word) in [
            (
                "http://hooks.example.com/secret",
                "read and changed on the way",
            ),
            ("http://localhost.example.com/secret", "read and changed"),
            ("http://127.0.0.1.example.com/secret", "read and changed"),
            ("http://0.0.0.0/secret", "read and changed"),
            ("http://127.1/secret", "read and changed"),
            (
                "http://localhost@example.com/secret",
                "a name or a password",
            ),
            ("https://me:secret@example.com/", "a name or a password"),
            ("ftp://example.com/secret", "such as https://"),
            ("https:///secret", "such as https://"),
            ("https://", "such as https://"),
            ("secret", "such as https://"),
            ("https://example.com/secret with space", "without a space"),
            ("https://example.com/secret\n", "without a space"),
        ] {
            let error = bad.parse::<WebhookUrl>().unwrap_err();
            assert!(
                error.contains(word) && !error.contains("secret"),
                "{bad}: {error}"
            );
        }
        assert!(
            format!("https://example.com/{}", "x".repeat(2_000))
                .parse::<WebhookUrl>()
                .is_err()
        );
    }
}
