//! A tally: what one worker counts, alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::Metrics;
use super::labels::{MOST, Service};
use crate::gateway::DIALECT_IDS;
use crate::pipeline::{Decision, Denial};

/// Upper bounds of the buckets that times are counted in, in microseconds: those of Oathkeeper, and three below them,
/// where most decisions are.
pub const BOUNDS: [u64; 14] = [
    250, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// How a decision may end: granted, or the kind of denial.
pub const OUTCOMES: [&str; 9] = [
    "granted",
    "no-rule",
    "several-rules",
    "bad-request",
    "unauthenticated",
    "forbidden",
    "too-many-requests",
    "could-not-decide",
    "misconfigured",
];

/// Requests by duration.
#[derive(Debug, Default)]
pub struct Series {
    /// Of each bucket alone; the last is for what takes longer.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Series {
    /// One more, by the only thread that writes.
    fn add(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket(nanoseconds)) {
            bump(bucket, 1);
        }
        bump(&self.nanoseconds, nanoseconds);
    }

    /// One more, by any of many threads.
    pub fn add_shared(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket(nanoseconds)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

fn bucket(nanoseconds: u64) -> usize {
    BOUNDS.iter().take_while(|bound| **bound * 1000 < nanoseconds).count()
}

/// As much as one instruction less than what others may write to as well.
fn bump(count: &AtomicU64, by: u64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// What series come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Total {
    /// Of each bucket alone; the last is for what takes longer.
    pub buckets: [u64; BOUNDS.len() + 1],
    nanoseconds: u64,
}

impl Total {
    /// Adds what a series has counted so far.
    pub fn add(&mut self, series: &Series) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&series.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        self.nanoseconds = self.nanoseconds.wrapping_add(series.nanoseconds.load(Ordering::Relaxed));
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How long they took together, in seconds.
    pub fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanoseconds).as_secs_f64()
    }
}

/// Series that are made together.
const CHUNK: usize = 40;

/// See the module. Only the worker's thread may count; any may read.
pub struct Tally {
    metrics: Arc<Metrics>,
    series: [OnceLock<Box<[Series; CHUNK]>>; MOST.div_ceil(CHUNK)],
    decisions: [[AtomicU64; OUTCOMES.len()]; DIALECT_IDS.len()],
    begun: [AtomicU64; Service::ALL.len()],
    ended: [AtomicU64; Service::ALL.len()],
}

impl Tally {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            series: [const { OnceLock::new() }; MOST.div_ceil(CHUNK)],
            decisions: Default::default(),
            begun: Default::default(),
            ended: Default::default(),
        }
    }

    /// A request begins; it counts when what this returns is dropped.
    pub fn begin<'r>(&'r self, service: Service, method: &'r str, path: &'r str) -> Running<'r> {
        if let Some(begun) = self.begun.get(service as usize) {
            bump(begun, 1);
        }
        Running { tally: self, service, method, path, since: Instant::now(), status: GONE }
    }

    /// A decision of a dialect, by its number.
    pub fn decision(&self, dialect: usize, decision: &Decision) {
        let denial = decision.outcome.as_ref().err().map(|refusal| &refusal.denial);
        let counts = self.decisions.get(dialect);
        if let Some(count) = counts.and_then(|counts| counts.get(outcome(denial))) {
            bump(count, 1);
        }
    }

    pub(super) fn series(&self, id: usize) -> Option<&Series> {
        self.series.get(id / CHUNK)?.get()?.get(id % CHUNK)
    }

    pub(super) fn decided(&self, dialect: usize, outcome: usize) -> u64 {
        let count = self.decisions.get(dialect).and_then(|counts| counts.get(outcome));
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(super) fn begun(&self, service: Service) -> u64 {
        self.begun.get(service as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(super) fn ended(&self, service: Service) -> u64 {
        self.ended.get(service as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn count(&self, request: &Running<'_>) {
        let id = self.metrics.labels.id(request.service, request.method, request.path, request.status);
        let id = usize::from(id);
        let chunk = self.series.get(id / CHUNK);
        let chunk =
            chunk.map(|chunk| chunk.get_or_init(|| Box::new(std::array::from_fn(|_| Series::default()))));
        if let Some(series) = chunk.and_then(|chunk| chunk.get(id % CHUNK)) {
            series.add(request.since.elapsed());
        }
        if let Some(ended) = self.ended.get(request.service as usize) {
            bump(ended, 1);
        }
    }
}

/// Place of an outcome in [`OUTCOMES`].
fn outcome(denial: Option<&Denial>) -> usize {
    match denial {
        None => 0,
        Some(Denial::NoRule) => 1,
        Some(Denial::SeveralRules { .. }) => 2,
        Some(Denial::BadRequest { .. }) => 3,
        Some(Denial::Unauthenticated { .. }) => 4,
        Some(Denial::Forbidden { .. }) => 5,
        Some(Denial::TooManyRequests { .. }) => 6,
        Some(Denial::CouldNotDecide { .. }) => 7,
        Some(Denial::Misconfigured { .. }) => 8,
    }
}

/// What stands for the status of a request that nobody waits for any more, as nginx writes it.
const GONE: u16 = 499;

/// A request under way.
pub struct Running<'r> {
    tally: &'r Tally,
    service: Service,
    method: &'r str,
    path: &'r str,
    since: Instant,
    status: u16,
}

impl Running<'_> {
    /// It is answered.
    pub fn answered(mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.status == GONE && std::thread::panicking() {
            self.status = 500;
        }
        self.tally.count(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Detail;

    #[test]
    fn every_outcome_has_its_own_name() {
        let why = || Detail::id("x");
        let denials = [
            Denial::NoRule,
            Denial::SeveralRules { ids: Vec::new() },
            Denial::BadRequest { why: why() },
            Denial::Unauthenticated { why: why() },
            Denial::Forbidden { why: why() },
            Denial::TooManyRequests { why: why(), headers: Vec::new() },
            Denial::CouldNotDecide { status: 502, why: why(), retry_after: None },
            Denial::Misconfigured { message: "".into(), why: why() },
        ];
        assert_eq!(OUTCOMES.get(outcome(None)), Some(&"granted"));
        for denial in &denials {
            assert_eq!(OUTCOMES.get(outcome(Some(denial))), Some(&denial.outcome()));
        }
        assert_eq!(OUTCOMES.len(), denials.len() + 1);
    }

    #[test]
    fn a_time_belongs_to_the_first_bucket_that_holds_it() {
        for (nanoseconds, want) in
            [(0, 0), (250_000, 0), (250_001, 1), (5_000_000, 3), (5_000_001, 4), (u64::MAX, BOUNDS.len())]
        {
            assert_eq!(bucket(nanoseconds), want, "{nanoseconds}");
        }
    }
}
