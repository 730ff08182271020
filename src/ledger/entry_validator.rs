//! Validates one entry: its position, signature, rules, state tree and message.
//!
//! Server hooks, clients that fetch, and audits all use this, one entry after the other along a
//! chain. Everything that can be computed is computed and compared; only the entry and its
//! signature are inputs.

use std::sync::Arc;

use super::entry_files::POLICY_FILE;
use super::facts::FactGatherer;
use super::{LedgerCommit, StateReader, Tips, entry_commit_bytes};
use crate::domain::entry::{Action, Entry, Statement, StoredEntry, Unverified, Verified};
use crate::domain::id::{EntryId, Oid, PublicKey};
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::rules::{Chain, Fact, Facts, Request, evaluate};
use crate::domain::state::{Edit, Scope, State, fold};
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Decision, Rule, Verdict};
use crate::git::commit::Commit;
use crate::git::error::Result;
use crate::git::repo::Repository;
use crate::signing::verify_entry;

/// The end of a ledger, to which the next entry is appended.
#[derive(Debug, Clone)]
pub struct ChainTip {
    /// What the next entry must match.
    pub chain: Chain,
    /// The tree of the tip; the empty tree after a genesis.
    pub tree: Oid,
}

impl ChainTip {
    /// Returns the end of the ledger after an entry in the commit `id`, with this tree.
    #[must_use]
    pub fn advanced_by(&self, id: EntryId, tree: Oid, statement: &Statement) -> Self {
        let chain = Chain {
            tip: id,
            sequence: statement.sequence,
            at: statement.at,
            seen: statement.seen.clone(),
            ..self.chain.clone()
        };
        Self { chain, tree }
    }

    /// Returns the end of the ledger after a commit whose entry cannot be read. The entry counts;
    /// the rest stays as before.
    #[must_use]
    pub fn advanced_unread(&self, id: EntryId, tree: Oid) -> Self {
        let chain = Chain {
            tip: id,
            sequence: self.chain.sequence.saturating_add(1),
            ..self.chain.clone()
        };
        Self { chain, tree }
    }
}

/// The current situation, for an entry that must be valid now as well as at its own time.
#[derive(Debug, Clone)]
pub struct PushContext {
    /// The tips of all ledgers before the push.
    pub tips: Tips,
    /// The server's clock.
    pub now: Time,
}

/// When an entry must be valid.
#[derive(Clone, Copy)]
pub enum ValidationContext<'a> {
    /// At its own time and now: for a hook.
    Push(&'a PushContext),
    /// At its own time only: for a fetch or an audit. The function checks whether a ledger contains
    /// a commit that the entry claims to have seen.
    History(&'a dyn Fn(&LedgerName, EntryId) -> Result<bool>),
}

/// The result of validating an entry.
#[derive(Debug)]
pub struct ValidatedEntry {
    /// Its commit.
    pub id: EntryId,
    /// The entry, if its signature is valid.
    pub entry: Option<Entry<Verified>>,
    /// The parsed entry, if it can be read; unproven unless `entry` is present.
    pub stored: Option<Arc<StoredEntry>>,
    /// The end of the ledger after it, if it is allowed.
    pub next_tip: Option<ChainTip>,
    /// The facts given to the rules, if validated at its own time only.
    pub facts: Option<Box<Facts>>,
    /// The result of the rules. If the results at the entry's own time and now differ, the stricter
    /// one.
    pub verdict: Verdict,
    /// The commit before it.
    pub previous: Option<EntryId>,
}

impl ValidatedEntry {
    /// Returns a result with one failed check and nothing else.
    fn with_failed_check(id: EntryId, check: Check) -> Self {
        let verdict = Verdict {
            checks: vec![check],
        };
        Self {
            id,
            entry: None,
            stored: None,
            next_tip: None,
            facts: None,
            verdict,
            previous: None,
        }
    }
}

/// Validates the entries of one project.
pub struct EntryValidator<'a> {
    repository: &'a Repository,
    /// Provides facts, policies and contents.
    pub gatherer: FactGatherer<'a>,
    states: StateReader<'a>,
    recovery: Option<PublicKey>,
}

