//! Caches of objects read from ledgers, policies and commits, shared by all threads of an opened
//! repository.
//!
//! Every value is keyed by the id of the object it was read from, so it cannot become stale. A
//! failed read is not cached.

use std::sync::{Arc, Mutex, PoisonError};

use super::LedgerCommit;
use super::facts::{CodeCommit, ComponentAt, LedgerStep};
use super::verified_tips::VerifiedTips;
use crate::domain::entry::StoredEntry;
use crate::domain::id::{CommitId, Content, Digest, EntryId, Oid};
use crate::domain::policy::Policy;
use crate::git::cache::Cache;
use crate::git::repo::Repository;

/// The caches of one opened repository.
pub(super) struct LedgerCache {
    /// Ledger commits with their entries.
    pub ledger_commits: Cache<EntryId, LedgerCommit>,
    /// Parsed entries, by blob.
    pub entries: Cache<Oid, Arc<StoredEntry>>,
    /// The parts of ledger commits that a walk along a ledger needs.
    pub steps: Cache<EntryId, Arc<LedgerStep>>,
    /// The newest entry of a component's history at a ledger commit.
    pub component_entries: Cache<ComponentAt, Option<Arc<StoredEntry>>>,
    /// Policies, by blob.
    pub policies: Cache<Oid, Arc<Policy>>,
    /// The tree and committer time of code commits.
    pub code_commits: Cache<CommitId, CodeCommit>,
    /// The email addresses of the people involved in a code commit, in ASCII lower case.
    pub people: Cache<Oid, Arc<[Arc<str>]>>,
    /// The content of components, by tree and by the digest of the component's definition, so that
    /// policies with the same definition share a result.
    pub contents: Cache<(Oid, Digest), Option<Content>>,
    /// Policies in force, by the tip of the policy ledger.
    pub policies_in_force: Cache<EntryId, Option<Arc<Policy>>>,
    /// The tips that this process has verified.
    verified_tips: Mutex<Option<VerifiedTips>>,
}

impl LedgerCache {
    /// Returns the tips that this process has verified.
    pub fn verified_tips(&self) -> Option<VerifiedTips> {
        let verified = self.verified_tips.lock();
        verified.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the tips that this process has verified.
    pub fn set_verified_tips(&self, verified: &VerifiedTips) {
        let mut kept = self
            .verified_tips
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = Some(verified.clone());
    }
}

impl Default for LedgerCache {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self {
            ledger_commits: Cache::new(24 * MIB),
            entries: Cache::new(12 * MIB),
            steps: Cache::new(12 * MIB),
            component_entries: Cache::new(12 * MIB),
            policies: Cache::new(8 * MIB),
            policies_in_force: Cache::new(MIB),
            code_commits: Cache::new(4 * MIB),
            people: Cache::new(8 * MIB),
            contents: Cache::new(8 * MIB),
            verified_tips: Mutex::default(),
        }
    }
}

impl Repository {
    /// Returns the caches that belong to this opened repository.
    pub(super) fn ledger_cache(&self) -> &LedgerCache {
        self.attached_value()
    }
}
