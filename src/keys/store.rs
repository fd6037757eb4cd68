//! Key sets by URL, shared by all workers: read once, read again in time, and kept when that fails.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::jwks::KeySet;
use super::public::Published;
use super::ring::KeyRing;
use super::source::{Document, Place, Stamp, UrlError};
use crate::upstream::Fetch;

/// How often an unknown `kid` may cause a URL to be read again.
pub const UNKNOWN_KID_PAUSE: Duration = Duration::from_secs(30);
/// How long a set whose URL cannot be read is still good, beyond its time to live.
pub const STALE_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// A URL that fails this often in a row is left alone for a while, longer each time.
const FREE_FAILURES: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Milliseconds since the store was made; injected in tests.
type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

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
    /// so that the first request need not wait; what is on the network is read when it is first needed.
    ///
    /// The error carries the index of the URL.
    pub fn ring<U: AsRef<str>>(&self, urls: &[U], times: Times) -> Result<KeyRing, (usize, UrlError)> {
        let mut sources = Vec::with_capacity(urls.len());
        for (index, url) in urls.iter().enumerate() {
            sources.push(self.source(url.as_ref()).map_err(|error| (index, error))?);
        }
        for source in sources.iter().filter(|source| source.set.load().is_none()) {
            if let Some(document) = source.place.read_now(None) {
                source.finish(document);
            }
        }
        Ok(KeyRing::new(sources, times))
    }

    /// Reads sets on the network that were never read, and waits for them. Nothing calls this by itself:
    /// like Oathkeeper, the server asks for a set when a request first needs it.
    pub async fn warm(&self, fetch: &Rc<dyn Fetch>) {
        let waiting: Vec<_> = self
            .live()
            .into_iter()
            .filter(|source| source.set.load().is_none())
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

/// Why a URL is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// There is no set, or it is too old.
    Needed,
    /// There is a set that lacks a key somebody asks for.
    UnknownKid,
}

/// Somebody is reading.
pub(super) struct Flight {
    ended: watch::Receiver<()>,
    /// For how long already.
    pub(super) age: Duration,
}

impl Flight {
    /// Waits until reading has ended, well or not.
    pub(super) async fn landed(&mut self) {
        // An error says that the source is gone, and with it whoever could want it.
        let _ = self.ended.changed().await;
    }
}

/// One URL with its set.
pub(super) struct KeySource {
    place: Place,
    shown: String,
    set: ArcSwapOption<KeySet>,
    /// When the set was last known to be what the URL holds; [`NEVER`] before that.
    read_at: AtomicU64,
    /// The version of the set; 0 before there is one.
    version: AtomicU64,
    state: Mutex<State>,
    /// Changes whenever reading ends.
    ended: watch::Sender<()>,
    clock: Clock,
}

const NEVER: u64 = u64::MAX;

#[derive(Default)]
struct State {
    /// Since when somebody is reading.
    in_flight: Option<u64>,
    failures: u32,
    /// Not to be read before this time.
    not_before: u64,
    asked_for_unknown_kid: Option<u64>,
    stamp: Option<Stamp>,
    failure: Option<String>,
}

impl KeySource {
    fn new(place: Place, clock: Clock) -> Self {
        Self {
            shown: place.shown(),
            place,
            set: ArcSwapOption::empty(),
            read_at: AtomicU64::new(NEVER),
            version: AtomicU64::new(0),
            state: Mutex::default(),
            ended: watch::Sender::new(()),
            clock,
        }
    }

    /// The set, however old.
    pub(super) fn set(&self) -> Option<Arc<KeySet>> {
        self.set.load_full()
    }

    /// The version of the set; 0 for none.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// How long ago the set was read; `None` if it never was.
    pub(super) fn age(&self) -> Option<Duration> {
        match self.read_at.load(Ordering::Acquire) {
            NEVER => None,
            at => Some(Duration::from_millis((self.clock)().saturating_sub(at))),
        }
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Starts to read in the background, or joins who is reading already. `None` when it is too early to
    /// read (again).
    pub(super) fn begin(self: &Arc<Self>, cause: Cause, fetch: &Rc<dyn Fetch>) -> Option<Flight> {
        let mut state = lock(&self.state);
        let now = (self.clock)();
        let ended = self.ended.subscribe();
        if let Some(since) = state.in_flight {
            return Some(Flight { ended, age: Duration::from_millis(now.saturating_sub(since)) });
        }
        if now < state.not_before {
            return None;
        }
        if cause == Cause::UnknownKid {
            let pause = millis(UNKNOWN_KID_PAUSE);
            if state.asked_for_unknown_kid.is_some_and(|at| now.saturating_sub(at) < pause) {
                return None;
            }
            state.asked_for_unknown_kid = Some(now);
        }
        state.in_flight = Some(now);
        let known = state.stamp;
        drop(state);
        let (flying, fetch) = (Flying(Arc::clone(self)), Rc::clone(fetch));
        tokio::task::spawn_local(async move {
            let document = flying.0.place.read(known, &fetch).await;
            flying.0.finish(document);
        });
        Some(Flight { ended, age: Duration::ZERO })
    }

    /// Takes in what was read.
    fn finish(&self, document: Result<Document, String>) {
        let failure = match document {
            Ok(document) => self.take_in(document),
            Err(failure) => Err(failure),
        }
        .err();
        let mut state = lock(&self.state);
        if let Some(failure) = &failure {
            tracing::warn!(url = %self.shown, reason = %failure, "key set could not be read");
            state.failures = state.failures.saturating_add(1);
            let doublings = state.failures.checked_sub(FREE_FAILURES).map(|n| n.min(16));
            let pause = doublings.map_or(Duration::ZERO, |n| Duration::from_millis(500 << n));
            state.not_before = (self.clock)().saturating_add(millis(pause.min(LONGEST_PAUSE)));
        } else {
            state.failures = 0;
            state.not_before = 0;
        }
        state.failure = failure;
        state.in_flight = None;
        drop(state);
        self.ended.send_replace(());
    }

    fn take_in(&self, document: Document) -> Result<(), String> {
        if let Document::New(bytes, stamp) = document {
            let unchanged = self.set.load().as_ref().is_some_and(|set| set.is_from(&bytes));
            if !unchanged {
                let set = KeySet::parse(&bytes).map_err(|error| error.to_string())?;
                for key in set.left_out() {
                    tracing::warn!(url = %self.shown, index = key.index, kid = key.kid, reason = %key.reason, "key left out");
                }
                self.version.store(set.version(), Ordering::Release);
                self.set.store(Some(Arc::new(set)));
            }
            lock(&self.state).stamp = stamp;
        }
        self.read_at.store((self.clock)(), Ordering::Release);
        Ok(())
    }

    fn status(&self) -> SourceStatus {
        SourceStatus {
            shown: self.shown.clone(),
            keys: self.set().map(|set| set.keys().len()),
            age: self.age(),
            failure: lock(&self.state).failure.clone(),
        }
    }
}

/// Frees the source when its reader goes away before it is done: a worker that stops, a panic.
struct Flying(Arc<KeySource>);

impl Drop for Flying {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        if state.in_flight.take().is_some() {
            drop(state);
            self.0.ended.send_replace(());
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What these locks guard is whole after every statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
