//! The rule `artifact`: build once, then promote. The deployed artifact was registered for the component's content by an accepted
//! signer, and is the one that ran in the previous environment.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Context, or_unknown};
use super::definition::{OtherLedger, RuleDefinition};
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::findings::{COMPONENT, Findings, Violation, join_names};
use super::request::RequestContext;
use super::request_kind::{RequestKind, RequestKinds};
use super::{key_trust, previous_log};
use crate::domain::entry::{
    Action, Artifact, ComponentChange, DeploymentKind, Image, Intent, StoredEntry,
};
use crate::domain::id::Digest;
use crate::domain::name::ComponentName;
use crate::domain::text::Line;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Artifact,
    name: "artifact",
    description: "A deployed artifact is registered for the component's content, and is the one that ran in the previous environment or, for a rollback, in the release that is restored.",
    faced_by: RequestKinds::of(&[
        RequestKind::Deploy,
        RequestKind::Hotfix,
        RequestKind::Rollback,
        RequestKind::Merge,
        RequestKind::Artifact,
    ]),
    hotfix_skip: None,
    reads: &[OtherLedger::Evidence],
    needs,
    check,
};

/// Returns what the rule reads. The previous environment's log is not among it: a hotfix that may
/// skip that environment is not compared with it.
fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    let asked = subject.kind == RequestKind::Artifact
        || subject.environment.is_some_and(|it| it.artifact_required)
        || !subject.policy.artifacts.written().is_empty();
    if subject.kind == RequestKind::Rollback {
        vec![FactNeed::EarlierRuns]
    } else if asked {
        vec![FactNeed::Evidence]
    } else {
        Vec::new()
    }
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Artifact, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    if let Some(Action::Artifact(artifact)) = ctx.statement.map(|statement| &statement.action) {
        return check_registration(ctx, artifact);
    }
    let (deployment, environment) = (ctx.deployment()?, ctx.environment()?);
    let rollback = deployment.kind == DeploymentKind::Rollback;
    // If the policy neither requires artifacts nor names who registers them, the entry's artifacts are not checked.
    if !rollback && !environment.artifact_required && ctx.policy.artifacts.written().is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Findings::new(Rule::Artifact);
    for change in deployment
        .changed()
        .filter(|change| change.intent == Intent::Change)
    {
        let one = if rollback {
            check_as_in_earlier_run(ctx, change)
        } else {
            check_as_built(ctx, change, environment.artifact_required)
        };
        found.add(&change.target.component, one);
    }
    Ok(found.checks())
}

/// Returns the artifacts that accepted signers registered for a component.
fn registered_artifacts<'a>(
    ctx: &Context<'a>,
    component: &ComponentName,
) -> Fact<Vec<&'a Artifact>> {
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
            && key_trust::has_listed_key(ctx, kept)?
        {
            all.push(it);
        }
    }
    Ok(all)
}

/// Checks that the artifact's name has no other digest for the component at its commit: a second
/// build is another artifact.
fn check_registration(ctx: &Context<'_>, new: &Artifact) -> Fact<Vec<Check>> {
    let mut found = Findings::new(Rule::Artifact);
    let other = registered_artifacts(ctx, &new.component)?
        .into_iter()
        .find(|it| {
            it.commit == new.commit
                && it.image.name == new.image.name
                && it.image.digest != new.image.digest
        });
    let against = |it: &Artifact| {
        Violation::new(format!(
            "{} is already registered for {}",
            it.image,
            it.commit.short()
        ))
    };
    found.add(&new.component, Ok(other.map(against)));
    Ok(found.checks())
}

