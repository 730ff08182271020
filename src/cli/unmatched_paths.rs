//! Finds the patterns of a proposed policy that match no file. They are often mistakes, because of which
//! a component would be absent or lack files.

use std::path::Path;

use super::policy_file::ProposedPolicy;
use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::CommitId;
use crate::domain::policy::{Coverage, FileOwnership, Paths, quote_brackets};
use crate::git::Repository;
use crate::git::content::ComponentPaths;

const CANNOT_READ: &str = "cannot read the files that the paths of the policy match";

/// The files that one pattern matches.
struct OnePattern(Paths);

impl ComponentPaths for OnePattern {
    fn classify_folder(&self, path: &[u8]) -> Coverage {
        self.0.coverage(path)
    }

    fn classify_file(&self, path: &[u8], _: bool) -> FileOwnership {
        if self.0.matches(path) {
            FileOwnership::Owned
        } else {
            FileOwnership::Outside
        }
    }
}

/// Returns one sentence for each pattern in `paths` and `shared` that matches no file at the commit
/// from which the policy was read, or at HEAD. Returns none if there is no commit yet.
pub fn find_unmatched(
    repository: &Repository,
    source: Option<&str>,
    proposal: &ProposedPolicy,
) -> Result<Vec<String>, CliError> {
    let Some(commit) = find_policy_commit(repository, source)? else {
        return Ok(Vec::new());
    };
    let policy = &proposal.policy;
    let components = policy.components.values().filter_map(|component| {
        Some((
            format!("components.{}.paths", component.name),
            component.paths.as_ref()?,
        ))
    });
    let shared = policy.shared.iter().map(|it| ("shared".to_owned(), it));
    let mut sentences = Vec::new();
    for (key, paths) in components.chain(shared) {
        for pattern in paths.patterns() {
            let sentence = describe_unmatched(repository, commit, &key, pattern)
                .context(ErrorKind::CannotTell, CANNOT_READ)?;
            sentences.extend(sentence);
        }
    }
    Ok(sentences)
}

/// Returns the commit from which a proposed policy was read, or else HEAD: a policy from a file has no
/// commit of its own. Returns `None` if there is no commit yet.
pub fn find_policy_commit(
    repository: &Repository,
    source: Option<&str>,
) -> Result<Option<CommitId>, CliError> {
    let revision = source
        .filter(|it| !Path::new(it).is_file())
        .unwrap_or("HEAD");
    let commit = repository
        .resolve_revision(revision)
        .context(ErrorKind::CannotTell, CANNOT_READ)?;
    Ok(commit.map(CommitId))
}

/// Returns a sentence if a pattern matches no file. If the pattern would match with quoted brackets,
/// the sentence suggests quoting them.
fn describe_unmatched(
    repository: &Repository,
    commit: CommitId,
    key: &str,
    pattern: &str,
) -> crate::git::Result<Option<String>> {
    let tree = repository.read_commit(commit.0)?.tree;
    let has_files = |pattern: &str| {
        let Ok(paths) = Paths::new([pattern]) else {
            return Ok(false);
        };
        let content = repository.compute_content(tree, &OnePattern(paths))?;
        Ok::<bool, crate::git::Error>(content.is_some())
    };
    if has_files(pattern)? {
        return Ok(None);
    }
    let quoted = quote_brackets(pattern);
    let quoted_matches = quoted.as_deref().map(has_files).transpose()?;
    let suggestion = match quoted.filter(|_| quoted_matches == Some(true)) {
        // In single quotes TOML keeps the backslash.
        Some(quoted) => format!(" For a folder with brackets in its name, write '{quoted}'."),
        None => String::new(),
    };
    Ok(Some(format!(
        "{key}: '{pattern}' matches no file in {}.{suggestion}",
        commit.short()
    )))
}
