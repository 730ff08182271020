//! Finds the commits of the code that a deployment brings to its environment, and those that it
//! takes out.
//!
//! The answer depends only on the entry, the state before it, the policy that it has seen and the
//! code. Every repository that has these gives the same answer.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::facts::CodeReader;
use crate::domain::entry::{DeploymentKind, Outcome, Statement};
use crate::domain::id::{CommitId, Content, EntryId, Oid};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::state::{Slot, SlotKey};
use crate::git::changed_components::ChangeFinder;
use crate::git::commits_ahead::CommitsAhead;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::git::tree::{Leaf, TreeItem};

/// The largest number of commits that are listed for one entry, in addition to those that it names.
const COMMIT_LIMIT: usize = 1_000;
/// The largest number of commits that are visited for one entry, in the histories of all its
/// components.
const VISIT_LIMIT: usize = 20_000;
/// The largest number of tree entries that are compared for one entry, so that a server writes the
/// notes in bounded time.
const EXAMINED_LIMIT: usize = 1_000_000;
/// What the content of one commit counts as, in compared tree entries.
const CONTENT_COST: usize = 10_000;

/// What a successful deployment of one component did to the commits that its environment has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitMovement {
    /// The component.
    pub component: ComponentName,
    /// The commit that it ran before; `None` if it ran none.
    pub from: Option<CommitId>,
    /// The commit that it runs now.
    pub to: CommitId,
    /// The commits that the deployment moved.
    pub commits: MovedCommits,
}

/// The commits that a deployment moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MovedCommits {
    /// All of them are listed.
    Listed {
        /// The commits that the environment newly has, apart from the deployed one.
        brought: Vec<CommitId>,
        /// The commits that the environment no longer has.
        taken_out: Vec<CommitId>,
    },
    /// There are too many to list.
    TooMany,
}

/// What a deployment did to one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovementKind {
    /// The environment newly has the commit.
    Brought,
    /// The environment no longer has the commit.
    TakenOut,
}

impl MovedCommits {
    /// Returns an empty list.
    fn none() -> Self {
        Self::Listed {
            brought: Vec::new(),
            taken_out: Vec::new(),
        }
    }
}

/// Reads the movements of entries.
pub struct MovementReader<'a> {
    repository: &'a Repository,
    code: CodeReader<'a>,
}

impl<'a> MovementReader<'a> {
    /// Creates a reader for one thread.
    pub fn new(repository: &'a Repository) -> Self {
        Self {
            repository,
            code: CodeReader::new(repository),
        }
    }

    /// Returns the movement of each component that an entry deployed, in the order of components.
    /// Returns none for an entry that deployed nothing. `previous` is the ledger commit before the
    /// entry.
    ///
    /// # Errors
    /// Fails if this repository lacks the policy, or commits or trees that the answer depends on.
    pub fn read(&self, statement: &Statement, previous: EntryId) -> Result<Vec<CommitMovement>> {
        let mut results = statement.component_results();
        results.retain(|result| result.outcome == Outcome::Succeeded);
        let policy_tip = statement.seen.get(&LedgerName::policy());
        let (false, Some(policy_tip)) = (results.is_empty(), policy_tip) else {
            return Ok(Vec::new());
        };
        let Some(policy) = self.repository.policy_at(*policy_tip)? else {
            return Ok(Vec::new());
        };
        let tree = self.repository.read_commit(previous.0)?.tree;
        let mut search = MovementSearch {
            repository: self.repository,
            code: &self.code,
            policy: &policy,
            is_rollback: statement.ended_kind() == Some(DeploymentKind::Rollback),
            is_of_pattern: statement.environment.is_some(),
            visits: VISIT_LIMIT,
            change_finder: OnceCell::new(),
            contents_read: Cell::new(0),
            ahead: HashMap::new(),
            touched: HashMap::new(),
            listed: BTreeSet::new(),
        };
        let mut movements = Vec::new();
        for result in results {
            let (component, to) = (result.target.component, result.target.commit);
            let slot = Slot {
                environment: statement.environment.clone(),
                key: SlotKey::Commit(component.clone()),
            };
            let from = match self.repository.item_at(tree, &slot.to_string())? {
                Some(TreeItem::Leaf(Leaf::Commit(commit))) => Some(CommitId(commit)),
                _ => None,
            };
            let commits = search.find_moved(&component, from, to)?;
            movements.push(CommitMovement {
                component,
                from,
                to,
                commits,
            });
        }
        Ok(movements)
    }
}

