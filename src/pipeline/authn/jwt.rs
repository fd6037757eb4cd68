//! `jwt`: a JSON Web Token, signed by a key of one of the configured sets.
//!
//! A token whose signature and times were once found good is remembered until it expires or its key set
//! changes; what a rule demands of it (audience, issuer, scopes) is looked at every time.

mod claims;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::scope::ScopeStrategy;
use super::token_from::TokenFrom;
use crate::cache::{Cache, Key, Space, weigh};
use crate::config::parse_duration;
use crate::diagnostic::Finding;
use crate::keys::verify::{Malformed, Token};
use crate::keys::{self, Algorithm, Currency, KeyRing, KeySet, Picked, Times};
use crate::pipeline::handler::{Answer, Authentication, Authenticator, BuildContext, Exchange, Registration};
use crate::pipeline::outage::OnBackendError;
use crate::pipeline::{Denial, Detail, settings};
use crate::upstream::Fetch;

/// The `jwt` authenticator.
pub const REGISTRATION: Registration<dyn Authenticator> =
    Registration { id: "jwt", build: |context, config| Ok(Box::new(Jwt::build(context, config)?)) };

/// A longer token is refused unread.
const LONGEST_TOKEN: usize = 64 << 10;
/// Seconds a token is remembered at most.
const REMEMBER: u64 = 600;

/// The configuration, merged and valid by its schema.
#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    jwks_urls: Vec<String>,
    required_scope: Vec<String>,
    target_audience: Vec<String>,
    trusted_issuers: Vec<String>,
    allowed_algorithms: Vec<String>,
    scope_strategy: ScopeStrategy,
    token_from: Option<TokenFrom>,
    jwks_max_wait: String,
    jwks_ttl: String,
    leeway: String,
    accept_missing_use: bool,
    accept_missing_kid: bool,
    require_subject: bool,
    on_backend_error: OnBackendError,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            jwks_urls: Vec::new(),
            required_scope: Vec::new(),
            target_audience: Vec::new(),
            trusted_issuers: Vec::new(),
            allowed_algorithms: Vec::new(),
            scope_strategy: ScopeStrategy::None,
            token_from: None,
            jwks_max_wait: "1s".to_owned(),
            jwks_ttl: "30s".to_owned(),
            leeway: "0s".to_owned(),
            accept_missing_use: false,
            accept_missing_kid: false,
            require_subject: false,
            on_backend_error: OnBackendError::Compat,
        }
    }
}

struct Jwt {
    token_from: TokenFrom,
    algorithms: Vec<Algorithm>,
    ring: KeyRing,
    missing_use: bool,
    missing_kid: bool,
    require_subject: bool,
    on_backend_error: OnBackendError,
    leeway: i64,
    audience: Vec<String>,
    issuers: Vec<String>,
    scopes: Vec<String>,
    strategy: ScopeStrategy,
    cache: Arc<Cache>,
    space: Space,
}

/// A token whose signature and times are good.
struct Verified {
    subject: Arc<str>,
    /// All claims, with `scp` in its normal form.
    claims: Arc<Map<String, Value>>,
    /// The set its key is in, and the set's version.
    source: usize,
    version: u64,
}

