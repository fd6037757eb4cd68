//! The fuzz targets' functions with random inputs, of the kind that reaches deep.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, HeaderValue, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use proptest::prelude::{ProptestConfig, any, prop, prop_oneof, proptest};
use proptest::strategy::Strategy;
use prost::Message as _;

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

/// Texts of pieces that mean something, with anything between.
fn text_of(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(pieces).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

const PATTERN: &[&str] = &[
    "http", "https", "://", "a", "b", "app.test", ":443", "/", "<", ">", "<.*>", "<**>", "(", ")", "(?:",
    "(?!", "(?=", "(?<x>", r"\k<x>", "(?i)", "(?<!", "[", "]", "[^", "a-z", "*", "+", "?", "{", "}", "{2}",
    "{1,3}", "|", ",", "!", ".", r"\d", r"\w", r"\b", r"\.", r"\", "^", "$", "%2F", "%", "..", "é",
];
const URL: &[&str] =
    &["http", "https", "://", "a", "b", "app.test", ":443", "/", "..", "é", "\n", "1", "A", "-"];
const PATH: &[&str] = &[
    "/", "//", "a", "b", ".", "..", ";", ";x=1", "%2e", "%2E", "%2f", "%5c", "\\", "%25", "%252e", "%00",
    "#", "%23", "%", "%c0%ae", "%e9", "é", "?", " ",
];
const TEMPLATE: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    ".",
    "|",
    "(",
    ")",
    "$x",
    ":=",
    ".Subject",
    ".Extra",
    ".MatchContext",
    ".URL",
    ".Header",
    "print",
    "printIndex",
    "toJson",
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "\"a\"",
    "`",
    "1",
    "-1",
    "{%",
    "%}",
    "{#",
    "#}",
    "session",
    "nil",
    "and",
    "or",
    "not",
    "index",
    "dict",
    "list",
    "a",
];
const QUESTION: &[&str] = &[
    "GET",
    "\n",
    "/decisions",
    "/a",
    "?",
    "x=1",
    "app.test",
    "APP.test",
    ":443",
    ":",
    "x-forwarded-uri: ",
    "x-forwarded-host: ",
    "x-forwarded-proto: ",
    "x-forwarded-method: ",
    "x-original-url: ",
    "x-original-method: ",
    "forwarded: ",
    "host=",
    "proto=",
    "https",
    "http",
    "ws",
    ",",
    ";",
    "\"",
    "/..",
    "/%2e%2e",
    "%2f",
    "[::1]",
    "@",
    "é",
    " ",
    "//",
];

