//! An audit as its commands report it: the progress bar, and the findings in the form that is shown.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ErrorKind;
use crate::domain::verdict::Outcome;
use crate::ledger::audit::{self, AuditProgress, LedgerAudit, RemarkKind};
use crate::view::audit::{AuditSection, FindingDocument, LedgerDocument, RemarkDocument};

/// Converts the audit's report into its view: the ledgers and, if they were checked, the notes.
pub fn to_view(report: audit::AuditReport) -> (Vec<LedgerDocument>, Option<AuditSection>) {
    let notes = report.notes.map(|(findings, remarks)| AuditSection {
        findings: findings.iter().map(view_finding).collect(),
        remarks: remarks.into_iter().map(view_remark).collect(),
    });
    (report.ledgers.into_iter().map(view_ledger).collect(), notes)
}

fn view_ledger(audited: LedgerAudit) -> LedgerDocument {
    LedgerDocument {
        ledger: audited.ledger,
        tip: audited.tip,
        entries: audited.entries,
        from: audited.span.map(|(from, _)| from),
        to: audited.span.map(|(_, to)| to),
        section: AuditSection {
            findings: audited.findings.iter().map(view_finding).collect(),
            remarks: audited.remarks.into_iter().map(view_remark).collect(),
        },
    }
}

pub fn view_finding(found: &audit::AuditFinding) -> FindingDocument {
    let kind = match found.kind {
        audit::FindingKind::Entry => "entry",
        audit::FindingKind::Chain => "chain",
        audit::FindingKind::Order => "order",
        audit::FindingKind::Dependency => "support",
        audit::FindingKind::Notes => "notes",
    };
    FindingDocument {
        kind,
        ledger: found.ledger.clone(),
        outcome: if found.outcome == Outcome::Fail {
            "fail"
        } else {
            "unknown"
        },
        entry: found.entry,
        rule: found.rule.map(crate::domain::verdict::Rule::name),
        detail: found.detail.clone(),
    }
}

fn view_remark(found: audit::AuditRemark) -> RemarkDocument {
    let kind = match found.kind {
        RemarkKind::BreakGlass => "breakGlass",
        RemarkKind::Recovered => "recovered",
        RemarkKind::AdmitsEntry => "admits",
        RemarkKind::AdmittedEntry => "admitted",
        RemarkKind::RemovedKey => "removedKey",
        RemarkKind::NotesBehind => "notesBehind",
        RemarkKind::NotesWrong => "notesWrong",
    };
    RemarkDocument {
        kind,
        ledger: found.ledger,
        entry: found.entry,
        text: found.text,
    }
}

/// Returns the kind of error to fail with because of a finding.
pub fn find_error_kind(found: &audit::AuditFinding) -> ErrorKind {
    if found.outcome == Outcome::Fail {
        ErrorKind::Denied
    } else {
        ErrorKind::CannotTell
    }
}

/// A progress bar that counts audited entries. It appears on a terminal after one second.
pub struct ProgressBarAudit(ProgressBar);

impl ProgressBarAudit {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        // The template is a constant, and it is valid.
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {pos} of {len} entries judged, {eta} left")
        {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl AuditProgress for ProgressBarAudit {
    fn on_start(&self, entries: usize) {
        self.0.set_length(entries as u64);
    }

    fn on_validated(&self, entries: usize) {
        self.0.inc(entries as u64);
        if self.0.is_hidden()
            && self.0.elapsed() > Duration::from_secs(1)
            && std::io::stderr().is_terminal()
        {
            self.0.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}
