//! Describes how a note differs from the lines that the ledgers give.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::expected_lines::{ExpectedLine, UnknownEntry};
use super::finding::{AuditFinding, FindingKind};
use crate::domain::count::count;
use crate::domain::id::CommitId;
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::domain::verdict::CheckResult;
use crate::git::repo::Repository;
use crate::git::tree::Leaf;

/// The largest note that is read to describe how it differs.
const NOTE_LIMIT: usize = 64 * 1024 * 1024;
/// The largest number of differing lines of a note that are reported. The others are counted.
const LINE_LIMIT: usize = 20;

/// The possible origins of lines that the notes should not have.
pub(super) struct LineOrigins<'e> {
    /// The ledgers of which some entries cannot be read.
    pub unreadable: &'e BTreeSet<&'e LedgerName>,
    /// The entries whose lines cannot be computed, by their names.
    unknown: HashSet<&'e str>,
    /// The lines of entries that the notes do not cover yet.
    uncovered: HashSet<(CommitId, &'e str)>,
    /// The commits of those lines.
    uncovered_commits: HashSet<CommitId>,
}

impl<'e> LineOrigins<'e> {
    /// Collects the origins.
    pub fn new(
        unreadable: &'e BTreeSet<&'e LedgerName>,
        unknown: &'e [UnknownEntry],
        uncovered: &'e [ExpectedLine],
    ) -> Self {
        Self {
            unreadable,
            unknown: unknown.iter().map(|entry| &*entry.name).collect(),
            uncovered: uncovered
                .iter()
                .map(|expected| (expected.commit, &*expected.line))
                .collect(),
            uncovered_commits: uncovered.iter().map(|expected| expected.commit).collect(),
        }
    }

    /// Checks whether an entry that the notes do not cover, or whose lines are unknown, may be
    /// about this commit.
    pub fn may_mention(&self, commit: CommitId) -> bool {
        !self.unknown.is_empty() || self.uncovered_commits.contains(&commit)
    }

    /// Checks whether a line is of an entry whose lines cannot be computed. Such a line can be neither
    /// confirmed nor refuted.
    fn is_unknown(&self, line: &str) -> bool {
        self.unknown.contains(entry_name(line))
    }

    /// Checks whether a line is of a ledger that can only be partly read.
    fn is_of_unreadable_ledger(&self, line: &str) -> bool {
        let ledger = entry_name(line)
            .split_once('@')
            .and_then(|(ledger, _)| ledger.parse::<LedgerName>().ok());
        ledger.is_some_and(|ledger| self.unreadable.contains(&ledger))
    }

    /// Creates the finding for a line that a note should not have.
    fn describe_extra_line(&self, commit: CommitId, line: &str) -> AuditFinding {
        let (short, shown) = (commit.short(), sanitize(line.trim_end()));
        if self.uncovered.contains(&(commit, line)) {
            AuditFinding::notes_failure(format!(
                "the note of {short} has a line of an entry that the notes do not cover: {shown}"
            ))
        } else if self.is_of_unreadable_ledger(line) {
            AuditFinding::notes_unknown(format!(
                "the note of {short} has a line that no readable entry gives: {shown}"
            ))
        } else {
            AuditFinding::notes_failure(format!(
                "the note of {short} has a line that no ledger gives: {shown}"
            ))
        }
    }
}

/// Returns the name of the entry with which a line ends.
fn entry_name(line: &str) -> &str {
    line.rsplit(' ').next().unwrap_or_default()
}

/// Returns how many more times a note has each line than expected; a line that is missing has a
/// negative count.
fn count_differing_lines<'t>(text: &'t str, expected: &'t str) -> BTreeMap<&'t str, i64> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for line in text.lines() {
        *counts.entry(line).or_default() += 1;
    }
    for line in expected.lines() {
        *counts.entry(line).or_default() -= 1;
    }
    counts.retain(|_, count| *count != 0);
    counts
}

/// Returns how a note differs from the expected text, line by line.
pub(super) fn describe_difference(
    repository: &Repository,
    commit: CommitId,
    leaves: &[Leaf],
    expected: &str,
    origins: &LineOrigins<'_>,
) -> Vec<AuditFinding> {
    let note_failure = |words: &str| {
        AuditFinding::notes_failure(format!("the note of {} {words}", commit.short()))
    };
    let [Leaf::Blob(blob)] = leaves else {
        return vec![note_failure(
            "is stored in several places, or is not a file",
        )];
    };
    let bytes = match repository.read_blob(*blob, NOTE_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) => return vec![AuditFinding::from_error(FindingKind::Notes, None, &error)],
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut differences = count_differing_lines(&text, expected);
    let number = differences.len();
    differences.retain(|line, _| !origins.is_unknown(line));
    if number == 0 {
        return vec![note_failure("has its lines in the wrong order or form")];
    }
    let shown = differences.iter().take(LINE_LIMIT);
    let mut findings: Vec<AuditFinding> = shown
        .map(|(line, count)| match *count {
            1.. => origins.describe_extra_line(commit, line),
            _ => note_failure(&format!("lacks the line: {}", sanitize(line.trim_end()))),
        })
        .collect();
    let rest = differences.len().saturating_sub(LINE_LIMIT);
    if rest > 0 {
        let outcome = if origins.unreadable.is_empty() {
            CheckResult::Fail
        } else {
            CheckResult::Unknown
        };
        findings.push(AuditFinding {
            outcome,
            ..note_failure(&format!("differs in {}", count(rest, "more line")))
        });
    }
    findings
}