impl Jwt {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let settings: Settings = settings(config)?;
        let mut findings = Vec::new();
        let mut read = |key: &str, text: &str| {
            parse_duration(text).unwrap_or_else(|| {
                findings.push(
                    Finding::error(
                        "invalid-duration",
                        format!("/{key}"),
                        format!("`{text}` is not a duration"),
                    )
                    .help("write one whole number and a unit, such as `30s`"),
                );
                Duration::ZERO
            })
        };
        let times = Times {
            ttl: read("jwks_ttl", &settings.jwks_ttl),
            max_wait: read("jwks_max_wait", &settings.jwks_max_wait),
        };
        let leeway = read("leeway", &settings.leeway);
        let ring = context.shared.jwks.ring(&settings.jwks_urls, times).map_err(|(index, error)| {
            findings.push(Finding::error("unusable-url", format!("/jwks_urls/{index}"), error.to_string()));
        });
        let Ok(ring) = ring.and_then(|ring| if findings.is_empty() { Ok(ring) } else { Err(()) }) else {
            return Err(findings);
        };
        let algorithms = allowed(&settings.allowed_algorithms, context.rule_id);
        if settings.scope_strategy == ScopeStrategy::None && !settings.required_scope.is_empty() {
            tracing::warn!(
                rule.id = context.rule_id,
                "`required_scope` without a `scope_strategy` lets nobody in"
            );
        }
        // Everything that decides whether signature and times are good.
        let meaning = serde_json::json!([
            settings.jwks_urls,
            algorithms.iter().map(|a| a.name()).collect::<Vec<_>>(),
            leeway.as_secs(),
            settings.accept_missing_use,
            settings.accept_missing_kid,
        ]);
        Ok(Self {
            token_from: settings.token_from.unwrap_or_default(),
            algorithms,
            ring,
            missing_use: settings.accept_missing_use,
            missing_kid: settings.accept_missing_kid,
            require_subject: settings.require_subject,
            on_backend_error: settings.on_backend_error,
            leeway: i64::try_from(leeway.as_secs()).unwrap_or(i64::MAX),
            audience: settings.target_audience,
            issuers: settings.trusted_issuers,
            scopes: settings.required_scope,
            strategy: settings.scope_strategy,
            cache: Arc::clone(&context.shared.cache),
            space: Space::new("jwt", &[meaning.to_string().as_bytes()]),
        })
    }

    /// What is remembered of the token, as long as its key set is the same and fresh.
    fn remembered(&self, key: &Key, now: u64, fetch: &Rc<dyn Fetch>) -> Option<Arc<Verified>> {
        let known = self.cache.get::<Verified>(key, now)?;
        match self.ring.currency(known.source, known.version) {
            Currency::Current => {}
            Currency::RefreshDue => self.ring.refresh(known.source, fetch),
            Currency::Unknown => return None,
        }
        Some(known)
    }

    /// Takes the token apart and looks at what needs no key.
    fn open<'t>(&self, token: &'t [u8]) -> Result<(Token<'t>, Algorithm), Refusal> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refusal::new("token-too-long", format!("{} bytes", token.len())));
        }
        let token = Token::parse(token).map_err(|malformed| match malformed {
            Malformed::Encoding => Refusal::new("token-malformed", "not three parts of base64url"),
            Malformed::Header => Refusal::new("token-malformed", "the header is not a JSON object"),
            Malformed::NoAlgorithm => Refusal::new("algorithm-missing", "the header has no `alg`"),
            Malformed::Critical => Refusal::new("critical-header", "the header has `crit`"),
        })?;
        let algorithm = Algorithm::from_name(token.algorithm()).filter(|a| self.algorithms.contains(a));
        let Some(algorithm) = algorithm else {
            return Err(Refusal::new("algorithm-not-allowed", format!("alg {}", excerpt(token.algorithm()))));
        };
        if token.kid().is_none() && (token.has_kid() || !self.missing_kid) {
            return Err(Refusal::new("key-id-missing", "the header has no `kid`, or one that is not text"));
        }
        Ok((token, algorithm))
    }

    /// Finds the key of a token in a set.
    fn look(&self, set: &KeySet, token: &Token<'_>) -> Option<Arc<keys::Key>> {
        match token.kid() {
            Some(kid) => set.find(kid, self.missing_use),
            None => set.only(self.missing_use),
        }
        .map(Arc::clone)
    }

    /// Checks signature and times, and remembers the token when they are good.
    fn verify(
        &self,
        token: &Token<'_>,
        algorithm: Algorithm,
        found: &Picked<Arc<keys::Key>>,
        key: Key,
        now: u64,
    ) -> Result<Arc<Verified>, Refusal> {
        let Some(verifier) = found.value.verifier(algorithm) else {
            let log = format!("key {:?} is not for {algorithm}", found.value.kid());
            return Err(Refusal::new("key-not-for-algorithm", log));
        };
        if !token.is_signed_by(verifier) {
            return Err(Refusal::new("signature-invalid", format!("key {:?}", found.value.kid())));
        }
        let mut claims: Map<String, Value> = serde_json::from_slice(token.payload())
            .map_err(|error| Refusal::new("claims-malformed", error.to_string()))?;
        let expires = claims::check_times(&claims, now, self.leeway)?;
        claims::normalise_scopes(&mut claims);
        let subject = claims::subject(&claims)?;
        let good =
            Verified { subject, claims: Arc::new(claims), source: found.source, version: found.version };
        let good = Arc::new(good);
        let until = expires.unwrap_or(u64::MAX).min(now.saturating_add(REMEMBER));
        self.cache.put(key, Arc::clone(&good), weigh(&good.claims), until);
        Ok(good)
    }

    /// Checks what the rule demands, and lets the caller in.
    fn admit(&self, exchange: &mut Exchange<'_>, known: &Verified) -> Result<Authentication, Denial> {
        self.check_demands(&known.claims).map_err(Denial::from)?;
        if self.require_subject && known.subject.is_empty() {
            return Err(Refusal::new("subject-missing", "`sub` is missing or empty").into());
        }
        exchange.session.subject = Arc::clone(&known.subject);
        exchange.session.extra = Some(Arc::clone(&known.claims));
        Ok(Authentication::Subject)
    }

    fn check_demands(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        for wanted in &self.audience {
            if !claims::texts(claims.get("aud")).any(|audience| audience == wanted) {
                return Err(Refusal::new("audience-mismatch", format!("not for `{wanted}`")));
            }
        }
        if !self.issuers.is_empty() {
            let issuer = claims.get("iss").and_then(Value::as_str);
            if !issuer.is_some_and(|issuer| self.issuers.iter().any(|trusted| trusted == issuer)) {
                return Err(Refusal::new("issuer-not-trusted", format!("iss {issuer:?}")));
            }
        }
        for wanted in &self.scopes {
            if !self.strategy.covers(claims::texts(claims.get("scp")), wanted) {
                return Err(Refusal::new("scope-missing", format!("`{wanted}` is not granted")));
            }
        }
        Ok(())
    }
}

