//! `json`: the refusal as Oathkeeper's JSON error.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::Finding;
use crate::json::html_safe_json;
use crate::pipeline::denial::Denial;
use crate::pipeline::grant::Reply;
use crate::pipeline::handler::{BuildContext, ErrorHandler, Registration};
use crate::request::AccessRequest;

/// How the registry knows it.
pub const REGISTRATION: Registration<dyn ErrorHandler> = Registration { id: "json", build };

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    verbose: bool,
}

struct Json {
    verbose: bool,
}

fn build(_: &BuildContext<'_>, config: &Value) -> Result<Box<dyn ErrorHandler>, Vec<Finding>> {
    let settings: Settings = super::super::settings(config)?;
    Ok(Box::new(Json { verbose: settings.verbose }))
}

impl ErrorHandler for Json {
    fn handle(&self, denial: &Denial, request: &AccessRequest<'_>) -> Reply {
        let mut reply = if self.verbose {
            let reason = denial.detail().and_then(|d| d.public.as_deref());
            error_reply(denial.status(), denial.message(), reason, request)
        } else {
            error_reply(denial.status(), quiet_message(denial.status()), None, request)
        };
        if let Denial::TooManyRequests { headers, .. } = denial {
            reply.headers.extend(headers.iter().cloned());
        }
        if let Denial::CouldNotDecide { retry_after: Some(seconds), .. } = denial {
            reply.headers.push((http::header::RETRY_AFTER, HeaderValue::from(*seconds)));
        }
        reply
    }
}

/// What clients read where the operator did not ask for more: nothing that helps an attacker.
fn quiet_message(status: u16) -> &'static str {
    match status {
        400 | 408 | 413 => "The request was malformed or contained invalid parameters",
        401 => "The request could not be authorized",
        403 => "The requested action was forbidden",
        404 => "The requested resource could not be found",
        429 => "Too many requests",
        502..=504 => "A service that takes part in the decision is not available",
        _ => "An internal server error occurred, please contact the system administrator",
    }
}

#[derive(Serialize)]
struct Envelope<'e> {
    error: Body<'e>,
}

/// Key order is Oathkeeper's.
#[derive(Serialize)]
struct Body<'e> {
    code: u16,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'e str>,
    message: &'e str,
}

/// The JSON error with status, message and, where there is one, a reason.
pub fn error_reply(status: u16, message: &str, reason: Option<&str>, request: &AccessRequest<'_>) -> Reply {
    let request_id = request.headers().text("x-request-id").filter(|id| !id.is_empty());
    error_body(status, message, reason, request_id)
}

/// The same for answers that belong to no client request, such as the rules API.
pub fn error_body(status: u16, message: &str, reason: Option<&str>, request_id: Option<&str>) -> Reply {
    let envelope = Envelope {
        error: Body { code: status, status: status_text(status), request: request_id, reason, message },
    };
    Reply {
        status,
        headers: vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (HeaderName::from_static("ory-error-id"), HeaderValue::from_static("")),
        ],
        body: Bytes::from(html_safe_json(&envelope)),
    }
}

/// The reason phrase of a status.
pub fn status_text(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_messages_are_oathkeepers() {
        for (status, want) in [
            (401, "The request could not be authorized"),
            (404, "The requested resource could not be found"),
            (500, "An internal server error occurred, please contact the system administrator"),
        ] {
            assert_eq!(quiet_message(status), want);
        }
    }
}
