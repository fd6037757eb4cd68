//! Answers of a hydrator's API: a session, or why there is none.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::cache::weigh;
use crate::pipeline::mutate::header::NEVER_SET;
use crate::pipeline::mutate::header_value;
use crate::pipeline::outage::{OnBackendError, too_many_requests};
use crate::pipeline::{Denial, Detail};
use crate::upstream::Incoming;
use crate::upstream::backend::{Keep, Reading};

/// A session as the API gives it back.
pub(super) struct Hydrated {
    pub(super) subject: String,
    pub(super) extra: Option<Arc<Map<String, Value>>>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Reads the API's answers.
pub(super) struct Reader {
    pub(super) with_credentials: bool,
    pub(super) on_backend_error: OnBackendError,
}

impl Reader {
    pub(super) fn read(&self, answer: &Incoming) -> Reading<Result<Hydrated, Denial>> {
        let denial = match answer.status {
            200 => match Hydrated::read(&answer.body) {
                Ok(hydrated) => {
                    let extra = hydrated.extra.as_deref().map_or(0, weigh);
                    let headers = hydrated.headers.iter().map(|(n, v)| 80 + n.as_str().len() + v.len());
                    let bytes = 200 + hydrated.subject.len() + extra + headers.sum::<usize>();
                    return Reading { value: Ok(hydrated), bytes, keep: Keep::Yes(None) };
                }
                Err(Problem::Nobody) => not_a_session(Detail::id("hydrator-answer-empty")),
                Err(Problem::Other(problem)) => self.on_backend_error.unreadable(500, problem, answer),
            },
            401 if self.with_credentials => {
                self.refused("Invalid credentials were provided in mutator configuration", answer)
            }
            401 => self.refused("No credentials were provided in mutator configuration", answer),
            429 => too_many_requests(answer),
            500.. => self.on_backend_error.status(500, answer),
            _ => self.refused("The call to an external API returned a non-200 HTTP response", answer),
        };
        Reading { value: Err(denial), bytes: 500, keep: Keep::No }
    }

    /// An answer that says that something is wrong with the call, in Oathkeeper's words.
    fn refused(&self, message: &'static str, answer: &Incoming) -> Denial {
        match self.on_backend_error {
            OnBackendError::Compat => {
                let why = Detail::id("backend-status").log(format_args!("status {}", answer.status));
                Denial::Misconfigured { message: Cow::Borrowed(message), why }
            }
            OnBackendError::Unavailable => self.on_backend_error.status(500, answer),
        }
    }
}

/// The denial for an answer that is JSON, but not this session.
pub(super) fn not_a_session(why: Detail) -> Denial {
    Denial::Misconfigured {
        message: Cow::Borrowed("The call to an external API returned an invalid JSON object"),
        why,
    }
}

/// What is wrong with an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// `null`: no session at all.
    Nobody,
    /// What it cannot be read as.
    Other(&'static str),
}

impl Hydrated {
    /// Reads the JSON of a session. Keys may be written in any case, as Go reads them; unknown ones do not
    /// count.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let session = match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(session)) => session,
            Ok(Value::Null) => return Err(Problem::Nobody),
            Ok(_) => return Err(Problem::Other("not an object")),
            Err(_) => return Err(Problem::Other("not JSON")),
        };
        let mut fields = Fields(session);
        let subject = match fields.take("subject") {
            Value::Null => String::new(),
            Value::String(subject) => subject,
            _ => return Err(Problem::Other("`subject` is not text")),
        };
        let extra = match fields.take("extra") {
            Value::Null => None,
            Value::Object(extra) => Some(Arc::new(extra)),
            _ => return Err(Problem::Other("`extra` is not an object")),
        };
        let headers = read_headers(fields.take("header"))?;
        check_match_context(fields.take("match_context"))?;
        Ok(Self { subject, extra, headers })
    }
}

/// The members of an object, by names in any case.
struct Fields(Map<String, Value>);

impl Fields {
    fn take(&mut self, name: &str) -> Value {
        if let Some(value) = self.0.get_mut(name) {
            return value.take();
        }
        let inexact = self.0.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name));
        inexact.map_or(Value::Null, |(_, value)| value.take())
    }
}

/// All values of all headers. What can be no header's name is left out, as are the headers of the
/// connection.
fn read_headers(written: Value) -> Result<Vec<(HeaderName, HeaderValue)>, Problem> {
    let written = match written {
        Value::Null => return Ok(Vec::new()),
        Value::Object(written) => written,
        _ => return Err(Problem::Other("`header` is not an object")),
    };
    let mut headers = Vec::with_capacity(written.len());
    for (name, values) in written {
        let Some(mut texts) = texts(&values) else {
            return Err(Problem::Other("a value in `header` is not a list of texts"));
        };
        if texts.is_empty() {
            texts.push("");
        }
        let name = HeaderName::from_bytes(name.as_bytes());
        let name = name.ok().filter(|name| !NEVER_SET.contains(&name.as_str()));
        for text in texts {
            let value = header_value(text);
            let value = value.ok_or(Problem::Other("a value in `header` holds a control character"))?;
            headers.extend(name.clone().map(|name| (name, value)));
        }
    }
    Ok(headers)
}

/// Null stands for an empty list.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Nothing of it is taken over, but what is there has to be of the right kind.
fn check_match_context(written: Value) -> Result<(), Problem> {
    let mut fields = match written {
        Value::Null => return Ok(()),
        Value::Object(fields) => Fields(fields),
        _ => return Err(Problem::Other("`match_context` is not an object")),
    };
    if !matches!(fields.take("url"), Value::Null | Value::Object(_)) {
        return Err(Problem::Other("`match_context.url` is not an object"));
    }
    if !matches!(fields.take("method"), Value::Null | Value::String(_)) {
        return Err(Problem::Other("`match_context.method` is not text"));
    }
    if texts(&fields.take("regexp_capture_groups")).is_none() {
        return Err(Problem::Other("`match_context.regexp_capture_groups` is not a list of texts"));
    }
    match fields.take("header") {
        Value::Null => Ok(()),
        Value::Object(headers) if headers.values().all(|values| texts(values).is_some()) => Ok(()),
        _ => Err(Problem::Other("`match_context.header` is not an object of lists of texts")),
    }
}
