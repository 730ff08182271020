//! What was read and may be asked for again, remembered within bounds and shared by all threads of an opened repository.
//!
//! Everything is remembered by the id of an object that it was read from, so it cannot grow stale; what could not be read is not
//! remembered.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::sync::{Arc, Mutex, PoisonError};

use super::gather::Step;
use super::ledger::Link;
use crate::domain::entry::Kept;
use crate::domain::id::{CommitId, Content, Digest, EntryId, Oid, PublicKey};
use crate::domain::policy::Policy;
use crate::domain::time::Time;

/// Threads that ask for different things seldom wait for each other.
const PARTS: usize = 16;

/// A map that forgets what was not asked for lately once its values weigh too much.
pub struct Memory<K, V> {
    parts: Vec<Mutex<Part<K, V>>>,
    hasher: RandomState,
    limit: usize,
}

/// What was used since the last time that there was too much, and what was used before that.
struct Part<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    weight: usize,
}

impl<K: Hash + Eq, V: Clone> Memory<K, V> {
    /// A memory for values of about this many bytes altogether.
    pub fn new(limit: usize) -> Self {
        let part = || {
            Mutex::new(Part {
                young: HashMap::new(),
                old: HashMap::new(),
                weight: 0,
            })
        };
        // Each part holds two generations.
        Self {
            parts: std::iter::repeat_with(part).take(PARTS).collect(),
            hasher: RandomState::new(),
            limit: limit / PARTS / 2,
        }
    }

    /// What is remembered.
    pub fn get(&self, key: &K) -> Option<V>
    where
        K: Clone,
    {
        let mut part = self.part(key)?;
        if let Some((value, _)) = part.young.get(key) {
            return Some(value.clone());
        }
        let (value, weight) = part.old.remove(key)?;
        part.insert(key.clone(), value.clone(), weight, self.limit);
        Some(value)
    }

    /// Remembers a value of about so many bytes.
    pub fn insert(&self, key: K, value: V, weight: usize) {
        if let Some(mut part) = self.part(&key) {
            part.insert(key, value, weight, self.limit);
        }
    }

    fn part(&self, key: &K) -> Option<std::sync::MutexGuard<'_, Part<K, V>>> {
        // Half of a 64-bit hash is far more than there are parts.
        let number = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default() % PARTS;
        // A thread that panicked left a whole map: it holds no lock while anything else is done.
        self.parts
            .get(number)
            .map(|part| part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Hash + Eq, V> Part<K, V> {
    fn insert(&mut self, key: K, value: V, weight: usize, limit: usize) {
        if self.weight + weight > limit {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += weight;
        self.young.insert(key, (value, weight));
    }
}

/// What the threads of an opened repository remember together.
pub(super) struct Memories {
    /// Folders of ledgers' trees: read, or computed by folding.
    pub trees: Memory<Oid, Arc<[u8]>>,
    /// Commits of ledgers with their entries.
    pub links: Memory<EntryId, Link>,
    /// Copies of entries, by blob.
    pub kept: Memory<Oid, Arc<Kept>>,
    /// What walks over a ledger need of a commit.
    pub steps: Memory<EntryId, Arc<Step>>,
    /// The keys that signed entries.
    pub signers: Memory<EntryId, PublicKey>,
    /// Policies, by blob.
    pub policies: Memory<Oid, Arc<Policy>>,
    /// The tree and the committer's time of commits of the code.
    pub commits: Memory<CommitId, (Oid, Time)>,
    /// The people who had a hand in a commit of the code: their addresses, in ASCII lower case.
    pub people: Memory<Oid, Arc<[Arc<str>]>>,
    /// The content of components, by tree and by what the component is, so that two policies which say the same share an answer.
    pub contents: Memory<(Oid, Digest), Option<Content>>,
    /// Policies in force, by the tip of the policy's ledger.
    pub in_force: Memory<EntryId, Option<Arc<Policy>>>,
}

impl Default for Memories {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self {
            trees: Memory::new(8 * MIB),
            links: Memory::new(24 * MIB),
            kept: Memory::new(12 * MIB),
            steps: Memory::new(12 * MIB),
            signers: Memory::new(4 * MIB),
            policies: Memory::new(8 * MIB),
            in_force: Memory::new(MIB),
            commits: Memory::new(4 * MIB),
            people: Memory::new(8 * MIB),
            contents: Memory::new(8 * MIB),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However much goes in, about the limit stays, and what is asked for all the time is kept.
    #[test]
    fn bounded() {
        let memory: Memory<u32, u32> = Memory::new(64 * PARTS);
        memory.insert(7, 70, 1);
        for key in 1_000..100_000 {
            memory.insert(key, key, 1);
            assert_eq!(memory.get(&7), Some(70), "{key}");
        }
        let kept = (0..100_000).filter(|key| memory.get(key).is_some()).count();
        assert!((32..=64 * PARTS).contains(&kept), "{kept}");
    }
}
