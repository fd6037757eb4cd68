//! From the checked tree to the types the server runs with.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::gateway::Trust;
use crate::metrics::labels::Paths;
use crate::rule::{Policy, Substitution};
use crate::template;

use super::check::allows_any_origin;
use super::{
    AccessRules, Answering, ClientTls, Config, Cors, EndpointConfig, Forwarding, Grpc, HandlerConfig,
    Handlers, HttpClient, Listener, Log, Prometheus, Proxy, Reload, Serve, Stage, Tls, parse_bytes,
    parse_duration,
};

/// Turns a configuration that the schema accepts, defaults filled in, into its types. The error names the
/// part that the schema should not have let through.
pub(super) fn config(
    value: &Value,
    [api_tls, proxy_tls, grpc_tls, prometheus_tls]: [Option<Tls>; 4],
    client_tls: ClientTls,
    environment: &[(String, String)],
) -> Result<Config, &'static str> {
    Ok(Config {
        serve: Serve {
            api: listener(at(value, "/serve/api"), api_tls).ok_or("serve.api")?,
            grpc: Some(grpc(value, grpc_tls).ok_or("serve.grpc")?),
            prometheus: Some(
                prometheus(at(value, "/serve/prometheus"), prometheus_tls).ok_or("serve.prometheus")?,
            ),
            proxy: Some(proxy(at(value, "/serve/proxy"), proxy_tls).ok_or("serve.proxy")?),
            decisions: answering(at(value, "/serve/api"), &Answering::default()),
            endpoints: endpoints(at(value, "/serve/api")).ok_or("serve.api.endpoints")?,
        },
        log: get::<LogSpec>(value, "/log").map(Log::from).ok_or("log")?,
        access_rules: AccessRules {
            repositories: get(value, "/access_rules/repositories").unwrap_or_default(),
            strategy: get(value, "/access_rules/matching_strategy")
                .ok_or("access_rules.matching_strategy")?,
            policy: Policy {
                on_multiple_matches: get(value, "/access_rules/on_multiple_matches")
                    .ok_or("access_rules.on_multiple_matches")?,
                default_rule: get(value, "/access_rules/default_rule"),
            },
            method_wildcard: get(value, "/access_rules/method_wildcard").unwrap_or(false),
            preflight: get(value, "/access_rules/preflight").ok_or("access_rules.preflight")?,
            substitution: Substitution::new(
                get(value, "/access_rules/env_substitution").unwrap_or_default(),
                environment,
            ),
            allow_empty: get(value, "/access_rules/allow_empty").unwrap_or(false),
            reload: Reload {
                debounce: duration(value, "/access_rules/reload/debounce")
                    .ok_or("access_rules.reload.debounce")?,
                poll: duration(value, "/access_rules/reload/poll").ok_or("access_rules.reload.poll")?,
            },
        },
        authenticators: handlers(value, Stage::Authenticators),
        authorizers: handlers(value, Stage::Authorizers),
        mutators: handlers(value, Stage::Mutators),
        error_handlers: handlers(value, Stage::Errors),
        fallback: get(value, "/errors/fallback").ok_or("errors.fallback")?,
        first_error_handler_wins: get(value, "/errors/first_match_wins").unwrap_or(false),
        templates: template::Settings {
            engine: get(value, "/template_engine").ok_or("template_engine")?,
            numbers: get(value, "/templates/numbers").ok_or("templates.numbers")?,
            missing: get(value, "/templates/missing").ok_or("templates.missing")?,
        },
        http_client: HttpClient { tls: client_tls },
        cache_max_bytes: bytes(at(value, "/cache/max_bytes")).ok_or("cache.max_bytes")?,
    })
}

fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn get<T: DeserializeOwned>(value: &Value, pointer: &str) -> Option<T> {
    T::deserialize(value.pointer(pointer)?).ok()
}

/// To JSON Schema `1.0` is a whole number.
fn whole(value: &Value) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and not negative")]
    let from_float = |float: f64| (float.fract() == 0.0 && float >= 0.0).then_some(float as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(from_float))
}

fn bytes(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => parse_bytes(text),
        number => usize::try_from(whole(number)?).ok(),
    }
}

/// What is set here, or the default. Whether any of it is set, the sources know.
fn proxy(value: &Value, tls: Option<Tls>) -> Option<Proxy> {
    let everybody = get(value, "/trust_forwarded_headers")?;
    let nobody = Trust::new(Some(&[]));
    let trust = if everybody { Trust::Everybody } else { nobody };
    Some(Proxy {
        listener: listener(value, tls)?,
        answering: answering(value, &Answering { trust, ..Answering::default() }),
        forwarding: Forwarding {
            add_forwarded_headers: get(value, "/add_forwarded_headers")?,
            strip_identity_headers: get(value, "/strip_identity_headers")?,
            keep_trailing_slash: get(value, "/keep_trailing_slash")?,
            names_proxies: get::<Vec<String>>(value, "/trusted_proxies").is_some(),
            connect_timeout: duration(value, "/timeout/connect")?,
        },
    })
}

