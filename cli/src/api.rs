//! A running server's API, Oathkeeper's or okgate's.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use okgate::upstream::{FetchError, Incoming, Outgoing, fetch_once, shown_url};
use serde_json::Value;

/// Answers longer than this are not read: 500 rules of a kilobyte fit many times.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Which server is asked.
#[derive(Args)]
pub struct Endpoint {
    /// Address of the server's API; a path is a base path
    #[arg(short, long, value_name = "URL", env = "OKCTL_ENDPOINT", hide_env_values = true)]
    endpoint: Option<String>,

    /// Seconds to wait for the whole answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl Endpoint {
    /// The address of the API. A flag that stood before the verb wins.
    pub fn api(&self, before: Option<String>) -> anyhow::Result<Api> {
        let Some(base) = before.or_else(|| self.endpoint.clone()).filter(|e| !e.is_empty()) else {
            bail!("no server is named; give `--endpoint http://localhost:4456` or set OKCTL_ENDPOINT");
        };
        Api::new(&base, Duration::from_secs(self.timeout))
    }
}

/// One server's API.
pub struct Api {
    base: String,
    timeout: Duration,
}

impl Api {
    /// The API at an address, asked for so long at most.
    pub fn new(base: &str, timeout: Duration) -> anyhow::Result<Self> {
        let host = base.split_once("://").and_then(|(scheme, rest)| {
            let http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
            http.then(|| rest.split(['/', '?', '#']).next().unwrap_or_default())
        });
        if host.is_none_or(str::is_empty) || base.contains(['?', '#']) {
            bail!(
                "`{}` is no address of a server; write it as `http://localhost:4456`, with a base path where there is one",
                shown_url(base)
            );
        }
        Ok(Self { base: base.trim_end_matches('/').to_owned(), timeout })
    }

    /// Asks at a path below the base.
    pub fn get(&self, path: &str) -> Result<Answer, FetchError> {
        let url = format!("{}{path}", self.base);
        let mut request = Outgoing::get(&url, self.timeout);
        request.max_response_bytes = MAX_ANSWER_BYTES;
        fetch_once(request).map(|incoming| Answer { url: shown_url(&url), incoming })
    }
}

/// What the server answered.
pub struct Answer {
    /// Where it was asked, without credentials.
    pub url: String,
    incoming: Incoming,
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.incoming.status
    }

    /// The body as JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.incoming.body)
            .with_context(|| format!("{} answers {} without JSON; {}", self.url, self.status(), WRONG_PORT))
    }

    /// What went wrong, in the server's own words where it has some.
    pub fn complaint(&self) -> String {
        let body: Value = serde_json::from_slice(&self.incoming.body).unwrap_or_default();
        let texts = ["/error/reason", "/error/message", "/errors/rules_loaded"];
        match texts.iter().find_map(|at| body.pointer(at).and_then(Value::as_str)) {
            Some(text) => format!("{} answers {}: {}", self.url, self.status(), one_line(text)),
            None => format!("{} answers {}; {WRONG_PORT}", self.url, self.status()),
        }
    }
}

const WRONG_PORT: &str = "is it the API of okgate or Oathkeeper, whose port is 4456 unless configured?";

/// A server's words on one line of the terminal, whatever they hold.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// One segment of a path, percent-encoded (RFC 3986 section 2.3).
pub fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A rule as Oathkeeper's client prints it: keys sorted, what is empty left out. A handler's own
/// configuration is kept whole.
pub fn trimmed(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .into_iter()
                .map(|(key, value)| {
                    let value = if key == "config" { sorted(value) } else { trimmed(value) };
                    (key, value)
                })
                .filter(|(_, value)| !is_empty(value))
                .collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(trimmed).collect()),
        other => other,
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_endpoint_is_http_with_a_host_and_perhaps_a_base_path() {
        for (endpoint, base) in [
            ("http://localhost:4456", Some("http://localhost:4456")),
            ("http://localhost:4456/", Some("http://localhost:4456")),
            ("HTTPS://gate.test/okgate/", Some("HTTPS://gate.test/okgate")),
            ("localhost:4456", None),
            ("foo", None),
            ("http://", None),
            ("ftp://gate.test", None),
            ("http://gate.test/?x", None),
        ] {
            let api = Api::new(endpoint, Duration::from_secs(1));
            assert_eq!(api.ok().map(|a| a.base).as_deref(), base, "{endpoint}");
        }
    }

    #[test]
    fn a_bad_endpoint_is_named_without_its_credentials() {
        let error = Api::new("ftp://user:secret@gate.test", Duration::from_secs(1)).err().unwrap();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn ids_are_one_segment_of_a_path() {
        for (id, path) in [("users", "users"), ("a/b c", "a%2Fb%20c"), ("é?", "%C3%A9%3F"), ("..", "..")] {
            assert_eq!(segment(id), path);
        }
    }

    #[test]
    fn a_rule_is_shown_sorted_and_without_what_is_empty() {
        let rule = json!({"id": "a", "version": "", "authorizer": {"handler": "allow", "config": null}, "errors": null,
            "mutators": [{"handler": "header", "config": {"headers": {"b": "", "a": "1"}}}],
            "upstream": {"preserve_host": false, "strip_path": "", "url": ""}});
        assert_eq!(
            trimmed(rule).to_string(),
            r#"{"authorizer":{"handler":"allow"},"id":"a","mutators":[{"config":{"headers":{"a":"1","b":""}},"handler":"header"}]}"#
        );
    }
}
