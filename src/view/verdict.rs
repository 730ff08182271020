//! A verdict for people: the rules that do not pass first, each with the next command.

use anstyle::AnsiColor;
use schemars::JsonSchema;
use serde::Serialize;

use super::symbols::Mark;
use super::wrap;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, CheckResult, Decision, Verdict};

/// The width of the column of rule names.
const RULE_WIDTH: usize = 20;

/// Renders a verdict as styled lines, indented by two columns. Rules that do not pass come first.
/// Rules that pass are counted, or named with `all`.
pub fn render_verdict(verdict: &Verdict, all: bool, width: Option<usize>) -> Vec<String> {
    let (passed, missing): (Vec<&Check>, Vec<&Check>) = verdict
        .checks
        .iter()
        .partition(|check| check.outcome == CheckResult::Pass);
    let mut lines: Vec<String> = missing
        .into_iter()
        .flat_map(|check| render_check(check, width))
        .collect();
    if all {
        let (bare, telling): (Vec<&Check>, Vec<&Check>) = passed
            .into_iter()
            .partition(|check| check.detail.is_empty());
        lines.extend(
            telling
                .into_iter()
                .flat_map(|check| render_check(check, width)),
        );
        if !bare.is_empty() {
            let names: Vec<&str> = bare.iter().map(|check| check.rule.name()).collect();
            lines.extend(wrap::wrap_hanging(
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
fn render_check(check: &Check, width: Option<usize>) -> Vec<String> {
    let yellow = AnsiColor::Yellow.on_default();
    let mark = match check.outcome {
        CheckResult::Pass => Mark::Yes.to_string(),
        CheckResult::Fail => Mark::No.to_string(),
        CheckResult::Unknown => format!("{yellow}?{yellow:#}"),
    };
    let head = format!("  {mark} {:<RULE_WIDTH$}  ", check.rule.name());
    let mut lines = wrap::wrap_hanging(&head, &sanitize(&check.detail), width);
    lines.extend(
        check
            .remedy
            .as_ref()
            .map(|it| wrap::render_command(wrap::display_width(&head), &sanitize(it), width)),
    );
    lines
}

/// The answer of the rules.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Verdict")]
pub struct VerdictDocument {
    /// The decision: `cannotTell` if no rule refuses and at least one lacks a fact; then nothing is
    /// accepted.
    #[schemars(extend("enum" = ["allowed", "refused", "cannotTell"]))]
    pub decision: &'static str,
    /// The outcomes of all rules that apply; a rule may occur several times.
    pub checks: Vec<RuleOutcome>,
}

/// The outcome of one rule.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Check")]
pub struct RuleOutcome {
    /// The rule: `authorization`, `approvals`, `soak`, …
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
pub fn to_document(verdict: &Verdict) -> VerdictDocument {
    let check = |check: &Check| RuleOutcome {
        rule: check.rule.name(),
        outcome: match check.outcome {
            CheckResult::Pass => "pass",
            CheckResult::Fail => "fail",
            CheckResult::Unknown => "unknown",
        },
        detail: check.detail.clone(),
        remedy: check.remedy.clone(),
    };
    VerdictDocument {
        decision: match verdict.decision() {
            Decision::Allowed => "allowed",
            Decision::Refused => "refused",
            Decision::CannotTell => "cannotTell",
        },
        checks: verdict.checks.iter().map(check).collect(),
    }
}
