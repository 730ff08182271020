//! Describes the values of a policy in words, so that two policies can be compared key by key.
//!
//! `policy_table!` describes each table, so no key can be forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::table::{TableKey, ValueForm};
use crate::domain::id::PublicKey;
use crate::domain::name::{ComponentName, EnvName, Label, ProjectName};
use crate::domain::text::Line;
use crate::domain::time::Span;

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
    /// Returns a single value, as it is displayed.
    pub(super) fn text(value: impl Display) -> Self {
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

/// Describes values of these types as they are displayed.
macro_rules! describe_displayed {
    ($($type:ty),+) => {
        $( impl $crate::domain::policy::describe::DescribeValue for $type {
            fn describe(&self) -> $crate::domain::policy::describe::ValueText {
                $crate::domain::policy::describe::ValueText::text(self)
            }
        } )+
    };
}

describe_displayed!(
    u32,
    bool,
    String,
    Span,
    Line,
    Label,
    EnvName,
    ComponentName,
    ProjectName,
    PublicKey
);

pub(super) use describe_displayed;

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
