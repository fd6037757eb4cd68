//! Contradictions: what a `strict` endpoint does not answer, because one of two things that were said about
//! a request is false and it cannot be known which.

use http::HeaderName;

use super::trust::{Hops, first_hop};
use super::{Asked, Trust};
use crate::request::{Client, Headers, Parts};

/// Headers with which gateways say what a request is, in any dialect.
const SAID: &[&str] = &[
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-uri",
    "x-original-method",
    "x-original-url",
    "x-original-uri",
    ":method",
    ":scheme",
    ":authority",
    ":path",
];

/// The first contradiction between what a dialect understood and all that was said; its text is for the log
/// and names headers, not values. `identity` are the headers that the upstream believes.
pub(super) fn contradiction(
    asked: &Asked<'_>,
    parts: &Parts<'_>,
    trust: &Trust,
    identity: &[HeaderName],
) -> Result<(), String> {
    let headers = asked.headers;
    for name in SAID.iter().chain(&["authorization"]) {
        said_once(headers, name)?;
    }
    disguised(headers, identity)?;
    let is_method = |value: &[u8]| value.eq_ignore_ascii_case(parts.method.value.as_bytes());
    let is_scheme = |value: &[u8]| value.eq_ignore_ascii_case(parts.scheme.value.as_bytes());
    let is_host = |value: &[u8]| value.eq_ignore_ascii_case(parts.host.value.as_bytes());
    let is_uri = |value: &[u8]| is_uri(value, parts);
    agree(headers, &["x-forwarded-method", "x-original-method", ":method"], is_method)?;
    agree(headers, &["x-forwarded-proto", ":scheme"], is_scheme)?;
    agree(headers, &["x-forwarded-host", ":authority"], is_host)?;
    agree(headers, &["x-forwarded-uri", "x-original-uri", ":path"], is_uri)?;
    agree(headers, &["x-original-url"], |value| {
        let prefix = format!("{}://{}", parts.scheme.value, parts.host.value);
        let split = value.split_at_checked(prefix.len());
        split.is_some_and(|(before, uri)| before.eq_ignore_ascii_case(prefix.as_bytes()) && is_uri(uri))
            || is_uri(value)
    })?;
    let below = asked.path.as_bytes();
    if !matches!(below, b"" | b"/") && *below != *parts.path.value {
        return Err("the path below the endpoint is not the one that the headers name".to_owned());
    }
    client(asked, parts, trust)
}

/// A header may be repeated, but not with another value.
pub(super) fn said_once(headers: &dyn Headers, name: &str) -> Result<(), String> {
    let mut first: Option<&[u8]> = None;
    let mut twice = false;
    headers.each(name, &mut |value| twice |= first.replace(value).is_some_and(|other| other != value));
    if twice { Err(format!("`{name}` is there twice, with two values")) } else { Ok(()) }
}

/// Names with underscores or dots, which some servers take for the same (CGI, WSGI, PHP).
fn disguised(headers: &dyn Headers, identity: &[HeaderName]) -> Result<(), String> {
    let mut found = None;
    headers.all(&mut |name, _| {
        if name.contains(['_', '.']) {
            let plain = name.replace(['_', '.'], "-").to_ascii_lowercase();
            let own = identity.iter().any(|name| name.as_str() == plain);
            if own || SAID.contains(&plain.as_str()) || plain == "x-forwarded-for" {
                found.get_or_insert(plain);
            }
        }
    });
    found.map_or(Ok(()), |name| Err(format!("`{name}` is there with another sign for a hyphen in its name")))
}

fn agree(headers: &dyn Headers, names: &[&str], agrees: impl Fn(&[u8]) -> bool) -> Result<(), String> {
    for name in names {
        let value = headers.first(name).map(<[u8]>::trim_ascii).filter(|value| !value.is_empty());
        if value.is_some_and(|value| !agrees(value)) {
            return Err(format!("`{name}` is not what the request is said to be"));
        }
    }
    Ok(())
}

/// Path and query, or the path alone where that has no query.
fn is_uri(value: &[u8], parts: &Parts<'_>) -> bool {
    let (path, query) = match value.iter().position(|b| *b == b'?') {
        Some(at) => (value.get(..at).unwrap_or_default(), value.get(at + 1..)),
        None => (value, None),
    };
    let same_query = query.is_none_or(|q| parts.query.value.as_ref().is_some_and(|own| own.as_bytes() == q));
    *path == *parts.path.value && same_query
}

