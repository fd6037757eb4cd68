//! `id_token`: a JSON Web Token about the caller, signed here, in `Authorization`.
//!
//! Making a token costs a signature, so a token is used again for the same claims until a tenth of its time
//! is left, or until its key set changes.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{template_data, templates};
use crate::cache::{Cache, Key, Space};
use crate::config::parse_duration;
use crate::diagnostic::Finding;
use crate::json::go_json;
use crate::keys::{Currency, KeyRing, KeySet, NoSigningKey, Picked, SigningKey, Times};
use crate::pipeline::handler::{Answer, BuildContext, Exchange, Mutator, Registration};
use crate::pipeline::{Denial, Detail, settings};
use crate::template::{Purpose, Settings as Templates, Template};

/// The `id_token` mutator.
pub const REGISTRATION: Registration<dyn Mutator> =
    Registration { id: "id_token", build: |context, config| Ok(Box::new(IdToken::build(context, config)?)) };

const MESSAGE: &str = "An internal server error occurred, please contact the system administrator";
const NO_KEY_SET: &str = "None of the provided URLs returned a valid JSON Web Key Set.";

/// The configuration, merged and valid by its schema.
#[derive(Deserialize)]
struct Settings {
    issuer_url: String,
    jwks_url: String,
    #[serde(default = "fifteen_minutes")]
    ttl: String,
    #[serde(default)]
    claims: String,
    #[serde(default)]
    cache: CacheSettings,
    signing_kid: Option<String>,
}

fn fifteen_minutes() -> String {
    "15m".to_owned()
}

#[derive(Deserialize)]
#[serde(default)]
struct CacheSettings {
    enabled: bool,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { enabled: true }
    }
}

struct IdToken {
    issuer: String,
    /// Seconds.
    ttl: u64,
    claims: Claims,
    ring: KeyRing,
    signing_kid: Option<String>,
    cache: Option<Arc<Cache>>,
    space: Space,
}

/// Claims beside those that this server sets itself.
enum Claims {
    Fixed(Map<String, Value>),
    Rendered(Template),
}

/// A token that may be used again.
struct Minted {
    value: HeaderValue,
    version: u64,
}

type Found = Picked<Result<Arc<SigningKey>, NoSigningKey>>;

impl IdToken {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let settings: Settings = settings(config)?;
        let mut findings = Vec::new();
        let ttl = parse_duration(&settings.ttl);
        if ttl.is_none() {
            let message = format!("`{}` is not a duration", settings.ttl);
            findings.push(
                Finding::error("invalid-duration", "/ttl", message)
                    .help("write one whole number and a unit, such as `15m`"),
            );
        }
        let ring = context.shared.jwks.ring(&[&settings.jwks_url], Times::default());
        if let Err((_, error)) = &ring {
            findings.push(Finding::error("unusable-url", "/jwks_url", error.to_string()));
        }
        let claims = Claims::compile(templates(config, context.templates), &settings.claims);
        findings.extend(claims.as_ref().err().into_iter().flatten().map(|f| f.clone().under("/claims")));
        let (Some(ttl), Ok(ring), Ok(claims)) = (ttl, ring, claims) else { return Err(findings) };
        let ttl = ttl.as_secs();
        let meaning = serde_json::json!([
            settings.issuer_url,
            ttl,
            settings.jwks_url,
            settings.signing_kid,
            if let Claims::Fixed(claims) = &claims { Some(claims) } else { None },
        ]);
        Ok(Self {
            issuer: settings.issuer_url,
            ttl,
            claims,
            ring,
            signing_kid: settings.signing_kid,
            cache: (settings.cache.enabled && ttl > 0).then(|| Arc::clone(&context.shared.cache)),
            space: Space::new("id_token", &[meaning.to_string().as_bytes()]),
        })
    }

    /// The claims template for this request, as text; empty when the claims are the same for all.
    fn render(&self, exchange: &Exchange<'_>) -> Result<String, Denial> {
        let Claims::Rendered(template) = &self.claims else { return Ok(String::new()) };
        template.render(&template_data(exchange)).map_err(|error| {
            failure("claims-template-failed", "the claims template could not be rendered", error.to_string())
        })
    }

    /// A token made before for the same claims and subject, as long as its key set is the same and fresh.
    fn known(&self, key: &Key, exchange: &Exchange<'_>) -> Option<HeaderValue> {
        let minted = self.cache.as_ref()?.get::<Minted>(key, exchange.context.now())?;
        match self.ring.currency(0, minted.version) {
            Currency::Current => {}
            Currency::RefreshDue => self.ring.refresh(0, &exchange.context.fetch),
            Currency::Unknown => return None,
        }
        Some(minted.value.clone())
    }

    /// The key that signs, in a set.
    fn look(&self, set: &KeySet) -> Option<Result<Arc<SigningKey>, NoSigningKey>> {
        let kid = self.signing_kid.as_deref();
        let found = set.signing_key(kid).map(Arc::clone);
        // A key that is asked for by name may be in a newer set.
        (found.is_ok() || kid.is_none()).then_some(found)
    }

    /// Makes a token and remembers it.
    fn mint(
        &self,
        found: &Found,
        rendered: &str,
        key: Key,
        subject: &str,
        now: u64,
    ) -> Result<HeaderValue, Denial> {
        let signing = found.value.as_ref().map_err(|error| {
            failure("no-signing-key", "no suitable key could be found", error.to_string())
        })?;
        let mut claims = match &self.claims {
            Claims::Fixed(claims) => claims.clone(),
            Claims::Rendered(_) => object(rendered)
                .map_err(|why| failure("claims-not-an-object", "the claims are not a JSON object", why))?,
        };
        let jti = uuid::Uuid::new_v4().to_string();
        claims.insert("exp".to_owned(), now.saturating_add(self.ttl).into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert("iss".to_owned(), self.issuer.as_str().into());
        claims.insert("jti".to_owned(), jti.into());
        claims.insert("nbf".to_owned(), now.into());
        claims.insert("sub".to_owned(), subject.into());
        let mut claims = Value::Object(claims);
        claims.sort_all_objects();
        let token = signing
            .token(&go_json(&claims))
            .map_err(|error| failure("signing-failed", "the token could not be signed", error.to_string()))?;
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|error| failure("signing-failed", "the token could not be signed", error.to_string()))?;
        value.set_sensitive(true);
        if let Some(cache) = &self.cache {
            let until = now.saturating_add(self.ttl - self.ttl.div_ceil(10) + 1);
            let minted = Arc::new(Minted { value: value.clone(), version: found.version });
            cache.put(key, minted, value.len() + 100, until);
        }
        Ok(value)
    }
}

