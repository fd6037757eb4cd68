//! `hydrator`: an API completes the session: it is sent the session and gives it back.
//!
//! Its answer replaces extra and headers of the session (`merge` adds to them instead) and must name the same
//! subject. What was matched stays as it is, whatever the answer says of it: that is the request's, not the
//! session's.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::Value;
use url::{Position, Url, form_urlencoded};

use self::answer::{Hydrated, Reader};
use super::header::NEVER_SET;
use super::{template_data, template_fault, templates};
use crate::cache::{Key, Space};
use crate::config::parse_duration;
use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, BuildContext, Exchange, Mutator, Registration};
use crate::pipeline::outage::OnBackendError;
use crate::pipeline::patience;
use crate::pipeline::session::HeaderList;
use crate::pipeline::{Denial, Detail, settings};
use crate::request::{AccessRequest, Headers};
use crate::template::{self, Purpose, Template};
use crate::upstream::backend::{
    Backend, BackendSettings, CacheSettings, Coalesce, Plan, Question, RetrySettings,
};
use crate::upstream::headers::{self, HeaderFields};
use crate::upstream::trace;

/// The `hydrator` mutator.
pub const REGISTRATION: Registration<dyn Mutator> =
    Registration { id: "hydrator", build: |context, config| Ok(Box::new(Hydrator::build(context, config)?)) };

/// As often as Oathkeeper asks.
const ATTEMPTS: u32 = 5;
/// As many as Oathkeeper's client follows.
const REDIRECTS: u8 = 10;
/// How long an answer is remembered where `cache.ttl` is not set.
const TTL: Duration = Duration::from_secs(60);
/// The whole session as Go writes it.
const SESSION: &str = "{{ toJson . }}";

/// Headers of the client that never go along, beside [`NEVER_SET`]: what is about its own connection or
/// body, and the trace, which goes along anyway.
const STAY_BEHIND: [&str; 7] = [
    "accept-encoding",
    "content-encoding",
    "expect",
    "host",
    "proxy-authorization",
    "traceparent",
    "tracestate",
];

#[derive(Deserialize)]
struct Settings {
    api: ApiSettings,
    #[serde(default)]
    cache: Cache,
    #[serde(default)]
    merge: bool,
    #[serde(default)]
    on_backend_error: OnBackendError,
    #[serde(flatten)]
    backend: BackendSettings,
}

#[derive(Deserialize)]
struct ApiSettings {
    url: String,
    #[serde(default)]
    auth: Auth,
    retry: Option<RetrySettings>,
    forward_request_headers: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
struct Auth {
    basic: Option<Basic>,
}

#[derive(Deserialize)]
struct Basic {
    username: String,
    password: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cache {
    enabled: bool,
    ttl: Option<String>,
    key: Option<String>,
}

struct Hydrator {
    api: Api,
    session: Template,
    /// What two requests must have in common to be given the same answer, beside the subject; `None` for
    /// everything that is sent.
    key: Option<Template>,
    merge: bool,
    on_backend_error: OnBackendError,
    backend: Backend<Result<Hydrated, Denial>>,
}

/// Where and as whom the API is called.
struct Api {
    /// Up to the end of the path.
    base: String,
    query: Option<String>,
    credentials: Option<HeaderValue>,
    /// Names, in lower case, of the client's headers that go along; `None` for all.
    headers: Option<Vec<HeaderName>>,
}

impl Hydrator {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let mut settings: Settings = settings(config)?;
        let with_credentials = settings.api.auth.basic.is_some();
        settings.backend.retry = settings.api.retry.take();
        let retry = patience::retry(&mut settings.backend, "/api/retry", ATTEMPTS)?;
        let ttl = settings.cache.ttl.take();
        let ttl = ttl.filter(|ttl| parse_duration(ttl).is_none_or(|ttl| !ttl.is_zero()));
        settings.backend.cache = CacheSettings { enabled: settings.cache.enabled, ttl, negative_ttl: None };
        let compile = |settings, text: &str, pointer| {
            let compiled = Template::compile(settings, Purpose::Payload, text);
            let under = |found: Vec<Finding>| found.into_iter().map(|f| f.under(pointer)).collect::<Vec<_>>();
            compiled.map(|(template, _)| template).map_err(under)
        };
        let go = template::Settings { engine: template::Engine::Go, ..context.templates };
        let session = compile(go, SESSION, "")?;
        let key = settings.cache.key.as_deref();
        let key =
            key.map(|key| compile(templates(config, context.templates), key, "/cache/key")).transpose()?;
        // What remembered answers are for says nothing where none is remembered.
        let key = key.filter(|_| settings.cache.enabled);
        let plan = Plan {
            handler: "hydrator",
            url: &settings.api.url,
            url_at: "/api/url",
            redirects: REDIRECTS,
            retry: Some(retry),
            attempts: ATTEMPTS,
            coalesce: Coalesce::OfSafeRequests,
            space: Space::new("hydrator", &[config.to_string().as_bytes()]),
            ttl: TTL,
        };
        let reader = Reader { with_credentials, on_backend_error: settings.on_backend_error };
        let (cache, calls) = (&context.shared.cache, &context.shared.calls);
        let backend =
            Backend::new(&plan, &settings.backend, cache, calls, move |answer, _| reader.read(&answer))?;
        Ok(Self {
            api: Api::build(settings.api)?,
            session,
            key,
            merge: settings.merge,
            on_backend_error: settings.on_backend_error,
            backend,
        })
    }

