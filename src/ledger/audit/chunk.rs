//! A stretch of one ledger, judged on one thread.
//!
//! It begins from its boundary commit's own entry and tree, taken as they are: the stretch before judges those. So every entry is judged
//! once, whatever the stretches are, and a fault shows at the entry that has it.

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
use crate::ledger::facts::{EntryOrder, FactGatherer};
use crate::ledger::{Link, Project};

/// What all stretches share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub project: &'a Project,
    pub index: &'a Index,
    pub order: &'a EntryOrder<'a>,
    /// The policy in force now, where it can be read.
    pub present: Option<&'a Arc<Policy>>,
    /// Whether the lines of the notes are wanted.
    pub notes: bool,
    /// Called with the number of entries that were judged since the last call.
    pub step: &'a (dyn Fn(usize) + Sync),
}

/// What was found in a stretch.
#[derive(Default)]
pub(super) struct Piece {
    pub entries: usize,
    /// How many of them could be read.
    pub read: usize,
    pub span: Option<(Time, Time)>,
    pub findings: Vec<Finding>,
    pub remarks: Vec<Remark>,
    pub ties: Ties,
    pub told: Vec<Told>,
}

/// Judges stretches of ledgers.
pub(super) struct Auditor<'a> {
    repository: &'a Repository,
    shared: Shared<'a>,
    judge: Judge<'a>,
}

impl<'a> Auditor<'a> {
    pub fn new(repository: &'a Repository, shared: Shared<'a>) -> Self {
        let gatherer = FactGatherer::new(repository, shared.project).with_branches_as_entered();
        let gatherer = gatherer.with_order(shared.order);
        Self {
            repository,
            shared,
            judge: Judge::new(repository, gatherer, None),
        }
    }

    /// Judges the entries of a chain at these places. What keeps it from judging at all is a finding.
    pub fn audit(&self, number: usize, chain: &Chain, places: Range<usize>) -> Piece {
        let mut piece = Piece::default();
        if let Err(error) = self.walk(number, chain, places, &mut piece) {
            piece
                .findings
                .push(Finding::error(Kind::Chain, Some(&chain.ledger), &error));
        }
        piece
    }

    /// A stretch begins behind the first boundary that can be read, and goes on past its end to the next that can: what stands between
    /// two such boundaries is judged by the stretch of the first.
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
            // One that should not be there is taken as it is, so that what follows is judged all the same.
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

    /// The end of the chain before a place; none where the entry that stands there cannot be read.
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

    /// Remembers how an entry lies to the other ledgers.
    fn tie(&self, place: usize, statement: &Statement, ties: &mut Ties) {
        for (ledger, seen) in &statement.seen {
            // What a ledger does not hold has a finding of its own.
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
