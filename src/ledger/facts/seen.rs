//! How the `seen` of an entry relates to the tips of the other ledgers.

use super::{FactGatherer, describe_error};
use crate::domain::entry::{Action, Statement};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::rules::{Facts, SeenFact};
use crate::git::error::Result;

impl FactGatherer<'_> {
    /// Gathers how the entry's `seen` relates to the tips, and which environments' tips a `publish`
    /// names.
    pub(super) fn gather_seen(&self, statement: &Statement, facts: &mut Facts) {
        for (ledger, seen) in &statement.seen {
            let previous = facts
                .chain
                .as_ref()
                .and_then(|chain| chain.seen.get(ledger));
            let fact = self.known_tip(facts, ledger).and_then(|tip| {
                self.read_seen_fact(ledger, *seen, tip.as_ref(), previous)
                    .map_err(|error| describe_error(&error))
            });
            facts.seen.insert(ledger.clone(), fact);
        }
        if let Action::Publish(_) = statement.action {
            let environments = facts
                .tips
                .iter()
                .filter(|(ledger, _)| ledger.is_environment());
            facts.environments_seen = environments
                .map(|(ledger, tip)| (ledger.clone(), statement.seen.get(ledger) == Some(tip)))
                .collect();
            // An environment whose tip is unknown cannot have been seen.
            let unverified = self.unverified.iter().filter(|it| it.is_environment());
            facts
                .environments_seen
                .extend(unverified.map(|ledger| (ledger.clone(), false)));
        }
    }

    fn read_seen_fact(
        &self,
        ledger: &LedgerName,
        seen: EntryId,
        tip: Option<&EntryId>,
        previous: Option<&EntryId>,
    ) -> Result<SeenFact> {
        let on_chain = |tip, entry| match self.order.and_then(|order| order(ledger, tip, entry)) {
            Some(is_on_chain) => Ok(is_on_chain),
            None => self
                .repository
                .is_on_chain(tip, entry, self.history.limit()),
        };
        // Read the commit even without a tip: a commit that does not exist cannot have been seen.
        let is_reachable = match tip {
            Some(tip) => on_chain(*tip, seen)?,
            None => self.repository.read_commit(seen.0).map(|_| false)?,
        };
        let is_forward = previous.map_or(Ok(true), |previous| on_chain(seen, *previous))?;
        Ok(SeenFact {
            is_tip: tip == Some(&seen),
            is_reachable,
            is_forward,
        })
    }
}
