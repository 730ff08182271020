//! The history of one component in an environment, read from the ledger's entries: what ran from
//! when to when, and which attempts failed.
//!
//! A [`RunPeriod`] is an unbroken time in which one content ran, as one commit. It exists only if an
//! entry states that its content ran.
//!
//! A success counts only if the key that signed its entry is still trusted. A failure always counts,
//! so that the removal of a key never allows anything.

mod builder;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entry::{StoredEntry, VerificationResult};
use super::id::{CommitId, Content};
use super::time::{Span, Time};

/// A period in which a content ran verified without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedPeriod {
    /// When it began.
    pub from: Time,
    /// When it ended; `None` while it lasts.
    pub to: Option<Time>,
}

impl VerifiedPeriod {
    /// Returns its length, up to `now` if it still lasts.
    pub fn length(&self, now: Time) -> Span {
        self.to.unwrap_or(now).duration_since(self.from)
    }
}

/// An unbroken period in which a component ran one content.
#[derive(Debug, Clone)]
pub struct RunPeriod<'a> {
    /// The content; `None` while the component is removed from the environment.
    pub content: Option<Content>,
    /// The entry that deployed it: a `finish`, `record` or `baseline`.
    pub entry: &'a Arc<StoredEntry>,
    /// Whether that entry is a `baseline`, which is an admin's statement and not a deployment.
    pub is_baseline: bool,
    /// When it began to run. After an attempt that was rolled back, the time when it ran again.
    pub from: Time,
    /// When it was replaced or removed, or when an attempt left the running version unknown; `None`
    /// while it runs.
    pub to: Option<Time>,
    /// The deployed commit.
    pub commit: CommitId,
    /// The entry that states that it ran, if the key that signed it is not trusted. The period is
    /// then no evidence that the content works.
    pub untrusted: Option<&'a Arc<StoredEntry>>,
    /// The index of its entry in the environment's entries, oldest first.
    position: usize,
    /// The verification results, oldest first; never empty. Successes count only if the key that
    /// signed them is trusted.
    verifications: Vec<DatedVerification>,
}

/// A verification result and its time.
#[derive(Debug, Clone, Copy)]
struct DatedVerification {
    at: Time,
    result: VerificationResult,
}

impl RunPeriod<'_> {
    /// Returns the newest verification result.
    pub fn last_verification(&self) -> VerificationResult {
        self.verifications
            .last()
            .map_or(VerificationResult::None, |verification| verification.result)
    }

    /// Returns whether the newest verification result counts as verified. Pass `unverified_counts`
    /// if nothing verifies the component, so that `none` is the best possible result.
    pub fn is_verified(&self, unverified_counts: bool) -> bool {
        self.counts_as_verified(self.last_verification(), unverified_counts)
    }

    /// Returns whether a result counts as verified. A removed component needs no verification.
    fn counts_as_verified(&self, result: VerificationResult, unverified_counts: bool) -> bool {
        match result {
            VerificationResult::Passed => true,
            VerificationResult::Failed => false,
            VerificationResult::None => unverified_counts || self.content.is_none(),
        }
    }

    /// Returns the periods in which it was verified without a break, oldest first.
    pub fn verified_periods(&self, unverified_counts: bool) -> Vec<VerifiedPeriod> {
        let mut periods: Vec<VerifiedPeriod> = Vec::new();
        let mut since = None;
        for DatedVerification { at, result } in &self.verifications {
            match (self.counts_as_verified(*result, unverified_counts), since) {
                (true, None) => since = Some(*at),
                (false, Some(from)) => {
                    // If the run ended before this result, the verified period ended with the run.
                    let to = self.to.map_or(*at, |to| to.min(*at));
                    periods.push(VerifiedPeriod { from, to: Some(to) });
                    since = None;
                }
                _ => {}
            }
        }
        periods.extend(since.map(|from| VerifiedPeriod { from, to: self.to }));
        periods
    }

    /// Checks whether this commit or content ran in the period.
    fn is_of(&self, subject: RunSubject) -> bool {
        match subject {
            RunSubject::Commit(commit) => self.content.is_some() && self.commit == commit,
            RunSubject::Content(content) => self.content == Some(content),
        }
    }
}

/// What is looked for in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunSubject {
    /// Runs of this commit.
    Commit(CommitId),
    /// Runs of this content, under any commit.
    Content(Content),
}

/// How an unsuccessful attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptFailure {
    /// It failed, and it is unknown what has run since.
    Failed,
    /// It failed, and the previous content was restored.
    RolledBack,
    /// It was aborted.
    Aborted,
}