/// One entry being validated.
struct PendingEntry<'a> {
    ledger: &'a LedgerName,
    tip: &'a ChainTip,
    entry: &'a Entry<Verified>,
    policy_text: Option<Arc<[u8]>>,
    state: State,
    stored_as_computed: Fact<()>,
    recovery: Option<PublicKey>,
}

impl<'a> EntryValidator<'a> {
    /// Creates a validator for the project's entries.
    ///
    /// `recovery` is the key that a server's owner has armed for the next publish. For past entries
    /// the owner's configuration is read when needed.
    pub fn new(
        repository: &'a Repository,
        gatherer: FactGatherer<'a>,
        recovery: Option<PublicKey>,
    ) -> Self {
        Self {
            repository,
            gatherer,
            states: StateReader::new(repository),
            recovery,
        }
    }

    /// Returns the end of a ledger. For `None`, a ledger that does not exist yet, that is its
    /// computed genesis.
    pub fn load_tip(&self, ledger: &LedgerName, tip: Option<EntryId>) -> Result<ChainTip> {
        let (chain, tree) = self.gatherer.chain(ledger, tip)?;
        Ok(ChainTip { chain, tree })
    }

    /// Validates the entry in the commit `id`, which should follow `head`.
    pub fn validate(
        &self,
        ledger: &LedgerName,
        head: &ChainTip,
        id: EntryId,
        against: ValidationContext<'_>,
    ) -> ValidatedEntry {
        self.validate_commit(
            ledger,
            head,
            id,
            self.repository.read_ledger_commit(ledger, id),
            against,
        )
    }

    /// Does the same as [`Judge::judge`] for a commit that was already read.
    pub fn validate_commit(
        &self,
        ledger: &LedgerName,
        head: &ChainTip,
        id: EntryId,
        link: Result<LedgerCommit>,
        against: ValidationContext<'_>,
    ) -> ValidatedEntry {
        let (commit, previous, unverified) = match link {
            Ok(LedgerCommit::Entry {
                commit,
                previous,
                entry,
            }) => (commit, previous, entry),
            Ok(LedgerCommit::Genesis) => {
                return ValidatedEntry::with_failed_check(
                    id,
                    Check::fail(
                        Rule::Chain,
                        "it has no parent: it is no entry of this ledger",
                    ),
                );
            }
            Err(error) => {
                return ValidatedEntry::with_failed_check(id, error.to_check(Rule::Chain));
            }
        };
        let kept = Arc::clone(unverified.stored());
        let stop = |check| ValidatedEntry {
            stored: Some(Arc::clone(&kept)),
            previous: Some(previous),
            ..ValidatedEntry::with_failed_check(id, check)
        };
        let recovery = match against {
            ValidationContext::Push(_) => self.recovery,
            ValidationContext::History(_) => {
                match self.repository.find_confirmed_recovery_key(ledger, id) {
                    Ok(recovery) => recovery,
                    Err(error) => return stop(error.to_check(Rule::Authorization)),
                }
            }
        };
        let entry = match self.verify_signature(ledger, head, unverified, recovery) {
            Ok(entry) => entry,
            Err(check) => return stop(*check),
        };
        if kept.statement.action.info().vouches {
            self.gatherer.remember_signer(id, *entry.key());
        }
        let policy_text = match self.read_policy_text(&commit, &entry) {
            Ok(text) => text,
            Err(check) => return stop(*check),
        };
        let state =
            match self
                .states
                .load(head.tree, ledger, &Scope::for_statement(&kept.statement))
            {
                Ok(state) => state,
                Err(error) => return stop(error.to_check(Rule::State)),
            };
        let edits = fold(&state, &entry, policy_text.as_ref());
        let stored = match self.compare_commit(head, &commit, &entry, &edits) {
            Ok(stored) => stored,
            Err(error) => return stop(error.to_check(Rule::Chain)),
        };
        let case = PendingEntry {
            ledger,
            tip: head,
            entry: &entry,
            policy_text,
            state,
            stored_as_computed: stored,
            recovery,
        };
        let (verdict, facts) = self.evaluate(&case, against);
        let next = verdict
            .allowed()
            .then(|| head.advanced_by(id, commit.tree, &kept.statement));
        ValidatedEntry {
            id,
            stored: Some(kept),
            previous: Some(previous),
            next_tip: next,
            facts,
            verdict,
            entry: Some(entry),
        }
    }

