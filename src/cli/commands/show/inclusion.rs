//! Finds a deployed commit that includes another commit, which was not deployed itself: as an
//! ancestor, as equal content, or as a commit with the same change.

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

/// The maximum number of commits whose changes are compared with that of the commit, so that a long
/// history does not slow down the command.
const COMPARE_LIMIT: usize = 2_000;

/// The position of an entry: its ledger and its sequence.
type MovementPosition = (LedgerName, u64);

/// The time during which deployed commits included the commit.
pub struct Inclusion<'h, 'a> {
    /// The run period whose deployment brought the commit.
    pub period: &'h RunPeriod<'a>,
    /// When a deployment took the commit out, or the component was removed. `None` if the
    /// environment still has the commit.
    pub end: Option<Time>,
    /// How the deployed commit includes the commit.
    pub kind: MatchKind,
}

/// Searches the histories of components for one commit.
pub struct InclusionFinder<'a> {
    repository: &'a Repository,
    movement_reader: MovementReader<'a>,
    commit: CommitId,
    /// Whether the commit changes a component. Movements list only commits that change theirs.
    changes_component: bool,
    /// The movements of each entry.
    movements: RefCell<HashMap<MovementPosition, Vec<CommitMovement>>>,
    /// The patch ids computed so far.
    patch_ids: RefCell<HashMap<Oid, Option<String>>>,
}

impl<'a> InclusionFinder<'a> {
    /// Creates a finder for a commit.
    pub fn new(repository: &'a Repository, commit: CommitId, changes_component: bool) -> Self {
        Self {
            repository,
            movement_reader: MovementReader::new(repository),
            commit,
            changes_component,
            movements: RefCell::default(),
            patch_ids: RefCell::default(),
        }
    }

    /// Finds the inclusion of the commit in the history of a component in which it is searched.
    /// `content` is the component's content at the commit. Returns `None` if no deployed commit
    /// includes it, or if this clone lacks the history to tell.
    pub fn find<'h, 'p>(
        &self,
        component: &ComponentName,
        content: Option<Content>,
        history: &'h History<'p>,
    ) -> Result<Option<Inclusion<'h, 'p>>> {
        let result = self
            .find_moved(
                component,
                history,
                &BTreeSet::from([self.commit]),
                MatchKind::History,
            )
            .and_then(|found| match found {
                Some(inclusion) => Ok(Some(inclusion)),
                None => self.find_equivalent(component, content, history),
            });
        match result {
            Err(Error::Shallow | Error::Missing(_)) => Ok(None),
            result => result,
        }
    }

    /// Finds a period with equal content, or else the inclusion of another commit with the same change.
    fn find_equivalent<'h, 'p>(
        &self,
        component: &ComponentName,
        content: Option<Content>,
        history: &'h History<'p>,
    ) -> Result<Option<Inclusion<'h, 'p>>> {
        let mut periods = history.run_periods.iter().rev();
        let equal = periods.find(|period| content.is_some() && period.content == content);
        if let Some(period) = equal {
            return Ok(Some(Inclusion {
                period,
                end: period.to,
                kind: MatchKind::Content,
            }));
        }
        let same_change = self.find_same_change(component, history)?;
        if same_change.is_empty() {
            return Ok(None);
        }
        self.find_moved(component, history, &same_change, MatchKind::Patch)
    }

    /// Finds the newest period that brought one of the commits while the environment had none of them.
    /// The inclusion ends when a deployment takes the commits out or removes the component.
    fn find_moved<'h, 'p>(
        &self,
        component: &ComponentName,
        history: &'h History<'p>,
        commits: &BTreeSet<CommitId>,
        match_kind: MatchKind,
    ) -> Result<Option<Inclusion<'h, 'p>>> {
        let mut newest: Option<Inclusion<'h, 'p>> = None;
        for period in &history.run_periods {
            // A period without content begins with the removal of the component.
            let is_removal = period.content.is_none();
            let mut movement_kind = is_removal.then_some(MovementKind::TakenOut);
            if let Some(movement) = self.read_movement(component, period.entry)? {
                for commit in commits {
                    let statement = &period.entry.statement;
                    let reader = &self.movement_reader;
                    let moved = if self.changes_component {
                        reader.kind_of(statement, &movement, *commit)?
                    } else {
                        reader.kind_by_ancestry(statement, &movement, *commit)?
                    };
                    movement_kind = moved.or(movement_kind);
                }
            }
            let is_included = newest.as_ref().is_some_and(|it| it.end.is_none());
            match (movement_kind, &mut newest) {
                (Some(MovementKind::Brought), _) if !is_included => {
                    newest = Some(Inclusion {
                        period,
                        end: None,
                        kind: match_kind,
                    });
                }
                (Some(MovementKind::TakenOut), Some(inclusion)) if is_included => {
                    inclusion.end = Some(period.from);
                }
                _ => {}
            }
        }
        Ok(newest)
    }

    /// Returns the movement of a component by an entry.
    fn read_movement(
        &self,
        component: &ComponentName,
        entry: &StoredEntry,
    ) -> Result<Option<CommitMovement>> {
        let statement = &entry.statement;
        let key = (statement.ledger.clone(), statement.sequence);
        let mut cache = self.movements.borrow_mut();
        if !cache.contains_key(&key) {
            let read = self.movement_reader.read(statement, statement.previous)?;
            cache.insert(key.clone(), read);
        }
        let mut movements = cache.get(&key).into_iter().flatten();
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
        let Some(own_patch_id) = patch_id(&self.commit) else {
            return Ok(BTreeSet::new());
        };
        brought.retain(|commit| patch_id(commit).as_ref() == Some(&own_patch_id));
        Ok(brought)
    }

    /// Computes the missing patch ids. Skips merges, because the commits that they brought in are
    /// compared individually.
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
