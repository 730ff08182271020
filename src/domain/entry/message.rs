//! The message of a ledger commit, a pure function of the entry: a subject for people, real git trailers for programs.
//!
//! Walks over history read trailers before they open an entry, so [`read_trailers`] is the inverse of what is printed here.

use std::fmt::Write as _;

use super::{
    Action, ComponentAtCommit, ComponentResult, Deployment, DeploymentKind, Outcome, Statement,
    Target,
};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::text::{Description, Line};

/// More components than this are counted in a subject, not named.
const NAMED: usize = 3;

/// The message, with one newline at its end.
pub(super) fn print(statement: &Statement) -> String {
    let mut text = subject(statement);
    if let Some(body) = body(statement) {
        let _ = write!(text, "\n\n{body}");
    }
    text.push_str("\n\n");
    trailers(statement, &mut |key, value| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "Deploy-{key}: {value}");
    });
    text
}

/// `1.4.2 (2affccc97fa0)`, or the commit alone.
fn version(target: &Target) -> String {
    match &target.version {
        Some(version) => format!("{version} ({})", target.commit.short()),
        None => format!("({})", target.commit.short()),
    }
}

/// `api 1.4.2 (2affccc97fa0), web (2affccc97fa0)`, or a count.
fn targets<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    let all: Vec<&Target> = targets.collect();
    if all.len() > NAMED {
        return format!("{} components", all.len());
    }
    all.iter()
        .map(|target| format!("{} {}", target.component, version(target)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn names<'a>(names: impl Iterator<Item = &'a ComponentName>) -> String {
    let all: Vec<&str> = names.map(ComponentName::as_str).collect();
    if all.len() > NAMED {
        format!("{} components", all.len())
    } else {
        all.join(", ")
    }
}

/// What is done to what, where: `deploy api 1.4.2 (2affccc97fa0) to prod`.
fn deed<'a>(kind: DeploymentKind, of: impl Iterator<Item = &'a Target>, place: &str) -> String {
    let what = targets(of);
    match kind {
        DeploymentKind::Deploy => format!("deploy {what} to {place}"),
        DeploymentKind::Rollback => format!("roll back to {what} in {place}"),
        DeploymentKind::Hotfix => format!("hotfix {what} to {place}"),
        DeploymentKind::Destroy => format!("destroy {place}"),
        DeploymentKind::Exec => format!("run a command in {place}"),
    }
}

/// One word for a whole run: the worst that happened to any component.
pub fn overall_outcome(ended: &[ComponentResult]) -> &'static str {
    let any = |outcome| ended.iter().any(|it| it.outcome == outcome);
    if any(Outcome::Failed) {
        "failed"
    } else if any(Outcome::RolledBack) {
        "rolled back"
    } else if any(Outcome::Succeeded) {
        "succeeded"
    } else if any(Outcome::Destroyed) {
        "destroyed"
    } else if any(Outcome::Skipped) {
        "skipped"
    } else {
        "unchanged"
    }
}

fn changed(deployment: &Deployment) -> Vec<&Target> {
    let changed: Vec<&Target> = deployment.changed().map(|change| &change.target).collect();
    if changed.is_empty() {
        deployment
            .components
            .iter()
            .map(|change| &change.target)
            .collect()
    } else {
        changed
    }
}

fn moved(ended: &[ComponentResult]) -> Vec<&Target> {
    let moved: Vec<&Target> = ended
        .iter()
        .filter(|it| it.outcome != Outcome::Unchanged)
        .map(|it| &it.target)
        .collect();
    if moved.is_empty() {
        ended.iter().map(|it| &it.target).collect()
    } else {
        moved
    }
}

