//! Plans as a comment on a change request, in the Markdown of GitHub, GitLab and Azure.
//!
//! Untrusted text appears only as code, where mentions, links and HTML have no effect. A fence is
//! longer than any run of backticks in its text, and each line in it begins with a space or a
//! diff's sign, so that the forge does not run it as a command. In `<code>`, all punctuation is
//! escaped.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::component::{ComponentPlan, PlanState, ResourceAction, TerraformChanges};
use super::difference::{DifferenceKind, PlanComparison};
use super::document::DeploymentPlan;
use crate::domain::count::{choose, count};
use crate::domain::plan::PlannedAction;
use crate::domain::verdict::{CheckResult, Decision, Verdict};
use crate::view::symbols::Mark;

/// The maximum size of the comment in bytes. GitHub accepts 65,536 characters.
pub const MAX_COMMENT_BYTES: usize = 60_000;
/// The maximum size of the table's rows in bytes.
const MAX_TABLE_BYTES: usize = 20_000;
/// The size reserved for remarks about what was left out.
const RESERVED_BYTES: usize = 1_000;
/// The minimum room for the text of a shortened section. With less room, the section is left out.
const MIN_SECTION_BYTES: usize = 600;

/// How much of what a rule says is shown.
const MAX_DETAIL_CHARACTERS: usize = 500;
/// The most warnings that are listed, and how much of each is shown.
const MAX_LISTED_WARNINGS: usize = 10;
const MAX_WARNING_CHARACTERS: usize = 200;
/// The size reserved in each section for its tags and for the sentence about lines that are left out.
const TAG_BYTES: usize = 200;

/// Renders the comment. It has one heading and is never longer than [`MAX_COMMENT_BYTES`].
pub fn render_markdown(plans: &DeploymentPlan) -> String {
    let mut out = format!(
        "## Plan for {} at {}\n\n",
        escape_code(plans.environment.as_str()),
        escape_code(&plans.commit.0.prefix(7))
    );
    write_table(plans, &mut out);
    write_warnings(plans, &mut out);
    write_left_out(plans, &mut out);
    if let Some(verdict) = &plans.verdict {
        write_verdict(verdict, &mut out);
    }
    if let Some(comparison) = &plans.comparison {
        write_comparison(comparison, &mut out);
    }
    write_sections(list_sections(plans), &mut out);
    out
}

/// Writes the failing checks and the warnings of the plans.
fn write_warnings(plans: &DeploymentPlan, out: &mut String) {
    let describe = |it: &ComponentPlan| {
        let name = escape_code(it.component.as_str());
        let warnings = it
            .terraform
            .iter()
            .flat_map(TerraformChanges::list_warnings);
        let line = |warning: String| {
            let warning: String = warning.chars().take(MAX_WARNING_CHARACTERS).collect();
            format!("- {name}: {}\n", escape_code(&warning))
        };
        warnings.map(line).collect::<Vec<_>>()
    };
    let mut lines: Vec<String> = plans.components.iter().flat_map(describe).collect();
    if lines.is_empty() {
        return;
    }
    let more = lines.len().saturating_sub(MAX_LISTED_WARNINGS);
    lines.truncate(MAX_LISTED_WARNINGS);
    lines.extend((more > 0).then(|| format!("- and {more} more\n")));
    let _ = writeln!(out, "**Warnings:**\n\n{}", lines.concat());
}

/// Writes one sentence per component that the plans leave out.
fn write_left_out(plans: &DeploymentPlan, out: &mut String) {
    for it in &plans.left_out {
        let (component, sentence) = (it.component.as_str(), it.describe());
        let rest = sentence.strip_prefix(component).unwrap_or_default();
        // Names contain no characters that Markdown interprets, apart from `_`.
        let rest = rest.replace('_', "\\_");
        let _ = writeln!(out, "{}{rest}.\n", escape_code(component));
    }
}

/// Writes what the rules say: each rule that does not pass has a line of its own.
fn write_verdict(verdict: &Verdict, out: &mut String) {
    let answer = match verdict.decision() {
        Decision::Allowed => "The rules allow this deployment.",
        Decision::Refused => "The rules do not allow this deployment:",
        Decision::CannotTell => "It cannot be determined whether the rules allow this deployment:",
    };
    let _ = writeln!(out, "{answer}\n");
    let unmet = verdict
        .checks
        .iter()
        .filter(|check| check.outcome != CheckResult::Pass);
    let lines: Vec<String> = unmet
        .map(|check| {
            let detail: String = check.detail.chars().take(MAX_DETAIL_CHARACTERS).collect();
            format!("- {}: {}\n", check.rule.name(), escape_code(&detail))
        })
        .collect();
    if !lines.is_empty() {
        let _ = writeln!(out, "{}", lines.concat());
    }
}

