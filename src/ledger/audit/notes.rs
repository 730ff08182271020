//! Compares the notes with the ledgers: no line may be missing, changed or extra.
//!
//! The expected lines are collected while entries are validated. Notes are compared by blob id, so
//! that only those that differ are read. Notes that are not up to date are no failure, but their
//! lines must be right. For a ledger that can only be partly read, the result is unknown.

use std::collections::{BTreeSet, HashMap};

use super::expected_lines::{ExpectedLine, ExpectedLines, UnknownEntry};
use super::finding::{AuditFinding, AuditRemark, FindingKind, RemarkKind};
use super::index::ChainIndex;
use super::note_differences::{LineOrigins, describe_difference};
use super::stored_notes::read_stored_notes;
use crate::domain::count::count;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::domain::verdict::CheckResult;
use crate::git::error::{Error, Result};
use crate::git::object;
use crate::git::repo::Repository;
use crate::git::tree::Leaf;
use crate::ledger::Tips;
use crate::ledger::notes::NOTES_REF;

/// The number of notes commits that are searched for the newest one that this program wrote.
const FOREIGN_LIMIT: usize = 100;

/// The result of comparing the notes with the ledgers.
#[derive(Debug)]
pub struct NotesAudit {
    pub findings: Vec<AuditFinding>,
    pub remarks: Vec<AuditRemark>,
}

/// Compares the notes with the expected lines.
pub(super) fn check_notes(
    repository: &Repository,
    index: &ChainIndex,
    tips: &Tips,
    expected: ExpectedLines,
    unreadable: &BTreeSet<&LedgerName>,
    is_expected: bool,
) -> NotesAudit {
    let remark = |kind, text: String| AuditRemark {
        kind,
        ledger: None,
        entry: None,
        text,
    };
    // A line that cannot be computed is neither right nor wrong, so it is only a remark.
    let unknown = describe_unknown(&expected.unknown);
    let mut remarks = Vec::new();
    let findings = match compare_notes(repository, index, tips, expected, unreadable) {
        Err(error) => vec![AuditFinding::from_error(FindingKind::Notes, None, &error)],
        Ok(None) if is_expected => {
            let text = "they were deleted, or never written: git deploy notes rebuild";
            vec![AuditFinding::notes_failure(text.to_owned())]
        }
        Ok(None) => {
            let text = "this clone has none: git deploy sync";
            remarks.push(remark(RemarkKind::NotesBehind, text.to_owned()));
            Vec::new()
        }
        Ok(Some(NotesComparison {
            findings,
            is_behind,
        })) => {
            let has_failure = findings
                .iter()
                .any(|finding| finding.outcome == CheckResult::Fail);
            if has_failure {
                let text = "rebuild them from the ledgers: git deploy notes rebuild";
                remarks.push(remark(RemarkKind::NotesWrong, text.to_owned()));
            } else if is_behind && findings.is_empty() {
                let text = "the newest entries are missing from them: git deploy sync";
                remarks.push(remark(RemarkKind::NotesBehind, text.to_owned()));
            }
            remarks.extend(unknown.map(|text| remark(RemarkKind::NotesUnknown, text)));
            findings
        }
    };
    NotesAudit { findings, remarks }
}

/// The differences between existing notes and the ledgers.
struct NotesComparison {
    findings: Vec<AuditFinding>,
    /// Whether the notes do not cover the current tips of the ledgers.
    is_behind: bool,
}

/// Compares existing notes with the expected lines. Returns `None` if there are no notes.
fn compare_notes(
    repository: &Repository,
    index: &ChainIndex,
    tips: &Tips,
    mut expected: ExpectedLines,
    unreadable: &BTreeSet<&LedgerName>,
) -> Result<Option<NotesComparison>> {
    let Some(commit) = repository.read_ref(NOTES_REF)? else {
        return Ok(None);
    };
    let (mut findings, covers) = find_covers(repository, commit)?;
    let ends = match &covers {
        Some(covers) => find_ends(repository, index, covers, unreadable, &mut findings),
        None => Some(count_positions(index)),
    };
    if let Some(ends) = ends {
        expected.lines.sort_unstable();
        let is_covered = |line: &ExpectedLine| {
            ends.get(&line.ledger)
                .is_some_and(|end| line.position <= *end)
        };
        let (covered, uncovered): (Vec<_>, Vec<_>) =
            expected.lines.into_iter().partition(is_covered);
        let origins = LineOrigins::new(unreadable, &expected.unknown, &uncovered);
        let tree = repository.read_commit(commit)?.tree;
        findings.extend(find_differing_notes(repository, tree, &covered, &origins)?);
    }
    Ok(Some(NotesComparison {
        findings,
        is_behind: covers.as_ref() != Some(tips),
    }))
}