fn subject(statement: &Statement) -> String {
    let place = statement.environment().map_or_else(
        || statement.ledger.to_string(),
        |environment| environment.to_string(),
    );
    match &statement.action {
        Action::Baseline(it) => format!("baseline {} in {place}", targets(it.components.iter())),
        Action::Start(it) => {
            let deployment = &it.deployment;
            format!(
                "{}: started",
                deed(deployment.kind, changed(deployment).into_iter(), &place)
            )
        }
        Action::Record(it) => {
            let (deployment, ended) = (&it.deployment, it.component_results());
            format!(
                "{}: {}",
                deed(deployment.kind, changed(deployment).into_iter(), &place),
                overall_outcome(&ended)
            )
        }
        Action::Finish(it) => {
            let end = match it.status {
                Some(status) => format!("exit status {status}"),
                None => overall_outcome(&it.components).to_owned(),
            };
            format!(
                "{}: {end}",
                deed(it.kind, moved(&it.components).into_iter(), &place)
            )
        }
        Action::Resume(it) => format!("resume run {} in {place}", it.start),
        Action::Abort(it) => format!("abort run {} in {place}", it.start),
        Action::Verification(it) => {
            let result = if it.verification == super::VerificationResult::Passed {
                "passed"
            } else {
                "failed"
            };
            format!(
                "verify {} in {place}: {result}",
                names(it.components.iter().map(|component| &component.component))
            )
        }
        Action::Approve(it) => format!(
            "approve {} ({}) for {place}",
            names(it.components.iter()),
            it.commit.short()
        ),
        Action::Revoke(it) => format!(
            "revoke the approval of {} by {} for {place}",
            it.commit.short(),
            it.approver
        ),
        Action::Lock(it) => match &it.component {
            Some(component) => format!("lock {component} in {place}"),
            None => format!("lock {place}"),
        },
        Action::Unlock(it) => match (&it.commit, &it.component) {
            (Some(commit), _) => format!("lift the hold on {} in {place}", commit.short()),
            (None, Some(component)) => format!("unlock {component} in {place}"),
            (None, None) => format!("unlock {place}"),
        },
        Action::Expire(it) => format!("{place} expires at {}", it.expires),
        Action::Build(it) => {
            let result = if it.result == super::BuildResult::Succeeded {
                "succeeded"
            } else {
                "failed"
            };
            format!("build {} ({}): {result}", it.component, it.commit.short())
        }
        Action::Artifact(it) => {
            format!(
                "register {}@{} for {} ({})",
                it.image.name,
                it.image.digest.short(),
                it.component,
                it.commit.short()
            )
        }
        Action::Attestation(it) => {
            let result = if it.result() == super::AttestationResult::Passed {
                "passed"
            } else {
                "failed"
            };
            format!(
                "attest {} of {}: {result}",
                it.short_type(),
                it.commit.short()
            )
        }
        Action::Yank(it) => format!("yank {}", yanked(it)),
        Action::Unyank(it) => format!("unyank {}", yanked(it)),
        Action::Publish(it) => format!("publish policy {}", it.digest.short()),
        Action::PolicyApprove(it) => format!("approve policy {}", it.digest.short()),
        Action::PolicyRevoke(it) => format!(
            "revoke the approval of policy {} by {}",
            it.digest.short(),
            it.approver
        ),
    }
}

fn yanked(it: &super::Yank) -> String {
    it.commit
        .map(|commit| commit.short())
        .or_else(|| it.digest.as_ref().map(super::super::id::Digest::short))
        .unwrap_or_default()
}

/// The free text of an entry, if it has one.
pub(super) fn body(statement: &Statement) -> Option<&str> {
    match &statement.action {
        Action::Start(it) => it.deployment.description.as_ref().map(Description::as_str),
        Action::Record(it) => it.deployment.description.as_ref().map(Description::as_str),
        Action::Finish(it) => it.description.as_ref().map(Description::as_str),
        Action::Publish(it) => it.description.as_ref().map(Description::as_str),
        Action::Abort(it) => Some(it.reason.as_str()),
        Action::Lock(it) => Some(it.reason.as_str()),
        Action::Yank(it) | Action::Unyank(it) => Some(it.reason.as_str()),
        Action::Baseline(it) => it.comment.as_ref().map(Line::as_str),
        Action::Verification(it) => it.comment.as_ref().map(Line::as_str),
        Action::Approve(it) => it.comment.as_ref().map(Line::as_str),
        Action::Revoke(it) => it.comment.as_ref().map(Line::as_str),
        Action::Unlock(it) => it.comment.as_ref().map(Line::as_str),
        Action::Expire(it) => it.comment.as_ref().map(Line::as_str),
        Action::PolicyApprove(it) => it.comment.as_ref().map(Line::as_str),
        Action::PolicyRevoke(it) => it.comment.as_ref().map(Line::as_str),
        Action::Resume(_) | Action::Build(_) | Action::Artifact(_) | Action::Attestation(_) => None,
    }
}

