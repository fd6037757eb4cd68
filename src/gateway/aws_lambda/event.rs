//! Events of API Gateway, and the request that one tells of.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::gateway::{Asked, Understood};
use crate::request::headers::{HeaderFields, is_token};
use crate::request::{Client, Origin, Part, Parts};

/// What of an event the answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The ARN of the method or route that was called.
    pub resource: String,
    /// Whether a simple response is understood: format 2.0.
    pub simple: bool,
}

impl Event {
    /// What stands for an event that could not be read: a no to everything.
    pub(super) fn unread() -> Self {
        Self { resource: "*".to_owned(), simple: false }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Written {
    version: String,
    #[serde(rename = "type")]
    kind: String,
    method_arn: String,
    route_arn: String,
    authorization_token: Option<String>,
    http_method: String,
    path: String,
    raw_path: String,
    raw_query_string: String,
    cookies: Vec<String>,
    headers: Option<BTreeMap<String, Value>>,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    query_string_parameters: Option<BTreeMap<String, Value>>,
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    request_context: RequestContext,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RequestContext {
    domain_name: Option<String>,
    identity: Identity,
    http: Http,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    source_ip: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Http {
    method: String,
    source_ip: Option<String>,
}

/// Reads the event in the body of a question.
pub(super) fn read<'r>(asked: &Asked<'r>) -> Result<Understood<'r>, String> {
    let event: Written = serde_json::from_slice(asked.body).map_err(|error| {
        // What serde says may repeat a credential.
        format!("the event is not readable: line {}, column {}", error.line(), error.column())
    })?;
    match (event.kind.as_str(), event.version.as_str()) {
        ("TOKEN", _) => token(asked, event),
        ("REQUEST", "2.0") => request_2(asked, event),
        ("REQUEST", _) => request_1(asked, event),
        _ => Err("the event is of no type that is known: TOKEN, REQUEST".to_owned()),
    }
}

/// Method and path are in the ARN: `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`.
fn token<'r>(asked: &Asked<'r>, event: Written) -> Result<Understood<'r>, String> {
    let strange = || "`methodArn` is none of an API's method".to_owned();
    let mut arn = event.method_arn.splitn(6, ':');
    let (Some("arn"), Some(partition), Some("execute-api"), Some(region), Some(_), Some(rest)) =
        (arn.next(), arn.next(), arn.next(), arn.next(), arn.next(), arn.next())
    else {
        return Err(strange());
    };
    let mut steps = rest.splitn(4, '/');
    let (Some(api), Some(_stage), Some(method)) = (steps.next(), steps.next(), steps.next()) else {
        return Err(strange());
    };
    let path = format!("/{}", steps.next().unwrap_or_default());
    let china = if partition == "aws-cn" { ".cn" } else { "" };
    let mut headers = HeaderFields::default();
    headers.push("authorization", event.authorization_token.unwrap_or_default());
    let request = Request {
        method: method.to_owned(),
        host: format!("{api}.execute-api.{region}.amazonaws.com{china}"),
        path,
        query: None,
        source: None,
    };
    request.understood(asked, headers, Event { resource: event.method_arn, simple: false })
}

fn request_1<'r>(asked: &Asked<'r>, event: Written) -> Result<Understood<'r>, String> {
    let mut headers = HeaderFields::default();
    match &event.multi_value_headers {
        Some(fields) => {
            for (name, values) in fields {
                for value in values {
                    push(&mut headers, name, value);
                }
            }
        }
        None => push_all(&mut headers, event.headers.as_ref()),
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    match (&event.multi_value_query_string_parameters, &event.query_string_parameters) {
        (Some(pairs), _) => pairs.iter().for_each(|(name, values)| {
            query.extend_pairs(values.iter().map(|value| (name, value)));
        }),
        (None, pairs) => pairs.iter().flatten().for_each(|(name, value)| {
            query.append_pair(name, value.as_str().unwrap_or_default());
        }),
    }
    let request = Request {
        method: event.http_method,
        host: host(event.request_context.domain_name, &headers)?,
        path: event.path,
        query: Some(query.finish()).filter(|query| !query.is_empty()),
        source: event.request_context.identity.source_ip,
    };
    request.understood(asked, headers, Event { resource: event.method_arn, simple: false })
}

fn request_2<'r>(asked: &Asked<'r>, event: Written) -> Result<Understood<'r>, String> {
    let mut headers = HeaderFields::default();
    push_all(&mut headers, event.headers.as_ref());
    if !event.cookies.is_empty() {
        push(&mut headers, "cookie", &event.cookies.join("; "));
    }
    let request = Request {
        method: event.request_context.http.method,
        host: host(event.request_context.domain_name, &headers)?,
        path: event.raw_path,
        query: Some(event.raw_query_string).filter(|query| !query.is_empty()),
        source: event.request_context.http.source_ip,
    };
    request.understood(asked, headers, Event { resource: event.route_arn, simple: true })
}

/// The request that an event tells of. API Gateway speaks TLS only.
struct Request {
    method: String,
    host: String,
    path: String,
    query: Option<String>,
    source: Option<String>,
}

impl Request {
    fn understood<'r>(
        self,
        asked: &Asked<'r>,
        headers: HeaderFields,
        event: Event,
    ) -> Result<Understood<'r>, String> {
        if event.resource.is_empty() {
            return Err("the event names no ARN".to_owned());
        }
        if self.method.is_empty() || !self.path.starts_with('/') {
            return Err("the event has no method or no path".to_owned());
        }
        let parts = Parts {
            method: part(self.method.into()),
            scheme: part("https".into()),
            host: part(self.host.into()),
            path: part(Cow::Owned(self.path.into_bytes())),
            query: part(self.query.map(Cow::Owned)),
            peer: asked.peer,
            client: Client::Found(self.source.and_then(|source| source.parse().ok())),
            host_header: Some(Cow::Borrowed(asked.host)),
        };
        Ok(Understood { parts, headers: Some(headers), event: Some(event) })
    }
}

fn host(domain: Option<String>, headers: &HeaderFields) -> Result<String, String> {
    use crate::request::Headers as _;
    let own = || headers.text("host").map(str::to_owned);
    domain.filter(|d| !d.is_empty()).or_else(own).ok_or_else(|| "the event names no host".to_owned())
}

fn push_all(headers: &mut HeaderFields, fields: Option<&BTreeMap<String, Value>>) {
    for (name, value) in fields.into_iter().flatten() {
        push(headers, name, value.as_str().unwrap_or_default());
    }
}

fn part<T>(value: T) -> Part<T> {
    Part { value, origin: Origin::Body }
}

/// What cannot be a header was none of the client's.
fn push(headers: &mut HeaderFields, name: &str, value: &str) {
    if is_token(name.as_bytes()) && !value.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        headers.push(name, value);
    }
}
