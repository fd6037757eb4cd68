//! Read and written with the messages of envoy-types, which nothing else here knows.

use std::collections::HashMap;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::{
    Address, EnvoyInternalAddress, HeaderMap, HeaderValue as Field, Pipe, SocketAddress,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use http::header::{LOCATION, SET_COOKIE};
use prost::Message as _;
use serde_json::json;

use super::*;
use crate::config::Answering;
use crate::gateway::{Endpoint, Source, Statuses};
use crate::pipeline::trial::{Ask, Trial, run};
use crate::pipeline::{Detail, Refusal};

fn request() -> HttpRequest {
    HttpRequest {
        method: "PATCH".to_owned(),
        scheme: "https".to_owned(),
        host: "app.test:8443".to_owned(),
        path: "/a%20b?x=1?y".to_owned(),
        id: "1".to_owned(),
        size: 3,
        protocol: "HTTP/2".to_owned(),
        query: "no".to_owned(),
        fragment: "no".to_owned(),
        headers: HashMap::from([("X-Mixed".to_owned(), "m".to_owned()), ("x-a".to_owned(), "b".to_owned())]),
        body: "abc".to_owned(),
        ..HttpRequest::default()
    }
}

fn question(source: Option<Kind>, http: Option<HttpRequest>) -> Vec<u8> {
    let peer = Peer {
        address: source.map(|kind| Address { address: Some(kind) }),
        service: "s".to_owned(),
        ..Peer::default()
    };
    let attributes = AttributeContext {
        source: Some(peer.clone()),
        destination: Some(peer),
        request: Some(Request {
            http,
            time: Some(envoy_types::pb::google::protobuf::Timestamp { seconds: 1, nanos: 2 }),
        }),
        context_extensions: HashMap::from([("a".to_owned(), "b".to_owned())]),
        ..AttributeContext::default()
    };
    CheckRequest { attributes: Some(attributes) }.encode_to_vec()
}

/// The reason why it is no question, or what is asked: the request line and all header fields.
fn asked(message: &[u8]) -> Result<String, &'static str> {
    let check = Check::read(message).unwrap();
    let asked = check.asked(None, "id").map_err(|why| why.id)?;
    let mut fields = Vec::new();
    asked.headers.all(&mut |name, value| fields.push(format!("{name}={}", value.escape_ascii())));
    fields.sort();
    let (scheme, query) = (if asked.tls { "https" } else { "http" }, asked.query.unwrap_or("-"));
    Ok(format!("{} {scheme} {} {} {query} {}", asked.method, asked.host, asked.path, fields.join(",")))
}

#[test]
fn envoys_attributes_are_read() {
    let message = question(None, Some(request()));
    assert_eq!(asked(&message).unwrap(), "PATCH https app.test:8443 /a%20b x=1?y x-a=b,x-mixed=m");
    let check = Check::read(&message).unwrap();
    assert_eq!(check.body(), Some((b"abc".as_slice(), true)));
    let raw = HttpRequest { body: String::new(), raw_body: vec![0, 255], ..request() };
    assert_eq!(Check::read(&question(None, Some(raw))).unwrap().body(), Some(([0, 255].as_slice(), true)));
    for (value, whole) in [("true", false), ("false", true), ("", false)] {
        let mut http = request();
        http.headers.insert("x-envoy-auth-partial-body".to_owned(), value.to_owned());
        let message = question(None, Some(http));
        assert_eq!(Check::read(&message).unwrap().body(), Some((b"abc".as_slice(), whole)), "{value:?}");
    }
    let none = HttpRequest { body: String::new(), ..request() };
    assert_eq!(Check::read(&question(None, Some(none))).unwrap().body(), None);
}

