//! The inputs and the result of validating an entry.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Tips;
use super::sync::SyncError;
use crate::clock;
use crate::domain::entry::{Entry, Statement, StoredEntry, Verified};
use crate::domain::id::{EntryId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::rules::{Chain, Facts};
use crate::domain::time::Time;
use crate::domain::verdict::{Check, CheckResult, Rule, Verdict};
use crate::git::error::Result;
use crate::git::repo::Repository;

/// The end of a ledger, to which the next entry is appended.
#[derive(Debug, Clone)]
pub struct ChainTip {
    /// The position that the next entry must name.
    pub chain: Chain,
    /// The tree of the tip; the empty tree after a genesis.
    pub tree: Oid,
}

impl ChainTip {
    /// Returns the end of the ledger after an entry in the commit `id`, with this tree.
    #[must_use]
    pub fn at_entry(&self, id: EntryId, tree: Oid, statement: &Statement) -> Self {
        let chain = Chain {
            tip: id,
            sequence: statement.sequence,
            at: statement.at,
            seen: statement.seen.clone(),
            ..self.chain.clone()
        };
        Self { chain, tree }
    }

    /// Returns the end of the ledger after a commit whose entry cannot be read. Its sequence number
    /// is assumed to be the next one; the time and `seen` stay as before.
    #[must_use]
    pub fn advanced_unread(&self, id: EntryId, tree: Oid) -> Self {
        let chain = Chain {
            tip: id,
            sequence: self.chain.sequence.saturating_add(1),
            ..self.chain.clone()
        };
        Self { chain, tree }
    }
}

/// The current situation, for an entry that must be valid now as well as at its own time.
#[derive(Debug, Clone)]
pub struct PushContext {
    /// The verified tips of the ledgers before the push.
    pub tips: Tips,
    /// The ledgers whose refs are not verified.
    pub unverified: BTreeSet<LedgerName>,
    /// The server's clock.
    pub now: Time,
}

impl PushContext {
    /// Reads the current situation of a repository.
    ///
    /// # Errors
    /// Fails if the ledger of the policy is not verified: nothing can be decided without it.
    pub fn read(repository: &Repository) -> Result<Self> {
        let ledgers = repository.local_ledgers().map_err(SyncError::into_git)?;
        ledgers.tip(&LedgerName::policy())?;
        Ok(Self {
            unverified: ledgers.unverified(),
            tips: ledgers.tips,
            now: clock::now(),
        })
    }
}

/// When an entry must be valid.
#[derive(Clone, Copy)]
pub enum ValidationContext<'a> {
    /// At its own time and now: for a hook.
    Push(&'a PushContext),
    /// At its own time only: for a fetch or an audit. The function checks whether a ledger contains
    /// a commit that the entry claims to have seen.
    History(&'a dyn Fn(&LedgerName, EntryId) -> Result<bool>),
}

/// The result of validating an entry.
#[derive(Debug)]
pub struct ValidatedEntry {
    /// The entry, if its signature is valid.
    pub entry: Option<Entry<Verified>>,
    /// The parsed entry, if it can be read; unproven unless `entry` is present.
    pub stored: Option<Arc<StoredEntry>>,
    /// The end of the ledger after it, if it is allowed.
    pub next_tip: Option<ChainTip>,
    /// The facts given to the rules, if validated at its own time only.
    pub facts: Option<Box<Facts>>,
    /// The result of the rules. If the results at the entry's own time and now differ, the stricter
    /// one.
    pub verdict: Verdict,
}

impl ValidatedEntry {
    /// Returns whether its signature is invalid, or its signer was not allowed to write it. A signature
    /// is unknown, and not invalid, if its policy is missing.
    pub fn is_forged(&self) -> bool {
        let mut checks = self.verdict.checks.iter();
        checks.any(|it| it.rule == Rule::Authorization && it.outcome == CheckResult::Fail)
    }

    /// Returns a result with one failed check and nothing else.
    pub(super) fn with_failed_check(check: Check) -> Self {
        let verdict = Verdict {
            checks: vec![check],
        };
        Self {
            entry: None,
            stored: None,
            next_tip: None,
            facts: None,
            verdict,
        }
    }
}