impl Authenticator for Jwt {
    fn authenticate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, Authentication> {
        let Some(text) = self.token_from.find(exchange.request) else {
            return Answer::Now(Ok(Authentication::NotResponsible));
        };
        if text.split(|byte| *byte == b'.').count() != 3 {
            return Answer::Now(Ok(Authentication::NotResponsible));
        }
        let key = Key::new(self.space, &[&text]);
        let now = exchange.context.now();
        let fetch = &exchange.context.fetch;
        if let Some(known) = self.remembered(&key, now, fetch) {
            return Answer::Now(self.admit(exchange, &known));
        }
        let (token, algorithm) = match self.open(&text) {
            Ok(opened) => opened,
            Err(refusal) => return Answer::Now(Err(refusal.into())),
        };
        if let Some(found) = self.ring.pick(fetch, |set| self.look(set, &token)) {
            let verified = self.verify(&token, algorithm, &found, key, now);
            return Answer::Now(match verified {
                Ok(known) => self.admit(exchange, &known),
                Err(refusal) => Err(refusal.about(&token)),
            });
        }
        Answer::Later(Box::pin(async move {
            let (token, algorithm) = self.open(&text)?;
            let wanted = token.kid().unwrap_or_default();
            let Some(found) = self.ring.fetch(fetch, wanted, |set| self.look(set, &token)).await else {
                let kid = excerpt(wanted);
                if self.ring.is_in_doubt() {
                    let why = Detail::id("key-sets-unavailable").public("key-sets-unavailable");
                    let why = why.log(format_args!("kid {kid} may be in a key set that could not be read"));
                    return Err(self.on_backend_error.denial(401, why, None));
                }
                return Err(Refusal::new("key-unknown", format!("kid {kid}")).about(&token));
            };
            let again = self.cache.get::<Verified>(&key, now);
            let known = match again.filter(|k| (k.source, k.version) == (found.source, found.version)) {
                Some(known) => known,
                None => self
                    .verify(&token, algorithm, &found, key, now)
                    .map_err(|refusal| refusal.about(&token))?,
            };
            self.admit(exchange, &known)
        }))
    }
}

/// Why a token is refused: an id that may be shown, and what only the log says.
struct Refusal {
    id: &'static str,
    log: String,
}

impl Refusal {
    fn new(id: &'static str, log: impl Into<String>) -> Self {
        Self { id, log: log.into() }
    }

    /// The denial; at debug level, the log also gets the claims nobody vouches for.
    fn about(self, token: &Token<'_>) -> Denial {
        if tracing::enabled!(tracing::Level::DEBUG) {
            let claims: String = String::from_utf8_lossy(token.payload()).chars().take(2000).collect();
            tracing::debug!(reason = self.id, unverified_claims = ?claims, "token refused");
        }
        self.into()
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        let why = Detail::id(refusal.id).public(refusal.id).log(refusal.log);
        Self::Unauthenticated { why }
    }
}

/// What somebody unknown wrote, quoted and short enough for a log.
fn excerpt(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}

/// The algorithms a token may be signed with: RS256 where none is named.
fn allowed(names: &[String], rule_id: &str) -> Vec<Algorithm> {
    if names.is_empty() {
        return vec![Algorithm::Rs256];
    }
    let known = names.iter().filter_map(|name| {
        let algorithm = Algorithm::from_name(name);
        if algorithm.is_none() {
            tracing::warn!(rule.id = rule_id, algorithm = ?name, "no token is ever signed with this algorithm");
        }
        algorithm
    });
    known.collect()
}

#[cfg(test)]
mod tests;
