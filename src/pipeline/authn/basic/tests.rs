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

/// How often each of these hashes was tried so far.
fn tries(hashes: &[String]) -> Vec<usize> {
    let tried = htpasswd::tests::TRIED.lock().unwrap();
    hashes.iter().map(|hash| tried.iter().filter(|one| *one == hash).count()).collect()
}

#[test]
fn whoever_is_tried_costs_one_hash_and_who_is_not_there_somebody_elses() {
    let hashes: Vec<String> = [4, 5, 4].map(|cost| bcrypt::hash("secret", cost).unwrap()).into();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    let lines = ["ada", "bob", "eve"].iter().zip(&hashes).map(|(user, hash)| format!("{user}:{hash}\n"));
    fs::write(&path, lines.collect::<String>()).unwrap();
    run(async {
        let probe =
            Probe::new("basic", json!({"htpasswd_file": path.display().to_string()}), &FakeFetch::new());
        // The hashes that trying somebody's password costs, by their places in the file.
        let cost = async |user: &str, password: &str| {
            let before = tries(&hashes);
            let authorization = credentials(user, password);
            probe.word(&[("authorization", &authorization)]).await;
            let after = tries(&hashes).into_iter().zip(before).map(|(after, before)| after - before);
            after.enumerate().flat_map(|(place, count)| vec![place; count]).collect::<Vec<_>>()
        };
        for (place, user) in ["ada", "bob", "eve"].into_iter().enumerate() {
            assert_eq!(cost(user, "wrong").await, [place], "{user}");
            assert_eq!(cost(user, "secret").await, [place], "{user}");
            assert_eq!(cost(user, "secret").await, [0; 0], "{user}, as remembered");
        }
        let mut seen = [false; 3];
        for number in 0..40 {
            let user = format!("nobody{number}");
            let first = cost(&user, "secret").await;
            assert_eq!(first.len(), 1, "{user}");
            assert_eq!(cost(&user, "wrong").await, first, "{user}: always the same one");
            assert_eq!(cost(&user, "wrong").await, [0; 0], "{user}, as remembered");
            seen[first[0]] = true;
        }
        assert_eq!(seen, [true; 3], "who is not there costs what those cost who are");
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
