//! Odd, broken and hostile requests: each gets an answer or a closed connection, and the server goes on.

use crate::given::{CONFIG, okgate, with_config};
use okgate_testkit::gate::Gate;
use okgate_testkit::http::{Connection, Reply, Request, exchange};

const RULE: &str = "
- id: all
  match: {url: 'http://app.test/<.*>', methods: [GET, HEAD, POST, FOO]}
  authenticators: [{handler: anonymous}]
  authorizer: {handler: allow}
  mutators: [{handler: header, config: {headers: {X-Method: '{{ print .MatchContext.Method }}', X-Odd: '{{ .MatchContext.Header.Get \"X-Odd\" }}'}}}]
- id: http-1.0
  match: {url: 'http:///old', methods: [GET]}
  authenticators: [{handler: anonymous}]
  authorizer: {handler: allow}
  mutators: [{handler: noop}]
";

fn gate() -> Gate {
    okgate(RULE).run()
}

fn ask(method: &str) -> Request {
    Request::decision(method, "http://app.test/x")
}

/// What is answered to these bytes; a connection closed without an answer is none.
fn answer(gate: &Gate, bytes: &[u8]) -> Option<Reply> {
    exchange(gate.port(), false, bytes, false).ok()
}

#[track_caller]
fn goes_on(gate: &Gate) {
    assert_eq!(gate.send(&ask("GET")).status, 200);
}

#[test]
fn a_head_request_gets_the_status_and_no_body() {
    let gate = gate();
    let mut head = Request::new("HEAD", "/decisions");
    head.headers = ask("HEAD").headers;
    assert_eq!(gate.send(&head).status, 200);
    for target in ["/health/alive", "/rules", "/nowhere", "/decisions/nowhere"] {
        let mut connection = Connection::open(gate.port()).unwrap();
        connection.send(&Request::new("HEAD", target).to_bytes()).unwrap();
        let reply = connection.reply(true).unwrap();
        assert_eq!(reply.status, gate.get(target).status, "{target}");
        assert!(connection.is_ended(), "{target}: a body came");
    }
}

#[test]
fn http_1_0_is_answered_with_and_without_a_host() {
    let gate = gate();
    assert_eq!(gate.send(&ask("GET").version("HTTP/1.0")).status, 200);
    let mut without_host = ask("GET").version("HTTP/1.0");
    without_host.no_host = true;
    assert_eq!(gate.send(&without_host).status, 200);
}

#[test]
fn a_made_up_method_is_decided_like_any_other() {
    let gate = gate();
    let mut made_up = Request::new("FOO", "/decisions/x").header("Host", "app.test");
    assert_eq!(gate.send(&made_up).header("x-method").as_deref(), Some("FOO"));
    made_up.method = "BAR".into();
    assert_eq!(gate.send(&made_up).status, 404);
    assert_eq!(gate.send(&ask("FOO")).header("x-method").as_deref(), Some("FOO"));
}

#[test]
fn a_promised_body_that_never_comes_does_not_hold_up_the_answer() {
    let gate = gate();
    let mut connection = Connection::open(gate.port()).unwrap();
    let mut promise = Request::new("POST", "/decisions").header("Content-Length", "1000");
    promise.headers.extend(ask("POST").headers);
    connection.send(&promise.to_bytes()).unwrap();
    // Nothing of the body is ever sent: an answer that waited for it would not come before the read gives up.
    assert_eq!(connection.reply(false).expect("an answer while the body is outstanding").status, 200);
    goes_on(&gate);
}