/// `X-Forwarded-For` and `Forwarded` lead to the same client, and to some.
fn client(asked: &Asked<'_>, parts: &Parts<'_>, trust: &Trust) -> Result<(), String> {
    if parts.client == Client::Found(None) && first_hop(asked).is_some() {
        return Err("a hop on the way from the client has no address".to_owned());
    }
    let (legacy, standard) = (Hops::x_forwarded_for(asked.headers), Hops::forwarded(asked.headers));
    if legacy.is_empty() || standard.is_empty() {
        return Ok(());
    }
    let first = first_hop(asked);
    if !trust.believes(first) || trust.walk(first, &legacy) == trust.walk(first, &standard) {
        return Ok(());
    }
    Err("`x-forwarded-for` and `forwarded` name two clients".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Answering;
    use crate::gateway::{Endpoint, dialect};
    use crate::request::headers::HeaderFields;

    #[test]
    fn a_strict_endpoint_refuses_what_contradicts_itself() {
        // what it is; header fields beside the URI's; path below the endpoint; whether it is answered
        type Row<'t> = (&'t str, Vec<(&'t str, &'t str)>, &'t str, bool);
        let uri = ("x-forwarded-uri", "/a?b=c");
        let rows: Vec<Row<'_>> = vec![
            ("nothing but what is needed", vec![], "", true),
            ("the same twice", vec![uri], "", true),
            ("two paths", vec![("x-forwarded-uri", "/x")], "", false),
            (
                "two hosts in two fields",
                vec![("x-forwarded-host", "a"), ("x-forwarded-host", "b")],
                "",
                false,
            ),
            ("the same URL as nginx says it", vec![("x-original-url", "http://OWN.test/a?b=c")], "", true),
            ("the same URL as Envoy says it", vec![("x-original-url", "/a?b=c")], "", true),
            ("another host in the URL", vec![("x-original-url", "http://evil.test/a?b=c")], "", false),
            ("another path in the URL", vec![("x-original-url", "http://own.test/b")], "", false),
            ("another query", vec![("x-original-uri", "/a?b=d")], "", false),
            ("the path without the query", vec![("x-original-uri", "/a")], "", true),
            ("another method", vec![("x-original-method", "POST")], "", false),
            ("the method in small letters", vec![("x-forwarded-method", "get")], "", true),
            ("an underscore", vec![("x_forwarded_uri", "/a?b=c")], "", false),
            ("an identity with an underscore", vec![("x_user", "root")], "", false),
            ("an identity with a dot and in capitals", vec![("X.USER", "root")], "", false),
            ("an identity as it is", vec![("x-user", "root")], "", true),
            ("another name with an underscore", vec![("x_other", "1")], "", true),
            ("two credentials", vec![("authorization", "a"), ("authorization", "b")], "", false),
            ("the same path below the endpoint", vec![], "/a", true),
            ("another path below the endpoint", vec![], "/b", false),
            ("an empty header", vec![("x-original-url", "")], "", true),
            (
                "two clients",
                vec![("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")],
                "",
                false,
            ),
            ("one client", vec![("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")], "", true),
            ("a client without an address", vec![("x-forwarded-for", "unknown")], "", false),
        ];
        let trusted = ["10.0.0.0/8".to_owned()];
        let settings = Answering { strict: true, trust: Trust::new(Some(&trusted)), ..Answering::default() };
        let endpoint = Endpoint::new(
            "/decisions",
            dialect("oathkeeper").unwrap(),
            &settings,
            &[HeaderName::from_static("x-user")],
        );
        for (name, fields, path, want) in rows {
            let headers: HeaderFields = [uri].into_iter().chain(fields).collect();
            let asked = Asked { path, peer: Some([10, 0, 0, 1].into()), ..Asked::of(&headers) };
            assert_eq!(endpoint.read(asked).is_ok(), want, "{name}");
            let stranger = Asked { peer: Some([192, 0, 2, 1].into()), ..asked };
            assert!(endpoint.read(stranger).is_ok(), "{name}: nothing a stranger says counts");
        }
    }
}
