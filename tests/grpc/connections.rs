//! What is underneath: TLS, sockets, what is no gRPC, reloads, and the end.

use crate::client::{Envoy, Verdict, address, get, okgate, port};
use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use h2::client::SendRequest;
use okgate_testkit::certificate::certificate;
use okgate_testkit::gate::Gate;
use okgate_testkit::http::{Request, exchange};
use okgate_testkit::stub::Stub;
use okgate_testkit::wait::eventually;
use prost::Message as _;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
/// A message of nothing.
const EMPTY: [u8; 5] = [0; 5];

const RULES: &str = "
- id: one
  match: {url: 'http://app.test/<.*>', methods: [GET]}
  authenticators: [{handler: anonymous}]
  authorizer: {handler: allow}
  mutators: [{handler: header, config: {headers: {X-Rule: one}}}]
";

fn rule(envoy: &Envoy) -> Option<String> {
    envoy.check(get("http://app.test/x", &[])).header("x-rule")
}

#[test]
fn it_says_where_it_serves_and_is_off_unless_it_is_configured() {
    let mut gate = okgate("", RULES).run();
    let said = format!("okgate: serving grpc on http://127.0.0.1:{}", port(&mut gate));
    assert_eq!(gate.stdout(), format!("okgate: serving api on http://127.0.0.1:{}\n{said}", gate.port()));
    let config = "serve: {api: {host: 127.0.0.1, port: 0}}";
    let mut without = okgate_testkit::gate::Start::new(env!("CARGO_BIN_EXE_okgate"), config).run();
    assert_eq!(without.get("/health/alive").status, 200);
    assert!(!without.stdout().contains("grpc"));
}

#[test]
fn it_speaks_over_tls_and_through_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grpc.sock");
    let config = format!(
        "
serve:
  api: {{host: 127.0.0.1, port: 0}}
  grpc: {{host: 'unix:{}', socket: {{mode: '0600'}}, trusted_proxies: [unix]}}
access_rules: {{repositories: ['file://rules.yaml']}}
authenticators: {{anonymous: {{enabled: true}}}}
authorizers: {{allow: {{enabled: true}}}}
mutators: {{header: {{enabled: true, config: {{headers: {{}}}}}}}}
",
        path.display()
    );
    let mut gate = okgate_testkit::gate::Start::new(env!("CARGO_BIN_EXE_okgate"), config)
        .file("rules.yaml", RULES)
        .run();
    assert_eq!(rule(&Envoy::to(&address(&mut gate))).as_deref(), Some("one"));
    gate.process().signal("TERM").unwrap();
    assert_eq!(gate.process().ends_within(Duration::from_secs(10)).unwrap().code(), Some(0));
    assert!(!path.exists(), "it is removed");

    let (cert, key) = certificate();
    let mut gate = okgate("tls: {cert: {path: cert.pem}, key: {path: key.pem}}", RULES)
        .file("cert.pem", cert)
        .file("key.pem", key)
        .run();
    let address = address(&mut gate);
    assert!(address.starts_with("https://"), "{address}");
    assert_eq!(rule(&Envoy::to(&address)).as_deref(), Some("one"));
    // In clear text there is nobody.
    let mut plain = TcpStream::connect(address.trim_start_matches("https://")).unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let _ = plain.read_to_end(&mut Vec::new());
    assert_eq!(rule(&Envoy::to(&address)).as_deref(), Some("one"));
}

#[test]
fn a_reload_counts_from_the_next_question_on() {
    let mut gate = okgate("", RULES).run();
    let envoy = Envoy::to(&address(&mut gate));
    assert_eq!(rule(&envoy).as_deref(), Some("one"));
    gate.write("rules.yaml", &RULES.replace("one", "two"));
    eventually("two", || (rule(&envoy).as_deref() == Some("two")).then_some(()));
    let config = std::fs::read_to_string(gate.dir().join("config.yaml")).unwrap();
    gate.write("config.yaml", &config.replace("grpc: {", "grpc: {trusted_proxies: [192.0.2.1], "));
    let refused = || envoy.check(get("http://app.test/x", &[])).status() == 400;
    eventually("not believed", || refused().then_some(()));
    gate.write("config.yaml", &config.replace("  grpc: {", "  #"));
    eventually("a word about it", || gate.stderr().contains("serve.grpc").then_some(()));
    eventually("as the API", || (rule(&envoy).as_deref() == Some("two")).then_some(()));
}

#[test]
fn the_health_service_says_whether_there_are_rules() {
    for (rules, byte) in [(RULES, 1), ("[]", 2)] {
        let mut gate = okgate("", rules).run();
        let said = Wire::open(port(&mut gate)).call(HEALTH, &EMPTY);
        assert_eq!(
            (said.status, said.code(), said.data.as_slice()),
            (200, Some("0"), [0, 0, 0, 0, 2, 8, byte].as_slice())
        );
    }
}

