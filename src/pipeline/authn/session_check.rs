//! Session checks: what `cookie_session` and `bearer_token` have in common. A service is asked whose
//! credentials a request carries, with chosen headers and never with the body.
//!
//! A store that is asked at its own path (`preserve_path`) is asked with GET: the client's method says nothing
//! about its credentials. One that is asked at the request's path may judge the request, so it is shown the
//! request's method as well; asking with GET there would let a DELETE pass as a GET. `force_method` has the last word.
//!
//! A grant needs a subject that the service named: an answer that is no JSON, or names nobody, is none,
//! unless `require_subject` is off.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::cache::{Space, weigh};
use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, Authentication, BuildContext, Exchange};
use crate::pipeline::json_path::JsonPath;
use crate::pipeline::outage::{OnBackendError, too_many_requests};
use crate::pipeline::{Denial, Detail};
use crate::request::AccessRequest;
use crate::upstream::backend::{Backend, BackendSettings, Coalesce, Fault, Keep, Plan, Question, Reading};
use crate::upstream::headers::{self, Forwarded, HeaderFields};
use crate::upstream::{Incoming, trace};

/// As many redirects as Oathkeeper's client follows.
const REDIRECTS: u8 = 10;
/// How long an answer is remembered where `cache.ttl` is not set.
const TTL: std::time::Duration = std::time::Duration::from_secs(60);

/// The settings that both handlers have.
#[derive(Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "as Oathkeeper names them")]
pub(super) struct Settings {
    check_session_url: String,
    preserve_path: bool,
    preserve_query: bool,
    preserve_host: bool,
    force_method: String,
    forward_http_headers: Vec<String>,
    additional_headers: BTreeMap<String, String>,
    extra_from: String,
    subject_from: String,
    require_subject: bool,
    on_backend_error: OnBackendError,
    #[serde(flatten)]
    backend: BackendSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            check_session_url: String::new(),
            preserve_path: false,
            preserve_query: true,
            preserve_host: false,
            force_method: String::new(),
            forward_http_headers: Vec::new(),
            additional_headers: BTreeMap::new(),
            extra_from: String::new(),
            subject_from: String::new(),
            require_subject: true,
            on_backend_error: OnBackendError::Compat,
            backend: BackendSettings::default(),
        }
    }
}

/// What one of the two handlers is.
pub(super) struct Kind {
    /// Handler id.
    pub(super) id: &'static str,
    /// The header that always goes along.
    pub(super) credential: HeaderName,
    /// Where the subject is if nothing else is set.
    pub(super) subject_from: &'static str,
}

/// Asks a service for a session.
pub(super) struct SessionCheck {
    /// Scheme, userinfo, host and port of the service.
    origin: String,
    path: Option<String>,
    query: Query,
    method: Option<Method>,
    preserve_host: bool,
    forwarded: Forwarded,
    additional: HeaderFields,
    on_backend_error: OnBackendError,
    backend: Backend<Checked>,
}

/// The query that the service is asked with.
enum Query {
    Fixed(Option<String>),
    OfRequest,
}

/// What the service said, as far as one request is concerned.
type Checked = Result<Known, Denial>;

/// Whom the credentials belong to.
struct Known {
    subject: Arc<str>,
    extra: Option<Arc<Map<String, Value>>>,
}

