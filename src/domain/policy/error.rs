//! What is wrong with a `deploy.toml`: every finding at once, each with its place and what to do.
//!
//! What a finding quotes comes from an unreviewed file, so it is made harmless before it can reach a terminal.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use crate::domain::text::sanitize;

/// The most findings that are kept; a file with more is no policy at all.
const MOST: usize = 100;

/// One mistake in a `deploy.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Line and column, both counted from 1, the column in characters.
    pub place: Option<(usize, usize)>,
    /// The key it is about, such as `environments.prod.approvals`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, and why.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deploy.toml")?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

/// All that is wrong with a `deploy.toml`, in the order of the file; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyErrors {
    findings: Vec<Finding>,
    /// Findings beyond the hundred that are kept.
    more: usize,
}

impl PolicyErrors {
    /// One finding about the file as a whole.
    pub(super) fn one(what: &str) -> Self {
        Self {
            findings: vec![Finding {
                place: None,
                key: String::new(),
                what: what.to_owned(),
                hint: None,
            }],
            more: 0,
        }
    }

    /// The findings, in the order of the file.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            finding.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

/// Collects findings while a text is read.
#[derive(Debug)]
pub(super) struct Findings<'t> {
    text: &'t str,
    /// With the byte offset that orders them; their places are worked out at the end, for those that are kept.
    found: RefCell<Vec<(Option<usize>, Finding)>>,
    /// Where each key that was read stands.
    places: RefCell<BTreeMap<String, usize>>,
}

impl<'t> Findings<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            found: RefCell::default(),
            places: RefCell::default(),
        }
    }

    /// Adds a finding at a byte offset of the text.
    pub(super) fn add(
        &self,
        offset: Option<usize>,
        key: &str,
        what: impl AsRef<str>,
        hint: Option<String>,
    ) {
        let finding = Finding {
            place: None,
            key: sanitize(key),
            what: sanitize(what.as_ref()),
            hint: hint.map(|hint| sanitize(&hint)),
        };
        self.found.borrow_mut().push((offset, finding));
    }

    /// Keeps the place of a key, for checks that come when everything is read.
    pub(super) fn remember(&self, key: &str, offset: usize) {
        self.places.borrow_mut().insert(key.to_owned(), offset);
    }

    /// Adds a finding about a key that was read.
    pub(super) fn add_at(&self, key: &str, what: impl AsRef<str>, hint: Option<&str>) {
        let offset = self.places.borrow().get(key).copied();
        self.add(offset, key, what, hint.map(str::to_owned));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    /// The errors, unless nothing was found.
    pub(super) fn into_result(self) -> Result<(), PolicyErrors> {
        let mut found = self.found.take();
        if found.is_empty() {
            return Ok(());
        }
        found.sort_by_key(|(offset, _)| offset.unwrap_or(0));
        let more = found.len().saturating_sub(MOST);
        let placed = |(offset, finding): (Option<usize>, Finding)| Finding {
            place: offset.map(|at| self.place(at)),
            ..finding
        };
        Err(PolicyErrors {
            findings: found.into_iter().take(MOST).map(placed).collect(),
            more,
        })
    }
}

/// "; did you mean" for a word that is not among the known ones.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    // A long word of a hostile file is compared with nothing.
    (word.len() <= 100)
        .then(|| {
            let word = word.to_lowercase();
            known
                .into_iter()
                .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
                .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
                .min()
                .map(|(_, candidate)| format!("did you mean {candidate:?}?"))
        })
        .flatten()
}