#[test]
fn what_is_no_check_is_told_so_and_the_connection_goes_on() {
    let mut gate = okgate("max_message_bytes: 64KiB, timeout: {read: 1s}", RULES).run();
    let wire = Wire::open(port(&mut gate));
    let rows: [(&str, &str, &[u8], &str); 9] = [
        ("no protobuf", CHECK, &[0, 0, 0, 0, 2, 0x0a, 0x05], "3"),
        ("a group", CHECK, &[0, 0, 0, 0, 1, 0x0b], "3"),
        ("a compressed message", CHECK, &[1, 0, 0, 0, 0], "12"),
        ("an unknown flag", CHECK, &[9, 0, 0, 0, 0], "3"),
        ("nothing", CHECK, &[], "3"),
        ("half a prefix", CHECK, &[0, 0], "3"),
        ("half a message", CHECK, &[0, 0, 0, 0, 9, 1], "3"),
        ("two messages", CHECK, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "3"),
        ("another method", "/envoy.service.auth.v2.Authorization/Check", &[0, 0, 0, 0, 0], "12"),
    ];
    for (what, path, message, code) in rows {
        let said = wire.call(path, message);
        assert_eq!((said.status, said.code(), said.data.len()), (200, Some(code), 0), "{what}: {said:?}");
    }
    // An empty message is a question about nothing: a no, and not an error.
    assert!(wire.call(CHECK, &EMPTY).data.len() > 5);
    // A message that is promised and does not come costs one call.
    let half =
        wire.request("POST", CHECK, &[("content-type", "application/grpc+proto")], &[0, 0, 0, 1, 0], false);
    assert_eq!(half.code(), Some("4"));
    for (method, kind, status) in [("GET", "application/grpc", 405), ("POST", "application/json", 415)] {
        assert_eq!(wire.request(method, CHECK, &[("content-type", kind)], &EMPTY, true).status, status);
    }
    assert_eq!(rule(&Envoy::to(&address(&mut gate))).as_deref(), Some("one"));
}

#[test]
fn what_is_no_http2_ends_the_connection_and_nothing_else() {
    let mut gate = okgate("timeout: {read: 1s}", RULES).run();
    let port = port(&mut gate);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let framed = |rest: &[u8]| [preface.as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0], rest].concat();
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x00\xff".to_vec(),
        vec![0xff; 4096],
        Vec::new(),
        preface[..10].to_vec(),
        framed(&[0xff; 200]),
        framed(&[0, 0, 1, 1, 5, 0, 0, 0, 1, 0xff]),
        framed(&[0, 0, 5, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0]),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut said = Vec::new();
        // Closed or reset, but not left open.
        if let Err(error) = stream.read_to_end(&mut said) {
            assert!(!matches!(error.kind(), std::io::ErrorKind::WouldBlock), "{bytes:?}");
        }
    }
    assert!(exchange(port, false, &Request::get("/health/alive").to_bytes(), false).is_err());
    assert_eq!(rule(&Envoy::to(&address(&mut gate))).as_deref(), Some("one"));
}

#[test]
fn one_connection_serves_thousands_of_questions_whatever_they_are() {
    let mut gate = okgate("max_message_bytes: 1KiB", RULES).env("LOG_LEVEL", "error").run();
    let envoy = Envoy::to(&address(&mut gate));
    let good = get("http://app.test/x", &[]);
    let long = get("http://app.test/x", &[("x-long", &"x".repeat(3000))]);
    envoy.runtime.block_on(async {
        let ask = |question: &CheckRequest| {
            let (mut client, question) = (envoy.client.clone(), question.clone());
            async move { Verdict(client.check(question).await.expect("an answer").into_inner()).status() }
        };
        for _ in 0..25 {
            let calls = (0..100).map(|i| ask(if i % 2 == 0 { &good } else { &long }));
            let statuses = futures_util::future::join_all(calls).await;
            assert!(statuses.chunks(2).all(|pair| pair == [200, 413]), "{statuses:?}");
        }
    });
}

#[test]
fn a_connection_that_nobody_uses_is_ended() {
    let mut gate = okgate("timeout: {idle: 300ms, read: 300ms}", RULES).run();
    let mut silent = TcpStream::connect(("127.0.0.1", port(&mut gate))).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    silent.read_to_end(&mut Vec::new()).expect("whoever does not answer a good-bye is left");
    let envoy = Envoy::to(&address(&mut gate));
    for _ in 0..3 {
        // One that is used stays; one that was not, is opened again.
        assert_eq!(rule(&envoy).as_deref(), Some("one"));
        envoy.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(400)).await });
    }
}

