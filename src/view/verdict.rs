//! A verdict as a person reads it: what is missing first, each with what to type next.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::mark::Mark;
use crate::domain::text::harmless;
use crate::domain::verdict::{Check, Decision, Outcome, Verdict};

/// The width of the column of rule names.
const NAMES: usize = 20;

/// The lines of a verdict, styled, two columns in. Rules that pass are counted, or listed one by one with `all`.
pub fn lines(verdict: &Verdict, all: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let wanted = |check: &&Check| check.outcome != Outcome::Pass || all;
    for check in verdict.checks.iter().filter(wanted) {
        let mark = match check.outcome {
            Outcome::Pass => format!("{}", Mark::Yes),
            Outcome::Fail => format!("{}", Mark::No),
            Outcome::Unknown => {
                let style = AnsiColor::Yellow.on_default();
                format!("{style}?{style:#}")
            }
        };
        lines
            .push(format!("  {mark} {:<NAMES$}  {}", check.rule.name(), harmless(&check.detail)).trim_end().to_owned());
        if let Some(remedy) = &check.remedy {
            let style = Style::new().dimmed();
            lines.push(format!("    {:NAMES$}  {style}→{style:#} {}", "", harmless(remedy)));
        }
    }
    let passed = verdict.checks.iter().filter(|check| check.outcome == Outcome::Pass).count();
    if !all && passed > 0 {
        let other = if lines.is_empty() { "" } else { "other " };
        let rules = if passed == 1 { "rule" } else { "rules" };
        lines.push(format!("  {} {passed} {other}{rules}", Mark::Yes));
    }
    lines
}

/// A verdict in JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Json {
    /// `allowed`, `refused` or `cannotTell`.
    pub decision: &'static str,
    /// Every rule that applies.
    pub checks: Vec<JsonCheck>,
}

/// One rule's answer in JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonCheck {
    rule: &'static str,
    outcome: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// The JSON form of a verdict.
pub fn json(verdict: &Verdict) -> Json {
    let check = |check: &Check| JsonCheck {
        rule: check.rule.name(),
        outcome: match check.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::Unknown => "unknown",
        },
        detail: check.detail.clone(),
        remedy: check.remedy.clone(),
    };
    Json {
        decision: match verdict.decision() {
            Decision::Allowed => "allowed",
            Decision::Refused => "refused",
            Decision::CannotTell => "cannotTell",
        },
        checks: verdict.checks.iter().map(check).collect(),
    }
}
