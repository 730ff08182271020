//! `notify`: the recipients of notifications, for the whole policy or for an environment.
//!
//! Anyone who knows a webhook's address can post to it, so only its host is ever shown, and errors
//! never quote an address.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::forms::COMMAND;
use super::reader::TomlValue;
use super::shell_command::ShellCommand;
use super::table::{TextForm, ValueForm, Word as _};
use super::table_macros::{policy_table, policy_words};
use super::webhook_url::WebhookUrl;
use crate::domain::serde_str::impl_serde_str;

/// The maximum number of recipients, each of which has its own thread.
const MAX_RECIPIENTS: usize = 20;

const ADDRESS: TextForm = TextForm::new(
    "address",
    "^(https://|http://(localhost|127\\.|\\[::1\\]))[!-~]+$",
);

/// What the value of `notify` looks like.
pub(super) const NOTIFY: ValueForm = ValueForm::OneOrMore(&ValueForm::Either(&[
    ValueForm::Text(&COMMAND),
    ValueForm::Table(&NotifyTable::TABLE),
]));

/// A recipient of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// How the recipient is reached.
    pub channel: NotifyChannel,
    /// The events that are sent.
    pub on: BTreeSet<NotifyEvent>,
}

policy_table! {
    /// A recipient of `notify`, as the file writes it.
    pub(super) struct NotifyTable, read with (key, _context: ());

    keys {
        /// A command to run. It gets the event as CloudEvents JSON on its standard input, and
        /// `DEPLOY_EVENT`, `DEPLOY_ENV`, `DEPLOY_SUMMARY` and others as variables. It is tried up
        /// to three times.
        command: Option<ShellCommand> {
            form: ValueForm::Text(&COMMAND),
            example: "\"make announce\"",
            or: "webhook",
            used_as: "Command",
            read: key.parse(),
        }
        /// The address to post to. Plain `http://` is allowed only to the same machine. A failed
        /// delivery is retried during the deployment and does not delay it; events that could not
        /// be delivered are reported at the end.
        webhook: Option<WebhookAddress> {
            form: ValueForm::Either(&[
                ValueForm::Text(&ADDRESS),
                ValueForm::Table(&WebhookTable::TABLE),
            ]),
            example: "\"https://hooks.example.com/deployments\"",
            or: "command",
            used_as: "Webhook",
            read: key.read(read_address),
        }
        /// The format of the message: CloudEvents JSON that carries CDEvents, or the format of
        /// Slack's incoming webhooks, which many other services accept.
        format: WebhookFormat {
            form: ValueForm::Words(WebhookFormat::NAMES),
            example: "\"slack\"",
            default: "`\"cloudevents\"`",
            needs: "webhook", because: "a command always gets CloudEvents on its standard input",
            used_as: "Slack",
            read: key.word().unwrap_or(WebhookFormat::CloudEvents),
        }
        /// The events that are sent.
        on: BTreeSet<NotifyEvent> {
            form: ValueForm::OneOrMore(&ValueForm::Words(NotifyEvent::NAMES)),
            example: "[\"failed\", \"rolled-back\"]",
            default: "all",
            read: key.value().map_or_else(NotifyEvent::all, |value| read_events(&value)),
        }
    }
}

policy_table! {
    /// A webhook whose address is a secret.
    pub(super) struct WebhookTable, read with (key, _context: ());

    keys {
        /// The command that prints the address, which is a secret. A newline at the end of the
        /// output is removed.
        command: ShellCommand {
            form: ValueForm::Text(&COMMAND),
            example: "\"pass show chat/webhook\"",
            used_as: "FromCommand",
            required: key.parse(),
        }
    }
}

/// Reads `notify`. An empty list is allowed: no one is notified.
pub(super) fn read_notify(value: &TomlValue<'_>) -> Option<Vec<Notify>> {
    let list = value.list();
    if list.len() > MAX_RECIPIENTS {
        value.report(
            format!(
                "it has {} entries, at most {MAX_RECIPIENTS} are allowed",
                list.len()
            ),
            None,
        );
        return None;
    }
    Some(list.iter().filter_map(read_recipient).collect())
}

