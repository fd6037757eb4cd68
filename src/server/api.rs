//! The API: what is answered at which path.

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, json};
use url::form_urlencoded;

use super::headers::RequestHeaders;
use super::live::{Live, Snapshot};
use super::reply::response;
use super::worker::Worker;
use super::{body, decisions, not_found};
use crate::gateway::Endpoint;
use crate::json::html_safe_json;
use crate::keys;
use crate::pipeline::errors::json::error_body;
use crate::pipeline::{Reply, cors};
use crate::request::Body;

/// How many rules `/rules` lists when nothing is asked for, and at most.
const RULES_DEFAULT: usize = 50;
const RULES_MOST: usize = 500;

/// Answers one request, which may have come over TLS.
pub async fn serve(
    request: &HttpRequest,
    payload: Payload,
    worker: &Worker,
    tls: bool,
) -> HttpResponse<BoxBody> {
    let snapshot = worker.live.load();
    let cors = &snapshot.cors;
    let headers = RequestHeaders(&request.head().headers);
    let body = body::of(request, payload, &worker.live.shared.bodies);
    let reply = if head_bytes(request) > snapshot.config.serve.api.max_header_bytes {
        error_body(431, "The head of the request is too long", None, None)
    } else if cors.enabled()
        && cors::announced(request.method().as_str(), &headers).is_some()
        && !is_asked(request, &snapshot)
    {
        Reply { status: 204, headers: cors.preflight(&headers).0, body: Bytes::new() }
    } else {
        let mut reply = route(request, body.as_ref(), &snapshot, worker, tls).await;
        if cors.enabled() {
            cors.add_headers(&headers, &mut reply.headers);
        }
        reply
    };
    if let Some(body) = &body {
        body::discard(body).await;
    }
    response(reply, request.method().as_str() == "HEAD")
}

/// Whether a gateway asks about somebody's preflight, to which 204 would be a yes. Only browsers ask for
/// themselves, and Oathkeeper takes everybody for one.
fn is_asked(request: &HttpRequest, snapshot: &Snapshot) -> bool {
    let asked = endpoint(request.uri().path(), snapshot);
    asked.is_some_and(|(_, endpoint)| endpoint.dialect.id() != "oathkeeper")
}

/// The length of a request's head as HTTP/1 writes it.
pub(super) fn head_bytes(request: &HttpRequest) -> usize {
    let head = request.head();
    let line = head.method.as_str().len() + head.uri.path().len() + request.query_string().len() + 13;
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    line + fields.sum::<usize>()
}

async fn route(
    request: &HttpRequest,
    body: Option<&Body>,
    snapshot: &Snapshot,
    worker: &Worker,
    tls: bool,
) -> Reply {
    let path = request.uri().path();
    if let Some((below, endpoint)) = endpoint(path, snapshot) {
        return decisions::decide(request, body, (below, tls), endpoint, snapshot, &worker.context).await;
    }
    if !matches!(request.method().as_str(), "GET" | "HEAD") {
        return not_found::page(request);
    }
    match path {
        "/health/alive" => ok(&json!({"status": "ok"})),
        "/health/ready" => ready(snapshot, &worker.live),
        "/status" => ok(&worker.live.status().to_json(snapshot, &worker.live.remote)),
        "/version" => ok(&json!({"version": env!("CARGO_PKG_VERSION")})),
        "/rules" => rules(request.query_string(), snapshot),
        "/.well-known/jwks.json" => jwks(snapshot, worker).await,
        _ => match path.strip_prefix("/rules/").filter(|id| !id.is_empty() && !id.contains('/')) {
            Some(id) => rule(id, snapshot),
            None => not_found::page(request),
        },
    }
}

/// The endpoint that a path lies at or below, and what of the path lies below it.
fn endpoint<'p, 's>(path: &'p str, snapshot: &'s Snapshot) -> Option<(&'p str, &'s Endpoint)> {
    snapshot.endpoints.iter().find_map(|endpoint| {
        let below = path.strip_prefix(endpoint.path.as_str())?;
        (below.is_empty() || below.starts_with('/')).then_some((below, endpoint))
    })
}

/// A JSON answer, on one line and safe to embed in a page.
fn ok<T: Serialize>(value: &T) -> Reply {
    json_reply(200, html_safe_json(value))
}

fn json_reply(status: u16, body: Vec<u8>) -> Reply {
    Reply {
        status,
        headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))],
        body: Bytes::from(body),
    }
}

/// Ready as soon as there is a rule to decide by and every source that was there at start has been read once.
/// Sources that fail later are named, but do not count: the rules last read from them are in force.
fn ready(snapshot: &Snapshot, live: &Live) -> Reply {
    let status = live.status();
    let failing = status.failing(&live.remote);
    let has_rules = snapshot.has_rules();
    if live.is_ready(snapshot) {
        if failing.is_empty() {
            return ok(&json!({"status": "ok"}));
        }
        return ok(&json!({"status": "ok", "failing_sources": failing}));
    }
    let mut errors = Map::new();
    let why =
        if has_rules { "not every rule source has been read" } else { "no valid access rule is loaded" };
    errors.insert("rules_loaded".to_owned(), json!(why));
    errors.extend(failing);
    json_reply(503, html_safe_json(&json!({"errors": errors})))
}

/// `GET /rules?limit=&offset=`: the rules without a fault, in load order.
fn rules(query: &str, snapshot: &Snapshot) -> Reply {
    let number = |name: &str, default: i64| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.parse::<i64>().ok())
            .unwrap_or(default)
            .max(0)
    };
    let default = i64::try_from(RULES_DEFAULT).unwrap_or_default();
    let limit = usize::try_from(number("limit", default)).unwrap_or(RULES_MOST).min(RULES_MOST);
    let offset = usize::try_from(number("offset", 0)).unwrap_or(usize::MAX);
    let page: Vec<_> =
        snapshot.engine.rules().valid().skip(offset).take(limit).map(|r| r.spec.shown()).collect();
    ok(&page)
}

/// `GET /rules/{id}`: the first rule of that id.
fn rule(encoded: &str, snapshot: &Snapshot) -> Reply {
    let id = percent_decode_str(encoded).decode_utf8_lossy();
    match snapshot.engine.rules().valid().find(|r| r.id() == id) {
        Some(rule) => ok(&rule.spec.shown()),
        None => error_body(404, "The requested resource could not be found", None, None),
    }
}

/// `GET /.well-known/jwks.json`: public halves of the keys that id tokens are signed with.
async fn jwks(snapshot: &Snapshot, worker: &Worker) -> Reply {
    match keys::public_set(&worker.live.shared.jwks, &snapshot.jwks_urls, &worker.context.fetch).await {
        Ok(set) => ok(&set),
        Err(_) => error_body(
            500,
            "An internal server error occurred, please contact the system administrator",
            Some("None of the provided URLs returned a valid JSON Web Key Set."),
            None,
        ),
    }
}
