//! `www_authenticate`: asks the browser for a user name and a password (RFC 7617).

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use serde::Deserialize;
use serde_json::Value;

use crate::diagnostic::Finding;
use crate::pipeline::denial::Denial;
use crate::pipeline::grant::Reply;
use crate::pipeline::handler::{BuildContext, ErrorHandler, Registration};
use crate::request::AccessRequest;

/// How the registry knows it.
pub const REGISTRATION: Registration<dyn ErrorHandler> = Registration { id: "www_authenticate", build };

const DEFAULT_REALM: &str = "Please authenticate.";

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    realm: String,
    /// Quote the realm as RFC 7235 section 2.2 asks; Oathkeeper does not.
    #[serde(default)]
    quote_realm: bool,
}

struct WwwAuthenticate {
    challenge: HeaderValue,
}

fn build(_: &BuildContext<'_>, config: &Value) -> Result<Box<dyn ErrorHandler>, Vec<Finding>> {
    let settings: Settings = super::super::settings(config)?;
    let realm = if settings.realm.is_empty() { DEFAULT_REALM } else { &settings.realm };
    let challenge = if settings.quote_realm {
        format!("Basic realm=\"{}\"", realm.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        format!("Basic realm={realm}")
    };
    let challenge = HeaderValue::from_bytes(challenge.as_bytes()).map_err(|_| {
        vec![Finding::error(
            "bad-header-value",
            "/realm",
            "the realm holds a character that no header may carry",
        )]
    })?;
    Ok(Box::new(WwwAuthenticate { challenge }))
}

impl ErrorHandler for WwwAuthenticate {
    fn handle(&self, _: &Denial, _: &AccessRequest<'_>) -> Reply {
        Reply {
            status: 401,
            headers: vec![
                (WWW_AUTHENTICATE, self.challenge.clone()),
                (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
                (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            ],
            body: Bytes::from_static(b"Unauthorized\n"),
        }
    }
}
