//! `oauth2_introspection`: an OAuth 2.0 server says whether a token is active, and whose (RFC 7662).
//!
//! What is remembered is the server's answer; what a rule demands of it (audience, issuer, scopes, that it
//! has not expired) is looked at every time.

mod answer;
mod pre_authorization;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::Value;

use self::answer::{Demands, Introspected, Reader};
use self::pre_authorization::PreAuthorization;
use super::scope::ScopeStrategy;
use super::token_endpoint::{FORM, form};
use super::token_from::TokenFrom;
use crate::cache::Space;
use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, Authentication, Authenticator, BuildContext, Exchange, Registration};
use crate::pipeline::outage::OnBackendError;
use crate::pipeline::{Denial, settings};
use crate::upstream::backend::{Backend, BackendSettings, Coalesce, Fault, Plan, Question};
use crate::upstream::headers::{self, HeaderFields};
use crate::upstream::{Fetch, trace};

/// The `oauth2_introspection` authenticator.
pub const REGISTRATION: Registration<dyn Authenticator> = Registration {
    id: "oauth2_introspection",
    build: |context, config| Ok(Box::new(Introspection::build(context, config)?)),
};

/// How long an answer is remembered at most where `cache.ttl` is not set: a token that is revoked is
/// refused after that.
const TTL: Duration = Duration::from_secs(60);
/// As many redirects as Oathkeeper's client follows.
const REDIRECTS: u8 = 10;

#[derive(Deserialize)]
struct Settings {
    introspection_url: String,
    #[serde(default)]
    scope_strategy: ScopeStrategy,
    #[serde(default)]
    required_scope: Vec<String>,
    #[serde(default)]
    target_audience: Vec<String>,
    #[serde(default)]
    trusted_issuers: Vec<String>,
    pre_authorization: Option<pre_authorization::Settings>,
    token_from: Option<TokenFrom>,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    preserve_host: bool,
    #[serde(default)]
    introspection_request_headers: BTreeMap<String, String>,
    require_subject: Option<bool>,
    #[serde(default)]
    on_backend_error: OnBackendError,
    #[serde(flatten)]
    backend: BackendSettings,
}

struct Introspection {
    url: String,
    token_from: TokenFrom,
    prefix: String,
    /// What the server is asked to check, where this side does not.
    scope: Option<String>,
    preserve_host: bool,
    headers: HeaderFields,
    demands: Arc<Demands>,
    pre_authorization: Option<PreAuthorization>,
    on_backend_error: OnBackendError,
    backend: Backend<Result<Introspected, Denial>>,
}

