//! Retries: when a call is made again, and after what wait.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use http::{HeaderName, HeaderValue, header};

use super::Fault;
use crate::upstream::Incoming;

/// The wait before the second attempt, at most; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// How a call is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u32,
    /// The longest wait between two attempts that is not the service's own wish.
    pub max_delay: Duration,
    /// After this time, no further attempt begins.
    pub give_up_after: Duration,
}

impl Retry {
    /// How long to wait before attempt `made` + 1 that nothing speaks against but time; `None` where there
    /// shall be none.
    pub(super) fn wait(&self, made: u32, result: &Result<Incoming, Fault>) -> Option<Duration> {
        if made >= self.attempts {
            return None;
        }
        let wished = match result {
            Err(fault) if fault.is_passing() => None,
            // Asking again before the service wants it only makes matters worse.
            Ok(answer) if answer.status == 429 => Some(retry_after(&answer.headers)?),
            Ok(answer) if answer.status >= 500 && answer.status != 501 => retry_after(&answer.headers),
            _ => return None,
        };
        Some(wished.unwrap_or(Duration::ZERO).max(self.backoff(made)))
    }

    /// Doubles from attempt to attempt, and differs from caller to caller.
    fn backoff(&self, made: u32) -> Duration {
        let doubled = FIRST_WAIT.saturating_mul(1 << made.saturating_sub(1).min(16));
        let most = doubled.min(self.max_delay);
        // Between one half and all of it.
        let share = RandomState::new().hash_one(made) % 1024;
        most.mul_f64(0.5 + f64::from(u32::try_from(share).unwrap_or(0)) / 2048.0)
    }
}

/// The seconds of `Retry-After` (RFC 9110 section 10.2.3). A date is taken for nothing: waiting that long
/// is never worth it here.
pub fn retry_after(headers: &[(HeaderName, HeaderValue)]) -> Option<Duration> {
    let (_, value) = headers.iter().find(|(name, _)| *name == header::RETRY_AFTER)?;
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
