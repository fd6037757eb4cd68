//! What a gateway is answered, and what it is not.

use crate::given::{CONFIG, allows, okgate, rule, with_config};
use okgate_testkit::gate::Gate;
use okgate_testkit::http::Request;

/// Names of header fields that every answer may have.
const OWN: &[&str] = &["connection", "content-length", "date"];

fn names_but_own(gate: &Gate, request: &Request) -> Vec<String> {
    let reply = gate.send(request);
    assert_eq!(reply.status, 200, "{}", reply.summary());
    reply.header_names().into_iter().filter(|name| !OWN.contains(&name.as_str())).collect()
}

#[test]
fn noop_gives_back_only_the_credentials_that_the_client_sent() {
    let gate = okgate(&rule("noop", "http://app.test/<.*>", "noop", "allow", "{handler: noop}")).run();
    let mut ask = Request::decision("GET", "http://app.test/x");
    assert_eq!(names_but_own(&gate, &ask), [""; 0]);
    for (name, value) in [
        ("X-User", "admin"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("Accept", "text/html"),
        ("User-Agent", "x"),
        ("Content-Type", "text/plain"),
        ("Content-Encoding", "gzip"),
        ("Location", "http://evil.test/"),
        ("Set-Cookie", "a=b"),
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Upgrade", "websocket"),
        ("Te", "trailers"),
        ("Authorization", "Bearer abc"),
        ("Cookie", "a=b"),
    ] {
        ask = ask.header(name, value);
    }
    assert_eq!(names_but_own(&gate, &ask), ["authorization", "cookie"]);
    let reply = gate.send(&ask);
    assert_eq!(reply.header("authorization").as_deref(), Some("Bearer abc"));
    assert_eq!(reply.header("cookie").as_deref(), Some("a=b"));
    assert_ne!(reply.header("date").as_deref(), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    assert_eq!(reply.text(), "");
}

#[test]
fn noop_gives_nothing_back_to_a_caller_who_was_let_in_without_credentials() {
    let gate = okgate(&rule("noop", "http://app.test/<.*>", "anonymous", "allow", "{handler: noop}")).run();
    let ask = Request::decision("GET", "http://app.test/x").header("Cookie", "a=b").header("X-User", "admin");
    assert_eq!(names_but_own(&gate, &ask), [""; 0]);
}

#[test]
fn identity_headers_are_the_rules_and_never_the_clients() {
    let mutators = "{handler: noop}, {handler: header, config: {headers: {X-User: '{{ print .Subject }}', X-Empty: ''}}}";
    let gate = okgate(&rule("who", "http://app.test/<.*>", "anonymous", "allow", mutators)).run();
    let spoofed = Request::decision("GET", "http://app.test/x")
        .header("X-User", "admin")
        .header("x-user", "root")
        .header("X_User", "admin")
        .header("X-Empty", "full")
        .header("X-Other", "1");
    let reply = gate.send(&spoofed);
    assert_eq!(reply.all("x-user"), ["guest"]);
    assert_eq!(reply.all("x-empty"), [""]);
    assert_eq!(names_but_own(&gate, &spoofed), ["x-empty", "x-user"]);
}

#[test]
fn a_denial_carries_no_header_of_the_session() {
    let mutator = "{handler: header, config: {headers: {X-User: '{{ print .Subject }}'}}}";
    let gate = okgate(&rule("deny", "http://app.test/<.*>", "anonymous", "deny", mutator)).run();
    let reply = gate.send(
        &Request::decision("GET", "http://app.test/x").header("Cookie", "a=b").header("X-User", "admin"),
    );
    assert_eq!(reply.status, 403);
    assert_eq!(reply.header("x-user"), None);
    assert_eq!(reply.header("cookie"), None);
}

#[test]
fn the_request_is_read_from_the_path_or_from_forwarded_headers() {
    let gate =
        okgate(&(allows("here", "http://app.test/a/b") + &allows("there", "https://other.test/c"))).run();
    for (what, request, expected) in [
        ("the path", Request::get("/decisions/a/b").header("Host", "app.test"), Some("here")),
        (
            "a query is no part of it",
            Request::get("/decisions/a/b?x=1").header("Host", "app.test"),
            Some("here"),
        ),
        ("headers", Request::decision("GET", "https://other.test/c?x=1"), Some("there")),
        (
            "headers win over the path",
            Request::get("/decisions/a/b")
                .header("Host", "app.test")
                .header("X-Forwarded-Host", "other.test")
                .header("X-Forwarded-Proto", "https")
                .header("X-Forwarded-Uri", "/c"),
            Some("there"),
        ),
        ("the method counts", Request::decision("DELETE", "http://app.test/a/b"), None),
        (
            "letter case of scheme and host does not",
            Request::decision("GET", "HTTPS://OTHER.test/c"),
            Some("there"),
        ),
        ("nor does a default port", Request::decision("GET", "https://other.test:443/c"), Some("there")),
        ("another port does", Request::decision("GET", "https://other.test:8443/c"), None),
        (
            "what only begins like /decisions is no decision",
            Request::get("/decisionsx/a/b").header("Host", "app.test"),
            None,
        ),
    ] {
        let reply = gate.send(&request);
        assert_eq!(reply.header("x-rule").as_deref(), expected, "{what}: {}", reply.summary());
        assert_eq!(reply.status, if expected.is_some() { 200 } else { 404 }, "{what}");
    }
}

#[test]
fn no_spelling_of_a_path_escapes_into_another_rules_area() {
    let gate = okgate(
        &(allows("public", "http://app.test/public/<.*>")
            + &rule("deny", "http://app.test/deny/<.*>", "anonymous", "deny", "{handler: noop}")),
    )
    .run();
    for path in [
        "/public/../deny/x",
        "/public/%2e%2e/deny/x",
        "/public/..%2fdeny/x",
        "/public/%2e%2e%2fdeny%2fx",
        "/public/..\\deny/x",
        "/public/..%5cdeny/x",
        "/public/%252e%252e/deny/x",
        "/public/..;/deny/x",
        "/deny/x",
        "//deny/x",
        "/./deny/x",
        "/%64eny/x",
        "/deny/x#/public/",
        "/public/..%00/deny/x",
    ] {
        let by_header = gate.decide("GET", &format!("http://app.test{path}"));
        let by_path = gate.send(&Request::get(format!("/decisions{path}")).header("Host", "app.test"));
        for (how, reply) in [("header", by_header), ("path", by_path)] {
            // `..;` and doubly encoded dots are plain names to whoever decodes once.
            let harmless = ["/public/..;/deny/x"].contains(&path);
            assert!(
                matches!(reply.status, 400 | 403 | 404) || harmless,
                "{path} by {how}: {}",
                reply.summary()
            );
        }
    }
    for path in ["/public/a%20b", "/public/a%2Fb", "/public/../public/x", "/public/caf%C3%A9"] {
        assert_eq!(gate.decide("GET", &format!("http://app.test{path}")).status, 200, "{path}");
    }
}

#[test]
fn a_denial_is_json_and_says_more_only_when_verbose() {
    let rules = rule("deny", "http://app.test/<.*>", "anonymous", "deny", "{handler: noop}");
    for (verbose, message) in [
        ("true", "Access credentials are not sufficient to access this resource"),
        ("false", "The requested action was forbidden"),
    ] {
        let config = CONFIG.replace("verbose: true", &format!("verbose: {verbose}"));
        let gate = with_config(&config).file("rules.yaml", &*rules).run();
        let reply = gate.send(&Request::decision("GET", "http://app.test/x").header("X-Request-Id", "r<1>"));
        assert_eq!(reply.status, 403);
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
        let error = &reply.json()["error"];
        assert_eq!((&error["code"], &error["status"]), (&403.into(), &"Forbidden".into()));
        assert_eq!(error["message"], message);
        assert!(reply.text().contains(r"r\u003c1\u003e"), "{}", reply.text());
    }
}