    /// Verifies the signature against every key, retired ones too, in the policy that the entry
    /// names as seen. Whether that person may do this is for the authorization rule to decide.
    fn verify_signature(
        &self,
        ledger: &LedgerName,
        head: &ChainTip,
        entry: Entry<Unverified>,
        recovery: Option<PublicKey>,
    ) -> std::result::Result<Entry<Verified>, Box<Check>> {
        let mut keys: Vec<PublicKey> = Vec::new();
        let policy = self
            .policy_at_entry(ledger, head, entry.statement())
            .map_err(|error| Box::new(error.to_check(Rule::Authorization)))?;
        match policy {
            Some(policy) => keys.extend(list_all_keys(&policy)),
            None => keys.extend(&head.chain.root_keys),
        }
        keys.extend(recovery);
        let by = entry.statement().by.clone();
        verify_entry(entry, &keys)
            .map_err(|error| Box::new(Check::fail(Rule::Authorization, format!("{by}: {error}"))))
    }

    /// Returns the policy in force when the entry was made, according to the entry; `None` before
    /// the first was published.
    fn policy_at_entry(
        &self,
        ledger: &LedgerName,
        head: &ChainTip,
        statement: &Statement,
    ) -> Result<Option<Arc<Policy>>> {
        if ledger.is_policy() {
            return self.gatherer.policy_at(head.chain.tip);
        }
        match statement.seen.get(&LedgerName::policy()) {
            Some(tip) => self.gatherer.policy_at(*tip),
            None => Ok(None),
        }
    }

    /// Reads the `deploy.toml` that a publish adds, and checks it against the signed digest.
    fn read_policy_text(
        &self,
        commit: &Commit,
        entry: &Entry<Verified>,
    ) -> std::result::Result<Option<Arc<[u8]>>, Box<Check>> {
        let Action::Publish(publish) = &entry.statement().action else {
            return Ok(None);
        };
        let text = self.repository.read_file_at(
            commit.tree,
            POLICY_FILE,
            crate::domain::policy::MAX_BYTES,
        );
        let text = text.map_err(|error| Box::new(error.to_check(Rule::Chain)))?;
        match text {
            Some(text) if crate::domain::id::Digest::sha256(&text) == publish.digest => {
                Ok(Some(text.into()))
            }
            _ => Err(Box::new(Check::fail(
                Rule::Chain,
                "its tree does not hold the deploy.toml whose digest it names",
            ))),
        }
    }

    /// Checks whether the commit is, byte for byte, the one computed from the chain, the entry and
    /// its signature. The inner error says what differs.
    fn compare_commit(
        &self,
        head: &ChainTip,
        commit: &Commit,
        entry: &Entry<Verified>,
        edits: &[Edit],
    ) -> Result<Fact<()>> {
        let (tree, computed) = self
            .repository
            .compute_tree_after(head.tree, entry, edits)?;
        if tree != commit.tree {
            return Ok(Err(
                "its tree is not the state that follows from the entry".to_owned()
            ));
        }
        // The next entry starts from these folders.
        self.repository.cache_folders(computed)?;
        if entry_commit_bytes(entry.statement(), tree, &head.chain.project_name) != commit.raw {
            return Ok(Err(
                "its parents, people, time or message are not those of the entry".to_owned(),
            ));
        }
        Ok(Ok(()))
    }

