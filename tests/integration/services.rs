//! Services that take part in decisions, over real connections: whatever they do, an answer comes in time, is
//! no yes, and shows nothing of theirs.

use crate::given::with_config;
use okgate_testkit::gate::Gate;
use okgate_testkit::http::{Connection, Request, exchange};
use okgate_testkit::wait::eventually;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A service that is ill, in a way that the last part of the path says.
struct Ill {
    port: u16,
}

/// How a service is ill, and the reason that the log names.
const ILLNESSES: [(&str, &str); 13] = [
    ("refuses", "backend-refused"),
    ("resets", "backend-broke-off"),
    ("closes", "backend-broke-off"),
    ("breaks", "backend-broke-off"),
    ("babbles", "backend-broke-off"),
    ("stalls", "backend-timed-out"),
    ("drips", "backend-timed-out"),
    ("floods", "backend-answer-too-large"),
    ("fails", "backend-status"),
    ("throttles", "backend-rate-limit"),
    // To where nobody listens.
    ("redirects", "backend-refused"),
    ("garbles", "backend-answer-unreadable"),
    ("pages", "backend-answer-unreadable"),
];

impl Ill {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Ends when the other side does.
                thread::spawn(move || be_ill(stream));
            }
        });
        Self { port }
    }

    fn url(&self, illness: &str) -> String {
        let port = if illness == "refuses" { 1 } else { self.port };
        format!("http://127.0.0.1:{port}/{illness}")
    }
}

