//! Remote sources: polled by a thread of their own, so that neither a decision nor a local file ever waits for
//! somebody else's server.
//!
//! Each source is a task that asks, keeps what it got, and sleeps. What was got is read by the reload thread,
//! which is woken when there is something new.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, LocalSet, spawn_local};

use super::source::{self, Failure, Fetched, RuleSource, Version};
use super::watch::Waker;
use crate::diagnostic::Source;
use crate::upstream::Fetch;
use crate::upstream::awc::Client;
use crate::upstream::tls::Outbound;

/// The first wait after a failure; each further failure doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const LAST_RETRY: Duration = Duration::from_secs(30);
/// The longest that a server may ask for with `Retry-After`.
const LONGEST_REST: Duration = Duration::from_secs(300);
/// One question in so many is without a condition: a server may be wrong about its `ETag`.
const UNCONDITIONAL: u32 = 10;

/// What is known of every remote source.
#[derive(Default)]
pub struct Known {
    sources: Mutex<BTreeMap<String, Latest>>,
    changed: Condvar,
}

/// What is known of one remote source.
#[derive(Debug, Clone, Default)]
pub struct Latest {
    /// The document as it came last.
    pub document: Option<Arc<Source>>,
    /// Why the last try gave none.
    pub failure: Option<String>,
    /// When the last try ended.
    pub asked_at: Option<SystemTime>,
}

impl Known {
    /// What is known of the source of an entry.
    pub fn latest(&self, entry: &str) -> Latest {
        lock(&self.sources).get(entry).cloned().unwrap_or_default()
    }

    /// Waits until every one of these sources was asked once, or the time is over.
    pub fn wait_until_asked(&self, entries: &[String], limit: Duration) {
        let unasked = |sources: &mut BTreeMap<String, Latest>| {
            entries.iter().any(|entry| sources.get(entry).is_none_or(|latest| latest.asked_at.is_none()))
        };
        // Poisoned or timed out: either way there is nothing more to wait for.
        drop(self.changed.wait_timeout_while(lock(&self.sources), limit, unasked));
    }

    /// Takes in how a try ended. Whether the document is another one now.
    fn take_in(&self, entry: &str, outcome: Result<Fetched, Failure>) -> bool {
        let name = source::name(entry);
        let mut sources = lock(&self.sources);
        let latest = sources.entry(entry.to_owned()).or_default();
        latest.asked_at = Some(SystemTime::now());
        let before = latest.failure.take();
        let mut changed = false;
        match outcome {
            Ok(fetched) => {
                if let Fetched::Document(text, _) = fetched {
                    let known = latest.document.as_ref().and_then(|document| document.text.as_deref());
                    // Not by the version: a server may change one without the other.
                    changed = known != Some(&*text);
                    if changed {
                        latest.document =
                            Some(Arc::new(Source { name: name.clone(), path: None, text: Some(text) }));
                    }
                }
                if before.is_some() {
                    tracing::info!(source = name, "rule source can be read again");
                }
            }
            Err(failure) => {
                if before.as_ref() != Some(&failure.reason) {
                    let kept = latest.document.is_some();
                    tracing::error!(
                        source = name,
                        reason = failure.reason,
                        kept,
                        "rule source cannot be read"
                    );
                }
                latest.failure = Some(failure.reason);
            }
        }
        drop(sources);
        self.changed.notify_all();
        changed
    }

    /// Forgets every source but these.
    fn retain(&self, entries: &[String]) {
        lock(&self.sources).retain(|entry, _| entries.contains(entry));
    }
}

enum Command {
    Follow(Vec<String>, Duration),
    Ask,
}

/// The thread that polls. It ends when this is dropped.
pub struct Remote {
    /// What it knows so far.
    pub known: Arc<Known>,
    outbound: Arc<Outbound>,
    waker: Waker,
    thread: Option<(mpsc::UnboundedSender<Command>, JoinHandle<()>)>,
}

impl Remote {
    /// Polls nothing yet, and has no thread before there is something to poll.
    pub fn new(outbound: Arc<Outbound>, waker: Waker) -> Self {
        Self { known: Arc::default(), outbound, waker, thread: None }
    }

    /// Sets what is polled, and how often; zero is once, and again only after failures. What is polled
    /// already goes on. Entries that are not remote are passed over; the others are given back.
    pub fn follow(
        &mut self,
        entries: impl IntoIterator<Item = String>,
        every: Duration,
    ) -> io::Result<Vec<String>> {
        let mut remote: Vec<String> = Vec::new();
        for entry in entries {
            if !remote.contains(&entry) && source::open(&entry).is_ok_and(|source| source.is_remote()) {
                remote.push(entry);
            }
        }
        self.known.retain(&remote);
        if remote.is_empty() && self.thread.is_none() {
            return Ok(remote);
        }
        if self.thread.is_none() {
            self.thread = Some(self.start()?);
        }
        self.command(Command::Follow(remote.clone(), every));
        Ok(remote)
    }

