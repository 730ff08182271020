//! Finds what an environment runs of a component, also if that was deployed under another name.

use super::change_search::ChangeSearch;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::{CommitId, Content};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::FileOwnership;
use crate::git::content::ComponentFile;
use crate::ledger::facts::PolicyComponent;

impl ChangeSearch<'_> {
    /// Returns the commit and the content at which a component runs.
    ///
    /// A component that does not run under its name may run as another one, which the policy no
    /// longer has: under its old name, or because that one had all of its files (a policy without
    /// `[components]` has one that is the whole tree).
    pub(super) fn find_running(
        &self,
        component: &ComponentName,
    ) -> Result<Option<(CommitId, Option<Content>)>, CliError> {
        let (state, policy) = (self.snapshot.state(), &self.workspace.policy);
        if let Some(commit) = state.commit(component) {
            return Ok(Some((commit, state.content(component))));
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
            let is_same = policy.renamed_from(component) == Some(other)
                || self
                    .had_all_files(other, commit, component)
                    .context(ErrorKind::CannotTell, cannot_read())?;
            if is_same {
                let content = self.gatherer.content(policy, commit, component);
                let content = content.context(ErrorKind::CannotTell, cannot_read())?;
                return Ok(Some((commit, content)));
            }
        }
        Ok(None)
    }

    /// Returns whether a component that the policy no longer has was deployed at `commit` with all
    /// files of another one, which exists there.
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
