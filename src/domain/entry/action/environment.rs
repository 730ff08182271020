//! The actions of an environment's ledger: what is deployed, how it ended, and who consents or stops the line.
//!
//! The order of the fields is that of the JSON, and so part of what is signed.

use serde::{Deserialize, Serialize};

use super::Image;
use crate::domain::id::{CommitId, Content, Digest, RunId};
use crate::domain::name::{ComponentName, Label, Person};
use crate::domain::text::{Description, Line};
use crate::domain::time::Time;

/// One component at one commit, as it is put into an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The component.
    pub component: ComponentName,
    /// The commit.
    pub commit: CommitId,
    /// The component's content at that commit; absent for a component that is destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Its version, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// Its artifacts, in bytewise order of name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Image>,
}

/// What a start means to do with a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Intent {
    /// Put this commit's content there.
    Change,
    /// Its content is there already: it rides along.
    Unchanged,
    /// Take it away.
    Destroy,
}

/// One component of a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentChange {
    /// What it should be.
    #[serde(flatten)]
    pub target: Target,
    /// The commit that ran before; absent where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<CommitId>,
    /// The digest of its plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Digest>,
    /// What is to be done.
    pub intent: Intent,
}

/// Why a deployment is made, which decides the rules it faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeploymentKind {
    /// New code.
    Deploy,
    /// Back to what ran well here before.
    Rollback,
    /// A repair on top of what runs.
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
    /// Why.
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
    /// What it brings, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The tip of the environment's branch, where the policy asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_tip: Option<CommitId>,
    /// When the ephemeral environment ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// The command of an `exec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Line>,
    /// The reason why the rules are broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Line>,
}

impl Deployment {
    /// A deployment of these components and nothing more said.
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

    /// The components that are to be changed or destroyed.
    pub fn changed(&self) -> impl Iterator<Item = &ComponentChange> {
        self.components
            .iter()
            .filter(|change| change.intent != Intent::Unchanged)
    }
}

/// Admin's word on what already runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// What runs, in bytewise order of component.
    pub components: Vec<Target>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

impl Baseline {
    /// Its components as successes that nothing verified.
    pub fn component_results(&self) -> Vec<ComponentResult> {
        self.components.iter().map(Self::assumed_success).collect()
    }

    /// One of its components as such a success.
    pub fn assumed_success(target: &Target) -> ComponentResult {
        ComponentResult {
            target: target.clone(),
            outcome: Outcome::Succeeded,
            because: None,
            to: None,
            verification: VerificationResult::None,
        }
    }
}

/// A deployment begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The run: fresh and random.
    pub run: RunId,
    /// What is asked for.
    #[serde(flatten)]
    pub deployment: Deployment,
}

/// Another runner takes a run over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The sequence of the start.
    pub start: u64,
    /// The new run: only its winner may go on.
    pub run: RunId,
}

/// How one component of a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The new content runs.
    Succeeded,
    /// It failed and was left as it was.
    Failed,
    /// It was not attempted.
    Skipped,
    /// It failed, and what ran before runs again.
    RolledBack,
    /// It was taken away.
    Destroyed,
    /// It rode along.
    Unchanged,
}

/// What a check of the running component said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VerificationResult {
    /// It works.
    Passed,
    /// It does not.
    Failed,
    /// Nobody asked.
    None,
}

/// How one component of a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentResult {
    /// The component as it was to be: what the start said, repeated.
    #[serde(flatten)]
    pub target: Target,
    /// How it ended.
    pub outcome: Outcome,
    /// The component whose failure caused a skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<ComponentName>,
    /// The commit that a rollback went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<CommitId>,
    /// Its verification.
    pub verification: VerificationResult,
}

/// A run ended. What the message needs is repeated from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finish {
    /// The sequence of the start.
    pub start: u64,
    /// The newest run.
    pub run: RunId,
    /// The start's kind.
    pub kind: DeploymentKind,
    /// How each component ended, in bytewise order of name.
    pub components: Vec<ComponentResult>,
    /// The start's approvers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<Person>,
    /// The start's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The start's reason for breaking the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Line>,
    /// The exit status of an `exec`'s command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u8>,
    /// Where its logs are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<Line>,
}

/// How a component of a `record` ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedResult {
    /// The component.
    pub component: ComponentName,
    /// How it ended.
    pub outcome: Outcome,
    /// The component whose failure caused a skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<ComponentName>,
    /// The commit that a rollback went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<CommitId>,
    /// Its verification.
    pub verification: VerificationResult,
}

impl RecordedResult {
    /// The same as a `finish` would say it of this target.
    pub fn with_target(&self, target: &Target) -> ComponentResult {
        ComponentResult {
            target: target.clone(),
            outcome: self.outcome,
            because: self.because.clone(),
            to: self.to,
            verification: self.verification,
        }
    }
}

/// A deployment done elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it was.
    #[serde(flatten)]
    pub deployment: Deployment,
    /// How each of its components ended, in the same order.
    pub results: Vec<RecordedResult>,
    /// Where its logs are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<Line>,
}

impl Record {
    /// Its components as a `finish` would name them.
    pub fn component_results(&self) -> Vec<ComponentResult> {
        let pairs = self.deployment.components.iter().zip(&self.results);
        pairs
            .map(|(change, result)| result.with_target(&change.target))
            .collect()
    }
}

/// An unfinished run is given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abort {
    /// The sequence of the start.
    pub start: u64,
    /// The newest run.
    pub run: RunId,
    /// What the start was changing, in bytewise order of component; empty where it changed nothing, as an `exec` does.
    pub components: Vec<ComponentAtCommit>,
    /// Why.
    pub reason: Line,
}

/// A component at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentAtCommit {
    /// The component.
    pub component: ComponentName,
    /// The commit.
    pub commit: CommitId,
}

/// A later check of what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// What was checked, in bytewise order of component.
    pub components: Vec<ComponentAtCommit>,
    /// What came out: never `none`.
    pub verification: VerificationResult,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
    /// Where its logs are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<Line>,
}

/// Consent to put components at a commit into the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approve {
    /// The commit.
    pub commit: CommitId,
    /// The components it is given for, in bytewise order; never empty.
    pub components: Vec<ComponentName>,
    /// The plans it is given for, in bytewise order of component.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub plans: std::collections::BTreeMap<ComponentName, Digest>,
    /// When it ends.
    pub expires: Time,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

/// All approvals of a commit by one person are withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoke {
    /// The commit.
    pub commit: CommitId,
    /// Whose approvals.
    pub approver: Person,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

/// The environment, or one component of it, is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The component; absent for the whole environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentName>,
    /// Why.
    pub reason: Line,
}

/// A content that must not come back by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hold {
    /// The component.
    pub component: ComponentName,
    /// Its content.
    pub content: Content,
}

/// A lock is opened or, where a commit is named, its holds are lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlock {
    /// The component; absent for the whole environment or a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentName>,
    /// The commit whose holds are lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Those holds, in order; present with a commit only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

/// An ephemeral environment's new end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expire {
    /// When it ends.
    pub expires: Time,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}
