//! `oauth2_client_credentials`: the request's Basic credentials are those of an OAuth 2.0 client, if a token
//! endpoint grants it a token.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::token_from::unescape;
use super::{basic_credentials, token_endpoint};
use crate::cache::Space;
use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, Authentication, Authenticator, BuildContext, Exchange, Registration};
use crate::pipeline::outage::{OnBackendError, too_many_requests};
use crate::pipeline::{Denial, Detail, settings};
use crate::upstream::backend::{Backend, BackendSettings, Coalesce, Keep, Plan, Reading};
use crate::upstream::{Incoming, trace};

/// The `oauth2_client_credentials` authenticator.
pub const REGISTRATION: Registration<dyn Authenticator> = Registration {
    id: "oauth2_client_credentials",
    build: |context, config| Ok(Box::new(ClientCredentials::build(context, config)?)),
};

/// How long a grant is remembered at most where `cache.ttl` is not set: a client that is locked out stays
/// out after that.
const TTL: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    token_url: String,
    required_scope: Vec<String>,
    check_granted_scope: bool,
    on_backend_error: OnBackendError,
    #[serde(flatten)]
    backend: BackendSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_url: String::new(),
            required_scope: Vec::new(),
            check_granted_scope: true,
            on_backend_error: OnBackendError::Compat,
            backend: BackendSettings::default(),
        }
    }
}

struct ClientCredentials {
    token_url: String,
    scope: String,
    on_backend_error: OnBackendError,
    backend: Backend<Result<(), Denial>>,
}

impl ClientCredentials {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let settings: Settings = settings(config)?;
        let reader = Reader {
            wanted: if settings.check_granted_scope { settings.required_scope.clone() } else { Vec::new() },
            ttl_is_set: settings.backend.cache.ttl.is_some(),
            on_backend_error: settings.on_backend_error,
        };
        let plan = Plan {
            handler: "oauth2_client_credentials",
            url: &settings.token_url,
            url_at: "/token_url",
            redirects: 10,
            retry: None,
            attempts: 3,
            coalesce: Coalesce::All,
            space: Space::new("oauth2_client_credentials", &[config.to_string().as_bytes()]),
            ttl: TTL,
        };
        let (cache, calls) = (&context.shared.cache, &context.shared.calls);
        let backend = Backend::new(&plan, &settings.backend, cache, calls, move |answer, now| {
            reader.read(&answer, now)
        })?;
        Ok(Self {
            scope: settings.required_scope.join(" "),
            token_url: settings.token_url,
            on_backend_error: settings.on_backend_error,
            backend,
        })
    }
}

impl Authenticator for ClientCredentials {
    fn authenticate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, Authentication> {
        let Some((user, password)) = basic_credentials::find(exchange.request.headers()) else {
            return Answer::Now(Ok(Authentication::NotResponsible));
        };
        // OAuth 2.0 clients escape both (RFC 6749 section 2.3.1).
        let (Some(user), Some(password)) = (unescape(&user).and_then(name), unescape(&password)) else {
            let why = Detail::id("credentials-malformed").public("credentials-malformed");
            return Answer::Now(Err(Denial::Unauthenticated { why }));
        };
        let key = self.backend.key_of(&[user.as_bytes(), &password, self.scope.as_bytes()]);
        let now = exchange.context.now();
        if let Some(known) = self.backend.remembered(key.as_ref(), now) {
            return Answer::Now(admit(exchange, &user, &known));
        }
        let mut parameters = vec![("grant_type", "client_credentials")];
        if !self.scope.is_empty() {
            parameters.push(("scope", &self.scope));
        }
        let mut question = token_endpoint::question(&self.token_url, &parameters);
        token_endpoint::sign_in(&mut question, user.as_bytes(), &password);
        question.trace = trace::context(exchange.request.headers());
        Answer::Later(Box::pin(async move {
            match self.backend.ask(&exchange.context.fetch, now, key, &question).await {
                Ok(known) => admit(exchange, &user, &known),
                Err(fault) => Err(self.on_backend_error.fault(503, &fault)),
            }
        }))
    }
}

/// A client's name, which becomes the subject: an empty one would be nobody's, and two that are no text could become one.
fn name(user: Cow<'_, [u8]>) -> Option<String> {
    String::from_utf8(user.into_owned()).ok().filter(|user| !user.is_empty())
}

fn admit(
    exchange: &mut Exchange<'_>,
    user: &str,
    granted: &Result<(), Denial>,
) -> Result<Authentication, Denial> {
    granted.clone()?;
    exchange.session.subject = Arc::from(user);
    exchange.session.extra = None;
    Ok(Authentication::Subject)
}

/// Reads the token endpoint's answers.
struct Reader {
    /// Scopes that must be among those granted, where the endpoint names these.
    wanted: Vec<String>,
    ttl_is_set: bool,
    on_backend_error: OnBackendError,
}

impl Reader {
    fn read(&self, answer: &Incoming, now: u64) -> Reading<Result<(), Denial>> {
        let denied = |denial, keep| Reading { value: Err(denial), bytes: 500, keep };
        let granted = match token_endpoint::read(answer) {
            token_endpoint::Answer::Granted(granted) => granted,
            token_endpoint::Answer::Refused(error) => {
                let why = Detail::id("client-refused").log(format_args!("status {}: {error}", answer.status));
                return denied(Denial::Unauthenticated { why }, Keep::Refusal);
            }
            token_endpoint::Answer::Unreadable(problem) => {
                return denied(self.on_backend_error.unreadable(503, problem, answer), Keep::No);
            }
            token_endpoint::Answer::Failed if answer.status == 429 => {
                return denied(too_many_requests(answer), Keep::No);
            }
            token_endpoint::Answer::Failed => {
                let compat = match answer.status {
                    status @ (404 | 500 | 503 | 504) => status,
                    _ => 401,
                };
                return denied(self.on_backend_error.status(compat, answer), Keep::No);
            }
        };
        // What is not granted, the endpoint has to say (RFC 6749 section 5.1).
        if let Some(scope) = &granted.scope {
            let mut wanted = self.wanted.iter().flat_map(|scopes| scopes.split(' '));
            if let Some(missing) = wanted.find(|wanted| !scope.split(' ').any(|scope| scope == *wanted)) {
                let why = Detail::id("scope-missing").public(format!("Scope {missing} was not granted"));
                return denied(Denial::Forbidden { why }, Keep::Refusal);
            }
        }
        let keep = match granted.expires_in {
            Some(seconds) => Keep::Yes(Some(now.saturating_add(seconds))),
            // As Oathkeeper does: the time to live only ever shortens a token's own.
            None if self.ttl_is_set => Keep::No,
            None => Keep::Yes(None),
        };
        Reading { value: Ok(()), bytes: 50, keep }
    }
}

#[cfg(test)]
mod tests;
