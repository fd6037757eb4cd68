//! `/decisions`: a gateway asks, the engine decides.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::HOST;
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};
use tracing::{Level, enabled, info, warn};

use super::headers::RequestHeaders;
use super::live::Snapshot;
use crate::gateway::{Asked, Endpoint, Event, Source, Understood};
use crate::pipeline::{Context, Decision, Denial, Detail, Reply};
use crate::request::{AccessRequest, Body, Headers, Parts};

/// How long the body of a question may take, where the question is in there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Decides on what a gateway asks at `path` (below the endpoint), over TLS or not. Handlers may read the client's body.
pub async fn decide(
    request: &HttpRequest,
    body: Option<&Body>,
    (path, tls): (&str, bool),
    endpoint: &Endpoint,
    snapshot: &Snapshot,
    context: &Context,
) -> Reply {
    let head = request.head();
    let headers = RequestHeaders(&head.headers);
    let host = own_host(head);
    let own_body = question(endpoint, body).await;
    let asked = Asked {
        method: head.method.as_str(),
        path,
        query: head.uri.query(),
        host,
        tls,
        headers: &headers,
        body: own_body.as_deref().unwrap_or_default(),
        peer: head.peer_addr.map(|a| a.ip()),
        source: Source::Unsaid,
        believed: false,
        id: None,
    };
    let read = if has_two_hosts(head, host) {
        let why = Detail::id("contradiction").log("the question names two hosts as its own");
        Err(Denial::BadRequest { why })
    } else {
        endpoint.read(asked)
    };
    let body = body.filter(|_| own_body.is_none());
    answer(&asked, read, body, None, endpoint, snapshot, context).await
}

/// Decides on what was asked, with the client's body, and before the deadline, if there is one.
pub(super) async fn answer(
    asked: &Asked<'_>,
    read: Result<Understood<'_>, Denial>,
    body: Option<&Body>,
    deadline: Option<Instant>,
    endpoint: &Endpoint,
    snapshot: &Snapshot,
    context: &Context,
) -> Reply {
    let Understood { parts, headers: own_headers, event } = match read {
        Ok(understood) => understood,
        Err(denial) => {
            let parts = Parts::unknown(asked.host, asked.peer);
            return refuse_unread(parts, denial, None, asked, endpoint, snapshot, context);
        }
    };
    let client_headers: &dyn Headers = own_headers.as_ref().map_or(asked.headers, |own| own);
    let access = match AccessRequest::new(parts.clone(), client_headers) {
        Ok(access) => access.with_body(body),
        Err(error) => {
            let denial = Denial::BadRequest { why: Detail::id("unreadable-path").public(error.to_string()) };
            return refuse_unread(parts, denial, event.as_ref(), asked, endpoint, snapshot, context);
        }
    };
    let decide = snapshot.engine.decide(&access, context);
    let decision = match deadline {
        None => decide.await,
        Some(deadline) => timeout_at(deadline, decide).await.unwrap_or_else(|_| {
            let why = Detail::id("deadline-passed");
            let denial = Denial::CouldNotDecide { status: 504, why, retry_after: None };
            snapshot.engine.refuse_unread(denial, &access)
        }),
    };
    note(asked, &access, &decision, endpoint, context);
    put(decision, event.as_ref(), asked, endpoint)
}

/// The host of a request: of an absolute-form target, else the `Host` header.
pub(super) fn own_host(head: &RequestHead) -> &str {
    match head.uri.authority() {
        Some(authority) => authority.as_str(),
        None => head.headers.get(HOST).and_then(|h| h.to_str().ok()).unwrap_or_default(),
    }
}

/// Several fields `Host` (RFC 9112 section 3.2), or over HTTP/2 one beside another `:authority` (RFC 9113
/// section 8.3.1): whoever was before may have gone by the other one.
pub(super) fn has_two_hosts(head: &RequestHead, host: &str) -> bool {
    let mut hosts = head.headers.get_all("host");
    let first = hosts.next();
    hosts.next().is_some()
        || (head.version == Version::HTTP_2
            && first.is_some_and(|other| !other.as_bytes().eq_ignore_ascii_case(host.as_bytes())))
}

