//! `ingress_nginx`: for the annotation `auth-url` of ingress-nginx and what imitates it
//! (<https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#external-authentication>).
//!
//! The request is in `X-Original-URL` and `X-Original-Method`. `X-Forwarded-*` are whatever the client sent:
//! ingress-nginx does not set them on this call. The answers understood are nginx's, and of the yeses only 200.

use std::borrow::Cow;

use super::nginx::in_two_statuses;
use super::{Asked, Dialect, No, Understood, Yes, x_forwarded};
use crate::pipeline::{Detail, Reply};
use crate::request::{Client, Origin, Part, Parts};

const URL: &str = "x-original-url";
const METHOD: &str = "x-original-method";

/// See the module.
pub struct IngressNginx;

impl Dialect for IngressNginx {
    fn id(&self) -> &'static str {
        "ingress_nginx"
    }

    fn read<'r>(&self, asked: &Asked<'r>) -> Result<Understood<'r>, Detail> {
        x_forwarded::believed(asked)?;
        x_forwarded::once(asked, URL)?;
        x_forwarded::once(asked, METHOD)?;
        let missing =
            |name| Detail::id("no-original-url").log(format_args!("`{name}` is missing or unusable"));
        let url = asked.headers.first(URL).and_then(split).ok_or_else(|| missing(URL))?;
        let method = asked.headers.first(METHOD).map(<[u8]>::trim_ascii).filter(|method| !method.is_empty());
        let method = method.ok_or_else(|| missing(METHOD))?;
        let of_url = Origin::Header(URL);
        let (path, query) = x_forwarded::split(url.uri);
        let parts = Parts {
            method: Part { value: String::from_utf8_lossy(method), origin: Origin::Header(METHOD) },
            scheme: Part { value: String::from_utf8_lossy(url.scheme), origin: of_url },
            host: Part { value: String::from_utf8_lossy(url.host), origin: of_url },
            path: Part { value: Cow::Borrowed(path), origin: of_url },
            query: Part { value: query.map(String::from_utf8_lossy), origin: of_url },
            peer: asked.peer,
            client: Client::Peer,
            host_header: Some(Cow::Borrowed(asked.host)),
        };
        Ok(parts.into())
    }

    fn grant(&self, yes: Yes<'_>) -> Reply {
        Reply { status: 200, ..yes.into_reply() }
    }

    fn refuse(&self, no: No<'_>) -> Reply {
        in_two_statuses(no)
    }
}

/// `$scheme://$http_host$request_uri`.
struct Url<'u> {
    scheme: &'u [u8],
    host: &'u [u8],
    uri: &'u [u8],
}

/// Takes the URL apart at the first slash after the host, and only there: the host is what the client wrote,
/// and a question mark or `#` in it must not make a path of its own. Such a host is none, and has no rules.
fn split(url: &[u8]) -> Option<Url<'_>> {
    let colon = url.iter().position(|b| *b == b':')?;
    let (scheme, rest) = url.split_at_checked(colon)?;
    let rest = rest.strip_prefix(b"://")?;
    let slash = rest.iter().position(|b| *b == b'/')?;
    let (host, uri) = rest.split_at_checked(slash)?;
    (!scheme.is_empty() && !host.is_empty()).then_some(Url { scheme, host, uri })
}
