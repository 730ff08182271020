//! A time on the command line: a span from or before now, a day, or an RFC 3339 time.

use std::str::FromStr;

use chrono::DateTime;

use crate::domain::time::{Span, Time};

/// A time as it was typed. A span counts from the time at which the command needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long from now or before now.
    Span(Span),
    /// This time.
    At(Time),
}

impl Moment {
    /// Returns the time, with a span counted from now.
    pub fn after(self, now: Time) -> Time {
        match self {
            Self::Span(span) => now.plus(span),
            Self::At(time) => time,
        }
    }

    /// Returns the time, with a span counted back from now.
    pub fn before(self, now: Time) -> Time {
        match self {
            Self::Span(span) => now.minus(span),
            Self::At(time) => time,
        }
    }
}

impl FromStr for Moment {
    type Err = &'static str;

    /// Parses a span, with or without `+`, a day, which begins at midnight UTC, or an RFC 3339 time.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let span = || text.strip_prefix('+').unwrap_or(text).parse().ok();
        let day = || format!("{text}T00:00:00Z").parse().ok();
        let time = || {
            let moment = DateTime::parse_from_rfc3339(text).ok()?;
            Time::from_seconds(moment.timestamp())
        };
        span()
            .map(Self::Span)
            .or_else(|| day().or_else(time).map(Self::At))
            .ok_or("neither a span such as 4h, nor a day such as 2026-03-05, nor a time such as 2026-03-05T18:00:00Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every spelling means one time, and no other text is guessed at.
    #[test]
    fn spellings() {
        let now: Time = "2026-03-05T10:00:00Z".parse().unwrap();
        for (text, time) in [
            ("4h", "2026-03-05T14:00:00Z"),
            ("+4h", "2026-03-05T14:00:00Z"),
            ("2026-03-06", "2026-03-06T00:00:00Z"),
            ("2026-03-05T18:00:00Z", "2026-03-05T18:00:00Z"),
            ("2026-03-05T18:00:00+01:00", "2026-03-05T17:00:00Z"),
        ] {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(moment.after(now).to_string(), time, "{text}");
        }
        let back: Moment = "90d".parse().unwrap();
        assert_eq!(back.before(now).to_string(), "2025-12-05T10:00:00Z");
        for bad in [
            "",
            "+",
            "-4h",
            "++4h",
            "4",
            "tomorrow",
            "18:00",
            "2026-3-5",
            "2026-02-30",
            "2026-03-05T18:00",
            "2026-03-05T18:00:00",
            "1969-12-31T00:00:00Z",
            "99999999999w",
        ] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }
}
