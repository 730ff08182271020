//! The refs of the ledgers, and the refs among them that are no ledgers.
//!
//! On a host without our hooks, anyone who may push can create a ref such as `refs/deploy/x/y`. Such
//! a ref is reported and ignored: nothing can depend on it, because no entry can name it.

use super::{INCOMING, PREFIX, Tips};
use crate::domain::command_line::quote_word;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::git::error::Result;
use crate::git::repo::Repository;

/// A ref whose name is not that of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JunkRef {
    /// The full name on the repository that it belongs to, such as `refs/deploy/x/y`.
    name: String,
}

impl JunkRef {
    /// Describes the ref in one line.
    pub fn describe(&self) -> String {
        format!(
            "{} is not a ledger: its name is invalid. It is ignored",
            sanitize(&self.name)
        )
    }

    /// Returns the name as one word of a command; `None` if it cannot be typed.
    pub fn word(&self) -> Option<String> {
        let is_typed = |character: char| character.is_ascii_graphic();
        let is_typable = self.name.chars().all(is_typed);
        is_typable.then(|| quote_word(&self.name))
    }

    /// Returns the command that removes the ref from a remote.
    pub fn removal(&self, remote: &str) -> String {
        let remote = quote_word(remote);
        match self.word() {
            Some(_) => format!(
                "git push {remote} {}",
                quote_word(&format!(":{}", self.name))
            ),
            // The user has to find out how to type the name.
            None => format!("git ls-remote {remote} 'refs/deploy/*'"),
        }
    }
}

/// The refs below a prefix.
#[derive(Debug, Default)]
pub struct LedgerRefs {
    /// The tips of the ledgers. A tip can be any object.
    pub tips: Tips,
    /// The other refs.
    pub junk: Vec<JunkRef>,
}

impl Repository {
    /// Returns the tips of all ledgers. Ignores refs that are no ledgers; see
    /// [`Repository::ledger_refs_below`].
    pub fn tips(&self) -> Result<Tips> {
        self.tips_below(PREFIX)
    }

    /// Returns the tips of the ledgers below another prefix.
    pub fn tips_below(&self, prefix: &str) -> Result<Tips> {
        Ok(self.ledger_refs_below(prefix)?.tips)
    }

    /// Returns the tips of the ledgers below a prefix, and the refs that are no ledgers.
    ///
    /// # Errors
    /// Fails if the ref of a ledger is symbolic or broken. If such a ledger were ignored, it would
    /// look as if it had no entries.
    pub fn ledger_refs_below(&self, prefix: &str) -> Result<LedgerRefs> {
        let mut refs = LedgerRefs::default();
        for listed in self.list_all_refs(prefix)? {
            let short = listed.name.strip_prefix(prefix).unwrap_or(&listed.name);
            match short.parse::<LedgerName>() {
                Ok(ledger) => drop(refs.tips.insert(ledger, EntryId(listed.target?))),
                Err(_) => refs.junk.push(JunkRef {
                    name: format!("{PREFIX}{short}"),
                }),
            }
        }
        Ok(refs)
    }

    /// Returns the remote's refs that are no ledgers, as of the last fetch.
    pub fn find_remote_junk(&self) -> Result<Vec<JunkRef>> {
        Ok(self.ledger_refs_below(INCOMING)?.junk)
    }

    /// Returns the tip of one ledger, or `None` if it does not exist.
    pub fn tip(&self, ledger: &LedgerName) -> Result<Option<EntryId>> {
        Ok(self.read_ref(&ledger.ref_name())?.map(EntryId))
    }
}
