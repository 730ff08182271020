//! It says of the code what the code is: contents are recomputed, and what runs is what the ledger says runs.
//!
//! Rules about content are worth what this one is: an entry's own word for a content counts for nothing.

use super::{Context, Known, Request, answer, unless};
use crate::domain::entry::{Action, Change, Component, Deployment, Intent, Kind, Publish};
use crate::domain::id::{CommitId, Content, Digest};
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::Here;
use crate::domain::verdict::{Check, Rule};

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry {
        statement,
        policy_text,
        ..
    } = ctx.request
    else {
        return Vec::new();
    };
    let against = match &statement.action {
        Action::Start(it) => deployment(ctx, &it.deployment),
        Action::Record(it) => deployment(ctx, &it.deployment),
        Action::Baseline(it) => Ok(it
            .components
            .iter()
            .filter_map(|target| {
                known(ctx, &target.component)
                    .or_else(|| is(ctx, &target.component, target.commit, target.content))
            })
            .collect()),
        Action::Verification(it) => verification(ctx, &it.components),
        Action::Approve(it) => Ok(it
            .components
            .iter()
            .filter_map(|component| known(ctx, component))
            .collect()),
        Action::Lock(it) => Ok(it
            .component
            .iter()
            .filter_map(|component| known(ctx, component))
            .collect()),
        Action::Unlock(it) => Ok(it
            .commit
            .iter()
            .flat_map(|commit| it.holds.iter().map(|hold| (*commit, hold)))
            .filter_map(|(commit, hold)| is(ctx, &hold.component, commit, Some(hold.content)))
            .collect()),
        Action::Build(it) => Ok(known(ctx, &it.component).into_iter().collect()),
        Action::Artifact(it) => Ok(known(ctx, &it.component)
            .or_else(|| is(ctx, &it.component, it.commit, Some(it.content)))
            .into_iter()
            .collect()),
        Action::Publish(it) => publish(ctx, it, policy_text),
        _ => Ok(Vec::new()),
    };
    answer(
        Rule::Content,
        against.map(|against| unless(Rule::Content, against)),
    )
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::Content, why)
}

fn known(ctx: &Context<'_>, component: &ComponentName) -> Option<Check> {
    (!ctx.policy.knows(component))
        .then(|| fail(format!("the policy knows no component {component}")))
}

/// Whether a component at a commit has the content that the entry says; `None`: whether it is absent there.
fn is(
    ctx: &Context<'_>,
    component: &ComponentName,
    commit: CommitId,
    said: Option<Content>,
) -> Option<Check> {
    match ctx.content(commit, component) {
        Err(_) if ctx.facts.gone.contains(&commit) => None,
        Err(why) => Some(Check::unknown(
            Rule::Content,
            crate::domain::text::sanitize(&why),
        )),
        Ok(found) if found == said => None,
        Ok(None) => Some(fail(format!("{component} is absent at {}", commit.short()))),
        Ok(Some(_)) if said.is_none() => Some(fail(format!(
            "{component} is there at {}: only what is absent is destroyed",
            commit.short()
        ))),
        Ok(Some(found)) => Some(fail(format!(
            "the content of {component} at {} is {}",
            commit.short(),
            found.short()
        ))),
    }
}

fn deployment(ctx: &Context<'_>, deployment: &Deployment) -> Known<Vec<Check>> {
    let here = ctx.here()?;
    Ok(deployment
        .components
        .iter()
        .filter_map(|change| one(ctx, here, deployment.kind, change))
        .collect())
}

fn one(ctx: &Context<'_>, here: Here<'_>, kind: Kind, change: &Change) -> Option<Check> {
    let (component, commit) = (&change.target.component, change.target.commit);
    let runs = here.commit(component);
    if change.from != runs {
        let runs = runs.map_or("nothing".to_owned(), |runs| runs.short());
        return Some(fail(format!(
            "`from` of {component} is not what runs, {runs}: try again"
        )));
    }
    if change.intent != Intent::Change
        && !(change.target.version.is_none() && change.target.artifacts.is_empty())
    {
        // Nobody would look at them: the version and the artifacts of what stays are those of the entry that put it there.
        return Some(fail(format!(
            "{component} does not change, so it names neither a version nor artifacts"
        )));
    }
    match (kind, change.intent) {
        (Kind::Destroy, _) => (Some(commit) != here.standing(component)).then(|| {
            fail(format!(
                "{component} is destroyed as it runs, at another commit than {}",
                commit.short()
            ))
        }),
        // What the policy no longer knows has nothing left to be compared with.
        (_, Intent::Destroy) if known(ctx, component).is_some() => None,
        (_, Intent::Destroy) => is(ctx, component, commit, None),
        // What runs may be of a component that is no longer in the policy, and be commanded all the same.
        (Kind::Exec, _) => (change.target.content != here.content(component))
            .then(|| fail(format!("the content of {component} is not what runs"))),
        (_, Intent::Change) => {
            known(ctx, component).or_else(|| is(ctx, component, commit, change.target.content))
        }
        (_, Intent::Unchanged) => known(ctx, component)
            .or_else(|| is(ctx, component, commit, change.target.content))
            .or_else(|| unchanged(here, change)),
    }
}

/// Nothing is equal to what nobody knows.
fn unchanged(here: Here<'_>, change: &Change) -> Option<Check> {
    let component = &change.target.component;
    if here.unknown(component).is_some() {
        Some(fail(format!(
            "nobody knows what runs of {component}: it cannot be unchanged"
        )))
    } else if here.content(component) != change.target.content {
        Some(fail(format!(
            "{component} is not unchanged: it differs from what runs"
        )))
    } else {
        None
    }
}

fn verification(ctx: &Context<'_>, components: &[Component]) -> Known<Vec<Check>> {
    let here = ctx.here()?;
    let other = components
        .iter()
        .filter(|it| here.commit(&it.component) != Some(it.commit));
    Ok(other
        .map(|it| {
            fail(format!(
                "{} is not what runs of {}",
                it.commit.short(),
                it.component
            ))
        })
        .collect())
}

fn publish(ctx: &Context<'_>, publish: &Publish, text: Option<&[u8]>) -> Known<Vec<Check>> {
    let text = text.ok_or_else(|| "the deploy.toml to be published was not read".to_owned())?;
    let chain = ctx
        .facts
        .chain
        .as_ref()
        .ok_or_else(|| "the ledger's end was not read".to_owned())?;
    let mut against = Vec::new();
    if publish.digest != Digest::sha256(text) {
        against.push(fail("the digest is not that of deploy.toml"));
    }
    // A text that is no policy is refused with its findings by the signer's rule.
    let proposed = std::str::from_utf8(text)
        .ok()
        .and_then(|text| Policy::parse(text).ok());
    if let Some(proposed) = proposed.filter(|proposed| proposed.project != chain.project_name) {
        let (new, old) = (proposed.project, &chain.project_name);
        against.push(fail(format!(
            "the project is called {old} for ever, and not {new}"
        )));
    }
    Ok(against)
}

#[cfg(test)]
mod tests;
