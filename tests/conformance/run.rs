//! Asks the cases of a suite, one after another.

use crate::check::{Got, differences};
use crate::placeholder::bytes;
use crate::server::{Server, Started};
use crate::suite::{Case, Poll, Step, Suite, Until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use okgate_testkit::http::{self, Reply, Request};
use okgate_testkit::stub::Stub;
use okgate_testkit::wait;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::time::Duration;

/// How long calls may come after the answer.
const OUTSTANDING_CALLS: Duration = Duration::from_millis(300);

/// What became of a row.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// As recorded.
    AsRecorded,
    /// Otherwise, in a way that the case itself calls right.
    Departs,
    /// Otherwise.
    Fails(String),
}

/// Starts the server for `suite` and tells the outcome of each row that is `wanted`.
pub fn run(suite: &Suite, wanted: &dyn Fn(&str) -> bool, tell: &dyn Fn(String, Outcome)) {
    let tell_all = |outcome: &Outcome| {
        suite.rows().into_iter().filter(|row| wanted(row)).for_each(|row| tell(row, outcome.clone()));
    };
    let stub = match Stub::start() {
        Ok(stub) => stub,
        Err(e) => return tell_all(&Outcome::Fails(format!("no stub: {e}"))),
    };
    let mut server = match Server::start(suite, &stub) {
        Ok(Started::Serving(server)) => server,
        Ok(Started::Judged { differences, departure }) => {
            return tell_all(&match (differences.is_empty(), departure) {
                (true, _) => Outcome::AsRecorded,
                (false, true) => Outcome::Departs,
                (false, false) => Outcome::Fails(explain(suite, None, &differences)),
            });
        }
        Err(why) => return tell_all(&Outcome::Fails(why)),
    };
    for case in suite.cases.iter().filter(|case| wanted(&suite.row(case))) {
        tell(suite.row(case), run_case(&mut server, case));
    }
}

fn run_case(server: &mut Server<'_>, case: &Case) -> Outcome {
    server.stub.reset();
    let mut found = if case.steps.is_empty() {
        ask(server, case.request.as_ref(), case.repeat, &case.expect)
    } else {
        let each = case.steps.iter().enumerate();
        each.flat_map(|(at, step)| {
            let found = take_step(server, step);
            found.into_iter().map(move |text| format!("step {}: {text}", at + 1))
        })
        .collect()
    };
    let mut departs = false;
    if !found.is_empty() && case.departure.is_some() {
        let other = case.departure_expect.as_ref().filter(|_| case.steps.is_empty());
        let nearest = other.and_then(|other| departs_from(server, case, other));
        departs = nearest.is_none();
        found
            .extend(nearest.into_iter().flatten().map(|text| format!("nor as the departure allows: {text}")));
    }
    let signalled = case.steps.iter().any(|step| step.signal.is_some());
    if let Some(how) = server.ended().filter(|_| !signalled) {
        found.push(format!("the server {how}: {}", server.log_end(800)));
        departs = false;
    }
    match (found.is_empty(), departs) {
        (true, _) => Outcome::AsRecorded,
        (false, true) => Outcome::Departs,
        (false, false) => Outcome::Fails(explain(server.suite, Some(case), &found)),
    }
}

/// Asks again and compares with each answer that the departure allows: `None` when one of them holds, else the
/// differences to the nearest.
fn departs_from(server: &Server<'_>, case: &Case, allowed: &Value) -> Option<Vec<String>> {
    server.stub.reset();
    let allowed = allowed.as_array().map_or(std::slice::from_ref(allowed), Vec::as_slice);
    let answered = send(server, case.request.as_ref()?);
    let mut nearest: Option<Vec<String>> = None;
    for expect in allowed.iter().filter_map(Value::as_object) {
        let found = answered.differences(server, expect);
        if found.is_empty() {
            return None;
        }
        if nearest.as_ref().is_none_or(|n| found.len() < n.len()) {
            nearest = Some(found);
        }
    }
    Some(nearest.unwrap_or_default())
}

fn take_step(server: &mut Server<'_>, step: &Step) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |done: Result<(), String>| found.extend(done.err());
    step.write.iter().for_each(|(name, content)| note(server.write(name, content)));
    step.replace.iter().for_each(|(name, content)| note(server.replace(name, content)));
    step.delete.iter().for_each(|name| note(server.delete(name)));
    if let Some(routes) = &step.stub {
        note(server.set_routes(routes));
    }
    std::thread::sleep(Duration::from_millis(step.sleep_ms)); // the recorded pace: part of the question
    if let Some(poll) = &step.poll {
        note(poll_until(server, poll));
        server.stub.take_calls();
    }
    if let Some(signal) = &step.signal {
        note(server.signal(signal, step.exit, Duration::from_millis(step.within_ms.unwrap_or(8000))));
    }
    if step.request.is_some() {
        found.extend(ask(server, step.request.as_ref(), step.repeat, &step.expect));
    }
    found
}

