//! The marks in front of lines. Each differs in shape as well as in colour, so that nothing is lost without colour.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// A mark; it displays as one character with its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Done, allowed, verified.
    Yes,
    /// Refused, failed.
    No,
    /// Here and now: it runs, it is under way.
    Live,
    /// Nothing to say.
    None,
}

impl Mark {
    /// Its character, without colour.
    pub const fn symbol(self) -> char {
        match self {
            Self::Yes => '✓',
            Self::No => '✗',
            Self::Live => '●',
            Self::None => '–',
        }
    }

    /// Its colour, also for the words that belong to it.
    pub const fn style(self) -> Style {
        match self {
            Self::Yes => AnsiColor::Green.on_default(),
            Self::No => AnsiColor::Red.on_default(),
            Self::Live => AnsiColor::Cyan.on_default(),
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
