//! A key ring: the key sets of one handler, in the order it names them.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::{join_all, select_all};

use super::jwks::KeySet;
use super::source::{Cause, Flight, KeySource};
use super::store::Times;
use crate::upstream::Fetch;

/// How long a set whose URL cannot be read is still good, beyond its time to live.
pub(super) const STALE_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// The key sets of one handler.
pub struct KeyRing {
    sources: Vec<Arc<KeySource>>,
    times: Times,
}

/// What was found in a set.
#[derive(Debug, Clone)]
pub struct Picked<T> {
    /// It.
    pub value: T,
    /// The place of the set in the ring.
    pub source: usize,
    /// The set's version: what was found there holds as long as [`KeyRing::currency`] knows the version.
    pub version: u64,
}

/// Whether something found in a set still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Currency {
    /// The set is the same and fresh.
    Current,
    /// Likewise, but it is time to read it again in the background.
    RefreshDue,
    /// The set is too old to say, has changed, or is gone.
    Unknown,
}

/// What an id is known by: it may be long. Nobody outside can make two of the same digest.
fn digest(kid: &str) -> u64 {
    static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    SECRET.hash_one(kid).max(1)
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sources.iter().map(|source| source.shown())).finish()
    }
}

impl KeyRing {
    pub(super) fn new(sources: Vec<Arc<KeySource>>, times: Times) -> Self {
        Self { sources, times }
    }

    /// The sets of several rings in one.
    pub(super) fn join(rings: impl Iterator<Item = Self>, times: Times) -> Self {
        Self { sources: rings.flat_map(|ring| ring.sources).collect(), times }
    }

    /// Whether what was found in a set still holds. Costs two loads and a look at the clock.
    pub fn currency(&self, source: usize, version: u64) -> Currency {
        let Some(source) = self.sources.get(source).filter(|source| source.version() == version) else {
            return Currency::Unknown;
        };
        match source.age() {
            Some(age) if age >= self.times.ttl => Currency::Unknown,
            Some(age) if age >= self.refresh_age() => Currency::RefreshDue,
            Some(_) => Currency::Current,
            None => Currency::Unknown,
        }
    }

    /// Looks into the fresh sets, in order, and takes the first thing that is found. Never waits; reads a
    /// set again in the background when that is due.
    pub fn pick<T>(&self, fetch: &Rc<dyn Fetch>, look: impl Fn(&KeySet) -> Option<T>) -> Option<Picked<T>> {
        let picked = self.look(Duration::ZERO, look)?;
        if self.currency(picked.source, picked.version) == Currency::RefreshDue {
            self.refresh(picked.source, fetch);
        }
        Some(picked)
    }

    /// Reads a set again in the background.
    pub fn refresh(&self, source: usize, fetch: &Rc<dyn Fetch>) {
        if let Some(source) = self.sources.get(source) {
            source.refresh(fetch);
        }
    }

    /// Reads what is missing or too old, and the other sets too in case they have changed, then looks
    /// again. `kid` is the id of what is looked for: not every stranger's is worth reading sets for. Waits
    /// `max_wait` at most; sets whose URL cannot be read are good for longer then.
    pub async fn fetch<T>(
        &self,
        fetch: &Rc<dyn Fetch>,
        kid: &str,
        look: impl Fn(&KeySet) -> Option<T>,
    ) -> Option<Picked<T>> {
        let unknown = Cause::UnknownKid(digest(kid));
        let mut flights: Vec<_> = self
            .sources
            .iter()
            .filter_map(|source| {
                let fresh = source.age().is_some_and(|age| age < self.times.ttl);
                source.begin(if fresh { unknown } else { Cause::Needed }, fetch)
            })
            .collect();
        // Who has an old set to fall back on does not wait again for a server that hangs.
        let has_fallback = self.look(STALE_LIMIT, &look).is_some();
        let waited = if has_fallback { flights.iter().map(|f| f.age).min() } else { None };
        let wait = self.times.max_wait.saturating_sub(waited.unwrap_or_default());
        let arrival = async {
            while !flights.is_empty() {
                let ((), index, _) = select_all(flights.iter_mut().map(|f| Box::pin(f.landed()))).await;
                flights.swap_remove(index);
                if let Some(picked) = self.look(Duration::ZERO, &look) {
                    return Some(picked);
                }
            }
            None
        };
        match tokio::time::timeout(wait, arrival).await {
            Ok(Some(picked)) => return Some(picked),
            Ok(None) => {}
            Err(_) => tracing::warn!(
                "Ignoring JSON Web Keys from at least one URI because the request timed out waiting for a response."
            ),
        }
        self.look(STALE_LIMIT, &look)
    }

    /// Every set that can be read; waits `max_wait` at most.
    pub async fn sets(&self, fetch: &Rc<dyn Fetch>) -> Vec<Arc<KeySet>> {
        let old = self.sources.iter().filter(|source| source.age().is_none_or(|age| age >= self.times.ttl));
        let mut flights: Vec<_> = old.filter_map(|source| source.begin(Cause::Needed, fetch)).collect();
        let landed = join_all(flights.iter_mut().map(Flight::landed));
        // Whoever is late is shown next time.
        let _ = tokio::time::timeout(self.times.max_wait, landed).await;
        let limit = self.times.ttl.saturating_add(STALE_LIMIT);
        let read = self.sources.iter().filter(|source| source.age().is_some_and(|age| age < limit));
        read.filter_map(|source| source.set()).collect()
    }

    /// Whether what was not found may all the same be in one of the sets, since not every one could be read.
    pub fn is_in_doubt(&self) -> bool {
        self.sources.iter().any(|source| source.is_in_doubt(self.times.ttl))
    }

    /// Whether any set was ever read.
    pub fn has_any_set(&self) -> bool {
        self.sources.iter().any(|source| source.version() != 0)
    }

    fn look<T>(&self, grace: Duration, look: impl Fn(&KeySet) -> Option<T>) -> Option<Picked<T>> {
        let limit = self.times.ttl.saturating_add(grace);
        self.sources.iter().enumerate().find_map(|(index, source)| {
            source.age().filter(|age| *age < limit)?;
            let set = source.set()?;
            look(&set).map(|value| Picked { value, source: index, version: set.version() })
        })
    }

    /// The age from which on a set is read again before it is too old.
    fn refresh_age(&self) -> Duration {
        self.times.ttl / 4 * 3
    }
}
