//! Validates the chunks of all ledgers on all processors.
//!
//! Chunks run in the order of their times, not by ledger, so that an entry is still cached when
//! entries that depend on it are validated.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::iter::{ParallelBridge as _, ParallelIterator as _};

use super::chunk::{ChunkAuditor, ChunkContext};
use super::index::IndexedChain;
use super::ledger_audit::ChunkResult;
use crate::domain::time::Time;
use crate::git::repo::{Repository, RepositoryHandle};

/// The number of chunks after which the packs are reopened.
const CHUNKS_PER_PACKS: usize = 16;

/// A chunk to validate.
pub(super) struct ChunkJob {
    /// The index of its ledger in the results.
    pub ledger_index: usize,
    /// The index of that ledger's chain in
    /// [`ChainIndex::chains`](super::index::ChainIndex::chains).
    pub chain_number: usize,
    pub positions: Range<usize>,
}

/// Validates chunks on all processors. The results are sorted by ledger and position, whichever is
/// ready first.
pub(super) fn validate_chunks(
    repository: &Repository,
    mut jobs: Vec<ChunkJob>,
    context: ChunkContext<'_>,
) -> BTreeMap<(usize, usize), ChunkResult> {
    let (packs, chains) = (PackPool::new(repository.share()), &context.index.chains);
    jobs.sort_by_cached_key(|job| {
        read_start_time(
            repository,
            chains.get(job.chain_number),
            job.positions.start,
        )
    });
    let results = jobs.into_iter().par_bridge().filter_map(|job| {
        let (fork, start) = (packs.fork(), job.positions.start);
        let result = ChunkAuditor::new(&fork, context).audit(
            job.chain_number,
            chains.get(job.chain_number)?,
            job.positions,
        );
        Some(((job.ledger_index, start), result))
    });
    results.collect()
}

/// The packs that chunks are read from. They are reopened from time to time: the read parts of a
/// pack count as memory until it is closed, and an audit reads everything.
struct PackPool {
    shared: RepositoryHandle,
    /// The open packs, and how many chunks used them.
    open: Mutex<(RepositoryHandle, usize)>,
}

impl PackPool {
    /// Opens the packs.
    fn new(shared: RepositoryHandle) -> Self {
        Self {
            open: Mutex::new((shared.with_own_packs(), 0)),
            shared,
        }
    }

    /// Returns a repository for one chunk.
    fn fork(&self) -> Repository {
        // A panic cannot leave the handle half changed.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.1 == CHUNKS_PER_PACKS {
            *open = (self.shared.with_own_packs(), 0);
        }
        open.1 += 1;
        open.0.fork()
    }
}

/// Splits the entries of a chain, from a position on, into chunks.
pub(super) fn split_into_chunks(
    chain: &IndexedChain,
    first: usize,
    length: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let (end, length) = (chain.ids.len(), length.max(1));
    (first..end)
        .step_by(length)
        .map(move |start| start..end.min(start.saturating_add(length)))
}

/// Returns the committer time at the start of a chunk.
fn read_start_time(
    repository: &Repository,
    chain: Option<&IndexedChain>,
    position: usize,
) -> Option<Time> {
    Some(
        repository
            .read_commit(chain?.id_at(position).0)
            .ok()?
            .committer_time,
    )
}
