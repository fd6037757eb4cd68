//! `envoy_http`: for Envoy's `ext_authz` with an `http_service`, and what is built on Envoy
//! (<https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto>).
//!
//! The request line behind the prefix and `Host` are the client's; Envoy adds `X-Forwarded-Proto` itself, and
//! sends it where `allowed_headers` says so. A 5xx is to Envoy a check that failed, which may be configured to
//! let requests pass: only a decision that could not be made is one.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};

use super::{Asked, Dialect, No, Understood, Yes, x_forwarded};
use crate::pipeline::{Denial, Detail, Reply};
use crate::request::{Client, Origin, Part, Parts};

/// Headers of the client that Envoy takes away from the request.
const REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// See the module.
pub struct EnvoyHttp;

impl Dialect for EnvoyHttp {
    fn id(&self) -> &'static str {
        "envoy_http"
    }

    fn read<'r>(&self, asked: &Asked<'r>) -> Result<Understood<'r>, Detail> {
        x_forwarded::once(asked, "x-forwarded-proto")?;
        let parts = Parts {
            method: Part { value: Cow::Borrowed(asked.method), origin: Origin::RequestLine },
            scheme: x_forwarded::scheme(asked),
            host: Part { value: Cow::Borrowed(asked.host), origin: Origin::RequestLine },
            path: x_forwarded::own_path(asked),
            query: x_forwarded::own_query(asked),
            peer: asked.peer,
            client: Client::Peer,
            host_header: Some(Cow::Borrowed(asked.host)),
        };
        Ok(parts.into())
    }

    /// What has no value is removed, rather than set to nothing.
    fn grant(&self, yes: Yes<'_>) -> Reply {
        let removed: Vec<&str> = yes.removed().map(HeaderName::as_str).collect();
        // Names of headers, commas and blanks always are the value of one.
        let removed =
            (!removed.is_empty()).then(|| HeaderValue::from_str(&removed.join(", ")).ok()).flatten();
        let mut headers = yes.into_headers();
        headers.retain(|(name, _)| *name != REMOVE);
        headers.extend(removed.map(|removed| (REMOVE, removed)));
        Reply { status: 200, headers, body: bytes::Bytes::new() }
    }

    fn refuse(&self, no: No<'_>) -> Reply {
        let status = no.status.unwrap_or(no.reply.status);
        if status < 500 || matches!(no.denial, Denial::CouldNotDecide { .. }) {
            return no.into_reply();
        }
        no.with_status(403)
    }
}
