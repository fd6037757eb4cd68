//! `X-Forwarded-*`: the request as most gateways describe it.

use std::borrow::Cow;

use super::Asked;
use crate::request::{Origin, Part, Parts};

/// Method, scheme, host and path from `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri` where these are
/// set, else from the question itself. Of a repeated header the first counts. The query is that of
/// `X-Forwarded-Uri` where it has one, else the question's own, which is where Oathkeeper's users put it.
pub fn read<'r>(asked: &Asked<'r>) -> Parts<'r> {
    let uri = asked.headers.first("x-forwarded-uri").filter(|uri| !uri.is_empty());
    let (path, query) = match uri {
        Some(uri) => split_uri(uri, asked),
        None => (
            Part { value: Cow::Borrowed(asked.path.as_bytes()), origin: Origin::RequestLine },
            Part { value: asked.query.map(Cow::Borrowed), origin: Origin::RequestLine },
        ),
    };
    Parts {
        method: text(asked, "x-forwarded-method", asked.method, Origin::RequestLine),
        scheme: text(
            asked,
            "x-forwarded-proto",
            if asked.tls { "https" } else { "http" },
            Origin::Connection,
        ),
        host: text(asked, "x-forwarded-host", asked.host, Origin::RequestLine),
        path,
        query,
        peer: asked.peer,
        host_header: Some(Cow::Borrowed(asked.host)),
    }
}

type Uri<'r> = (Part<Cow<'r, [u8]>>, Part<Option<Cow<'r, str>>>);

/// Splits at the first question mark. What is not there is that of the question.
fn split_uri<'r>(uri: &'r [u8], asked: &Asked<'r>) -> Uri<'r> {
    let origin = Origin::Header("x-forwarded-uri");
    let (path, query) = match uri.iter().position(|b| *b == b'?') {
        Some(at) => (uri.get(..at).unwrap_or_default(), uri.get(at + 1..)),
        None => (uri, None),
    };
    let path = if path.is_empty() {
        Part { value: Cow::Borrowed(asked.path.as_bytes()), origin: Origin::RequestLine }
    } else {
        Part { value: Cow::Borrowed(path), origin }
    };
    let query = match query {
        Some(query) => Part { value: Some(String::from_utf8_lossy(query)), origin },
        None => Part { value: asked.query.map(Cow::Borrowed), origin: Origin::RequestLine },
    };
    (path, query)
}

fn text<'r>(asked: &Asked<'r>, name: &'static str, own: &'r str, own_origin: Origin) -> Part<Cow<'r, str>> {
    match asked.headers.first(name).map(<[u8]>::trim_ascii).filter(|v| !v.is_empty()) {
        Some(value) => Part { value: String::from_utf8_lossy(value), origin: Origin::Header(name) },
        None => Part { value: Cow::Borrowed(own), origin: own_origin },
    }
}
