//! Connections to upstreams: kept and used again, and never with what belongs to somebody else.

use super::given::{Upstream, everything_to, keep, listener, next, upstream};
use okgate_testkit::http::Request;
use okgate_testkit::wait::eventually;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::sync::mpsc::Receiver;
use std::thread;

#[test]
fn a_connection_is_used_again_and_again() {
    let (up, heard) = listener();
    let front = everything_to(&up);
    let mut client = front.connect();
    for n in 0..20 {
        let ask = if n % 2 == 0 {
            keep("/")
        } else {
            Request::new("POST", "/").body("x").header("Connection", "keep-alive")
        };
        client.send(&ask.to_bytes()).unwrap();
        assert_eq!(client.reply(false).unwrap().text(), "up");
        next(&heard);
    }
    assert_eq!(up.accepted(), 1);
}

/// An upstream that says this once it was asked, and that over the same connection when it is told to.
fn says(answer: &'static [u8], then: &'static [u8]) -> (Upstream, Receiver<()>, std::sync::mpsc::Sender<()>) {
    let (go, going) = std::sync::mpsc::channel();
    let going = std::sync::Arc::new(std::sync::Mutex::new(going));
    let (up, said) = upstream(move |asked, said| {
        while let Some(request) = asked.request() {
            if request.target() == "/first" {
                let _ = asked.write(answer);
                let _ = going.lock().unwrap().recv();
                let _ = asked.write(then);
                let _ = said.send(());
            } else {
                asked.say("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 4\r\n\r\nmine");
            }
        }
    });
    (up, said, go)
}

