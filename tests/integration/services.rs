//! Services that take part in decisions, over real connections: whatever they do, an answer comes in time, is
//! no yes, and shows nothing of theirs.

use crate::given::with_config;
use okgate_testkit::gate::Gate;
use okgate_testkit::http::{Request, exchange};
use okgate_testkit::wait::eventually;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// A service that is ill, in a way that the last part of the path says.
struct Ill {
    port: u16,
}

const ILLNESSES: &[&str] =
    &["resets", "closes", "stalls", "drips", "floods", "babbles", "fails", "redirects"];

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
        format!("http://127.0.0.1:{}/{illness}", self.port)
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
    let yes = r#"{"allowed":true,"subject":"guest","secret":"words"}"#;
    let begin = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let has = |illness: &str| head.lines().next().is_some_and(|line| line.contains(illness));
    let mut say = |text: &str| stream.write_all(text.as_bytes()).ok();
    if has("resets") {
        say(&format!("{begin}Content-Length: 1000\r\n\r\n{yes}"))?;
    } else if has("stalls") {
        let _ = stream.read(&mut byte);
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
        say(&format!("HTTP/1.1 500 No\r\nContent-Length: {}\r\n\r\n{yes}", yes.len()))?;
    } else if has("redirects") {
        say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")?;
    }
    stream.shutdown(Shutdown::Both).ok()
}

/// Every handler that asks, with what it needs besides a URL.
fn askers(url: &str) -> [(&'static str, Value); 4] {
    let keto = json!({"base_url": url, "required_action": "a", "required_resource": "r", "timeout": "500ms"});
    [
        ("remote", json!({"remote": url, "timeout": "500ms"})),
        ("remote_json", json!({"remote": url, "payload": "{}", "timeout": "500ms"})),
        ("keto_engine_acp_ory", keto),
        ("hydrator", json!({"api": {"url": url}, "timeout": "500ms"})),
    ]
}

/// okgate with a rule for each of these: host, handler and its settings.
pub fn gate(rules: &[(String, &str, Value)]) -> Gate {
    let mut handlers =
        json!({"authorizers": {"allow": {"enabled": true}}, "mutators": {"noop": {"enabled": true}}});
    let mut written = Vec::new();
    for (host, handler, settings) in rules {
        let step = json!({"handler": handler, "config": settings});
        let (stage, authorizer, mutator) = if *handler == "hydrator" {
            ("mutators", json!({"handler": "allow"}), step)
        } else {
            ("authorizers", step, json!({"handler": "noop"}))
        };
        let stage = handlers.get_mut(stage).and_then(Value::as_object_mut).expect("a stage");
        stage.insert((*handler).to_owned(), json!({"enabled": true, "config": settings}));
        written.push(json!({
            "id": host,
            "match": {"url": format!("http://{host}/<.*>"), "methods": ["GET", "POST"]},
            "authenticators": [{"handler": "anonymous"}],
            "authorizer": authorizer,
            "mutators": [mutator],
        }));
    }
    let config = json!({
        "serve": {"api": {"host": "127.0.0.1", "port": 0}},
        "access_rules": {"repositories": ["file://rules.json"]},
        "authenticators": {"anonymous": {"enabled": true, "config": {"subject": "guest"}}},
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
    for illness in ILLNESSES {
        for (handler, settings) in askers(&ill.url(illness)) {
            rules.push((format!("{illness}-{}.test", handler.replace('_', "-")), handler, settings));
        }
    }
    let gate = gate(&rules);
    thread::scope(|scope| {
        for (host, _, _) in &rules {
            let port = gate.port();
            scope.spawn(move || {
                let begin = Instant::now();
                let request = Request::decision("GET", &format!("http://{host}/"));
                let reply = exchange(port, false, &request.to_bytes(), false).unwrap();
                let waited = begin.elapsed();
                assert_eq!(reply.status, 500, "{host}: {}", reply.summary());
                for word in ["secret", "words", "127.0.0.1"] {
                    assert!(!reply.text().contains(word), "{host}: {}", reply.text());
                }
                assert!(waited < Duration::from_secs(5), "{host}: {waited:?}");
            });
        }
    });
    assert!(!gate.stderr().contains("secret"), "{}", gate.stderr());
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
