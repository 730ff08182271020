//! The trailers that an action writes into a ledger commit's message.

use std::fmt::{self, Write as _};

use super::{ComponentAtCommit, ComponentResult, Image, Outcome, Target};
use crate::domain::id::{CommitId, Content, Digest};
use crate::domain::name::ComponentName;
use crate::domain::text::Line;

/// The prefix of each key.
pub(super) const PREFIX: &str = "Deploy-";

/// One trailer of an action: its key, and its value as it is printed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trailer<'a> {
    /// `Component: api`
    Component(&'a ComponentName),
    /// `Commit: 2affccc97fa05736482d4523166f70cb561afa11`
    Commit(CommitId),
    /// `Version: 1.4.2`
    Version(&'a Line),
    /// `Artifact: ghcr.io/acme/api@sha256:9f86…`
    Artifact(&'a Image),
    /// `Outcome: succeeded`
    Outcome(Outcome),
    /// `Content: 9b1e…`
    Content(Content),
    /// `Predicate-Type: https://slsa.dev/provenance/v1`
    PredicateType(&'a Line),
    /// `Digest: sha256:9f86…`
    Digest(&'a Digest),
    /// `Policy: sha256:9f86…`
    Policy(&'a Digest),
}

impl<'a> Trailer<'a> {
    /// Returns its key.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Component(_) => "Component",
            Self::Commit(_) => "Commit",
            Self::Version(_) => "Version",
            Self::Artifact(_) => "Artifact",
            Self::Outcome(_) => "Outcome",
            Self::Content(_) => "Content",
            Self::PredicateType(_) => "Predicate-Type",
            Self::Digest(_) => "Digest",
            Self::Policy(_) => "Policy",
        }
    }

    /// Returns its value.
    pub fn value(&self) -> &dyn fmt::Display {
        match self {
            Self::Component(it) => it,
            Self::Commit(it) => it,
            Self::Version(it) | Self::PredicateType(it) => it,
            Self::Artifact(it) => it,
            Self::Outcome(it) => it,
            Self::Content(it) => it,
            Self::Digest(it) | Self::Policy(it) => it,
        }
    }

    /// Returns the component that it names.
    pub fn component(&self) -> Option<&'a ComponentName> {
        match self {
            Self::Component(component) => Some(component),
            _ => None,
        }
    }

    /// Returns the commit that it names.
    pub fn commit(&self) -> Option<CommitId> {
        match self {
            Self::Commit(commit) => Some(*commit),
            _ => None,
        }
    }

    /// Lists the trailers of components at commits.
    pub fn components(components: &'a [ComponentAtCommit]) -> Vec<Self> {
        components
            .iter()
            .flat_map(|it| [Self::Component(&it.component), Self::Commit(it.commit)])
            .collect()
    }

    /// Lists the trailers of targets.
    pub fn targets(targets: impl Iterator<Item = &'a Target>) -> Vec<Self> {
        targets.flat_map(Self::target).collect()
    }

    /// Lists the trailers of one target with its outcome.
    pub fn result(target: &'a Target, outcome: Outcome) -> impl Iterator<Item = Self> {
        Self::target(target).chain([Self::Outcome(outcome)])
    }

    /// Lists the trailers of results.
    pub fn results(results: &'a [ComponentResult]) -> Vec<Self> {
        results
            .iter()
            .flat_map(|it| Self::result(&it.target, it.outcome))
            .collect()
    }

    fn target(target: &'a Target) -> impl Iterator<Item = Self> {
        [
            Self::Component(&target.component),
            Self::Commit(target.commit),
        ]
        .into_iter()
        .chain(target.version.iter().map(Self::Version))
        .chain(target.artifacts.iter().map(Self::Artifact))
    }
}

/// Writes one trailer without the end of its line.
pub(super) fn write_line(out: &mut String, key: &str, value: &dyn fmt::Display) -> fmt::Result {
    write!(out, "{PREFIX}{key}: {value}")
}
