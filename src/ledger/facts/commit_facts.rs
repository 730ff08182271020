//! Facts from the code: the content of components, which commits contain which, the environment's
//! branch, and the authors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::needs::{FactPlan, FactTarget};
use super::{BranchSource, FactGatherer, describe_error};
use crate::domain::id::{CommitId, Content, Oid};
use crate::domain::name::ComponentName;
use crate::domain::policy::{BranchName, DeployOn, Policy};
use crate::domain::rules::{Chain, Fact, Facts, Request};
use crate::git::error::{Error, Result};
use crate::ledger::Tips;

/// Lists the other commits at which the content of a change was deployed to the previous
/// environments.
fn list_earlier_commits<'f>(
    change: &'f FactTarget,
    facts: &'f Facts,
) -> impl Iterator<Item = CommitId> + 'f {
    let key = (change.commit, change.component.clone());
    let content = facts.contents.get(&key).cloned();
    let content = content.and_then(|content| content.ok().flatten());
    let logs = facts
        .previous_log
        .iter()
        .filter(|((_, component, commit), _)| {
            (component, *commit) == (&change.component, change.commit)
        });
    let results = logs
        .filter_map(|(_, log)| log.as_ref().ok())
        .flatten()
        .filter_map(|entry| entry.statement.component_result(&change.component));
    results
        .map(|result| result.target)
        .filter(move |target| content.is_some() && target.content == content)
        .map(|target| target.commit)
        .filter(|commit| *commit != change.commit)
}

/// The most bytes of the names and addresses of one commit's author, committer and co-authors.
const PEOPLE_LIMIT: usize = 256 << 10;
/// The most bytes of the addresses of all authors of a deployment.
const ADDRESSES_LIMIT: usize = 16 << 20;

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

    /// Returns the e-mail addresses, in ASCII lower case, of the authors, committers and co-authors
    /// of the newly deployed commits.
    ///
    /// For each component, these are the commits between its running commit and the new one, even
    /// if another component already runs them. If a component does not run yet, only the new commit
    /// itself counts instead of all history, so that at least its author cannot approve it alone.
    /// The authors of each other commit at which the content was deployed to a previous environment
    /// count in the same way, so that a squash by another person does not hide them.
    pub(super) fn read_authors(
        &self,
        plan: &FactPlan<'_>,
        facts: &Facts,
    ) -> Result<BTreeSet<String>> {
        let changed = || plan.changes.iter().filter(|it| it.changes_content);
        let earlier: Vec<(CommitId, Option<CommitId>)> = changed()
            .flat_map(|it| list_earlier_commits(it, facts).map(|commit| (commit, it.from)))
            .collect();
        let all_changes = || {
            changed()
                .map(|it| (it.commit, it.from))
                .chain(earlier.iter().copied())
        };
        let replacements = all_changes().filter_map(|(commit, from)| Some((commit, from?)));
        // Several components may change to one commit from different ones.
        let mut running_commits: BTreeMap<CommitId, BTreeSet<Oid>> = BTreeMap::new();
        for (new, old) in replacements {
            running_commits.entry(new).or_default().insert(old.0);
        }
        let mut commits: BTreeSet<Oid> = all_changes()
            .filter(|(_, from)| from.is_none())
            .map(|(commit, _)| commit.0)
            .collect();
        for (new, old) in running_commits {
            let old: Vec<Oid> = old.into_iter().collect();
            commits.extend(self.repository.commits_missing_from(
                new.0,
                &old,
                self.new_commits_limit,
            )?);
            if commits.len() > self.new_commits_limit {
                return Err(Error::limit_exceeded(
                    "the number of commits that are newly brought in",
                    self.new_commits_limit,
                ));
            }
        }
        let (mut addresses, mut size) = (BTreeSet::new(), 0);
        for id in commits {
            for address in self.read_addresses(id)?.iter() {
                if !addresses.contains(&**address) {
                    size += address.len();
                    addresses.insert(address.to_string());
                }
            }
            if size > ADDRESSES_LIMIT {
                return Err(Error::limit_exceeded(
                    "the size of the addresses of the authors of the new commits",
                    ADDRESSES_LIMIT,
                ));
            }
        }
        Ok(addresses)
    }

    /// Returns the addresses of the author, committer and co-authors of a commit.
    fn read_addresses(&self, id: Oid) -> Result<Arc<[Arc<str>]>> {
        let cache = &self.repository.ledger_cache().people;
        if let Some(cached) = cache.get(&id) {
            return Ok(cached);
        }
        let commit = self.repository.read_commit(id)?;
        let lines = commit.message().split(|byte| *byte == b'\n');
        let people = [commit.author(), commit.committer()]
            .into_iter()
            .chain(lines.filter_map(parse_co_author));
        let (mut addresses, mut size) = (BTreeSet::new(), 0);
        for ident in people {
            // Checked before anything is copied: a set of short addresses takes many times the
            // memory of the commit.
            size += ident.len();
            if size > PEOPLE_LIMIT {
                return Err(Error::limit_exceeded(
                    format!("the size of the authors and co-authors of commit {id}"),
                    PEOPLE_LIMIT,
                ));
            }
            addresses.extend(parse_addresses(ident));
        }
        // The memory that the cache entry takes, in bytes, with an estimate for the allocations.
        let weight = addresses
            .iter()
            .map(|address| address.len() + 50)
            .sum::<usize>()
            + 100;
        let addresses: Arc<[Arc<str>]> = addresses.into_iter().map(Arc::from).collect();
        cache.insert(id, Arc::clone(&addresses), weight);
        Ok(addresses)
    }
}

/// Returns the value of a `Co-authored-by:` line. Such lines count anywhere in a message: a missed
/// co-author could approve their own work.
fn parse_co_author(line: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"co-authored-by";
    let line = line.trim_ascii_start();
    let (key, rest) = line.split_at_checked(KEY.len())?;
    let value = rest.trim_ascii_start().strip_prefix(b":")?;
    key.eq_ignore_ascii_case(KEY).then_some(value)
}

/// Returns every address in `name <address> …`. Brackets inside a name allow several readings, and
/// each counts.
fn parse_addresses(ident: &[u8]) -> Vec<String> {
    let opened = ident.split(|byte| *byte == b'<').skip(1);
    let closed = opened.filter_map(|rest| rest.split(|byte| *byte == b'>').next());
    let addresses: Vec<String> = closed
        .map(normalize_address)
        .filter(|address| !address.is_empty())
        .collect();
    if addresses.is_empty() && ident.contains(&b'@') {
        vec![normalize_address(ident)]
    } else {
        addresses
    }
}

fn normalize_address(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.trim_ascii()).to_ascii_lowercase()
}
