//! What ran in an environment, from when to when: read from its entries about one component.
//!
//! A [`Stay`] is one unbroken time of one content. A commit whose content was there already joins the stay that runs, and so has
//! the success, the verification and the soak of the entry that put the content there, no more. Whatever the entries do not show
//! to have run did not run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::{
    Action, ComponentResult, Deployment, Outcome, RunStep, StoredEntry, VerificationResult,
};
use super::id::{CommitId, Content};
use super::name::ComponentName;
use super::time::{Span, Time};

/// An unbroken time during which a component ran one content.
#[derive(Debug, Clone)]
pub struct Stay<'a> {
    /// The content; `None` while the component was taken away.
    pub content: Option<Content>,
    /// The entry that put it there: a `finish`, `record` or `baseline`.
    pub entry: &'a Arc<StoredEntry>,
    /// Whether that was a `baseline`: an admin's word and no deployment.
    pub baseline: bool,
    /// When it began to run; after a failed attempt that was rolled back, when it ran again.
    pub from: Time,
    /// When it was replaced, taken away, attempted upon, or no longer known to run; `None` while it runs.
    pub to: Option<Time>,
    /// The commits it was there as, oldest first, each with the number of the entry that said so.
    commits: Vec<(CommitId, usize)>,
    /// What was said of its health, oldest first; never empty.
    verifications: Vec<(Time, VerificationResult)>,
}

impl Stay<'_> {
    /// The commits it was there as: the one that was deployed, then those that rode along.
    pub fn commits(&self) -> impl Iterator<Item = CommitId> {
        self.commits.iter().map(|(commit, _)| *commit)
    }

    /// The commit it is there as now, or was at its end.
    pub fn commit(&self) -> Option<CommitId> {
        self.commits.last().map(|(commit, _)| *commit)
    }

    /// The newest word on its health.
    pub fn verification(&self) -> VerificationResult {
        self.verifications
            .last()
            .map_or(VerificationResult::None, |(_, result)| *result)
    }

    /// Whether it is verified by the newest word. `none_counts`: nothing verifies the component, so `none` is as good as it gets.
    pub fn is_verified(&self, none_counts: bool) -> bool {
        self.counts(self.verification(), none_counts)
    }

    /// What is not there needs no verification.
    fn counts(&self, result: VerificationResult, none_counts: bool) -> bool {
        match result {
            VerificationResult::Passed => true,
            VerificationResult::Failed => false,
            VerificationResult::None => none_counts || self.content.is_none(),
        }
    }

    /// The times during which it was verified without a break, oldest first; the end is `None` if it still is.
    pub fn verified(&self, none_counts: bool) -> Vec<(Time, Option<Time>)> {
        let mut spans: Vec<(Time, Option<Time>)> = Vec::new();
        let mut since = None;
        for (at, result) in &self.verifications {
            match (self.counts(*result, none_counts), since) {
                (true, None) => since = Some(*at),
                (false, Some(begun)) => {
                    // A word that came after the end says nothing of the time before it.
                    spans.push((begun, Some(self.to.map_or(*at, |to| to.min(*at)))));
                    since = None;
                }
                _ => {}
            }
        }
        spans.extend(since.map(|begun| (begun, self.to)));
        spans
    }

    /// The number of the newest entry that put it there, or let it ride along, as this commit or as any.
    fn newest(&self, commit: Option<CommitId>) -> Option<usize> {
        self.commits
            .iter()
            .filter(|(it, _)| commit.is_none_or(|commit| *it == commit))
            .map(|(_, order)| *order)
            .max()
    }
}

/// How an attempt ended that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It failed, and what ran from then on is unknown.
    Failed,
    /// It failed, and what ran before was brought back.
    RolledBack,
    /// It was given up.
    Aborted,
}

