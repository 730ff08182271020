//! Compares the notes with the ledgers: no line may be missing, changed or extra.
//!
//! The expected lines are collected while entries are validated. Notes are compared by blob id, so
//! that only those that differ are read. Notes that are not up to date are no failure, but what
//! they contain must be right. For a ledger that can only partly be read, the result is unknown.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::index::ChainIndex;
use super::{AuditFinding, AuditRemark, FindingKind, RemarkKind};
use crate::domain::entry::{Statement, note_line};
use crate::domain::id::{CommitId, EntryId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::domain::time::Time;
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

/// A line that an entry adds to the note of a commit. Lines sort as they do in the notes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExpectedLine {
    commit: CommitId,
    at: Time,
    /// The ledger's number, which follows the order of names.
    ledger: usize,
    position: usize,
    line: Box<str>,
}

/// Adds the lines of an entry.
pub(super) fn collect_lines(
    ledger: usize,
    place: usize,
    id: EntryId,
    statement: &Statement,
    told: &mut Vec<ExpectedLine>,
) {
    for commit in statement.commits() {
        if let Some(line) = note_line(statement, id, commit) {
            told.push(ExpectedLine {
                commit,
                at: statement.at,
                ledger,
                position: place,
                line: line.into(),
            });
        }
    }
}

