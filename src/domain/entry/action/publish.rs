//! `publish`: a policy comes into force.

use serde::{Deserialize, Serialize};

use super::{ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, HistoryRole, PolicyBody};
use crate::domain::entry::invalid::{InvalidError, is_ascending, require, require_sha256};
use crate::domain::entry::log_text::{LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Digest, EntryId, Oid};
use crate::domain::name::{EnvName, Person};
use crate::domain::text::Description;

use InvalidError::Order;

/// A policy comes into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publish {
    /// The SHA-256 of `deploy.toml`.
    pub digest: Digest,
    /// The SHA-256 of `keys`, the key list that follows from the policy.
    pub keys: Digest,
    /// Everyone whose approval counts for it, in bytewise order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<Person>,
    /// What changes and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Entries that stay valid although they were made under the previous policy, because their
    /// signers had not seen this one yet; in bytewise order. They occur only on a forge without
    /// hooks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admits: Vec<EntryId>,
    /// Whether the server's owner accepted it after all admin keys were lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
}

impl ActionType for Publish {
    const INFO: ActionInfo = ActionInfo {
        name: "publish",
        commits: CommitRole::None,
        history: HistoryRole::None,
    };
}

impl ActionBody for Publish {
    fn subjects(&self) -> Vec<Subject<'_>> {
        vec![Subject::digest("deploy.toml", &self.digest)]
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        vec![Trailer::Policy(&self.digest)]
    }

    fn other_ids(&self) -> Vec<Oid> {
        self.admits.iter().map(|id| id.0).collect()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        Vec::new()
    }

    fn headline(&self, _: &str) -> String {
        format!("publish policy {}", self.digest.short())
    }

    fn free_text(&self) -> Option<&str> {
        self.description.as_ref().map(Description::as_str)
    }

    fn note(&self, _: CommitId) -> Note {
        Note::placeholder()
    }

    fn log(&self) -> LogText {
        let recovered = if self.recovered { ", recovered" } else { "" };
        let object = format!("policy {}{recovered}", self.digest.short());
        LogText::new("published", Tone::Neutral, object)
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        require_sha256([&self.digest, &self.keys])?;
        require(is_ascending(&self.approved_by), Order("the approvers"))?;
        require(is_ascending(&self.admits), Order("the admitted entries"))
    }
}

impl PolicyBody for Publish {
    fn approved_by(&self) -> &[Person] {
        &self.approved_by
    }

    fn approved_by_mut(&mut self) -> Option<&mut Vec<Person>> {
        Some(&mut self.approved_by)
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Publish {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let texts = (btree_set(person(), 0..2), option::of(description()));
        let digests = (sha256(), sha256());
        (digests, texts, btree_set(oid(), 0..2), any::<bool>())
            .prop_map(
                |((digest, keys), (approved_by, description), admits, recovered)| Self {
                    digest,
                    keys,
                    approved_by: approved_by.into_iter().collect(),
                    description,
                    admits: admits.into_iter().map(EntryId).collect(),
                    recovered,
                },
            )
            .boxed()
    }
}
