//! Formatting of times and durations for people.

use crate::domain::count::count;
use crate::domain::time::{Span, Time};

/// The format of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeStyle {
    /// `2026-03-05T10:02:11Z`
    Iso,
    /// `2 min ago`
    Relative,
}

/// Formats a time in the given style.
pub fn format_time(time: Time, now: Time, dates: TimeStyle) -> String {
    match dates {
        TimeStyle::Iso => time.to_string(),
        TimeStyle::Relative if time > now => {
            format!("in {}", format_approx(time.duration_since(now)))
        }
        TimeStyle::Relative => match now.duration_since(time) {
            span if span.as_seconds() == 0 => "now".to_owned(),
            span => format!("{} ago", format_approx(span)),
        },
    }
}

/// Formats a deadline: `until 2026-03-12T10:00:00Z`, `for 7 days`.
pub fn format_deadline(time: Time, now: Time, dates: TimeStyle) -> String {
    match dates {
        TimeStyle::Iso => format!("until {time}"),
        // Adds almost a minute before rounding down. Otherwise a deadline of 7 days that was set a few
        // seconds ago would be shown as 6 days.
        TimeStyle::Relative => format!(
            "for {}",
            format_approx(Span::from_seconds(
                time.duration_since(now).as_seconds().saturating_add(59)
            ))
        ),
    }
}

/// Formats a duration in its largest unit, rounded down: `40 s`, `22 min`, `1 hour`, `6 days`,
/// `3 months`, `2 years`.
pub fn format_approx(span: Span) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = span.as_seconds();
    let (number, unit) = match seconds {
        0..MINUTE => return format!("{seconds} s"),
        MINUTE..HOUR => return format!("{} min", seconds / MINUTE),
        HOUR..DAY => (seconds / HOUR, "hour"),
        // Up to two months are shown in days, so that people can count back.
        _ if seconds < 60 * DAY => (seconds / DAY, "day"),
        _ if seconds < 730 * DAY => (seconds / (30 * DAY), "month"),
        _ => (seconds / (365 * DAY), "year"),
    };
    count(number, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks both sides of the border between units, and the singular.
    #[test]
    fn spans() {
        const DAY: u64 = 86_400;
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 hour"),
            (2 * 3_600, "2 hours"),
            (DAY - 1, "23 hours"),
            (DAY, "1 day"),
            (59 * DAY, "59 days"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
        ] {
            assert_eq!(format_approx(Span::from_seconds(seconds)), text);
        }
    }

    /// Checks times in the past and in the future: the local clock may lag behind the server's.
    #[test]
    fn moments() {
        let now: Time = "2026-03-05T10:00:00Z".parse().unwrap();
        let minute = Span::from_seconds(60);
        assert_eq!(
            format_time(now.minus(minute), now, TimeStyle::Relative),
            "1 min ago"
        );
        assert_eq!(
            format_time(now.plus(minute), now, TimeStyle::Relative),
            "in 1 min"
        );
        assert_eq!(format_time(now, now, TimeStyle::Relative), "now");
        assert_eq!(
            format_deadline(
                now.plus(Span::from_days(7)),
                now.plus(Span::from_seconds(2)),
                TimeStyle::Relative
            ),
            "for 7 days"
        );
        assert_eq!(
            format_time(now.minus(minute), now, TimeStyle::Iso),
            "2026-03-05T09:59:00Z"
        );
    }
}
