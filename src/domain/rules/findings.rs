//! Groups a rule's findings about components by their text, so that many components with the same
//! problem give one line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::context::pass_if_none;
use super::facts::Fact;
use crate::domain::count::count;
use crate::domain::name::Person;
use crate::domain::text::sanitize;
use crate::domain::time::{Span, Time};
use crate::domain::verdict::{Check, Rule};

/// A reason to refuse, and the command to type next, if there is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Violation {
    /// The reason, in one line.
    pub detail: String,
    /// The command to type next.
    pub remedy: Option<String>,
    /// Who can type it, if that does not follow from the command.
    pub remedy_by: Vec<Person>,
}

impl Violation {
    pub fn new(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            remedy: None,
            remedy_by: Vec::new(),
        }
    }

    pub fn remedy(self, command: impl Into<String>) -> Self {
        Self {
            remedy: Some(command.into()),
            ..self
        }
    }

    pub fn remedy_by(self, people: impl IntoIterator<Item = Person>) -> Self {
        Self {
            remedy_by: people.into_iter().collect(),
            ..self
        }
    }

    pub fn check(self, rule: Rule) -> Check {
        let check = Check::fail(rule, self.detail);
        Check {
            remedy: self.remedy,
            remedy_by: self.remedy_by,
            ..check
        }
    }
}

/// A placeholder in a remedy. If the finding is about one component, its name replaces the
/// placeholder.
pub(super) const COMPONENT: &str = "COMPONENT";

/// A placeholder in a remedy for the options that name the components of a finding.
pub(super) const COMPONENT_OPTIONS: &str = "COMPONENT-OPTIONS";

/// The findings of one rule.
pub(super) struct Findings {
    rule: Rule,
    components: BTreeSet<String>,
    /// The components with each violation.
    violations: BTreeMap<Violation, Vec<String>>,
    /// The components for which a fact is missing, by the reason.
    missing: BTreeMap<String, Vec<String>>,
}

impl Findings {
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            components: BTreeSet::new(),
            violations: BTreeMap::new(),
            missing: BTreeMap::new(),
        }
    }

    /// Adds a finding about one component.
    pub fn add(&mut self, component: &impl Display, finding: Fact<Option<Violation>>) {
        self.components.insert(component.to_string());
        match finding {
            Ok(None) => {}
            Ok(Some(violation)) => self
                .violations
                .entry(violation)
                .or_default()
                .push(component.to_string()),
            Err(why) => self
                .missing
                .entry(sanitize(&why))
                .or_default()
                .push(component.to_string()),
        }
    }

    /// Returns the checks: one per distinct finding, or a pass if there is none. The checks do not
    /// name the component if the rule judged only one.
    pub fn checks(self) -> Vec<Check> {
        let (rule, component_count) = (self.rule, self.components.len());
        let with_names = |names: &[String], detail: String| match component_count {
            1 => detail,
            count if count == names.len() && count > MAX_NAMES => {
                format!("all {count} components: {detail}")
            }
            _ => format!("{}: {detail}", join_names(names)),
        };
        let violations = self.violations.into_iter().map(|(violation, names)| {
            let detail = with_names(&names, violation.detail.clone());
            let remedy = violation.remedy.as_ref().map(|command| {
                let options: Vec<String> = names
                    .iter()
                    .map(|name| format!("--component {name}"))
                    .collect();
                let command = command.replace(COMPONENT_OPTIONS, &options.join(" "));
                match &names[..] {
                    [one] => command.replace(COMPONENT, one),
                    _ => command,
                }
            });
            Violation {
                detail,
                remedy,
                ..violation
            }
            .check(rule)
        });
        let missing = self
            .missing
            .into_iter()
            .map(|(why, names)| Check::unknown(rule, with_names(&names, why)));
        pass_if_none(rule, violations.chain(missing).collect())
    }
}

/// The largest number of names that are listed. Further names are only counted.
const MAX_NAMES: usize = 8;

/// Returns `a, b, c`. Names after the eighth are counted.
pub(super) fn join_names<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let shown = names
        .iter()
        .take(MAX_NAMES)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().checked_sub(MAX_NAMES) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// Formats a time in UTC: `09:40` on the same day as `now`, otherwise with the date.
pub(super) fn format_moment(at: Time, now: Time) -> String {
    let (at, now) = (at.to_chrono(), now.to_chrono());
    let format = if at.date_naive() == now.date_naive() {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    at.format(format).to_string()
}

/// Formats a length of time, rounded up: `22 minutes`.
pub(super) fn format_length(span: Span) -> String {
    let (unit, name) = match span.as_seconds() {
        0..60 => (1, "second"),
        60..7_200 => (60, "minute"),
        7_200..172_800 => (3_600, "hour"),
        _ => (86_400, "day"),
    };
    count(span.as_seconds().div_ceil(unit), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Components with the same problem share one line, and a missing fact hides no refusal.
    #[test]
    fn one_line_per_problem() {
        let mut findings = Findings::new(Rule::Soak);
        for index in 0..10 {
            findings.add(
                &format!("c{index}"),
                Ok(Some(
                    Violation::new("too young").remedy("wait for COMPONENT"),
                )),
            );
        }
        findings.add(&"x", Err("no\x1bne".to_owned()));
        findings.add(&"y", Ok(None));
        let checks = findings.checks();
        assert_eq!(checks.len(), 2);
        assert_eq!(
            checks[0].detail,
            "c0, c1, c2, c3, c4, c5, c6, c7 and 2 more: too young"
        );
        assert_eq!(checks[1], Check::unknown(Rule::Soak, "x: no\u{fffd}ne"));
        assert_eq!(checks[0].remedy.as_deref(), Some("wait for COMPONENT"));
        let mut every = Findings::new(Rule::Soak);
        (0..40).for_each(|index| every.add(&index, Ok(Some(Violation::new("too young")))));
        assert_eq!(
            every.checks(),
            [Check::fail(Rule::Soak, "all 40 components: too young")]
        );
        let mut alone = Findings::new(Rule::Soak);
        alone.add(
            &"api",
            Ok(Some(
                Violation::new("too young").remedy("wait for COMPONENT"),
            )),
        );
        assert_eq!(
            alone.checks(),
            [Check::fail(Rule::Soak, "too young").remedy("wait for api")]
        );
    }

    /// Lengths are rounded up, so that the remaining time is never shown too short.
    #[test]
    fn words_for_times() {
        let now: Time = "2026-03-05T10:00:00Z".parse().unwrap();
        assert_eq!(
            format_moment(now.minus(Span::from_seconds(1200)), now),
            "09:40"
        );
        assert_eq!(
            format_moment(now.minus(Span::from_days(1)), now),
            "2026-03-04 10:00"
        );
        for (seconds, words) in [
            (1, "1 second"),
            (61, "2 minutes"),
            (1320, "22 minutes"),
            (7201, "3 hours"),
            (200_000, "3 days"),
        ] {
            assert_eq!(format_length(Span::from_seconds(seconds)), words);
        }
    }
}
