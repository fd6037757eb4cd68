//! Servers that do not answer as they should.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::{okctl, stub, text};

/// Exit code and stderr of a question.
fn ask(arguments: &[&str]) -> (Option<i32>, String) {
    let output = okctl(arguments);
    (output.status.code(), text(&output.stderr).trim_end().to_owned())
}

#[test]
fn an_address_at_which_nobody_listens_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://user:secret@{closed}");
    for (command, code) in [("rules", 2), ("health", 1)] {
        let verb = if command == "rules" { "list" } else { "alive" };
        let (exit, message) = ask(&[command, verb, "-e", &endpoint]);
        assert_eq!(exit, Some(code), "{command}");
        assert!(message.contains(&format!("no connection to http://{closed}/")), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn a_server_that_takes_too_long_is_not_alive() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let (exit, message) = ask(&["health", "alive", "-e", &endpoint, "--timeout", "1"]);
    assert_eq!(exit, Some(1));
    assert!(message.ends_with("within 1000ms"), "{message}");
}

#[test]
fn a_server_without_tls_cannot_be_asked_by_https() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", plain.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut connection, _) = plain.accept().unwrap();
        connection.read_exact(&mut [0]).unwrap();
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let (exit, message) = ask(&["rules", "list", "-e", &endpoint]);
    assert_eq!(exit, Some(2));
    assert_eq!(
        message,
        format!("okctl: no connection to {endpoint}/rules: TLS failed: wrong version number")
    );
}

#[test]
fn a_base_path_is_kept_and_a_slash_at_its_end_does_not_matter() {
    let stub = stub::start();
    let endpoint = stub.url("");
    for base in ["", "/", "/gate", "/gate/"] {
        let (exit, message) = ask(&["health", "alive", "--endpoint", &format!("{endpoint}{base}")]);
        assert_eq!((exit, message.as_str()), (Some(0), ""), "{base}");
    }
}

#[test]
fn the_flag_may_stand_before_the_verb_and_wins_over_the_environment() {
    let stub = stub::start();
    let endpoint = stub.url("");
    let output = crate::command(&["rules", "-e", &endpoint, "list"])
        .env("OKCTL_ENDPOINT", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn what_is_no_rules_api_is_told_from_a_rule_that_is_not_there() {
    let stub = stub::start();
    let endpoint = stub.url("");
    let (exit, message) = ask(&["rules", "get", "nope", "-e", &endpoint]);
    assert_eq!(exit, Some(1));
    assert!(message.starts_with("okctl: the server has no rule `nope`"), "{message}");
    for (arguments, saying) in [
        (["rules", "get", "nope", "-e", &format!("{endpoint}/elsewhere")], "answers 404; is it the API of"),
        (["rules", "get", "..", "-e", &endpoint], "cannot be asked for by id"),
        (
            ["rules", "list", "--timeout=1", "-e", &format!("{endpoint}/odd")],
            "something that is no list of rules",
        ),
        (["rules", "list", "--timeout=1", "-e", "localhost:4456"], "is no address of a server"),
    ] {
        let (exit, message) = ask(&arguments);
        assert_eq!(exit, Some(2), "{arguments:?}");
        assert!(message.contains(saying), "{message}");
    }
}

#[test]
fn offline_commands_take_no_endpoint() {
    let (exit, message) = ask(&["rules", "-e", "http://localhost:4456", "validate", "rules"]);
    assert_eq!(exit, Some(2));
    assert_eq!(message, "okctl: this command works offline and takes no `--endpoint`");
}
