//! Listeners: where the server can be reached, and how.

use std::time::Duration;

use serde::Deserialize;

use super::Secret;

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
#[derive(Debug, Clone, PartialEq, Eq)]
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
