//! Events of API Gateway, and the request that one tells of. What can be is left where it lies in the question.

use std::borrow::Cow;

use memchr::memchr3;
use serde::Deserialize;
use url::form_urlencoded;

use super::fields::{EventHeaders, Members, Text, Texts, Textual};
use crate::gateway::{Asked, Understood};
use crate::request::headers::is_token;
use crate::request::{Client, Headers as _, Origin, Part, Parts};

/// What of an event the answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'e> {
    /// The ARN of the method or route that was called.
    pub resource: Cow<'e, str>,
    /// Whether a simple response is understood: format 2.0.
    pub simple: bool,
}

impl Event<'_> {
    /// What stands for an event that could not be read: a no to everything.
    pub(super) const UNREAD: Self = Self { resource: Cow::Borrowed("*"), simple: false };
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Written<'e> {
    #[serde(borrow)]
    version: Text<'e>,
    #[serde(rename = "type")]
    kind: Text<'e>,
    method_arn: Text<'e>,
    route_arn: Text<'e>,
    authorization_token: Option<Text<'e>>,
    http_method: Text<'e>,
    path: Text<'e>,
    raw_path: Text<'e>,
    raw_query_string: Text<'e>,
    cookies: Vec<Text<'e>>,
    headers: Option<Members<'e, Textual<'e>>>,
    multi_value_headers: Option<Members<'e, Texts<'e>>>,
    query_string_parameters: Option<Members<'e, Textual<'e>>>,
    multi_value_query_string_parameters: Option<Members<'e, Texts<'e>>>,
    request_context: RequestContext<'e>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RequestContext<'e> {
    #[serde(borrow)]
    domain_name: Option<Text<'e>>,
    identity: Identity<'e>,
    http: Http<'e>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Identity<'e> {
    #[serde(borrow)]
    source_ip: Option<Text<'e>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Http<'e> {
    #[serde(borrow)]
    method: Text<'e>,
    source_ip: Option<Text<'e>>,
}

/// Reads the event in the body of a question.
pub(super) fn read<'r>(asked: &Asked<'r>) -> Result<Understood<'r>, String> {
    let text = std::str::from_utf8(asked.body).map_err(|_| "the event is not UTF-8".to_owned())?;
    let event: Written<'r> = serde_json::from_str(text).map_err(|error| {
        // What serde says may repeat a credential.
        format!("the event is not readable: line {}, column {}", error.line(), error.column())
    })?;
    match (&*event.kind, &*event.version) {
        ("TOKEN", _) => token(asked, event),
        ("REQUEST", "2.0") => request_2(asked, event),
        ("REQUEST", _) => request_1(asked, event),
        _ => Err("the event is of no type that is known: TOKEN, REQUEST".to_owned()),
    }
}

/// Method and path are in the ARN: `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`.
fn token<'r>(asked: &Asked<'r>, event: Written<'r>) -> Result<Understood<'r>, String> {
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
    let mut headers = EventHeaders::default();
    headers.push("authorization", event.authorization_token.unwrap_or_default().0);
    let request = Request {
        method: method.to_owned().into(),
        host: format!("{api}.execute-api.{region}.amazonaws.com{china}").into(),
        path: path.into(),
        query: None,
        source: None,
    };
    request.understood(asked, headers, Event { resource: event.method_arn.0, simple: false })
}

fn request_1<'r>(asked: &Asked<'r>, event: Written<'r>) -> Result<Understood<'r>, String> {
    let headers = match event.multi_value_headers {
        Some(fields) => {
            let mut headers = EventHeaders::default();
            for (name, values) in fields.0 {
                for value in values.into_each() {
                    push(&mut headers, &name, value.0);
                }
            }
            headers
        }
        None => single(event.headers),
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    match event.multi_value_query_string_parameters {
        Some(pairs) => {
            for (name, values) in pairs.0 {
                for value in values.into_each() {
                    query.append_pair(&name, &value);
                }
            }
        }
        None => {
            for (name, value) in event.query_string_parameters.into_iter().flat_map(|pairs| pairs.0) {
                query.append_pair(&name, &value.0);
            }
        }
    }
    let request = Request {
        method: event.http_method.0,
        host: host(event.request_context.domain_name, &headers)?,
        path: event.path.0,
        query: Some(query.finish()).filter(|query| !query.is_empty()).map(Cow::Owned),
        source: event.request_context.identity.source_ip,
    };
    request.understood(asked, headers, Event { resource: event.method_arn.0, simple: false })
}

fn request_2<'r>(asked: &Asked<'r>, event: Written<'r>) -> Result<Understood<'r>, String> {
    let mut headers = single(event.headers);
    if !event.cookies.is_empty() {
        let cookies: Vec<&str> = event.cookies.iter().map(|cookie| &**cookie).collect();
        push(&mut headers, "cookie", cookies.join("; ").into());
    }
    let request = Request {
        method: event.request_context.http.method.0,
        host: host(event.request_context.domain_name, &headers)?,
        path: event.raw_path.0,
        query: Some(event.raw_query_string.0).filter(|query| !query.is_empty()),
        source: event.request_context.http.source_ip,
    };
    request.understood(asked, headers, Event { resource: event.route_arn.0, simple: true })
}

/// The request that an event tells of. API Gateway speaks TLS only.
struct Request<'r> {
    method: Cow<'r, str>,
    host: Cow<'r, str>,
    path: Cow<'r, str>,
    query: Option<Cow<'r, str>>,
    source: Option<Text<'r>>,
}

impl<'r> Request<'r> {
    fn understood(
        self,
        asked: &Asked<'r>,
        headers: EventHeaders<'r>,
        event: Event<'r>,
    ) -> Result<Understood<'r>, String> {
        if event.resource.is_empty() {
            return Err("the event names no ARN".to_owned());
        }
        if self.method.is_empty() || !self.path.starts_with('/') {
            return Err("the event has no method or no path".to_owned());
        }
        let path = match self.path {
            Cow::Borrowed(path) => Cow::Borrowed(path.as_bytes()),
            Cow::Owned(path) => Cow::Owned(path.into_bytes()),
        };
        let parts = Parts {
            method: part(self.method),
            scheme: part("https".into()),
            host: part(self.host),
            path: part(path),
            query: part(self.query),
            peer: asked.peer,
            client: Client::Found(self.source.and_then(|source| source.parse().ok())),
            host_header: Some(Cow::Borrowed(asked.host)),
        };
        Ok(Understood { parts, headers: Some(headers), event: Some(event) })
    }
}

fn host<'r>(domain: Option<Text<'r>>, headers: &EventHeaders<'r>) -> Result<Cow<'r, str>, String> {
    let own = || headers.text("host").map(|host| host.to_owned().into());
    let domain = domain.map(|domain| domain.0).filter(|domain| !domain.is_empty());
    domain.or_else(own).ok_or_else(|| "the event names no host".to_owned())
}

fn single<'r>(fields: Option<Members<'r, Textual<'r>>>) -> EventHeaders<'r> {
    let mut headers = EventHeaders::default();
    for (name, value) in fields.into_iter().flat_map(|fields| fields.0) {
        push(&mut headers, &name, value.0);
    }
    headers
}

fn part<T>(value: T) -> Part<T> {
    Part { value, origin: Origin::Body }
}

/// What cannot be a header was none of the client's.
fn push<'r>(headers: &mut EventHeaders<'r>, name: &str, value: Cow<'r, str>) {
    if is_token(name.as_bytes()) && memchr3(b'\r', b'\n', 0, value.as_bytes()).is_none() {
        headers.push(name, value);
    }
}
