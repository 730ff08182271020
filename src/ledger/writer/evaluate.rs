//! Completes the statement of a draft and evaluates the rules for it.

use std::collections::BTreeSet;

use crate::clock;
use crate::domain::command_line::name_components;
use crate::domain::entry::Statement;
use crate::domain::id::PublicKey;
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::rules::{Chain, Request, counting_approvers, evaluate, ledgers_read};
use crate::domain::state::Scope;
use crate::domain::verdict::Verdict;
use crate::git::error::Error;
use crate::ledger::sync::{SyncError, find_known_problems};
use crate::ledger::{StateReader, Tips};
use crate::signing::Signer;

use super::draft::{EntryDraft, LedgerSnapshot};
use super::error::AppendError;
use super::ledger_writer::LedgerWriter;

impl LedgerWriter<'_> {
    /// Makes the statement of a draft that follows the end of a chain. Its `seen` is still empty.
    fn new_statement(&self, ledger: &LedgerName, chain: &Chain, draft: &EntryDraft) -> Statement {
        Statement {
            // A clock that is behind the last entry must not block writing: the same time is
            // allowed.
            at: clock::now().max(chain.at),
            by: self.person.clone(),
            key: self.signer.map_or(PublicKey::UNSIGNED, Signer::public_key),
            requested_by: draft.requested_by.clone(),
            ledger: ledger.clone(),
            environment: draft.environment.clone(),
            project: chain.project,
            previous: chain.tip,
            sequence: chain.sequence + 1,
            seen: Tips::new(),
            action: draft.action.clone(),
        }
    }

    /// Completes the statement and evaluates the rules.
    pub(super) fn evaluate_draft(
        &self,
        ledger: &LedgerName,
        snapshot: &LedgerSnapshot<'_>,
        draft: &EntryDraft,
    ) -> Result<(Statement, Verdict), AppendError> {
        let chain = &snapshot.tip.chain;
        let mut statement = self.new_statement(ledger, chain, draft);
        let draft_policy = match (snapshot.policy, &draft.policy_text) {
            (None, Some(text)) => std::str::from_utf8(text)
                .ok()
                .and_then(|text| Policy::parse(text).ok()),
            _ => None,
        };
        let policy = snapshot.policy.or(draft_policy.as_ref());
        let Some(policy) = policy else {
            return Err(Error::corrupt("refs/deploy/policy", "no policy is in force").into());
        };
        let named = find_named_ledgers(policy, &statement, snapshot);
        statement.seen = select_seen_tips(&statement, &named, snapshot);
        snapshot.ledgers.require(&named)?;
        self.require_accepted(&statement, &named)?;

        let mut other_tips = snapshot.tips.clone();
        other_tips.remove(ledger);
        let state = StateReader::new(self.repository)
            .load(
                snapshot.tip.tree,
                ledger,
                &Scope::for_statement(&statement).with_former_names(policy),
            )
            .map_err(|error| error.to_string());
        let key: Option<PublicKey> = self.signer.map(Signer::public_key);
        let request = Request::Entry {
            statement: &statement,
            key: key.as_ref(),
            policy_text: draft.policy_text.as_deref(),
        };
        let mut facts =
            snapshot
                .gatherer
                .gather(policy, &request, &other_tips, Some(chain.clone()), state);
        facts.recovery = key.filter(|_| self.options.assume_recovery);
        let approvers = counting_approvers(policy, &request, &facts, statement.at);
        statement
            .action
            .set_approved_by(approvers.into_iter().collect());
        let request = Request::Entry {
            statement: &statement,
            key: key.as_ref(),
            policy_text: draft.policy_text.as_deref(),
        };
        let mut verdict = evaluate(policy, &request, &facts, statement.at);
        for remedy in verdict
            .checks
            .iter_mut()
            .filter_map(|it| it.remedy.as_mut())
        {
            *remedy = name_components(remedy, &draft.named);
        }
        Ok((statement, verdict))
    }

    /// Requires that the remote's ledgers that an entry depends on are accepted. Other ledgers do
    /// not matter. A ledger that cannot be verified here blocks only writing.
    ///
    /// # Errors
    /// Fails with [`SyncError::Problems`].
    fn require_accepted(
        &self,
        statement: &Statement,
        named: &BTreeSet<LedgerName>,
    ) -> Result<(), AppendError> {
        if self.remote.is_none() {
            return Ok(());
        }
        let mut problems = find_known_problems(self.repository)?;
        let is_preview = self.signer.is_none();
        problems.retain(|problem| {
            let is_needed = problem.ledger == statement.ledger || named.contains(&problem.ledger);
            is_needed && !(is_preview && problem.is_undecided())
        });
        if problems.is_empty() {
            Ok(())
        } else {
            Err(SyncError::Problems(problems).into())
        }
    }
}

/// Returns the other ledgers that an entry depends on: those that its rules read, and those that
/// the entry before it has seen.
fn find_named_ledgers(
    policy: &Policy,
    statement: &Statement,
    snapshot: &LedgerSnapshot<'_>,
) -> BTreeSet<LedgerName> {
    let mut named = ledgers_read(policy, statement);
    named.extend(snapshot.tip.chain.seen.keys().cloned());
    named.remove(&statement.ledger);
    named
}

/// Returns the tips of the other ledgers that an entry names as seen.
fn select_seen_tips(
    statement: &Statement,
    named: &BTreeSet<LedgerName>,
    snapshot: &LedgerSnapshot<'_>,
) -> Tips {
    snapshot
        .tips
        .iter()
        .filter(|(name, _)| **name != statement.ledger && named.contains(*name))
        .map(|(name, tip)| (name.clone(), *tip))
        .collect()
}
