//! `bearer_token`: a session store knows whose token this is.

use http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::Value;

use super::session_check::{Kind, SessionCheck, Settings};
use super::token_from::TokenFrom;
use crate::diagnostic::Finding;
use crate::keys::verify::stated_expiry;
use crate::pipeline::handler::{Answer, Authentication, Authenticator, BuildContext, Exchange, Registration};
use crate::pipeline::settings;

/// The `bearer_token` authenticator.
pub const REGISTRATION: Registration<dyn Authenticator> =
    Registration { id: "bearer_token", build: |context, config| Ok(Box::new(build(context, config)?)) };

#[derive(Deserialize)]
struct Own {
    #[serde(default)]
    token_from: Option<TokenFrom>,
    #[serde(default)]
    prefix: String,
    #[serde(flatten)]
    common: Settings,
}

struct BearerToken {
    token_from: TokenFrom,
    prefix: String,
    check: SessionCheck,
}

fn build(context: &BuildContext<'_>, config: &Value) -> Result<BearerToken, Vec<Finding>> {
    let own: Own = settings(config)?;
    let kind = Kind { id: "bearer_token", credential: AUTHORIZATION, subject_from: "sub" };
    let check = SessionCheck::build(&kind, context, config, &own.common)?;
    Ok(BearerToken { token_from: own.token_from.unwrap_or_default(), prefix: own.prefix, check })
}

impl Authenticator for BearerToken {
    fn authenticate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, Authentication> {
        let token = self.token_from.find(exchange.request);
        let Some(token) = token.filter(|token| token.starts_with(self.prefix.as_bytes())) else {
            return Answer::Now(Ok(Authentication::NotResponsible));
        };
        let expires = if self.check.remembers() { stated_expiry(&token) } else { None };
        self.check.check(exchange, &token, expires)
    }
}