fn read_recipient(value: &TomlValue<'_>) -> Option<Notify> {
    if !value.is_table() {
        return Some(Notify {
            channel: NotifyChannel::Command(value.parse()?),
            on: NotifyEvent::all(),
        });
    }
    let fields = value.fields(&NotifyTable::TABLE);
    let table = NotifyTable::read(&fields, ())?;
    let is_present = |name| fields.key(name).value().is_some();
    match (is_present("command"), is_present("webhook")) {
        (true, true) => {
            let hint = "write two: notify = [{ command = … }, { webhook = … }]".to_owned();
            value.report("it is either a command or a webhook", Some(hint));
        }
        (false, false) => {
            let message = "it needs one of the keys \"command\" and \"webhook\"";
            value.report(message, None);
        }
        _ => {}
    }
    let channel = match (table.command, table.webhook) {
        (Some(command), _) => NotifyChannel::Command(command),
        (None, Some(address)) => NotifyChannel::Webhook {
            address,
            format: table.format,
        },
        (None, None) => return None,
    };
    Some(Notify {
        channel,
        on: table.on,
    })
}

fn read_events(value: &TomlValue<'_>) -> BTreeSet<NotifyEvent> {
    let list = value.list();
    if list.is_empty() {
        let hint = "leave the key out for all events".to_owned();
        value.report("the list is empty", Some(hint));
    }
    list.iter().filter_map(TomlValue::word).collect()
}

fn read_address(value: &TomlValue<'_>) -> Option<WebhookAddress> {
    if value.is_table() {
        let table = WebhookTable::read(&value.fields(&WebhookTable::TABLE), ())?;
        return Some(WebhookAddress::FromCommand(table.command));
    }
    value.parse().map(WebhookAddress::Literal)
}

policy_words! {
    /// An event that recipients can be notified of.
    pub enum NotifyEvent {
        /// All components are planned.
        PlanReady = "plan-ready",
        /// A deployment waits for approvals.
        ApprovalNeeded = "approval-needed",
        /// A deployment started.
        Started = "started",
        /// A deployment succeeded.
        Succeeded = "succeeded",
        /// A deployment failed or was aborted.
        Failed = "failed",
        /// A deployment failed, and its components were rolled back.
        RolledBack = "rolled-back",
        /// The rules refused a deployment.
        Refused = "refused",
        /// An ephemeral environment expires soon.
        AboutToExpire = "about-to-expire",
        /// An approval that was not used yet expires soon.
        ApprovalExpires = "approval-expires",
        /// A required check was attested as failed.
        CheckFailed = "check-failed",
        /// A person rolled content back, and it is on hold.
        OnHold = "on-hold",
        /// A commit or an artifact was yanked.
        Yanked = "yanked",
    }
}

impl NotifyEvent {
    /// Returns all events.
    pub fn all() -> BTreeSet<Self> {
        Self::WORDS.iter().map(|(_, event)| *event).collect()
    }
}

impl FromStr for NotifyEvent {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::WORDS
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, event)| *event)
            .ok_or_else(|| format!("{text:?} is not an event"))
    }
}

impl_serde_str!(NotifyEvent);

/// How a recipient is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyChannel {
    /// A command runs, with the event as CloudEvents JSON on its standard input.
    Command(ShellCommand),
    /// A message is posted to a webhook.
    Webhook {
        /// The address.
        address: WebhookAddress,
        /// The format of the message.
        format: WebhookFormat,
    },
}

policy_words! {
    /// The format of a message to a webhook.
    pub enum WebhookFormat {
        /// Structured CloudEvents JSON that carries CDEvents.
        CloudEvents = "cloudevents",
        /// The message of Slack's incoming webhooks, which many other services accept.
        Slack = "slack",
    }
}

/// Where the address of a webhook comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookAddress {
    /// The policy contains the address.
    Literal(WebhookUrl),
    /// The address is a secret, which a command prints when it is needed.
    FromCommand(ShellCommand),
}

impl fmt::Display for NotifyChannel {
    /// Describes the channel without the address.
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
                let command = CommandExcerpt(command);
                write!(f, "the webhook whose address {command} prints")
            }
        }
    }
}

/// The beginning of a command, in backquotes.
struct CommandExcerpt<'a>(&'a ShellCommand);

impl fmt::Display for CommandExcerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = self.0.as_str().trim();
        let first_line = command.lines().next().unwrap_or_default();
        let line: String = first_line.chars().take(60).collect();
        let more = if line.len() < command.len() {
            "…"
        } else {
            ""
        };
        write!(f, "`{}{more}`", line.replace('\t', " "))
    }
}