    /// Evaluates the rules at the entry's own time with what it has seen, and now if required.
    fn evaluate(
        &self,
        case: &PendingEntry<'_>,
        against: ValidationContext<'_>,
    ) -> (Verdict, Option<Box<Facts>>) {
        let statement = case.entry.statement();
        let (then, facts) = self.evaluate_at(case, &statement.seen, statement.at);
        match against {
            ValidationContext::History(holds) => {
                let mut then = then;
                for (ledger, seen) in &statement.seen {
                    match holds(ledger, *seen) {
                        Ok(true) => {}
                        Ok(false) => then.checks.push(Check::fail(
                            Rule::Chain,
                            format!(
                                "it says to have seen {} of {ledger}, which that ledger does not hold",
                                seen.short()
                            ),
                        )),
                        Err(error) => then.checks.push(error.to_check(Rule::Chain)),
                    }
                }
                (then, facts)
            }
            ValidationContext::Push(present) => {
                let mut others = present.tips.clone();
                others.remove(case.ledger);
                let now = self.evaluate_at(case, &others, present.now).0;
                (stricter_verdict(then, now), None)
            }
        }
    }

    /// Evaluates the rules of the policy at these tips. Returns the facts used as well.
    fn evaluate_at(
        &self,
        case: &PendingEntry<'_>,
        tips: &Tips,
        now: Time,
    ) -> (Verdict, Option<Box<Facts>>) {
        let request = Request::Entry {
            statement: case.entry.statement(),
            key: Some(case.entry.key()),
            policy_text: case.policy_text.as_deref(),
        };
        let policy = if case.ledger.is_policy() {
            self.gatherer.policy_at(case.tip.chain.tip)
        } else {
            tips.get(&LedgerName::policy())
                .map_or(Ok(None), |tip| self.gatherer.policy_at(*tip))
        };
        let policy = match policy {
            Ok(Some(policy)) => policy,
            Ok(None) => match parse_first_policy(case) {
                Ok(policy) => Arc::new(policy),
                Err(check) => {
                    return (
                        Verdict {
                            checks: vec![*check],
                        },
                        None,
                    );
                }
            },
            Err(error) => {
                return (
                    Verdict {
                        checks: vec![error.to_check(Rule::Authorization)],
                    },
                    None,
                );
            }
        };
        let mut facts: Facts = self.gatherer.gather(
            &policy,
            &request,
            tips,
            Some(case.tip.chain.clone()),
            Ok(case.state.clone()),
        );
        facts.stored_as_computed = Some(case.stored_as_computed.clone());
        facts.recovery = case.recovery;
        (
            evaluate(&policy, &request, &facts, now),
            Some(Box::new(facts)),
        )
    }
}

/// Returns all keys of a policy, including retired ones.
fn list_all_keys(policy: &Policy) -> impl Iterator<Item = PublicKey> {
    policy
        .people
        .values()
        .flat_map(|person| std::iter::once(person.key).chain(person.retired.iter().copied()))
}

/// Parses the policy of a first publish, which is validated by its own rules. Anything else before
/// it is refused.
fn parse_first_policy(case: &PendingEntry<'_>) -> std::result::Result<Policy, Box<Check>> {
    let refuse = |why: String| Box::new(Check::fail(Rule::Authorization, why));
    let text = case
        .policy_text
        .as_deref()
        .ok_or_else(|| refuse("no policy is in force yet".to_owned()))?;
    let text =
        std::str::from_utf8(text).map_err(|_| refuse("the policy is not UTF-8".to_owned()))?;
    Policy::parse(text).map_err(|findings| refuse(findings.to_string()))
}

/// Returns the stricter of two verdicts; the later one if they agree.
fn stricter_verdict(then: Verdict, now: Verdict) -> Verdict {
    let rank = |verdict: &Verdict| match verdict.decision() {
        Decision::Allowed => 0,
        Decision::CannotTell => 1,
        Decision::Refused => 2,
    };
    if rank(&then) > rank(&now) { then } else { now }
}
