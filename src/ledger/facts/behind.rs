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
    /// For each commit of the window, whether it touches each component. Computed when needed.
    touched: Vec<OnceCell<Rc<[bool]>>>,
    /// The commits of the branch that are missing from a running commit, by the running commit.
    missing: RefCell<HashMap<CommitId, Rc<MissingInWindow>>>,
}

/// The largest number of commits to walk for a running commit that is older than the observed part
/// of a branch.
const EXACT_LIMIT: usize = 5_000;

/// Counts the commits that components are behind a branch.
pub struct BranchLag<'a> {
    repository: &'a Repository,
    path_commits: PathCommits<'a>,
    limit: usize,
    branches: RefCell<BTreeMap<CommitId, Rc<ObservedBranch<'a>>>>,
}

impl<'a> BranchLag<'a> {
    /// Creates a counter that observes the newest `limit` commits of each branch. For a running
    /// commit that is older, it walks all commits in between, up to [`EXACT_LIMIT`].
    pub fn new(repository: &'a Repository, policy: &'a Policy, limit: usize) -> Self {
        Self {
            repository,
            path_commits: PathCommits::new(repository, policy, EXACT_LIMIT),
            limit,
            branches: RefCell::default(),
        }
    }

    /// Returns the commits of the branch at `tip` that touch a component and are not in the history
    /// of the running commit. Returns none if the component has the same content at both.
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
        // Commits that were reverted on the branch since leave nothing to deploy.
        if !missing.indexes.is_empty() && !self.path_commits.differs(component, running, tip)? {
            return Ok(CommitsAhead::default());
        }
        // Commits before the observed part may touch the component, too. They are walked unless
        // there are too many.
        if missing.may_miss_older
            && let Ok(exact) = self.path_commits.touching(component, tip, running)
        {
            return Ok(exact);
        }
        let mut commits = Vec::new();
        for position in &missing.indexes {
            let (Some(id), Some(cell)) = (
                branch.window.commit(*position),
                branch.touched.get(*position),
            ) else {
                continue;
            };
            let touched = if let Some(cached) = cell.get() {
                cached
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
        if let Some(cached) = self.branches.borrow().get(&tip) {
            return Ok(Rc::clone(cached));
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
        if let Some(cached) = self.missing.borrow().get(&running) {
            return Ok(Rc::clone(cached));
        }
        let missing = Rc::new(self.window.find_missing(running.0)?);
        self.missing
            .borrow_mut()
            .insert(running, Rc::clone(&missing));
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::tests::TestRepository;

    const POLICY: &str = r#"
        schema = 1
        project = "catalogue"
        [people]
        alice = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
        [environments]
        dev = {}
        [components]
        api = { paths = "api" }
        web = { paths = "web" }
    "#;

    /// A component is not behind if later commits were reverted: its content is that of the branch.
    #[test]
    fn equal_content_is_not_behind() {
        let policy = Policy::parse(POLICY).unwrap();
        let scratch = TestRepository::bare();
        let mut commits: Vec<CommitId> = Vec::new();
        for (api, web) in [("1", "1"), ("2", "1"), ("3", "2"), ("1", "3")] {
            let blob = |text: &str| {
                let path = scratch.sibling_path("blob");
                std::fs::write(&path, text).unwrap();
                scratch.oid(&["hash-object", "-w", path.to_str().unwrap()])
            };
            let tree = scratch.tree(&[
                ("100644", "api/x".to_owned(), blob(api)),
                ("100644", "web/x".to_owned(), blob(web)),
            ]);
            let (tree, parent) = (tree.to_string(), commits.last().map(|it| it.0.to_string()));
            let mut args = vec!["commit-tree", &tree, "-m", "x"];
            args.extend(parent.iter().flat_map(|parent| ["-p", parent]));
            commits.push(CommitId(scratch.oid(&args)));
        }
        let repository = scratch.open();
        let (api, web) = ("api".parse().unwrap(), "web".parse().unwrap());
        for limit in [1, 100] {
            let lag = BranchLag::new(&repository, &policy, limit);
            let count = |component, running: usize, tip: usize| {
                let behind = lag.commits_behind(component, commits[tip], commits[running]);
                behind.unwrap().commits.len()
            };
            // The branch has changed api twice and back.
            assert_eq!((count(&api, 0, 3), count(&web, 0, 3)), (0, 2));
            assert_eq!((count(&api, 1, 3), count(&api, 0, 2)), (2, 2));
        }
    }

    /// The count is that of the commits that touch the component, also if the running commit is
    /// older than the observed part of the branch, whatever the observed part touches.
    #[test]
    fn counts_are_exact_beyond_the_window() {
        let policy = Policy::parse(POLICY).unwrap();
        let scratch = TestRepository::bare();
        let blob = |text: &str| {
            std::fs::write(scratch.sibling_path("blob"), text).unwrap();
            let path = scratch.sibling_path("blob");
            scratch.oid(&["hash-object", "-w", path.to_str().unwrap()])
        };
        let mut commits: Vec<CommitId> = Vec::new();
        for number in 0..30 {
            // Every tenth commit touches api, the others web.
            let api = blob(&format!("api {}", number / 10));
            let web = blob(&format!("web {}", number - number / 10));
            let tree = scratch.tree(&[
                ("100644", "api/x".to_owned(), api),
                ("100644", "web/x".to_owned(), web),
            ]);
            let (tree, message) = (tree.to_string(), number.to_string());
            let parent = commits.last().map(|it| it.0.to_string());
            let mut args = vec!["commit-tree", &tree, "-m", &message];
            args.extend(parent.iter().flat_map(|parent| ["-p", parent]));
            commits.push(CommitId(scratch.oid(&args)));
        }
        let repository = scratch.open();
        let (api, web) = ("api".parse().unwrap(), "web".parse().unwrap());
        for limit in [3, 100] {
            let lag = BranchLag::new(&repository, &policy, limit);
            let count = |component, running: usize| {
                let (tip, running) = (commits[29], commits[running]);
                let behind = lag.commits_behind(component, tip, running).unwrap();
                assert!(!behind.is_truncated);
                behind.commits.len()
            };
            assert_eq!((count(&api, 0), count(&web, 0)), (2, 27));
            assert_eq!((count(&api, 10), count(&web, 10)), (1, 18));
            assert_eq!((count(&api, 28), count(&web, 28)), (0, 1));
        }
    }
}
