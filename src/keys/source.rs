//! One URL with its key set: read by one reader at a time, kept when reading fails.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::jwks::KeySet;
use super::place::{Document, Place, Stamp};
use super::store::SourceStatus;
use crate::upstream::Fetch;

/// How often unknown key ids may cause a URL to be read again, whatever they are. Anybody can make ids up, so this is
/// the load that strangers can put on a key server; and since whatever causes it, reading shows every new key, it is
/// also how long they can keep one from being found.
const UNKNOWN_KID_PAUSE: Duration = Duration::from_secs(5);
/// How often the same one may: tokens whose key is gone for good come again and again.
const SAME_KID_PAUSE: Duration = Duration::from_secs(30);
/// How many ids that were looked for in vain are known: more than the pauses leave room for.
const MOST_VAIN: usize = 8;
/// A URL that fails this often in a row is left alone for a while, longer each time.
const FREE_FAILURES: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Milliseconds since the store was made; injected in tests.
pub(super) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Why a URL is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// There is no set, or it is too old.
    Needed,
    /// There is a set that lacks a key somebody asks for, by a digest of its id.
    UnknownKid(u64),
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
/// A digest that is no id's.
const NOBODY: u64 = 0;

#[derive(Default)]
struct State {
    /// Since when somebody is reading.
    in_flight: Option<u64>,
    failures: u32,
    /// When reading ended last.
    tried: Option<u64>,
    /// Not to be read before this time.
    not_before: u64,
    /// Which unknown ids the URL was read for, and when, in order of time.
    vain: VecDeque<(u64, u64)>,
    stamp: Option<Stamp>,
    failure: Option<String>,
}

impl State {
    /// Whether the URL may be read for an unknown id now; notes that it is.
    fn may_look_for(&mut self, kid: u64, now: u64) -> bool {
        let since = |at: u64| now.saturating_sub(at);
        let too_early = |&(known, at): &(u64, u64)| {
            since(at) < millis(UNKNOWN_KID_PAUSE) || (known == kid && since(at) < millis(SAME_KID_PAUSE))
        };
        if self.vain.iter().any(too_early) {
            return false;
        }
        self.vain.retain(|(_, at)| since(*at) < millis(SAME_KID_PAUSE));
        if self.vain.len() == MOST_VAIN {
            self.vain.pop_front();
        }
        self.vain.push_back((kid, now));
        true
    }
}

impl KeySource {
    pub(super) fn new(place: Place, clock: Clock) -> Self {
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
        if let Cause::UnknownKid(kid) = cause
            && !state.may_look_for(kid, now)
        {
            return None;
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

    /// Starts to read in the background, unless somebody is at it or it is too early. Never waits: who holds the
    /// lock is at it.
    pub(super) fn refresh(self: &Arc<Self>, fetch: &Rc<dyn Fetch>) {
        let idle = |state: &State| state.in_flight.is_none() && (self.clock)() >= state.not_before;
        if self.state.try_lock().is_ok_and(|state| idle(&state)) {
            let _flight = self.begin(Cause::Needed, fetch);
        }
    }

    /// Reads a file or an inline document, unless that was done a moment ago for another handler.
    pub(super) fn read_if_local(&self) {
        let state = lock(&self.state);
        let now = (self.clock)();
        if state.tried.is_some_and(|tried| now.saturating_sub(tried) < 1000) {
            return;
        }
        let known = state.stamp;
        drop(state);
        if let Some(document) = self.place.read_now(known) {
            self.finish(document);
        }
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
            // Nobody was looked for, so it may be tried again as soon as the URL may be read.
            for (kid, _) in &mut state.vain {
                *kid = NOBODY;
            }
            state.failures = state.failures.saturating_add(1);
            let doublings = state.failures.checked_sub(FREE_FAILURES).map(|n| n.min(16));
            let pause = doublings.map_or(Duration::ZERO, |n| Duration::from_millis(500 << n));
            state.not_before = (self.clock)().saturating_add(millis(pause.min(LONGEST_PAUSE)));
        } else {
            state.failures = 0;
            state.not_before = 0;
        }
        state.failure = failure;
        state.tried = Some((self.clock)());
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

    /// Whether the URL may hold more than the set: reading it failed, or has not ended in time.
    pub(super) fn is_in_doubt(&self, ttl: Duration) -> bool {
        let fresh = self.age().is_some_and(|age| age < ttl);
        let state = lock(&self.state);
        self.version() == 0 || state.failure.is_some() || (state.in_flight.is_some() && !fresh)
    }

    pub(super) fn status(&self) -> SourceStatus {
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
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
