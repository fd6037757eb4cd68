use std::cell::Cell;
use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::pipeline::authn::testing::{Asked, Probe, run};
use crate::upstream::fake::FakeFetch;

/// The digests of `key-1` and `ak_2`.
const KEYS: &str = "
- sha256: 98da81a2e95a6d67db8d1374c1d68ec9ea50a28e3efd0299cae58b0a3a6dae04
  subject: billing
  extra: {plan: pro, rate: 1234567}
- {sha256: SECOND, subject: robot}
";

fn keys() -> String {
    use std::fmt::Write as _;
    let hex = |key: &str| {
        sha256(key.as_bytes()).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02X}").unwrap();
            text
        })
    };
    KEYS.replace("98da81a2e95a6d67db8d1374c1d68ec9ea50a28e3efd0299cae58b0a3a6dae04", &hex("key-1"))
        .replace("SECOND", &hex("ak_2"))
}

thread_local! {
    /// How many digests were compared, all of them in constant time.
    pub(super) static COMPARED: Cell<usize> = const { Cell::new(0) };
}

#[test]
fn keys_are_only_told_apart_in_constant_time() {
    let keys = read(&keys()).unwrap().content;
    for (key, owner) in [("key-1", Some("billing")), ("ak_2", Some("robot")), ("key-2", None)] {
        COMPARED.set(0);
        let found = keys.get(&Digest(sha256(key.as_bytes())));
        assert_eq!(found.map(|owner| &*owner.subject), owner, "{key}");
        assert!(COMPARED.get() >= usize::from(owner.is_some()), "{key} was found without a comparison");
    }
}

#[test]
fn keys_and_whom_they_belong_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.yaml");
    fs::write(&path, keys()).unwrap();
    let path = path.display().to_string();
    for (what, more, headers, query, want) in [
        ("a key", json!({}), &[("x-api-key", "key-1")][..], None, "billing"),
        ("another", json!({}), &[("X-API-Key", "ak_2")], None, "robot"),
        ("none of them", json!({}), &[("x-api-key", "key-2")], None, "401 key-unknown"),
        ("its digest is no key", json!({}), &[("x-api-key", "98da81a2")], None, "401 key-unknown"),
        ("no key", json!({}), &[], None, "not responsible"),
        ("an empty one", json!({}), &[("x-api-key", "")], None, "not responsible"),
        ("in another header", json!({"token_from": {"header": "X-K"}}), &[("x-k", "key-1")], None, "billing"),
        (
            "as a bearer token",
            json!({"token_from": {"header": "Authorization"}}),
            &[("authorization", "Bearer key-1")],
            None,
            "billing",
        ),
        (
            "in a cookie",
            json!({"token_from": {"cookie": "k"}}),
            &[("cookie", "a=1; k=key-1")],
            None,
            "billing",
        ),
        ("in the query", json!({"token_from": {"query_parameter": "k"}}), &[], Some("k=key%2D1"), "billing"),
        ("with a prefix", json!({"prefix": "ak_"}), &[("x-api-key", "ak_2")], None, "robot"),
        ("of others", json!({"prefix": "ak_"}), &[("x-api-key", "key-1")], None, "not responsible"),
    ] {
        run(async {
            let mut config = json!({"keys_file": path});
            for (key, value) in more.as_object().unwrap() {
                config[key] = value.clone();
            }
            let probe = Probe::new("api_key", config, &FakeFetch::new());
            let outcome = probe.ask(&Asked { query, ..Asked::with(headers) }).await;
            assert_eq!(outcome.word, want, "{what}");
            if want == "billing" {
                let extra = outcome.extra.map(Value::Object);
                assert_eq!(extra, Some(json!({"plan": "pro", "rate": 1_234_567})), "{what}");
            }
        });
    }
}

#[test]
fn entries_and_what_becomes_of_them() {
    let digest = "ab".repeat(32);
    let bad = "entry 1 has no `sha256` of 64 hexadecimal digits, no `subject`, or an unknown key";
    for (text, entries, notes) in [
        (String::new(), 0, &[][..]),
        ("[]".to_owned(), 0, &[]),
        (format!(r#"[{{"sha256": "{digest}", "subject": "a"}}]"#), 1, &[]),
        (format!("- {{sha256: {digest}}}"), 0, &[bad]),
        (format!("- {{sha256: {digest}, subject: ''}}"), 0, &[bad]),
        ("- {sha256: abcd, subject: a}".to_owned(), 0, &[bad]),
        (format!("- {{sha256: {}, subject: a}}", "é".repeat(32)), 0, &[bad]),
        (format!("- {{sha256: {digest}, subject: a, scope: x}}"), 0, &[bad]),
        (
            format!(
                "- {{sha256: {digest}, subject: a}}\n- {{sha256: {}, subject: b}}",
                digest.to_uppercase()
            ),
            1,
            &["entry 2 is about a key that has one already"],
        ),
    ] {
        let read = read(&text).unwrap();
        assert_eq!(
            (read.content.len(), read.notes.as_slice()),
            (entries, &notes.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..]),
            "{text}"
        );
    }
    for text in ["a: 1", "{", "- [", "secret-key"] {
        assert_eq!(read(text).err().unwrap(), "not a list of `sha256`, `subject` and `extra`", "{text}");
    }
}

#[test]
fn without_a_file_that_was_ever_good_nobody_gets_in() {
    run(async {
        let config = json!({"keys_file": "/nowhere/keys.yaml"});
        let probe = Probe::new("api_key", config, &FakeFetch::new());
        assert_eq!(probe.word(&[("x-api-key", "key-1")]).await, "500 credential-file-unreadable");
    });
}
