//! The marks at the beginning of lines. They differ in shape as well as in colour, so that they are
//! clear without colours.
//!
//! Only the basic colours are used, which themes adapt to light and dark backgrounds. Yellow and cyan are
//! never bold: many terminals show bold colours brighter, which is unreadable on a light background.

use std::fmt;

use anstyle::{AnsiColor, Style};

use crate::domain::verdict::CheckResult;

/// A mark, displayed as one coloured character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Done, allowed, verified.
    Yes,
    /// Refused, failed.
    No,
    /// Active now: it runs or is under way.
    Live,
    /// A fact is missing.
    Unknown,
    /// Worth attention: a suggestion, a lock, a yank or a hold.
    Warning,
    /// Nothing to report.
    None,
}

impl Mark {
    /// Returns the mark for the answer of a rule.
    pub const fn from_result(outcome: CheckResult) -> Self {
        match outcome {
            CheckResult::Pass => Self::Yes,
            CheckResult::Fail => Self::No,
            CheckResult::Unknown => Self::Unknown,
        }
    }

    /// Returns the character without colour.
    pub const fn symbol(self) -> char {
        match self {
            Self::Yes => '✓',
            Self::No => '✗',
            Self::Live => '●',
            Self::Unknown => '?',
            Self::Warning => '!',
            Self::None => '–',
        }
    }

    /// Returns the style of the mark, which words next to it may share.
    pub const fn style(self) -> Style {
        match self {
            Self::Yes => AnsiColor::Green.on_default(),
            Self::No => AnsiColor::Red.on_default(),
            Self::Live => AnsiColor::Cyan.on_default(),
            Self::Unknown | Self::Warning => AnsiColor::Yellow.on_default(),
            Self::None => Style::new().dimmed(),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.style();
        write!(f, "{style}{}{style:#}", self.symbol())
    }
}