impl SessionCheck {
    pub(super) fn build(
        kind: &Kind,
        context: &BuildContext<'_>,
        config: &Value,
        settings: &Settings,
    ) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let mut path = |key: &str, written: &str, default: &str| {
            let path = JsonPath::compile(if written.is_empty() { default } else { written });
            path.map_err(|why| {
                let message = format!("`{written}` is not a GJSON path: {why}");
                findings.push(Finding::error("invalid-path", format!("/{key}"), message));
            })
        };
        let subject_from = path("subject_from", &settings.subject_from, kind.subject_from);
        let extra_from = path("extra_from", &settings.extra_from, "extra");
        let additional = headers::fixed(&settings.additional_headers, "/additional_headers")
            .map_err(|found| findings.extend(found));
        let method = match settings.force_method.as_str() {
            "" => Ok(None),
            name => Method::from_bytes(name.as_bytes()).map(Some),
        };
        if method.is_err() {
            let message = format!("`{}` cannot be a method", settings.force_method);
            findings.push(Finding::error("invalid-method", "/force_method", message));
        }
        let url = Url::parse(&settings.check_session_url).ok();
        let space = Space::new(kind.id, &[config.to_string().as_bytes()]);
        let (Ok(subject_from), Ok(extra_from)) = (subject_from, extra_from) else { return Err(findings) };
        let reader = Reader {
            subject_from,
            extra_from,
            require_subject: settings.require_subject,
            on_backend_error: settings.on_backend_error,
        };
        let plan = Plan {
            handler: kind.id,
            url: &settings.check_session_url,
            url_at: "/check_session_url",
            redirects: REDIRECTS,
            retry: None,
            attempts: 3,
            coalesce: Coalesce::All,
            space,
            ttl: TTL,
        };
        let (cache, calls) = (&context.shared.cache, &context.shared.calls);
        let backend =
            Backend::new(&plan, &settings.backend, cache, calls, move |answer, _| reader.read(&answer))
                .map_err(|found| findings.extend(found));
        let (Ok(backend), Ok(additional), Ok(method), Some(url)) = (backend, additional, method, url) else {
            return Err(findings);
        };
        if !findings.is_empty() {
            return Err(findings);
        }
        if let Some(warning) = unmeant(settings, &url) {
            tracing::warn!(rule.id = context.rule_id, handler = kind.id, "{warning}");
        }
        let names = std::iter::once(kind.credential.as_str());
        let names = names.chain(settings.forward_http_headers.iter().map(String::as_str));
        Ok(Self {
            origin: url[..url::Position::BeforePath].to_owned(),
            path: settings.preserve_path.then(|| url.path().to_owned()),
            query: if settings.preserve_query {
                Query::Fixed(url.query().map(str::to_owned))
            } else {
                Query::OfRequest
            },
            method,
            preserve_host: settings.preserve_host,
            forwarded: Forwarded::new(names),
            additional,
            on_backend_error: settings.on_backend_error,
            backend,
        })
    }

    /// Whether answers are remembered, so that it matters until when they are good.
    pub(super) fn remembers(&self) -> bool {
        self.backend.remembers()
    }

    /// Asks, and lets in whom the service knows. `credential` keeps callers apart even where it is not
    /// sent; the answer is not remembered beyond `not_after`.
    pub(super) fn check<'a>(
        &'a self,
        exchange: &'a mut Exchange<'_>,
        credential: &[u8],
        not_after: Option<u64>,
    ) -> Answer<'a, Authentication> {
        let question = Question { not_after, ..self.question(exchange.request) };
        let key = self.backend.key_with(&question, credential);
        let now = exchange.context.now();
        if let Some(known) = self.backend.remembered(key.as_ref(), now) {
            return Answer::Now(admit(exchange, &known));
        }
        Answer::Later(Box::pin(async move {
            match self.backend.ask(&exchange.context.fetch, now, key, &question).await {
                Ok(checked) => admit(exchange, &checked),
                Err(fault) => {
                    // Oathkeeper fails at reading an answer in another way than at getting one.
                    let compat = if matches!(fault, Fault::TooLarge(_)) { 500 } else { 403 };
                    Err(self.on_backend_error.fault(compat, &fault))
                }
            }
        }))
    }

    fn question(&self, request: &AccessRequest<'_>) -> Question {
        let mut question = Question::new(self.method(request), self.url(request));
        self.forwarded.copy(request.headers(), &mut question.headers);
        for (name, value) in &self.additional {
            headers::set(&mut question.headers, name.clone(), value.clone());
        }
        if self.preserve_host {
            let host = request.parts().host_header.as_deref().unwrap_or(request.host());
            if let Ok(host) = HeaderValue::from_str(host) {
                headers::set(&mut question.headers, HeaderName::from_static("x-forwarded-host"), host);
            }
        }
        question.trace = trace::context(request.headers());
        question
    }

    /// GET, or the client's own method where its path is asked for too: but for those whose answer could not
    /// name anybody, or which do something else.
    fn method(&self, request: &AccessRequest<'_>) -> Method {
        let own = || match Method::from_bytes(request.method().as_bytes()) {
            Ok(Method::HEAD | Method::CONNECT | Method::TRACE) | Err(_) => Method::GET,
            Ok(method) => method,
        };
        match &self.method {
            Some(forced) => forced.clone(),
            None if self.path.is_some() => Method::GET,
            None => own(),
        }
    }

    fn url(&self, request: &AccessRequest<'_>) -> String {
        let mut url = self.origin.clone();
        match &self.path {
            Some(path) => url.push_str(path),
            None => url.push_str(&escaped_path(&request.path())),
        }
        let query = match &self.query {
            Query::Fixed(query) => query.as_deref().map(std::borrow::Cow::Borrowed),
            Query::OfRequest => {
                request.has_query().then(|| utf8_percent_encode(request.query(), IN_QUERY).into())
            }
        };
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            url.push('?');
            url.push_str(&query);
        }
        url
    }
}

