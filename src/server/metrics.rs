//! The metrics listener: one page, put together of what workers counted and of what else is known at the moment.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::body::{BoxBody, SizedStream};
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use actix_web::rt::task::spawn_blocking;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing_appender::non_blocking::ErrorCounter;

use super::live::Live;
use super::not_found;
use super::reply::response;
use crate::cache::Cache;
use crate::config::{Config, Prometheus};
use crate::metrics::labels::Service;
use crate::metrics::text::{Format, Set, Text};
use crate::metrics::{Metrics, process};
use crate::pipeline::Reply;
use crate::pipeline::errors::json::error_body;
use crate::upstream::calls::Calls;

/// Paths of the API beside those where gateways ask.
const KNOWN_PATHS: [&str; 8] = [
    "/decisions",
    "/rules",
    "/status",
    "/version",
    "/health",
    "/.well-known/jwks.json",
    "/envoy.service.auth.v3.Authorization/Check",
    "/",
];

/// KiB of texts that may be kept for who reads them: thousands of common ones, and some of the longest.
const ROOM: usize = 64 * 1024;
/// Bytes that go out at once.
const PIECE: usize = 16 * 1024;

/// What the listener shows, and how.
pub struct Page {
    path: String,
    prefix: String,
    /// What workers count with.
    pub metrics: Arc<Metrics>,
    live: Arc<Live>,
    dropped: ErrorCounter,
    writing: Mutex<()>,
    /// In KiB.
    room: Arc<Semaphore>,
}

impl Page {
    /// A page as configured; `None` where nothing is.
    pub fn new(config: &Config, live: &Arc<Live>, dropped: ErrorCounter) -> Option<Arc<Self>> {
        let Prometheus { path, prefix, paths, .. } = config.serve.prometheus.clone()?;
        let endpoints = config.serve.endpoints.iter().map(|endpoint| endpoint.path.as_str());
        let metrics = Metrics::new(paths, endpoints.chain(KNOWN_PATHS));
        Some(Arc::new(Self {
            path,
            prefix,
            metrics,
            live: Arc::clone(live),
            dropped,
            writing: Mutex::new(()),
            room: Arc::new(Semaphore::new(ROOM)),
        }))
    }

    /// Finds room for a text until it is read.
    fn admit(&self, text: String) -> Option<Bytes> {
        let kibibytes = u32::try_from(text.len() / 1024 + 1).ok()?;
        let place = Arc::clone(&self.room).try_acquire_many_owned(kibibytes).ok()?;
        Some(Bytes::from_owner(Admitted { text, _place: place }))
    }

    /// Everything there is to say, for one who asks after the other.
    fn write(&self, format: Format) -> String {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = Text::new(format, &self.prefix);
        self.requests(&mut text);
        self.rules(&mut text);
        self.reloads(&mut text);
        cache(&self.live.shared.cache, &mut text);
        calls(&self.live.shared.calls, &mut text);
        let dropped = self.dropped.dropped_lines();
        text.count("log_lines_dropped", "Log lines that nobody read in time.", dropped);
        let labels: Set<'_> = &[("version", env!("CARGO_PKG_VERSION"))];
        text.gauge("build_info", "Which okgate this is.", [(labels, 1)]);
        process::write(&mut text);
        text.finish()
    }

    fn requests(&self, text: &mut Text) {
        let requests = self.metrics.requests();
        let labels: Vec<_> = requests
            .iter()
            .map(|(named, _)| {
                [
                    ("method", named.method),
                    ("request", &*named.request),
                    ("service", named.service),
                    ("status_code", &*named.status),
                ]
            })
            .collect();
        let totals = || labels.iter().zip(&requests).map(|(labels, (_, total))| (&labels[..], total));
        text.counter(
            "requests",
            "Total number of requests",
            totals().map(|(labels, total)| (labels, total.count())),
        );
        text.histogram("requests_duration_seconds", "Time spent serving requests.", totals());
        let services = Service::ALL.map(|service| [("service", service.name())]);
        let running = services.iter().zip(Service::ALL);
        text.gauge(
            "requests_in_flight",
            "Requests that are being answered.",
            running.map(|(labels, service)| (&labels[..], self.metrics.running(service))),
        );
        let decisions: Vec<_> = self
            .metrics
            .decisions()
            .filter(|(dialect, _, count)| *count > 0 || self.is_asked_in(dialect))
            .map(|(dialect, outcome, count)| ([("dialect", dialect), ("outcome", outcome)], count))
            .collect();
        let help = "Decisions, by the dialect of who asked and by how they ended.";
        text.counter("decisions", help, decisions.iter().map(|(labels, count)| (&labels[..], count)));
    }

    /// Whether somebody may ask in a dialect. What was not seen yet must be there as 0, or the first that is goes
    /// unnoticed: Prometheus sees changes.
    fn is_asked_in(&self, dialect: &str) -> bool {
        let serve = &self.live.load().config.serve;
        match dialect {
            "oathkeeper" => true,
            "proxy" => serve.proxy.is_some(),
            "envoy_grpc" => serve.grpc.is_some(),
            _ => serve.endpoints.iter().any(|endpoint| endpoint.dialect == dialect),
        }
    }

