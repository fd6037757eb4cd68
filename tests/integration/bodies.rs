//! Bodies of requests: passed on while they come, within limits of length and time, and never waited for in vain.

use crate::services::gate;
use okgate_testkit::gate::Gate;
use okgate_testkit::http::{Connection, Reply, Request};
use okgate_testkit::stub::Stub;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_body_that_does_not_come_is_refused_in_time() {
    let stub = Stub::with(json!([{"path": "/*", "respond": {"status": 200}}]));
    let settings = json!({"remote": stub.url("/check"), "timeout": "300ms", "max_body_bytes": "8KiB"});
    let gate = gate(&[("app.test".to_owned(), "remote", settings)]);
    let post = |more: &[(&str, &str)], body: &[u8]| {
        let mut request = Request::decision("POST", "http://app.test/x").header("Connection", "keep-alive");
        for (name, value) in more {
            request = request.header(name, *value);
        }
        let mut bytes = request.to_bytes();
        bytes.extend(body);
        let mut connection = Connection::open(gate.port()).unwrap();
        connection.send(&bytes).unwrap();
        connection.reply(false).unwrap()
    };
    let long = vec![b'x'; 9000];
    let chunked = |text: &[u8]| [format!("{:x}\r\n", text.len()).as_bytes(), text, b"\r\n0\r\n\r\n"].concat();
    for (what, headers, body, status, sent) in [
        ("none", &[][..], Vec::new(), 200, Some("")),
        ("of known length", &[("Content-Length", "3")], b"abc".to_vec(), 200, Some("abc")),
        ("in chunks", &[("Transfer-Encoding", "chunked")], chunked(b"abc"), 200, Some("abc")),
        ("promised, and never sent", &[("Content-Length", "3")], Vec::new(), 408, None),
        ("promised, and half sent", &[("Content-Length", "30")], b"abc".to_vec(), 408, None),
        ("chunks without an end", &[("Transfer-Encoding", "chunked")], b"3\r\nabc\r\n".to_vec(), 408, None),
        ("promised to be too long", &[("Content-Length", "9000000")], Vec::new(), 413, None),
        ("too long", &[("Content-Length", "9000")], long.clone(), 413, None),
        ("too long in chunks", &[("Transfer-Encoding", "chunked")], chunked(&long), 413, None),
        (
            "expected to be waited for",
            &[("Expect", "100-continue"), ("Content-Length", "3")],
            Vec::new(),
            408,
            None,
        ),
    ] {
        let begin = Instant::now();
        let mut reply = post(headers, &body);
        if reply.status == 100 {
            reply = post(&[("Content-Length", "3")], b"");
        }
        assert_eq!(reply.status, status, "{what}: {}", reply.summary());
        assert!(begin.elapsed() < Duration::from_secs(5), "{what}");
        let calls = stub.take_calls();
        let bodies: Vec<_> =
            calls.iter().map(|call| String::from_utf8_lossy(&call.body).into_owned()).collect();
        assert_eq!(bodies.first().map(String::as_str), sent, "{what}");
    }
    assert_eq!(gate.decide("GET", "http://app.test/x").status, 200, "it goes on");
}

#[test]
fn a_body_that_was_looked_at_leaves_the_connection_usable() {
    let stub = Stub::with(json!([{"path": "/*", "respond": {"status": 200}}]));
    let settings = json!({"remote": stub.url("/check")});
    let gate = gate(&[("app.test".to_owned(), "remote", settings)]);
    let mut connection = Connection::open(gate.port()).unwrap();
    for size in [0, 3, 100_000, 3, 1 << 20, 0] {
        let body = "x".repeat(size);
        let request = Request::decision("POST", "http://app.test/x").header("Connection", "keep-alive");
        connection.send(&request.body(body.clone()).to_bytes()).unwrap();
        assert_eq!(connection.reply(false).unwrap().status, 200, "{size}");
        let calls = stub.take_calls();
        assert_eq!(calls.len(), 1, "{size}");
        assert!(calls[0].body == body.as_bytes(), "{size}");
    }
}

/// A service that does with each connection what it is told; what it sends comes out of the receiver.
fn service<T: Send + 'static>(
    serve: impl Fn(&mut BufReader<TcpStream>, &Sender<T>) + Send + Clone + 'static,
) -> (String, Receiver<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://127.0.0.1:{}/check", listener.local_addr().unwrap().port());
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let (serve, sender) = (serve.clone(), sender.clone());
            thread::spawn(move || serve(&mut BufReader::new(stream), &sender));
        }
    });
    (url, receiver)
}

/// The head of a request, in lower case.
fn head(stream: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).unwrap() == 0 {
            break;
        }
    }
    head.to_ascii_lowercase()
}

fn answer(stream: &mut BufReader<TcpStream>, status: u16) {
    let text = format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n");
    stream.get_mut().write_all(text.as_bytes()).unwrap();
}