    /// Asks every source at once, without a condition.
    pub fn ask(&self) {
        self.command(Command::Ask);
    }

    fn command(&self, command: Command) {
        if let Some((commands, _)) = &self.thread {
            // The thread is there as long as this is.
            let _ = commands.send(command);
        }
    }

    fn start(&self) -> io::Result<(mpsc::UnboundedSender<Command>, JoinHandle<()>)> {
        let (sender, commands) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (outbound, known, waker) =
            (Arc::clone(&self.outbound), Arc::clone(&self.known), self.waker.clone());
        let thread = std::thread::Builder::new().name("poll".to_owned()).spawn(move || {
            let fetch: Rc<dyn Fetch> = Rc::new(Client::with(outbound));
            let tasks = LocalSet::new();
            tasks.block_on(&runtime, obey(commands, &fetch, &known, &waker));
            drop((tasks, fetch));
            // A name server that does not answer must not hold up the end.
            runtime.shutdown_background();
        })?;
        Ok((sender, thread))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some((commands, thread)) = self.thread.take() {
            drop(commands);
            // Its questions under way are given up.
            let _ = thread.join();
        }
    }
}

/// A task that polls one source.
struct Polling {
    task: AbortHandle,
    ask: Rc<Notify>,
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn obey(
    mut commands: mpsc::UnboundedReceiver<Command>,
    fetch: &Rc<dyn Fetch>,
    known: &Arc<Known>,
    waker: &Waker,
) {
    let mut polled: HashMap<String, Polling> = HashMap::new();
    let pace = watch::Sender::new(Duration::ZERO);
    while let Some(command) = commands.recv().await {
        match command {
            Command::Ask => polled.values().for_each(|polling| polling.ask.notify_one()),
            Command::Follow(entries, every) => {
                pace.send_if_modified(|now| std::mem::replace(now, every) != every);
                polled.retain(|entry, _| entries.contains(entry));
                for entry in entries {
                    if let std::collections::hash_map::Entry::Vacant(place) = polled.entry(entry)
                        && let Ok(source) = source::open(place.key())
                    {
                        let ask = Rc::new(Notify::new());
                        let poll = Poll {
                            entry: place.key().clone(),
                            source,
                            fetch: Rc::clone(fetch),
                            known: Arc::clone(known),
                            waker: waker.clone(),
                        };
                        let task = spawn_local(poll.run(pace.subscribe(), Rc::clone(&ask))).abort_handle();
                        place.insert(Polling { task, ask });
                    }
                }
            }
        }
    }
}

/// Polls one source.
struct Poll {
    entry: String,
    source: Box<dyn RuleSource>,
    fetch: Rc<dyn Fetch>,
    known: Arc<Known>,
    waker: Waker,
}

impl Poll {
    async fn run(self, mut pace: watch::Receiver<Duration>, ask: Rc<Notify>) {
        let mut version: Option<Version> = None;
        let (mut asked, mut failures) = (0_u32, 0_u32);
        loop {
            let condition = version.as_ref().filter(|_| !asked.is_multiple_of(UNCONDITIONAL));
            let outcome = self.source.fetch(condition, &self.fetch).await;
            asked = asked.wrapping_add(1);
            let every = *pace.borrow_and_update();
            let pause = match &outcome {
                Ok(fetched) => {
                    failures = 0;
                    if let Fetched::Document(_, new) = fetched {
                        version.clone_from(new);
                    }
                    (!every.is_zero()).then(|| jittered(every))
                }
                Err(failure) => {
                    failures = failures.saturating_add(1);
                    Some(retry_after(failures, every, failure.retry_after))
                }
            };
            if self.known.take_in(&self.entry, outcome) {
                self.waker.fetched();
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = ask.notified() => asked = 0,
                // Ends only with the thread.
                _ = pace.changed() => {}
            }
        }
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

/// How long to wait after so many failures in a row.
fn retry_after(failures: u32, every: Duration, asked_for: Option<u64>) -> Duration {
    let first = if every.is_zero() { FIRST_RETRY } else { every.min(FIRST_RETRY) };
    let doubled = first.saturating_mul(1 << (failures.saturating_sub(1)).min(16));
    let asked_for = Duration::from_secs(asked_for.unwrap_or(0)).min(LONGEST_REST);
    jittered(doubled.min(LAST_RETRY).max(asked_for))
}

/// Up to a tenth longer, so that many instances do not ask at the same time.
fn jittered(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(()) & 0xffff).unwrap_or(0);
    pause + pause / 10 * random / 0xffff
}

/// Asks a source once, from a thread that has no runtime.
pub fn fetch_once(source: &dyn RuleSource, outbound: &Arc<Outbound>) -> Result<Arc<str>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(error.to_string()))?;
    let fetch: Rc<dyn Fetch> = Rc::new(Client::with(Arc::clone(outbound)));
    match LocalSet::new().block_on(&runtime, source.fetch(None, &fetch))? {
        Fetched::Document(text, _) => Ok(text),
        Fetched::Unchanged => Err(Failure::new("it sent no document")),
    }
}

