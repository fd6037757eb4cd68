//! Counts: how calls to backends end and how long they take, by the handler that makes them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Incoming;
use super::backend::Fault;
use crate::metrics::{Series, Total};

/// How a call may end: the class of the answer's status, or the kind of fault.
pub const ENDS: [&str; 11] = [
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "refused",
    "timed-out",
    "broken-off",
    "too-large",
    "busy",
    "unusable",
    "client-body",
];

/// The calls of one handler, whatever rule it serves.
#[derive(Debug, Default)]
pub struct HandlerCounts {
    ends: [AtomicU64; ENDS.len()],
    attempts: AtomicU64,
    took: Series,
}

impl HandlerCounts {
    /// A call ended, with all its attempts.
    pub(super) fn ended(&self, outcome: &Result<Incoming, Fault>, took: Duration) {
        if let Some(count) = self.ends.get(end(outcome)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.took.add_shared(took);
    }

    /// A request goes out.
    pub(super) fn attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// How often each of [`ENDS`] was one.
    pub fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ENDS.into_iter().zip(self.ends.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// How many requests went out.
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// How long calls took.
    pub fn took(&self) -> Total {
        let mut total = Total::default();
        total.add(&self.took);
        total
    }
}

fn end(outcome: &Result<Incoming, Fault>) -> usize {
    match outcome {
        Ok(answer) => match answer.status {
            ..300 => 0,
            300..400 => 1,
            400..500 => 2,
            500.. => 3,
        },
        Err(Fault::Refused(_)) => 4,
        Err(Fault::TimedOut(_)) => 5,
        Err(Fault::Broken(_)) => 6,
        Err(Fault::TooLarge(_)) => 7,
        Err(Fault::Busy(_)) => 8,
        Err(Fault::Unusable(_)) => 9,
        Err(Fault::Body(_)) => 10,
    }
}

/// The counts of every handler that a rule ever used.
#[derive(Debug, Default)]
pub struct Counts(Mutex<BTreeMap<&'static str, Arc<HandlerCounts>>>);

impl Counts {
    /// Those of one handler.
    pub(super) fn of(&self, handler: &'static str) -> Arc<HandlerCounts> {
        let mut handlers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(handlers.entry(handler).or_default())
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<(&'static str, Arc<HandlerCounts>)> {
        let handlers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        handlers.iter().map(|(handler, counts)| (*handler, Arc::clone(counts))).collect()
    }
}
