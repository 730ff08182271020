//! Gathers the facts that the gates decide on, out of git.
//!
//! What a rule needs and what cannot be established becomes an `Err` with words inside the facts, never a "no" or an empty answer: the
//! gates then say "cannot tell". Ledgers are read at the tips that the caller gives, whose entries the caller has verified.

mod behind;
mod commit_facts;
mod contents;
mod environment_history;
mod evidence;
mod history;
mod needs;
mod path_commits;
mod signers;
mod version;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

pub use behind::Behind;
pub use history::{History, Passed, Step};
pub use path_commits::Way;

use crate::domain::entry::{Action, Statement};
use crate::domain::id::{CommitId, Content, EntryId, Oid};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::rules::{Chain, CommitFact, Facts, Known, Request, SeenFact};
use crate::domain::state::{Scope, State};
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::git::tree::{Leaf, TreeItem};
use crate::ledger::{LedgerCommit, POLICY_LIMIT, Project, StateReader, Tips};
use contents::Contents;
use needs::{Ask, Need};

/// Where a policy stands in the tree of its ledger.
const POLICY: &str = "deploy.toml";
/// The most commits that are newly brought in and whose authors are looked at.
const AUTHORS_LIMIT: usize = 1_000_000;

/// How many ends of ledgers are remembered: an audit asks for ever new ones.
const ENDS: usize = 1_024;

/// Where the tip of an environment's branch is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Branches {
    /// `refs/heads/`: on a server, or without a remote.
    Local,
    /// `refs/remotes/<name>/`, and `refs/heads/` for a branch that is not there.
    Remote(String),
    /// The entry's own word.
    AsEntered,
}

/// Whether the second commit is the first or before it in the ledger; `None` where that is not known.
pub type Order<'a> = dyn Fn(&LedgerName, EntryId, EntryId) -> Option<bool> + Sync + 'a;

/// Gathers facts in one repository for one project. It belongs to one thread.
pub struct Gatherer<'a> {
    repository: &'a Repository,
    project: &'a Project,
    branches: Branches,
    authors_limit: usize,
    history: History<'a>,
    states: StateReader<'a>,
    code: Contents<'a>,
    order: Option<&'a Order<'a>>,
    /// The ends of ledgers: the same ones are asked for on two sets of tips.
    ends: RefCell<HashMap<(LedgerName, EntryId), (Chain, Oid)>>,
}

impl<'a> Gatherer<'a> {
    /// A gatherer that reads branches in `refs/heads/`, as a server does.
    pub fn new(repository: &'a Repository, project: &'a Project) -> Self {
        Self {
            repository,
            project,
            branches: Branches::Local,
            authors_limit: AUTHORS_LIMIT,
            history: History::new(repository),
            states: StateReader::new(repository),
            code: Contents::new(repository),
            order: None,
            ends: RefCell::default(),
        }
    }

    /// Reads branches as they were last fetched from a remote, where they exist there; without a remote nothing changes.
    #[must_use]
    pub fn with_remote(mut self, remote: Option<&str>) -> Self {
        if let Some(remote) = remote {
            self.branches = Branches::Remote(remote.to_owned());
        }
        self
    }

    /// Takes the tip of the branch from the entry: for an audit, when the branch has moved on.
    #[must_use]
    pub fn with_branches_as_entered(mut self) -> Self {
        self.branches = Branches::AsEntered;
        self
    }

    /// Asks this for the order of entries before it looks for itself: whoever has read whole chains knows it already.
    #[must_use]
    pub fn with_order(mut self, order: &'a Order<'a>) -> Self {
        self.order = Some(order);
        self
    }

    #[cfg(test)]
    fn limited(mut self, walk: usize, authors: usize) -> Self {
        self.history = History::limited(self.repository, walk);
        self.authors_limit = authors;
        self
    }

