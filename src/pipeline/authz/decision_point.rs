//! Decision points: what `remote` and `remote_json` have in common. A service of one's own is asked whether
//! the request may pass, and says so by status, or by what its answer holds where `allow_if` says so.
//!
//! Redirects are not followed unless `follow_redirects` is set: where a yes is any 200, a login page must not
//! be one.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::cache::Space;
use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, BuildContext, Exchange};
use crate::pipeline::json_path::JsonPath;
use crate::pipeline::mutate::header::{HeaderTemplates, NEVER_SET};
use crate::pipeline::mutate::templates;
use crate::pipeline::outage::{OnBackendError, too_many_requests};
use crate::pipeline::patience;
use crate::pipeline::{Denial, Detail};
use crate::request::body::{BodyError, SHORT};
use crate::template::Purpose;
use crate::upstream::backend::{Backend, BackendSettings, Coalesce, Fault, Keep, Plan, Question, Reading};
use crate::upstream::headers::{self, Forwarded};
use crate::upstream::{Incoming, OutgoingBody, trace};

/// As often as Oathkeeper asks.
const ATTEMPTS: u32 = 5;
/// As many as Oathkeeper's client follows.
const REDIRECTS: u8 = 10;
/// How long a verdict is remembered where `cache.ttl` is not set.
const TTL: Duration = Duration::from_secs(60);

/// Headers that a template cannot set, beside [`NEVER_SET`]: the service's own name, and what the client
/// that makes the call says for itself.
const OF_THE_CALL: [&str; 3] = ["accept-encoding", "expect", "host"];

/// The settings that both handlers have.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    remote: String,
    forward_request_headers: Vec<String>,
    forward_response_headers_to_upstream: Vec<String>,
    follow_redirects: bool,
    allow_if: AllowIf,
    deny_if: DenyIf,
    on_backend_error: OnBackendError,
    #[serde(flatten)]
    backend: BackendSettings,
}

/// `allow_if`: what a yes is.
#[derive(Deserialize)]
#[serde(default)]
struct AllowIf {
    status: Vec<u16>,
    path: Option<String>,
    equals: Value,
}

impl Default for AllowIf {
    fn default() -> Self {
        Self { status: vec![200], path: None, equals: Value::Bool(true) }
    }
}

/// `deny_if`: what a no is, and not a failure to answer.
#[derive(Deserialize)]
#[serde(default)]
struct DenyIf {
    status: Vec<u16>,
}

impl Default for DenyIf {
    fn default() -> Self {
        Self { status: vec![403] }
    }
}

/// A service that is asked.
pub(super) struct DecisionPoint {
    url: String,
    forwarded: Forwarded,
    headers: HeaderTemplates,
    on_backend_error: OnBackendError,
    /// The headers of the answer that the upstream gets.
    answered: Vec<HeaderName>,
    backend: Backend<Verdict>,
}

/// What the service said, with the headers for the upstream.
type Verdict = Result<Vec<(HeaderName, HeaderValue)>, Denial>;

