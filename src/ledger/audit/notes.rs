//! Compares the notes with the ledgers: no line may be missing, changed or extra.
//!
//! The expected lines are collected while entries are validated. Notes are compared by blob id, so
//! that only those that differ are read. Notes that are not up to date are no failure, but their
//! lines must be right. For a ledger that can only be partly read, the result is unknown.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::expected_lines::ExpectedLine;
use super::finding::{AuditFinding, AuditRemark, FindingKind, RemarkKind};
use super::index::ChainIndex;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::domain::verdict::CheckResult;
use crate::git::error::{Error, Result};
use crate::git::object;
use crate::git::repo::{Repository, RepositoryHandle};
use crate::git::tree::{Leaf, TreeItem};
use crate::ledger::Tips;
use crate::ledger::notes::NOTES_REF;

/// The largest note that is read to describe how it differs.
const NOTE_LIMIT: usize = 64 * 1024 * 1024;
/// The maximum number of notes.
const COUNT_LIMIT: usize = 10_000_000;
/// How many differing lines of a note are reported; the rest is counted.
const LINE_LIMIT: usize = 20;

/// Compares the notes with the expected lines, and returns what is wrong and what a reader should
/// know.
pub(super) fn check_notes(
    repository: &Repository,
    index: &ChainIndex,
    tips: &Tips,
    expected: Vec<ExpectedLine>,
    unreadable: &BTreeSet<&LedgerName>,
) -> (Vec<AuditFinding>, Vec<AuditRemark>) {
    let remark = |kind, text: &str| {
        vec![AuditRemark {
            kind,
            ledger: None,
            entry: None,
            text: text.to_owned(),
        }]
    };
    let comparison = match compare_notes(repository, index, tips, expected, unreadable) {
        Ok(comparison) => comparison,
        Err(error) => {
            return (
                vec![AuditFinding::from_error(FindingKind::Notes, None, &error)],
                Vec::new(),
            );
        }
    };
    let Some((findings, is_behind)) = comparison else {
        return (
            Vec::new(),
            remark(
                RemarkKind::NotesBehind,
                "this clone has none: git deploy sync",
            ),
        );
    };
    let has_failure = findings
        .iter()
        .any(|finding| finding.outcome == CheckResult::Fail);
    let remarks = match (findings.is_empty(), is_behind) {
        (false, _) if !has_failure => Vec::new(),
        (false, _) => remark(
            RemarkKind::NotesWrong,
            "rebuild them from the ledgers: git deploy notes rebuild",
        ),
        (true, true) => remark(
            RemarkKind::NotesBehind,
            "the newest entries are missing from them: git deploy sync",
        ),
        (true, false) => Vec::new(),
    };
    (findings, remarks)
}

/// Creates a failure of the notes.
fn notes_failure(detail: String) -> AuditFinding {
    AuditFinding {
        kind: FindingKind::Notes,
        ledger: None,
        entry: None,
        rule: None,
        outcome: CheckResult::Fail,
        detail,
    }
}

/// Creates a finding for notes that cannot be checked, because some ledger cannot be read.
fn notes_unknown(detail: String) -> AuditFinding {
    AuditFinding {
        outcome: CheckResult::Unknown,
        ..notes_failure(detail)
    }
}

/// Returns what is wrong with the notes, and whether they are behind the ledgers; `None` if there
/// are no notes.
fn compare_notes(
    repository: &Repository,
    index: &ChainIndex,
    tips: &Tips,
    mut expected: Vec<ExpectedLine>,
    unreadable: &BTreeSet<&LedgerName>,
) -> Result<Option<(Vec<AuditFinding>, bool)>> {
    let Some(commit) = repository.read_ref(NOTES_REF)? else {
        return Ok(None);
    };
    let covers = repository.read_notes_state(Some(commit))?.covers;
    let (mut findings, mut ends) = (Vec::new(), HashMap::new());
    for (ledger, covered) in &covers {
        if let Some((number, position)) = index
            .chain(ledger)
            .and_then(|(it, chain)| Some((it, chain.position(*covered)?)))
        {
            ends.insert(number, position);
        } else {
            findings.push(match index.contains(repository, ledger, *covered) {
                // The unread part of the ledger may contain the commit, so this is no failure.
                Err(error) if unreadable.contains(ledger) => {
                    AuditFinding::from_error(FindingKind::Notes, None, &error)
                }
                _ => notes_failure(format!(
                    "they cover {ledger} up to {}, which that ledger does not contain",
                    covered.short()
                )),
            });
        }
    }
    if findings.is_empty() {
        expected.retain(|it| ends.get(&it.ledger).is_some_and(|end| it.position <= *end));
        expected.sort_unstable();
        findings = find_differing_notes(
            repository,
            repository.read_commit(commit)?.tree,
            &expected,
            unreadable,
        )?;
    }
    Ok(Some((findings, covers != *tips)))
}

