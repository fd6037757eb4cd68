//! What Envoy asks, and what it is told.

use crate::client::{Envoy, Verdict, about, address, from, get, http, okgate};
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use okgate_testkit::gate::Gate;
use okgate_testkit::http::{Request, exchange};
use okgate_testkit::stub::Stub;
use okgate_testkit::wait::eventually;
use serde_json::json;
use std::fmt::Write as _;

const TRUSTED: &str = "trusted_proxies: [127.0.0.1, 10.0.0.0/8]";

/// A rule in flow YAML, with these members over those that let everybody pass.
fn rule(id: &str, members: &str) -> String {
    let mut rule = format!("- id: {id}\n");
    let usual = [
        ("match", format!("{{url: 'http://app.test/{id}<.*>', methods: [GET, POST, OPTIONS]}}")),
        ("authenticators", "[{handler: anonymous}]".to_owned()),
        ("authorizer", "{handler: allow}".to_owned()),
        ("mutators", "[{handler: noop}]".to_owned()),
    ];
    for (key, value) in usual {
        if !members.lines().any(|line| line.starts_with(&format!("{key}:"))) {
            let _ = writeln!(rule, "  {key}: {value}");
        }
    }
    for line in members.lines() {
        let _ = writeln!(rule, "  {line}");
    }
    rule
}

fn sets(name: &str, text: &str) -> String {
    format!("mutators: [{{handler: header, config: {{headers: {{{name}: '{text}'}}}}}}]")
}

fn run(settings: &str, rules: &[String]) -> (Gate, Envoy) {
    let mut gate = okgate(settings, &rules.concat()).run();
    let envoy = Envoy::to(&address(&mut gate));
    (gate, envoy)
}

#[track_caller]
fn logged(gate: &Gate, text: &str) {
    eventually(text, || gate.stderr().contains(text).then_some(()));
}

#[test]
fn a_yes_says_who_is_calling_and_a_client_cannot() {
    let rules = [
        rule("user", &sets("X-User", "{{ print .Subject }}")),
        rule("none", &sets("X-Part", "{{ with .Extra }}x{{ end }}")),
    ];
    let (gate, envoy) = run(
        &format!("{TRUSTED}, strip_request_headers: [X-Group], strip_query_parameters: [access_token]"),
        &rules,
    );
    let spoofed = [("x-user", "root"), ("x-part", "root"), ("x-group", "root")];
    let yes = envoy.check(get("http://app.test/user?a=1", &spoofed));
    assert_eq!(yes.headers(), ["x-user=guest", "x-group="]);
    assert_eq!(yes.ok().headers_to_remove, ["x-group", "x-part"]);
    assert_eq!(yes.ok().query_parameters_to_remove, ["access_token"]);
    assert_eq!((yes.metadata("rule_id"), yes.metadata("subject")), (Some("user"), Some("guest")));
    assert_eq!(yes.metadata("outcome"), Some("granted"));
    let id = yes.metadata("decision_id").unwrap();
    logged(&gate, &format!("decision.id=\"{id}\""));
    logged(&gate, "http.url=\"http://app.test/user\" client.address=\"192.0.2.7\" rule.id=\"user\"");
    let yes = envoy.check(get("http://app.test/none", &spoofed));
    assert_eq!(yes.headers(), ["x-part=", "x-group="]);
    assert_eq!(yes.ok().headers_to_remove, ["x-group", "x-user"]);
    assert_ne!(yes.metadata("decision_id"), Some(id));
}

