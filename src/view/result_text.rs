//! Describes the changes and the result of a deployment in words.

use std::collections::BTreeSet;

use super::grouping;
use crate::domain::count::choose;
use crate::domain::entry::{
    ComponentChange, ComponentResult, Deployment, DeploymentKind, Outcome, Statement, Target,
};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};

/// Returns a target in words: `api 1.4.2 (8f3c2a1)`.
pub fn format_target(target: &Target) -> String {
    let commit = target.commit.0.prefix(7);
    match &target.version {
        Some(version) => format!("{} {version} ({commit})", target.component),
        None => format!("{} ({commit})", target.component),
    }
}

/// The maximum number of components or commits that a list names. For more, it gives only their number.
const MAX_NAMED: usize = 3;

/// Returns the targets in words, or their number if there are many.
pub(super) fn list_targets<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    let listed: Vec<&Target> = targets.collect();
    if listed.len() <= MAX_NAMED {
        return listed
            .into_iter()
            .map(format_target)
            .collect::<Vec<_>>()
            .join(", ");
    }
    let first = listed.first().map(|target| target.commit);
    let shared = first.filter(|first| listed.iter().all(|target| target.commit == *first));
    let commit = shared.map_or_else(String::new, |commit| format!(" ({})", commit.0.prefix(7)));
    format!("{} components{commit}", listed.len())
}

/// Returns the commits, each with its components: `8f3c2a1 (api 1.4.2, web)`. If there are many, it
/// shows only their number.
fn list_by_commit(targets: &[&Target]) -> String {
    let groups = grouping::group_equal(targets.iter().map(|target| (*target, target.commit)));
    if groups.len() > MAX_NAMED {
        return format!("{} commits ({} components)", groups.len(), targets.len());
    }
    let format_group = |(members, commit): (Vec<&Target>, CommitId)| {
        let names = if targets.len() <= MAX_NAMED || members.len() == 1 {
            members
                .into_iter()
                .map(|target| match &target.version {
                    Some(version) => format!("{} {version}", target.component),
                    None => target.component.to_string(),
                })
                .collect::<Vec<_>>()
                .join(", ")
        } else {
            format!("{} components", members.len())
        };
        format!("{} ({names})", commit.0.prefix(7))
    };
    let groups: Vec<String> = groups.into_iter().map(format_group).collect();
    groups.join(", ")
}

/// Renders the changes of a deployment. Components with the same change share a line:
/// `    api  77aa001 → 8f3c2a1  1.4.2`.
pub fn render_changes(deployment: &Deployment, width: Option<usize>) -> Vec<String> {
    let format_change = |change: &ComponentChange| {
        let from = match (change.from, change.is_removal()) {
            (Some(commit), _) => commit.0.prefix(7),
            (None, true) => format!("{} (tried)", change.target.commit.0.prefix(7)),
            (None, _) => "–".to_owned(),
        };
        let to = if let Some(name) = &change.renamed_to {
            format!("renamed to {name}")
        } else if change.is_removal() {
            "removed".to_owned()
        } else {
            change.target.commit.0.prefix(7)
        };
        let version = change
            .target
            .version
            .as_ref()
            .map_or_else(String::new, |version| format!("  {version}"));
        if from == to {
            // The same commit is deployed again, for instance because the last attempt failed.
            format!("{to} again{version}")
        } else {
            format!("{from} → {to}{version}")
        }
    };
    let rows = grouping::group_with_labels(
        deployment
            .changed()
            .map(|change| (&change.target.component, format_change(change))),
        deployment.components.len(),
    );
    let label_width = grouping::label_width(&rows, width);
    rows.into_iter()
        .flat_map(|(components, text)| {
            grouping::render_group("    ", &components, label_width, &text, width)
        })
        .collect()
}

/// Returns the sentence for a deployment that changes nothing.
pub fn describe_unchanged(environment: &EnvName) -> String {
    format!("{environment} already has this content: nothing to deploy.")
}

/// Returns the outcomes in words: `prod is now at 8f3c2a1 (api 1.4.2); 2 skipped.`
pub fn summarize_outcomes(environment: &str, results: &[ComponentResult]) -> String {
    summarize(environment, results, &|_| false)
}

/// Returns the outcomes of an entry in words. Says which components failed because the run was
/// cancelled.
pub fn summarize_entry(environment: &str, kind: DeploymentKind, statement: &Statement) -> String {
    let results = statement.component_results();
    if kind == DeploymentKind::Destroy {
        return summarize_deployment(environment, kind, &results);
    }
    summarize(environment, &results, &|component| {
        statement.was_cancelled(component)
    })
}

