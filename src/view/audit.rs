//! The result of an audit: the text of `git deploy audit`, and the document `git-deploy/audit/v1`.

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::Serialize;

use super::grouping;
use super::symbols::Mark;
use super::wrap::wrap_hanging;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditDocument {
    /// The project, if its root could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<EntryId>,
    /// Whether this clone had pinned this project.
    pub pinned: bool,
    /// The ledgers, the policy's ledger first.
    pub ledgers: Vec<LedgerDocument>,
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
    /// What is wrong, or could not be checked.
    pub findings: Vec<FindingDocument>,
    /// What is allowed, and the reader should know.
    pub remarks: Vec<RemarkDocument>,
}

/// One ledger.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerDocument {
    /// Its name.
    pub ledger: LedgerName,
    /// Its tip.
    pub tip: EntryId,
    /// The number of entries that were checked.
    pub entries: usize,
    /// The time of the first entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// The time of the last entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// The findings and remarks.
    #[serde(flatten)]
    pub section: AuditSection,
}

/// Something that is wrong, or could not be checked.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingDocument {
    /// The subject: an `entry`, the `chain` of a ledger, the `order` between ledgers, the `support`
    /// of an entry that depends on an invalid one, the `notes`, the ledgers of the `remote`, or the
    /// `pin`.
    #[schemars(extend("enum" = ["entry", "chain", "order", "support", "notes", "remote", "pin"]))]
    pub kind: &'static str,
    /// The ledger, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerName>,
    /// `fail`, or `unknown` if a fact is missing.
    #[schemars(extend("enum" = ["fail", "unknown"]))]
    pub outcome: &'static str,
    /// The ledger commit, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The violated rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// What is wrong, in one line.
    pub detail: String,
}

/// Something that is allowed, and that the reader should know.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemarkDocument {
    /// The subject.
    #[schemars(extend("enum" = ["breakGlass", "recovered", "admits", "admitted", "removedKey", "notesBehind", "notesWrong", "pin"]))]
    pub kind: &'static str,
    /// The ledger, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerName>,
    /// The ledger commit, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The remark, in one line.
    pub text: String,
}

impl AuditDocument {
    /// Returns all findings.
    pub fn findings(&self) -> impl Iterator<Item = &FindingDocument> {
        self.sections().flat_map(|part| &part.findings)
    }

    /// Returns all subjects: the ledgers, the notes and the rest.
    fn sections(&self) -> impl Iterator<Item = &AuditSection> {
        self.ledgers
            .iter()
            .map(|ledger| &ledger.section)
            .chain(&self.notes)
            .chain([&self.other])
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
    let most = grouping::max_label_width(width);
    let names = audit
        .ledgers
        .iter()
        .map(|ledger| ledger.ledger.as_str().len());
    let names = names
        .filter(|len| *len <= most)
        .max()
        .unwrap_or_default()
        .max(5);
    let counts = audit
        .ledgers
        .iter()
        .map(|ledger| ledger.entries.to_string().len())
        .max()
        .unwrap_or_default();
    for ledger in &audit.ledgers {
        let entries = if ledger.entries == 1 {
            "entry"
        } else {
            "entries"
        };
        let span = match (ledger.from, ledger.to) {
            (Some(from), Some(_)) if ledger.entries == 1 => format!(", {}", when(from)),
            (Some(from), Some(to)) => format!(", from {} to {}", when(from), when(to)),
            _ => String::new(),
        };
        let mark = section_mark(&ledger.section);
        let said = format!("{:>counts$} {entries}{span}", ledger.entries);
        lines.extend(grouping::render_group(
            &format!("{mark} "),
            ledger.ledger.as_str(),
            names,
            &said,
            width,
        ));
        render_section(&ledger.section, width, &mut lines);
    }
    if let Some(notes) = &audit.notes {
        lines.push(format!("{} notes", section_mark(notes)));
        render_section(notes, width, &mut lines);
    }
    render_section(&audit.other, width, &mut lines);
    lines.push(summarize(audit));
    lines.join("\n")
}

/// Returns the mark for a subject: its worst finding decides.
fn section_mark(part: &AuditSection) -> String {
    if part
        .findings
        .iter()
        .any(|finding| finding.outcome == "fail")
    {
        Mark::No.to_string()
    } else if part.findings.is_empty() {
        Mark::Yes.to_string()
    } else {
        unknown_mark()
    }
}

/// Returns the mark for something that is unknown.
fn unknown_mark() -> String {
    let style = AnsiColor::Yellow.on_default();
    format!("{style}?{style:#}")
}

/// Adds a line for each finding and remark of a subject.
fn render_section(part: &AuditSection, width: Option<usize>, lines: &mut Vec<String>) {
    let name = |ledger: Option<&LedgerName>, entry: Option<EntryId>| match (ledger, entry) {
        (Some(ledger), Some(entry)) => format!("{ledger}@{}  ", entry.0.prefix(10)),
        (None, Some(entry)) => format!("{}  ", entry.0.prefix(10)),
        (_, None) => String::new(),
    };
    for finding in &part.findings {
        let mark = if finding.outcome == "fail" {
            Mark::No.to_string()
        } else {
            unknown_mark()
        };
        let rule = finding
            .rule
            .map_or_else(String::new, |rule| format!("{rule}: "));
        let what = name(finding.ledger.as_ref(), finding.entry);
        lines.extend(wrap_hanging(
            &format!("    {mark} "),
            &format!("{what}{rule}{}", sanitize(&finding.detail)),
            width,
        ));
    }
    let dim = Style::new().dimmed();
    for remark in &part.remarks {
        let what = name(remark.ledger.as_ref(), remark.entry);
        lines.extend(wrap_hanging(
            &format!("    {dim}note:{dim:#} "),
            &format!("{what}{}", sanitize(&remark.text)),
            width,
        ));
    }
}

/// Returns the last line: how many findings there are.
fn summarize(audit: &AuditDocument) -> String {
    let count = |outcome| {
        audit
            .findings()
            .filter(|finding| finding.outcome == outcome)
            .count()
    };
    let (wrong, untold) = (count("fail"), count("unknown"));
    let findings = if wrong == 1 { "finding" } else { "findings" };
    match (wrong, untold) {
        (0, 0) => format!("{} every entry stands as the rules allow", Mark::Yes),
        (0, untold) => format!(
            "{} nothing wrong was found; {untold} could not be told",
            unknown_mark()
        ),
        (wrong, 0) => format!("{} {wrong} {findings}", Mark::No),
        (wrong, untold) => format!(
            "{} {wrong} {findings}; {untold} more could not be told",
            Mark::No
        ),
    }
}
