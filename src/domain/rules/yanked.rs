//! The rule `yanked`: neither the commit, nor its content, nor a deployed artifact was yanked.
//!
//! The yank of a commit lists the contents that it covers. They are refused under every commit.
//!
//! If an entry names no artifact, the rule checks the artifacts with which the content ran before
//! (for a rollback) or those registered for the content.

use std::collections::BTreeSet;

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::{OtherLedger, RuleDefinition};
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::request::{Request, RequestContext};
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::{
    Action, Artifact, DeploymentKind, Statement, StoredEntry, Target, Yank,
};
use crate::domain::id::{CommitId, Content, Digest};
use crate::domain::name::ComponentName;
use crate::domain::state::State;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Yanked,
    name: "yanked",
    description: "Neither the commit, nor a component's content, nor a deployed artifact is yanked (marked as unusable with `git deploy yank`). The yank of a commit covers the contents in which it differs from its first parent, under any commit.",
    faced_by: RequestKinds::of(&[
        RequestKind::Deploy,
        RequestKind::Hotfix,
        RequestKind::Rollback,
        RequestKind::BreakGlass,
        RequestKind::Merge,
        RequestKind::Approve,
    ]),
    hotfix_skip: None,
    reads: &[OtherLedger::Evidence],
    needs,
    check,
};

fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    if subject.kind != RequestKind::Rollback {
        let mut needs = vec![FactNeed::Yanks, FactNeed::Evidence];
        if let Some(Action::Approve(approve)) = subject.statement.map(|it| &it.action) {
            let components = approve.components.iter().cloned();
            needs.extend(components.map(|component| FactNeed::Content(approve.commit, component)));
        }
        return needs;
    }
    let mut needs = vec![FactNeed::Yanks, FactNeed::EarlierRuns];
    let deployment = subject.statement.and_then(Statement::deployment);
    let has_unnamed_artifacts = deployment
        .into_iter()
        .flat_map(|it| &it.components)
        .any(|it| !it.is_removal() && it.target.artifacts.is_empty());
    if has_unnamed_artifacts {
        needs.push(FactNeed::Evidence);
    }
    needs
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(
        Rule::Yanked,
        judge(ctx).map(|violations| pass_if_none(Rule::Yanked, violations)),
    )
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let yanks = match &ctx.facts.yanks {
        Some(Ok(yanks)) => yanks,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("the open yanks were not read".to_owned()),
    };
    let mut commits = BTreeSet::new();
    let mut contents = BTreeSet::new();
    let mut digests = BTreeSet::new();
    if let Request::Entry {
        statement:
            Statement {
                action: Action::Approve(approve),
                ..
            },
        ..
    } = ctx.request
    {
        // An approval names no artifacts. They are checked when the commit is deployed.
        commits.insert(approve.commit);
        // An audit cannot compute the contents of an approved commit that no longer exists.
        let is_missing = ctx.facts.missing_commits.contains(&approve.commit);
        for component in approve.components.iter().filter(|_| !is_missing) {
            let content = ctx.content(approve.commit, component)?;
            let names = ctx.policy.names_of(component);
            contents.extend(names.filter_map(|name| Some((name, content?))));
        }
    } else {
        let deployment = ctx.deployment()?;
        for change in deployment.deployed() {
            let target = &change.target;
            commits.insert(target.commit);
            let names = ctx.policy.names_of(&target.component);
            contents.extend(names.filter_map(|name| Some((name, target.content?))));
            digests.extend(deployed_digests(ctx, deployment.kind, target)?);
        }
    }
    Ok(find_yanks(yanks, &commits, &contents, &digests))
}

/// Returns the digests of the artifacts that the target names. If it names none, returns the digests
/// with which the content ran before (for a rollback) or those registered for the content.
fn deployed_digests(ctx: &Context<'_>, kind: DeploymentKind, target: &Target) -> Fact<Vec<Digest>> {
    if !target.artifacts.is_empty() {
        return Ok(target.digests().into_iter().collect());
    }
    if kind == DeploymentKind::Rollback
        && let Some(earlier) = ctx.facts.earlier_runs.get(&target.component)
    {
        let results = earlier
            .clone()?
            .into_iter()
            .filter_map(|entry| entry.statement.component_result(&target.component));
        return Ok(results
            .filter(|result| result.target.content == target.content)
            .flat_map(|result| result.target.digests())
            .collect());
    }
    registered_digests(ctx, target)
}

/// Returns the digests of the artifacts that are registered for the target's content.
fn registered_digests(ctx: &Context<'_>, target: &Target) -> Fact<Vec<Digest>> {
    let is_of_target = |artifact: &Artifact| {
        let mut names = ctx.policy.names_of(&target.component);
        names.any(|name| artifact.component == *name) && Some(artifact.content) == target.content
    };
    let evidence = match &ctx.facts.evidence {
        Some(Ok(evidence)) => evidence,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("the evidence was not read".to_owned()),
    };
    let artifacts = evidence
        .iter()
        .filter_map(|entry| match &entry.statement.action {
            Action::Artifact(it) if is_of_target(it) => Some(it.image.digest.clone()),
            _ => None,
        });
    Ok(artifacts.collect())
}

fn find_yanks(
    yanks: &State,
    commits: &BTreeSet<CommitId>,
    contents: &BTreeSet<(&ComponentName, Content)>,
    digests: &BTreeSet<Digest>,
) -> Vec<Check> {
    let commit_yanks: Vec<_> = commits
        .iter()
        .filter_map(|commit| Some((commit.short(), yanks.yanked_commit(*commit)?)))
        .collect();
    // A yank that is reported for its commit is not reported again for its contents.
    let reported: BTreeSet<u64> = commit_yanks
        .iter()
        .map(|(_, it)| it.statement.sequence)
        .collect();
    let content_yanks = contents
        .iter()
        .filter_map(|(component, content)| {
            let yank = yanks.yanked_content(component, *content)?;
            Some((describe_content(component, yank), yank))
        })
        .filter(|(_, yank)| !reported.contains(&yank.statement.sequence));
    let digest_yanks = digests
        .iter()
        .filter_map(|digest| Some((digest.short(), yanks.yanked_digest(digest)?)));
    let commit_yanks = commit_yanks.into_iter();
    commit_yanks
        .chain(content_yanks)
        .chain(digest_yanks)
        .map(|(object, yank)| refuse(&object, yank))
        .collect()
}

/// Describes a yanked content by the commit with which it was yanked.
fn describe_content(component: &ComponentName, yank: &StoredEntry) -> String {
    match &yank.statement.action {
        Action::Yank(Yank {
            commit: Some(commit),
            ..
        }) => format!("the content of {component}, with {},", commit.short()),
        _ => format!("the content of {component}"),
    }
}

fn refuse(object: &str, yank: &StoredEntry) -> Check {
    let reason = match &yank.statement.action {
        Action::Yank(it) => it.reason.as_str(),
        _ => "",
    };
    Check::fail(
        Rule::Yanked,
        format!("{object} was yanked by {}: {reason}", yank.statement.by),
    )
}

#[cfg(test)]
mod tests;