/// An unsuccessful attempt.
#[derive(Debug, Clone)]
pub struct Attempt<'a> {
    /// The attempted commit.
    pub commit: CommitId,
    /// The content of that commit.
    pub content: Option<Content>,
    /// The entry that ended the attempt.
    pub entry: &'a Arc<StoredEntry>,
    /// How it ended.
    pub failure: AttemptFailure,
    /// The index of `entry` in the environment's entries, oldest first.
    position: usize,
}

/// The newest event in the history of a commit.
#[derive(Debug, Clone, Copy)]
pub enum LatestEvent<'h, 'a> {
    /// The commit never ran here, and no attempt with it failed.
    Never,
    /// The commit ran in this period, and no later attempt failed.
    Ran(&'h RunPeriod<'a>),
    /// Only entries with untrusted keys state that the commit ran. This is the newest such period.
    Untrusted(&'h RunPeriod<'a>),
    /// An attempt with this commit failed or, after the commit ran, one with the same content.
    Failed(&'h Attempt<'a>),
}

/// The history of one component in an environment.
#[derive(Debug, Clone, Default)]
pub struct History<'a> {
    /// The periods in which a content ran, oldest first.
    pub run_periods: Vec<RunPeriod<'a>>,
    /// The unsuccessful attempts, oldest first.
    pub attempts: Vec<Attempt<'a>>,
}

impl<'a> History<'a> {
    /// Returns the periods in which a commit or content ran, oldest first. Periods of removal are
    /// not included.
    pub fn run_periods_of(
        &self,
        subject: RunSubject,
    ) -> impl DoubleEndedIterator<Item = &RunPeriod<'a>> {
        self.run_periods
            .iter()
            .filter(move |period| period.is_of(subject))
    }

    /// Returns the newest event of a commit or content. [`LatestEvent::Ran`] requires that the commit
    /// or content ran here. For a commit that ran, later attempts with the same content at another
    /// commit count, too. Otherwise a person could choose a commit that hides a failure of the
    /// content.
    ///
    /// Of several periods, the newest trusted one counts. A failed verification of a newer period
    /// that is not trusted counts, too.
    pub fn latest_event(
        &self,
        subject: RunSubject,
        content: Option<Content>,
    ) -> LatestEvent<'_, 'a> {
        let has_run = self.run_periods_of(subject).next().is_some();
        let is_trusted = |period: &&RunPeriod<'a>| period.untrusted.is_none();
        let has_trusted_run = self
            .run_periods_of(subject)
            .any(|period| is_trusted(&period));
        let mut contents: BTreeSet<Content> = self
            .run_periods_of(subject)
            .filter_map(|period| period.content)
            .collect();
        let commit = match subject {
            RunSubject::Commit(commit) => {
                contents.extend(content.filter(|_| has_run));
                Some(commit)
            }
            RunSubject::Content(content) => {
                contents.insert(content);
                None
            }
        };
        let is_same =
            |content: Option<Content>| content.is_some_and(|content| contents.contains(&content));
        let periods = || {
            self.run_periods
                .iter()
                .filter(|period| has_run && is_same(period.content))
        };
        let newest = periods().max_by_key(|period| period.position);
        let has_failed =
            |period: &&RunPeriod<'a>| period.last_verification() == VerificationResult::Failed;
        let trusted = periods()
            .filter(|period| has_trusted_run && is_trusted(period))
            .max_by_key(|period| period.position);
        let period = newest.filter(has_failed).or(trusted).or(newest);
        let attempt = self
            .attempts
            .iter()
            .rfind(|it| Some(it.commit) == commit || is_same(it.content));
        match (period, attempt) {
            (Some(period), Some(attempt)) if attempt.position > period.position => {
                LatestEvent::Failed(attempt)
            }
            (Some(period), _) if has_trusted_run || has_failed(&period) => LatestEvent::Ran(period),
            (Some(period), _) => LatestEvent::Untrusted(period),
            (None, Some(attempt)) => LatestEvent::Failed(attempt),
            (None, None) => LatestEvent::Never,
        }
    }

    /// Returns the longest verified period of a commit. A period that still lasts is measured up to
    /// `now`. Baselines do not count.
    #[cfg(test)]
    pub fn longest_verified_period(
        &self,
        subject: RunSubject,
        unverified_counts: bool,
        now: Time,
    ) -> Option<VerifiedPeriod> {
        self.run_periods_of(subject)
            .filter(|period| !period.is_baseline)
            .flat_map(|period| period.verified_periods(unverified_counts))
            .max_by_key(|period| (period.length(now), period.to.is_none()))
    }
}

#[cfg(test)]
mod tests;
