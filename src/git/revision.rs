//! Resolves revisions that people type to commits, and explains why one resolves to none.
//!
//! The result ends up in a signed entry, so a name that could mean two commits resolves to none
//! here, even if git would pick one.

use gix::bstr::{BStr, ByteSlice as _};
use gix::revision::spec::parse::{Error as ParseError, ObjectKindHint, Options};

use super::error::{Error, Result};
use super::object::ObjectKind;
use super::object_id::from_gix;
use super::repo::Repository;
use crate::domain::id::Oid;

/// The most branch and tag names that are listed.
const NAME_LIMIT: usize = 10_000;

/// Why a revision resolves to no commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnresolvedRevision {
    /// Nothing has that name.
    NotFound,
    /// The revision is a full object id, but the object is not in this repository.
    MissingObject,
    /// The revision could mean any of these: full refs, or commit ids.
    Ambiguous(Vec<String>),
    /// The revision means an object of another kind.
    NotACommit(ObjectKind),
    /// The revision means several commits, as a range does.
    MultipleCommits,
}

impl Repository {
    /// Resolves a revision such as `main`, `v1.2`, `HEAD~2` or an abbreviated id to a commit.
    /// Returns `None` if there is no such commit or more than one;
    /// [`Repository::explain_unresolved`] says why.
    pub fn resolve_revision(&self, revision: &str) -> Result<Option<Oid>> {
        if self.names_missing_object(revision)? || !self.find_candidates(revision).is_empty() {
            return Ok(None);
        }
        match self.parse_revision(revision) {
            Ok(spec) => spec
                .single()
                .map_or(Ok(None), |id| self.peel_to_commit(from_gix(&id))),
            Err(_) => Ok(None),
        }
    }

    /// Explains why [`Repository::resolve_revision`] finds no commit.
    pub fn explain_unresolved(&self, revision: &str) -> Result<UnresolvedRevision> {
        if self.names_missing_object(revision)? {
            return Ok(UnresolvedRevision::MissingObject);
        }
        let candidates = self.find_candidates(revision);
        if !candidates.is_empty() {
            return Ok(UnresolvedRevision::Ambiguous(candidates));
        }
        match self.parse_revision(revision) {
            Ok(spec) => match spec.single() {
                Some(id) => Ok(self.object_kind(from_gix(&id))?.map_or(
                    UnresolvedRevision::MissingObject,
                    UnresolvedRevision::NotACommit,
                )),
                None => Ok(UnresolvedRevision::MultipleCommits),
            },
            Err(error) => Ok(match error.downcast_any_ref::<ParseError>() {
                Some(ParseError::AmbiguousPrefix { candidates, .. }) => {
                    UnresolvedRevision::Ambiguous(
                        candidates.iter().map(|(id, _)| id.to_string()).collect(),
                    )
                }
                _ => UnresolvedRevision::NotFound,
            }),
        }
    }

    /// Parses a revision with gix.
    fn parse_revision(&self, revision: &str) -> gix::Result<gix::revision::Spec<'_>> {
        // As in git when it needs a commit: among several objects that match an abbreviated id,
        // take the commit.
        let options = Options {
            object_kind_hint: Some(ObjectKindHint::Committish),
            ..Options::default()
        };
        gix::revision::Spec::from_bstr(BStr::new(revision), &self.gix, options)
    }

    /// Returns everything that the base of a revision could name, if that is several commits: an
    /// abbreviated id, a local or remote branch, and a tag. Git would take the tag, which anyone
    /// may have pushed. Each candidate is given in a form that can be typed instead, the least
    /// ambiguous first.
    fn find_candidates(&self, revision: &str) -> Vec<String> {
        let name = split_revision_base(revision);
        let rest = &revision[name.len()..];
        if self.parse_full_id(name).is_some() {
            return Vec::new();
        }
        let mut candidates = Vec::new();
        for reference in
            ["refs/heads/", "refs/remotes/", "refs/tags/"].map(|folder| format!("{folder}{name}"))
        {
            // A name that git does not allow names no ref.
            if let Ok(Some(found)) = self.gix.try_find_reference(reference.as_str())
                && let Ok(id) = found.into_fully_peeled_id()
            {
                candidates.push((from_gix(&id), reference));
            }
        }
        if !candidates.is_empty()
            && let Some(id) = self.resolve_abbreviated_id(name)
        {
            candidates.insert(0, (id, id.to_string()));
        }
        let all_equal = candidates
            .windows(2)
            .all(|pair| matches!(pair, [first, second] if first.0 == second.0));
        if all_equal {
            Vec::new()
        } else {
            candidates
                .into_iter()
                .map(|(_, name)| name + rest)
                .collect()
        }
    }

    /// Checks whether a revision begins with the full id of an object that is missing here.
    fn names_missing_object(&self, revision: &str) -> Result<bool> {
        self.parse_full_id(split_revision_base(revision))
            .map_or(Ok(false), |id| Ok(self.object_kind(id)?.is_none()))
    }

    /// Parses a full object id. It always means that object, whatever refs have the same name; git
    /// agrees, but gix does so only if the object exists here.
    pub(super) fn parse_full_id(&self, name: &str) -> Option<Oid> {
        let id = gix::ObjectId::from_hex(name.as_bytes()).ok()?;
        (id.kind() == self.gix.object_hash()).then(|| from_gix(&id))
    }

    /// Returns the only object whose id begins with this prefix.
    pub(super) fn resolve_abbreviated_id(&self, name: &str) -> Option<Oid> {
        let prefix = gix::hash::Prefix::from_hex(name).ok()?;
        let result = self.gix.objects.lookup_prefix(prefix, None).ok()??;
        result.ok().map(|id| from_gix(&id))
    }

    /// Lists the short names of local and remote branches and of tags, to suggest the intended one.
    pub fn list_ref_names(&self) -> Result<Vec<String>> {
        let to_error = || Error::library("listing branches and tags");
        let all_refs = self.gix.references().map_err(to_error())?;
        let mut names = Vec::new();
        for folder in ["refs/heads/", "refs/tags/", "refs/remotes/"] {
            let refs = all_refs
                .prefixed(folder)
                .map_err(to_error())?
                .take(NAME_LIMIT)
                .filter_map(std::result::Result::ok);
            names
                .extend(refs.filter_map(|it| it.name().shorten().to_str().ok().map(str::to_owned)));
        }
        Ok(names)
    }
}

/// Returns the base of a revision: the name or id before operators such as `~` and `^`.
fn split_revision_base(revision: &str) -> &str {
    revision
        .split(['^', '~', '@', ':'])
        .next()
        .unwrap_or_default()
}
