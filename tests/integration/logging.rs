//! Logging never holds up a decision, and never tells a credential.

use crate::given::{CONFIG, allows, okgate, with_config};
use okgate_testkit::gate::{Gate, Stderr};
use okgate_testkit::http::{Connection, Request};
use okgate_testkit::wait::eventually;
use std::io::{BufRead as _, BufReader};
use std::sync::mpsc;
use std::time::Duration;

/// Decisions whose log lines are more than a pipe and any waiting line hold.
const MANY: usize = 12_000;
/// Decisions asked for at a time.
const AT_ONCE: usize = 100;

fn many_decisions(gate: &Gate) {
    let ask = Request::decision("GET", "http://app.test/x").header("Connection", "keep-alive").to_bytes();
    let mut connection = Connection::open(gate.port()).unwrap();
    for batch in 0..MANY / AT_ONCE {
        connection.send(&ask.repeat(AT_ONCE)).unwrap();
        for n in 0..AT_ONCE {
            let reply = connection.reply(false).unwrap_or_else(|e| panic!("decision {batch}/{n}: {e}"));
            assert_eq!(reply.status, 200, "decision {batch}/{n}");
        }
    }
}

#[test]
fn a_log_that_nobody_reads_does_not_hold_up_decisions() {
    let config = format!("{CONFIG}\nlog: {{level: debug, format: json}}");
    let mut gate = with_config(&config)
        .file("rules.yaml", allows("all", "http://app.test/<.*>"))
        .stderr(Stderr::Unread)
        .run();
    many_decisions(&gate);
    assert_eq!(gate.get("/health/ready").status, 200);
    gate.process().signal("TERM").unwrap();
    let ended = gate.process().ends_within(Duration::from_secs(20));
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "it ends although nobody reads the rest");
}

#[test]
fn lines_that_were_lost_are_counted() {
    let mut gate = okgate(&allows("all", "http://app.test/<.*>")).stderr(Stderr::Unread).run();
    many_decisions(&gate);
    let pipe = gate.process().child().stderr.take().unwrap();
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    // The count is told at the next reload, once there is room for the line.
    eventually("the count of lost lines", || {
        gate.process().signal("HUP").unwrap();
        lines.try_iter().find(|line| line.contains("log.dropped_lines"))
    });
}

#[test]
fn a_log_that_was_closed_does_not_hold_up_decisions() {
    let gate = okgate(&allows("all", "http://app.test/<.*>")).stderr(Stderr::Closed).run();
    many_decisions(&gate);
    assert_eq!(gate.get("/health/ready").status, 200);
}

#[test]
fn a_decision_is_one_line_with_its_rule_and_without_the_query() {
    let config = format!("{CONFIG}\nlog: {{level: info, format: json}}");
    let gate = with_config(&config).file("rules.yaml", allows("all", "http://app.test/<.*>")).run();
    gate.decide("GET", "http://app.test/x?token=hidden");
    let line = eventually("a line about the decision", || {
        let log = gate.stderr();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("access request granted")).collect();
        assert!(lines.len() <= 1, "{log}");
        lines.first().and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok())
    });
    for (key, value) in [
        ("level", "info"),
        ("rule.id", "all"),
        ("http.method", "GET"),
        ("http.url", "http://app.test/x"),
        ("session.subject", "guest"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert_eq!(line["decision.granted"], true);
}

#[test]
fn a_request_that_several_rules_match_is_logged_with_all_of_them() {
    let gate =
        okgate(&(allows("first", "http://app.test/<.*>") + &allows("second", "http://app.test/x"))).run();
    assert_eq!(gate.decide("GET", "http://app.test/x").status, 500);
    eventually("both rules in the log", || {
        gate.stderr()
            .lines()
            .find(|line| {
                line.contains("access request denied") && line.contains("first") && line.contains("second")
            })
            .map(str::to_owned)
    });
}

#[test]
fn a_decision_that_failed_is_logged_where_only_warnings_are() {
    let config = format!("{CONFIG}\nlog: {{level: warn, format: json}}");
    let rules = allows("first", "http://app.test/<.*>") + &allows("second", "http://app.test/x");
    let gate = with_config(&config).file("rules.yaml", rules).run();
    assert_eq!(gate.decide("GET", "http://app.test/y").status, 200);
    assert_eq!(gate.decide("GET", "http://other.test/y").status, 404);
    assert_eq!(gate.decide("GET", "http://app.test/x").status, 500);
    let line = eventually("the decision that failed", || {
        gate.stderr().lines().find(|line| line.contains("access request")).map(str::to_owned)
    });
    assert!(line.contains("several-rules"), "{line}");
}

#[test]
fn no_credential_is_ever_logged() {
    let config = format!("{CONFIG}\nlog: {{level: trace, format: json}}");
    let gate = with_config(&config).file("rules.yaml", allows("all", "http://app.test/<.*>")).run();
    for url in ["http://app.test/x?token=s3cret-query", "http://other.test/x?token=s3cret-query"] {
        let ask = Request::decision("GET", url)
            .header("Authorization", "Bearer s3cret-token")
            .header("Cookie", "sid=s3cret-cookie")
            .header("Proxy-Authorization", "Basic s3cret-proxy");
        gate.send(&ask);
        gate.send(
            &Request::get("/decisions/x?token=s3cret-query").header("Authorization", "Basic s3cret-token"),
        );
    }
    gate.get("/health/alive");
    eventually("the log of a decision", || gate.stderr().contains("access request denied").then_some(()));
    let log = gate.stderr();
    assert!(!log.contains("s3cret"), "{log}");
}
