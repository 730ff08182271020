//! How far components are behind a branch: the newest commits of the branch that touch them and are
//! not in the running version.
//!
//! One walk along the branch serves every environment, and each commit on it is compared with its
//! parents once.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::PathCommits;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::git::branch_window::{BranchWindow, MissingInWindow};
use crate::git::commits_ahead::CommitsAhead;
use crate::git::error::Result;
use crate::git::repo::Repository;

/// The newest commits of a branch.
struct ObservedBranch<'a> {
    window: BranchWindow<'a>,
    /// Which components each commit touches, by the commit's index.
    touched: Vec<OnceCell<Rc<[bool]>>>,
    /// The commits of the branch that are missing from a running commit, by the running commit.
    missing: RefCell<HashMap<CommitId, Rc<MissingInWindow>>>,
}

/// Counts the commits that components are behind a branch, up to a limit.
pub struct BranchLag<'a> {
    repository: &'a Repository,
    path_commits: PathCommits<'a>,
    limit: usize,
    branches: RefCell<BTreeMap<CommitId, Rc<ObservedBranch<'a>>>>,
}

impl<'a> BranchLag<'a> {
    /// Creates a counter that looks back over at most `limit` commits of each branch.
    pub fn new(repository: &'a Repository, policy: &'a Policy, limit: usize) -> Self {
        Self {
            repository,
            path_commits: PathCommits::new(repository, policy, limit),
            limit,
            branches: RefCell::default(),
        }
    }

    /// Returns the commits of the branch at `tip` that touch a component and are not in the history
    /// of the running commit.
    pub fn commits_behind(
        &self,
        component: &ComponentName,
        tip: CommitId,
        running: CommitId,
    ) -> Result<CommitsAhead> {
        let Some(index) = self
            .path_commits
            .component_index(component)
            .filter(|_| tip != running)
        else {
            return Ok(CommitsAhead::default());
        };
        let branch = self.load_branch(tip)?;
        let missing = branch.find_missing(running)?;
        let mut commits = Vec::new();
        for position in &missing.indexes {
            let (Some(id), Some(cell)) = (
                branch.window.commit(*position),
                branch.touched.get(*position),
            ) else {
                continue;
            };
            let touched = if let Some(known) = cell.get() {
                known
            } else {
                let touched = self.path_commits.find_touched(CommitId(id))?;
                cell.get_or_init(|| touched)
            };
            if touched.get(index).copied().unwrap_or_default() {
                commits.push(id);
            }
        }
        Ok(CommitsAhead {
            commits,
            is_truncated: missing.may_miss_older,
        })
    }

    fn load_branch(&self, tip: CommitId) -> Result<Rc<ObservedBranch<'a>>> {
        if let Some(known) = self.branches.borrow().get(&tip) {
            return Ok(Rc::clone(known));
        }
        let window = self.repository.load_branch_window(tip.0, self.limit)?;
        let touched = (0..window.count()).map(|_| OnceCell::new()).collect();
        let branch = Rc::new(ObservedBranch {
            window,
            touched,
            missing: RefCell::default(),
        });
        self.branches.borrow_mut().insert(tip, Rc::clone(&branch));
        Ok(branch)
    }
}

impl ObservedBranch<'_> {
    fn find_missing(&self, running: CommitId) -> Result<Rc<MissingInWindow>> {
        if let Some(known) = self.missing.borrow().get(&running) {
            return Ok(Rc::clone(known));
        }
        let missing = Rc::new(self.window.find_missing(running.0)?);
        self.missing
            .borrow_mut()
            .insert(running, Rc::clone(&missing));
        Ok(missing)
    }
}
