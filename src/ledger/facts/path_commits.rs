//! The commits between two commits, per component: those that touch its paths.
//!
//! Each pair is walked once and each commit is compared with its parents once, even for many
//! components and environments.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::git::changed_components::ChangeFinder;
use crate::git::commits_ahead::CommitsAhead;
use crate::git::error::Result;
use crate::git::repo::Repository;

/// Two commits: the old one and the new one.
type CommitPair = (CommitId, CommitId);

/// Finds the commits between two commits under one policy, up to a limit.
pub struct PathCommits<'a> {
    repository: &'a Repository,
    limit: usize,
    change_finder: ChangeFinder<'a>,
    /// The commits in the history of the new commit and not of the old one, by new and old commit.
    ahead: RefCell<HashMap<(CommitId, CommitId), Rc<CommitsAhead>>>,
    /// For each commit, whether it touches each component.
    touched: RefCell<HashMap<CommitId, Rc<[bool]>>>,
    /// For each commit, whether each component differs from its first parent.
    brought: RefCell<HashMap<CommitId, Rc<[bool]>>>,
    /// For each pair of commits, whether each component differs between them.
    differing: RefCell<HashMap<CommitPair, Rc<[bool]>>>,
}

impl<'a> PathCommits<'a> {
    /// Returns a reader that walks at most `limit` commits. For a longer range, it returns only the
    /// newest commits.
    pub fn new(repository: &'a Repository, policy: &'a Policy, limit: usize) -> Self {
        let change_finder = ChangeFinder::new(repository, policy);
        Self {
            repository,
            limit,
            change_finder,
            ahead: RefCell::default(),
            touched: RefCell::default(),
            brought: RefCell::default(),
            differing: RefCell::default(),
        }
    }

    /// Returns the commits in the history of `new` and not of `old`, even if they touch no component.
    pub fn ahead(&self, new: CommitId, old: CommitId) -> Result<Rc<CommitsAhead>> {
        if let Some(cached) = self.ahead.borrow().get(&(new, old)) {
            return Ok(Rc::clone(cached));
        }
        let ahead = Rc::new(self.repository.commits_ahead(new.0, &[old.0], self.limit)?);
        self.ahead
            .borrow_mut()
            .insert((new, old), Rc::clone(&ahead));
        Ok(ahead)
    }

    /// Returns those among [`PathCommits::ahead`] that touch a component; none for a component that
    /// the policy does not have.
    pub fn touching(
        &self,
        component: &ComponentName,
        new: CommitId,
        old: CommitId,
    ) -> Result<CommitsAhead> {
        let ahead = self.ahead(new, old)?;
        let mut commits = Vec::new();
        for id in &ahead.commits {
            if self.touches(CommitId(*id), component)? {
                commits.push(*id);
            }
        }
        Ok(CommitsAhead {
            commits,
            is_truncated: ahead.is_truncated,
        })
    }

    /// Returns those among [`PathCommits::ahead`] whose authors must not approve a deployment of `new`:
    /// those that differ in a component from any of their parents. Includes merges of other branches.
    pub fn touching_in_any_parent(
        &self,
        component: &ComponentName,
        new: CommitId,
        old: CommitId,
    ) -> Result<CommitsAhead> {
        let ahead = self.ahead(new, old)?;
        let Some(index) = self.component_index(component) else {
            return Ok(CommitsAhead::default());
        };
        let mut commits = Vec::new();
        for id in &ahead.commits {
            let mut by_parent = self.change_finder.find_by_parent(*id)?.into_iter();
            if by_parent.any(|(_, differs)| differs.get(index) == Some(&true)) {
                commits.push(*id);
            }
        }
        Ok(CommitsAhead {
            commits,
            is_truncated: ahead.is_truncated,
        })
    }

    /// Returns whether a component differs between two commits. A component that the policy does
    /// not have counts as different.
    pub fn differs(&self, component: &ComponentName, old: CommitId, new: CommitId) -> Result<bool> {
        let Some(index) = self.component_index(component) else {
            return Ok(true);
        };
        if let Some(cached) = self.differing.borrow().get(&(old, new)) {
            return Ok(cached.get(index).copied().unwrap_or(true));
        }
        let differing: Rc<[bool]> = self.change_finder.find_between(old.0, new.0)?.into();
        let differs = differing.get(index).copied().unwrap_or(true);
        self.differing.borrow_mut().insert((old, new), differing);
        Ok(differs)
    }

    /// Returns whether a commit touches a component.
    pub fn touches(&self, commit: CommitId, component: &ComponentName) -> Result<bool> {
        let Some(index) = self.component_index(component) else {
            return Ok(false);
        };
        if let Some(cached) = self.touched.borrow().get(&commit) {
            return Ok(cached.get(index).copied().unwrap_or_default());
        }
        let by_component = self.find_touched(commit)?;
        let touches = by_component.get(index).copied().unwrap_or_default();
        self.touched.borrow_mut().insert(commit, by_component);
        Ok(touches)
    }