/// What is wrong with settings under which the client chooses what the store is asked, where that was hardly meant: the
/// URL names a path that is not used.
fn unmeant(settings: &Settings, url: &Url) -> Option<&'static str> {
    if settings.preserve_path || matches!(url.path(), "" | "/") {
        return None;
    }
    Some(if settings.force_method.is_empty() {
        "the path of `check_session_url` is not used: the store is asked at the request's path, with its method; set \
         `preserve_path: true`, or leave the path out"
    } else {
        "the path of `check_session_url` is not used: the store is asked at the request's path; set `preserve_path: true`, \
         or leave the path out"
    })
}

/// The canonical path as it is written in a URL: it must come out on the other side as it is here.
fn escaped_path(path: &str) -> String {
    let escaped = utf8_percent_encode(path, IN_PATH).to_string();
    if escaped.starts_with('/') { escaped } else { format!("/{escaped}") }
}

/// What Go's client escapes in a path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');
/// What cannot stand in a query.
const IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

fn admit(exchange: &mut Exchange<'_>, checked: &Checked) -> Result<Authentication, Denial> {
    let known = checked.as_ref().map_err(Clone::clone)?;
    exchange.session.subject = Arc::clone(&known.subject);
    exchange.session.extra.clone_from(&known.extra);
    Ok(Authentication::Subject)
}

/// Reads the service's answers.
struct Reader {
    subject_from: JsonPath,
    extra_from: JsonPath,
    require_subject: bool,
    on_backend_error: OnBackendError,
}

impl Reader {
    fn read(&self, answer: &Incoming) -> Reading<Checked> {
        let denied = |denial, keep| Reading { value: Err(denial), bytes: 500, keep };
        match answer.status {
            200 => self.read_session(answer),
            429 => denied(too_many_requests(answer), Keep::No),
            500.. => denied(self.on_backend_error.status(401, answer), Keep::No),
            status => {
                let why = Detail::id("session-refused").log(format_args!("status {status}"));
                let keep = if (400..500).contains(&status) { Keep::Refusal } else { Keep::No };
                denied(Denial::Unauthenticated { why }, keep)
            }
        }
    }

    fn read_session(&self, answer: &Incoming) -> Reading<Checked> {
        let denied = |denial| Reading { value: Err(denial), bytes: 500, keep: Keep::No };
        let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
            if self.require_subject {
                return denied(self.on_backend_error.unreadable(500, "not JSON", answer));
            }
            let nobody = Known { subject: Arc::from(""), extra: None };
            return Reading { value: Ok(nobody), bytes: 100, keep: Keep::Yes(None) };
        };
        let subject: Arc<str> = match self.subject_from.find(&body).as_deref() {
            None => Arc::from(""),
            Some(Value::String(subject)) => Arc::from(subject.as_str()),
            Some(_) => return denied(forbidden("subject-not-text")),
        };
        if subject.is_empty() && self.require_subject {
            let why =
                Detail::id("session-without-subject").log("the session check answers 200 and names nobody");
            return denied(Denial::Unauthenticated { why });
        }
        let extra = match self.extra_from.find(&body).map(std::borrow::Cow::into_owned) {
            None => None,
            Some(Value::Object(extra)) => Some(Arc::new(extra)),
            Some(_) => return denied(forbidden("extra-not-an-object")),
        };
        let bytes = 100 + subject.len() + extra.as_deref().map_or(0, weigh);
        let expires = body.get("exp").and_then(Value::as_u64).filter(|exp| *exp > 0);
        Reading { value: Ok(Known { subject, extra }), bytes, keep: Keep::Yes(expires) }
    }
}

/// The service names somebody in a form that no rule could mean.
fn forbidden(id: &'static str) -> Denial {
    Denial::Forbidden { why: Detail::id(id).public(id) }
}

#[cfg(test)]
mod tests;
