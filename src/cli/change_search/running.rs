//! Finds the running version of a component, even if it was deployed under another name.

use super::{ChangeSearch, RunningVersion};
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::FileOwnership;
use crate::git::content::ComponentFile;
use crate::ledger::facts::PolicyComponent;

impl ChangeSearch<'_> {
    /// Returns the running version of a component.
    ///
    /// If the component does not run under its name, looks for a running component that the policy no
    /// longer has: one with the old name of this component, or one that had all of its files (a policy
    /// without `[components]` has one component for the whole tree).
    pub(super) fn find_running(
        &self,
        component: &ComponentName,
    ) -> Result<Option<RunningVersion>, CliError> {
        let (state, policy) = (self.snapshot.state(), &self.workspace.policy);
        if let Some(commit) = state.commit(component) {
            let content = state.content(component);
            return Ok(Some(RunningVersion { commit, content }));
        }
        let cannot_read = || {
            format!(
                "cannot read what {} runs of {component}",
                self.snapshot.name()
            )
        };
        for (other, commit) in state.components() {
            if policy.has_component(other) {
                continue;
            }
            let is_same = policy.former_names(component).contains(other)
                || self
                    .had_all_files(other, commit, component)
                    .context(ErrorKind::CannotTell, cannot_read())?;
            if is_same {
                let content = self.gatherer.content(policy, commit, component);
                let content = content.context(ErrorKind::CannotTell, cannot_read())?;
                return Ok(Some(RunningVersion { commit, content }));
            }
        }
        Ok(None)
    }

    /// Returns whether an undeclared component, which was deployed at `commit`, had all files that
    /// `component` has at that commit. Returns `false` if `component` has none there.
    fn had_all_files(
        &self,
        undeclared: &ComponentName,
        commit: CommitId,
        component: &ComponentName,
    ) -> crate::git::Result<bool> {
        let live = self.snapshot.state().live_entry(undeclared);
        let tip = live.and_then(|entry| entry.statement.seen.get(&LedgerName::policy()));
        let Some(tip) = tip else { return Ok(false) };
        let Some(old_policy) = self.gatherer.policy_at(*tip)? else {
            return Ok(false);
        };
        let repository = &self.workspace.repository;
        let tree = repository.read_commit(commit.0)?.tree;
        let paths = PolicyComponent::new(&self.workspace.policy, component);
        let files = repository.list_component_files(tree, &paths)?;
        let is_owned = |file: &ComponentFile| {
            let is_link = file.is_symlink() || file.is_submodule();
            old_policy.file_ownership(undeclared, &file.path, is_link) != FileOwnership::Outside
        };
        Ok(!files.is_empty() && files.iter().all(is_owned))
    }
}
