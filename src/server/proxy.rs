//! `serve.proxy`: requests of clients, which go on to the upstream of their rule once the engine says yes.
//!
//! What the engine decided on is what is sent: the path that was matched, the query that handlers saw, and header
//! fields of which the rule has the last word. Answers come back as they are, without what belongs to a connection.

mod sniff;

use std::cell::Cell;

use actix_http::body::{BodySize, BodyStream, BoxBody, MessageBody as _, None as NoBody, SizedStream};
use actix_http::{ConnectionType, RequestHead, ResponseHead, Version};
use actix_web::dev::Payload;
use actix_web::http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName,
    HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use actix_web::{HttpRequest, HttpResponse};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{Method, StatusCode, Uri};
use tracing::{debug, warn};

use super::headers::RequestHeaders;
use super::live::Snapshot;
use super::reply::response;
use super::worker::Worker;
use super::{api, body, decisions};
use crate::gateway::proxy::{Passing, without_parameters};
use crate::gateway::{Asked, Source, Yes, is_end_to_end};
use crate::pipeline::errors::json::error_body;
use crate::pipeline::{Decision, Denial, Detail, Reply, cors};
use crate::request::body::Opened;
use crate::request::{AccessRequest, Body, Headers, Parts};
use crate::rule::upstream::Upstream;
use crate::upstream::pool::{Destination, Limits, Pool};
use crate::upstream::relay::{Answer, RelayError, Sending};

/// A longer body that a handler has read cannot go on to the upstream.
const KEPT: usize = 1 << 20;

