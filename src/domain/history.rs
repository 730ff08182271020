//! The history of one component in an environment, read from the ledger's entries: what ran from
//! when to when, and which attempts failed.
//!
//! A [`RunPeriod`] is an unbroken time in which one content ran, as one commit. It exists only if an
//! entry states that its content ran.
//!
//! What an entry says in favour of a content counts only if its key is still trusted. What it says
//! against one, a failure, always counts, so that removing a key never allows anything.

mod builder;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entry::{StoredEntry, VerificationResult};
use super::id::{CommitId, Content};
use super::time::Time;

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
    verifications: Vec<(Time, VerificationResult)>,
}

impl RunPeriod<'_> {
    /// Returns the newest verification result.
    pub fn last_verification(&self) -> VerificationResult {
        self.verifications
            .last()
            .map_or(VerificationResult::None, |(_, result)| *result)
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

    /// Returns the spans in which it was verified without a break, oldest first. The end is `None`
    /// if it still is.
    pub fn verified_spans(&self, unverified_counts: bool) -> Vec<(Time, Option<Time>)> {
        let mut spans: Vec<(Time, Option<Time>)> = Vec::new();
        let mut since = None;
        for (at, result) in &self.verifications {
            match (self.counts_as_verified(*result, unverified_counts), since) {
                (true, None) => since = Some(*at),
                (false, Some(start)) => {
                    // A result reported after the end says nothing about the time before the end.
                    spans.push((start, Some(self.to.map_or(*at, |to| to.min(*at)))));
                    since = None;
                }
                _ => {}
            }
        }
        spans.extend(since.map(|start| (start, self.to)));
        spans
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
    /// It never ran here, and no attempt with it failed.
    Never,
    /// It ran, and no later attempt failed.
    Ran(&'h RunPeriod<'a>),
    /// It ran only according to entries whose keys are not trusted; the newest such period.
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

    /// Returns the newest event of a commit or content. [`LatestEvent::Ran`] requires that it ran
    /// here. If a commit did, later attempts with the same content under another commit count too.
    /// Otherwise one could choose the commit under which a content looks best.
    ///
    /// Of its periods the newest trusted one counts, but a failed verification of a newer one, too.
    pub fn latest_event(
        &self,
        subject: RunSubject,
        content: Option<Content>,
    ) -> LatestEvent<'_, 'a> {
        let ran = self.run_periods_of(subject).next().is_some();
        let is_trusted = |period: &&RunPeriod<'a>| period.untrusted.is_none();
        let ran_trusted = self
            .run_periods_of(subject)
            .any(|period| is_trusted(&period));
        let mut contents: BTreeSet<Content> = self
            .run_periods_of(subject)
            .filter_map(|period| period.content)
            .collect();
        let commit = match subject {
            RunSubject::Commit(commit) => {
                contents.extend(content.filter(|_| ran));
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
            let all = self.run_periods.iter();
            all.filter(|period| ran && is_same(period.content))
        };
        let newest = periods().max_by_key(|period| period.position);
        let has_failed =
            |period: &&RunPeriod<'a>| period.last_verification() == VerificationResult::Failed;
        let trusted = periods()
            .filter(|period| ran_trusted && is_trusted(period))
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
            (Some(period), _) if ran_trusted || has_failed(&period) => LatestEvent::Ran(period),
            (Some(period), _) => LatestEvent::Untrusted(period),
            (None, Some(attempt)) => LatestEvent::Failed(attempt),
            (None, None) => LatestEvent::Never,
        }
    }

    /// Returns the longest unbroken verified span of a commit: start, end and length. A span that
    /// still lasts is measured up to `now`. Baselines do not count.
    #[cfg(test)]
    pub fn longest_verified_span(
        &self,
        subject: RunSubject,
        unverified_counts: bool,
        now: Time,
    ) -> Option<(Time, Option<Time>, super::time::Span)> {
        self.run_periods_of(subject)
            .filter(|period| !period.is_baseline)
            .flat_map(|period| period.verified_spans(unverified_counts))
            .map(|(from, to)| (from, to, to.unwrap_or(now).duration_since(from)))
            .max_by_key(|(_, to, length)| (*length, to.is_none()))
    }
}

#[cfg(test)]
mod tests;