    fn rules(&self, text: &mut Text) {
        let (live, snapshot) = (&self.live, self.live.load_full());
        let rules = snapshot.engine.rules();
        let valid = rules.valid().count();
        let counts = [("valid", valid), ("invalid", rules.all().len().saturating_sub(valid))];
        by_state(text, "rules", "Access rules that are loaded; invalid ones refuse all requests.", &counts);
        let status = live.status();
        let failing = status.failing(&live.remote).len();
        let counts = [("ok", status.sources().saturating_sub(failing)), ("failing", failing)];
        by_state(text, "rule_sources", "Sources of access rules.", &counts);
        let sets = live.shared.jwks.status();
        let failing = sets.iter().filter(|set| set.failure.is_some()).count();
        let unread = sets.iter().filter(|set| set.failure.is_none() && set.keys.is_none()).count();
        let ok = sets.len().saturating_sub(failing + unread);
        let counts = [("ok", ok), ("failing", failing), ("unread", unread)];
        by_state(text, "key_sets", "JSON Web Key Sets that rules use.", &counts);
        let (errors, warnings) = status.findings();
        let samples = [("error", errors), ("warning", warnings)];
        let labels = samples.map(|(severity, _)| [("severity", severity)]);
        text.gauge(
            "findings",
            "What the last load found wrong in configuration and rules.",
            labels.iter().zip(samples).map(|(labels, (_, count))| (&labels[..], count)),
        );
        let ready = u8::from(live.is_ready(&snapshot));
        text.number("ready", "Whether `/health/ready` answers 200.", ready);
    }

    fn reloads(&self, text: &mut Text) {
        let known = self.live.reloads.known();
        let outcomes = [("success", known.good), ("failure", known.bad)];
        let labels = outcomes.map(|(outcome, _)| [("outcome", outcome)]);
        text.counter(
            "reloads",
            "Reloads; a failure leaves something that is written out of force.",
            labels.iter().zip(outcomes).map(|(labels, (_, count))| (&labels[..], count)),
        );
        let help = "Whether everything that was written at the last load is in force.";
        text.number("last_reload_successful", help, u8::from(known.is_good));
        let help = "When a load last took over everything that was written.";
        let good_at = known.good_at.map_or(0.0, seconds_since_1970);
        text.number("last_reload_success_timestamp_seconds", help, good_at);
        let help = "How long the last reload took.";
        text.number("last_reload_duration_seconds", help, known.took.as_secs_f64());
    }
}

fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn by_state(text: &mut Text, name: &str, help: &str, states: &[(&str, usize)]) {
    let labels: Vec<_> = states.iter().map(|(state, _)| [("state", *state)]).collect();
    text.gauge(name, help, labels.iter().zip(states).map(|(labels, (_, count))| (&labels[..], count)));
}

fn cache(cache: &Cache, text: &mut Text) {
    text.number("cache_bytes", "Memory that the cache uses.", cache.bytes());
    text.number("cache_max_bytes", "Memory that the cache may use.", cache.budget());
    text.number("cache_entries", "Entries of the cache.", cache.len());
    text.count("cache_hits", "How often the cache had what was looked for.", cache.hits());
    text.count("cache_misses", "How often it had not.", cache.misses());
    text.count("cache_evictions", "Entries that made room for others.", cache.evictions());
}

fn calls(calls: &Calls, text: &mut Text) {
    let handlers = calls.counts.all();
    let ends: Vec<_> = handlers
        .iter()
        .flat_map(|(handler, counts)| {
            counts.ends().map(|(outcome, count)| ([("handler", *handler), ("outcome", outcome)], count))
        })
        .collect();
    let help = "Calls to services that take part in decisions, by how they ended.";
    text.counter("backend_calls", help, ends.iter().map(|(labels, count)| (&labels[..], count)));
    let labels: Vec<_> = handlers.iter().map(|(handler, _)| [("handler", *handler)]).collect();
    let each = || labels.iter().map(|labels| &labels[..]).zip(&handlers);
    let help = "Requests that these calls were made of: more where they were retried.";
    text.counter("backend_attempts", help, each().map(|(labels, (_, counts))| (labels, counts.attempts())));
    let took: Vec<_> = handlers.iter().map(|(_, counts)| counts.took()).collect();
    let help = "Time spent on a call: waiting for its turn, retries and all.";
    text.histogram("backend_call_duration_seconds", help, labels.iter().map(|l| &l[..]).zip(&took));
    text.number("backend_calls_in_flight", "Calls under way.", calls.under_way());
}

/// Answers one request, whatever its method, as Oathkeeper does.
pub async fn serve(request: &HttpRequest, page: &Arc<Page>) -> HttpResponse<BoxBody> {
    let head_only = request.method().as_str() == "HEAD";
    if request.uri().path() != page.path {
        return response(not_found::page(request), head_only);
    }
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::wanted(accept);
    // There may be much to write, and the thread has decisions to make.
    let written = spawn_blocking({
        let page = Arc::clone(page);
        move || page.write(format)
    });
    let Some(text) = written.await.ok().and_then(|text| page.admit(text)) else {
        let reply = error_body(503, "Too many metrics are being read", None, None);
        return response(reply, head_only);
    };
    let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(format.content_type()))];
    let mut response = response(Reply { status: 200, headers, body: Bytes::new() }, head_only);
    if !head_only {
        // In pieces, as only so many of which are copied as the other side reads.
        let body = SizedStream::new(text.len() as u64, stream::unfold(text, next_piece));
        response = response.set_body(BoxBody::new(body));
    }
    response
}

async fn next_piece(mut text: Bytes) -> Option<(Result<Bytes, Infallible>, Bytes)> {
    let piece = text.split_to(text.len().min(PIECE));
    (!piece.is_empty()).then_some((Ok(piece), text))
}

/// A text and its place among those that are being read.
struct Admitted {
    text: String,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Admitted {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
