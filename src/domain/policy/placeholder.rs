//! The placeholders of templates, such as `{env}`, and the values that each can have.

use crate::domain::name::{EnvName, MAX_LEN};

/// A placeholder of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placeholder {
    /// `{timestamp}`: a time in UTC without characters that refs forbid: `20260305T100211Z`.
    Timestamp,
    /// `{env}`: the environment's name.
    Env,
    /// `{branch}`: the environment's branch, or the branch that is checked out.
    Branch,
    /// `{version}`: the deployed version.
    Version,
    /// `{component}`: the component's name. A template with it stands for one tag per component.
    Component,
    /// `{commit}`: the full id of the commit.
    Commit,
}

impl Placeholder {
    const ALL: [Self; 6] = [
        Self::Timestamp,
        Self::Env,
        Self::Branch,
        Self::Version,
        Self::Component,
        Self::Commit,
    ];

    /// The placeholders of a tag: all.
    pub(super) const TAG: &'static [Self] = &Self::ALL;

    /// Returns the word between the braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Env => "env",
            Self::Branch => "branch",
            Self::Version => "version",
            Self::Component => "component",
            Self::Commit => "commit",
        }
    }

    /// Returns a possible value, to check a template with.
    pub(super) fn sample(self) -> &'static str {
        match self {
            Self::Timestamp => "20260305T100211Z",
            Self::Branch => "main",
            Self::Version => "1.0.0",
            Self::Env | Self::Component => "x",
            Self::Commit => "2affccc97fa05736482d4523166f70cb561afa11",
        }
    }

    /// Returns the lengths in bytes of all prefixes of `text` that can be a value. If `is_pattern`
    /// is true, `env` is the prefix of a pattern: `pr` for `pr-*`.
    pub(super) fn value_lengths(self, text: &str, env: &EnvName, is_pattern: bool) -> Vec<usize> {
        let is_name_byte =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let prefix_lengths = |text: &str, max: usize, is_allowed: fn(u8) -> bool| {
            let length = text
                .bytes()
                .take(max)
                .take_while(|byte| is_allowed(*byte))
                .count();
            (1..=length).collect::<Vec<_>>()
        };
        match self {
            Self::Timestamp => {
                let fits = |(index, byte): (usize, u8)| match index {
                    8 => byte == b'T',
                    15 => byte == b'Z',
                    _ => byte.is_ascii_digit(),
                };
                let matches = text.len() >= 16 && text.bytes().take(16).enumerate().all(fits);
                if matches { vec![16] } else { Vec::new() }
            }
            Self::Env => match text.strip_prefix(env.as_str()) {
                None => Vec::new(),
                Some(_) if !is_pattern => vec![env.as_str().len()],
                Some(rest) if !rest.starts_with('-') => Vec::new(),
                // The name has at least one more character after the dash.
                Some(rest) => prefix_lengths(rest, MAX_LEN, is_name_byte)
                    .into_iter()
                    .skip(1)
                    .map(|length| env.as_str().len() + length)
                    .collect(),
            },
            Self::Branch => prefix_lengths(text, usize::MAX, |_| true),
            Self::Version => prefix_lengths(text, usize::MAX, |byte| byte != b'/'),
            Self::Component => prefix_lengths(text, MAX_LEN, is_name_byte),
            Self::Commit => {
                let digits = text.bytes().take_while(u8::is_ascii_hexdigit).count();
                [40, 64]
                    .into_iter()
                    .filter(|length| *length <= digits)
                    .collect()
            }
        }
    }
}
