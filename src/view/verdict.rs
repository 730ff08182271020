//! A verdict as text and in JSON. In the text, rules that do not pass come first, each with the
//! next command.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::symbols::Mark;
use super::{grouping, wrap};
use crate::domain::count::count;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, CheckResult, Decision, Verdict};

/// The width of the column of rule names.
const RULE_WIDTH: usize = 20;

/// Renders a verdict as styled lines, indented by two columns: the rules that do not pass, and the
/// number of the others.
pub fn render_verdict(verdict: &Verdict, width: Option<usize>) -> Vec<String> {
    let (passed, unmet): (Vec<&Check>, Vec<&Check>) = verdict
        .checks
        .iter()
        .partition(|check| check.outcome == CheckResult::Pass);
    let mut lines: Vec<String> = unmet
        .into_iter()
        .flat_map(|check| render_check(check, width))
        .collect();
    if !passed.is_empty() {
        let other = if lines.is_empty() { "" } else { "other " };
        let rules = count(passed.len(), &format!("{other}rule"));
        lines.push(format!("  {} {rules}", Mark::Yes));
    }
    lines
}

/// Renders the decision in one line: `✓ the rules allow it`.
pub fn describe_decision(decision: Decision) -> String {
    let (mark, answer) = match decision {
        Decision::Allowed => (Mark::Yes, "the rules allow it"),
        Decision::Refused => (Mark::No, "the rules do not allow it"),
        Decision::CannotTell => (Mark::No, "cannot tell whether the rules allow it"),
    };
    format!("{mark} {answer}")
}

/// Renders the outcome of one rule, and the next command.
fn render_check(check: &Check, width: Option<usize>) -> Vec<String> {
    let mark = Mark::from_result(check.outcome);
    let head = format!("  {mark} {:<RULE_WIDTH$}  ", check.rule.name());
    let mut lines = wrap::wrap_hanging(&head, &sanitize(&check.detail), width);
    if let Some(request) = describe_able(check) {
        let indent = " ".repeat(wrap::display_width(&head));
        lines.extend(wrap::wrap_hanging(&indent, &request, width));
    }
    lines.extend(
        check
            .remedy
            .as_ref()
            .map(|it| wrap::render_command(wrap::display_width(&head), &sanitize(it), width)),
    );
    lines
}

/// Returns the line before a command that the reader cannot type: `ask bob or carol:`.
pub fn describe_able(check: &Check) -> Option<String> {
    check.remedy.as_ref()?;
    if check.remedy_by.is_empty() {
        return None;
    }
    let names = grouping::list_alternatives(&check.remedy_by);
    Some(format!("ask {names}:"))
}

/// A verdict in a document: the decision, and the answers that it follows from.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Verdict")]
pub struct VerdictDocument<'a> {
    /// The decision: `cannotTell` if no rule refuses and at least one lacks a fact; then nothing is
    /// accepted.
    decision: Decision,
    /// The answers of all rules that apply; a rule may occur several times.
    checks: &'a [Check],
}

/// Serializes a verdict with its decision.
pub fn serialize<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    VerdictDocument {
        decision: verdict.decision(),
        checks: &verdict.checks,
    }
    .serialize(serializer)
}

/// Serializes a verdict that may be absent. The field must also have `skip_serializing_if`: without
/// it, an absent verdict becomes `null`.
#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
pub fn serialize_some<S: Serializer>(
    verdict: &Option<Verdict>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match verdict {
        Some(verdict) => serialize(verdict, serializer),
        None => serializer.serialize_none(),
    }
}
