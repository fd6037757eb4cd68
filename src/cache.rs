//! The one bounded cache: everything that is remembered between requests shares one byte budget.
//!
//! A [`Space`] names a handler and its configuration, so that handlers never read each other's entries;
//! within it, entries are found by a digest of what was sent, so that no credential is kept as a key.

use std::any::Any;
use std::fmt;
use std::hash::RandomState;
use std::sync::{Arc, LazyLock};

use openssl::sha::Sha256;
use quick_cache::sync::{Cache as Entries, DefaultLifecycle};
use quick_cache::{Lifecycle, Weighter};
use serde_json::{Map, Value};

use crate::metrics::Counter;

/// The byte budget where the configuration names none.
pub const DEFAULT_BUDGET: usize = 32 << 20;

/// What an entry costs beside its value: key, pointers, the table's own bookkeeping.
const OVERHEAD: usize = 160;

/// A handler together with the configuration that decides what its entries mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Space(u64);

impl Space {
    /// The space of a handler with this configuration, parts kept apart.
    pub fn new(handler: &str, configuration: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        part(&mut hash, handler.as_bytes());
        for text in configuration {
            part(&mut hash, text);
        }
        let digest = hash.finish();
        Self(digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
    }
}

/// Where an entry is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    space: Space,
    digest: [u8; 32],
}

impl Key {
    /// The entry for what was sent, parts kept apart. Only a keyed SHA-256 digest of them is kept.
    pub fn new(space: Space, parts: &[&[u8]]) -> Self {
        static SECRET: LazyLock<[u8; 32]> = LazyLock::new(secret);
        let mut hash = Sha256::new();
        hash.update(&*SECRET);
        for text in parts {
            part(&mut hash, text);
        }
        Self { space, digest: hash.finish() }
    }
}

fn part(hash: &mut Sha256, text: &[u8]) {
    hash.update(&text.len().to_le_bytes());
    hash.update(text);
}

/// Keeps digests of guessable texts from being looked up in a table.
fn secret() -> [u8; 32] {
    let mut bytes = [0; 32];
    // Without randomness the digests are plain SHA-256, which is still collision free.
    let _ = openssl::rand::rand_bytes(&mut bytes);
    bytes
}

#[derive(Clone)]
struct Entry {
    value: Arc<dyn Any + Send + Sync>,
    bytes: usize,
    expires: u64,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Entry> for Bytes {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        entry.bytes as u64
    }
}

type NoWatch = DefaultLifecycle<Key, Entry>;

/// Counts what has to make room for others.
#[derive(Clone, Default)]
struct Watch {
    inner: NoWatch,
    evicted: Arc<Counter>,
}

impl Lifecycle<Key, Entry> for Watch {
    type RequestState = <NoWatch as Lifecycle<Key, Entry>>::RequestState;

    fn on_evict(&self, state: &mut Self::RequestState, key: Key, entry: Entry) {
        self.evicted.add();
        self.inner.on_evict(state, key, entry);
    }
}

/// The cache, shared by all workers.
pub struct Cache {
    entries: Entries<Key, Entry, Bytes, RandomState, Watch>,
    hits: Counter,
    misses: Counter,
    evicted: Arc<Counter>,
}

impl Cache {
    /// A cache that holds at most `budget` bytes.
    pub fn new(budget: usize) -> Self {
        // Sizes only the cache's own tables: a thousand bytes is a common entry.
        let items = (budget / 1000).clamp(16, 4096);
        let watch = Watch::default();
        let evicted = Arc::clone(&watch.evicted);
        let entries = Entries::with(items, budget as u64, Bytes, RandomState::new(), watch);
        Self { entries, hits: Counter::default(), misses: Counter::default(), evicted }
    }

    /// What is remembered under `key`, unless it has expired at `now` (seconds since 1970).
    pub fn get<T: Any + Send + Sync>(&self, key: &Key, now: u64) -> Option<Arc<T>> {
        let found = self.find(key, now);
        if found.is_some() { &self.hits } else { &self.misses }.add();
        found
    }

    fn find<T: Any + Send + Sync>(&self, key: &Key, now: u64) -> Option<Arc<T>> {
        let entry = self.entries.get(key)?;
        if entry.expires <= now {
            self.entries.remove(key);
            return None;
        }
        entry.value.downcast().ok()
    }