/// Members of an event, each with its comma, and pieces that break one.
const EVENT: &[&str] = &[
    r#","headers":{"Host":"b.test","X-\u0041":"\u00e9"}"#,
    r#","headers":{"a":"1","A":"2","a":"3","b c":"4","d":"\r\n"}"#,
    r#","headers":null"#,
    r#","headers":{"a":null,"b":[{}],"c":{"d":1e9},"e":true,"f":-1.5}"#,
    r#","multiValueHeaders":{"Host":["b.test","c.test"],"x":[],"x":["1"]}"#,
    r#","multiValueHeaders":{"a":"1"}"#,
    r#","queryStringParameters":{"q":"1","é":"&="}"#,
    r#","multiValueQueryStringParameters":{"q":["1","2"]}"#,
    r#","cookies":["a=1","b=2"]"#,
    r#","rawQueryString":"a=1""#,
    r#","identitySource":["x"],"stageVariables":{"a":[1,2,{"b":null}]}"#,
    r#","path":"/b""#,
    r#","type":"TOKEN""#,
    ",",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    "\\",
    "\\ud800",
    "null",
    "1e999",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn patterns_match_in_one_way(source in text_of(PATTERN, 16), url in text_of(URL, 12)) {
        fuzz::pattern(&format!("{source}\n{url}"));
        fuzz::pattern(&format!("https://app.test/{source}\nhttps://app.test/{url}"));
    }

    #[test]
    fn readings_of_paths_are_canonical(path in text_of(PATH, 12), bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        fuzz::path(path.as_bytes());
        fuzz::path(format!("/{path}").as_bytes());
        fuzz::path(&bytes);
    }

    #[test]
    fn templates_render_or_say_what_is_wrong(source in text_of(TEMPLATE, 12)) {
        fuzz::template(&source);
        fuzz::template(&format!("{{{{ {source} }}}}"));
    }

    #[test]
    fn questions_become_canonical_requests(
        question in text_of(QUESTION, 24),
        bytes in prop::collection::vec(any::<u8>(), 0..48),
    ) {
        fuzz::request(question.as_bytes());
        fuzz::request(format!("GET\n/decisions\ngate\n{question}").as_bytes());
        fuzz::request(&bytes);
    }

    #[test]
    fn events_are_understood_or_refused(
        members in text_of(EVENT, 24),
        bytes in prop::collection::vec(any::<u8>(), 0..48),
    ) {
        fuzz::event(members.as_bytes());
        fuzz::event(format!(r#"{{"type":"REQUEST","methodArn":"arn","path":"/a","httpMethod":"GET","requestContext":{{"domainName":"a.test"}}{members}}}"#).as_bytes());
        fuzz::event(format!(r#"{{"type":"REQUEST","version":"2.0","routeArn":"arn","rawPath":"/a","requestContext":{{"domainName":"a.test","http":{{"method":"GET"}}}}{members}}}"#).as_bytes());
        fuzz::event(&bytes);
    }

    #[test]
    fn envoys_questions_are_understood_or_refused(
        question in envoys_question(),
        bytes in prop::collection::vec(any::<u8>(), 0..48),
        at in any::<prop::sample::Index>(),
    ) {
        let mut message = question.encode_to_vec();
        fuzz::check(&message);
        let at = at.index(message.len() + 1);
        let end = (at + bytes.len()).min(message.len());
        message.splice(at..end, bytes.iter().copied());
        fuzz::check(&message);
        fuzz::check(&bytes);
    }
}

/// A question of pieces that mean something, in fields and messages that may be of the wrong kind.
fn envoys_question() -> impl Strategy<Value = CheckRequest> {
    let text = || text_of(QUESTION, 6);
    let name = prop_oneof![
        4 => prop::sample::select(FIELDS).prop_map(str::to_owned),
        1 => text(),
    ];
    let headers = prop::collection::hash_map(name, text(), 0..6);
    let line = (text(), text(), text(), text_of(PATH, 8));
    (line, headers, any::<Vec<u8>>(), any::<bool>(), text()).prop_map(|(line, headers, body, raw, source)| {
        let (method, scheme, host, path) = line;
        let fields = headers.iter().map(|(key, value)| HeaderValue {
            key: key.clone(),
            value: String::new(),
            raw_value: value.clone().into_bytes(),
        });
        let header_map = raw.then(|| HeaderMap { headers: fields.collect() });
        let headers = if raw { HashMap::new() } else { headers };
        let http = HttpRequest {
            method,
            scheme,
            host,
            path: format!("/{path}"),
            headers,
            header_map,
            raw_body: body,
            ..HttpRequest::default()
        };
        let address = SocketAddress { address: source, ..SocketAddress::default() };
        let address = Address { address: Some(Kind::SocketAddress(address)) };
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(Peer { address: Some(address), ..Peer::default() }),
                request: Some(Request { http: Some(http), ..Request::default() }),
                ..AttributeContext::default()
            }),
        }
    })
}

const FIELDS: &[&str] = &[
    ":method",
    ":scheme",
    ":authority",
    ":path",
    "host",
    "x-forwarded-for",
    "x-forwarded-proto",
    "forwarded",
    "x-envoy-auth-partial-body",
    "origin",
    "access-control-request-method",
    "cookie",
    "authorization",
];

#[test]
fn inputs_that_were_once_taken_wrong() {
    // Nothing is left of it, but it is not the root.
    fuzz::request(b"GET\n/decisions\ngate\nx-forwarded-uri: a/..");
    // Not below the root, and so of no concern.
    fuzz::path(b".");
}
