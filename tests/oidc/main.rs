//! A real OpenID provider (npm `oidc-provider`, certified by the OpenID Foundation) behind the handlers that ask one.
//!
//! Where node or the provider is not installed, the rows are left out and say so; with `CI=true` or
//! `OKGATE_REQUIRE_GATEWAYS=1` they fail instead. `.ci/gateways` installs the provider into `.gateways/oidc/`.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends by failing")]

mod provider;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use okgate_testkit::gate::{Gate, Start};
use okgate_testkit::http::{Reply, Request, exchange};
use okgate_testkit::wait::eventually;
use provider::{Provider, basic};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const ROWS: &[(&str, fn())] = &[
    ("client credentials are good for the scopes they may have", client_credentials),
    ("an opaque token is introspected", introspection),
    ("a revoked token is refused within the cache's time", revocation),
    ("a signed token is verified with the provider's keys", signed_tokens),
    ("keys change while requests run", key_rotation),
];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let required = ["CI", "OKGATE_REQUIRE_GATEWAYS"]
        .iter()
        .any(|name| std::env::var(name).is_ok_and(|value| value == "true" || value == "1"));
    let missing = provider::missing();
    let row = |(name, test): &(&str, fn())| {
        let test = *test;
        Trial::ignorable_test(*name, move || match missing {
            Some(what) if required => Err(Failed::from(format!("{what} is not installed"))),
            Some(what) => Ok(Completion::ignored_with(format!("{what} is not installed"))),
            None => {
                test();
                Ok(Completion::Completed)
            }
        })
    };
    libtest_mimic::run(&args, ROWS.iter().map(row).collect()).exit_code()
}

/// okgate with a rule for each of these hosts: authenticator and its settings.
fn gate(rules: &[(&str, &str, Value)]) -> Gate {
    let mut authenticators = BTreeMap::new();
    let mut written = Vec::new();
    for (host, handler, settings) in rules {
        authenticators.insert(*handler, json!({"enabled": true, "config": settings}));
        written.push(json!({
            "id": host,
            "match": {"url": format!("http://{host}/<.*>"), "methods": ["GET"]},
            "authenticators": [{"handler": handler, "config": settings}],
            "authorizer": {"handler": "allow"},
            "mutators": [{"handler": "header"}],
        }));
    }
    let headers = json!({"X-Subject": "{{ print .Subject }}", "X-Client": "{{ with .Extra }}{{ .client_id }}{{ end }}"});
    let config = json!({
        "serve": {"api": {"host": "127.0.0.1", "port": 0}},
        "access_rules": {"repositories": ["file://rules.json"]},
        "authenticators": authenticators,
        "authorizers": {"allow": {"enabled": true}},
        "mutators": {"header": {"enabled": true, "config": {"headers": headers}}},
    });
    Start::new(env!("CARGO_BIN_EXE_okgate"), config.to_string())
        .file("rules.json", json!(written).to_string())
        .run()
        .ready()
}

fn ask(port: u16, host: &str, authorization: &str) -> Reply {
    let request = Request::decision("GET", &format!("http://{host}/x"));
    exchange(port, false, &request.header("Authorization", authorization).to_bytes(), false).unwrap()
}

fn ask_with(port: u16, host: &str, token: &str) -> u16 {
    ask(port, host, &format!("Bearer {token}")).status
}

fn with(mut settings: Value, key: &str, value: Value) -> Value {
    settings.as_object_mut().unwrap().insert(key.to_owned(), value);
    settings
}

fn client_credentials() {
    let provider = Provider::start();
    let token_url = provider.url("/token");
    let rule = |scope: &str, cached: bool| json!({"token_url": token_url, "required_scope": [scope], "cache": {"enabled": cached}});
    let gate = gate(&[
        ("read.test", "oauth2_client_credentials", rule("read", false)),
        ("write.test", "oauth2_client_credentials", rule("write", true)),
    ]);
    let port = gate.port();
    for (client, host, status) in [
        ("opaque", "read.test", 200),
        ("signed", "read.test", 200),
        ("opaque", "write.test", 200),
        ("opaque", "write.test", 200),
        ("signed", "write.test", 401),
        ("nobody", "read.test", 401),
    ] {
        let reply = ask(port, host, &basic(client));
        assert_eq!(reply.status, status, "{client} {host}: {}", reply.summary());
        let subject = (status == 200).then(|| client.to_owned());
        assert_eq!(reply.header("X-Subject"), subject, "{client} {host}");
    }
    assert_eq!(ask(port, "read.test", "Basic b3BhcXVlOndyb25n").status, 401, "a wrong secret");
}

/// Introspection as a rule that trusts the provider has it.
fn introspecting(provider: &Provider, scope: &str) -> Value {
    json!({
        "introspection_url": provider.url("/token/introspection"),
        "introspection_request_headers": {"Authorization": basic("gate")},
        "scope_strategy": "exact",
        "required_scope": [scope],
        "target_audience": ["urn:okgate:test"],
        "trusted_issuers": [provider.url("")],
    })
}

