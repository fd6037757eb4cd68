//! What an introspection endpoint answers, and what a rule demands of it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cache::weigh;
use crate::pipeline::authn::scope::ScopeStrategy;
use crate::pipeline::outage::{OnBackendError, too_many_requests};
use crate::pipeline::{Denial, Detail};
use crate::upstream::Incoming;
use crate::upstream::backend::{Keep, Reading};

/// As it is written (RFC 7662 section 2.2, and `ext` and `token_use` of Ory Hydra). Null counts as absent,
/// except for `aud`.
#[derive(Deserialize)]
struct Written {
    active: Option<bool>,
    ext: Option<Map<String, Value>>,
    sub: Option<String>,
    username: Option<String>,
    #[serde(default)]
    aud: Audience,
    iss: Option<String>,
    client_id: Option<String>,
    scope: Option<String>,
    exp: Option<i64>,
    token_use: Option<String>,
}

/// One text or a list of them; null is neither.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Audience {
    #[default]
    #[serde(skip)]
    Absent,
    One(String),
    Several(Vec<String>),
}

/// What is known about a token.
pub(super) struct Introspected {
    active: bool,
    token_use: String,
    /// Seconds since 1970; 0 for no end.
    expires: u64,
    audience: Vec<String>,
    issuer: String,
    scope: String,
    /// `sub`, as it is.
    subject: Arc<str>,
    /// The client that the token was issued to for itself: one without a resource owner.
    client: Arc<str>,
    pub(super) extra: Arc<Map<String, Value>>,
}

impl Introspected {
    /// Reads an answer. What follows the JSON is ignored, as in Oathkeeper.
    fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let written = Written::deserialize(&mut serde_json::Deserializer::from_slice(body))?;
        let audience = match written.aud {
            Audience::Absent => Vec::new(),
            Audience::One(audience) => vec![audience],
            Audience::Several(audiences) => audiences,
        };
        let scope = written.scope.unwrap_or_default();
        let mut extra = written.ext.unwrap_or_default();
        let (username, client) =
            (written.username.unwrap_or_default(), written.client_id.unwrap_or_default());
        // Who authorized it is somebody else than the client, even where `sub` does not say who.
        let of_client = if username.is_empty() { client.as_str().into() } else { Arc::from("") };
        extra.insert("username".to_owned(), username.into());
        extra.insert("client_id".to_owned(), client.into());
        extra.insert("scope".to_owned(), scope.as_str().into());
        if !audience.is_empty() {
            extra.insert("aud".to_owned(), audience.clone().into());
        }
        Ok(Self {
            active: written.active.unwrap_or(false),
            token_use: written.token_use.unwrap_or_default(),
            expires: written.exp.and_then(|exp| u64::try_from(exp).ok()).unwrap_or(0),
            audience,
            issuer: written.iss.unwrap_or_default(),
            scope,
            subject: written.sub.unwrap_or_default().into(),
            client: of_client,
            extra: Arc::new(extra),
        })
    }

    fn weigh(&self) -> usize {
        let texts = [&self.token_use, &self.issuer, &self.scope].iter().map(|text| text.len()).sum::<usize>();
        let audience: usize = self.audience.iter().map(|audience| 30 + audience.len()).sum();
        250 + texts + audience + self.subject.len() + self.client.len() + weigh(&self.extra)
    }
}

/// What a rule demands of a token.
pub(super) struct Demands {
    pub(super) audience: Vec<String>,
    pub(super) issuers: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) strategy: ScopeStrategy,
    /// Whether a token that names nobody lets nobody in.
    pub(super) subject: bool,
}

