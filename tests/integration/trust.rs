//! Whose word counts: trusted proxies, the client's address, and what a yes says of identity headers.

use crate::given::{CONFIG, allows, rule, with_config};
use okgate_testkit::gate::{Gate, Start};
use okgate_testkit::http::{Reply, Request};
use okgate_testkit::wait::eventually;

const STRANGERS: &str = "trusted_proxies: [192.0.2.0/24]";
const TRUSTED: &str = "trusted_proxies: [127.0.0.1, 10.0.0.0/8]";

/// okgate with these settings of the API.
fn start(api: &str, rules: &str) -> Start {
    let config = CONFIG.replace("port: 0}", &format!("port: 0, {api}}}"));
    let config = config + "    redirect: {enabled: true, config: {to: 'http://wan.test/'}}\n";
    with_config(&config).file("rules.yaml", rules)
}

fn header(name: &str, text: &str) -> String {
    format!("{{handler: header, config: {{headers: {{{name}: '{text}'}}}}}}")
}

fn rules() -> String {
    let client = header("X-Client", "{{ .MatchContext.ClientAddress }}");
    allows("own", "http://gate.test/own")
        + &rule("open", "http://app.test/open", "anonymous", "allow", &client)
        + &rule("closed", "http://app.test/closed", "anonymous", "deny", &client)
            .replace("authorizer", "errors: [{handler: redirect, config: {to: 'http://lan.test/', when: [{request: {cidr: [203.0.113.0/24]}}]}}]\n  authorizer")
}

/// Waits until the log says so.
#[track_caller]
fn logged(gate: &Gate, text: &str) {
    eventually(text, || gate.stderr().contains(text).then_some(()));
}

fn ask(url: &str, more: &[(&str, &str)]) -> Request {
    more.iter().fold(Request::decision("GET", url), |request, (name, value)| request.header(name, *value))
}

fn x_client(gate: &Gate, more: &[(&str, &str)]) -> String {
    let reply = gate.send(&ask("http://app.test/open", more));
    assert_eq!(reply.status, 200, "{}", reply.summary());
    reply.header("x-client").unwrap()
}

#[test]
fn what_strangers_say_of_other_requests_is_ignored() {
    let gate = start(STRANGERS, &rules()).run();
    assert_eq!(gate.decide("GET", "http://app.test/open").status, 404);
    let mut own = ask("http://app.test/open", &[("X-Forwarded-For", "203.0.113.1")]);
    own.target = b"/decisions/own".to_vec();
    let reply = gate.send(&own);
    assert_eq!((reply.status, reply.header("x-rule").as_deref()), (200, Some("own")), "{}", reply.summary());
    logged(&gate, "client.address=\"127.0.0.1\"");
    assert!(!gate.stderr().contains("is not set"), "{}", gate.stderr());
}

#[test]
fn who_trusts_everybody_is_warned_when_okgate_starts() {
    let gate = start("strict: false", &rules()).run();
    logged(&gate, "`serve.api.trusted_proxies` is not set");
    assert_eq!(x_client(&gate, &[("X-Forwarded-For", "203.0.113.1")]), "127.0.0.1");
}

#[test]
fn the_clients_address_is_the_same_for_templates_conditions_and_logs() {
    let gate = start(TRUSTED, &rules()).run();
    for (fields, want) in [
        (&[][..], "127.0.0.1"),
        (&[("X-Forwarded-For", "203.0.113.1")], "203.0.113.1"),
        (&[("X-Forwarded-For", "198.51.100.1, 203.0.113.2, 10.1.1.1")], "203.0.113.2"),
        (&[("X-Forwarded-For", "203.0.113.1, 198.51.100.3")], "198.51.100.3"),
        (&[("Forwarded", "for=\"[2001:db8::1]:443\";proto=https")], "2001:db8::1"),
        (&[("X-Forwarded-For", "203.0.113.1, unknown")], ""),
    ] {
        assert_eq!(x_client(&gate, fields), want, "{fields:?}");
        if !want.is_empty() {
            logged(&gate, &format!("client.address=\"{want}\""));
        }
        let reply = gate.send(&ask("http://app.test/closed", fields));
        let lan = want.starts_with("203.0.113.");
        assert_eq!(reply.status, if lan { 302 } else { 403 }, "{fields:?} {}", reply.summary());
    }
}

#[test]
fn a_strict_api_refuses_what_contradicts_itself() {
    let gate = start("strict: true", &rules()).run();
    for (fields, want) in [
        (&[][..], 200),
        (&[("X-Forwarded-Uri", "/closed")], 400),
        (&[("X-Original-URL", "http://app.test/closed")], 400),
        (&[("X-Original-URL", "http://app.test/open")], 200),
        (&[("X_Forwarded_Uri", "/open")], 400),
    ] {
        let reply = gate.send(&ask("http://app.test/open", fields));
        assert_eq!(reply.status, want, "{fields:?} {}", reply.summary());
    }
}

