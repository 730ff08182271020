//! Describes the values of the policy's own types in words.

use super::approval::{ApprovalBinding, PreventSelf};
use super::describe::{DescribeValue, ValueText, describe_displayed};
use super::freeze::Freeze;
use super::notify::{Notify, NotifyEvent, WebhookAddress};
use super::paths::Paths;
use super::people::Members;
use super::predicate::PredicateType;
use super::refname::BranchName;
use super::shell_command::ShellCommand;
use super::template::Template;
use super::version::VersionSource;
use super::zone::Zone;

describe_displayed!(BranchName, Template, PredicateType, Zone, Freeze);

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

impl DescribeValue for WebhookAddress {
    fn describe(&self) -> ValueText {
        // The address itself is a secret.
        ValueText::text("a webhook")
    }
}

impl DescribeValue for Notify {
    fn describe(&self) -> ValueText {
        let mut text = self.channel.to_string();
        if self.on != NotifyEvent::all() {
            let events: Vec<String> = self.on.iter().map(ToString::to_string).collect();
            text = format!("{text} on {}", events.join(", "));
        }
        ValueText::Text(text)
    }
}
