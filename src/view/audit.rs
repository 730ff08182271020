//! The result of an audit: the text of `git deploy audit`, and the document `git-deploy/audit/v1`.

use anstyle::Style;
use schemars::JsonSchema;
use serde::Serialize;

use super::grouping;
use super::symbols::Mark;
use super::wrap::wrap_hanging;
use crate::domain::count::inflect;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::domain::verdict::CheckResult;
use crate::ledger::audit::{AuditFinding, AuditRemark, AuditReport, LedgerAudit};

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditDocument {
    /// The project, if its root could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<EntryId>,
    /// Whether the project is the expected one: that of `--root` if it was given, else the one that the
    /// clone has pinned. False if there was neither.
    pub pinned: bool,
    /// The ledgers, the policy's ledger first.
    pub ledgers: Vec<LedgerAudit>,
    /// The result for the notes; absent if they were not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<AuditSection>,
    /// Findings and remarks about no ledger, or about a ledger that does not exist here.
    #[serde(flatten)]
    pub other: AuditSection,
}

/// The findings and remarks about one subject.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditSection {
    /// The violations, and the facts that could not be checked.
    pub findings: Vec<AuditFinding>,
    /// Notes about entries that are allowed but worth knowing.
    pub remarks: Vec<AuditRemark>,
}

impl AuditDocument {
    /// Creates the document of an audit of these ledgers, without findings about anything else.
    pub fn new(project: EntryId, pinned: bool, report: AuditReport) -> Self {
        Self {
            project: Some(project),
            pinned,
            ledgers: report.ledgers,
            notes: report.notes.map(|notes| AuditSection {
                findings: notes.findings,
                remarks: notes.remarks,
            }),
            other: AuditSection {
                findings: report.missing,
                remarks: Vec::new(),
            },
        }
    }

    /// Returns all findings.
    pub fn findings(&self) -> impl Iterator<Item = &AuditFinding> {
        let ledgers = self.ledgers.iter().map(|ledger| &ledger.findings);
        let sections = self.notes.iter().chain([&self.other]);
        ledgers
            .chain(sections.map(|section| &section.findings))
            .flatten()
    }
}

/// Renders the text: one line per ledger with its findings below, and a summary. `when` formats a
/// time.
pub fn render_text(
    audit: &AuditDocument,
    width: Option<usize>,
    when: &dyn Fn(Time) -> String,
) -> String {
    let mut lines = Vec::new();
    let max_width = grouping::max_label_width(width);
    let names = audit
        .ledgers
        .iter()
        .map(|ledger| ledger.ledger.as_str().len());
    let name_width = names
        .filter(|len| *len <= max_width)
        .max()
        .unwrap_or_default()
        .max(5);
    let count_width = audit
        .ledgers
        .iter()
        .map(|ledger| ledger.entries.to_string().len())
        .max()
        .unwrap_or_default();
    for ledger in &audit.ledgers {
        let entries = inflect(ledger.entries, "entry");
        let period = match ledger.period {
            Some(period) if ledger.entries == 1 => format!(", {}", when(period.from)),
            Some(period) => format!(", from {} to {}", when(period.from), when(period.to)),
            None => String::new(),
        };
        let mark = find_mark(&ledger.findings);
        let text = format!("{:>count_width$} {entries}{period}", ledger.entries);
        lines.extend(grouping::render_group(
            &format!("{mark} "),
            ledger.ledger.as_str(),
            name_width,
            &text,
            width,
        ));
        render_findings(&ledger.findings, &ledger.remarks, width, &mut lines);
    }
    if let Some(notes) = &audit.notes {
        lines.push(format!("{} notes", find_mark(&notes.findings)));
        render_findings(&notes.findings, &notes.remarks, width, &mut lines);
    }
    let other = &audit.other;
    render_findings(&other.findings, &other.remarks, width, &mut lines);
    lines.push(summarize(audit));
    lines.join("\n")
}

/// Returns the mark for a subject: its worst finding decides.
fn find_mark(findings: &[AuditFinding]) -> Mark {
    if findings
        .iter()
        .any(|finding| finding.outcome == CheckResult::Fail)
    {
        Mark::No
    } else if findings.is_empty() {
        Mark::Yes
    } else {
        Mark::Unknown
    }
}

/// Adds a line for each finding and remark of a subject.
fn render_findings(
    findings: &[AuditFinding],
    remarks: &[AuditRemark],
    width: Option<usize>,
    lines: &mut Vec<String>,
) {
    let format_location =
        |ledger: Option<&LedgerName>, entry: Option<EntryId>| match (ledger, entry) {
            (Some(ledger), Some(entry)) => format!("{ledger}@{}  ", entry.0.prefix(10)),
            (None, Some(entry)) => format!("{}  ", entry.0.prefix(10)),
            (_, None) => String::new(),
        };
    for finding in findings {
        let mark = Mark::from_result(finding.outcome);
        let rule = finding
            .rule
            .map_or_else(String::new, |rule| format!("{rule}: "));
        let location = format_location(finding.ledger.as_ref(), finding.entry);
        lines.extend(wrap_hanging(
            &format!("    {mark} "),
            &format!("{location}{rule}{}", sanitize(&finding.detail)),
            width,
        ));
    }
    let dim = Style::new().dimmed();
    for remark in remarks {
        let location = format_location(remark.ledger.as_ref(), remark.entry);
        lines.extend(wrap_hanging(
            &format!("    {dim}note:{dim:#} "),
            &format!("{location}{}", sanitize(&remark.text)),
            width,
        ));
    }
}

/// Returns the last line, with the number of findings.
fn summarize(audit: &AuditDocument) -> String {
    let count = |outcome| {
        audit
            .findings()
            .filter(|finding| finding.outcome == outcome)
            .count()
    };
    let (failed, unknown) = (count(CheckResult::Fail), count(CheckResult::Unknown));
    let findings = inflect(failed, "finding");
    match (failed, unknown) {
        (0, 0) => format!("{} every entry follows the rules", Mark::Yes),
        (0, unknown) => format!(
            "{} no violations were found; {unknown} could not be checked",
            Mark::Unknown
        ),
        (failed, 0) => format!("{} {failed} {findings}", Mark::No),
        (failed, unknown) => format!(
            "{} {failed} {findings}; {unknown} more could not be checked",
            Mark::No
        ),
    }
}
