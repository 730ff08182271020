//! The commits whose message says, in the words of `git revert`, that they revert another commit.

use super::error::Result;
use super::file_history::parse_ids;
use super::patch_id::Change;
use super::repo::Repository;
use crate::domain::id::Oid;

/// The words before the commit id.
const WORDS: &str = "This reverts commit";
/// The words before the id of the parent that the revert of a merge goes back to.
const PARENT_WORDS: [&str; 4] = ["reversing", "changes", "made", "to"];
/// The minimum length of an abbreviated id. Git abbreviates to at least as many digits.
const MIN_ID_LENGTH: usize = 7;

/// A commit that says that it reverts another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredRevert {
    /// The commit that says so.
    pub commit: Oid,
    /// The change that it says it reverts. For a merge, the change against the parent that the message
    /// names, or else against the first one.
    pub reverted: Change,
    /// Whether the reverted commit is a merge.
    pub is_of_merge: bool,
}

/// The ids in a message, as they are written: of the reverted commit, and of the parent of a merge.
type WrittenIds<'m> = (&'m str, Option<&'m str>);

impl Repository {
    /// Lists the declared reverts in the history of `new` and not of `old`, newest first. Leaves out
    /// those of commits that this repository does not have, and those whose abbreviated id is
    /// ambiguous.
    pub fn list_declared_reverts(&self, new: Oid, old: Oid) -> Result<Vec<DeclaredRevert>> {
        self.require_complete_range(new, old)?;
        let output = self
            .git("rev-list")
            .args(["--fixed-strings", &format!("--grep={WORDS}")])
            .args([new.to_string(), format!("^{old}")])
            .run()?
            .into_stdout()?;
        let mut reverts = Vec::new();
        for id in parse_ids(&output)? {
            let commit = self.read_commit(id)?;
            let message = String::from_utf8_lossy(commit.message());
            for (reverted, parent) in parse_message(&message) {
                let Some(reverted) = self.resolve_commit_id(reverted)? else {
                    continue;
                };
                let reverted = self.read_commit(reverted)?;
                let mut change = Change::of(&reverted);
                if let Some(parent) = parent.map(|it| self.resolve_commit_id(it)).transpose()? {
                    // A message can name any commit.
                    change.base = parent.filter(|it| reverted.parents.contains(it));
                    change.base = change.base.or(reverted.parents.first().copied());
                }
                reverts.push(DeclaredRevert {
                    commit: id,
                    reverted: change,
                    is_of_merge: reverted.parents.len() > 1,
                });
            }
        }
        Ok(reverts)
    }

    /// Returns the commit with a full or abbreviated id, unless there is none or more than one.
    fn resolve_commit_id(&self, id: &str) -> Result<Option<Oid>> {
        let full = self
            .parse_full_id(id)
            .or_else(|| self.resolve_abbreviated_id(id));
        match full {
            Some(id) if self.exists(id) => self.peel_to_commit(id),
            _ => Ok(None),
        }
    }
}

/// Returns the ids that a message says it reverts: `This reverts commit ID`, for a merge
/// `This reverts commit ID, reversing changes made to ID`, and `This reverts commits ID, ID and ID`.
fn parse_message(message: &str) -> Vec<WrittenIds<'_>> {
    let mut found = Vec::new();
    let mut parts = message.split(WORDS);
    parts.next();
    for part in parts {
        let mut words = part.strip_prefix('s').unwrap_or(part).split_whitespace();
        while let Some(word) = words.next() {
            if word == "and" {
                continue;
            }
            let Some(id) = parse_id(word) else { break };
            let mut rest = words.clone();
            let parent = if PARENT_WORDS.iter().all(|it| rest.next() == Some(it)) {
                rest.next().and_then(parse_id)
            } else {
                None
            };
            found.push((id, parent));
        }
    }
    found
}

/// Returns the id that a word begins with, if only punctuation follows.
fn parse_id(word: &str) -> Option<&str> {
    let is_digit = |it: char| it.is_ascii_digit() || ('a'..='f').contains(&it);
    let id = word.trim_end_matches(|it: char| !it.is_alphanumeric());
    (id.len() >= MIN_ID_LENGTH && id.chars().all(is_digit)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of git, of older and newer versions, and of people.
    #[test]
    fn messages() {
        let full = "0123456789abcdef0123456789abcdef01234567";
        let parent = "1123456789abcdef0123456789abcdef01234567";
        let single = |id| vec![(id, None)];
        for (message, expected) in [
            (format!("{WORDS} {full}."), single(full)),
            (format!("{WORDS} 0123456."), single("0123456")),
            (
                format!("{WORDS} 0123456 (Add two, 2026-01-01)."),
                single("0123456"),
            ),
            (
                format!("{WORDS} 0123456 in favour of abcdef12345."),
                single("0123456"),
            ),
            (format!("{WORDS}\n{full}"), single(full)),
            (format!("{WORDS} 012345."), vec![]),
            (format!("{WORDS} v1.2.3, 0123456."), vec![]),
            (format!("{WORDS} 0123456xyz."), vec![]),
            (format!("It does not: {full}"), vec![]),
            (
                format!("{WORDS} {full}, reversing\nchanges made to {parent}."),
                vec![(full, Some(parent))],
            ),
            (
                format!("{WORDS}s 0123456, 1123456\nand 2123456."),
                vec![("0123456", None), ("1123456", None), ("2123456", None)],
            ),
            (
                format!("{WORDS} 0123456.\n\n{WORDS} 1123456.\n"),
                vec![("0123456", None), ("1123456", None)],
            ),
        ] {
            assert_eq!(parse_message(&message), expected, "{message}");
        }
    }
}