/// Answers one request, which may have come over TLS.
pub async fn serve(
    request: &HttpRequest,
    payload: Payload,
    (worker, pool): (&Worker, &Pool),
    tls: bool,
) -> HttpResponse<BoxBody> {
    // An upstream may take long: a guard that is kept for so long would be in others' way.
    let snapshot = worker.live.load_full();
    let cors = &snapshot.proxy_cors;
    let headers = RequestHeaders(&request.head().headers);
    let protocol = Protocol::of(request);
    let (payload, body) = match protocol {
        Protocol::Http => (None, body::of(request, payload, &worker.live.shared.bodies)),
        _ => (Some(payload), None),
    };
    let body = body.map(|body| body.keeping(KEPT));
    let max_header_bytes =
        snapshot.config.serve.proxy.as_ref().map_or(usize::MAX, |proxy| proxy.listener.max_header_bytes);
    let is_taken = Cell::new(false);
    let mut answer = if api::head_bytes(request) > max_header_bytes {
        replied(request, error_body(431, "The head of the request is too long", None, None))
    } else if cors.enabled() && cors::announced(request.method().as_str(), &headers).is_some() {
        replied(request, Reply { status: 204, headers: cors.preflight(&headers).0, body: Bytes::new() })
    } else {
        let front = Front { request, snapshot: &snapshot, worker, pool, tls, is_taken: &is_taken };
        let mut answer = front.answer(protocol, payload, body.as_ref()).await;
        if cors.enabled() {
            add_cors(cors, &headers, answer.headers_mut());
        }
        answer
    };
    if let Some(body) = body.as_ref().filter(|_| !is_taken.get()) {
        body::discard(body).await;
    }
    let is_upgraded = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let knows_chunks = request.version() >= Version::HTTP_11 && protocol == Protocol::Http;
    if answer.body().size() == BodySize::Stream && !knows_chunks && !is_upgraded {
        // Such a body ends with its connection. Behind an upgrade that came to nothing actix-http sends no chunks.
        answer.head_mut().no_chunking(true);
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    if protocol != Protocol::Http && !is_upgraded {
        // What follows is no request any more, or may be none.
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

/// What the client wants of its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// An answer.
    Http,
    /// To speak another protocol: `websocket`, the only one that is known here.
    WebSocket,
    /// `Upgrade` without the rest of it. It is the connection's, and passes nobody.
    Unasked,
    /// An upgrade with a body: where the body ends is not clear.
    Unclear,
}

impl Protocol {
    fn of(request: &HttpRequest) -> Self {
        let head = request.head();
        let names = |name: HeaderName, token: &[u8]| {
            head.headers.get_all(name).any(|value| {
                value
                    .as_bytes()
                    .split(|byte| *byte == b',')
                    .any(|t| t.trim_ascii().eq_ignore_ascii_case(token))
            })
        };
        if head.version == Version::HTTP_2 || !names(UPGRADE, b"websocket") {
            return Self::Http;
        }
        let has_body = head.headers.contains_key(TRANSFER_ENCODING)
            || head.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
        if has_body || !(head.method == Method::GET || head.method == Method::HEAD) {
            Self::Unclear
        } else if head.method == Method::GET
            && head.version == Version::HTTP_11
            && names(CONNECTION, b"upgrade")
            && head.headers.get_all(UPGRADE).count() == 1
        {
            Self::WebSocket
        } else {
            Self::Unasked
        }
    }
}

/// A request with everything that it is answered with.
struct Front<'f> {
    request: &'f HttpRequest,
    snapshot: &'f Snapshot,
    worker: &'f Worker,
    pool: &'f Pool,
    tls: bool,
    /// Whether the upstream answers: it may go on reading the body meanwhile.
    is_taken: &'f Cell<bool>,
}

impl Front<'_> {
    async fn answer(
        &self,
        protocol: Protocol,
        payload: Option<Payload>,
        body: Option<&Body>,
    ) -> HttpResponse<BoxBody> {
        let (snapshot, head) = (self.snapshot, self.request.head());
        let (endpoint, engine) = (&snapshot.proxy, &snapshot.engine);
        let headers = RequestHeaders(&head.headers);
        let host = decisions::own_host(head);
        let peer = head.peer_addr.map(|address| address.ip());
        let asked = Asked {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query(),
            host,
            tls: self.tls,
            headers: &headers,
            body: &[],
            peer,
            source: Source::Unsaid,
            believed: false,
            id: None,
        };
        let unread = |parts: Parts<'_>, denial: Denial| {
            let reply = decisions::refuse_unread(
                parts,
                denial,
                None,
                &asked,
                endpoint,
                snapshot,
                &self.worker.context,
            );
            replied(self.request, reply)
        };
        let refused =
            |id: &'static str, why: &'static str| Denial::BadRequest { why: Detail::id(id).log(why) };
        let read = if decisions::has_two_hosts(head, host) {
            Err(refused("contradiction", "the request names two hosts as its own"))
        } else if protocol == Protocol::Unclear {
            Err(refused("unclear-end", "an upgrade with a body: where the body ends is not clear"))
        } else {
            endpoint.read(asked)
        };
        let parts = match read {
            Ok(understood) => understood.parts,
            Err(denial) => return unread(Parts::unknown(host, peer), denial),
        };
        let believed = endpoint.believes(peer);
        let is_listed =
            snapshot.config.serve.proxy.as_ref().is_some_and(|proxy| proxy.forwarding.names_proxies);
        let passing = Passing::new(&headers, believed, is_listed);
        let access = match AccessRequest::new(parts.clone(), &passing) {
            Ok(access) => access.with_body(body),
            Err(error) => {
                let why = Detail::id("unreadable-path").public(error.to_string());
                return unread(parts, Denial::BadRequest { why });
            }
        };
        let decision = engine.decide_to_forward(&access, &self.worker.context).await;
        decisions::note(&asked, &access, &decision, endpoint, &self.worker.context);
        let Decision { rule, outcome } = decision;
        let grant = match outcome {
            Ok(grant) => grant,
            Err(refusal) => return replied(self.request, endpoint.refuse(refusal, None, None)),
        };
        let upstream = rule.as_ref().and_then(|rule| rule.upstream.clone());
        let Some(upstream) = upstream.filter(|_| !grant.is_answered()) else {
            return replied(self.request, endpoint.grant(grant, None, None));
        };
        let id = grant.rule().id().to_owned();
        let outgoing = Outgoing { access: &access, passing: &passing, asked: &asked, believed };
        let sent = match outgoing.head(self, endpoint.yes(grant), &upstream, protocol) {
            Some(head) => self.send(head, &upstream, protocol, payload, body).await,
            None => Err(RelayError::Protocol("the request cannot be put".to_owned())),
        };
        match sent {
            Ok(answer) => {
                self.is_taken.set(true);
                debug!(
                    rule.id = id,
                    upstream.origin = upstream.origin,
                    upstream.status = answer.head.status.as_u16()
                );
                passed_on(self.request, answer).await
            }
            Err(error) => {
                let status = status_of(&error);
                warn!(
                    rule.id = id,
                    upstream.origin = upstream.origin,
                    upstream.error = %error,
                    decision.status = status,
                    "the upstream did not answer"
                );
                // As in Oathkeeper, error handlers have no say: it is not about who asks.
                replied(self.request, Reply { status, headers: Vec::new(), body: Bytes::new() })
            }
        }
    }

    async fn send(
        &self,
        head: RequestHead,
        upstream: &Upstream,
        protocol: Protocol,
        payload: Option<Payload>,
        body: Option<&Body>,
    ) -> Result<Answer, RelayError> {
        let sending = match (protocol, payload, body) {
            (Protocol::WebSocket, Some(payload), _) => {
                Sending::Upgraded(Box::pin(payload.map(|piece| piece.map_err(drop))))
            }
            (_, _, Some(body)) => match body.open_last().await.map_err(RelayError::Body)? {
                Opened::Whole(whole) if whole.is_empty() => Sending::Nothing,
                Opened::Whole(whole) => Sending::Whole(whole),
                Opened::Pieces(pieces) => Sending::Pieces(pieces),
            },
            (_, _, None) => Sending::Nothing,
        };
        let limits = self.limits();
        let to = Destination {
            origin: &upstream.origin,
            tls: upstream.tls,
            host: &upstream.host,
            port: upstream.port,
        };
        self.pool.send(to, head, sending, limits).await
    }

    fn limits(&self) -> Limits {
        let proxy = self.snapshot.config.serve.proxy.as_ref();
        let most = std::time::Duration::from_secs(120);
        Limits {
            connect: proxy.map_or(most, |proxy| proxy.forwarding.connect_timeout),
            answer: proxy.map_or(most, |proxy| proxy.listener.write_timeout),
        }
    }
}

