//! Policies that a server's owner let in after all admin keys were lost.
//!
//! Only the owner can say so, and an entry cannot: `deploy.recovered` in git's configuration names the keys for which it was done. The
//! server writes it when it lets one in; in a clone, whoever has asked the owner adds it.

use super::Link;
use crate::domain::entry::Action;
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::LedgerName;
use crate::domain::policy::{MAX_BYTES, Policy};
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;

/// The keys that have recovered a policy, by the word of this repository's owner.
pub const RECOVERED: &str = "deploy.recovered";

impl Repository {
    /// The key that published a policy marked as recovered, where this repository's owner vouches for it.
    pub fn recovery_of(&self, ledger: &LedgerName, id: EntryId) -> Result<Option<PublicKey>> {
        let vouched = self.config_strings(RECOVERED)?;
        if vouched.is_empty() {
            return Ok(None);
        }
        let Some(found) = self.recovered_with(ledger, id)? else {
            return Ok(None);
        };
        let mut keys = Vec::new();
        for text in vouched {
            let key: PublicKey = text
                .parse()
                .map_err(|_| Error::corrupt(RECOVERED.to_owned(), "it is not a public key"))?;
            keys.push(key);
        }
        Ok(Some(found).filter(|key| keys.contains(key)))
    }

    /// The key that published a policy marked as recovered, by that policy's own word.
    pub fn recovered_with(&self, ledger: &LedgerName, id: EntryId) -> Result<Option<PublicKey>> {
        if !ledger.is_policy() {
            return Ok(None);
        }
        let Ok(Link::Entry { commit, entry, .. }) = self.read_link(ledger, id) else {
            return Ok(None);
        };
        if !matches!(&entry.statement().action, Action::Publish(publish) if publish.recovered) {
            return Ok(None);
        }
        let Some(text) = self.file_at(commit.tree, "deploy.toml", MAX_BYTES)? else {
            return Ok(None);
        };
        let Ok(policy) = Policy::from_bytes(&text) else {
            return Ok(None);
        };
        Ok(policy
            .people
            .get(&entry.statement().by)
            .map(|person| person.key))
    }
}
