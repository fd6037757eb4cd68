//! `aws_lambda`: for a Lambda authorizer of AWS API Gateway, which hands its event on as the body of a POST and
//! gives the answer's body back
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html>,
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html>).
//!
//! Events of the types `TOKEN` and `REQUEST` are understood, the latter in the formats 1.0 and 2.0. The body of
//! the answer is an IAM policy, or the simple response of format 2.0. Its status is that of the decision too, so
//! that a function can raise `Unauthorized` for 401 and an error for 5xx.

mod event;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, LOCATION};
use serde_json::{Map, Value, json};

pub use self::event::Event;
use super::{Asked, Dialect, No, Understood, Yes, x_forwarded};
use crate::pipeline::{Detail, Reply};
use crate::request::body::SHORT;

/// API Gateway takes 10 KB of headers; an event has them twice.
const LONGEST_EVENT: usize = SHORT;

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
        let principal = if yes.subject().is_empty() { "anonymous" } else { yes.subject() }.to_owned();
        let mut context = Map::new();
        for (name, value) in &yes.into_reply().headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            match context.entry(key(name.as_str())) {
                serde_json::map::Entry::Vacant(entry) => {
                    entry.insert(value.into());
                }
                serde_json::map::Entry::Occupied(mut entry) => {
                    let joined = format!("{},{value}", entry.get().as_str().unwrap_or_default());
                    entry.insert(joined.into());
                }
            }
        }
        put(200, event, true, &principal, &context)
    }

    fn refuse(&self, no: No<'_>) -> Reply {
        let status = match no.status.unwrap_or(no.reply.status) {
            300..=399 => 401,
            status => status,
        };
        let mut context = Map::new();
        context.insert("status".to_owned(), no.status.unwrap_or(no.reply.status).to_string().into());
        context.insert("reason".to_owned(), no.denial.outcome().into());
        if let Some(location) = no.header(&LOCATION) {
            let location = String::from_utf8_lossy(location.as_bytes());
            context.insert("location".to_owned(), location.into());
        }
        match no.event {
            Some(event) => put(status, event, false, "anonymous", &context),
            None => put(status, &Event::unread(), false, "anonymous", &context),
        }
    }
}

/// `X-User` as `x_user`: a hyphen cannot be in `$context.authorizer.x_user`.
fn key(name: &str) -> String {
    name.replace('-', "_")
}

fn put(status: u16, event: &Event, allowed: bool, principal: &str, context: &Map<String, Value>) -> Reply {
    let body = if event.simple {
        json!({"isAuthorized": allowed, "context": context})
    } else {
        json!({
            "principalId": principal,
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Action": "execute-api:Invoke",
                    "Effect": if allowed { "Allow" } else { "Deny" },
                    "Resource": event.resource,
                }],
            },
            "context": context,
        })
    };
    let json = HeaderValue::from_static("application/json");
    Reply { status, headers: vec![(CONTENT_TYPE, json)], body: Bytes::from(body.to_string()) }
}

#[cfg(test)]
mod tests;
