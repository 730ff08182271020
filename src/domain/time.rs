//! Times (points in time) and spans (lengths of time), in whole seconds of UTC.
//!
//! Nothing here reads a clock. Times come from entries, from commits, or from `clock`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _};

use super::serde_str::impl_serde_str;

/// Why a text is not a time or a span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not `YYYY-MM-DDTHH:MM:SSZ` between 1970 and 9999.
    #[error("{0:?} is not a time in UTC seconds such as 2026-03-05T10:02:11Z")]
    Time(String),
    /// Not a number and a unit.
    #[error("{0:?} is not a span of time such as 45s, 30m, 8h, 2d or 1w")]
    Span(String),
}

/// A point in time: seconds since 1970-01-01T00:00:00Z, written as RFC 3339 in UTC without
/// fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl_serde_str!(Time, Span);

/// 9999-12-31T23:59:59Z: the last time with a four-digit year.
const MAX_SECONDS: i64 = 253_402_300_799;

impl Time {
    /// The beginning of 1970: the time of every genesis commit.
    pub const EPOCH: Self = Self(0);

    /// Creates a time from seconds since 1970. Returns `None` before 1970 and after 9999.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        (0..=MAX_SECONDS)
            .contains(&seconds)
            .then_some(Self(seconds))
    }

    /// Returns the seconds since 1970.
    pub fn as_seconds(self) -> i64 {
        self.0
    }

    /// Returns the time one span later, at most the end of 9999.
    #[must_use]
    pub fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0).min(MAX_SECONDS))
    }

    /// Returns the time one span earlier, at least the beginning of 1970.
    #[must_use]
    pub fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0).max(0))
    }

    /// Returns the span from `earlier` to this time, or zero if `earlier` is later.
    pub fn duration_since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }

    /// Converts the time for the chrono library.
    pub fn to_chrono(self) -> DateTime<chrono::Utc> {
        // Every value lies between 1970 and 9999, which chrono can represent.
        DateTime::from_timestamp(self.0, 0).unwrap_or_default()
    }
}

impl FromStr for Time {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        parse_time(text).ok_or_else(|| TimeError::Time(text.chars().take(80).collect()))
    }
}

/// Parses a time. Returns `None` for any but the canonical spelling. Written by hand for speed,
/// because every entry contains a time.
fn parse_time(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    let separators = [
        (4, b'-'),
        (7, b'-'),
        (10, b'T'),
        (13, b':'),
        (16, b':'),
        (19, b'Z'),
    ];
    if bytes.len() != 20
        || separators
            .iter()
            .any(|(index, byte)| bytes.get(*index) != Some(byte))
    {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        let digits = bytes.get(range)?;
        let digit = |byte: &u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
        digits
            .iter()
            .try_fold(0, |number, byte| Some(number * 10 + digit(byte)?))
    };
    let date = NaiveDate::from_ymd_opt(
        number(0..4)?.try_into().ok()?,
        number(5..7)?,
        number(8..10)?,
    )?;
    let moment = date.and_hms_opt(number(11..13)?, number(14..16)?, number(17..19)?)?;
    Time::from_seconds(moment.and_utc().timestamp())
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.to_chrono();
        let digit =
            |number: u32, divisor: u32| b'0' + u8::try_from(number / divisor % 10).unwrap_or(0);
        let mut bytes = *b"0000-00-00T00:00:00Z";
        let year = time.year().unsigned_abs();
        for (index, divisor) in [(0, 1_000), (1, 100), (2, 10), (3, 1)] {
            bytes[index] = digit(year, divisor);
        }
        let two_digit_numbers = [
            (5, time.month()),
            (8, time.day()),
            (11, time.hour()),
            (14, time.minute()),
            (17, time.second()),
        ];
        for (index, number) in two_digit_numbers {
            bytes[index] = digit(number, 10);
            bytes[index + 1] = digit(number, 1);
        }
        f.pad(std::str::from_utf8(&bytes).unwrap_or_default())
    }
}

/// A length of time in whole seconds, written with one unit: `90s`, `30m`, `1h`, `2d`, `1w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

/// The units of a [`Span`], largest first.
const UNITS: [(char, u64); 5] = [
    ('w', 604_800),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];
/// A hundred years, the longest allowed span.
const MAX_SPAN_SECONDS: u64 = 36_525 * 86_400;

impl Span {
    /// Creates a span from seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Creates a span from days.
    pub const fn from_days(days: u64) -> Self {
        Self(days * 86_400)
    }

    /// Returns the length in seconds.
    pub const fn as_seconds(self) -> u64 {
        self.0
    }
}

impl FromStr for Span {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let parse = || {
            let unit = text.chars().last()?;
            let number = &text[..text.len() - unit.len_utf8()];
            let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = is_number
                .then(|| number.parse::<u64>().ok())
                .flatten()?
                .checked_mul(factor)?;
            (seconds <= MAX_SPAN_SECONDS).then_some(Self(seconds))
        };
        parse().ok_or_else(|| TimeError::Span(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .into_iter()
            .find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor))
            .unwrap_or(('s', 1));
        f.pad(&format!("{}{unit}", self.0 / factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a time has exactly one spelling: with two, one entry could be written in two
    /// ways.
    #[test]
    fn one_spelling_of_a_moment() {
        let text = "2026-03-05T10:02:11Z";
        assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
        for bad in [
            "2026-03-05T10:02:11",
            "2026-03-05T10:02:11+00:00",
            "2026-03-05T10:02:11.0Z",
            "2026-3-5T10:02:11Z",
            "2026-03-05 10:02:11Z",
            "2026-03-05T10:02:60Z",
            "1969-12-31T23:59:59Z",
            "+10000-01-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "",
        ] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
    }

    /// Checks that a duration is the same after printing and parsing.
    #[test]
    fn spans() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1800),
            ("1h", 3600),
            ("2d", 172_800),
            ("1w", 604_800),
            ("0s", 0),
        ] {
            assert_eq!(text.parse::<Span>().unwrap(), Span(seconds));
            assert_eq!(Span(seconds).to_string(), text);
        }
        for bad in [
            "",
            "h",
            "1",
            "1 h",
            "-1h",
            "+1h",
            "1.5h",
            "1y",
            "99999999999w",
            "1ä",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
