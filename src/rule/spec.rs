//! Rules as people write them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::common::Common;
use crate::config::Cors;

/// An access rule as written. Unknown keys are kept out of it and reported by the schema check.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleSpec {
    /// Names the rule in logs and at `/rules/{id}`.
    pub id: String,
    /// The version of the rule format it was written for; drives migrations.
    pub version: String,
    /// For people.
    pub description: String,
    /// Of several rules that match the one with the highest counts, under `on_multiple_matches: priority`. Not in
    /// Oathkeeper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Which requests it is for.
    #[serde(rename = "match")]
    pub matches: Option<MatchSpec>,
    /// Tried in order; the first responsible one decides.
    pub authenticators: Option<Common<[HandlerSpec]>>,
    /// Exactly one, unless `authorizers` is there.
    pub authorizer: Common<HandlerSpec>,
    /// All of them, in order; the first denial counts. Not in Oathkeeper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizers: Option<Common<[HandlerSpec]>>,
    /// All of them, in order.
    pub mutators: Option<Common<[HandlerSpec]>>,
    /// Who shapes a refusal, when.
    pub errors: Option<Common<[HandlerSpec]>>,
    /// What pages of other origins may do. Not in Oathkeeper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Box<CorsSpec>>,
    /// Where the proxy sends what may pass.
    pub upstream: Common<UpstreamSpec>,
    /// The rule before variables were replaced, where there were any.
    #[serde(skip)]
    pub as_written: Option<Box<RuleSpec>>,
}

/// Which requests a rule is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MatchSpec {
    /// gRPC middleware rules: known, listed, never matched over HTTP.
    Rpc {
        /// Pattern for the authority.
        #[serde(default)]
        authority: String,
        /// Pattern for `pkg.Service/Method`.
        full_method: String,
        /// Whether GET counts beside POST.
        #[serde(default)]
        allow_http_get: bool,
    },
    /// Requests by method and URL, and by what else is said. All of it has to hold.
    Http {
        /// Compared without regard to case; with `method_wildcard`, `*` means any; none means never.
        #[serde(default)]
        methods: Option<Common<[String]>>,
        /// Pattern for `scheme://host[:port]/path`.
        #[serde(default)]
        url: String,
        /// What is not in Oathkeeper.
        #[serde(flatten)]
        more: Common<MoreSpec>,
    },
}

/// What a rule may ask of requests beside method and URL. Not in Oathkeeper.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MoreSpec {
    /// More patterns, of which any one is enough.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Patterns for the values of header fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, OneOrMore>,
    /// Patterns for the values of query parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, OneOrMore>,
    /// Networks of which one has the client's address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote_ip: Vec<String>,
}

impl MoreSpec {
    /// How many conditions there are, besides URLs.
    pub fn len(&self) -> usize {
        self.headers.len() + self.query.len() + usize::from(!self.remote_ip.is_empty())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A text, or several of which any one is enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the type says it")]
pub enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    /// All of them.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

impl MatchSpec {
    /// Every URL pattern, each with the pointer below `match` where it stands.
    pub fn urls(&self) -> Vec<(String, &str)> {
        let Self::Http { url, more, .. } = self else { return Vec::new() };
        let own = Some(("/url".to_owned(), url.as_str())).filter(|(_, url)| !url.is_empty());
        let others = more.urls.iter().enumerate().map(|(at, url)| (format!("/urls/{at}"), url.as_str()));
        own.into_iter().chain(others).collect()
    }
}

/// A handler with its configuration.
#[derive(Debug, Clone, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct HandlerSpec {
    /// The handler id.
    pub handler: String,
    /// Overrides of the handler's global configuration.
    pub config: Option<Value>,
    /// What follows when an authenticator refuses credentials; other handlers have no use for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
}

/// `on_failure`: what follows when an authenticator refuses the credentials it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The request is refused.
    #[default]
    Stop,
    /// The next authenticator is asked.
    Next,
}

/// What pages of other origins may do with the rule's URLs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CorsSpec {
    /// Origins; `*` stands for any, and in one place of an origin for any label.
    pub allowed_origins: Vec<String>,
    /// Methods; those of the rule where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_methods: Option<Vec<String>>,
    /// Headers that requests may carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_headers: Option<Vec<String>>,
    /// Headers of answers that scripts may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_headers: Option<Vec<String>>,
    /// Whether cookies and the like may be sent.
    pub allow_credentials: bool,
    /// Seconds that a preflight's answer may be remembered; 0: not said.
    pub max_age: u64,
}

impl CorsSpec {
    /// The settings with their defaults. Without origins nobody is let in.
    pub fn settings(&self) -> Cors {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let any_origin = self.allowed_origins.iter().any(|origin| origin == "*");
        Cors {
            enabled: !self.allowed_origins.is_empty(),
            allowed_origins: self.allowed_origins.clone(),
            // The rule was found by the method.
            allowed_methods: self.allowed_methods.clone().unwrap_or_else(|| list(&["*"])),
            allowed_headers: self
                .allowed_headers
                .clone()
                .unwrap_or_else(|| list(&["Authorization", "Content-Type"])),
            exposed_headers: self.exposed_headers.clone().unwrap_or_default(),
            allow_credentials: self.allow_credentials && !any_origin,
            max_age: self.max_age,
        }
    }
}

/// Where the proxy sends what may pass.
#[derive(Debug, Clone, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct UpstreamSpec {
    /// Send the client's `Host` instead of the upstream's.
    pub preserve_host: bool,
    /// Path prefix to take off.
    pub strip_path: String,
    /// Scheme, host and base path.
    pub url: String,
}

impl RuleSpec {
    /// The rule as the rules API shows it: as written, with variables by their names, without secrets.
    pub fn shown(&self) -> Value {
        let written = self.as_written.as_deref().unwrap_or(self);
        let mut value = serde_json::to_value(written).unwrap_or_default();
        redact(&mut value);
        value
    }
}

/// Keys whose values must not be seen.
const SECRET_KEYS: &[&str] =
    &["client_secret", "password", "secret", "private_key", "api_key", "authorization"];

/// Replaces what may be a secret, at any depth, and passwords in URLs.
fn redact(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                let secret = SECRET_KEYS.contains(&key.to_ascii_lowercase().as_str());
                // A template says where a value comes from; the value itself is not in it.
                if secret && value.as_str().is_some_and(|text| !text.contains("{{")) {
                    *value = Value::from("[redacted]");
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(redact),
        Value::String(text) if text.contains("://") && text.contains('@') => {
            if let Ok(mut url) = url::Url::parse(text)
                && url.password().is_some()
            {
                // Fails only for URLs that cannot have a password.
                let _ = url.set_password(Some("[redacted]"));
                *text = url.into();
            }
        }
        _ => {}
    }
}