fn introspection() {
    let provider = Provider::start();
    let gate = gate(&[
        ("read.test", "oauth2_introspection", introspecting(&provider, "read")),
        ("write.test", "oauth2_introspection", introspecting(&provider, "write")),
    ]);
    let port = gate.port();
    let token = provider.token("opaque", "read");
    let reply = ask(port, "read.test", &format!("Bearer {token}"));
    assert_eq!(reply.status, 200, "{}", reply.summary());
    assert_eq!(reply.header("X-Client").as_deref(), Some("opaque"));
    assert_eq!(
        reply.header("X-Subject").as_deref(),
        Some("opaque"),
        "the client's own token names the client"
    );
    assert_eq!(ask_with(port, "write.test", &token), 403, "the scope was not granted");
    assert_eq!(ask_with(port, "write.test", &provider.token("opaque", "read write")), 200);
    assert_eq!(ask_with(port, "read.test", "made-up"), 401);
}

fn revocation() {
    const TTL: Duration = Duration::from_secs(1);
    let provider = Provider::start();
    let settings = with(introspecting(&provider, "read"), "cache", json!({"enabled": true, "ttl": "1s"}));
    let gate = gate(&[("app.test", "oauth2_introspection", settings)]);
    let port = gate.port();
    let (token, other) = (provider.token("opaque", "read"), provider.token("opaque", "read"));
    assert_eq!(ask_with(port, "app.test", &token), 200);
    provider.revoke("opaque", &token);
    let revoked = Instant::now();
    eventually("the token to be refused", || {
        let asked = Instant::now();
        let status = ask_with(port, "app.test", &token);
        assert!(status == 401 || asked < revoked + TTL, "{status} after the cache's time");
        (status == 401).then_some(())
    });
    assert_eq!(ask_with(port, "app.test", &token), 401, "it stays so");
    assert_eq!(ask_with(port, "app.test", &other), 200, "the other is still good");
}

/// Verification as a rule that trusts the provider has it.
fn verifying(provider: &Provider, scope: &str) -> Value {
    json!({
        "jwks_urls": [provider.url("/jwks")],
        "scope_strategy": "exact",
        "required_scope": [scope],
        "target_audience": ["urn:okgate:test"],
        "trusted_issuers": [provider.url("")],
    })
}

fn signed_tokens() {
    let provider = Provider::start();
    let gate = gate(&[
        ("read.test", "jwt", verifying(&provider, "read")),
        ("write.test", "jwt", verifying(&provider, "write")),
    ]);
    let port = gate.port();
    let token = provider.token("signed", "read");
    let reply = ask(port, "read.test", &format!("Bearer {token}"));
    assert_eq!(reply.status, 200, "{}", reply.summary());
    assert_eq!(reply.header("X-Subject").as_deref(), Some("signed"));
    assert_eq!(ask_with(port, "write.test", &token), 401, "the scope was not granted");
    for forged in provider::forged(&token) {
        assert_eq!(ask_with(port, "read.test", &forged), 401, "{forged}");
    }
    let other = Provider::start().token("signed", "read");
    assert_eq!(ask_with(port, "read.test", &other), 401, "another provider's, with the same key id");
}

fn key_rotation() {
    let provider = Provider::start();
    // How soon a key that is no longer published counts no more.
    let settings = with(verifying(&provider, "read"), "jwks_ttl", json!("1s"));
    let gate = gate(&[("app.test", "jwt", settings)]);
    let port = gate.port();
    let first = provider.token("signed", "read");
    let good = Mutex::new(vec![first.clone()]);
    let (ended, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let count = |more: usize| {
        let target = asked.load(Ordering::SeqCst) + more;
        eventually("more requests", || (asked.load(Ordering::SeqCst) >= target).then_some(()));
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !ended.load(Ordering::SeqCst) {
                    let tokens = good.lock().unwrap().clone();
                    for token in &tokens {
                        let status = ask_with(port, "app.test", token);
                        // It may have been withdrawn meanwhile.
                        let is_good = good.lock().unwrap().contains(token);
                        assert!(status == 200 || !is_good, "a good token is refused: {status}");
                        for forged in provider::forged(token) {
                            assert_eq!(ask_with(port, "app.test", &forged), 401, "{forged}");
                        }
                        asked.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        // Ends the others whatever happens here.
        let _end = Ending(&ended);
        count(20);
        let key = provider.control("rotate");
        let second = provider.token("signed", "read");
        assert_eq!(provider::key_id(&second), key);
        good.lock().unwrap().push(second.clone());
        count(20);
        good.lock().unwrap().retain(|token| *token != first);
        provider.control("retire");
        eventually("the old key to count no more", || {
            (ask_with(port, "app.test", &first) == 401).then_some(())
        });
        count(20);
        assert_eq!(ask_with(port, "app.test", &first), 401, "it stays so");
        assert_eq!(ask_with(port, "app.test", &second), 200);
    });
}

struct Ending<'e>(&'e AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
