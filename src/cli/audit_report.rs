//! Shared by the commands that audit: the progress bar, and the exit code for a finding.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ErrorKind;
use crate::domain::verdict::CheckResult;
use crate::ledger::audit::{AuditFinding, AuditProgress};

/// Returns the kind of error to fail with because of a finding.
pub fn find_error_kind(finding: &AuditFinding) -> ErrorKind {
    if finding.outcome == CheckResult::Fail {
        ErrorKind::Denied
    } else {
        ErrorKind::CannotTell
    }
}

/// A progress bar that counts audited entries. It appears on a terminal after one second.
pub struct AuditProgressBar(ProgressBar);

impl AuditProgressBar {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        // The template is a constant, and it is valid.
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {pos} of {len} entries checked, {eta} left")
        {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl AuditProgress for AuditProgressBar {
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
