//! Bodies pass while they come, in both directions, whole and in bounded memory.

use super::given::{Proxy, everything_to, keep, next, proxy, to, upstream};
use okgate_testkit::http::Request;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::thread;

const LONG: usize = 20 << 20;

/// Bytes that tell where they are.
fn long() -> Vec<u8> {
    (0..u32::try_from(LONG / 4).unwrap()).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn an_answer_arrives_piece_by_piece() {
    // The upstream sends the next piece once the client has the one before.
    for head in [
        "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n",
        "Content-Type: text/event-stream\r\n",
        "Content-Type: text/plain\r\nContent-Length: 50\r\n",
    ] {
        let (go, going) = std::sync::mpsc::channel::<()>();
        let going = std::sync::Arc::new(std::sync::Mutex::new(going));
        let (up, _) = upstream::<()>(move |asked, _| {
            asked.request();
            asked.say(&format!("HTTP/1.1 200 OK\r\n{head}\r\n"));
            for n in 0..5 {
                if head.contains("chunked") {
                    asked.say(&format!("9\r\ndata: {n}\r\n\r\n"));
                } else {
                    asked.say(&format!("data: {n}\r\n"));
                    asked.say("\n");
                }
                if going.lock().unwrap().recv().is_err() {
                    return;
                }
            }
            if head.contains("chunked") {
                asked.say("0\r\n\r\n");
            }
        });
        let front = everything_to(&up);
        let mut socket = front.socket();
        socket.write_all(&Request::get("/events").to_bytes()).unwrap();
        let mut client = BufReader::new(socket);
        for n in 0..5 {
            let mut line = String::new();
            while !line.starts_with("data") {
                line.clear();
                assert!(client.read_line(&mut line).unwrap() > 0, "{head}: it ends before {n}");
            }
            assert_eq!(line, format!("data: {n}\r\n"), "{head}");
            let _ = go.send(());
        }
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert!(!rest.contains("data"), "{rest}");
    }
}

#[test]
fn a_long_upload_arrives_whole_and_is_not_kept() {
    let want = long();
    for chunked in [false, true] {
        let (up, came) = upstream(|asked, came| {
            let Some(request) = asked.request() else { return };
            asked.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            came.send(request).unwrap();
        });
        let mut front = everything_to(&up);
        let before = front.memory();
        let mut client = front.connect();
        let framing =
            if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {LONG}") };
        client.send(format!("POST /up HTTP/1.1\r\nHost: gate.test\r\n{framing}\r\n\r\n").as_bytes()).unwrap();
        let mut most = 0;
        for piece in want.chunks(777_777) {
            if chunked {
                client.send(format!("{:x};ext=1\r\n", piece.len()).as_bytes()).unwrap();
            }
            client.send(piece).unwrap();
            if chunked {
                client.send(b"\r\n").unwrap();
            }
            most = most.max(front.memory());
        }
        if chunked {
            client.send(b"0\r\n\r\n").unwrap();
        }
        assert_eq!(client.reply(false).unwrap().status, 200);
        let heard = next(&came);
        assert!(heard.body == want, "{} bytes of {LONG}", heard.body.len());
        assert_eq!(heard.all("transfer-encoding").len(), usize::from(chunked));
        let grown = most.saturating_sub(before);
        assert!(grown < LONG / 4, "memory grew by {grown}");
    }
}

#[test]
fn a_long_download_arrives_whole_and_is_not_kept() {
    let want = long();
    for framing in ["Content-Length: 20971520\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let body = want.clone();
        let (up, _) = upstream::<()>(move |asked, _| {
            if asked.request().is_none() {
                return;
            }
            asked.say(&format!("HTTP/1.1 200 OK\r\n{framing}\r\n"));
            for piece in body.chunks(1 << 20) {
                if framing.contains("chunked") {
                    asked.say(&format!("{:x}\r\n", piece.len()));
                }
                let _ = asked.write(piece);
                if framing.contains("chunked") {
                    asked.say("\r\n");
                }
            }
            if framing.contains("chunked") {
                asked.say("0\r\n\r\n");
            }
        });
        let mut front = everything_to(&up);
        let before = front.memory();
        let reply = front.get("/");
        assert!(reply.body == want, "{framing}: {} bytes", reply.body.len());
        let grown = front.memory().saturating_sub(before);
        assert!(grown < LONG / 4, "{framing}: memory grew by {grown}");
        let length = reply.header("content-length");
        assert_eq!(length.is_some(), framing.starts_with("Content-Length"), "{framing}");
    }
}

#[test]
fn a_slow_reader_holds_the_upstream_up_and_not_the_memory() {
    let (up, sent) = upstream(|asked, sent| {
        asked.request();
        asked.say("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\n");
        asked.stream.get_ref().set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        let mut all = 0;
        // The end comes when nothing fits anywhere any more.
        while all < 1 << 30 && asked.write(&[0; 1 << 14]).is_ok() {
            all += 1 << 14;
        }
        sent.send(all).unwrap();
    });
    let mut front = everything_to(&up);
    let before = front.memory();
    let mut client = front.socket();
    client.write_all(&Request::get("/endless").to_bytes()).unwrap();
    let sent = next(&sent);
    assert!(sent < 200 << 20, "the upstream sent {sent} bytes");
    let grown = front.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "memory grew by {grown}");
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    // Who closes with bytes unread takes a long answer back himself.
    for (after, length) in [("closes", 5), ("reads on", 5), ("reads on", 3_000_000), ("waits", 3_000_000)] {
        let (up, kept) = upstream(move |asked, kept| {
            let Some(_) = asked.head() else { return };
            let _ = asked.stream.read_exact(&mut [0; 1000]);
            let body = "x".repeat(length);
            asked.say(&format!("HTTP/1.1 413 Too Long\r\nContent-Length: {length}\r\n\r\n{body}"));
            match after {
                "closes" => {}
                "waits" => kept.send(asked.stream.get_ref().try_clone().unwrap()).unwrap(),
                _ => drop(asked.stream.read_to_end(&mut Vec::new())),
            }
        });
        let front = everything_to(&up);
        let socket = front.socket();
        let mut sender = socket.try_clone().unwrap();
        let sending = thread::spawn(move || {
            let head = format!("POST / HTTP/1.1\r\nHost: gate.test\r\nContent-Length: {LONG}\r\n\r\n");
            let _ = sender.write_all(head.as_bytes());
            let _ = sender.write_all(&vec![b'x'; LONG]);
        });
        let mut client = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(client.read_line(&mut head).unwrap() > 0, "{after}: {head}");
        }
        assert!(head.starts_with("HTTP/1.1 413"), "{after}: {head}");
        client.read_exact(&mut vec![0; length]).expect(after);
        drop(client);
        sending.join().unwrap();
        drop(kept);
    }
}

