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

/// Header fields in the order they were first set. A name may have several values, one after another.
///
/// Linear: a decision carries a handful of headers, and a scan over them beats hashing.
#[derive(Debug, Clone, Default)]
pub struct HeaderList(Vec<(HeaderName, HeaderValue)>);

impl HeaderList {
    /// Sets a header, replacing the values it has.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        let Some(at) = self.0.iter().position(|(n, _)| *n == name) else {
            self.0.push((name, value));
            return;
        };
        if let Some((_, old)) = self.0.get_mut(at) {
            *old = value;
        }
        let mut index = 0;
        self.0.retain(|(n, _)| {
            index += 1;
            index <= at + 1 || *n != name
        });
    }

    /// Sets headers, replacing the values that they had: a name that is there several times gets so many.
    pub fn set_all(&mut self, fields: &[(HeaderName, HeaderValue)]) {
        for (index, (name, value)) in fields.iter().enumerate() {
            let again = fields.iter().take(index).any(|(before, _)| before == name);
            match self.0.iter().rposition(|(n, _)| n == name).filter(|_| again) {
                Some(last) => self.0.insert(last + 1, (name.clone(), value.clone())),
                None => self.set(name.clone(), value.clone()),
            }
        }
    }

    /// Makes room for so many headers more.
    pub fn reserve(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.0.iter().find(|(n, _)| n.as_str().eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// All headers, in the order they were first set.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }

    /// All headers, each name once with its values.
    pub fn by_name(&self) -> impl Iterator<Item = (&HeaderName, impl Iterator<Item = &HeaderValue>)> {
        self.0.chunk_by(|(a, _), (b, _)| a == b).filter_map(|fields| {
            let (name, _) = fields.first()?;
            Some((name, fields.iter().map(|(_, value)| value)))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_values_that_were_set_last() {
        let field = |name: &'static str, value: &'static str| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut list = HeaderList::default();
        list.set_all(&[field("a", "1"), field("b", "1"), field("a", "2"), field("a", "3")]);
        let shown = |list: &HeaderList| -> Vec<String> {
            let each = list.by_name().map(|(name, values)| {
                let values: Vec<_> = values.map(|v| v.to_str().unwrap()).collect();
                format!("{name}={}", values.join("+"))
            });
            each.collect()
        };
        assert_eq!(shown(&list), ["a=1+2+3", "b=1"]);
        list.set_all(&[field("a", "4"), field("c", "5"), field("a", "6")]);
        assert_eq!(shown(&list), ["a=4+6", "b=1", "c=5"]);
        let (name, value) = field("a", "7");
        list.set(name, value);
        assert_eq!(shown(&list), ["a=7", "b=1", "c=5"]);
        assert_eq!(list.get("A").unwrap(), "7");
    }
}
