//! The path of one commit to production: the text of `git deploy show`, and the document
//! `git-deploy/show/v1`.

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::grouping;
use super::symbols::Mark;
use super::time::TimeStyle;
use super::verdict;
use super::wrap;
use crate::domain::entry::VerificationResult;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::domain::verdict::{Decision, Outcome, Verdict};

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitReport {
    /// The commit.
    pub commit: CommitId,
    /// The first line of its message.
    pub subject: String,
    /// Its author: the person with this address in the policy, or else the name in the commit.
    pub author: String,
    /// The commit date, as stated in the commit.
    pub at: Time,
    /// The builds, attestations and yanks of the commit, oldest first.
    pub evidence: Vec<EvidenceRow>,
    /// The environments in the order of promotion.
    pub environments: Vec<EnvironmentRow>,
}

/// One entry of the evidence ledger.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceRow {
    /// What it is, in one word.
    #[schemars(extend("enum" = ["built", "tested", "reviewed", "attested", "yanked", "unyanked"]))]
    pub what: &'static str,
    /// Whether it speaks for the commit.
    pub positive: bool,
    /// The details.
    pub detail: String,
    /// Who signed it.
    pub by: Person,
    /// When it was signed.
    pub at: Time,
    /// The ledger commit.
    pub entry: EntryId,
}

/// One environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentRow {
    /// Its name.
    pub environment: EnvName,
    /// What happened to the commit there, per component; empty if it was never deployed there.
    pub runs: Vec<RunRow>,
    /// What is needed next, if it never ran there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStep>,
}

/// A period in which one component ran the commit, or an attempt to deploy it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRow {
    /// The component.
    pub component: ComponentName,
    /// What happened to it.
    pub state: RunState,
    /// When it began; for a failed attempt, when it ended.
    pub from: Time,
    /// When it ended, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// The newest verification result.
    pub verification: VerificationResult,
    /// Who deployed it.
    pub by: Person,
}

/// What happened to a commit in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RunState {
    /// It runs now.
    Runs,
    /// It ran.
    Ran,
    /// It is being deployed.
    Deploying,
    /// It failed, and what runs is unknown.
    Failed,
    /// It failed, and the previous content was restored.
    RolledBack,
    /// The deployment was aborted.
    Aborted,
}

/// What is needed before a commit can run in an environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum NextStep {
    /// The rules were evaluated.
    Asked {
        /// Their answer; in the document in the form of `git-deploy/check/v1`.
        #[serde(flatten, serialize_with = "verdict::serialize")]
        #[schemars(with = "verdict::VerdictDocument<'_>")]
        verdict: Verdict,
    },
    /// Another environment comes first.
    After {
        /// The environment that comes first.
        environment: EnvName,
    },
    /// The rules could not be evaluated.
    CannotTell {
        /// Why.
        why: String,
    },
}

/// The width of the column with the text, before the column with the person: enough for most lines.
const TEXT_WIDTH: usize = 27;

/// Renders the text. Times are relative to `now`.
pub fn render_text(
    show: &CommitReport,
    width: Option<usize>,
    now: Time,
    dates: TimeStyle,
) -> String {
    let when = |time| super::time::format_time(time, now, dates);
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
    let yellow = AnsiColor::Yellow.on_default();
    let doubt = format!("{yellow}?{yellow:#}");
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
                &doubt,
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
                Decision::CannotTell => page.push_line(&doubt, name, "cannot tell:", "", lines),
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
        .filter(|check| check.outcome != Outcome::Pass)
        .collect();
    let names = missing
        .iter()
        .map(|check| check.rule.name().len())
        .max()
        .unwrap_or_default()
        .max(10)
        + 2;
    for check in missing {
        let doubt = if check.outcome == Outcome::Unknown {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::{Check, Rule};

    fn time(text: &str) -> Time {
        format!("2026-03-05T{text}:00Z").parse().unwrap()
    }

    fn stay(state: RunState, from: &str, to: Option<&str>, by: &str) -> RunRow {
        RunRow {
            component: "api".parse().unwrap(),
            state,
            from: time(from),
            to: to.map(time),
            verification: VerificationResult::Passed,
            by: by.parse().unwrap(),
        }
    }

    /// Checks the sample of the design: the path of a commit at a glance, and the next command.
    #[test]
    fn the_way_of_a_commit() {
        let stop = |name: &str, stays, next| EnvironmentRow {
            environment: name.parse().unwrap(),
            runs: stays,
            next,
        };
        let verdict = Verdict {
            checks: vec![
                Check::pass(Rule::Authorization, ""),
                Check::fail(Rule::Approvals, "1 of 2: bob ✓, needs one of carol, dana")
                    .remedy("git deploy approve prod 8f3c2a1"),
                Check::fail(Rule::Soak, "22 minutes left"),
            ],
        };
        let fact = |what, detail: &str| EvidenceRow {
            what,
            positive: true,
            detail: detail.to_owned(),
            by: "ci".parse().unwrap(),
            at: time("09:00"),
            entry: EntryId("3f2a9c10aa05736482d4523166f70cb561afa111".parse().unwrap()),
        };
        let show = CommitReport {
            commit: "8f3c2a10aa05736482d4523166f70cb561afa111".parse().unwrap(),
            subject: "Fix login redirect".to_owned(),
            author: "alice".to_owned(),
            at: time("09:00"),
            evidence: vec![
                fact("built", "api ghcr.io/acme/api@sha256:9d5c71…"),
                fact("tested", "test-result PASSED (412)"),
            ],
            environments: vec![
                stop(
                    "dev",
                    vec![stay(RunState::Ran, "09:31", Some("10:40"), "alice")],
                    None,
                ),
                stop(
                    "stage",
                    vec![stay(RunState::Runs, "10:02", None, "ci")],
                    None,
                ),
                stop("prod", Vec::new(), Some(NextStep::Asked { verdict })),
                stop(
                    "far",
                    Vec::new(),
                    Some(NextStep::After {
                        environment: "prod".parse().unwrap(),
                    }),
                ),
            ],
        };
        let text = render_text(&show, None, time("11:00"), TimeStyle::Relative);
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "8f3c2a1  Fix login redirect                 alice, 2 hours ago\n  \
               ✓ built     api ghcr.io/acme/api@sha256:9d5c71…   ci, 2 hours ago\n  \
               ✓ tested    test-result PASSED (412)      ci, 2 hours ago\n  \
               ✓ dev       ran 09:31–10:40               alice\n  \
               ● stage     runs since 10:02, verified    ci\n  \
               ✗ prod      would be refused:\n      \
                   approvals   1 of 2: bob ✓, needs one of carol, dana   → git deploy approve prod 8f3c2a1\n      \
                   soak        22 minutes left\n  \
               – far       prod comes first"
        );
        let json = serde_json::to_value(&show).unwrap();
        assert_eq!(json["environments"][2]["next"]["decision"], "refused");
    }
}