#[test]
fn a_raw_header_map_is_read_with_all_values() {
    let field = |key: &str, value: &str, raw: &[u8]| Field {
        key: key.to_owned(),
        value: value.to_owned(),
        raw_value: raw.to_vec(),
    };
    let fields = vec![
        field("x-a", "1", b""),
        field("x-raw", "", b"\xff"),
        field("x-a", "", b"2"),
        field(":path", "/other", b""),
        field("x-empty", "", b""),
    ];
    let map = Some(HeaderMap { headers: fields });
    let http = HttpRequest { header_map: map, headers: HashMap::new(), path: String::new(), ..request() };
    let message = question(None, Some(http));
    let want = r"PATCH https app.test:8443 /other - x-a=1,x-a=2,x-empty=,x-raw=\xff";
    assert_eq!(asked(&message).unwrap(), want);
    let check = Check::read(&message).unwrap();
    let asked = check.asked(None, "id").unwrap();
    let mut values = Vec::new();
    asked.headers.each("X-A", &mut |value| values.push(value.to_vec()));
    assert_eq!(values, [b"1".to_vec(), b"2".to_vec()]);
}

#[test]
fn what_http2_has_beside_the_header_fields_stands_in_for_what_is_missing() {
    let fields = [(":method", "PUT"), (":scheme", "HTTPS"), (":authority", "b.test"), (":path", "/b?c")];
    let fields = || fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let only = HttpRequest { headers: HashMap::from(fields()), ..HttpRequest::default() };
    assert_eq!(asked(&question(None, Some(only))).unwrap(), "PUT https b.test /b c ");
    let both = HttpRequest { headers: HashMap::from(fields()), ..request() };
    assert_eq!(asked(&question(None, Some(both))).unwrap(), "PATCH https app.test:8443 /a%20b x=1?y ");
    let proto = |value: &str| HttpRequest {
        scheme: String::new(),
        headers: HashMap::from([("x-forwarded-proto".to_owned(), value.to_owned())]),
        ..request()
    };
    for (value, want) in [("https", Ok("https")), ("", Ok("http")), ("gopher", Err("unreadable-check"))] {
        let got = asked(&question(None, Some(proto(value))));
        let got = got.as_deref().map(|line| line.split(' ').nth(1).unwrap_or_default());
        assert_eq!(got, want.map_err(|_| &"unreadable-check"), "{value}");
    }
}

#[test]
fn what_is_no_request_is_no_question() {
    assert_eq!(asked(b""), Err("no-http-request"));
    assert_eq!(asked(&question(None, None)), Err("no-http-request"));
    assert_eq!(asked(&question(None, Some(HttpRequest::default()))), Err("unreadable-check"));
    let with = |name: &str, value: &str| {
        let headers = HashMap::from([(name.to_owned(), value.to_owned())]);
        asked(&question(None, Some(HttpRequest { headers, ..request() })))
    };
    for (name, value) in [
        ("", ""),
        ("a b", ""),
        ("x\n", ""),
        ("é", ""),
        (":", ""),
        ("x", "a\r\nb"),
        ("x", "a\nb"),
        ("x", "\0"),
    ] {
        assert_eq!(with(name, value), Err("unreadable-check"), "{name:?} {value:?}");
    }
    let many = (0..1001).map(|i| (format!("x-{i}"), String::new())).collect();
    assert_eq!(
        asked(&question(None, Some(HttpRequest { headers: many, ..request() }))),
        Err("unreadable-check")
    );
    // Not UTF-8, which other implementations let through: method, host, path, query.
    for field in [2, 5, 4] {
        let http = Message::of(|http| {
            http.bytes(4, b"/a");
            http.bytes(field, b"/\xff");
        });
        let message = Message::of(|m| m.message(1, |m| m.message(4, |m| m.bytes(2, &http))));
        assert_eq!(asked(&message), Err("unreadable-check"), "{field}");
    }
}

#[test]
fn the_other_end_of_envoys_connection_is_read() {
    let socket = |address: &str| {
        Some(Kind::SocketAddress(SocketAddress { address: address.to_owned(), ..SocketAddress::default() }))
    };
    for (kind, want) in [
        (None, Source::Unsaid),
        (socket("192.0.2.7"), Source::Address([192, 0, 2, 7].into())),
        (socket("::ffff:192.0.2.7"), Source::Address([192, 0, 2, 7].into())),
        (socket("app.test"), Source::Nameless),
        (socket(""), Source::Nameless),
        (Some(Kind::Pipe(Pipe { path: "/x".to_owned(), mode: 0 })), Source::Nameless),
        (Some(Kind::EnvoyInternalAddress(EnvoyInternalAddress::default())), Source::Nameless),
    ] {
        let message = question(kind.clone(), Some(request()));
        let check = Check::read(&message).unwrap();
        assert_eq!(check.asked(None, "").unwrap().source, want, "{kind:?}");
    }
}