fn check_as_built(
    ctx: &Context<'_>,
    change: &ComponentChange,
    required: bool,
) -> Fact<Option<Violation>> {
    let (target, named) = (&change.target, &change.target.artifacts);
    if !required && named.is_empty() {
        return Ok(None);
    }
    let all = registered_artifacts(ctx, &target.component)?;
    let of_commit = all
        .iter()
        .filter(|it| it.commit == target.commit)
        .map(|it| &it.image);
    if let Some(detail) = describe_ambiguity(of_commit) {
        return Ok(Some(Violation::new(detail)));
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
            Violation::new("none is registered for its content").remedy(command),
        ));
    }
    if ctx.statement.is_none() {
        // A branch names no artifact; the start that follows does.
        return Ok(None);
    }
    if named.is_empty() {
        return Ok(Some(Violation::new(format!(
            "the entry names none, but {} is registered",
            join_names(images)
        ))));
    }
    if let Some(image) = named.iter().find(|image| !images.contains(*image)) {
        return Ok(Some(Violation::new(format!(
            "{image} is not registered for its content"
        ))));
    }
    if required {
        check_as_in_previous(ctx, change)
    } else {
        Ok(None)
    }
}

fn describe_ambiguity<'i>(images: impl Iterator<Item = &'i Image>) -> Option<String> {
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

/// Checks that the change names the artifacts that ran in the previous environment.
fn check_as_in_previous(ctx: &Context<'_>, change: &ComponentChange) -> Fact<Option<Violation>> {
    let Some(source) = &ctx.environment()?.promote_from else {
        return Ok(None);
    };
    let hotfix = ctx.deployment()?.kind == DeploymentKind::Hotfix;
    let history = match previous_log::previous_history(ctx, change) {
        // A hotfix that need not have run before has no log there; one that must have is stopped by that rule.
        Err(_) if hotfix => return Ok(None),
        history => history?,
    };
    // The rule `previous environment` checks that it ran at all.
    let Some(stay) = history.run_periods_of(change.target.commit).next_back() else {
        return Ok(None);
    };
    Ok(describe_difference(stay.entry, change).map(|ran| {
        let against = Violation::new(format!("{source} ran {ran}"));
        if !artifacts_of(stay.entry, change).is_empty() {
            return against;
        }
        // It was registered later: deployed there once more, it is what ran there.
        let (commit, component) = (change.target.commit.short(), &change.target.component);
        against.remedy(format!(
            "git deploy record {source} {commit} --component {component}"
        ))
    }))
}

/// Checks that a rollback names the artifacts that ran back then.
fn check_as_in_earlier_run(ctx: &Context<'_>, change: &ComponentChange) -> Fact<Option<Violation>> {
    let earlier = match ctx.facts.earlier_runs.get(&change.target.component) {
        Some(Ok(earlier)) => earlier,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("what ran here before was not read".to_owned()),
    };
    let put = |kept: &&std::sync::Arc<StoredEntry>| {
        !matches!(kept.statement.action, Action::Verification(_))
    };
    // The rule `fast-forward` checks that it ran at all.
    let Some(then) = earlier.iter().find(put) else {
        return Ok(None);
    };
    Ok(describe_difference(then, change).map(|ran| Violation::new(format!("then it was {ran}"))))
}

/// Returns the artifacts that an entry deployed for the component.
fn artifacts_of(entry: &StoredEntry, change: &ComponentChange) -> BTreeSet<Image> {
    let ended = entry.statement.component_result(&change.target.component);
    ended
        .into_iter()
        .flat_map(|it| it.target.artifacts)
        .collect()
}

/// Describes the artifacts of an entry and of the change, if they differ.
fn describe_difference(entry: &StoredEntry, change: &ComponentChange) -> Option<String> {
    let then = artifacts_of(entry, change);
    let now: BTreeSet<Image> = change.target.artifacts.iter().cloned().collect();
    let show = |images: &BTreeSet<Image>| {
        if images.is_empty() {
            "none".to_owned()
        } else {
            join_names(images)
        }
    };
    (then != now).then(|| format!("{}, but the entry names {}", show(&then), show(&now)))
}

#[cfg(test)]
mod tests;
