//! The rule `previous environment`: for each changed component, the same content or commit was a
//! success in each `promote_from` environment.
//!
//! The content or commit need not run there now. The newest result counts: a later failure, failed
//! verification or hold cancels the success.

use super::context::{Context, or_unknown};
use super::definition::{OtherLedger, RuleDefinition};
use super::facts::Fact;
use super::findings::{COMPONENT_OPTIONS, Findings, Violation, format_moment};
use super::previous_log;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::deploy_command::{DeployCommand, find_manual_components};
use crate::domain::entry::{ComponentChange, DeploymentKind, VerificationResult};
use crate::domain::history::{
    Attempt, AttemptFailure, History, LatestEvent, RunPeriod, RunSubject,
};
use crate::domain::name::EnvName;
use crate::domain::policy::HotfixSkip;
use crate::domain::state::EnvState;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::PreviousEnvironment,
    name: "previous environment",
    description: "The content or commit (see `match`) ran in each `promote_from` environment, its latest result there is a success (verified, if the component has a `verify` command), and it is not on hold there. A run that was signed with a removed key does not count.",
    faced_by: RequestKinds::of(&[RequestKind::Deploy, RequestKind::Hotfix, RequestKind::Merge]),
    hotfix_skip: Some(HotfixSkip::PromoteFrom),
    reads: &[OtherLedger::PreviousEnvironments],
    needs: previous_log::needs,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::PreviousEnvironment, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let sources = &ctx.environment()?.promote_from;
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let mut findings = Findings::new(Rule::PreviousEnvironment);
    for change in ctx.deployment()?.changed() {
        for source in sources {
            findings.add(
                &change.target.component,
                check_component(ctx, source, change),
            );
        }
    }
    Ok(findings.checks())
}

fn check_component(
    ctx: &Context<'_>,
    source: &EnvName,
    change: &ComponentChange,
) -> Fact<Option<Violation>> {
    let (component, commit) = (&change.target.component, change.target.commit);
    let (previous_state, history) = (
        previous_log::previous_state(ctx, source)?,
        previous_log::previous_history(ctx, source, change)?,
    );
    if change.is_removal() {
        return Ok(check_removal(ctx, source, change, previous_state, &history));
    }
    let command = ctx.deploy_command(source, &change.target);
    let mut command = command.deployed_in(previous_state);
    // In a project with both kinds of components, `--all` would include some that the command refuses or
    // leaves out.
    let is_mixed = find_manual_components(ctx.policy).is_some();
    if ctx.has_several_commits() || is_mixed {
        command = command.only_later(component, COMPONENT_OPTIONS);
    }
    let content = change.target.content;
    let subject = previous_log::run_subject(ctx, change)?;
    let mut contents = history
        .run_periods_of(subject)
        .filter_map(|period| period.content)
        .chain(content);
    if contents.any(|content| previous_state.hold(component, content).is_some()) {
        let unlock = format!("git deploy unlock {source} --commit {}", commit.short());
        return Ok(Some(
            Violation::new(format!("its content is on hold in {source}")).remedy(unlock),
        ));
    }
    Ok(match history.latest_event(subject, content) {
        LatestEvent::Never => {
            // If the same content runs there, only a deployment that includes it makes a difference.
            let runs_content = content.is_some() && previous_state.content(component) == content;
            let command = if runs_content {
                command.including_running()
            } else {
                command
            };
            let absence = describe_absence(source, change, &history);
            Some(Violation::new(absence).remedy(command.to_string()))
        }
        LatestEvent::Failed(attempt) => Some(
            Violation::new(describe_failure(ctx, source, change, attempt))
                .remedy(command.to_string()),
        ),
        LatestEvent::Ran(newest) | LatestEvent::Untrusted(newest) => {
            let same_build = previous_log::counted_periods(ctx, &history, change)?;
            // Another build of the same content says nothing about the deployed one.
            let period = match same_build.last() {
                Some(period) if !change.target.artifacts.is_empty() => *period,
                _ => newest,
            };
            let unverified_counts = previous_log::unverified_counts(ctx, change);
            let needs_no_verification =
                unverified_counts && (period.is_baseline || period.untrusted.is_some());
            check_run_period(source, period, unverified_counts).map(|violation| {
                let command = match (period.to, needs_no_verification) {
                    (None, true) => command.including_running(),
                    (None, false) => command.including_running().verified(),
                    (Some(_), _) => command,
                };
                violation.remedy(command.to_string())
            })
        }
    })
}

