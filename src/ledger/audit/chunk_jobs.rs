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

/// Validates chunks on all processors. The results are sorted by ledger and position, no matter in
/// which order they are ready.
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

/// The packs that chunks are read from. They are reopened from time to time: an audit reads whole
/// packs, and the parts that were read take up memory until the pack is closed.
struct PackPool {
    shared: RepositoryHandle,
    open: Mutex<OpenPacks>,
}

/// The packs that are open now.
struct OpenPacks {
    handle: RepositoryHandle,
    /// The number of chunks that used them.
    chunk_count: usize,
}

impl OpenPacks {
    fn new(shared: &RepositoryHandle) -> Self {
        Self {
            handle: shared.with_own_packs(),
            chunk_count: 0,
        }
    }
}

impl PackPool {
    /// Opens the packs.
    fn new(shared: RepositoryHandle) -> Self {
        Self {
            open: Mutex::new(OpenPacks::new(&shared)),
            shared,
        }
    }

    /// Returns a repository for one chunk.
    fn fork(&self) -> Repository {
        // A panic cannot leave the handle half changed.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.chunk_count == CHUNKS_PER_PACKS {
            *open = OpenPacks::new(&self.shared);
        }
        open.chunk_count += 1;
        open.handle.fork()
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
