//! `token_from`: where a request carries its token.

use std::borrow::Cow;

use serde::Deserialize;

use crate::request::cookies::each_cookie;
use crate::request::{AccessRequest, Headers};

/// Where the token is. Oathkeeper's `token_from`, with exactly one of its keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "Named")]
pub enum TokenFrom {
    /// After `Bearer` in `Authorization`.
    #[default]
    Authorization,
    /// The whole value of another header.
    Header(String),
    /// A parameter of the query, never of the body.
    QueryParameter(String),
    /// A cookie.
    Cookie(String),
}

/// As it is written.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    Header(String),
    QueryParameter(String),
    Cookie(String),
}

impl From<Named> for TokenFrom {
    fn from(named: Named) -> Self {
        match named {
            Named::Header(name) if name.eq_ignore_ascii_case("authorization") => Self::Authorization,
            Named::Header(name) => Self::Header(name),
            Named::QueryParameter(name) => Self::QueryParameter(name),
            Named::Cookie(name) => Self::Cookie(name),
        }
    }
}

impl TokenFrom {
    /// The token, if the request carries one that is not empty. It may be any bytes a header may hold.
    pub fn find<'r>(&self, request: &'r AccessRequest<'r>) -> Option<Cow<'r, [u8]>> {
        match self {
            Self::Authorization => bearer(request.headers()).map(Cow::Borrowed),
            Self::Header(name) => request.headers().first(name).map(Cow::Borrowed),
            Self::QueryParameter(name) => query_parameter(request.query(), name),
            Self::Cookie(name) => cookie(request.headers(), name).map(Cow::Borrowed),
        }
        .filter(|token| !token.is_empty())
    }
}

/// What follows the first blank of `Authorization`, if the scheme is `bearer` in any case.
fn bearer(headers: &dyn Headers) -> Option<&[u8]> {
    let value = headers.first("authorization")?;
    let (scheme, token) = value.split_at_checked(6)?;
    token.strip_prefix(b" ").filter(|_| scheme.eq_ignore_ascii_case(b"bearer"))
}

/// The first value of a parameter, decoded. Pairs that Go's parser refuses do not count.
fn query_parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, [u8]>> {
    query.split('&').filter(|pair| !pair.contains(';')).find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = unescape(value.as_bytes())?;
        (unescape(key.as_bytes())?.as_ref() == name.as_bytes()).then_some(value)
    })
}

/// Decodes `+` and `%XX`; `None` for a `%` without two digits.
pub(super) fn unescape(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = text.iter().copied();
    let mut out = Vec::with_capacity(text.len());
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|d| u8::try_from(d).ok());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            plain => plain,
        });
    }
    Some(Cow::Owned(out))
}

/// The value of the first well-formed cookie of exactly this name, without the quotes around it.
fn cookie<'h>(headers: &'h dyn Headers, name: &str) -> Option<&'h [u8]> {
    let mut found = None;
    each_cookie(headers, &mut |known, value, _| {
        if known == name.as_bytes() {
            found = found.or(Some(value));
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::request::headers::HeaderFields;
    use crate::request::{Origin, Part, Parts};

    fn find(from: Value, query: &str, headers: &[(&str, &str)]) -> Option<String> {
        let from: Option<TokenFrom> = serde_json::from_value(from).unwrap();
        let fields: HeaderFields = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        let parts =
            Parts { query: Part { value: Some(query.into()), origin: Origin::RequestLine }, ..Parts::root() };
        let request = AccessRequest::new(parts, &fields).unwrap();
        let token = from.unwrap_or_default().find(&request)?;
        Some(String::from_utf8(token.into_owned()).unwrap())
    }

    #[test]
    fn authorization() {
        let header_forms =
            [json!(null), json!({"header": "Authorization"}), json!({"header": "authorization"})];
        for from in header_forms {
            for (value, token) in [
                ("Bearer abc", Some("abc")),
                ("bEaReR abc", Some("abc")),
                ("Bearer  abc ", Some(" abc ")),
                ("Bearer", None),
                ("Bearer ", None),
                ("Bearerabc", None),
                ("Basic abc", None),
                ("abc", None),
                ("", None),
            ] {
                let found = find(from.clone(), "", &[("Authorization", value)]);
                assert_eq!(found.as_deref(), token, "{from} {value:?}");
            }
            assert_eq!(find(from, "", &[]), None);
        }
    }

    #[test]
    fn another_header_is_taken_whole() {
        let from = json!({"header": "X-Token"});
        let headers = [("x-token", "Bearer a"), ("X-Token", "b"), ("Authorization", "Bearer c")];
        assert_eq!(find(from.clone(), "", &headers).as_deref(), Some("Bearer a"));
        assert_eq!(find(from, "", &[("Authorization", "Bearer c")]), None);
    }

    #[test]
    fn query_parameters() {
        for (query, token) in [
            ("token=abc", Some("abc")),
            ("a=1&token=x.y.z&token=2", Some("x.y.z")),
            ("token=a%2Eb+c", Some("a.b c")),
            ("to%6ben=abc", Some("abc")),
            ("token=%zz&token=2", Some("2")),
            ("token=%2", None),
            ("token=a;b", None),
            ("token", None),
            ("token=&token=2", None),
            ("Token=abc", None),
            ("", None),
        ] {
            let found = find(json!({"query_parameter": "token"}), query, &[]);
            assert_eq!(found.as_deref(), token, "{query}");
        }
    }

    #[test]
    fn cookies() {
        for (cookie, token) in [
            ("sid=abc", Some("abc")),
            ("a=1; sid=x=y; sid=2", Some("x=y")),
            ("a=1;sid=abc", Some("abc")),
            (r#"sid="abc""#, Some("abc")),
            ("sid=", None),
            ("sid", None),
            ("SID=abc", None),
            ("xsid=abc", None),
            // What is no cookie to Go's server is none here (RFC 6265 section 4.1.1).
            ("sid=a\"b", None),
            ("sid=\u{e9}", None),
            ("sid=a\\b", None),
            ("sid=a\"b; sid=abc", Some("abc")),
            ("s id=1; sid = abc", Some(" abc")),
            ("sid=a b,c", Some("a b,c")),
        ] {
            let found = find(json!({"cookie": "sid"}), "", &[("Cookie", cookie)]);
            assert_eq!(found.as_deref(), token, "{cookie}");
        }
        let lines = [("Cookie", "a=1"), ("Cookie", "sid=2"), ("Cookie", "sid=3")];
        assert_eq!(find(json!({"cookie": "sid"}), "", &lines).as_deref(), Some("2"));
    }

    #[test]
    fn exactly_one_place() {
        for wrong in [json!({}), json!({"header": "a", "cookie": "b"}), json!({"body": "a"}), json!(7)] {
            assert!(serde_json::from_value::<Option<TokenFrom>>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