/// Checks that a removed component was removed from the previous environment, or never ran there.
fn check_removal(
    ctx: &Context<'_>,
    source: &EnvName,
    change: &ComponentChange,
    previous_state: EnvState<'_>,
    history: &History<'_>,
) -> Option<Violation> {
    let component = &change.target.component;
    let was_removed =
        previous_log::find_absences(history, change).any(|period| period.untrusted.is_none());
    let may_run = previous_state.commit(component).is_some()
        || previous_state.unknown_since(component).is_some();
    if was_removed || !may_run {
        return None;
    }
    let command = DeployCommand::new(ctx.policy, source)
        .commit(change.target.commit)
        .deployed_in(previous_state);
    // Deploying a new name there takes the old one away.
    if let Some(new_name) = ctx.policy.renamed_to(component) {
        let violation = Violation::new(format!("{source} does not run {new_name} in its place"));
        let command = command.only_later(new_name, COMPONENT_OPTIONS);
        return Some(violation.remedy(command.to_string()));
    }
    let command = command
        .kind(DeploymentKind::Destroy)
        .only_later(component, COMPONENT_OPTIONS);
    Some(Violation::new(format!("{source} still has it")).remedy(command.to_string()))
}

/// Describes that the commit never ran, and whether its content did.
fn describe_absence(source: &EnvName, change: &ComponentChange, history: &History<'_>) -> String {
    let commit = change.target.commit.short();
    let subject = change.target.content.map(RunSubject::Content);
    let newest = subject.and_then(|subject| history.run_periods_of(subject).next_back());
    match newest {
        Some(period) => format!(
            "{source} never ran {commit}; it ran the same content of {} at {}, which counts only with match = \"content\"",
            change.target.component,
            period.commit.short()
        ),
        None => format!("{source} never ran {commit}"),
    }
}

fn describe_failure(
    ctx: &Context<'_>,
    source: &EnvName,
    change: &ComponentChange,
    attempt: &Attempt<'_>,
) -> String {
    let outcome = match attempt.failure {
        AttemptFailure::Failed
            if attempt
                .entry
                .statement
                .was_cancelled(&change.target.component) =>
        {
            "was cancelled"
        }
        AttemptFailure::Failed => "failed",
        AttemptFailure::RolledBack => "was rolled back",
        AttemptFailure::Aborted => "was aborted",
    };
    let at = format_moment(attempt.entry.statement.at, ctx.now);
    let same_content = if attempt.commit == change.target.commit {
        ""
    } else {
        ", with the same content,"
    };
    format!(
        "{}{same_content} {outcome} in {source} ({at})",
        attempt.commit.short()
    )
}

fn check_run_period(
    source: &EnvName,
    period: &RunPeriod<'_>,
    unverified_counts: bool,
) -> Option<Violation> {
    let has_failed = period.last_verification() == VerificationResult::Failed;
    if let Some(entry) = period.untrusted.filter(|_| !has_failed) {
        let by = &entry.statement.by;
        Some(Violation::new(format!(
            "{by} signed its run in {source} with a key that was removed: deploy it again in {source}"
        )))
    } else if period.is_baseline {
        Some(Violation::new(format!(
            "it is only a baseline in {source}, not a deployment"
        )))
    } else if period.is_verified(unverified_counts) {
        None
    } else if has_failed {
        Some(Violation::new(format!(
            "its verification in {source} failed"
        )))
    } else {
        Some(Violation::new(format!("it was not verified in {source}")))
    }
}

#[cfg(test)]
mod tests;
