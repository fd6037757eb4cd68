//! Compares okgate's own calls, as the stub got them, with what was recorded.

use crate::check::{absent, drop_paths, headers, json, short, text};
use okgate_testkit::stub::Call;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Paths dropped from JSON bodies sent to the stub: times, and fields of Go's URL that mean nothing to a receiver.
const DROPPED_FROM_CALLS: &[&str] = &[
    "context.requestedAt",
    "match_context.url.OmitHost",
    "match_context.url.ForceQuery",
    "match_context.url.Fragment",
    "match_context.url.RawFragment",
    "match_context.url.Opaque",
    "match_context.url.User",
    "match_context.url.RawPath",
    "match_context.header.Connection",
];

/// Compares the calls that came with those that are expected, in order or in any.
pub fn compare(wanted: &Value, calls: &[&Call], unordered: bool, out: &mut Vec<String>) {
    let wanted: Vec<&Map<String, Value>> =
        wanted.as_array().into_iter().flatten().filter_map(Value::as_object).collect();
    if wanted.len() != calls.len() {
        let name = |call: &&Map<String, Value>| format!("{} {}", text(&call["method"]), text(&call["path"]));
        let a: Vec<String> = wanted.iter().map(name).collect();
        let b: Vec<String> = calls.iter().map(|c| format!("{} {}", c.method, c.path)).collect();
        out.push(format!("stub calls: expected {} {a:?}, got {} {b:?}", a.len(), b.len()));
        return;
    }
    let mut left = calls.to_vec();
    for (at, wanted) in wanted.into_iter().enumerate() {
        // In any order: the call that differs least is meant.
        let last = if unordered { left.len() } else { 1 };
        let tried = left.iter().take(last).enumerate().map(|(i, call)| (i, one_call(wanted, call)));
        let Some((taken, found)) = tried.min_by_key(|(_, found)| found.len()) else { return };
        left.remove(taken);
        out.extend(found.into_iter().map(|text| format!("stub call {at} {text}")));
    }
}

fn one_call(wanted: &Map<String, Value>, call: &Call) -> Vec<String> {
    let mut out = Vec::new();
    let body = String::from_utf8_lossy(&call.body);
    let default = Value::from("");
    let mut differs = |what: &str, wanted: &Value, got: &str| {
        out.push(format!("{what}: expected {}, got {}", short(wanted), short(&got.into())));
    };
    for (what, got) in [("method", &call.method), ("path", &call.path)] {
        if wanted[what] != got.as_str() {
            differs(what, &wanted[what], got);
        }
    }
    let query = wanted.get("query").unwrap_or(&default);
    if sorted_query(&text(query)) != sorted_query(&call.query) {
        differs("query", query, &call.query);
    }
    if let Some(form) = wanted.get("body_form")
        && form_of(&body) != *form
    {
        differs("form", form, &body);
    }
    if let Some(plain) = wanted.get("body_text").filter(|plain| plain.as_str() != Some(&body)) {
        differs("body", plain, &body);
    }
    if !wanted.keys().any(|key| key.starts_with("body")) && !body.is_empty() {
        differs("body", &default, &body);
    }
    if let Some(wanted) = wanted.get("body_json") {
        match serde_json::from_slice::<Value>(&call.body) {
            Ok(got) => {
                let [wanted, got] = [wanted.clone(), got].map(|mut value| {
                    drop_paths(&mut value, DROPPED_FROM_CALLS);
                    value
                });
                json(&wanted, &got, "body", false, &mut out);
            }
            Err(_) => differs("body", wanted, &body),
        }
    }
    if let Some(wanted) = wanted.get("headers") {
        headers(wanted, &call.headers, &[], "request", &mut out);
    }
    if let Some(names) = wanted.get("absent_headers") {
        absent(names, &call.headers, "request", &mut out);
    }
    out
}

/// The order of parameters is free; a query that does not decode is compared as it is.
fn sorted_query(query: &str) -> Vec<(String, String)> {
    if query.contains("%zz") || query.contains(';') {
        return vec![(query.to_owned(), String::new())];
    }
    let mut pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    pairs.sort();
    pairs
}

fn form_of(body: &str) -> Value {
    let mut form: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(body.as_bytes()).into_owned() {
        form.entry(name).or_default().push(value);
    }
    form.into_iter().map(|(name, values)| (name, Value::from(values))).collect()
}
