//! The in-toto subjects of a statement, by which generic in-toto tools can find an entry by commit
//! or digest.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::{ComponentAtCommit, Image, Target};
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::ComponentName;

/// One subject: a name with a commit or digest.
#[derive(Debug, Serialize)]
pub(crate) struct Subject<'a> {
    name: &'a str,
    digest: SubjectId<'a>,
}

/// A commit or a digest. In JSON it is a map with one entry: the algorithm and the hexadecimal
/// value.
#[derive(Debug)]
enum SubjectId<'a> {
    Commit(CommitId),
    Digest(&'a Digest),
}

impl Serialize for SubjectId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Commit(id) => map.serialize_entry("gitCommit", &id.0)?,
            Self::Digest(digest) => map.serialize_entry(digest.algorithm().name(), digest.hex())?,
        }
        map.end()
    }
}

impl<'a> Subject<'a> {
    /// Makes the subject of a commit under a name.
    pub fn named_commit(name: &'a str, commit: CommitId) -> Self {
        Self {
            name,
            digest: SubjectId::Commit(commit),
        }
    }

    /// Makes the subject of a commit without a component.
    pub fn commit(commit: CommitId) -> Self {
        Self::named_commit("commit", commit)
    }

    /// Makes the subject of a component at a commit.
    pub fn component(component: &'a ComponentName, commit: CommitId) -> Self {
        Self::named_commit(component.as_str(), commit)
    }

    /// Makes the subject of a digest under a name.
    pub fn digest(name: &'a str, digest: &'a Digest) -> Self {
        Self {
            name,
            digest: SubjectId::Digest(digest),
        }
    }

    /// Makes the subject of an artifact.
    pub fn image(image: &'a Image) -> Self {
        Self::digest(image.name.as_str(), &image.digest)
    }

    /// Makes the subjects of components at commits.
    pub fn components(components: &'a [ComponentAtCommit]) -> Vec<Self> {
        components
            .iter()
            .map(|it| Self::component(&it.component, it.commit))
            .collect()
    }

    /// Makes the subjects of targets: each component with its commit, then each distinct artifact
    /// of all of them.
    pub fn targets(targets: impl Iterator<Item = &'a Target> + Clone) -> Vec<Self> {
        let components = targets
            .clone()
            .map(|target| Self::component(&target.component, target.commit));
        let mut images: Vec<&Image> = targets.flat_map(|target| &target.artifacts).collect();
        images.sort_unstable();
        images.dedup();
        components
            .chain(images.into_iter().map(Self::image))
            .collect()
    }
}
