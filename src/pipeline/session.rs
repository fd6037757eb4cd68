//! Session: what the pipeline knows so far about who is calling, and what the upstream shall be told.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::matcher::Captures;

thread_local! {
    /// One for each worker: they would take one count in turns, for every request.
    static NOBODY: Arc<str> = Arc::from("");
}

/// The subject before anybody is known: empty, and shared.
pub fn nobody() -> Arc<str> {
    NOBODY.with(Arc::clone)
}

/// Who is calling and what the answer will carry. Oathkeeper's `AuthenticationSession`.
#[derive(Debug, Clone)]
pub struct Session {
    /// The identifier of the caller; empty when nobody in particular is.
    pub subject: Arc<str>,
    /// What else the authenticator learned, or nothing at all. Shared with caches, hence behind `Arc`.
    pub extra: Option<Arc<Map<String, Value>>>,
    /// Whether the caller was let in without showing any credentials.
    pub anonymous: bool,
    /// Headers that the upstream shall see, written by mutators and some authorizers.
    pub headers: HeaderList,
    /// Capture groups of the matched rule's pattern.
    pub captures: Captures,
    /// The text that the groups are positions in.
    pub matched: Matched,
    /// Whether the pattern is a glob.
    pub glob: bool,
}

/// The text that a rule's pattern matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matched {
    /// The request's first reading as it stands.
    Primary,
    /// The same with a trailing slash or a default port spelled out.
    Variant(Box<str>),
}

impl Matched {
    /// The text itself.
    pub fn text<'t>(&'t self, request: &'t crate::request::AccessRequest<'_>) -> &'t str {
        match self {
            Self::Primary => request.primary().map_or("", crate::request::Reading::text),
            Self::Variant(text) => text,
        }
    }
}

impl Session {
    /// A session as it is before the first authenticator.
    pub fn new(captures: Captures, matched: Matched) -> Self {
        Self {
            subject: nobody(),
            extra: None,
            anonymous: false,
            headers: HeaderList::default(),
            captures,
            matched,
            glob: false,
        }
    }
}

/// Header fields in the order they were first set, one value a name.
///
/// Linear: a decision carries a handful of headers, and a scan over them beats hashing.
#[derive(Debug, Clone, Default)]
pub struct HeaderList(Vec<(HeaderName, HeaderValue)>);

impl HeaderList {
    /// Sets a header, replacing the value it has.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Makes room for so many headers more.
    pub fn reserve(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// The value of a header.
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.0.iter().find(|(n, _)| n.as_str().eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// All headers, in the order they were first set.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers themselves.
    pub fn into_vec(self) -> Vec<(HeaderName, HeaderValue)> {
        self.0
    }
}

/// A header name as Go's `net/http` writes it: `x-user-id` is `X-User-Id`.
///
/// Oathkeeper's templates see header maps under these names.
pub fn canonical_header_name(name: &str) -> String {
    let mut upper = true;
    name.chars()
        .map(|c| {
            let out = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            upper = c == '-';
            out
        })
        .collect()
}
