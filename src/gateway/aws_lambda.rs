//! `aws_lambda`: for a Lambda authorizer of AWS API Gateway, which hands its event on as the body of a POST and
//! gives the answer's body back
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html>,
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html>).
//!
//! Events of the types `TOKEN` and `REQUEST` are understood, the latter in the formats 1.0 and 2.0. The body of
//! the answer is an IAM policy, or the simple response of format 2.0. Its status is that of the decision too, so
//! that a function can raise `Unauthorized` for 401 and an error for 5xx.

mod event;
mod fields;

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, LOCATION};
use smallvec::SmallVec;

pub use self::event::Event;
pub use self::fields::EventHeaders;
use super::{Asked, Dialect, No, Understood, Yes, x_forwarded};
use crate::pipeline::{Detail, Reply};
use crate::request::body::SHORT;

/// API Gateway takes 10 KB of headers; an event has them twice.
const LONGEST_EVENT: usize = SHORT;

/// Most answers find room in so many bytes.
const ROOM: usize = 512;

/// See the module.
pub struct AwsLambda;

impl Dialect for AwsLambda {
    fn id(&self) -> &'static str {
        "aws_lambda"
    }

    fn question_bytes(&self) -> usize {
        LONGEST_EVENT
    }

    fn read<'r>(&self, asked: &Asked<'r>) -> Result<Understood<'r>, Detail> {
        x_forwarded::believed(asked)?;
        event::read(asked).map_err(|why| Detail::id("unreadable-event").log(why))
    }

    fn grant(&self, yes: Yes<'_>) -> Reply {
        let Some(event) = yes.event else {
            return Reply { status: 500, headers: Vec::new(), body: Bytes::new() };
        };
        let principal = match yes.subject() {
            "" => Cow::Borrowed("anonymous"),
            subject => Cow::Owned(subject.to_owned()),
        };
        let headers = yes.into_reply().headers;
        let mut context = Context::new();
        for (name, value) in &headers {
            let (key, value) = (key(name.as_str()), String::from_utf8_lossy(value.as_bytes()));
            match context.iter_mut().find(|(before, _)| *before == key) {
                Some((_, values)) => values.to_mut().extend([",", &value]),
                None => context.push((key, value)),
            }
        }
        put(200, event, true, &principal, &context)
    }

    fn refuse(&self, no: No<'_>) -> Reply {
        let said = no.status.unwrap_or(no.reply.status);
        let status = match said {
            300..=399 => 401,
            status => status,
        };
        let mut context = Context::new();
        context.push(("status".into(), said.to_string().into()));
        context.push(("reason".into(), no.denial.outcome().into()));
        if let Some(location) = no.header(&LOCATION) {
            context.push(("location".into(), String::from_utf8_lossy(location.as_bytes())));
        }
        put(status, no.event.unwrap_or(&Event::UNREAD), false, "anonymous", &context)
    }
}

/// What the function's answer tells the integration and the log of API Gateway.
type Context<'a> = SmallVec<[(Cow<'a, str>, Cow<'a, str>); 4]>;

/// `X-User` as `x_user`: a hyphen cannot be in `$context.authorizer.x_user`.
fn key(name: &str) -> Cow<'_, str> {
    if name.contains('-') { Cow::Owned(name.replace('-', "_")) } else { Cow::Borrowed(name) }
}

fn put(status: u16, event: &Event<'_>, allowed: bool, principal: &str, context: &Context<'_>) -> Reply {
    let mut body = Vec::with_capacity(ROOM);
    if event.simple {
        body.extend_from_slice(br#"{"isAuthorized":"#);
        body.extend_from_slice(if allowed { b"true" } else { b"false" });
    } else {
        body.extend_from_slice(br#"{"principalId":"#);
        quote(&mut body, principal);
        body.extend_from_slice(
            br#","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"#,
        );
        body.extend_from_slice(if allowed { br#""Allow""# } else { br#""Deny""# });
        body.extend_from_slice(br#","Resource":"#);
        quote(&mut body, &event.resource);
        body.extend_from_slice(b"}]}");
    }
    body.extend_from_slice(br#","context":{"#);
    for (index, (key, value)) in context.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        quote(&mut body, key);
        body.push(b':');
        quote(&mut body, value);
    }
    body.extend_from_slice(b"}}");
    let json = HeaderValue::from_static("application/json");
    Reply { status, headers: vec![(CONTENT_TYPE, json)], body: Bytes::from(body) }
}

/// A text in JSON. Most have nothing to escape.
fn quote(json: &mut Vec<u8>, text: &str) {
    if okgate_events::is_plain(text.as_bytes()) {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    } else {
        // Writing a text to memory cannot fail.
        let _ = serde_json::to_writer(json, text);
    }
}

#[cfg(test)]
mod tests;