impl MovementReader<'_> {
    /// Returns what a movement did to a commit, even if the movement has too many commits to list.
    /// Returns `None` if the movement did not affect the commit.
    pub fn kind_of(
        &self,
        statement: &Statement,
        movement: &CommitMovement,
        commit: CommitId,
    ) -> Result<Option<MovementKind>> {
        let MovedCommits::Listed { brought, taken_out } = &movement.commits else {
            return self.kind_by_ancestry(statement, movement, commit);
        };
        if movement.to == commit || brought.contains(&commit) {
            return Ok(Some(MovementKind::Brought));
        }
        Ok(taken_out
            .contains(&commit)
            .then_some(MovementKind::TakenOut))
    }

    /// Returns the same as [`Self::kind_of`] for a commit that the movement does not list, because it
    /// has too many commits, or because the commit does not touch the component.
    pub fn kind_by_ancestry(
        &self,
        statement: &Statement,
        movement: &CommitMovement,
        commit: CommitId,
    ) -> Result<Option<MovementKind>> {
        let is_in = |tip: CommitId| self.repository.is_ancestor(commit.0, tip.0);
        let is_new = is_in(movement.to)?;
        let is_old = match movement.from {
            Some(from) => is_in(from)?,
            None => false,
        };
        let is_rollback = statement.ended_kind() == Some(DeploymentKind::Rollback);
        Ok(match (is_new, is_old) {
            (true, false) => Some(MovementKind::Brought),
            (false, true) if is_rollback => Some(MovementKind::TakenOut),
            _ => None,
        })
    }
}

/// The search for the commits that one entry moved. It caches results that several components need.
struct MovementSearch<'s, 'a> {
    repository: &'s Repository,
    code: &'s CodeReader<'a>,
    policy: &'s Policy,
    is_rollback: bool,
    is_of_pattern: bool,
    /// The number of commits that may still be visited.
    visits: usize,
    /// The number of contents read so far.
    contents_read: Cell<usize>,
    change_finder: OnceCell<ChangeFinder<'s>>,
    /// The commits in the history of the first and not in that of the second commit.
    ahead: HashMap<(CommitId, Option<CommitId>), Rc<CommitsAhead>>,
    /// For each commit, whether it touches each component of the change finder.
    touched: HashMap<Oid, Rc<[bool]>>,
    /// The commits listed so far.
    listed: BTreeSet<CommitId>,
}

impl MovementSearch<'_, '_> {
    /// Finds the commits that a component brought and took out.
    fn find_moved(
        &mut self,
        component: &ComponentName,
        from: Option<CommitId>,
        to: CommitId,
    ) -> Result<MovedCommits> {
        // A new environment of a pattern has the whole history of its branch. Listing it would not
        // say what the deployment changed.
        if from == Some(to) || from.is_none() && self.is_of_pattern {
            return Ok(MovedCommits::none());
        }
        let ahead = self.find_ahead(to, from)?;
        // The walk can take an ancestor for a commit that `to` lacks, if committer times are wrong.
        let is_forward = match from {
            Some(from) => self.repository.is_ancestor(from.0, to.0)?,
            None => true,
        };
        let behind = match from {
            Some(from) if !ahead.is_truncated && !is_forward => self.find_ahead(from, Some(to))?,
            _ => Rc::default(),
        };
        if ahead.is_truncated || behind.is_truncated {
            return Ok(MovedCommits::TooMany);
        }
        let Some(mut brought) = self.find_touching(component, &ahead.commits)? else {
            return Ok(MovedCommits::TooMany);
        };
        let mut taken_out = Vec::new();
        if let Some(from) = from.filter(|_| !behind.commits.is_empty())
            && (self.is_rollback || !self.is_content_among(component, from, &brought)?)
        {
            let Some(touching) = self.find_touching(component, &behind.commits)? else {
                return Ok(MovedCommits::TooMany);
            };
            taken_out = touching;
            if !taken_out.contains(&from) {
                taken_out.push(from);
            }
        }
        brought.retain(|commit| *commit != to);
        let mut listed = self.listed.clone();
        listed.extend(brought.iter().chain(&taken_out));
        if listed.len() > COMMIT_LIMIT {
            return Ok(MovedCommits::TooMany);
        }
        self.listed = listed;
        Ok(MovedCommits::Listed { brought, taken_out })
    }

