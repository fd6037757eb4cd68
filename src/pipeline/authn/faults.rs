//! What becomes of requests when a service fails in all the ways that services fail: every authenticator
//! that calls out, against a real server that misbehaves.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use openssl::x509::X509;
use serde_json::{Value, json};

use super::testing::{Asked, Probe};
use crate::keys::fixtures::run;
use crate::pipeline::{Denial, Shared};
use crate::upstream::awc::Client;

/// Stands in every answer of the server; no client may see it.
const SECRET: &str = "backend-words";

/// How the server misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Refuses,
    ResetsMidBody,
    Stalls,
    Drips,
    Says500,
    Says429,
    RedirectsForever,
    RedirectsElsewhere,
    TooLarge,
    InvalidJson,
    Html,
    NotHttp,
    HangsUp,
    BrokenGzip,
}

/// Starts a server that answers every request in one way. It ends with the test's process.
fn misbehaving(fault: Fault) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    if fault != Fault::Refuses {
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    while read_request(&mut stream).is_some() {
                        answer(&mut stream, fault, port);
                    }
                });
            }
        });
    }
    port
}

/// Reads a request with its body.
fn read_request(stream: &mut TcpStream) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length =
        head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()
}

fn answer(stream: &mut TcpStream, fault: Fault, port: u16) {
    let full = format!(r#"{{"subject":"{SECRET}","sub":"{SECRET}","active":true,"access_token":"t"}}"#);
    let plain = |status: &str, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\n{headers}x-words: {SECRET}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let text = match fault {
        Fault::Refuses | Fault::Stalls => return,
        Fault::ResetsMidBody | Fault::HangsUp => {
            if fault == Fault::ResetsMidBody {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", full.len() + 10);
                let _ = stream.write_all(format!("{head}{full}").as_bytes());
            }
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        Fault::Drips => {
            for byte in plain("200 OK", "", &full).bytes() {
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_secs(1));
            }
            return;
        }
        Fault::Says500 => plain(&format!("500 {SECRET}"), "", &full),
        Fault::Says429 => plain("429 Too Many Requests", "retry-after: 7\r\n", &full),
        Fault::RedirectsForever => plain("307 Again", "location: /again\r\n", ""),
        Fault::RedirectsElsewhere => {
            plain("307 There", &format!("location: http://localhost:{port}/there\r\n"), "")
        }
        Fault::TooLarge => plain("200 OK", "", &format!("{full}{}", " ".repeat(10 << 20))),
        Fault::InvalidJson => plain("200 OK", "content-type: application/json\r\n", &format!("{{{SECRET}")),
        Fault::Html => {
            let page = format!("<html><title>{SECRET}</title>please log in</html>");
            plain("200 OK", "content-type: text/html\r\n", &page)
        }
        Fault::NotHttp => format!("{SECRET}\r\n\r\n"),
        Fault::BrokenGzip => plain("200 OK", "content-encoding: gzip\r\n", &full),
    };
    let _ = stream.write_all(text.as_bytes());
}

const ALL: [Fault; 14] = [
    Fault::Refuses,
    Fault::ResetsMidBody,
    Fault::Stalls,
    Fault::Drips,
    Fault::Says500,
    Fault::Says429,
    Fault::RedirectsForever,
    Fault::RedirectsElsewhere,
    Fault::TooLarge,
    Fault::InvalidJson,
    Fault::Html,
    Fault::NotHttp,
    Fault::HangsUp,
    Fault::BrokenGzip,
];

/// What each authenticator answers, as `status cause`, in the order of the handlers below.
fn expected(fault: Fault) -> [&'static str; 5] {
    match fault {
        Fault::Refuses => [
            "403 backend-refused",
            "403 backend-refused",
            "500 backend-refused",
            "503 backend-refused",
            "500 backend-refused",
        ],
        Fault::Stalls | Fault::Drips => [
            "403 backend-timed-out",
            "403 backend-timed-out",
            "500 backend-timed-out",
            "503 backend-timed-out",
            "500 backend-timed-out",
        ],
        Fault::Says500 => [
            "401 backend-status",
            "401 backend-status",
            "500 backend-status",
            "500 backend-status",
            "500 backend-status",
        ],
        Fault::Says429 => [
            "429 backend-rate-limit",
            "429 backend-rate-limit",
            "429 backend-rate-limit",
            "429 backend-rate-limit",
            "500 backend-status",
        ],
        Fault::RedirectsElsewhere
        | Fault::ResetsMidBody
        | Fault::RedirectsForever
        | Fault::NotHttp
        | Fault::HangsUp
        | Fault::BrokenGzip => [
            "403 backend-broke-off",
            "403 backend-broke-off",
            "500 backend-broke-off",
            "503 backend-broke-off",
            "500 backend-broke-off",
        ],
        Fault::TooLarge => [
            "500 backend-answer-too-large",
            "500 backend-answer-too-large",
            "500 backend-answer-too-large",
            "503 backend-answer-too-large",
            "500 backend-answer-too-large",
        ],
        Fault::InvalidJson | Fault::Html => [
            "500 backend-answer-unreadable",
            "500 backend-answer-unreadable",
            "500 backend-answer-unreadable",
            "503 backend-answer-unreadable",
            "500 backend-answer-unreadable",
        ],
    }
}

type Handler = (&'static str, Value, [(&'static str, &'static str); 1]);

/// Each handler with its configuration, and what it is asked with.
fn handlers(port: u16, more: &Value) -> [Handler; 5] {
    let url = format!("http://127.0.0.1:{port}/x");
    let with = |mut config: Value| {
        config["timeout"] = json!("400ms");
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    };
    let session = with(json!({"check_session_url": url, "preserve_path": true}));
    let introspection = json!({"introspection_url": url});
    let mut pre_authorized = introspection.clone();
    pre_authorized["pre_authorization"] =
        json!({"enabled": true, "client_id": "c", "client_secret": "s", "token_url": url});
    [
        ("cookie_session", session.clone(), [("cookie", "sid=user-secret")]),
        ("bearer_token", session, [("authorization", "Bearer user-secret")]),
        ("oauth2_introspection", with(introspection), [("authorization", "Bearer user-secret")]),
        (
            "oauth2_client_credentials",
            with(json!({"token_url": url})),
            [("authorization", "Basic dTp1c2VyLXNlY3JldA==")],
        ),
        ("oauth2_introspection", with(pre_authorized), [("authorization", "Bearer user-secret")]),
    ]
}

async fn ask(id: &str, config: Value, headers: &[(&str, &str)]) -> (String, Denial) {
    let probe = Probe::with(id, config, Rc::new(Client::new()), Shared::new(1 << 20));
    let outcome = probe.ask(&Asked::with(headers)).await;
    let word = outcome.word;
    let Some(denial) = outcome.denial else { panic!("{id}: {word} got in") };
    (word, denial)
}

#[test]
fn whatever_a_service_does_nobody_gets_in_and_its_words_stay_inside() {
    for fault in ALL {
        let port = misbehaving(fault);
        run(async {
            for ((id, config, headers), want) in handlers(port, &json!({})).into_iter().zip(expected(fault)) {
                let (word, denial) = ask(id, config, &headers).await;
                assert_eq!(word, want, "{fault:?} {id}");
                let could_not_decide = matches!(denial, Denial::CouldNotDecide { .. });
                let slow_down = matches!(denial, Denial::TooManyRequests { .. });
                assert!(could_not_decide || slow_down, "{fault:?} {id}: {denial:?}");
                let said = format!("{denial:?}");
                for secret in [SECRET, "user-secret", "dTp1c2VyLXNlY3JldA"] {
                    assert!(!said.contains(secret), "{fault:?} {id}: {said}");
                }
            }
        });
    }
}

#[test]
fn on_backend_error_unavailable_makes_every_outage_a_503_with_a_time_to_come_back() {
    for fault in ALL.into_iter().filter(|fault| *fault != Fault::Says429) {
        let port = misbehaving(fault);
        run(async {
            for (id, config, headers) in handlers(port, &json!({"on_backend_error": "unavailable"})) {
                let (_, denial) = ask(id, config, &headers).await;
                let Denial::CouldNotDecide { status: 503, retry_after: Some(1..), .. } = denial else {
                    panic!("{fault:?} {id}: {denial:?}")
                };
            }
        });
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_a_refused_connection() {
    let key = openssl::pkey::PKey::ec_gen("prime256v1").unwrap();
    let mut certificate = X509::builder().unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
    certificate.set_not_after(&openssl::asn1::Asn1Time::days_from_now(1).unwrap()).unwrap();
    certificate.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
    let mut acceptor =
        openssl::ssl::SslAcceptor::mozilla_intermediate(openssl::ssl::SslMethod::tls()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate.build()).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = acceptor.accept(stream);
        }
    });
    run(async {
        let config = json!({"check_session_url": format!("https://127.0.0.1:{port}/")});
        let (word, _) = ask("cookie_session", config, &[("cookie", "sid=1")]).await;
        assert_eq!(word, "403 backend-refused");
    });
}