fn endpoint(settings: &Answering, identity: &[HeaderName]) -> Endpoint {
    Endpoint::new("", &EnvoyGrpc, settings, identity)
}

/// Code, status of HTTP, header fields, body, and what is removed.
fn read(reply: &Reply) -> (i32, i32, Vec<String>, String, String) {
    assert!(reply.headers.is_empty());
    let response = CheckResponse::decode(reply.body.clone()).unwrap();
    let code = response.status.unwrap().code;
    let (status, fields, body, removed) = match response.http_response.unwrap() {
        HttpResponse::OkResponse(ok) => (200, ok.headers, String::new(), ok.headers_to_remove.join(",")),
        HttpResponse::DeniedResponse(no) => (no.status.unwrap().code, no.headers, no.body, String::new()),
        HttpResponse::ErrorResponse(error) => panic!("{error:?}"),
    };
    assert_eq!((code == 0, i32::from(reply.status)), (status == 200, status));
    let fields = fields.into_iter().map(|field| {
        #[expect(deprecated, reason = "what Envoy looks at")]
        let append = field.append.is_some_and(|append| append.value);
        assert_eq!(field.append_action, if append { 0 } else { 2 });
        let header = field.header.unwrap();
        let value = if header.raw_value.is_empty() { header.value.into_bytes() } else { header.raw_value };
        format!("{}{}={}", header.key, if append { "+" } else { "" }, value.escape_ascii())
    });
    (code, status, fields.collect(), body, removed)
}

#[test]
fn a_no_of_any_kind_is_a_denied_response() {
    let why = || Detail::id("test");
    let rows = [
        (Denial::NoRule, 7, 404),
        (Denial::SeveralRules { ids: Vec::new() }, 7, 500),
        (Denial::BadRequest { why: why() }, 7, 400),
        (Denial::Unauthenticated { why: why() }, 16, 401),
        (Denial::Forbidden { why: why() }, 7, 403),
        (Denial::TooManyRequests { why: why(), headers: Vec::new() }, 7, 429),
        (Denial::CouldNotDecide { status: 503, why: why(), retry_after: None }, 7, 503),
        (Denial::Misconfigured { message: "x".into(), why: why() }, 7, 500),
    ];
    for (denial, code, status) in rows {
        for shaped in [0, 100, 101, 200, 204, 206, 299, 302, 304, 401, 500, 600, 999, status] {
            for configured in [None, Some(200), Some(302), Some(418)] {
                let statuses = Statuses {
                    no_rule: configured,
                    multiple_rules: configured,
                    bad_request: configured,
                    unauthenticated: configured,
                    forbidden: configured,
                    too_many_requests: configured,
                    backend_error: configured,
                    misconfigured: configured,
                };
                let settings = Answering { status: statuses, ..Answering::default() };
                let reply = Reply {
                    status: shaped,
                    headers: vec![
                        (LOCATION, HeaderValue::from_static("http://login.test/")),
                        (SET_COOKIE, HeaderValue::from_static("a=1")),
                        (SET_COOKIE, HeaderValue::from_bytes(b"b=\xff").unwrap()),
                        (http::header::CONTENT_LENGTH, HeaderValue::from_static("7")),
                    ],
                    body: Bytes::from_static(b"because"),
                };
                let refusal = Refusal { denial: denial.clone(), stage: None, subject: Arc::from(""), reply };
                let put = endpoint(&settings, &[]).refuse(refusal, None, Some("id"));
                let fields = ["location=http://login.test/", "set-cookie=a=1", r"set-cookie+=b=\xff"]
                    .map(str::to_owned);
                let got = read(&put);
                assert!((300..600).contains(&got.1), "{denial:?} {shaped}");
                assert_eq!(got, (code, got.1, fields.to_vec(), "because".to_owned(), String::new()));
                if shaped == status {
                    let want = configured.filter(|c| *c == 418).unwrap_or(status);
                    assert_eq!(got.1, i32::from(want), "{denial:?}");
                }
            }
        }
    }
}

