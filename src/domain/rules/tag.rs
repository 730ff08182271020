//! The rule `tag`: a tag that matches an environment's `tag` template follows from an entry by which a
//! deployment of its commit succeeded, and never moves.

use super::context::{Context, or_unknown};
use super::definition::RuleDefinition;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::request::{Request, RequestContext};
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::command_line::quote_word;
use crate::domain::deploy_command::DeployCommand;
use crate::domain::id::CommitId;
use crate::domain::policy::Environment;
use crate::domain::success_tags::SuccessTag;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Tag,
    name: "tag",
    description: "A tag that matches an environment's `tag` template has the name that follows from a successful deployment of its commit, and cannot be moved or deleted.",
    faced_by: RequestKinds::of(&[RequestKind::Tag]),
    hotfix_skip: None,
    reads: &[],
    needs,
    check,
};

fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    match subject.request {
        Request::Tag {
            old: None,
            new: Some(_),
            ..
        } => vec![FactNeed::Successes],
        _ => Vec::new(),
    }
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Tag, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let Request::Tag {
        environment,
        name,
        old,
        new,
    } = ctx.request
    else {
        return Ok(Vec::new());
    };
    let (None, Some(new)) = (old, new) else {
        return Ok(vec![Check::fail(
            Rule::Tag,
            format!("it records what ran in {environment} and cannot be moved or deleted"),
        )]);
    };
    let settings = ctx.environment()?;
    let tags = derive_tags(ctx, settings, new)?;
    if tags.iter().any(|tag| tag.names.iter().any(|it| it == name)) {
        return Ok(vec![Check::pass(Rule::Tag, "")]);
    }
    Ok(vec![refuse(ctx, settings, new, &tags)])
}

/// Returns the tags on a commit that follow from its deployments, newest first.
fn derive_tags(
    ctx: &Context<'_>,
    settings: &Environment,
    commit: CommitId,
) -> Fact<Vec<SuccessTag>> {
    let successes = ctx.facts.successes.clone();
    let successes = successes
        .unwrap_or_else(|| Err("the deployments of the commit were not read".to_owned()))?;
    let template = settings.tag.iter();
    let tags = template.flat_map(|template| {
        let tags = successes
            .iter()
            .flat_map(|success| success.tags(template).tags);
        tags.filter(|tag| tag.commit == commit).collect::<Vec<_>>()
    });
    Ok(tags.collect())
}

/// Refuses a tag that does not follow from a deployment.
fn refuse(
    ctx: &Context<'_>,
    settings: &Environment,
    commit: CommitId,
    tags: &[SuccessTag],
) -> Check {
    let environment = settings.display_name();
    let short = commit.short();
    if let Some(name) = tags.first().and_then(|tag| tag.names.first()) {
        let detail = format!(
            "it does not follow from a deployment: the tag of {short} in {environment} is {name}"
        );
        let command = format!("git deploy reconcile {}", quote_word(&environment));
        return Check::fail(Rule::Tag, detail).remedy(command);
    }
    let detail = format!("it follows from no deployment: {short} never succeeded in {environment}");
    if settings.is_pattern() {
        return Check::fail(Rule::Tag, detail);
    }
    let command = DeployCommand::new(ctx.policy, environment).commit(commit);
    Check::fail(Rule::Tag, detail).remedy(command.to_string())
}

#[cfg(test)]
mod tests;