fn be_ill(mut stream: TcpStream) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let yes = r#"{"allowed":true,"subject":"guest","sub":"guest","active":true,"access_token":"secret","keys":[],"words":1}"#;
    let begin = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let has = |illness: &str| head.lines().next().is_some_and(|line| line.contains(illness));
    let mut say = |text: &str| stream.write_all(text.as_bytes()).ok();
    let whole = |head: &str, body: &str| format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    if has("resets") {
        say(&format!("{begin}Content-Length: 1000\r\n\r\n{yes}"))?;
    } else if has("breaks") {
        // Between two chunks, after what reads like all of it.
        say(&format!("{begin}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{yes}\r\n", yes.len()))?;
    } else if has("stalls") {
        while stream.read(&mut byte).is_ok_and(|length| length > 0) {}
    } else if has("drips") {
        say(&format!("{begin}Content-Length: {}\r\n\r\n", yes.len()))?;
        for byte in yes.bytes() {
            thread::sleep(Duration::from_secs(1));
            say(&char::from(byte).to_string())?;
        }
    } else if has("floods") {
        say(&format!("{begin}Content-Length: {}\r\n\r\n{yes}", 10 << 20))?;
        let piece = " ".repeat(1 << 16);
        while say(&piece).is_some() {}
    } else if has("babbles") {
        say("220 secret words\r\n\r\n")?;
    } else if has("fails") {
        say(&whole("HTTP/1.1 500 secret\r\n", yes))?;
    } else if has("throttles") {
        say(&whole("HTTP/1.1 429 secret\r\nRetry-After: 9\r\nX-Words: secret\r\n", yes))?;
    } else if has("redirects") {
        say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")?;
    } else if has("garbles") {
        say(&whole(begin, "{\"allowed\":true,\"secret words\""))?;
    } else if has("pages") {
        say(&whole("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "<title>secret words</title>"))?;
    }
    stream.shutdown(Shutdown::Both).ok()
}

/// Every handler that asks, under a name, with its settings. They wait for half a second.
fn askers(url: &str) -> Vec<(&'static str, &'static str, Value)> {
    let introspection = json!({"introspection_url": url, "timeout": "500ms", "max_response_bytes": 65536});
    let client = json!({"enabled": true, "client_id": "gate", "client_secret": "secret", "token_url": url});
    let mut pre_authorized = introspection.clone();
    pre_authorized.as_object_mut().unwrap().insert("pre_authorization".to_owned(), client);
    let session = json!({"check_session_url": url, "preserve_path": true, "timeout": "500ms", "max_response_bytes": 65536});
    let allowed = json!({"path": "allowed"});
    let keto = json!({"base_url": url, "required_action": "a", "required_resource": "r", "timeout": "500ms", "max_response_bytes": 65536});
    vec![
        ("cookie-session", "cookie_session", session.clone()),
        ("bearer-token", "bearer_token", session),
        ("introspection", "oauth2_introspection", introspection),
        ("pre-authorized", "oauth2_introspection", pre_authorized),
        (
            "client-credentials",
            "oauth2_client_credentials",
            json!({"token_url": url, "timeout": "500ms", "max_response_bytes": 65536}),
        ),
        ("jwt", "jwt", json!({"jwks_urls": [url], "jwks_max_wait": "500ms"})),
        (
            "remote",
            "remote",
            json!({"remote": url, "timeout": "500ms", "max_response_bytes": 65536, "allow_if": allowed}),
        ),
        (
            "remote-json",
            "remote_json",
            json!({"remote": url, "payload": "{}", "timeout": "500ms", "max_response_bytes": 65536, "allow_if": allowed}),
        ),
        ("keto", "keto_engine_acp_ory", keto),
        (
            "hydrator",
            "hydrator",
            json!({"api": {"url": url}, "timeout": "500ms", "max_response_bytes": 65536}),
        ),
    ]
}

/// The status that a client gets, and the reason in the log.
fn expected(asker: &str, illness: &str, reason: &'static str) -> (u16, &'static str) {
    match (asker, illness) {
        // Redirects are not followed; a limit that was not for this client.
        ("remote" | "remote-json", "redirects") | ("pre-authorized", "throttles") => (500, "backend-status"),
        // No key set was ever read.
        ("jwt", _) => (401, "key-sets-unavailable"),
        (_, "throttles") => (429, reason),
        ("cookie-session" | "bearer-token", "fails") => (401, reason),
        ("cookie-session" | "bearer-token", illness)
            if !matches!(illness, "floods" | "garbles" | "pages") =>
        {
            (403, reason)
        }
        ("client-credentials", illness) if illness != "fails" => (503, reason),
        _ => (500, reason),
    }
}

/// A question that every handler feels responsible for.
fn question(host: &str, asker: &str) -> Request {
    let credentials = match asker {
        "client-credentials" => "Basic dXNlcjpzZWNyZXQ=",
        // {"alg":"RS256","kid":"k"}.{"sub":"a"}
        "jwt" => "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJzdWIiOiJhIn0.c2VjcmV0",
        _ => "Bearer secret",
    };
    Request::decision("GET", &format!("http://{host}/"))
        .header("Cookie", "sid=secret")
        .header("Authorization", credentials)
}

/// okgate with a rule for each of these: host, handler and its settings.
pub fn gate(rules: &[(String, &str, Value)]) -> Gate {
    let mut handlers = json!({
        "authenticators": {"noop": {"enabled": true}},
        "authorizers": {"allow": {"enabled": true}},
        "mutators": {"noop": {"enabled": true}},
    });
    let mut written = Vec::new();
    for (host, handler, settings) in rules {
        let step = json!({"handler": handler, "config": settings});
        let (guest, allow, noop) =
            (json!({"handler": "noop"}), json!({"handler": "allow"}), json!({"handler": "noop"}));
        let (stage, authenticator, authorizer, mutator) = match *handler {
            "hydrator" => ("mutators", guest, allow, step),
            "remote" | "remote_json" | "keto_engine_acp_ory" => ("authorizers", guest, step, noop),
            _ => ("authenticators", step, allow, noop),
        };
        let stage = handlers.get_mut(stage).and_then(Value::as_object_mut).expect("a stage");
        // The first one's settings; the schemas want some.
        let global = json!({"enabled": true, "config": settings});
        stage.entry((*handler).to_owned()).or_insert(global);
        written.push(json!({
            "id": host,
            "match": {"url": format!("http://{host}/<.*>"), "methods": ["GET", "POST"]},
            "authenticators": [authenticator],
            "authorizer": authorizer,
            "mutators": [mutator],
        }));
    }
    let config = json!({
        "serve": {"api": {"host": "127.0.0.1", "port": 0}},
        "log": {"format": "json"},
        "access_rules": {"repositories": ["file://rules.json"]},
        "authenticators": handlers.get("authenticators"),
        "authorizers": handlers.get("authorizers"),
        "mutators": handlers.get("mutators"),
        "errors": {"handlers": {"json": {"enabled": true, "config": {"verbose": true}}}},
    });
    with_config(&config.to_string()).file("rules.json", json!(written).to_string()).run().ready()
}

#[test]
fn an_ill_service_neither_opens_a_door_nor_keeps_anybody_waiting() {
    let ill = Ill::start();
    let mut rules = Vec::new();
    let mut rows = Vec::new();
    for (illness, reason) in ILLNESSES {
        for (asker, handler, settings) in askers(&ill.url(illness)) {
            let host = format!("{illness}-{asker}.test");
            rules.push((host.clone(), handler, settings));
            rows.push((host, asker, expected(asker, illness, reason)));
        }
    }
    let gate = gate(&rules);
    thread::scope(|scope| {
        for (host, asker, (status, _)) in &rows {
            let port = gate.port();
            scope.spawn(move || {
                let begin = Instant::now();
                let reply = exchange(port, false, &question(host, asker).to_bytes(), false).unwrap();
                let waited = begin.elapsed();
                assert_eq!(reply.status, *status, "{host}: {}", reply.summary());
                for word in ["secret", "words", "127.0.0.1"] {
                    assert!(!reply.text().contains(word), "{host}: {}", reply.text());
                }
                assert!(reply.header("X-Words").is_none(), "{host}");
                assert!(waited < Duration::from_secs(10), "{host}: {waited:?}");
            });
        }
    });
    for (host, _, (status, reason)) in &rows {
        let line = eventually(&format!("the log line of {host}"), || {
            let log = gate.stderr();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find(|line| line.get("rule.id").and_then(Value::as_str) == Some(host))
        });
        let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let outcome = if *status == 429 { "too-many-requests" } else { "could-not-decide" };
        assert_eq!(
            (text("decision.outcome"), text("decision.reason")),
            (outcome.into(), (*reason).into()),
            "{line}"
        );
        assert_eq!(line.get("decision.status"), Some(&json!(status)), "{line}");
    }
    assert!(!gate.stderr().contains("secret"), "{}", gate.stderr());
}

#[test]
fn two_hundred_equal_requests_are_one_call() {
    let stub = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = stub.local_addr().unwrap().port();
    let calls: &Mutex<HashMap<String, usize>> = Box::leak(Box::default());
    let all_asked: &(Mutex<bool>, Condvar) = Box::leak(Box::default());
    thread::spawn(move || {
        for mut stream in stub.incoming().flatten() {
            thread::spawn(move || {
                let mut head = [0; 4096];
                let length = stream.read(&mut head).unwrap();
                let head = String::from_utf8_lossy(head.get(..length).unwrap_or_default()).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                *calls.lock().unwrap().entry(path).or_default() += 1;
                let waiting = all_asked.1.wait_while(all_asked.0.lock().unwrap(), |all| !*all);
                drop(waiting.unwrap());
                // Found, so that the set is not read again for it, and of no use.
                let modulus = format!("w{}w", "3".repeat(340));
                let key = json!({"kty": "RSA", "kid": "k", "use": "sig", "n": modulus, "e": "AQAB"});
                // A hydrator leaves the subject as it is.
                let who = if head.contains("/hydrator") { "" } else { "guest" };
                let yes = json!({
                    "allowed": true, "subject": who, "sub": who, "active": true, "access_token": "t", "keys": [key]
                });
                let yes = yes.to_string();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{yes}", yes.len());
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    let mut rules = Vec::new();
    let mut rows = Vec::new();
    for (asker, handler, mut settings) in askers("") {
        // Its answers are not remembered for who comes late. The other's question is two calls.
        if asker == "keto" || asker == "pre-authorized" {
            continue;
        }
        let url = format!("http://127.0.0.1:{port}/{asker}");
        let set = settings.as_object_mut().unwrap();
        match handler {
            "jwt" => {
                set.insert("jwks_urls".to_owned(), json!([url]));
                set.insert("jwks_max_wait".to_owned(), json!("20s"));
            }
            "hydrator" => drop(set.insert("api".to_owned(), json!({"url": url}))),
            _ => {
                let key = set.keys().find(|key| ["remote"].contains(&key.as_str()) || key.ends_with("_url"));
                let key = key.expect("a URL").clone();
                set.insert(key, json!(url));
            }
        }
        if handler != "jwt" {
            set.insert("timeout".to_owned(), json!("20s"));
            // Who comes too late for the call finds its answer.
            set.insert("cache".to_owned(), json!({"enabled": true}));
        }
        let host = format!("{asker}.test");
        rules.push((host.clone(), handler, settings));
        rows.push((host, asker));
    }
    let gate = gate(&rules);
    let mut open = Vec::new();
    for (host, asker) in &rows {
        for _ in 0..200 {
            let mut connection = Connection::open(gate.port()).unwrap();
            connection.send(&question(host, asker).to_bytes()).unwrap();
            open.push((*asker, connection));
        }
    }
    *all_asked.0.lock().unwrap() = true;
    all_asked.1.notify_all();
    for (asker, mut connection) in open {
        let reply = connection.reply(false).unwrap();
        // Not signed with the key.
        let status = if asker == "jwt" { 401 } else { 200 };
        assert_eq!(reply.status, status, "{asker}: {}", reply.summary());
    }
    let calls = calls.lock().unwrap().clone();
    let once = rows.iter().map(|(_, asker)| (format!("/{asker}"), 1)).collect();
    assert_eq!(calls, once);
}

#[test]
fn a_list_of_people_is_taken_over_when_it_changes() {
    let config = json!({
        "serve": {"api": {"host": "127.0.0.1", "port": 0}},
        "access_rules": {"repositories": ["file://rules.json"]},
        "authenticators": {"anonymous": {"enabled": true, "config": {"subject": "guest"}}},
        "authorizers": {"allow_list": {"enabled": true, "config": {"file": "people.yaml"}}},
        "mutators": {"noop": {"enabled": true}},
    });
    let rule = json!([{
        "id": "list",
        "match": {"url": "http://app.test/<.*>", "methods": ["GET"]},
        "authenticators": [{"handler": "anonymous"}],
        "authorizer": {"handler": "allow_list"},
        "mutators": [{"handler": "noop"}],
    }]);
    let gate = with_config(&config.to_string())
        .file("rules.json", rule.to_string())
        .file("people.yaml", "subjects: [guest]\n")
        .run()
        .ready();
    let becomes = |status: u16| {
        eventually("the list to count", || {
            (gate.decide("GET", "http://app.test/x").status == status).then_some(())
        });
    };
    becomes(200);
    gate.write("people.yaml", "subjects: [somebody]\n");
    becomes(403);
    gate.replace("people.yaml", "subjects: [somebody, guest]\n");
    becomes(200);
    let seen = gate.stderr().len();
    gate.write("people.yaml", "");
    eventually("a complaint in the log", || {
        gate.stderr().get(seen..).filter(|new| new.contains("people.yaml` is empty")).map(|_| ())
    });
    assert_eq!(gate.decide("GET", "http://app.test/x").status, 200, "the last good list counts");
}

#[test]
fn credentials_are_taken_over_when_their_files_change() {
    // Of `key-1`, `key-2` and `secret`.
    const FIRST: &str = "be2974546978e3739e6d6da85c4be9f334ce32df2b9fd4b6ff1b55c0d57e9d44";
    const SECOND: &str = "7c36b0a9dedde119c75165957c6c9c187e65df1ee5db87c4c58ad503ad88cbe3";
    const SECRET: &str = "$2b$04$Ra6xF1PHmUrB3xCIqGkzaO8wlMs7.C3i6eoZ82oaBY4oUt1yTyHaq";
    let config = json!({
        "serve": {"api": {"host": "127.0.0.1", "port": 0}},
        "access_rules": {"repositories": ["file://rules.json"]},
        "authenticators": {
            "basic": {"enabled": true, "config": {"htpasswd_file": "htpasswd"}},
            "api_key": {"enabled": true, "config": {"keys_file": "keys.yaml"}},
        },
        "authorizers": {"allow": {"enabled": true}},
        "mutators": {"noop": {"enabled": true}},
    });
    let rule = json!([{
        "id": "machines",
        "match": {"url": "http://app.test/<.*>", "methods": ["GET"]},
        "authenticators": [{"handler": "basic"}, {"handler": "api_key"}],
        "authorizer": {"handler": "allow"},
        "mutators": [{"handler": "noop"}],
    }]);
    let gate = with_config(&config.to_string())
        .file("rules.json", rule.to_string())
        .file("keys.yaml", format!("[{{sha256: {FIRST}, subject: robot}}]"))
        .run()
        .ready();
    let becomes = |name: &str, value: &str, status: u16| {
        eventually(&format!("{status} for {value}"), || {
            let request = Request::decision("GET", "http://app.test/x").header(name, value);
            (gate.send(&request).status == status).then_some(())
        });
    };
    // `ada:secret`, `ada:wrong`
    let (right, wrong) = ("Basic YWRhOnNlY3JldA==", "Basic YWRhOndyb25n");
    becomes("Authorization", right, 500);
    becomes("X-Api-Key", "key-1", 200);
    becomes("X-Api-Key", "key-2", 401);
    gate.write("htpasswd", &format!("ada:{SECRET}\n"));
    becomes("Authorization", right, 200);
    becomes("Authorization", wrong, 401);
    gate.replace("keys.yaml", &format!("[{{sha256: {SECOND}, subject: robot}}]"));
    becomes("X-Api-Key", "key-1", 401);
    becomes("X-Api-Key", "key-2", 200);
    gate.write("htpasswd", "# nobody\n");
    becomes("Authorization", right, 401);
    assert!(!gate.stderr().contains("key-1") && !gate.stderr().contains("secret"), "{}", gate.stderr());
}
