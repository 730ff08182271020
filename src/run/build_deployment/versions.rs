//! The versions and artifacts of the components that change, from facts about the deployment's
//! commits.

use std::collections::{BTreeMap, BTreeSet};

use super::deployment_spec::{DeploymentSpec, SelectionError};
use crate::domain::entry::{Action, Deployment, DeploymentKind, Image, Start, Statement, Target};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{Digest, PublicKey, RunId};
use crate::domain::name::Person;
use crate::domain::policy::Policy;
use crate::domain::rules::{Chain, Fact, Facts, Request};
use crate::domain::state::State;
use crate::domain::text::Line;
use crate::ledger::Tips;
use crate::ledger::writer::LedgerSnapshot;

/// Gathers the facts about the deployment before its versions and artifacts are known.
pub(super) fn gather_facts(
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
    deployment: &Deployment,
    state: &State,
) -> Facts {
    let chain = &snapshot.tip.chain;
    let Some(by) = spec.rules.deployers.persons().first().cloned() else {
        return Facts::default();
    };
    let statement = build_statement(by, chain, spec.env, deployment);
    let request = Request::Entry {
        statement: &statement,
        key: None,
        policy_text: None,
    };
    let mut other_tips = snapshot.tips.clone();
    other_tips.remove(spec.env.ledger());
    snapshot.gatherer.gather_to_build(
        policy,
        &request,
        &other_tips,
        Some(chain.clone()),
        Ok(state.clone()),
    )
}

/// Builds a statement like that of the deployment's entry, to gather facts about its commits.
pub(in crate::run) fn build_statement(
    by: Person,
    chain: &Chain,
    env: &EnvRef,
    deployment: &Deployment,
) -> Statement {
    Statement {
        at: chain.at,
        by,
        key: PublicKey::UNSIGNED,
        requested_by: None,
        ledger: env.ledger().clone(),
        environment: env.member().cloned(),
        project: chain.project,
        previous: chain.tip,
        sequence: chain.sequence + 1,
        seen: Tips::new(),
        action: Action::Start(Start {
            run: RunId([0; 16]),
            deployment: deployment.clone(),
        }),
    }
}

/// Adds the version and the artifacts to a component that changes.
pub(super) fn add_version_and_artifacts(
    target: &mut Target,
    spec: &DeploymentSpec<'_>,
    facts: &Facts,
) -> Result<(), SelectionError> {
    let version_or_error = |fact: Option<&Fact<Option<Line>>>| match fact {
        Some(Ok(version)) => Ok(version.clone()),
        Some(Err(why)) => Err(SelectionError::MissingFact(why.clone())),
        None => Ok(None),
    };
    if spec.kind == DeploymentKind::Rollback {
        // A rollback deploys the earlier version and artifacts again, taken from the entry that
        // deployed them.
        let earlier = facts
            .earlier_runs
            .get(&target.component)
            .and_then(|fact| fact.as_ref().ok());
        let mut results = earlier
            .into_iter()
            .flatten()
            .filter_map(|stored| stored.statement.component_result(&target.component));
        let has_artifact = |it: &Target| {
            let mut images = it.artifacts.iter();
            let required = spec.artifact.as_ref();
            required.is_none_or(|digest| images.any(|image| image.digest == *digest))
        };
        let result =
            results.find(|it| it.target.content == target.content && has_artifact(&it.target));
        if let Some(result) = result {
            target.version = result.target.version;
            target.tag = result.target.tag;
            target.artifacts = result.target.artifacts;
        }
        return Ok(());
    }
    let given_version = spec.versions.get(&target.component).cloned();
    let key = (target.commit, target.component.clone());
    target.version = match given_version {
        Some(version) => Some(version),
        None => version_or_error(facts.versions.get(&key))?,
    };
    target.tag = facts.version_tags.get(&key).cloned();
    if let Some(Ok(evidence)) = &facts.evidence {
        target.artifacts = find_artifacts(
            target,
            evidence.iter().map(|stored| &stored.statement.action),
        );
    }
    Ok(())
}

/// Returns the artifacts of a component: those registered for this commit or, if there are none,
/// the newest registered for the same content. Each image name appears once, and each digest with
/// the name under which it was registered first, if that is among them.
pub(in crate::run) fn find_artifacts<'a>(
    target: &Target,
    evidence: impl Iterator<Item = &'a Action>,
) -> Vec<Image> {
    let (mut commit_images, mut content_images) = (BTreeMap::new(), BTreeMap::new());
    let mut first_names = BTreeMap::new();
    for action in evidence {
        let Action::Artifact(artifact) = action else {
            continue;
        };
        if artifact.component != target.component || Some(artifact.content) != target.content {
            continue;
        }
        let image = &artifact.image;
        // Evidence is read newest first. So the first image seen with a name is the newest one, and
        // the last name seen for a digest is the first that was registered.
        first_names.insert(&image.digest, &image.name);
        content_images
            .entry(image.name.clone())
            .or_insert_with(|| image.clone());
        if artifact.commit == target.commit {
            commit_images
                .entry(image.name.clone())
                .or_insert_with(|| image.clone());
        }
    }
    let chosen = if commit_images.is_empty() {
        content_images
    } else {
        commit_images
    };
    let is_first_name = |image: &Image| first_names.get(&image.digest) == Some(&&image.name);
    let with_first_name: BTreeSet<&Digest> = chosen
        .values()
        .filter(|image| is_first_name(image))
        .map(|image| &image.digest)
        .collect();
    let mut digests = BTreeSet::new();
    chosen
        .values()
        .filter(|image| {
            is_first_name(image)
                || !with_first_name.contains(&image.digest) && digests.insert(&image.digest)
        })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::Artifact;
    use crate::domain::rules::testing::{change, commit, content, parse};

    /// A second name for a digest changes nothing: each digest is named once, as it was first.
    #[test]
    fn second_names() {
        type Row<'r> = (&'r [(&'r str, &'r str, u8)], &'r [&'r str]);
        let registered = |name: &str, build: &str, at: u8| {
            Action::Artifact(Artifact {
                component: parse("catalogue"),
                commit: commit(at),
                content: content(1),
                image: Image {
                    name: parse(name),
                    digest: Digest::sha256(build.as_bytes()),
                },
                builder: None,
            })
        };
        // The registrations, oldest first, and the names found.
        let rows: [Row<'_>; 6] = [
            (&[("m", "1", 1)], &["m"]),
            (&[("m", "1", 1), ("a", "1", 1)], &["m"]),
            (&[("m", "1", 1), ("z", "1", 1)], &["m"]),
            (&[("m", "1", 1), ("n", "2", 1), ("a", "1", 1)], &["m", "n"]),
            (&[("m", "1", 2), ("a", "1", 1), ("b", "1", 1)], &["a"]),
            (&[("x", "1", 2), ("y", "1", 2), ("x", "2", 2)], &["x", "y"]),
        ];
        for (registrations, expected) in rows {
            let mut evidence: Vec<Action> = registrations
                .iter()
                .map(|(name, build, at)| registered(name, build, *at))
                .collect();
            evidence.reverse();
            let found = find_artifacts(&change("catalogue", 1, None).target, evidence.iter());
            let names: Vec<&str> = found.iter().map(|image| image.name.as_str()).collect();
            assert_eq!(names, expected, "{registrations:?}");
        }
    }
}
