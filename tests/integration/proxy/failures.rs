//! Upstreams that fail, and what the client sees of it: an answer or a broken connection, never half of something
//! that looks whole.

use super::given::{LIMIT, Proxy, everything_to, keep, next, proxy, rule, to, upstream};
use okgate_testkit::http::{Reply, Request};
use okgate_testkit::wait::eventually;
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

/// What went wrong goes into the log.
#[track_caller]
fn is_empty(reply: &Reply, status: u16, front: &Proxy) {
    assert_eq!((reply.status, &*reply.text()), (status, ""), "{}", front.gate.stderr());
    assert_eq!(reply.header("content-length").as_deref(), Some("0"));
    eventually("a line in the log", || {
        front.gate.stderr().contains("the upstream did not answer").then_some(())
    });
}

#[test]
fn an_upstream_that_cannot_be_reached_is_502() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    for url in [
        format!("http://127.0.0.1:{nobody}"),
        format!("https://127.0.0.1:{nobody}"),
        "http://no-such-host.invalid".into(),
        "http://127.0.0.1:0".into(),
    ] {
        let front = proxy("", &to(&url));
        is_empty(&front.get("/"), 502, &front);
        let mut client = front.connect();
        for _ in 0..3 {
            client
                .send(&Request::new("POST", "/").body("body").header("Connection", "keep-alive").to_bytes())
                .unwrap();
            is_empty(&client.reply(false).unwrap(), 502, &front);
        }
    }
}

#[test]
fn an_upstream_over_tls_is_one_that_is_trusted_for_its_name() {
    let (cert, key) = super::given::certificate("localhost");
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&X509::from_pem(&cert).unwrap()).unwrap();
    acceptor.set_private_key(&PKey::private_key_from_pem(&key).unwrap()).unwrap();
    let acceptor = acceptor.build();
    let (up, heard) = upstream(move |asked, heard| {
        let Ok(stream) = acceptor.accept(asked.stream.get_ref().try_clone().unwrap()) else { return };
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).unwrap_or(0) == 0 {
                    return;
                }
            }
            heard.send(head).unwrap();
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup").unwrap();
        }
    });
    for (host, trusted, status) in
        [("localhost", true, 200), ("127.0.0.1", true, 502), ("localhost", false, 502)]
    {
        let rules = to(&format!("https://{host}:{}", up.port));
        let trust = if trusted { "http_client: {tls: {ca_files: [ca.pem]}}\n" } else { "" };
        let config = super::given::config("") + trust;
        let start = crate::given::with_config(&config).file("rules.yaml", rules).file("ca.pem", cert.clone());
        let front = Proxy::of(start.run());
        let before = up.accepted();
        let mut client = front.connect();
        for _ in 0..3 {
            client.send(&keep("/").to_bytes()).unwrap();
            let reply = client.reply(false).unwrap();
            assert_eq!(reply.status, status, "{host}, {trusted}: {}", front.gate.stderr());
            if status == 200 {
                assert!(next(&heard).contains(&format!("Host: localhost:{}\r\n", up.port)));
            }
        }
        if status == 200 {
            assert_eq!(up.accepted() - before, 1, "connections with TLS are kept, too");
        }
    }
    // In clear text it is no answer.
    let front = proxy("", &to(&up.url("")));
    is_empty(&front.get("/"), 502, &front);
}

