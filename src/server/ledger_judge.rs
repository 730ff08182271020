//! Judges the update of a ledger: its old position, and each entry that the push adds.

use super::HookError;
use super::limits::MAX_ENTRIES;
use super::push_judge::PushJudge;
use super::ref_update::RefUpdate;
use super::shell::quote_path;
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
        let refuse = |check| Ok(UpdateVerdict::from_check(&update.name, check));
        if self.settings.admins.is_empty() {
            return refuse(make_no_admin_check());
        }
        let Some(new) = update.new else {
            return refuse(Check::fail(Rule::Chain, "a ledger is never deleted"));
        };
        if self.present.unverified.contains(ledger) {
            return refuse(self.make_unverified_check());
        }
        let tip = self.present.tips.get(ledger).copied();
        if update.old != tip.map(|tip| tip.0) {
            return refuse(make_moved_check(tip));
        }
        if self.policy.is_none() && !ledger.is_policy() {
            let why = "there is no policy yet: publish one first, in a separate push";
            return refuse(Check::fail(Rule::Chain, why).remedy("git deploy policy publish"));
        }
        let Some(validator) = &self.validator else {
            return refuse(self.explain_no_project(new));
        };
        let chain_tip = match self.find_chain_tip(validator, ledger, tip) {
            Ok(chain_tip) => chain_tip,
            Err(check) => return refuse(*check),
        };
        match self.read_new_entries(ledger, &chain_tip, EntryId(new))? {
            Ok(entries) => Ok(self.judge_entries(validator, ledger, chain_tip, entries, update)),
            Err(check) => refuse(*check),
        }
    }

    /// Returns the undecided check for a ledger whose ref on this server is not verified.
    fn make_unverified_check(&self) -> Check {
        let why = "the server's ref was not moved by git-deploy, and is not verified: the server's owner can see why with the command below";
        let folder = quote_path(self.repository.git_dir());
        Check::unknown(Rule::Chain, why).remedy(format!("git-deploy -C {folder} status"))
    }

    /// Returns the tip of the ledger that new entries must follow. If the ledger does not exist
    /// yet, checks that it may be created.
    fn find_chain_tip(
        &self,
        validator: &EntryValidator<'_>,
        ledger: &LedgerName,
        tip: Option<EntryId>,
    ) -> std::result::Result<ChainTip, Box<Check>> {
        let chain_tip = validator
            .load_tip(ledger, tip)
            .map_err(|error| Box::new(error.to_check(Rule::Chain)))?;
        if tip.is_some() {
            return Ok(chain_tip);
        }
        if ledger.is_policy() {
            let unknown_keys = chain_tip
                .chain
                .root_keys
                .iter()
                .filter(|key| !self.settings.admins.contains(key))
                .count();
            if unknown_keys > 0 {
                let why =
                    "the project's genesis has a root key that is not an admin key of this server";
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
        Ok(chain_tip)
    }

    /// Returns the check that says why the pushed policy ledger begins no project.
    fn explain_no_project(&self, new: Oid) -> Check {
        match Project::from_policy_tip(self.repository, EntryId(new)) {
            Err(error) => error.to_check(Rule::Chain),
            Ok(_) => Check::unknown(Rule::Chain, "the project could not be read"),
        }
    }

    /// Returns the entries after `chain_tip` up to `new`. The sequence number of the last entry
    /// limits the walk, so that an invalid chain is not walked to its end.
    fn read_new_entries(
        &self,
        ledger: &LedgerName,
        chain_tip: &ChainTip,
        new: EntryId,
    ) -> std::result::Result<std::result::Result<NewEntries, Box<Check>>, HookError> {
        let refuse = |why: &str| {
            Ok(Err(Box::new(
                Check::fail(Rule::Chain, why).remedy("git deploy sync"),
            )))
        };
        let last = match self.repository.read_ledger_commit(ledger, new) {
            Ok(commit) => commit,
            Err(error) => return Ok(Err(Box::new(error.to_check(Rule::Chain)))),
        };
        let sequence = match &last {
            LedgerCommit::Entry { entry, .. } => entry.statement().sequence,
            LedgerCommit::Genesis => {
                return refuse("it has no parent, so it is not an entry of this ledger");
            }
        };
        let count = sequence.saturating_sub(chain_tip.chain.sequence);
        if count == 0 {
            return refuse("it does not come after the ledger's tip");
        }
        self.entry_count
            .set(self.entry_count.get().saturating_add(count));
        if self.entry_count.get() > MAX_ENTRIES {
            return Err(HookError::TooManyEntries);
        }
        let mut ids = Vec::new();
        for commit in self.repository.first_parent_walk(new.0) {
            match commit {
                Ok(commit) if commit.id == chain_tip.chain.tip.0 => {
                    ids.reverse();
                    return Ok(Ok(NewEntries { ids, last }));
                }
                Ok(commit) => ids.push(EntryId(commit.id)),
                Err(error) => return Ok(Err(Box::new(error.to_check(Rule::Chain)))),
            }
            if ids.len() as u64 > count {
                break;
            }
        }
        refuse("it does not continue from the ledger's tip")
    }

    /// Judges entries in their order, up to the first that is refused.
    fn judge_entries(
        &self,
        validator: &EntryValidator<'_>,
        ledger: &LedgerName,
        mut chain_tip: ChainTip,
        NewEntries { ids, last }: NewEntries,
        update: &RefUpdate,
    ) -> UpdateVerdict {
        let mut last = Some(last);
        let mut judgement = UpdateVerdict::from_check(
            &update.name,
            Check::fail(Rule::Chain, "it has no new entry"),
        );
        for (index, id) in ids.iter().enumerate() {
            let context = ValidationContext::Push(self.present);
            let validated = match last.take_if(|_| index + 1 == ids.len()) {
                Some(commit) => {
                    validator.validate_commit(ledger, &chain_tip, *id, Ok(commit), context)
                }
                None => validator.validate(ledger, &chain_tip, *id, context),
            };
            judgement.description = validated
                .stored
                .as_ref()
                .map(|stored| describe_statement(&stored.statement));
            if ids.len() > 1 {
                let description = judgement.description.take().unwrap_or_default();
                judgement.description = Some(format!(
                    "entry {} of {}: {description}",
                    index + 1,
                    ids.len()
                ));
            }
            judgement.verdict = validated.verdict;
            let uses_recovery = validated.entry.as_ref().is_some_and(
                |entry| matches!(&entry.statement().action, Action::Publish(publish) if publish.recovered),
            );
            if uses_recovery && judgement.uses_recovery {
                let why = "the recovery key may publish only once, and this is its second publish";
                judgement.verdict = Verdict {
                    checks: vec![Check::fail(Rule::Authorization, why)],
                };
            }
            judgement.uses_recovery |= uses_recovery;
            match validated
                .next_tip
                .filter(|_| judgement.verdict.is_allowed())
            {
                Some(next) => chain_tip = next,
                None => break,
            }
        }
        judgement
    }
}

/// The new entries of a ledger.
struct NewEntries {
    /// Their ids, oldest first.
    ids: Vec<EntryId>,
    /// The last of them, which was read already.
    last: LedgerCommit,
}

/// Returns the failed check for a server without admin keys.
fn make_no_admin_check() -> Check {
    let why =
        "this server has no admin key that may publish the first policy, so it accepts nothing";
    Check::fail(Rule::Authorization, why)
        .remedy("git-deploy server init <repository> --admin <public key>")
}

/// Returns the failed check for a ledger that is not at the id that the pusher claims, usually
/// because another push was faster.
fn make_moved_check(tip: Option<EntryId>) -> Check {
    let why = match tip {
        Some(tip) => format!("the ledger has moved: it is at {}; try again", tip.short()),
        None => "the ledger does not exist yet; try again".to_owned(),
    };
    Check::fail(Rule::Chain, why).remedy("git deploy sync")
}
