//! Patience: how long and how often a handler asks its service which Oathkeeper always asks again.
//!
//! Oathkeeper takes `max_delay` and `give_up_after` for something else in each handler: a wait, an attempt's
//! time limit, neither. Here they mean what they say, in all of them, and settings written for Oathkeeper
//! still leave room for a second attempt.

use std::time::Duration;

use crate::config::parse_duration;
use crate::diagnostic::Finding;
use crate::upstream::backend::{BackendSettings, DEADLINE, Retry};

/// A second attempt may begin within this time, whatever `give_up_after` says: a few milliseconds are usual
/// there, which Oathkeeper takes for the longest wait.
const LEAST: Duration = Duration::from_millis(100);

/// Reads `retry`, written at `pointer`, and takes it out of the settings. A `give_up_after` beyond the usual
/// deadline sets the deadline where `timeout` is not there.
pub fn retry(settings: &mut BackendSettings, pointer: &str, attempts: u32) -> Result<Retry, Vec<Finding>> {
    let written = settings.retry.take().unwrap_or_default();
    let mut findings = Vec::new();
    let mut read = |key: &str, text: Option<&str>, default: Duration| {
        let Some(text) = text else { return default };
        parse_duration(text).unwrap_or_else(|| {
            let at = format!("{pointer}/{key}");
            let finding = Finding::error("invalid-duration", at, format!("`{text}` is not a duration"));
            findings.push(finding.help("write one whole number and a unit, such as `30s`"));
            default
        })
    };
    let max_delay = read("max_delay", written.max_delay.as_deref(), Duration::from_millis(100));
    let give_up_after = read("give_up_after", written.give_up_after.as_deref(), Duration::from_secs(1));
    if !findings.is_empty() {
        return Err(findings);
    }
    if settings.timeout.is_none() && give_up_after > DEADLINE {
        settings.timeout = Some(format!("{}ms", give_up_after.as_millis()));
    }
    // What is wrong with it says whoever builds the way to the service.
    let deadline = settings.timeout.as_deref().and_then(parse_duration).unwrap_or(DEADLINE);
    if settings.attempt_timeout.is_none() {
        let attempt = give_up_after.clamp(deadline / 2, deadline);
        settings.attempt_timeout = Some(format!("{}us", attempt.as_micros()));
    }
    let attempts = if give_up_after.is_zero() { 1 } else { attempts };
    let max_delay = max_delay.min(give_up_after);
    Ok(Retry { attempts, max_delay, give_up_after: give_up_after.max(LEAST) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Deadline, attempt, attempts, wait and time for retries in milliseconds.
    fn read(settings: &Value) -> Result<(u128, String, u32, u128, u128), Vec<Finding>> {
        let mut settings: BackendSettings = serde_json::from_value(settings.clone()).unwrap();
        let retry = super::retry(&mut settings, "/retry", 5)?;
        assert!(settings.retry.is_none());
        Ok((
            settings.timeout.as_deref().and_then(parse_duration).unwrap_or(DEADLINE).as_millis(),
            settings.attempt_timeout.unwrap(),
            retry.attempts,
            retry.max_delay.as_millis(),
            retry.give_up_after.as_millis(),
        ))
    }

    #[test]
    fn what_settings_written_for_oathkeeper_come_to() {
        let retry =
            |delay: &str, give_up: &str| json!({"retry": {"max_delay": delay, "give_up_after": give_up}});
        for (settings, want) in [
            (json!({}), (2000, "1000000us", 5, 100, 1000)),
            (json!({"retry": {}}), (2000, "1000000us", 5, 100, 1000)),
            (retry("5ms", "2s"), (2000, "2000000us", 5, 5, 2000)),
            (retry("100ms", "5ms"), (2000, "1000000us", 5, 5, 100)),
            (retry("100ms", "0s"), (2000, "1000000us", 1, 0, 100)),
            (retry("1s", "30s"), (30000, "30000000us", 5, 1000, 30000)),
            (json!({"timeout": "500ms"}), (500, "500000us", 5, 100, 1000)),
            (json!({"timeout": "500ms", "attempt_timeout": "9ms"}), (500, "9ms", 5, 100, 1000)),
            (json!({"timeout": "1s", "retry": {"give_up_after": "30s"}}), (1000, "1000000us", 5, 100, 30000)),
        ] {
            let (deadline, attempt, attempts, delay, give_up) = want;
            assert_eq!(
                read(&settings),
                Ok((deadline, attempt.to_owned(), attempts, delay, give_up)),
                "{settings}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_found() {
        let findings = read(&json!({"retry": {"max_delay": "x", "give_up_after": "1m30s"}})).unwrap_err();
        let pointers: Vec<_> = findings.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, ["/retry/max_delay", "/retry/give_up_after"]);
    }
}