impl Claims {
    fn compile(settings: Templates, text: &str) -> Result<Self, Vec<Finding>> {
        if text.is_empty() {
            return Ok(Self::Fixed(Map::new()));
        }
        let (template, _warnings) = Template::compile(settings, Purpose::Claims, text)?;
        let Some(literal) = template.literal() else { return Ok(Self::Rendered(template)) };
        object(literal).map(Self::Fixed).map_err(|why| {
            vec![
                Finding::error("invalid-claims", "", format!("the claims are not a JSON object: {why}"))
                    .help(r#"write an object, such as `{"aud": ["api"]}`"#),
            ]
        })
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text).map_err(|error| error.to_string())? {
        Value::Object(map) => Ok(map),
        Value::Null => Err("it is null".to_owned()),
        _ => Err("it is another JSON value".to_owned()),
    }
}

fn failure(id: &'static str, public: &'static str, log: impl std::fmt::Display) -> Denial {
    Denial::Misconfigured { message: MESSAGE.into(), why: Detail::id(id).public(public).log(log) }
}

impl Mutator for IdToken {
    fn mutate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        let rendered = match self.render(exchange) {
            Ok(rendered) => rendered,
            Err(denial) => return Answer::Now(Err(denial)),
        };
        let subject = Arc::clone(&exchange.session.subject);
        let key = Key::new(self.space, &[rendered.as_bytes(), subject.as_bytes()]);
        if let Some(value) = self.known(&key, exchange) {
            exchange.session.headers.set(header::AUTHORIZATION, value);
            return Answer::Now(Ok(()));
        }
        let now = exchange.context.now();
        let fetch = &exchange.context.fetch;
        if let Some(found) = self.ring.pick(fetch, |set| self.look(set)) {
            let minted = self.mint(&found, &rendered, key, &subject, now);
            return Answer::Now(minted.map(|v| exchange.session.headers.set(header::AUTHORIZATION, v)));
        }
        Answer::Later(Box::pin(async move {
            let wanted = self.signing_kid.as_deref().unwrap_or_default();
            let found = self.ring.fetch(fetch, wanted, |set| self.look(set)).await.ok_or_else(|| {
                if self.ring.has_any_set() {
                    let log = format!("no private key is called {:?}", self.signing_kid);
                    failure("no-signing-key", "no suitable key could be found", log)
                } else {
                    failure("key-sets-unavailable", NO_KEY_SET, format!("{:?}", self.ring))
                }
            })?;
            let value = self.mint(&found, &rendered, key, &subject, now)?;
            exchange.session.headers.set(header::AUTHORIZATION, value);
            Ok(())
        }))
    }

    fn header_names(&self) -> Vec<HeaderName> {
        vec![header::AUTHORIZATION]
    }

    fn uses_captures(&self) -> bool {
        matches!(&self.claims, Claims::Rendered(template) if template.uses_captures())
    }
}

#[cfg(test)]
mod tests;
