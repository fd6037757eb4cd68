//! The process begins, is told to end or to reload, and ends.

use crate::given::{CONFIG, allows, okgate, with_config};
use okgate_testkit::gate::{Gate, Start};
use okgate_testkit::http::{Connection, Request};
use okgate_testkit::stub::Stub;
use okgate_testkit::wait::eventually;
use serde_json::json;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// The exit code after a signal.
fn exit_code(gate: &mut Gate, signal: &str) -> Option<i32> {
    gate.process().signal(signal).unwrap();
    gate.process().ends_within(LIMIT).expect("an end within ten seconds").code()
}

fn everything() -> Start {
    okgate(&allows("all", "http://app.test/<.*>"))
}

#[test]
fn it_says_where_it_serves_once_it_accepts_connections() {
    let mut gate = everything().run();
    assert_eq!(gate.stdout(), format!("okgate: serving api on http://127.0.0.1:{}", gate.port()));
    assert_eq!(gate.get("/health/alive").status, 200);
}

#[test]
fn sigterm_and_sigint_end_it_with_exit_code_0() {
    for signal in ["TERM", "INT"] {
        let mut gate = everything().run();
        assert_eq!(exit_code(&mut gate, signal), Some(0), "{signal}: {}", gate.stderr());
    }
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let mut gate = everything().run();
    let mut idle = Connection::open(gate.port()).unwrap();
    idle.send(&Request::get("/health/alive").header("Connection", "keep-alive").to_bytes()).unwrap();
    assert_eq!(idle.reply(false).unwrap().status, 200);
    assert_eq!(exit_code(&mut gate, "TERM"), Some(0));
    assert!(idle.is_ended());
}

#[test]
fn sigterm_answers_the_request_under_way_and_takes_no_new_ones() {
    // The key set comes late, so that the decision is under way for as long as that takes.
    let stub = Stub::with(json!([{"path": "/jwks", "respond": {"delay_ms": 1500, "body": {"keys": []}}}]));
    let config = format!(
        "{CONFIG}
  fallback: [json]
access_rules: {{repositories: ['file://rules.yaml']}}"
    );
    let config = config.replace(
        "  noop: {enabled: true}\n  unauthorized",
        &format!(
            "  jwt: {{enabled: true, config: {{jwks_urls: ['{}'], jwks_max_wait: 10s}}}}\n  unauthorized",
            stub.url("/jwks")
        ),
    );
    let config = config.replacen("access_rules: {repositories: ['file://rules.yaml']}\n", "", 1);
    let rule = crate::given::rule("jwt", "http://app.test/<.*>", "jwt", "allow", "{handler: noop}");
    let mut gate = with_config(&config).file("rules.yaml", rule).run();
    let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AAAA";
    let asked =
        Request::decision("GET", "http://app.test/x").header("Authorization", format!("Bearer {token}"));
    let mut under_way = Connection::open(gate.port()).unwrap();
    under_way.send(&asked.to_bytes()).unwrap();
    eventually("the key set is asked for", || stub.take_calls().pop());
    gate.process().signal("TERM").unwrap();
    let port = gate.port();
    eventually("no new connections", || TcpStream::connect(("127.0.0.1", port)).is_err().then_some(()));
    assert_eq!(under_way.reply(false).expect("the answer under way").status, 401);
    assert_eq!(gate.process().ends_within(LIMIT).and_then(|s| s.code()), Some(0), "{}", gate.stderr());
}

#[test]
fn sighup_reloads_and_keeps_serving() {
    let mut gate = everything().run();
    gate.process().signal("HUP").unwrap();
    eventually("a reload in the log", || gate.stderr().contains("access rules reloaded").then_some(()));
    assert_eq!(gate.decide("GET", "http://app.test/x").status, 200);
    assert!(gate.process().ended().is_none());
}

#[test]
fn a_taken_port_ends_the_start_with_the_address_and_a_way_out() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = CONFIG.replace("port: 0", &format!("port: {port}"));
    let ended = with_config(&config).file("rules.yaml", "[]").try_run().err().expect("no start");
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stdout, "");
    for part in [format!("127.0.0.1:{port}"), "serve.api".into(), "address already in use".into()] {
        assert!(ended.stderr.contains(&part), "{part} in {}", ended.stderr);
    }
}

#[test]
fn a_configuration_that_is_not_there_ends_the_start() {
    let ended = okgate("[]").args(&["serve", "-c", "none.yaml"]).try_run().err().expect("no start");
    assert!(!ended.status.success());
    assert!(ended.stderr.contains("none.yaml"), "{}", ended.stderr);
}

#[test]
fn configuration_files_are_merged_in_order_and_the_environment_wins() {
    let subject = |start: Start| {
        let rule = crate::given::rule(
            "who",
            "http://app.test/<.*>",
            "anonymous",
            "allow",
            "{handler: header, config: {headers: {X-User: '{{ print .Subject }}'}}}",
        );
        let gate = start
            .file("rules.yaml", rule)
            .file("second.json", r#"{"authenticators": {"anonymous": {"config": {"subject": "second"}}}}"#)
            .run();
        gate.decide("GET", "http://app.test/x").header("x-user")
    };
    let start = || with_config(CONFIG);
    assert_eq!(subject(start()).as_deref(), Some("guest"));
    assert_eq!(
        subject(start().args(&["serve", "-c", "config.yaml", "-c", "second.json"])).as_deref(),
        Some("second")
    );
    assert_eq!(subject(start().args(&["-c", "config.yaml,second.json", "serve"])).as_deref(), Some("second"));
    let from_environment = start()
        .args(&["serve", "-c", "config.yaml", "-c", "second.json"])
        .env("AUTHENTICATORS_ANONYMOUS_CONFIG_SUBJECT", "env");
    assert_eq!(subject(from_environment).as_deref(), Some("env"));
}

#[test]
fn a_port_of_the_environment_is_taken() {
    let gate = everything().env("SERVE_API_HOST", "127.0.0.1").env("SERVE_API_PORT", "0").run();
    assert_eq!(gate.get("/health/alive").status, 200);
}

#[test]
fn oathkeepers_telemetry_switches_are_accepted() {
    let gate =
        everything().args(&["serve", "--sqa-opt-out", "--disable-telemetry", "-c", "config.yaml"]).run();
    assert_eq!(gate.get("/health/alive").status, 200);
}

#[test]
fn what_is_no_command_is_refused_with_exit_code_2() {
    for args in [&["sevre"][..], &[], &["serve", "--nope"], &["serve", "-c"]] {
        let ended = okgate("[]").args(args).try_run().err().expect("no start");
        assert_eq!(ended.status.code(), Some(2), "{args:?}");
        assert!(!ended.stderr.is_empty());
    }
}

#[test]
fn version_and_help_go_to_stdout() {
    for (args, part) in [
        (&["version"][..], concat!("okgate ", env!("CARGO_PKG_VERSION"))),
        (&["--version"], "okgate "),
        (&["help"], "Usage: okgate"),
        (&["serve", "--help"], "Usage: okgate"),
    ] {
        let ended = okgate("[]").args(args).try_run().err().expect("no server");
        assert!(ended.status.success(), "{args:?}");
        assert!(ended.stdout.contains(part), "{args:?}: {}", ended.stdout);
        assert_eq!(ended.stderr, "", "{args:?}");
    }
}
