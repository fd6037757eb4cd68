//! `/decisions`: a gateway asks, the engine decides.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HOST;
use tracing::{Level, enabled, info, warn};

use super::headers::RequestHeaders;
use super::live::Snapshot;
use crate::gateway::{Asked, Dialect};
use crate::pipeline::{Context, Decision, Denial, Detail, Reply};
use crate::request::{AccessRequest, Body, Parts};

/// Decides on what a gateway asks at `path` (below the endpoint). Handlers may read the body.
pub async fn decide(
    request: &HttpRequest,
    body: Option<&Body>,
    path: &str,
    dialect: &dyn Dialect,
    snapshot: &Snapshot,
    context: &Context,
) -> Reply {
    let head = request.head();
    let headers = RequestHeaders(&head.headers);
    let host = match head.uri.authority() {
        Some(authority) => authority.as_str(),
        None => head.headers.get(HOST).and_then(|h| h.to_str().ok()).unwrap_or_default(),
    };
    let asked = Asked {
        method: head.method.as_str(),
        path,
        query: head.uri.query(),
        host,
        tls: request.app_config().secure(),
        headers: &headers,
        peer: head.peer_addr.map(|a| a.ip()),
    };
    let parts = dialect.read(&asked);
    let access = match AccessRequest::new(parts.clone(), &headers) {
        Ok(access) => access.with_body(body),
        Err(error) => return refuse_unread(parts, error.to_string(), &headers, dialect, snapshot),
    };
    let decision = snapshot.engine.decide(&access, context).await;
    log(&access, &decision);
    put(decision, dialect)
}

/// A request whose path has no canonical form: refused in the shape that the error handlers give it.
fn refuse_unread(
    mut parts: Parts<'_>,
    why: String,
    headers: &RequestHeaders<'_>,
    dialect: &dyn Dialect,
    snapshot: &Snapshot,
) -> Reply {
    parts.path.value = b"/".as_slice().into();
    // The root is always canonical.
    let Ok(access) = AccessRequest::new(parts, headers) else {
        return Reply { status: 400, headers: Vec::new(), body: bytes::Bytes::new() };
    };
    let denial = Denial::BadRequest { why: Detail::id("unreadable-path").public(why) };
    let decision = snapshot.engine.refuse_unread(denial, &access);
    log(&access, &decision);
    put(decision, dialect)
}

fn put(decision: Decision, dialect: &dyn Dialect) -> Reply {
    match decision.outcome {
        Ok(grant) => dialect.grant(grant),
        Err(refusal) => dialect.refuse(&refusal.denial, refusal.reply),
    }
}

/// One line per decision. Without query: it may hold a token.
fn log(request: &AccessRequest<'_>, decision: &Decision) {
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