fn remote(url: &str, more: &Value) -> Gate {
    let mut settings = json!({"remote": url, "timeout": "20s"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    gate(&[("app.test".to_owned(), "remote", settings)])
}

/// A question whose body is still to come.
fn begin(gate: &Gate, headers: &[(&str, &str)]) -> Connection {
    let mut request = Request::decision("POST", "http://app.test/x").header("Connection", "keep-alive");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let mut connection = Connection::open(gate.port()).unwrap();
    connection.send(&request.to_bytes()).unwrap();
    connection
}

fn reply(mut connection: Connection) -> Reply {
    connection.reply(false).unwrap()
}

/// How many bytes of memory okgate has.
fn memory(gate: &mut Gate) -> usize {
    let pid = gate.process().child().id();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn a_long_body_is_passed_on_while_it_comes() {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 512;
    for framing in [("Content-Length", (PIECE * PIECES).to_string()), ("Transfer-Encoding", "chunked".into())]
    {
        let (url, came) = service(|stream, came| {
            let head = head(stream);
            let chunked = head.contains("transfer-encoding: chunked");
            assert_eq!(head.contains(&format!("content-length: {}\r\n", PIECE * PIECES)), !chunked, "{head}");
            let mut piece = vec![0; 1 << 16];
            let (mut all, mut left) = (0, PIECE * PIECES);
            while left > 0 {
                if chunked {
                    let mut size = String::new();
                    stream.read_line(&mut size).unwrap();
                    let size = usize::from_str_radix(size.trim(), 16).unwrap();
                    piece.resize(size, 0);
                    stream.read_exact(&mut piece).unwrap();
                    stream.read_exact(&mut [0; 2]).unwrap();
                    all += size;
                    left -= size;
                } else {
                    let size = stream.read(&mut piece).unwrap();
                    assert!(size > 0, "it breaks off after {all} bytes");
                    all += size;
                    left -= size;
                }
                came.send(all).unwrap();
            }
            answer(stream, 200);
        });
        let mut gate = remote(&url, &json!({"max_body_bytes": "32MiB"}));
        assert_eq!(gate.decide("GET", "http://other.test/").status, 404, "it serves");
        let before = memory(&mut gate);
        let mut connection = begin(&gate, &[(framing.0, &framing.1)]);
        for number in 1..=PIECES {
            let mut piece = vec![b'x'; PIECE];
            if framing.0 == "Transfer-Encoding" {
                piece = [format!("{PIECE:x}\r\n").as_bytes(), &piece, b"\r\n"].concat();
            }
            connection.send(&piece).unwrap();
            // Nothing more is sent before the service has what was sent.
            while came.recv_timeout(Duration::from_secs(20)).expect("the piece arrives") < number * PIECE {}
        }
        if framing.0 == "Transfer-Encoding" {
            connection.send(b"0\r\n\r\n").unwrap();
        }
        assert_eq!(reply(connection).status, 200, "{framing:?}");
        let grown = memory(&mut gate).saturating_sub(before);
        assert!(grown < PIECE * PIECES / 4, "{framing:?}: memory grew by {grown} bytes");
    }
}

#[test]
fn an_answer_before_the_end_of_the_body_counts() {
    for (what, reads, status, want) in [
        ("a no at the sight of the headers", 0, 403, 403),
        ("a yes at the sight of the headers", 0, 200, 200),
        ("a no after some of it", 100_000, 403, 403),
    ] {
        let (url, _) = service::<()>(move |stream, _| {
            head(stream);
            stream.read_exact(&mut vec![0; reads]).unwrap();
            answer(stream, status);
        });
        let gate = remote(&url, &json!({}));
        // The rest never comes, and is not waited for.
        let mut connection = begin(&gate, &[("Content-Length", "1000000")]);
        connection.send(&vec![b'x'; reads + 10]).unwrap();
        assert_eq!(reply(connection).status, want, "{what}");
    }
}

#[test]
fn a_service_is_never_told_that_half_a_body_is_all() {
    let chunk = |length: usize| [format!("{length:x}\r\n").as_bytes(), &vec![b'x'; length], b"\r\n"].concat();
    let chunked = ("Transfer-Encoding", "chunked");
    for (what, header, body, status) in [
        ("stalls", ("Content-Length", "300000"), vec![b'x'; 200_000], 408),
        ("stalls in chunks", chunked, chunk(200_000), 408),
        ("stalls at once", ("Content-Length", "300000"), Vec::new(), 408),
        ("too long in chunks", chunked, [chunk(400_000), b"0\r\n\r\n".to_vec()].concat(), 413),
        ("broken chunks", chunked, [chunk(200_000), b"nonsense\r\n".to_vec()].concat(), 400),
    ] {
        let (url, heard) = service(|stream, heard| {
            let head = head(stream);
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            heard.send((head, rest)).unwrap();
        });
        let gate = remote(&url, &json!({"timeout": "500ms", "max_body_bytes": "300000B"}));
        let mut connection = begin(&gate, &[header]);
        let begun = Instant::now();
        let _ = connection.send(&body);
        let reply = reply(connection);
        assert_eq!(reply.status, status, "{what}: {}", reply.summary());
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
        let (begun_with, rest) = heard.recv_timeout(Duration::from_secs(20)).unwrap();
        if begun_with.contains("content-length: 300000") {
            assert!(rest.len() < 300_000, "{what}");
        } else {
            assert!(!rest.ends_with(b"0\r\n\r\n"), "{what}");
        }
    }
}

#[test]
fn a_service_that_does_not_take_the_body_could_not_decide() {
    let (url, _) = service::<()>(|stream, _| {
        head(stream);
        thread::sleep(Duration::from_secs(10));
    });
    let gate = remote(&url, &json!({"timeout": "500ms", "max_body_bytes": "64MiB"}));
    let request = Request::decision("POST", "http://app.test/x").header("Content-Length", "40000000");
    let mut stream = TcpStream::connect(("127.0.0.1", gate.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(&request.to_bytes()).unwrap();
    let begun = Instant::now();
    let mut sender = stream.try_clone().unwrap();
    let sending = thread::spawn(move || sender.write_all(&vec![b'x'; 40_000_000]));
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert_eq!(line.split(' ').nth(1), Some("500"), "{line}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(stream);
    let _ = sending.join().unwrap();
}
