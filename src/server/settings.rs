//! What the server's owner said, in the repository's git configuration: nobody who pushes can change it.

use std::collections::BTreeSet;

use crate::domain::id::PublicKey;
use crate::git::{Error, Repository, Result};
use crate::ledger::recovery::RECOVERED;

/// The keys that the first policy's genesis may name as its roots; several values.
pub const ADMIN: &str = "deploy.admin";
/// The key that may publish once, after all admin keys were lost.
pub const RECOVERY: &str = "deploy.recovery";

/// The owner's word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Who may be a root of the project. While it is empty, nothing is accepted below `refs/deploy/`.
    pub admins: BTreeSet<PublicKey>,
    /// Who may publish once in spite of the policy in force.
    pub recovery: Option<PublicKey>,
}

impl Settings {
    /// Reads them. A value that is no key is an error: guessing here would let somebody in.
    pub fn read(repository: &Repository) -> Result<Self> {
        let key = |name: &str, text: &str| {
            text.parse::<PublicKey>().map_err(|error| Error::Corrupt {
                what: format!("the setting {name} of the server's repository"),
                why: error.to_string(),
            })
        };
        let admins = repository
            .config_strings(ADMIN)?
            .iter()
            .map(|text| key(ADMIN, text))
            .collect::<Result<_>>()?;
        let recovery = repository
            .config_string(RECOVERY)?
            .map(|text| key(RECOVERY, &text))
            .transpose()?;
        Ok(Self { admins, recovery })
    }

    /// Takes the permission to recover back, and remembers for audits whom it was given. It holds for one publish, so this comes
    /// before the ref moves.
    pub(super) fn disarm(&self, repository: &Repository) -> Result<()> {
        if let Some(key) = self.recovery {
            repository.add_config(RECOVERED, &key.to_string())?;
        }
        repository
            .git("config")
            .args(["--local", "--unset-all", RECOVERY])
            .run()?
            .ok()
            .map(drop)
    }
}