    /// The past of the ledgers.
    pub fn history(&self) -> &History<'a> {
        &self.history
    }

    /// The policy in force at a tip of the policy's ledger; `None` where nothing has been published yet.
    ///
    /// # Errors
    /// A policy that this version cannot read: then nothing can be told.
    pub fn policy_at(&self, tip: EntryId) -> Result<Option<Arc<Policy>>> {
        let memories = &self.repository.ledger_cache();
        if let Some(known) = memories.policies_in_force.get(&tip) {
            return Ok(known);
        }
        let policy = self.read_policy(tip)?;
        memories.policies_in_force.insert(tip, policy.clone(), 100);
        Ok(policy)
    }

    fn read_policy(&self, tip: EntryId) -> Result<Option<Arc<Policy>>> {
        let memory = &self.repository.ledger_cache().policies;
        let what = || format!("the policy in force at {tip}");
        let blob = match self
            .repository
            .item_at(self.repository.read_commit(tip.0)?.tree, POLICY)?
        {
            None => return Ok(None),
            Some(TreeItem::Leaf(Leaf::Blob(blob))) => blob,
            Some(_) => return Err(Error::corrupt(what(), "it is no file")),
        };
        if let Some(known) = memory.get(&blob) {
            return Ok(Some(known));
        }
        let bytes = self.repository.read_blob(blob, POLICY_LIMIT)?;
        let text =
            std::str::from_utf8(&bytes).map_err(|_| Error::corrupt(what(), "it is not UTF-8"))?;
        let policy =
            Policy::parse(text).map_err(|errors| Error::corrupt(what(), errors.to_string()))?;
        let policy = Arc::new(policy);
        memory.insert(blob, Arc::clone(&policy), bytes.len() * 10);
        Ok(Some(policy))
    }

    /// The end of a ledger, and the tree that is its state; without a tip, or with its genesis as tip, a ledger without entries.
    ///
    /// # Errors
    /// A tip that carries no entry of this ledger and project, and is not the one genesis that the ledger can have.
    pub fn chain(&self, ledger: &LedgerName, tip: Option<EntryId>) -> Result<(Chain, Oid)> {
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
            let empty = self.repository.hash_kind().empty_tree();
            return Ok((chain(genesis, 0, Time::EPOCH, BTreeMap::new()), empty));
        };
        let place = (ledger.clone(), tip);
        if let Some(known) = self.ends.borrow().get(&place) {
            return Ok(known.clone());
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
                return corrupt("its entry is of another project");
            }
            LedgerCommit::Entry { entry, commit, .. } => {
                let statement = entry.statement();
                (
                    chain(
                        tip,
                        statement.sequence,
                        statement.at,
                        statement.seen.clone(),
                    ),
                    commit.tree,
                )
            }
        };
        let mut ends = self.ends.borrow_mut();
        if ends.len() >= ENDS {
            ends.clear();
        }
        ends.insert(place, end.clone());
        Ok(end)
    }

    /// The state that a tree of a ledger holds, as far as a request needs it: [`Scope::of`] an entry, all for a branch or tag.
    pub fn state(&self, ledger: &LedgerName, tree: Oid, request: &Request<'_>) -> Known<State> {
        let scope = match request {
            Request::Entry { statement, .. } => Scope::of(statement),
            Request::Branch { .. } | Request::Tag { .. } => Scope::All,
        };
        self.states
            .load(tree, ledger, &scope)
            .map_err(|error| words(&error))
    }

    /// The content of a component at a commit; none where the component is absent there.
    pub fn content(
        &self,
        policy: &Policy,
        commit: CommitId,
        component: &ComponentName,
    ) -> Result<Option<Content>> {
        self.code.content(policy, commit, component)
    }

    /// The facts for a request, on the given tips of all other ledgers: those that the entry has seen, or the present ones.
    ///
    /// `chain` is the end of the entry's own ledger, and not there for a branch or tag; `state` is what the request meets. What only
    /// the caller can know stays empty: [`Facts::stored_as_computed`] and [`Facts::recovery`].
    pub fn facts(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        tips: &Tips,
        chain: Option<Chain>,
        state: Known<State>,
    ) -> Facts {
        let ask = Ask::new(policy, request, &state);
        self.gather(policy, ask, request, tips, chain, state)
    }

    /// Of the facts for a request those that say what it consists of: versions, artifacts, the branch's tip, what ran before. Whether it
    /// is allowed is asked later, when it is whole.
    pub fn facts_to_compose(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        tips: &Tips,
        chain: Option<Chain>,
        state: Known<State>,
    ) -> Facts {
        let mut ask = Ask::new(policy, request, &state);
        ask.only(&[Need::Branch, Need::Versions, Need::Earlier, Need::Evidence]);
        self.gather(policy, ask, request, tips, chain, state)
    }

    fn gather(
        &self,
        policy: &Policy,
        mut ask: Ask<'_>,
        request: &Request<'_>,
        tips: &Tips,
        chain: Option<Chain>,
        state: Known<State>,
    ) -> Facts {
        let mut facts = Facts {
            chain,
            tips: tips.clone(),
            state: Some(state),
            ..Facts::default()
        };
        if let Request::Entry { statement, .. } = request {
            facts.tips.remove(&statement.ledger);
            self.seen(statement, &mut facts);
        }
        self.code_facts(policy, request, &mut ask, &mut facts);
        if ask.needs(Need::Branch) {
            self.branch(&ask, &mut facts);
        }
        if ask.needs(Need::Direction) {
            self.direction(&ask, &mut facts);
        }
        if ask.needs(Need::Authors) {
            facts.authors = Some(self.authors(&ask).map_err(|error| words(&error)));
        }
        if ask.needs(Need::Versions) {
            self.versions(&ask, &mut facts);
        }
        if ask.needs(Need::Source) {
            self.source(policy, &ask, &mut facts);
        }
        if ask.needs(Need::Earlier) {
            self.earlier(&ask, &mut facts);
        }
        self.approvers(policy, &ask, request, &mut facts);
        if ask.needs(Need::Evidence) {
            let evidence = self.evidence(&ask, request, &facts);
            if let Ok(entries) = &evidence {
                self.vouchers(policy, entries, &mut facts);
            }
            facts.evidence =
                Some(evidence.map(|entries| entries.into_iter().map(|(_, kept)| kept).collect()));
        }
        if ask.needs(Need::Yanks) {
            facts.yanks = Some(self.yanks(&ask, &facts));
        }
        facts
    }

    /// How the entry's `seen` lies to the tips, and which environments a `publish` names.
    fn seen(&self, statement: &Statement, facts: &mut Facts) {
        for (ledger, seen) in &statement.seen {
            let before = facts
                .chain
                .as_ref()
                .and_then(|chain| chain.seen.get(ledger));
            let fact = self
                .seen_fact(ledger, *seen, facts.tips.get(ledger), before)
                .map_err(|error| words(&error));
            facts.seen.insert(ledger.clone(), fact);
        }
        if let Action::Publish(_) = statement.action {
            let environments = facts
                .tips
                .iter()
                .filter(|(ledger, _)| ledger.is_environment());
            facts.environments_seen = environments
                .map(|(ledger, tip)| (ledger.clone(), statement.seen.get(ledger) == Some(tip)))
                .collect();
        }
    }

    fn seen_fact(
        &self,
        ledger: &LedgerName,
        seen: EntryId,
        tip: Option<&EntryId>,
        before: Option<&EntryId>,
    ) -> Result<SeenFact> {
        let on_chain = |tip, wanted| match self.order.and_then(|order| order(ledger, tip, wanted)) {
            Some(known) => Ok(known),
            None => self
                .repository
                .is_on_chain(tip, wanted, self.history.limit()),
        };
        // Read even where nothing is to be compared: what is not there has not been seen.
        let reachable = match tip {
            Some(tip) => on_chain(*tip, seen)?,
            None => self.repository.read_commit(seen.0).map(|_| false)?,
        };
        let forward = before.map_or(Ok(true), |before| on_chain(seen, *before))?;
        Ok(SeenFact {
            is_tip: tip == Some(&seen),
            reachable,
            forward,
        })
    }

    /// Whether a commit that an entry of the past speaks of may be missing by now: one that was never deployed, which no ledger keeps.
    fn may_be_gone(&self, request: &Request<'_>, commit: CommitId) -> bool {
        let Request::Entry { statement, .. } = request else {
            return false;
        };
        let word = matches!(
            statement.action,
            Action::Approve(_)
                | Action::Revoke(_)
                | Action::Build(_)
                | Action::Artifact(_)
                | Action::Attestation(_)
                | Action::Yank(_)
                | Action::Unyank(_)
        );
        self.branches == Branches::AsEntered && word && statement.commits().contains(&commit)
    }

    /// Commits and contents; which components of a branch or tag change follows from the contents.
    fn code_facts(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        ask: &mut Ask<'_>,
        facts: &mut Facts,
    ) {
        for commit in &ask.commits {
            let fact = self
                .code
                .commit(*commit)
                .map(|(_, time)| CommitFact { time });
            if fact.as_ref().is_err_and(Error::is_missing) && self.may_be_gone(request, *commit) {
                facts.gone.insert(*commit);
            }
            facts
                .commits
                .insert(*commit, fact.map_err(|error| words(&error)));
        }
        let moves = ask
            .moves
            .iter()
            .flat_map(|it| [Some(it.commit), it.from].map(|commit| (commit, &it.component)));
        let moves = moves.filter_map(|(commit, component)| Some((commit?, component.clone())));
        let wanted: BTreeSet<(CommitId, ComponentName)> =
            moves.chain(ask.contents.iter().cloned()).collect();
        for (commit, component) in wanted {
            let content = self
                .content(policy, commit, &component)
                .map_err(|error| words(&error));
            facts.contents.insert((commit, component), content);
        }
        let Some((new, old)) = ask.step else { return };
        if let Some(old) = old {
            self.contains(new, old, facts);
        }
        if let Some(Ok(state)) = &facts.state {
            ask.leave_equal_ones(state, &facts.contents);
        }
    }
}

/// An error with its causes, in one line.
fn words(error: &dyn std::error::Error) -> String {
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
