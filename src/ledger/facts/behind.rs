//! How far components are behind a branch: the newest commits of the branch that touch them and are not in what runs.
//!
//! One walk along the branch serves every environment, and each commit on it is compared with its parents once.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::Way;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::git::ancestry::CommitsAhead;
use crate::git::branch_window::{BranchWindow, MissingInWindow};
use crate::git::error::Result;
use crate::git::repo::Repository;

/// A branch as far as it is looked along.
struct Branch<'a> {
    recent: BranchWindow<'a>,
    /// What each commit touches, by its place.
    touched: Vec<OnceCell<Rc<[bool]>>>,
    lacking: RefCell<HashMap<CommitId, Rc<MissingInWindow>>>,
}

/// Counts behind branches, at most so many commits far.
pub struct Behind<'a> {
    repository: &'a Repository,
    way: Way<'a>,
    limit: usize,
    branches: RefCell<BTreeMap<CommitId, Rc<Branch<'a>>>>,
}

impl<'a> Behind<'a> {
    /// Looks at most `limit` commits back along each branch.
    pub fn new(repository: &'a Repository, policy: &'a Policy, limit: usize) -> Self {
        Self {
            repository,
            way: Way::new(repository, policy, limit),
            limit,
            branches: RefCell::default(),
        }
    }

    /// The commits of the branch at `tip` that touch a component and are not in the history of what runs.
    pub fn of(
        &self,
        component: &ComponentName,
        tip: CommitId,
        running: CommitId,
    ) -> Result<CommitsAhead> {
        let Some(index) = self.way.index(component).filter(|_| tip != running) else {
            return Ok(CommitsAhead::default());
        };
        let branch = self.branch(tip)?;
        let lacking = branch.lacking(running)?;
        let mut commits = Vec::new();
        for place in &lacking.indexes {
            let (Some(id), Some(cell)) = (branch.recent.commit(*place), branch.touched.get(*place))
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

    fn branch(&self, tip: CommitId) -> Result<Rc<Branch<'a>>> {
        if let Some(known) = self.branches.borrow().get(&tip) {
            return Ok(Rc::clone(known));
        }
        let recent = self.repository.load_branch_window(tip.0, self.limit)?;
        let touched = (0..recent.count()).map(|_| OnceCell::new()).collect();
        let branch = Rc::new(Branch {
            recent,
            touched,
            lacking: RefCell::default(),
        });
        self.branches.borrow_mut().insert(tip, Rc::clone(&branch));
        Ok(branch)
    }
}

impl Branch<'_> {
    fn lacking(&self, running: CommitId) -> Result<Rc<MissingInWindow>> {
        if let Some(known) = self.lacking.borrow().get(&running) {
            return Ok(Rc::clone(known));
        }
        let lacking = Rc::new(self.recent.find_missing(running.0)?);
        self.lacking
            .borrow_mut()
            .insert(running, Rc::clone(&lacking));
        Ok(lacking)
    }
}
