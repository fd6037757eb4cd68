//! Clients that speak HTTP/2 or HTTP/1.0, while upstreams are asked with HTTP/1.1.

use super::given::{Proxy, everything_to, keep, listener, next, proxy, start, to, upstream};
use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Method, StatusCode, Version};
use okgate_testkit::http::{Connection, Request};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use std::pin::Pin;
use tokio::net::TcpStream;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(super::given::LIMIT, future).await.expect("in time") })
}

/// A client of HTTP/2, over TLS or in clear text.
async fn http2(port: u16, tls: bool) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    if !tls {
        let (send, connection) = h2::client::handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        return send;
    }
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    connector.set_alpn_protos(b"\x02h2").unwrap();
    let mut config = connector.build().configure().unwrap();
    config.set_verify_hostname(false);
    let mut stream = tokio_openssl::SslStream::new(config.into_ssl("gate.test").unwrap(), tcp).unwrap();
    Pin::new(&mut stream).connect().await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    send
}

fn ask(method: &str, target: &str) -> http::request::Builder {
    let uri = format!("http://gate.test{target}");
    http::Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(uri)
        .version(Version::HTTP_2)
}

/// Sends a request with a body in these pieces, and reads the answer.
async fn exchange(
    client: &SendRequest<Bytes>,
    request: http::Request<()>,
    pieces: &[&[u8]],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut client = client.clone().ready().await.unwrap();
    let (answer, mut body) = client.send_request(request, pieces.is_empty()).unwrap();
    for (n, piece) in pieces.iter().enumerate() {
        body.send_data(Bytes::copy_from_slice(piece), n + 1 == pieces.len()).unwrap();
        // Each in a frame, and looked at before the next one comes.
        tokio::task::yield_now().await;
    }
    let (head, body) = answer.await.unwrap().into_parts();
    (head.status, head.headers, read(body).await)
}

async fn read(mut body: h2::RecvStream) -> Vec<u8> {
    let mut all = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    all.to_vec()
}