/// Compares the notes with the expected lines, and returns what is wrong and what a reader should
/// know.
pub(super) fn check_notes(
    repository: &Repository,
    index: &ChainIndex,
    tips: &Tips,
    told: Vec<ExpectedLine>,
    partly: &BTreeSet<&LedgerName>,
) -> (Vec<AuditFinding>, Vec<AuditRemark>) {
    let remark = |kind, text: &str| {
        vec![AuditRemark {
            kind,
            ledger: None,
            entry: None,
            text: text.to_owned(),
        }]
    };
    let found = match compare_notes(repository, index, tips, told, partly) {
        Ok(found) => found,
        Err(error) => {
            return (
                vec![AuditFinding::from_error(FindingKind::Notes, None, &error)],
                Vec::new(),
            );
        }
    };
    let Some((findings, behind)) = found else {
        return (
            Vec::new(),
            remark(
                RemarkKind::NotesBehind,
                "there are none here: git deploy sync",
            ),
        );
    };
    let wrong = findings
        .iter()
        .any(|finding| finding.outcome == CheckResult::Fail);
    let remarks = match (findings.is_empty(), behind) {
        (false, _) if !wrong => Vec::new(),
        (false, _) => remark(
            RemarkKind::NotesWrong,
            "written anew they tell the truth again: git deploy notes rebuild",
        ),
        (true, true) => remark(
            RemarkKind::NotesBehind,
            "they do not tell the newest entries yet: git deploy sync",
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
    mut told: Vec<ExpectedLine>,
    partly: &BTreeSet<&LedgerName>,
) -> Result<Option<(Vec<AuditFinding>, bool)>> {
    let Some(commit) = repository.read_ref(NOTES_REF)? else {
        return Ok(None);
    };
    let covers = repository.read_notes_state(Some(commit))?.covers;
    let (mut findings, mut ends) = (Vec::new(), HashMap::new());
    for (ledger, covered) in &covers {
        if let Some((number, place)) = index
            .chain(ledger)
            .and_then(|(it, chain)| Some((it, chain.position(*covered)?)))
        {
            ends.insert(number, place);
        } else {
            findings.push(match index.contains(repository, ledger, *covered) {
                // It is no failure if the unread part of a ledger may contain it.
                Err(error) if partly.contains(ledger) => {
                    AuditFinding::from_error(FindingKind::Notes, None, &error)
                }
                _ => notes_failure(format!(
                    "they tell of {ledger} up to {}, which it does not hold",
                    covered.short()
                )),
            });
        }
    }
    if findings.is_empty() {
        told.retain(|it| ends.get(&it.ledger).is_some_and(|end| it.position <= *end));
        told.sort_unstable();
        findings = find_differing_notes(
            repository,
            repository.read_commit(commit)?.tree,
            &told,
            partly,
        )?;
    }
    Ok(Some((findings, covers != *tips)))
}

/// Returns a finding for each note that differs from the expected lines, which are sorted.
fn find_differing_notes(
    repository: &Repository,
    tree: Oid,
    told: &[ExpectedLine],
    partly: &BTreeSet<&LedgerName>,
) -> Result<Vec<AuditFinding>> {
    let mut stored = read_stored_notes(repository, tree)?;
    let mut findings = Vec::new();
    for lines in told.chunk_by(|a, b| a.commit == b.commit) {
        let Some(ExpectedLine { commit, .. }) = lines.first() else {
            continue;
        };
        let text: String = lines.iter().flat_map(|told| [&*told.line, "\n"]).collect();
        match stored.remove(commit).as_deref() {
            None => findings.push(notes_failure(format!(
                "{} has no note, and the ledgers speak of it",
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
                repository, *commit, leaves, &text, partly,
            )),
        }
    }
    let unasked = |commit: &CommitId| {
        if partly.is_empty() {
            return notes_failure(format!(
                "{} has a note, and no ledger speaks of it",
                commit.short()
            ));
        }
        notes_unknown(format!(
            "{} has a note, and no entry that can be read here speaks of it",
            commit.short()
        ))
    };
    findings.extend(stored.keys().map(unasked));
    Ok(findings)
}

/// Reads what is stored for each commit in the tree of the notes: one blob, unless the tree was
/// tampered with.
fn read_stored_notes(repository: &Repository, tree: Oid) -> Result<BTreeMap<CommitId, Vec<Leaf>>> {
    let shared = repository.share();
    let below = |(name, found): (String, TreeItem)| match found {
        TreeItem::Leaf(leaf) => Ok(vec![(name, leaf)]),
        TreeItem::Tree(id) => {
            let own: Repository = RepositoryHandle::fork(&shared);
            let leaves = own.list_tree(id, "", COUNT_LIMIT)?;
            Ok(leaves
                .into_iter()
                .map(|(path, leaf)| (format!("{name}{path}"), leaf))
                .collect())
        }
    };
    let folders: Vec<Result<Vec<(String, Leaf)>>> = repository
        .read_folder(tree)?
        .into_par_iter()
        .map(below)
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

/// Returns how a note differs, line by line.
fn describe_difference(
    repository: &Repository,
    commit: CommitId,
    leaves: &[Leaf],
    expected: &str,
    partly: &BTreeSet<&LedgerName>,
) -> Vec<AuditFinding> {
    let what = |words: &str| notes_failure(format!("the note of {} {words}", commit.short()));
    let [Leaf::Blob(blob)] = leaves else {
        return vec![what("stands in several places, or is no text")];
    };
    let bytes = match repository.read_blob(*blob, NOTE_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) => return vec![AuditFinding::from_error(FindingKind::Notes, None, &error)],
    };
    let text = String::from_utf8_lossy(&bytes);
    // How many more times each line is there than expected.
    let mut more: BTreeMap<&str, i64> = BTreeMap::new();
    text.lines()
        .for_each(|line| *more.entry(line).or_default() += 1);
    expected
        .lines()
        .for_each(|line| *more.entry(line).or_default() -= 1);
    more.retain(|_, count| *count != 0);
    // A line ends with the entry that it is about.
    let unread = |line: &str| {
        let ledger = line
            .rsplit(' ')
            .next()
            .and_then(|entry| entry.split_once('@')?.0.parse::<LedgerName>().ok());
        ledger.is_some_and(|ledger| partly.contains(&ledger))
    };
    let line = |(line, count): (&&str, &i64)| {
        let shown = sanitize(line.trim_end());
        match *count {
            1.. if unread(line) => notes_unknown(format!(
                "the note of {} says what no entry does that can be read here: {shown}",
                commit.short()
            )),
            1.. => what(&format!("says what no ledger does: {shown}")),
            _ => what(&format!("leaves out: {shown}")),
        }
    };
    let mut findings: Vec<AuditFinding> = more.iter().take(LINE_LIMIT).map(line).collect();
    match more.len().checked_sub(LINE_LIMIT) {
        Some(rest @ 1..) => {
            let more = what(&format!("differs in {rest} lines more"));
            let outcome = if partly.is_empty() {
                CheckResult::Fail
            } else {
                CheckResult::Unknown
            };
            findings.push(AuditFinding { outcome, ..more });
        }
        _ if findings.is_empty() => findings.push(what(
            "has its lines in another order, or not as they are written",
        )),
        _ => {}
    }
    findings
}
