//! The deployment that a `start` or a `record` requests.
//!
//! The order of the fields is that of the signed JSON, so it must not change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::entry::invalid::{InvalidError, is_ascending, require};
use crate::domain::id::{CommitId, Content, Digest, Oid};
use crate::domain::name::{ComponentName, EnvName, Label, Person};
use crate::domain::text::{Description, Line};
use crate::domain::time::Time;

use InvalidError::{Contradiction, Order};

use super::{ApprovalPurpose, Origin, Outcome, Target};

/// The labels of a deployment: a value by name.
pub type Labels = BTreeMap<Label, Line>;

/// The most labels of a deployment.
pub const MAX_LABELS: usize = 16;

/// One component of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentChange {
    /// The component in its new state. Without a content, it is removed.
    #[serde(flatten)]
    pub target: Target,
    /// The commit that ran before; absent if none did, and for an `exec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<CommitId>,
    /// The digest of its plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
    /// The name under which a removed component continues: that of another component of the same
    /// deployment, which the policy declares with `renamed_from`.
    #[serde(rename = "renamedTo", default, skip_serializing_if = "Option::is_none")]
    pub renamed_to: Option<ComponentName>,
}

/// The kind of a deployment, which decides the rules that it faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeploymentKind {
    /// New code.
    Deploy,
    /// A return to a version that was healthy in this environment before.
    Rollback,
    /// A repair on top of the running commit.
    Hotfix,
    /// The removal of a whole ephemeral environment.
    Destroy,
    /// A one-off command in the environment.
    Exec,
}

/// The deployment that a `start` or a `record` requests.
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
    /// Labels that a team chooses, such as the ticket or the region.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin,
    /// A description of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The tip of the environment's branch, if the policy requires it.
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
    /// Whether it was made outside git-deploy, although the policy has the commands for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
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
            labels: Labels::new(),
            origin: Origin::default(),
            description: None,
            branch_tip: None,
            expires: None,
            command: None,
            break_glass: None,
            external: false,
        }
    }

    /// Returns the components to deploy or to remove: all, or none for an `exec`.
    pub fn changed(&self) -> impl Iterator<Item = &ComponentChange> {
        let is_exec = self.kind == DeploymentKind::Exec;
        self.components.iter().filter(move |_| !is_exec)
    }

    /// Returns the components to deploy: those of [`Self::changed`] that are not removed.
    pub fn deployed(&self) -> impl Iterator<Item = &ComponentChange> {
        self.changed().filter(|change| !change.is_removal())
    }

    /// Returns the targets of all components.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> + Clone {
        self.components.iter().map(|change| &change.target)
    }

    /// Returns the deployment that runs a command in a running component, which it does not change.
    /// The entry that deployed the component records its version and artifacts.
    pub fn new_exec(
        component: ComponentName,
        commit: CommitId,
        content: Option<Content>,
        command: Line,
    ) -> Self {
        let target = Target::new(component, commit, content);
        let change = ComponentChange::new(target, None);
        Self {
            command: Some(command),
            ..Self::new(DeploymentKind::Exec, vec![change])
        }
    }

    /// Returns the purpose that an approval of one of its changes must have.
    pub fn purpose_of(&self, change: &ComponentChange) -> ApprovalPurpose {
        match &self.command {
            Some(command) => ApprovalPurpose::of_command(command),
            None if change.is_removal() && change.renamed_to.is_none() => ApprovalPurpose::Destroy,
            None => ApprovalPurpose::Deploy,
        }
    }

    /// Lists the ids in it, other than the commits of its targets.
    pub(super) fn other_ids(&self) -> Vec<Oid> {
        let commits = self.components.iter().filter_map(|change| change.from);
        commits
            .chain(self.branch_tip)
            .map(|commit| commit.0)
            .chain(self.targets().flat_map(Target::other_ids))
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
        require(is_ascending(&self.approved_by), Order("the approvers"))?;
        require_few_labels(&self.labels)?;
        self.origin.validate()?;
        require(
            is_exec == self.command.is_some(),
            Contradiction("an exec, and nothing else, has a command"),
        )?;
        require(
            !(is_exec && self.external),
            Contradiction("a one-off command is run by git-deploy"),
        )?;
        require(
            self.expires.is_none() || environment.is_some() && !is_destroy,
            Contradiction(
                "only a deployment that creates or renews an ephemeral environment expires",
            ),
        )?;
        let is_deployed = |name: &ComponentName| {
            let mut deployed = self.deployed();
            deployed.any(|change| change.target.component == *name)
        };
        for change in &self.components {
            change.validate(self.kind)?;
            require(
                change.renamed_to.as_ref().is_none_or(is_deployed),
                Contradiction("a component is renamed to one that the entry does not deploy"),
            )?;
        }
        Ok(())
    }
}

/// Checks the number of labels.
pub(super) fn require_few_labels(labels: &Labels) -> Result<(), InvalidError> {
    require(
        labels.len() <= MAX_LABELS,
        Contradiction("a deployment has at most 16 labels"),
    )
}

impl ComponentChange {
    /// Returns the change of a component that ran at `from`, without a plan.
    pub fn new(target: Target, from: Option<CommitId>) -> Self {
        Self {
            target,
            from,
            plan: None,
            renamed_to: None,
        }
    }

    /// Checks whether the component is removed.
    pub fn is_removal(&self) -> bool {
        self.target.content.is_none()
    }

    /// Checks whether the component can end with an outcome in a deployment of this kind.
    pub(crate) fn allows(&self, kind: DeploymentKind, outcome: Outcome) -> bool {
        use Outcome::{Destroyed, Executed, Failed, RolledBack, Skipped, Succeeded};
        match kind {
            DeploymentKind::Exec => matches!(outcome, Executed | Skipped),
            _ if self.is_removal() => matches!(outcome, Destroyed | Failed | Skipped),
            _ => matches!(outcome, Succeeded | Failed | RolledBack | Skipped),
        }
    }

    /// Checks the fields against each other, in a deployment of this kind.
    fn validate(&self, kind: DeploymentKind) -> Result<(), InvalidError> {
        if kind == DeploymentKind::Exec {
            return require(
                !self.is_removal()
                    && self.from.is_none()
                    && self.plan.is_none()
                    && self.renamed_to.is_none(),
                Contradiction("an exec changes no component"),
            );
        }
        let is_destroy = kind == DeploymentKind::Destroy;
        require(
            // A destroy also removes the remains of a failed attempt, which have no `from`.
            !self.is_removal() || is_destroy || self.from.is_some(),
            Contradiction("only a running component can be removed"),
        )?;
        require(
            !self.is_removal() || self.plan.is_none(),
            Contradiction("a removal has no plan"),
        )?;
        require(
            self.renamed_to.is_none() || self.is_removal() && !is_destroy,
            Contradiction("only a removed component is renamed"),
        )?;
        require(
            !is_destroy || self.is_removal(),
            Contradiction("a destroy leaves no component"),
        )
    }
}
