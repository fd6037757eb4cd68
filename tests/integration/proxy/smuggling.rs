//! Nobody gets an upstream to see a request that was not decided on, or a header of somebody else.

use super::given::{Heard, Proxy, Upstream, everything_to, listener, next, proxy, rule, to};
use okgate_testkit::http::Request;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::sync::mpsc::Receiver;

/// A marker that no upstream may get to see as a request of its own.
const MORE: &str = "GET /smuggled HTTP/1.1\r\nHost: gate.test\r\nX-Smuggled: yes\r\n\r\n";

/// All that comes back for these bytes, and all that the upstream heard of them.
fn sent(front: &Proxy, heard: &Receiver<Heard>, bytes: &[u8]) -> (String, Vec<Heard>) {
    let mut socket = front.socket();
    let _ = socket.write_all(bytes);
    let mut back = Vec::new();
    let mut piece = [0; 4096];
    // The last request asks for the end of the connection, or the proxy ends it by itself.
    while let Ok(read @ 1..) = socket.read(&mut piece) {
        back.extend_from_slice(piece.get(..read).unwrap());
    }
    let _ = socket.shutdown(Shutdown::Both);
    // Whatever was on its way is there once this one is.
    assert_eq!(front.get("/last").status, 200);
    let mut all = Vec::new();
    loop {
        let one = next(heard);
        if one.target() == "/last" {
            return (String::from_utf8_lossy(&back).into_owned(), all);
        }
        all.push(one);
    }
}

#[test]
fn a_request_whose_end_is_not_clear_reaches_nobody() {
    let (up, heard) = listener();
    let front = everything_to(&up);
    let length = MORE.len() + 5;
    for framing in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
        format!("Content-Length: 5\r\nContent-Length: {length}"),
        format!("Content-Length: {length}\r\nContent-Length: 5"),
        "Content-Length: 5\r\nContent-Length: 5".into(),
        format!("Content-Length: 5, {length}"),
        "Content-Length: +5".into(),
        "Content-Length: -5".into(),
        "Content-Length: 0x5".into(),
        "Content-Length: 5;".into(),
        "Content-Length: 99999999999999999999999".into(),
        "Content-Length:".into(),
        "Content-Length : 5".into(),
        "Content-Length\t: 5".into(),
        " Content-Length: 5".into(),
        format!("X: y\r\n Content-Length: {length}"),
        format!("Content-Length: 5\r\n {length}"),
        "Transfer-Encoding: xchunked".into(),
        "Transfer-Encoding : chunked".into(),
        "Transfer-Encoding: chunked, identity".into(),
        "Transfer-Encoding: identity, chunked".into(),
        "Transfer-Encoding: gzip, chunked".into(),
        "Transfer-Encoding: identity".into(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked".into(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".into(),
        "Transfer-Encoding: \"chunked\"".into(),
        "Transfer-Encoding:\x0bchunked".into(),
        "Transfer-Encoding: chunked\0".into(),
        "Transfer-Encoding:\r\n chunked".into(),
        "X: y\rTransfer-Encoding: chunked".into(),
        "Transfer-Encoding: chunked;q=1".into(),
        "Transfer-Encoding".into(),
    ] {
        let text = format!(
            "POST /first HTTP/1.1\r\nHost: gate.test\r\n{framing}\r\nConnection: close\r\n\r\n0\r\n\r\n{MORE}"
        );
        let (back, heard) = sent(&front, &heard, text.as_bytes());
        assert!(back.starts_with("HTTP/1.1 400 ") || back.is_empty(), "{framing}: {back}");
        assert!(heard.is_empty(), "{framing}: {heard:?}");
    }
}

