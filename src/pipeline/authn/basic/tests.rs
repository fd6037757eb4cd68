use std::fs;

use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::keys::fixtures::run;
use crate::pipeline::authn::testing::Probe;
use crate::upstream::fake::FakeFetch;

/// Users `ada` with `secret`, `bob` with `pa:ss`.
fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
    fs::write(&path, format!("ada:{}\nbob:{}\n", hash("secret"), hash("pa:ss"))).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

fn credentials(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn who_is_in_the_file_gets_in() {
    let (_folder, path) = folder();
    run(async {
        let probe = Probe::new("basic", json!({"htpasswd_file": path}), &FakeFetch::new());
        for (user, password, want) in [
            ("ada", "secret", "ada"),
            ("bob", "pa:ss", "bob"),
            ("ada", "Secret", "401 credentials-wrong"),
            ("ada", "", "401 credentials-wrong"),
            ("ada", "pa:ss", "401 credentials-wrong"),
            ("eve", "secret", "401 credentials-wrong"),
            ("", "secret", "401 credentials-wrong"),
            ("ada", &"x".repeat(2000), "401 credentials-wrong"),
        ] {
            for again in ["at first", "as remembered"] {
                let authorization = credentials(user, password);
                let word = probe.word(&[("authorization", &authorization)]).await;
                assert_eq!(word, want, "{user} {password:.20} {again}");
            }
        }
        for other in ["Bearer x", "Basic !!!", ""] {
            assert_eq!(probe.word(&[("authorization", other)]).await, "not responsible", "{other}");
        }
        assert_eq!(probe.word(&[]).await, "not responsible");
    });
}

#[test]
fn every_refusal_says_the_same() {
    let (_folder, path) = folder();
    run(async {
        let probe = Probe::new("basic", json!({"htpasswd_file": path}), &FakeFetch::new());
        let mut said = Vec::new();
        for (user, password) in [("ada", "wrong"), ("eve", "secret")] {
            let authorization = credentials(user, password);
            let asked = [("authorization", authorization.as_str())];
            let outcome = probe.ask(&crate::pipeline::authn::testing::Asked::with(&asked)).await;
            said.push(format!("{:?}", outcome.denial.unwrap()));
        }
        assert_eq!(said[0], said[1]);
        assert!(!said[0].contains("ada"), "{}", said[0]);
    });
}

#[test]
fn an_unknown_user_costs_a_try_as_well() {
    let (_folder, path) = folder();
    run(async {
        let probe = Probe::new("basic", json!({"htpasswd_file": path}), &FakeFetch::new());
        for (user, entries) in [("ada", 1), ("eve", 2)] {
            let authorization = credentials(user, "wrong");
            probe.word(&[("authorization", &authorization)]).await;
            assert_eq!(probe.shared.cache.len(), entries, "{user}: a try was made and is remembered");
        }
    });
}

#[test]
fn equal_credentials_at_the_same_time_are_one_try() {
    let (_folder, path) = folder();
    run(async {
        let probe = Probe::new("basic", json!({"htpasswd_file": path}), &FakeFetch::new());
        let authorization = credentials("ada", "secret");
        let headers = [("authorization", authorization.as_str())];
        let words = join_all((0..200).map(|_| probe.word(&headers))).await;
        assert!(words.iter().all(|word| word == "ada"), "{words:?}");
        assert_eq!((probe.shared.cache.len(), probe.shared.calls.in_flight()), (1, 0));
    });
}

#[test]
fn another_password_in_the_file_counts_at_once() {
    let users = |password: &str| {
        let text = format!("ada:{}", bcrypt::hash(password, 4).unwrap());
        Users::read(&text).unwrap().content
    };
    let shared = crate::pipeline::Shared::new(1 << 20);
    let basic = Basic {
        users: None,
        space: Space::new("basic", &[]),
        cache: Arc::clone(&shared.cache),
        calls: Arc::clone(&shared.calls),
    };
    run(async {
        for (before, after, want) in [("secret", "secret", true), ("secret", "changed", false)] {
            let attempt = basic.attempt(&users(before), b"ada", b"secret").unwrap();
            assert!(basic.fits(attempt, 100).await.unwrap());
            let attempt = basic.attempt(&users(after), b"ada", b"secret").unwrap();
            assert_eq!(basic.fits(attempt, 100).await.unwrap(), want, "{after}");
        }
    });
}

#[test]
fn without_a_file_that_was_ever_good_nobody_gets_in() {
    run(async {
        let probe = Probe::new("basic", json!({"htpasswd_file": "/nowhere/htpasswd"}), &FakeFetch::new());
        let authorization = credentials("ada", "secret");
        assert_eq!(probe.word(&[("authorization", &authorization)]).await, "500 credential-file-unreadable");
    });
}
