//! `pre_authorization`: how okgate itself signs in at the introspection endpoint, with a token of the client
//! credentials grant that is kept for as long as it is good.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cache::{Key, Space};
use crate::config::Secret;
use crate::diagnostic::Finding;
use crate::pipeline::authn::token_endpoint::{self, Answer, Granted};
use crate::pipeline::handler::BuildContext;
use crate::pipeline::outage::OnBackendError;
use crate::pipeline::{Denial, Detail};
use crate::upstream::backend::{
    Backend, BackendSettings, CacheSettings, Coalesce, Keep, Plan, Question, Reading,
};
use crate::upstream::{Fetch, Incoming};

/// A token that ends within this time is replaced: it has to last for the call it is for.
const MARGIN: u64 = 10;
/// How long a token is kept whose end the endpoint does not name.
const UNKNOWN: u64 = 60;

#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
pub(super) struct Settings {
    pub(super) enabled: bool,
    client_id: String,
    client_secret: String,
    audience: String,
    token_url: String,
    scope: Vec<String>,
}

pub(super) struct PreAuthorization {
    token_url: String,
    client_id: String,
    client_secret: Secret<String>,
    audience: String,
    scope: String,
    on_backend_error: OnBackendError,
    /// Whether the endpoint takes credentials in the form only.
    in_form: AtomicBool,
    backend: Backend<Result<Secret<String>, Failed>>,
}

/// Why there is no token.
struct Failed {
    /// Whether other means to sign in may help.
    refused: bool,
    denial: Denial,
}

impl PreAuthorization {
    pub(super) fn build(
        context: &BuildContext<'_>,
        settings: &Settings,
        backend: &BackendSettings,
        on_backend_error: OnBackendError,
    ) -> Result<Self, Vec<Finding>> {
        let meaning = serde_json::to_vec(settings).unwrap_or_default();
        let plan = Plan {
            handler: "oauth2_introspection.pre_authorization",
            url: &settings.token_url,
            url_at: "/pre_authorization/token_url",
            redirects: 10,
            retry: None,
            attempts: 3,
            coalesce: Coalesce::All,
            space: Space::new(
                "pre_authorization",
                &[&meaning, &[u8::from(on_backend_error == OnBackendError::Compat)]],
            ),
            // The end of the token is what counts.
            ttl: Duration::from_secs(24 * 3600),
        };
        let own = BackendSettings {
            cache: CacheSettings { enabled: true, ttl: None, negative_ttl: None },
            ..backend.clone()
        };
        let (cache, calls) = (&context.shared.cache, &context.shared.calls);
        let backend =
            Backend::new(&plan, &own, cache, calls, move |answer, now| read(&answer, now, on_backend_error))?;
        Ok(Self {
            token_url: settings.token_url.clone(),
            client_id: settings.client_id.clone(),
            client_secret: Secret::new(settings.client_secret.clone()),
            audience: settings.audience.clone(),
            scope: settings.scope.join(" "),
            on_backend_error,
            in_form: AtomicBool::new(false),
            backend,
        })
    }

    /// The token, the one that is kept or a new one.
    pub(super) async fn token(&self, fetch: &Rc<dyn Fetch>, now: u64) -> Result<Secret<String>, Denial> {
        let in_form = self.in_form.load(Ordering::Relaxed);
        match self.ask(fetch, now, in_form).await? {
            Ok(token) => Ok(token),
            // Which way an endpoint wants is not to be known beforehand.
            Err(first) if first.refused => match self.ask(fetch, now, !in_form).await? {
                Ok(token) => {
                    self.in_form.store(!in_form, Ordering::Relaxed);
                    Ok(token)
                }
                Err(_) => Err(first.denial),
            },
            Err(failed) => Err(failed.denial),
        }
    }

    async fn ask(
        &self,
        fetch: &Rc<dyn Fetch>,
        now: u64,
        in_form: bool,
    ) -> Result<Result<Secret<String>, Failed>, Denial> {
        let key = self.key(in_form);
        let known = if let Some(known) = self.backend.remembered(key.as_ref(), now) {
            known
        } else {
            let asked = self.backend.ask(fetch, now, key, &self.question(in_form)).await;
            asked.map_err(|fault| self.on_backend_error.fault(500, &fault))?
        };
        Ok(match &*known {
            Ok(token) => Ok(token.clone()),
            Err(failed) => Err(Failed { refused: failed.refused, denial: failed.denial.clone() }),
        })
    }

    fn key(&self, in_form: bool) -> Option<Key> {
        self.backend.key_of(&[&[u8::from(in_form)]])
    }

    fn question(&self, in_form: bool) -> Question {
        let mut parameters = Vec::with_capacity(5);
        if !self.audience.is_empty() {
            parameters.push(("audience", self.audience.as_str()));
        }
        if in_form {
            parameters.push(("client_id", &self.client_id));
            parameters.push(("client_secret", self.client_secret.expose()));
        }
        parameters.push(("grant_type", "client_credentials"));
        if !self.scope.is_empty() {
            parameters.push(("scope", &self.scope));
        }
        let mut question = token_endpoint::question(&self.token_url, &parameters);
        if !in_form {
            let (id, secret) = (self.client_id.as_bytes(), self.client_secret.expose().as_bytes());
            token_endpoint::sign_in(&mut question, id, secret);
        }
        question
    }
}

fn read(
    answer: &Incoming,
    now: u64,
    on_backend_error: OnBackendError,
) -> Reading<Result<Secret<String>, Failed>> {
    let failed =
        |refused, denial| Reading { value: Err(Failed { refused, denial }), bytes: 500, keep: Keep::No };
    match token_endpoint::read(answer) {
        Answer::Granted(Granted { token, expires_in, .. }) => {
            let good_for = expires_in.map_or(UNKNOWN, |seconds| seconds.saturating_sub(MARGIN));
            let keep = Keep::Yes(Some(now.saturating_add(good_for)));
            Reading { bytes: 50 + token.expose().len(), value: Ok(token), keep }
        }
        Answer::Refused(error) => {
            let why = Detail::id("pre-authorization-refused");
            let why = why.log(format_args!("the token endpoint answers {}: {error}", answer.status));
            failed(true, on_backend_error.denial(500, why, None))
        }
        Answer::Unreadable(problem) => failed(false, on_backend_error.unreadable(500, problem, answer)),
        Answer::Failed => failed(false, on_backend_error.status(500, answer)),
    }
}