/// An attempt that did not succeed.
#[derive(Debug, Clone)]
pub struct Attempt<'a> {
    /// The commit that was attempted.
    pub commit: CommitId,
    /// Its content.
    pub content: Option<Content>,
    /// The entry that ended it.
    pub entry: &'a Arc<StoredEntry>,
    /// How.
    pub failure: Failure,
    order: usize,
}

/// The newest thing that a history says of a commit.
#[derive(Debug, Clone, Copy)]
pub enum Latest<'h, 'a> {
    /// It never ran there.
    Never,
    /// It ran, and nothing ended worse since.
    Ran(&'h Stay<'a>),
    /// It, or another commit of the same content, was attempted since without success.
    Failed(&'h Attempt<'a>),
}

/// What the entries of an environment say of one component.
#[derive(Debug, Clone, Default)]
pub struct History<'a> {
    /// What ran, oldest first.
    pub stays: Vec<Stay<'a>>,
    /// What failed, oldest first.
    pub attempts: Vec<Attempt<'a>>,
}

impl<'a> History<'a> {
    /// Reads entries of one environment, newest first and without a gap among those that speak of the component. An `abort` speaks of
    /// the components that its start was to change.
    pub fn read(component: &ComponentName, newest_first: &'a [Arc<StoredEntry>]) -> Self {
        let starts = newest_first
            .iter()
            .filter_map(|kept| match &kept.statement.action {
                Action::Start(start) => Some((kept.statement.sequence, &start.deployment)),
                _ => None,
            });
        let mut reader = Reader {
            component,
            starts: starts.collect(),
            running: None,
            history: Self::default(),
        };
        newest_first
            .iter()
            .rev()
            .enumerate()
            .for_each(|(order, kept)| reader.entry(order, kept));
        reader.history
    }

    /// The stays of a commit, oldest first; having been taken away is none of them.
    pub fn stays_of(&self, commit: CommitId) -> impl DoubleEndedIterator<Item = &Stay<'a>> {
        self.stays
            .iter()
            .filter(move |stay| stay.content.is_some() && stay.newest(Some(commit)).is_some())
    }

    /// What came last of a commit. Only a commit that ran there itself has `Ran`; but once it has, what later became of the same
    /// content under another commit counts as well, so that nobody may pick the name under which a content did well.
    pub fn latest(&self, commit: CommitId, content: Option<Content>) -> Latest<'_, 'a> {
        let ran = self.stays_of(commit).next().is_some();
        let contents: BTreeSet<Content> = self
            .stays_of(commit)
            .filter_map(|stay| stay.content)
            .chain(content)
            .collect();
        let same = |content: Option<Content>| {
            content.is_some_and(|content| ran && contents.contains(&content))
        };
        // Whatever stay is of the commit is of one of those contents.
        let stay = self
            .stays
            .iter()
            .filter(|stay| same(stay.content))
            .filter_map(|stay| Some((stay.newest(None)?, stay)));
        let attempt = self
            .attempts
            .iter()
            .rfind(|it| it.commit == commit || same(it.content));
        match (stay.max_by_key(|(order, _)| *order), attempt) {
            (Some((order, _)), Some(attempt)) if attempt.order > order => Latest::Failed(attempt),
            (Some((_, stay)), _) => Latest::Ran(stay),
            (None, Some(attempt)) => Latest::Failed(attempt),
            (None, None) => Latest::Never,
        }
    }

    /// The longest unbroken verified time of a commit, up to `now` if it lasts: from, to, and how long. A baseline has none.
    pub fn longest(
        &self,
        commit: CommitId,
        none_counts: bool,
        now: Time,
    ) -> Option<(Time, Option<Time>, Span)> {
        self.stays_of(commit)
            .filter(|stay| !stay.baseline)
            .flat_map(|stay| stay.verified(none_counts))
            .map(|(from, to)| (from, to, to.unwrap_or(now).since(from)))
            .max_by_key(|(_, to, length)| (*length, to.is_none()))
    }
}