/// The same.
fn grpc(value: &Value, tls: Option<Tls>) -> Option<Grpc> {
    let (own, api) = (at(value, "/serve/grpc"), at(value, "/serve/api"));
    let timeout = |pointer: &str| duration(own, pointer);
    Some(Grpc {
        listener: Listener {
            host: get(own, "/host")?,
            port: u16::try_from(whole(at(own, "/port"))?).ok()?,
            socket_mode: socket_mode(own),
            max_header_bytes: usize::MAX,
            read_timeout: timeout("/timeout/read")?,
            // Like that of `serve.api`, which nothing looks at yet.
            write_timeout: Duration::MAX,
            idle_timeout: timeout("/timeout/idle")?,
            tls,
            cors: Cors::default(),
        },
        answering: answering(own, &answering(api, &Answering::default())),
        max_message_bytes: bytes(at(own, "/max_message_bytes"))?,
    })
}

/// The same. Times are those of Oathkeeper.
fn prometheus(value: &Value, tls: Option<Tls>) -> Option<Prometheus> {
    let path: String = get(value, "/metrics_path")?;
    let hide: bool = get(value, "/hide_request_paths")?;
    let collapse: bool = get(value, "/collapse_request_paths")?;
    Some(Prometheus {
        listener: Listener {
            host: get(value, "/host")?,
            port: u16::try_from(whole(at(value, "/port"))?).ok()?,
            socket_mode: socket_mode(value),
            max_header_bytes: usize::MAX,
            read_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            tls,
            cors: Cors::default(),
        },
        path: if path.starts_with('/') { path } else { format!("/{path}") },
        prefix: get(value, "/metric_name_prefix")?,
        paths: match (hide, collapse) {
            (true, _) => Paths::Hidden,
            (false, true) => Paths::Segment,
            (false, false) => Paths::Whole,
        },
    })
}

fn listener(value: &Value, tls: Option<Tls>) -> Option<Listener> {
    Some(Listener {
        host: get(value, "/host")?,
        port: u16::try_from(whole(at(value, "/port"))?).ok()?,
        socket_mode: socket_mode(value),
        max_header_bytes: bytes(at(value, "/max_header_bytes")).unwrap_or(usize::MAX),
        read_timeout: duration(value, "/timeout/read")?,
        write_timeout: duration(value, "/timeout/write")?,
        idle_timeout: duration(value, "/timeout/idle")?,
        tls,
        cors: cors(at(value, "/cors"))?,
    })
}

/// What is set here, over what is set for all.
fn answering(value: &Value, all: &Answering) -> Answering {
    let trusted: Option<Vec<String>> = get(value, "/trusted_proxies");
    Answering {
        trust: trusted.map_or_else(|| all.trust.clone(), |list| Trust::new(Some(&list))),
        strict: get(value, "/strict").unwrap_or(all.strict),
        emit_empty_headers: get(value, "/emit_empty_headers").unwrap_or(all.emit_empty_headers),
        strip_request_headers: get(value, "/strip_request_headers")
            .unwrap_or_else(|| all.strip_request_headers.clone()),
        strip_query_parameters: get(value, "/strip_query_parameters")
            .unwrap_or_else(|| all.strip_query_parameters.clone()),
        status: get(value, "/status").unwrap_or(all.status),
        simple_responses: get(value, "/simple_responses").unwrap_or(all.simple_responses),
    }
}

fn endpoints(api: &Value) -> Option<Vec<EndpointConfig>> {
    let all = answering(api, &Answering::default());
    let list = api.get("endpoints").and_then(Value::as_array);
    let endpoint = |value: &Value| {
        let answering = answering(value, &all);
        Some(EndpointConfig { path: get(value, "/path")?, dialect: get(value, "/dialect")?, answering })
    };
    list.into_iter().flatten().map(endpoint).collect()
}

/// Owner and group where nothing else is set.
fn socket_mode(value: &Value) -> u32 {
    let mode: Option<String> = get(value, "/socket/mode");
    mode.and_then(|mode| u32::from_str_radix(&mode, 8).ok()).unwrap_or(0o660)
}

fn duration(value: &Value, pointer: &str) -> Option<Duration> {
    parse_duration(value.pointer(pointer)?.as_str()?)
}

fn cors(value: &Value) -> Option<Cors> {
    Some(Cors {
        enabled: get(value, "/enabled")?,
        allowed_origins: get(value, "/allowed_origins")?,
        allowed_methods: get(value, "/allowed_methods")?,
        allowed_headers: get(value, "/allowed_headers")?,
        exposed_headers: get(value, "/exposed_headers")?,
        // Never any page of the web with the visitor's cookies; a warning says so.
        allow_credentials: get(value, "/allow_credentials")? && !allows_any_origin(value),
        // A negative age is Oathkeeper's way to say nothing.
        max_age: whole(at(value, "/max_age")).unwrap_or(0),
    })
}

fn handlers(value: &Value, stage: Stage) -> Handlers {
    let configured = at(value, stage.pointer()).as_object();
    let mut handlers = BTreeMap::new();
    for (id, handler) in configured.into_iter().flatten() {
        let config = handler.get("config").filter(|config| config.is_object());
        handlers.insert(
            id.clone(),
            HandlerConfig {
                enabled: get(handler, "/enabled").unwrap_or(false),
                config: config.cloned().unwrap_or_else(|| Value::Object(Map::new())),
            },
        );
    }
    Handlers(handlers)
}

#[derive(Deserialize)]
struct LogSpec {
    level: super::LogLevel,
    format: super::LogFormat,
    leak_sensitive_values: bool,
}

impl From<LogSpec> for Log {
    fn from(spec: LogSpec) -> Self {
        Self { level: spec.level, format: spec.format, leak_sensitive_values: spec.leak_sensitive_values }
    }
}
