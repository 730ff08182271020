//! The document `git-deploy/show/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::entry::VerificationResult;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::time::Time;
use crate::domain::verdict::Verdict;
use crate::view::contains::MatchKind;
use crate::view::deployment_details::DeploymentDetails;
use crate::view::verdict;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitReport {
    /// The commit.
    pub commit: CommitId,
    /// The first line of its message.
    pub subject: String,
    /// Its author: the person with this address in the policy, or else the name in the commit.
    pub author: String,
    /// The commit date, as stated in the commit.
    pub at: Time,
    /// The builds, attestations and yanks of the commit, oldest first.
    pub evidence: Vec<EvidenceRow>,
    /// The environments in the order of promotion.
    pub environments: Vec<EnvironmentRow>,
}

/// One entry of the evidence ledger.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceRow {
    /// The kind of evidence, in one word.
    #[schemars(extend("enum" = ["built", "tested", "reviewed", "attested", "yanked", "unyanked"]))]
    pub what: &'static str,
    /// Whether it counts in favour of the commit.
    pub positive: bool,
    /// The details.
    pub detail: String,
    /// Who signed it.
    pub by: Person,
    /// When it was signed.
    pub at: Time,
    /// The ledger commit.
    pub entry: EntryId,
}

/// One environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentRow {
    /// Its name.
    pub environment: EnvName,
    /// What happened to the commit there, per component; empty if it was never deployed there.
    pub runs: Vec<RunRow>,
    /// What is needed next, if the environment does not have all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStep>,
}

/// A period in which one component ran the commit, or an attempt to deploy it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRow {
    /// The component.
    pub component: ComponentName,
    /// What happened to it.
    pub state: RunState,
    /// The commit that was deployed and contains this one, unless it was deployed itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<IncludedWith>,
    /// The commit of the running history that reverts it or says so, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverted_by: Option<CommitId>,
    /// When it began; for a failed attempt, when it ended.
    pub from: Time,
    /// When it ended, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// The newest verification result.
    pub verification: VerificationResult,
    /// Who deployed it.
    pub by: Person,
    /// What the deployment belongs to, where it comes from, and the commands for the component.
    #[serde(flatten)]
    pub details: DeploymentDetails,
}

/// A deployed commit that contains another one.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IncludedWith {
    /// The deployed commit.
    pub commit: CommitId,
    /// How it contains the other one.
    #[serde(rename = "match")]
    pub kind: MatchKind,
}

/// What happened to a commit in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RunState {
    /// It runs now.
    Runs,
    /// It ran.
    Ran,
    /// It is in the history of the running commit, and a later commit there reverts it.
    Reverted,
    /// It is in the history of the running commit, and the message of a later commit there says that it
    /// reverts it, but that commit does not make exactly the inverse change.
    PossiblyReverted,
    /// It is being deployed.
    Deploying,
    /// It failed, and the running version is unknown.
    Failed,
    /// It failed, and the previous content was restored.
    RolledBack,
    /// The deployment was aborted.
    Aborted,
}

/// What is needed before a commit can run in an environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum NextStep {
    /// The rules were evaluated.
    #[serde(rename = "asked")]
    #[serde(rename_all = "camelCase")]
    Evaluated {
        /// The deployer for whom they were evaluated.
        by: Person,
        /// The user, if the user may not deploy there.
        #[serde(skip_serializing_if = "Option::is_none")]
        not_for: Option<Person>,
        /// The commit that would be deployed, if it is a later one that contains this commit.
        #[serde(skip_serializing_if = "Option::is_none")]
        with: Option<CommitId>,
        /// The command that deploys it, for text.
        #[serde(skip)]
        #[schemars(skip)]
        command: String,
        /// The verdict; in the document in the form of `git-deploy/check/v1`.
        #[serde(flatten, serialize_with = "verdict::serialize")]
        #[schemars(with = "verdict::VerdictDocument<'_>")]
        verdict: Verdict,
    },
    /// Another environment comes first.
    After {
        /// The environment that comes first.
        environment: EnvName,
    },
    /// The rules could not be evaluated.
    CannotTell {
        /// Why.
        why: String,
    },
}
