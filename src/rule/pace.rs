//! Pace: loading many rules takes a while, and a decision that waits for a processor should not wait for that.
//!
//! A thread that works [`gently`] lets go of its processor after each moment of work. Elsewhere a [`pause`] is none.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    static PACE: Cell<Option<Pace>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Pace {
    began: Instant,
    paused: Instant,
    work: Duration,
    mode: u64,
}

/// Works with pauses.
pub fn gently<R>(work: impl FnOnce() -> R) -> R {
    let now = Instant::now();
    let env = |n: &str, d: u64| std::env::var(n).ok().and_then(|v| v.parse().ok()).unwrap_or(d);
    let mode = env("PACE_MODE", 0);
    if mode > 0 {
        PACE.set(Some(Pace {
            began: now,
            paused: now,
            work: Duration::from_micros(env("PACE_WORK", 100)),
            mode,
        }));
    }
    let made = work();
    PACE.set(None);
    made
}

/// Lets others have the processor, if this thread works [`gently`] and has worked for a moment.
pub fn pause() {
    let Some(mut pace) = PACE.get() else { return };
    if pace.paused.elapsed() < pace.work || pace.began.elapsed() > Duration::from_secs(3) {
        return;
    }
    match pace.mode {
        1 => std::thread::yield_now(),
        us => std::thread::sleep(Duration::from_micros(us)),
    }
    pace.paused = Instant::now();
    PACE.set(Some(pace));
}
