//! Headers of calls: which of the client's go along, and which are set.

use http::{HeaderName, HeaderValue, header};

use crate::diagnostic::Finding;
use crate::request::Headers;

/// Header fields of a call.
pub type HeaderFields = Vec<(HeaderName, HeaderValue)>;

/// Whether a header belongs to the connection or the message it came with, so that it means something else
/// or does harm in a call: RFC 9110 sections 7.6.1, 10.1.1, and what frames a body. `Host` is the service's.
/// The client inflates answers itself, so it alone says which codings it accepts.
fn is_of_the_connection(name: &HeaderName) -> bool {
    const OF_THE_CONNECTION: [HeaderName; 10] = [
        header::ACCEPT_ENCODING,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::HOST,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    OF_THE_CONNECTION.contains(name) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// The client's headers that go along, by name.
#[derive(Debug, Clone, Default)]
pub struct Forwarded(Vec<HeaderName>);

impl Forwarded {
    /// These names, once each. Names that can be no header's match nothing; what belongs to the connection
    /// stays behind.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut list: Vec<HeaderName> = Vec::new();
        for name in names.into_iter().filter_map(|name| HeaderName::try_from(name).ok()) {
            if !list.contains(&name) && !is_of_the_connection(&name) {
                list.push(name);
            }
        }
        Self(list)
    }

    /// Copies them, all values in order.
    pub fn copy(&self, from: &dyn Headers, to: &mut HeaderFields) {
        for name in &self.0 {
            from.each(name.as_str(), &mut |value| {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    to.push((name.clone(), value));
                }
            });
        }
    }
}

/// Reads headers that a configuration sets, name to value. `pointer` is where they are written. `Host` and
/// what frames a message are left out, as Oathkeeper's client leaves them out.
pub fn fixed<'w>(
    written: impl IntoIterator<Item = (&'w String, &'w String)>,
    pointer: &str,
) -> Result<HeaderFields, Vec<Finding>> {
    let mut fields = HeaderFields::new();
    let mut findings = Vec::new();
    for (name, value) in written {
        let at = format!("{pointer}/{}", crate::diagnostic::pointer_token(name));
        match (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) if !is_of_the_connection(&name) => set(&mut fields, name, value),
            (Ok(_), Ok(_)) => {}
            (Err(_), _) => {
                let message = format!("`{name}` cannot be the name of a header");
                findings.push(Finding::error("bad-header", at, message).at_key());
            }
            (_, Err(_)) => {
                // The value may be a secret.
                let message = format!("the value of `{name}` cannot be a header's");
                findings.push(Finding::error("bad-header", at, message));
            }
        }
    }
    if findings.is_empty() { Ok(fields) } else { Err(findings) }
}

/// Sets a header, in place of all values it has.
pub fn set(fields: &mut HeaderFields, name: HeaderName, value: HeaderValue) {
    fields.retain(|(known, _)| *known != name);
    fields.push((name, value));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::request::headers::HeaderFields as Client;

    fn lines(fields: &HeaderFields) -> Vec<String> {
        fields.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect()
    }

    #[test]
    fn only_listed_headers_go_along_with_all_their_values() {
        let client: Client = [
            ("Cookie", "a=1"),
            ("X-Custom", "c"),
            ("X-Other", "o"),
            ("cookie", "b=2"),
            ("Content-Length", "5"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "websocket"),
            ("Host", "gate.test"),
        ]
        .into_iter()
        .collect();
        let names =
            ["Cookie", "x-custom", "COOKIE", "content-length", "Transfer-Encoding", "Upgrade", "Host", "?"];
        let mut fields = HeaderFields::new();
        Forwarded::new(names).copy(&client, &mut fields);
        assert_eq!(lines(&fields), ["cookie: a=1", "cookie: b=2", "x-custom: c"]);
    }

    #[test]
    fn set_headers_replace_what_goes_along() {
        let written: BTreeMap<String, String> =
            [("X-Api-Key", "k"), ("cookie", "over=1"), ("Host", "x"), ("Content-Length", "1")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .into();
        let fixed = fixed(&written, "/additional_headers").unwrap();
        let mut fields = vec![(header::COOKIE, HeaderValue::from_static("sid=1")); 2];
        for (name, value) in fixed {
            set(&mut fields, name, value);
        }
        assert_eq!(lines(&fields), ["x-api-key: k", "cookie: over=1"]);
    }

    #[test]
    fn headers_that_cannot_be_are_found_when_rules_load() {
        let written: BTreeMap<String, String> =
            [("a b/c", "x"), ("X-Key", "secret\nvalue")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        let findings = fixed(&written, "/headers").unwrap_err();
        let found: Vec<_> = findings.iter().map(|f| (f.pointer.as_str(), f.message.as_str())).collect();
        assert_eq!(
            found,
            [
                ("/headers/X-Key", "the value of `X-Key` cannot be a header's"),
                ("/headers/a b~1c", "`a b/c` cannot be the name of a header"),
            ]
        );
    }
}