#[test]
fn a_body_is_passed_over_however_it_is_framed() {
    let gate = gate();
    let chunked = ask("POST").header("Transfer-Encoding", "chunked").body("5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(gate.send(&chunked).status, 200);
    assert_eq!(gate.send(&ask("POST").body(vec![b'x'; 200_000])).status, 200);
    assert_eq!(gate.send(&ask("POST").header("Expect", "100-continue").body("hello")).status, 200);
}

#[test]
fn requests_on_one_connection_are_answered_in_order() {
    let gate = gate();
    let mut connection = Connection::open(gate.port()).unwrap();
    let keep = |method: &str| ask(method).header("Connection", "keep-alive").to_bytes();
    connection.send(&[keep("GET"), keep("POST"), keep("FOO")].concat()).unwrap();
    let methods = [(); 3].map(|()| connection.reply(false).unwrap().header("x-method"));
    assert_eq!(methods, ["GET", "POST", "FOO"].map(|m| Some(m.to_owned())));
}

#[test]
fn many_headers_all_count_and_too_many_are_431() {
    let gate = gate();
    for (fields, want) in [(90, 200), (96, 200), (97, 200), (200, 200), (900, 200), (1_100, 431)] {
        let mut request = ask("POST").header("Connection", "keep-alive");
        request.headers.extend((0..fields).map(|n| (format!("X-H{n}").into_bytes(), b"v%0A".to_vec())));
        let request = request.header("X-Odd", "the last, of 100 %").body("hello");
        let mut connection = Connection::open(gate.port()).unwrap();
        connection.send(&[request.to_bytes(), request.to_bytes()].concat()).unwrap();
        for _ in 0..if want == 200 { 2 } else { 1 } {
            let reply = connection.reply(false).unwrap();
            assert_eq!(reply.status, want, "{fields} fields: {}", reply.summary());
            let odd = (want == 200).then(|| "the last, of 100 %".to_owned());
            assert_eq!(reply.header("x-odd"), odd, "{fields} fields");
        }
        goes_on(&gate);
    }
}

/// Else what a gateway took for the body of a refused request would be the next one, with an answer of its own.
#[test]
fn a_line_that_is_no_field_ends_the_connection_wherever_it_stands() {
    let gate = gate();
    let long = "n".repeat(70_000) + ": v";
    for fields in [1, 100] {
        for odd in [
            "Content-Length : 5",
            "Transfer-Encoding : chunked",
            "X: a\r\n folded",
            "no colon",
            ": v",
            "a b: v",
            &long,
        ] {
            let many = "X-Many: v\r\n".repeat(fields);
            let mut bytes =
                format!("POST /decisions/x HTTP/1.1\r\nHost: app.test\r\n{many}{odd}\r\n\r\n").into_bytes();
            bytes.extend(Request::new("GET", "/decisions/x").header("Host", "app.test").to_bytes());
            let mut connection = Connection::open(gate.port()).unwrap();
            connection.send(&bytes).unwrap();
            let status = connection.reply(false).map(|reply| reply.status);
            assert_eq!(status.ok(), Some(400), "{odd:.30} after {fields} fields");
            assert!(connection.is_ended(), "{odd:.30} after {fields} fields");
        }
    }
    assert!(!gate.stderr().contains("panicked"), "{}", gate.stderr());
}

#[test]
fn long_headers_are_decided_or_refused_and_nothing_else() {
    let gate = gate();
    for length in [60_000, 2_000_000] {
        let request = ask("GET").header("X-Long", vec![b'a'; length]);
        if let Some(reply) = answer(&gate, &request.to_bytes()) {
            let want = if length < 65_536 { 200 } else { 431 };
            assert_eq!(reply.status, want, "{length}: {}", reply.summary());
        }
        goes_on(&gate);
    }
}

#[test]
fn bytes_that_are_no_ascii_in_a_header_are_no_reason_to_fail() {
    let gate = gate();
    for value in [&b"caf\xc3\xa9"[..], b"\xff\xfe", b"a\tb"] {
        let reply = gate.send(&ask("GET").header("X-Odd", value).header("Cookie", value));
        assert_eq!(reply.status, 200, "{value:?}: {}", reply.summary());
    }
    let utf8 = gate.send(&ask("GET").header("X-Odd", "café"));
    assert_eq!(utf8.header("x-odd").as_deref(), Some("café"));
}

#[test]
fn a_header_value_cannot_make_a_second_header() {
    let gate = gate();
    for odd in [&b"a\rX-Evil: 1"[..], b"a\nX-Evil: 1", b"a\0b", b"a\x0bb\x7f"] {
        if let Some(reply) = answer(&gate, &ask("GET").header("X-Odd", odd).to_bytes()) {
            assert!(reply.header("x-evil").is_none(), "{odd:?}: {}", reply.summary());
            assert!(!reply.headers.iter().any(|(_, value)| value.contains(&0)), "{odd:?}");
        }
        goes_on(&gate);
    }
}

#[test]
fn what_is_no_http_is_refused() {
    let gate = gate();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /decisions HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
        b"GET /decisions HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
        b"POST /decisions HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /decisions HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc",
        b"POST /decisions HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut bytes = bytes.to_vec();
        if bytes.first() == Some(&0x16) {
            bytes.resize(512, 0);
        }
        if let Some(reply) = answer(&gate, &bytes) {
            assert!(
                !(200..400).contains(&reply.status),
                "{}: {}",
                String::from_utf8_lossy(&bytes),
                reply.summary()
            );
        }
        goes_on(&gate);
    }
}

