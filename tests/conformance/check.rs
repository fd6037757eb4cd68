//! Compares an answer with what was recorded. Everything that is dropped or loosened stands here.

use crate::calls;
use crate::jwt::{self, Token};
use crate::placeholder::Values;
use fancy_regex::Regex;
use okgate_testkit::http::Reply;
use okgate_testkit::pattern;
use okgate_testkit::stub::Call;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Paths dropped from JSON bodies of answers: texts and ids of the reference's own. `*` stands for any key or index.
const DROPPED: &[&str] = &["error.request", "error.debug", "error.stack", "error.id", "error.gRPCCode"];

/// Claims that differ from token to token.
const TIME_CLAIMS: &[&str] = &["jti", "iat", "exp", "nbf"];

/// The reference's noop mutator answers with every header of the request. One that only repeats the client's own may
/// be absent; the credentials may not.
const MUST_ECHO: &[&str] = &["authorization", "cookie"];

/// What came of a request: the answer or why there was none, and the calls the stub got meanwhile.
pub struct Got<'a> {
    pub reply: &'a Result<Reply, String>,
    pub calls: &'a [Call],
    /// The request's own header fields, where the api was asked.
    pub sent: &'a [(String, String)],
}

/// The differences between `expect` and what came, none when it is as expected.
pub fn differences(
    expect: &Map<String, Value>,
    got: &Got<'_>,
    values: &Values,
    ignored: &[String],
) -> Vec<String> {
    let Value::Object(expect) = values.fill(&Value::Object(expect.clone())) else {
        unreachable!("an object")
    };
    let none = Reply::default();
    let reply = got.reply.as_ref().unwrap_or(&none);
    let calls: Vec<&Call> =
        got.calls.iter().filter(|call| !ignored.iter().any(|p| pattern::fits(p, &call.path))).collect();
    let mut out = Vec::new();
    for (key, wanted) in &expect {
        match key.as_str() {
            "status" => {
                let status = Value::from(reply.status);
                if !wanted.as_array().map_or(wanted == &status, |any| any.contains(&status)) {
                    let more = got.reply.as_ref().map_or_else(Clone::clone, |r| short(&r.text().into()));
                    out.push(format!("status: expected {wanted}, got {status} {more}"));
                }
            }
            "headers" => headers(wanted, &texts(reply), got.sent, "response", &mut out),
            "absent_headers" => absent(wanted, &texts(reply), "response", &mut out),
            "headers_regex" => headers_regex(wanted, reply, &mut out),
            "body_json" | "body_subset" => {
                body(key == "body_subset", wanted, expect.get("sort"), reply, &mut out);
            }
            "body_text" if wanted.as_str() != Some(&reply.text()) => {
                out.push(format!("body: expected {}, got {}", short(wanted), short(&reply.text().into())));
            }
            "body_regex" if !finds(wanted, &reply.text()) => {
                out.push(format!("body: does not match {wanted}: {}", short(&reply.text().into())));
            }
            "stub_calls" => {
                let unordered = expect.get("stub_calls_unordered").is_some_and(|v| v == true);
                calls::compare(wanted, &calls, unordered, &mut out);
            }
            "jwt" => tokens(wanted, reply, &calls, &mut out),
            "body_text" | "body_regex" | "sort" | "stub_calls_unordered" => {}
            other => out.push(format!("`{other}` is not known to this runner")),
        }
    }
    out
}

fn texts(reply: &Reply) -> Vec<(String, String)> {
    reply.headers.iter().map(|(n, v)| (n.clone(), String::from_utf8_lossy(v).into_owned())).collect()
}

fn all<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
}

