//! Describes the values of a policy in words, so that two policies can be compared key by key.
//!
//! `policy_table!` describes each table, so no key can be forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::freeze::Freeze;
use super::notify::{Notify, NotifyChannel, NotifyEvent, WebhookAddress, WebhookFormat};
use super::paths::Paths;
use super::people::Members;
use super::table::{TableKey, ValueForm};
use super::zone::Zone;
use super::{
    ApprovalBinding, BranchName, PredicateType, PreventSelf, ShellCommand, Template, VersionSource,
};
use crate::domain::id::{Digest, PublicKey};
use crate::domain::name::{ComponentName, EnvName, Label, ProjectName};
use crate::domain::text::Line;
use crate::domain::time::Span;

/// The number of digits that tell the addresses of two webhooks apart.
const ADDRESS_DIGITS: usize = 8;

/// A value in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueText {
    /// The key is absent and has no default value.
    Nothing,
    /// A single value.
    Text(String),
    /// Several values, in order.
    List(Vec<String>),
    /// The people that an absent key stands for.
    Default(Vec<String>),
}

impl ValueText {
    fn text(value: impl Display) -> Self {
        Self::Text(value.to_string())
    }

    /// Returns the values as a list.
    pub fn to_list(&self) -> Vec<String> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Text(text) => vec![text.clone()],
            Self::List(list) | Self::Default(list) => list.clone(),
        }
    }

    /// Returns the value for a line that also has other values.
    fn to_inline(&self) -> Option<String> {
        match self {
            Self::Nothing | Self::Default(_) => None,
            Self::Text(text) => Some(text.clone()),
            Self::List(list) if list.len() == 1 => list.first().cloned(),
            Self::List(list) => Some(format!("({})", list.join(", "))),
        }
    }
}

/// A value that can be described.
pub(super) trait DescribeValue {
    /// Describes the value.
    fn describe(&self) -> ValueText;
}

/// A table of the file: its keys with their values.
pub(super) trait DescribeTable {
    /// Describes the value of each key, in the order of the reference.
    fn describe_keys(&self) -> Vec<(&'static TableKey, ValueText)>;

    /// Checks for each key, in the same order, whether its value differs from that in another table.
    fn compare_values(&self, other: &Self) -> Vec<bool>;
}

/// Describes a table on one line. Leaves out the keys that have their default value, except the first
/// key, without which a weaker approval would look like none.
pub(super) fn describe_inline(table: &impl DescribeTable) -> ValueText {
    let keys = table.describe_keys();
    let stated: Vec<String> = keys
        .iter()
        .filter_map(|(key, value)| Some((key, value.to_inline()?)))
        .enumerate()
        .filter(|(index, (key, text))| *index == 0 || !is_default(key, text))
        .map(|(_, (key, text))| format!("{} {text}", key.name))
        .collect();
    ValueText::Text(stated.join(", "))
}

/// Checks whether a value is the default of its key. A default that the key states in words is no
/// value, so it is never taken for one.
pub(super) fn is_default(key: &TableKey, value: &str) -> bool {
    // What can be written in one way only is false if it is absent.
    if let ValueForm::Words(words) = key.form
        && value == "false"
        && !words.contains(&value)
    {
        return true;
    }
    let default = key.default.strip_prefix('`');
    let Some(default) = default.and_then(|it| it.strip_suffix('`')) else {
        return false;
    };
    let default = default.trim_matches('"');
    let is_same_span = || {
        let span = default.parse::<Span>();
        span.is_ok_and(|span| span.to_string() == value)
    };
    value == default || is_same_span()
}

macro_rules! describe_displayed {
    ($($type:ty),+) => {
        $( impl DescribeValue for $type {
            fn describe(&self) -> ValueText {
                ValueText::text(self)
            }
        } )+
    };
}

describe_displayed!(
    u32,
    bool,
    String,
    Span,
    BranchName,
    Template,
    PredicateType,
    Zone,
    Line,
    Label,
    EnvName,
    ComponentName,
    ProjectName,
    PublicKey
);

impl DescribeValue for Freeze {
    fn describe(&self) -> ValueText {
        ValueText::Text(match &self.reason {
            None => self.to_string(),
            Some(reason) => format!("{self} ({reason})"),
        })
    }
}

impl DescribeValue for () {
    fn describe(&self) -> ValueText {
        ValueText::Nothing
    }
}

impl<T: DescribeValue> DescribeValue for Option<T> {
    fn describe(&self) -> ValueText {
        self.as_ref().map_or(ValueText::Nothing, T::describe)
    }
}

impl<T: Display> DescribeValue for BTreeSet<T> {
    fn describe(&self) -> ValueText {
        ValueText::List(self.iter().map(T::to_string).collect())
    }
}

impl<T: DescribeValue> DescribeValue for Vec<T> {
    fn describe(&self) -> ValueText {
        ValueText::List(self.iter().flat_map(|it| it.describe().to_list()).collect())
    }
}

impl<K: Display, V: DescribeValue> DescribeValue for BTreeMap<K, V> {
    fn describe(&self) -> ValueText {
        let describe = |(key, value): (&K, &V)| {
            format!(
                "{key} = {}",
                value.describe().to_inline().unwrap_or_default()
            )
        };
        ValueText::List(self.iter().map(describe).collect())
    }
}

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
