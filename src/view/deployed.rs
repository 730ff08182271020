//! What became of a deployment, in one sentence.

use crate::domain::entry::{Change, Deployment, Ended, Intent, Outcome, Target};

/// `api 1.4.2 (8f3c2a1)`
pub fn target(target: &Target) -> String {
    let commit = target.commit.0.prefix(7);
    match &target.version {
        Some(version) => format!("{} {version} ({commit})", target.component),
        None => format!("{} ({commit})", target.component),
    }
}

fn list<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    targets.map(target).collect::<Vec<_>>().join(", ")
}

/// What a deployment changes, a line a component: `    api  77aa001 → 8f3c2a1  1.4.2`.
pub fn changes(deployment: &Deployment) -> Vec<String> {
    let width = deployment.changed().map(|change| change.target.component.as_str().len()).max().unwrap_or(0);
    let line = |change: &Change| {
        let from = change.from.map_or_else(|| "–".to_owned(), |commit| commit.0.prefix(7));
        let to = match change.intent {
            Intent::Destroy => "removed".to_owned(),
            Intent::Change | Intent::Unchanged => change.target.commit.0.prefix(7),
        };
        let version = change.target.version.as_ref().map_or_else(String::new, |version| format!("  {version}"));
        format!("    {:width$}  {from} → {to}{version}", change.target.component)
    };
    deployment.changed().map(line).collect()
}

/// `prod runs api 1.4.2 (8f3c2a1).`, and what else happened to other components.
pub fn ended(place: &str, ended: &[Ended]) -> String {
    let of = |outcome: Outcome| {
        let targets: Vec<&Target> = ended.iter().filter(|it| it.outcome == outcome).map(|it| &it.target).collect();
        (!targets.is_empty()).then(|| list(targets.into_iter()))
    };
    let sentences = [
        of(Outcome::Succeeded).map(|list| format!("{place} runs {list}.")),
        of(Outcome::Failed).map(|list| format!("{place} failed to take {list}.")),
        of(Outcome::RolledBack).map(|list| format!("{place} was rolled back from {list}.")),
        of(Outcome::Destroyed).map(|list| format!("{place} no longer has {list}.")),
        of(Outcome::Skipped).map(|list| format!("{place} skipped {list}.")),
        of(Outcome::Unchanged).map(|list| format!("{place} has the content of {list} already.")),
    ];
    sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `prod begins to deploy api 1.4.2 (8f3c2a1), as run 412.`
pub fn started(place: &str, deployment: &Deployment, sequence: u64) -> String {
    let of = |intent: Intent| {
        deployment.components.iter().filter(move |change| change.intent == intent).map(|change| &change.target)
    };
    let mut parts = Vec::new();
    for (intent, verb) in [(Intent::Change, "deploy"), (Intent::Destroy, "remove"), (Intent::Unchanged, "keep")] {
        if of(intent).next().is_some() {
            parts.push(format!("{verb} {}", list(of(intent))));
        }
    }
    format!("{place} begins to {}, as run {sequence}.", parts.join(" and "))
}