/// Returns the ledger tips that the newest notes commit of this program covers, if there is one, and
/// a finding for each newer notes commit that another program wrote.
fn find_covers(repository: &Repository, tip: Oid) -> Result<(Vec<AuditFinding>, Option<Tips>)> {
    let mut findings = Vec::new();
    for commit in repository.first_parent_walk(tip).take(FOREIGN_LIMIT) {
        let commit = match commit {
            Ok(commit) => commit,
            Err(error) if findings.is_empty() => return Err(error),
            // History behind a commit of another program is not needed.
            Err(_) => break,
        };
        let covers = repository.read_notes_state(Some(commit.id))?.covers;
        if !covers.is_empty() {
            return Ok((findings, Some(covers)));
        }
        let subject = String::from_utf8_lossy(commit.message());
        findings.push(AuditFinding::notes_failure(format!(
            "another program wrote the notes commit {} \"{}\" of {}",
            commit.id.prefix(12),
            sanitize(subject.lines().next().unwrap_or_default()),
            sanitize(&read_name(commit.committer())),
        )));
    }
    Ok((findings, None))
}

/// Returns the name and address in `name <address> seconds zone`.
fn read_name(ident: &[u8]) -> String {
    let text = String::from_utf8_lossy(ident);
    let end = text.rfind('>').map_or(text.len(), |at| at + 1);
    text.get(..end).unwrap_or_default().to_owned()
}

/// Returns the position up to which the notes cover each ledger, by the ledger's number. Returns
/// `None` and adds a finding if the notes cover an entry that the ledger does not contain.
fn find_ends(
    repository: &Repository,
    index: &ChainIndex,
    covers: &Tips,
    unreadable: &BTreeSet<&LedgerName>,
    findings: &mut Vec<AuditFinding>,
) -> Option<HashMap<usize, usize>> {
    let mut ends = HashMap::new();
    let mut broken = 0;
    for (ledger, covered) in covers {
        if let Some((number, position)) = index
            .chain(ledger)
            .and_then(|(number, chain)| Some((number, chain.position(*covered)?)))
        {
            ends.insert(number, position);
        } else if index.chain(ledger).is_none() && unreadable.contains(ledger) {
            // Its ref is broken, which is reported.
            broken += 1;
        } else {
            findings.push(match index.contains(repository, ledger, *covered) {
                // The unread part of the ledger may contain the commit, so this is no failure.
                Err(error) if unreadable.contains(ledger) => {
                    AuditFinding::from_error(FindingKind::Notes, None, &error)
                }
                _ => AuditFinding::notes_failure(format!(
                    "they cover {ledger} up to {}, which that ledger does not contain",
                    covered.short()
                )),
            });
        }
    }
    (ends.len() + broken == covers.len()).then_some(ends)
}

/// Returns the number of positions of each ledger, by its number.
fn count_positions(index: &ChainIndex) -> HashMap<usize, usize> {
    index
        .chains
        .iter()
        .map(|chain| chain.ids.len())
        .enumerate()
        .collect()
}

/// Describes the entries whose lines cannot be computed.
fn describe_unknown(unknown: &[UnknownEntry]) -> Option<String> {
    let first = unknown.first()?;
    let entries = count(unknown.len(), "entry");
    Some(format!(
        "the lines of {entries} cannot be checked, for example of {}: {}",
        first.name, first.why
    ))
}

/// Returns a finding for each note that differs from the expected lines, which are sorted.
fn find_differing_notes(
    repository: &Repository,
    tree: Oid,
    expected: &[ExpectedLine],
    origins: &LineOrigins<'_>,
) -> Result<Vec<AuditFinding>> {
    let mut stored = read_stored_notes(repository, tree, expected.len())?;
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
            None => findings.push(AuditFinding::notes_failure(format!(
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
                repository, *commit, leaves, &text, origins,
            )),
        }
    }
    for (commit, leaves) in stored {
        findings.extend(describe_unexpected_note(
            repository, commit, &leaves, origins,
        ));
    }
    Ok(findings)
}

/// Returns the findings for a note of a commit that no covered entry is about.
fn describe_unexpected_note(
    repository: &Repository,
    commit: CommitId,
    leaves: &[Leaf],
    origins: &LineOrigins<'_>,
) -> Vec<AuditFinding> {
    let short = commit.short();
    if origins.may_mention(commit) {
        describe_difference(repository, commit, leaves, "", origins)
    } else if origins.unreadable.is_empty() {
        vec![AuditFinding::notes_failure(format!(
            "{short} has a note, but no ledger mentions it"
        ))]
    } else {
        vec![AuditFinding::notes_unknown(format!(
            "{short} has a note, but no readable entry mentions it"
        ))]
    }
}