/// Gives the key and value of each trailer, in order.
fn trailers(statement: &Statement, put: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
    put("Action", &statement.action.name());
    if let Some(environment) = statement.environment() {
        put("Environment", &environment);
    }
    match &statement.action {
        Action::Baseline(it) => it.components.iter().for_each(|target| block(target, put)),
        Action::Start(it) => it
            .deployment
            .components
            .iter()
            .for_each(|change| block(&change.target, put)),
        Action::Finish(it) => it
            .components
            .iter()
            .for_each(|ended| ended_block(ended, put)),
        Action::Record(it) => it
            .component_results()
            .iter()
            .for_each(|ended| ended_block(ended, put)),
        Action::Abort(it) => it
            .components
            .iter()
            .for_each(|component| component_block(component, put)),
        Action::Verification(it) => it
            .components
            .iter()
            .for_each(|component| component_block(component, put)),
        Action::Approve(it) => {
            it.components
                .iter()
                .for_each(|component| put("Component", component));
            put("Commit", &it.commit);
        }
        Action::Lock(it) => it
            .component
            .iter()
            .for_each(|component| put("Component", component)),
        Action::Unlock(it) => {
            it.component
                .iter()
                .for_each(|component| put("Component", component));
            it.holds
                .iter()
                .for_each(|hold| put("Component", &hold.component));
            it.commit.iter().for_each(|commit| put("Commit", commit));
        }
        Action::Build(it) => {
            put("Component", &it.component);
            put("Commit", &it.commit);
        }
        Action::Artifact(it) => {
            put("Component", &it.component);
            put("Commit", &it.commit);
            put("Content", &it.content);
            put("Artifact", &it.image);
        }
        Action::Attestation(it) => {
            put("Commit", &it.commit);
            put("Predicate-Type", &it.predicate_type);
        }
        Action::Revoke(it) => put("Commit", &it.commit),
        Action::Yank(it) | Action::Unyank(it) => {
            it.commit.iter().for_each(|commit| put("Commit", commit));
            it.digest.iter().for_each(|digest| put("Digest", digest));
        }
        Action::Publish(it) => put("Policy", &it.digest),
        Action::PolicyApprove(it) => put("Policy", &it.digest),
        Action::PolicyRevoke(it) => put("Policy", &it.digest),
        Action::Resume(_) | Action::Expire(_) => {}
    }
    people(statement, put);
}

fn people(statement: &Statement, put: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
    let (approved_by, break_glass) = match &statement.action {
        Action::Start(it) => (&*it.deployment.approved_by, &it.deployment.break_glass),
        Action::Record(it) => (&*it.deployment.approved_by, &it.deployment.break_glass),
        Action::Finish(it) => (&*it.approved_by, &it.break_glass),
        Action::Publish(it) => (&*it.approved_by, &None),
        _ => (&[][..], &None),
    };
    for person in approved_by {
        put("Approved-By", person);
    }
    if let Some(reason) = break_glass {
        put("Break-Glass", reason);
    }
    if let Some(person) = &statement.requested_by {
        put("Requested-By", person);
    }
    put("By", &statement.by);
}

fn component_block(
    component: &ComponentAtCommit,
    put: &mut dyn FnMut(&str, &dyn std::fmt::Display),
) {
    put("Component", &component.component);
    put("Commit", &component.commit);
}

fn block(target: &Target, put: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
    put("Component", &target.component);
    put("Commit", &target.commit);
    target
        .version
        .iter()
        .for_each(|version| put("Version", version));
    target
        .artifacts
        .iter()
        .for_each(|image| put("Artifact", image));
}

fn ended_block(ended: &ComponentResult, put: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
    block(&ended.target, put);
    let outcome = match ended.outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
        Outcome::RolledBack => "rolledBack",
        Outcome::Destroyed => "destroyed",
        Outcome::Unchanged => "unchanged",
    };
    put("Outcome", &outcome);
}

/// What a message of ours says that its entry speaks of: enough to pass over most entries without opening them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trailers {
    /// The action's word.
    pub action: String,
    /// The environment, if any.
    pub environment: Option<String>,
    /// The commits, as often as they are named.
    pub commits: Vec<CommitId>,
    /// The components, as often as they are named.
    pub components: Vec<String>,
    /// The content of a registered artifact's component.
    pub content: Option<String>,
}

/// Reads the trailers of a message that [`Statement::message`] made; only its last paragraph counts.
pub fn read_trailers(message: &str) -> Trailers {
    let trailers = message
        .trim_end_matches('\n')
        .rsplit("\n\n")
        .next()
        .unwrap_or_default();
    let mut found = Trailers::default();
    for line in trailers.lines() {
        let Some((key, value)) = line
            .strip_prefix("Deploy-")
            .and_then(|line| line.split_once(": "))
        else {
            continue;
        };
        match key {
            "Action" => value.clone_into(&mut found.action),
            "Environment" => found.environment = Some(value.to_owned()),
            "Commit" => found.commits.extend(value.parse::<CommitId>()),
            "Component" => found.components.push(value.to_owned()),
            "Content" => found.content = Some(value.to_owned()),
            _ => {}
        }
    }
    found
}