#[test]
fn a_yes_sets_what_the_rule_says_and_takes_away_what_the_client_must_not_bring() {
    let headers =
        json!({"X-User": "{{ .Subject }}", "X-Empty": "", "Transfer-Encoding": "chunked", "Upgrade": "h2c"});
    let rule = json!({"mutators": [{"handler": "header", "config": {"headers": headers}}]});
    let trial = Trial::good(&json!({}), &rule);
    let identity = ["x-other", "x-user"].map(HeaderName::from_static);
    let strip = vec!["X-Group".to_owned(), "X-User".to_owned(), "Connection".to_owned()];
    for (emit, fields) in
        [(true, ["x-empty=", "x-user=guest", "x-group="].as_slice()), (false, &["x-empty=", "x-user=guest"])]
    {
        let settings = Answering {
            strip_request_headers: strip.clone(),
            emit_empty_headers: emit,
            ..Answering::default()
        };
        let decision = run(trial.ask(&Ask::default()));
        let reply = endpoint(&settings, &identity).grant(decision.outcome.unwrap(), None, Some("the-id"));
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        assert_eq!(read(&reply), (0, 200, fields, String::new(), "x-group,x-other".to_owned()));
        let metadata = CheckResponse::decode(reply.body).unwrap().dynamic_metadata.unwrap();
        let metadata: std::collections::BTreeMap<_, _> = metadata.fields.into_iter().collect();
        let text = format!("{metadata:?}");
        for (name, value) in
            [("decision_id", "the-id"), ("outcome", "granted"), ("rule_id", "r"), ("subject", "guest")]
        {
            assert!(
                text.contains(&format!("\"{name}\": Value {{ kind: Some(StringValue(\"{value}\"))")),
                "{text}"
            );
        }
    }
}

#[test]
fn all_values_of_a_header_arrive() {
    let config =
        json!({"mutators": {"hydrator": {"enabled": true, "config": {"api": {"url": "http://h.test/"}}}}});
    let trial = Trial::good(&config, &json!({"mutators": [{"handler": "hydrator"}]}));
    let answer = json!({"subject": "guest", "header": {"X-Two": ["a", "b", "c"], "X-User": ["alice"]}});
    trial.fetch.answer("http://h.test/", 200, answer.to_string());
    let decision = run(trial.ask(&Ask::default()));
    let reply = endpoint(&Answering::default(), &[]).grant(decision.outcome.unwrap(), None, None);
    assert_eq!(read(&reply).2, ["x-two=a", "x-two+=b", "x-two+=c", "x-user=alice"]);
}

#[test]
fn a_preflight_that_is_answered_is_answered_as_a_whole() {
    let config = json!({"access_rules": {"preflight": "answer"}});
    let trial = Trial::good(&config, &json!({"cors": {"allowed_origins": ["http://page.test"]}}));
    let fields = [("origin", "http://page.test"), ("access-control-request-method", "POST")];
    let decision = run(trial.ask(&Ask { method: "OPTIONS", headers: &fields, ..Ask::default() }));
    let reply = endpoint(&Answering::default(), &[]).grant(decision.outcome.unwrap(), None, None);
    let (code, status, fields, _, _) = read(&reply);
    assert_eq!((code, status), (7, 204));
    assert!(fields.contains(&"access-control-allow-origin=http://page.test".to_owned()), "{fields:?}");
}

proptest::proptest! {
    /// Whatever is sent, it is a question or not, and nothing panics.
    #[test]
    fn any_bytes_are_understood_or_refused(
        noise in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
        at in 0..300_usize,
    ) {
        let _ = Check::read(&noise).map(|check| check.asked(None, "").map(|asked| asked.path.len()));
        let mut message = question(None, Some(request()));
        let at = at.min(message.len());
        let end = (at + noise.len()).min(message.len());
        message.splice(at..end, noise);
        let endpoint = endpoint(&Answering { strict: true, ..Answering::default() }, &[]);
        if let Ok(check) = Check::read(&message)
            && let Ok(asked) = check.asked(None, "")
            && let Ok(understood) = endpoint.read(asked)
        {
            let _ = crate::request::AccessRequest::new(understood.parts, asked.headers);
        }
    }
}
