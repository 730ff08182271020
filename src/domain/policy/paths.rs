//! The files of a component: globs over paths, and how much of a folder they cover.
//!
//! A path is bytes as in git: relative, with parts separated by `/`. A pattern without a glob
//! character is a file, or a folder with everything below it. `*` and `?` do not match a `/`, `**`
//! does. A backslash quotes a glob character.

mod pattern;

use globset::{Candidate, GlobSet, GlobSetBuilder};

pub use pattern::quote_brackets;
use pattern::{compile_glob, has_glob, parent_folder_globs, pattern_problem, unquote};

/// Checks whether a file, given its path, decides how git checks out the files beside and below it.
///
/// Such a file belongs to every component that owns one of those files. It alone does not make a
/// component present in a commit.
pub fn affects_checkout(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next();
    matches!(name, Some(b".gitattributes" | b".gitmodules"))
}

/// How much of a folder belongs to a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All of it: its tree can be taken as it is.
    Whole,
    /// Nothing.
    Nothing,
    /// Perhaps some of it: look inside.
    Descend,
}

/// How something that is not a folder belongs to a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOwnership {
    /// The component owns it.
    Owned,
    /// It belongs to every component, but does not make one present in a commit.
    Shared,
    /// It belongs to the component if a file beside it or in a folder beside it does.
    WithNeighbours,
    /// It does not belong to the component.
    Outside,
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathsError {
    /// There is no pattern.
    #[error(
        "the list is empty, so the component would have no files; leave the key out for the whole tree"
    )]
    Empty,
    /// A pattern is absolute, leaves the repository, or is invalid for another reason.
    #[error("{pattern:?} is not a path inside the repository: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// The patterns are too many or too large together.
    #[error("the patterns are too many to be matched: {0}")]
    Set(String),
}

/// The patterns of one component.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The patterns, as the policy writes them.
    patterns: Vec<String>,
    /// Literal files and folders, and the folders before `/**`: the component owns everything below
    /// them.
    prefixes: Vec<Box<[u8]>>,
    /// For each other pattern, the folder before its first glob character. It matches nothing
    /// outside of that folder.
    stems: Vec<Box<[u8]>>,
    /// Whether a pattern is `**`, which matches everything.
    matches_all: bool,
    globs: GlobSet,
    /// Globs for the folders above the paths that a pattern with a glob character matches, up to the
    /// first part with `**`.
    parent_globs: GlobSet,
}

impl PartialEq for Paths {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Paths {}

impl Paths {
    /// Compiles patterns.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, PathsError> {
        let mut paths = Self {
            patterns: Vec::new(),
            prefixes: Vec::new(),
            stems: Vec::new(),
            matches_all: false,
            globs: GlobSet::empty(),
            parent_globs: GlobSet::empty(),
        };
        let (mut globs, mut parent_globs) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let error = |why: String| PathsError::Pattern {
                pattern: pattern.to_owned(),
                why,
            };
            if let Some(why) = pattern_problem(pattern) {
                return Err(error(why.to_owned()));
            }
            paths.patterns.push(pattern.to_owned());
            let trimmed = pattern.strip_suffix('/').unwrap_or(pattern);
            let folder = trimmed.strip_suffix("/**").unwrap_or(trimmed);
            if trimmed == "**" {
                paths.matches_all = true;
            } else if !has_glob(folder) && (folder == trimmed || !folder.is_empty()) {
                // `x` also matches a file `x`, and `x/**` does not: only `x` needs a glob.
                paths.prefixes.push(unquote(folder).as_bytes().into());
                if folder == trimmed {
                    globs.add(compile_glob(trimmed).map_err(error)?);
                }
            } else {
                globs.add(compile_glob(trimmed).map_err(error)?);
                let stem: Vec<&str> = trimmed
                    .split('/')
                    .take_while(|part| !has_glob(part))
                    .collect();
                paths.stems.push(unquote(&stem.join("/")).as_bytes().into());
                for glob in parent_folder_globs(trimmed) {
                    parent_globs.add(glob);
                }
            }
        }
        if paths.patterns.is_empty() {
            return Err(PathsError::Empty);
        }
        let build = |set: &GlobSetBuilder| {
            set.build()
                .map_err(|error| PathsError::Set(error.to_string()))
        };
        (paths.globs, paths.parent_globs) = (build(&globs)?, build(&parent_globs)?);
        Ok(paths)
    }

    /// Returns the patterns as the policy writes them.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Returns the path before the first glob character of the first pattern: the component's
    /// folder, or a file.
    pub fn base_dir(&self) -> String {
        let first = self.patterns.first().map_or("", String::as_str);
        let literal: Vec<&str> = first
            .split('/')
            .take_while(|part| !part.is_empty() && !has_glob(part))
            .collect();
        unquote(&literal.join("/"))
    }

    /// Checks whether the component owns everything.
    pub(super) fn is_all(&self) -> bool {
        self.matches_all
    }

    /// Returns the literal files and folders below which the component owns everything.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &[u8]> {
        self.prefixes.iter().map(|prefix| &**prefix)
    }

    /// Returns the folders outside of which no other pattern matches.
    pub(super) fn stems(&self) -> impl Iterator<Item = &[u8]> {
        self.stems.iter().map(|stem| &**stem)
    }

    /// Checks whether a file, symbolic link or submodule at this path belongs to the component.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.matches_all
            || self
                .prefixes
                .iter()
                .any(|prefix| path != &**prefix && is_at_or_under(path, prefix))
            || self.globs.is_match_candidate(&Candidate::from_bytes(path))
    }

    /// Checks whether a file, symbolic link or submodule is at a path where a pattern needs a folder.
    ///
    /// It belongs to the component, too, because it decides what a program finds at the pattern's
    /// paths. If a glob character matches the path, only links count: a program can follow a link,
    /// but an ordinary file is often just a neighbour of the folders that the pattern needs.
    pub fn blocks(&self, path: &[u8], is_link: bool) -> bool {
        let mut literals = self.prefixes().chain(self.stems());
        !path.is_empty()
            && (literals.any(|literal| is_at_or_under(literal, path))
                || is_link
                    && self
                        .parent_globs
                        .is_match_candidate(&Candidate::from_bytes(path)))
    }

    /// Returns how much of a folder belongs to the component. The root is the empty path.
    pub fn coverage(&self, folder: &[u8]) -> Coverage {
        if self.matches_all
            || self
                .prefixes
                .iter()
                .any(|prefix| is_at_or_under(folder, prefix))
        {
            return Coverage::Whole;
        }
        let is_in_folder = |path: &[u8]| is_at_or_under(path, folder);
        let may_own_part = self.prefixes.iter().any(|prefix| is_in_folder(prefix))
            || self
                .stems
                .iter()
                .any(|stem| is_in_folder(stem) || is_at_or_under(folder, stem));
        if may_own_part {
            Coverage::Descend
        } else {
            Coverage::Nothing
        }
    }
}

/// Checks whether `path` is `folder` or lies below it. Everything lies below the root.
fn is_at_or_under(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests;
