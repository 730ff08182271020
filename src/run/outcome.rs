//! Works out how each component of a deployment ended. A report has one outcome for the whole
//! deployment, and outcomes for the components that differ from it.

use std::collections::BTreeMap;

use crate::domain::entry::{
    ComponentChange, ComponentResult, Deployment, Finish, Outcome, RecordedResult,
    VerificationResult,
};
use crate::domain::id::RunId;
use crate::domain::name::ComponentName;

/// An outcome reported for the whole deployment or for one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedOutcome {
    /// It was deployed or removed as planned.
    Succeeded,
    /// It was not deployed or removed, and the previous version is still running.
    Failed,
    /// It was not deployed, and the previous version was restored.
    RolledBack,
    /// It was not attempted.
    Skipped,
}

/// The reported outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeReport {
    /// The outcome of the whole deployment.
    pub outcome: ReportedOutcome,
    /// Outcomes of single components, which take precedence.
    pub outcomes: BTreeMap<ComponentName, ReportedOutcome>,
    /// The verification result of the components that succeeded.
    pub verification: VerificationResult,
    /// Verification results of single components, which take precedence.
    pub verifications: BTreeMap<ComponentName, VerificationResult>,
}

/// Why a report does not fit a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutcomeError {
    /// The deployment changes no component, but the report is not a success.
    #[error("the deployment changes no component, so none can have failed")]
    NothingChanged,
    /// The report is about a component that the deployment does not change.
    #[error("the deployment does not change {0}, so it has no outcome to report")]
    NotChanged(ComponentName),
    /// The component has no previous version to return to.
    #[error("{0} has no previous version, so it cannot have been rolled back: report it as failed")]
    NoPreviousVersion(ComponentName),
    /// A component that did not succeed was reported as verified.
    #[error("only a component that succeeded can have passed its verification")]
    PassedWithoutSuccess,
}

/// Returns how each component ended.
pub fn resolve_results(
    components: &[ComponentChange],
    report: &OutcomeReport,
) -> Result<Vec<RecordedResult>, OutcomeError> {
    let reported_names = report.outcomes.keys().chain(report.verifications.keys());
    if let Some(unchanged) = reported_names.into_iter().find(|name| {
        !components
            .iter()
            .any(|change| change.target.component == **name)
    }) {
        return Err(OutcomeError::NotChanged(unchanged.clone()));
    }
    let outcome_of = |change: &ComponentChange| {
        report
            .outcomes
            .get(&change.target.component)
            .copied()
            .unwrap_or(report.outcome)
    };
    if report.outcome != ReportedOutcome::Succeeded && components.is_empty() {
        return Err(OutcomeError::NothingChanged);
    }
    let passed = report.verification == VerificationResult::Passed;
    if passed
        && report.outcome != ReportedOutcome::Succeeded
        && !components
            .iter()
            .any(|change| outcome_of(change) == ReportedOutcome::Succeeded)
    {
        return Err(OutcomeError::PassedWithoutSuccess);
    }
    let cause = components.iter().find(|change| {
        matches!(
            outcome_of(change),
            ReportedOutcome::Failed | ReportedOutcome::RolledBack
        )
    });
    let cause = cause.map(|change| change.target.component.clone());
    components
        .iter()
        .map(|change| resolve_result(change, outcome_of(change), cause.as_ref(), report))
        .collect()
}

/// Returns how one component ended. `cause` is the first component that failed.
fn resolve_result(
    change: &ComponentChange,
    reported: ReportedOutcome,
    cause: Option<&ComponentName>,
    report: &OutcomeReport,
) -> Result<RecordedResult, OutcomeError> {
    let component = change.target.component.clone();
    let outcome = match (change.is_removal(), reported) {
        (_, ReportedOutcome::Skipped) => Outcome::Skipped,
        (false, ReportedOutcome::Succeeded) => Outcome::Succeeded,
        (false, ReportedOutcome::RolledBack) => Outcome::RolledBack,
        (false, ReportedOutcome::Failed)
        | (true, ReportedOutcome::Failed | ReportedOutcome::RolledBack) => Outcome::Failed,
        (true, ReportedOutcome::Succeeded) => Outcome::Destroyed,
    };
    let to = match (outcome, change.from) {
        (Outcome::RolledBack, None) => return Err(OutcomeError::NoPreviousVersion(component)),
        (Outcome::RolledBack, from) => from,
        _ => None,
    };
    let because = cause.filter(|_| outcome == Outcome::Skipped).cloned();
    let own_verification = report.verifications.get(&component);
    let verification = match (
        outcome,
        own_verification.copied().unwrap_or(report.verification),
    ) {
        (Outcome::Succeeded, verification) => verification,
        (_, VerificationResult::Passed) if own_verification.is_some() => {
            return Err(OutcomeError::PassedWithoutSuccess);
        }
        (Outcome::Failed | Outcome::RolledBack, VerificationResult::Failed)
            if !change.is_removal() =>
        {
            VerificationResult::Failed
        }
        _ => VerificationResult::None,
    };
    Ok(RecordedResult {
        component,
        outcome,
        because,
        to,
        verification,
    })
}