/// What the request to the upstream is made of.
struct Outgoing<'o, 'p> {
    access: &'o AccessRequest<'o>,
    passing: &'o Passing<'p>,
    asked: &'o Asked<'o>,
    believed: bool,
}

impl Outgoing<'_, '_> {
    /// The head of the request to the upstream; `None` where what a client sent cannot stand in one.
    fn head(
        &self,
        front: &Front<'_>,
        yes: Yes<'_>,
        upstream: &Upstream,
        protocol: Protocol,
    ) -> Option<RequestHead> {
        let forwarding = front.snapshot.config.serve.proxy.as_ref().map(|proxy| proxy.forwarding)?;
        let mut target = upstream.path(self.access, forwarding.keep_trailing_slash).ok()?;
        let query = without_parameters(self.access.query(), yes.strip_query);
        // A question mark with nothing behind it stays, unless there was something.
        if self.access.has_query() && (!query.is_empty() || self.access.query().is_empty()) {
            target.push('?');
            target.push_str(&query);
        }
        let client = front
            .request
            .headers()
            .iter()
            .filter(|(name, _)| self.passing.keeps(name.as_str()) && name.as_str() != "expect");
        let mut head = RequestHead::default();
        head.method = front.request.method().clone();
        head.uri = Uri::builder().path_and_query(target).build().ok()?;
        for (name, value) in yes.into_request(client, forwarding.strip_identity_headers) {
            head.headers.append(name, value);
        }
        if front.request.version() == Version::HTTP_2 {
            join_cookies(&mut head.headers);
        }
        if forwarding.add_forwarded_headers {
            self.tell_of_the_client(&mut head.headers);
        }
        let mut trailers = false;
        self.asked.headers.each("te", &mut |value| trailers |= value.eq_ignore_ascii_case(b"trailers"));
        if trailers {
            head.headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        let host = if upstream.preserve_host {
            HeaderValue::from_str(self.asked.host).ok()?
        } else {
            upstream.authority.clone()
        };
        head.headers.insert(HOST, host);
        if protocol == Protocol::WebSocket {
            head.set_connection_type(ConnectionType::Upgrade);
            head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            head.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        Some(head)
    }

    /// X-Forwarded-For with the other end of the connection behind those that were named, X-Forwarded-Host and -Proto
    /// where nobody who is believed named them.
    fn tell_of_the_client(&self, headers: &mut HeaderMap) {
        const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
        const X_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
        const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
        let mut hops = BytesMut::new();
        for before in headers.get_all(FOR).filter(|_| self.believed) {
            hops.extend_from_slice(before.as_bytes());
            hops.extend_from_slice(b", ");
        }
        let peer =
            self.asked.peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_canonical().to_string());
        hops.extend_from_slice(peer.as_bytes());
        let mut set = |name: HeaderName, value: &[u8]| {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.insert(name, value);
            }
        };
        set(FOR, &hops);
        let said = |name: &HeaderName| self.believed && self.asked.headers.first(name.as_str()).is_some();
        if !said(&X_HOST) {
            set(X_HOST, self.asked.host.as_bytes());
        }
        if !said(&PROTO) {
            set(PROTO, if self.asked.tls { b"https" } else { b"http" });
        }
    }
}