/// Compares header fields; those of the request itself (`sent`) need not come back.
pub fn headers(
    wanted: &Value,
    headers: &[(String, String)],
    sent: &[(String, String)],
    place: &str,
    out: &mut Vec<String>,
) {
    for (name, value) in wanted.as_object().into_iter().flatten() {
        let wanted: Vec<String> =
            value.as_array().map_or_else(|| vec![text(value)], |v| v.iter().map(text).collect());
        let got = all(headers, name);
        let lower = name.to_ascii_lowercase();
        if got.is_empty() && !MUST_ECHO.contains(&lower.as_str()) {
            let own = all(sent, name);
            if own.first().map(|v| v.trim()) == wanted.first().map(String::as_str) && !own.is_empty() {
                continue;
            }
        }
        let normal = |v: &str| if lower == "content-type" { media_type(v) } else { jwt::masked(v) };
        let got: Vec<String> = got.into_iter().map(normal).collect();
        let wanted: Vec<String> =
            if lower == "content-type" { wanted.iter().map(|v| media_type(v)).collect() } else { wanted };
        if got != wanted {
            out.push(format!("{place} header {name}: expected {}, got {}", listed(&wanted), listed(&got)));
        }
    }
}

/// Content-Type is compared without its parameters.
fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_lowercase()
}

fn listed(values: &[String]) -> String {
    match values {
        [] => "none".to_owned(),
        [one] => short(&one.as_str().into()),
        more => short(&more.into()),
    }
}

/// Finds header fields that must not be there.
pub fn absent(names: &Value, headers: &[(String, String)], place: &str, out: &mut Vec<String>) {
    for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let got = all(headers, name);
        if !got.is_empty() {
            out.push(format!("{place} header {name}: must be absent, got {got:?}"));
        }
    }
}

fn headers_regex(wanted: &Value, reply: &Reply, out: &mut Vec<String>) {
    for (name, regex) in wanted.as_object().into_iter().flatten() {
        let got = reply.all(name);
        if !got.iter().any(|value| finds(regex, value)) {
            out.push(format!("response header {name}: expected to match {regex}, got {got:?}"));
        }
    }
}

/// Whether a regular expression is found in a text; its `.` takes line ends.
pub fn finds(regex: &Value, text: &str) -> bool {
    let regex = format!("(?s){}", regex.as_str().unwrap_or_default());
    Regex::new(&regex).is_ok_and(|regex| regex.is_match(text).unwrap_or(false))
}

fn body(subset: bool, wanted: &Value, sort: Option<&Value>, reply: &Reply, out: &mut Vec<String>) {
    let Ok(got) = serde_json::from_slice::<Value>(&reply.body) else {
        out.push(format!("body: expected JSON, got {}", short(&reply.text().into())));
        return;
    };
    let [mut wanted, mut got] = [wanted.clone(), got].map(|mut value| {
        drop_paths(&mut value, DROPPED);
        forget_versions(&mut value);
        value
    });
    if let Some(sort) = sort {
        sort_list(&mut wanted, sort);
        sort_list(&mut got, sort);
    }
    json(&wanted, &got, "body", subset, out);
}

/// The reference writes its own version over a rule's: only whether there is one counts.
fn forget_versions(body: &mut Value) {
    let rules = match body {
        Value::Array(rules) => rules.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for rule in rules.iter_mut().filter(|rule| rule.get("match").is_some()) {
        if let Some(Value::String(version)) = rule.get_mut("version")
            && !version.is_empty()
        {
            "${VERSION}".clone_into(version);
        }
    }
}

/// Removes what dotted paths name.
pub fn drop_paths(value: &mut Value, paths: &[&str]) {
    for path in paths {
        drop_path(value, path);
    }
}

fn drop_path(value: &mut Value, path: &str) {
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    match value {
        Value::Array(items) if head == "*" && !rest.is_empty() => {
            for item in items {
                drop_path(item, rest);
            }
        }
        Value::Object(map) if rest.is_empty() => {
            map.retain(|key, _| head != "*" && key != head);
        }
        Value::Object(map) => {
            map.iter_mut()
                .filter(|(key, _)| head == "*" || *key == head)
                .for_each(|(_, v)| drop_path(v, rest));
        }
        _ => {}
    }
}

fn sort_list(value: &mut Value, sort: &Value) {
    let path = sort.get("path").and_then(Value::as_str).unwrap_or_default();
    let by = sort.get("by").and_then(Value::as_str).unwrap_or_default();
    let mut list = Some(value);
    for key in path.split('.').filter(|key| !key.is_empty()) {
        list = list.and_then(|value| value.get_mut(key));
    }
    if let Some(Value::Array(items)) = list {
        items.sort_by_key(|item| if item.is_object() { item.get(by).map(text) } else { Some(text(item)) });
    }
}

/// Equal in structure; a `subset` may have more keys.
pub fn json(wanted: &Value, got: &Value, path: &str, subset: bool, out: &mut Vec<String>) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, value) in wanted {
                match got.get(key) {
                    Some(other) => json(value, other, &format!("{path}.{key}"), subset, out),
                    None => out.push(format!("{path}.{key}: expected {}, missing", short(value))),
                }
            }
            for (key, value) in got.iter().filter(|(key, _)| !subset && !wanted.contains_key(*key)) {
                out.push(format!("{path}.{key}: unexpected {}", short(value)));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                json(a, b, &format!("{path}[{at}]"), subset, out);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            let counts = format!("expected {} items, got {}", a.len(), b.len());
            out.push(format!("{path}: {counts}: {} instead of {}", short(got), short(wanted)));
        }
        (Value::String(a), Value::String(b)) if a.contains("${JWT}") && jwt::masked(b) == *a => {}
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() && a.is_f64() != b.is_f64() => {}
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{path}: expected {}, got {}", short(a), short(b))),
    }
}

