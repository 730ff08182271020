//! Resolves revisions that people type to commits, and explains why one resolves to none.
//!
//! The result ends up in a signed entry, so a name that could mean two commits resolves to none
//! here, even if git would pick one.

use gix::bstr::{BStr, ByteSlice as _};
use gix::revision::spec::parse::{Error as ParseError, ObjectKindHint, Options};

use super::error::{Error, Result};
use super::object::Kind;
use super::repo::{Repository, from_gix};
use crate::domain::id::Oid;

/// The most branch and tag names that are listed.
const NAMES: usize = 10_000;

/// Why a revision resolves to no commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCommit {
    /// There is nothing of that name.
    Unknown,
    /// It is a full object id, but the object is not in this repository.
    Elsewhere,
    /// It could mean any of these: full refs, or commit ids.
    Ambiguous(Vec<String>),
    /// It means an object of another kind.
    Other(Kind),
    /// It means several commits, as a range does.
    Several,
}

impl Repository {
    /// Resolves a revision such as `main`, `v1.2`, `HEAD~2` or an abbreviated id to a commit.
    /// Returns `None` if there is no such commit or more than one; [`Repository::no_commit`] tells
    /// which.
    pub fn resolve(&self, revision: &str) -> Result<Option<Oid>> {
        if self.lacks(revision)? || !self.of_several_kinds(revision).is_empty() {
            return Ok(None);
        }
        match self.parse(revision) {
            Ok(spec) => spec
                .single()
                .map_or(Ok(None), |id| self.peel_to_commit(from_gix(&id))),
            Err(_) => Ok(None),
        }
    }

    /// Explains why [`Repository::resolve`] finds no commit.
    pub fn no_commit(&self, revision: &str) -> Result<NoCommit> {
        if self.lacks(revision)? {
            return Ok(NoCommit::Elsewhere);
        }
        let several = self.of_several_kinds(revision);
        if !several.is_empty() {
            return Ok(NoCommit::Ambiguous(several));
        }
        match self.parse(revision) {
            Ok(spec) => match spec.single() {
                Some(id) => Ok(self
                    .kind(from_gix(&id))?
                    .map_or(NoCommit::Elsewhere, NoCommit::Other)),
                None => Ok(NoCommit::Several),
            },
            Err(error) => Ok(match error.downcast_any_ref::<ParseError>() {
                Some(ParseError::AmbiguousPrefix { candidates, .. }) => {
                    NoCommit::Ambiguous(candidates.iter().map(|(id, _)| id.to_string()).collect())
                }
                _ => NoCommit::Unknown,
            }),
        }
    }

    /// Parses a revision with gix.
    fn parse(&self, revision: &str) -> gix::Result<gix::revision::Spec<'_>> {
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
    fn of_several_kinds(&self, revision: &str) -> Vec<String> {
        let name = beginning(revision);
        let rest = &revision[name.len()..];
        if self.whole_id(name).is_some() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for reference in
            ["refs/heads/", "refs/remotes/", "refs/tags/"].map(|folder| format!("{folder}{name}"))
        {
            // A name that git does not allow names no ref.
            if let Ok(Some(it)) = self.gix.try_find_reference(reference.as_str())
                && let Ok(id) = it.into_fully_peeled_id()
            {
                found.push((from_gix(&id), reference));
            }
        }
        if !found.is_empty()
            && let Some(id) = self.abbreviated(name)
        {
            found.insert(0, (id, id.to_string()));
        }
        let same = found
            .windows(2)
            .all(|pair| matches!(pair, [one, other] if one.0 == other.0));
        if same {
            Vec::new()
        } else {
            found.into_iter().map(|(_, name)| name + rest).collect()
        }
    }

    /// Checks whether a revision begins with the full id of an object that this repository lacks.
    fn lacks(&self, revision: &str) -> Result<bool> {
        self.whole_id(beginning(revision))
            .map_or(Ok(false), |id| Ok(self.kind(id)?.is_none()))
    }

    /// Parses a full object id. It always means that object, whatever refs have the same name; git
    /// agrees, but gix does so only if the object exists here.
    fn whole_id(&self, name: &str) -> Option<Oid> {
        let id = gix::ObjectId::from_hex(name.as_bytes()).ok()?;
        (id.kind() == self.gix.object_hash()).then(|| from_gix(&id))
    }

    /// Returns the only object whose id begins with this prefix.
    fn abbreviated(&self, name: &str) -> Option<Oid> {
        let prefix = gix::hash::Prefix::from_hex(name).ok()?;
        let found = self.gix.objects.lookup_prefix(prefix, None).ok()??;
        found.ok().map(|id| from_gix(&id))
    }

    /// Lists the short names of local and remote branches and of tags, to suggest the intended one.
    pub fn names(&self) -> Result<Vec<String>> {
        let failed = || Error::library("listing branches and tags");
        let all = self.gix.references().map_err(failed())?;
        let mut names = Vec::new();
        for folder in ["refs/heads/", "refs/tags/", "refs/remotes/"] {
            let found = all
                .prefixed(folder)
                .map_err(failed())?
                .take(NAMES)
                .filter_map(std::result::Result::ok);
            names.extend(
                found.filter_map(|it| it.name().shorten().to_str().ok().map(str::to_owned)),
            );
        }
        Ok(names)
    }
}

/// Returns the base of a revision: the name or id before operators such as `~` and `^`.
fn beginning(revision: &str) -> &str {
    revision
        .split(['^', '~', '@', ':'])
        .next()
        .unwrap_or_default()
}
