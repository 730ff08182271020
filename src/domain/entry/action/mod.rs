//! The actions of the three kinds of ledger, each with its fields in the order in which they are written.

mod environment;
mod evidence;
mod policy;

use serde::{Deserialize, Serialize};

pub use environment::{
    Abort, Approve, Baseline, ComponentAtCommit, ComponentChange, ComponentResult, Deployment,
    DeploymentKind, Expire, Finish, Hold, Intent, Lock, Outcome, Record, RecordedResult, Resume,
    Revoke, Start, Target, Unlock, Verification, VerificationResult,
};
pub use evidence::{
    Artifact, Attestation, AttestationResult, Build, BuildResult, TEST_COUNTS_KEY, TestCounts, Yank,
};
pub use policy::{PolicyApprove, PolicyRevoke, Publish};

use crate::domain::id::Digest;
use crate::domain::text::Line;

/// What happened. Environments' ledgers hold the first twelve, `evidence` the next five, `policy` the last three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Action {
    /// What already runs when a component enters the ledger.
    Baseline(Baseline),
    /// A deployment begins: winning the push of this entry is the lock.
    Start(Start),
    /// Another runner takes an unfinished run over.
    Resume(Resume),
    /// A run ended.
    Finish(Finish),
    /// A deployment that another system carried out: start and finish in one.
    Record(Record),
    /// An unfinished run is given up.
    Abort(Abort),
    /// A later check of what runs.
    Verification(Verification),
    /// Consent to a deployment.
    Approve(Approve),
    /// Consent withdrawn.
    Revoke(Revoke),
    /// The line is stopped.
    Lock(Lock),
    /// The line goes on, or a hold is lifted.
    Unlock(Unlock),
    /// An ephemeral environment's new end.
    Expire(Expire),
    /// A build of a component.
    Build(Build),
    /// What was built.
    Artifact(Artifact),
    /// Somebody vouches for a commit.
    Attestation(Attestation),
    /// A commit or digest is taken out of circulation.
    Yank(Yank),
    /// And is put back.
    Unyank(Yank),
    /// A policy comes into force.
    Publish(Publish),
    /// Consent to a proposed policy.
    PolicyApprove(PolicyApprove),
    /// That consent withdrawn.
    PolicyRevoke(PolicyRevoke),
}

impl Action {
    /// Whether it ends a run, which its start began under the rules of that time.
    pub fn ends_a_run(&self) -> bool {
        matches!(self, Self::Finish(_) | Self::Abort(_))
    }

    /// The word for it in an entry.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Baseline(_) => "baseline",
            Self::Start(_) => "start",
            Self::Resume(_) => "resume",
            Self::Finish(_) => "finish",
            Self::Record(_) => "record",
            Self::Abort(_) => "abort",
            Self::Verification(_) => "verification",
            Self::Approve(_) | Self::PolicyApprove(_) => "approve",
            Self::Revoke(_) | Self::PolicyRevoke(_) => "revoke",
            Self::Lock(_) => "lock",
            Self::Unlock(_) => "unlock",
            Self::Expire(_) => "expire",
            Self::Build(_) => "build",
            Self::Artifact(_) => "artifact",
            Self::Attestation(_) => "attestation",
            Self::Yank(_) => "yank",
            Self::Unyank(_) => "unyank",
            Self::Publish(_) => "publish",
        }
    }
}

/// An artifact by name and digest: `ghcr.io/acme/api@sha256:9f86…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Image {
    /// Its name, without white space.
    pub name: Line,
    /// Its digest.
    pub digest: Digest,
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.digest)
    }
}
