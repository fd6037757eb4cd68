//! A stub for what okgate calls: routes with fixed answers, and a list of the calls that came.
//!
//! Routes are plain data, so that a suite's file and a test's `json!` read alike. The first route that fits answers.

use crate::pattern;
use fancy_regex::Regex;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One route: which requests it takes, and what it answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Method, any when absent.
    #[serde(default)]
    pub method: Option<String>,
    /// Pattern of the path (see [`pattern`]).
    pub path: String,
    /// Text that the query contains.
    #[serde(default)]
    pub query: Option<String>,
    /// Header name to a regular expression found in its first value.
    #[serde(default)]
    pub match_headers: serde_json::Map<String, Value>,
    /// Regular expression found in the body.
    #[serde(default)]
    pub match_body: Option<String>,
    /// Whether calls are counted.
    #[serde(default = "yes")]
    pub record: bool,
    /// The answer, or one answer after another, of which the last one stays.
    #[serde(default)]
    pub respond: Respond,
}

fn yes() -> bool {
    true
}

/// To serde, `null` is as good as nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What a route answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Respond {
    /// Always the same.
    One(Answer),
    /// One after another.
    Each(Vec<Answer>),
}

impl Default for Respond {
    fn default() -> Self {
        Self::One(Answer::default())
    }
}

/// One answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Status code, 200 when absent.
    #[serde(default)]
    pub status: Option<u16>,
    /// Reason phrase, the usual one when absent.
    #[serde(default)]
    pub reason: Option<String>,
    /// An object of name to value or values, or a list of pairs.
    #[serde(default)]
    pub headers: Value,
    /// Text, or anything else to be sent as JSON, `null` too.
    #[serde(default, deserialize_with = "present")]
    pub body: Option<Value>,
    /// Waits before answering.
    #[serde(default)]
    pub delay_ms: u64,
    /// Closes the connection instead of answering.
    #[serde(default)]
    pub close: bool,
}

/// A call that came in.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// Method.
    pub method: String,
    /// Path of the request target, as sent.
    pub path: String,
    /// Query of the request target, as sent, without the question mark.
    pub query: String,
    /// Header fields in order; a byte of a value is a character of the same number.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Call {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// A route with its expressions compiled.
struct Ready {
    route: Route,
    headers: Vec<(String, Regex)>,
    body: Option<Regex>,
    answered: usize,
}

#[derive(Default)]
struct State {
    routes: Vec<Ready>,
    calls: Vec<Call>,
}

/// The stub, listening on a port of its own until it is dropped.
pub struct Stub {
    port: u16,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
}

impl Stub {
    /// Starts without routes: every request gets 404.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let stub = Self { port: listener.local_addr()?.port(), state: Arc::default(), ended: Arc::default() };
        let (state, ended) = (Arc::clone(&stub.state), Arc::clone(&stub.ended));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&state);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Ok(stub)
    }

    /// Starts with routes written as JSON.
    ///
    /// # Panics
    /// When they are no routes.
    #[expect(clippy::expect_used, reason = "a test with broken routes ends there")]
    pub fn with(routes: Value) -> Self {
        let stub = Self::start().expect("a port for the stub");
        stub.set_routes(serde_json::from_value(routes).expect("routes")).expect("routes");
        stub
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT` followed by `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Replaces all routes, and forgets the calls.
    ///
    /// # Errors
    /// The text of the regular expression that is none.
    pub fn set_routes(&self, routes: Vec<Route>) -> Result<(), String> {
        let routes = routes.into_iter().map(ready).collect::<Result<_, _>>()?;
        *self.lock() = State { routes, calls: Vec::new() };
        Ok(())
    }

    /// Forgets the calls, and begins each list of answers anew.
    pub fn reset(&self) {
        let mut state = self.lock();
        state.calls.clear();
        for ready in &mut state.routes {
            ready.answered = 0;
        }
    }

    /// The calls since the last time, in order.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.lock().calls)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes the listener, which then sees that it is over
    }
}

fn ready(route: Route) -> Result<Ready, String> {
    let regex = |text: &str| Regex::new(text).map_err(|e| format!("`{text}`: {e}"));
    let headers = route
        .match_headers
        .iter()
        .map(|(name, text)| Ok((name.clone(), regex(text.as_str().unwrap_or_default())?)))
        .collect::<Result<_, String>>()?;
    let body = route.match_body.as_deref().map(regex).transpose()?;
    Ok(Ready { route, headers, body, answered: 0 })
}

