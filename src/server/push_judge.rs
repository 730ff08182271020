//! Judges single updates, all on the same ledger tips and at the same time.
//!
//! The tips are read once for a whole push, so that no update is judged on the result of another.

use std::cell::Cell;
use std::sync::Arc;

use super::classify::{Class, is_exact};
use super::ref_update::Update;
use super::settings::Settings;
use super::update_verdict::{Judgement, about};
use super::{Fault, MAX_ENTRIES};
use crate::domain::entry::Action;
use crate::domain::id::{CommitId, EntryId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::policy::{Enforcement, Environment, Policy};
use crate::domain::rules::{Facts, Request, evaluate};
use crate::domain::state::Scope;
use crate::domain::text::harmless;
use crate::domain::verdict::{Check, Rule, Verdict};
use crate::git::object::Kind;
use crate::git::{Error, Repository, Result};
use crate::ledger::entry_validator::{Against, Head, Judge, Present};
use crate::ledger::facts::Gatherer;
use crate::ledger::{Link, Project, StateReader};

/// Returns the project in which a push is judged: the existing one, or the one that the push itself
/// begins.
pub fn project<'u>(
    repository: &Repository,
    present: &Present,
    mut ledgers: impl Iterator<Item = (&'u LedgerName, &'u Update)>,
) -> Result<Option<Project>> {
    if let Some(tip) = present.tips.get(&LedgerName::policy()) {
        return Project::of_policy(repository, *tip).map(Some);
    }
    let first = ledgers
        .find(|(ledger, _)| ledger.is_policy())
        .and_then(|(_, update)| update.new);
    // An error in it is reported when that update is judged.
    Ok(first.and_then(|new| Project::of_policy(repository, EntryId(new)).ok()))
}

/// Judges the updates of one push.
pub struct Court<'a> {
    repository: &'a Repository,
    settings: &'a Settings,
    present: &'a Present,
    judge: Option<Judge<'a>>,
    policy: Option<Arc<Policy>>,
    in_clone: bool,
    /// How many entries were judged.
    entries: Cell<u64>,
}

impl<'a> Court<'a> {
    /// Creates a judge for the refs in `present`.
    pub fn new(
        repository: &'a Repository,
        settings: &'a Settings,
        project: Option<&'a Project>,
        present: &'a Present,
    ) -> Result<Self> {
        let judge = project.map(|project| {
            Judge::new(
                repository,
                Gatherer::new(repository, project),
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
            entries: Cell::new(0),
        })
    }

    /// Judges what a clone is about to push: the push is about the server's refs, not the clone's.
    #[must_use]
    pub fn in_clone(self) -> Self {
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
    pub(super) fn any(
        &self,
        class: &Class,
        update: &Update,
        to: &mut Vec<Judgement>,
    ) -> std::result::Result<(), Fault> {
        match (class, self.policy.as_deref()) {
            (Class::Ledger(ledger), _) => to.push(self.ledger(ledger, update)?),
            (Class::Forbidden(why), _) => to.push(Judgement::of_check(
                &update.name,
                Check::fail(Rule::Place, *why),
            )),
            (Class::Branch(short), Some(policy)) => to.extend(self.branch(policy, short, update)),
            (Class::Tag(short), Some(policy)) => to.extend(self.tags(policy, short, update)),
            (Class::Branch(_) | Class::Tag(_), None) | (Class::Other, _) => {}
        }
        Ok(())
    }

    /// Judges the update of a ledger.
    pub fn ledger(
        &self,
        ledger: &LedgerName,
        update: &Update,
    ) -> std::result::Result<Judgement, Fault> {
        let stop = |check| Ok(Judgement::of_check(&update.name, check));
        if self.settings.admins.is_empty() {
            return stop(unpinned());
        }
        let Some(new) = update.new else {
            return stop(Check::fail(Rule::Place, "a ledger is never deleted"));
        };
        let tip = self.present.tips.get(ledger).copied();
        if update.old != tip.map(|tip| tip.0) {
            return stop(moved(tip));
        }
        if self.policy.is_none() && !ledger.is_policy() {
            let why = "no policy is in force here yet: it comes first, in a push of its own";
            return stop(Check::fail(Rule::Place, why).remedy("git deploy policy publish"));
        }
        let Some(judge) = &self.judge else {
            return stop(self.no_project(new));
        };
        let head = match self.begin(judge, ledger, tip) {
            Ok(head) => head,
            Err(check) => return stop(*check),
        };
        match self.new_entries(ledger, &head, EntryId(new))? {
            Ok((ids, last)) => Ok(self.entries(judge, ledger, head, (&ids, last), update)),
            Err(check) => stop(*check),
        }
    }

    /// Returns the tip of the ledger that new entries must follow. If the ledger does not exist
    /// yet, checks that it may.
    fn begin(
        &self,
        judge: &Judge<'_>,
        ledger: &LedgerName,
        tip: Option<EntryId>,
    ) -> std::result::Result<Head, Box<Check>> {
        let head = judge
            .head(ledger, tip)
            .map_err(|error| Box::new(error.answer(Rule::Place)))?;
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
                return Err(Box::new(Check::fail(Rule::Signer, why).remedy(
                    "git-deploy server init <repository> --admin <public key>",
                )));
            }
        } else if let Some(policy) = self.policy.as_ref().filter(|_| ledger.is_environment())
            && !policy.ledgers().contains(ledger)
        {
            let why = format!("no environment of the policy in force has the ledger {ledger}");
            return Err(Box::new(
                Check::fail(Rule::Place, why).remedy("git deploy policy publish"),
            ));
        }
        Ok(head)
    }

