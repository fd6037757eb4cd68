//! Rules as people write them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// Which requests it is for.
    #[serde(rename = "match")]
    pub matches: Option<MatchSpec>,
    /// Tried in order; the first responsible one decides.
    pub authenticators: Option<Vec<HandlerSpec>>,
    /// Exactly one, unless `authorizers` is there.
    pub authorizer: HandlerSpec,
    /// All of them, in order; the first denial counts. Not in Oathkeeper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizers: Option<Vec<HandlerSpec>>,
    /// All of them, in order.
    pub mutators: Option<Vec<HandlerSpec>>,
    /// Who shapes a refusal, when.
    pub errors: Option<Vec<HandlerSpec>>,
    /// Where the proxy sends what may pass.
    pub upstream: UpstreamSpec,
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
    /// Requests by method and URL.
    Http {
        /// Compared without regard to case; none means never.
        #[serde(default)]
        methods: Option<Vec<String>>,
        /// Pattern for `scheme://host[:port]/path`.
        #[serde(default)]
        url: String,
    },
}

/// A handler with its configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The request is refused.
    #[default]
    Stop,
    /// The next authenticator is asked.
    Next,
}

/// Where the proxy sends what may pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// The rule as the rules API shows it: as written, without secrets.
    pub fn shown(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
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
