//! `okctl doctor` in front of gateways that are none. Those that are one are in the tests of okgate.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use crate::{okctl, text};

/// A gateway that says the same to all, for as long as the test runs; its address.
fn says(answer: &'static str) -> String {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if !matches!(stream.read(&mut byte), Ok(1)) {
                    break;
                }
                head.push(byte[0]);
            }
            let _ = write!(stream, "{answer}\r\n\r\n");
        }
    });
    url
}

/// Exit code, codes of findings by check, and all that was said.
fn doctor(url: &str, more: &[&str]) -> (Option<i32>, Vec<String>, String) {
    let out = okctl(&[&["doctor", "--format", "json", "--timeout", "5", "--url", url], more].concat());
    let said = text(&out.stdout) + &text(&out.stderr);
    let json: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
    let mut found = Vec::new();
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let word = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap().to_owned();
    for check in list(&json, "checks") {
        for finding in list(&check, "findings") {
            found.push(format!("{}: {}", word(&check, "id"), word(&finding, "code")));
        }
    }
    (out.status.code(), found, said)
}

/// A configuration whose rules are for a host that tests have.
fn shop(rules: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(crate::shop().join("config.yaml")).unwrap();
    let (head, _) = config.split_once("access_rules:").unwrap();
    let (_, handlers) = config.split_once("authenticators:").unwrap();
    let place = folder.path().join("rules.yaml");
    let text = format!(
        "{head}access_rules:\n  repositories: [\"file://{}\"]\nauthenticators:{handlers}",
        place.display()
    );
    std::fs::write(folder.path().join("config.yaml"), text).unwrap();
    std::fs::write(place, rules).unwrap();
    folder
}

const RULES: &str = "
- id: open
  match: {methods: [GET], url: \"<https?://[^/]+>/open/<.*>\"}
  authenticators: [{handler: anonymous}]
  authorizer: {handler: allow}
  mutators: [{handler: noop}]
- id: closed
  match: {methods: [GET], url: \"<https?://[^/]+>/closed/<.*>\"}
  authenticators: [{handler: anonymous}]
  authorizer: {handler: deny}
  mutators: [{handler: noop}]
";

#[test]
fn what_all_answers_have_in_common_is_told() {
    let folder = shop(RULES);
    let config = folder.path().join("config.yaml");
    let config = ["-c", config.to_str().unwrap()];
    for (answer, more, code, found) in [
        ("HTTP/1.1 200 OK", &config[..], 1, vec!["asks-okgate: open-gateway"]),
        ("HTTP/1.1 200 OK", &[], 1, vec!["asks-okgate: perhaps-open"]),
        // It may be the upstream's own.
        ("HTTP/1.1 403 No", &config, 1, vec!["lets-through: granted-refused", "statuses: status-changed"]),
        (
            "HTTP/1.1 403 No",
            &["-c", config[1], "--listen", "127.0.0.1:0"],
            1,
            vec!["lets-through: nothing-passes"],
        ),
        ("HTTP/1.1 500 Oh", &config, 1, vec!["asks-okgate: no-decision"]),
        // It may be the upstream that knows no such page.
        ("HTTP/1.1 404 No", &[], 2, vec![]),
        ("HTTP/1.1 403 No", &[], 2, vec![]),
    ] {
        let (exit, codes, said) = doctor(&says(answer), more);
        assert_eq!(
            (exit, codes),
            (Some(code), found.into_iter().map(str::to_owned).collect()),
            "{answer} {more:?}\n{said}"
        );
    }
}

#[test]
fn a_gateway_that_cannot_be_asked_is_not_judged() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    for (url, more, why) in [
        (format!("http://{closed}"), &[][..], "no answer from the gateway at http://127.0.0.1:"),
        (format!("http://{silent}"), &["--timeout", "1"], "no answer in time"),
        (says("SSH-2.0-x"), &[], "the answer is not HTTP/1"),
        ("http://127.0.0.1:1/path".to_owned(), &[], "without a path"),
        ("http://127.0.0.1:1".to_owned(), &["-c", "broken-config.yaml"], "there is no file"),
        ("http://127.0.0.1:1".to_owned(), &["--path", "open"], "`--path` is the path of a URL"),
        ("http://127.0.0.1:1".to_owned(), &["--listen", "nowhere"], "cannot listen at `nowhere`"),
        ("http://127.0.0.1:1".to_owned(), &["-H", "Host: a.test"], "the host is that of `--url`"),
        ("http://127.0.0.1:1".to_owned(), &["-H", "secret"], "a header is written `Name: value`"),
    ] {
        let out = okctl(&[&["doctor", "--url", &url], more].concat());
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{url} {more:?} {said}");
        assert!(said.contains(why) && !said.contains("secret"), "{url} {more:?} {said}");
        assert!(out.stdout.is_empty());
    }
}

#[test]
fn credentials_are_never_shown() {
    let folder = shop(&RULES.replace("handler: deny", "handler: allow").replace("[GET]", "[GET, HEAD]"));
    let config = folder.path().join("config.yaml");
    for answer in ["HTTP/1.1 200 OK", "HTTP/1.1 403 No"] {
        let more = ["-c", config.to_str().unwrap(), "--path", "/open/x", "-H", "X-Api-Key: hunter2"];
        for format in ["json", "human"] {
            let url = says(answer);
            let out = okctl(&[&["doctor", "--url", &url, "--format", format], &more[..]].concat());
            let said = text(&out.stdout) + &text(&out.stderr);
            assert!(said.contains("lets-through"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

#[test]
fn a_path_that_the_rules_refuse_is_no_path_that_passes() {
    let folder = shop(RULES);
    let config = folder.path().join("config.yaml");
    let more = ["-c", config.to_str().unwrap(), "--path", "/closed/x"];
    let (exit, _, said) = doctor(&says("HTTP/1.1 403 No"), &more);
    assert_eq!(exit, Some(2));
    assert!(said.contains("by the configuration, `GET /closed/x` is refused (forbidden, 403)"), "{said}");
}