impl Ready {
    fn takes(&self, call: &Call) -> bool {
        let finds = |regex: &Regex, text: &str| regex.is_match(text).unwrap_or(false);
        self.route.method.as_ref().is_none_or(|m| *m == call.method)
            && (pattern::fits(&self.route.path, &call.path) || self.route.path == call.path)
            && self.route.query.as_ref().is_none_or(|q| call.query.contains(q))
            && self.headers.iter().all(|(name, regex)| finds(regex, call.header(name).unwrap_or_default()))
            && self.body.as_ref().is_none_or(|regex| finds(regex, &String::from_utf8_lossy(&call.body)))
    }

    fn next_answer(&mut self) -> Answer {
        match &self.route.respond {
            Respond::One(answer) => answer.clone(),
            Respond::Each(answers) => {
                let at = self.answered.min(answers.len().saturating_sub(1));
                self.answered += 1;
                answers.get(at).cloned().unwrap_or_default()
            }
        }
    }
}

/// Finds the answer to a call and keeps the call.
fn answer(state: &Mutex<State>, call: Call) -> Answer {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let found = state.routes.iter_mut().find(|ready| ready.takes(&call));
    let (answer, record) = found.map_or_else(
        || (Answer { status: Some(404), body: Some(json!({"stub": "no route"})), ..Answer::default() }, true),
        |ready| (ready.next_answer(), ready.route.record),
    );
    if record {
        state.calls.push(call);
    }
    answer
}

/// One connection, request after request.
fn serve(stream: TcpStream, state: &Mutex<State>) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let Ok(mut out) = stream.try_clone() else { return };
    let mut input = BufReader::new(stream);
    while let Ok(Some((call, keep))) = read_call(&mut input, &mut out) {
        let head = call.method == "HEAD";
        let answer = answer(state, call);
        std::thread::sleep(Duration::from_millis(answer.delay_ms));
        if answer.close || out.write_all(&to_bytes(&answer, head)).is_err() || !keep {
            break;
        }
    }
    let _ = out.shutdown(Shutdown::Both);
}

/// The next request and whether the connection stays open after it; `None` at the end of the connection.
fn read_call(input: &mut impl BufRead, out: &mut impl Write) -> io::Result<Option<(Call, bool)>> {
    let line = latin1_line(input)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next().filter(|m| !m.is_empty()), words.next()) else {
        return Ok(None);
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut call = Call { method: method.into(), path: path.into(), query: query.into(), ..Call::default() };
    let http_1_0 = words.next() == Some("HTTP/1.0");
    loop {
        let line = latin1_line(input)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        call.headers.push((name.to_owned(), value.trim_start_matches([' ', '\t']).to_owned()));
    }
    let says =
        |name: &str, word: &str| call.header(name).is_some_and(|v| v.to_ascii_lowercase().contains(word));
    if says("expect", "100-continue") {
        out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    if says("transfer-encoding", "chunked") {
        loop {
            let line = latin1_line(input)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
            if size == 0 {
                while !latin1_line(input)?.is_empty() {}
                break;
            }
            input.take(size).read_to_end(&mut body)?;
            latin1_line(input)?;
        }
    } else if let Some(length) = call.header("content-length") {
        let length = length.parse().map_err(io::Error::other)?;
        if input.take(length).read_to_end(&mut body)? as u64 != length {
            return Ok(None);
        }
    }
    let keep = !says("connection", "close") && !http_1_0;
    call.body = body;
    Ok(Some((call, keep)))
}

fn latin1_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    Ok(text.iter().copied().map(char::from).collect())
}

fn to_bytes(answer: &Answer, head: bool) -> Vec<u8> {
    let mut headers = pairs(&answer.headers);
    let has =
        |headers: &[(String, String)], name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let body = match &answer.body {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => {
            if !has(&headers, "content-type") {
                headers.push(("Content-Type".into(), "application/json".into()));
            }
            other.to_string()
        }
    };
    let status = answer.status.unwrap_or(200);
    let bodiless = matches!(status, ..200 | 204 | 304);
    if !bodiless && !has(&headers, "content-length") && !has(&headers, "transfer-encoding") {
        headers.push(("Content-Length".into(), body.len().to_string()));
    }
    let mut out =
        format!("HTTP/1.1 {status} {}\r\n", answer.reason.as_deref().unwrap_or(usual(status))).into_bytes();
    for (name, value) in &headers {
        out.extend(latin1(name));
        out.extend_from_slice(b": ");
        out.extend(latin1(value));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if !head && !matches!(status, 204 | 304) {
        out.extend_from_slice(body.as_bytes());
    }
    out
}

/// A character up to U+00FF is the byte of that number; others go out as UTF-8.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .flat_map(|c| u8::try_from(u32::from(c)).map_or_else(|_| c.to_string().into_bytes(), |b| vec![b]))
        .collect()
}