#[test]
fn no_answer_reaches_anybody_but_who_asked_for_it() {
    const EVIL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (what, method, answer, then, status) in [
        ("a second answer", "GET", &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"[..], &b""[..], 200),
        ("a second answer that comes late", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", EVIL, 200),
        ("half a second answer", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 200 OK\r\nX-Evil: ", 200),
        ("a late interim answer", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 100 Continue\r\n\r\n", 200),
        ("half a late interim answer", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 10", 200),
        ("a body behind HEAD", "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"", 200),
        ("a late body behind HEAD", "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n", EVIL, 200),
        ("a body behind 204", "GET", b"HTTP/1.1 204 No\r\nContent-Length: 43\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"", 204),
        ("a late body behind 304", "GET", b"HTTP/1.1 304 No\r\nContent-Length: 43\r\n\r\n", EVIL, 304),
        ("a chunked body behind 304", "GET", b"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"", 304),
        ("a late chunked body behind 204", "GET", b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nevil\r\n0\r\n\r\n", 204),
        ("interim answers before the answer", "GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"", 200),
        ("an empty line before an interim answer", "GET", b"\r\nHTTP/1.1 100 Continue\r\n\r\n", EVIL, 502),
        ("an empty line before the answer", "GET", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"", 502),
        ("a protocol that nobody asked for", "GET", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"", 502),
        ("no end but that of the connection", "GET", b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: identity\r\n\r\n", EVIL, 200),
        ("two lengths", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 43\r\n\r\nok", b"", 502),
        ("a length and chunks", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 43\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"", 200),
        ("a body behind an empty one", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"", 200),
        ("a later trailer", "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: a\r\n\r\n", b"", 200),
    ] {
        let (up, said, go) = says(answer, then);
        let front = everything_to(&up);
        let mut first = front.connect();
        let mut ask = keep("/first");
        ask.method = method.into();
        first.send(&ask.to_bytes()).unwrap();
        if what.starts_with("no end") {
            assert_eq!(first.status_line().expect(what), status, "{what}");
        } else {
            assert_eq!(first.reply(method == "HEAD").expect(what).status, status, "{what}");
        }
        // The rest comes when nobody has asked for anything.
        go.send(()).unwrap();
        next(&said);
        let others: Vec<_> = (0..3)
            .map(|_| {
                let mut other = front.connect();
                other.send(&keep("/second").to_bytes()).unwrap();
                other.reply(false).unwrap_or_else(|error| panic!("{what}: {error}"))
            })
            .collect();
        for other in others {
            assert_eq!((other.status, &*other.text()), (200, "mine"), "{what}");
        }
    }
}

#[test]
fn a_connection_that_was_closed_while_nobody_used_it_is_replaced() {
    let (up, heard) = upstream(|asked, heard| {
        let Some(request) = asked.request() else { return };
        asked.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup");
        if request.target() == "/closes" {
            asked.stream.get_ref().shutdown(Shutdown::Both).unwrap();
        }
        heard.send(request).unwrap();
        asked.is_ended();
    });
    let front = everything_to(&up);
    let mut client = front.connect();
    for method in ["GET", "POST", "PUT", "GET", "DELETE", "POST"] {
        client.send(&keep("/closes").to_bytes()).unwrap();
        assert_eq!(client.reply(false).unwrap().text(), "up");
        next(&heard);
        let ask = Request::new(method, "/").header("Connection", "keep-alive");
        let ask = if method == "POST" { ask.body("x") } else { ask };
        client.send(&ask.to_bytes()).unwrap();
        assert_eq!(client.reply(false).expect(method).status, 200, "{method}");
        assert_eq!(next(&heard).method(), method);
    }
}

#[test]
fn only_what_may_be_repeated_is_sent_again_when_a_kept_connection_fails() {
    // The second request over a connection is read, and answered by closing it.
    for (method, body, status, times) in [
        ("GET", "", 200, 2),
        ("HEAD", "", 200, 2),
        ("OPTIONS", "", 200, 2),
        ("POST", "x", 502, 1),
        ("POST", "", 502, 1),
        ("PUT", "x", 502, 1),
        ("DELETE", "", 502, 1),
        ("GET", "x", 502, 1),
    ] {
        let (up, heard) = upstream(|asked, heard| {
            for n in 0..2 {
                let Some(request) = asked.request() else { return };
                let _ = heard.send(request);
                if n == 0 {
                    asked.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                }
            }
        });
        let front = everything_to(&up);
        let mut client = front.connect();
        client.send(&keep("/").to_bytes()).unwrap();
        assert_eq!(client.reply(false).unwrap().status, 200);
        next(&heard);
        let ask = Request::new(method, "/").header("Connection", "keep-alive");
        client.send(&if body.is_empty() { ask } else { ask.body(body) }.to_bytes()).unwrap();
        assert_eq!(client.reply(method == "HEAD").unwrap().status, status, "{method} {body}");
        for _ in 0..times {
            assert_eq!(next(&heard).method(), method);
        }
        assert_eq!(heard.try_iter().count(), 0, "{method} {body}");
    }
}

#[test]
fn an_upstream_that_wants_to_close_is_not_asked_again() {
    for close in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nup",
        "HTTP/1.1 200 OK\r\nConnection: x-other, Close\r\nX-Other: 1\r\nContent-Length: 2\r\n\r\nup",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n0\r\n\r\n",
        "HTTP/1.1 204 No\r\nConnection: close\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nup",
    ] {
        let (up, _) = upstream::<()>(move |asked, _| {
            while asked.request().is_some() {
                asked.say(close);
            }
        });
        let front = everything_to(&up);
        let mut client = front.connect();
        for n in 1..=3 {
            client.send(&keep("/").to_bytes()).unwrap();
            let reply = client.reply(false).unwrap();
            assert!(reply.header("x-other").is_none());
            assert_eq!(up.accepted(), n, "{close}");
        }
    }
}

#[test]
fn what_a_client_gives_up_leaves_no_connection_behind_for_others() {
    // The first answer comes when its client is gone.
    let (up, heard) = upstream(|asked, heard| {
        while let Some(request) = asked.request() {
            let given_up = request.target() == "/given-up";
            heard.send(request).unwrap();
            if given_up {
                assert!(asked.is_ended(), "the connection goes with who asked");
                asked.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
                return;
            }
            asked.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine");
        }
    });
    let front = everything_to(&up);
    for _ in 0..5 {
        let mut socket = front.socket();
        socket.write_all(&keep("/given-up").to_bytes()).unwrap();
        assert_eq!(next(&heard).target(), "/given-up");
        drop(socket);
        for _ in 0..3 {
            assert_eq!(front.get("/").text(), "mine");
            next(&heard);
        }
    }
}

#[test]
fn a_client_that_leaves_half_an_answer_leaves_it_to_nobody() {
    let (up, _) = upstream::<()>(|asked, _| {
        while let Some(request) = asked.request() {
            if request.target() == "/long" {
                asked.say("HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n");
                while asked.write(&[b'x'; 1 << 14]).is_ok() {}
                return;
            }
            asked.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine");
        }
    });
    let front = everything_to(&up);
    for _ in 0..5 {
        let mut socket = front.socket();
        socket.write_all(&keep("/long").to_bytes()).unwrap();
        socket.read_exact(&mut [0; 10_000]).unwrap();
        drop(socket);
        assert_eq!(front.get("/").text(), "mine");
    }
}

#[test]
fn requests_in_a_row_are_answered_in_their_order() {
    let (up, _) = upstream::<()>(|asked, _| {
        while let Some(request) = asked.request() {
            let target = request.target();
            asked.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()));
        }
    });
    let front = everything_to(&up);
    let mut client = front.connect();
    let all: Vec<u8> = (0..10)
        .flat_map(|n| {
            let ask = if n % 2 == 0 {
                keep(&format!("/{n}"))
            } else {
                Request::new("POST", format!("/{n}")).body("body").header("Connection", "keep-alive")
            };
            ask.to_bytes()
        })
        .collect();
    client.send(&all).unwrap();
    for n in 0..10 {
        assert_eq!(client.reply(false).unwrap().text(), format!("/{n}"));
    }
}

#[test]
fn connections_that_nobody_uses_are_bounded() {
    let (up, heard) = upstream(|asked, heard| {
        while asked.request().is_some() {
            // Answered together, so that each has a connection of its own.
            heard.send(asked.stream.get_ref().try_clone().unwrap()).unwrap();
        }
        let _ = heard.send(asked.stream.get_ref().try_clone().unwrap());
    });
    let mut front = everything_to(&up);
    let mut clients: Vec<_> = (0..400)
        .map(|_| {
            let mut client = front.connect();
            client.send(&keep("/").to_bytes()).unwrap();
            client
        })
        .collect();
    for mut stream in (0..400).map(|_| next(&heard)).collect::<Vec<_>>() {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup").unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.reply(false).unwrap().text(), "up");
    }
    drop(clients);
    drop(heard);
    let pid = front.gate.process().child().id();
    let workers = thread::available_parallelism().unwrap().get();
    let port = format!(":{:04X} 01 ", up.port);
    eventually("most connections are closed", || {
        let sockets = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
        // Established, seen from the proxy's end.
        (sockets.lines().filter(|line| line.contains(&port)).count() <= 64 * workers).then_some(())
    });
    assert_eq!(up.accepted(), 400);
}
