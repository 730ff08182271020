//! A verdict for people: the rules that do not pass first, each with the next command.

use anstyle::AnsiColor;
use schemars::JsonSchema;
use serde::Serialize;

use super::symbols::Mark;
use super::wrap;
use crate::domain::text::harmless;
use crate::domain::verdict::{Check, Decision, Outcome, Verdict};

/// The width of the column of rule names.
const NAMES: usize = 20;

/// Renders a verdict as styled lines, indented by two columns. Rules that do not pass come first.
/// Rules that pass are counted, or named with `all`.
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

/// Renders the outcome of one rule, and the next command.
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

/// The answer of the rules.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Verdict")]
pub struct Json {
    /// The decision: `cannotTell` if no rule refuses and at least one lacks a fact; then nothing is
    /// accepted.
    #[schemars(extend("enum" = ["allowed", "refused", "cannotTell"]))]
    pub decision: &'static str,
    /// The outcomes of all rules that apply; a rule may occur several times.
    pub checks: Vec<JsonCheck>,
}

/// The outcome of one rule.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Check")]
pub struct JsonCheck {
    /// The rule: `signer`, `approvals`, `soak`, …
    rule: &'static str,
    /// Its outcome: `unknown` if a fact that it needs could not be established.
    #[schemars(extend("enum" = ["pass", "fail", "unknown"]))]
    outcome: &'static str,
    /// The reason, in one line; may be empty if the rule passes.
    detail: String,
    /// The next command.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Converts a verdict to its form in documents.
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
