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

    /// Why [`Repository::resolve`] finds no commit.
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

    fn parse(&self, revision: &str) -> gix::Result<gix::revision::Spec<'_>> {
        // As for git where it needs a commit: of several objects whose ids begin so, the one that is a commit is meant.
        let options = Options {
            object_kind_hint: Some(ObjectKindHint::Committish),
            ..Options::default()
        };
        gix::revision::Spec::from_bstr(BStr::new(revision), &self.gix, options)
    }

    /// All that the beginning of a revision could name, if it lies at different commits: what an id begins with, a branch here or at a remote, and
    /// a tag. Git would take the tag, which anybody may have pushed. Each is told so that it can be typed instead, what is surest first.
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
            // What is no name of a ref is none of one.
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

    /// Whether a revision begins with the whole id of an object that is not here.
    fn lacks(&self, revision: &str) -> Result<bool> {
        self.whole_id(beginning(revision))
            .map_or(Ok(false), |id| Ok(self.kind(id)?.is_none()))
    }

    /// A whole id means that object and nothing else, whatever is called so: git means that too, and our library only where the object is here.
    fn whole_id(&self, name: &str) -> Option<Oid> {
        let id = gix::ObjectId::from_hex(name.as_bytes()).ok()?;
        (id.kind() == self.gix.object_hash()).then(|| from_gix(&id))
    }

    /// The one object whose id begins so.
    fn abbreviated(&self, name: &str) -> Option<Oid> {
        let prefix = gix::hash::Prefix::from_hex(name).ok()?;
        let found = self.gix.objects.lookup_prefix(prefix, None).ok()??;
        found.ok().map(|id| from_gix(&id))
    }

    /// The short names of branches, here and at remotes, and of tags: for finding the one that was meant.
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

/// What a revision begins with: a name or an id, before the steps that lead on from it.
fn beginning(revision: &str) -> &str {
    revision
        .split(['^', '~', '@', ':'])
        .next()
        .unwrap_or_default()
}
