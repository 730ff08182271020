//! Facts from the code: the content of components, which commits contain which, the environment's
//! branch, and the authors.

use std::collections::BTreeSet;

use super::needs::{FactPlan, FactTarget};
use super::{BranchSource, FactGatherer, describe_error};
use crate::domain::id::{CommitId, Content};
use crate::domain::name::ComponentName;
use crate::domain::policy::{BranchName, DeployOn, Policy};
use crate::domain::rules::{Chain, Fact, Facts, Request};
use crate::git::error::{Error, Result};
use crate::ledger::Tips;

impl FactGatherer<'_> {
    /// Returns the content of a component at a commit; `None` if the component is absent there.
    pub fn content(
        &self,
        policy: &Policy,
        commit: CommitId,
        component: &ComponentName,
    ) -> Result<Option<Content>> {
        self.code.content(policy, commit, component)
    }

    /// Returns the content of a component at the first parent of a commit; `None` if the component
    /// is absent there, or the commit has no parent.
    pub fn parent_content(
        &self,
        policy: &Policy,
        commit: CommitId,
        component: &ComponentName,
    ) -> Result<Option<Content>> {
        let parents = self.repository.read_commit(commit.0)?.parents;
        match parents.first() {
            Some(parent) => self.content(policy, CommitId(*parent), component),
            None => Ok(None),
        }
    }

    /// Gathers what decides whether a proposed approval of the request's deployment would count: the
    /// authors, if the policy excludes them.
    pub fn gather_to_approve(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        tips: &Tips,
        chain: Chain,
    ) -> Facts {
        let state = Err("the ledger's state was not read".to_owned());
        let mut plan = FactPlan::new(policy, request, &state);
        plan.keep_needs_to_approve();
        self.gather_needs(policy, plan, request, tips, Some(chain), state)
    }

    /// Returns whether a commit contains another.
    pub fn contains(&self, commit: CommitId, base: CommitId) -> Result<bool> {
        self.repository.is_ancestor(base.0, commit.0)
    }

    /// Looks up whether a commit contains another, once.
    pub(super) fn gather_containment(&self, commit: CommitId, base: CommitId, facts: &mut Facts) {
        let look_up = || {
            self.repository
                .is_ancestor(base.0, commit.0)
                .map_err(|error| describe_error(&error))
        };
        facts
            .containment
            .entry((commit, base))
            .or_insert_with(look_up);
    }

    /// Gathers whether each new commit contains the running one, or else whether a commit in its
    /// history has the running content.
    pub(super) fn gather_running_ancestry(
        &self,
        policy: &Policy,
        plan: &FactPlan<'_>,
        facts: &mut Facts,
    ) {
        let running_content = |component: &ComponentName| match &facts.state {
            Some(Ok(state)) => plan.environment_state(state).content(component),
            _ => None,
        };
        let replacements: Vec<_> = plan
            .changes
            .iter()
            .filter_map(|change| Some((change, change.from?, running_content(&change.component))))
            .collect();
        for (change, from, content) in replacements {
            self.gather_containment(change.commit, from, facts);
            if facts.containment.get(&(change.commit, from)) != Some(&Ok(false)) {
                continue;
            }
            // Whether the new commit is behind the running one decides what is suggested.
            self.gather_containment(from, change.commit, facts);
            let history_has_content = match content {
                None => Ok(false),
                Some(content) => self
                    .is_content_in_history(policy, change, from, content)
                    .map_err(|error| describe_error(&error)),
            };
            let key = (change.commit, change.component.clone());
            facts
                .running_content_in_history
                .insert(key, history_has_content);
        }
    }

    /// Checks whether a commit in the history of a change's commit, and not in that of `from`, has
    /// this content of the component.
    fn is_content_in_history(
        &self,
        policy: &Policy,
        change: &FactTarget,
        from: CommitId,
        content: Content,
    ) -> Result<bool> {
        let commits = self.repository.commits_missing_from(
            change.commit.0,
            &[from.0],
            self.new_commits_limit,
        )?;
        // The policy declares the paths of a renamed component under its new name.
        let component = policy.current_name(&change.component);
        for commit in commits {
            if self.content(policy, CommitId(commit), component)? == Some(content) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gathers the tip of the environment's branch, and whether it contains the commits or they
    /// contain it.
    pub(super) fn gather_branch_tip(&self, plan: &FactPlan<'_>, facts: &mut Facts) {
        let Some((_, settings)) = &plan.environment else {
            return;
        };
        let Some(branch) = &settings.branch else {
            return;
        };
        let tip = match &self.branches {
            BranchSource::Stated => Ok(plan.stated_tip),
            BranchSource::Local => self.read_branch_tip(branch, None),
            BranchSource::Remote(remote) => self.read_branch_tip(branch, Some(remote)),
        };
        // The tip that the entry states is checked too; an audit has only that one.
        let tips: BTreeSet<CommitId> = tip
            .as_ref()
            .ok()
            .copied()
            .flatten()
            .into_iter()
            .chain(plan.stated_tip)
            .collect();
        for change in &plan.changes {
            for tip in &tips {
                if settings.up_to_date {
                    self.gather_containment(change.commit, *tip, facts);
                }
                if settings.deploy_on == DeployOn::Merge {
                    self.gather_containment(*tip, change.commit, facts);
                }
            }
        }
        facts.branch_tip = Some(tip);
    }

    fn read_branch_tip(&self, branch: &BranchName, remote: Option<&str>) -> Fact<Option<CommitId>> {
        let folder = remote.map(|remote| self.repository.branch_folder(remote));
        let remote = folder.map(|folder| format!("{folder}{branch}"));
        let read = || {
            for name in remote.into_iter().chain([branch.reference()]) {
                if let Some(id) = self.repository.read_ref(&name)? {
                    let commit = self.repository.peel_to_commit(id)?;
                    let commit = commit
                        .ok_or_else(|| Error::corrupt(name.clone(), "it leads to no commit"))?;
                    return Ok(Some(CommitId(commit)));
                }
            }
            Ok(None)
        };
        read().map_err(|error: Error| describe_error(&error))
    }
}
