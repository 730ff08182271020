//! The rule `content`: contents are recomputed from the code, and `from` is the running commit in
//! the ledger.
//!
//! Other rules use the contents that an entry states, and rely on this rule to compare them with
//! the code.

mod external;

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::RuleDefinition;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::request::{Request, RequestContext};
use super::request_kind::RequestKinds;
use crate::domain::entry::{
    Action, CodeClaim, ComponentAtCommit, ComponentChange, Deployment, DeploymentKind, Publish,
    Yank, YankedContent,
};
use crate::domain::id::{CommitId, Content, Digest};
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::EnvState;
use crate::domain::verdict::{Check, Rule};
pub(super) use external::refuse_unmarked_record;

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Content,
    name: "content",
    description: "Everything that the entry states about components is true: each exists in the policy, has the stated content at its commit, and replaces the commit that is running now. A `record` of a component that git-deploy deploys itself states that the deployment is external. A yank covers only contents in which the commit differs from its first parent.",
    faced_by: RequestKinds::ENTRIES,
    hotfix_skip: None,
    reads: &[],
    needs,
    check,
};

/// Returns the needs for the contents that an entry other than a deployment states. The contents of
/// a deployment are gathered for every request.
fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    let Some(statement) = subject.statement.filter(|it| it.deployment().is_none()) else {
        return Vec::new();
    };
    let claims = statement.action.body().code_claims();
    let mut needs: Vec<FactNeed> = claims
        .into_iter()
        .filter_map(|claim| {
            let (commit, _) = claim.content?;
            let component = subject.policy.current_name(claim.component);
            Some(FactNeed::Content(commit, component.clone()))
        })
        .collect();
    if let Action::Yank(it) = &statement.action
        && let Some(commit) = it.commit
    {
        let current = |it: &YankedContent| subject.policy.current_name(&it.component).clone();
        let components = it.contents.iter().map(current);
        needs.extend(components.map(|component| FactNeed::ParentContent(commit, component)));
    }
    needs
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry {
        statement,
        policy_text,
        ..
    } = ctx.request
    else {
        return Vec::new();
    };
    let violations = match &statement.action {
        Action::Start(it) => check_deployment(ctx, &it.deployment),
        Action::Record(it) => check_deployment(ctx, &it.deployment).map(|mut violations| {
            let environment = ctx.environment_label();
            violations.extend(refuse_unmarked_record(
                ctx.policy,
                &environment,
                &it.deployment,
            ));
            violations
        }),
        Action::Verification(it) => check_verification(ctx, &it.components),
        Action::Publish(it) => check_publish(ctx, it, policy_text),
        Action::Yank(it) => {
            Ok([check_claims(ctx, &statement.action), check_yank(ctx, it)].concat())
        }
        action => Ok(check_claims(ctx, action)),
    };
    or_unknown(
        Rule::Content,
        violations.map(|violations| pass_if_none(Rule::Content, violations)),
    )
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::Content, why)
}

fn check_claims(ctx: &Context<'_>, action: &Action) -> Vec<Check> {
    let claims = action.body().code_claims();
    let checks = claims.iter().filter_map(|it| check_claim(ctx, it));
    checks.collect()
}

/// Checks that a yanked commit introduced the contents that the yank covers: its first parent must
/// have different ones.
fn check_yank(ctx: &Context<'_>, yank: &Yank) -> Vec<Check> {
    let Some(commit) = yank.commit else {
        return Vec::new();
    };
    let check_introduced = |yanked: &YankedContent| {
        if ctx.facts.missing_commits.contains(&commit) {
            return None;
        }
        let key = (commit, ctx.policy.current_name(&yanked.component).clone());
        match ctx.facts.parent_contents.get(&key) {
            Some(Ok(parent_content)) if *parent_content != Some(yanked.content) => None,
            Some(Ok(_)) => Some(fail(format!(
                "{} does not change {}: its first parent has the same content",
                commit.short(),
                yanked.component
            ))),
            Some(Err(why)) => Some(Check::unknown(
                Rule::Content,
                crate::domain::text::sanitize(why),
            )),
            None => Some(Check::unknown(
                Rule::Content,
                "the content of the first parent was not read",
            )),
        }
    };
    yank.contents.iter().filter_map(check_introduced).collect()
}

/// Checks what an action states about a component.
fn check_claim(ctx: &Context<'_>, claim: &CodeClaim<'_>) -> Option<Check> {
    let unknown_component = claim
        .must_be_in_policy
        .then(|| check_in_policy_or_running(ctx, claim.component))
        .flatten();
    unknown_component.or_else(|| {
        let (commit, content) = claim.content?;
        // A hold or a yank may name a component as it was named before.
        let component = ctx.policy.current_name(claim.component);
        check_content(ctx, component, commit, content)
    })
}

fn check_in_policy(ctx: &Context<'_>, component: &ComponentName) -> Option<Check> {
    (!ctx.policy.has_component(component))
        .then(|| fail(format!("the policy has no component {component}")))
}

/// Checks that the policy has a component, or that the component still runs in the environment: a
/// component that is no longer in the policy can be locked, and its removal can be approved.
fn check_in_policy_or_running(ctx: &Context<'_>, component: &ComponentName) -> Option<Check> {
    let is_running = || {
        ctx.environment_state()
            .is_ok_and(|state| state.present_commit(component).is_some())
    };
    check_in_policy(ctx, component).filter(|_| !is_running())
}

