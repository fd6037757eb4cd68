//! The forms of text that schemas name: URLs as Go reads them, networks, durations, sizes.

use okgate_schemas::Format;

use crate::config::{parse_bytes, parse_duration};
use crate::gateway::Trust;

/// All forms.
pub(super) const FORMATS: &[Format] = &[
    ("uri", is_url),
    ("uri-reference", is_url_reference),
    ("repository", |text| is_url(text) || is_path(text)),
    ("cidr", |text| text.parse::<ipnet::IpNet>().is_ok()),
    ("trusted-proxy", Trust::is_entry),
    ("duration-of-one-unit", |text| parse_duration(text).is_some()),
    ("bytes", |text| parse_bytes(text).is_some()),
];

/// An absolute URL. Wider than RFC 3986, as Go's parser is: what Oathkeeper starts with, we start with.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    is_scheme(scheme) && is_after_scheme(rest)
}

fn is_url_reference(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => is_after_scheme(rest),
        // A colon in the first step of a relative path would be read as a scheme's.
        Some((before, _)) if !before.contains(['/', '?', '#']) => false,
        _ => is_after_scheme(text),
    }
}

/// A path on disk: no scheme, nothing invisible.
fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains("://") && !text.contains(|c: char| c.is_control())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn is_after_scheme(text: &str) -> bool {
    if text.contains(|c: char| c.is_ascii_control()) {
        return false;
    }
    let before_query = text.split(['?', '#']).next().unwrap_or_default();
    let Some(after) = before_query.strip_prefix("//") else { return has_good_escapes(before_query) };
    let authority = after.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let port = match host.rfind(']') {
        Some(end) => host.get(end + 1..).unwrap_or_default(),
        None => host.rfind(':').and_then(|at| host.get(at..)).unwrap_or_default(),
    };
    let good_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    good_port
        && !host.contains([' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}'])
        && has_good_escapes(before_query)
}

fn has_good_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        digits.next().is_some_and(|b| b.is_ascii_hexdigit())
            && digits.next().is_some_and(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_go_reads_them() {
        for (text, absolute, reference) in [
            ("https://example.com/x?y#z", true, true),
            ("http://user:pass@[::1]:8080/", true, true),
            ("file:///etc/rules.json", true, true),
            ("file://./rules.json", true, true),
            ("file://../rules.json", true, true),
            ("inline://W3siaWQiOiJhIn1d+/==", true, true),
            ("s3://bucket/key", true, true),
            ("mailto:x@example.com", true, true),
            ("http://exämple.com/ü", true, true),
            ("not a uri", false, true),
            ("/login", false, true),
            ("/login?to=a:b", false, true),
            ("", false, true),
            ("a:b:c", true, true),
            ("1a:b", false, false),
            ("http://host:port/", false, false),
            ("http://ho st/", false, false),
            ("http://host/%zz", false, false),
            ("http://host/a\nb", false, false),
        ] {
            assert_eq!(is_url(text), absolute, "{text} as a URL");
            assert_eq!(is_url_reference(text), reference, "{text} as a reference");
        }
    }

    #[test]
    fn a_repository_may_be_a_path() {
        for (text, path) in [
            ("/etc/rules.yaml", true),
            ("rules/*.yaml", true),
            ("http//x", true),
            ("://x", false),
            ("", false),
        ] {
            assert_eq!(is_path(text), path, "{text}");
        }
    }
}
