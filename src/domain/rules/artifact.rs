//! The rule `artifact`: build once, then promote. An accepted signer registered the deployed
//! artifact for the component's content, and the same artifact ran in the previous environment.
//!
//! Artifacts are the same if their digests are: a digest may be registered under several names.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Context, or_unknown};
use super::definition::{OtherLedger, RuleDefinition};
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::findings::{COMPONENT, Findings, Violation, join_names};
use super::request::RequestContext;
use super::request_kind::{RequestKind, RequestKinds};
use super::{key_trust, previous_log};
use crate::domain::deploy_command::DeployCommand;
use crate::domain::entry::{Action, Artifact, ComponentChange, DeploymentKind, Image, StoredEntry};
use crate::domain::id::Digest;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::{Hotfix, HotfixSkip};
use crate::domain::text::Line;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Artifact,
    name: "artifact",
    description: "Each deployed artifact is registered for the component's content and is the one that ran in each `promote_from` environment. A rollback deploys the artifacts of the release that it restores. Digests are compared, not names. At one commit, the same artifact name cannot be registered with two digests.",
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

/// Returns the facts that the rule reads, except for the previous environment's log, which the rule
/// `previous environment` declares.
fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    let needs_evidence = subject.kind == RequestKind::Artifact
        || subject.environment.is_some_and(|it| it.artifact_required)
        || !subject.policy.artifacts.listed_names().is_empty();
    if subject.kind == RequestKind::Rollback {
        vec![FactNeed::EarlierRuns]
    } else if needs_evidence {
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
    let is_rollback = deployment.kind == DeploymentKind::Rollback;
    // If the policy neither requires artifacts nor lists anyone who registers them, the entry's
    // artifacts are not checked.
    if !is_rollback
        && !environment.artifact_required
        && ctx.policy.artifacts.listed_names().is_empty()
    {
        return Ok(Vec::new());
    }
    let mut findings = Findings::new(Rule::Artifact);
    for change in deployment.deployed() {
        let finding = if is_rollback {
            check_as_in_earlier_run(ctx, change)
        } else {
            check_as_built(ctx, change, environment.artifact_required)
        };
        findings.add(&change.target.component, finding);
    }
    Ok(findings.checks())
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
    let mut artifacts = Vec::new();
    for entry in evidence {
        if let Action::Artifact(it) = &entry.statement.action
            && it.component == *component
            && ctx.policy.artifacts.contains(&entry.statement.by)
            && key_trust::has_listed_key(ctx.policy, entry)
        {
            artifacts.push(it);
        }
    }
    Ok(artifacts)
}

