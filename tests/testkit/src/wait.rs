//! Waiting for something to hold, without sleeping for luck.

use std::time::{Duration, Instant};

/// Between two looks.
const STEP: Duration = Duration::from_millis(15);

/// Asks `look` until it answers, or `None` once `limit` is over. `look` is asked at least once.
pub fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(STEP);
    }
}

/// Asks `look` until it answers; fails the test with `what` after ten seconds.
///
/// # Panics
/// When it never does.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    #[expect(clippy::panic, reason = "this is how a test fails")]
    until(Duration::from_secs(10), look).unwrap_or_else(|| panic!("not within ten seconds: {what}"))
}
