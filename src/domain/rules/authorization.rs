//! Who signed may do this: the key is a listed person's of today, it is whom the entry names, and the policy lets them.
//!
//! A policy's publication has its own two ways besides the common one: the first of a project, and a recovery.

use std::collections::BTreeSet;

use super::{Context, Known, Request, answer, unless};
use crate::domain::entry::{Abort, Action, Deployment, Kind, Publish, Statement, Yank};
use crate::domain::id::PublicKey;
use crate::domain::name::Person;
use crate::domain::policy::{Environment, Members, Policy, PredicateType, Standing};
use crate::domain::state::Run;
use crate::domain::verdict::{Check, Rule};

/// Why somebody may not; `None` if they may.
type Objection = Option<String>;

/// The most findings of a policy that are shown.
const FINDINGS: usize = 10;

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry {
        statement,
        key,
        policy_text,
    } = ctx.request
    else {
        return Vec::new();
    };
    let against = match &statement.action {
        Action::Publish(publish) => of_publish(ctx, statement, publish, key, policy_text),
        _ => of_any_other(ctx, statement, key),
    };
    answer(
        Rule::Signer,
        against.map(|against| unless(Rule::Signer, against)),
    )
}

fn refuse(objection: Objection) -> Vec<Check> {
    objection
        .map(|why| Check::fail(Rule::Signer, why))
        .into_iter()
        .collect()
}

fn objection(good: bool, why: impl FnOnce() -> String) -> Objection {
    (!good).then(why)
}

fn of_any_other(
    ctx: &Context<'_>,
    statement: &Statement,
    key: Option<&PublicKey>,
) -> Known<Vec<Check>> {
    if statement.ledger.is_policy() && ctx.state()?.policy().is_none() {
        return Ok(refuse(Some(
            "no policy is in force yet: the first is published by a root key".to_owned(),
        )));
    }
    let who = listed(ctx.policy, statement).or_else(|| {
        key.and_then(|key| {
            wrong_key(
                ctx.policy,
                key,
                &statement.by,
                matches!(statement.action, Action::Finish(_)),
            )
        })
    });
    Ok(refuse(match who {
        Some(why) => Some(why),
        None => may(ctx, statement)?,
    }))
}

/// Whether everyone whom the entry names as its maker is in the policy.
fn listed(policy: &Policy, statement: &Statement) -> Objection {
    let mut makers = [Some(&statement.by), statement.requested_by.as_ref()]
        .into_iter()
        .flatten();
    let stranger = makers.find(|person| !policy.people.contains_key(*person))?;
    Some(format!("{stranger} is not among the people of the policy"))
}

/// A retired key may `finish`; that the run is its person's is asked of the finish itself.
fn wrong_key(policy: &Policy, key: &PublicKey, by: &Person, finish: bool) -> Objection {
    match policy.person_of_key(key) {
        None => Some(format!("nobody in the policy has the key {key}")),
        Some((person, _)) if person != by => {
            Some(format!("the key is {person}'s, the entry says {by}"))
        }
        Some((_, Standing::Retired)) if !finish => {
            Some(format!("this key of {by} is retired: sign with today's"))
        }
        Some(_) => None,
    }
}

fn admins(ctx: &Context<'_>) -> Known<BTreeSet<Person>> {
    let chain = ctx
        .facts
        .chain
        .as_ref()
        .ok_or_else(|| "the ledger's end was not read".to_owned())?;
    Ok(ctx.policy.admins(&chain.root_keys))
}