impl Introspection {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let mut settings: Settings = settings(config)?;
        let mut findings = Vec::new();
        let headers =
            headers::fixed(&settings.introspection_request_headers, "/introspection_request_headers")
                .map_err(|found| findings.extend(found))
                .unwrap_or_default();
        // The server's word on scopes is in no answer that could be looked at again.
        if settings.scope_strategy == ScopeStrategy::None && !settings.required_scope.is_empty() {
            settings.backend.cache.enabled = false;
        }
        let demands = Arc::new(Demands {
            audience: settings.target_audience,
            issuers: settings.trusted_issuers,
            scopes: settings.required_scope.clone(),
            strategy: settings.scope_strategy,
            subject: settings.require_subject.unwrap_or(true),
        });
        let reader = Reader { demands: Arc::clone(&demands), on_backend_error: settings.on_backend_error };
        let plan = Plan {
            handler: "oauth2_introspection",
            url: &settings.introspection_url,
            url_at: "/introspection_url",
            redirects: REDIRECTS,
            retry: None,
            attempts: 3,
            coalesce: Coalesce::All,
            space: space(config),
            ttl: TTL,
        };
        let (cache, calls) = (&context.shared.cache, &context.shared.calls);
        let backend = Backend::new(&plan, &settings.backend, cache, calls, move |answer, now| {
            reader.read(&answer, now)
        })
        .map_err(|found| findings.extend(found));
        let pre_authorization = settings
            .pre_authorization
            .filter(|pre| pre.enabled)
            .map(|pre| PreAuthorization::build(context, &pre, &settings.backend, settings.on_backend_error))
            .transpose()
            .map_err(|found| findings.extend(found));
        let (Ok(backend), Ok(pre_authorization), true) = (backend, pre_authorization, findings.is_empty())
        else {
            return Err(findings);
        };
        Ok(Self {
            url: settings.introspection_url,
            token_from: settings.token_from.unwrap_or_default(),
            prefix: settings.prefix,
            scope: (settings.scope_strategy == ScopeStrategy::None)
                .then(|| settings.required_scope.join(" ")),
            preserve_host: settings.preserve_host,
            headers,
            demands,
            pre_authorization,
            on_backend_error: settings.on_backend_error,
            backend,
        })
    }

    fn question(&self, exchange: &Exchange<'_>, token: &[u8]) -> Question {
        let mut question = Question::new(Method::POST, self.url.clone());
        question.headers.clone_from(&self.headers);
        headers::set(&mut question.headers, CONTENT_TYPE, FORM);
        if let Some(host) = self.host(exchange).and_then(|host| HeaderValue::from_str(host).ok()) {
            headers::set(&mut question.headers, HeaderName::from_static("x-forwarded-host"), host);
        }
        let scope = self.scope.as_ref().map(|scope| ("scope", scope.as_bytes()));
        question.body = form(scope.into_iter().chain([("token", token)])).into();
        question.trace = trace::context(exchange.request.headers());
        question
    }

    fn host<'e>(&self, exchange: &'e Exchange<'_>) -> Option<&'e str> {
        let request = exchange.request;
        self.preserve_host.then(|| request.parts().host_header.as_deref().unwrap_or(request.host()))
    }

    /// Asks, with a token of our own where the server wants one.
    async fn ask(
        &self,
        fetch: &Rc<dyn Fetch>,
        now: u64,
        key: Option<crate::cache::Key>,
        mut question: Question,
    ) -> Result<Arc<Result<Introspected, Denial>>, Denial> {
        if let Some(pre_authorization) = &self.pre_authorization {
            let token = pre_authorization.token(fetch, now).await?;
            if let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", token.expose())) {
                value.set_sensitive(true);
                headers::set(&mut question.headers, AUTHORIZATION, value);
            }
        }
        let answer = self.backend.ask(fetch, now, key, &question).await;
        answer.map_err(|fault| self.on_backend_error.fault(500, &fault))
    }
}

/// What decides how an answer is read and kept; not what the rule demands of it, so that rules share.
fn space(config: &Value) -> Space {
    const OF_THE_RULE: [&str; 7] = [
        "scope_strategy",
        "required_scope",
        "target_audience",
        "trusted_issuers",
        "require_subject",
        "token_from",
        "prefix",
    ];
    let mut config = config.clone();
    if let Some(object) = config.as_object_mut() {
        object.retain(|key, _| !OF_THE_RULE.contains(&key.as_str()));
    }
    Space::new("oauth2_introspection", &[config.to_string().as_bytes()])
}

impl Authenticator for Introspection {
    fn authenticate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, Authentication> {
        let token = self.token_from.find(exchange.request);
        let Some(token) = token.filter(|token| token.starts_with(self.prefix.as_bytes())) else {
            return Answer::Now(Ok(Authentication::NotResponsible));
        };
        // An empty scope asks for nothing, so it is the same question as one without.
        let (scope, host) = (self.scope.as_deref().unwrap_or_default(), self.host(exchange));
        let parts = [&token[..], scope.as_bytes(), host.unwrap_or_default().as_bytes()];
        let key = self.backend.key_of(&parts);
        let now = exchange.context.now();
        if let Some(known) = self.backend.remembered(key.as_ref(), now) {
            return Answer::Now(self.admit(exchange, &known, now));
        }
        let question = self.question(exchange, &token);
        Answer::Later(Box::pin(async move {
            let deadline = self.backend.deadline();
            let asked = self.ask(&exchange.context.fetch, now, key, question);
            let Ok(known) = tokio::time::timeout(deadline, asked).await else {
                let log = format!("no answer from the token and introspection endpoints within {deadline:?}");
                return Err(self.on_backend_error.fault(500, &Fault::TimedOut(log)));
            };
            self.admit(exchange, &*known?, now)
        }))
    }
}

impl Introspection {
    /// Checks what the rule demands, and lets the caller in.
    fn admit(
        &self,
        exchange: &mut Exchange<'_>,
        known: &Result<Introspected, Denial>,
        now: u64,
    ) -> Result<Authentication, Denial> {
        let known = known.as_ref().map_err(Clone::clone)?;
        self.demands.check(known, now)?;
        exchange.session.subject = Arc::clone(self.demands.subject(known));
        exchange.session.extra = Some(Arc::clone(&known.extra));
        Ok(Authentication::Subject)
    }
}

#[cfg(test)]
mod tests;
