//! Configuration: Oathkeeper's format, from files and environment, checked before anything starts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::template;

/// How `match.url` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Literal text with regular expressions between `<` and `>`.
    #[default]
    Regexp,
    /// Literal text with globs between `<` and `>`.
    Glob,
}

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
/// stub
pub mod document {
    /// stub
    pub fn parse(text: &str, _: &str) -> Result<serde_json::Value, crate::diagnostic::Finding> {
        serde_yaml::from_str(text).map_err(|e| crate::diagnostic::Finding::error("syntax", "", e.to_string()))
    }
}
/// stub
pub fn merge(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let mut o = a.clone();
            for (k, v) in b {
                let m = o.get(k).map_or(v.clone(), |x| merge(x, v));
                o.insert(k.clone(), m);
            }
            Value::Object(o)
        }
        (a, Value::Null) => a.clone(),
        (_, b) => b.clone(),
    }
}

/// stub
pub struct Loaded {
    /// c
    pub config: Config,
    /// r
    pub report: crate::diagnostic::Report,
}
/// stub
pub fn load(s: &Sources) -> Result<Loaded, crate::diagnostic::Report> {
    let v: Value = serde_yaml::from_str(&std::fs::read_to_string(&s.files[0]).unwrap()).unwrap();
    let l = |n: &str, p: u16| Listener {
        host: v.pointer(&format!("/serve/{n}/host")).and_then(Value::as_str).unwrap_or_default().to_owned(),
        port: v.pointer(&format!("/serve/{n}/port")).and_then(Value::as_u64).map_or(p, |x| x as u16),
        read_timeout: Duration::from_secs(5),
        write_timeout: Duration::from_secs(120),
        idle_timeout: Duration::from_secs(120),
        tls: None,
        cors: Cors::default(),
    };
    let h = |p: &str| {
        Handlers(
            v.pointer(p)
                .and_then(Value::as_object)
                .map(|o| {
                    o.iter()
                        .map(|(k, v)| {
                            (
                                k.clone(),
                                HandlerConfig {
                                    enabled: v["enabled"] == true,
                                    config: v
                                        .get("config")
                                        .cloned()
                                        .unwrap_or(Value::Object(Default::default())),
                                },
                            )
                        })
                        .collect()
                })
                .unwrap_or_default(),
        )
    };
    Ok(Loaded {
        report: Default::default(),
        config: Config {
            serve: Serve { api: l("api", 4456), proxy: l("proxy", 4455), endpoints: vec![] },
            log: Log {
                level: match v.pointer("/log/level").and_then(Value::as_str) {
                    Some("error") => LogLevel::Error,
                    _ => LogLevel::Info,
                },
                format: LogFormat::Json,
                leak_sensitive_values: false,
            },
            access_rules: AccessRules {
                repositories: v
                    .pointer("/access_rules/repositories")
                    .and_then(Value::as_array)
                    .map(|a| a.iter().filter_map(|x| x.as_str().map(str::to_owned)).collect())
                    .unwrap_or_default(),
                strategy: Strategy::Regexp,
            },
            authenticators: h("/authenticators"),
            authorizers: h("/authorizers"),
            mutators: h("/mutators"),
            error_handlers: h("/errors/handlers"),
            fallback: vec!["json".into()],
            first_error_handler_wins: false,
            template_engine: template::Engine::Go,
            cache_max_bytes: 32 << 20,
        },
    })
}
