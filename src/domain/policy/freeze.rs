//! `freeze`: windows in which deployments are refused, every week or once.
//!
//! If the clocks skip or repeat a local time, the window becomes longer, never shorter.

use std::fmt;

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

use super::reader::TomlValue;
use super::table::{TextForm, ValueForm};
use super::table_macros::policy_table;
use super::zone::{Ambiguity, Zone};
use crate::domain::text::Line;
use crate::domain::time::Time;

const DATE_TIME: TextForm = TextForm::new(
    "day and time, date, or date and time",
    "^([A-Za-z]+ [0-9]{2}:[0-9]{2}|[^A-Za-z].*)$",
);
const ZONE: TextForm = TextForm::new("time zone", "^[A-Za-z0-9+_/-]+$");
const LINE: TextForm = TextForm::new("line", "^[^\\n]+$");

policy_table! {
    /// A window of `freeze`, as written in `deploy.toml`.
    pub(super) struct FreezeTable, read with (key, _context: ());

    keys {
        /// The start of the window: `Fri 16:00` for every week, or `2026-12-20`, `2026-12-20T18:00`
        /// or `2026-12-20T18:00:00Z` for a single window.
        start: String {
            form: ValueForm::DateOrText(&DATE_TIME),
            example: "\"2026-12-24\"",
            used_as: "active_until",
            required: key.read(TomlValue::date_or_text),
        }
        /// The end of the window, of the same kind as its start. A date without a time includes
        /// that day.
        end: String {
            form: ValueForm::DateOrText(&DATE_TIME),
            example: "\"2027-01-02\"",
            used_as: "active_until",
            required: key.read(TomlValue::date_or_text),
        }
        /// The IANA time zone of days and local times.
        timezone: Zone {
            form: ValueForm::Text(&ZONE),
            example: "\"Europe/London\"",
            default: "`\"UTC\"`",
            used_as: "active_until",
            read: key.parse().unwrap_or(Zone::UTC),
        }
        /// The reason, shown with a refusal.
        reason: Option<Line> {
            form: ValueForm::Text(&LINE),
            example: "\"Christmas\"",
            read: key.parse(),
        }
    }
}

impl FreezeTable {
    /// Reads a window.
    pub(super) fn read_window(value: &TomlValue<'_>) -> Option<Freeze> {
        let table = Self::read(&value.fields(&Self::TABLE), ())?;
        Freeze::new(&table.start, &table.end, table.timezone, table.reason)
            .map_err(|error| value.report(error, None))
            .ok()
    }
}

/// A window in which deployments are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    window: FreezeWindow,
    /// The time zone of days and local times.
    pub timezone: Zone,
    /// The reason, shown with a refusal.
    pub reason: Option<Line>,
    /// The start, as written in `deploy.toml`.
    start_text: String,
    /// The end, as written in `deploy.toml`.
    end_text: String,
}

/// A moment of every week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WeekMoment {
    day: Weekday,
    time: NaiveTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FreezeWindow {
    /// The window repeats every week.
    Weekly { start: WeekMoment, end: WeekMoment },
    /// The window does not repeat.
    Once { start: Time, end: Time },
}

/// Which bound of a window is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BoundKind {
    Start,
    End,
}

impl BoundKind {
    /// Returns the moment of a repeated local time that makes the window longer.
    fn ambiguity(self) -> Ambiguity {
        match self {
            Self::Start => Ambiguity::First,
            Self::End => Ambiguity::Last,
        }
    }
}

/// The start or end of a window.
enum WindowBound {
    Weekly(WeekMoment),
    Once(Time),
}

/// The valid spellings of a start or end, for messages.
const EXPECTED: &str = "a weekly time such as Fri 16:00, or a date or time such as 2026-12-20, 2026-12-20T18:00 or 2026-12-20T18:00:00Z";

impl Freeze {
    /// Parses the bounds of a window. A date without a time as `end` includes that day.
    pub(super) fn new(
        start: &str,
        end: &str,
        timezone: Zone,
        reason: Option<Line>,
    ) -> Result<Self, String> {
        let window = match (
            parse_bound(start, timezone, BoundKind::Start)?,
            parse_bound(end, timezone, BoundKind::End)?,
        ) {
            (WindowBound::Weekly(start), WindowBound::Weekly(end)) => {
                if start == end {
                    return Err(
                        "start and end are the same moment of the week; to stop all deployments, use git deploy lock".to_owned()
                    );
                }
                FreezeWindow::Weekly { start, end }
            }
            (WindowBound::Once(start), WindowBound::Once(end)) if start < end => {
                FreezeWindow::Once { start, end }
            }
            (WindowBound::Once(_), WindowBound::Once(_)) => {
                return Err(format!("it ends ({end}) before it starts ({start})"));
            }
            _ => {
                return Err(format!(
                    "start and end must be of the same kind: {EXPECTED}"
                ));
            }
        };
        Ok(Self {
            window,
            timezone,
            reason,
            start_text: start.to_owned(),
            end_text: end.to_owned(),
        })
    }