fn poll_until(server: &Server<'_>, poll: &Poll) -> Result<(), String> {
    let limit = Duration::from_millis(poll.timeout_ms.unwrap_or(5000));
    let mut last = String::new();
    wait::until(limit, || {
        let answered = send(server, &poll.request);
        last = answered.text();
        is_reached(&poll.until, answered.reply.as_ref().ok()).then_some(())
    })
    .ok_or_else(|| format!("poll: {:?} not reached, last answer: {last}", poll.until))
}

fn is_reached(until: &Until, reply: Option<&Reply>) -> bool {
    let none = Reply::default();
    let reply = reply.unwrap_or(&none);
    let text = reply.text();
    until.status.is_none_or(|status| reply.status == status)
        && until.contains.as_ref().is_none_or(|part| text.contains(part))
        && until.not_contains.as_ref().is_none_or(|part| !text.contains(part))
        && until.headers.iter().all(|(name, value)| reply.all(name) == [value.as_str().unwrap_or_default()])
}

fn ask(
    server: &Server<'_>,
    request: Option<&Value>,
    repeat: Option<usize>,
    expect: &Map<String, Value>,
) -> Vec<String> {
    let Some(request) = request else { return vec!["neither a request nor steps".to_owned()] };
    server.stub.take_calls();
    let mut answered = send(server, request);
    for _ in 1..repeat.unwrap_or(1) {
        let calls = std::mem::take(&mut answered.calls);
        answered = send(server, request);
        answered.calls.splice(0..0, calls);
    }
    answered.wait_for_calls(server, expect);
    let found = answered.differences(server, expect);
    if found.is_empty() { found } else { [found, vec![answered.text()]].concat() }
}

/// A request that was sent, and all that came of it.
struct Answered {
    asked: Vec<u8>,
    sent: Vec<(String, String)>,
    reply: Result<Reply, String>,
    calls: Vec<okgate_testkit::stub::Call>,
}

impl Answered {
    fn differences(&self, server: &Server<'_>, expect: &Map<String, Value>) -> Vec<String> {
        let got = Got { reply: &self.reply, calls: &self.calls, sent: &self.sent };
        differences(expect, &got, &server.values, &server.suite.ignore_calls)
    }

    /// An answer need not wait for every call that it started: waits a moment for those that are expected.
    fn wait_for_calls(&mut self, server: &Server<'_>, expect: &Map<String, Value>) {
        let wanted = expect.get("stub_calls").and_then(Value::as_array).map_or(0, Vec::len);
        wait::until(OUTSTANDING_CALLS, || {
            self.calls.extend(server.stub.take_calls());
            (self.calls.len() >= wanted).then_some(())
        });
    }

    /// Request and answer, to be read beside a difference.
    fn text(&self) -> String {
        let answer = self.reply.as_ref().map_or_else(|why| format!("no answer: {why}"), Reply::summary);
        let both = format!("asked: {}\nanswered: {answer}", String::from_utf8_lossy(&self.asked));
        both.lines().map(|line| format!("    | {line}")).collect::<Vec<_>>().join("\n")
    }
}

fn send(server: &Server<'_>, request: &Value) -> Answered {
    let to = request.get("to").and_then(Value::as_str).unwrap_or("api").to_owned();
    let request = server.values.fill(request);
    let given = |name: &str| request.get(name).filter(|v| !v.is_null());
    let text = |name: &str| given(name).and_then(Value::as_str);
    let pairs: Vec<(String, String)> = given("headers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|pair| Some((pair.get(0)?.as_str()?.to_owned(), as_text(pair.get(1)?))))
        .collect();
    let method = text("method").unwrap_or("GET");
    let asked = if let Some(raw) = text("raw") {
        bytes(raw)
    } else {
        let mut out = Request::new(method, bytes(text("target").unwrap_or_default()));
        out.headers = pairs.iter().map(|(n, v)| (bytes(n), bytes(v))).collect();
        out.no_host = given("no_host").is_some_and(|v| v == true);
        out.body = match (given("body"), text("body_b64")) {
            (Some(body), _) => Some(bytes(&as_text(body))),
            (None, Some(encoded)) => Some(STANDARD.decode(encoded).unwrap_or_default()),
            (None, None) => request.get("body").map(|_| Vec::new()),
        };
        out.version(text("version").unwrap_or("HTTP/1.1")).to_bytes()
    };
    let port = match to.as_str() {
        "proxy" => "PROXY_PORT",
        "metrics" => "METRICS_PORT",
        _ => "API_PORT",
    };
    let tls = server.suite.tls.contains(&to);
    let reply =
        http::exchange(server.values.port(port), tls, &asked, method == "HEAD").map_err(|e| e.to_string());
    Answered {
        asked,
        sent: if to == "api" { pairs } else { Vec::new() },
        reply,
        calls: server.stub.take_calls(),
    }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn explain(suite: &Suite, case: Option<&Case>, found: &[String]) -> String {
    let mut text = format!("{}\n", suite.about);
    for line in found {
        let _ = writeln!(text, "  {line}");
    }
    if let Some(departure) = case.map_or(suite.departure.as_ref(), |case| case.departure.as_ref()) {
        let _ = writeln!(text, "  known departure: {departure}");
    }
    text
}