    /// Returns whether a commit brings a change of a component to its first parent. For a commit that
    /// is no merge, that is the same as [`PathCommits::touches`].
    pub fn brings(&self, commit: CommitId, component: &ComponentName) -> Result<bool> {
        let Some(index) = self.component_index(component) else {
            return Ok(false);
        };
        if let Some(cached) = self.brought.borrow().get(&commit) {
            return Ok(cached.get(index).copied().unwrap_or_default());
        }
        let by_component: Rc<[bool]> = self.change_finder.find_since_first_parent(commit.0)?.into();
        let brings = by_component.get(index).copied().unwrap_or_default();
        self.brought.borrow_mut().insert(commit, by_component);
        Ok(brings)
    }

    /// Returns the index of a component in the result of [`PathCommits::find_touched`].
    pub(super) fn component_index(&self, component: &ComponentName) -> Option<usize> {
        self.change_finder
            .components()
            .binary_search(component)
            .ok()
    }

    /// Returns for each component, by its index, whether a commit touches it. The result is not
    /// cached.
    pub(super) fn find_touched(&self, commit: CommitId) -> Result<Rc<[bool]>> {
        Ok(self.change_finder.find_in_commit(commit.0)?.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::id::Oid;
    use crate::domain::policy::FileOwnership;
    use crate::git::tests::{SeededRandom, TestRepository};

    const POLICY: &str = r#"
        schema = 1
        project = "catalogue"
        [people]
        alice = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
        [environments]
        dev = {}
        [components]
        api = { paths = ["api/**", "lib/a"] }
        tf = { paths = "**/*.tf" }
        deep = { paths = "lib/x/y/**" }
        inner = { paths = ["api/y", "other"] }
    "#;

    /// The commits that touch a component are those that git finds, for every commit of a random
    /// history.
    #[test]
    fn touched_equals_git() {
        let policy = Policy::parse(POLICY).unwrap();
        let scratch = TestRepository::bare();
        let blobs: Vec<Oid> = ["a", "b"]
            .map(|text| {
                std::fs::write(scratch.sibling_path("blob"), text).unwrap();
                scratch.oid(&[
                    "hash-object",
                    "-w",
                    scratch.sibling_path("blob").to_str().unwrap(),
                ])
            })
            .into();
        // `lib/a` and `api` are sometimes a file and sometimes a folder.
        let paths = [
            "api",
            "api/x",
            "api/y/main.tf",
            "lib/a",
            "lib/a/b",
            "lib/x/y/z",
            "lib/x/z",
            "other/q",
            ".gitattributes",
        ];
        let (mut numbers, mut commits) = (SeededRandom(7), Vec::new());
        for number in 0..40 {
            let mut files: Vec<(&str, String, Oid)> = Vec::new();
            for path in paths {
                if numbers.below(9) == 0 {
                    continue;
                }
                let clash = |other: &str| {
                    path.strip_prefix(other)
                        .is_some_and(|rest| rest.starts_with('/'))
                };
                if !files.iter().any(|(_, other, _)| clash(other)) {
                    files.push((
                        "100644",
                        path.to_owned(),
                        blobs[usize::from(numbers.below(9) == 0)],
                    ));
                }
            }
            let tree = scratch.tree(&files).to_string();
            let mut args = vec![
                "commit-tree".to_owned(),
                tree,
                "-m".to_owned(),
                number.to_string(),
            ];
            let parents = if commits.is_empty() {
                0
            } else {
                1 + numbers.below(2)
            };
            let parents: BTreeSet<Oid> = (0..parents).map(|_| *numbers.pick(&commits)).collect();
            args.extend(
                parents
                    .iter()
                    .flat_map(|parent| ["-p".to_owned(), parent.to_string()]),
            );
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            commits.push(scratch.oid(&args));
        }
        let repository = scratch.open();
        let path_commits = PathCommits::new(&repository, &policy, 10);
        let mut seen = BTreeSet::new();
        for id in &commits {
            let commit = repository.read_commit(*id).unwrap();
            let diff = |parent: Option<&Oid>| {
                let (id, parent) = (id.to_string(), parent.map(Oid::to_string));
                let from = parent.as_deref().unwrap_or("--root");
                scratch.git(&[
                    "diff-tree",
                    "-r",
                    "--name-only",
                    "--no-commit-id",
                    from,
                    &id,
                ])
            };
            let diffs: Vec<String> = if commit.parents.is_empty() {
                vec![diff(None)]
            } else {
                commit.parents.iter().map(|it| diff(Some(it))).collect()
            };
            for name in policy.component_names() {
                let is_owned = |path: &str| {
                    policy.file_ownership(&name, path.as_bytes(), false) != FileOwnership::Outside
                };
                let expected = diffs.iter().all(|diff| diff.lines().any(is_owned));
                assert_eq!(
                    path_commits.touches(CommitId(*id), &name).unwrap(),
                    expected,
                    "{name} {diffs:?}"
                );
                seen.insert((name.clone(), expected, diffs.len()));
            }
        }
        // For each component there are commits that touch it and others that do not, with and
        // without a merge.
        assert_eq!(seen.len(), 5 * 2 * 2, "{seen:?}");
    }
}