impl Demands {
    /// Whom a token speaks for: its subject, else the client it was issued to for itself (RFC 9068 section 2.2),
    /// which providers do not repeat in `sub`. Empty where it names nobody. Where no subject is demanded, `sub` alone
    /// counts, as in Oathkeeper.
    pub(super) fn subject<'t>(&self, token: &'t Introspected) -> &'t Arc<str> {
        if token.subject.is_empty() && self.subject { &token.client } else { &token.subject }
    }

    /// Whether the token meets them at `now`, in Oathkeeper's order and words.
    pub(super) fn check(&self, token: &Introspected, now: u64) -> Result<(), Denial> {
        if !matches!(token.token_use.as_str(), "" | "access_token") {
            let token_use = match token.token_use.as_str() {
                known @ ("refresh_token" | "id_token") => known,
                _ => "something else",
            };
            let reason = format!("Use of introspected token is not an access token but \"{token_use}\"");
            return Err(forbidden("not-an-access-token", reason));
        }
        let refused =
            |id, reason: &'static str| Err(Denial::Unauthenticated { why: Detail::id(id).public(reason) });
        if !token.active {
            return refused("token-not-active", "Access token is not active");
        }
        if token.expires > 0 && token.expires <= now {
            return refused("token-expired", "Access token expired");
        }
        if let Some(missing) = self.audience.iter().find(|wanted| !token.audience.contains(wanted)) {
            let reason = format!("Token audience is not intended for target audience {missing}");
            return Err(forbidden("audience-mismatch", reason));
        }
        if !self.issuers.is_empty() && !self.issuers.contains(&token.issuer) {
            let reason = "Token issuer does not match any trusted issuer";
            return Err(forbidden("issuer-not-trusted", reason.to_owned()));
        }
        if self.strategy != ScopeStrategy::None {
            let covered = |wanted: &String| self.strategy.covers(token.scope.split(' '), wanted);
            if let Some(missing) = self.scopes.iter().find(|wanted| !covered(wanted)) {
                return Err(forbidden("scope-missing", format!("Scope {missing} was not granted")));
            }
        }
        if self.subject && self.subject(token).is_empty() {
            return refused("token-without-subject", "Access token names no subject");
        }
        Ok(())
    }
}

fn forbidden(id: &'static str, reason: String) -> Denial {
    Denial::Forbidden { why: Detail::id(id).public(reason) }
}

/// Reads the endpoint's answers for one rule.
pub(super) struct Reader {
    pub(super) demands: Arc<Demands>,
    pub(super) on_backend_error: OnBackendError,
}