#[test]
fn an_upstream_that_is_too_slow_is_504() {
    let (up, heard) = upstream(|asked, heard| {
        let Some(request) = asked.head() else { return };
        match request.target() {
            "/head" => asked.say("HTTP/1.1 200 OK\r\nContent-Le"),
            "/interim" => asked.say("HTTP/1.1 100 Continue\r\n\r\n"),
            "/body" => asked.say("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 10\r\n\r\nhalf"),
            "/slow" => drop(asked.stream.read_to_end(&mut Vec::new())),
            _ => {}
        }
        heard.send(asked.is_ended()).unwrap();
    });
    let front = proxy("timeout: {write: 300ms}", &to(&up.url("")));
    for target in ["/", "/head", "/interim"] {
        is_empty(&front.get(target), 504, &front);
        assert!(next(&heard), "the upstream's connection is closed");
    }
    let error = front.try_bytes(&Request::get("/body").to_bytes(), false).expect_err("half an answer");
    assert!(error.to_string().contains("cut off"), "{error}");
    assert!(next(&heard));
    // Who sends the body slowly keeps nobody waiting but himself, and is not the upstream.
    let mut client = front.connect();
    client.send(b"POST /slow HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    let reply = client.reply(false).unwrap();
    assert_eq!((reply.status, &*reply.text()), (408, ""), "{}", front.gate.stderr());
    let _ = next(&heard);
}

#[test]
fn what_is_no_answer_is_502() {
    let long = |name: &str| {
        format!("HTTP/1.1 200 OK\r\n{name}: {}\r\nContent-Length: 2\r\n\r\nup", "x".repeat(70_000))
    };
    let many = "X-Many: 1\r\n".repeat(200);
    for answer in [
        String::new(),
        "HTTP/1.1".into(),
        "HTTP/1.1 200 OK\r\nX: y\r\n".into(),
        "220 mail.test ESMTP\r\n\r\n".into(),
        "\u{16}\u{3}\u{1}".into(),
        "HTTP/2 200 OK\r\n\r\n".into(),
        "HTTP/1.1 20 OK\r\n\r\n".into(),
        "HTTP/1.1 2000 OK\r\n\r\n".into(),
        "HTTP/1.1 abc OK\r\n\r\n".into(),
        "HTTP/1.1  200 OK\r\n\r\n".into(),
        "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: evil\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nup".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nup".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nup".into(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nup".into(),
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n0\r\n\r\n".into(),
        long("X-Long"),
        format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 2\r\n\r\nup"),
    ] {
        let said = answer.clone();
        let (up, _) = upstream::<()>(move |asked, _| {
            asked.request();
            asked.say(&said);
        });
        let front = everything_to(&up);
        let answer: String = answer.chars().take(60).collect();
        for body in ["", "body"] {
            let ask = Request::new("POST", "/").body(body);
            let reply = front.send(&ask);
            assert_eq!((reply.status, &*reply.text()), (502, ""), "{answer:?}");
            assert!(reply.header("set-cookie").is_none(), "{answer:?}");
        }
    }
}

#[test]
fn half_an_answer_breaks_the_connection_of_who_gets_it() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfXX0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    ] {
        let (up, _) = upstream::<()>(move |asked, _| {
            asked.request();
            asked.say(answer);
        });
        let front = everything_to(&up);
        front.try_bytes(&keep("/").to_bytes(), false).expect_err(answer);
        let answer = front.try_bytes(&Request::get("/").version("HTTP/1.0").to_bytes(), false);
        assert!(answer.is_err() || answer.is_ok_and(|reply| reply.header("content-length").is_none()));
    }
}

