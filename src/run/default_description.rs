//! The default description of a deployment: the subjects of its new commits.
//!
//! Subjects come from untrusted commits. Control characters are removed and long subjects are cut,
//! so that a commit can neither make an entry invalid nor send control sequences to a terminal.

use std::collections::BTreeSet;

use crate::domain::entry::Deployment;
use crate::domain::id::{CommitId, Oid};
use crate::domain::text::{Description, sanitize};
use crate::git::{Commit, Error, Repository};

/// The most subjects that are listed. The rest are counted.
const MAX_SUBJECTS: usize = 20;
/// The longest subject, in characters.
const MAX_SUBJECT_CHARS: usize = 200;
/// The most commits that are searched.
const MAX_COMMITS: usize = 10_000;

/// Returns the subjects of the changed components' new commits, newest first. For a first
/// deployment, returns the subject of its commit alone.
///
/// Returns `None` if there are no new commits, and if history is too long or shallow: a missing
/// description is no reason to refuse a deployment.
pub fn build_description(
    repository: &Repository,
    deployment: &Deployment,
) -> Result<Option<Description>, Error> {
    let changes = || deployment.changed();
    let is_first = changes().all(|change| change.from.is_none());
    // What is new for one component may have been deployed with another one.
    let ranges: BTreeSet<(Oid, Option<CommitId>)> = changes()
        .filter(|change| is_first || change.from.is_some())
        .map(|change| (change.target.commit.0, change.from))
        .collect();
    let mut new_commits: Vec<Oid> = Vec::new();
    for (target, previous) in ranges {
        let Some(previous) = previous else {
            new_commits.push(target);
            continue;
        };
        match repository.commits_between(target, &[previous.0], MAX_COMMITS) {
            Ok(commits) => new_commits.extend(commits),
            Err(Error::LimitExceeded { .. } | Error::Shallow | Error::Missing(_)) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
    // Two components may share commits.
    let mut seen = BTreeSet::new();
    new_commits.retain(|commit| seen.insert(*commit));
    join_subjects(repository, &new_commits)
}

/// Joins the subjects of the commits into a description.
fn join_subjects(repository: &Repository, commits: &[Oid]) -> Result<Option<Description>, Error> {
    let mut lines = Vec::new();
    let mut omitted = 0;
    for commit in commits {
        if lines.len() == MAX_SUBJECTS {
            omitted += 1;
            continue;
        }
        let commit = repository.read_commit(*commit)?;
        // A merge is left out, because the merged commits are listed.
        if commit.parents.len() < 2 || commits.len() == 1 {
            lines.extend(read_subject(&commit));
        }
    }
    if omitted > 0 {
        lines.push(format!("and {omitted} more"));
    }
    // The lines are safe and should parse. If they do not, the deployment gets no description.
    Ok(lines.join("\n").parse().ok())
}

/// Returns the first paragraph of a commit's message as one plain line, or `None` if it is empty.
pub fn read_subject(commit: &Commit) -> Option<String> {
    let message = String::from_utf8_lossy(commit.message());
    let lines = message
        .lines()
        .skip_while(|line| line.trim().is_empty())
        .take_while(|line| !line.trim().is_empty());
    let words: Vec<String> = lines
        .flat_map(str::split_whitespace)
        .map(sanitize)
        .collect();
    let line: String = words.join(" ").chars().take(MAX_SUBJECT_CHARS).collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject_of(message: &[u8]) -> Option<String> {
        let mut raw =
            b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\n"
                .to_vec();
        raw.extend(message);
        let id = "2affccc97fa05736482d4523166f70cb561afa11".parse().unwrap();
        read_subject(&Commit::parse(id, raw).unwrap())
    }

    /// A commit's message stays in the ledger permanently, so any bytes must give one plain line.
    #[test]
    fn hostile_subjects() {
        assert_eq!(
            subject_of(b"Fix login\nredirect\n\nBody\n").as_deref(),
            Some("Fix login redirect")
        );
        assert_eq!(subject_of(b"\n\n a\tb\r\n").as_deref(), Some("a b"));
        assert_eq!(
            subject_of(b"a\x1b[2J\xff\xe2\x80\xaeb").as_deref(),
            Some("a\u{fffd}[2J\u{fffd}\u{fffd}b")
        );
        assert_eq!(subject_of(b" \n \n"), None);
        let long = subject_of("ä ".repeat(5_000).as_bytes()).unwrap();
        assert!(long.chars().count() <= MAX_SUBJECT_CHARS && long.parse::<Description>().is_ok());
    }
}