impl DecisionPoint {
    /// Builds the way to the service. `config` is the whole configuration of the handler `id`.
    pub(super) fn build(
        id: &'static str,
        context: &BuildContext<'_>,
        config: &Value,
        mut settings: Settings,
    ) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let mut or_findings = |found: Vec<Finding>| findings.extend(found);
        let templates = templates(config, context.templates);
        let never_set: Vec<&str> = NEVER_SET.iter().chain(&OF_THE_CALL).copied().collect();
        let headers = HeaderTemplates::read(config, Purpose::Payload, templates, &never_set);
        let headers = headers.map_err(&mut or_findings);
        let reader = Reader::build(&settings).map_err(&mut or_findings);
        let retry = patience::retry(&mut settings.backend, "/retry", ATTEMPTS).map_err(&mut or_findings);
        let (Ok(headers), Ok(reader), Ok(retry)) = (headers, reader, retry) else {
            return Err(findings);
        };
        let plan = Plan {
            handler: id,
            url: &settings.remote,
            url_at: "/remote",
            redirects: if settings.follow_redirects { REDIRECTS } else { 0 },
            retry: Some(retry),
            attempts: ATTEMPTS,
            coalesce: Coalesce::OfSafeRequests,
            space: Space::new(id, &[config.to_string().as_bytes()]),
            ttl: TTL,
        };
        let (cache, calls) = (&context.shared.cache, &context.shared.calls);
        let answered = reader.forwarded.clone();
        let backend =
            Backend::new(&plan, &settings.backend, cache, calls, move |answer, _| reader.read(&answer))?;
        Ok(Self {
            forwarded: Forwarded::new(settings.forward_request_headers.iter().map(String::as_str)),
            url: settings.remote,
            headers,
            on_backend_error: settings.on_backend_error,
            answered,
            backend,
        })
    }

    /// When everything has to be done that begins now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.backend.deadline()
    }

    /// Whether a header of the question may look at capture groups.
    pub(super) fn uses_captures(&self) -> bool {
        self.headers.use_captures()
    }

    /// Names of headers that a yes sets.
    pub(super) fn header_names(&self) -> Vec<HeaderName> {
        self.answered.clone()
    }

    /// What is asked about a request. The client's headers come first, then what the handler says of its
    /// body, then the configured ones; of these an empty one is not sent.
    pub(super) fn question(
        &self,
        exchange: &Exchange<'_>,
        content_type: HeaderValue,
        body: OutgoingBody,
    ) -> Result<Question, Denial> {
        let client = exchange.request.headers();
        let mut question = Question::new(Method::POST, self.url.clone());
        self.forwarded.copy(client, &mut question.headers);
        headers::set(&mut question.headers, CONTENT_TYPE, content_type);
        let credentials = client.first("authorization").filter(|value| !value.is_empty());
        if let Some(value) = credentials.and_then(|value| HeaderValue::from_bytes(value).ok()) {
            headers::set(&mut question.headers, AUTHORIZATION, value);
        }
        let mut room = String::new();
        for (name, text) in self.headers.iter() {
            let value = text.value(name, exchange, &mut room)?;
            if !value.is_empty() {
                headers::set(&mut question.headers, name.clone(), value);
            }
        }
        question.trace = trace::context(client);
        question.body = body;
        Ok(question)
    }

    /// Asks, unless the answer is remembered.
    pub(super) fn ask<'a>(
        &'a self,
        exchange: &'a mut Exchange<'_>,
        question: Question,
        deadline: Instant,
    ) -> Answer<'a, ()> {
        let key = self.backend.key(&question).filter(|_| self.backend.shares(exchange.request.method()));
        let now = exchange.context.now();
        if let Some(verdict) = self.backend.remembered(key.as_ref(), now) {
            return Answer::Now(carry_out(exchange, &verdict));
        }
        Answer::Later(Box::pin(async move {
            let asked = self.backend.ask(&exchange.context.fetch, now, key, &question);
            let outcome = timeout_at(deadline, asked)
                .await
                .unwrap_or_else(|_| Err(Fault::TimedOut("no time was left for an answer".to_owned())));
            match outcome {
                Ok(verdict) => carry_out(exchange, &verdict),
                Err(Fault::Body(error)) => Err(unreadable(error)),
                Err(Fault::TimedOut(_)) if is_awaited(&question.body) => Err(unreadable(BodyError::TooSlow)),
                Err(fault) => Err(self.on_backend_error.fault(500, &fault)),
            }
        }))
    }
}

/// Whether the client's body is what everybody waits for.
fn is_awaited(body: &OutgoingBody) -> bool {
    matches!(body, OutgoingBody::Passing(pieces) if pieces.is_awaited())
}

