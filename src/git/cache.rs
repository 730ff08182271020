//! A bounded cache shared by all threads that use an opened repository.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::sync::{Mutex, PoisonError};

/// The number of shards. Threads that access different keys seldom wait for each other.
const SHARD_COUNT: usize = 16;

/// A map with a limit on the total weight of its values. When the limit is exceeded, it drops
/// values that were not used recently.
pub struct Cache<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    hasher: RandomState,
    shard_limit: usize,
}

/// One shard, in two generations: values used since the last overflow, and values used before it.
/// Each value has its weight.
struct Shard<K, V> {
    recent: HashMap<K, (V, usize)>,
    older: HashMap<K, (V, usize)>,
    weight: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// Creates a cache for values of about `limit` bytes in total.
    pub fn new(limit: usize) -> Self {
        let new_shard = || {
            Mutex::new(Shard {
                recent: HashMap::new(),
                older: HashMap::new(),
                weight: 0,
            })
        };
        // Each shard holds two generations.
        Self {
            shards: std::iter::repeat_with(new_shard)
                .take(SHARD_COUNT)
                .collect(),
            hasher: RandomState::new(),
            shard_limit: limit / SHARD_COUNT / 2,
        }
    }

    /// Returns the cached value of a key, if any, and keeps it from being dropped next.
    pub fn get(&self, key: &K) -> Option<V>
    where
        K: Clone,
    {
        let mut shard = self.lock_shard(key)?;
        if let Some((value, _)) = shard.recent.get(key) {
            return Some(value.clone());
        }
        let (value, weight) = shard.older.remove(key)?;
        shard.insert(key.clone(), value.clone(), weight, self.shard_limit);
        Some(value)
    }

    /// Adds a value of about `weight` bytes.
    pub fn insert(&self, key: K, value: V, weight: usize) {
        if let Some(mut shard) = self.lock_shard(&key) {
            shard.insert(key, value, weight, self.shard_limit);
        }
    }

    /// Locks the shard that holds a key.
    fn lock_shard(&self, key: &K) -> Option<std::sync::MutexGuard<'_, Shard<K, V>>> {
        // 32 bits of the hash are far more than there are shards.
        let index =
            usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default() % SHARD_COUNT;
        // A panic cannot leave a map half changed: the lock is held only for single map operations.
        self.shards
            .get(index)
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Hash + Eq, V> Shard<K, V> {
    /// Adds a value. If it would exceed the limit, first drops the older generation, which the
    /// recent one replaces.
    fn insert(&mut self, key: K, value: V, weight: usize, limit: usize) {
        if self.weight + weight > limit {
            self.older = std::mem::take(&mut self.recent);
            self.weight = 0;
        }
        self.weight += weight;
        self.recent.insert(key, (value, weight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cache stays at about its limit however much is added, and keeps a value that is read
    /// often.
    #[test]
    fn bounded() {
        let cache: Cache<u32, u32> = Cache::new(64 * SHARD_COUNT);
        cache.insert(7, 70, 1);
        for key in 1_000..100_000 {
            cache.insert(key, key, 1);
            assert_eq!(cache.get(&7), Some(70), "{key}");
        }
        let cached_count = (0..100_000).filter(|key| cache.get(key).is_some()).count();
        assert!(
            (32..=64 * SHARD_COUNT).contains(&cached_count),
            "{cached_count}"
        );
    }
}
