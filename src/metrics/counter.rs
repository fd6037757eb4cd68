//! A counter that many threads add to without being in each other's way.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads can add at once without sharing a cache line.
const SHARDS: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub struct Counter([Shard; SHARDS]);

/// A cache line, or two of them, which processors fetch in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(AtomicU64);

impl Counter {
    /// One more.
    pub fn add(&self) {
        if let Some(Shard(count)) = self.0.get(shard()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.iter().map(|Shard(count)| count.load(Ordering::Relaxed)).sum()
    }
}

/// The place of this thread.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    OWN.with(|own| {
        if own.get() == usize::MAX {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        own.get()
    })
}
