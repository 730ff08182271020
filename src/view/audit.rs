//! What an audit found: the text of `git deploy audit`, and the document `git-deploy/audit/v1`.

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::Serialize;

use super::grouping;
use super::symbols::Mark;
use super::wrap::hanging;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::harmless;
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// The project, if its root could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<EntryId>,
    /// Whether this clone had pinned that project.
    pub pinned: bool,
    /// The ledgers, the policy's first.
    pub ledgers: Vec<Ledger>,
    /// The notes; absent where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<Part>,
    /// What is about no ledger in particular, or about one that is not here.
    #[serde(flatten)]
    pub other: Part,
}

/// What was found in one place.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// What is wrong or could not be told.
    pub findings: Vec<Finding>,
    /// What is allowed and should be known.
    pub remarks: Vec<Remark>,
}

/// One ledger.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Its name.
    pub ledger: LedgerName,
    /// Its tip.
    pub tip: EntryId,
    /// How many entries were looked at.
    pub entries: usize,
    /// The time of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// The time of the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// What was found.
    #[serde(flatten)]
    pub part: Part,
}

/// Something that is wrong, or could not be told.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is about: an `entry`, the `chain` of a ledger, the `order` among ledgers, an entry's `support` that does not stand, the
    /// `notes`, what the `remote` has, or the `pin`.
    #[schemars(extend("enum" = ["entry", "chain", "order", "support", "notes", "remote", "pin"]))]
    pub kind: &'static str,
    /// The ledger, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerName>,
    /// `fail`, or `unknown` where a fact is missing.
    #[schemars(extend("enum" = ["fail", "unknown"]))]
    pub outcome: &'static str,
    /// The ledger commit, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The rule that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// What is wrong, in one line.
    pub detail: String,
}

/// Something that is allowed and that a reader should know.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Remark {
    /// What it is about.
    #[schemars(extend("enum" = ["breakGlass", "recovered", "admits", "admitted", "removedKey", "notesBehind", "notesWrong", "pin"]))]
    pub kind: &'static str,
    /// The ledger, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerName>,
    /// The ledger commit, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// What it is.
    pub text: String,
}

impl Audit {
    /// All findings.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.parts().flat_map(|part| &part.findings)
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.ledgers
            .iter()
            .map(|ledger| &ledger.part)
            .chain(&self.notes)
            .chain([&self.other])
    }
}

/// The text: a line a ledger, what was found below it, and a summary.
pub fn text(audit: &Audit, width: Option<usize>, when: &dyn Fn(Time) -> String) -> String {
    let mut lines = Vec::new();
    let most = grouping::label(width);
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
        let mark = mark(&ledger.part);
        let said = format!("{:>counts$} {entries}{span}", ledger.entries);
        lines.extend(grouping::line(
            &format!("{mark} "),
            ledger.ledger.as_str(),
            names,
            &said,
            width,
        ));
        part(&ledger.part, width, &mut lines);
    }
    if let Some(notes) = &audit.notes {
        lines.push(format!("{} notes", mark(notes)));
        part(notes, width, &mut lines);
    }
    part(&audit.other, width, &mut lines);
    lines.push(summary(audit));
    lines.join("\n")
}

fn mark(part: &Part) -> String {
    if part
        .findings
        .iter()
        .any(|finding| finding.outcome == "fail")
    {
        Mark::No.to_string()
    } else if part.findings.is_empty() {
        Mark::Yes.to_string()
    } else {
        doubt()
    }
}

fn doubt() -> String {
    let style = AnsiColor::Yellow.on_default();
    format!("{style}?{style:#}")
}

fn part(part: &Part, width: Option<usize>, lines: &mut Vec<String>) {
    let name = |ledger: Option<&LedgerName>, entry: Option<EntryId>| match (ledger, entry) {
        (Some(ledger), Some(entry)) => format!("{ledger}@{}  ", entry.0.prefix(10)),
        (None, Some(entry)) => format!("{}  ", entry.0.prefix(10)),
        (_, None) => String::new(),
    };
    for finding in &part.findings {
        let mark = if finding.outcome == "fail" {
            Mark::No.to_string()
        } else {
            doubt()
        };
        let rule = finding
            .rule
            .map_or_else(String::new, |rule| format!("{rule}: "));
        let what = name(finding.ledger.as_ref(), finding.entry);
        lines.extend(hanging(
            &format!("    {mark} "),
            &format!("{what}{rule}{}", harmless(&finding.detail)),
            width,
        ));
    }
    let dim = Style::new().dimmed();
    for remark in &part.remarks {
        let what = name(remark.ledger.as_ref(), remark.entry);
        lines.extend(hanging(
            &format!("    {dim}note:{dim:#} "),
            &format!("{what}{}", harmless(&remark.text)),
            width,
        ));
    }
}

fn summary(audit: &Audit) -> String {
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
            doubt()
        ),
        (wrong, 0) => format!("{} {wrong} {findings}", Mark::No),
        (wrong, untold) => format!(
            "{} {wrong} {findings}; {untold} more could not be told",
            Mark::No
        ),
    }
}
