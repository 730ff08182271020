//! The history of one component in an environment, read from the ledger's entries: what ran from
//! when to when, and which attempts failed.
//!
//! A [`RunPeriod`] is one unbroken time of one content. A commit whose content was there already joins the period that runs, and so
//! has the success, the verification and the soak of the entry that deployed the content, no more. Whatever the entries do not show
//! to have run did not run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::{
    Action, ComponentResult, Deployment, Outcome, RunStep, StoredEntry, VerificationResult,
};
use super::id::{CommitId, Content};
use super::name::ComponentName;
use super::time::{Span, Time};

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
    /// When it was replaced or removed, or when an attempt made it unknown what runs; `None` while
    /// it runs.
    pub to: Option<Time>,
    /// The commits that had this content here, oldest first, each with the position of its entry.
    commits: Vec<(CommitId, usize)>,
    /// The verification results, oldest first; never empty.
    verifications: Vec<(Time, VerificationResult)>,
}

impl RunPeriod<'_> {
    /// Returns the commits that had this content here: first the deployed one, then those that
    /// joined without a change.
    pub fn commits(&self) -> impl Iterator<Item = CommitId> {
        self.commits.iter().map(|(commit, _)| *commit)
    }

    /// Returns the newest commit of the period.
    pub fn last_commit(&self) -> Option<CommitId> {
        self.commits.last().map(|(commit, _)| *commit)
    }

    /// Returns the newest verification result.
    pub fn last_verification(&self) -> VerificationResult {
        self.verifications
            .last()
            .map_or(VerificationResult::None, |(_, result)| *result)
    }

    /// Returns whether the newest verification result counts as verified. Pass `none_counts` if
    /// nothing verifies the component, so that `none` is the best possible result.
    pub fn is_verified(&self, none_counts: bool) -> bool {
        self.counts_as_verified(self.last_verification(), none_counts)
    }

    /// Returns whether a result counts as verified. A removed component needs no verification.
    fn counts_as_verified(&self, result: VerificationResult, none_counts: bool) -> bool {
        match result {
            VerificationResult::Passed => true,
            VerificationResult::Failed => false,
            VerificationResult::None => none_counts || self.content.is_none(),
        }
    }

    /// Returns the spans in which it was verified without a break, oldest first. The end is `None`
    /// if it still is.
    pub fn verified_spans(&self, none_counts: bool) -> Vec<(Time, Option<Time>)> {
        let mut spans: Vec<(Time, Option<Time>)> = Vec::new();
        let mut since = None;
        for (at, result) in &self.verifications {
            match (self.counts_as_verified(*result, none_counts), since) {
                (true, None) => since = Some(*at),
                (false, Some(begun)) => {
                    // A result reported after the end says nothing about the time before the end.
                    spans.push((begun, Some(self.to.map_or(*at, |to| to.min(*at)))));
                    since = None;
                }
                _ => {}
            }
        }
        spans.extend(since.map(|begun| (begun, self.to)));
        spans
    }

    /// Returns the position of the newest entry that deployed or confirmed this content, as this
    /// commit or, for `None`, as any commit.
    fn newest_position(&self, commit: Option<CommitId>) -> Option<usize> {
        self.commits
            .iter()
            .filter(|(it, _)| commit.is_none_or(|commit| *it == commit))
            .map(|(_, order)| *order)
            .max()
    }
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
    position: usize,
}

/// The newest event in the history of a commit.
#[derive(Debug, Clone, Copy)]
pub enum LatestEvent<'h, 'a> {
    /// It never ran here.
    Never,
    /// It ran, and no later attempt failed.
    Ran(&'h RunPeriod<'a>),
    /// After it ran, an attempt with this commit or the same content failed.
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
    /// Reads the history from the entries of one environment. The entries are ordered newest first,
    /// and none that concerns the component may be missing. An `abort` concerns the components that
    /// its start was to change.
    pub fn read(component: &ComponentName, newest_first: &'a [Arc<StoredEntry>]) -> Self {
        let starts = newest_first
            .iter()
            .filter_map(|kept| match &kept.statement.action {
                Action::Start(start) => Some((kept.statement.sequence, &start.deployment)),
                _ => None,
            });
        let mut reader = HistoryBuilder {
            component,
            starts: starts.collect(),
            running: None,
            history: Self::default(),
        };
        newest_first
            .iter()
            .rev()
            .enumerate()
            .for_each(|(order, kept)| reader.add_entry(order, kept));
        reader.history
    }