    fn question(&self, exchange: &Exchange<'_>) -> Result<Question, Denial> {
        let request = exchange.request;
        let mut question = Question::new(Method::POST, self.api.url(request));
        self.api.copy_headers(request.headers(), &mut question.headers);
        question.trace = trace::context(request.headers());
        let mut data = template_data(exchange);
        let session = match &self.api.headers {
            None => self.session.render(&data),
            Some(names) => {
                let headers = Only { names, of: request.headers() };
                // The same parts were read before.
                let request = AccessRequest::new(request.parts().clone(), &headers);
                let request = request
                    .map_err(|why| Denial::BadRequest { why: Detail::id("unreadable-path").log(why) })?;
                data.request = &request;
                self.session.render(&data)
            }
        };
        question.body = session.map_err(template_fault)?.into();
        Ok(question)
    }

    /// Where the answer is remembered, and shared by who asks at the same time.
    fn key(&self, exchange: &Exchange<'_>, question: &Question) -> Result<Option<Key>, Denial> {
        if !self.backend.shares(exchange.request.method()) {
            return Ok(None);
        }
        let Some(template) = &self.key else { return Ok(self.backend.key(question)) };
        let text = template.render(&template_data(exchange)).map_err(template_fault)?;
        // Nothing in common is nothing to share.
        let shared = (!text.is_empty()).then(|| [exchange.session.subject.as_bytes(), text.as_bytes()]);
        Ok(shared.and_then(|parts| self.backend.key_of(&parts)))
    }

    /// Puts the answer into the session.
    fn hydrate(&self, exchange: &mut Exchange<'_>, hydrated: &Hydrated) -> Result<(), Denial> {
        let session = &mut exchange.session;
        if hydrated.subject != *session.subject {
            let why = Detail::id("hydrator-other-subject").log("the answer names another subject");
            return Err(answer::not_a_session(why));
        }
        let extra = match (&session.extra, &hydrated.extra) {
            (Some(own), Some(more)) if self.merge => {
                let mut all = (**own).clone();
                all.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
                Some(Arc::new(all))
            }
            (Some(own), None) if self.merge => Some(Arc::clone(own)),
            (_, more) => more.clone(),
        };
        session.extra = extra;
        if !self.merge {
            session.headers = HeaderList::default();
        }
        session.headers.set_all(&hydrated.headers);
        Ok(())
    }
}

impl Mutator for Hydrator {
    fn mutate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        let question = match self.question(exchange) {
            Ok(question) => question,
            Err(denial) => return Answer::Now(Err(denial)),
        };
        let key = match self.key(exchange, &question) {
            Ok(key) => key,
            Err(denial) => return Answer::Now(Err(denial)),
        };
        let now = exchange.context.now();
        if let Some(known) = self.backend.remembered(key.as_ref(), now) {
            let hydrated = known.as_ref().as_ref().map_err(Clone::clone);
            return Answer::Now(hydrated.and_then(|hydrated| self.hydrate(exchange, hydrated)));
        }
        Answer::Later(Box::pin(async move {
            match self.backend.ask(&exchange.context.fetch, now, key, &question).await {
                Ok(known) => {
                    let hydrated = known.as_ref().as_ref().map_err(Clone::clone)?;
                    self.hydrate(exchange, hydrated)
                }
                Err(fault) => Err(self.on_backend_error.fault(500, &fault)),
            }
        }))
    }
}

