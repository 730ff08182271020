//! Gathers the facts that the rules decide on, from git.
//!
//! A fact that is needed and cannot be established is an `Err` with the reason, never a "no" or an
//! empty answer: the rules then answer "cannot tell". Ledgers are read at the tips that the caller
//! gives, whose entries the caller has verified.

mod authors;
mod behind;
mod commit_facts;
mod component_history;
mod contents;
mod environment_history;
mod evidence;
mod history;
mod needs;
mod path_commits;
mod run_ids;
mod seen;
mod successes;
mod version;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

pub use behind::BranchLag;
pub(super) use component_history::{ComponentAt, begins_period, is_older};
pub use history::{LedgerHistory, LedgerStep, WalkedEntry};
pub use path_commits::PathCommits;

use crate::domain::entry::CommitRole;
#[cfg(test)]
use crate::domain::id::Oid;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::rules::{Chain, CommitFact, Fact, FactNeed, Facts, Request};
#[cfg(test)]
use crate::domain::state::Scope;
use crate::domain::state::State;
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::ledger::validation_types::ChainTip;
use crate::ledger::{LedgerCommit, Project, StateReader, Tips};
pub use contents::PolicyComponent;
pub(super) use contents::{CodeCommit, CodeReader};
use needs::FactPlan;

/// The largest number of newly deployed commits whose authors are read.
const AUTHORS_LIMIT: usize = 1_000_000;

/// The largest number of cached ends of ledgers. An audit reads a new end for each entry, so the
/// cache would grow without a limit.
const MAX_CACHED_ENDS: usize = 1_024;

/// Where the tip of an environment's branch comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum BranchSource {
    /// `refs/heads/`: on a server, or without a remote.
    Local,
    /// `refs/remotes/<name>/`, or `refs/heads/` for a branch that is not there.
    Remote(String),
    /// The tip that the entry names.
    Stated,
}

/// A function that returns whether the second commit equals the first or comes before it in the
/// ledger. It returns `None` if it does not know.
pub type EntryOrder<'a> = dyn Fn(&LedgerName, EntryId, EntryId) -> Option<bool> + Sync + 'a;

/// Gathers facts in one repository for one project. It belongs to one thread.
pub struct FactGatherer<'a> {
    repository: &'a Repository,
    project: &'a Project,
    branches: BranchSource,
    new_commits_limit: usize,
    history: LedgerHistory<'a>,
    states: StateReader<'a>,
    code: CodeReader<'a>,
    order: Option<&'a EntryOrder<'a>>,
    /// The ledgers whose refs are not verified: what they contain is unknown.
    unverified: BTreeSet<LedgerName>,
    /// A cache of the ends of ledgers: the same ones are needed for two sets of tips.
    ends: RefCell<HashMap<(LedgerName, EntryId), ChainTip>>,
}

impl<'a> FactGatherer<'a> {
    /// Returns a gatherer that reads branches in `refs/heads/`, as a server does.
    pub fn new(repository: &'a Repository, project: &'a Project) -> Self {
        Self {
            repository,
            project,
            branches: BranchSource::Local,
            new_commits_limit: AUTHORS_LIMIT,
            history: LedgerHistory::new(repository),
            states: StateReader::new(repository),
            code: CodeReader::new(repository),
            order: None,
            unverified: BTreeSet::new(),
            ends: RefCell::default(),
        }
    }

    /// Reads branches as last fetched from a remote, if they exist there. Changes nothing for
    /// `None`.
    #[must_use]
    pub fn with_remote(mut self, remote: Option<&str>) -> Self {
        if let Some(remote) = remote {
            self.branches = BranchSource::Remote(remote.to_owned());
        }
        self
    }

    /// Uses the branch tip that the entry states: for an audit, because the branch may have moved
    /// on.
    #[must_use]
    pub fn with_stated_branches(mut self) -> Self {
        self.branches = BranchSource::Stated;
        self
    }

    /// Makes every fact from these ledgers unknown, because their refs are not verified.
    #[must_use]
    pub fn with_unverified(mut self, unverified: BTreeSet<LedgerName>) -> Self {
        self.unverified = unverified;
        self
    }

