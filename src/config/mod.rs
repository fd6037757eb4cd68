//! Configuration: Oathkeeper's format, from files and environment, checked before anything starts.
//!
//! [`load`] reads [`Sources`] into a [`Config`]. What is known but not built yet is listed in [`not_yet`].

mod check;
mod decode;
pub mod document;
mod env;
pub mod layers;
mod load;
mod merge;
pub mod not_yet;
mod stage;
mod tls;
mod units;
mod validation;

pub use self::layers::Documents;
pub use self::load::{Loaded, load};
pub use self::merge::merge;
pub use self::stage::Stage;
pub use self::units::{parse_bytes, parse_duration};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::template;

pub use crate::matcher::Strategy;

/// Everything the server runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Listeners.
    pub serve: Serve,
    /// Log output.
    pub log: Log,
    /// Where rules come from and how they match.
    pub access_rules: AccessRules,
    /// `authenticators.*`
    pub authenticators: Handlers,
    /// `authorizers.*`
    pub authorizers: Handlers,
    /// `mutators.*`
    pub mutators: Handlers,
    /// `errors.handlers.*`
    pub error_handlers: Handlers,
    /// `errors.fallback`: handler ids, tried in order when no handler of the rule is responsible.
    pub fallback: Vec<String>,
    /// `errors.first_match_wins`: of several responsible error handlers of a rule the first one answers,
    /// instead of a 500 as in Oathkeeper.
    pub first_error_handler_wins: bool,
    /// `template_engine`: the language of templates whose handler does not choose.
    pub template_engine: template::Engine,
    /// `cache.max_bytes`: the budget of everything remembered between requests.
    pub cache_max_bytes: usize,
}

/// The handlers of one stage, by id.
#[derive(Debug, Clone, Default)]
pub struct Handlers(pub BTreeMap<String, HandlerConfig>);

/// One handler's switch and global configuration, schema defaults filled in.
#[derive(Debug, Clone, Default)]
pub struct HandlerConfig {
    /// Whether rules may use it.
    pub enabled: bool,
    /// What every rule's own configuration is merged over; an empty object where there is none.
    pub config: Value,
}

/// Listeners.
#[derive(Debug, Clone)]
pub struct Serve {
    /// `serve.api`: decisions and management.
    pub api: Listener,
    /// `serve.proxy`
    pub proxy: Listener,
    /// `serve.api.endpoints`: where gateways ask beside `/decisions`.
    pub endpoints: Vec<EndpointConfig>,
}

/// A path at which a gateway asks, and in which dialect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EndpointConfig {
    /// Starts with `/`.
    pub path: String,
    /// Id of the dialect.
    pub dialect: String,
}

/// One listener.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Empty for all interfaces.
    pub host: String,
    /// 0 for any free one.
    pub port: u16,
    /// Time to read a request's head.
    pub read_timeout: Duration,
    /// Time to write an answer.
    pub write_timeout: Duration,
    /// How long an unused connection stays open.
    pub idle_timeout: Duration,
    /// Certificate and key, where TLS is on.
    pub tls: Option<Tls>,
    /// Cross-origin answers.
    pub cors: Cors,
}

/// PEM texts of a certificate chain and its key, already read.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Certificate chain, leaf first.
    pub cert: Vec<u8>,
    /// Private key.
    pub key: Secret<Vec<u8>>,
}

/// `serve.*.cors`
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the configuration reference has them")]
pub struct Cors {
    pub enabled: bool,
    pub allowed_origins: Vec<String>,
    pub allowed_methods: Vec<String>,
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<String>,
    pub allow_credentials: bool,
    pub max_age: u64,
}

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

/// `access_rules.*`
#[derive(Debug, Clone)]
pub struct AccessRules {
    /// URLs or paths of rule documents, as written.
    pub repositories: Vec<String>,
    /// How patterns are written.
    pub strategy: Strategy,
}

/// Where configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files in order; a later one wins.
    pub files: Vec<PathBuf>,
    /// Environment variables; they win over files.
    pub environment: Vec<(String, String)>,
}

/// A value that must not be seen: prints as `[redacted]`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}
