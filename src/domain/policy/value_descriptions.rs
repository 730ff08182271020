//! Describes the values of the policy's own types in words.

use super::approval::{ApprovalBinding, PreventSelf};
use super::describe::{DescribeValue, ValueText, describe_displayed};
use super::freeze::Freeze;
use super::notify::{Notify, NotifyChannel, NotifyEvent, WebhookAddress, WebhookFormat};
use super::paths::Paths;
use super::people::Members;
use super::predicate::PredicateType;
use super::refname::BranchName;
use super::shell_command::ShellCommand;
use super::template::Template;
use super::version::VersionSource;
use super::zone::Zone;
use crate::domain::id::Digest;

/// The number of digits that tell the addresses of two webhooks apart.
const ADDRESS_DIGITS: usize = 8;

describe_displayed!(BranchName, Template, PredicateType, Zone);

impl DescribeValue for Members {
    fn describe(&self) -> ValueText {
        let names = self.persons().iter().map(ToString::to_string).collect();
        if self.listed_names().is_empty() && !self.persons().is_empty() {
            ValueText::Default(names)
        } else {
            ValueText::List(names)
        }
    }
}

impl DescribeValue for Paths {
    fn describe(&self) -> ValueText {
        ValueText::List(self.patterns().to_vec())
    }
}

impl DescribeValue for ShellCommand {
    fn describe(&self) -> ValueText {
        ValueText::text(self.as_str())
    }
}

impl DescribeValue for PreventSelf {
    fn describe(&self) -> ValueText {
        ValueText::text(match self {
            Self::Involved => "true",
            Self::Starter => "starter",
            Self::Off => "false",
        })
    }
}

impl DescribeValue for ApprovalBinding {
    fn describe(&self) -> ValueText {
        match self {
            Self::Commit => ValueText::Nothing,
            Self::Plan => ValueText::text("plan"),
        }
    }
}

impl DescribeValue for VersionSource {
    fn describe(&self) -> ValueText {
        ValueText::Text(match self {
            Self::File(path) => format!("file:{path}"),
            Self::Tag(pattern) => format!("tag:{}", pattern.as_str()),
            Self::Command(command) => format!("command:{}", command.as_str()),
        })
    }
}

impl DescribeValue for Freeze {
    fn describe(&self) -> ValueText {
        ValueText::Text(match &self.reason {
            None => self.to_string(),
            Some(reason) => format!("{self} ({reason})"),
        })
    }
}

impl DescribeValue for WebhookAddress {
    fn describe(&self) -> ValueText {
        ValueText::Text(match self {
            // The address itself is a secret, so a digest stands for it.
            Self::Literal(url) => format!(
                "the webhook at {} (address {})",
                url.host(),
                &Digest::sha256(url.secret().as_bytes()).hex()[..ADDRESS_DIGITS]
            ),
            Self::FromCommand(command) => {
                format!("the webhook whose address `{}` prints", command.as_str())
            }
        })
    }
}

impl DescribeValue for Notify {
    fn describe(&self) -> ValueText {
        // The whole command, because a change may be anywhere in it.
        let mut text = match &self.channel {
            NotifyChannel::Command(command) => format!("the command `{}`", command.as_str()),
            NotifyChannel::Webhook { address, .. } => address.describe().to_list().join(" "),
        };
        if let NotifyChannel::Webhook { format, .. } = &self.channel
            && *format != WebhookFormat::CloudEvents
        {
            text = format!("{text}, format {format}");
        }
        if self.on != NotifyEvent::all() {
            let events: Vec<String> = self.on.iter().map(ToString::to_string).collect();
            text = format!("{text} on {}", events.join(", "));
        }
        ValueText::Text(text)
    }
}