/// What the lock guards is whole after every statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::watch::Watcher;
    use crate::upstream::fake::FakeFetch;

    const URL: &str = "http://rules.test/all.yaml";

    fn new(text: &str) -> Fetched {
        Fetched::Document(Arc::from(text), None)
    }

    #[test]
    fn a_document_is_new_when_its_text_is_and_stays_when_the_source_fails() {
        let known = Known::default();
        let text = |known: &Known| known.latest(URL).document.and_then(|d| d.text.clone());
        for (outcome, changed, after, failure) in [
            (Err(Failure::new("no")), false, None, Some("no")),
            (Ok(new("a")), true, Some("a"), None),
            (Ok(new("a")), false, Some("a"), None),
            (Ok(Fetched::Unchanged), false, Some("a"), None),
            (Err(Failure::new("no")), false, Some("a"), Some("no")),
            (Ok(new("b")), true, Some("b"), None),
        ] {
            assert_eq!(known.take_in(URL, outcome), changed);
            assert_eq!(text(&known).as_deref(), after);
            assert_eq!(known.latest(URL).failure.as_deref(), failure);
        }
        known.retain(&[]);
        assert!(known.latest(URL).asked_at.is_none());
    }

    #[test]
    fn waits_after_failures_double_up_to_a_limit() {
        let seconds = Duration::from_secs;
        for (failures, every, asked_for, least) in [
            (1, 0, None, seconds(1)),
            (1, 30, None, seconds(1)),
            (2, 30, None, seconds(2)),
            (3, 30, None, seconds(4)),
            (9, 30, None, seconds(30)),
            (u32::MAX, 3600, None, seconds(30)),
            (1, 30, Some(120), seconds(120)),
            (1, 30, Some(u64::MAX), seconds(300)),
        ] {
            let wait = retry_after(failures, seconds(every), asked_for);
            assert!(wait >= least && wait <= least + least / 10, "{failures}: {wait:?}");
        }
    }

    /// Polls the script of a client for so many seconds of a clock that does not wait.
    fn polled(fake: &Rc<FakeFetch>, every: u64, seconds: u64) -> Arc<Known> {
        let known = Arc::<Known>::default();
        let (_watcher, waker) = Watcher::new();
        let fetch: Rc<dyn Fetch> = fake.clone();
        let poll = Poll {
            entry: URL.to_owned(),
            source: source::open(URL).unwrap(),
            fetch,
            known: Arc::clone(&known),
            waker,
        };
        let pace = watch::Sender::new(Duration::from_secs(every));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let run = poll.run(pace.subscribe(), Rc::default());
        let _ = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(seconds), run).await });
        known
    }

    #[test]
    fn a_source_is_asked_with_its_version_and_now_and_then_without() {
        let fake = FakeFetch::new();
        fake.answer_with(URL, 200, &[("etag", "\"1\"")], "[]");
        polled(&fake, 10, 10 * 25);
        let conditional: Vec<bool> = fake.calls().iter().map(|call| !call.headers.is_empty()).collect();
        assert!(conditional.len() > 20, "{conditional:?}");
        for (number, conditional) in conditional.iter().enumerate() {
            assert_eq!(*conditional, number % 10 != 0, "{number}");
        }
    }

    #[test]
    fn without_a_pace_a_source_is_asked_until_it_answers() {
        let fake = FakeFetch::new();
        fake.answer(URL, 500, "");
        fake.answer(URL, 500, "");
        fake.answer(URL, 200, "[]");
        let known = polled(&fake, 0, 3600);
        assert_eq!(fake.count(URL), 3);
        assert!(known.latest(URL).document.is_some());
    }

    #[test]
    fn a_source_that_is_down_is_asked_less_and_less_often() {
        let fake = FakeFetch::new();
        fake.answer(URL, 500, "");
        polled(&fake, 5, 300);
        let asked = fake.count(URL);
        assert!((10..=15).contains(&asked), "{asked}");
    }
}
