//! Tests of what a history reads from entries and what it ignores.

use std::collections::BTreeMap;

use super::*;
use crate::domain::entry::{
    Abort, Action, Baseline, ComponentAtCommit, ComponentChange, Deployment, DeploymentKind,
    Outcome, Record, RecordedResult, Start, Statement, Target, Verification,
};
use crate::domain::id::{EntryId, Oid, PublicKey, RunId};
use crate::domain::name::ComponentName;
use crate::domain::time::Span;

fn oid(byte: u8) -> Oid {
    Oid::from_bytes(&[byte; 20]).unwrap()
}

fn commit(byte: u8) -> CommitId {
    CommitId(oid(byte))
}

fn api() -> ComponentName {
    "api".parse().unwrap()
}

/// Builds a target of the component from `(commit, content)`.
fn target(commit_and_content: (u8, u8)) -> Target {
    Target::new(
        api(),
        commit(commit_and_content.0),
        Some(Content(oid(commit_and_content.1))),
    )
}

fn deployment(commit_and_content: (u8, u8), from: Option<u8>) -> Deployment {
    Deployment::new(
        DeploymentKind::Deploy,
        vec![ComponentChange::new(
            target(commit_and_content),
            from.map(commit),
        )],
    )
}

/// A ledger's entries, one per minute from the epoch. The sequence number is the minute.
#[derive(Default)]
struct SampleLedger(Vec<Arc<StoredEntry>>);

impl SampleLedger {
    fn add(mut self, action: Action) -> Self {
        let minute = self.0.len() as u64 + 1;
        let statement = Statement {
            at: Time::EPOCH.plus(Span::from_seconds(60 * minute)),
            by: "ci".parse().unwrap(),
            key: PublicKey::new([0; 8], [1; 32]),
            requested_by: None,
            ledger: "stage".parse().unwrap(),
            environment: None,
            project: EntryId(oid(1)),
            previous: EntryId(oid(1)),
            sequence: minute,
            seen: BTreeMap::new(),
            action,
        };
        self.0.insert(
            0,
            Arc::new(StoredEntry {
                statement,
                bytes: Box::default(),
            }),
        );
        self
    }

    fn record(
        self,
        commit_and_content: (u8, u8),
        outcome: Outcome,
        verification: VerificationResult,
    ) -> Self {
        self.record_from(commit_and_content, None, outcome, verification)
    }

    fn record_from(
        self,
        commit_and_content: (u8, u8),
        from: Option<u8>,
        outcome: Outcome,
        verification: VerificationResult,
    ) -> Self {
        let result = RecordedResult {
            component: api(),
            outcome,
            because: None,
            to: None,
            verification,
        };
        let deployment = deployment(commit_and_content, from);
        self.add(Action::Record(Record {
            deployment,
            results: vec![result],
            logs: vec![],
        }))
    }

    fn record_success(self, commit_and_content: (u8, u8)) -> Self {
        self.record(
            commit_and_content,
            Outcome::Succeeded,
            VerificationResult::Passed,
        )
    }

    fn start(self, commit_and_content: (u8, u8), from: Option<u8>) -> Self {
        self.add(Action::Start(Start {
            run: RunId([1; 16]),
            deployment: deployment(commit_and_content, from),
        }))
    }

    fn verify(self, number: u8, verification: VerificationResult) -> Self {
        let components = vec![ComponentAtCommit {
            component: api(),
            commit: commit(number),
        }];
        self.add(Action::Verification(Verification {
            components,
            verification,
            comment: None,
            logs: vec![],
        }))
    }

    fn read(&self) -> History<'_> {
        History::read(&api(), &self.0, &|_| true)
    }

    /// Returns the minutes of a commit's longest verified period, as of one hour after the epoch.
    fn soaked_minutes(&self, number: u8) -> u64 {
        let now = Time::EPOCH.plus(Span::from_seconds(3600));
        self.read()
            .longest_verified_period(RunSubject::Commit(commit(number)), false, now)
            .map_or(0, |period| period.length(now).as_seconds() / 60)
    }

    /// Returns whether the newest event of this commit and content is a verified period.
    fn is_verified(&self, commit_and_content: (u8, u8)) -> bool {
        let history = self.read();
        matches!(history.latest_event(RunSubject::Commit(commit(commit_and_content.0)), Some(Content(oid(commit_and_content.1)))), LatestEvent::Ran(period) if period.is_verified(false))
    }
}

const PASSED: VerificationResult = VerificationResult::Passed;
const FAILED: VerificationResult = VerificationResult::Failed;
const NONE: VerificationResult = VerificationResult::None;

/// Checks that a commit counts even if it no longer runs, and that its period ends when the next
/// begins.
#[test]
fn earlier_commits_count() {
    let log = SampleLedger::default()
        .record_success((1, 1))
        .record_success((2, 2));
    assert!(log.is_verified((1, 1)) && log.is_verified((2, 2)));
    assert_eq!((log.soaked_minutes(1), log.soaked_minutes(2)), (1, 58));
    assert!(matches!(
        log.read().latest_event(RunSubject::Commit(commit(3)), None),
        LatestEvent::Never
    ));
    let history = log.read();
    assert_eq!(
        history
            .run_periods
            .iter()
            .map(|period| period.to.is_none())
            .collect::<Vec<_>>(),
        [false, true]
    );
}