/// What is said to a client whose body cannot be looked at.
pub(super) fn unreadable(error: BodyError) -> Denial {
    let why = Detail::id(error.id());
    let (status, why) = match error {
        BodyError::TooLong { limit } => (413, why.public(format!("The body is longer than {limit} bytes."))),
        BodyError::PassedOn => {
            let why = why.log("another handler before got the body, which is too long to be kept");
            (413, why.public(format!("The body is longer than {SHORT} bytes.")))
        }
        BodyError::TooSlow => (408, why.public("The body did not come in time.")),
        BodyError::BrokenOff => return Denial::BadRequest { why },
    };
    Denial::CouldNotDecide { status, why, retry_after: None }
}

fn carry_out(exchange: &mut Exchange<'_>, verdict: &Verdict) -> Result<(), Denial> {
    exchange.session.headers.set_all(verdict.as_ref().map_err(Clone::clone)?);
    Ok(())
}

/// Reads the service's answers.
struct Reader {
    allowing: Vec<u16>,
    /// What has to be found where in the answer.
    allowed: Option<(JsonPath, Value)>,
    denying: Vec<u16>,
    /// The headers that the upstream gets.
    forwarded: Vec<HeaderName>,
    on_backend_error: OnBackendError,
}

impl Reader {
    fn build(settings: &Settings) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let allowed = settings.allow_if.path.as_ref().map(|path| {
            JsonPath::compile(path).map_err(|why| {
                let message = format!("`{path}` is not a GJSON path: {why}");
                findings.push(Finding::error("invalid-path", "/allow_if/path", message));
            })
        });
        let allowed = match allowed {
            None => None,
            Some(Ok(path)) => Some((path, settings.allow_if.equals.clone())),
            Some(Err(())) => return Err(findings),
        };
        let mut forwarded: Vec<HeaderName> = Vec::new();
        for (index, written) in settings.forward_response_headers_to_upstream.iter().enumerate() {
            match HeaderName::from_bytes(written.as_bytes()) {
                Ok(name) if forwarded.contains(&name) || NEVER_SET.contains(&name.as_str()) => {}
                Ok(name) => forwarded.push(name),
                Err(_) => {
                    let pointer = format!("/forward_response_headers_to_upstream/{index}");
                    let message = format!("`{written}` cannot be the name of a header");
                    findings.push(Finding::error("bad-name", pointer, message));
                }
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        Ok(Self {
            allowing: settings.allow_if.status.clone(),
            allowed,
            denying: settings.deny_if.status.clone(),
            forwarded,
            on_backend_error: settings.on_backend_error,
        })
    }

    fn read(&self, answer: &Incoming) -> Reading<Verdict> {
        let no = |denial, keep| Reading { value: Err(denial), bytes: 500, keep };
        let forbidden = |id| no(Denial::Forbidden { why: Detail::id(id) }, Keep::Refusal);
        if self.denying.contains(&answer.status) {
            return forbidden("remote-denied");
        }
        if answer.status == 429 {
            return no(too_many_requests(answer), Keep::No);
        }
        if !self.allowing.contains(&answer.status) {
            return no(self.on_backend_error.status(500, answer), Keep::No);
        }
        if let Some((path, wanted)) = &self.allowed {
            let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
                return no(self.on_backend_error.unreadable(500, "not JSON", answer), Keep::No);
            };
            if !path.find(&body).is_some_and(|found| equal(&found, wanted)) {
                return forbidden("remote-not-allowed");
            }
        }
        // An absent one is set all the same: the client's own must not take its place.
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for name in &self.forwarded {
            let before = headers.len();
            headers.extend(answer.headers.iter().filter(|(n, _)| n == name).cloned());
            if headers.len() == before {
                headers.push((name.clone(), HeaderValue::from_static("")));
            }
        }
        let bytes =
            100 + headers.iter().map(|(name, value)| 80 + name.as_str().len() + value.len()).sum::<usize>();
        Reading { value: Ok(headers), bytes, keep: Keep::Yes(None) }
    }
}

/// Numbers are equal by what they are worth: `1` and `1.0`.
fn equal(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found_number), Some(wanted_number)) if found.is_f64() || wanted.is_f64() => {
            found_number.total_cmp(&wanted_number).is_eq()
        }
        _ => found == wanted,
    }
}
