//! Data: what a template can see, read where it lies.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::matcher::Captures;
use crate::pipeline::session::{HeaderList, canonical_header_name};
use crate::request::AccessRequest;

/// What a template can see.
#[derive(Clone, Copy)]
pub struct Data<'d> {
    /// `.Subject`
    pub subject: &'d str,
    /// `.Extra`
    pub extra: Option<&'d Map<String, Value>>,
    /// `.Header`: what mutators and authorizers have set so far.
    pub header: &'d HeaderList,
    /// `.MatchContext.Method`, `.URL`, `.Header`
    pub request: &'d AccessRequest<'d>,
    /// `.MatchContext.CaptureGroups`
    pub captures: &'d Captures,
    /// Whether the pattern is a glob: `.MatchContext.RegexpCaptureGroups` is empty then, as in Oathkeeper.
    pub glob: bool,
    /// The text that the groups are positions in.
    pub matched: &'d str,
}

impl<'d> Data<'d> {
    /// The text of a capture group of a regular expression; `None` when there are not so many groups.
    pub(super) fn capture(&self, index: usize) -> Option<Cow<'d, str>> {
        if self.glob { None } else { self.group(index) }
    }

    /// The text of a capture group of any pattern; `None` when there are not so many groups.
    pub(super) fn group(&self, index: usize) -> Option<Cow<'d, str>> {
        self.captures.get(index, self.matched).map(Cow::Borrowed)
    }

    /// `.MatchContext.ClientAddress`: empty where it is not known.
    pub(super) fn client_address(&self) -> String {
        self.request.client_address().map(|address| address.to_canonical().to_string()).unwrap_or_default()
    }

    /// `.MatchContext.Header.Get`: the first value, empty for none. Bytes that are not UTF-8 become U+FFFD.
    pub(super) fn request_header(&self, name: &str) -> Cow<'d, str> {
        if name.eq_ignore_ascii_case("host") {
            return Cow::Borrowed("");
        }
        self.request.headers().first(name).map_or(Cow::Borrowed(""), String::from_utf8_lossy)
    }

    /// `.MatchContext.Header.Values`. `Host` is no header field to Go.
    pub(super) fn request_header_values(&self, name: &str) -> Vec<Cow<'d, str>> {
        let mut values = Vec::new();
        if !name.eq_ignore_ascii_case("host") {
            self.request.headers().each(name, &mut |value| values.push(String::from_utf8_lossy(value)));
        }
        values
    }

    /// `.MatchContext.Header` as Go sees it: canonical names, sorted, each with all its values.
    pub(super) fn request_headers(&self) -> Vec<(Cow<'d, str>, Vec<Cow<'d, str>>)> {
        let mut fields: Vec<(Cow<'d, str>, Vec<Cow<'d, str>>)> = Vec::new();
        self.request.headers().all(&mut |name, value| {
            if name.eq_ignore_ascii_case("host") {
                return;
            }
            let name = canonical_header_name(name);
            let value = String::from_utf8_lossy(value);
            match fields.iter_mut().find(|(n, _)| *n == name) {
                Some((_, values)) => values.push(value),
                None => fields.push((Cow::Owned(name), vec![value])),
            }
        });
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        fields
    }

    /// `.Header.Get`
    pub(super) fn session_header(&self, name: &str) -> Option<Cow<'d, str>> {
        self.header.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    /// `.Header` as Go sees it: canonical names, sorted.
    pub(super) fn session_headers(&self) -> Vec<(Cow<'d, str>, Vec<Cow<'d, str>>)> {
        let mut fields: Vec<(Cow<'d, str>, Vec<Cow<'d, str>>)> = self
            .header
            .by_name()
            .map(|(name, values)| {
                let values = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
                (Cow::Owned(canonical_header_name(name.as_str())), values)
            })
            .collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        fields
    }
}