/// A rule that gets its headers from a mutator, with all that may be on an endpoint.
#[test]
fn endpoints_have_settings_of_their_own() {
    let api = "strip_request_headers: [X-Group], endpoints: [
        {path: /mine, dialect: forwarded, trusted_proxies: [127.0.0.0/8], strip_request_headers: [X-Other], status: {no_rule: 410}},
        {path: /quiet, dialect: nginx, emit_empty_headers: false},
        {path: /theirs, dialect: nginx, trusted_proxies: [192.0.2.1]},
        {path: /envoy, dialect: envoy_http},
        {path: /decisions/below, dialect: ingress_nginx}]";
    let gate = start(api, &(rules() + &allows("envoy", "http://gate.test/a/b"))).run();
    let at = |path: &str, url: &str| -> Reply {
        let mut request = Request::decision("GET", url);
        request.target = path.as_bytes().to_vec();
        gate.send(&request)
    };
    let open = "http://app.test/open";
    let stripped = |reply: &Reply| ["x-group", "x-other", "x-rule"].map(|name| reply.header(name));
    let empty = || Some(String::new());
    assert_eq!(stripped(&at("/decisions", open)), [empty(), None, None]);
    assert_eq!(stripped(&at("/mine", open)), [None, empty(), None]);
    assert_eq!(at("/mine", "http://app.test/nowhere").status, 410);
    assert_eq!(stripped(&at("/quiet", open)), [None, None, None]);
    let theirs = at("/theirs", open);
    assert_eq!((theirs.status, theirs.header("x-auth-status").as_deref()), (403, Some("400")));
    logged(&gate, "peer-not-trusted");
    let envoy = at("/envoy/a/b", open);
    let removed = envoy.header("x-envoy-auth-headers-to-remove");
    assert_eq!((envoy.status, removed.as_deref()), (200, Some("x-group, x-client")), "{}", envoy.summary());
    let ingress =
        Request::get("/decisions/below").header("X-Original-URL", open).header("X-Original-Method", "GET");
    assert_eq!(gate.send(&ingress).status, 200);
}

#[test]
fn a_lambda_authorizer_gets_a_policy() {
    let api = "endpoints: [{path: /aws, dialect: aws_lambda}, {path: /old, dialect: aws_lambda, simple_responses: false}]";
    let gate = start(api, &allows("api", "https://api.test/pets")).run();
    let post = |path: &str, body: &str| {
        let reply = gate.send(&Request::new("POST", path).body(body));
        (reply.status, reply.text())
    };
    let event = |path: &str| {
        let context = r#"{"domainName": "api.test", "http": {"method": "GET"}}"#;
        format!(
            r#"{{"version": "2.0", "type": "REQUEST", "routeArn": "arn", "rawPath": "{path}", "requestContext": {context}}}"#
        )
    };
    let yes = (200, r#"{"isAuthorized":true,"context":{"x_rule":"api"}}"#.to_owned());
    assert_eq!(post("/aws", &event("/pets")), yes);
    let no = (404, r#"{"isAuthorized":false,"context":{"status":"404","reason":"no-rule"}}"#.to_owned());
    assert_eq!(post("/aws", &event("/other")), no);
    let (status, policy) = post("/old", &event("/pets"));
    assert!(status == 200 && policy.contains(r#""Effect":"Allow","Resource":"arn""#), "{policy}");
    for body in ["", "{", "[]", &"x".repeat(300_000)] {
        let (status, policy) = post("/aws", body);
        assert!(status == 400 && policy.contains(r#""Effect":"Deny","Resource":"*""#), "{status} {policy}");
    }
}

/// With cross-origin answers switched on, Oathkeeper answers every preflight itself: 204, a yes to nginx.
#[test]
fn a_preflight_that_a_gateway_asks_about_is_decided() {
    let api = "cors: {enabled: true}, endpoints: [{path: /nginx, dialect: nginx}]";
    let gate = start(api, &rules()).run();
    let preflight = |target: &str| {
        let asked = ask("http://app.test/closed", &[("X-Forwarded-Method", "OPTIONS")]);
        let mut request =
            asked.header("Origin", "http://a.test").header("Access-Control-Request-Method", "GET");
        (request.method, request.target) = ("OPTIONS".to_owned(), target.as_bytes().to_vec());
        gate.send(&request).status
    };
    assert_eq!(preflight("/nginx"), 403);
    assert_eq!(preflight("/decisions"), 204);
}