/// Checks that a component has the stated content at a commit; `None` states that it is absent
/// there.
fn check_content(
    ctx: &Context<'_>,
    component: &ComponentName,
    commit: CommitId,
    stated: Option<Content>,
) -> Option<Check> {
    match ctx.content(commit, component) {
        Err(_) if ctx.facts.missing_commits.contains(&commit) => None,
        Err(why) => Some(Check::unknown(
            Rule::Content,
            crate::domain::text::sanitize(&why),
        )),
        Ok(actual) if actual == stated => None,
        Ok(None) => Some(fail(format!("{component} is absent at {}", commit.short()))),
        Ok(Some(_)) if stated.is_none() => Some(fail(format!(
            "{component} exists at {}: only absent components are destroyed",
            commit.short()
        ))),
        Ok(Some(actual)) => Some(fail(format!(
            "the content of {component} at {} is {}",
            commit.short(),
            actual.short()
        ))),
    }
}

fn check_deployment(ctx: &Context<'_>, deployment: &Deployment) -> Fact<Vec<Check>> {
    let env_state = ctx.environment_state()?;
    let changes = deployment
        .components
        .iter()
        .filter_map(|change| check_change(ctx, env_state, deployment.kind, change));
    let renames = deployment
        .components
        .iter()
        .filter_map(|change| check_rename(ctx, env_state, deployment, change));
    Ok(changes.chain(renames).collect())
}

/// Checks that the deployment of a renamed component removes the component under each former name
/// under which it still runs, and that no other removal claims to be a rename.
fn check_rename(
    ctx: &Context<'_>,
    env_state: EnvState<'_>,
    deployment: &Deployment,
    change: &ComponentChange,
) -> Option<Check> {
    let component = &change.target.component;
    if let Some(new) = &change.renamed_to {
        return (!ctx.policy.former_names(new).contains(component))
            .then(|| fail(format!("the policy does not rename {component} to {new}")));
    }
    if change.is_removal() || deployment.kind == DeploymentKind::Exec {
        return None;
    }
    let is_left = |former: &&ComponentName| {
        let is_replaced = |it: &ComponentChange| {
            it.target.component == **former && it.renamed_to.as_ref() == Some(component)
        };
        env_state.present_commit(former).is_some() && !deployment.components.iter().any(is_replaced)
    };
    let former = ctx.policy.former_names(component).iter().find(is_left)?;
    Some(fail(format!(
        "{component} still runs as {former}, which the deployment must replace"
    )))
}

fn check_change(
    ctx: &Context<'_>,
    env_state: EnvState<'_>,
    kind: DeploymentKind,
    change: &ComponentChange,
) -> Option<Check> {
    let (component, commit) = (&change.target.component, change.target.commit);
    let running = env_state.commit(component);
    let is_exec = kind == DeploymentKind::Exec;
    if !is_exec && change.from != running {
        let running = running.map_or("nothing".to_owned(), |commit| commit.short());
        return Some(fail(format!(
            "`from` of {component} is not the running commit, {running}: try again"
        )));
    }
    let names_version_or_artifacts = change.target.version.is_some()
        || change.target.tag.is_some()
        || !change.target.artifacts.is_empty();
    if (is_exec || change.is_removal()) && names_version_or_artifacts {
        // Neither has an effect: the version and artifacts of a running component are those of the
        // entry that deployed it.
        return Some(fail(format!(
            "{component} does not change, so it names neither a version nor artifacts"
        )));
    }
    match (kind, change.is_removal()) {
        (DeploymentKind::Destroy, _) => {
            (Some(commit) != env_state.present_commit(component)).then(|| {
                fail(format!(
                    "a destroy must name the running commit of {component}, and that is not {}",
                    commit.short()
                ))
            })
        }
        // The code of a component that the policy no longer has is unknown, so there is nothing to
        // compare.
        (_, true) if check_in_policy(ctx, component).is_some() => None,
        (_, true) => check_content(ctx, component, commit, None),
        // The component may still run although the policy no longer has it, so the policy is not
        // consulted.
        (DeploymentKind::Exec, _) => (Some(commit) != running
            || change.target.content != env_state.content(component))
        .then(|| {
            fail(format!(
                "a command must name the running commit and content of {component}"
            ))
        }),
        (_, false) => check_in_policy(ctx, component)
            .or_else(|| check_content(ctx, component, commit, change.target.content)),
    }
}

fn check_verification(ctx: &Context<'_>, components: &[ComponentAtCommit]) -> Fact<Vec<Check>> {
    let env_state = ctx.environment_state()?;
    let not_running = components
        .iter()
        .filter(|it| env_state.commit(&it.component) != Some(it.commit));
    Ok(not_running
        .map(|verified| {
            fail(format!(
                "{} is not the running commit of {}",
                verified.commit.short(),
                verified.component
            ))
        })
        .collect())
}

fn check_publish(ctx: &Context<'_>, publish: &Publish, text: Option<&[u8]>) -> Fact<Vec<Check>> {
    let text = text.ok_or_else(|| "the deploy.toml to be published was not read".to_owned())?;
    let chain = ctx.chain()?;
    let mut violations = Vec::new();
    if publish.digest != Digest::sha256(text) {
        violations.push(fail("the digest is not that of deploy.toml"));
    }
    // The rule `authorization` refuses an invalid policy and reports its errors.
    let proposed = std::str::from_utf8(text)
        .ok()
        .and_then(|text| Policy::parse(text).ok());
    let Some(proposed) = proposed else {
        return Ok(violations);
    };
    if publish.keys != proposed.key_list_digest(&chain.root_keys) {
        violations.push(fail(
            "the signed key list is not the one that follows from deploy.toml",
        ));
    }
    if proposed.project != chain.project_name {
        let (new, old) = (proposed.project, &chain.project_name);
        violations.push(fail(format!(
            "the project's name is {old} and cannot change to {new}"
        )));
    }
    Ok(violations)
}

#[cfg(test)]
mod tests;
