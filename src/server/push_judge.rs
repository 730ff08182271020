//! Judges single updates, all on the same ledger tips and at the same time.
//!
//! The tips are read once for a whole push, so that no update is judged on the result of another.

use std::cell::Cell;
use std::sync::Arc;

use super::HookError;
use super::classify::{RefKind, is_exact};
use super::limits::MAX_ENTRIES;
use super::ref_update::RefUpdate;
use super::settings::Settings;
use super::update_verdict::{UpdateVerdict, describe_statement};
use crate::domain::entry::Action;
use crate::domain::id::{CommitId, EntryId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::policy::{Enforcement, Environment, Policy};
use crate::domain::rules::{Facts, Request, evaluate};
use crate::domain::state::Scope;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Rule, Verdict};
use crate::git::object::ObjectKind;
use crate::git::{Error, Repository, Result};
use crate::ledger::entry_validator::{ChainTip, EntryValidator, PushContext, ValidationContext};
use crate::ledger::facts::FactGatherer;
use crate::ledger::{LedgerCommit, Project, StateReader};

/// Returns the project in which a push is judged: the existing one, or the one that the push itself
/// begins.
pub fn find_project<'u>(
    repository: &Repository,
    present: &PushContext,
    mut ledgers: impl Iterator<Item = (&'u LedgerName, &'u RefUpdate)>,
) -> Result<Option<Project>> {
    if let Some(tip) = present.tips.get(&LedgerName::policy()) {
        return Project::from_policy_tip(repository, *tip).map(Some);
    }
    let first = ledgers
        .find(|(ledger, _)| ledger.is_policy())
        .and_then(|(_, update)| update.new);
    // An error in it is reported when that update is judged.
    Ok(first.and_then(|new| Project::from_policy_tip(repository, EntryId(new)).ok()))
}

/// Judges the updates of one push.
pub struct PushJudge<'a> {
    repository: &'a Repository,
    settings: &'a Settings,
    present: &'a PushContext,
    judge: Option<EntryValidator<'a>>,
    policy: Option<Arc<Policy>>,
    in_clone: bool,
    /// How many entries were judged.
    entry_count: Cell<u64>,
}

impl<'a> PushJudge<'a> {
    /// Creates a judge for the refs in `present`.
    pub fn new(
        repository: &'a Repository,
        settings: &'a Settings,
        project: Option<&'a Project>,
        present: &'a PushContext,
    ) -> Result<Self> {
        let judge = project.map(|project| {
            EntryValidator::new(
                repository,
                FactGatherer::new(repository, project),
                settings.recovery,
            )
        });
        let policy = match (&judge, present.tips.get(&LedgerName::policy())) {
            (Some(judge), Some(tip)) => judge.gatherer.policy_at(*tip)?,
            _ => None,
        };
        Ok(Self {
            repository,
            settings,
            present,
            judge,
            policy,
            in_clone: false,
            entry_count: Cell::new(0),
        })
    }

    /// Judges what a clone is about to push: the push is about the server's refs, not the clone's.
    #[must_use]
    pub fn for_clone(self) -> Self {
        Self {
            in_clone: true,
            ..self
        }
    }

