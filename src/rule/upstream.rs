//! Upstreams: where the proxy sends what may pass, and under which path.

use http::HeaderValue;
use percent_encoding::percent_decode;
use url::Url;

use super::spec::UpstreamSpec;
use crate::request::AccessRequest;

/// An upstream as run.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Scheme, host and port: what connections are told apart by.
    pub origin: String,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// What it is called in `Host`.
    pub authority: HeaderValue,
    /// Whether it is sent the client's `Host` instead.
    pub preserve_host: bool,
    /// What all paths begin with; empty, or with a slash before it and none behind it.
    base: String,
    /// The segments that are taken off the beginning of a request's path.
    strip: Vec<String>,
}

/// A path with dots that servers read differently: one of them could climb out of what was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous;

impl Upstream {
    /// The upstream of a rule; `None` where it names none with an http(s) URL. Query and fragment of the URL do not
    /// count, as in Oathkeeper.
    pub fn new(spec: &UpstreamSpec) -> Option<Self> {
        let url = Url::parse(&spec.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let host = url.host_str()?;
        let port = url.port_or_known_default()?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let base: String =
            url.path().split('/').filter(|s| !s.is_empty()).flat_map(|segment| ["/", segment]).collect();
        let strip = spec.strip_path.split('/').filter(|s| !s.is_empty());
        Some(Self {
            origin: format!("{}://{host}:{port}", url.scheme()),
            tls: url.scheme() == "https",
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: HeaderValue::from_str(&authority).ok()?,
            preserve_host: spec.preserve_host,
            base,
            strip: strip.map(str::to_owned).collect(),
        })
    }

    /// Whether all servers read a request's path the same, as far as they could climb out of the base with it.
    pub fn is_clear(&self, request: &AccessRequest<'_>) -> bool {
        request.readings().len() <= 1 || !may_climb(request.raw_path())
    }

    /// The path that is asked for: the request's own behind the base, without the prefix to take off. Escapes stay as
    /// the client wrote them; dots are resolved and slashes collapsed as they were when a rule was found for it.
    pub fn path(&self, request: &AccessRequest<'_>, keep_trailing_slash: bool) -> Result<String, Ambiguous> {
        let raw = request.raw_path();
        if !self.is_clear(request) {
            return Err(Ambiguous);
        }
        let mut segments: Vec<&[u8]> = Vec::new();
        for segment in raw.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()) {
            match &*decoded(segment) {
                b"." => {}
                b".." => {
                    segments.pop();
                }
                _ => segments.push(segment),
            }
        }
        let mut rest = segments.as_slice();
        if let Some((prefix, behind)) = segments.split_at_checked(self.strip.len())
            && prefix.iter().zip(&self.strip).all(|(have, want)| *decoded(have) == *want.as_bytes())
        {
            rest = behind;
        }
        let mut path = String::with_capacity(self.base.len() + raw.len() + 1);
        path.push_str(&self.base);
        for segment in rest {
            path.push('/');
            push_escaped(&mut path, segment);
        }
        if path.is_empty() || (keep_trailing_slash && raw.ends_with(b"/")) {
            path.push('/');
        }
        Ok(path)
    }
}

fn decoded(segment: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    percent_decode(segment).into()
}

/// Whether a server that knows more separators than a slash, or decodes more than once, may find dots.
fn may_climb(raw: &[u8]) -> bool {
    let mut text = raw.to_vec();
    loop {
        let mut segments = text.split(|byte| b"/\\;#?\0".contains(byte));
        if segments.any(|segment| matches!(segment, b"." | b"..")) {
            return true;
        }
        let next = decoded(&text).into_owned();
        if next == text {
            return false;
        }
        text = next;
    }
}

