//! The changes of commits in the history of the code. What was read once is kept, because several
//! components and environments ask for the same commits.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::search_target::{RANGE_LIMIT, SEARCH_LIMIT};
use crate::cli::workspace::Workspace;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::ComponentName;
use crate::domain::policy::{FileOwnership, Policy};
use crate::git::commits_ahead::CommitsAhead;
use crate::git::declared_reverts::DeclaredRevert;
use crate::git::patch_id::Change;
use crate::git::{Commit, Repository, Result};
use crate::ledger::facts::PathCommits;

/// Two commits: the newer one, and one whose history is left out.
type CommitRange = (Oid, Oid);

/// Reads the changes of commits.
pub struct CodeHistory<'a> {
    pub(super) repository: &'a Repository,
    policy: &'a Policy,
    path_commits: PathCommits<'a>,
    /// `None` for a commit that changes nothing.
    patch_ids: RefCell<HashMap<Oid, Option<String>>>,
    changed_files: RefCell<HashMap<Change, Rc<[Vec<u8>]>>>,
    declared_reverts: RefCell<HashMap<CommitRange, Rc<[DeclaredRevert]>>>,
}

impl<'a> CodeHistory<'a> {
    /// Creates a reader of the history of a workspace.
    pub fn new(workspace: &'a Workspace) -> Self {
        let (repository, policy) = (&workspace.repository, &workspace.policy);
        Self {
            repository,
            policy,
            path_commits: PathCommits::new(repository, policy, RANGE_LIMIT),
            patch_ids: RefCell::default(),
            changed_files: RefCell::default(),
            declared_reverts: RefCell::default(),
        }
    }

    /// Returns the components that a commit changes. A merge changes those that differ from its first
    /// parent.
    pub fn find_changed_components(&self, commit: CommitId) -> Result<BTreeSet<ComponentName>> {
        let mut changed = BTreeSet::new();
        for component in self.policy.component_names() {
            if self.path_commits.brings(commit, &component)? {
                changed.insert(component);
            }
        }
        Ok(changed)
    }

    /// Returns whether a commit changes a component, see [`CodeHistory::find_changed_components`].
    pub(super) fn changes(&self, commit: Oid, component: &ComponentName) -> Result<bool> {
        self.path_commits.brings(CommitId(commit), component)
    }

    /// Returns the commits in the history of `new` and not of `old` that touch a component, newest first
    /// and up to the limit. Leaves out merges that took the component from a parent: the commits that
    /// they brought in are in the list themselves.
    pub(super) fn list_touching_commits(
        &self,
        component: &ComponentName,
        new: CommitId,
        old: CommitId,
    ) -> Result<CommitsAhead> {
        let mut found = self.path_commits.touching(component, new, old)?;
        found.is_truncated |= found.commits.len() > SEARCH_LIMIT;
        found.commits.truncate(SEARCH_LIMIT);
        Ok(found)
    }

    /// Returns the commits in the history of `new` and not of `old` that make the same change to a
    /// component as a commit, newest first. If the commit does not change the component, compares
    /// whole commits.
    pub(super) fn find_same_change(
        &self,
        commit: Oid,
        component: &ComponentName,
        new: Oid,
        old: Oid,
    ) -> Result<CommitsAhead> {
        let repository = self.repository;
        let component = self.changes(commit, component)?.then_some(component);
        let list_files = |commit: &Commit| self.list_files_of(Change::of(commit), component);
        let wanted = repository.read_commit(commit)?;
        let files = list_files(&wanted)?;
        // All of them change the same files. Deep paths are those that the fewest commits change.
        let depth = |path: &Vec<u8>| path.split(|byte| *byte == b'/').count();
        let Some(file) = files.iter().max_by_key(|path| (depth(path), path.len())) else {
            return Ok(CommitsAhead::default());
        };
        let candidates = repository.commits_changing_file(new, old, file, SEARCH_LIMIT)?;
        let mut commits = vec![wanted];
        for id in candidates.commits {
            commits.push(repository.read_commit(id)?);
        }
        let patch_ids = repository.patch_ids_in_files(&commits, &files)?;
        let mut same = Vec::new();
        for other in &commits {
            let is_same = other.id != commit
                && patch_ids.contains_key(&commit)
                && patch_ids.get(&other.id) == patch_ids.get(&commit);
            if is_same && list_files(other)? == files {
                same.push(other.id);
            }
        }
        Ok(CommitsAhead {
            commits: same,
            is_truncated: candidates.is_truncated,
        })
    }

    /// Returns whether two commits make the same change, if their patch ids were computed.
    pub(super) fn have_same_patch(&self, commit: Oid, other: Oid) -> bool {
        let patch_ids = self.patch_ids.borrow();
        let patch_id = |id| patch_ids.get(&id).and_then(Option::as_ref);
        patch_id(commit).is_some() && patch_id(commit) == patch_id(other)
    }

    /// Returns the patch id of a commit, if it was computed.
    pub(super) fn patch_id(&self, commit: Oid) -> Option<String> {
        self.patch_ids.borrow().get(&commit).cloned().flatten()
    }

    /// Computes the missing patch ids of commits.
    pub(super) fn compute_patch_ids<'c>(&self, ids: impl Iterator<Item = &'c Oid>) -> Result<()> {
        let mut patch_ids = self.patch_ids.borrow_mut();
        let missing: BTreeSet<&Oid> = ids.filter(|id| !patch_ids.contains_key(*id)).collect();
        let commits: Vec<Commit> = missing
            .into_iter()
            .map(|id| self.repository.read_commit(*id))
            .collect::<Result<_>>()?;
        let mut computed = self.repository.patch_ids(&commits)?;
        patch_ids.extend(commits.iter().map(|it| (it.id, computed.remove(&it.id))));
        Ok(())
    }

    /// Returns the files of a change. Returns only those of a component, if one is given.
    pub(super) fn list_files_of(
        &self,
        change: Change,
        component: Option<&ComponentName>,
    ) -> Result<Vec<Vec<u8>>> {
        let files = self.list_changed_files(change)?;
        let is_owned = |path: &&Vec<u8>| {
            component.is_none_or(|name| {
                [false, true].into_iter().any(|is_link| {
                    self.policy.file_ownership(name, path, is_link) != FileOwnership::Outside
                })
            })
        };
        Ok(files.iter().filter(is_owned).cloned().collect())
    }

    /// Returns all files of a change.
    fn list_changed_files(&self, change: Change) -> Result<Rc<[Vec<u8>]>> {
        if let Some(cached) = self.changed_files.borrow().get(&change) {
            return Ok(Rc::clone(cached));
        }
        let files: Rc<[Vec<u8>]> = self.repository.list_changed_files(change)?.into();
        self.changed_files
            .borrow_mut()
            .insert(change, Rc::clone(&files));
        Ok(files)
    }

    /// Returns the declared reverts in the history of `new` and not of `old`, newest first.
    pub(super) fn list_declared_reverts(&self, new: Oid, old: Oid) -> Result<Rc<[DeclaredRevert]>> {
        if let Some(cached) = self.declared_reverts.borrow().get(&(new, old)) {
            return Ok(Rc::clone(cached));
        }
        let reverts: Rc<[DeclaredRevert]> = self.repository.list_declared_reverts(new, old)?.into();
        self.declared_reverts
            .borrow_mut()
            .insert((new, old), Rc::clone(&reverts));
        Ok(reverts)
    }
}
