//! The errors of a `deploy.toml`: all of them at once, each with its position and perhaps a hint.
//!
//! A message may quote an unreviewed file, so it is sanitized when it is added.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use crate::domain::text::sanitize;

/// The maximum number of errors that are kept.
const MAX_ERRORS: usize = 100;

/// One error in a `deploy.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// Line and column, both counted from 1, the column in characters.
    pub position: Option<(usize, usize)>,
    /// The key, such as `environments.prod.approvals`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, and why.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deploy.toml")?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

/// All errors in a `deploy.toml`, in the order of the file. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyErrors {
    errors: Vec<PolicyError>,
    /// The number of errors beyond [`MAX_ERRORS`], which are not kept.
    omitted: usize,
}

impl PolicyErrors {
    /// Makes a list of one error about the file as a whole.
    pub(super) fn single(message: &str) -> Self {
        Self {
            errors: vec![PolicyError {
                position: None,
                key: String::new(),
                message: message.to_owned(),
                hint: None,
            }],
            omitted: 0,
        }
    }

    /// Returns the errors, in the order of the file.
    pub fn errors(&self) -> &[PolicyError] {
        &self.errors
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        if self.omitted > 0 {
            write!(f, "\nand {} more", self.omitted)?;
        }
        Ok(())
    }
}

/// Collects errors while a text is read.
#[derive(Debug)]
pub(super) struct ErrorCollector<'t> {
    text: &'t str,
    /// Each error with its byte offset, by which they are sorted. Positions are computed at the
    /// end, only for the errors that are kept.
    errors: RefCell<Vec<(Option<usize>, PolicyError)>>,
    /// The byte offset of each key that was read.
    offsets: RefCell<BTreeMap<String, usize>>,
}

impl<'t> ErrorCollector<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            errors: RefCell::default(),
            offsets: RefCell::default(),
        }
    }

    /// Adds an error at a byte offset of the text.
    pub(super) fn add(
        &self,
        offset: Option<usize>,
        key: &str,
        message: impl AsRef<str>,
        hint: Option<String>,
    ) {
        let error = PolicyError {
            position: None,
            key: sanitize(key),
            message: sanitize(message.as_ref()),
            hint: hint.map(|hint| sanitize(&hint)),
        };
        self.errors.borrow_mut().push((offset, error));
    }

    /// Records the position of a key, for checks that run after everything is read.
    pub(super) fn record_position(&self, key: &str, offset: usize) {
        self.offsets.borrow_mut().insert(key.to_owned(), offset);
    }

    /// Adds an error about a key that was read.
    pub(super) fn add_for_key(&self, key: &str, message: impl AsRef<str>, hint: Option<&str>) {
        let offset = self.offsets.borrow().get(key).copied();
        self.add(offset, key, message, hint.map(str::to_owned));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.borrow().is_empty()
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    /// Returns the errors, if there are any.
    pub(super) fn into_result(self) -> Result<(), PolicyErrors> {
        let mut errors = self.errors.take();
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by_key(|(offset, _)| offset.unwrap_or(0));
        let omitted = errors.len().saturating_sub(MAX_ERRORS);
        let with_position = |(offset, error): (Option<usize>, PolicyError)| PolicyError {
            position: offset.map(|at| self.line_and_column(at)),
            ..error
        };
        Err(PolicyErrors {
            errors: errors
                .into_iter()
                .take(MAX_ERRORS)
                .map(with_position)
                .collect(),
            omitted,
        })
    }
}

/// Suggests the candidate that is nearest to a misspelled word: `did you mean "deployers"?`. Returns
/// `None` if no candidate is near.
pub fn suggest_nearest<'k>(
    word: &str,
    candidates: impl IntoIterator<Item = &'k str>,
) -> Option<String> {
    // A long word is not compared: a hostile file could make the comparisons slow.
    (word.len() <= 100)
        .then(|| {
            let word = word.to_lowercase();
            candidates
                .into_iter()
                .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
                .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
                .min()
                .map(|(_, candidate)| format!("did you mean {candidate:?}?"))
        })
        .flatten()
}
