//! The parts that several actions share: artifacts, components at commits, and deployed components.
//!
//! The order of the fields is that of the signed JSON, so it must not change.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use InvalidError::{Contradiction, Order};

use crate::domain::entry::invalid::{InvalidError, has_no_white_space, is_ascending, require};
use crate::domain::id::{CommitId, Content, Digest, Oid, TagObject};
use crate::domain::name::ComponentName;
use crate::domain::text::Line;

/// An artifact by name and digest: `ghcr.io/acme/api@sha256:9f86…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Image {
    /// Its name, without white space.
    pub name: Line,
    /// Its digest.
    pub digest: Digest,
}

impl Image {
    /// Checks that the name contains no white space.
    pub(super) fn validate(&self) -> Result<(), InvalidError> {
        require(
            has_no_white_space(&self.name),
            Contradiction("the name of an artifact must not contain white space"),
        )
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.digest)
    }
}

/// A component at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentAtCommit {
    /// The component.
    pub component: ComponentName,
    /// The commit.
    pub commit: CommitId,
}

/// The tag that gave a version. It can be deleted or moved later, so the entry names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VersionTag {
    /// Its short name: `v1.4.2`.
    pub name: Line,
    /// The object that its ref names: a tag object, or the commit.
    pub object: TagObject,
}

/// A component at a commit, with the content, version and artifacts to deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The component.
    pub component: ComponentName,
    /// The commit.
    pub commit: CommitId,
    /// The component's content at that commit; absent for a component that is destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Its version, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// The tag that the version was read from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<VersionTag>,
    /// Its artifacts, in bytewise order of name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Image>,
}

impl Target {
    /// Returns a component at a commit, without a version and artifacts. `content` is `None` for a
    /// removal.
    pub fn new(component: ComponentName, commit: CommitId, content: Option<Content>) -> Self {
        Self {
            component,
            commit,
            content,
            version: None,
            tag: None,
            artifacts: Vec::new(),
        }
    }

    /// Returns the digests of its artifacts. Rules compare these and not the names.
    pub fn digests(&self) -> BTreeSet<Digest> {
        let images = self.artifacts.iter();
        images.map(|image| image.digest.clone()).collect()
    }

    /// Lists the ids of its content and of the tag that gave its version.
    pub(super) fn other_ids(&self) -> impl Iterator<Item = Oid> {
        let content = self.content.map(|content| content.0);
        let tag = self.tag.as_ref().map(|tag| tag.object.0);
        content.into_iter().chain(tag)
    }

    /// Checks that targets are in ascending order, and that each is valid.
    pub(super) fn validate_all<'a>(
        mut targets: impl Iterator<Item = &'a Self> + Clone,
    ) -> Result<(), InvalidError> {
        require(
            is_ascending(targets.clone().map(|target| &target.component)),
            Order("the components"),
        )?;
        targets.try_for_each(|target| {
            require(
                is_ascending(target.artifacts.iter().map(|image| &image.name)),
                Order("the artifacts of a component"),
            )?;
            target.artifacts.iter().try_for_each(Image::validate)?;
            require(
                target.version.as_ref().is_none_or(has_no_white_space),
                Contradiction("a version must not contain white space"),
            )?;
            require(
                target
                    .tag
                    .as_ref()
                    .is_none_or(|tag| target.version.is_some() && has_no_white_space(&tag.name)),
                Contradiction("a tag gives a version, and its name contains no white space"),
            )
        })
    }
}
