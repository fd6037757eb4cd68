//! The log: how much, in which form.

use serde::Deserialize;

/// `log.*`
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the configuration reference has them")]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
    pub leak_sensitive_values: bool,
}

/// `log.level`; panic and fatal only let the most severe lines through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Panic,
    Fatal,
    Error,
    Warning,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogFormat {
    Json,
    JsonPretty,
    Gelf,
    Text,
}
