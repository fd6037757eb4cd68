//! Settings that every handler which calls out has in common.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::config::{parse_bytes, parse_duration};
use crate::diagnostic::Finding;

/// The time all of a call may take where nothing else is set.
pub const DEADLINE: Duration = Duration::from_secs(2);
/// The longest answer that is read where nothing else is set.
pub const LONGEST_ANSWER: usize = 1 << 20;

/// As written; part of a handler's settings by `#[serde(flatten)]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct BackendSettings {
    /// `timeout`: all of a call, waits and retries included.
    pub timeout: Option<String>,
    /// `attempt_timeout`: one attempt.
    pub attempt_timeout: Option<String>,
    /// `retry`: whether and how a call is made again.
    pub retry: Option<RetrySettings>,
    /// `max_response_bytes`: a longer answer is a fault.
    #[serde(deserialize_with = "size")]
    pub max_response_bytes: Option<usize>,
    /// `cache`: whether answers are remembered.
    pub cache: CacheSettings,
    /// `coalesce`: whether equal calls under way are one.
    pub coalesce: Option<bool>,
}

/// `retry`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RetrySettings {
    /// `max_delay`: the longest wait between two attempts.
    pub max_delay: Option<String>,
    /// `give_up_after`: no further attempt begins after this time.
    pub give_up_after: Option<String>,
}

/// `cache`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CacheSettings {
    /// `enabled`: nothing is remembered without it.
    pub enabled: bool,
    /// `ttl`: how long a yes is remembered at most.
    pub ttl: Option<String>,
    /// `negative_ttl`: how long a no is remembered.
    pub negative_ttl: Option<String>,
}

/// A number of bytes, or a text such as `64KiB`.
fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let size = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::String(text) => parse_bytes(&text),
        number => number.as_u64().and_then(|n| usize::try_from(n).ok()),
    };
    size.map(Some).ok_or_else(|| serde::de::Error::custom("`max_response_bytes` is not a size"))
}

/// Reads durations, and keeps a finding for each that is none.
#[derive(Default)]
pub(super) struct Durations {
    pub(super) findings: Vec<Finding>,
}

impl Durations {
    /// The duration at `pointer`, or `default` where there is none.
    pub(super) fn read(&mut self, pointer: &str, written: Option<&str>, default: Duration) -> Duration {
        let Some(text) = written else { return default };
        parse_duration(text).unwrap_or_else(|| {
            let message = format!("`{text}` is not a duration");
            let finding = Finding::error("invalid-duration", pointer, message)
                .help("write one whole number and a unit, such as `30s`");
            self.findings.push(finding);
            default
        })
    }

    /// The same for what must not be nothing.
    pub(super) fn read_some(&mut self, pointer: &str, written: Option<&str>, default: Duration) -> Duration {
        let read = self.read(pointer, written, default);
        if read.is_zero() && written.is_some() {
            let message = "no call ends in no time".to_owned();
            self.findings.push(Finding::error("invalid-duration", pointer, message));
        }
        read
    }
}
