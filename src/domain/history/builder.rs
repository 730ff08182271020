//! Builds a history from the entries of an environment, oldest first.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Attempt, AttemptFailure, DatedVerification, History, RunPeriod};
use crate::domain::entry::{
    Abort, Action, ComponentResult, Deployment, Outcome, StoredEntry, Target, VerificationResult,
};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::time::Time;

impl<'a> History<'a> {
    /// Reads the history from the entries of one environment. The entries are ordered newest first,
    /// and none that concerns the component may be missing. An `abort` concerns the components that
    /// its start was to change. `is_trusted` returns whether the key that signed an entry is trusted.
    pub fn read(
        component: &ComponentName,
        newest_first: &'a [Arc<StoredEntry>],
        is_trusted: &dyn Fn(&StoredEntry) -> bool,
    ) -> Self {
        let starts = newest_first
            .iter()
            .filter_map(|entry| match &entry.statement.action {
                Action::Start(start) => Some((entry.statement.sequence, &start.deployment)),
                _ => None,
            });
        let mut builder = HistoryBuilder {
            component,
            is_trusted,
            starts: starts.collect(),
            running: None,
            history: Self::default(),
        };
        newest_first
            .iter()
            .rev()
            .enumerate()
            .for_each(|(position, entry)| builder.add_entry(position, entry));
        builder.history
    }
}

/// Builds a history from entries, oldest first.
struct HistoryBuilder<'a, 'c> {
    component: &'c ComponentName,
    is_trusted: &'c dyn Fn(&StoredEntry) -> bool,
    /// The deployments of the start entries, by sequence number.
    starts: BTreeMap<u64, &'a Deployment>,
    /// The index of the current period in the history's run periods.
    running: Option<usize>,
    history: History<'a>,
}

impl<'a> HistoryBuilder<'a, '_> {
    /// Adds the results that one entry has for the component.
    fn add_entry(&mut self, position: usize, entry: &'a Arc<StoredEntry>) {
        match &entry.statement.action {
            Action::Abort(it) => self.add_abort(position, entry, it),
            Action::Verification(it) => {
                for verified in &it.components {
                    if verified.component == *self.component {
                        self.add_verification(verified.commit, entry, it.verification);
                    }
                }
            }
            _ => self.add_outcome(position, entry, &entry.statement.component_results()),
        }
    }

    /// Adds an aborted attempt, if the aborted run was changing the component.
    fn add_abort(&mut self, position: usize, entry: &'a Arc<StoredEntry>, abort: &Abort) {
        let mut aborted = abort.components.iter();
        let Some(aborted) = aborted.find(|it| it.component == *self.component) else {
            return;
        };
        self.end_period(entry.statement.at);
        // The start entry names the content. If it is not among the entries, only the commit is
        // known.
        let start = self.starts.get(&abort.start);
        let target = start
            .into_iter()
            .flat_map(|deployment| deployment.targets())
            .find(|target| target.component == aborted.component);
        self.history.attempts.push(Attempt {
            commit: aborted.commit,
            content: target.and_then(|target| target.content),
            entry,
            failure: AttemptFailure::Aborted,
            position,
        });
    }

    /// Adds the outcome of a deployment for the component.
    fn add_outcome(
        &mut self,
        position: usize,
        entry: &'a Arc<StoredEntry>,
        results: &[ComponentResult],
    ) {
        let Some(result) = results
            .iter()
            .find(|result| result.target.component == *self.component)
        else {
            return;
        };
        let (at, target) = (entry.statement.at, &result.target);
        match result.outcome {
            Outcome::Succeeded | Outcome::Destroyed => {
                self.end_period(at);
                let has_succeeded = result.outcome == Outcome::Succeeded;
                self.begin_period(RunPeriod {
                    content: target.content.filter(|_| has_succeeded),
                    entry,
                    is_baseline: matches!(entry.statement.action, Action::Baseline(_)),
                    from: at,
                    to: None,
                    commit: target.commit,
                    untrusted: self.untrusted(entry),
                    position,
                    verifications: vec![DatedVerification {
                        at,
                        result: result.verification,
                    }],
                });
            }
            Outcome::Failed => {
                self.end_period(at);
                self.add_attempt(position, entry, target, AttemptFailure::Failed);
            }
            Outcome::RolledBack => {
                self.add_attempt(position, entry, target, AttemptFailure::RolledBack);
                self.restart_period(entry);
            }
            Outcome::Executed | Outcome::Skipped => {}
        }
    }

    /// Adds an unsuccessful attempt to deploy a target.
    fn add_attempt(
        &mut self,
        position: usize,
        entry: &'a Arc<StoredEntry>,
        target: &Target,
        failure: AttemptFailure,
    ) {
        self.history.attempts.push(Attempt {
            commit: target.commit,
            content: target.content,
            entry,
            failure,
            position,
        });
    }

    /// Returns the entry if the key that signed it is not trusted.
    fn untrusted(&self, entry: &'a Arc<StoredEntry>) -> Option<&'a Arc<StoredEntry>> {
        (!(self.is_trusted)(entry)).then_some(entry)
    }

    /// Begins a new period with the content that ran before an attempt. `entry` states that a
    /// rollback deployed this content again.
    fn restart_period(&mut self, entry: &'a Arc<StoredEntry>) {
        let at = entry.statement.at;
        let untrusted = self.untrusted(entry);
        let ended = self.end_period(at);
        let previous = ended.and_then(|index| self.history.run_periods.get(index));
        if let Some(previous) = previous {
            self.begin_period(RunPeriod {
                from: at,
                to: None,
                verifications: vec![DatedVerification {
                    at,
                    result: previous.last_verification(),
                }],
                untrusted: previous.untrusted.or(untrusted),
                ..previous.clone()
            });
        }
    }

    /// Adds a verification result to the period of the commit that it is about.
    fn add_verification(
        &mut self,
        commit: CommitId,
        entry: &'a Arc<StoredEntry>,
        result: VerificationResult,
    ) {
        if result == VerificationResult::Passed && self.untrusted(entry).is_some() {
            return;
        }
        let at = entry.statement.at;
        let running = self
            .running
            .and_then(|index| self.history.run_periods.get_mut(index));
        let period = match running.filter(|period| period.commit == commit) {
            Some(period) => Some(period),
            // A failed verification also counts for the newest earlier period of the commit: the
            // running version may be unknown, or may have changed in the meantime.
            None if result == VerificationResult::Failed => self
                .history
                .run_periods
                .iter_mut()
                .rfind(|period| period.commit == commit),
            None => None,
        };
        if let Some(period) = period {
            period.verifications.push(DatedVerification { at, result });
        }
    }

    /// Ends the current period and returns its index.
    fn end_period(&mut self, at: Time) -> Option<usize> {
        let index = self.running.take()?;
        self.history.run_periods.get_mut(index)?.to = Some(at);
        Some(index)
    }

    /// Adds a period and makes it the current one.
    fn begin_period(&mut self, period: RunPeriod<'a>) {
        self.running = Some(self.history.run_periods.len());
        self.history.run_periods.push(period);
    }
}