/// Checks that a content has the runs of every commit that had it, and a commit only its own.
#[test]
fn contents_and_commits() {
    let log = SampleLedger::default()
        .record_success((1, 1))
        .record_success((2, 2))
        .record_success((3, 1));
    let history = log.read();
    let commits = |subject| {
        let periods = history.run_periods_of(subject);
        periods.map(|period| period.commit).collect::<Vec<_>>()
    };
    let content = RunSubject::Content(Content(oid(1)));
    assert_eq!(commits(content), [commit(1), commit(3)]);
    assert_eq!(commits(RunSubject::Commit(commit(1))), [commit(1)]);
    let other = RunSubject::Commit(commit(4));
    assert!(matches!(
        history.latest_event(other, Some(Content(oid(1)))),
        LatestEvent::Never
    ));
    // A failure as another commit counts for the content, also if it never ran.
    let failed = SampleLedger::default().record((1, 1), Outcome::Failed, NONE);
    assert!(matches!(
        failed.read().latest_event(content, None),
        LatestEvent::Failed(_)
    ));
    assert!(matches!(
        failed.read().latest_event(other, Some(Content(oid(1)))),
        LatestEvent::Never
    ));
}

/// Checks that a later failure of the commit or its content cancels the success, and that a later
/// success restores it.
#[test]
fn later_failures_count() {
    for outcome in [Outcome::Failed, Outcome::RolledBack] {
        let log = SampleLedger::default()
            .record_success((1, 1))
            .record_success((2, 2))
            .record((1, 1), outcome, NONE);
        assert!(!log.is_verified((1, 1)), "{outcome:?}");
        assert!(
            log.record_success((1, 1)).is_verified((1, 1)),
            "{outcome:?}"
        );
    }
    let other_commit_failed = SampleLedger::default()
        .record_success((1, 1))
        .record_success((3, 1))
        .record_success((2, 2))
        .record((1, 1), Outcome::Succeeded, FAILED);
    assert!(!other_commit_failed.is_verified((3, 1)));
    let rolled_back_itself =
        SampleLedger::default()
            .record_success((1, 1))
            .record((1, 1), Outcome::RolledBack, NONE);
    assert!(
        !rolled_back_itself.is_verified((1, 1)),
        "restoring the content does not undo the attempt's failure"
    );
}

/// Checks that a failed verification ends a verified span, that a passed one starts the next, and
/// that the longest counts.
#[test]
fn verification() {
    let log = SampleLedger::default()
        .record_success((1, 1))
        .verify(1, FAILED);
    assert!(!log.is_verified((1, 1)));
    assert_eq!(log.soaked_minutes(1), 1);
    let again = log.verify(1, PASSED);
    assert!(again.is_verified((1, 1)));
    assert_eq!(again.soaked_minutes(1), 57);
    let verified_later = SampleLedger::default()
        .record((1, 1), Outcome::Succeeded, NONE)
        .verify(1, PASSED);
    assert_eq!(verified_later.soaked_minutes(1), 58);
    let other_commit = SampleLedger::default()
        .record((1, 1), Outcome::Succeeded, NONE)
        .verify(2, PASSED);
    assert!(!other_commit.is_verified((1, 1)));
    let unknown = SampleLedger::default()
        .record_success((1, 1))
        .record((2, 2), Outcome::Failed, NONE)
        .verify(1, FAILED);
    assert!(!unknown.is_verified((1, 1)));
}

/// Checks that the running content is unknown after a failure or an abort, and that the previous
/// content runs again after a rollback.
#[test]
fn ends_of_periods() {
    let failed =
        SampleLedger::default()
            .record_success((1, 1))
            .record((2, 2), Outcome::Failed, NONE);
    assert!(failed.is_verified((1, 1)));
    assert_eq!(failed.soaked_minutes(1), 1);
    let aborted = SampleLedger::default()
        .record_success((1, 1))
        .start((2, 2), Some(1));
    let abort = |start| {
        let components = vec![ComponentAtCommit {
            component: api(),
            commit: commit(2),
        }];
        Action::Abort(Abort {
            start,
            run: RunId([1; 16]),
            components,
            reason: "stuck".parse().unwrap(),
        })
    };
    let aborted = aborted.add(abort(2));
    assert_eq!(aborted.soaked_minutes(1), 2);
    assert!(
        matches!(aborted.read().latest_event(RunSubject::Commit(commit(2)), None), LatestEvent::Failed(it) if it.failure == AttemptFailure::Aborted)
    );
    assert_eq!(
        SampleLedger::default()
            .record_success((1, 1))
            .add(abort(9))
            .soaked_minutes(1),
        1,
        "the abort names an unknown start"
    );
    let rolled_back =
        SampleLedger::default()
            .record_success((1, 1))
            .record((2, 2), Outcome::RolledBack, NONE);
    assert!(rolled_back.is_verified((1, 1)));
    assert_eq!(rolled_back.soaked_minutes(1), 58);
    assert_eq!(rolled_back.read().run_periods.len(), 2);
}

/// Checks that a baseline does not count as a deployment.
#[test]
fn baseline() {
    let baseline = Action::Baseline(Baseline {
        components: vec![target((1, 1))],
        comment: None,
    });
    let log = SampleLedger::default().add(baseline).verify(1, PASSED);
    assert!(
        log.read()
            .run_periods
            .iter()
            .all(|period| period.is_baseline)
    );
    assert_eq!(log.soaked_minutes(1), 0);
}

/// Checks that removing a component is not a success of the commit named in the entry.
#[test]
fn destroyed_component() {
    let log = SampleLedger::default().record((1, 1), Outcome::Destroyed, PASSED);
    assert!(matches!(
        log.read()
            .latest_event(RunSubject::Commit(commit(1)), Some(Content(oid(1)))),
        LatestEvent::Never
    ));
    let log =
        SampleLedger::default()
            .record_success((1, 1))
            .record((1, 1), Outcome::Destroyed, NONE);
    assert!(log.is_verified((1, 1)));
    assert_eq!(
        log.read()
            .run_periods
            .last()
            .map(|period| (period.content, period.to)),
        Some((None, None))
    );
}
