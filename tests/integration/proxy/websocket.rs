//! Upgrades: what both sides say passes as it is, and only where a rule lets it.

use super::given::{Asked, Proxy, Upstream, everything_to, keep, next, proxy, rule, start, to, upstream};
use okgate_testkit::http::Request;
use okgate_testkit::wait::eventually;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::Receiver;

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn handshake(target: &str) -> Request {
    Request::get(target)
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "WebSocket")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
}

/// An upstream that takes every upgrade and sends back what it gets; then it tells how much that was.
fn echo() -> (Upstream, Receiver<String>) {
    upstream(|asked, heard| {
        while let Some(request) = asked.request() {
            if request.target() == "/refused" {
                asked.say("HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n");
                heard.send(format!("{request:?}")).unwrap();
                continue;
            }
            if request.all("upgrade") != ["websocket"] || request.all("connection") != ["Upgrade"] {
                heard.send(format!("no upgrade: {request:?}")).unwrap();
                asked.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
                continue;
            }
            asked.say(SWITCH);
            let all = speak(asked);
            heard.send(format!("{all} bytes")).unwrap();
            return;
        }
    })
}

fn speak(asked: &mut Asked) -> usize {
    let mut all = 0;
    loop {
        let piece = match asked.stream.fill_buf() {
            Ok(piece) if !piece.is_empty() => piece.to_vec(),
            _ => return all,
        };
        asked.stream.consume(piece.len());
        all += piece.len();
        if asked.write(&piece).is_err() || piece.ends_with(b"bye") {
            return all;
        }
    }
}

/// The head of an answer, and what the client gets from there on.
fn begin<S: Read>(stream: S) -> (String, BufReader<S>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "closed after {head:?}");
    }
    (head, stream)
}

#[track_caller]
fn says_and_hears(stream: &mut BufReader<impl Read + Write>, text: &[u8]) {
    stream.get_mut().write_all(text).unwrap();
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard).unwrap();
    assert!(heard == text);
}

#[test]
fn what_both_sides_say_passes_until_one_of_them_ends_it() {
    let (up, told) = echo();
    let front = everything_to(&up);
    for ends in ["client", "upstream", "client with an error"] {
        let mut socket = front.socket();
        // The first words come with the handshake.
        socket.write_all(&[handshake("/chat").to_bytes(), b"hello".to_vec()].concat()).unwrap();
        let (head, mut stream) = begin(socket);
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        let lower = head.to_ascii_lowercase();
        for line in
            ["\r\nconnection: upgrade\r\n", "\r\nupgrade: websocket\r\n", "\r\nsec-websocket-accept: s3ppl"]
        {
            assert!(lower.contains(line), "{line} in {head}");
        }
        assert!(!lower.contains("transfer-encoding") && !lower.contains("content-length"), "{head}");
        let mut first = [0; 5];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"hello");
        let long = vec![0xA5; 100_000];
        for text in [&b"\x81\x05hello"[..], b"GET / HTTP/1.1\r\n\r\n", b"\0", &long] {
            says_and_hears(&mut stream, text);
        }
        let mut all = 5 + 7 + 18 + 1 + 100_000;
        match ends {
            "upstream" => {
                says_and_hears(&mut stream, b"bye");
                all += 3;
                assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "the client's connection is closed");
            }
            "client" => stream.get_ref().shutdown(Shutdown::Write).unwrap(),
            _ => drop(stream),
        }
        assert_eq!(next(&told), format!("{all} bytes"), "{ends}");
    }
    let head = format!("{:?}", front.get("/plain").text());
    assert_eq!(head, "\"plain\"");
}

