//! The result of a deployment in one sentence.

use std::collections::BTreeSet;

use super::grouping;
use crate::domain::entry::{Change, Deployment, Ended, Intent, Kind, Outcome, Target};
use crate::domain::id::CommitId;

/// Returns a target in words: `api 1.4.2 (8f3c2a1)`.
pub fn format_target(target: &Target) -> String {
    let commit = target.commit.0.prefix(7);
    match &target.version {
        Some(version) => format!("{} {version} ({commit})", target.component),
        None => format!("{} ({commit})", target.component),
    }
}

/// A list with more components than this shows only their number.
const MAX_NAMED: usize = 3;

/// Returns the targets in words, or their number if there are many.
pub(super) fn list_targets<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    let all: Vec<&Target> = targets.collect();
    if all.len() <= MAX_NAMED {
        return all
            .into_iter()
            .map(format_target)
            .collect::<Vec<_>>()
            .join(", ");
    }
    let first = all.first().map(|target| target.commit);
    let shared = first.filter(|first| all.iter().all(|target| target.commit == *first));
    let commit = shared.map_or_else(String::new, |commit| format!(" ({})", commit.0.prefix(7)));
    format!("{} components{commit}", all.len())
}

/// Renders the changes of a deployment. Components with the same change share a line:
/// `    api  77aa001 → 8f3c2a1  1.4.2`.
pub fn render_changes(deployment: &Deployment, width: Option<usize>) -> Vec<String> {
    let said = |change: &Change| {
        let from = match (change.from, change.intent) {
            (Some(commit), _) => commit.0.prefix(7),
            (None, Intent::Destroy) => format!("{} (tried)", change.target.commit.0.prefix(7)),
            (None, _) => "–".to_owned(),
        };
        let to = match change.intent {
            Intent::Destroy => "removed".to_owned(),
            Intent::Change | Intent::Unchanged => change.target.commit.0.prefix(7),
        };
        let version = change
            .target
            .version
            .as_ref()
            .map_or_else(String::new, |version| format!("  {version}"));
        format!("{from} → {to}{version}")
    };
    let rows = grouping::group_with_labels(
        deployment
            .changed()
            .map(|change| (&change.target.component, said(change))),
        deployment.components.len(),
    );
    let label = grouping::label_width(&rows, width);
    rows.into_iter()
        .flat_map(|(components, said)| {
            grouping::render_group("    ", &components, label, &said, width)
        })
        .collect()
}

/// Returns the outcomes in one sentence: `prod runs api 1.4.2 (8f3c2a1); 8 unchanged.`
pub fn summarize_outcomes(place: &str, ended: &[Ended]) -> String {
    let all = |outcome: Outcome| -> Vec<&Target> {
        ended
            .iter()
            .filter(|it| it.outcome == outcome)
            .map(|it| &it.target)
            .collect()
    };
    let of = |outcome: Outcome| {
        let targets = all(outcome);
        (!targets.is_empty()).then(|| list_targets(targets.into_iter()))
    };
    let moved = [
        of(Outcome::Succeeded).map(|list| format!("{place} runs {list}")),
        of(Outcome::Failed).map(|list| format!("{place} failed to take {list}")),
        of(Outcome::RolledBack).map(|list| format!("{place} was rolled back from {list}")),
        of(Outcome::Destroyed).map(|list| format!("{place} no longer has {list}")),
    ];
    let moved: Vec<String> = moved.into_iter().flatten().collect();
    if moved.is_empty() {
        return of(Outcome::Unchanged).map_or_else(String::new, |list| {
            format!("{place} has the content of {list} already.")
        });
    }
    let counted = [
        (Outcome::Skipped, "skipped"),
        (Outcome::Unchanged, "unchanged"),
    ]
    .map(|(outcome, word)| (all(outcome).len(), word))
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, word)| format!("; {number} {word}"));
    format!("{}{}.", moved.join(". "), counted.collect::<String>())
}

