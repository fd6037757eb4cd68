use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Method;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKeyRef, Private};
use openssl::ssl::{SslAcceptor, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509NameBuilder, X509Ref};

use tokio::time::Instant;

use super::*;
use crate::config::Secret;
use crate::keys::fixtures::run;
use crate::request::body::{Body, BodyRoom, Opened};
use crate::upstream::awc::Client;
use crate::upstream::{Fetch, FetchError, Outgoing, OutgoingBody};

type Key = PKey<Private>;

/// A certificate for `name`, by itself or an issuer.
fn certificate(name: &str, key: &Key, issuer: Option<(&X509Ref, &PKeyRef<Private>)>) -> X509 {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(u32::from(issuer.is_some()) + 1).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(issuer.map_or(&subject, |(by, _)| by.subject_name())).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    if issuer.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    } else {
        let context = builder.x509v3_context(None, None);
        let names = SubjectAlternativeName::new().dns(name).build(&context).unwrap();
        builder.append_extension(names).unwrap();
    }
    builder.sign(issuer.map_or(key, |(_, by)| by), MessageDigest::sha256()).unwrap();
    builder.build()
}

fn key() -> Key {
    PKey::ec_gen("prime256v1").unwrap()
}

/// An authority with a server certificate for `localhost` and a client certificate, as PEM texts.
struct Authority {
    ca: Vec<u8>,
    server: (X509, Key),
    client: Tls,
    root: X509,
}

impl Authority {
    fn new() -> Self {
        let ca_key = key();
        let root = certificate("test authority", &ca_key, None);
        let issued = |name: &str| {
            let key = key();
            (certificate(name, &key, Some((&root, &ca_key))), key)
        };
        let (client, client_key) = issued("okgate");
        Self {
            ca: root.to_pem().unwrap(),
            server: issued("localhost"),
            client: Tls {
                cert: client.to_pem().unwrap(),
                key: Secret::new(client_key.private_key_to_pem_pkcs8().unwrap()),
            },
            root,
        }
    }

    /// A server that says `yes` to whoever comes through TLS; returns its port.
    fn serve(&self, asks_for_certificate: bool) -> u16 {
        let yes = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nyes";
        self.serve_with(asks_for_certificate, yes)
    }

    /// The same with another answer.
    fn serve_with(&self, asks_for_certificate: bool, answer: &'static str) -> u16 {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor.set_certificate(&self.server.0).unwrap();
        acceptor.set_private_key(&self.server.1).unwrap();
        if asks_for_certificate {
            acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
            acceptor.cert_store_mut().add_cert(self.root.clone()).unwrap();
        }
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(mut stream) = acceptor.accept(stream) else { continue };
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                    head.push(byte[0]);
                }
                let _ = stream.write_all(answer.as_bytes());
                let _ = stream.shutdown();
            }
        });
        port
    }
}

fn get(settings: &ClientTls, url: &str) -> Result<Bytes, FetchError> {
    let outbound = Arc::new(Outbound::new(settings.clone()));
    let request = Outgoing {
        method: Method::GET,
        url: url.to_owned(),
        headers: Vec::new(),
        body: OutgoingBody::default(),
        timeout: Duration::from_secs(20),
        max_response_bytes: 100,
        redirects: 0,
    };
    let client: Rc<dyn Fetch> = Rc::new(Client::with(outbound));
    run(async {
        let whole = client.send(request.clone()).await.map(|answer| answer.body);
        // A body that does not come, so that only the answer counts.
        let body = Body::new(stream::pending::<Result<_, ()>>(), None, &BodyRoom::default());
        let Ok(Opened::Pieces(pieces)) = body.open(9, Instant::now()).await else { unreachable!() };
        let request = Outgoing { method: Method::POST, body: OutgoingBody::Passing(pieces), ..request };
        let passed = client.send(request).await.map(|answer| answer.body);
        let shown = |result: &Result<Bytes, FetchError>| match result {
            Ok(body) => format!("{body:?}"),
            Err(FetchError::Connect { .. } | FetchError::Protocol { .. }) => "no".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown(&passed), shown(&whole), "{whole:?}");
        whole
    })
}