    /// Returns the periods in which a commit ran, oldest first. Periods of removal are not
    /// included.
    pub fn run_periods_of(
        &self,
        commit: CommitId,
    ) -> impl DoubleEndedIterator<Item = &RunPeriod<'a>> {
        self.run_periods.iter().filter(move |stay| {
            stay.content.is_some() && stay.newest_position(Some(commit)).is_some()
        })
    }

    /// Returns the newest event of a commit. [`Latest::Ran`] requires that this very commit ran
    /// here. If it did, later attempts with the same content under another commit count too.
    /// Otherwise one could choose the commit under which a content looks best.
    pub fn latest_event(&self, commit: CommitId, content: Option<Content>) -> LatestEvent<'_, 'a> {
        let ran = self.run_periods_of(commit).next().is_some();
        let contents: BTreeSet<Content> = self
            .run_periods_of(commit)
            .filter_map(|stay| stay.content)
            .chain(content)
            .collect();
        let same = |content: Option<Content>| {
            content.is_some_and(|content| ran && contents.contains(&content))
        };
        // Every period of the commit has one of those contents.
        let stay = self
            .run_periods
            .iter()
            .filter(|stay| same(stay.content))
            .filter_map(|stay| Some((stay.newest_position(None)?, stay)));
        let attempt = self
            .attempts
            .iter()
            .rfind(|it| it.commit == commit || same(it.content));
        match (stay.max_by_key(|(order, _)| *order), attempt) {
            (Some((order, _)), Some(attempt)) if attempt.position > order => {
                LatestEvent::Failed(attempt)
            }
            (Some((_, stay)), _) => LatestEvent::Ran(stay),
            (None, Some(attempt)) => LatestEvent::Failed(attempt),
            (None, None) => LatestEvent::Never,
        }
    }

    /// Returns the longest unbroken verified span of a commit: start, end and length. A span that
    /// still lasts is measured up to `now`. Baselines do not count.
    pub fn longest_verified_span(
        &self,
        commit: CommitId,
        none_counts: bool,
        now: Time,
    ) -> Option<(Time, Option<Time>, Span)> {
        self.run_periods_of(commit)
            .filter(|stay| !stay.is_baseline)
            .flat_map(|stay| stay.verified_spans(none_counts))
            .map(|(from, to)| (from, to, to.unwrap_or(now).duration_since(from)))
            .max_by_key(|(_, to, length)| (*length, to.is_none()))
    }
}

/// Builds a history from entries, oldest first.
struct HistoryBuilder<'a, 'c> {
    component: &'c ComponentName,
    starts: BTreeMap<u64, &'a Deployment>,
    /// The index of the period that still lasts.
    running: Option<usize>,
    history: History<'a>,
}