    /// Returns the end of the window that contains `now`, or `None` if there is none. The start
    /// belongs to the window, the end does not.
    pub fn active_until(&self, now: Time) -> Option<Time> {
        match self.window {
            FreezeWindow::Once { start, end } => (start <= now && now < end).then_some(end),
            FreezeWindow::Weekly { start, end } => {
                let today = self.timezone.to_local(now).date();
                let days_between = u64::from(
                    (7 + end.day.num_days_from_monday() - start.day.num_days_from_monday()) % 7,
                );
                let length_in_days = if days_between == 0 && end.time <= start.time {
                    7
                } else {
                    days_between
                };
                // Look back a week and a day: if the clocks skip or repeat a time, the window that
                // began a week ago may still be active.
                (0..=8)
                    .filter_map(|days_ago| today.checked_sub_days(Days::new(days_ago)))
                    .filter(|day| day.weekday() == start.day)
                    .filter_map(|day| {
                        let last_day = day.checked_add_days(Days::new(length_in_days))?;
                        let begin = self
                            .timezone
                            .to_utc(day.and_time(start.time), BoundKind::Start.ambiguity())?;
                        let until = self
                            .timezone
                            .to_utc(last_day.and_time(end.time), BoundKind::End.ambiguity())?;
                        (begin <= now && now < until).then_some(until)
                    })
                    .max()
            }
        }
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} to {} {}",
            self.start_text, self.end_text, self.timezone
        )
    }
}