#[test]
fn a_private_authority_is_trusted_where_it_is_named_for_the_names_it_vouches_for() {
    let authority = Authority::new();
    let other = Authority::new();
    let port = authority.serve(false);
    let ca = |authority: &Authority| vec![authority.ca.clone()];
    for (what, settings, host, trusted) in [
        ("named", ClientTls { ca: ca(&authority), ..ClientTls::default() }, "localhost", true),
        ("alone", ClientTls { ca: ca(&authority), system_roots: false, identity: None }, "localhost", true),
        ("another name", ClientTls { ca: ca(&authority), ..ClientTls::default() }, "127.0.0.1", false),
        ("another authority", ClientTls { ca: ca(&other), ..ClientTls::default() }, "localhost", false),
        ("the machine's only", ClientTls::default(), "localhost", false),
        ("nobody", ClientTls { ca: Vec::new(), system_roots: false, identity: None }, "localhost", false),
    ] {
        let got = get(&settings, &format!("https://{host}:{port}/"));
        match got {
            Ok(body) => assert!(trusted && body == "yes", "{what}"),
            Err(FetchError::Connect { .. }) => assert!(!trusted, "{what}"),
            Err(other) => panic!("{what}: {other}"),
        }
    }
}

#[test]
fn an_answer_in_chunks_that_breaks_off_is_an_error_behind_tls_as_well() {
    let authority = Authority::new();
    let settings = ClientTls { ca: vec![authority.ca.clone()], ..ClientTls::default() };
    for (answer, whole) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n", false),
        ("HTTP/1.0 200 OK\r\n\r\nyes", true),
    ] {
        // Says goodbye as TLS has it, so that only HTTP can tell.
        let port = authority.serve_with(false, answer);
        match get(&settings, &format!("https://localhost:{port}/")) {
            Ok(body) => assert!(whole && body == "yes", "{answer}"),
            Err(FetchError::Protocol { .. }) => assert!(!whole, "{answer}"),
            Err(other) => panic!("{answer}: {other}"),
        }
    }
}

#[test]
fn a_server_that_asks_for_it_gets_the_certificate() {
    let authority = Authority::new();
    let port = authority.serve(true);
    let url = format!("https://localhost:{port}/");
    let with = |identity| ClientTls { ca: vec![authority.ca.clone()], system_roots: false, identity };
    assert_eq!(get(&with(Some(authority.client.clone())), &url).unwrap(), "yes");
    assert!(get(&with(None), &url).is_err());
    assert!(get(&with(Some(Authority::new().client)), &url).is_err(), "of another authority");
}

#[test]
fn settings_that_change_count_for_the_next_connection() {
    let authority = Authority::new();
    let port = authority.serve(false);
    let outbound = Arc::new(Outbound::default());
    let client: Rc<dyn Fetch> = Rc::new(Client::with(Arc::clone(&outbound)));
    let trusted = ClientTls { ca: vec![authority.ca.clone()], ..ClientTls::default() };
    for (settings, works) in
        [(&ClientTls::default(), false), (&trusted, true), (&ClientTls::default(), false)]
    {
        outbound.set(settings);
        let request = Outgoing::get(format!("https://localhost:{port}/"), Duration::from_secs(20));
        assert_eq!(run(client.send(request)).is_ok(), works);
    }
    outbound.set(&trusted);
    let before = outbound.current();
    outbound.set(&trusted.clone());
    assert!(Arc::ptr_eq(&before, &outbound.current()), "the same ones keep their connections");
}

#[test]
fn a_key_that_is_not_the_certificates_makes_no_connection() {
    let authority = Authority::new();
    let mut identity = authority.client.clone();
    identity.key = Authority::new().client.key;
    let settings = ClientTls { identity: Some(identity), ..ClientTls::default() };
    let error = get(&settings, "https://localhost:1/").unwrap_err();
    assert!(error.to_string().contains("TLS cannot be set up"), "{error}");
}
