//! The request for a deployment, and why its components cannot be determined.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::entry::DeploymentKind;
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Digest};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::Environment;
use crate::domain::text::Line;

/// The components that a deployment selects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selection {
    /// Components whose content differs from the running content.
    #[default]
    Changed,
    /// Components whose content differs, and components with a plan command that depend on one of
    /// those. Components that are blocked (locked, on hold, or part of another run), and those
    /// that depend on a blocked one, are left for a later deployment. If all components are
    /// blocked, they are selected nevertheless, so that the rules can report why.
    UnblockedWithDependents,
    /// The same components as [`Self::UnblockedWithDependents`], blocked or not.
    ChangedWithDependents,
    /// All components. Each counts as changed, whether it differs or not.
    All,
    /// These components. Each counts as changed, whether it differs or not. The others are left out.
    Named(BTreeSet<ComponentName>),
}

impl Selection {
    /// Returns the components that were named.
    pub fn named(&self) -> Vec<ComponentName> {
        match self {
            Self::Named(names) => names.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// A requested deployment.
#[derive(Debug, Clone)]
pub struct DeploymentSpec<'a> {
    /// The environment.
    pub env: &'a EnvRef,
    /// The environment's part of the policy.
    pub rules: &'a Environment,
    /// The commit of each component: one for all, or one per component.
    pub commits: Commits,
    /// The components to deploy.
    pub selection: Selection,
    /// The kind of deployment.
    pub kind: DeploymentKind,
    /// Whether components that the commit no longer has are destroyed.
    pub destroy: bool,
    /// Whether components that git-deploy cannot deploy, because the policy has no command for them,
    /// are left out if it can deploy others. Only for commands that carry the deployment out, and
    /// only if the user did not name the components.
    pub leaves_out_manual: bool,
    /// Versions given by hand, by component. They take precedence over the policy's.
    pub versions: BTreeMap<ComponentName, Line>,
    /// An artifact of the release that a rollback restores. It selects the release if the same
    /// content ran with different artifacts.
    pub artifact: Option<Digest>,
}

/// The commits to deploy.
#[derive(Debug, Clone)]
pub enum Commits {
    /// One for all components.
    One(CommitId),
    /// One per component. Components that are not listed are left out.
    Each(BTreeMap<ComponentName, CommitId>),
}

impl Commits {
    /// Returns the commit to deploy for a component, or `None` if the component is left out.
    pub(super) fn get(&self, component: &ComponentName) -> Option<CommitId> {
        match self {
            Self::One(commit) => Some(*commit),
            Self::Each(commits) => commits.get(component).copied(),
        }
    }
}

/// Why the components of a deployment could not be determined.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// The policy has no such component.
    #[error("the policy has no component {0}")]
    UnknownComponent(ComponentName),
    /// The policy no longer has a component that was named and still runs.
    #[error("the policy no longer has the component {component}, but {environment} still runs it")]
    Undeclared {
        /// The component.
        component: ComponentName,
        /// The environment.
        environment: EnvName,
    },
    /// A component that was named is not in the commit.
    #[error("{component} has no file in {}", commit.short())]
    NotInCommit {
        /// The component.
        component: ComponentName,
        /// The commit.
        commit: CommitId,
    },
    /// Components that are to be destroyed are still in the commit.
    #[error("{} still has {}: --destroy removes only what a commit no longer has", commit.short(), join_names(components))]
    NothingToDestroy {
        /// The components.
        components: Vec<ComponentName>,
        /// The commit.
        commit: CommitId,
    },
    /// There is no component to deploy.
    #[error("no component is in {0}: nothing can be deployed")]
    NoComponents(String),
    /// A required fact is missing.
    #[error("{0}")]
    MissingFact(String),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] crate::git::Error),
}

/// Joins names with commas.
fn join_names(names: &[ComponentName]) -> String {
    let names: Vec<&str> = names.iter().map(ComponentName::as_str).collect();
    names.join(", ")
}