/// One field, as HTTP/1.1 wants it of what HTTP/2 may split (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut joined = BytesMut::new();
    for value in headers.get_all(COOKIE) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(value.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_maybe_shared(joined.freeze())
        && !joined.is_empty()
    {
        headers.insert(COOKIE, joined);
    }
}

fn replied(request: &HttpRequest, reply: Reply) -> HttpResponse<BoxBody> {
    response(reply, request.method() == Method::HEAD)
}

/// The status for a request that was let through and not answered.
fn status_of(error: &RelayError) -> u16 {
    use crate::request::body::BodyError::{BrokenOff, PassedOn, TooLong, TooSlow};
    match error {
        RelayError::Timeout(_) => 504,
        RelayError::Connect(_) | RelayError::Protocol(_) => 502,
        RelayError::Body(TooLong { .. } | PassedOn) => 413,
        RelayError::Body(TooSlow) => 408,
        RelayError::Body(BrokenOff) => 400,
    }
}

/// The upstream's answer.
async fn passed_on(request: &HttpRequest, answer: Answer) -> HttpResponse<BoxBody> {
    let Answer { mut head, is_upgraded, mut body } = answer;
    let length = length(&head);
    let status = head.status;
    let has_type = head.headers.contains_key(CONTENT_TYPE) || head.headers.contains_key(CONTENT_ENCODING);
    let mut fields = end_to_end(std::mem::replace(&mut head.headers, HeaderMap::new()));
    // What the upstream leaves open, as Oathkeeper says it.
    if let Some(body) = body.as_mut().filter(|_| !has_type && !is_upgraded)
        && let Some(begin) = body.begin().await
    {
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(sniff::content_type(begin)));
    }
    let body = match (body, length) {
        _ if request.method() == Method::HEAD => {
            let nothing = futures_util::stream::empty::<Result<Bytes, RelayError>>();
            // Without a length there is nothing to say about it, not even that it is 0.
            let unsaid = || BoxBody::new(NoBody::new());
            length.map_or_else(unsaid, |length| BoxBody::new(SizedStream::new(length, nothing)))
        }
        (None, _) if status == StatusCode::NOT_MODIFIED => BoxBody::new(NoBody::new()),
        (None, _) => BoxBody::new(()),
        (Some(body), Some(length)) => BoxBody::new(SizedStream::new(length, body)),
        (Some(body), None) => BoxBody::new(BodyStream::new(body)),
    };
    let mut response = HttpResponse::with_body(status, body);
    let out = response.head_mut();
    out.set_camel_case_headers(true);
    out.headers = fields;
    if is_upgraded {
        out.set_connection_type(ConnectionType::Upgrade);
        out.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    response
}

/// How long the body is that the head promises, where that is how it ends.
fn length(head: &ResponseHead) -> Option<u64> {
    if head.headers.contains_key(TRANSFER_ENCODING) || head.status == StatusCode::SWITCHING_PROTOCOLS {
        return None;
    }
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The fields of an answer that are meant for the client.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    headers.retain(|name, _| is_end_to_end(name.as_str()) && !named.contains(name));
    headers
}

/// What a browser needs to show an answer to a page of another origin, unless the upstream says it.
fn add_cors(policy: &cors::Policy, request: &dyn Headers, headers: &mut HeaderMap) {
    if headers.contains_key(actix_web::http::header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    let mut fields = Vec::new();
    policy.add_headers(request, &mut fields);
    for (name, value) in fields {
        headers.append(name, value);
    }
}
