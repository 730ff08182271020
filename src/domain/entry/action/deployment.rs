//! The deployment that a `start` or a `record` asks for.
//!
//! The order of the fields is that of the signed JSON, so it must not change.

use serde::{Deserialize, Serialize};

use crate::domain::entry::invalid::{InvalidError, ascending, require};
use crate::domain::id::{CommitId, Digest, Oid};
use crate::domain::name::{EnvName, Label, Person};
use crate::domain::text::{Description, Line};
use crate::domain::time::Time;

use InvalidError::{Contradiction, Order};

use super::{Outcome, Target};

/// What a deployment does with a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Intent {
    /// Deploy this commit's content.
    Change,
    /// Leave it as it is: it already has this content.
    Unchanged,
    /// Remove it.
    Destroy,
}

impl Intent {
    /// Checks whether a component with this intent can end with an outcome.
    pub(crate) fn allows(self, outcome: Outcome) -> bool {
        use Outcome::{Destroyed, Failed, RolledBack, Skipped, Succeeded, Unchanged};
        match self {
            Self::Change => matches!(outcome, Succeeded | Failed | RolledBack | Skipped),
            Self::Unchanged => matches!(outcome, Unchanged | Skipped),
            Self::Destroy => matches!(outcome, Destroyed | Failed | Skipped),
        }
    }
}

/// One component of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentChange {
    /// The component in its new state.
    #[serde(flatten)]
    pub target: Target,
    /// The commit that ran before; absent if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<CommitId>,
    /// The digest of its plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
    /// What the deployment does with it.
    pub intent: Intent,
}

/// The kind of a deployment, which decides the rules that it faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeploymentKind {
    /// New code.
    Deploy,
    /// Back to a version that was healthy here before.
    Rollback,
    /// A repair on top of the running commit.
    Hotfix,
    /// A whole ephemeral environment is taken down.
    Destroy,
    /// A one-off command in the environment.
    Exec,
}

/// What a `start` or a `record` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Its kind.
    pub kind: DeploymentKind,
    /// Its components, in bytewise order of name.
    pub components: Vec<ComponentChange>,
    /// Everyone whose approval counts for it, in bytewise order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<Person>,
    /// The change request it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Line>,
    /// The release it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Label>,
    /// A description of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The tip of the environment's branch, if the policy asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_tip: Option<CommitId>,
    /// When the ephemeral environment ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// The command of an `exec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Line>,
    /// The reason for overriding the rules with break-glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Line>,
}

impl Deployment {
    /// Makes a deployment of these components with all optional fields empty.
    pub fn new(kind: DeploymentKind, components: Vec<ComponentChange>) -> Self {
        Self {
            kind,
            components,
            approved_by: Vec::new(),
            change: None,
            release: None,
            description: None,
            branch_tip: None,
            expires: None,
            command: None,
            break_glass: None,
        }
    }

    /// Returns the components that are to be changed or destroyed.
    pub fn changed(&self) -> impl Iterator<Item = &ComponentChange> {
        self.components
            .iter()
            .filter(|change| change.intent != Intent::Unchanged)
    }

    /// Returns the targets of all components.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> + Clone {
        self.components.iter().map(|change| &change.target)
    }

    /// Returns the targets that are to be changed or destroyed; all of them if none is.
    pub(crate) fn changed_or_all_targets(&self) -> Vec<&Target> {
        let changed: Vec<&Target> = self.changed().map(|change| &change.target).collect();
        if changed.is_empty() {
            self.targets().collect()
        } else {
            changed
        }
    }

    /// Lists the ids in it, other than the commits of its targets.
    pub(super) fn other_ids(&self) -> Vec<Oid> {
        let commits = self.components.iter().filter_map(|change| change.from);
        let contents = self.targets().filter_map(|target| target.content);
        commits
            .chain(self.branch_tip)
            .map(|commit| commit.0)
            .chain(contents.map(|content| content.0))
            .collect()
    }

    /// Checks the fields against each other. `environment` is the statement's: a deployment can
    /// expire only in a pattern's ledger, whose entries name their environment.
    pub(super) fn validate(&self, environment: Option<&EnvName>) -> Result<(), InvalidError> {
        let is_exec = self.kind == DeploymentKind::Exec;
        let is_destroy = self.kind == DeploymentKind::Destroy;
        require(
            is_exec || is_destroy || !self.components.is_empty(),
            Order("the components"),
        )?;
        Target::validate_all(self.targets())?;
        require(ascending(&self.approved_by), Order("the approvers"))?;
        require(
            is_exec == self.command.is_some(),
            Contradiction("an exec, and nothing else, has a command"),
        )?;
        require(
            self.expires.is_none() || environment.is_some() && !is_destroy,
            Contradiction(
                "only a deployment that creates or renews an ephemeral environment expires",
            ),
        )?;
        self.components
            .iter()
            .try_for_each(|change| change.validate(self.kind))
    }
}

impl ComponentChange {
    /// Checks the fields against each other, in a deployment of this kind.
    fn validate(&self, kind: DeploymentKind) -> Result<(), InvalidError> {
        let is_exec = kind == DeploymentKind::Exec;
        let is_destroy = kind == DeploymentKind::Destroy;
        let is_removed = self.intent == Intent::Destroy;
        require(
            is_removed == self.target.content.is_none(),
            Contradiction("a component has a content unless it is to be destroyed"),
        )?;
        require(
            // A destroy also removes the remains of a failed attempt, which have no `from`.
            self.intent == Intent::Change || is_destroy || self.from.is_some(),
            Contradiction("only a running component can stay unchanged or be destroyed"),
        )?;
        require(
            self.intent == Intent::Change || self.plan.is_none(),
            Contradiction("only a change has a plan"),
        )?;
        require(
            !is_exec || self.intent == Intent::Unchanged && self.from == Some(self.target.commit),
            Contradiction("an exec changes no component"),
        )?;
        require(
            !is_destroy || is_removed,
            Contradiction("a destroy leaves no component"),
        )
    }
}