#[test]
fn chunks_that_are_none_end_the_request_and_its_connection() {
    let (up, heard) = super::given::upstream(|asked, heard| {
        // Loosely: what is broken ends the connection.
        while let Some(head) = asked.head() {
            let mut rest = Vec::new();
            if head.all("transfer-encoding").is_empty() {
                asked.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup");
                heard.send((head, rest)).unwrap();
                continue;
            }
            let _ = asked.stream.read_to_end(&mut rest);
            heard.send((head, rest)).unwrap();
            return;
        }
    });
    let front = everything_to(&up);
    for chunks in [
        "5\r\nhello0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5;\nGET / HTTP/1.1\r\n\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "\r\n\r\n",
    ] {
        let text = format!(
            "POST /first HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{MORE}"
        );
        let mut socket = front.socket();
        let _ = socket.write_all(text.as_bytes());
        let mut back = Vec::new();
        let _ = socket.read_to_end(&mut back);
        let back = String::from_utf8_lossy(&back);
        assert!(!back.contains("200 OK"), "{chunks:?}: {back}");
        for (head, rest) in heard.try_iter() {
            assert_eq!(head.target(), "/first", "{chunks:?}");
            let rest = String::from_utf8_lossy(&rest);
            assert!(!rest.contains("smuggled") && !rest.ends_with("0\r\n\r\n"), "{chunks:?}: {rest}");
        }
    }
}

