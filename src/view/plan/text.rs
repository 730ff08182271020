//! Plans on a terminal: one line per component, and below it what its plan changes, or the full
//! output of the plan command.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr as _;

use super::component::{ComponentPlan, PlanState, ResourceAction};
use super::difference::{DifferenceKind, PlanComparison};
use super::document::DeploymentPlan;
use crate::domain::count::count;
use crate::domain::plan::PlannedAction;
use crate::view::symbols::Mark;
use crate::view::verdict::{describe_decision, render_verdict};
use crate::view::wrap;

/// The maximum number of changes listed for a component, followed by the number of the others.
const MAX_LISTED_CHANGES: usize = 20;
/// The maximum width of the column of names.
const MAX_NAME_WIDTH: usize = 24;

/// What the text shows of each plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanDetail {
    /// A list of the changes.
    Changes,
    /// The full output of the plan command.
    Output,
}

/// Renders the text.
pub fn render_text(plans: &DeploymentPlan, detail: PlanDetail, width: Option<usize>) -> String {
    let bold = Style::new().bold();
    let title = format!(
        "{bold}Plan for {} at {}:{bold:#}",
        plans.environment,
        plans.commit.0.prefix(7)
    );
    let mut lines = wrap::wrap_indented("", 2, &title, width);
    let label_width = plans
        .components
        .iter()
        .map(|it| it.component.as_str().width())
        .filter(|it| *it <= MAX_NAME_WIDTH)
        .max()
        .unwrap_or(0);
    for it in &plans.components {
        lines.extend(render_component(it, label_width, width));
        lines.extend(match detail {
            PlanDetail::Changes => render_changes(it, width),
            PlanDetail::Output => render_output(it, width),
        });
    }
    if plans.components.is_empty() {
        lines.push(format!("  {} nothing changes", Mark::None));
    }
    for it in &plans.left_out {
        let indent = format!("  {} ", Mark::None);
        lines.extend(wrap::wrap_indented(&indent, 4, &it.describe(), width));
    }
    if let Some(verdict) = &plans.verdict {
        lines.extend(render_verdict(verdict, width));
        lines.push(describe_decision(verdict.decision()));
    }
    if let Some(comparison) = &plans.comparison {
        lines.extend(render_differences(comparison, width));
    }
    lines.join("\n")
}

/// Renders the line of a component:
/// `  ✓ api  1.4.1 → 1.4.2  77aa001 → 8f3c2a1  2 to add, 1 to change, 0 to destroy`
fn render_component(
    component: &ComponentPlan,
    label_width: usize,
    width: Option<usize>,
) -> Vec<String> {
    let mark = match component.state {
        PlanState::Planned => Mark::Yes,
        PlanState::Failed => Mark::No,
        PlanState::Deferred | PlanState::Destroyed => Mark::Live,
        PlanState::Empty | PlanState::Unplanned => Mark::None,
    };
    let style = match component.state {
        PlanState::Failed | PlanState::Destroyed => Mark::No.style(),
        _ => Style::new(),
    };
    let mut transition = String::new();
    for part in [component.format_versions(), component.format_commits()] {
        if part != Mark::None.symbol().to_string() {
            transition.push_str(&part);
            transition.push_str("  ");
        }
    }
    let result = component.describe(&str::to_owned);
    wrap::wrap_hanging(
        &format!("  {mark} {:<label_width$}  ", component.component),
        &format!("{transition}{style}{result}{style:#}"),
        width,
    )
}

/// Lists what a terraform plan changes. For other plans it shows the beginning of the output, and
/// for a failure the end.
fn render_changes(component: &ComponentPlan, width: Option<usize>) -> Vec<String> {
    // The output of a plan that must wait for another component is shown only on request.
    if component.state == PlanState::Deferred {
        return Vec::new();
    }
    let Some(terraform) = &component.terraform else {
        let mut lines = render_output(component, width);
        let more = lines.len().saturating_sub(MAX_LISTED_CHANGES);
        if component.state == PlanState::Failed {
            return lines.split_off(more);
        }
        lines.truncate(MAX_LISTED_CHANGES);
        lines.extend((more > 0).then(|| format!("        and {}", count(more, "more line"))));
        return lines;
    };
    let mut lines: Vec<String> = terraform
        .changes
        .iter()
        .take(MAX_LISTED_CHANGES)
        .map(render_change)
        .collect();
    if terraform.changes.len() > MAX_LISTED_CHANGES {
        lines.push(format!(
            "        and {} more",
            terraform.changes.len() - MAX_LISTED_CHANGES
        ));
    }
    let outputs: Vec<&str> = terraform
        .outputs
        .iter()
        .map(|component| component.address.as_str())
        .collect();
    if !outputs.is_empty() {
        lines.extend(wrap::wrap_hanging(
            "        outputs: ",
            &outputs.join(", "),
            width,
        ));
    }
    if terraform.drifted > 0 {
        let text = format!("{} changed outside of terraform", terraform.drifted);
        lines.extend(wrap::wrap_hanging("        ", &text, width));
    }
    let yellow = AnsiColor::Yellow.on_default();
    let head = format!("        {yellow}warning:{yellow:#} ");
    for warning in terraform.list_warnings() {
        lines.extend(wrap::wrap_hanging(&head, &warning, width));
    }
    lines
}

/// Renders the line of a resource.
fn render_change(resource: &ResourceAction) -> String {
    let style = match resource.action {
        PlannedAction::Destroy | PlannedAction::Replace => AnsiColor::Red.on_default(),
        PlannedAction::Create | PlannedAction::Import => AnsiColor::Green.on_default(),
        _ => Style::new(),
    };
    // Terraform marks these like a creation and a change.
    let note = match resource.action {
        PlannedAction::Import => " (imported)",
        PlannedAction::Move => " (moved, not changed)",
        _ => "",
    };
    format!(
        "    {style}{:>3}{style:#} {}{note}",
        resource.action.symbol(),
        resource.address
    )
}

/// Renders the output of the plan command.
fn render_output(component: &ComponentPlan, width: Option<usize>) -> Vec<String> {
    let text = component.output.as_deref().unwrap_or_default();
    text.lines()
        .flat_map(|line| wrap::wrap_indented("        ", 10, line, width))
        .collect()
}

/// Renders the differences from earlier plans.
fn render_differences(comparison: &PlanComparison, width: Option<usize>) -> Vec<String> {
    let commit = comparison.commit.0.prefix(7);
    if comparison.differences.is_empty() {
        return wrap::wrap_indented(
            "",
            2,
            &format!("The plans are the same as for {commit}."),
            width,
        );
    }
    let bold = Style::new().bold();
    let mut lines = wrap::wrap_indented(
        "",
        2,
        &format!("{bold}Compared with the plans for {commit}:{bold:#}"),
        width,
    );
    for it in &comparison.differences {
        let (mark, phrase) = match it.kind {
            DifferenceKind::Appeared => (Mark::Live, "now has a plan"),
            DifferenceKind::Vanished => (Mark::Live, "no longer has a plan"),
            DifferenceKind::Changed => (Mark::No, "has a different plan"),
        };
        lines.extend(wrap::wrap_hanging(
            &format!("  {mark} "),
            &format!("{} {phrase}", it.component),
            width,
        ));
        lines.extend(it.diff.lines().map(|line| {
            let style = match line.as_bytes().first() {
                Some(b'+') => AnsiColor::Green.on_default(),
                Some(b'-') => AnsiColor::Red.on_default(),
                Some(b'@') => AnsiColor::Cyan.on_default(),
                _ => Style::new(),
            };
            format!("        {style}{line}{style:#}")
        }));
    }
    lines
}