#[test]
fn an_upgrade_passes_over_tls_and_with_a_long_head() {
    let (up, told) = echo();
    let (cert, key) = super::given::certificate("gate.test");
    let tls = start(
        "tls: {cert: {path: cert.pem}, key: {path: key.pem}}, max_header_bytes: 128KiB",
        &to(&up.url("")),
    )
    .file("cert.pem", cert)
    .file("key.pem", key);
    let front = Proxy::of(tls.run());
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    let connector = connector.build();
    for length in [1, 60_000, 120_000] {
        let mut stream = connector.connect("gate.test", front.socket()).unwrap();
        stream.write_all(&handshake("/chat").header("X-Long", "x".repeat(length)).to_bytes()).unwrap();
        let (head, mut stream) = begin(stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        says_and_hears(&mut stream, b"hello");
        says_and_hears(&mut stream, b"bye");
        assert_eq!(next(&told), "8 bytes");
    }
}

#[test]
fn an_upgrade_that_the_upstream_refuses_is_an_answer() {
    let (up, told) = echo();
    let front = everything_to(&up);
    let mut client = front.connect();
    client.send(&handshake("/refused").to_bytes()).unwrap();
    let reply = client.reply(false).unwrap();
    assert_eq!((reply.status, &*reply.text()), (403, "no"), "{}", reply.summary());
    assert!(next(&told).contains("/refused"));
    // What follows could be anything, so that nothing does.
    assert!(client.is_ended());
}

#[test]
fn an_upgrade_that_the_rule_refuses_never_reaches_the_upstream() {
    let (up, told) = echo();
    let rules = rule(
        "no",
        "http://gate.test/<.*>",
        "noop",
        "deny",
        "{handler: noop}",
        &format!("url: '{}'", up.url("")),
    );
    let front = proxy("", &rules);
    let mut client = front.connect();
    client.send(&handshake("/chat").to_bytes()).unwrap();
    assert_eq!(client.reply(false).unwrap().status, 403);
    assert!(client.is_ended());
    assert!(told.try_recv().is_err());
    assert_eq!(up.accepted(), 0);
}

#[test]
fn what_is_no_upgrade_to_websocket_passes_as_an_ordinary_request_or_not_at_all() {
    let (up, told) = echo();
    let front = everything_to(&up);
    let plain = |name: &str, value: &str| Request::get("/x").header(name, value);
    for (what, request, want) in [
        ("no Connection", plain("Upgrade", "websocket").header("Connection", "keep-alive"), 200),
        (
            "another protocol",
            plain("Upgrade", "h2c")
                .header("Connection", "Upgrade, HTTP2-Settings")
                .header("HTTP2-Settings", "AAMAAABk"),
            200,
        ),
        ("no protocol", plain("Connection", "Upgrade"), 200),
        (
            "two protocols",
            plain("Upgrade", "websocket").header("Upgrade", "h2c").header("Connection", "Upgrade"),
            200,
        ),
        ("two protocols in one", plain("Upgrade", "h2c, websocket").header("Connection", "Upgrade"), 101),
        ("of HTTP/1.0", handshake("/x").version("HTTP/1.0"), 200),
        (
            "with HEAD",
            {
                let mut head = handshake("/x");
                head.method = "HEAD".into();
                head
            },
            200,
        ),
        (
            "with POST",
            {
                let mut post = handshake("/x");
                post.method = "POST".into();
                post
            },
            400,
        ),
        ("with a length", handshake("/x").body("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (
            "with chunks",
            handshake("/x").header("Transfer-Encoding", "chunked").body("3\r\nabc\r\n0\r\n\r\n"),
            400,
        ),
        ("with length 0", handshake("/x").header("Content-Length", "0"), 101),
        ("with length 00", handshake("/x").header("Content-Length", "00"), 400),
    ] {
        let mut client = front.connect();
        client.send(&request.to_bytes()).unwrap();
        let is_head = request.method == "HEAD";
        let status =
            if want == 101 { client.status_line() } else { client.reply(is_head).map(|reply| reply.status) };
        assert_eq!(status.expect(what), want, "{what}");
        if want == 200 {
            let heard = next(&told);
            assert!(heard.starts_with("no upgrade"), "{what}: {heard}");
            for name in ["\"Upgrade\"", "\"Connection\"", "\"Http2-Settings\"", "smuggled"] {
                assert!(!heard.contains(name), "{what}: {heard}");
            }
        }
        if want == 400 {
            assert!(client.is_ended(), "{what}");
        }
        drop(client);
        if want == 101 {
            assert_eq!(next(&told), "0 bytes", "{what}");
        }
    }
    assert!(told.try_recv().is_err());
}

#[test]
fn an_upgrade_that_was_not_asked_for_is_no_answer() {
    let (up, _) = upstream::<()>(|asked, _| {
        while asked.request().is_some() {
            asked.say(SWITCH);
        }
    });
    let front = everything_to(&up);
    assert_eq!(front.send(&keep("/")).status, 502);
}

#[test]
fn an_upgrade_is_for_the_end_of_its_connection() {
    // Nobody else is sent over it, whatever became of it.
    let (up, told) = echo();
    let front = everything_to(&up);
    for n in 1..=3 {
        let mut socket = front.socket();
        socket.write_all(&handshake("/chat").to_bytes()).unwrap();
        let (_, mut stream) = begin(socket);
        says_and_hears(&mut stream, b"bye");
        assert_eq!(next(&told), "3 bytes");
        assert_eq!(up.accepted(), n);
    }
}

#[test]
fn somebody_looks_whether_both_ends_of_a_silent_connection_are_still_there() {
    let (up, _told) = echo();
    let mut front = everything_to(&up);
    let mut socket = front.socket();
    let own = socket.local_addr().unwrap().port();
    socket.write_all(&handshake("/chat").to_bytes()).unwrap();
    let (_, _stream) = begin(socket);
    let pid = front.gate.process().child().id();
    // Column 6 begins with 02 where the kernel's keep-alive timer runs (proc_pid_net(5)).
    eventually("keep-alive on both sides", || {
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
        let runs = |remote: u16| {
            table.lines().any(|line| {
                let mut words = line.split_whitespace().skip(2);
                words.next().is_some_and(|word| word.ends_with(&format!(":{remote:04X}")))
                    && words.nth(2).is_some_and(|timer| timer.starts_with("02:"))
            })
        };
        (runs(own) && runs(up.port)).then_some(())
    });
}
