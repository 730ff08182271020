//! Reads the policy that was in force at a tip of the policy's ledger.

use std::sync::Arc;

use super::POLICY_LIMIT;
use super::entry_files::POLICY_FILE;
use crate::domain::id::EntryId;
use crate::domain::policy::Policy;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::git::tree::{Leaf, TreeItem};

impl Repository {
    /// Returns the policy in force at a tip of the policy's ledger; `None` if nothing is published
    /// yet.
    ///
    /// # Errors
    /// Fails if this version cannot read the policy.
    pub(crate) fn policy_at(&self, tip: EntryId) -> Result<Option<Arc<Policy>>> {
        let caches = self.ledger_cache();
        if let Some(cached) = caches.policies_in_force.get(&tip) {
            return Ok(cached);
        }
        let policy = self.read_policy_at(tip)?;
        // The policy itself counts in the cache of policies.
        caches.policies_in_force.insert(tip, policy.clone(), 100);
        Ok(policy)
    }

    fn read_policy_at(&self, tip: EntryId) -> Result<Option<Arc<Policy>>> {
        let cache = &self.ledger_cache().policies;
        let subject = || format!("the policy in force at {tip}");
        let blob = match self.item_at(self.read_commit(tip.0)?.tree, POLICY_FILE)? {
            None => return Ok(None),
            Some(TreeItem::Leaf(Leaf::Blob(blob))) => blob,
            Some(_) => return Err(Error::corrupt(subject(), "it is not a file")),
        };
        if let Some(cached) = cache.get(&blob) {
            return Ok(Some(cached));
        }
        let bytes = self.read_limited_file(blob, POLICY_LIMIT)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Error::corrupt(subject(), "it is not UTF-8"))?;
        let policy =
            Policy::parse(text).map_err(|errors| Error::corrupt(subject(), errors.to_string()))?;
        let policy = Arc::new(policy);
        // An estimate: a parsed policy is much larger than its text.
        cache.insert(blob, Arc::clone(&policy), bytes.len() * 10);
        Ok(Some(policy))
    }
}
