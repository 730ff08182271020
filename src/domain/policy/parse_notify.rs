//! Reads `notify`, which the policy as a whole and each environment have alike.

use std::collections::BTreeSet;

use super::reader::{TableFields, TomlValue};
use super::schema;
use super::{Notify, NotifyChannel, NotifyEvent, WebhookAddress, WebhookFormat};

/// The most who are told: each has a thread of its own.
const MOST: usize = 20;

/// Those who are told; `None` without the key, which an empty list is not.
pub(super) fn notify(fields: &TableFields<'_>) -> Option<Vec<Notify>> {
    let node = fields.get("notify")?;
    let list = node.list();
    if list.len() > MOST {
        node.report(
            format!("it has {} entries, at most {MOST} are allowed", list.len()),
            None,
        );
        return None;
    }
    Some(list.iter().filter_map(one).collect())
}

fn one(node: &TomlValue<'_>) -> Option<Notify> {
    if !node.is_table() {
        return Some(Notify {
            channel: NotifyChannel::Command(node.parse()?),
            on: all(),
        });
    }
    let fields = node.fields(&schema::NOTIFY);
    fields.needs(
        "format",
        "webhook",
        "a command gets CloudEvents on its standard input",
    );
    let format = fields.word(
        "format",
        &[
            ("cloudevents", WebhookFormat::CloudEvents),
            ("slack", WebhookFormat::Slack),
        ],
    );
    let on = fields.get("on").map(|node| events(&node));
    let channel = match (fields.get("command"), fields.get("webhook")) {
        (Some(command), None) => NotifyChannel::Command(command.parse()?),
        (None, Some(webhook)) => NotifyChannel::Webhook {
            address: address(&webhook)?,
            format: format.unwrap_or(WebhookFormat::CloudEvents),
        },
        (Some(_), Some(_)) => {
            let hint = "write two: notify = [{ command = … }, { webhook = … }]";
            node.report("it is either a command or a webhook", Some(hint.to_owned()));
            return None;
        }
        (None, None) => {
            node.report("it needs one of the keys \"command\" and \"webhook\"", None);
            return None;
        }
    };
    Some(Notify {
        channel,
        on: on.unwrap_or_else(all),
    })
}

fn all() -> BTreeSet<NotifyEvent> {
    NotifyEvent::ALL.iter().map(|(_, event)| *event).collect()
}

fn events(node: &TomlValue<'_>) -> BTreeSet<NotifyEvent> {
    let list = node.list();
    if list.is_empty() {
        node.report("it names no event; leave the key out for all", None);
    }
    list.iter()
        .filter_map(|node| node.word(&NotifyEvent::ALL))
        .collect()
}

fn address(node: &TomlValue<'_>) -> Option<WebhookAddress> {
    if !node.is_table() {
        return node.parse().map(WebhookAddress::Literal);
    }
    let fields = node.fields(&schema::WEBHOOK);
    fields
        .need("command")?
        .parse()
        .map(WebhookAddress::FromCommand)
}