#[test]
fn a_deadline_that_passes_is_a_no() {
    let (_stub, mut gate) = slow();
    let wire = Wire::open(port(&mut gate));
    let mut message = vec![0];
    let question = get("http://app.test/x", &[("authorization", "Bearer x")]).encode_to_vec();
    message.extend(u32::try_from(question.len()).unwrap().to_be_bytes());
    message.extend(question);
    let said = wire.ask(CHECK, &message, &[("grpc-timeout", "200m")]);
    let no = Verdict(CheckResponse::decode(&said.data[5..]).unwrap());
    assert_eq!((no.status(), no.metadata("outcome")), (504, Some("could-not-decide")));
    eventually("a word about it", || gate.stderr().contains("deadline-passed").then_some(()));
}

fn slow() -> (Stub, Gate) {
    let stub = Stub::with(
        json!([{"path": "/*", "respond": {"status": 200, "delay_ms": 1000, "body": {"sub": "late"}}}]),
    );
    let session =
        format!("[{{handler: bearer_token, config: {{check_session_url: '{}'}}}}]", stub.url("/session"));
    let rules = RULES
        .replace("[{handler: anonymous}]", &session)
        .replace("X-Rule: one", "X-Rule: '{{ print .Subject }}'");
    (stub, okgate("", &rules).run())
}

#[test]
fn sigterm_answers_the_question_under_way_and_ends() {
    let (stub, mut gate) = slow();
    let envoy = Envoy::to(&address(&mut gate));
    let question = get("http://app.test/x", &[("authorization", "Bearer x")]);
    let mut client = envoy.client.clone();
    let answer = envoy.runtime.spawn(async move { client.check(question).await });
    let asked = || stub.take_calls().pop().map(drop);
    while asked().is_none() {
        envoy.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
    }
    gate.process().signal("TERM").unwrap();
    let answer = envoy.runtime.block_on(answer).unwrap().unwrap().into_inner();
    assert_eq!(Verdict(answer).header("x-rule").as_deref(), Some("late"));
    assert_eq!(gate.process().ends_within(Duration::from_secs(10)).unwrap().code(), Some(0));
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let mut gate = okgate("", RULES).run();
    let envoy = Envoy::to(&address(&mut gate));
    assert_eq!(rule(&envoy).as_deref(), Some("one"));
    let mut silent = TcpStream::connect(("127.0.0.1", port(&mut gate))).unwrap();
    gate.process().signal("TERM").unwrap();
    // The client answers good-byes while its runtime runs.
    envoy.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(300)).await });
    assert_eq!(gate.process().ends_within(Duration::from_secs(10)).unwrap().code(), Some(0));
    let _ = silent.read_to_end(&mut Vec::new());
}

/// HTTP/2 as it is, without gRPC over it.
struct Wire {
    runtime: Runtime,
    send: SendRequest<Bytes>,
}

/// What came: header fields and trailers, and what is between them.
#[derive(Debug, Default)]
struct Said {
    status: u16,
    fields: Vec<(String, String)>,
    data: Vec<u8>,
}

impl Said {
    fn code(&self) -> Option<&str> {
        self.fields.iter().find_map(|(name, value)| (name == "grpc-status").then_some(value.as_str()))
    }
}

impl Wire {
    fn open(port: u16) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let send = runtime.block_on(async {
            let io = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (send, connection) = h2::client::handshake(io).await.unwrap();
            tokio::spawn(connection);
            send
        });
        Self { runtime, send }
    }

    fn call(&self, path: &str, message: &[u8]) -> Said {
        self.ask(path, message, &[])
    }

    fn ask(&self, path: &str, message: &[u8], more: &[(&str, &str)]) -> Said {
        let fields = [&[("content-type", "application/grpc")], more].concat();
        self.request("POST", path, &fields, message, true)
    }

    fn request(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8], end: bool) -> Said {
        let request = http::Request::builder().method(method).uri(format!("http://okgate{path}"));
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(()).unwrap();
        self.runtime.block_on(async {
            let mut send = self.send.clone().ready().await.unwrap();
            let (response, mut stream) = send.send_request(request, false).unwrap();
            // Whoever is refused at once need not read on.
            let _ = stream.send_data(Bytes::copy_from_slice(body), end);
            let (head, mut body) = response.await.unwrap().into_parts();
            let mut said = Said { status: head.status.as_u16(), ..Said::default() };
            // Whoever is refused is told to send no more.
            let enough = |error: h2::Error| assert_eq!(error.reason(), Some(h2::Reason::NO_ERROR));
            while let Some(Ok(data)) = body.data().await.map(|data| data.map_err(enough)) {
                said.data.extend(data);
            }
            let trailers = body
                .trailers()
                .await
                .or_else(|e| {
                    enough(e);
                    Ok::<_, ()>(None)
                })
                .unwrap()
                .unwrap_or_default();
            for (name, value) in head.headers.iter().chain(&trailers) {
                said.fields.push((name.to_string(), value.to_str().unwrap().to_owned()));
            }
            said
        })
    }
}
