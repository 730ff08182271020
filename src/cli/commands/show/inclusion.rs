//! Finds how an environment has a commit that was not deployed there itself: inside a later commit,
//! as equal content, or as another commit with the same change.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use crate::domain::entry::StoredEntry;
use crate::domain::history::{History, RunPeriod};
use crate::domain::id::{CommitId, Content, Oid};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::time::Time;
use crate::git::{Commit, Error, Repository, Result};
use crate::ledger::{CommitMovement, MovedCommits, MovementKind, MovementReader};
use crate::view::contains::MatchKind;

/// The most commits whose changes are compared with that of the commit.
const COMPARE_LIMIT: usize = 2_000;

/// The position of an entry: its ledger and its sequence.
type EntryPosition = (LedgerName, u64);

/// A period, when the commit was no longer there, and how the deployed commit has it.
type FoundInclusion<'h, 'p> = (&'h RunPeriod<'p>, Option<Time>, MatchKind);

/// The time in which an environment had a commit inside another one.
pub struct Inclusion<'h, 'a> {
    /// The period in which it began.
    pub period: &'h RunPeriod<'a>,
    /// When it ended, if it has.
    pub to: Option<Time>,
    /// How the deployed commit has it.
    pub kind: MatchKind,
}

/// Searches the histories of components for one commit.
pub struct InclusionFinder<'a> {
    repository: &'a Repository,
    movement_reader: MovementReader<'a>,
    commit: CommitId,
    /// The movements of each entry.
    movements: RefCell<HashMap<EntryPosition, Vec<CommitMovement>>>,
    /// The patch ids computed so far.
    patch_ids: RefCell<HashMap<Oid, Option<String>>>,
}

impl<'a> InclusionFinder<'a> {
    /// Creates a finder for a commit.
    pub fn new(repository: &'a Repository, commit: CommitId) -> Self {
        Self {
            repository,
            movement_reader: MovementReader::new(repository),
            commit,
            movements: RefCell::default(),
            patch_ids: RefCell::default(),
        }
    }

    /// Finds how the environment has the commit in a component that it touches, at which it has
    /// this content; `None` if it does not have it, or if this clone lacks the history to tell.
    pub fn find<'h, 'p>(
        &self,
        component: &ComponentName,
        content: Option<Content>,
        history: &'h History<'p>,
    ) -> Result<Option<Inclusion<'h, 'p>>> {
        let found = self
            .find_moved(component, history, &BTreeSet::from([self.commit]))
            .and_then(|found| match found {
                Some((period, to)) => Ok(Some((period, to, MatchKind::History))),
                None => self.find_other(component, content, history),
            });
        match found {
            Ok(found) => Ok(found.map(|(period, to, kind)| Inclusion { period, to, kind })),
            Err(Error::Shallow | Error::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds equal content, or else another commit with the same change.
    fn find_other<'h, 'p>(
        &self,
        component: &ComponentName,
        content: Option<Content>,
        history: &'h History<'p>,
    ) -> Result<Option<FoundInclusion<'h, 'p>>> {
        let mut periods = history.run_periods.iter().rev();
        let equal = periods.find(|period| content.is_some() && period.content == content);
        if let Some(period) = equal {
            return Ok(Some((period, period.to, MatchKind::Content)));
        }
        let same_change = self.find_same_change(component, history)?;
        if same_change.is_empty() {
            return Ok(None);
        }
        let found = self.find_moved(component, history, &same_change)?;
        Ok(found.map(|(period, to)| (period, to, MatchKind::Patch)))
    }

    /// Finds the newest period that brought one of the commits, and when they were taken out or the
    /// component was removed.
    fn find_moved<'h, 'p>(
        &self,
        component: &ComponentName,
        history: &'h History<'p>,
        commits: &BTreeSet<CommitId>,
    ) -> Result<Option<(&'h RunPeriod<'p>, Option<Time>)>> {
        let mut found: Option<(&RunPeriod<'_>, Option<Time>)> = None;
        for period in &history.run_periods {
            let mut kind = period.content.is_none().then_some(MovementKind::TakenOut);
            if let Some(movement) = self.read_movement(component, period.entry)? {
                for commit in commits {
                    let statement = &period.entry.statement;
                    let moved = self
                        .movement_reader
                        .kind_of(statement, &movement, *commit)?;
                    kind = moved.or(kind);
                }
            }
            match (kind, &mut found) {
                (Some(MovementKind::Brought), None | Some((_, Some(_)))) => {
                    found = Some((period, None));
                }
                (Some(MovementKind::TakenOut), Some((_, to @ None))) => *to = Some(period.from),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Returns the movement of a component by an entry.
    fn read_movement(
        &self,
        component: &ComponentName,
        entry: &StoredEntry,
    ) -> Result<Option<CommitMovement>> {
        let statement = &entry.statement;
        let key = (statement.ledger.clone(), statement.sequence);
        let mut known = self.movements.borrow_mut();
        if !known.contains_key(&key) {
            let read = self.movement_reader.read(statement, statement.previous)?;
            known.insert(key.clone(), read);
        }
        let mut movements = known.get(&key).into_iter().flatten();
        Ok(movements.find(|it| it.component == *component).cloned())
    }

    /// Returns the commits that the component brought and that make the same change as the commit.
    fn find_same_change(
        &self,
        component: &ComponentName,
        history: &History<'_>,
    ) -> Result<BTreeSet<CommitId>> {
        let mut brought: BTreeSet<CommitId> = BTreeSet::new();
        for period in &history.run_periods {
            if let Some(movement) = self.read_movement(component, period.entry)? {
                brought.insert(movement.to);
                if let MovedCommits::Listed { brought: more, .. } = movement.commits {
                    brought.extend(more);
                }
            }
        }
        if brought.is_empty() || brought.len() > COMPARE_LIMIT {
            return Ok(BTreeSet::new());
        }
        self.compute_patch_ids(brought.iter().chain([&self.commit]))?;
        let patch_ids = self.patch_ids.borrow();
        let patch_id = |commit: &CommitId| patch_ids.get(&commit.0).cloned().flatten();
        let Some(own) = patch_id(&self.commit) else {
            return Ok(BTreeSet::new());
        };
        brought.retain(|commit| patch_id(commit).as_ref() == Some(&own));
        Ok(brought)
    }

    /// Computes the missing patch ids. A merge has none: the commits that it brought in are
    /// compared themselves.
    fn compute_patch_ids<'c>(&self, commits: impl Iterator<Item = &'c CommitId>) -> Result<()> {
        let mut patch_ids = self.patch_ids.borrow_mut();
        let mut missing: Vec<Commit> = Vec::new();
        for commit in commits.filter(|commit| !patch_ids.contains_key(&commit.0)) {
            let commit = self.repository.read_commit(commit.0)?;
            if commit.parents.len() <= 1 {
                missing.push(commit);
            }
        }
        let mut computed = self.repository.patch_ids(&missing)?;
        patch_ids.extend(
            missing
                .iter()
                .map(|commit| (commit.id, computed.remove(&commit.id))),
        );
        Ok(())
    }
}
