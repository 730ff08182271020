//! The text of `git deploy show`: a line per piece of evidence, and the lines of each environment.

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

use super::report::{CommitReport, EnvironmentRow, NextStep, RunRow, RunState};
use crate::domain::entry::VerificationResult;
use crate::domain::id::CommitId;
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::domain::verdict::{CheckResult, Decision, Verdict};
use crate::view::symbols::Mark;
use crate::view::time::TimeStyle;
use crate::view::{grouping, time, wrap};

/// The width of the column with the text, before the column with the person: enough for most lines.
const TEXT_WIDTH: usize = 27;

/// Renders the text. Times are relative to `now`.
pub fn render_text(
    show: &CommitReport,
    width: Option<usize>,
    now: Time,
    dates: TimeStyle,
) -> String {
    let when = |time| time::format_time(time, now, dates);
    let bold = Style::new().bold();
    let (short, subject) = (
        show.commit.0.prefix(7),
        pad(&sanitize(&show.subject), TEXT_WIDTH + 5),
    );
    let who = format!("{}, {}", sanitize(&show.author), when(show.at));
    let mut lines = wrap::wrap_hanging(
        &format!("{bold}{short}{bold:#}  "),
        &format!("{subject}   {who}"),
        width,
    );
    let page = Layout {
        name_width: name_width(show, width),
        width,
    };
    for fact in &show.evidence {
        let mark = if fact.positive { Mark::Yes } else { Mark::No };
        let who = format!("{}, {}", fact.by, when(fact.at));
        page.push_line(&mark, fact.what, &sanitize(&fact.detail), &who, &mut lines);
    }
    for stop in &show.environments {
        push_runs(
            stop,
            &page,
            &|time| format_clock(time, now, dates),
            &mut lines,
        );
        if let Some(next) = &stop.next {
            let name = if stop.runs.is_empty() {
                stop.environment.as_str()
            } else {
                ""
            };
            push_next_step(next, name, stop, show.commit, &page, &mut lines);
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
    let most = grouping::max_label_width(width);
    let names = show
        .environments
        .iter()
        .map(|stop| stop.environment.as_str().len());
    names
        .filter(|len| *len <= most)
        .max()
        .unwrap_or_default()
        .max(8)
        + 2
}

impl Layout {
    fn push_line(
        &self,
        mark: &dyn std::fmt::Display,
        name: &str,
        said: &str,
        who: &str,
        lines: &mut Vec<String>,
    ) {
        let (label, indent) = (self.name_width, 4 + self.name_width);
        let name = if name.len() < label {
            format!("{name:<label$}")
        } else {
            format!("{name}  ")
        };
        lines.extend(wrap::wrap_indented(
            &format!("  {mark} {name}"),
            indent,
            &format!("{}   {who}", pad(said, TEXT_WIDTH)),
            self.width,
        ));
    }
}

/// Formats a time as the time of day, with the date unless it is today.
fn format_clock(time: Time, now: Time, dates: TimeStyle) -> String {
    let text = time.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    match dates {
        TimeStyle::Iso => text,
        TimeStyle::Relative if text.get(..10) == now.to_string().get(..10) => part(11..16),
        TimeStyle::Relative => format!("{} {}", part(0..10), part(11..16)),
    }
}

/// Adds the lines for what happened to the commit in an environment. Equal components share a line.
fn push_runs(
    stop: &EnvironmentRow,
    page: &Layout,
    clock: &dyn Fn(Time) -> String,
    lines: &mut Vec<String>,
) {
    let rows = grouping::group_with_labels(
        stop.runs.iter().map(|stay| {
            (
                &stay.component,
                (describe_run(stay, clock), stay.by.as_str()),
            )
        }),
        stop.runs.len(),
    );
    let alone = rows.len() == 1;
    for (index, (components, ((mark, said), by))) in rows.into_iter().enumerate() {
        let name = if index == 0 {
            stop.environment.as_str()
        } else {
            ""
        };
        let said = if alone {
            said
        } else {
            format!("{components}: {said}")
        };
        page.push_line(&mark, name, &said, by, lines);
    }
}

/// Returns the mark and the text for a component.
fn describe_run(stay: &RunRow, clock: &dyn Fn(Time) -> String) -> (Mark, String) {
    let from = clock(stay.from);
    match stay.state {
        RunState::Runs => {
            let (mark, health) = match stay.verification {
                VerificationResult::Passed => (Mark::Live, ", verified"),
                VerificationResult::Failed => (Mark::No, ", unhealthy"),
                VerificationResult::None => (Mark::Live, ""),
            };
            (mark, format!("runs since {from}{health}"))
        }
        RunState::Ran => {
            let (mark, health) = match stay.verification {
                VerificationResult::Failed => (Mark::No, ", unhealthy"),
                _ => (Mark::Yes, ""),
            };
            (
                mark,
                format!(
                    "ran {from}–{}{health}",
                    stay.to.map(clock).unwrap_or_default()
                ),
            )
        }
        RunState::Deploying => (Mark::Live, format!("being deployed since {from}")),
        RunState::Failed => (Mark::No, format!("failed {from}")),
        RunState::RolledBack => (Mark::No, format!("failed {from}, rolled back")),
        RunState::Aborted => (Mark::No, format!("given up {from}")),
    }
}

/// Adds the lines for what is needed next.
fn push_next_step(
    next: &NextStep,
    name: &str,
    stop: &EnvironmentRow,
    commit: CommitId,
    page: &Layout,
    lines: &mut Vec<String>,
) {
    match next {
        NextStep::After { environment } => {
            page.push_line(
                &Mark::None,
                name,
                &format!("{environment} comes first"),
                "",
                lines,
            );
        }
        NextStep::CannotTell { why } => {
            page.push_line(
                &Mark::Unknown,
                name,
                &format!("cannot tell: {}", sanitize(why)),
                "",
                lines,
            );
        }
        NextStep::Asked { verdict } => {
            match verdict.decision() {
                Decision::Allowed => {
                    let command =
                        format!("git deploy record {} {}", stop.environment, commit.short());
                    let head = format!("  {} {name:<1$}", Mark::Yes, page.name_width);
                    let indent = 4 + page.name_width;
                    let said = "may be deployed";
                    lines.extend(wrap::wrap_with_command(
                        &head, indent, said, "   → ", &command, page.width,
                    ));
                }
                Decision::Refused => {
                    page.push_line(&Mark::No, name, "would be refused:", "", lines);
                }
                Decision::CannotTell => {
                    page.push_line(&Mark::Unknown, name, "cannot tell:", "", lines);
                }
            }
            push_missing_rules(verdict, page.width, lines);
        }
    }
}

/// Adds one line per rule that does not pass, with the next command.
fn push_missing_rules(verdict: &Verdict, width: Option<usize>, lines: &mut Vec<String>) {
    let missing: Vec<_> = verdict
        .checks
        .iter()
        .filter(|check| check.outcome != CheckResult::Pass)
        .collect();
    let names = missing
        .iter()
        .map(|check| check.rule.name().len())
        .max()
        .unwrap_or_default()
        .max(10)
        + 2;
    for check in missing {
        let doubt = if check.outcome == CheckResult::Unknown {
            "cannot tell: "
        } else {
            ""
        };
        let (head, text) = (
            format!("      {:<names$}", check.rule.name()),
            format!("{doubt}{}", sanitize(&check.detail)),
        );
        lines.extend(match &check.remedy {
            Some(remedy) => {
                wrap::wrap_with_command(&head, head.len(), &text, "   → ", &sanitize(remedy), width)
            }
            None => wrap::wrap_hanging(&head, &text, width),
        });
    }
}