fn pairs(headers: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let each = |name: &str, value: &Value| match value {
        Value::Array(values) => values.iter().map(|v| (name.to_owned(), text(v))).collect(),
        one => vec![(name.to_owned(), text(one))],
    };
    match headers {
        Value::Object(map) => map.iter().flat_map(|(name, value)| each(name, value)).collect(),
        Value::Array(list) => list
            .iter()
            .filter_map(|pair| Some(each(pair.get(0)?.as_str()?, pair.get(1)?)))
            .flatten()
            .collect(),
        _ => Vec::new(),
    }
}

fn usual(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Request, exchange};

    fn ask(stub: &Stub, request: &Request) -> (u16, String) {
        let reply = exchange(stub.port(), false, &request.to_bytes(), false).unwrap();
        (reply.status, reply.text())
    }

    #[test]
    fn the_first_route_that_fits_answers() {
        let stub = Stub::with(json!([
            {"path": "/a", "method": "POST", "match_body": "token=x(&|$)", "respond": {"body": "token"}},
            {"path": "/a", "match_headers": {"Cookie": "^sid="}, "respond": {"body": "cookie"}},
            {"path": "/a", "query": "q=1", "respond": {"body": "query"}},
            {"path": "/*", "respond": {"status": 418, "body": {"n": 1}}},
        ]));
        assert_eq!(ask(&stub, &Request::new("POST", "/a").body("token=x")).1, "token");
        assert_eq!(ask(&stub, &Request::get("/a").header("Cookie", "sid=1")).1, "cookie");
        assert_eq!(ask(&stub, &Request::get("/a?p=2&q=1")).1, "query");
        assert_eq!(ask(&stub, &Request::get("/a")), (418, "{\"n\":1}".into()));
        let calls: Vec<String> =
            stub.take_calls().iter().map(|c| format!("{} {}?{}", c.method, c.path, c.query)).collect();
        assert_eq!(calls, ["POST /a?", "GET /a?", "GET /a?p=2&q=1", "GET /a?"]);
        assert!(stub.take_calls().is_empty());
    }

    #[test]
    fn answers_come_one_after_another_and_the_last_one_stays() {
        let stub = Stub::with(json!([{"path": "/", "respond": [{"status": 503}, {"body": "ok"}]}]));
        let statuses = || [0; 3].map(|_| ask(&stub, &Request::get("/")).0);
        assert_eq!(statuses(), [503, 200, 200]);
        stub.reset();
        assert_eq!(statuses(), [503, 200, 200]);
    }

    #[test]
    fn a_request_without_a_route_is_counted_and_gets_404() {
        let stub = Stub::with(
            json!([{"path": "/quiet", "record": false}, {"path": "/gone", "respond": {"close": true}}]),
        );
        assert_eq!(ask(&stub, &Request::get("/none")).0, 404);
        assert_eq!(ask(&stub, &Request::get("/quiet")).0, 200);
        exchange(stub.port(), false, &Request::get("/gone").to_bytes(), false).unwrap_err();
        let paths: Vec<String> = stub.take_calls().into_iter().map(|c| c.path).collect();
        assert_eq!(paths, ["/none", "/gone"]);
    }

    #[test]
    fn bodies_and_odd_bytes_are_kept() {
        let stub = Stub::with(json!([{"path": "/", "respond": {"headers": [["X-A", "1"], ["X-A", "é"]]}}]));
        let request = Request::new("POST", "/")
            .header("Transfer-Encoding", "chunked")
            .header("X-Odd", *b"\xc3\xa9 ")
            .body("3\r\na=b\r\n0\r\n\r\n");
        let reply = exchange(stub.port(), false, &request.to_bytes(), false).unwrap();
        assert_eq!(
            reply.headers.iter().filter(|(n, _)| n == "X-A").map(|(_, v)| &v[..]).collect::<Vec<_>>(),
            [&b"1"[..], b"\xe9"]
        );
        let call = stub.take_calls().remove(0);
        assert_eq!((call.body.as_slice(), call.header("x-odd")), (&b"a=b"[..], Some("\u{c3}\u{a9} ")));
    }
}
