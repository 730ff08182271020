//! Revisions as people type them: which commit one means, and why one means none.
//!
//! What is typed is signed in the end, so a word that could mean two commits means none here, also where git would pick one.

use gix::bstr::{BStr, ByteSlice as _};
use gix::revision::spec::parse::{Error as ParseError, ObjectKindHint, Options};

use super::error::{Error, Result};
use super::object::Kind;
use super::repo::{Repository, from_gix};
use crate::domain::id::Oid;

/// The most names of branches and tags that are compared with a word.
const NAMES: usize = 10_000;

/// Why a revision means no commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCommit {
    /// There is nothing of that name.
    Unknown,
    /// It is a whole object id, of an object that is not here.
    Elsewhere,
    /// It could mean any of these: full refs, or the ids of commits.
    Ambiguous(Vec<String>),
    /// It means something else than a commit.
    Other(Kind),
    /// It means several commits, as a range does.
    Several,
}

impl Repository {
    /// The commit that a person means by a revision such as `main`, `v1.2`, `HEAD~2` or an abbreviated id; none if there is no such
    /// commit, or more than one: [`Repository::no_commit`] says which.
    pub fn resolve(&self, revision: &str) -> Result<Option<Oid>> {
        if !self.of_two_kinds(revision).is_empty() {
            return Ok(None);
        }
        match self.parse(revision) {
            Ok(spec) => spec.single().map_or(Ok(None), |id| self.peel_to_commit(from_gix(&id))),
            Err(_) => Ok(None),
        }
    }

    /// Why [`Repository::resolve`] finds no commit.
    pub fn no_commit(&self, revision: &str) -> Result<NoCommit> {
        let both = self.of_two_kinds(revision);
        if !both.is_empty() {
            return Ok(NoCommit::Ambiguous(both));
        }
        match self.parse(revision) {
            Ok(spec) => match spec.single() {
                Some(id) => Ok(self.kind(from_gix(&id))?.map_or(NoCommit::Elsewhere, NoCommit::Other)),
                None => Ok(NoCommit::Several),
            },
            Err(error) => Ok(match error.downcast_any_ref::<ParseError>() {
                Some(ParseError::AmbiguousPrefix { candidates, .. }) => {
                    NoCommit::Ambiguous(candidates.iter().map(|(id, _)| id.to_string()).collect())
                }
                _ if revision.parse::<Oid>().is_ok() => NoCommit::Elsewhere,
                _ => NoCommit::Unknown,
            }),
        }
    }

    fn parse(&self, revision: &str) -> gix::Result<gix::revision::Spec<'_>> {
        // As for git where it needs a commit: of several objects whose ids begin so, the one that is a commit is meant.
        let options = Options { object_kind_hint: Some(ObjectKindHint::Committish), ..Options::default() };
        gix::revision::Spec::from_bstr(BStr::new(revision), &self.gix, options)
    }

    /// The branch and the tag of this name, if there are both and they lie at different commits: git would take the tag.
    fn of_two_kinds(&self, name: &str) -> Vec<String> {
        let names = ["refs/heads/", "refs/tags/"].map(|folder| format!("{folder}{name}"));
        let mut commits = Vec::new();
        for name in &names {
            // What is no name of a ref is none of one.
            let Ok(Some(found)) = self.gix.try_find_reference(name.as_str()) else { return Vec::new() };
            let Ok(id) = found.into_fully_peeled_id() else { return Vec::new() };
            commits.push(from_gix(&id));
        }
        if commits.windows(2).all(|pair| pair[0] == pair[1]) { Vec::new() } else { names.into() }
    }

    /// The short names of branches, here and at remotes, and of tags: for finding the one that was meant.
    pub fn names(&self) -> Result<Vec<String>> {
        let failed = || Error::library("listing branches and tags");
        let all = self.gix.references().map_err(failed())?;
        let mut names = Vec::new();
        for folder in ["refs/heads/", "refs/tags/", "refs/remotes/"] {
            let found = all.prefixed(folder).map_err(failed())?.take(NAMES).filter_map(std::result::Result::ok);
            names.extend(found.filter_map(|it| it.name().shorten().to_str().ok().map(str::to_owned)));
        }
        Ok(names)
    }
}