struct Reader<'a, 'c> {
    component: &'c ComponentName,
    starts: BTreeMap<u64, &'a Deployment>,
    /// The stay that lasts, by index.
    running: Option<usize>,
    history: History<'a>,
}

impl<'a> Reader<'a, '_> {
    fn entry(&mut self, order: usize, kept: &'a Arc<StoredEntry>) {
        match &kept.statement.action {
            Action::Abort(it) => {
                if let Some(mine) = it
                    .components
                    .iter()
                    .find(|it| it.component == *self.component)
                {
                    self.stop(kept.statement.at);
                    // The content is the start's word; where that is not among the entries, the commit stands alone.
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
                        failure: Failure::Aborted,
                        order,
                    });
                }
            }
            Action::Verification(it) => {
                let mine = it
                    .components
                    .iter()
                    .filter(|it| it.component == *self.component);
                mine.for_each(|it_of| {
                    self.verified(it_of.commit, kept.statement.at, it.verification);
                });
            }
            action => {
                let deployment = match action.run_step() {
                    Some(RunStep::Ends { start, .. }) => self.starts.get(&start).copied(),
                    _ => action.deployment(),
                };
                self.ended(order, kept, &kept.statement.component_results(), deployment);
            }
        }
    }

    fn ended(
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
                self.stop(at);
                self.begin(Stay {
                    content: content.filter(|_| ended.outcome == Outcome::Succeeded),
                    entry: kept,
                    baseline: matches!(kept.statement.action, Action::Baseline(_)),
                    from: at,
                    to: None,
                    commits: vec![(commit, order)],
                    verifications: vec![(at, ended.verification)],
                });
            }
            Outcome::Failed => {
                self.stop(at);
                self.history.attempts.push(Attempt {
                    commit,
                    content,
                    entry: kept,
                    failure: Failure::Failed,
                    order,
                });
            }
            Outcome::RolledBack => {
                let failure = Failure::RolledBack;
                self.history.attempts.push(Attempt {
                    commit,
                    content,
                    entry: kept,
                    failure,
                    order,
                });
                if let Some(before) = self
                    .stop(at)
                    .and_then(|index| self.history.stays.get(index))
                {
                    let verifications = vec![(at, before.verification())];
                    self.begin(Stay {
                        from: at,
                        to: None,
                        verifications,
                        ..before.clone()
                    });
                }
            }
            Outcome::Unchanged => {
                // As in fold: it joins only if nothing was put there between start and finish.
                let change = deployment
                    .and_then(|it| it.components.iter().find(|it| it.target == ended.target));
                if let Some(stay) = self
                    .running
                    .and_then(|index| self.history.stays.get_mut(index))
                    && stay.commit().is_some()
                    && change.is_some_and(|change| change.from == stay.commit())
                {
                    stay.commits.push((commit, order));
                }
            }
            Outcome::Skipped => {}
        }
    }

    fn verified(&mut self, commit: CommitId, at: Time, result: VerificationResult) {
        let running = self
            .running
            .and_then(|index| self.history.stays.get_mut(index));
        let stay = match running.filter(|stay| stay.commit() == Some(commit)) {
            Some(stay) => Some(stay),
            // Bad news of what ran last, or of what may or may not run, is news still.
            None if result == VerificationResult::Failed => self
                .history
                .stays
                .iter_mut()
                .rfind(|stay| stay.newest(Some(commit)).is_some()),
            None => None,
        };
        if let Some(stay) = stay {
            stay.verifications.push((at, result));
        }
    }

    /// Ends the stay that lasts, and says which it was.
    fn stop(&mut self, at: Time) -> Option<usize> {
        let index = self.running.take()?;
        self.history.stays.get_mut(index)?.to = Some(at);
        Some(index)
    }

    fn begin(&mut self, stay: Stay<'a>) {
        self.running = Some(self.history.stays.len());
        self.history.stays.push(stay);
    }
}

#[cfg(test)]
mod tests;
