//! The rule `authorization`: the signer may do what the entry does, with a key that the policy
//! lists.
//!
//! A policy is published by an admin of the policy in force. Two cases differ: a root key publishes
//! the first policy of a project, and the server's owner can allow one key to publish a recovery.

mod runs;
mod yanks;

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::Fact;
use super::findings::join_names;
use super::request::Request;
use super::request_kind::RequestKinds;
use super::suggestions;
use crate::domain::entry::{Action, Deployment, DeploymentKind, Publish, Statement};
use crate::domain::id::PublicKey;
use crate::domain::name::Person;
use crate::domain::policy::{Environment, KeyStatus, Members, Policy, PredicateType};
use crate::domain::verdict::{Check, Rule};

/// The reason why a signer is not allowed to write the entry; `None` if the signer is allowed.
type Objection = Option<String>;

/// The largest number of errors in a proposed policy that are shown.
const MAX_SHOWN_ERRORS: usize = 10;

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Authorization,
    name: "authorization",
    description: "The entry is signed with a current key of the person it names, and the policy lets that person do this.",
    faced_by: RequestKinds::ENTRIES,
    hotfix_skip: None,
    reads: &[],
    needs: needs_nothing,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry {
        statement,
        key,
        policy_text,
    } = ctx.request
    else {
        return Vec::new();
    };
    let violations = match &statement.action {
        Action::Publish(publish) => check_publish(ctx, statement, publish, key, policy_text),
        _ => check_entry(ctx, statement, key),
    };
    or_unknown(
        Rule::Authorization,
        violations.map(|violations| pass_if_none(Rule::Authorization, violations)),
    )
}

fn to_checks(objection: Objection) -> Vec<Check> {
    objection
        .map(|why| Check::fail(Rule::Authorization, why))
        .into_iter()
        .collect()
}

fn object_unless(is_allowed: bool, why: impl FnOnce() -> String) -> Objection {
    (!is_allowed).then(why)
}

fn check_entry(
    ctx: &Context<'_>,
    statement: &Statement,
    key: Option<&PublicKey>,
) -> Fact<Vec<Check>> {
    if statement.ledger.is_policy() && ctx.state()?.policy().is_none() {
        return Ok(to_checks(Some(
            "no policy is in force yet: only a root key may publish the first one".to_owned(),
        )));
    }
    let signer_objection = check_listed(ctx.policy, statement).or_else(|| {
        key.and_then(|key| {
            let allowed = match statement.action {
                Action::Finish(_) => AllowedKeys::CurrentOrRetired,
                _ => AllowedKeys::Current,
            };
            check_key(ctx.policy, key, &statement.by, allowed)
        })
    });
    Ok(to_checks(match signer_objection {
        Some(why) => Some(why),
        None => check_action(ctx, statement)?,
    }))
}

/// Checks that the policy lists the signer and the requester.
fn check_listed(policy: &Policy, statement: &Statement) -> Objection {
    let mut named_people = [Some(&statement.by), statement.requested_by.as_ref()]
        .into_iter()
        .flatten();
    let unlisted = named_people.find(|person| !policy.people.contains_key(*person))?;
    Some(format!("the policy does not list {unlisted}"))
}

/// The keys of a person that may sign an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AllowedKeys {
    /// Only the current key.
    Current,
    /// Also a retired key. With it, a person may finish a run that began before the key was retired;
    /// [`check_action`] checks that the run is the signer's own.
    CurrentOrRetired,
}

/// Checks that the key belongs to the signer and may sign the entry.
fn check_key(policy: &Policy, key: &PublicKey, by: &Person, allowed: AllowedKeys) -> Objection {
    match policy.person_of_key(key) {
        None => Some(format!("the policy does not list the key {key}")),
        Some((person, _)) if person != by => Some(format!(
            "the key belongs to {person}, but the entry names {by}"
        )),
        Some((_, KeyStatus::Retired)) if allowed == AllowedKeys::Current => Some(format!(
            "this key of {by} is retired: sign with the current key"
        )),
        Some(_) => None,
    }
}