#[test]
fn an_answer_may_end_with_its_connection() {
    let (up, _) = upstream::<()>(|asked, _| {
        let Some(request) = asked.request() else { return };
        asked.say(if request.target() == "/old" {
            "HTTP/1.0 200 OK\r\n\r\nall"
        } else {
            "HTTP/1.1 200 OK\r\n\r\nall"
        });
    });
    let front = everything_to(&up);
    let mut client = front.connect();
    for target in ["/", "/old", "/"] {
        client.send(&keep(target).to_bytes()).unwrap();
        let reply = client.reply(false).unwrap();
        assert_eq!((reply.status, &*reply.text()), (200, "all"), "{target}");
        assert_eq!(reply.header("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    }
}

#[test]
fn a_rule_without_an_upstream_is_asked_last() {
    let rules = [
        rule("none", "http://gate.test/none", "noop", "allow", "{handler: noop}", ""),
        rule("denied", "http://gate.test/denied", "noop", "deny", "{handler: noop}", ""),
    ]
    .concat();
    let front = proxy("", &rules);
    let reply = front.get("/none");
    assert_eq!(reply.status, 500);
    assert!(reply.text().contains("does not define an upstream URL"), "{}", reply.text());
    assert_eq!(front.get("/denied").status, 403);
    assert_eq!(front.get("/elsewhere").status, 404);
    assert_eq!(front.get("/health/alive").status, 404, "there is nothing else here");
    let front = proxy("status: {no_rule: 410, forbidden: 418}", &rules);
    assert_eq!((front.get("/elsewhere").status, front.get("/denied").status), (410, 418));
}

#[test]
fn an_answer_under_way_survives_a_reload_and_the_end() {
    let (go, going) = std::sync::mpsc::channel::<()>();
    let going = std::sync::Arc::new(std::sync::Mutex::new(going));
    let (up, _) = upstream::<()>(move |asked, _| {
        asked.request();
        asked.say("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 9\r\n\r\none");
        let _ = going.lock().unwrap().recv();
        asked.say("two");
        let _ = going.lock().unwrap().recv();
        asked.say("end");
    });
    let (other, _) = super::given::listener();
    let mut front = everything_to(&up);
    let mut socket = front.socket();
    socket.write_all(&keep("/").to_bytes()).unwrap();
    let mut client = BufReader::new(socket);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(client.read_line(&mut line).unwrap() > 0);
    }
    let mut piece = [0; 3];
    client.read_exact(&mut piece).unwrap();
    assert_eq!(&piece, b"one");
    front.gate.replace("rules.yaml", &to(&other.url("")));
    front.gate.process().signal("HUP").unwrap();
    eventually("a reload", || front.gate.stderr().contains("access rules reloaded").then_some(()));
    assert_eq!(front.get("/").text(), "up", "others are sent to the other upstream");
    go.send(()).unwrap();
    client.read_exact(&mut piece).unwrap();
    assert_eq!(&piece, b"two");
    front.gate.process().signal("TERM").unwrap();
    let port = front.port;
    eventually("no new connections", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
    });
    go.send(()).unwrap();
    client.read_exact(&mut piece).unwrap();
    assert_eq!(&piece, b"end");
    assert_eq!(front.gate.process().ends_within(LIMIT).and_then(|status| status.code()), Some(0));
}

#[test]
fn an_endless_answer_does_not_hold_up_the_end_for_long() {
    let (up, _) = upstream::<()>(|asked, _| {
        asked.request();
        asked.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        while asked.write(b"data: 1\n\n").is_ok() {
            thread::sleep(std::time::Duration::from_millis(100));
        }
    });
    let mut front = everything_to(&up);
    let mut socket = front.socket();
    socket.write_all(&keep("/").to_bytes()).unwrap();
    socket.read_exact(&mut [0; 20]).unwrap();
    front.gate.process().signal("TERM").unwrap();
    assert_eq!(front.gate.process().ends_within(LIMIT).and_then(|status| status.code()), Some(0));
}

#[test]
fn browsers_of_other_origins_are_answered_as_configured() {
    let (up, heard) = upstream(|asked, heard| {
        while let Some(request) = asked.request() {
            let own = if request.target() == "/own" {
                "Access-Control-Allow-Origin: https://own.test\r\n"
            } else {
                ""
            };
            heard.send(request).unwrap();
            asked.say(&format!("HTTP/1.1 200 OK\r\n{own}Content-Length: 2\r\n\r\nup"));
        }
    });
    let ask = |method: &str, target: &str| Request::new(method, target).header("Origin", "https://app.test");
    let preflight = |target: &str| ask("OPTIONS", target).header("Access-Control-Request-Method", "PUT");
    let allows = |reply: &Reply| reply.header("access-control-allow-origin").unwrap_or_default();
    let front = proxy(
        "cors: {enabled: true, allowed_origins: ['https://app.test'], allowed_methods: [PUT]}",
        &to(&up.url("")),
    );
    let reply = front.send(&preflight("/"));
    assert_eq!((reply.status, &*allows(&reply)), (204, "https://app.test"), "{}", reply.summary());
    assert!(heard.try_recv().is_err());
    for (target, want) in [("/", "https://app.test"), ("/own", "https://own.test")] {
        let reply = front.send(&ask("GET", target));
        assert_eq!((reply.status, &*allows(&reply)), (200, want), "{target}");
        assert_eq!(reply.all("access-control-allow-origin").len(), 1);
        next(&heard);
    }
    // Off, everything is between the browser and the upstream.
    let front = everything_to(&up);
    let reply = front.send(&preflight("/own"));
    assert_eq!((reply.status, &*allows(&reply)), (200, "https://own.test"));
    assert_eq!(next(&heard).method(), "OPTIONS");
}

#[test]
fn preflights_are_answered_or_passed_where_rules_are_not_to_decide() {
    let (up, heard) = super::given::listener();
    let denied = rule(
        "all",
        "http://gate.test/<.*>",
        "unauthorized}, {handler: anonymous",
        "allow",
        "{handler: noop}",
        &format!("url: '{}'", up.url("")),
    ) + "  cors: {allowed_origins: ['https://app.test'], allowed_methods: [PUT]}\n";
    // Who lists OPTIONS wants to decide.
    let denied = denied.replace("DELETE, OPTIONS", "DELETE");
    let preflight = Request::new("OPTIONS", "/x")
        .header("Origin", "https://app.test")
        .header("Access-Control-Request-Method", "PUT");
    for (setting, status, passes) in [("answer", 204, false), ("allow", 200, true), ("rules", 404, false)] {
        let config = super::given::config("");
        let config = config.replace("access_rules: {", &format!("access_rules: {{preflight: {setting}, "));
        let front = Proxy::of(crate::given::with_config(&config).file("rules.yaml", denied.as_str()).run());
        let reply = front.send(&preflight);
        assert_eq!(reply.status, status, "{setting}: {}", reply.summary());
        assert_eq!(heard.try_recv().is_ok(), passes, "{setting}");
        assert_eq!(front.send(&Request::new("OPTIONS", "/x")).status, 404, "{setting}");
        assert_eq!(front.send(&Request::new("PUT", "/x")).status, 401, "{setting}");
    }
}