/// Writes how many plans differ from those for another commit.
fn write_comparison(comparison: &PlanComparison, out: &mut String) {
    let commit = escape_code(&comparison.commit.0.prefix(7));
    let number = comparison.differences.len();
    let _ = if number == 0 {
        writeln!(out, "The plans are the same as for {commit}.\n")
    } else {
        let (plans, verb) = (count(number, "plan"), choose(number, "differs", "differ"));
        writeln!(out, "{plans} {verb} from the plans for {commit}.\n")
    };
}

/// Returns the sections of the comment: the differences, then the failed and deferred plans, then
/// the other plans.
fn list_sections(plans: &DeploymentPlan) -> Vec<Section<'_>> {
    let mut sections: Vec<Section> = plans
        .components
        .iter()
        .filter_map(Section::from_component)
        .collect();
    sections.sort_by_key(|it| !it.from_end);
    if let Some(comparison) = &plans.comparison {
        let differences = comparison.differences.iter().map(|it| Section {
            title: format!(
                "{}: {}",
                escape_code(it.component.as_str()),
                describe_difference(it.kind)
            ),
            language: "diff",
            text: Cow::Borrowed(&it.diff),
            from_end: false,
        });
        sections = differences.chain(sections).collect();
    }
    sections
}

/// Writes the sections, shortened to the room that is left in the comment, and how many of them are
/// left out.
fn write_sections(mut sections: Vec<Section<'_>>, out: &mut String) {
    let room = MAX_COMMENT_BYTES.saturating_sub(out.len() + RESERVED_BYTES);
    let mut left_out = sections.len();
    sections.truncate(room / MIN_SECTION_BYTES);
    let shares = distribute_bytes(
        &sections.iter().map(Section::max_len).collect::<Vec<_>>(),
        room,
    );
    for (section, share) in sections.iter().zip(shares) {
        if share
            >= section
                .max_len()
                .min(section.frame_len() + MIN_SECTION_BYTES)
        {
            section.write(share, out);
            left_out -= 1;
        }
    }
    if left_out > 0 {
        let (sections, verb) = (
            count(left_out, "more section"),
            choose(left_out, "is", "are"),
        );
        let _ = writeln!(
            out,
            "{sections} {verb} not shown for lack of space. The log has everything."
        );
    }
}

/// Returns a phrase for a kind of difference.
fn describe_difference(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Appeared => "now has a plan",
        DifferenceKind::Vanished => "no longer has a plan",
        DifferenceKind::Changed => "has a different plan",
    }
}

/// Writes a table with one row per component that would change.
fn write_table(plans: &DeploymentPlan, out: &mut String) {
    out.push_str("| | component | version | commit | plan |\n|---|---|---|---|---|\n");
    let end = out.len() + MAX_TABLE_BYTES;
    let mut rows = 0;
    for component in &plans.components {
        let mark = match component.state {
            PlanState::Planned => Mark::Yes,
            PlanState::Failed => Mark::No,
            PlanState::Deferred | PlanState::Destroyed => Mark::Live,
            PlanState::Empty | PlanState::Unplanned => Mark::None,
        };
        let mut result = component.describe(&escape_code);
        if component.state == PlanState::Destroyed {
            result = format!("**{result}**");
        }
        let cells = [
            escape_code(component.component.as_str()),
            escape_code(&component.format_versions()),
            escape_code(&component.format_commits()),
            result,
        ];
        let row = format!("| {} | {} |\n", mark.symbol(), cells.join(" | "));
        if out.len() + row.len() > end {
            break;
        }
        out.push_str(&row);
        rows += 1;
    }
    out.push('\n');
    let hidden = plans.components.len() - rows;
    if hidden > 0 {
        let (components, verb) = (count(hidden, "more component"), choose(hidden, "is", "are"));
        let _ = writeln!(out, "{components} {verb} not shown for lack of space.\n");
    }
}

/// A collapsed section.
struct Section<'a> {
    title: String,
    language: &'static str,
    text: Cow<'a, str>,
    /// Whether the end matters more than the beginning, as in the output of a failed command.
    from_end: bool,
}

