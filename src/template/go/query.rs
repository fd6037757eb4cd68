//! Queries as Go's `net/url` reads and writes them.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::fields::Everything;
use super::url::unescape;

/// What Go leaves unescaped in a query's names and values.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Go's `url.QueryEscape`.
pub fn escape(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string().replace("%20", "+")
}

fn unescape_part(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    unescape(&text.replace('+', " ")).map(Cow::Owned)
}

/// The pairs of a query, in order; what cannot be read is left out, as in Go.
fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')).filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((unescape_part(name)?, unescape_part(value)?))
    })
}

/// Go's `Query`: names, sorted, with all their values.
pub fn parse(query: &str) -> Everything<'_> {
    let mut fields: Everything<'_> = Vec::new();
    for (name, value) in pairs(query) {
        match fields.binary_search_by(|(n, _)| n.cmp(&name)) {
            Ok(at) => {
                if let Some((_, values)) = fields.get_mut(at) {
                    values.push(value);
                }
            }
            Err(at) => fields.insert(at, (name, vec![value])),
        }
    }
    fields
}

/// The first value of one name, without reading the others.
pub fn value<'q>(query: &'q str, name: &str) -> Cow<'q, str> {
    pairs(query).find(|(n, _)| n == name).map(|(_, value)| value).unwrap_or_default()
}

/// Go's `Encode`.
pub fn encode(fields: &Everything<'_>) -> String {
    let mut out = String::new();
    for (name, values) in fields {
        for value in values {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(&escape(name));
            out.push('=');
            out.push_str(&escape(value));
        }
    }
    out
}
