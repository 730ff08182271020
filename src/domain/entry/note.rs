//! The line that an entry leaves in the notes of each commit it speaks of.
//!
//! A pure function of the ledger commit, so that the notes can be rebuilt from the ledgers at any time and compared with them.

use super::{
    Action, AttestationResult, BuildResult, ComponentAtCommit, ComponentResult, Deployment,
    DeploymentKind, Outcome, Statement, Target, VerificationResult,
};
use crate::domain::id::{CommitId, EntryId};

/// The line for `commit`, without a newline; `None` where the entry does not speak of it.
///
/// Shape: time, verb, environment, what, who, and the ledger commit that says so:
/// `2026-03-05T10:02:11Z  deployed  prod    api 1.4.2    by ci    prod@3f2a9c1e77`.
pub fn note_line(statement: &Statement, id: EntryId, commit: CommitId) -> Option<String> {
    if !statement.commits().contains(&commit) {
        return None;
    }
    let (verb, what) = deed(statement, commit);
    let place = statement
        .environment()
        .map_or_else(String::new, |environment| environment.to_string());
    let behalf = statement
        .requested_by
        .as_ref()
        .map_or_else(String::new, |person| format!(" for {person}"));
    let by = format!("by {}{behalf}", statement.by);
    Some(format!(
        "{}  {verb:<10}  {place:<7}  {what:<40}  {by:<10}  {}@{}",
        statement.at,
        statement.ledger,
        id.0.prefix(10)
    ))
}

fn deed(statement: &Statement, commit: CommitId) -> (&'static str, String) {
    let quoted = |text: Option<&crate::domain::text::Line>| {
        text.map_or_else(String::new, |text| format!("\"{text}\""))
    };
    match &statement.action {
        Action::Baseline(it) => (
            "baseline",
            list(
                it.components
                    .iter()
                    .filter(|target| target.commit == commit),
            ),
        ),
        Action::Start(it) => ("started", asked(&it.deployment, commit)),
        Action::Record(it) => ended(
            it.deployment.kind,
            &it.component_results(),
            commit,
            it.deployment.break_glass.as_ref(),
        ),
        Action::Finish(it) => ended(it.kind, &it.components, commit, it.break_glass.as_ref()),
        Action::Abort(it) => (
            "aborted",
            format!("{}  \"{}\"", names(&it.components, commit), it.reason),
        ),
        Action::Verification(it) => {
            let passed = it.verification == VerificationResult::Passed;
            (
                if passed { "verified" } else { "unhealthy" },
                names(&it.components, commit),
            )
        }
        Action::Approve(it) => ("approved", quoted(it.comment.as_ref())),
        Action::Revoke(it) => ("revoked", format!("approval of {}", it.approver)),
        Action::Unlock(it) => ("released", quoted(it.comment.as_ref())),
        Action::Build(it) => {
            let succeeded = it.result == BuildResult::Succeeded;
            (
                if succeeded { "built" } else { "unbuilt" },
                it.component.to_string(),
            )
        }
        Action::Artifact(it) => (
            "registered",
            format!(
                "{}  {}@{}",
                it.component,
                it.image.name,
                it.image.digest.short()
            ),
        ),
        Action::Attestation(it) => {
            let result = if it.result() == AttestationResult::Passed {
                "PASSED"
            } else {
                "FAILED"
            };
            let suite = it
                .suite
                .as_ref()
                .map_or_else(String::new, |suite| format!(" {suite}"));
            let place = it
                .environment
                .as_ref()
                .map_or_else(String::new, |environment| format!(" in {environment}"));
            (
                "attested",
                format!("{}{suite} {result}{place}", it.short_type()),
            )
        }
        Action::Yank(it) => ("yanked", format!("\"{}\"", it.reason)),
        Action::Unyank(it) => ("unyanked", format!("\"{}\"", it.reason)),
        Action::Resume(_)
        | Action::Lock(_)
        | Action::Expire(_)
        | Action::Publish(_)
        | Action::PolicyApprove(_)
        | Action::PolicyRevoke(_) => ("noted", String::new()),
    }
}

fn names(components: &[ComponentAtCommit], commit: CommitId) -> String {
    let mine = components
        .iter()
        .filter(|component| component.commit == commit);
    mine.map(|component| component.component.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn list<'a>(targets: impl Iterator<Item = &'a Target>) -> String {
    let name = |target: &Target| match &target.version {
        Some(version) => format!("{} {version}", target.component),
        None => target.component.to_string(),
    };
    targets.map(name).collect::<Vec<_>>().join(", ")
}

fn glass(what: String, reason: Option<&crate::domain::text::Line>) -> String {
    match reason {
        Some(reason) => format!("{what}  BREAK-GLASS \"{reason}\""),
        None => what,
    }
}

fn asked(deployment: &Deployment, commit: CommitId) -> String {
    let mine = deployment
        .components
        .iter()
        .map(|change| &change.target)
        .filter(|target| target.commit == commit);
    glass(list(mine), deployment.break_glass.as_ref())
}

fn ended(
    kind: DeploymentKind,
    ended: &[ComponentResult],
    commit: CommitId,
    reason: Option<&crate::domain::text::Line>,
) -> (&'static str, String) {
    let mine: Vec<ComponentResult> = ended
        .iter()
        .filter(|it| it.target.commit == commit)
        .cloned()
        .collect();
    let verb = match (super::message::overall_outcome(&mine), kind) {
        ("succeeded", DeploymentKind::Rollback) => "restored",
        ("succeeded", _) => "deployed",
        ("rolled back", _) => "rolledback",
        ("unchanged", DeploymentKind::Exec) => "executed",
        (other, _) => other,
    };
    // Where components of one commit ended differently, each says how.
    let same = mine
        .windows(2)
        .all(|pair| pair[0].outcome == pair[1].outcome);
    let what = if same {
        list(mine.iter().map(|it| &it.target))
    } else {
        let one = |it: &ComponentResult| {
            format!("{} {}", list(std::iter::once(&it.target)), word(it.outcome))
        };
        mine.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    (verb, glass(what, reason))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "deployed",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
        Outcome::RolledBack => "rolled back",
        Outcome::Destroyed => "destroyed",
        Outcome::Unchanged => "unchanged",
    }
}