impl<'a> Section<'a> {
    /// Creates the section of a component. Returns `None` if there is nothing to show.
    fn from_component(component: &'a ComponentPlan) -> Option<Self> {
        let printed = component.output.as_deref().unwrap_or_default();
        let listed = component
            .terraform
            .as_ref()
            .map(list_changes)
            .filter(|list| !list.is_empty());
        let text = listed.map_or(Cow::Borrowed(printed), |list| {
            Cow::Owned(format!("{list}\n{printed}"))
        });
        let title = format!(
            "{}: {}",
            escape_code(component.component.as_str()),
            component.describe(&escape_code)
        );
        let has_content = component.state != PlanState::Empty && !text.trim().is_empty();
        has_content.then_some(Self {
            title,
            language: "",
            text,
            from_end: matches!(component.state, PlanState::Failed | PlanState::Deferred),
        })
    }

    /// Returns the maximum size in bytes.
    fn max_len(&self) -> usize {
        self.frame_len() + self.text.len() + self.text.lines().count()
    }

    /// Returns the maximum size in bytes of everything around the text: the title, the two fences, the
    /// tags, and the sentence about lines that are left out.
    fn frame_len(&self) -> usize {
        self.title.len() + 2 * longest_backtick_run(&self.text) + TAG_BYTES
    }

    /// Writes the section in at most `share` bytes, which must be more than its frame takes.
    fn write(&self, share: usize, out: &mut String) {
        let (mut room, mut kept_lines) = (share.saturating_sub(self.frame_len()), Vec::new());
        let lines: Vec<&str> = self.text.lines().collect();
        let order: Box<dyn Iterator<Item = &&str>> = if self.from_end {
            Box::new(lines.iter().rev())
        } else {
            Box::new(lines.iter())
        };
        for line in order {
            let Some(left) = room.checked_sub(line.len() + 2) else {
                break;
            };
            room = left;
            kept_lines.push(*line);
        }
        if self.from_end {
            kept_lines.reverse();
        }
        let fence = "`".repeat(longest_backtick_run(&self.text).max(2) + 1);
        // A line of a diff begins with its sign, so it needs no indentation.
        let margin = if self.language.is_empty() { " " } else { "" };
        let body: Vec<String> = kept_lines
            .iter()
            .map(|line| format!("{margin}{line}\n"))
            .collect();
        let _ = writeln!(out, "<details><summary>{}</summary>\n", self.title);
        if !body.is_empty() {
            let _ = writeln!(out, "{fence}{}\n{}{fence}\n", self.language, body.concat());
        }
        let omitted_end = if self.from_end { "first" } else { "last" };
        let _ = match lines.len() - kept_lines.len() {
            0 => Ok(()),
            1 => writeln!(
                out,
                "The {omitted_end} line is not shown. The log has everything.\n"
            ),
            number => writeln!(
                out,
                "The {omitted_end} {} are not shown. The log has everything.\n",
                count(number, "line")
            ),
        };
        out.push_str("</details>\n\n");
    }
}

/// Lists the changed resources, one per line. Destroyed ones come first, so that shortening a long
/// text does not remove them.
fn list_changes(terraform: &TerraformChanges) -> String {
    let destroys =
        |it: &&ResourceAction| matches!(it.action, PlannedAction::Destroy | PlannedAction::Replace);
    let (destroyed, others): (Vec<&ResourceAction>, Vec<&ResourceAction>) =
        terraform.changes.iter().partition(destroys);
    let lines = destroyed
        .iter()
        .chain(&others)
        .map(|it| format!("{:>3} {}\n", it.action.symbol(), it.address));
    lines.collect::<Vec<_>>().concat()
}

/// Distributes the room in bytes: each section gets what it needs, or an equal share of what the
/// smaller ones leave.
fn distribute_bytes(needs: &[usize], mut room: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..needs.len()).collect();
    order.sort_by_key(|index| needs[*index]);
    let mut shares = vec![0; needs.len()];
    for (served, index) in order.into_iter().enumerate() {
        shares[index] = needs[index].min(room / (needs.len() - served));
        room -= shares[index];
    }
    shares
}

/// Returns the length of the longest run of backticks.
fn longest_backtick_run(text: &str) -> usize {
    text.split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0)
}

/// Returns a text as HTML code, with all punctuation escaped.
fn escape_code(text: &str) -> String {
    let mut out = "<code>".to_owned();
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            let _ = write!(out, "&#{};", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out + "</code>"
}