    /// Returns the policy in force.
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        self.policy.as_ref()
    }

    /// Judges the update of any ref and adds the result, unless the ref does not concern us.
    pub(super) fn judge_update(
        &self,
        class: &RefKind,
        update: &RefUpdate,
        to: &mut Vec<UpdateVerdict>,
    ) -> std::result::Result<(), HookError> {
        match (class, self.policy.as_deref()) {
            (RefKind::Ledger(ledger), _) => to.push(self.judge_ledger(ledger, update)?),
            (RefKind::Forbidden(why), _) => to.push(UpdateVerdict::from_check(
                &update.name,
                Check::fail(Rule::Chain, *why),
            )),
            (RefKind::Branch(short), Some(policy)) => {
                to.extend(self.judge_branch(policy, short, update));
            }
            (RefKind::Tag(short), Some(policy)) => {
                to.extend(self.judge_tags(policy, short, update));
            }
            (RefKind::Branch(_) | RefKind::Tag(_), None) | (RefKind::Other, _) => {}
        }
        Ok(())
    }

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
            let strangers = head
                .chain
                .root_keys
                .iter()
                .filter(|key| !self.settings.admins.contains(key))
                .count();
            if strangers > 0 {
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
                .map(|kept| describe_statement(&kept.statement));
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

    /// Judges the move of a branch, if it is bound to an environment.
    fn judge_branch(
        &self,
        policy: &Policy,
        short: &str,
        update: &RefUpdate,
    ) -> Option<UpdateVerdict> {
        let exact = is_exact(&update.name);
        let Some(environment) = policy.environment_of_branch(short).filter(|_| exact) else {
            let near = policy
                .environment_of_similar_branch(short)
                .or_else(|| policy.environment_of_branch(short));
            return near.map(|environment| refuse_near_match(Rule::Branch, environment, update));
        };
        let verdict =
            match self.resolve_commits(Rule::Branch, &format!("refs/heads/{short}"), update) {
                Err(check) => Verdict {
                    checks: vec![*check],
                },
                Ok((old, new)) => self.evaluate_rules(
                    policy,
                    environment,
                    &Request::Branch {
                        environment: &environment.name,
                        name: short,
                        old,
                        new,
                    },
                ),
            };
        Some(make_verdict(environment, update, verdict))
    }

    /// Judges a tag, if its name has the form of an environment's tags.
    fn judge_tags(&self, policy: &Policy, short: &str, update: &RefUpdate) -> Vec<UpdateVerdict> {
        let claimed = policy.environments_of_tag(short);
        if is_exact(&update.name) && !claimed.is_empty() {
            return claimed
                .into_iter()
                .map(|environment| self.judge_tag(policy, environment, short, update))
                .collect();
        }
        let near = claimed
            .first()
            .copied()
            .or_else(|| policy.environment_of_similar_tag(short));
        near.map(|environment| refuse_near_match(Rule::Tag, environment, update))
            .into_iter()
            .collect()
    }

    /// Judges a tag for one environment.
    fn judge_tag(
        &self,
        policy: &Policy,
        environment: &Environment,
        short: &str,
        update: &RefUpdate,
    ) -> UpdateVerdict {
        let verdict = match self.resolve_commits(Rule::Tag, &format!("refs/tags/{short}"), update) {
            Err(check) => Verdict {
                checks: vec![*check],
            },
            Ok((old, new)) => self.evaluate_rules(
                policy,
                environment,
                &Request::Tag {
                    environment: &environment.name,
                    name: short,
                    old,
                    new,
                },
            ),
        };
        make_verdict(environment, update, verdict)
    }

    /// Returns the old and the new commit of a branch or a tag. The ref must be where the pusher
    /// claims: git compares that only when it moves the ref, and another push may have moved it
    /// since.
    fn resolve_commits(
        &self,
        rule: Rule,
        name: &str,
        update: &RefUpdate,
    ) -> std::result::Result<OldAndNew, Box<Check>> {
        let commit = |id: Oid| {
            let found = match (rule, self.repository.object_kind(id)) {
                (_, Err(error)) => Err(error),
                (_, Ok(None)) => Err(Error::Missing(id)),
                // A branch names a commit itself. A tag may be an object that leads to one.
                (Rule::Branch, Ok(Some(kind))) => Ok((kind == ObjectKind::Commit).then_some(id)),
                (_, Ok(Some(_))) => self.repository.peel_to_commit(id),
            };
            match found {
                Ok(Some(id)) => Ok(CommitId(id)),
                Ok(None) => Err(Box::new(Check::fail(rule, "it leads to no commit"))),
                Err(error) => Err(Box::new(error.to_check(rule))),
            }
        };
        let old = if self.in_clone {
            Ok(update.old)
        } else {
            self.repository.read_ref(name)
        };
        let old = old.map_err(|error| Box::new(error.to_check(rule)))?;
        if old != update.old {
            return Err(Box::new(Check::fail(
                rule,
                "it is not where the push says that it is: fetch and try again",
            )));
        }
        Ok((
            old.map(commit).transpose()?,
            update.new.map(commit).transpose()?,
        ))
    }

    /// Evaluates the rules for a branch or a tag.
    fn evaluate_rules(
        &self,
        policy: &Policy,
        environment: &Environment,
        request: &Request<'_>,
    ) -> Verdict {
        let Some(judge) = &self.judge else {
            return Verdict::default();
        };
        let tip = self.present.tips.get(&environment.ledger).copied();
        let state = judge
            .load_tip(&environment.ledger, tip)
            .and_then(|head| {
                StateReader::new(self.repository).load(head.tree, &environment.ledger, &Scope::All)
            })
            .map_err(|error| error.to_string());
        let facts: Facts = judge
            .gatherer
            .gather(policy, request, &self.present.tips, None, state);
        evaluate(policy, request, &facts, self.present.now)
    }
}

/// New entries, oldest first, and the last of them as it was read.
type NewEntries = (Vec<EntryId>, LedgerCommit);

/// The old and the new commit of a ref. `None` means that the ref does not exist.
type OldAndNew = (Option<CommitId>, Option<CommitId>);

/// Makes the judgement of a branch or a tag that is bound to an environment.
fn make_verdict(environment: &Environment, update: &RefUpdate, verdict: Verdict) -> UpdateVerdict {
    UpdateVerdict {
        name: sanitize(&String::from_utf8_lossy(&update.name)),
        description: update
            .new
            .map(|new| format!("{}, {}", environment.name, CommitId(new).short())),
        verdict,
        enforced: environment.enforcement == Enforcement::Active,
        uses_recovery: false,
    }
}

/// Refuses a ref that some disks take for one that is bound. It is refused on all disks, because a
/// name does not tell where it will be stored.
fn refuse_near_match(rule: Rule, environment: &Environment, update: &RefUpdate) -> UpdateVerdict {
    let why = format!(
        "only capital letters tell it from a {rule} of {}, and on some servers' disks nothing does: choose another name",
        environment.display_name()
    );
    UpdateVerdict::from_check(&update.name, Check::fail(rule, why))
}

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
