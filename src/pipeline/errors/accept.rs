//! Media types in `Accept` and `Content-Type`, compared as Oathkeeper does.

use crate::request::headers::is_token;

/// The media type a missing header counts as.
pub const UNKNOWN: &str = "application/octet-stream";

/// Whether any media type of an `Accept` header is among the configured ones.
///
/// As Oathkeeper: `q` is ignored, an item with any other parameter ends the list, wildcards count on the
/// configured side alone, letter case counts.
pub fn accepts(header: &str, configured: &[String]) -> bool {
    for item in header.split(',') {
        let Some(media_type) = parse_item(item) else { return false };
        if configured.iter().any(|c| covers(c, media_type)) {
            return true;
        }
    }
    false
}

/// `type/subtype`, optionally with a `q` and nothing else.
fn parse_item(item: &str) -> Option<&str> {
    let (media_type, parameters) = match item.split_once(';') {
        Some((media_type, parameters)) => (media_type, Some(parameters)),
        None => (item, None),
    };
    if let Some(parameters) = parameters {
        let q = parameters.trim().strip_prefix("q=")?;
        q.trim().parse::<f32>().ok()?;
    }
    let media_type = media_type.trim();
    let (kind, subtype) = media_type.split_once('/')?;
    (is_token(kind.as_bytes()) && is_token(subtype.as_bytes())).then_some(media_type)
}

/// Whether a configured type, which may be a wildcard, covers one of the request.
pub fn covers(configured: &str, requested: &str) -> bool {
    if configured == "*/*" || configured == requested {
        return true;
    }
    configured.strip_suffix("/*").is_some_and(|kind| {
        requested.split_once('/').is_some_and(|(requested_kind, _)| requested_kind == kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_types_cover_what_the_client_accepts() {
        for (configured, accept, want) in [
            ("application/json", "*/*", false),
            ("text/html", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", true),
            ("text/html", "TEXT/HTML", false),
            ("*/*", UNKNOWN, true),
            ("*/*", "", false),
            ("text/*", "text/plain", true),
            ("text/*", "text/*", true),
            ("text/html", "text/*", false),
            ("application/json", "text/plain;level=1, application/json", false),
            ("application/json", "text/plain;q=0, application/json", true),
        ] {
            assert_eq!(accepts(accept, &[configured.to_owned()]), want, "{configured} for {accept}");
        }
    }
}
