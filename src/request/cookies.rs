//! Cookies of a request, as Go's server reads them.

use super::Headers;
use super::headers::is_token;

/// Calls `visit` with name, value and whether it was quoted, for every well-formed cookie of a request
/// (RFC 6265 section 4.2.1), in order, repeats included.
pub fn each_cookie<'h>(headers: &'h dyn Headers, visit: &mut dyn FnMut(&'h [u8], &'h [u8], bool)) {
    headers.each("cookie", &mut |line| {
        for part in line.split(|b| *b == b';') {
            let part = part.trim_ascii();
            let (name, value) = match part.iter().position(|b| *b == b'=') {
                Some(at) => (part.get(..at).unwrap_or_default(), part.get(at + 1..).unwrap_or_default()),
                None => (part, <&[u8]>::default()),
            };
            let name = name.trim_ascii();
            let unquoted = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\""));
            let bare = unquoted.unwrap_or(value);
            if is_token(name) && bare.iter().all(|b| is_cookie_byte(*b)) {
                visit(name, bare, unquoted.is_some());
            }
        }
    });
}

/// Whether a byte may stand in the value of a cookie.
pub fn is_cookie_byte(byte: u8) -> bool {
    (0x20..0x7F).contains(&byte) && !matches!(byte, b'"' | b';' | b'\\')
}
