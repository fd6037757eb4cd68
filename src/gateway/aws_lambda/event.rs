//! Events of API Gateway, and the request that one tells of. What can be is left where it lies in the question.

use std::borrow::Cow;

use memchr::{memchr_iter, memrchr};
use okgate_events::{Event as Written, Text};
use url::form_urlencoded;

use super::fields::EventHeaders;
use crate::gateway::{Asked, Understood};
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

/// Reads the event in the body of a question.
pub(super) fn read<'r>(asked: &Asked<'r>) -> Result<Understood<'r>, String> {
    let event = Written::read(asked.body).map_err(|at| unreadable(asked.body, at))?;
    match (&*event.kind, &*event.version) {
        (b"TOKEN", _) => token(asked, event),
        (b"REQUEST", b"2.0") => request_2(asked, event),
        (b"REQUEST", _) => request_1(asked, event),
        _ => Err("the event is of no type that is known: TOKEN, REQUEST".to_owned()),
    }
}

/// Where an event is no event; not what is there, it may be a credential.
fn unreadable(event: &[u8], at: usize) -> String {
    let before = event.get(..at).unwrap_or(event);
    let line = memchr_iter(b'\n', before).count() + 1;
    let column = before.len() - memrchr(b'\n', before).map_or(0, |end| end + 1) + 1;
    format!("the event is not readable: line {line}, column {column}")
}

/// A text of an event that has to be one.
fn text(text: Text<'_>) -> Result<Cow<'_, str>, String> {
    let not_utf8 = "the event is not UTF-8";
    match text {
        Cow::Borrowed(bytes) => {
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| not_utf8.to_owned())
        }
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| not_utf8.to_owned()),
    }
}

/// Method and path are in the ARN: `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`.
fn token<'r>(asked: &Asked<'r>, event: Written<'r>) -> Result<Understood<'r>, String> {
    let strange = || "`methodArn` is none of an API's method".to_owned();
    let resource = text(event.method_arn)?;
    let mut arn = resource.splitn(6, ':');
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
    headers.push("authorization", event.authorization_token.unwrap_or_default());
    let request = Request {
        method: method.to_owned().into(),
        host: format!("{api}.execute-api.{region}.amazonaws.com{china}").into(),
        path: path.into_bytes().into(),
        query: None,
        source: None,
    };
    request.understood(asked, headers, Event { resource, simple: false })
}

fn request_1<'r>(asked: &Asked<'r>, event: Written<'r>) -> Result<Understood<'r>, String> {
    let headers = EventHeaders::of(event.multi_value_headers.or(event.headers));
    let parameters = event.multi_value_query_string_parameters.or(event.query_string_parameters);
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.unwrap_or_default().each() {
        query.append_pair(&text(name.into())?, &text(value.into())?);
    }
    let context = event.request_context;
    let request = Request {
        method: text(event.http_method)?,
        host: host(context.domain_name, &headers)?,
        path: event.path,
        query: Some(query.finish()).filter(|query| !query.is_empty()).map(Cow::Owned),
        source: context.identity.source_ip,
    };
    request.understood(asked, headers, Event { resource: text(event.method_arn)?, simple: false })
}

fn request_2<'r>(asked: &Asked<'r>, event: Written<'r>) -> Result<Understood<'r>, String> {
    let mut headers = EventHeaders::of(event.headers);
    if !event.cookies.is_empty() {
        headers.push("cookie", event.cookies.join(b"; ".as_slice()).into());
    }
    let context = event.request_context;
    let request = Request {
        method: text(context.http.method)?,
        host: host(context.domain_name, &headers)?,
        path: event.raw_path,
        query: Some(text(event.raw_query_string)?).filter(|query| !query.is_empty()),
        source: context.http.source_ip,
    };
    request.understood(asked, headers, Event { resource: text(event.route_arn)?, simple: true })
}

/// The request that an event tells of. API Gateway speaks TLS only.
struct Request<'r> {
    method: Cow<'r, str>,
    host: Cow<'r, str>,
    path: Text<'r>,
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
        if self.method.is_empty() || !self.path.starts_with(b"/") {
            return Err("the event has no method or no path".to_owned());
        }
        let address = self.source.and_then(|source| std::str::from_utf8(&source).ok()?.parse().ok());
        let parts = Parts {
            method: part(self.method),
            scheme: part("https".into()),
            host: part(self.host),
            path: part(self.path),
            query: part(self.query),
            peer: asked.peer,
            client: Client::Found(address),
            host_header: Some(Cow::Borrowed(asked.host)),
        };
        Ok(Understood { parts, headers: Some(headers), event: Some(event) })
    }
}

fn host<'r>(domain: Option<Text<'r>>, headers: &EventHeaders<'r>) -> Result<Cow<'r, str>, String> {
    match domain.filter(|domain| !domain.is_empty()) {
        Some(domain) => text(domain),
        None => match headers.text("host") {
            Some(host) => Ok(host.to_owned().into()),
            None => Err("the event names no host".to_owned()),
        },
    }
}

fn part<T>(value: T) -> Part<T> {
    Part { value, origin: Origin::Body }
}