fn summarize(
    environment: &str,
    results: &[ComponentResult],
    was_cancelled: &dyn Fn(&ComponentName) -> bool,
) -> String {
    let targets_with = |outcome: Outcome| -> Vec<&Target> {
        results
            .iter()
            .filter(|it| it.outcome == outcome)
            .map(|it| &it.target)
            .collect()
    };
    let list = |outcome: Outcome| {
        let targets = targets_with(outcome);
        (!targets.is_empty()).then(|| list_targets(targets.into_iter()))
    };
    let succeeded = targets_with(Outcome::Succeeded);
    let verb = choose(targets_with(Outcome::RolledBack).len(), "was", "were");
    let (cancelled, failed): (Vec<&Target>, Vec<&Target>) = targets_with(Outcome::Failed)
        .into_iter()
        .partition(|target| was_cancelled(&target.component));
    let sentences = [
        (!succeeded.is_empty())
            .then(|| format!("{environment} is now at {}", list_by_commit(&succeeded))),
        (!failed.is_empty()).then(|| {
            let list = list_targets(failed.into_iter());
            format!("{list} failed in {environment}")
        }),
        (!cancelled.is_empty()).then(|| {
            let verb = choose(cancelled.len(), "was", "were");
            let list = list_targets(cancelled.into_iter());
            format!("{list} {verb} cancelled in {environment}")
        }),
        list(Outcome::RolledBack)
            .map(|list| format!("{list} failed in {environment} and {verb} rolled back")),
        describe_removed(environment, &targets_with(Outcome::Destroyed)),
    ];
    let sentences: Vec<String> = sentences.into_iter().flatten().collect();
    if sentences.is_empty() {
        return String::new();
    }
    let skipped = match targets_with(Outcome::Skipped).len() {
        0 => String::new(),
        number => format!("; {number} skipped"),
    };
    format!("{}{skipped}.", sentences.join(". "))
}

/// Describes the components that were removed, without a commit: that of the deployment does not have
/// them. Returns `None` if there are none.
fn describe_removed(environment: &str, removed: &[&Target]) -> Option<String> {
    let names: Vec<&str> = removed.iter().map(|it| it.component.as_str()).collect();
    let list = match names.len() {
        0 => return None,
        1..=MAX_NAMED => names.join(", "),
        number => format!("{number} components"),
    };
    Some(format!("{environment} no longer has {list}"))
}

/// Returns the outcomes in words, depending on the kind of the deployment. For a destruction, it
/// says whether the environment is destroyed.
pub fn summarize_deployment(
    environment: &str,
    kind: DeploymentKind,
    results: &[ComponentResult],
) -> String {
    if kind != DeploymentKind::Destroy {
        return summarize_outcomes(environment, results);
    }
    let list = |outcome: Outcome| {
        let targets: Vec<&Target> = results
            .iter()
            .filter(|it| it.outcome == outcome)
            .map(|it| &it.target)
            .collect();
        (!targets.is_empty()).then(|| list_targets(targets.into_iter()))
    };
    if results.iter().all(|it| it.outcome == Outcome::Destroyed) {
        return list(Outcome::Destroyed).map_or_else(
            || format!("{environment} is destroyed."),
            |list| format!("{environment} is destroyed: {list}."),
        );
    }
    let parts = [
        (Outcome::Failed, "failed"),
        (Outcome::Skipped, "skipped"),
        (Outcome::Destroyed, "destroyed"),
    ]
    .map(|(outcome, word)| list(outcome).map(|list| format!("{word}: {list}")));
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{environment} is not destroyed yet; {}.", parts.join("; "))
}

/// Returns the commits whose content is now on hold, because it failed or was rolled back.
pub fn list_commits_on_hold(results: &[ComponentResult]) -> BTreeSet<CommitId> {
    let failed = results
        .iter()
        .filter(|it| matches!(it.outcome, Outcome::Failed | Outcome::RolledBack));
    failed
        .filter(|it| it.target.content.is_some())
        .map(|it| it.target.commit)
        .collect()
}

/// Returns the sentence for a deployment that begins:
/// `Started run 412 in prod: deploy api 1.4.2 (8f3c2a1).`
pub fn describe_start(environment: &str, deployment: &Deployment, sequence: u64) -> String {
    let targets_with = |is_removal: bool| {
        deployment
            .components
            .iter()
            .filter(move |change| change.is_removal() == is_removal)
            .map(|change| &change.target)
    };
    let mut parts = Vec::new();
    for (is_removal, verb) in [(false, "deploy"), (true, "remove")] {
        if targets_with(is_removal).next().is_some() {
            parts.push(format!("{verb} {}", list_targets(targets_with(is_removal))));
        }
    }
    format!(
        "Started run {sequence} in {environment}: {}.",
        parts.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::VerificationResult;

    fn ended_as(component: &str, outcome: Outcome) -> ComponentResult {
        let commit: CommitId = "4b9d405caa05736482d4523166f70cb561afa111".parse().unwrap();
        let content = Some(crate::domain::id::Content(commit.0));
        let target = Target::new(component.parse().unwrap(), commit, content);
        ComponentResult {
            target,
            outcome,
            because: None,
            to: None,
            verification: VerificationResult::None,
        }
    }

    /// Checks that a few changed components are named, and that skipped ones are only counted.
    #[test]
    fn many_components() {
        let mut all: Vec<ComponentResult> = (0..8)
            .map(|number| ended_as(&format!("c{number}"), Outcome::Skipped))
            .collect();
        all.push(ended_as("pipeline", Outcome::Succeeded));
        assert_eq!(
            summarize_outcomes("dev", &all),
            "dev is now at 4b9d405 (pipeline); 8 skipped."
        );
        let failed: Vec<ComponentResult> = all
            .iter()
            .map(|it| ComponentResult {
                outcome: if it.outcome == Outcome::Succeeded {
                    Outcome::Failed
                } else {
                    Outcome::Skipped
                },
                ..it.clone()
            })
            .collect();
        assert_eq!(
            summarize_outcomes("dev", &failed),
            "pipeline (4b9d405) failed in dev; 8 skipped."
        );
        assert_eq!(
            (
                list_commits_on_hold(&all).len(),
                list_commits_on_hold(&failed).len()
            ),
            (0, 1)
        );
    }
}
