//! Calls under way, over all workers: which are the same, so that one is made for all who ask, and how many
//! go to one service, so that a slow one costs only those who need it.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::backend::Fault;
use super::counts::Counts;
use crate::cache::Key;

/// How many calls may be under way to one host and port; more wait for their turn.
pub const MOST_TO_ONE_SERVICE: usize = 256;

/// What a call ended in, whatever its handler made of the answer.
type Outcome = Result<Arc<dyn Any + Send + Sync>, Fault>;

type Landing = watch::Receiver<Option<Outcome>>;

/// Calls under way, shared by all workers.
pub struct Calls {
    flights: Mutex<HashMap<Key, Landing>>,
    gates: Mutex<HashMap<String, Weak<Semaphore>>>,
    start: Instant,
    /// How calls ended.
    pub counts: Counts,
}

impl Calls {
    /// No calls yet.
    pub fn new() -> Self {
        Self {
            flights: Mutex::default(),
            gates: Mutex::default(),
            start: Instant::now(),
            counts: Counts::default(),
        }
    }

    /// How many different calls are under way that others could join.
    pub fn in_flight(&self) -> usize {
        lock(&self.flights).len()
    }

    /// How many calls are under way, each of which has its turn.
    pub fn under_way(&self) -> usize {
        let gates = lock(&self.gates);
        let gates = gates.values().filter_map(Weak::upgrade);
        gates.map(|gate| MOST_TO_ONE_SERVICE.saturating_sub(gate.available_permits())).sum()
    }

    /// Milliseconds since the start, for times to live that end within a second.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The gate that calls to this authority (`host:port`) go through.
    pub(super) fn gate(&self, authority: &str) -> Arc<Semaphore> {
        let mut gates = lock(&self.gates);
        if let Some(gate) = gates.get(authority).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Semaphore::new(MOST_TO_ONE_SERVICE));
        gates.insert(authority.to_owned(), Arc::downgrade(&gate));
        gate
    }

    /// Gets what `make` makes once for all who ask under the same key at the same time, in whatever worker.
    /// Who makes it does so as part of its own future, which has to end by itself; when that goes away,
    /// whoever waits takes over. Nobody waits longer than to the deadline.
    pub async fn share<T: Any + Send + Sync>(
        self: &Arc<Self>,
        key: Key,
        deadline: Instant,
        make: impl AsyncFn() -> Result<Arc<T>, Fault>,
    ) -> Result<Arc<T>, Fault> {
        loop {
            match self.join(key) {
                Joined::Lead(leader) => {
                    let outcome = make().await;
                    leader.land(match &outcome {
                        Ok(value) => Ok(value.clone()),
                        Err(fault) => Err(fault.clone()),
                    });
                    return outcome;
                }
                Joined::Follow(follower) => match follower.landed(deadline).await? {
                    Some(Ok(value)) => match value.downcast() {
                        Ok(value) => return Ok(value),
                        // A key of another handler's making: no reason to trust it.
                        Err(_) => return make().await,
                    },
                    Some(Err(fault)) => return Err(fault),
                    None => {}
                },
            }
        }
    }

    /// Joins the call that asks the same, or becomes the one who makes it.
    fn join(self: &Arc<Self>, key: Key) -> Joined {
        let mut flights = lock(&self.flights);
        if let Some(landing) = flights.get(&key) {
            return Joined::Follow(Follower(landing.clone()));
        }
        let (sender, landing) = watch::channel(None);
        flights.insert(key, landing);
        Joined::Lead(Leader { calls: Arc::clone(self), key, sender })
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

/// Who makes the call, or waits for it.
enum Joined {
    Lead(Leader),
    Follow(Follower),
}

/// Makes the call for all. One that goes away without an outcome (its request was given up, its worker
/// died) wakes the followers, the first of which takes over.
struct Leader {
    calls: Arc<Calls>,
    key: Key,
    sender: watch::Sender<Option<Outcome>>,
}

impl Leader {
    /// Tells the followers how the call ended.
    fn land(self, outcome: Outcome) {
        self.sender.send_replace(Some(outcome));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // Before the channel closes, so that who wakes finds the place free.
        lock(&self.calls.flights).remove(&self.key);
    }
}

/// Waits for a call that another makes.
struct Follower(Landing);

impl Follower {
    /// How the call ended; `None` when whoever made it went away before.
    async fn landed(mut self, deadline: Instant) -> Result<Option<Outcome>, Fault> {
        match timeout_at(deadline, self.0.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => Ok(outcome.clone()),
            Ok(Err(_)) => Ok(None),
            Err(_) => Err(Fault::TimedOut("an equal call under way did not end in time".to_owned())),
        }
    }
}

/// What these locks guard is whole after every statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
