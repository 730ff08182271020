//! How far components are behind a branch: the newest commits of the branch that touch them and are not in the running version.
//!
//! One walk along the branch serves every environment, and each commit on it is compared with its parents once.

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
    lacking: RefCell<HashMap<CommitId, Rc<MissingInWindow>>>,
}

/// Counts the commits that components are behind a branch, up to a limit.
pub struct BranchLag<'a> {
    repository: &'a Repository,
    way: PathCommits<'a>,
    limit: usize,
    branches: RefCell<BTreeMap<CommitId, Rc<ObservedBranch<'a>>>>,
}

impl<'a> BranchLag<'a> {
    /// Looks at most `limit` commits back along each branch.
    pub fn new(repository: &'a Repository, policy: &'a Policy, limit: usize) -> Self {
        Self {
            repository,
            way: PathCommits::new(repository, policy, limit),
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
            .way
            .component_index(component)
            .filter(|_| tip != running)
        else {
            return Ok(CommitsAhead::default());
        };
        let branch = self.branch(tip)?;
        let lacking = branch.lacking(running)?;
        let mut commits = Vec::new();
        for place in &lacking.indexes {
            let (Some(id), Some(cell)) = (branch.window.commit(*place), branch.touched.get(*place))
            else {
                continue;
            };
            let touched = if let Some(known) = cell.get() {
                known
            } else {
                let found = self.way.touched(CommitId(id))?;
                cell.get_or_init(|| found)
            };
            if touched.get(index).copied().unwrap_or_default() {
                commits.push(id);
            }
        }
        Ok(CommitsAhead {
            commits,
            is_truncated: lacking.may_miss_older,
        })
    }

    fn branch(&self, tip: CommitId) -> Result<Rc<ObservedBranch<'a>>> {
        if let Some(known) = self.branches.borrow().get(&tip) {
            return Ok(Rc::clone(known));
        }
        let window = self.repository.load_branch_window(tip.0, self.limit)?;
        let touched = (0..window.count()).map(|_| OnceCell::new()).collect();
        let branch = Rc::new(ObservedBranch {
            window,
            touched,
            lacking: RefCell::default(),
        });
        self.branches.borrow_mut().insert(tip, Rc::clone(&branch));
        Ok(branch)
    }
}

impl ObservedBranch<'_> {
    fn lacking(&self, running: CommitId) -> Result<Rc<MissingInWindow>> {
        if let Some(known) = self.lacking.borrow().get(&running) {
            return Ok(Rc::clone(known));
        }
        let lacking = Rc::new(self.window.find_missing(running.0)?);
        self.lacking
            .borrow_mut()
            .insert(running, Rc::clone(&lacking));
        Ok(lacking)
    }
}
