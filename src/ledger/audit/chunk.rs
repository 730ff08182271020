//! Validates one chunk of a ledger on one thread.
//!
//! A chunk takes the entry and tree of the commit before it as they are, because the previous chunk
//! validates them. So every entry is validated once, however the ledger is split, and a failure is
//! reported at the entry that causes it.

use std::ops::Range;
use std::sync::Arc;

use super::dependencies::lean;
use super::index::{Chain, Index};
use super::notes::{Told, tell};
use super::order::Publish;
use super::remarks::Reader;
use super::{Finding, Kind, Remark, Ties};
use crate::domain::entry::{Action, Statement};
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::time::Time;
use crate::domain::verdict::Outcome;
use crate::git::error::Result;
use crate::git::repo::Repository;
use crate::ledger::entry_validator::{Against, Head, Judge, Judged};
use crate::ledger::facts::{Gatherer, Order};
use crate::ledger::{Link, Project};

/// What all chunks share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub project: &'a Project,
    pub index: &'a Index,
    pub order: &'a Order<'a>,
    /// The policy in force now, if it can be read.
    pub present: Option<&'a Arc<Policy>>,
    /// Whether the lines of the notes are collected.
    pub notes: bool,
    /// Called with the number of entries validated since the last call.
    pub step: &'a (dyn Fn(usize) + Sync),
}

/// The result of one chunk.
#[derive(Default)]
pub(super) struct Piece {
    pub entries: usize,
    /// How many of the entries could be read.
    pub read: usize,
    pub span: Option<(Time, Time)>,
    pub findings: Vec<Finding>,
    pub remarks: Vec<Remark>,
    pub ties: Ties,
    pub told: Vec<Told>,
}

/// Validates chunks of ledgers.
pub(super) struct Auditor<'a> {
    repository: &'a Repository,
    shared: Shared<'a>,
    judge: Judge<'a>,
}

impl<'a> Auditor<'a> {
    /// Creates an auditor for one thread.
    pub fn new(repository: &'a Repository, shared: Shared<'a>) -> Self {
        let gatherer = Gatherer::new(repository, shared.project).with_branches_as_entered();
        let gatherer = gatherer.with_order(shared.order);
        Self {
            repository,
            shared,
            judge: Judge::new(repository, gatherer, None),
        }
    }

    /// Validates the entries of a chain at these positions. An error that prevents validation
    /// becomes a finding.
    pub fn audit(&self, number: usize, chain: &Chain, places: Range<usize>) -> Piece {
        let mut piece = Piece::default();
        if let Err(error) = self.walk(number, chain, places, &mut piece) {
            piece
                .findings
                .push(Finding::error(Kind::Chain, Some(&chain.ledger), &error));
        }
        piece
    }

    /// Validates from the first position whose preceding entry can be read, and continues past the
    /// end to the next such position: entries between two of them belong to the chunk of the first.
    fn walk(
        &self,
        number: usize,
        chain: &Chain,
        places: Range<usize>,
        piece: &mut Piece,
    ) -> Result<()> {
        let genesis = self.judge.head(&chain.ledger, None)?;
        let head_at = |place| self.head(&genesis, chain, place);
        let Some((mut place, first)) = places
            .clone()
            .find_map(|place| Some((place, head_at(place)?)))
        else {
            return Ok(());
        };
        let (mut head, mut readable) = (Some(first), true);
        while place < chain.ids.len() && (place < places.end || !readable) {
            let id = chain.at(place);
            let Some(before) = head else {
                let why = "it cannot be judged: the commit before it cannot be read";
                let finding = Finding::fail(Kind::Chain, &chain.ledger, Some(id), why);
                piece.findings.push(Finding {
                    outcome: Outcome::Unknown,
                    ..finding
                });
                place += 1;
                head = head_at(place);
                readable = head.is_some();
                continue;
            };
            let judged = self.judge_one(number, chain, place, &before, piece);
            readable = judged.kept.is_some();
            // An invalid entry is taken as it is, so that the entries after it are still validated.
            head = judged.head.or_else(|| {
                let tree = self.repository.read_commit(id.0).ok()?.tree;
                Some(match &judged.kept {
                    Some(kept) => before.after(id, tree, &kept.statement),
                    None => before.after_unread(id, tree),
                })
            });
            place += 1;
        }
        Ok(())
    }

    /// Returns the end of the chain before a position, or `None` if the entry there cannot be read.
    fn head(&self, genesis: &Head, chain: &Chain, place: usize) -> Option<Head> {
        let before = chain.at(place.checked_sub(1)?);
        match self.repository.read_link(&chain.ledger, before) {
            Ok(Link::Genesis) if before == genesis.chain.tip => Some(genesis.clone()),
            Ok(Link::Entry { commit, entry, .. }) => {
                Some(genesis.after(before, commit.tree, entry.statement()))
            }
            Ok(Link::Genesis) | Err(_) => None,
        }
    }

    /// Validates one entry, and adds its findings, remarks and references to `piece`.
    fn judge_one(
        &self,
        number: usize,
        chain: &Chain,
        place: usize,
        head: &Head,
        piece: &mut Piece,
    ) -> Judged {
        let Shared {
            index,
            present,
            notes,
            step,
            ..
        } = self.shared;
        let (ledger, id) = (&chain.ledger, chain.at(place));
        let holds = |ledger: &LedgerName, id| index.holds(self.repository, ledger, id);
        let judged = self.judge.judge(ledger, head, id, Against::Past(&holds));
        piece.entries += 1;
        piece.findings.extend(
            judged
                .verdict
                .checks
                .iter()
                .filter_map(|check| Finding::of(ledger, id, check)),
        );
        if let Some(statement) = judged.kept.as_ref().map(|kept| &kept.statement) {
            let first = piece.span.map_or(statement.at, |(first, _)| first);
            piece.span = Some((first, statement.at));
            piece.read += 1;
            self.tie(place, statement, &mut piece.ties);
            if notes {
                tell(number, place, id, statement, &mut piece.told);
            }
        }
        if let (Some(entry), Some(facts)) = (&judged.entry, &judged.facts) {
            let reader = Reader {
                index,
                present: present.map(AsRef::as_ref),
            };
            let seen = entry.statement().seen.get(&LedgerName::policy());
            let then = seen.and_then(|tip| self.judge.gatherer.policy_at(*tip).ok().flatten());
            piece
                .remarks
                .extend(reader.remarks(id, entry, then.as_deref(), facts));
            reader.count(id, entry, &mut piece.ties.removed);
        }
        step(1);
        judged
    }

    /// Records which entries of other ledgers an entry has seen.
    fn tie(&self, place: usize, statement: &Statement, ties: &mut Ties) {
        for (ledger, seen) in &statement.seen {
            // A ledger that does not contain the entry has a finding of its own.
            let Some((other, chain)) = self.shared.index.chain(ledger) else {
                continue;
            };
            let Some(seen) = chain.place(*seen) else {
                continue;
            };
            lean(&mut ties.leans, other, place, seen);
            if ledger.is_policy() {
                ties.policies.push((place, seen));
            }
        }
        if let Action::Publish(publish) = &statement.action {
            let mut admits = publish.admits.clone();
            admits.sort_unstable();
            ties.publishes.push(Publish {
                place,
                seen: statement.seen.clone(),
                admits,
            });
        }
    }
}