fn tokens(wanted: &Value, reply: &Reply, calls: &[&Call], out: &mut Vec<String>) {
    let mut found: BTreeMap<String, Token> = BTreeMap::new();
    let mut look = |place: String, headers: &[(String, String)]| {
        for (name, value) in headers {
            for token in jwt::found_in(value).into_iter().filter_map(Token::read) {
                found.insert(format!("{place}:{}", name.to_ascii_lowercase()), token);
            }
        }
    };
    look("response".into(), &texts(reply));
    for (at, call) in calls.iter().enumerate() {
        look(format!("stub:{at}"), &call.headers);
    }
    for wanted in wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice) {
        let place = text(&wanted["in"]);
        match found.get(&place) {
            Some(token) => one_token(wanted, token, out),
            None => out.push(format!("jwt: none at {place}")),
        }
    }
}

fn one_token(wanted: &Value, token: &Token, out: &mut Vec<String>) {
    json(&wanted["header"], &token.header, "jwt.header", false, out);
    let mut claims = token.claims.clone();
    drop_paths(&mut claims, TIME_CLAIMS);
    json(&wanted["claims"], &claims, "jwt.claims", false, out);
    for claim in wanted["has"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if token.claims.get(claim).is_none() {
            out.push(format!("jwt.claims.{claim}: missing"));
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "times that are compared in seconds")]
    let time = |claim: &str| token.claims.get(claim).and_then(Value::as_f64).map(|t| t as i64);
    if let Some(ttl) = wanted.get("ttl").and_then(Value::as_i64) {
        let got = time("exp").unwrap_or(0) - time("iat").unwrap_or(0);
        if (got - ttl).abs() > 1 {
            out.push(format!("jwt: expected exp - iat of {ttl}, got {got}")); // both were cut to seconds
        }
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    if time("iat").is_some_and(|iat| iat.abs_diff(i64::try_from(now).unwrap_or(0)) > 120) {
        out.push("jwt.iat: not now".to_owned());
    }
    if let Some(wanted) = wanted.get("signed_by").and_then(Value::as_str) {
        let got = token.signed_by();
        if got.as_deref() != Some(wanted) {
            out.push(format!("jwt: expected to be signed by {wanted}, is by {got:?}"));
        }
    }
}

/// A value as plain text.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value on one line, cut where it is long.
pub fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// What must hold of this module.
pub fn self_checks() -> Vec<(&'static str, fn())> {
    fn found(expect: Value, reply: Reply, calls: &[Call], sent: &[(String, String)]) -> Vec<String> {
        let Value::Object(expect) = expect else { unreachable!("an object") };
        let got = Got { reply: &Ok(reply), calls, sent };
        differences(&expect, &got, &Values::default(), &["/jwks".to_owned()])
    }
    fn reply(body: &str, headers: &[(&str, &str)]) -> Reply {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
        Reply { status: 200, headers, body: body.into() }
    }
    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }
    use serde_json::json;
    vec![
        ("an answer as recorded has no differences", || {
            let expect = json!({
                "status": [200, 201], "headers": {"content-type": "application/json", "x-a": ["1", "2"]},
                "absent_headers": ["x-b"], "headers_regex": {"x-a": "^2"}, "body_regex": "n.*9",
                "body_json": {"error": {"code": 4}, "list": [{"id": "a"}, {"id": "b"}], "n": 1},
                "sort": {"path": "list", "by": "id"},
            });
            let body = r#"{"n": 1.0, "error": {"code": 4, "request": "x"}, "list": [{"id": "b"}, {"id": "a"}],
                "error2": 9}"#;
            let headers = [("X-A", "1"), ("Content-Type", "application/json; charset=utf-8"), ("x-a", "2")];
            assert_eq!(found(expect, reply(body, &headers), &[], &[]), ["body.error2: unexpected 9"]);
        }),
        ("each difference is named", || {
            let expect = json!({
                "status": 404, "headers": {"x-a": "1"}, "absent_headers": ["X-B"], "body_subset": {"a": {"b": [true, 2]}},
                "stub_calls": [{"method": "GET", "path": "/x"}], "jwt": {"in": "response:authorization"},
            });
            let got = found(expect, reply(r#"{"a": {"b": [1, 2], "c": 3}}"#, &[("X-B", "y")]), &[], &[]);
            assert_eq!(
                got,
                [
                    r#"status: expected 404, got 200 "{\"a\": {\"b\": [1, 2], \"c\": 3}}""#,
                    r#"response header x-a: expected "1", got none"#,
                    r#"response header X-B: must be absent, got ["y"]"#,
                    "body.a.b[0]: expected true, got 1",
                    r#"stub calls: expected 1 ["GET /x"], got 0 []"#,
                    "jwt: none at response:authorization",
                ]
            );
        }),
        ("a header that repeats the client's own may be absent, a credential may not", || {
            let expect = json!({"headers": {"accept": "*/*", "x-other": "1", "cookie": "a=b"}});
            let sent = [pair("Accept", "*/*"), pair("X-Other", "2"), pair("Cookie", "a=b")];
            let got = found(expect, reply("", &[]), &[], &sent);
            assert_eq!(
                got,
                [
                    r#"response header x-other: expected "1", got none"#,
                    r#"response header cookie: expected "a=b", got none"#,
                ]
            );
        }),
        ("calls are compared with a free order of parameters, and in any order where that is said", || {
            let call = |path: &str, query: &str, body: &str| Call {
                method: "POST".into(),
                path: path.into(),
                query: query.into(),
                body: body.into(),
                headers: vec![pair("X-A", "1")],
            };
            let calls = [
                call("/b", "", r#"{"context": {"requestedAt": "now", "ip": "1"}}"#),
                call("/jwks", "", ""),
                call("/a", "y=2&x=1", "t=1&t=2&u="),
            ];
            let expect = |unordered: bool| {
                json!({"stub_calls_unordered": unordered, "stub_calls": [
                    {"method": "POST", "path": "/a", "query": "x=1&y=2", "body_form": {"t": ["1", "2"], "u": [""]}, "headers": {"x-a": "1"}},
                    {"method": "POST", "path": "/b", "body_json": {"context": {"ip": "1"}}, "absent_headers": ["x-b"]},
                ]})
            };
            assert_eq!(found(expect(true), reply("", &[]), &calls, &[]), Vec::<String>::new());
            assert!(!found(expect(false), reply("", &[]), &calls, &[]).is_empty());
        }),
        ("a rule's version only has to be there", || {
            let rule = |version: &str| json!({"match": {}, "version": version}).to_string();
            let expect = || json!({"body_json": [{"match": {}, "version": "v0.40.0"}]});
            assert_eq!(
                found(expect(), reply(&format!("[{}]", rule("master")), &[]), &[], &[]),
                Vec::<String>::new()
            );
            assert!(!found(expect(), reply(&format!("[{}]", rule("")), &[]), &[], &[]).is_empty());
        }),
    ]
}
