//! The actions of the ledger `policy`: a policy comes into force, with the consent that it needs.
//!
//! The order of the fields is that of the JSON, and so part of what is signed.

use serde::{Deserialize, Serialize};

use crate::domain::id::{Digest, EntryId};
use crate::domain::name::Person;
use crate::domain::text::{Description, Line};

/// A policy comes into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publish {
    /// The SHA-256 of `deploy.toml`.
    pub digest: Digest,
    /// Everyone whose approval counts for it, in bytewise order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<Person>,
    /// What changes and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Honest entries that were made meanwhile under the policy before, on a forge without hooks; in bytewise order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admits: Vec<EntryId>,
    /// Whether the server's owner let it in after all admin keys were lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
}

/// Consent to a proposed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyApprove {
    /// The SHA-256 of the proposed `deploy.toml`.
    pub digest: Digest,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}

/// One person's consent to a proposed policy is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRevoke {
    /// The SHA-256 of the proposed `deploy.toml`.
    pub digest: Digest,
    /// Whose approval.
    pub approver: Person,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
}
