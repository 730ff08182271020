//! The settings of the server's owner, in the repository's git configuration, which pushers cannot
//! change.

use std::collections::BTreeSet;

use crate::domain::id::PublicKey;
use crate::git::{Error, Repository, Result};
use crate::ledger::recovery::RECOVERED_SETTING;

pub use crate::ledger::local_ledgers::ADMIN_SETTING;
/// The key that may publish one policy after all admin keys were lost.
pub const RECOVERY_SETTING: &str = "deploy.recovery";

/// The owner's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The keys that may be roots of the project. While there are none, nothing is accepted below
    /// `refs/deploy/`.
    pub admins: BTreeSet<PublicKey>,
    /// The key that may publish once, against the policy in force.
    pub recovery: Option<PublicKey>,
}

impl Settings {
    /// Reads the settings. A value that is not a key is an error, and is not ignored: without the
    /// intended key, another key could begin or recover the project.
    pub fn read(repository: &Repository) -> Result<Self> {
        let parse_key = |name: &str, text: &str| {
            text.parse::<PublicKey>().map_err(|error| Error::Corrupt {
                what: format!("the setting {name} of the server's repository"),
                why: error.to_string(),
            })
        };
        let admins = repository
            .config_strings(ADMIN_SETTING)?
            .iter()
            .map(|text| parse_key(ADMIN_SETTING, text))
            .collect::<Result<_>>()?;
        let recovery = repository
            .config_string(RECOVERY_SETTING)?
            .map(|text| parse_key(RECOVERY_SETTING, &text))
            .transpose()?;
        Ok(Self { admins, recovery })
    }

    /// Withdraws the permission to recover, and records for audits which key had it. The caller
    /// does this before the ref moves, so that the permission is used only once.
    pub(super) fn withdraw_recovery(&self, repository: &Repository) -> Result<()> {
        if let Some(key) = self.recovery {
            repository.add_config(RECOVERED_SETTING, &key.to_string())?;
        }
        repository
            .git("config")
            .args(["--local", "--unset-all", RECOVERY_SETTING])
            .run()?
            .into_stdout()
            .map(drop)
    }
}
