//! Requests that are broken or hostile, each with the status it gets.

use super::block;
use crate::given::{allows, okgate, rule};
use okgate_testkit::http::exchange;

/// Whole requests.
const REQUESTS: &[(&str, &[u8])] = &[
    ("no version", b"GET /decisions\r\n\r\n"),
    ("a version that is none", b"GET /decisions HTTP/9.9\r\nHost: app.test\r\n\r\n"),
    ("no host", b"GET /decisions/public/x HTTP/1.1\r\nConnection: close\r\n\r\n"),
    ("two hosts", b"GET /decisions/public/x HTTP/1.1\r\nHost: app.test\r\nHost: evil.test\r\nConnection: close\r\n\r\n"),
    ("a header without a name", b"GET /decisions HTTP/1.1\r\nHost: app.test\r\n: x\r\n\r\n"),
    ("a blank before the colon", b"GET /decisions HTTP/1.1\r\nHost : app.test\r\n\r\n"),
    ("a header on two lines", b"GET /decisions HTTP/1.1\r\nHost: app.test\r\nX-A: a\r\n b\r\nConnection: close\r\n\r\n"),
    ("a NUL in a header", b"GET /decisions HTTP/1.1\r\nHost: app.test\r\nX-A: a\0b\r\n\r\n"),
    ("a blank in the target", b"GET /decisions/a b HTTP/1.1\r\nHost: app.test\r\n\r\n"),
    ("a length that is none", b"POST /decisions HTTP/1.1\r\nHost: app.test\r\nContent-Length: x\r\n\r\n"),
    ("two lengths", b"POST /decisions HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ("a length and chunks", b"POST /decisions HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("an unknown coding", b"POST /decisions HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ("chunks that are none", b"POST /decisions/public/x HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n"),
    ("a blank host", b"GET /decisions/public/x HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n"),
    ("a host with a path", b"GET /decisions/public/x HTTP/1.1\r\nHost: app.test/x\r\nConnection: close\r\n\r\n"),
    ("a target with another host", b"GET http://evil.test/decisions/public/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n"),
];

/// Paths, asked in `X-Forwarded-Uri`.
const PATHS: &[(&str, &[u8])] = &[
    ("an escape that is none", b"/public/%zz"),
    ("half an escape", b"/public/%4"),
    ("an escaped NUL", b"/public/%00"),
    ("bytes that are no UTF-8", b"/public/\xff"),
    ("escaped bytes that are no UTF-8", b"/public/%ff"),
    ("dots that lead out", b"/public/../deny/x"),
    ("escaped dots that lead out", b"/public/%2e%2e/deny/x"),
    ("an escaped slash that leads out", b"/public/..%2fdeny/x"),
    ("a backslash that leads out", b"/public/..\\deny/x"),
    ("an escaped backslash that leads out", b"/public/..%5cdeny/x"),
    ("a double escape that leads out", b"/public/%252e%252e/deny/x"),
    ("a double escape of a slash that leads out", b"/public/..%252fdeny/x"),
    ("a fragment that leads out", b"/deny/x#/public/"),
    ("a fragment after a public path", b"/public/x#/../deny"),
    ("dots above the root", b"/../../public/x"),
    ("an escaped slash that stays", b"/public/a%2Fb"),
    ("a path without a slash", b"public/x"),
    ("a whole address", b"http://app.test/public/x"),
    ("an overlong dot", b"/public/%c0%ae%c0%ae/deny/x"),
    ("a very long path", &[b'/'; 9000]),
    ("a line end", b"/public/%0d%0aX-Evil:1"),
];

/// Other headers of the question.
const HEADERS: &[(&str, &str, &[u8])] = &[
    ("a scheme that is a list", "X-Forwarded-Proto", b"https,http"),
    ("an unknown scheme", "X-Forwarded-Proto", b"gopher"),
    ("a host that is a list", "X-Forwarded-Host", b"app.test, evil.test"),
    ("a host with a user", "X-Forwarded-Host", b"app.test@evil.test"),
    ("a host with a path", "X-Forwarded-Host", b"app.test/public"),
    ("a host with bytes that are no ASCII", "X-Forwarded-Host", b"\xff.test"),
    ("a host with a dot at its end", "X-Forwarded-Host", b"app.test."),
    ("a port that is none", "X-Forwarded-Host", b"app.test:99999"),
    ("a method that is none", "X-Forwarded-Method", b"GE T"),
    ("a method with bytes that are no ASCII", "X-Forwarded-Method", b"G\xff"),
];

#[test]
fn each_broken_request_gets_its_status() {
    let rules = allows("public", "http://app.test/public/<.*>")
        + &rule("deny", "http://app.test/deny/<.*>", "anonymous", "deny", "{handler: noop}");
    let gate = okgate(&rules).run();
    let said = |bytes: &[u8]| match exchange(gate.port(), false, bytes, false) {
        Ok(reply) => {
            let rule = reply.header("x-rule").map(|rule| format!(" by rule {rule}")).unwrap_or_default();
            format!("{}{rule} {}", reply.status, reply.text().lines().next().unwrap_or_default())
        }
        Err(_) => "closed without an answer".to_owned(),
    };
    let mut found = String::new();
    for (what, bytes) in REQUESTS {
        block(&mut found, what, &shown(bytes), &said(bytes));
    }
    let ask = |name: &str, value: &[u8]| {
        let mut bytes = b"GET /decisions HTTP/1.1\r\nHost: okgate.test\r\nConnection: close\r\n".to_vec();
        for (header, usual) in [
            ("X-Forwarded-Method", &b"GET"[..]),
            ("X-Forwarded-Proto", b"http"),
            ("X-Forwarded-Host", b"app.test"),
            ("X-Forwarded-Uri", b"/public/x"),
        ] {
            bytes.extend_from_slice(format!("{header}: ").as_bytes());
            bytes.extend_from_slice(if header == name { value } else { usual });
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        said(&bytes)
    };
    for (what, path) in PATHS {
        block(&mut found, what, &shown(path), &ask("X-Forwarded-Uri", path));
    }
    for (what, name, value) in HEADERS {
        block(&mut found, what, &format!("{name}: {}", shown(value)), &ask(name, value));
    }
    insta::assert_snapshot!(found);
}

/// Bytes for people: short, with line ends as such.
fn shown(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string().replace("\\r\\n", "\n").replace("\\\\", "\\");
    if text.len() > 400 { format!("{}… ({} bytes)", &text[..40], bytes.len()) } else { text }
}
