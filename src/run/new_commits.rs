//! The new commits of a deployment: those that it brings to its components. Their subjects are its
//! default description.
//!
//! Subjects and authors come from untrusted commits. Control characters are removed and long texts
//! are cut, so that a commit can neither make an entry invalid nor send control sequences to a
//! terminal.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::Deployment;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::text::{Description, sanitize};
use crate::git::changed_components::ChangeFinder;
use crate::git::commit::MAX_SUBJECT_CHARS;
use crate::git::{Commit, Error, Repository};

/// The most subjects that are listed. The rest are counted.
const MAX_SUBJECTS: usize = 20;
/// The longest name of an author, in characters.
const MAX_CHARS: usize = MAX_SUBJECT_CHARS;
/// The most commits that are searched.
const MAX_COMMITS: usize = 10_000;
/// The most authors that are listed.
const MAX_AUTHORS: usize = 20;

/// Returns the subjects of the commits that change the deployed components, newest first. A
/// merge is among them if it differs from each of its parents, for example because it resolves a
/// conflict. For a first deployment, returns the subject of its commit alone.
///
/// Returns `None` if there are no such commits, and if history is too long or shallow: a missing
/// description is no reason to refuse a deployment.
pub fn build_description(
    repository: &Repository,
    policy: &Policy,
    deployment: &Deployment,
) -> Result<Option<Description>, Error> {
    let commits = find_new_commits(repository, policy, deployment)?;
    join_subjects(repository, &commits)
}

/// Returns the names of the authors of the new commits, each once, newest first, at most 20.
pub fn list_authors(
    repository: &Repository,
    policy: &Policy,
    deployment: &Deployment,
) -> Result<Vec<String>, Error> {
    let mut authors = Vec::new();
    for commit in find_new_commits(repository, policy, deployment)? {
        let author = read_author_name(&repository.read_commit(commit)?);
        let is_new = !author.is_empty() && !authors.contains(&author);
        authors.extend(is_new.then_some(author));
        if authors.len() == MAX_AUTHORS {
            break;
        }
    }
    Ok(authors)
}

/// Finds the commits that change the deployed components and that did not run before, newest first.
/// For a first deployment, returns its commit alone. Returns nothing if history is too long or
/// shallow.
fn find_new_commits(
    repository: &Repository,
    policy: &Policy,
    deployment: &Deployment,
) -> Result<Vec<Oid>, Error> {
    let changes = || deployment.changed();
    let is_first = changes().all(|change| change.from.is_none());
    // What is new for one component may have been deployed with another one.
    let mut ranges: BTreeMap<(Oid, Option<CommitId>), Vec<&ComponentName>> = BTreeMap::new();
    for change in changes().filter(|change| is_first || change.from.is_some()) {
        let range = (change.target.commit.0, change.from);
        let components = ranges.entry(range).or_default();
        components.push(&change.target.component);
    }
    let finder = ChangeFinder::new(repository, policy);
    // Two components may share commits.
    let (mut new_commits, mut seen) = (Vec::new(), BTreeSet::new());
    for ((target, previous), components) in ranges {
        let Some(previous) = previous else {
            new_commits.extend(seen.insert(target).then_some(target));
            continue;
        };
        let commits = match repository.commits_between(target, &[previous.0], MAX_COMMITS) {
            Ok(commits) => commits,
            Err(Error::LimitExceeded { .. } | Error::Shallow | Error::Missing(_)) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        for commit in commits {
            if !seen.contains(&commit) && changes_any(&finder, commit, &components)? {
                seen.insert(commit);
                new_commits.push(commit);
            }
        }
    }
    Ok(new_commits)
}

/// Returns whether a commit changes one of these components. The paths of a component that the
/// policy does not declare are unknown, so every commit may change it.
fn changes_any(
    finder: &ChangeFinder<'_>,
    commit: Oid,
    components: &[&ComponentName],
) -> Result<bool, Error> {
    let declared = finder.components();
    if components.iter().any(|name| !declared.contains(name)) {
        return Ok(true);
    }
    let changed = finder.find_in_commit(commit)?;
    let mut pairs = declared.iter().zip(changed);
    Ok(pairs.any(|(name, is_changed)| is_changed && components.contains(&name)))
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
        lines.extend(read_subject(&repository.read_commit(*commit)?));
    }
    if omitted > 0 {
        lines.push(format!("and {omitted} more"));
    }
    // The lines are safe and should parse. If they do not, the deployment gets no description.
    Ok(lines.join("\n").parse().ok())
}

/// Returns the author's name as one plain line; empty if there is none.
fn read_author_name(commit: &Commit) -> String {
    let author = String::from_utf8_lossy(commit.author());
    let name = author.split_once('<').map_or(&*author, |(name, _)| name);
    cut_line(&sanitize(name))
}

/// Cuts a line to the maximum length.
fn cut_line(line: &str) -> String {
    let cut: String = line.trim().chars().take(MAX_CHARS).collect();
    cut.trim().to_owned()
}

/// Returns the first paragraph of a commit's message as one plain line, or `None` if it is empty.
pub fn read_subject(commit: &Commit) -> Option<String> {
    commit.subject()
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
        assert!(long.chars().count() <= MAX_CHARS && long.parse::<Description>().is_ok());
    }
}
