use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;

use super::*;
use crate::upstream::fetch_once;

/// A server that gives each connection the next of its answers, and keeps what it was asked.
struct Scripted {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn start(answers: impl FnOnce(u16) -> Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        let answers = answers(port);
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                kept.lock().unwrap().push(head(&mut stream));
                stream.write_all(&answer).unwrap();
                if answer.is_empty() {
                    open.push(stream);
                }
            }
            // Connections without an answer stay open as long as the test runs.
            std::thread::park();
            drop(open);
        });
        Self { port, heard }
    }

    fn get(&self) -> Outgoing {
        Outgoing {
            method: Method::GET,
            url: format!("http://127.0.0.1:{}/keys?a=b", self.port),
            headers: vec![(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret"))],
            body: OutgoingBody::default(),
            timeout: Duration::from_secs(20),
            max_response_bytes: 1000,
            redirects: 3,
        }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap().to_lowercase()
}

fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    text.extend_from_slice(body);
    text
}

fn gzip(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

/// 5,000 times `x`.
const BIG: &str = "H4sIAAAAAAACA+3BMQEAAADCoNqLbwo/oAAAAACAtwEm8NsAiBMAAA==";
const SMALL: &str = "H4sIAAAAAAACA8tIzcnJ11HIzEvLSSxJTVEozy/KSQEAYf7HOhUAAAA=";

#[test]
fn an_answer_comes_whole_and_inflated() {
    let server = Scripted::start(|_| vec![answer(203, "content-encoding: gzip\r\nx-a: 1\r\n", &gzip(SMALL))]);
    let got = fetch_once(server.get()).unwrap();
    assert_eq!((got.status, &got.body[..]), (203, &b"hello, inflated world"[..]));
    assert!(got.headers.iter().any(|(name, value)| name == "x-a" && value == "1"));
    let heard = &server.heard()[0];
    assert!(heard.starts_with("get /keys?a=b http/1.1\r\n"), "{heard}");
    assert!(heard.contains("\r\nuser-agent: okgate/"), "{heard}");
}

#[test]
fn the_limit_counts_inflated_bytes() {
    let server = Scripted::start(|_| vec![answer(200, "content-encoding: gzip\r\n", &gzip(BIG))]);
    let error = fetch_once(server.get()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the answer of http://127.0.0.1:{}/keys is longer than 1000 bytes", server.port)
    );
}

#[test]
fn what_cannot_be_inflated_is_an_error() {
    for (coding, body) in
        [("gzip", b"hello".to_vec()), ("br", gzip(SMALL)), ("gzip", gzip(SMALL)[..20].to_vec())]
    {
        let server =
            Scripted::start(|_| vec![answer(200, &format!("content-encoding: {coding}\r\n"), &body)]);
        let got = fetch_once(server.get());
        assert!(matches!(got, Err(FetchError::Protocol { .. })), "{coding}: {got:?}");
    }
}

#[test]
fn a_redirect_within_the_origin_keeps_credentials_and_names_its_page() {
    let server =
        Scripted::start(|_| vec![answer(302, "location: /moved\r\n", b""), answer(200, "", b"here")]);
    assert_eq!(&fetch_once(server.get()).unwrap().body[..], b"here");
    let second = &server.heard()[1];
    assert!(second.starts_with("get /moved "), "{second}");
    assert!(second.contains("\r\nauthorization: bearer secret\r\n"), "{second}");
    let referer = format!("\r\nreferer: http://127.0.0.1:{}/keys?a=b\r\n", server.port);
    assert!(second.contains(&referer), "{second}");
}

#[test]
fn credentials_do_not_follow_to_another_host() {
    let server = Scripted::start(|port| {
        vec![
            answer(307, &format!("location: http://localhost:{port}/moved\r\n"), b""),
            answer(200, "", b"there"),
        ]
    });
    let mut request = server.get();
    request.headers.push((header::COOKIE, HeaderValue::from_static("sid=1")));
    request.headers.push((HeaderName::from_static("x-api-key"), HeaderValue::from_static("k")));
    request.headers.push((header::ACCEPT, HeaderValue::from_static("text/plain")));
    request.url = format!("http://127.0.0.1:{}/keys", server.port);
    assert_eq!(&fetch_once(request).unwrap().body[..], b"there");
    let second = &server.heard()[1];
    for name in ["authorization:", "cookie:", "referer:", "x-api-key:"] {
        assert!(!second.contains(name), "{second}");
    }
    assert!(second.contains("\r\naccept: text/plain\r\n"), "{second}");
}

#[test]
fn a_body_does_not_follow_to_another_host() {
    for status in [307, 308] {
        let server = Scripted::start(|port| {
            vec![answer(status, &format!("location: http://localhost:{port}/moved\r\n"), b"")]
        });
        let request = Outgoing { method: Method::POST, body: "token=t".into(), ..server.get() };
        let error = fetch_once(request).unwrap_err();
        assert!(error.to_string().ends_with("redirect of a body to another host"), "{error}");
        assert_eq!(server.heard().len(), 1);
    }
    let server = Scripted::start(|port| {
        vec![
            answer(302, &format!("location: http://localhost:{port}/moved\r\n"), b""),
            answer(200, "", b"there"),
        ]
    });
    let request = Outgoing { method: Method::POST, body: "token=t".into(), ..server.get() };
    assert_eq!(fetch_once(request).unwrap().status, 200);
    let second = &server.heard()[1];
    assert!(second.starts_with("get /moved ") && !second.contains("content-type"), "{second}");
}

#[test]
fn a_user_agent_of_the_caller_stands_alone() {
    let server = Scripted::start(|_| vec![answer(200, "", b"")]);
    let mut request = server.get();
    request.headers.push((header::USER_AGENT, HeaderValue::from_static("ua")));
    fetch_once(request).unwrap();
    let heard = &server.heard()[0];
    assert_eq!(heard.matches("user-agent:").count(), 1, "{heard}");
    assert!(heard.contains("\r\nuser-agent: ua\r\n"), "{heard}");
}

#[test]
fn userinfo_becomes_basic_auth_and_stays_with_its_host() {
    let server = Scripted::start(|port| {
        vec![answer(302, &format!("location: http://localhost:{port}/moved\r\n"), b""), answer(200, "", b"")]
    });
    let mut request = server.get();
    request.headers.clear();
    request.url = format!("http://us%65r:p%3Aw@127.0.0.1:{}/", server.port);
    fetch_once(request).unwrap();
    let heard = server.heard();
    let basic = format!("\r\nauthorization: basic {}\r\n", STANDARD.encode("user:p:w").to_lowercase());
    assert!(heard[0].contains(&basic), "{}", heard[0]);
    assert!(!heard[1].contains("authorization"), "{}", heard[1]);
}

#[test]
fn redirects_end_somewhere() {
    let again = || answer(302, "location: /keys\r\n", b"");
    let server = Scripted::start(|_| (0..9).map(|_| again()).collect());
    let error = fetch_once(server.get()).unwrap_err();
    assert!(error.to_string().ends_with("more than 3 redirects"), "{error}");

    let server = Scripted::start(|_| vec![again()]);
    let request = Outgoing { redirects: 0, ..server.get() };
    assert_eq!(fetch_once(request).unwrap().status, 302);

    let server = Scripted::start(|_| vec![answer(302, "location: file:///etc/passwd\r\n", b"")]);
    let error = fetch_once(server.get()).unwrap_err();
    assert!(error.to_string().ends_with("redirect to something that is no http(s) URL"), "{error}");
}

#[test]
fn a_post_that_is_redirected_to_see_something_becomes_a_get() {
    for (status, method) in [(301, "get"), (302, "get"), (303, "get"), (307, "post"), (308, "post")] {
        let server =
            Scripted::start(|_| vec![answer(status, "location: /next\r\n", b""), answer(200, "", b"")]);
        let request = Outgoing { method: Method::POST, body: "a=b".into(), ..server.get() };
        fetch_once(request).unwrap();
        let second = &server.heard()[1];
        assert!(second.starts_with(&format!("{method} /next ")), "{status}: {second}");
    }
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = Scripted::start(|_| vec![Vec::new()]);
    let request = Outgoing { timeout: Duration::from_millis(50), ..server.get() };
    let error = fetch_once(request).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("no complete answer from http://127.0.0.1:{}/keys within 50ms", server.port)
    );
}

#[test]
fn an_answer_that_breaks_off_is_an_error() {
    let server = Scripted::start(|_| vec![b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec()]);
    let got = fetch_once(server.get());
    assert!(matches!(got, Err(FetchError::Protocol { .. })), "{got:?}");
    let server = Scripted::start(|_| vec![b"hello\r\n\r\n".to_vec()]);
    let got = fetch_once(server.get());
    assert!(matches!(got, Err(FetchError::Protocol { .. })), "{got:?}");
}

#[test]
fn an_answer_in_chunks_that_breaks_off_is_an_error_wherever_it_does() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (body, whole) in [
        ("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Some("abcde")),
        ("3\r\nabc\r\n2\r\nde\r\n0\r\n", None),
        ("3\r\nabc\r\n2\r\nde\r\n", None),
        ("3\r\nabc\r\n2\r\nd", None),
        ("3\r\nabc\r\n", None),
        ("", None),
    ] {
        let server = Scripted::start(|_| vec![format!("{HEAD}{body}").into_bytes()]);
        match (fetch_once(server.get()), whole) {
            (Ok(answer), Some(whole)) => assert_eq!(answer.body, whole),
            (Err(FetchError::Protocol { .. }), None) => {}
            (got, _) => panic!("{body:?}: {got:?}"),
        }
    }
}

#[test]
fn an_answer_without_a_length_ends_with_its_connection_in_the_old_http() {
    let server = Scripted::start(|_| vec![b"HTTP/1.0 200 OK\r\nx: y\r\n\r\nabc".to_vec()]);
    assert_eq!(fetch_once(server.get()).unwrap().body, "abc");
}

#[test]
fn nobody_listening_is_a_connection_error() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let request =
        Outgoing { url: format!("http://127.0.0.1:{port}/"), ..Scripted::start(|_| Vec::new()).get() };
    assert!(matches!(fetch_once(request), Err(FetchError::Connect { .. })));
}