    /// Remembers `value`, which takes `bytes` of memory, until `expires` (seconds since 1970) at the
    /// latest. What is larger than the budget allows is not remembered.
    pub fn put<T: Any + Send + Sync>(&self, key: Key, value: Arc<T>, bytes: usize, expires: u64) {
        self.entries.insert(key, Entry { value, bytes: bytes.saturating_add(OVERHEAD), expires });
    }

    /// Forgets what is remembered under `key`.
    pub fn remove(&self, key: &Key) {
        self.entries.remove(key);
    }

    /// Bytes in use.
    pub fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    /// Bytes that may be in use.
    pub fn budget(&self) -> u64 {
        self.entries.capacity()
    }

    /// How many entries there are, expired ones that nobody asked for since included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How often something was remembered that was asked for.
    pub fn hits(&self) -> u64 {
        self.hits.get()
    }

    /// How often nothing was.
    pub fn misses(&self) -> u64 {
        self.misses.get()
    }

    /// How many entries made room for others, or were too large to be kept at all.
    pub fn evictions(&self) -> u64 {
        self.evicted.get()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(DEFAULT_BUDGET)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("bytes", &self.bytes()).field("budget", &self.budget()).finish()
    }
}

/// About how many bytes a JSON object takes in memory.
pub fn weigh(object: &Map<String, Value>) -> usize {
    // A member is a key, a value, a hash and a place in the index.
    200 + object.iter().map(|(key, value)| 120 + key.len() + weigh_value(value)).sum::<usize>()
}

fn weigh_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(|item| 40 + weigh_value(item)).sum(),
        Value::Object(map) => weigh(map),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(Space::new("test", &[]), &[text.as_bytes()])
    }

    #[test]
    fn an_entry_is_gone_when_it_expires() {
        let cache = Cache::new(10_000);
        cache.put(key("a"), Arc::new(7_u32), 4, 100);
        assert_eq!(cache.get::<u32>(&key("a"), 99).as_deref(), Some(&7));
        assert_eq!(cache.get::<u32>(&key("a"), 100), None);
        assert_eq!(cache.get::<u32>(&key("a"), 99), None, "it came back");
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn an_entry_of_another_type_is_no_entry() {
        let cache = Cache::new(10_000);
        cache.put(key("a"), Arc::new(7_u32), 4, 100);
        assert_eq!(cache.get::<u64>(&key("a"), 0), None);
        cache.get::<u32>(&key("a"), 0);
        assert_eq!((cache.hits(), cache.misses()), (1, 1));
    }

    #[test]
    fn keys_tell_their_parts_and_spaces_apart() {
        let (one, two) = (Space::new("jwt", &[b"ab", b"c"]), Space::new("jwt", &[b"a", b"bc"]));
        assert_ne!(one, two);
        assert_eq!(one, Space::new("jwt", &[b"ab", b"c"]));
        assert_ne!(Key::new(one, &[b"x"]), Key::new(two, &[b"x"]));
        assert_ne!(Key::new(one, &[b"ab", b"c"]), Key::new(one, &[b"a", b"bc"]));
        assert_ne!(Key::new(one, &[b"", b"a"]), Key::new(one, &[b"a", b""]));
        assert_eq!(Key::new(one, &[b"ab", b"c"]), Key::new(one, &[b"ab", b"c"]));
    }

    #[test]
    fn many_entries_stay_within_the_budget() {
        let cache = Cache::new(200_000);
        for n in 0..10_000_u32 {
            cache.put(key(&n.to_string()), Arc::new([0_u8; 500]), 500, u64::MAX);
        }
        assert!(cache.bytes() <= cache.budget(), "{cache:?}");
        assert!(cache.budget() < 210_000 && cache.len() > 100, "{cache:?}");
        assert_eq!(cache.evictions(), 10_000 - cache.len() as u64);
    }

    #[test]
    fn what_is_larger_than_the_budget_is_not_kept() {
        let cache = Cache::new(10_000);
        cache.put(key("huge"), Arc::new(()), usize::MAX, u64::MAX);
        assert!(cache.get::<()>(&key("huge"), 0).is_none() && cache.bytes() == 0, "{cache:?}");
        let nothing = Cache::new(0);
        nothing.put(key("a"), Arc::new(()), 0, u64::MAX);
        assert!(nothing.get::<()>(&key("a"), 0).is_none() && nothing.bytes() == 0, "{nothing:?}");
    }
}