#[test]
fn what_one_server_takes_for_a_body_and_another_for_a_request_is_framed_anew() {
    let (up, heard) = listener();
    let front = everything_to(&up);
    let body = format!("0\r\n\r\n{MORE}");
    for (what, text) in [
        (
            "a length",
            format!(
                "POST /first HTTP/1.1\r\nHost: gate.test\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ),
        ),
        (
            "a length with GET",
            format!(
                "GET /first HTTP/1.1\r\nHost: gate.test\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ),
        ),
        (
            "a length that Connection names",
            format!(
                "POST /first HTTP/1.1\r\nHost: gate.test\r\nContent-Length: {}\r\nConnection: close, Content-Length\r\n\r\n{body}",
                body.len()
            ),
        ),
        (
            "a chunk",
            format!(
                "POST /first HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n{:x};a=\"b\"\r\n{body}\r\n0\r\nX-Trailer: a\r\nContent-Length: 3\r\n\r\n",
                body.len()
            ),
        ),
        (
            "a length with a shadow",
            format!(
                "POST /first HTTP/1.1\r\nHost: gate.test\r\nContent-Length: {}\r\nContent_Length: 5\r\nX-Content-Length: 5\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ),
        ),
    ] {
        let (back, all) = sent(&front, &heard, text.as_bytes());
        assert!(back.starts_with("HTTP/1.1 200 "), "{what}: {back}");
        assert_eq!(all.len(), 1, "{what}");
        assert_eq!(String::from_utf8_lossy(&all[0].body), body, "{what}");
        assert!(all[0].all("x-trailer").is_empty() && all[0].all("trailer").is_empty(), "{what}");
    }
    // A second request of the same connection is one, and decided on like one.
    let ask = format!(
        "GET /first HTTP/1.1\r\nHost: gate.test\r\n\r\n{}",
        MORE.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    );
    let (_, all) = sent(&front, &heard, ask.as_bytes());
    assert_eq!(all.iter().map(Heard::target).collect::<Vec<_>>(), ["/first", "/smuggled"]);
}

#[test]
fn targets_in_other_forms_mean_what_they_say() {
    let (up, heard) = listener();
    let rules = [
        rule(
            "all",
            "http://gate.test/<.*>",
            "noop",
            "allow",
            "{handler: noop}",
            &format!("url: '{}'", up.url("/base")),
        ),
        rule(
            "denied",
            "http://denied.test/<.*>",
            "noop",
            "deny",
            "{handler: noop}",
            &format!("url: '{}'", up.url("/base")),
        ),
    ]
    .concat();
    let front = proxy("", &rules);
    for (line, host, status, target) in [
        ("GET http://gate.test/a HTTP/1.1", "gate.test", 200, "/base/a"),
        ("GET http://gate.test/a HTTP/1.1", "denied.test", 200, "/base/a"),
        ("GET http://denied.test/a HTTP/1.1", "gate.test", 403, ""),
        ("GET http://GATE.test:80/a HTTP/1.1", "x", 200, "/base/a"),
        ("GET http://gate.test HTTP/1.1", "gate.test", 200, "/base"),
        ("GET http://user@gate.test/a HTTP/1.1", "gate.test", 404, ""),
        ("GET ftp://gate.test/a HTTP/1.1", "gate.test", 200, "/base/a"),
        ("GET //denied.test/a HTTP/1.1", "gate.test", 200, "/base/denied.test/a"),
        ("GET /a#b HTTP/1.1", "gate.test", 200, "/base/a"),
        ("GET /a?b#c HTTP/1.1", "gate.test", 200, "/base/a?b"),
        ("GET /a?b=c&d=%20&e=http://x/?y HTTP/1.1", "gate.test", 200, "/base/a?b=c&d=%20&e=http://x/?y"),
        ("GET /a? HTTP/1.1", "gate.test", 200, "/base/a?"),
        ("GET /a?b=1;c=2&d=3 HTTP/1.1", "gate.test", 200, "/base/a?d=3"),
        ("GET /../../etc/passwd HTTP/1.1", "gate.test", 200, "/base/etc/passwd"),
        ("GET /a/%2e%2e/%2E./b HTTP/1.1", "gate.test", 200, "/base/b"),
        ("GET /a/..%2fb HTTP/1.1", "gate.test", 400, ""),
        ("GET /a%zz HTTP/1.1", "gate.test", 400, ""),
        ("GET a HTTP/1.1", "gate.test", 404, ""),
        ("GET * HTTP/1.1", "gate.test", 404, ""),
        ("OPTIONS * HTTP/1.1", "gate.test", 404, ""),
        ("TRACE /a HTTP/1.1", "gate.test", 200, "/base/a"),
        ("CONNECT gate.test:80 HTTP/1.1", "gate.test", 400, ""),
        ("CONNECT /a HTTP/1.1", "gate.test", 400, ""),
        ("GET /a HTTP/1.1", "gate.test, denied.test", 404, ""),
        ("GET /a HTTP/1.1", "gate.test/x", 404, ""),
        ("GET /a HTTP/1.1", "gate.test\r\nHost: denied.test", 400, ""),
        ("GET /a b HTTP/1.1", "gate.test", 400, ""),
        ("GET /a HTTP/1.2", "gate.test", 400, ""),
        ("GET  /a HTTP/1.1", "gate.test", 400, ""),
    ] {
        let text = format!("{line}\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let reply = front.bytes(text.as_bytes(), false);
        assert_eq!(reply.status, status, "{line}, {host}: {}", reply.summary());
        if status == 200 {
            let heard = next(&heard);
            assert_eq!(heard.target(), target, "{line}");
            assert_eq!(heard.all("host"), [up.url("").trim_start_matches("http://")], "{line}");
        }
    }
    assert!(heard.try_recv().is_err());
}

#[test]
fn fields_of_the_connection_stay_there() {
    let (up, heard) = listener();
    let rules = rule(
        "all",
        "http://gate.test/<.*>",
        "anonymous",
        "allow",
        "{handler: header, config: {headers: {X-User: '{{ print .Subject }}'}}}",
        &format!("url: '{}', preserve_host: true", up.url("")),
    );
    let front = proxy("", &rules);
    let ask = Request::new("POST", "/x")
        .header(
            "Connection",
            "close, X-Named, Cookie , x-user,Host, \"quoted\", Authorization,,Content-Length",
        )
        .header("Connection", "X-Other")
        .header("Keep-Alive", "5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authorization", "Basic x")
        .header("Proxy-Authenticate", "x")
        .header("TE", "gzip, trailers")
        .header("Trailer", "X")
        .header("Upgrade", "h2c")
        .header("Expect", "nothing")
        .header("X-Named", "1")
        .header("X-Other", "1")
        .header("X-User", "evil")
        .header("Cookie", "a=b")
        .header("Authorization", "Bearer x")
        .header("X-Kept", "1")
        .header("X-Kept", "2")
        .header("x-kept", "")
        .body("body");
    assert_eq!(front.send(&ask).status, 200);
    let heard = next(&heard);
    assert_eq!(
        heard.names(),
        ["content-length", "date", "host", "x-kept", "x-user"]
            .map(String::from)
            .into_iter()
            .filter(|name| name != "date" || heard.names().contains(name))
            .collect::<Vec<_>>()
    );
    assert_eq!(heard.all("x-kept"), ["1", "2", ""]);
    assert_eq!(heard.all("x-user"), ["guest"], "what the rule sets is not the client's to take away");
    assert_eq!(heard.all("host"), ["gate.test"]);
    assert_eq!(heard.body, b"body");
}

fn identity(up: &Upstream, settings: &str) -> Proxy {
    let set = "{handler: header, config: {headers: {X-User: 'guest', X-Empty: '{{ print .Extra.none }}', Authorization: 'Bearer own'}}}";
    let other = "{handler: header, config: {headers: {X-Other-Rule: 'x'}}}";
    let rules = [
        rule("all", "http://gate.test/<.*>", "noop", "allow", set, &format!("url: '{}'", up.url(""))),
        rule("other", "http://other.test/<.*>", "noop", "allow", other, &format!("url: '{}'", up.url(""))),
    ]
    .concat();
    proxy(settings, &rules)
}

#[test]
fn no_client_speaks_for_the_gate() {
    let (up, heard) = listener();
    for settings in ["", "emit_empty_headers: false"] {
        let front = identity(&up, settings);
        let ask = Request::get("/x")
            .header("X-User", "evil")
            .header("x-user", "evil")
            .header("X-USER", "")
            .header("X_User", "evil")
            .header("x_USER", "evil")
            .header("X-Empty", "evil")
            .header("X_Empty", "evil")
            .header("Authorization", "Bearer evil")
            .header("Authorization", "Basic evil")
            .header("Cookie", "kept=1")
            .header("Cookie", "kept=2")
            .header("X-Userx", "kept");
        assert_eq!(front.send(&ask).status, 200);
        let heard = next(&heard);
        assert!(!format!("{heard:?}").contains("evil"), "{heard:?}");
        assert_eq!(heard.all("x-user"), ["guest"]);
        assert_eq!(heard.all("x-empty"), [""], "{settings}: a rule may set nothing");
        assert_eq!(heard.all("authorization"), ["Bearer own"]);
        assert_eq!(heard.all("cookie"), ["kept=1", "kept=2"]);
        assert_eq!(heard.all("x-userx"), ["kept"]);
    }
}

#[test]
fn headers_that_are_stripped_are_so_for_every_rule() {
    let (up, heard) = listener();
    let front = identity(&up, "strip_request_headers: [X-Secret, Cookie, authorization]");
    for host in ["gate.test", "other.test"] {
        let ask = Request::get("/x")
            .header("Host", host)
            .header("X-SECRET", "evil")
            .header("x_secret", "evil")
            .header("Cookie", "evil")
            .header("Authorization", "evil");
        assert_eq!(front.send(&ask).status, 200);
        let heard = next(&heard);
        assert!(!format!("{heard:?}").contains("evil"), "{host}: {heard:?}");
    }
}

#[test]
fn a_rule_without_mutators_leaves_the_request_as_it_is() {
    let (up, heard) = listener();
    let front = everything_to(&up);
    let fields = [
        ("X-A", "1"),
        ("X-A", "2"),
        ("x-a", ""),
        ("Cookie", "a=1"),
        ("X-A", "3, 4"),
        ("Cookie", "b=2"),
        ("Authorization", "Bearer abc"),
        ("Accept", "*/*"),
        ("User-Agent", "test \u{ff}"),
        ("X-Real-Ip", "192.0.2.1"),
        ("Accept-Encoding", "br"),
        ("If-None-Match", "\"a\""),
        ("Range", "bytes=0-5"),
        ("X_Under", "score"),
    ];
    let ask = fields
        .iter()
        .fold(Request::new("PATCH", "/a%20b?c=%2F&d"), |ask, (name, value)| ask.header(name, *value));
    assert_eq!(front.send(&ask.body("x")).status, 200);
    let heard = next(&heard);
    assert_eq!(heard.line, "PATCH /a%20b?c=%2F&d HTTP/1.1");
    for (name, _) in fields {
        let want: Vec<&str> = fields
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
            .collect();
        let got: Vec<String> = heard
            .all(name)
            .iter()
            .map(|value| {
                String::from_utf8_lossy(
                    &value.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>(),
                )
                .into_owned()
            })
            .collect();
        assert!(got == want || (name == "Cookie" && got == ["a=1; b=2"]), "{name}: {got:?}");
    }
    assert!(heard.all("user-agent").len() == 1);
    let bare = front.get("/");
    assert_eq!(bare.status, 200);
}

#[test]
fn an_upstream_learns_of_the_client_what_it_may() {
    let (up, heard) = listener();
    let all = [
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-uri",
        "forwarded",
        "x-real-ip",
    ];
    let said = ["198.51.100.1", "evil.test", "https", "/evil", "for=198.51.100.1", "198.51.100.2"];
    for (settings, want) in [
        ("", ["", "", "", "", "", "198.51.100.2"]),
        (
            "trust_forwarded_headers: true",
            ["198.51.100.1", "evil.test", "https", "/evil", "", "198.51.100.2"],
        ),
        ("trusted_proxies: []", [""; 6]),
        ("trusted_proxies: [10.0.0.0/8], trust_forwarded_headers: true", [""; 6]),
        ("trusted_proxies: [127.0.0.1]", ["198.51.100.1", "evil.test", "https", "/evil", "", "198.51.100.2"]),
        ("add_forwarded_headers: true", ["127.0.0.1", "gate.test", "http", "", "", "198.51.100.2"]),
        (
            "add_forwarded_headers: true, trusted_proxies: [127.0.0.1]",
            ["198.51.100.1, 127.0.0.1", "evil.test", "https", "/evil", "", "198.51.100.2"],
        ),
        ("add_forwarded_headers: true, trusted_proxies: []", ["127.0.0.1", "gate.test", "http", "", "", ""]),
    ] {
        let front = proxy(settings, &to(&up.url("")));
        let ask = all
            .iter()
            .zip(said)
            .fold(Request::get("/x"), |ask, (name, value)| ask.header(&name.to_ascii_uppercase(), value));
        assert_eq!(front.send(&ask).status, 200, "{settings}");
        let heard = next(&heard);
        for (name, want) in all.iter().zip(want) {
            assert_eq!(heard.all(name).join(" | "), want, "{settings}: {name}");
        }
    }
}

#[test]
fn the_client_is_whom_trusted_proxies_name() {
    let (up, heard) = listener();
    for (settings, forwarded, want) in [
        ("", "10.1.2.3", 404),
        ("trusted_proxies: [127.0.0.1]", "10.1.2.3", 200),
        ("trusted_proxies: [127.0.0.1]", "10.1.2.3, 192.0.2.1", 404),
        ("trusted_proxies: [127.0.0.1]", "192.0.2.1, 10.1.2.3", 200),
        ("trusted_proxies: [127.0.0.1]", "10.1.2.3, nonsense", 404),
        ("trusted_proxies: [192.0.2.1]", "10.1.2.3", 404),
        ("trusted_proxies: []", "10.1.2.3", 404),
    ] {
        let rules = to(&up.url("")).replace("methods: [", "remote_ip: [10.0.0.0/8], methods: [");
        let front = proxy(settings, &rules);
        let reply = front.send(&Request::get("/x").header("X-Forwarded-For", forwarded));
        assert_eq!(reply.status, want, "{settings} {forwarded}: {}", front.gate.stderr());
        if want == 200 {
            next(&heard);
        }
    }
}
