//! The text of `git deploy show`: a line per piece of evidence, and the lines of each environment.

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

use super::report::{CommitReport, EnvironmentRow, IncludedWith, NextStep, RunRow, RunState};
use crate::domain::entry::VerificationResult;
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::domain::verdict::{CheckResult, Decision, Verdict};
use crate::view::contains::MatchKind;
use crate::view::symbols::Mark;
use crate::view::time::TimeStyle;
use crate::view::{grouping, time, wrap};

/// The width of the text column, which is followed by the person. Enough for most lines.
const TEXT_WIDTH: usize = 27;
/// The additional width of the commit's subject. It has no column of names before it, so it begins
/// further left.
const EXTRA_SUBJECT_WIDTH: usize = 5;

/// Renders the text. Times are relative to `now`.
pub fn render_text(
    show: &CommitReport,
    width: Option<usize>,
    now: Time,
    dates: TimeStyle,
) -> String {
    let format_time = |time| time::format_time(time, now, dates);
    let bold = Style::new().bold();
    let (short, subject) = (
        show.commit.0.prefix(7),
        pad(&sanitize(&show.subject), TEXT_WIDTH + EXTRA_SUBJECT_WIDTH),
    );
    let who = format!("{}, {}", sanitize(&show.author), format_time(show.at));
    let mut lines = wrap::wrap_hanging(
        &format!("{bold}{short}{bold:#}  "),
        &format!("{subject}   {who}"),
        width,
    );
    let layout = Layout {
        name_width: name_width(show, width),
        width,
    };
    for evidence in &show.evidence {
        let mark = if evidence.positive {
            Mark::Yes
        } else {
            Mark::No
        };
        let who = format!("{}, {}", evidence.by, format_time(evidence.at));
        layout.push_line(
            &mark,
            evidence.what,
            &sanitize(&evidence.detail),
            &who,
            &mut lines,
        );
    }
    for row in &show.environments {
        push_runs(
            row,
            &layout,
            &|time| format_clock(time, now, dates),
            &mut lines,
        );
        push_details(row, &show.subject, &layout, &mut lines);
        if let Some(next) = &row.next {
            let name = if row.runs.is_empty() {
                row.environment.as_str()
            } else {
                ""
            };
            push_next_step(next, name, &layout, &mut lines);
        }
    }
    lines.join("\n")
}

/// Returns the text followed by spaces, at least `width` columns wide.
fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// The layout of the lines.
struct Layout {
    /// The width of the column with names.
    name_width: usize,
    /// The width of the terminal.
    width: Option<usize>,
}

/// Returns the width of the column with names: that of the longest name. A name that would leave
/// little room for the text extends beyond the column.
fn name_width(show: &CommitReport, width: Option<usize>) -> usize {
    let max_width = grouping::max_label_width(width);
    let names = show
        .environments
        .iter()
        .map(|row| row.environment.as_str().len());
    names
        .filter(|len| *len <= max_width)
        .max()
        .unwrap_or_default()
        .max(8)
        + 2
}

impl Layout {
    /// Adds a line: the mark, the name, the text, and the person.
    fn push_line(
        &self,
        mark: &dyn std::fmt::Display,
        name: &str,
        text: &str,
        person: &str,
        lines: &mut Vec<String>,
    ) {
        let (name_width, indent) = (self.name_width, 4 + self.name_width);
        let name = if name.len() < name_width {
            format!("{name:<name_width$}")
        } else {
            format!("{name}  ")
        };
        lines.extend(wrap::wrap_indented(
            &format!("  {mark} {name}"),
            indent,
            &format!("{}   {person}", pad(text, TEXT_WIDTH)),
            self.width,
        ));
    }
}

impl Layout {
    /// Adds a line with an answer, and the command to type next if there is one.
    fn push_with_command(
        &self,
        mark: Mark,
        name: &str,
        answer: &str,
        command: Option<&str>,
        lines: &mut Vec<String>,
    ) {
        let Some(command) = command else {
            self.push_line(&mark, name, answer, "", lines);
            return;
        };
        let width = self.name_width;
        lines.extend(wrap::wrap_with_command(
            &format!("  {mark} {name:<width$}"),
            4 + width,
            answer,
            "   → ",
            command,
            self.width,
        ));
    }
}

/// Formats a time as the UTC time of day, with the date unless it is today.
fn format_clock(time: Time, now: Time, dates: TimeStyle) -> String {
    let text = time.to_string();
    let slice = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    match dates {
        TimeStyle::Iso => text,
        TimeStyle::Relative if text.get(..10) == now.to_string().get(..10) => slice(11..16),
        TimeStyle::Relative => format!("{} {}", slice(0..10), slice(11..16)),
    }
}

/// Adds the lines for the commit's runs in an environment. Components with the same run share a
/// line.
fn push_runs(
    row: &EnvironmentRow,
    layout: &Layout,
    clock: &dyn Fn(Time) -> String,
    lines: &mut Vec<String>,
) {
    let rows = grouping::group_with_labels(
        row.runs
            .iter()
            .map(|run| (&run.component, (describe_run(run, clock), run.by.as_str()))),
        row.runs.len(),
    );
    let is_only_row = rows.len() == 1;
    for (index, (components, ((mark, text), by))) in rows.into_iter().enumerate() {
        let name = if index == 0 {
            row.environment.as_str()
        } else {
            ""
        };
        let text = if is_only_row {
            text
        } else {
            format!("{components}: {text}")
        };
        layout.push_line(&mark, name, &text, by, lines);
    }
}