impl<'a> HistoryBuilder<'a, '_> {
    /// Adds what one entry says about the component.
    fn add_entry(&mut self, order: usize, kept: &'a Arc<StoredEntry>) {
        match &kept.statement.action {
            Action::Abort(it) => {
                if let Some(mine) = it
                    .components
                    .iter()
                    .find(|it| it.component == *self.component)
                {
                    self.end_period(kept.statement.at);
                    // The start entry names the content. If it is not among the entries, only the
                    // commit is known.
                    let asked = self
                        .starts
                        .get(&it.start)
                        .into_iter()
                        .flat_map(|it| &it.components);
                    let target = asked
                        .map(|change| &change.target)
                        .find(|target| target.component == mine.component);
                    let (commit, content) = (mine.commit, target.and_then(|target| target.content));
                    self.history.attempts.push(Attempt {
                        commit,
                        content,
                        entry: kept,
                        failure: AttemptFailure::Aborted,
                        position: order,
                    });
                }
            }
            Action::Verification(it) => {
                let mine = it
                    .components
                    .iter()
                    .filter(|it| it.component == *self.component);
                mine.for_each(|it_of| {
                    self.add_verification(it_of.commit, kept.statement.at, it.verification);
                });
            }
            action => {
                let deployment = match action.run_step() {
                    Some(RunStep::Ends { start, .. }) => self.starts.get(&start).copied(),
                    _ => action.deployment(),
                };
                self.add_outcome(order, kept, &kept.statement.component_results(), deployment);
            }
        }
    }

    /// Adds the outcome of a deployment for the component.
    fn add_outcome(
        &mut self,
        order: usize,
        kept: &'a Arc<StoredEntry>,
        all: &[ComponentResult],
        deployment: Option<&Deployment>,
    ) {
        let at = kept.statement.at;
        let Some(ended) = all
            .iter()
            .find(|ended| ended.target.component == *self.component)
        else {
            return;
        };
        let (commit, content) = (ended.target.commit, ended.target.content);
        match ended.outcome {
            Outcome::Succeeded | Outcome::Destroyed => {
                self.end_period(at);
                self.begin_period(RunPeriod {
                    content: content.filter(|_| ended.outcome == Outcome::Succeeded),
                    entry: kept,
                    is_baseline: matches!(kept.statement.action, Action::Baseline(_)),
                    from: at,
                    to: None,
                    commits: vec![(commit, order)],
                    verifications: vec![(at, ended.verification)],
                });
            }
            Outcome::Failed => {
                self.end_period(at);
                self.history.attempts.push(Attempt {
                    commit,
                    content,
                    entry: kept,
                    failure: AttemptFailure::Failed,
                    position: order,
                });
            }
            Outcome::RolledBack => {
                let failure = AttemptFailure::RolledBack;
                self.history.attempts.push(Attempt {
                    commit,
                    content,
                    entry: kept,
                    failure,
                    position: order,
                });
                if let Some(before) = self
                    .end_period(at)
                    .and_then(|index| self.history.run_periods.get(index))
                {
                    let verifications = vec![(at, before.last_verification())];
                    self.begin_period(RunPeriod {
                        from: at,
                        to: None,
                        verifications,
                        ..before.clone()
                    });
                }
            }
            Outcome::Unchanged => {
                // As in fold: it joins only if nothing was deployed between start and finish.
                let change = deployment
                    .and_then(|it| it.components.iter().find(|it| it.target == ended.target));
                if let Some(stay) = self
                    .running
                    .and_then(|index| self.history.run_periods.get_mut(index))
                    && stay.last_commit().is_some()
                    && change.is_some_and(|change| change.from == stay.last_commit())
                {
                    stay.commits.push((commit, order));
                }
            }
            Outcome::Skipped => {}
        }
    }

    /// Adds a verification result to the period of the commit that it is about.
    fn add_verification(&mut self, commit: CommitId, at: Time, result: VerificationResult) {
        let running = self
            .running
            .and_then(|index| self.history.run_periods.get_mut(index));
        let stay = match running.filter(|stay| stay.last_commit() == Some(commit)) {
            Some(stay) => Some(stay),
            // A failed verification also counts for the content that ran last, and for content that
            // may or may not be running.
            None if result == VerificationResult::Failed => self
                .history
                .run_periods
                .iter_mut()
                .rfind(|stay| stay.newest_position(Some(commit)).is_some()),
            None => None,
        };
        if let Some(stay) = stay {
            stay.verifications.push((at, result));
        }
    }

    /// Ends the period that lasts and returns its index.
    fn end_period(&mut self, at: Time) -> Option<usize> {
        let index = self.running.take()?;
        self.history.run_periods.get_mut(index)?.to = Some(at);
        Some(index)
    }

    /// Adds a period that lasts.
    fn begin_period(&mut self, stay: RunPeriod<'a>) {
        self.running = Some(self.history.run_periods.len());
        self.history.run_periods.push(stay);
    }
}

#[cfg(test)]
mod tests;
