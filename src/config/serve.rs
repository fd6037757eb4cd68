//! Listeners: where the server can be reached, and how.

use std::path::Path;
use std::time::Duration;

use super::Secret;
use crate::gateway::{Statuses, Trust};
use crate::metrics::labels::Paths;

/// Listeners.
#[derive(Debug, Clone)]
pub struct Serve {
    /// `serve.api`: decisions and management.
    pub api: Listener,
    /// `serve.proxy`, if there is one.
    pub proxy: Option<Proxy>,
    /// `serve.grpc`: where Envoy asks over gRPC, if it does.
    pub grpc: Option<Grpc>,
    /// `serve.prometheus`: where metrics can be read, if anywhere.
    pub prometheus: Option<Prometheus>,
    /// How `/decisions` is answered.
    pub decisions: Answering,
    /// `serve.api.endpoints`: where gateways ask beside `/decisions`.
    pub endpoints: Vec<EndpointConfig>,
}

/// `serve.proxy`
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens. Its `write_timeout` is how long an upstream may keep a client waiting.
    pub listener: Listener,
    /// Who is believed, and what refusals look like.
    pub answering: Answering,
    /// What goes to upstreams, and how.
    pub forwarding: Forwarding,
}

/// How requests go on to upstreams.
#[expect(clippy::struct_excessive_bools, reason = "switches that are written one by one")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// The upstream is told about the client in X-Forwarded-For, -Host and -Proto.
    pub add_forwarded_headers: bool,
    /// No header of a client goes on that any rule may set.
    pub strip_identity_headers: bool,
    /// `/a/` goes on as `/a/`.
    pub keep_trailing_slash: bool,
    /// There is a list of whose X-Forwarded headers count, be it an empty one.
    pub names_proxies: bool,
    /// Time to connect to an upstream.
    pub connect_timeout: Duration,
}

/// `serve.grpc`
#[derive(Debug, Clone)]
pub struct Grpc {
    /// Where it listens.
    pub listener: Listener,
    /// How Envoy is answered: by its own settings, where it has some, else by those of the API.
    pub answering: Answering,
    /// The longest question, in bytes.
    pub max_message_bytes: usize,
}

/// `serve.prometheus`
#[derive(Debug, Clone)]
pub struct Prometheus {
    /// Where it listens.
    pub listener: Listener,
    /// Where the metrics are; begins with `/`.
    pub path: String,
    /// What their names begin with, as written.
    pub prefix: String,
    /// What of a request's path is a label.
    pub paths: Paths,
}

/// A path at which a gateway asks, and how it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// Starts with `/`.
    pub path: String,
    /// Id of the dialect.
    pub dialect: String,
    /// Its own settings, where it has some, else those of the API.
    pub answering: Answering,
}

/// Who is believed, and what an answer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    /// `trusted_proxies`
    pub trust: Trust,
    /// Contradictions are refused.
    pub strict: bool,
    /// A yes names what the matched rule may set and has not.
    pub emit_empty_headers: bool,
    /// Names of headers, as written.
    pub strip_request_headers: Vec<String>,
    /// Names of query parameters that do not go on to the upstream, where that can be said.
    pub strip_query_parameters: Vec<String>,
    /// Which status stands for which kind of no.
    pub status: Statuses,
    /// Whether `aws_lambda` answers format 2.0 with a simple response.
    pub simple_responses: bool,
}

impl Default for Answering {
    fn default() -> Self {
        Self {
            trust: Trust::Everybody,
            strict: false,
            emit_empty_headers: true,
            strip_request_headers: Vec::new(),
            strip_query_parameters: Vec::new(),
            status: Statuses::default(),
            simple_responses: true,
        }
    }
}

/// One listener.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Empty for all interfaces; `unix:` and a path for a unix socket.
    pub host: String,
    /// Who may use a unix socket, as the mode of its file.
    pub socket_mode: u32,
    /// The longest head of a request, in bytes.
    pub max_header_bytes: usize,
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

impl Listener {
    /// The path of the unix socket, where it is one.
    pub fn socket(&self) -> Option<&Path> {
        self.host.strip_prefix("unix:").map(Path::new)
    }
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
