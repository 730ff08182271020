//! A verdict as a person reads it: what is missing first, each with what to type next.

use anstyle::AnsiColor;
use schemars::JsonSchema;
use serde::Serialize;

use super::symbols::Mark;
use super::wrap;
use crate::domain::text::harmless;
use crate::domain::verdict::{Check, Decision, Outcome, Verdict};

/// The width of the column of rule names.
const NAMES: usize = 20;

/// The lines of a verdict, styled, two columns in: what is missing first. Rules that pass are counted, or named with `all`.
pub fn lines(verdict: &Verdict, all: bool, width: Option<usize>) -> Vec<String> {
    let (passed, missing): (Vec<&Check>, Vec<&Check>) = verdict
        .checks
        .iter()
        .partition(|check| check.outcome == Outcome::Pass);
    let mut lines: Vec<String> = missing
        .into_iter()
        .flat_map(|check| one(check, width))
        .collect();
    if all {
        let (bare, telling): (Vec<&Check>, Vec<&Check>) = passed
            .into_iter()
            .partition(|check| check.detail.is_empty());
        lines.extend(telling.into_iter().flat_map(|check| one(check, width)));
        if !bare.is_empty() {
            let names: Vec<&str> = bare.iter().map(|check| check.rule.name()).collect();
            lines.extend(wrap::hanging(
                &format!("  {} ", Mark::Yes),
                &names.join(", "),
                width,
            ));
        }
    } else if !passed.is_empty() {
        let other = if lines.is_empty() { "" } else { "other " };
        let rules = if passed.len() == 1 { "rule" } else { "rules" };
        lines.push(format!("  {} {} {other}{rules}", Mark::Yes, passed.len()));
    }
    lines
}

/// One rule's answer, and what to type.
fn one(check: &Check, width: Option<usize>) -> Vec<String> {
    let yellow = AnsiColor::Yellow.on_default();
    let mark = match check.outcome {
        Outcome::Pass => Mark::Yes.to_string(),
        Outcome::Fail => Mark::No.to_string(),
        Outcome::Unknown => format!("{yellow}?{yellow:#}"),
    };
    let head = format!("  {mark} {:<NAMES$}  ", check.rule.name());
    let mut lines = wrap::hanging(&head, &harmless(&check.detail), width);
    lines.extend(
        check
            .remedy
            .as_ref()
            .map(|it| wrap::arrow(wrap::columns(&head), &harmless(it), width)),
    );
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
    /// The rule: `authorization`, `approvals`, `soak`, …
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
