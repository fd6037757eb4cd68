//! What Prometheus reads at `serve.prometheus`.

mod exposition;

use self::exposition::Samples;
use crate::given::{CONFIG, allows, okgate, rule, with_config};
use okgate_testkit::certificate::certificate;
use okgate_testkit::gate::Gate;
use okgate_testkit::http::{Connection, Reply, Request, exchange};
use okgate_testkit::stub::Stub;
use okgate_testkit::wait::{eventually, until};
use serde_json::json;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

/// The prefix that everything has where no other one is configured.
const P: &str = "ory_oathkeeper_";

/// okgate with metrics and these settings for them.
fn measured(rules: &str, settings: &str) -> (Gate, u16) {
    let mut gate = with_config(&config(settings))
        .file("rules.yaml", rules)
        .env("SERVE_API_TRUSTED_PROXIES", "127.0.0.1")
        .run()
        .ready();
    let port = listener(&mut gate, "prometheus");
    (gate, port)
}

fn config(settings: &str) -> String {
    let serve = format!("serve: {{prometheus: {{host: 127.0.0.1, port: 0{settings}}}, ");
    CONFIG.replace("serve: {", &serve)
}

/// The port of a listener.
fn listener(gate: &mut Gate, name: &str) -> u16 {
    let begin = format!("okgate: serving {name} on http");
    eventually("a line about the listener", || {
        let said = gate.stdout();
        let line = said.lines().find(|line| line.starts_with(&begin))?;
        line.rsplit(':').next()?.parse().ok()
    })
}

fn ask(port: u16, request: &Request) -> Reply {
    exchange(port, false, &request.to_bytes(), request.method == "HEAD").expect("an answer")
}

fn samples(port: u16) -> Samples {
    let reply = ask(port, &Request::get("/metrics"));
    assert_eq!(reply.status, 200);
    Samples::read(&reply.text())
}

/// Waits for a sample to have a value.
#[track_caller]
fn becomes(port: u16, sample: &str, value: f64) {
    let mut last = None;
    let mut look = || {
        last = samples(port).get(sample);
        (last == Some(value)).then_some(())
    };
    let found = until(Duration::from_secs(10), &mut look);
    assert!(found.is_some(), "{sample} is {last:?}, not {value}");
}

/// The labels of requests, with their count.
fn requests(port: u16) -> Vec<String> {
    let samples = samples(port);
    let all = samples.of(&format!("{P}requests_total"));
    let shown = all.iter().map(|sample| {
        let value = |label: &str| {
            let (_, rest) = sample.split_once(&format!("{label}=\"")).expect("the label");
            rest.split_once('"').expect("its end").0.to_owned()
        };
        let count = samples.get(sample).unwrap_or_default();
        let [service, method, request, status] = ["service", "method", "request", "status_code"].map(value);
        format!("{} {method} {request} {status} {count}", service.trim_start_matches("oathkeeper-"))
    });
    shown.collect()
}

