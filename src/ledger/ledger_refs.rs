//! The refs of the ledgers, and the refs among them that are no ledgers.
//!
//! On a host without our hooks, anyone who may push can create a ref such as `refs/deploy/x/y`. Such
//! a ref is reported and ignored: nothing can depend on it, because no entry can name it.

use super::{INCOMING, PREFIX, Tips};
use crate::domain::command_line::quote_word;
use crate::domain::id::{EntryId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::git::error::Result;
use crate::git::ref_listing::ListedRef;
use crate::git::repo::Repository;

/// A ref whose name is not that of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JunkRef {
    /// The full name on the repository that it belongs to, such as `refs/deploy/x/y`.
    name: String,
    /// The command that removes it here, if it is broken: git cannot delete it.
    local_removal: Option<String>,
}

/// The ref of a ledger that is broken: where the ledger ends is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenLedgerRef {
    /// The ledger.
    pub ledger: LedgerName,
    /// What is wrong, with the ref's name.
    pub why: String,
    /// The command that removes the ref.
    pub removal: Option<String>,
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

    /// Checks whether the ref's file is malformed, or its object missing.
    pub fn is_broken(&self) -> bool {
        self.local_removal.is_some()
    }

    /// Returns the command that removes the ref from this repository; `None` if its name cannot be
    /// typed.
    pub fn local_removal(&self) -> Option<String> {
        let delete = || Some(format!("git update-ref --no-deref -d {}", self.word()?));
        self.local_removal.clone().or_else(delete)
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
    /// The refs of ledgers that are broken.
    pub broken: Vec<BrokenLedgerRef>,
    /// The other refs.
    pub junk: Vec<JunkRef>,
}

impl LedgerRefs {
    /// Records that the remote's ref of this full name is broken there. Its last fetched tip may be
    /// outdated.
    pub(super) fn mark_as_broken_there(&mut self, name: &str) {
        let ledger = name.strip_prefix(PREFIX).map(str::parse::<LedgerName>);
        if let Some(Ok(ledger)) = ledger {
            self.tips.remove(&ledger);
            self.broken.push(BrokenLedgerRef {
                ledger,
                why: format!("the remote's ref {name} is broken"),
                removal: Some("on the server: git-deploy server check".to_owned()),
            });
        }
    }
}

impl Repository {
    /// Returns the tips of all ledgers. Ignores refs that are no ledgers; see
    /// [`Repository::ledger_refs_below`].
    ///
    /// # Errors
    /// Fails if the ref of a ledger is symbolic or broken. If such a ledger were ignored, it would
    /// look as if it had no entries.
    pub fn tips(&self) -> Result<Tips> {
        let mut tips = Tips::new();
        for (name, target) in self.list_named_refs(PREFIX)? {
            if let Ok(ledger) = name.parse::<LedgerName>() {
                tips.insert(ledger, EntryId(target?));
            }
        }
        Ok(tips)
    }

    /// Returns the tips of the ledgers below a prefix, the refs of ledgers that are broken, and the
    /// refs that are no ledgers.
    pub fn ledger_refs_below(&self, prefix: &str) -> Result<LedgerRefs> {
        let mut refs = LedgerRefs::default();
        for (name, target) in self.list_named_refs(prefix)? {
            match (name.parse::<LedgerName>(), target) {
                (Ok(ledger), Ok(tip)) => drop(refs.tips.insert(ledger, EntryId(tip))),
                (Ok(ledger), Err(error)) => refs.broken.push(BrokenLedgerRef {
                    ledger,
                    why: error.to_string(),
                    removal: error.removal(),
                }),
                (Err(_), target) => refs.junk.push(JunkRef {
                    name: format!("{PREFIX}{name}"),
                    local_removal: target.err().and_then(|error| error.removal()),
                }),
            }
        }
        Ok(refs)
    }

    /// Lists the refs below a prefix, by their names after it. A ref whose object is missing is
    /// broken: where its ledger ends is unknown, and git stops at it.
    fn list_named_refs(&self, prefix: &str) -> Result<Vec<(String, Result<Oid>)>> {
        let listed = self.list_all_refs(prefix)?.into_iter();
        let shorten = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
        Ok(listed
            .map(|ListedRef { name, target }| {
                let target = target.and_then(|id| self.require_target(&name, id));
                (shorten(&name), target)
            })
            .collect())
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