/// Appends a segment with everything escaped that must not stand in a URL (RFC 3986 section 3.3, and brackets, which
/// servers take).
fn push_escaped(path: &mut String, segment: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in segment {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%[]".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            for nibble in [byte >> 4, byte & 15] {
                path.push(char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0')));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::HeaderFields;
    use crate::request::{Origin, Part, Parts};

    fn sent(url: &str, strip_path: &str, path: &str, keep: bool) -> Result<String, Ambiguous> {
        let spec =
            UpstreamSpec { url: url.to_owned(), strip_path: strip_path.to_owned(), preserve_host: false };
        let headers = HeaderFields::default();
        let path = Part { value: path.as_bytes().into(), origin: Origin::RequestLine };
        let request = AccessRequest::new(Parts { path, ..Parts::root() }, &headers).unwrap();
        Upstream::new(&spec).unwrap().path(&request, keep)
    }

    #[test]
    fn what_was_decided_on_is_what_is_asked_for() {
        for (url, strip, path, want) in [
            ("http://u", "", "/", "/"),
            ("http://u", "", "/a/b", "/a/b"),
            ("http://u", "", "/a/", "/a"),
            ("http://u", "", "//a///b", "/a/b"),
            ("http://u", "", "/../../x", "/x"),
            ("http://u", "", "/a/%2e%2e/b/.%2E", "/"),
            ("http://u", "", "/a%20b", "/a%20b"),
            ("http://u", "", "/a%3Fb", "/a%3Fb"),
            ("http://u", "", "/a%2Fb", "/a%2Fb"),
            ("http://u", "", "/%64eny", "/%64eny"),
            ("http://u", "", "/a;b=c+d", "/a;b=c+d"),
            ("http://u", "", "/a[1]|{2}", "/a[1]%7C%7B2%7D"),
            ("http://u", "", "/caf\u{e9}", "/caf%C3%A9"),
            ("http://u", "", "/a\\b", "/a%5Cb"),
            ("http://u/base/", "", "/", "/base"),
            ("http://u/base/", "", "/a", "/base/a"),
            ("http://u//a//b?q=1#f", "", "/c", "/a/b/c"),
            ("http://u", "/api/v1", "/api/v1/users", "/users"),
            ("http://u", "/api/v1", "/api/v1", "/"),
            ("http://u", "api/v1/", "/api/v1/api/v1/x", "/api/v1/x"),
            ("http://u", "/api/v1", "/x/api/v1/y", "/x/api/v1/y"),
            ("http://u", "/api/v1", "/api/v11/y", "/api/v11/y"),
            ("http://u", "/api/v1", "/%61pi//v1/y", "/y"),
            ("http://u/up", "api/", "/api/users", "/up/users"),
            ("http://u/api/up", "/api", "/api/users", "/api/up/users"),
            ("http://u", "/", "/a/b", "/a/b"),
            ("http://u/pxb-srv", "pxb", "/pxb/x", "/pxb-srv/x"),
        ] {
            assert_eq!(sent(url, strip, path, false).unwrap(), want, "{url} - {strip} + {path}");
        }
    }

    #[test]
    fn a_trailing_slash_stays_where_that_is_wanted() {
        for (url, path, want) in [
            ("http://u", "/", "/"),
            ("http://u", "/a/", "/a/"),
            ("http://u", "/a", "/a"),
            ("http://u/base", "/", "/base/"),
            ("http://u/base", "/a//", "/base/a/"),
        ] {
            assert_eq!(sent(url, "", path, true).unwrap(), want, "{url} + {path}");
        }
    }

    #[test]
    fn a_path_that_some_server_climbs_with_goes_nowhere() {
        for path in [
            "/a/..%2f..%2fsecret",
            "/public/..\\deny",
            "/public/%5c..%5Cdeny",
            "/public/%252e%252e/deny",
            "/public/..;a/deny",
            "/public/x%2f%2e%2e",
            "/public/..%00/x",
        ] {
            assert_eq!(sent("http://u/base", "", path, false), Err(Ambiguous), "{path}");
        }
    }

    /// A path of pieces that servers disagree about.
    fn hostile() -> impl proptest::strategy::Strategy<Value = String> {
        let piece = proptest::sample::select(&[
            "/", "/", "/", "a", "b", "api", "v1", "base", ".", "..", ";", ";x=1", "\\", "%2f", "%2F", "%5c",
            "%2e", "%2E%2e", "%252f", "%252e", "%25252e", "%00", "%3b", "%23", "%3f", "%61pi", "%25",
            "%c3%a9", "%e9", "[", "~",
        ]);
        proptest::strategy::Strategy::prop_map(proptest::collection::vec(piece, 0..12), |pieces| {
            format!("/{}", pieces.concat())
        })
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(20_000))]

        #[test]
        fn however_a_server_reads_what_is_sent_it_is_what_was_decided_on(
            path in hostile(),
            base in proptest::sample::select(&["", "/base", "/base/a"]),
            strip in proptest::sample::select(&["", "api", "a/b", "api/v1"]),
            keep in proptest::bool::ANY,
        ) {
            use crate::request::path::readings;
            let Ok(decided) = readings(path.as_bytes()) else { return Ok(()) };
            let decided: Vec<_> = decided.iter().map(|reading| reading.text.trim_end_matches('/')).collect();
            let Ok(sent) = sent(&format!("http://u{base}"), strip, &path, keep) else { return Ok(()) };
            for reading in readings(sent.as_bytes()).expect(&sent) {
                let below = reading.text.trim_end_matches('/').strip_prefix(base);
                let below = below.filter(|below| below.is_empty() || below.starts_with('/'));
                let below = below.unwrap_or_else(|| panic!("{path} left {base} as {sent}, read as {}", reading.text));
                let whole = format!("/{strip}{below}");
                proptest::prop_assert!(
                    decided.contains(&below) || decided.contains(&&*whole),
                    "{path} became {sent}, read as {}, decided on as {decided:?}", reading.text
                );
            }
        }
    }

    #[test]
    fn an_upstream_has_an_http_address() {
        let made =
            |url: &str| Upstream::new(&UpstreamSpec { url: url.to_owned(), ..UpstreamSpec::default() });
        for url in ["", "/path", "ftp://u", "unix:/run/app.sock", "u:8080"] {
            assert_eq!(made(url), None, "{url}");
        }
        let found = made("https://user:secret@[2001:db8::1]:8443/x").unwrap();
        assert_eq!((&*found.origin, &*found.host), ("https://[2001:db8::1]:8443", "2001:db8::1"));
        assert_eq!(found.authority, "[2001:db8::1]:8443");
        assert_eq!(made("http://app").unwrap().authority, "app");
    }
}
