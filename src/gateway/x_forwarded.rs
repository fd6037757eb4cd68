//! `X-Forwarded-*`: the request as most gateways describe it.

use std::borrow::Cow;

use super::Asked;
use super::contradiction::said_once;
use crate::pipeline::Detail;
use crate::request::{Client, Origin, Part, Parts};

const METHOD: &str = "x-forwarded-method";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const URI: &str = "x-forwarded-uri";

/// Method, scheme, host and path from `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri` where these are
/// set and believed, else from the question itself. Of a repeated header the first counts. The query is that
/// of `X-Forwarded-Uri` where it has one, else the question's own, which is where Oathkeeper's users put it.
pub fn read_or_own<'r>(asked: &Asked<'r>) -> Parts<'r> {
    let uri = asked.headers.first(URI).filter(|uri| asked.believed && !uri.is_empty());
    let (path, query) = match uri {
        Some(uri) => split_uri(uri, asked),
        None => (own_path(asked), own_query(asked)),
    };
    parts(asked, path, query)
}

/// The same from these headers only: what the question's own line says is about the gateway. `X-Forwarded-Uri`
/// has to be there, and no header may be there twice with two values.
pub fn read<'r>(asked: &Asked<'r>) -> Result<Parts<'r>, Detail> {
    believed(asked)?;
    for name in [METHOD, PROTO, HOST, URI] {
        once(asked, name)?;
    }
    let uri = asked.headers.first(URI).filter(|uri| uri.starts_with(b"/")).ok_or_else(|| {
        Detail::id("no-forwarded-uri")
            .log("the gateway does not say the path of the request in `X-Forwarded-Uri`")
    })?;
    let (path, query) = split(uri);
    let origin = Origin::Header(URI);
    let query = query.map(String::from_utf8_lossy);
    let path = Part { value: Cow::Borrowed(path), origin };
    Ok(parts(asked, path, Part { value: query, origin }))
}

/// What is said of a request counts only when it is believed.
pub(super) fn believed(asked: &Asked<'_>) -> Result<(), Detail> {
    if asked.believed {
        return Ok(());
    }
    Err(Detail::id("peer-not-trusted").log("who asks is not among the trusted proxies"))
}

/// Refuses a header that is there twice with two values: one of them is somebody else's.
pub(super) fn once(asked: &Asked<'_>, name: &str) -> Result<(), Detail> {
    said_once(asked.headers, name).map_err(|why| Detail::id("contradiction").log(why))
}

fn parts<'r>(asked: &Asked<'r>, path: Part<Cow<'r, [u8]>>, query: Part<Option<Cow<'r, str>>>) -> Parts<'r> {
    Parts {
        method: text(asked, METHOD, asked.method, Origin::RequestLine),
        scheme: scheme(asked),
        host: text(asked, HOST, asked.host, Origin::RequestLine),
        path,
        query,
        peer: asked.peer,
        client: Client::Peer,
        host_header: Some(Cow::Borrowed(asked.host)),
    }
}

/// `X-Forwarded-Proto` where it is set and believed, else that of the connection.
pub(super) fn scheme<'r>(asked: &Asked<'r>) -> Part<Cow<'r, str>> {
    text(asked, PROTO, if asked.tls { "https" } else { "http" }, Origin::Connection)
}

/// The question's own path.
pub(super) fn own_path<'r>(asked: &Asked<'r>) -> Part<Cow<'r, [u8]>> {
    Part { value: Cow::Borrowed(asked.path.as_bytes()), origin: Origin::RequestLine }
}

/// The question's own query.
pub(super) fn own_query<'r>(asked: &Asked<'r>) -> Part<Option<Cow<'r, str>>> {
    Part { value: asked.query.map(Cow::Borrowed), origin: Origin::RequestLine }
}

/// Splits at the first question mark.
pub(super) fn split(uri: &[u8]) -> (&[u8], Option<&[u8]>) {
    match uri.iter().position(|b| *b == b'?') {
        Some(at) => (uri.get(..at).unwrap_or_default(), uri.get(at + 1..)),
        None => (uri, None),
    }
}

type Uri<'r> = (Part<Cow<'r, [u8]>>, Part<Option<Cow<'r, str>>>);

/// Path and query. What is not there is that of the question.
fn split_uri<'r>(uri: &'r [u8], asked: &Asked<'r>) -> Uri<'r> {
    let origin = Origin::Header(URI);
    let (path, query) = split(uri);
    let path = match path {
        [] => own_path(asked),
        path => Part { value: Cow::Borrowed(path), origin },
    };
    let query = match query {
        Some(query) => Part { value: Some(String::from_utf8_lossy(query)), origin },
        None => own_query(asked),
    };
    (path, query)
}

fn text<'r>(asked: &Asked<'r>, name: &'static str, own: &'r str, own_origin: Origin) -> Part<Cow<'r, str>> {
    let said = asked.headers.first(name).map(<[u8]>::trim_ascii);
    match said.filter(|value| asked.believed && !value.is_empty()) {
        Some(value) => Part { value: String::from_utf8_lossy(value), origin: Origin::Header(name) },
        None => Part { value: Cow::Borrowed(own), origin: own_origin },
    }
}
