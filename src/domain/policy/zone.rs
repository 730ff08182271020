//! Time zones by their IANA names.
//!
//! The database is compiled in, so that a server and an audit compute the same window on any
//! machine. It covers changes of the clocks up to the year 2100.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use crate::domain::time::Time;

/// Which moment to return for a local time that occurs twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ambiguity {
    /// The first of the two.
    First,
    /// The second of the two.
    Last,
}

/// A time zone such as `Europe/London`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

impl Zone {
    /// The time zone of a window that names none.
    pub const UTC: Self = Self(Tz::UTC);

    /// Returns the local time at a moment.
    pub(super) fn to_local(self, moment: Time) -> NaiveDateTime {
        moment.to_chrono().with_timezone(&self.0).naive_local()
    }

    /// Returns the moment of a local time. For a time that the clocks skip, this is the moment at
    /// which they jump. For a time that occurs twice, `ambiguity` selects the moment. Returns `None`
    /// before 1970 and after 9999.
    pub(super) fn to_utc(self, local: NaiveDateTime, ambiguity: Ambiguity) -> Option<Time> {
        let seconds = match self.0.from_local_datetime(&local) {
            LocalResult::Single(moment) => moment.timestamp(),
            LocalResult::Ambiguous(first, last) => match ambiguity {
                Ambiguity::First => first,
                Ambiguity::Last => last,
            }
            .timestamp(),
            LocalResult::None => self.find_jump_over(local)?,
        };
        Time::from_seconds(seconds)
    }

    /// Finds the moment at which the clocks jump over a local time, by bisection.
    fn find_jump_over(self, local: NaiveDateTime) -> Option<i64> {
        // A clock differs from UTC by less than a day, and no zone jumps by more than a day.
        let (mut before, mut after) = (
            (local - TimeDelta::days(2)).and_utc().timestamp(),
            (local + TimeDelta::days(2)).and_utc().timestamp(),
        );
        while after - before > 1 {
            let middle = i64::midpoint(before, after);
            let clock = DateTime::from_timestamp(middle, 0)?.with_timezone(&self.0);
            if clock.naive_local() < local {
                before = middle;
            } else {
                after = middle;
            }
        }
        Some(after)
    }
}

impl FromStr for Zone {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("{text:?} is not a time zone of the IANA database such as Europe/London")
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name in another spelling, or that the database does not have, is refused.
    #[test]
    fn names() {
        for name in [
            "UTC",
            "Europe/London",
            "America/Argentina/Buenos_Aires",
            "Etc/GMT+5",
        ] {
            assert_eq!(name.parse::<Zone>().unwrap().to_string(), name);
        }
        for name in [
            "",
            "London",
            "europe/london",
            "Europe/London ",
            "../Europe/London",
        ] {
            assert!(name.parse::<Zone>().is_err(), "{name:?}");
        }
    }

    /// The past follows the database, the future its rules.
    #[test]
    fn local_times() {
        let london: Zone = "Europe/London".parse().unwrap();
        for (moment, there) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T01:00:00"),
            ("2026-07-01T12:00:00Z", "2026-07-01T13:00:00"),
            ("2099-01-01T12:00:00Z", "2099-01-01T12:00:00"),
            ("2099-07-01T12:00:00Z", "2099-07-01T13:00:00"),
        ] {
            let local = london.to_local(moment.parse().unwrap());
            assert_eq!(local.format("%Y-%m-%dT%H:%M:%S").to_string(), there);
            assert_eq!(
                london.to_utc(local, Ambiguity::First).unwrap().to_string(),
                moment
            );
        }
    }
}