/// A path and header fields; then the code, the status and the outcome.
type Row = (&'static str, &'static [(&'static str, &'static str)], i32, i32, &'static str);

const TOKEN: &[(&str, &str)] = &[("authorization", "Bearer x")];

#[test]
fn a_no_of_each_kind_is_a_denied_response() {
    let rules = [
        rule("open", ""),
        rule("closed", "authorizer: {handler: deny}"),
        rule("nobody", "authenticators: [{handler: unauthorized}]\nerrors: [{handler: www_authenticate}]"),
        rule("login", "authenticators: [{handler: unauthorized}]\nerrors: [{handler: redirect}]"),
        rule("down", "authenticators: [{handler: bearer_token}]"),
        rule("twice", ""),
        rule("twice-again", "match: {url: 'http://app.test/twice<.*>', methods: [GET]}"),
        rule("broken", "mutators: [{handler: hydrator}]"),
    ];
    let (gate, envoy) = run(TRUSTED, &rules);
    let rows: [Row; 9] = [
        ("/nowhere", &[], 7, 404, "no-rule"),
        ("/closed", &[], 7, 403, "forbidden"),
        ("/nobody", &[], 16, 401, "unauthenticated"),
        ("/login?x=1", &[], 16, 302, "unauthenticated"),
        ("/down", TOKEN, 7, 403, "could-not-decide"),
        ("/twice", &[], 7, 500, "several-rules"),
        ("/broken", &[], 7, 500, "misconfigured"),
        ("/open/..%2fclosed", &[], 7, 400, "bad-request"),
        ("/open/%zz", &[], 7, 400, "bad-request"),
    ];
    for (path, headers, code, status, outcome) in rows {
        let no = envoy.check(get(&format!("http://app.test{path}"), headers));
        let (denied, got_code, got_status) = no.denied();
        assert_eq!((got_code, got_status, no.metadata("outcome")), (code, status, Some(outcome)), "{path}");
        logged(&gate, &format!("decision.id=\"{}\"", no.metadata("decision_id").unwrap()));
        if !matches!(status, 302 | 401) {
            assert_eq!(no.header("content-type").as_deref(), Some("application/json"), "{path}");
            let body: serde_json::Value = serde_json::from_str(&denied.body).unwrap();
            assert_eq!(body["error"]["code"], json!(status), "{path}");
        }
    }
    let login = envoy.check(get("http://app.test/login", &[]));
    assert_eq!(login.header("location").as_deref(), Some("http://login.test/"));
    let nobody = envoy.check(get("http://app.test/nobody", &[]));
    assert_eq!(nobody.header("www-authenticate").as_deref(), Some("Basic realm=gate"));
    assert_eq!(envoy.check(get("http://app.test/open", &[])).status(), 200);
}

#[test]
fn which_status_stands_for_what_can_be_said() {
    let down = "authenticators: [{handler: bearer_token}]";
    let rules = [rule("closed", "authorizer: {handler: deny}"), rule("down", down)];
    let status = "status: {no_rule: 403, forbidden: 451, backend_error: 503}";
    let (_gate, envoy) = run(&format!("{TRUSTED}, {status}"), &rules);
    let token = [("authorization", "Bearer x")];
    assert_eq!(envoy.check(get("http://app.test/down", &token)).status(), 503);
    assert_eq!(envoy.check(get("http://app.test/nowhere", &[])).status(), 403);
    assert_eq!(envoy.check(get("http://app.test/closed", &[])).status(), 451);
}

#[test]
fn what_is_no_question_about_a_request_is_a_no_and_not_an_error() {
    let (_gate, envoy) = run(TRUSTED, &[rule("", "")]);
    let line_end = |value: &str| get("http://app.test/x", &[("x-a", value)]);
    for (what, question) in [
        ("nothing", CheckRequest::default()),
        ("no request", CheckRequest { attributes: Some(AttributeContext::default()) }),
        ("an empty request", about(HttpRequest::default())),
        ("a path of nothing", about(http("GET", "http://app.test", &[]))),
        ("another scheme", about(http("GET", "ftp://app.test/", &[]))),
        ("a line end in a value", line_end("a\nb")),
        ("two hosts", get("http://app.test/x", &[("host", "other.test")])),
    ] {
        let no = envoy.check(question);
        assert_eq!((no.status(), no.metadata("outcome")), (400, Some("bad-request")), "{what}");
    }
    assert_eq!(envoy.check(line_end("ab")).status(), 200);
}

#[test]
fn strangers_are_not_believed() {
    let (gate, envoy) = run("trusted_proxies: [192.0.2.0/24]", &[rule("", "")]);
    assert_eq!(envoy.check(get("http://app.test/x", &[])).status(), 400);
    logged(&gate, "peer-not-trusted");
}

#[test]
fn who_trusts_everybody_is_warned() {
    let mut gate = okgate("", &rule("", "")).env("SERVE_API_TRUSTED_PROXIES", "").run();
    assert!(!gate.stderr().contains("is not set"), "what the API says counts here too: {}", gate.stderr());
    drop(gate);
    let config = "serve: {api: {host: 127.0.0.1, port: 0}, grpc: {host: 127.0.0.1, port: 0}}";
    gate = okgate_testkit::gate::Start::new(env!("CARGO_BIN_EXE_okgate"), config).run();
    assert!(gate.stderr().contains("`serve.grpc.trusted_proxies` is not set"), "{}", gate.stderr());
    let envoy = Envoy::to(&address(&mut gate));
    assert_eq!(envoy.check(get("http://app.test/x", &[])).status(), 404);
    logged(&gate, "client.address=\"192.0.2.7\"");
}

#[test]
fn the_client_is_who_no_gateway_is() {
    let rules = [rule("", &sets("X-Client", "{{ .MatchContext.ClientAddress }}"))];
    let (_gate, envoy) = run(&format!("{TRUSTED}, strict: false"), &rules);
    let client = |source: Option<&str>, fields: &[(&str, &str)]| {
        envoy.check(from(source, http("GET", "http://app.test/x", fields))).header("x-client").unwrap()
    };
    let chain = "203.0.113.9, 198.51.100.1, 10.2.2.2";
    for (source, forwarded, want) in [
        (Some("192.0.2.7"), "", "192.0.2.7"),
        (Some("192.0.2.7"), "198.51.100.1", "192.0.2.7"),
        (Some("10.1.1.1"), "198.51.100.1", "198.51.100.1"),
        (Some("10.1.1.1"), chain, "198.51.100.1"),
        (Some("10.1.1.1"), "", "10.1.1.1"),
        (None, "198.51.100.1", ""),
        (Some("what.test"), "198.51.100.1", ""),
    ] {
        assert_eq!(client(source, &[("x-forwarded-for", forwarded)]), want, "{source:?} {forwarded}");
    }
    let mut nobody = get("http://app.test/x", &[("x-forwarded-for", chain)]);
    nobody.attributes.as_mut().unwrap().source = None;
    assert_eq!(envoy.check(nobody).header("x-client").as_deref(), Some("198.51.100.1"));
}

#[test]
fn what_contradicts_itself_is_refused_where_that_is_wanted() {
    let rules = [rule("", &sets("X-Part", "{{ .MatchContext.Method }} {{ .MatchContext.URL.Path }}"))];
    for (strict, status) in [(true, 400), (false, 200)] {
        let (_gate, envoy) = run(&format!("{TRUSTED}, strict: {strict}"), &rules);
        for (name, value) in [
            (":path", "/other"),
            (":method", "POST"),
            (":authority", "other.test"),
            (":scheme", "https"),
            ("x-forwarded-host", "other.test"),
            ("x-original-url", "/other"),
            ("x-forwarded-method", "POST"),
            ("x_forwarded_uri", "/a"),
        ] {
            let verdict = envoy.check(get("http://app.test/a", &[(name, value)]));
            assert_eq!(verdict.status(), status, "{name} {strict}");
            if status == 200 {
                assert_eq!(verdict.header("x-part").as_deref(), Some("GET /a"), "{name}");
            }
        }
        let same = [(":path", "/a"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "APP.test")];
        assert_eq!(envoy.check(get("http://app.test/a", &same)).status(), 200);
    }
}

#[test]
fn all_values_of_a_header_are_seen_and_raw_ones_too() {
    let rules =
        [rule("", &sets("X-Seen", r#"{{ range index .MatchContext.Header "X-A" }}{{ . }};{{ end }}"#))];
    let (_gate, envoy) = run(TRUSTED, &rules);
    let field = |key: &str, value: &str, raw: &[u8]| HeaderValue {
        key: key.to_owned(),
        value: value.to_owned(),
        raw_value: raw.to_vec(),
    };
    let mut raw = http("GET", "http://app.test/x", &[]);
    raw.headers.clear();
    let fields = vec![field("x-a", "", b"one"), field("x-b", "", b"\xff\xfe"), field("x-a", "two", b"")];
    raw.header_map = Some(HeaderMap { headers: fields });
    assert_eq!(envoy.check(about(raw)).header("x-seen").as_deref(), Some("one;two;"));
    assert_eq!(
        envoy.check(get("http://app.test/x", &[("x-a", "one,two")])).header("x-seen").as_deref(),
        Some("one,two;")
    );
}

#[test]
fn two_hundred_header_fields_and_long_ones_are_no_problem() {
    let (_gate, envoy) =
        run(TRUSTED, &[rule("", &sets("X-Seen", r#"{{ .MatchContext.Header.Get "X-199" }}"#))]);
    let names: Vec<String> = (0..200).map(|i| format!("x-{i}")).collect();
    let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    assert_eq!(envoy.check(get("http://app.test/x", &fields)).header("x-seen").as_deref(), Some("x-199"));
    let long = "v".repeat(200_000);
    assert_eq!(envoy.check(get("http://app.test/x", &[("x-long", &long)])).status(), 200);
}

#[test]
fn the_body_reaches_who_asks_for_it() {
    let stub = Stub::with(json!([{"path": "/*", "respond": {"status": 200}}]));
    let remote = json!({"remote": stub.url("/check"), "max_body_bytes": "200KiB"});
    let config = format!("authorizer: {{handler: remote, config: {remote}}}");
    let mut gate = okgate(TRUSTED, &rule("", &config)).env("AUTHORIZERS_REMOTE_ENABLED", "true");
    gate = gate.env("AUTHORIZERS_REMOTE_CONFIG_REMOTE", &stub.url("/check"));
    let mut gate = gate.run();
    let envoy = Envoy::to(&address(&mut gate));
    let post = |body: &[u8], raw: bool, more: &[(&str, &str)]| -> (i32, Vec<u8>) {
        let mut http = http("POST", "http://app.test/x", more);
        if raw {
            http.raw_body = body.to_vec();
        } else {
            http.body = String::from_utf8(body.to_vec()).unwrap();
        }
        let status = envoy.check(about(http)).status();
        (status, stub.take_calls().pop().map(|call| call.body).unwrap_or_default())
    };
    let partial = |value| [("x-envoy-auth-partial-body", value)];
    assert_eq!(post(b"", false, &[]), (200, Vec::new()));
    assert_eq!(post(b"abc", false, &[]), (200, b"abc".to_vec()));
    assert_eq!(post(b"a\xffc", true, &partial("false")), (200, b"a\xffc".to_vec()));
    let long = vec![b'x'; 150_000];
    assert_eq!(post(&long, true, &[]), (200, long));
    assert_eq!(post(&vec![b'x'; 300_000], true, &[]).0, 413);
    assert_eq!(post(b"abc", false, &partial("true")).0, 400);
}

#[test]
fn a_question_that_is_too_long_is_a_no() {
    let (gate, envoy) = run(&format!("{TRUSTED}, max_message_bytes: 64KiB"), &[rule("", "")]);
    let long = |bytes: usize| {
        let mut http = http("POST", "http://app.test/x", &[]);
        http.raw_body = vec![b'x'; bytes];
        envoy.check(about(http))
    };
    assert_eq!(long(60_000).status(), 200);
    let no: Verdict = long(70_000);
    assert_eq!((no.status(), no.metadata("outcome")), (413, Some("could-not-decide")));
    logged(&gate, "message-too-long");
    assert_eq!(long(5_000_000).status(), 413);
    assert_eq!(long(3).status(), 200);
}

#[test]
fn checks_are_counted_and_so_is_what_is_none() {
    let mut gate = okgate(TRUSTED, &rule("open", ""))
        .env("SERVE_PROMETHEUS_HOST", "127.0.0.1")
        .env("SERVE_PROMETHEUS_PORT", "0")
        .run();
    let envoy = Envoy::to(&address(&mut gate));
    envoy.check(get("http://app.test/open", &[]));
    envoy.check(get("http://app.test/closed", &[]));
    assert!(envoy.try_check(CheckRequest::default()).is_ok());
    let metrics = gate.stdout();
    let metrics = metrics.lines().find_map(|line| line.strip_prefix("okgate: serving prometheus on http://"));
    let port = metrics.and_then(|address| address.rsplit(':').next()?.parse().ok()).expect("a port");
    let text = exchange(port, false, &Request::get("/metrics").to_bytes(), false).expect("metrics").text();
    let labels =
        "method=\"POST\",request=\"/envoy.service.auth.v3.Authorization\",service=\"oathkeeper-grpc\"";
    for line in [
        format!("requests_total{{{labels},status_code=\"200\"}} 1"),
        format!("requests_total{{{labels},status_code=\"404\"}} 1"),
        format!("requests_total{{{labels},status_code=\"400\"}} 1"),
        "decisions_total{dialect=\"envoy_grpc\",outcome=\"granted\"} 1".to_owned(),
        "decisions_total{dialect=\"envoy_grpc\",outcome=\"no-rule\"} 1".to_owned(),
        "decisions_total{dialect=\"envoy_grpc\",outcome=\"bad-request\"} 1".to_owned(),
        "decisions_total{dialect=\"envoy_grpc\",outcome=\"forbidden\"} 0".to_owned(),
    ] {
        assert!(text.contains(&format!("\nory_oathkeeper_{line}\n")), "{line} is not in {text}");
    }
}
