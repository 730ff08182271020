//! Artifact: built once, then promoted. What is deployed was registered for the component's content by somebody who may, and is
//! what ran in the environment before.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::{Against, COMPONENT, Found, list};
use super::{Context, Known, answer, key_trust, promotion};
use crate::domain::entry::{Action, Artifact, Change, Image, Intent, Kept, Kind};
use crate::domain::id::Digest;
use crate::domain::name::ComponentName;
use crate::domain::text::Line;
use crate::domain::verdict::{Check, Rule};

const RULE: Rule = Rule::Artifact;

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    answer(RULE, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Known<Vec<Check>> {
    if let Some(Action::Artifact(artifact)) = ctx.statement.map(|statement| &statement.action) {
        return register(ctx, artifact);
    }
    let (deployment, environment) = (ctx.deployment()?, ctx.environment()?);
    let rollback = deployment.kind == Kind::Rollback;
    // Where nobody is named to say what was built, and nothing must be, what an entry names is its own affair.
    if !rollback && !environment.artifact_required && ctx.policy.artifacts.written().is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Found::new(RULE);
    for change in deployment
        .changed()
        .filter(|change| change.intent == Intent::Change)
    {
        let one = if rollback {
            as_then(ctx, change)
        } else {
            as_built(ctx, change, environment.artifact_required)
        };
        found.add(&change.target.component, one);
    }
    Ok(found.checks())
}

/// What was registered for a component, by those whose word counts.
fn registered<'a>(ctx: &Context<'a>, component: &ComponentName) -> Known<Vec<&'a Artifact>> {
    let evidence = match &ctx.facts.evidence {
        Some(Ok(evidence)) => evidence,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("the evidence was not read".to_owned()),
    };
    let mut all = Vec::new();
    for kept in evidence {
        if let Action::Artifact(it) = &kept.statement.action
            && it.component == *component
            && ctx.policy.artifacts.contains(&kept.statement.by)
            && key_trust::counts(ctx, kept)?
        {
            all.push(it);
        }
    }
    Ok(all)
}

/// One name of one component has one digest at a commit: a second build is another artifact.
fn register(ctx: &Context<'_>, new: &Artifact) -> Known<Vec<Check>> {
    let mut found = Found::new(RULE);
    let other = registered(ctx, &new.component)?.into_iter().find(|it| {
        it.commit == new.commit
            && it.image.name == new.image.name
            && it.image.digest != new.image.digest
    });
    let against = |it: &Artifact| {
        Against::new(format!(
            "{} is registered for {} already",
            it.image,
            it.commit.short()
        ))
    };
    found.add(&new.component, Ok(other.map(against)));
    Ok(found.checks())
}

fn as_built(ctx: &Context<'_>, change: &Change, required: bool) -> Known<Option<Against>> {
    let (target, named) = (&change.target, &change.target.artifacts);
    if !required && named.is_empty() {
        return Ok(None);
    }
    let all = registered(ctx, &target.component)?;
    let of_commit = all
        .iter()
        .filter(|it| it.commit == target.commit)
        .map(|it| &it.image);
    if let Some(detail) = ambiguous(of_commit) {
        return Ok(Some(Against::new(detail)));
    }
    let images: BTreeSet<&Image> = all
        .iter()
        .filter(|it| target.content == Some(it.content))
        .map(|it| &it.image)
        .collect();
    if images.is_empty() && required {
        let command = format!(
            "git deploy register NAME@DIGEST {} --component {COMPONENT}",
            target.commit.short()
        );
        return Ok(Some(
            Against::new("none is registered for its content").remedy(command),
        ));
    }
    if ctx.statement.is_none() {
        // A branch names no artifact; the start that follows does.
        return Ok(None);
    }
    if named.is_empty() {
        return Ok(Some(Against::new(format!(
            "the entry names none; registered is {}",
            list(images)
        ))));
    }
    if let Some(image) = named.iter().find(|image| !images.contains(*image)) {
        return Ok(Some(Against::new(format!(
            "{image} is not registered for its content"
        ))));
    }
    if required {
        as_before(ctx, change)
    } else {
        Ok(None)
    }
}

fn ambiguous<'i>(images: impl Iterator<Item = &'i Image>) -> Option<String> {
    let mut digests: BTreeMap<&Line, BTreeSet<&Digest>> = BTreeMap::new();
    for image in images {
        digests
            .entry(&image.name)
            .or_default()
            .insert(&image.digest);
    }
    let (name, digests) = digests.into_iter().find(|(_, digests)| digests.len() > 1)?;
    Some(format!(
        "{name} is registered with {} digests",
        digests.len()
    ))
}

/// Build once: what ran in the environment before is what goes on.
fn as_before(ctx: &Context<'_>, change: &Change) -> Known<Option<Against>> {
    let Some(source) = &ctx.environment()?.promote_from else {
        return Ok(None);
    };
    let hotfix = ctx.deployment()?.kind == Kind::Hotfix;
    let history = match promotion::history(ctx, change) {
        // A hotfix that need not have run before has no log there; one that must have is stopped by that rule.
        Err(_) if hotfix => return Ok(None),
        history => history?,
    };
    // Whether it ran at all is the previous environment's rule.
    let Some(stay) = history.run_periods_of(change.target.commit).next_back() else {
        return Ok(None);
    };
    Ok(differs(stay.entry, change).map(|ran| {
        let against = Against::new(format!("{source} ran {ran}"));
        if !artifacts(stay.entry, change).is_empty() {
            return against;
        }
        // It was registered later: deployed there once more, it is what ran there.
        let (commit, component) = (change.target.commit.short(), &change.target.component);
        against.remedy(format!(
            "git deploy record {source} {commit} --component {component}"
        ))
    }))
}

/// Back is back to the very same.
fn as_then(ctx: &Context<'_>, change: &Change) -> Known<Option<Against>> {
    let earlier = match ctx.facts.earlier.get(&change.target.component) {
        Some(Ok(earlier)) => earlier,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("what ran here before was not read".to_owned()),
    };
    let put =
        |kept: &&std::sync::Arc<Kept>| !matches!(kept.statement.action, Action::Verification(_));
    // Whether it ran at all is the direction's rule.
    let Some(then) = earlier.iter().find(put) else {
        return Ok(None);
    };
    Ok(differs(then, change).map(|ran| Against::new(format!("then it was {ran}"))))
}

/// The artifacts that an entry put there for the component.
fn artifacts(entry: &Kept, change: &Change) -> BTreeSet<Image> {
    let ended = entry.statement.end_of(&change.target.component);
    ended
        .into_iter()
        .flat_map(|it| it.target.artifacts)
        .collect()
}

/// The same in words, where the change names others.
fn differs(entry: &Kept, change: &Change) -> Option<String> {
    let then = artifacts(entry, change);
    let now: BTreeSet<Image> = change.target.artifacts.iter().cloned().collect();
    let show = |images: &BTreeSet<Image>| {
        if images.is_empty() {
            "none".to_owned()
        } else {
            list(images)
        }
    };
    (then != now).then(|| format!("{}, and the entry names {}", show(&then), show(&now)))
}

#[cfg(test)]
mod tests;