    /// Returns the tip of another ledger than the request's; `None` if it does not exist.
    fn known_tip(&self, facts: &Facts, ledger: &LedgerName) -> Fact<Option<EntryId>> {
        if self.unverified.contains(ledger) {
            return Err(format!("the ledger {ledger} is not verified here"));
        }
        Ok(facts.tips.get(ledger).copied())
    }

    /// Sets a function that returns the order of entries, for a caller that has read whole chains.
    /// A chain is walked only if the function does not know the order.
    #[must_use]
    pub fn with_order(mut self, order: &'a EntryOrder<'a>) -> Self {
        self.order = Some(order);
        self
    }

    #[cfg(test)]
    fn limited(mut self, walk: usize, authors: usize) -> Self {
        self.history = LedgerHistory::limited(self.repository, walk);
        self.new_commits_limit = authors;
        self
    }

    /// Returns the history of the ledgers.
    pub fn history(&self) -> &LedgerHistory<'a> {
        &self.history
    }

    /// Returns the policy in force at a tip of the policy's ledger; `None` if nothing is published
    /// yet.
    ///
    /// # Errors
    /// Fails if this version cannot read the policy.
    pub fn policy_at(&self, tip: EntryId) -> Result<Option<Arc<Policy>>> {
        self.repository.policy_at(tip)
    }

    /// Returns the end of a ledger. If there is no tip, or the tip is the genesis, returns the end of
    /// a ledger without entries.
    ///
    /// # Errors
    /// Fails if the tip carries no entry of this ledger and project and is not the ledger's genesis.
    pub fn load_tip(&self, ledger: &LedgerName, tip: Option<EntryId>) -> Result<ChainTip> {
        let genesis = self.project.genesis_id(self.repository, ledger)?;
        let chain = |tip, sequence, at, seen| Chain {
            project: self.project.id,
            project_name: self.project.name.clone(),
            root_keys: self.project.root_keys.clone(),
            tip,
            sequence,
            at,
            seen,
        };
        let Some(tip) = tip.filter(|tip| *tip != genesis) else {
            return Ok(ChainTip {
                chain: chain(genesis, 0, Time::EPOCH, BTreeMap::new()),
                tree: self.repository.hash_kind().empty_tree(),
            });
        };
        let key = (ledger.clone(), tip);
        if let Some(cached) = self.ends.borrow().get(&key) {
            return Ok(cached.clone());
        }
        let corrupt = |why| {
            Err(Error::corrupt(
                format!("the tip {tip} of the ledger {ledger}"),
                why,
            ))
        };
        let end = match self.repository.read_ledger_commit(ledger, tip)? {
            LedgerCommit::Genesis => {
                return corrupt("it has no parent and is not the ledger's genesis");
            }
            LedgerCommit::Entry { entry, .. } if entry.statement().project != self.project.id => {
                return corrupt("its entry is for another project");
            }
            LedgerCommit::Entry { entry, commit, .. } => {
                let statement = entry.statement();
                let seen = statement.seen.clone();
                ChainTip {
                    chain: chain(tip, statement.sequence, statement.at, seen),
                    tree: commit.tree,
                }
            }
        };
        let mut ends = self.ends.borrow_mut();
        if ends.len() >= MAX_CACHED_ENDS {
            ends.clear();
        }
        ends.insert(key, end.clone());
        Ok(end)
    }

    /// Reads the state in a tree of a ledger, as far as a request needs it:
    /// [`Scope::for_statement`] an entry, everything for a branch or tag.
    #[cfg(test)]
    pub fn state(&self, ledger: &LedgerName, tree: Oid, request: &Request<'_>) -> Fact<State> {
        let scope = match request {
            Request::Entry { statement, .. } => Scope::for_statement(statement),
            Request::Branch { .. } | Request::Tag { .. } => Scope::All,
        };
        self.states
            .load(tree, ledger, &scope)
            .map_err(|error| describe_error(&error))
    }

    /// Gathers the facts for a request, on the given tips of all other ledgers: those that the
    /// entry has seen, or the present ones.
    ///
    /// `chain` is the end of the entry's own ledger, and `None` for a branch or tag; `state` is the
    /// state before the request. Two facts that only the caller can know stay empty:
    /// [`Facts::stored_as_computed`] and [`Facts::recovery`].
    pub fn gather(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        tips: &Tips,
        chain: Option<Chain>,
        state: Fact<State>,
    ) -> Facts {
        let plan = FactPlan::new(policy, request, &state);
        self.gather_needs(policy, plan, request, tips, chain, state)
    }

    /// Gathers only the facts that a deployment is built from: versions, artifacts, the branch's
    /// tip, earlier runs. The rules are evaluated later, for the complete deployment.
    pub fn gather_to_build(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        tips: &Tips,
        chain: Option<Chain>,
        state: Fact<State>,
    ) -> Facts {
        let mut plan = FactPlan::new(policy, request, &state);
        plan.keep_needs_to_build();
        self.gather_needs(policy, plan, request, tips, chain, state)
    }

    fn gather_needs(
        &self,
        policy: &Policy,
        mut plan: FactPlan<'_>,
        request: &Request<'_>,
        tips: &Tips,
        chain: Option<Chain>,
        state: Fact<State>,
    ) -> Facts {
        let mut facts = Facts {
            chain,
            tips: tips.clone(),
            state: Some(state),
            ..Facts::default()
        };
        if let Request::Entry { statement, .. } = request {
            facts.tips.remove(&statement.ledger);
            self.gather_seen(statement, &mut facts);
        }
        self.gather_code(policy, request, &mut plan, &mut facts);
        if plan.needs(&FactNeed::BranchTip) {
            self.gather_branch_tip(&plan, &mut facts);
        }
        if plan.needs(&FactNeed::RunningAncestry) {
            self.gather_running_ancestry(policy, &plan, &mut facts);
        }
        if plan.needs(&FactNeed::Versions) {
            self.gather_versions(&plan, &mut facts);
        }
        if plan.needs(&FactNeed::PreviousLog) {
            self.gather_previous_environments(policy, &plan, &mut facts);
        }
        if plan.needs(&FactNeed::Authors) {
            facts.authors = Some(
                self.read_authors(policy, &plan, &facts)
                    .map_err(|error| describe_error(&error)),
            );
        }
        if plan.needs(&FactNeed::RunIds)
            && let Request::Entry { statement, .. } = request
        {
            self.gather_run_ids(statement, &mut facts);
        }
        if plan.needs(&FactNeed::EarlierRuns) {
            self.gather_earlier_runs(policy, &plan, &mut facts);
        }
        if plan.needs(&FactNeed::Evidence) {
            facts.evidence = Some(self.read_evidence(policy, &plan, request, &facts));
        }
        if plan.needs(&FactNeed::Successes) {
            facts.successes = self.read_successes(&plan, &facts);
        }
        if plan.needs(&FactNeed::Yanks) {
            facts.yanks = Some(self.read_yanks(policy, &plan, &facts));
        }
        facts
    }

    /// Returns whether a commit that a past entry names may no longer exist: it was never deployed,
    /// and no ledger keeps it.
    fn may_be_missing(&self, request: &Request<'_>, commit: CommitId) -> bool {
        let Request::Entry { statement, .. } = request else {
            return false;
        };
        let is_allowed = statement.action.info().commits == CommitRole::MayBeMissing;
        self.branches == BranchSource::Stated && is_allowed && statement.commits().contains(&commit)
    }

    /// Gathers commits and contents, and determines which components a branch or tag changes.
    fn gather_code(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        plan: &mut FactPlan<'_>,
        facts: &mut Facts,
    ) {
        for commit in &plan.commits {
            let fact = self
                .code
                .commit(*commit)
                .map(|commit| CommitFact { time: commit.time });
            if fact.as_ref().is_err_and(Error::is_missing) && self.may_be_missing(request, *commit)
            {
                facts.missing_commits.insert(*commit);
            }
            facts
                .commits
                .insert(*commit, fact.map_err(|error| describe_error(&error)));
        }
        for (commit, component) in plan.contents() {
            let content = self
                .content(policy, commit, &component)
                .map_err(|error| describe_error(&error));
            facts.contents.insert((commit, component), content);
        }
        for (commit, component) in plan.parent_contents() {
            let content = self
                .parent_content(policy, commit, &component)
                .map_err(|error| describe_error(&error));
            facts.parent_contents.insert((commit, component), content);
        }
        for (commit, base) in plan.containments() {
            self.gather_containment(commit, base, facts);
        }
        if let Some(Ok(state)) = &facts.state {
            plan.mark_unchanged(state, &facts.contents);
        }
    }
}

/// Returns an error with its causes, in one line.
fn describe_error(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    sanitize(&text)
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
