//! The phrases of a commit message's first line. They are part of the format: each is a pure
//! function of the entry.

use super::{DeploymentKind, Target};
use crate::domain::name::ComponentName;

/// More components than this are counted, not named.
const MAX_NAMED: usize = 3;

/// Writes the names of targets: `api 1.4.2 (2affccc97fa0), web (2affccc97fa0)`, or counts them.
pub(super) fn targets<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    let all: Vec<&Target> = targets.collect();
    if all.len() > MAX_NAMED {
        return format!("{} components", all.len());
    }
    let phrases = all.into_iter().map(|target| {
        let (component, commit) = (&target.component, target.commit.short());
        match &target.version {
            Some(version) => format!("{component} {version} ({commit})"),
            None => format!("{component} ({commit})"),
        }
    });
    phrases.collect::<Vec<_>>().join(", ")
}

/// Writes the names of components, or counts them.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a ComponentName>) -> String {
    let all: Vec<&str> = names.map(ComponentName::as_str).collect();
    if all.len() > MAX_NAMED {
        format!("{} components", all.len())
    } else {
        all.join(", ")
    }
}

/// Describes a deployment: `deploy api 1.4.2 (2affccc97fa0) to prod`.
pub(super) fn deployment(
    kind: DeploymentKind,
    components: Vec<&Target>,
    environment: &str,
) -> String {
    let object = targets(components.into_iter());
    match kind {
        DeploymentKind::Deploy => format!("deploy {object} to {environment}"),
        DeploymentKind::Rollback => format!("roll back to {object} in {environment}"),
        DeploymentKind::Hotfix => format!("hotfix {object} to {environment}"),
        DeploymentKind::Destroy => format!("destroy {environment}"),
        DeploymentKind::Exec => format!("run a command in {environment}"),
    }
}
