//! Host and scheme in canonical form (RFC 3986 section 6.2.2.1 and 6.2.3).

use std::borrow::Cow;
use std::fmt::Write as _;

/// The scheme in lower case, `ws` and `wss` as `http` and `https`; `None` when it is not a scheme at all.
pub fn canonical_scheme(scheme: &str) -> Option<Cow<'static, str>> {
    for (written, canonical) in [("https", "https"), ("http", "http"), ("wss", "https"), ("ws", "http")] {
        if scheme.eq_ignore_ascii_case(written) {
            return Some(Cow::Borrowed(canonical));
        }
    }
    let valid = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    valid.then(|| Cow::Owned(scheme.to_ascii_lowercase()))
}

/// The port that a canonical scheme implies.
pub fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => None,
    }
}

/// Appends the host in lower case, without the dot that a name may end with and without the scheme's default port;
/// `None`, and nothing appended, when no host may look like that.
pub fn push_canonical_host(out: &mut String, scheme: &str, host: &str) -> Option<()> {
    let name_len = host_name_len(host)?;
    let (name, port) = host.split_at_checked(name_len)?;
    let digits = match port.strip_prefix(':') {
        None if port.is_empty() => "",
        None => return None,
        Some(digits) => digits,
    };
    let port: Option<u16> = match digits {
        "" => None,
        _ if digits.len() > 5 || !digits.bytes().all(|b| b.is_ascii_digit()) => return None,
        _ => Some(digits.parse().ok()?),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return None;
    }
    let start = out.len();
    out.push_str(name);
    if let Some(pushed) = out.get_mut(start..) {
        pushed.make_ascii_lowercase();
    }
    if let Some(port) =
        port.filter(|port| Some(*port) != default_port(scheme).and_then(|own| own.parse().ok()))
    {
        // Writing to a String cannot fail.
        let _ = write!(out, ":{port}");
    }
    Some(())
}

/// Length of the name in front of an optional port: a registered name, an IPv4 address, or an IPv6
/// address in brackets. Non-ASCII letters are let through: some gateways hand on what clients type.
fn host_name_len(host: &str) -> Option<usize> {
    if host.starts_with('[') {
        let end = host.find(']')?;
        let inner = host.get(1..end)?;
        let ok =
            !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'));
        return ok.then_some(end + 1);
    }
    let len = host.find(':').unwrap_or(host.len());
    let name = host.get(..len)?;
    let ok = !name.is_empty()
        && name.bytes().all(|b| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'\'')
                || b >= 0x80
        });
    ok.then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_case_and_default_port() {
        for (scheme, host, want) in [
            ("http", "APP.Test", Some("app.test")),
            ("http", "app.test:80", Some("app.test")),
            ("https", "app.test:443", Some("app.test")),
            ("https", "app.test:80", Some("app.test:80")),
            ("http", "app.test:", Some("app.test")),
            ("http", "[::1]:8080", Some("[::1]:8080")),
            ("http", "[::1]:80", Some("[::1]")),
            ("http", "café.test", Some("café.test")),
            ("http", "App.test.", Some("app.test")),
            ("http", "app.test.:8080", Some("app.test:8080")),
            ("http", "app.test:080", Some("app.test")),
            ("http", "app.test:08080", Some("app.test:8080")),
            ("http", "app.test:65536", None),
            ("http", ".", None),
            ("http", "", None),
            ("http", "a b", None),
            ("http", "app.test/x", None),
            ("http", "user@app.test", None),
            ("http", "app.test, evil.test", None),
            ("http", "app.test:80a", None),
            ("http", "[::1", None),
            ("http", "a:1:2", None),
        ] {
            let mut out = String::new();
            let pushed = push_canonical_host(&mut out, scheme, host).map(|()| out.as_str());
            assert_eq!(pushed, want, "{scheme}://{host}");
        }
    }

    #[test]
    fn schemes_lose_case_and_websocket() {
        for (scheme, want) in [
            ("HTTPS", Some("https")),
            ("ws", Some("http")),
            ("WSS", Some("https")),
            ("https,http", None),
            ("", None),
            ("1http", None),
        ] {
            assert_eq!(canonical_scheme(scheme).as_deref(), want, "{scheme}");
        }
    }
}