fn check_action(ctx: &Context<'_>, statement: &Statement) -> Fact<Objection> {
    let by = &statement.by;
    let is_admin = || -> Fact<bool> { Ok(ctx.admins()?.contains(by)) };
    let is_person = !ctx.policy.is_machine(by);
    Ok(match &statement.action {
        Action::Start(it) => check_deployer(ctx, ctx.environment()?, by, &it.deployment),
        Action::Record(it) => check_deployer(ctx, ctx.environment()?, by, &it.deployment),
        Action::Resume(it) => runs::check_resume(ctx, it, by)?,
        Action::Expire(_) | Action::Verification(_) => {
            check_member(by, &ctx.environment()?.deployers, || {
                format!("deploy to {}", ctx.environment_label())
            })
        }
        Action::Finish(it) => object_unless(runs::owns_run(ctx, it.start, by)?, || {
            format!(
                "only the person who started or last resumed run {} may finish it",
                it.start
            )
        }),
        Action::Abort(it) => runs::check_abort(ctx, it, by)?,
        Action::Approve(_) => check_approver(ctx, by)?,
        Action::Revoke(it) => object_unless(it.approver == *by || is_admin()?, || {
            format!(
                "only {} or an admin may revoke this approval, not {by}",
                it.approver
            )
        }),
        Action::Lock(_) => object_unless(may_lock(ctx, by)?, || describe_no_lock_right(ctx, by)),
        Action::Unlock(_) if !is_person => Some(format!(
            "{by} is a machine: only a person may unlock ({})",
            join_names(suggestions::find_unlockers(ctx, ctx.environment()?))
        )),
        Action::Unlock(_) => object_unless(may_lock(ctx, by)?, || describe_no_lock_right(ctx, by)),
        Action::Build(_) | Action::Artifact(_) => check_member(by, &ctx.policy.artifacts, || {
            "register builds and artifacts".to_owned()
        }),
        Action::Attestation(it) => match it.predicate_type.as_str().parse::<PredicateType>() {
            Ok(kind) => object_unless(ctx.policy.may_attest(by, &kind), || {
                format!("{by} may not attest {kind}")
            }),
            Err(error) => Some(crate::domain::text::sanitize(&error.to_string())),
        },
        // Every listed person and machine may yank, so that a bad release can be stopped quickly.
        Action::Yank(it) => yanks::check_extended_yank(ctx, it, by)?,
        Action::Unyank(it) => yanks::check_unyank(ctx, &it.0, by, is_person)?,
        Action::Baseline(_) | Action::PolicyApprove(_) | Action::PolicyRevoke(_) => {
            object_unless(is_admin()?, || {
                format!("{by} is not an admin of the policy")
            })
        }
        Action::Publish(_) => Some("a policy is published by its own kind of entry".to_owned()),
    })
}

fn check_member(
    by: &Person,
    members: &Members,
    describe_action: impl FnOnce() -> String,
) -> Objection {
    object_unless(members.contains(by), || {
        let action = describe_action();
        if members.persons().is_empty() {
            format!("{by} may not {action}: no one may")
        } else {
            format!("{by} may not {action}: {members} may")
        }
    })
}

fn check_deployer(
    ctx: &Context<'_>,
    environment: &Environment,
    by: &Person,
    deployment: &Deployment,
) -> Objection {
    let environment_label = ctx.environment_label();
    if deployment.break_glass.is_some() {
        return match &environment.break_glass {
            None => Some(format!("break-glass is not allowed in {environment_label}")),
            Some(_) if ctx.policy.is_machine(by) => {
                Some(format!("{by} is a machine: only a person may break glass"))
            }
            Some(members) => check_member(by, members, || {
                format!("break glass in {environment_label}")
            }),
        };
    }
    match deployment.kind {
        DeploymentKind::Deploy | DeploymentKind::Destroy => {
            check_member(by, &environment.deployers, || {
                format!("deploy to {environment_label}")
            })
        }
        DeploymentKind::Rollback => check_member(by, &environment.rollback_by, || {
            format!("roll {environment_label} back")
        }),
        DeploymentKind::Exec => check_member(by, &environment.exec_by, || {
            format!("run commands in {environment_label} (exec_by)")
        }),
        DeploymentKind::Hotfix => match &environment.hotfix {
            None => Some(format!("hotfixes are not allowed in {environment_label}")),
            Some(hotfix) => check_member(by, &hotfix.by, || {
                format!("deploy a hotfix to {environment_label}")
            }),
        },
    }
}