#[test]
fn both_bodies_pass_at_the_same_time() {
    // The upstream answers each piece before the client sends the next. Short enough to be drained for, long enough to
    // come in several pieces.
    for framing in ["Content-Length: 50", "Transfer-Encoding: chunked", "Content-Length: 500000"] {
        let chunked = framing.contains("chunked");
        let size = if framing.contains("500000") { 50_000 } else { 5 };
        let (up, _) = upstream::<()>(move |asked, _| {
            let Some(_) = asked.head() else { return };
            asked.say("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n");
            asked.say("5\r\nbegin\r\n");
            for _ in 0..10 {
                let piece = if chunked {
                    asked.chunk().unwrap()
                } else {
                    let mut piece = vec![0; size];
                    asked.stream.read_exact(&mut piece).unwrap();
                    piece
                };
                asked.say(&format!("5\r\nhad {}\r\n", char::from(piece[0])));
            }
            if chunked {
                assert!(asked.chunk().is_none());
            }
            asked.say("0\r\n\r\n");
        });
        let front = everything_to(&up);
        let mut socket = front.socket();
        let head = format!("POST / HTTP/1.1\r\nHost: gate.test\r\n{framing}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut client = BufReader::new(socket);
        let wait_for = |client: &mut BufReader<std::net::TcpStream>, text: &str| {
            let mut line = String::new();
            while !line.contains(text) {
                line.clear();
                let read = client.read_line(&mut line).unwrap();
                assert!(read > 0, "{framing}: closed before {text:?}: {}", front.gate.stderr());
            }
        };
        wait_for(&mut client, "begin");
        for n in b'0'..=b'9' {
            let piece = vec![n; size];
            let piece = if chunked { [b"5\r\n", &piece[..], b"\r\n"].concat() } else { piece };
            client.get_mut().write_all(&piece).unwrap();
            wait_for(&mut client, &format!("had {}", char::from(n)));
        }
        if chunked {
            client.get_mut().write_all(b"0\r\n\r\n").unwrap();
        }
        wait_for(&mut client, "0\r\n");
    }
}

#[test]
fn a_client_that_ends_early_ends_the_upstreams_connection() {
    let (up, ended) = upstream(|asked, ended| {
        let Some(request) = asked.head() else { return };
        ended.send(request.target().to_owned()).unwrap();
        if request.target() == "/answering" {
            asked.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
        }
        let mut rest = Vec::new();
        let _ = asked.stream.read_to_end(&mut rest);
        ended.send(format!("end of {}, {} bytes", request.target(), rest.len())).unwrap();
    });
    let front = everything_to(&up);
    for (target, more) in [
        ("/working", ""),
        ("/answering", ""),
        ("/sending", "Content-Length: 500000\r\n"),
        ("/chunked", "Transfer-Encoding: chunked\r\n"),
    ] {
        let mut socket = front.socket();
        let method = if more.is_empty() { "GET" } else { "POST" };
        let body = if target == "/chunked" {
            "3\r\nabc\r\n"
        } else if more.is_empty() {
            ""
        } else {
            "abc"
        };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: gate.test\r\n{more}\r\n{body}");
        socket.write_all(head.as_bytes()).unwrap();
        assert_eq!(next(&ended), target);
        if target == "/answering" {
            let mut client = BufReader::new(&socket);
            let mut line = String::new();
            while !line.starts_with("data") {
                line.clear();
                assert!(client.read_line(&mut line).unwrap() > 0);
            }
        }
        drop(socket);
        let end = next(&ended);
        assert!(end.starts_with(&format!("end of {target}")), "{end}");
    }
}

#[test]
fn a_body_that_breaks_off_is_never_taken_for_a_whole_one() {
    let (up, came) = upstream(|asked, came| {
        let Some(head) = asked.head() else { return };
        came.send((head.clone(), None)).unwrap();
        let mut rest = Vec::new();
        let _ = asked.stream.read_to_end(&mut rest);
        came.send((head, Some(rest))).unwrap();
    });
    let front = everything_to(&up);
    for (framing, body, more) in [
        ("Content-Length: 10", &b"12345"[..], &b""[..]),
        ("Transfer-Encoding: chunked", b"5\r\n12345\r\n", b""),
        ("Transfer-Encoding: chunked", b"5\r\n12345\r\n", b"nonsense\r\n"),
        ("Transfer-Encoding: chunked", b"5\r\n1234", b"5XX0\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"5\r\n12345\r\n", b"0\r\n"),
        ("Content-Length: 200000", &long()[..100_000], b""),
    ] {
        let mut socket = front.socket();
        socket
            .write_all(format!("POST / HTTP/1.1\r\nHost: gate.test\r\n{framing}\r\n\r\n").as_bytes())
            .unwrap();
        socket.write_all(body).unwrap();
        assert_eq!(next(&came).1, None);
        socket.write_all(more).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let (head, rest) = next(&came);
        let rest = rest.unwrap();
        match head.all("content-length")[..] {
            [length] => assert!(rest.len() < length.parse::<usize>().unwrap(), "{framing}"),
            _ => assert!(!rest.ends_with(b"0\r\n\r\n"), "{framing}: {}", String::from_utf8_lossy(&rest)),
        }
    }
}

#[test]
fn a_client_is_told_to_go_on_where_it_waits_for_that() {
    let (up, came) = super::given::listener();
    let front = everything_to(&up);
    let mut client = front.connect();
    let ask = Request::new("POST", "/").header("Expect", "100-continue").header("Content-Length", "3");
    client.send(&ask.header("Connection", "keep-alive").to_bytes()).unwrap();
    client.send(b"abc").unwrap();
    assert_eq!(client.reply(false).unwrap().status, 200);
    let heard = next(&came);
    assert_eq!(heard.body, b"abc");
    assert!(heard.all("expect").is_empty());
}

#[test]
fn a_body_that_a_handler_read_goes_on_whole() {
    use okgate_testkit::stub::Stub;
    let stub = Stub::with(serde_json::json!([{"path": "/*", "respond": {"status": 200}}]));
    let (up, came) = super::given::listener();
    let authz = format!(
        "remote, config: {{remote: '{}', forward_response_headers_to_upstream: []}}",
        stub.url("/check")
    );
    let rules = super::given::rule(
        "all",
        "http://gate.test/<.*>",
        "noop",
        &authz,
        "{handler: noop}",
        &format!("url: '{}'", up.url("")),
    );
    let start = super::given::start("", &rules)
        .env("AUTHORIZERS_REMOTE_ENABLED", "true")
        .env("AUTHORIZERS_REMOTE_CONFIG_REMOTE", &stub.url("/check"));
    let front = Proxy::of(start.run());
    for (size, want) in [(0, 200), (3, 200), (100_000, 200), (1 << 20, 200), (3 << 20, 413)] {
        for chunked in [false, true] {
            let body = vec![b'x'; size];
            let request = Request::new("POST", "/x");
            let request = if chunked {
                let text = [format!("{size:x}\r\n").as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
                let text = if size == 0 { b"0\r\n\r\n".to_vec() } else { text };
                request.header("Transfer-Encoding", "chunked").body(text)
            } else {
                request.body(body.clone())
            };
            let reply = front.send(&request);
            assert_eq!(reply.status, want, "{size}, chunked: {chunked}: {}", reply.summary());
            if want == 200 {
                assert!(next(&came).body == body, "{size}, chunked: {chunked}");
            }
        }
    }
}

#[test]
fn an_upload_that_nobody_reads_does_not_fill_the_memory() {
    let (up, came) = upstream(|asked, came| {
        asked.head();
        came.send(()).unwrap();
        asked.stream.get_ref().set_read_timeout(None).unwrap();
        thread::sleep(std::time::Duration::from_secs(5));
    });
    let mut front = proxy("timeout: {write: 2s}", &to(&up.url("")));
    let before = front.memory();
    let mut socket = front.socket();
    socket.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    socket.write_all(b"POST / HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 1000000000\r\n\r\n").unwrap();
    next(&came);
    let mut sent = 0;
    while sent < 500 << 20 && socket.write_all(&[0; 1 << 14]).is_ok() {
        sent += 1 << 14;
    }
    assert!(sent < 100 << 20, "{sent} bytes went somewhere");
    let grown = front.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "memory grew by {grown}");
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 504"), "{line}");
}

#[test]
fn an_empty_answer_is_empty_and_leaves_the_connection_usable() {
    let (up, _) = upstream::<()>(|asked, _| {
        while let Some(request) = asked.request() {
            asked.say(match request.target() {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 500\r\n\r\n",
                "/zero" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
                "/head-chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            });
        }
    });
    let front = everything_to(&up);
    let mut client = front.connect();
    for (method, target, status, length) in [
        ("GET", "/204", 204, None),
        ("GET", "/304", 304, None),
        ("GET", "/zero", 200, Some("0")),
        ("HEAD", "/head", 200, Some("500")),
        ("HEAD", "/head-chunked", 200, None),
        ("GET", "/chunked", 200, None),
        ("HEAD", "/zero", 200, Some("0")),
    ] {
        let mut ask = keep(target);
        ask.method = method.into();
        client.send(&ask.to_bytes()).unwrap();
        let reply = client.reply(method == "HEAD").unwrap();
        assert_eq!(reply.status, status, "{method} {target}");
        assert_eq!(
            reply.header("content-length").as_deref(),
            length,
            "{method} {target}: {}",
            reply.summary()
        );
        assert_eq!(reply.body, b"", "{method} {target}");
    }
    assert_eq!(up.accepted(), 1, "all over one connection");
}
