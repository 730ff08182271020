//! Judges the move of a branch or a tag that is bound to an environment.

use super::classify::is_exact;
use super::push_judge::PushJudge;
use super::ref_update::RefUpdate;
use super::update_verdict::UpdateVerdict;
use crate::domain::id::{CommitId, Oid};
use crate::domain::policy::{Enforcement, Environment, Policy};
use crate::domain::rules::{Facts, Request, evaluate};
use crate::domain::state::Scope;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Rule, Verdict};
use crate::git::Error;
use crate::git::object::ObjectKind;
use crate::ledger::StateReader;

impl PushJudge<'_> {
    /// Judges the move of a branch, if it is bound to an environment.
    pub(super) fn judge_branch(
        &self,
        policy: &Policy,
        short: &str,
        update: &RefUpdate,
    ) -> Option<UpdateVerdict> {
        let is_exact_name = is_exact(&update.name);
        let Some(environment) = policy
            .environment_of_branch(short)
            .filter(|_| is_exact_name)
        else {
            let similar = policy
                .environment_of_similar_branch(short)
                .or_else(|| policy.environment_of_branch(short));
            return similar.map(|environment| refuse_near_match(Rule::Branch, environment, update));
        };
        let verdict =
            match self.resolve_commits(Rule::Branch, &format!("refs/heads/{short}"), update) {
                Err(check) => Verdict {
                    checks: vec![*check],
                },
                Ok(RefCommits { old, new }) => self.evaluate_rules(
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

    /// Judges a tag for each environment whose tag pattern matches its name.
    pub(super) fn judge_tags(
        &self,
        policy: &Policy,
        short: &str,
        update: &RefUpdate,
    ) -> Vec<UpdateVerdict> {
        let environments = policy.environments_of_tag(short);
        if is_exact(&update.name) && !environments.is_empty() {
            return environments
                .into_iter()
                .map(|environment| self.judge_tag(policy, environment, short, update))
                .collect();
        }
        let similar = environments
            .first()
            .copied()
            .or_else(|| policy.environment_of_similar_tag(short));
        similar
            .map(|environment| refuse_near_match(Rule::Tag, environment, update))
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
            Ok(RefCommits { old, new }) => self.evaluate_rules(
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
    ) -> std::result::Result<RefCommits, Box<Check>> {
        let resolve = |id: Oid, is_new: bool| {
            let peeled = match (rule, self.repository.object_kind(id)) {
                (_, Err(error)) => Err(error),
                (_, Ok(None)) => Err(Error::Missing(id)),
                // A branch points to a commit itself, and so does a tag that follows from a
                // deployment. An older tag may point to an object that leads to one.
                (_, Ok(Some(kind))) if rule == Rule::Branch || is_new => {
                    Ok((kind == ObjectKind::Commit).then_some(id))
                }
                (_, Ok(Some(_))) => self.repository.peel_to_commit(id),
            };
            match peeled {
                Ok(Some(id)) => Ok(CommitId(id)),
                Ok(None) => Err(Box::new(Check::fail(
                    rule,
                    "it does not point to a commit itself",
                ))),
                Err(error) => Err(Box::new(error.to_check(rule))),
            }
        };
        let old = if self.is_clone {
            Ok(update.old)
        } else {
            self.repository.read_ref(name)
        };
        let old = old.map_err(|error| Box::new(error.to_check(rule)))?;
        if old != update.old {
            return Err(Box::new(Check::fail(
                rule,
                "it is not at the commit that the push expects: fetch and try again",
            )));
        }
        Ok(RefCommits {
            old: old.map(|id| resolve(id, false)).transpose()?,
            new: update.new.map(|id| resolve(id, true)).transpose()?,
        })
    }

    /// Evaluates the rules for a branch or a tag.
    fn evaluate_rules(
        &self,
        policy: &Policy,
        environment: &Environment,
        request: &Request<'_>,
    ) -> Verdict {
        let Some(validator) = &self.validator else {
            return Verdict::default();
        };
        let tip = self.present.tips.get(&environment.ledger).copied();
        let state = validator
            .load_tip(&environment.ledger, tip)
            .and_then(|chain_tip| {
                StateReader::new(self.repository).load(
                    chain_tip.tree,
                    &environment.ledger,
                    &Scope::All,
                )
            })
            .map_err(|error| error.to_string());
        let facts: Facts =
            validator
                .gatherer
                .gather(policy, request, &self.present.tips, None, state);
        evaluate(policy, request, &facts, self.present.now)
    }
}

/// The commits of a ref before and after the push.
struct RefCommits {
    /// `None` if the ref does not exist.
    old: Option<CommitId>,
    /// `None` if the push deletes the ref.
    new: Option<CommitId>,
}

/// Combines the verdict of the rules on a branch or a tag with the name and the environment of the
/// ref.
fn make_verdict(environment: &Environment, update: &RefUpdate, verdict: Verdict) -> UpdateVerdict {
    UpdateVerdict {
        name: sanitize(&String::from_utf8_lossy(&update.name)),
        description: update
            .new
            .map(|new| format!("{}, {}", environment.name, CommitId(new).short())),
        verdict,
        is_enforced: environment.enforcement == Enforcement::Active,
        uses_recovery: false,
    }
}

/// Refuses a ref that a case-insensitive file system would confuse with a bound ref. It is refused
/// everywhere, because it may later be fetched to such a file system.
fn refuse_near_match(rule: Rule, environment: &Environment, update: &RefUpdate) -> UpdateVerdict {
    let why = format!(
        "it differs only in capital letters from a {rule} of {}, and some disks ignore case: choose another name",
        environment.display_name()
    );
    UpdateVerdict::from_check(&update.name, Check::fail(rule, why))
}