/// The body of a question that is in there; one that does not come, or is too long, is empty.
async fn question(endpoint: &Endpoint, body: Option<&Body>) -> Option<Bytes> {
    let limit = Some(endpoint.dialect.question_bytes()).filter(|limit| *limit > 0)?;
    match body {
        Some(body) => Some(body.take(limit, Instant::now() + PATIENCE).await.unwrap_or_default()),
        None => Some(Bytes::new()),
    }
}

/// A request that cannot be understood: refused in the shape that the error handlers give it.
pub(super) fn refuse_unread(
    mut parts: Parts<'_>,
    denial: Denial,
    event: Option<&Event<'_>>,
    asked: &Asked<'_>,
    endpoint: &Endpoint,
    snapshot: &Snapshot,
    context: &Context,
) -> Reply {
    parts.path.value = b"/".as_slice().into();
    // The root is always canonical.
    let Ok(access) = AccessRequest::new(parts, asked.headers) else {
        return Reply { status: 400, headers: Vec::new(), body: Bytes::new() };
    };
    let decision = snapshot.engine.refuse_unread(denial, &access);
    note(asked, &access, &decision, endpoint, context);
    put(decision, event, asked, endpoint)
}

fn put(decision: Decision, event: Option<&Event<'_>>, asked: &Asked<'_>, endpoint: &Endpoint) -> Reply {
    match decision.outcome {
        Ok(grant) => endpoint.grant(grant, event, asked.id),
        Err(refusal) => endpoint.refuse(refusal, event, asked.id),
    }
}

/// Counts a decision and logs it.
pub(super) fn note(
    asked: &Asked<'_>,
    request: &AccessRequest<'_>,
    decision: &Decision,
    endpoint: &Endpoint,
    context: &Context,
) {
    if let Some(tally) = &context.tally {
        tally.decision(endpoint.number, decision);
    }
    log(asked, request, decision);
}

/// One line per decision. Without query: it may hold a token.
fn log(asked: &Asked<'_>, request: &AccessRequest<'_>, decision: &Decision) {
    let denial = decision.outcome.as_ref().err().map(|refusal| &refusal.denial);
    let fault = denial.is_some_and(|denial| {
        matches!(
            denial,
            Denial::SeveralRules { .. } | Denial::Misconfigured { .. } | Denial::CouldNotDecide { .. }
        )
    });
    if !(if fault { enabled!(Level::WARN) } else { enabled!(Level::INFO) }) {
        return;
    }
    let url = format!("{}://{}{}", request.scheme(), request.host(), request.path());
    let client = request.client_address().map(|a: IpAddr| a.to_string());
    let rule = decision.rule.as_ref().map(|r| r.id());
    match &decision.outcome {
        Ok(grant) => info!(
            decision.granted = true,
            decision.id = asked.id,
            http.method = request.method(),
            http.url = url,
            client.address = client,
            rule.id = rule,
            session.subject = grant.subject(),
            "access request granted"
        ),
        Err(refusal) => {
            let detail = refusal.denial.detail();
            let several = match &refusal.denial {
                Denial::SeveralRules { ids } => Some(format!("{ids:?}")),
                _ => None,
            };
            macro_rules! line {
                ($log:ident) => {
                    $log!(
                        decision.granted = false,
                        decision.id = asked.id,
                        decision.outcome = refusal.denial.outcome(),
                        decision.reason = detail.map(|d| d.id),
                        decision.detail = detail.and_then(|d| d.log.as_deref()),
                        decision.status = refusal.reply.status,
                        http.method = request.method(),
                        http.url = url,
                        client.address = client,
                        rule.id = rule,
                        rules.matched = several,
                        step.kind = refusal.stage.as_ref().map(|s| s.kind),
                        step.handler = refusal.stage.as_ref().map(|s| s.handler.as_str()),
                        session.subject = (!refusal.subject.is_empty()).then_some(&*refusal.subject),
                        "access request denied"
                    )
                };
            }
            if fault {
                line!(warn);
            } else {
                line!(info);
            }
        }
    }
}