#[test]
fn requests_and_decisions_are_counted() {
    let rules = allows("all", "http://app.test/in/<.*>")
        + &rule("nobody", "http://app.test/out/<.*>", "unauthorized", "allow", "{handler: noop}")
        + &rule("denied", "http://app.test/no/<.*>", "anonymous", "deny", "{handler: noop}");
    let (gate, port) = measured(&rules, "");
    for path in ["in/1", "in/2", "in/3", "out/1", "no/1", "no/2", "none"] {
        gate.decide("GET", &format!("http://app.test/{path}"));
    }
    gate.get("/decisions/a/b?token=secret");
    gate.get("/rules?limit=1");
    gate.get("/rules/all");
    gate.get("/health/alive");
    gate.get("/nothing/here");
    assert_eq!(
        requests(port),
        [
            "api GET /decisions 200 3",
            "api GET /decisions 401 1",
            "api GET /decisions 403 2",
            "api GET /decisions 404 2",
            "api GET /nothing 404 1",
            "api GET /rules 200 2",
        ]
    );
    let samples = samples(port);
    for (outcome, count) in [
        ("granted", 3.0),
        ("unauthenticated", 1.0),
        ("forbidden", 2.0),
        ("no-rule", 2.0),
        ("misconfigured", 0.0),
    ] {
        let sample = format!("{P}decisions_total{{dialect=\"oathkeeper\",outcome=\"{outcome}\"}}");
        assert_eq!(samples.get(&sample), Some(count), "{outcome}");
    }
    for (sample, value) in [
        ("rules{state=\"valid\"}", 3.0),
        ("rules{state=\"invalid\"}", 0.0),
        ("rule_sources{state=\"ok\"}", 1.0),
        ("ready", 1.0),
        ("requests_in_flight{service=\"oathkeeper-api\"}", 0.0),
        ("last_reload_successful", 1.0),
        ("log_lines_dropped_total", 0.0),
        (&format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0),
    ] {
        assert_eq!(samples.get(&format!("{P}{sample}")), Some(value), "{sample}");
    }
    let began = samples.get("process_start_time_seconds").expect("a start");
    let since = samples.get(&format!("{P}last_reload_success_timestamp_seconds")).expect("a load");
    assert!((since - began).abs() < 60.0, "{began} {since}");
    assert!(samples.get("process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6));
    let text = ask(port, &Request::get("/metrics")).text();
    assert!(!text.contains("secret") && !text.contains("app.test"), "{text}");
}

#[test]
fn metrics_are_at_their_path_in_the_form_that_is_asked_for() {
    let (_gate, port) =
        measured(&allows("all", "http://app.test/"), ", metrics_path: /m, metric_name_prefix: my-gate.");
    for (request, status, kind) in [
        (Request::get("/m"), 200, "text/plain; version=0.0.4; charset=utf-8"),
        (Request::get("/m?x=1"), 200, "text/plain; version=0.0.4; charset=utf-8"),
        (Request::new("HEAD", "/m"), 200, "text/plain; version=0.0.4; charset=utf-8"),
        (
            Request::get("/m")
                .header("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
            200,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        (Request::get("/metrics").header("Accept", "text/plain"), 404, "text/plain; charset=utf-8"),
        (Request::get("/decisions").header("Accept", "text/plain"), 404, "text/plain; charset=utf-8"),
    ] {
        let reply = ask(port, &request);
        let found = (reply.status, reply.header("Content-Type"));
        assert_eq!(found, (status, Some(kind.to_owned())), "{}", reply.summary());
        if kind.contains("openmetrics") {
            assert!(reply.text().ends_with("\n# EOF\n"), "{}", reply.text());
        } else if status == 200 && request.method == "GET" {
            let samples = Samples::read(&reply.text());
            assert_eq!(samples.get("my_gate_rules{state=\"valid\"}"), Some(1.0));
        }
    }
}

/// Sends requests one after another on one connection.
fn send_all(port: u16, requests: impl Iterator<Item = Request>) {
    let mut connection = Connection::open(port).unwrap();
    for request in requests {
        let request = request.header("Connection", "keep-alive");
        connection.send(&request.to_bytes()).unwrap();
        connection.reply(request.method == "HEAD").unwrap();
    }
}

#[test]
fn whatever_is_asked_there_are_not_many_metrics() {
    for (settings, most) in
        [("", 120), (", hide_request_paths: true", 20), (", collapse_request_paths: false", 1100)]
    {
        let (gate, port) = measured(&allows("all", "http://app.test/<.*>"), settings);
        let paths = (0..2500).map(|n| Request::get(format!("/{n}/{n}?{n}")));
        let methods = (0..300).map(|n| Request::new(&format!("VERB{n}"), "/decisions"));
        let strange = ["/\"\\", "/%0a%22", "*", "/decisions/\"", "//", "http://x/y"].map(Request::get);
        send_all(gate.port(), paths.chain(methods).chain(strange));
        gate.decide("GET", "http://app.test/x");
        let seen = requests(port);
        assert!(seen.len() < most, "{settings}: {} of {seen:?}", seen.len());
        assert!(seen.iter().all(|one| !one.contains('?') && !one.contains("VERB")), "{seen:?}");
        let path = if settings.contains("hide") { "" } else { "/decisions" };
        assert!(seen.contains(&format!("api GET {path} 200 1")), "{settings}: {seen:?}");
        let all: u32 = seen.iter().map(|one| one.rsplit(' ').next().unwrap().parse::<u32>().unwrap()).sum();
        assert_eq!(all, 2500 + 300 + 6 + 1, "{settings}: {seen:?}");
    }
}

#[test]
fn a_probe_is_not_counted_and_nothing_hides_as_one() {
    let (gate, port) = measured(&allows("all", "http://app.test/<.*>"), "");
    for path in ["/health/alive", "/health/ready"] {
        gate.get(path);
        assert_eq!(gate.decide("GET", &format!("http://app.test{path}")).status, 200);
    }
    assert_eq!(requests(port), ["api GET /decisions 200 2"]);
}

#[test]
fn reloads_are_counted_by_how_they_end() {
    let (gate, port) = measured(&allows("one", "http://app.test/<.*>"), "");
    let (good, bad) = ("reloads_total{outcome=\"success\"}", "reloads_total{outcome=\"failure\"}");
    gate.write("rules.yaml", &(allows("one", "http://app.test/a") + &allows("two", "http://app.test/b")));
    becomes(port, &format!("{P}rules{{state=\"valid\"}}"), 2.0);
    becomes(port, &format!("{P}{good}"), 1.0);
    let before = samples(port).get(&format!("{P}last_reload_success_timestamp_seconds"));
    // A file that cannot be read leaves the rules that were there.
    gate.write("rules.yaml", "{");
    becomes(port, &format!("{P}{bad}"), 1.0);
    let after = samples(port);
    for (sample, value) in [
        ("last_reload_successful", Some(0.0)),
        ("last_reload_success_timestamp_seconds", before),
        ("rules{state=\"valid\"}", Some(2.0)),
        ("rule_sources{state=\"failing\"}", Some(1.0)),
        ("findings{severity=\"error\"}", Some(1.0)),
    ] {
        assert_eq!(after.get(&format!("{P}{sample}")), value, "{sample}");
    }
    gate.write("rules.yaml", &(allows("one", "http://app.test/a") + &allows("two", "http://app.test/<(>")));
    becomes(port, &format!("{P}rules{{state=\"invalid\"}}"), 1.0);
    becomes(port, &format!("{P}{bad}"), 2.0);
    gate.write("rules.yaml", &allows("one", "http://app.test/a"));
    becomes(port, &format!("{P}last_reload_successful"), 1.0);
    becomes(port, &format!("{P}{good}"), 2.0);
    assert_eq!(samples(port).get(&format!("{P}rule_sources{{state=\"failing\"}}")), Some(0.0));
}

/// okgate that asks a service who somebody is.
fn asking(stub: &Stub, cache: &str) -> (Gate, u16) {
    let session = format!(
        "  cookie_session: {{enabled: true, config: {{check_session_url: '{}', preserve_path: true, timeout: 5s{cache}}}}}\n  unauthorized",
        stub.url("/session")
    );
    let config = CONFIG
        .replace("  unauthorized", &session)
        .replace("serve: {", "serve: {prometheus: {host: 127.0.0.1, port: 0}, ");
    let rules = rule("session", "http://app.test/<.*>", "cookie_session", "allow", "{handler: noop}");
    let mut gate = with_config(&config).file("rules.yaml", rules).run().ready();
    let port = listener(&mut gate, "prometheus");
    (gate, port)
}

fn with_cookie(cookie: &str) -> Request {
    Request::decision("GET", "http://app.test/x").header("Cookie", format!("sid={cookie}"))
}

#[test]
fn calls_to_services_and_what_is_remembered_of_them_are_counted() {
    let stub = Stub::with(json!([
        {"path": "/session", "match_headers": {"Cookie": "sid=good"}, "respond": {"body": {"subject": "ada"}}},
        {"path": "/session", "match_headers": {"Cookie": "sid=ill"}, "respond": {"close": true}},
        {"path": "/session", "respond": {"status": 401}},
    ]));
    let (gate, port) = asking(&stub, ", cache: {enabled: true}");
    for (cookie, status) in [("good", 200), ("good", 200), ("good", 200), ("bad", 401), ("ill", 403)] {
        assert_eq!(gate.send(&with_cookie(cookie)).status, status, "{cookie}: {}", gate.stderr());
    }
    let samples = samples(port);
    let calls = |outcome: &str| {
        samples.get(&format!("{P}backend_calls_total{{handler=\"cookie_session\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!(
        ["2xx", "4xx", "broken-off", "timed-out"].map(calls),
        [Some(1.0), Some(1.0), Some(1.0), Some(0.0)]
    );
    for (sample, value) in [
        // One of them was made again.
        ("backend_attempts_total{handler=\"cookie_session\"}", 4.0),
        ("backend_call_duration_seconds_count{handler=\"cookie_session\"}", 3.0),
        ("backend_calls_in_flight", 0.0),
        ("cache_hits_total", 2.0),
        ("cache_entries", 1.0),
        ("cache_evictions_total", 0.0),
    ] {
        assert_eq!(samples.get(&format!("{P}{sample}")), Some(value), "{sample}");
    }
    let bytes = samples.get(&format!("{P}cache_bytes")).expect("bytes");
    let most = samples.get(&format!("{P}cache_max_bytes")).expect("bytes");
    assert!(bytes > 100.0 && bytes < most, "{bytes} of {most}");
    let kinds = samples.of(&format!("{P}backend_calls_total"));
    assert!(kinds.len() < 20, "{kinds:?}");
}

#[test]
fn what_is_under_way_is_seen_and_what_is_given_up_is_counted() {
    let stub = Stub::with(json!([
        {"path": "/session", "respond": {"delay_ms": 3000, "body": {"subject": "ada"}}},
    ]));
    let (gate, port) = asking(&stub, "");
    let mut waiting = Connection::open(gate.port()).unwrap();
    waiting.send(&with_cookie("slow").to_bytes()).unwrap();
    becomes(port, &format!("{P}requests_in_flight{{service=\"oathkeeper-api\"}}"), 1.0);
    becomes(port, &format!("{P}backend_calls_in_flight"), 1.0);
    drop(waiting);
    becomes(port, &format!("{P}requests_in_flight{{service=\"oathkeeper-api\"}}"), 0.0);
    let seen = requests(port);
    assert!(seen == ["api GET /decisions 200 1"] || seen == ["api GET /decisions 499 1"], "{seen:?}");
}

#[test]
fn the_proxy_and_every_dialect_count_apart() {
    let stub =
        Stub::with(json!([{"path": "/shop/1", "respond": {"body": "hello"}}, {"path": "/health/alive"}]));
    let config = CONFIG.replace(
        "port: 0}}",
        "port: 0, endpoints: [{path: /gate/nginx, dialect: nginx}]}, proxy: {host: 127.0.0.1, port: 0}, prometheus: {host: 127.0.0.1, port: 0}}",
    );
    let upstream = format!("  upstream: {{url: '{}'}}\n", stub.url(""));
    let rules = allows("shop", "http://gate.test/<.*>") + &upstream;
    let mut gate = with_config(&config)
        .file("rules.yaml", rules)
        .env("SERVE_API_TRUSTED_PROXIES", "127.0.0.1")
        .run()
        .ready();
    let (proxy, port) = (listener(&mut gate, "proxy"), listener(&mut gate, "prometheus"));
    assert_eq!(ask(proxy, &Request::get("/shop/1?q=secret")).text(), "hello");
    // A client's own, not a probe of okgate.
    assert_eq!(ask(proxy, &Request::get("/health/alive")).status, 200);
    assert_eq!(ask(proxy, &Request::get("/").header("Host", "other.test")).status, 404);
    gate.get("/gate/nginx");
    assert_eq!(
        requests(port),
        ["proxy GET / 404 1", "api GET /gate 403 1", "proxy GET /health 200 1", "proxy GET /shop 200 1",]
    );
    let samples = samples(port);
    for (dialect, outcome, count) in [
        ("proxy", "granted", 2.0),
        ("proxy", "no-rule", 1.0),
        ("nginx", "bad-request", 1.0),
        ("oathkeeper", "granted", 0.0),
    ] {
        let sample = format!("{P}decisions_total{{dialect=\"{dialect}\",outcome=\"{outcome}\"}}");
        assert_eq!(samples.get(&sample), Some(count), "{dialect} {outcome}");
    }
    assert!(samples.of(&format!("{P}decisions_total")).iter().all(|one| !one.contains("envoy")));
}

#[test]
fn there_are_no_metrics_unless_they_are_wanted() {
    let mut gate = okgate(&allows("all", "http://app.test/<.*>")).run();
    assert!(!gate.stdout().contains("prometheus"), "{}", gate.stdout());
    assert_eq!(gate.get("/metrics").status, 404);
}

#[test]
fn a_taken_port_is_a_failed_start() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let serve = format!("serve: {{prometheus: {{host: 127.0.0.1, port: {port}}}, ");
    let config = CONFIG.replace("serve: {", &serve);
    let ended = with_config(&config).file("rules.yaml", "[]").try_run().err().expect("a failed start");
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("`serve.prometheus.port`"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn metrics_can_be_read_over_tls() {
    let (cert, key) = certificate();
    let tls = ", tls: {cert: {path: cert.pem}, key: {path: key.pem}}";
    let mut gate =
        with_config(&config(tls)).file("rules.yaml", "[]").file("cert.pem", cert).file("key.pem", key).run();
    let port = listener(&mut gate, "prometheus");
    let reply = exchange(port, true, &Request::get("/metrics").to_bytes(), false).expect("metrics");
    assert_eq!(Samples::read(&reply.text()).get(&format!("{P}ready")), Some(0.0));
}

#[test]
fn a_change_of_what_is_shown_waits_for_a_restart() {
    let (gate, port) = measured(&allows("all", "http://app.test/<.*>"), "");
    let changed = config(", metric_name_prefix: changed_");
    gate.write("config.yaml", &changed);
    eventually("a word about it", || gate.stderr().contains("config.key=\"serve.prometheus\"").then_some(()));
    assert_eq!(samples(port).get(&format!("{P}ready")), Some(1.0));
}

#[test]
fn metrics_can_be_read_through_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("metrics.sock");
    let serve = format!("serve: {{prometheus: {{host: 'unix:{}'}}, ", socket.display());
    let _gate = with_config(&CONFIG.replace("serve: {", &serve)).file("rules.yaml", "[]").run();
    let text = eventually("an answer", || over_socket(&socket));
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    assert_eq!(Samples::read(body).get(&format!("{P}ready")), Some(0.0));
}

fn over_socket(path: &Path) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::os::unix::net::UnixStream::connect(path).ok()?;
    stream.write_all(&Request::get("/metrics").to_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}