#[test]
fn half_a_request_that_is_given_up_leaves_nothing_behind() {
    let gate = gate();
    for _ in 0..50 {
        let mut connection = Connection::open(gate.port()).unwrap();
        connection.send(b"GET /decisions HTTP/1.1\r\nHost: app").unwrap();
    }
    goes_on(&gate);
}

#[test]
fn many_connections_at_once_are_all_answered() {
    let gate = gate();
    let ask = ask("GET").header("Connection", "keep-alive").to_bytes();
    let mut connections: Vec<_> = (0..200).map(|_| Connection::open(gate.port()).unwrap()).collect();
    for connection in &mut connections {
        connection.send(&ask).unwrap();
    }
    for connection in &mut connections {
        assert_eq!(connection.reply(false).unwrap().status, 200);
    }
}

#[test]
fn a_slow_request_head_is_cut_off_by_the_read_timeout() {
    let config = CONFIG.replace("port: 0", "port: 0, timeout: {read: 1s}");
    let gate = with_config(&config).file("rules.yaml", RULE).run();
    let mut connection = Connection::open(gate.port()).unwrap();
    connection.send(b"GET /decisions HTTP/1.1\r\nHost: app").unwrap();
    // 408 or nothing: what counts is that the end comes without another byte of the request.
    if let Ok(reply) = connection.reply(false) {
        assert_eq!(reply.status, 408);
    }
    assert!(connection.is_ended());
    goes_on(&gate);
}

#[test]
fn a_head_that_is_longer_than_configured_is_431() {
    let config = CONFIG.replace("port: 0}", "port: 0, max_header_bytes: 4kB}");
    let gate = with_config(&config).file("rules.yaml", RULE).run();
    for (length, want) in [(3_000, 200), (4_000, 431), (60_000, 431)] {
        let reply = gate.send(&ask("GET").header("X-Long", vec![b'a'; length]));
        assert_eq!(reply.status, want, "{length}: {}", reply.summary());
    }
    let gate = with_config(CONFIG).file("rules.yaml", RULE).run();
    assert_eq!(gate.send(&ask("GET").header("X-Long", vec![b'a'; 65_536])).status, 200, "64 KiB by default");
}

#[test]
fn who_connects_and_says_nothing_is_cut_off_by_the_read_timeout() {
    let config = CONFIG.replace("port: 0}", "port: 0, timeout: {read: 100ms}}");
    let gate = with_config(&config).file("rules.yaml", RULE).run();
    let mut silent = Connection::open(gate.port()).unwrap();
    assert!(silent.is_ended(), "the connection is closed");
    goes_on(&gate);
}

/// The connection preface, an empty SETTINGS frame and a HEADERS frame, each name and value literal and
/// without Huffman coding (RFC 9113, RFC 7541 section 6.2.2).
fn http2(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.extend([0, u8::try_from(name.len()).unwrap()]);
        block.extend(name.bytes());
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.bytes());
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    bytes.extend([0, u8::try_from(block.len() / 256).unwrap(), u8::try_from(block.len() % 256).unwrap()]);
    bytes.extend(b"\x01\x05\0\0\0\x01"); // HEADERS, END_STREAM and END_HEADERS, stream 1
    bytes.extend(block);
    bytes
}