    /// Returns why no project begins with this commit.
    fn no_project(&self, new: Oid) -> Check {
        match Project::of_policy(self.repository, EntryId(new)) {
            Err(error) => error.answer(Rule::Place),
            Ok(_) => Check::unknown(Rule::Place, "the project could not be read"),
        }
    }

    /// Returns the entries after `head` up to `new`, oldest first, and the last one as it was read.
    /// The number in the last entry limits the walk, so that an invalid chain is not walked to its
    /// end.
    fn new_entries(
        &self,
        ledger: &LedgerName,
        head: &Head,
        new: EntryId,
    ) -> std::result::Result<std::result::Result<NewEntries, Box<Check>>, Fault> {
        let refuse = |why: &str| {
            Ok(Err(Box::new(
                Check::fail(Rule::Place, why).remedy("git deploy sync"),
            )))
        };
        let last = match self.repository.read_link(ledger, new) {
            Ok(link) => link,
            Err(error) => return Ok(Err(Box::new(error.answer(Rule::Place)))),
        };
        let sequence = match &last {
            Link::Entry { entry, .. } => entry.statement().sequence,
            Link::Genesis => return refuse("it has no parent: it is no entry of this ledger"),
        };
        let count = sequence.saturating_sub(head.chain.sequence);
        if count == 0 {
            return refuse("it does not go forward from where the ledger is");
        }
        self.entries.set(self.entries.get().saturating_add(count));
        if self.entries.get() > MAX_ENTRIES {
            return Err(Fault::TooManyEntries);
        }
        let mut ids = Vec::new();
        for commit in self.repository.first_parent_walk(new.0) {
            match commit {
                Ok(commit) if commit.id == head.chain.tip.0 => {
                    ids.reverse();
                    return Ok(Ok((ids, last)));
                }
                Ok(commit) => ids.push(EntryId(commit.id)),
                Err(error) => return Ok(Err(Box::new(error.answer(Rule::Place)))),
            }
            if ids.len() as u64 > count {
                break;
            }
        }
        refuse("it does not continue the ledger from where it is")
    }

    /// Judges entries in their order, up to the first that is refused.
    fn entries(
        &self,
        judge: &Judge<'_>,
        ledger: &LedgerName,
        mut head: Head,
        (ids, last): (&[EntryId], Link),
        update: &Update,
    ) -> Judgement {
        let mut last = Some(last);
        let mut judgement =
            Judgement::of_check(&update.name, Check::fail(Rule::Place, "it brings no entry"));
        for (index, id) in ids.iter().enumerate() {
            let against = Against::Present(self.present);
            let judged = match last.take_if(|_| index + 1 == ids.len()) {
                Some(link) => judge.judge_link(ledger, &head, *id, Ok(link), against),
                None => judge.judge(ledger, &head, *id, against),
            };
            judgement.what = judged.kept.as_ref().map(|kept| about(&kept.statement));
            if ids.len() > 1 {
                let what = judgement.what.take().unwrap_or_default();
                judgement.what = Some(format!("entry {} of {}: {what}", index + 1, ids.len()));
            }
            judgement.verdict = judged.verdict;
            let recovers = judged.entry.as_ref().is_some_and(
                |entry| matches!(&entry.statement().action, Action::Publish(publish) if publish.recovered),
            );
            if recovers && judgement.recovers {
                let why = "the owner of the server let one publish recover the project, and this is a second one";
                judgement.verdict = Verdict {
                    checks: vec![Check::fail(Rule::Signer, why)],
                };
            }
            judgement.recovers |= recovers;
            match judged.head.filter(|_| judgement.verdict.allowed()) {
                Some(next) => head = next,
                None => break,
            }
        }
        judgement
    }