/// Returns the outcomes in one sentence, depending on the kind of the deployment. For a
/// destruction, it says whether the environment is gone.
pub fn summarize_deployment(place: &str, kind: Kind, all: &[Ended]) -> String {
    if kind != Kind::Destroy {
        return summarize_outcomes(place, all);
    }
    let of = |outcome: Outcome, word: &str| {
        let targets: Vec<&Target> = all
            .iter()
            .filter(|it| it.outcome == outcome)
            .map(|it| &it.target)
            .collect();
        (!targets.is_empty()).then(|| format!("{word} {}", list_targets(targets.into_iter())))
    };
    let gone = of(Outcome::Destroyed, "with");
    if all.iter().all(|it| it.outcome == Outcome::Destroyed) {
        return gone.map_or_else(
            || format!("{place} is gone."),
            |gone| format!("{place} is gone, {gone}."),
        );
    }
    let parts = [
        (Outcome::Failed, "failed:"),
        (Outcome::Skipped, "left:"),
        (Outcome::Destroyed, "destroyed:"),
    ]
    .map(|(outcome, word)| of(outcome, word));
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{place} is not gone yet; {}.", parts.join("; "))
}

/// Returns the commits whose content is now on hold, because it failed or was rolled back.
pub fn commits_on_hold(ended: &[Ended]) -> BTreeSet<CommitId> {
    let bad = ended
        .iter()
        .filter(|it| matches!(it.outcome, Outcome::Failed | Outcome::RolledBack));
    bad.filter(|it| it.target.content.is_some())
        .map(|it| it.target.commit)
        .collect()
}

/// Returns the sentence for a deployment that begins:
/// `prod begins to deploy api 1.4.2 (8f3c2a1), as run 412.`
pub fn describe_start(place: &str, deployment: &Deployment, sequence: u64) -> String {
    let of = |intent: Intent| {
        deployment
            .components
            .iter()
            .filter(move |change| change.intent == intent)
            .map(|change| &change.target)
    };
    let mut parts = Vec::new();
    for (intent, verb) in [
        (Intent::Change, "deploy"),
        (Intent::Destroy, "remove"),
        (Intent::Unchanged, "keep"),
    ] {
        if of(intent).next().is_some() {
            parts.push(format!("{verb} {}", list_targets(of(intent))));
        }
    }
    format!(
        "{place} begins to {}, as run {sequence}.",
        parts.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::VerificationResult;

    fn ended_as(component: &str, outcome: Outcome) -> Ended {
        let commit: CommitId = "4b9d405caa05736482d4523166f70cb561afa111".parse().unwrap();
        let content = Some(crate::domain::id::Content(commit.0));
        let target = Target {
            component: component.parse().unwrap(),
            commit,
            content,
            version: None,
            artifacts: Vec::new(),
        };
        Ended {
            target,
            outcome,
            because: None,
            to: None,
            verification: VerificationResult::None,
        }
    }

    /// Checks that a few changed components are named, and that unchanged ones are only counted.
    #[test]
    fn many_components() {
        let mut all: Vec<Ended> = (0..8)
            .map(|number| ended_as(&format!("c{number}"), Outcome::Unchanged))
            .collect();
        assert_eq!(
            summarize_outcomes("dev", &all),
            "dev has the content of 8 components (4b9d405) already."
        );
        all.push(ended_as("pipeline", Outcome::Succeeded));
        assert_eq!(
            summarize_outcomes("dev", &all),
            "dev runs pipeline (4b9d405); 8 unchanged."
        );
        let failed: Vec<Ended> = all
            .iter()
            .map(|it| Ended {
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
            "dev failed to take pipeline (4b9d405); 8 skipped."
        );
        assert_eq!(
            (commits_on_hold(&all).len(), commits_on_hold(&failed).len()),
            (0, 1)
        );
    }
}