    /// Returns the commits in the history of `new` and not in that of `old`.
    fn find_ahead(&mut self, new: CommitId, old: Option<CommitId>) -> Result<Rc<CommitsAhead>> {
        if let Some(cached) = self.ahead.get(&(new, old)) {
            return Ok(Rc::clone(cached));
        }
        let old_tips: Vec<Oid> = old.iter().map(|commit| commit.0).collect();
        let ahead = self
            .repository
            .commits_ahead_by_date(new.0, &old_tips, &mut self.visits)?;
        let ahead = Rc::new(ahead);
        self.ahead.insert((new, old), Rc::clone(&ahead));
        Ok(ahead)
    }

    /// Returns whether the entry's trees need too much work to compare.
    fn is_over_limit(&self) -> bool {
        let compared = self.change_finder.get().map_or(0, ChangeFinder::examined);
        compared + self.contents_read.get() * CONTENT_COST > EXAMINED_LIMIT
    }

    /// Returns those of the commits that touch a component; `None` if that is too much work. Every
    /// commit touches a component without paths, because that is the whole tree.
    fn find_touching(
        &mut self,
        component: &ComponentName,
        commits: &[Oid],
    ) -> Result<Option<Vec<CommitId>>> {
        let declared = self.policy.component(component);
        if declared.is_some_and(|declared| declared.paths.is_none()) {
            return Ok(Some(commits.iter().copied().map(CommitId).collect()));
        }
        let mut touching = Vec::new();
        for commit in commits {
            if self.is_over_limit() {
                return Ok(None);
            }
            if self.touches(component, *commit)? {
                touching.push(CommitId(*commit));
            }
        }
        Ok(Some(touching))
    }

    /// Checks whether a commit touches a component. A commit with a malformed tree counts as touching
    /// every component.
    fn touches(&mut self, component: &ComponentName, commit: Oid) -> Result<bool> {
        let (repository, policy) = (self.repository, self.policy);
        let finder = self
            .change_finder
            .get_or_init(|| ChangeFinder::new(repository, policy));
        let Ok(index) = finder.components().binary_search(component) else {
            return Ok(false);
        };
        if let Some(cached) = self.touched.get(&commit) {
            return Ok(cached.get(index).copied().unwrap_or_default());
        }
        let by_component: Rc<[bool]> = match finder.find_since_first_parent(commit) {
            Ok(touched) => touched.into(),
            Err(error) if is_same_everywhere(&error) => {
                vec![true; finder.components().len()].into()
            }
            Err(error) => return Err(error),
        };
        let touches = by_component.get(index).copied().unwrap_or_default();
        self.touched.insert(commit, by_component);
        Ok(touches)
    }

    /// Checks whether one of the commits has the content that a component has at `from`. If so, the
    /// environment still has the changes of `from`, but in other commits, as after a squash. Returns
    /// `false` if that is too much work; then the entry lists no commits of the component.
    fn is_content_among(
        &self,
        component: &ComponentName,
        from: CommitId,
        commits: &[CommitId],
    ) -> Result<bool> {
        let Some(running) = self.read_content(component, from)? else {
            return Ok(false);
        };
        for commit in commits {
            if self.is_over_limit() {
                return Ok(false);
            }
            self.contents_read.set(self.contents_read.get() + 1);
            if self.read_content(component, *commit)? == Some(running) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the content of a component at a commit; `None` if it is absent or malformed.
    fn read_content(&self, component: &ComponentName, commit: CommitId) -> Result<Option<Content>> {
        match self.code.content(self.policy, commit, component) {
            Err(error) if is_same_everywhere(&error) => Ok(None),
            content => content,
        }
    }
}

/// Checks whether every repository with these objects gets the same error.
fn is_same_everywhere(error: &Error) -> bool {
    error.is_malformed() || matches!(error, Error::LimitExceeded { .. })
}