/// Checks that the artifact's name is not registered with another digest for the component at its
/// commit: a second build needs another name or commit.
fn check_registration(ctx: &Context<'_>, new: &Artifact) -> Fact<Vec<Check>> {
    let mut findings = Findings::new(Rule::Artifact);
    let conflicting = registered_artifacts(ctx, &new.component)?
        .into_iter()
        .find(|it| {
            it.commit == new.commit
                && it.image.name == new.image.name
                && it.image.digest != new.image.digest
        });
    let to_violation = |artifact: &Artifact| {
        Violation::new(format!(
            "{} is already registered for {}",
            artifact.image,
            artifact.commit.short()
        ))
    };
    findings.add(&new.component, Ok(conflicting.map(to_violation)));
    Ok(findings.checks())
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
    let registered = registered_artifacts(ctx, &target.component)?;
    let of_commit = registered
        .iter()
        .filter(|it| it.commit == target.commit)
        .map(|it| &it.image);
    if let Some(detail) = describe_ambiguity(of_commit) {
        return Ok(Some(Violation::new(detail)));
    }
    let images: BTreeSet<&Image> = registered
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
    let digests: BTreeSet<&Digest> = images.iter().map(|image| &image.digest).collect();
    if let Some(image) = named.iter().find(|it| !digests.contains(&it.digest)) {
        return Ok(Some(Violation::new(format!(
            "{image} is not registered for its content"
        ))));
    }
    if required {
        check_as_in_sources(ctx, change)
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

/// Checks that the change names the artifacts that ran in each previous environment. Returns the
/// first difference.
fn check_as_in_sources(ctx: &Context<'_>, change: &ComponentChange) -> Fact<Option<Violation>> {
    for source in &ctx.environment()?.promote_from {
        let violation = check_as_in_source(ctx, source, change)?;
        if violation.is_some() {
            return Ok(violation);
        }
    }
    Ok(None)
}

/// Checks that the change names the artifacts that ran in one previous environment.
fn check_as_in_source(
    ctx: &Context<'_>,
    source: &EnvName,
    change: &ComponentChange,
) -> Fact<Option<Violation>> {
    let skips_promotion = |hotfix: &Hotfix| hotfix.skip.contains(&HotfixSkip::PromoteFrom);
    let is_hotfix = ctx.deployment()?.kind == DeploymentKind::Hotfix;
    if is_hotfix
        && ctx
            .environment()?
            .hotfix
            .as_ref()
            .is_some_and(skips_promotion)
    {
        return Ok(None);
    }
    let history = previous_log::previous_history(ctx, source, change)?;
    // The rule `previous environment` checks that the content or commit ran there at all.
    let counted = previous_log::counted_periods(ctx, &history, change)?;
    let subject = previous_log::run_subject(ctx, change)?;
    let mut newest_first = history.run_periods_of(subject).rev();
    let newest = newest_first.find(|period| period.untrusted.is_none());
    let Some(period) = counted.last().copied().or(newest) else {
        return Ok(None);
    };
    Ok(describe_difference(period.entry, change).map(|ran| {
        let violation = Violation::new(format!("{source} ran {ran}"));
        if !artifacts_of(period.entry, change).is_empty() {
            return violation;
        }
        // The artifact was registered after that deployment. A new record of the deployment
        // includes it.
        let target = &change.target;
        let mut command = DeployCommand::new(ctx.policy, source).commit(target.commit);
        if let Ok(state) = previous_log::previous_state(ctx, source) {
            command = command.deployed_in(state);
        }
        violation.remedy(command.only([&target.component]).to_string())
    }))
}

/// Checks that a rollback names the artifacts of the release that it restores. The facts contain the
/// newest run of the content with these artifacts, or else its newest run with others.
fn check_as_in_earlier_run(ctx: &Context<'_>, change: &ComponentChange) -> Fact<Option<Violation>> {
    let earlier = match ctx.facts.earlier_runs.get(&change.target.component) {
        Some(Ok(earlier)) => earlier,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("the earlier runs in this environment were not read".to_owned()),
    };
    let deploys = |entry: &&std::sync::Arc<StoredEntry>| {
        !matches!(entry.statement.action, Action::Verification(_))
    };
    // The rule `fast-forward` checks that the content ran here at all.
    let Some(earlier_entry) = earlier.iter().find(deploys) else {
        return Ok(None);
    };
    Ok(describe_difference(earlier_entry, change)
        .map(|ran| Violation::new(format!("the earlier release had {ran}"))))
}

/// Returns the artifacts that an entry deployed for the component.
fn artifacts_of(entry: &StoredEntry, change: &ComponentChange) -> BTreeSet<Image> {
    let result = entry.statement.component_result(&change.target.component);
    result
        .into_iter()
        .flat_map(|it| it.target.artifacts)
        .collect()
}

/// Describes the artifacts of an entry and of the change, if their digests differ.
fn describe_difference(entry: &StoredEntry, change: &ComponentChange) -> Option<String> {
    let deployed = artifacts_of(entry, change);
    let named: BTreeSet<Image> = change.target.artifacts.iter().cloned().collect();
    let show = |images: &BTreeSet<Image>| {
        if images.is_empty() {
            "none".to_owned()
        } else {
            join_names(images)
        }
    };
    let digests = |images: &BTreeSet<Image>| -> BTreeSet<Digest> {
        images.iter().map(|image| image.digest.clone()).collect()
    };
    (digests(&deployed) != digests(&named))
        .then(|| format!("{}, but the entry names {}", show(&deployed), show(&named)))
}

#[cfg(test)]
mod tests;