/// Parses the start or end of a window.
fn parse_bound(text: &str, timezone: Zone, kind: BoundKind) -> Result<WindowBound, String> {
    let error = || format!("{text:?} is not {EXPECTED}");
    let parse_clock = |text: &str| {
        NaiveTime::parse_from_str(text, "%H:%M")
            .ok()
            .filter(|_| text.len() == 5)
    };
    if let Some((day, time)) = text.split_once(' ')
        && let Ok(day) = day.parse::<Weekday>()
    {
        let time = parse_clock(time).ok_or_else(error)?;
        return Ok(WindowBound::Weekly(WeekMoment { day, time }));
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let day = match kind {
            BoundKind::Start => date,
            // The end date is included.
            BoundKind::End => date.succ_opt().ok_or_else(error)?,
        };
        return timezone
            .to_utc(day.and_time(NaiveTime::MIN), kind.ambiguity())
            .map(WindowBound::Once)
            .ok_or_else(error);
    }
    let text = text.replacen(' ', "T", 1);
    if let Ok(moment) = DateTime::parse_from_rfc3339(&text) {
        return Time::from_seconds(moment.timestamp())
            .map(WindowBound::Once)
            .ok_or_else(error);
    }
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
        .and_then(|local| timezone.to_utc(local, kind.ambiguity()))
        .map(WindowBound::Once)
        .ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freeze(start: &str, end: &str, timezone: &str) -> Freeze {
        Freeze::new(start, end, timezone.parse().unwrap(), None).unwrap()
    }

    fn until(freeze: &Freeze, now: &str) -> Option<String> {
        freeze
            .active_until(now.parse().unwrap())
            .map(|time| time.to_string())
    }

    /// A weekly window follows local time, in summer and in winter.
    #[test]
    fn weekly() {
        let weekend = freeze("Fri 16:00", "Mon 08:00", "Europe/London");
        // Winter: London is UTC.
        assert_eq!(until(&weekend, "2026-01-09T15:59:59Z"), None);
        assert_eq!(
            until(&weekend, "2026-01-09T16:00:00Z").as_deref(),
            Some("2026-01-12T08:00:00Z")
        );
        assert_eq!(
            until(&weekend, "2026-01-12T07:59:59Z").as_deref(),
            Some("2026-01-12T08:00:00Z")
        );
        assert_eq!(until(&weekend, "2026-01-12T08:00:00Z"), None);
        // Summer: an hour earlier in UTC.
        assert_eq!(
            until(&weekend, "2026-07-10T15:00:00Z").as_deref(),
            Some("2026-07-13T07:00:00Z")
        );
        assert_eq!(until(&weekend, "2026-07-10T14:59:59Z"), None);
        // The clocks go forward on Sunday, 29 March, and back on Sunday, 25 October.
        assert_eq!(
            until(&weekend, "2026-03-27T16:00:00Z").as_deref(),
            Some("2026-03-30T07:00:00Z")
        );
        assert_eq!(
            until(&weekend, "2026-10-23T15:00:00Z").as_deref(),
            Some("2026-10-26T08:00:00Z")
        );
        // Within one day, and the whole week except for one hour.
        let night = freeze("Tue 22:00", "Tue 23:00", "UTC");
        assert_eq!(
            until(&night, "2026-01-06T22:30:00Z").as_deref(),
            Some("2026-01-06T23:00:00Z")
        );
        assert_eq!(until(&night, "2026-01-06T23:30:00Z"), None);
        let most = freeze("Tue 23:00", "Tue 22:00", "UTC");
        assert_eq!(until(&most, "2026-01-06T22:30:00Z"), None);
        assert_eq!(
            until(&most, "2026-01-06T21:59:59Z").as_deref(),
            Some("2026-01-06T22:00:00Z")
        );
        assert_eq!(
            until(&most, "2026-01-06T23:00:00Z").as_deref(),
            Some("2026-01-13T22:00:00Z")
        );
    }

    /// A local time that is skipped or repeated makes the window longer, never shorter.
    #[test]
    fn change_of_clocks() {
        // 01:30 does not exist on 29 March in London: the clock jumps at 01:00 UTC.
        let gap = freeze("Sun 01:30", "Sun 05:00", "Europe/London");
        assert_eq!(until(&gap, "2026-03-29T00:59:59Z"), None);
        assert_eq!(
            until(&gap, "2026-03-29T01:00:00Z").as_deref(),
            Some("2026-03-29T04:00:00Z")
        );
        let gap_end = freeze("Sat 12:00", "Sun 01:30", "Europe/London");
        assert_eq!(
            until(&gap_end, "2026-03-29T00:59:59Z").as_deref(),
            Some("2026-03-29T01:00:00Z")
        );
        // 01:30 comes twice on 25 October: at 00:30 and 01:30 UTC.
        let twice = freeze("Sun 01:30", "Sun 05:00", "Europe/London");
        assert_eq!(
            until(&twice, "2026-10-25T00:30:00Z").as_deref(),
            Some("2026-10-25T05:00:00Z")
        );
        let twice_end = freeze("Sat 12:00", "Sun 01:30", "Europe/London");
        assert_eq!(
            until(&twice_end, "2026-10-25T00:45:00Z").as_deref(),
            Some("2026-10-25T01:30:00Z")
        );
        assert_eq!(until(&twice_end, "2026-10-25T01:30:00Z"), None);
        // A day that Samoa never had: Friday, 30 December 2011.
        let skipped = freeze("Fri 10:00", "Sat 10:00", "Pacific/Apia");
        assert_eq!(
            until(&skipped, "2011-12-30T10:00:00Z").as_deref(),
            Some("2011-12-30T20:00:00Z")
        );
    }

    /// A single window includes its last day.
    #[test]
    fn once() {
        let days = freeze("2026-12-20", "2027-01-02", "America/New_York");
        assert_eq!(until(&days, "2026-12-20T04:59:59Z"), None);
        assert_eq!(
            until(&days, "2026-12-20T05:00:00Z").as_deref(),
            Some("2027-01-03T05:00:00Z")
        );
        let exact = freeze(
            "2026-12-20T18:00",
            "2026-12-20T20:00:00+01:00",
            "Europe/London",
        );
        assert_eq!(
            until(&exact, "2026-12-20T18:30:00Z").as_deref(),
            Some("2026-12-20T19:00:00Z")
        );
        for (start, end) in [
            ("Fri 16:00", "Fri 16:00"),
            ("Fri 16:00", "2026-01-01"),
            ("2026-01-02", "2026-01-01"),
            ("Fri", "Mon"),
            ("Fri 24:00", "Mon 08:00"),
            ("Fri 8:00", "Mon 08:00"),
            ("", ""),
        ] {
            assert!(
                Freeze::new(start, end, Zone::UTC, None).is_err(),
                "{start} {end}"
            );
        }
    }
}