    /// Judges the move of a branch, if it is bound to an environment.
    fn branch(&self, policy: &Policy, short: &str, update: &Update) -> Option<Judgement> {
        let exact = is_exact(&update.name);
        let Some(environment) = policy.bound_to_branch(short).filter(|_| exact) else {
            let near = policy
                .nearly_bound_to_branch(short)
                .or_else(|| policy.bound_to_branch(short));
            return near.map(|environment| nearly(Rule::Branch, environment, update));
        };
        let verdict = match self.ends(Rule::Branch, &format!("refs/heads/{short}"), update) {
            Err(check) => Verdict {
                checks: vec![*check],
            },
            Ok((old, new)) => self.ask(
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
        Some(bound(environment, update, verdict))
    }

    /// Judges a tag, if its name has the form of an environment's tags.
    fn tags(&self, policy: &Policy, short: &str, update: &Update) -> Vec<Judgement> {
        let claimed = policy.bound_to_tag(short);
        if is_exact(&update.name) && !claimed.is_empty() {
            return claimed
                .into_iter()
                .map(|environment| self.tag(policy, environment, short, update))
                .collect();
        }
        let near = claimed
            .first()
            .copied()
            .or_else(|| policy.nearly_bound_to_tag(short));
        near.map(|environment| nearly(Rule::Tag, environment, update))
            .into_iter()
            .collect()
    }

    /// Judges a tag for one environment.
    fn tag(
        &self,
        policy: &Policy,
        environment: &Environment,
        short: &str,
        update: &Update,
    ) -> Judgement {
        let verdict = match self.ends(Rule::Tag, &format!("refs/tags/{short}"), update) {
            Err(check) => Verdict {
                checks: vec![*check],
            },
            Ok((old, new)) => self.ask(
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
        bound(environment, update, verdict)
    }

    /// Returns the old and the new commit of a branch or a tag. The ref must be where the pusher
    /// claims: git compares that only when it moves the ref, and another push may have moved it
    /// since.
    fn ends(
        &self,
        rule: Rule,
        name: &str,
        update: &Update,
    ) -> std::result::Result<Ends, Box<Check>> {
        let commit = |id: Oid| {
            let found = match (rule, self.repository.kind(id)) {
                (_, Err(error)) => Err(error),
                (_, Ok(None)) => Err(Error::Missing(id)),
                // A branch names a commit itself. A tag may be an object that leads to one.
                (Rule::Branch, Ok(Some(kind))) => Ok((kind == Kind::Commit).then_some(id)),
                (_, Ok(Some(_))) => self.repository.peel_to_commit(id),
            };
            match found {
                Ok(Some(id)) => Ok(CommitId(id)),
                Ok(None) => Err(Box::new(Check::fail(rule, "it leads to no commit"))),
                Err(error) => Err(Box::new(error.answer(rule))),
            }
        };
        let old = if self.in_clone {
            Ok(update.old)
        } else {
            self.repository.read_ref(name)
        };
        let old = old.map_err(|error| Box::new(error.answer(rule)))?;
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
    fn ask(&self, policy: &Policy, environment: &Environment, request: &Request<'_>) -> Verdict {
        let Some(judge) = &self.judge else {
            return Verdict::default();
        };
        let tip = self.present.tips.get(&environment.ledger).copied();
        let state = judge
            .head(&environment.ledger, tip)
            .and_then(|head| {
                StateReader::new(self.repository).load(head.tree, &environment.ledger, &Scope::All)
            })
            .map_err(|error| error.to_string());
        let facts: Facts = judge
            .gatherer
            .facts(policy, request, &self.present.tips, None, state);
        evaluate(policy, request, &facts, self.present.now)
    }
}

/// New entries, oldest first, and the last of them as it was read.
type NewEntries = (Vec<EntryId>, Link);

/// The old and the new commit of a ref. `None` means that the ref does not exist.
type Ends = (Option<CommitId>, Option<CommitId>);

/// Makes the judgement of a branch or a tag that is bound to an environment.
fn bound(environment: &Environment, update: &Update, verdict: Verdict) -> Judgement {
    Judgement {
        name: harmless(&String::from_utf8_lossy(&update.name)),
        what: update
            .new
            .map(|new| format!("{}, {}", environment.name, CommitId(new).short())),
        verdict,
        enforced: environment.enforcement == Enforcement::Active,
        recovers: false,
    }
}

/// Refuses a ref that some disks take for one that is bound. It is refused on all disks, because a
/// name does not tell where it will be stored.
fn nearly(rule: Rule, environment: &Environment, update: &Update) -> Judgement {
    let why = format!(
        "only capital letters tell it from a {rule} of {}, and on some servers' disks nothing does: choose another name",
        environment.shown()
    );
    Judgement::of_check(&update.name, Check::fail(rule, why))
}

/// Returns the check for a server whose owner has not set who may begin a project.
fn unpinned() -> Check {
    let why = "this server's owner has not said who may publish the first policy: nothing is accepted here";
    Check::fail(Rule::Signer, why)
        .remedy("git-deploy server init <repository> --admin <public key>")
}

/// Returns the check for a ledger that is not where the pusher claims: another push was faster, or
/// the claim is false.
fn moved(tip: Option<EntryId>) -> Check {
    let why = match tip {
        Some(tip) => format!("the ledger has moved: it is at {}; try again", tip.short()),
        None => "the ledger does not exist yet; try again".to_owned(),
    };
    Check::fail(Rule::Place, why).remedy("git deploy sync")
}