/// Adds the details of the deployments: their inputs, failed commands and logs. Each line appears once,
/// even if several components have it. Leaves out a description that only repeats the commit's subject.
fn push_details(row: &EnvironmentRow, subject: &str, layout: &Layout, lines: &mut Vec<String>) {
    let mut shown: Vec<String> = vec![format!("\"{subject}\"")];
    for line in row.runs.iter().flat_map(|run| run.details.to_lines()) {
        if shown.contains(&line) {
            continue;
        }
        let indent = 4 + layout.name_width;
        lines.extend(wrap::wrap_indented(
            &" ".repeat(indent),
            indent,
            &line,
            layout.width,
        ));
        shown.push(line);
    }
}

/// Returns the mark and the text for a component.
fn describe_run(run: &RunRow, clock: &dyn Fn(Time) -> String) -> (Mark, String) {
    let from = clock(run.from);
    let with = run
        .with
        .as_ref()
        .map_or_else(String::new, describe_included);
    match run.state {
        RunState::Runs => {
            let (mark, health) = match run.verification {
                VerificationResult::Passed => (Mark::Live, ", verified"),
                VerificationResult::Failed => (Mark::No, ", unhealthy"),
                VerificationResult::None => (Mark::Live, ""),
            };
            (mark, format!("runs{with} since {from}{health}"))
        }
        RunState::Ran => {
            let (mark, health) = match run.verification {
                VerificationResult::Failed => (Mark::No, ", unhealthy"),
                _ => (Mark::Yes, ""),
            };
            (
                mark,
                format!(
                    "ran{with} {from}–{}{health}",
                    run.to.map(clock).unwrap_or_default()
                ),
            )
        }
        RunState::Reverted => {
            let by = run.reverted_by;
            let by = by.map_or_else(String::new, |commit| format!(" by {}", commit.0.prefix(7)));
            (Mark::No, format!("reverted{by}; came{with} {from}"))
        }
        RunState::PossiblyReverted => {
            let by = run.reverted_by.map(|it| it.0.prefix(7));
            let by = by.unwrap_or_default();
            (
                Mark::Unknown,
                format!("runs{with} since {from}, but {by} says that it reverts it"),
            )
        }
        RunState::Deploying => (Mark::Live, format!("being deployed since {from}")),
        RunState::Failed => (Mark::No, format!("failed {from}")),
        RunState::RolledBack => (Mark::No, format!("failed {from}, rolled back")),
        RunState::Aborted => (Mark::No, format!("aborted {from}")),
    }
}

/// Describes how a deployed commit contains another one.
fn describe_included(with: &IncludedWith) -> String {
    let short = with.commit.0.prefix(7);
    match with.kind {
        MatchKind::History => format!(" with {short}"),
        MatchKind::Content => format!(" as equal content of {short}"),
        MatchKind::Patch => format!(" as the same change with {short}"),
    }
}

/// Adds the lines that describe the next step.
fn push_next_step(next: &NextStep, name: &str, layout: &Layout, lines: &mut Vec<String>) {
    match next {
        NextStep::After { environment } => {
            layout.push_line(
                &Mark::None,
                name,
                &format!("{environment} comes first"),
                "",
                lines,
            );
        }
        NextStep::CannotTell { why } => {
            layout.push_line(
                &Mark::Unknown,
                name,
                &format!("cannot tell: {}", sanitize(why)),
                "",
                lines,
            );
        }
        NextStep::Evaluated {
            by,
            not_for,
            with,
            command,
            verdict,
        } => {
            let with_text = with.map_or_else(String::new, |it| format!("with {}, ", it.short()));
            let who = not_for.as_ref().map_or_else(String::new, |user| {
                format!(" by {by} ({user} may not deploy there)")
            });
            let is_allowed = verdict.decision() == Decision::Allowed;
            let command = (not_for.is_none() && is_allowed).then_some(command.as_str());
            let (mark, answer) = match verdict.decision() {
                Decision::Allowed => (Mark::Yes, format!("{with_text}may be deployed{who}")),
                Decision::Refused => (Mark::No, format!("{with_text}would be refused{who}:")),
                Decision::CannotTell => (Mark::Unknown, format!("{with_text}cannot tell:")),
            };
            layout.push_with_command(mark, name, &answer, command, lines);
            push_unmet_rules(verdict, layout.width, lines);
        }
    }
}

/// Adds one line per rule that does not pass, with the next command.
fn push_unmet_rules(verdict: &Verdict, width: Option<usize>, lines: &mut Vec<String>) {
    let unmet: Vec<_> = verdict
        .checks
        .iter()
        .filter(|check| check.outcome != CheckResult::Pass)
        .collect();
    let name_width = unmet
        .iter()
        .map(|check| check.rule.name().len())
        .max()
        .unwrap_or_default()
        .max(10)
        + 2;
    for check in unmet {
        let doubt = if check.outcome == CheckResult::Unknown {
            "cannot tell: "
        } else {
            ""
        };
        let (head, text) = (
            format!("      {:<name_width$}", check.rule.name()),
            format!("{doubt}{}", sanitize(&check.detail)),
        );
        let asked = crate::view::verdict::describe_able(check)
            .map(|it| format!("{text} ({})", it.trim_end_matches(':')));
        let text = asked.unwrap_or(text);
        lines.extend(match &check.remedy {
            Some(remedy) => {
                wrap::wrap_with_command(&head, head.len(), &text, "   → ", &sanitize(remedy), width)
            }
            None => wrap::wrap_hanging(&head, &text, width),
        });
    }
}
