//! Cross-origin answers (Fetch standard, CORS protocol), with Oathkeeper's settings: of a listener, or of a rule.

use http::header::{self, HeaderName, HeaderValue};

use crate::config::Cors;
use crate::request::Headers;

/// A header field.
pub type Field = (HeaderName, HeaderValue);

/// The settings of a listener or a rule, ready to answer with.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "five switches of the configuration")]
pub struct Policy {
    enabled: bool,
    any_origin: bool,
    origins: Vec<Origin>,
    any_method: bool,
    methods: Vec<String>,
    any_header: bool,
    headers: Vec<String>,
    exposed: Option<HeaderValue>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

/// An allowed origin: exact, or with one wildcard for a run of labels.
#[derive(Debug)]
enum Origin {
    Exact(String),
    Wildcard { prefix: String, suffix: String },
}

impl Policy {
    /// Reads the settings. Any origin together with credentials would hand every site the user's session:
    /// then there are no credentials.
    pub fn new(cors: &Cors) -> Self {
        let any_origin = cors.allowed_origins.is_empty() || cors.allowed_origins.iter().any(|o| o == "*");
        let text = |list: &[String]| {
            (!list.is_empty()).then(|| HeaderValue::from_str(&list.join(", ")).ok()).flatten()
        };
        Self {
            enabled: cors.enabled,
            any_origin,
            origins: cors.allowed_origins.iter().filter_map(|o| Origin::parse(o)).collect(),
            any_method: cors.allowed_methods.iter().any(|m| m == "*"),
            methods: cors.allowed_methods.iter().map(|m| m.to_ascii_uppercase()).collect(),
            any_header: cors.allowed_headers.iter().any(|h| h == "*"),
            headers: cors.allowed_headers.iter().map(|h| h.to_ascii_lowercase()).collect(),
            exposed: text(&cors.exposed_headers),
            credentials: cors.allow_credentials && !any_origin,
            max_age: (cors.max_age > 0).then(|| HeaderValue::from(cors.max_age)),
        }
    }

    /// Whether cross-origin answers are on.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// What the answer to a preflight says, and whether it allows the request that is announced.
    pub fn preflight(&self, request: &dyn Headers) -> (Vec<Field>, bool) {
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        let mut headers = vec![(header::VARY, HeaderValue::from_static(vary))];
        let get = |name: &HeaderName| {
            request.first(name.as_str()).and_then(|value| HeaderValue::from_bytes(value).ok())
        };
        let method = get(&header::ACCESS_CONTROL_REQUEST_METHOD);
        let asked = get(&header::ACCESS_CONTROL_REQUEST_HEADERS);
        let allowed = self.allowed_origin(request).filter(|_| {
            method.as_ref().is_some_and(|m| self.allows_method(m))
                && asked.as_ref().is_none_or(|h| self.allows_headers(h))
        });
        let (Some(origin), Some(method)) = (allowed, method) else { return (headers, false) };
        headers.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        headers.push((header::ACCESS_CONTROL_ALLOW_METHODS, method));
        if let Some(asked) = asked.filter(|h| !h.is_empty()) {
            headers.push((header::ACCESS_CONTROL_ALLOW_HEADERS, asked));
        }
        if self.credentials {
            headers.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        if let Some(max_age) = &self.max_age {
            headers.push((header::ACCESS_CONTROL_MAX_AGE, max_age.clone()));
        }
        (headers, true)
    }

    /// Adds what a browser needs to show an answer to a page of an allowed origin, unless the answer says so
    /// already.
    pub fn add_headers(&self, request: &dyn Headers, answer: &mut Vec<Field>) {
        if answer.iter().any(|(name, _)| *name == header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        answer.push((header::VARY, HeaderValue::from_static("Origin")));
        let Some(origin) = self.allowed_origin(request) else { return };
        answer.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        if let Some(exposed) = &self.exposed {
            answer.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone()));
        }
        if self.credentials {
            answer.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
    }

    fn allowed_origin(&self, request: &dyn Headers) -> Option<HeaderValue> {
        let origin = HeaderValue::from_bytes(request.first(header::ORIGIN.as_str())?).ok()?;
        let text = origin.to_str().ok()?;
        (self.any_origin || self.origins.iter().any(|o| o.covers(text))).then_some(origin)
    }

    fn allows_method(&self, method: &HeaderValue) -> bool {
        self.any_method
            || method
                .to_str()
                .is_ok_and(|m| m == "OPTIONS" || self.methods.iter().any(|allowed| allowed == m))
    }

    fn allows_headers(&self, asked: &HeaderValue) -> bool {
        self.any_header
            || asked.to_str().is_ok_and(|list| {
                list.split(',').map(str::trim).filter(|h| !h.is_empty()).all(|h| {
                    let name = h.to_ascii_lowercase();
                    name == "origin" || self.headers.contains(&name)
                })
            })
    }
}

/// The method that a preflight announces; `None` for other requests. `method` is that of the request.
pub fn announced<'r>(method: &str, request: &'r dyn Headers) -> Option<&'r str> {
    (method == "OPTIONS")
        .then(|| request.text(header::ACCESS_CONTROL_REQUEST_METHOD.as_str()))?
        .filter(|m| !m.is_empty())
}

impl Origin {
    /// `https://*.example.com`, but not `https://*.com` or `https://*.co.uk`: anybody can register there.
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let Some((prefix, suffix)) = text.split_once('*') else { return Some(Self::Exact(text)) };
        let domain = suffix.strip_prefix('.')?.split(':').next()?;
        is_registrable(domain)
            .then(|| Self::Wildcard { prefix: prefix.to_owned(), suffix: suffix.to_owned() })
    }

    fn covers(&self, origin: &str) -> bool {
        match self {
            Self::Exact(text) => text == origin,
            Self::Wildcard { prefix, suffix } => {
                origin.len() > prefix.len() + suffix.len()
                    && origin.starts_with(prefix)
                    && origin.ends_with(suffix)
            }
        }
    }
}

/// Whether a domain is somebody's rather than a registry's: two labels at least, three under a country's
/// second-level registries.
fn is_registrable(domain: &str) -> bool {
    const REGISTRIES: &[&str] =
        &["ac", "co", "com", "edu", "go", "gob", "gov", "mil", "ne", "net", "nom", "or", "org"];
    let labels: Vec<&str> = domain.split('.').collect();
    match labels.as_slice() {
        [] | [_] | ["", _] | [_, ""] => false,
        [second, top] => top.len() != 2 || !REGISTRIES.contains(second),
        _ => labels.iter().all(|l| !l.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_within_one_owners_domain() {
        for (pattern, origin, want) in [
            ("https://*.sub.test", "https://a.sub.test", true),
            ("https://*.sub.test", "https://a.b.sub.test", true),
            ("https://*.sub.test", "https://sub.test", false),
            ("https://*.sub.test", "https://asub.test", false),
            ("https://*.sub.test", "http://a.sub.test", false),
            ("https://*.com", "https://a.com", false),
            ("https://*.co.uk", "https://a.co.uk", false),
            ("https://*.shop.co.uk", "https://a.shop.co.uk", true),
            ("https://*", "https://a.test", false),
            ("https://App.test", "https://app.test", true),
            ("https://app.test", "https://APP.test", false),
        ] {
            assert_eq!(Origin::parse(pattern).is_some_and(|o| o.covers(origin)), want, "{pattern} {origin}");
        }
    }
}
