//! Reloads: how they ended, for the metrics.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// What is known of reloads.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// How many took over everything that is written.
    pub good: u64,
    /// How many found a fault in it.
    pub bad: u64,
    /// Whether everything that is written is in force since the last one, or since the start.
    pub is_good: bool,
    /// When that was last so.
    pub good_at: Option<SystemTime>,
    /// How long the last one took; nothing before the first.
    pub took: Duration,
}

/// See the module.
pub struct Reloads(Mutex<Known>);

impl Reloads {
    /// None yet. Whether the start found no fault.
    pub fn new(is_good: bool) -> Self {
        let good_at = is_good.then(SystemTime::now);
        Self(Mutex::new(Known { good: 0, bad: 0, is_good, good_at, took: Duration::ZERO }))
    }

    /// A reload ended.
    pub fn ended(&self, is_good: bool, took: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.is_good = is_good;
        known.took = took;
        if is_good {
            known.good += 1;
            known.good_at = Some(SystemTime::now());
        } else {
            known.bad += 1;
        }
    }

    /// What is known so far.
    pub fn known(&self) -> Known {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