fn may(ctx: &Context<'_>, statement: &Statement) -> Known<Objection> {
    let by = &statement.by;
    let admin = || -> Known<bool> { Ok(admins(ctx)?.contains(by)) };
    let person = !ctx.policy.is_machine(by);
    Ok(match &statement.action {
        Action::Start(it) => deploys(ctx, ctx.environment()?, by, &it.deployment),
        Action::Record(it) => deploys(ctx, ctx.environment()?, by, &it.deployment),
        Action::Resume(_) | Action::Expire(_) | Action::Verification(_) => {
            among(by, &ctx.environment()?.deployers, || {
                format!("deploy to {}", ctx.shown())
            })
        }
        Action::Finish(it) => objection(owns(ctx, it.start, by)?, || {
            format!(
                "only who started or last resumed run {} finishes it",
                it.start
            )
        }),
        Action::Abort(it) => aborts(ctx, it, by)?,
        Action::Approve(_) => approves(ctx, by)?,
        Action::Revoke(it) => objection(it.approver == *by || admin()?, || {
            format!(
                "an approval is revoked by {} or an admin, and {by} is neither",
                it.approver
            )
        }),
        Action::Lock(_) => objection(concerned(ctx, by)?, || no_concern(ctx, by)),
        Action::Unlock(_) if !person => Some(format!("{by} is a machine: only a person unlocks")),
        Action::Unlock(_) => objection(concerned(ctx, by)?, || no_concern(ctx, by)),
        Action::Build(_) | Action::Artifact(_) => among(by, &ctx.policy.artifacts, || {
            "say what was built".to_owned()
        }),
        Action::Attestation(it) => match it.predicate_type.as_str().parse::<PredicateType>() {
            Ok(kind) => objection(ctx.policy.may_vouch(by, &kind), || {
                format!("{by} may not vouch with {kind}")
            }),
            Err(error) => Some(crate::domain::text::sanitize(&error.to_string())),
        },
        // Anyone listed may stop something from spreading.
        Action::Yank(_) => None,
        Action::Unyank(it) => unyanks(ctx, it, by, person)?,
        Action::Baseline(_) | Action::PolicyApprove(_) => {
            objection(admin()?, || format!("{by} is not an admin of the policy"))
        }
        Action::PolicyRevoke(_) => {
            objection(admin()?, || format!("{by} is not an admin of the policy"))
        }
        Action::Publish(_) => Some("a policy is published in its own way".to_owned()),
    })
}

fn among(by: &Person, members: &Members, what: impl FnOnce() -> String) -> Objection {
    objection(members.contains(by), || {
        format!("{by} may not {}: {members} may", what())
    })
}

fn deploys(
    ctx: &Context<'_>,
    environment: &Environment,
    by: &Person,
    deployment: &Deployment,
) -> Objection {
    let place = ctx.shown();
    if deployment.break_glass.is_some() {
        return match &environment.break_glass {
            None => Some(format!("nobody may break glass in {place}")),
            Some(_) if ctx.policy.is_machine(by) => {
                Some(format!("{by} is a machine: only a person breaks glass"))
            }
            Some(members) => among(by, members, || format!("break glass in {place}")),
        };
    }
    match deployment.kind {
        Kind::Deploy | Kind::Destroy => {
            among(by, &environment.deployers, || format!("deploy to {place}"))
        }
        Kind::Rollback => among(by, &environment.rollback_by, || {
            format!("roll {place} back")
        }),
        Kind::Exec => among(by, &environment.exec_by, || {
            format!("run commands in {place}")
        }),
        Kind::Hotfix => match &environment.hotfix {
            None => Some(format!("nobody may deploy a hotfix to {place}")),
            Some(hotfix) => among(by, &hotfix.by, || format!("deploy a hotfix to {place}")),
        },
    }
}

fn run<'a>(ctx: &Context<'a>, start: u64) -> Known<Option<Run<'a>>> {
    Ok(ctx.here()?.run(start))
}

fn owns(ctx: &Context<'_>, start: u64, by: &Person) -> Known<bool> {
    Ok(run(ctx, start)?.is_some_and(|run| run.owner.statement.by == *by))
}

fn aborts(ctx: &Context<'_>, abort: &Abort, by: &Person) -> Known<Objection> {
    if owns(ctx, abort.start, by)? || admins(ctx)?.contains(by) {
        return Ok(None);
    }
    let Some(environment) = ctx.environment else {
        let why = format!(
            "the policy no longer has {}: only its owner or an admin aborts a run there",
            ctx.shown()
        );
        return Ok(Some(why));
    };
    let stale =
        run(ctx, abort.start)?.map(|run| run.owner.statement.at.plus(environment.stale_after));
    Ok(match stale {
        Some(at) if at > ctx.now => Some(format!(
            "run {} lives: until {at} only its owner or an admin aborts it",
            abort.start
        )),
        _ => among(by, &environment.deployers, || {
            format!("abort a run in {}", ctx.shown())
        }),
    })
}

