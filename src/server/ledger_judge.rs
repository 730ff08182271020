//! Judges the update of a ledger: where it is, what the push adds, and each new entry.

use super::HookError;
use super::limits::MAX_ENTRIES;
use super::push_judge::PushJudge;
use super::ref_update::RefUpdate;
use super::update_verdict::{UpdateVerdict, describe_statement};
use crate::domain::entry::Action;
use crate::domain::id::{EntryId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::verdict::{Check, Rule, Verdict};
use crate::ledger::entry_validator::{ChainTip, EntryValidator, ValidationContext};
use crate::ledger::{LedgerCommit, Project};

impl PushJudge<'_> {
    /// Judges the update of a ledger.
    pub fn judge_ledger(
        &self,
        ledger: &LedgerName,
        update: &RefUpdate,
    ) -> std::result::Result<UpdateVerdict, HookError> {
        let stop = |check| Ok(UpdateVerdict::from_check(&update.name, check));
        if self.settings.admins.is_empty() {
            return stop(refuse_without_admins());
        }
        let Some(new) = update.new else {
            return stop(Check::fail(Rule::Chain, "a ledger is never deleted"));
        };
        let tip = self.present.tips.get(ledger).copied();
        if update.old != tip.map(|tip| tip.0) {
            return stop(refuse_moved(tip));
        }
        if self.policy.is_none() && !ledger.is_policy() {
            let why = "no policy is in force here yet: it comes first, in a push of its own";
            return stop(Check::fail(Rule::Chain, why).remedy("git deploy policy publish"));
        }
        let Some(judge) = &self.judge else {
            return stop(self.explain_no_project(new));
        };
        let head = match self.find_head(judge, ledger, tip) {
            Ok(head) => head,
            Err(check) => return stop(*check),
        };
        match self.read_new_entries(ledger, &head, EntryId(new))? {
            Ok((ids, last)) => Ok(self.judge_entries(judge, ledger, head, (&ids, last), update)),
            Err(check) => stop(*check),
        }
    }

    /// Returns the tip of the ledger that new entries must follow. If the ledger does not exist
    /// yet, checks that it may.
    fn find_head(
        &self,
        judge: &EntryValidator<'_>,
        ledger: &LedgerName,
        tip: Option<EntryId>,
    ) -> std::result::Result<ChainTip, Box<Check>> {
        let head = judge
            .load_tip(ledger, tip)
            .map_err(|error| Box::new(error.to_check(Rule::Chain)))?;
        if tip.is_some() {
            return Ok(head);
        }
        if ledger.is_policy() {
            let unknown_keys = head
                .chain
                .root_keys
                .iter()
                .filter(|key| !self.settings.admins.contains(key))
                .count();
            if unknown_keys > 0 {
                let why =
                    "the project's genesis names a root key that this server's owner does not know";
                return Err(Box::new(Check::fail(Rule::Authorization, why).remedy(
                    "git-deploy server init <repository> --admin <public key>",
                )));
            }
        } else if let Some(policy) = self.policy.as_ref().filter(|_| ledger.is_environment())
            && !policy.ledgers().contains(ledger)
        {
            let why = format!("no environment of the policy in force has the ledger {ledger}");
            return Err(Box::new(
                Check::fail(Rule::Chain, why).remedy("git deploy policy publish"),
            ));
        }
        Ok(head)
    }

    /// Returns why no project begins with this commit.
    fn explain_no_project(&self, new: Oid) -> Check {
        match Project::from_policy_tip(self.repository, EntryId(new)) {
            Err(error) => error.to_check(Rule::Chain),
            Ok(_) => Check::unknown(Rule::Chain, "the project could not be read"),
        }
    }

    /// Returns the entries after `head` up to `new`, oldest first, and the last one as it was read.
    /// The number in the last entry limits the walk, so that an invalid chain is not walked to its
    /// end.
    fn read_new_entries(
        &self,
        ledger: &LedgerName,
        head: &ChainTip,
        new: EntryId,
    ) -> std::result::Result<std::result::Result<NewEntries, Box<Check>>, HookError> {
        let refuse = |why: &str| {
            Ok(Err(Box::new(
                Check::fail(Rule::Chain, why).remedy("git deploy sync"),
            )))
        };
        let last = match self.repository.read_ledger_commit(ledger, new) {
            Ok(link) => link,
            Err(error) => return Ok(Err(Box::new(error.to_check(Rule::Chain)))),
        };
        let sequence = match &last {
            LedgerCommit::Entry { entry, .. } => entry.statement().sequence,
            LedgerCommit::Genesis => {
                return refuse("it has no parent: it is no entry of this ledger");
            }
        };
        let count = sequence.saturating_sub(head.chain.sequence);
        if count == 0 {
            return refuse("it does not go forward from where the ledger is");
        }
        self.entry_count
            .set(self.entry_count.get().saturating_add(count));
        if self.entry_count.get() > MAX_ENTRIES {
            return Err(HookError::TooManyEntries);
        }
        let mut ids = Vec::new();
        for commit in self.repository.first_parent_walk(new.0) {
            match commit {
                Ok(commit) if commit.id == head.chain.tip.0 => {
                    ids.reverse();
                    return Ok(Ok((ids, last)));
                }
                Ok(commit) => ids.push(EntryId(commit.id)),
                Err(error) => return Ok(Err(Box::new(error.to_check(Rule::Chain)))),
            }
            if ids.len() as u64 > count {
                break;
            }
        }
        refuse("it does not continue the ledger from where it is")
    }

    /// Judges entries in their order, up to the first that is refused.
    fn judge_entries(
        &self,
        judge: &EntryValidator<'_>,
        ledger: &LedgerName,
        mut head: ChainTip,
        (ids, last): (&[EntryId], LedgerCommit),
        update: &RefUpdate,
    ) -> UpdateVerdict {
        let mut last = Some(last);
        let mut judgement =
            UpdateVerdict::from_check(&update.name, Check::fail(Rule::Chain, "it brings no entry"));
        for (index, id) in ids.iter().enumerate() {
            let against = ValidationContext::Push(self.present);
            let judged = match last.take_if(|_| index + 1 == ids.len()) {
                Some(link) => judge.validate_commit(ledger, &head, *id, Ok(link), against),
                None => judge.validate(ledger, &head, *id, against),
            };
            judgement.description = judged
                .stored
                .as_ref()
                .map(|stored| describe_statement(&stored.statement));
            if ids.len() > 1 {
                let what = judgement.description.take().unwrap_or_default();
                judgement.description =
                    Some(format!("entry {} of {}: {what}", index + 1, ids.len()));
            }
            judgement.verdict = judged.verdict;
            let recovers = judged.entry.as_ref().is_some_and(
                |entry| matches!(&entry.statement().action, Action::Publish(publish) if publish.recovered),
            );
            if recovers && judgement.uses_recovery {
                let why = "the owner of the server let one publish recover the project, and this is a second one";
                judgement.verdict = Verdict {
                    checks: vec![Check::fail(Rule::Authorization, why)],
                };
            }
            judgement.uses_recovery |= recovers;
            match judged.next_tip.filter(|_| judgement.verdict.allowed()) {
                Some(next) => head = next,
                None => break,
            }
        }
        judgement
    }
}

/// New entries, oldest first, and the last of them as it was read.
type NewEntries = (Vec<EntryId>, LedgerCommit);

/// Returns the check for a server whose owner has not set who may begin a project.
fn refuse_without_admins() -> Check {
    let why = "this server's owner has not said who may publish the first policy: nothing is accepted here";
    Check::fail(Rule::Authorization, why)
        .remedy("git-deploy server init <repository> --admin <public key>")
}

/// Returns the check for a ledger that is not where the pusher claims: another push was faster, or
/// the claim is false.
fn refuse_moved(tip: Option<EntryId>) -> Check {
    let why = match tip {
        Some(tip) => format!("the ledger has moved: it is at {}; try again", tip.short()),
        None => "the ledger does not exist yet; try again".to_owned(),
    };
    Check::fail(Rule::Chain, why).remedy("git deploy sync")
}