#[test]
fn http_2_in_clear_text_is_answered() {
    use std::io::{Read as _, Write as _};
    let gate = gate();
    for (uri, status) in [("/x", &b"\x88"[..]), ("/nowhere/../..%2f", b"\x88"), ("/a%zz", b"\x8c")] {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", gate.port())).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        let mut fields = vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "okgate"),
            (":path", "/decisions"),
            ("x-forwarded-host", "app.test"),
            ("x-forwarded-uri", uri),
        ];
        // More than there is room for over HTTP/1.
        fields.extend([("x-many", "v"); 200]);
        stream.write_all(&http2(&fields)).unwrap();
        let mut answer = Vec::new();
        let block = loop {
            let mut more = [0; 1024];
            let read = stream.read(&mut more).unwrap();
            assert!(read > 0, "{uri}: closed after {answer:?}");
            answer.extend_from_slice(&more[..read]);
            if let Some(block) = headers_frame(&answer) {
                break block;
            }
        };
        // The first field of an answer is its status, 200 and 400 by their places in the static table.
        assert!(block.starts_with(status), "{uri}: {block:x?}");
    }
    goes_on(&gate);
}

/// Requests over HTTP/2 whose answers the client has no room for: its window is of no bytes.
fn refused_requests(count: u32) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0".to_vec();
    let mut block = Vec::new();
    for (name, value) in
        [(":method", "GET"), (":scheme", "http"), (":authority", "okgate"), (":path", "/decisions/nowhere")]
    {
        block.extend([0, u8::try_from(name.len()).unwrap()]);
        block.extend(name.bytes());
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.bytes());
    }
    for number in 0..count {
        bytes.extend([0, 0, u8::try_from(block.len()).unwrap(), 1, 5]);
        bytes.extend((number * 2 + 1).to_be_bytes());
        bytes.extend(&block);
    }
    bytes.extend(b"\0\0\x08\x06\0\0\0\0\0are-you?"); // PING
    bytes
}

/// actix-http has no limit, and would keep them all.
#[test]
fn a_client_that_asks_without_end_and_takes_no_answer_is_cut_off() {
    use std::io::{Read as _, Write as _};
    let gate = gate();
    for (count, goes_on) in [(1_000, true), (10_000, false)] {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", gate.port())).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        // The connection may end before all is written.
        let written = stream.write_all(&refused_requests(count));
        let (mut answer, mut ended) = (Vec::new(), written.is_err());
        let pong = b"\0\0\x08\x06\x01\0\0\0\0are-you?";
        while !ended && !answer.windows(pong.len()).any(|bytes| bytes == pong) {
            let mut more = [0; 4096];
            match stream.read(&mut more) {
                Ok(read) if read > 0 => answer.extend_from_slice(&more[..read]),
                _ => ended = true,
            }
        }
        assert_eq!(!ended, goes_on, "{count}");
        if goes_on {
            let limit = b"\0\x03\0\0\x03\xE8"; // SETTINGS_MAX_CONCURRENT_STREAMS, 1000
            assert!(answer.windows(limit.len()).any(|bytes| bytes == limit), "the settings name the limit");
        }
    }
    goes_on(&gate);
}

/// The block of the first complete HEADERS frame.
fn headers_frame(mut bytes: &[u8]) -> Option<Vec<u8>> {
    loop {
        let (head, rest) = bytes.split_at_checked(9)?;
        let [_, high, low, kind, ..] = head else { return None };
        let (frame, rest) = rest.split_at_checked(usize::from(*high) * 256 + usize::from(*low))?;
        if *kind == 1 {
            return Some(frame.to_vec());
        }
        bytes = rest;
    }
}

#[test]
fn a_unix_socket_is_served_to_whom_its_mode_lets() {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // left behind by a server that crashed
    let socket =
        format!("host: 'unix:{}', socket: {{mode: '0600'}}, trusted_proxies: [unix]", path.display());
    let config = CONFIG.replace("host: 127.0.0.1", &socket);
    let mut gate = with_config(&config).file("rules.yaml", RULE).run();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(&ask("GET").to_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let second = with_config(&config).file("rules.yaml", RULE).try_run();
    assert!(second.err().unwrap().stderr.contains("another program listens there"));
    gate.process().signal("TERM").unwrap();
    assert!(gate.process().ends_within(std::time::Duration::from_secs(20)).is_some());
    assert!(!path.exists(), "the socket is gone with its server");
}

#[test]
fn a_question_with_two_hosts_is_refused() {
    let gate = gate();
    for (second, want) in [("app.test", 400), ("gate.test", 400)] {
        let bytes = format!(
            "GET /decisions/x HTTP/1.1\r\nHost: app.test\r\nHost: {second}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(answer(&gate, bytes.as_bytes()).map(|reply| reply.status), Some(want), "{second}");
    }
    goes_on(&gate);
}
