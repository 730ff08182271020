//! Plans on a terminal: one line per component, and below it what its plan changes, or the full
//! output of the plan command.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr as _;

use super::{Change, Component, How, Plans, Since, State};
use crate::domain::plan::Action;
use crate::view::symbols::Mark;
use crate::view::wrap;

/// A component with more changes than this shows only the number of the others.
const LISTED: usize = 20;
/// The maximum width of the column of names.
const LABEL: usize = 24;

/// Renders the text. With `full`, it shows the output of the plan commands instead of a list of
/// changes.
pub fn text(plans: &Plans, full: bool, width: Option<usize>) -> String {
    let bold = Style::new().bold();
    let title = format!(
        "{bold}Plan for {} at {}:{bold:#}",
        plans.environment,
        plans.commit.0.prefix(7)
    );
    let mut lines = wrap::below("", 2, &title, width);
    let (stays, moves): (Vec<&Component>, Vec<&Component>) = plans
        .components
        .iter()
        .partition(|it| it.state == State::Unchanged);
    let label = moves
        .iter()
        .map(|it| it.component.as_str().width())
        .filter(|it| *it <= LABEL)
        .max()
        .unwrap_or(0);
    for it in &moves {
        lines.extend(line(it, label, width));
        lines.extend(if full {
            printed(it, width)
        } else {
            known(it, width)
        });
    }
    if !stays.is_empty() {
        let names: Vec<&str> = stays.iter().map(|it| it.component.as_str()).collect();
        lines.extend(wrap::hanging(
            &format!("  {} ", Mark::None),
            &format!("unchanged: {}", names.join(", ")),
            width,
        ));
    }
    if let Some(since) = &plans.since {
        lines.extend(differences(since, width));
    }
    lines.join("\n")
}

/// Renders the line of a component:
/// `  ✓ api  1.4.1 → 1.4.2  77aa001 → 8f3c2a1  2 to add, 1 to change, 0 to destroy`
fn line(it: &Component, label: usize, width: Option<usize>) -> Vec<String> {
    let mark = match it.state {
        State::Planned => Mark::Yes,
        State::Failed => Mark::No,
        State::Deferred | State::Destroyed => Mark::Live,
        State::Empty | State::Unplanned | State::Unchanged => Mark::None,
    };
    let style = match it.state {
        State::Failed | State::Destroyed => Mark::No.style(),
        _ => Style::new(),
    };
    let way = [it.versions(), it.commits()]
        .into_iter()
        .filter(|it| *it != Mark::None.symbol().to_string());
    let way: Vec<String> = way.map(|it| format!("{it}  ")).collect();
    let said = it.said(&str::to_owned);
    wrap::hanging(
        &format!("  {mark} {:<label$}  ", it.component),
        &format!("{}{style}{said}{style:#}", way.concat()),
        width,
    )
}

/// Lists what a terraform plan changes. For other plans it shows the beginning of the output, and
/// for a failure the end.
fn known(it: &Component, width: Option<usize>) -> Vec<String> {
    let Some(terraform) = &it.terraform else {
        let mut lines = printed(it, width);
        let more = lines.len().saturating_sub(LISTED);
        if it.state == State::Failed {
            return lines.split_off(more);
        }
        lines.truncate(LISTED);
        lines.extend((more > 0).then(|| format!("        and {more} more lines")));
        return lines;
    };
    let mut lines: Vec<String> = terraform.changes.iter().take(LISTED).map(change).collect();
    if terraform.changes.len() > LISTED {
        lines.push(format!(
            "        and {} more",
            terraform.changes.len() - LISTED
        ));
    }
    let outputs: Vec<&str> = terraform
        .outputs
        .iter()
        .map(|it| it.address.as_str())
        .collect();
    if !outputs.is_empty() {
        lines.extend(wrap::hanging(
            "        outputs: ",
            &outputs.join(", "),
            width,
        ));
    }
    if terraform.drifted > 0 {
        let said = format!("{} changed behind terraform's back", terraform.drifted);
        lines.extend(wrap::hanging("        ", &said, width));
    }
    lines
}

/// Renders the line of a resource.
fn change(it: &Change) -> String {
    let style = match it.action {
        Action::Destroy | Action::Replace => AnsiColor::Red.on_default(),
        Action::Create | Action::Import => AnsiColor::Green.on_default(),
        _ => Style::new(),
    };
    format!("    {style}{:>3}{style:#} {}", it.action.sign(), it.address)
}

/// Renders the output of the plan command.
fn printed(it: &Component, width: Option<usize>) -> Vec<String> {
    let text = it.text.as_deref().unwrap_or_default();
    text.lines()
        .flat_map(|line| wrap::below("        ", 10, line, width))
        .collect()
}

/// Renders the differences from earlier plans.
fn differences(since: &Since, width: Option<usize>) -> Vec<String> {
    let commit = since.commit.0.prefix(7);
    if since.differences.is_empty() {
        return wrap::below(
            "",
            2,
            &format!("The plans are those that were made of {commit}."),
            width,
        );
    }
    let bold = Style::new().bold();
    let mut lines = wrap::below(
        "",
        2,
        &format!("{bold}Against the plans that were made of {commit}:{bold:#}"),
        width,
    );
    for it in &since.differences {
        let (mark, said) = match it.how {
            How::Appeared => (Mark::Live, "has a plan, and had none"),
            How::Vanished => (Mark::Live, "had a plan, and has none"),
            How::Changed => (Mark::No, "has another plan"),
        };
        lines.extend(wrap::hanging(
            &format!("  {mark} "),
            &format!("{} {said}", it.component),
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