fn check_approver(ctx: &Context<'_>, by: &Person) -> Fact<Objection> {
    let (requirements, environment_label) =
        (&ctx.environment()?.approvals, ctx.environment_label());
    let list_approvers = || {
        let approvers = requirements.iter().map(|it| it.by.to_string());
        approvers.collect::<Vec<_>>().join(", ")
    };
    Ok(if requirements.is_empty() {
        Some(format!("{environment_label} requires no approvals"))
    } else if ctx.policy.is_machine(by) {
        Some(format!(
            "{by} is a machine: only people may approve ({})",
            list_approvers()
        ))
    } else {
        object_unless(
            requirements
                .iter()
                .any(|requirement| requirement.by.contains(by)),
            || {
                format!(
                    "an approval by {by} does not count in {environment_label}: only those by {} do",
                    list_approvers()
                )
            },
        )
    })
}

/// Returns whether a person may lock and unlock the environment: a deployer, an approver or an admin.
fn may_lock(ctx: &Context<'_>, by: &Person) -> Fact<bool> {
    let environment = ctx.environment()?;
    let is_approver = environment
        .approvals
        .iter()
        .any(|requirement| requirement.by.contains(by));
    Ok(environment.deployers.contains(by) || is_approver || ctx.admins()?.contains(by))
}

fn describe_no_lock_right(ctx: &Context<'_>, by: &Person) -> String {
    format!(
        "{by} is neither a deployer nor an approver of {}, nor an admin",
        ctx.environment_label()
    )
}

/// Checks the proposed policy and whether the signer may publish it.
fn check_publish(
    ctx: &Context<'_>,
    statement: &Statement,
    publish: &Publish,
    key: Option<&PublicKey>,
    text: Option<&[u8]>,
) -> Fact<Vec<Check>> {
    let text = text.ok_or_else(|| "the deploy.toml to be published was not read".to_owned())?;
    let Ok(text) = std::str::from_utf8(text) else {
        return Ok(to_checks(Some("deploy.toml is not UTF-8".to_owned())));
    };
    let proposed = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(errors) => {
            let shown = errors.errors().iter().take(MAX_SHOWN_ERRORS);
            return Ok(shown
                .map(|error| Check::fail(Rule::Authorization, error.to_string()))
                .collect());
        }
    };
    let chain = ctx.chain()?;
    let by = &statement.by;
    let objection = check_publisher(ctx, statement, publish, key, &proposed)?;
    let stays_admin =
        proposed.admins(&chain.root_keys).contains(by) && proposed.people.contains_key(by);
    Ok(to_checks(objection.or_else(|| {
        object_unless(stays_admin, || {
            format!("{by} would no longer be an admin: the publisher of a policy must stay one")
        })
    })))
}

/// Checks whether the signer may publish the proposed policy. The signer must be an admin of the
/// policy in force. The first policy is signed with a root key instead, and a recovery with the key
/// that the server's owner allowed.
fn check_publisher(
    ctx: &Context<'_>,
    statement: &Statement,
    publish: &Publish,
    key: Option<&PublicKey>,
    proposed: &Policy,
) -> Fact<Objection> {
    let root_keys = &ctx.chain()?.root_keys;
    let by = &statement.by;
    // A preview has no signature yet, so the signer's listed key is used.
    let listed_key = |policy: &Policy| policy.people.get(by).map(|spec| spec.key);
    let check_signer = |policy: &Policy| {
        check_listed(policy, statement)
            .or_else(|| key.and_then(|key| check_key(policy, key, by, AllowedKeys::Current)))
    };
    let is_first = ctx.state()?.policy().is_none();
    let objection = if is_first && publish.recovered {
        Some("there is nothing to recover: no policy is in force".to_owned())
    } else if is_first {
        let is_root = key
            .copied()
            .or_else(|| listed_key(proposed))
            .is_some_and(|key| root_keys.contains(&key));
        check_signer(proposed).or_else(|| {
            object_unless(is_root, || {
                "only a root key of the project may publish the first policy".to_owned()
            })
        })
    } else if publish.recovered {
        let key = key.copied().or_else(|| listed_key(proposed));
        let is_armed = key.is_some() && key == ctx.facts.recovery;
        check_signer(proposed).or_else(|| {
            object_unless(is_armed, || {
                "the server's owner has not allowed this key to recover the policy".to_owned()
            })
        })
    } else {
        let is_admin = ctx.policy.admins(root_keys).contains(by);
        check_signer(ctx.policy).or_else(|| {
            object_unless(is_admin, || {
                format!("{by} is not an admin of the policy in force")
            })
        })
    };
    Ok(objection)
}

#[cfg(test)]
mod tests;