fn approves(ctx: &Context<'_>, by: &Person) -> Known<Objection> {
    let (seats, place) = (&ctx.environment()?.approvals, ctx.shown());
    Ok(if seats.is_empty() {
        Some(format!("{place} asks for no approvals"))
    } else if ctx.policy.is_machine(by) {
        Some(format!("{by} is a machine: only people approve"))
    } else {
        objection(seats.iter().any(|seat| seat.by.contains(by)), || {
            let who: Vec<String> = seats.iter().map(|seat| seat.by.to_string()).collect();
            format!(
                "an approval by {by} does not count in {place}: those of {} do",
                who.join(", ")
            )
        })
    })
}

/// Deployers, approvers and admins: those who may stop the line.
fn concerned(ctx: &Context<'_>, by: &Person) -> Known<bool> {
    let environment = ctx.environment()?;
    let approver = environment
        .approvals
        .iter()
        .any(|seat| seat.by.contains(by));
    Ok(environment.deployers.contains(by) || approver || admins(ctx)?.contains(by))
}

fn no_concern(ctx: &Context<'_>, by: &Person) -> String {
    format!(
        "{by} is neither a deployer nor an approver of {}, nor an admin",
        ctx.shown()
    )
}

fn unyanks(ctx: &Context<'_>, yank: &Yank, by: &Person, person: bool) -> Known<Objection> {
    if admins(ctx)?.contains(by) {
        return Ok(None);
    }
    let state = ctx.state()?;
    let of_commit = yank.commit.and_then(|commit| state.yanked_commit(commit));
    let open = of_commit.or_else(|| {
        yank.digest
            .as_ref()
            .and_then(|digest| state.yanked_digest(digest))
    });
    let own = open.is_some_and(|open| open.statement.by == *by);
    Ok(objection(own && person, || {
        format!("a yank is taken back by the person who made it or an admin, not by {by}")
    }))
}

/// The policy in force judges who may publish; where none is, the project's root keys do, and after a recovery was armed, that.
fn of_publish(
    ctx: &Context<'_>,
    statement: &Statement,
    publish: &Publish,
    key: Option<&PublicKey>,
    text: Option<&[u8]>,
) -> Known<Vec<Check>> {
    let text = text.ok_or_else(|| "the deploy.toml to be published was not read".to_owned())?;
    let Ok(text) = std::str::from_utf8(text) else {
        return Ok(refuse(Some("deploy.toml is not UTF-8".to_owned())));
    };
    let proposed = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(errors) => {
            let shown = errors.findings().iter().take(FINDINGS);
            return Ok(shown
                .map(|finding| Check::fail(Rule::Signer, finding.to_string()))
                .collect());
        }
    };
    let chain = ctx
        .facts
        .chain
        .as_ref()
        .ok_or_else(|| "the ledger's end was not read".to_owned())?;
    let by = &statement.by;
    // Without a signature yet, the key is the one that they would sign with.
    let listed_key = |policy: &Policy| policy.people.get(by).map(|spec| spec.key);
    let wrong = |policy: &Policy| {
        listed(policy, statement).or_else(|| key.and_then(|key| wrong_key(policy, key, by, false)))
    };
    let first = ctx.state()?.policy().is_none();
    let why = if first && publish.recovered {
        Some("there is nothing to recover: no policy is in force".to_owned())
    } else if first {
        let root = key
            .copied()
            .or_else(|| listed_key(&proposed))
            .is_some_and(|key| chain.root_keys.contains(&key));
        wrong(&proposed).or_else(|| {
            objection(root, || {
                "the first policy is published by a root key of the project".to_owned()
            })
        })
    } else if publish.recovered {
        let key = key.copied().or_else(|| listed_key(&proposed));
        let armed = key.is_some() && key == ctx.facts.recovery;
        wrong(&proposed).or_else(|| {
            objection(armed, || {
                "the server's owner has armed no recovery for this key".to_owned()
            })
        })
    } else {
        let admin = ctx.policy.admins(&chain.root_keys).contains(by);
        wrong(ctx.policy).or_else(|| {
            objection(admin, || {
                format!("{by} is not an admin of the policy in force")
            })
        })
    };
    let stays = proposed.admins(&chain.root_keys).contains(by) && proposed.people.contains_key(by);
    Ok(refuse(why.or_else(|| {
        objection(stays, || {
            format!("{by} would no more be an admin: a policy must keep who publishes it")
        })
    })))
}

#[cfg(test)]
mod tests;