impl Reader {
    /// An answer that lets nobody in is not remembered as one that does: what the rule demands is in no key.
    pub(super) fn read(&self, answer: &Incoming, now: u64) -> Reading<Result<Introspected, Denial>> {
        let denied = |denial| Reading { value: Err(denial), bytes: 500, keep: Keep::No };
        match answer.status {
            200 => match Introspected::read(&answer.body) {
                Ok(token) => {
                    let keep = match self.demands.check(&token, now) {
                        Ok(()) => Keep::Yes(Some(token.expires).filter(|expires| *expires > 0)),
                        Err(_) => Keep::Refusal,
                    };
                    Reading { bytes: token.weigh(), value: Ok(token), keep }
                }
                Err(error) => {
                    // serde's message may quote the answer.
                    let problem =
                        format!("not as RFC 7662 has it (line {}, column {})", error.line(), error.column());
                    denied(self.on_backend_error.unreadable(500, &problem, answer))
                }
            },
            429 => denied(too_many_requests(answer)),
            _ => denied(self.on_backend_error.status(500, answer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_what_is_read() {
        for (body, want) in [
            (r#"{"active":true}"#, "active  [] 0"),
            (r#"{"active":true,"sub":"al","aud":"api","exp":5}"#, "active al [\"api\"] 5"),
            (r#"{"active":true,"aud":["api","web"],"exp":0}"#, "active  [\"api\", \"web\"] 0"),
            (r#"{"active":true,"sub":null,"ext":null,"exp":null,"scope":null}"#, "active  [] 0"),
            (r#"{"active":true,"exp":-7}"#, "active  [] 0"),
            (r#"{"active":false}"#, "inactive  [] 0"),
            (r#"{"sub":"x"}"#, "inactive x [] 0"),
            (r#"{"active":null}"#, "inactive  [] 0"),
            (r#"{"active":true,"more":{"x":[1]}} trailing"#, "active  [] 0"),
            (r#"{"active":"true"}"#, "unreadable"),
            (r#"{"active":true,"sub":5}"#, "unreadable"),
            (r#"{"active":true,"aud":5}"#, "unreadable"),
            (r#"{"active":true,"aud":["api",5]}"#, "unreadable"),
            (r#"{"active":true,"aud":null}"#, "unreadable"),
            (r#"{"active":true,"ext":[1]}"#, "unreadable"),
            (r#"{"active":true,"scope":["read"]}"#, "unreadable"),
            (r#"{"active":true,"exp":"5"}"#, "unreadable"),
            (r#"{"active":true,"exp":5.5}"#, "unreadable"),
            ("{nope", "unreadable"),
            ("", "unreadable"),
            ("[1]", "unreadable"),
            ("null", "unreadable"),
        ] {
            let got = match Introspected::read(body.as_bytes()) {
                Ok(token) => {
                    let active = if token.active { "active" } else { "inactive" };
                    format!("{active} {} {:?} {}", token.subject, token.audience, token.expires)
                }
                Err(_) => "unreadable".to_owned(),
            };
            assert_eq!(got, want, "{body}");
        }
    }

    #[test]
    fn whom_a_token_speaks_for() {
        let demands = |subject| Demands {
            audience: Vec::new(),
            issuers: Vec::new(),
            scopes: Vec::new(),
            strategy: ScopeStrategy::None,
            subject,
        };
        for (body, want, as_oathkeeper) in [
            (r#"{"active":true,"sub":"al","client_id":"cl"}"#, "al", "al"),
            (r#"{"active":true,"sub":"al","client_id":"cl","username":"Al"}"#, "al", "al"),
            (r#"{"active":true,"client_id":"cl"}"#, "cl", ""),
            (r#"{"active":true,"sub":"","client_id":"cl"}"#, "cl", ""),
            (r#"{"active":true,"sub":null,"client_id":"cl","username":""}"#, "cl", ""),
            (r#"{"active":true,"client_id":"cl","username":"al"}"#, "nobody", ""),
            (r#"{"active":true,"username":"al"}"#, "nobody", ""),
            (r#"{"active":true,"client_id":""}"#, "nobody", ""),
            (r#"{"active":true,"ext":{"sub":"al","client_id":"cl"}}"#, "nobody", ""),
            (r#"{"active":true}"#, "nobody", ""),
        ] {
            let token = Introspected::read(body.as_bytes()).unwrap();
            for (demands, want) in [(demands(true), want), (demands(false), as_oathkeeper)] {
                let got = match demands.check(&token, 0) {
                    Ok(()) => demands.subject(&token).to_string(),
                    Err(denial) => {
                        assert_eq!(denial.detail().unwrap().id, "token-without-subject", "{body}");
                        assert_eq!(denial.status(), 401);
                        "nobody".to_owned()
                    }
                };
                assert_eq!(got, want, "{body}");
            }
        }
    }

    #[test]
    fn extra_is_ext_with_the_standard_members_laid_over() {
        let body = r#"{"active":true,"username":"al","client_id":"cl","scope":"a b","aud":"api","sub":"x",
            "ext":{"k":1234567,"username":"evil","scope":["admin"],"aud":7}}"#;
        let extra = Introspected::read(body.as_bytes()).unwrap().extra;
        let want = serde_json::json!({
            "k": 1_234_567, "username": "al", "client_id": "cl", "scope": "a b", "aud": ["api"]
        });
        assert_eq!(Value::Object(Map::clone(&extra)), want);
        let extra = Introspected::read(b"{}").unwrap().extra;
        let want = serde_json::json!({"username": "", "client_id": "", "scope": ""});
        assert_eq!(Value::Object(Map::clone(&extra)), want);
    }
}
