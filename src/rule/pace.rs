//! Pace: a decision that waits for a processor does not wait for thousands of rules to be loaded.
//!
//! A thread that works [`gently`] offers its processor to others after each moment of work: a lower priority alone
//! lets it keep the processor for some milliseconds once it has it. Elsewhere a [`pause`] is none.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Work without a pause.
const MOMENT: Duration = Duration::from_micros(100);
/// After this time it goes on without pauses: where nobody else ever rests, it would not end.
const PATIENCE: Duration = Duration::from_secs(3);

thread_local! {
    static PACE: Cell<Option<Pace>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Pace {
    began: Instant,
    paused: Instant,
}

/// Works with pauses.
pub fn gently<R>(work: impl FnOnce() -> R) -> R {
    let now = Instant::now();
    PACE.set(Some(Pace { began: now, paused: now }));
    let made = work();
    PACE.set(None);
    made
}

/// Lets others have the processor, where this thread works [`gently`] and has worked for a moment.
pub fn pause() {
    let Some(pace) = PACE.get() else { return };
    if pace.paused.elapsed() >= MOMENT && pace.began.elapsed() < PATIENCE {
        std::thread::yield_now();
        PACE.set(Some(Pace { paused: Instant::now(), ..pace }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_paced_to_its_end_and_no_longer() {
        assert!(PACE.get().is_none());
        let paced = gently(|| {
            pause();
            PACE.get().is_some()
        });
        assert!(paced && PACE.get().is_none());
        pause();
        assert!(PACE.get().is_none());
    }
}