impl Api {
    fn build(settings: ApiSettings) -> Result<Self, Vec<Finding>> {
        let unusable =
            || vec![Finding::error("unusable-url", "/api/url", "`api.url` is not a usable http(s) URL")];
        let url = Url::parse(&settings.url).map_err(|_| unusable())?;
        let credentials = settings.auth.basic.map(|Basic { username, password }| {
            let encoded = STANDARD.encode(format!("{username}:{password}"));
            let mut value = HeaderValue::from_str(&format!("Basic {encoded}"));
            if let Ok(value) = &mut value {
                value.set_sensitive(true);
            }
            value
        });
        let names = settings.forward_request_headers.map(|names| {
            names.iter().filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect()
        });
        Ok(Self {
            base: url[..Position::AfterPath].to_owned(),
            query: url.query().filter(|query| !query.is_empty()).map(str::to_owned),
            // Base64 is always a header value.
            credentials: credentials.and_then(Result::ok),
            headers: names,
        })
    }

    /// The API's own query and the request's, sorted by name as Oathkeeper does. What the URL names itself,
    /// no request can set.
    fn url(&self, request: &AccessRequest<'_>) -> String {
        let own = self.query.as_deref().unwrap_or_default();
        let is_own = |name: &str| form_urlencoded::parse(own.as_bytes()).any(|(key, _)| key == name);
        let mut pairs: Vec<_> = form_urlencoded::parse(request.query().as_bytes())
            .filter(|(name, _)| own.is_empty() || !is_own(name))
            .collect();
        if own.is_empty() && pairs.is_empty() {
            return self.base.clone();
        }
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut url = format!("{}?{own}", self.base);
        if !pairs.is_empty() {
            let start = url.len();
            url = form_urlencoded::Serializer::for_suffix(url, start).extend_pairs(pairs).finish();
            if !own.is_empty() {
                url.insert(start, '&');
            }
        }
        url
    }

    fn copy_headers(&self, client: &dyn Headers, fields: &mut HeaderFields) {
        client.all(&mut |name, value| {
            let listed = self.headers.as_ref().is_none_or(|names| names.iter().any(|n| n == name));
            if !listed || NEVER_SET.contains(&name) || STAY_BEHIND.contains(&name) {
                return;
            }
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
            {
                fields.push((name, value));
            }
        });
        headers::set(fields, CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(credentials) = &self.credentials {
            headers::set(fields, AUTHORIZATION, credentials.clone());
        }
    }
}

/// A part of the client's headers.
struct Only<'h> {
    names: &'h [HeaderName],
    of: &'h dyn Headers,
}

impl Only<'_> {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.as_str().eq_ignore_ascii_case(name))
    }
}

impl Headers for Only<'_> {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.of.first(name).filter(|_| self.has(name))
    }

    fn each<'h>(&'h self, name: &str, visit: &mut dyn FnMut(&'h [u8])) {
        if self.has(name) {
            self.of.each(name, visit);
        }
    }

    fn all<'h>(&'h self, visit: &mut dyn FnMut(&'h str, &'h [u8])) {
        self.of.all(&mut |name, value| {
            if self.has(name) {
                visit(name, value);
            }
        });
    }
}

#[cfg(test)]
mod tests;