/// Adds the target of each component, for a `finish` entry.
pub fn add_targets(
    components: &[ComponentChange],
    results: Vec<RecordedResult>,
) -> Vec<ComponentResult> {
    let pairs = components.iter().zip(results);
    pairs
        .map(|(change, result)| result.with_target(&change.target))
        .collect()
}

/// Builds the `finish` of a run from its start and the results, without a status, commands and
/// logs.
pub fn build_finish(
    start: u64,
    run: RunId,
    deployment: &Deployment,
    results: Vec<RecordedResult>,
) -> Finish {
    Finish {
        start,
        run,
        kind: deployment.kind,
        components: add_targets(&deployment.components, results),
        approved_by: deployment.approved_by.clone(),
        change: deployment.change.clone(),
        labels: deployment.labels.clone(),
        description: deployment.description.clone(),
        break_glass: deployment.break_glass.clone(),
        status: None,
        commands: Vec::new(),
        logs: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::Target;
    use crate::domain::id::{CommitId, Content};

    const NONE: VerificationResult = VerificationResult::None;
    const PASSED: VerificationResult = VerificationResult::Passed;

    fn change(component: &str, is_removal: bool, ran: bool) -> ComponentChange {
        let commit: CommitId = "2affccc97fa05736482d4523166f70cb561afa11".parse().unwrap();
        let content = (!is_removal).then_some(Content(commit.0));
        let target = Target::new(component.parse().unwrap(), commit, content);
        ComponentChange::new(target, ran.then_some(commit))
    }

    fn make_report(outcome: ReportedOutcome, verification: VerificationResult) -> OutcomeReport {
        OutcomeReport {
            outcome,
            outcomes: BTreeMap::new(),
            verification,
            verifications: BTreeMap::new(),
        }
    }

    /// A rollback records the restored commit, and a removal cannot be rolled back.
    #[test]
    fn outcome_of_the_whole() {
        use Outcome::{Destroyed, Failed, RolledBack, Skipped, Succeeded};
        let all = [change("api", false, true), change("old", true, true)];
        for (overall, wanted) in [
            (ReportedOutcome::Succeeded, [Succeeded, Destroyed]),
            (ReportedOutcome::Failed, [Failed, Failed]),
            (ReportedOutcome::RolledBack, [RolledBack, Failed]),
            (ReportedOutcome::Skipped, [Skipped, Skipped]),
        ] {
            let results = resolve_results(&all, &make_report(overall, NONE)).unwrap();
            assert_eq!(
                results.iter().map(|it| it.outcome).collect::<Vec<_>>(),
                wanted
            );
            let back = results.iter().find(|it| it.outcome == RolledBack);
            assert!(back.is_none_or(|it| it.to == all[0].from));
        }
        let passed =
            resolve_results(&all, &make_report(ReportedOutcome::Succeeded, PASSED)).unwrap();
        assert_eq!(
            passed.iter().map(|it| it.verification).collect::<Vec<_>>(),
            [PASSED, NONE]
        );
    }

    /// One component's failure does not change the outcome of the others. Those that waited for it
    /// are skipped.
    #[test]
    fn outcomes_of_single_components() {
        let all = ["api", "db", "web"].map(|name| change(name, false, true));
        let mut mixed = make_report(ReportedOutcome::Succeeded, PASSED);
        mixed.outcomes = [
            ("db", ReportedOutcome::Failed),
            ("web", ReportedOutcome::Skipped),
        ]
        .map(|(name, it)| (name.parse().unwrap(), it))
        .into();
        let results = resolve_results(&all, &mixed).unwrap();
        let described: Vec<_> = results
            .iter()
            .map(|it| (it.outcome, it.verification))
            .collect();
        assert_eq!(
            described,
            [
                (Outcome::Succeeded, PASSED),
                (Outcome::Failed, NONE),
                (Outcome::Skipped, NONE)
            ]
        );
        assert_eq!(results[2].because, Some("db".parse().unwrap()));
        mixed.verifications = [("db".parse().unwrap(), PASSED)].into();
        assert_eq!(
            resolve_results(&all, &mixed),
            Err(OutcomeError::PassedWithoutSuccess)
        );
        for stray in ["x", "y"] {
            let stray: ComponentName = stray.parse().unwrap();
            let mut other = make_report(ReportedOutcome::Succeeded, NONE);
            other.outcomes = [(stray.clone(), ReportedOutcome::Failed)].into();
            assert_eq!(
                resolve_results(&all, &other),
                Err(OutcomeError::NotChanged(stray))
            );
        }
    }

    /// Impossible reports are refused, so they are never signed.
    #[test]
    fn impossible_reports() {
        let new = [change("api", false, false)];
        let nothing_before = Err(OutcomeError::NoPreviousVersion("api".parse().unwrap()));
        assert_eq!(
            resolve_results(&new, &make_report(ReportedOutcome::RolledBack, NONE)),
            nothing_before
        );
        assert_eq!(
            resolve_results(&[], &make_report(ReportedOutcome::Failed, NONE)),
            Err(OutcomeError::NothingChanged)
        );
        assert_eq!(
            resolve_results(&new, &make_report(ReportedOutcome::Failed, PASSED)),
            Err(OutcomeError::PassedWithoutSuccess)
        );
    }
}