/// Returns a finding for each note that differs from the expected lines, which are sorted.
fn find_differing_notes(
    repository: &Repository,
    tree: Oid,
    expected: &[ExpectedLine],
    unreadable: &BTreeSet<&LedgerName>,
) -> Result<Vec<AuditFinding>> {
    let mut stored = read_stored_notes(repository, tree)?;
    let mut findings = Vec::new();
    for lines in expected.chunk_by(|a, b| a.commit == b.commit) {
        let Some(ExpectedLine { commit, .. }) = lines.first() else {
            continue;
        };
        let text: String = lines
            .iter()
            .flat_map(|expected| [&*expected.line, "\n"])
            .collect();
        match stored.remove(commit).as_deref() {
            None => findings.push(notes_failure(format!(
                "{} has no note, but the ledgers mention it",
                commit.short()
            ))),
            Some([Leaf::Blob(blob)])
                if *blob
                    == repository.hash_object(object::ObjectKind::Blob, text.as_bytes())? =>
            {
                if !repository.exists(*blob) {
                    findings.push(AuditFinding::from_error(
                        FindingKind::Notes,
                        None,
                        &Error::Missing(*blob),
                    ));
                }
            }
            Some(leaves) => findings.extend(describe_difference(
                repository, *commit, leaves, &text, unreadable,
            )),
        }
    }
    let unexpected = |commit: &CommitId| {
        if unreadable.is_empty() {
            return notes_failure(format!(
                "{} has a note, but no ledger mentions it",
                commit.short()
            ));
        }
        notes_unknown(format!(
            "{} has a note, but no readable entry mentions it",
            commit.short()
        ))
    };
    findings.extend(stored.keys().map(unexpected));
    Ok(findings)
}

/// Reads what is stored for each commit in the tree of the notes: one blob, unless the tree was
/// tampered with.
fn read_stored_notes(repository: &Repository, tree: Oid) -> Result<BTreeMap<CommitId, Vec<Leaf>>> {
    let shared = repository.share();
    let list_leaves = |(name, item): (String, TreeItem)| match item {
        TreeItem::Leaf(leaf) => Ok(vec![(name, leaf)]),
        TreeItem::Tree(id) => {
            let fork: Repository = RepositoryHandle::fork(&shared);
            let leaves = fork.list_tree(id, "", COUNT_LIMIT)?;
            Ok(leaves
                .into_iter()
                .map(|(path, leaf)| (format!("{name}{path}"), leaf))
                .collect())
        }
    };
    let folders: Vec<Result<Vec<(String, Leaf)>>> = repository
        .read_folder(tree)?
        .into_par_iter()
        .map(list_leaves)
        .collect();
    let mut stored: BTreeMap<CommitId, Vec<Leaf>> = BTreeMap::new();
    for (path, leaf) in folders
        .into_iter()
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
    {
        // Git, too, ignores a path that is no commit id.
        if let Ok(commit) = path.replace('/', "").parse() {
            stored.entry(commit).or_default().push(leaf);
        }
    }
    Ok(stored)
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

/// Returns how a note differs, line by line.
fn describe_difference(
    repository: &Repository,
    commit: CommitId,
    leaves: &[Leaf],
    expected: &str,
    unreadable: &BTreeSet<&LedgerName>,
) -> Vec<AuditFinding> {
    let note_failure =
        |words: &str| notes_failure(format!("the note of {} {words}", commit.short()));
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
    let differences = count_differing_lines(&text, expected);
    // A line ends with the entry that it is about.
    let is_of_unreadable_ledger = |line: &str| {
        let ledger = line
            .rsplit(' ')
            .next()
            .and_then(|entry| entry.split_once('@')?.0.parse::<LedgerName>().ok());
        ledger.is_some_and(|ledger| unreadable.contains(&ledger))
    };
    let to_finding = |(line, count): (&&str, &i64)| {
        let shown = sanitize(line.trim_end());
        match *count {
            1.. if is_of_unreadable_ledger(line) => notes_unknown(format!(
                "the note of {} has a line that no readable entry gives: {shown}",
                commit.short()
            )),
            1.. => note_failure(&format!("has a line that no ledger gives: {shown}")),
            _ => note_failure(&format!("lacks the line: {shown}")),
        }
    };
    let mut findings: Vec<AuditFinding> = differences
        .iter()
        .take(LINE_LIMIT)
        .map(to_finding)
        .collect();
    match differences.len().checked_sub(LINE_LIMIT) {
        Some(rest @ 1..) => {
            let summary = note_failure(&format!(
                "differs in {rest} more {}",
                if rest == 1 { "line" } else { "lines" }
            ));
            let outcome = if unreadable.is_empty() {
                CheckResult::Fail
            } else {
                CheckResult::Unknown
            };
            findings.push(AuditFinding { outcome, ..summary });
        }
        _ if findings.is_empty() => {
            findings.push(note_failure("has its lines in the wrong order or form"));
        }
        _ => {}
    }
    findings
}
