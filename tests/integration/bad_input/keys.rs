//! Key sets that cannot sign or verify: the request fails closed, and the log says why.

use super::block;
use crate::given::{CONFIG, rule, with_config};
use okgate_testkit::http::Request;
use okgate_testkit::wait::eventually;
use std::fmt::Write as _;

/// Key sets for the `id_token` mutator, by file name.
const SIGNING: &[(&str, &str)] = &[
    ("not-there", ""),
    ("no-json", "{\"keys\": ["),
    ("no-set", "[]"),
    ("no-keys", "{\"keys\": []}"),
    ("no-kty", "{\"keys\": [{\"kid\": \"a\", \"alg\": \"RS256\", \"use\": \"sig\"}]}"),
    ("odd-kty", "{\"keys\": [{\"kty\": \"LMS\", \"kid\": \"a\", \"alg\": \"RS256\", \"use\": \"sig\"}]}"),
    (
        "only-public",
        "{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"kid\": \"a\", \"alg\": \"EdDSA\", \"use\": \"sig\", \"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
    ),
    (
        "no-alg",
        "{\"keys\": [{\"kty\": \"oct\", \"kid\": \"a\", \"use\": \"sig\", \"k\": \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}]}",
    ),
    (
        "alg-none",
        "{\"keys\": [{\"kty\": \"oct\", \"kid\": \"a\", \"alg\": \"none\", \"use\": \"sig\", \"k\": \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}]}",
    ),
    (
        "alg-of-another-kind",
        "{\"keys\": [{\"kty\": \"oct\", \"kid\": \"a\", \"alg\": \"RS256\", \"use\": \"sig\", \"k\": \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}]}",
    ),
    (
        "not-base64",
        "{\"keys\": [{\"kty\": \"oct\", \"kid\": \"a\", \"alg\": \"HS256\", \"use\": \"sig\", \"k\": \"*\"}]}",
    ),
    (
        "too-short",
        "{\"keys\": [{\"kty\": \"oct\", \"kid\": \"a\", \"alg\": \"HS256\", \"use\": \"sig\", \"k\": \"AAEC\"}]}",
    ),
];

/// Tokens that no key set makes good, and what is wrong with them.
const TOKENS: &[(&str, &str)] = &[
    ("no token", ""),
    ("another scheme", "Basic YTpi"),
    ("no three parts", "Bearer abc"),
    ("empty parts", "Bearer .."),
    ("a header that is no JSON", "Bearer eA.e30.eA"),
    ("no algorithm", "Bearer e30.e30.eA"),
    ("the algorithm none", "Bearer eyJhbGciOiJub25lIn0.e30."),
    ("an algorithm that is not allowed", "Bearer eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.e30.eA"),
    ("an unknown key", "Bearer eyJhbGciOiJFZERTQSIsImtpZCI6ImIifQ.e30.eA"),
    ("no key named", "Bearer eyJhbGciOiJFZERTQSJ9.e30.eA"),
    ("a signature that is none", "Bearer eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.e30.eA"),
];

#[test]
fn a_key_set_that_cannot_sign_fails_the_request_and_is_told_in_the_log() {
    let config = CONFIG.replace(
        "mutators:\n",
        "mutators:\n  id_token: {enabled: true, config: {issuer_url: 'http://i/', jwks_url: 'file://keys-default.json'}}\n",
    );
    let mut rules = String::new();
    for (name, _) in SIGNING {
        let mutator = format!("{{handler: id_token, config: {{jwks_url: 'file://keys-{name}.json'}}}}");
        rules += &rule(name, &format!("http://{name}.test/"), "anonymous", "allow", &mutator);
    }
    let mut start =
        with_config(&format!("{config}log: {{level: info, format: json}}\n")).file("rules.yaml", rules);
    for (name, text) in SIGNING.iter().filter(|(_, text)| !text.is_empty()) {
        start = start.file(&format!("keys-{name}.json"), *text);
    }
    let gate = start.run();
    let mut found = String::new();
    for (name, text) in SIGNING {
        let reply = gate.decide("GET", &format!("http://{name}.test/"));
        assert!(reply.header("authorization").is_none(), "{name}: {}", reply.summary());
        let line = denied(&gate, name);
        block(&mut found, name, text, &format!("{}{line}", answered(&reply)));
    }
    insta::assert_snapshot!(found);
}

#[test]
fn a_token_that_is_no_good_is_refused_and_told_in_the_log() {
    let config = CONFIG.replace(
        "authenticators:\n",
        "authenticators:\n  jwt: {enabled: true, config: {jwks_urls: ['file://keys.json'], allowed_algorithms: [EdDSA]}}\n",
    );
    let mut rules = String::new();
    for (at, _) in TOKENS.iter().enumerate() {
        rules +=
            &rule(&format!("token-{at}"), &format!("http://{at}.test/"), "jwt", "allow", "{handler: noop}");
    }
    let (_, keys) = SIGNING.iter().find(|(name, _)| *name == "only-public").unwrap();
    let gate = with_config(&format!("{config}log: {{level: info, format: json}}\n"))
        .file("rules.yaml", rules)
        .file("keys.json", *keys)
        .run();
    let mut found = String::new();
    for (at, (what, token)) in TOKENS.iter().enumerate() {
        let reply = gate
            .send(&Request::decision("GET", &format!("http://{at}.test/")).header("Authorization", *token));
        assert_eq!(reply.status, 401, "{what}: {}", reply.summary());
        let line = denied(&gate, &format!("token-{at}"));
        assert!(token.len() < 20 || !line.contains(&token[7..]), "{what}: the log tells the token: {line}");
        block(&mut found, what, token, &format!("{}{line}", answered(&reply)));
    }
    insta::assert_snapshot!(found);
}

fn answered(reply: &okgate_testkit::http::Reply) -> String {
    format!("{} {}", reply.status, reply.text())
}

/// What the log says about a rule's denial, without times and addresses.
fn denied(gate: &okgate_testkit::gate::Gate, id: &str) -> String {
    let line: serde_json::Value = eventually("a line about the denial", || {
        let log = gate.stderr();
        let wanted = format!("\"rule.id\":\"{id}\"");
        log.lines()
            .find(|line| line.contains("access request denied") && line.contains(&wanted))
            .and_then(|line| serde_json::from_str(line).ok())
    });
    let mut text = String::new();
    for (key, value) in line.as_object().into_iter().flatten() {
        if key.starts_with("decision.") || key == "level" || key.starts_with("step.") {
            let _ =
                writeln!(text, "{key}: {}", value.to_string().replace(&*gate.dir().to_string_lossy(), "DIR"));
        }
    }
    text
}
