//! Collects what a rule finds against single components, so that forty of them with one fault make one line.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::Known;
use crate::domain::text::sanitize;
use crate::domain::time::{Span, Time};
use crate::domain::verdict::{Check, Rule};

/// A reason to refuse, and what to type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Against {
    pub detail: String,
    pub remedy: Option<String>,
}

impl Against {
    pub fn new(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            remedy: None,
        }
    }

    pub fn remedy(self, command: impl Into<String>) -> Self {
        Self {
            remedy: Some(command.into()),
            ..self
        }
    }

    pub fn check(self, rule: Rule) -> Check {
        let check = Check::fail(rule, self.detail);
        Check {
            remedy: self.remedy,
            ..check
        }
    }
}

/// In a remedy: the component's name, where it is about one alone.
pub(super) const COMPONENT: &str = "COMPONENT";

/// The findings of one rule.
pub(super) struct Found {
    rule: Rule,
    asked: usize,
    against: BTreeMap<Against, Vec<String>>,
    missing: BTreeMap<String, Vec<String>>,
}

impl Found {
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            asked: 0,
            against: BTreeMap::new(),
            missing: BTreeMap::new(),
        }
    }

    /// What was found about one component.
    pub fn add(&mut self, component: &impl Display, found: Known<Option<Against>>) {
        self.asked += 1;
        match found {
            Ok(None) => {}
            Ok(Some(against)) => self
                .against
                .entry(against)
                .or_default()
                .push(component.to_string()),
            Err(why) => self
                .missing
                .entry(sanitize(&why))
                .or_default()
                .push(component.to_string()),
        }
    }

    /// The answer; a pass if nothing was found. A component that is alone is not named.
    pub fn checks(self) -> Vec<Check> {
        let Self { rule, asked, .. } = self;
        let named = |names: &[String], detail: String| match asked {
            1 => detail,
            all if all == names.len() && all > SHOWN => format!("all {all} components: {detail}"),
            _ => format!("{}: {detail}", list(names)),
        };
        let against = self.against.into_iter().map(|(against, names)| {
            let detail = named(&names, against.detail.clone());
            let remedy = against.remedy.map(|command| match &names[..] {
                [one] => command.replace(COMPONENT, one),
                _ => command,
            });
            Against { detail, remedy }.check(rule)
        });
        let missing = self
            .missing
            .into_iter()
            .map(|(why, names)| Check::unknown(rule, named(&names, why)));
        super::unless(rule, against.chain(missing).collect())
    }
}

/// More names than this are counted.
const SHOWN: usize = 8;

/// `a, b, c`; of more than eight the rest is counted.
pub(super) fn list<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let shown = names
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// A moment as seen from another, in UTC: `09:40` on the same day, else with the date.
pub(super) fn moment(at: Time, now: Time) -> String {
    let (at, now) = (at.to_chrono(), now.to_chrono());
    let format = if at.date_naive() == now.date_naive() {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    at.format(format).to_string()
}

/// A length in words, rounded up: `22 minutes`.
pub(super) fn length(span: Span) -> String {
    let (unit, name) = match span.as_seconds() {
        0..60 => (1, "second"),
        60..7_200 => (60, "minute"),
        7_200..172_800 => (3_600, "hour"),
        _ => (86_400, "day"),
    };
    let count = span.as_seconds().div_ceil(unit);
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred components with one fault must not bury the others, nor one missing fact hide a refusal.
    #[test]
    fn one_line_a_fault() {
        let mut found = Found::new(Rule::Soak);
        for index in 0..10 {
            found.add(
                &format!("c{index}"),
                Ok(Some(Against::new("too young").remedy("wait for COMPONENT"))),
            );
        }
        found.add(&"x", Err("no\x1bne".to_owned()));
        found.add(&"y", Ok(None));
        let checks = found.checks();
        assert_eq!(checks.len(), 2);
        assert_eq!(
            checks[0].detail,
            "c0, c1, c2, c3, c4, c5, c6, c7 and 2 more: too young"
        );
        assert_eq!(checks[1], Check::unknown(Rule::Soak, "x: no\u{fffd}ne"));
        assert_eq!(checks[0].remedy.as_deref(), Some("wait for COMPONENT"));
        let mut every = Found::new(Rule::Soak);
        (0..40).for_each(|index| every.add(&index, Ok(Some(Against::new("too young")))));
        assert_eq!(
            every.checks(),
            [Check::fail(Rule::Soak, "all 40 components: too young")]
        );
        let mut alone = Found::new(Rule::Soak);
        alone.add(
            &"api",
            Ok(Some(Against::new("too young").remedy("wait for COMPONENT"))),
        );
        assert_eq!(
            alone.checks(),
            [Check::fail(Rule::Soak, "too young").remedy("wait for api")]
        );
    }

    /// What is left is never shown as less than it is.
    #[test]
    fn words_for_times() {
        let now: Time = "2026-03-05T10:00:00Z".parse().unwrap();
        assert_eq!(moment(now.minus(Span::from_seconds(1200)), now), "09:40");
        assert_eq!(
            moment(now.minus(Span::from_days(1)), now),
            "2026-03-04 10:00"
        );
        for (seconds, words) in [
            (1, "1 second"),
            (61, "2 minutes"),
            (1320, "22 minutes"),
            (7201, "3 hours"),
            (200_000, "3 days"),
        ] {
            assert_eq!(length(Span::from_seconds(seconds)), words);
        }
    }
}
