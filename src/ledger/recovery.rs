//! Policies that a server's owner accepted after all admin keys were lost.
//!
//! Only the owner can allow that, so no entry states it: `deploy.recovered` in git's configuration
//! lists the keys used. The server adds a key when it accepts such a policy. In a clone, users add
//! the key after asking the owner.

use super::LedgerCommit;
use super::entry_files::POLICY_FILE;
use crate::domain::entry::Action;
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::LedgerName;
use crate::domain::policy::{MAX_BYTES, Policy};
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;

/// The git setting that lists the keys that have recovered a policy, as confirmed by this
/// repository's owner.
pub const RECOVERED_SETTING: &str = "deploy.recovered";

impl Repository {
    /// Returns the key that published a policy marked as recovered, if this repository's owner
    /// confirmed it.
    pub fn find_confirmed_recovery_key(
        &self,
        ledger: &LedgerName,
        id: EntryId,
    ) -> Result<Option<PublicKey>> {
        let confirmed = self.config_strings(RECOVERED_SETTING)?;
        if confirmed.is_empty() {
            return Ok(None);
        }
        let Some(claimed) = self.find_claimed_recovery_key(ledger, id)? else {
            return Ok(None);
        };
        let mut keys = Vec::new();
        for text in confirmed {
            let key: PublicKey = text.parse().map_err(|_| {
                Error::corrupt(RECOVERED_SETTING.to_owned(), "it is not a public key")
            })?;
            keys.push(key);
        }
        Ok(Some(claimed).filter(|key| keys.contains(key)))
    }

    /// Returns the key that published a policy marked as recovered, according to that policy alone.
    pub fn find_claimed_recovery_key(
        &self,
        ledger: &LedgerName,
        id: EntryId,
    ) -> Result<Option<PublicKey>> {
        if !ledger.is_policy() {
            return Ok(None);
        }
        let Ok(LedgerCommit::Entry { commit, entry, .. }) = self.read_ledger_commit(ledger, id)
        else {
            return Ok(None);
        };
        if !matches!(&entry.statement().action, Action::Publish(publish) if publish.recovered) {
            return Ok(None);
        }
        let Some(text) = self.read_file_at(commit.tree, POLICY_FILE, MAX_BYTES)? else {
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
