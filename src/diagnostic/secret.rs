//! Secrets in documents: which values are never shown in an excerpt or a message.

use std::ops::Range;

/// Keys whose values are secret wherever they stand, lower case.
const SECRET_KEYS: [&str; 7] = [
    "client_secret",
    "password",
    "secret",
    "authorization",
    "authorization_header",
    "private_key",
    "proxy-authorization",
];

/// Members of a private or symmetric JSON Web Key (RFC 7518, section 6).
const PRIVATE_JWK_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Parameters of a URL's query that hold credentials: signed URLs of object stores, and what people make up.
const SECRET_PARAMETERS: [&str; 8] = [
    "sig",
    "signature",
    "token",
    "access_token",
    "api_key",
    "x-amz-signature",
    "x-amz-security-token",
    "x-goog-signature",
];

/// Whether the value under this key is secret, at whatever depth.
pub fn is_secret_key(key: &str) -> bool {
    SECRET_KEYS.iter().any(|secret| key.eq_ignore_ascii_case(secret))
}

pub(super) fn is_private_jwk_member(key: &str) -> bool {
    PRIVATE_JWK_MEMBERS.contains(&key)
}

/// Whether a JSON pointer leads into something secret.
pub fn is_secret_pointer(pointer: &str) -> bool {
    let mut tokens = pointer.split('/');
    tokens.any(is_secret_key) || pointer.contains("/tls/key/base64")
}

/// Secrets that show by their form, for text whose structure is unknown: passwords in URLs, inline
/// documents, PEM and base64 of PEM, bearer tokens, and what follows a secret key's name.
pub(super) fn in_text(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let after = at + 3;
        let rest = text.get(after..).unwrap_or_default();
        let length = rest.find(is_delimiter).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let scheme = text.get(..at).unwrap_or_default();
        if ["inline", "base64", "data"].iter().any(|inline| scheme.ends_with(inline)) {
            found.push(after..after + length);
        } else if let Some(end) = word.split(['/', '?', '#']).next().unwrap_or_default().rfind('@') {
            found.push(after..after + end);
        }
    }
    // `LS0tLS1CRUdJTi` is `-----BEGIN ` in base64, `eyJ` begins each JSON Web Token.
    for mark in ["-----BEGIN", "LS0tLS1CRUdJTi", "eyJ"] {
        for (at, _) in text.match_indices(mark) {
            let rest = text.get(at..).unwrap_or_default();
            let length = if mark.starts_with('-') {
                rest.len()
            } else {
                rest.find(is_delimiter).unwrap_or(rest.len())
            };
            if length > 20 {
                found.push(at..at + length);
            }
        }
    }
    // `secret` is part of `client_secret`: the same value is found twice and kept once.
    let lower = text.to_ascii_lowercase();
    for key in SECRET_KEYS {
        for (at, _) in lower.match_indices(key) {
            let after = lower.get(at + key.len()..).unwrap_or_default();
            let value = after.trim_start_matches(['"', '\'', ' ', '\t']);
            let Some(value) = value.strip_prefix([':', '=']) else { continue };
            let value = value.trim_start();
            let length = value.find([',', '}', '\n', '\r']).unwrap_or(value.len());
            let start = text.len() - value.len();
            if !is_template(text.get(start..).unwrap_or_default()) {
                found.push(start..start + length);
            }
        }
    }
    for parameter in SECRET_PARAMETERS {
        for (at, _) in lower.match_indices(parameter) {
            let before = lower.get(..at).unwrap_or_default();
            let start = at + parameter.len() + 1;
            let value = lower.get(at + parameter.len()..).unwrap_or_default().strip_prefix('=');
            if let Some(value) = value.filter(|_| before.ends_with(['?', '&'])) {
                let length = value.find(|c| c == '&' || is_delimiter(c)).unwrap_or(value.len());
                found.push(start..start + length);
            }
        }
    }
    found.sort_by_key(|range| (range.start, range.end));
    found.dedup();
    found
}

/// A template shows where a value comes from, not the value, and people need to see what is wrong in it.
pub(super) fn is_template(value: &str) -> bool {
    value.lines().next().is_some_and(|line| line.contains("{{") || line.contains("{%"))
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '}' | ']' | '`')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_their_form() {
        for (text, hidden) in [
            ("url: http://user:pass@host/x", vec!["user:pass"]),
            ("url: http://host/@x", vec![]),
            ("- 'https://host/x?a=1&sig=a%2Fb&b=2'", vec!["a%2Fb"]),
            ("- https://host/x?token=abc", vec!["abc"]),
            ("url: http://host/<token=.*>", vec![]),
            ("- inline://eyJrZXlz", vec!["eyJrZXlz"]),
            ("client_secret: hunter2", vec!["hunter2"]),
            (r#"{"client_secret": "a b", "client_id": "x"}"#, vec![r#""a b""#]),
            ("Authorization: Bearer abc", vec!["Bearer abc"]),
            ("client_id: abc", vec![]),
            ("token: eyJhbGciOiJub25lIn0.e30.", vec!["eyJhbGciOiJub25lIn0.e30."]),
            ("password is needed", vec![]),
            ("Authorization: Bearer {{ .Extra.token }}", vec![]),
        ] {
            let found: Vec<&str> = in_text(text).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, hidden, "{text}");
        }
    }

    #[test]
    fn a_pointer_into_a_secret_is_known() {
        for (pointer, secret) in [
            ("/authenticators/oauth2_introspection/config/pre_authorization/client_secret", true),
            ("/serve/api/tls/key/base64", true),
            ("/serve/api/tls/cert/base64", false),
            ("/mutators/hydrator/config/api/auth/basic/password", true),
            ("/log/level", false),
        ] {
            assert_eq!(is_secret_pointer(pointer), secret, "{pointer}");
        }
    }
}
