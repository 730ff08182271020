//! A verdict as a person reads it: what is missing first, each with what to type next.

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
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

/// What the rules say.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Verdict")]
pub struct Json {
    /// The answer: `cannotTell` where no rule says no and at least one lacks a fact, and then nothing is let in.
    #[schemars(extend("enum" = ["allowed", "refused", "cannotTell"]))]
    pub decision: &'static str,
    /// The answer of every rule that applies; a rule may speak several times.
    pub checks: Vec<JsonCheck>,
}

/// One rule's answer.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Check")]
pub struct JsonCheck {
    /// The rule: `signer`, `approvals`, `soak`, …
    rule: &'static str,
    /// Its answer: `unknown` where a fact that it needs could not be established.
    #[schemars(extend("enum" = ["pass", "fail", "unknown"]))]
    outcome: &'static str,
    /// The reason, in one line; may be empty for a pass.
    detail: String,
    /// What to type next, as a command.
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
