//! `bearer_token`: a session store knows whose token this is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::Value;

use super::session_check::{Kind, SessionCheck, Settings};
use super::token_from::TokenFrom;
use crate::diagnostic::Finding;
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
        let expires = if self.check.remembers() { expiry(&token) } else { None };
        self.check.check(exchange, &token, expires)
    }
}

/// When a JSON Web Token says that it ends (seconds since 1970). Nobody vouches for it, so it only ever
/// shortens how long an answer is remembered.
fn expiry(token: &[u8]) -> Option<u64> {
    let mut parts = token.split(|byte| *byte == b'.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let exp = claims.get("exp")?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is too large saturates"
    )]
    exp.as_u64().or_else(|| exp.as_f64().map(|exp| exp as u64))
}