#[test]
fn bodies_pass_in_both_directions() {
    let (up, heard) = upstream(|asked, heard| {
        while let Some(request) = asked.request() {
            let body = String::from_utf8(request.body.clone()).unwrap();
            heard.send(request).unwrap();
            asked.say(&format!("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
        }
    });
    let (cert, key) = super::given::certificate("gate.test");
    let tls = start("tls: {cert: {path: cert.pem}, key: {path: key.pem}}", &to(&up.url("")))
        .file("cert.pem", cert)
        .file("key.pem", key);
    let fronts = [everything_to(&up), Proxy::of(tls.run())];
    let long = vec![b'x'; 300_000];
    for (front, tls) in fronts.iter().zip([false, true]) {
        run(async {
            let client = http2(front.port, tls).await;
            for (length, pieces) in
                [(None, &[&long[..], b"abc"][..]), (Some("3"), &[b"abc"]), (None, &[b"abc"])]
            {
                let mut request = ask("POST", "/x?y=1").header("te", "trailers");
                if let Some(length) = length {
                    request = request.header("content-length", length);
                }
                let (status, headers, body) = exchange(&client, request.body(()).unwrap(), pieces).await;
                assert_eq!(status, 200);
                assert!(body == pieces.concat());
                for name in ["connection", "keep-alive", "transfer-encoding"] {
                    assert!(!headers.contains_key(name), "{name}");
                }
                let heard = next(&heard);
                assert_eq!(heard.line, "POST /x?y=1 HTTP/1.1");
                assert_eq!(heard.all("host"), [up.url("").trim_start_matches("http://")]);
            }
        });
    }
}

#[test]
fn a_frame_without_data_ends_no_body() {
    let (up, heard) = listener();
    let front = everything_to(&up);
    run(async {
        let client = http2(front.port, false).await;
        let (answer, mut body) = client
            .clone()
            .ready()
            .await
            .unwrap()
            .send_request(ask("POST", "/").body(()).unwrap(), false)
            .unwrap();
        for piece in
            [&b"one"[..], b"", b"GET /smuggled HTTP/1.1\r\nHost: gate.test\r\n\r\n", b"", b"", b"two"]
        {
            body.send_data(Bytes::from_static(piece), false).unwrap();
            // One by one: the next when this one is on its way.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        body.send_data(Bytes::new(), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    });
    let first = next(&heard);
    assert_eq!(
        String::from_utf8_lossy(&first.body),
        "oneGET /smuggled HTTP/1.1\r\nHost: gate.test\r\n\r\ntwo"
    );
    assert!(heard.try_recv().is_err(), "there was one request");
}

#[test]
fn cookies_are_one_field_again_and_answers_are_as_they_are() {
    let (up, heard) = upstream(|asked, heard| {
        while let Some(request) = asked.request() {
            asked.say(match request.target() {
                "/204" => "HTTP/1.1 204 No\r\n\r\n",
                "/304" => "HTTP/1.1 304 No\r\nETag: \"a\"\r\n\r\n",
                "/broken" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
                _ if request.method() == "HEAD" => "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
                _ => "HTTP/1.1 201 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nup",
            });
            let broken = request.target() == "/broken";
            heard.send(request).unwrap();
            if broken {
                return;
            }
        }
    });
    let front = everything_to(&up);
    run(async {
        let client = http2(front.port, false).await;
        let request = ask("GET", "/")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("x-a", "1")
            .header("x-a", "2");
        let (status, headers, body) = exchange(&client, request.body(()).unwrap(), &[]).await;
        assert_eq!((status.as_u16(), &body[..]), (201, &b"up"[..]));
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        let heard_first = next(&heard);
        assert_eq!(heard_first.all("cookie"), ["a=1; b=2"]);
        assert_eq!(heard_first.all("x-a"), ["1", "2"]);
        for (method, target, want) in [("GET", "/204", 204), ("GET", "/304", 304), ("HEAD", "/", 200)] {
            let (status, headers, body) = exchange(&client, ask(method, target).body(()).unwrap(), &[]).await;
            assert_eq!((status.as_u16(), body.len()), (want, 0), "{method} {target}");
            let length = headers.get("content-length").and_then(|value| value.to_str().ok());
            assert_eq!(length, (method == "HEAD").then_some("7"), "{method} {target}");
        }
        let mut ready = client.clone().ready().await.unwrap();
        let (answer, _) = ready.send_request(ask("GET", "/broken").body(()).unwrap(), true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        let mut broken = false;
        while let (false, Some(piece)) = (broken, body.data().await) {
            broken = piece.is_err();
        }
        assert!(broken, "half an answer is none");
    });
}

#[test]
fn many_requests_at_once_have_each_their_own_answer() {
    let (up, _) = upstream::<()>(|asked, _| {
        while let Some(request) = asked.request() {
            let target = request.target();
            asked.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()));
        }
    });
    let front = everything_to(&up);
    run(async {
        let client = http2(front.port, false).await;
        let all = (0..100).map(|n| {
            let client = client.clone();
            async move {
                let target = format!("/{n}");
                let (_, _, body) = exchange(&client, ask("GET", &target).body(()).unwrap(), &[]).await;
                assert_eq!(body, target.as_bytes());
            }
        });
        futures_util::future::join_all(all).await;
    });
}

#[test]
fn an_upgrade_is_nothing_that_http_2_knows() {
    let (up, heard) = listener();
    let front = everything_to(&up);
    run(async {
        let client = http2(front.port, false).await;
        // RFC 9113 section 8.2.2: malformed, whoever finds it so first.
        for (name, value) in
            [("connection", "upgrade"), ("upgrade", "websocket"), ("transfer-encoding", "chunked")]
        {
            let mut ready = client.clone().ready().await.unwrap();
            let request = ask("GET", "/").header(name, value).body(()).unwrap();
            if let Ok((answer, _)) = ready.send_request(request, true)
                && let Ok(answer) = answer.await
            {
                assert!(answer.status() == 400 || answer.status() == 200, "{name}");
            }
        }
    });
    for heard in heard.try_iter() {
        assert!(heard.all("upgrade").is_empty() && heard.all("connection").is_empty());
    }
}

#[test]
fn clients_of_http_1_0_get_what_they_can_read() {
    let (up, heard) = upstream(|asked, heard| {
        while let Some(request) = asked.request() {
            asked.say(match request.target() {
                "/sized" => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup",
                _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n0\r\n\r\n",
            });
            heard.send(request).unwrap();
        }
    });
    let front = everything_to(&up);
    for target in ["/sized", "/chunked"] {
        for connection in ["keep-alive", "close"] {
            let ask = Request::get(target).version("HTTP/1.0").header("Connection", connection);
            let mut client = front.connect();
            client.send(&ask.to_bytes()).unwrap();
            let reply = client.reply(false).unwrap();
            assert_eq!(reply.text(), "up", "{target} {connection}: {}", reply.summary());
            assert!(reply.header("transfer-encoding").is_none(), "{target} {connection}");
            let closes = target == "/chunked" || connection == "close";
            assert_eq!(
                reply.header("connection").as_deref() == Some("keep-alive"),
                !closes,
                "{target} {connection}"
            );
            assert_eq!(closes && client.is_ended(), closes, "{target} {connection}");
            assert_eq!(next(&heard).all("host").len(), 1);
        }
    }
    let mut without_host = Request::get("/sized").version("HTTP/1.0");
    without_host.no_host = true;
    assert_eq!(front.send(&without_host).status, 404, "no rule is for nobody");
}

#[test]
fn a_unix_socket_is_listened_on() {
    use std::io::{Read as _, Write as _};
    let (up, heard) = listener();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.sock");
    let (port, settings) = ("host: 127.0.0.1, port: 0", format!("host: 'unix:{}'", path.display()));
    for (trusted, want) in [("[unix]", "198.51.100.1, unknown"), ("[]", "unknown")] {
        let settings = format!("{settings}, trusted_proxies: {trusted}, add_forwarded_headers: true");
        let config =
            super::given::config("").replace(&format!("proxy: {{{port}"), &format!("proxy: {{{settings}"));
        let gate = crate::given::with_config(&config).file("rules.yaml", to(&up.url(""))).run();
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stream.write_all(&Request::get("/x").header("X-Forwarded-For", "198.51.100.1").to_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(next(&heard).all("x-forwarded-for"), [want], "{trusted}");
        drop(gate);
    }
}

#[test]
fn http_1_clients_over_tls_are_served_too() {
    let (up, heard) = listener();
    let (cert, key) = super::given::certificate("gate.test");
    let rules = to(&up.url("")).replace("<https?>", "https");
    let tls =
        start("tls: {cert: {path: cert.pem}, key: {path: key.pem}}, add_forwarded_headers: true", &rules)
            .file("cert.pem", cert)
            .file("key.pem", key);
    let front = Proxy::of(tls.run());
    let mut client = Connection::open_tls(front.port).unwrap();
    for _ in 0..3 {
        client.send(&keep("/x").to_bytes()).unwrap();
        assert_eq!(client.reply(false).unwrap().status, 200);
        assert_eq!(next(&heard).all("x-forwarded-proto"), ["https"]);
    }
}

#[test]
fn many_header_fields_pass_and_long_heads_do_not() {
    let (up, heard) = listener();
    let front = proxy("max_header_bytes: 64kB", &to(&up.url("")));
    for (fields, length, want) in
        [(95, 5, 200), (500, 5, 200), (990, 5, 200), (1_100, 5, 431), (20, 5_000, 431)]
    {
        let mut request = Request::get("/");
        request.headers.extend((0..fields).map(|n| (format!("X-H{n}").into_bytes(), vec![b'v'; length])));
        let reply = front.send(&request);
        assert_eq!(reply.status, want, "{fields} of {length}");
        if want == 200 {
            let heard = next(&heard);
            assert_eq!(heard.fields.iter().filter(|(name, _)| name.starts_with("X-H")).count(), fields);
        }
    }
}
