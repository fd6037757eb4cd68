//! Key sets by URL, shared by all workers: read once, read again in time, and kept when that fails.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::place::{Place, UrlError};
use super::public::Published;
use super::ring::KeyRing;
use super::source::{Cause, Clock, KeySource, lock};
use crate::upstream::Fetch;

/// How fresh a handler wants its key sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// `jwks_ttl`: how long a set is good after it was read.
    pub ttl: Duration,
    /// `jwks_max_wait`: how long a request waits for a set that is not.
    pub max_wait: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(30), max_wait: Duration::from_secs(1) }
    }
}

/// Key sets by URL, shared by all workers. It outlives reloads: a set stays as long as a handler uses it.
pub struct JwksStore {
    sources: Mutex<HashMap<String, Weak<KeySource>>>,
    published: Mutex<Option<Arc<Published>>>,
    clock: Clock,
}

/// What is known about one URL, for metrics and people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// The URL without credentials and query, or the path.
    pub shown: String,
    /// How many keys there are, if the set was ever read.
    pub keys: Option<usize>,
    /// How long ago it was last read.
    pub age: Option<Duration>,
    /// Why reading failed last, if it did.
    pub failure: Option<String>,
}

impl Default for JwksStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for JwksStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.status()).finish()
    }
}

impl JwksStore {
    /// An empty store.
    pub fn new() -> Self {
        let start = Instant::now();
        Self::with_clock(move || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// An empty store with a clock that counts milliseconds.
    pub fn with_clock(clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { sources: Mutex::default(), published: Mutex::default(), clock: Arc::new(clock) }
    }

    /// What a handler sees of the sets at `urls`, in this order. Files and inline documents are read now,
    /// so that the first request need not wait and a reload sees new files; what is on the network is read
    /// when it is first needed.
    ///
    /// The error carries the index of the URL.
    pub fn ring<U: AsRef<str>>(&self, urls: &[U], times: Times) -> Result<KeyRing, (usize, UrlError)> {
        let mut sources = Vec::with_capacity(urls.len());
        for (index, url) in urls.iter().enumerate() {
            sources.push(self.source(url.as_ref()).map_err(|error| (index, error))?);
        }
        for source in &sources {
            source.read_if_local();
        }
        Ok(KeyRing::new(sources, times))
    }

    /// Reads sets on the network that were never read, and waits for them. Nothing calls this by itself:
    /// like Oathkeeper, the server asks for a set when a request first needs it.
    pub async fn warm(&self, fetch: &Rc<dyn Fetch>) {
        let waiting: Vec<_> = self
            .live()
            .into_iter()
            .filter(|source| source.version() == 0)
            .filter_map(|source| source.begin(Cause::Needed, fetch))
            .collect();
        for mut flight in waiting {
            flight.landed().await;
        }
    }

    /// What is known about each URL in use, in alphabetical order.
    pub fn status(&self) -> Vec<SourceStatus> {
        let mut all: Vec<_> = self.live().iter().map(|source| source.status()).collect();
        all.sort_by(|a, b| a.shown.cmp(&b.shown));
        all
    }

    /// Replaces what was shown last by what `next` makes of it.
    pub(super) fn published(
        &self,
        next: impl FnOnce(Option<&Arc<Published>>) -> Arc<Published>,
    ) -> Arc<Published> {
        let mut last = lock(&self.published);
        let next = next(last.as_ref());
        Arc::clone(last.insert(next))
    }

    fn live(&self) -> Vec<Arc<KeySource>> {
        lock(&self.sources).values().filter_map(Weak::upgrade).collect()
    }

    fn source(&self, url: &str) -> Result<Arc<KeySource>, UrlError> {
        let mut sources = lock(&self.sources);
        if let Some(source) = sources.get(url).and_then(Weak::upgrade) {
            return Ok(source);
        }
        sources.retain(|_, source| source.strong_count() > 0);
        let source = Arc::new(KeySource::new(Place::parse(url)?, Arc::clone(&self.clock)));
        sources.insert(url.to_owned(), Arc::downgrade(&source));
        Ok(source)
    }
}

#[cfg(test)]
mod tests;
