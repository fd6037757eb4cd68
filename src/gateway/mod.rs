//! Gateways: how each of them asks, and what it can make of an answer.
//!
//! A [`Dialect`] reads what a gateway says about the client's request, and has the last word on how the
//! answer is put, because gateways differ in which answers they understand. To add one: a file here, a
//! `mod` line and a line in [`DIALECTS`]. A dialect may make a refusal gentler or blunter; it writes a yes
//! only from a [`Grant`].

mod forwarded;
mod nginx;
mod oathkeeper;

use std::net::IpAddr;

use crate::pipeline::{Denial, Grant, Reply};
use crate::request::{Headers, Parts};

/// A gateway's question as it came over the wire.
pub struct Asked<'r> {
    /// Method of the question itself.
    pub method: &'r str,
    /// Path below the endpoint, percent-escapes and all: `/a/b` of `/decisions/a/b`.
    pub path: &'r str,
    /// Query of the question itself, without the question mark.
    pub query: Option<&'r str>,
    /// Host of the question itself: of an absolute-form target, else the `Host` header.
    pub host: &'r str,
    /// Whether the question came over TLS.
    pub tls: bool,
    /// Its header fields.
    pub headers: &'r dyn Headers,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
}

/// One gateway's way of asking and of being answered.
pub trait Dialect: Sync {
    /// The name in configuration.
    fn id(&self) -> &'static str;

    /// What the gateway says about the client's request.
    fn read<'r>(&self, asked: &Asked<'r>) -> Parts<'r>;

    /// Puts a yes.
    fn grant(&self, grant: Grant) -> Reply {
        Reply { status: grant.status(), headers: grant.into_headers(), body: bytes::Bytes::new() }
    }

    /// Puts a no that an error handler has shaped.
    fn refuse(&self, denial: &Denial, reply: Reply) -> Reply;
}

/// Every dialect, in the order of the documentation.
pub const DIALECTS: &[&dyn Dialect] = &[&oathkeeper::Oathkeeper, &nginx::Nginx];

/// The dialect of a name.
pub fn dialect(id: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().find(|d| d.id() == id).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Detail;
    use crate::pipeline::errors::json::error_body;
    use crate::request::headers::HeaderFields;
    use bytes::Bytes;
    use http::HeaderValue;
    use http::header::LOCATION;

    fn denials() -> Vec<Denial> {
        let why = Detail::id("test");
        vec![
            Denial::NoRule,
            Denial::SeveralRules { ids: vec!["a".to_owned(), "b".to_owned()] },
            Denial::BadRequest { why: why.clone() },
            Denial::Unauthenticated { why: why.clone() },
            Denial::Forbidden { why: why.clone() },
            Denial::TooManyRequests { why: why.clone(), headers: Vec::new() },
            Denial::CouldNotDecide { status: 503, why: why.clone(), retry_after: None },
            Denial::Misconfigured { message: "x".into(), why },
        ]
    }

    fn redirect() -> Reply {
        let location = (LOCATION, HeaderValue::from_static("http://login.test/"));
        Reply { status: 302, headers: vec![location], body: Bytes::new() }
    }

    #[test]
    fn no_dialect_turns_a_denial_into_a_yes() {
        for dialect in DIALECTS {
            for denial in denials() {
                for reply in [error_body(denial.status(), denial.message(), None, None), redirect()] {
                    let put = dialect.refuse(&denial, reply);
                    assert!(put.status >= 300, "{} {denial:?} {}", dialect.id(), put.status);
                }
            }
        }
    }

    #[test]
    fn nginx_is_told_nothing_but_401_and_403() {
        let nginx = dialect("nginx").unwrap();
        for denial in denials() {
            let put = nginx.refuse(&denial, error_body(denial.status(), denial.message(), None, None));
            assert!(matches!(put.status, 401 | 403), "{denial:?} {}", put.status);
        }
        let put = nginx.refuse(&Denial::NoRule, redirect());
        let header =
            |name: &str| put.headers.iter().find(|(n, _)| n.as_str() == name).map(|(_, v)| v.clone());
        assert_eq!(put.status, 401);
        assert_eq!(header("x-auth-redirect").unwrap(), "http://login.test/");
        assert_eq!(header("x-auth-status").unwrap(), "302");
    }

    #[test]
    fn the_request_is_what_the_gateway_says_else_the_question_itself() {
        // headers, path and query of the question; then method, scheme, host, path and query understood
        type Row<'t> = (&'t [(&'t str, &'t str)], &'t str, Option<&'t str>, [&'t str; 5]);
        let rows: &[Row<'_>] = &[
            (&[], "/a", Some("q=1"), ["GET", "http", "own.test", "/a", "q=1"]),
            (
                &[
                    ("x-forwarded-method", "POST"),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "app.test"),
                    ("x-forwarded-uri", "/b?x=1"),
                ],
                "",
                Some("q=1"),
                ["POST", "https", "app.test", "/b", "x=1"],
            ),
            (&[("x-forwarded-uri", "/b")], "/a", Some("q=1"), ["GET", "http", "own.test", "/b", "q=1"]),
            (&[("x-forwarded-uri", "/b?")], "/a", Some("q=1"), ["GET", "http", "own.test", "/b", ""]),
            (&[("x-forwarded-uri", "?x=1")], "/a", None, ["GET", "http", "own.test", "/a", "x=1"]),
            (&[("x-forwarded-uri", "")], "/a", Some("q"), ["GET", "http", "own.test", "/a", "q"]),
            (
                &[("x-forwarded-uri", "/one"), ("x-forwarded-uri", "/two")],
                "",
                None,
                ["GET", "http", "own.test", "/one", ""],
            ),
            (&[("x-forwarded-host", " ")], "/a", None, ["GET", "http", "own.test", "/a", ""]),
        ];
        for dialect in DIALECTS {
            for (fields, path, query, want) in rows {
                let headers: HeaderFields = fields.iter().map(|(n, v)| (*n, *v)).collect();
                let asked = Asked {
                    method: "GET",
                    path,
                    query: *query,
                    host: "own.test",
                    tls: false,
                    headers: &headers,
                    peer: None,
                };
                let parts = dialect.read(&asked);
                let path = String::from_utf8_lossy(&parts.path.value);
                let got = [
                    &*parts.method.value,
                    &*parts.scheme.value,
                    &*parts.host.value,
                    &*path,
                    parts.query.value.as_deref().unwrap_or_default(),
                ];
                assert_eq!(got, *want, "{} {fields:?}", dialect.id());
            }
        }
    }
}
