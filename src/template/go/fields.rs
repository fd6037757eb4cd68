//! Fields: Go's `http.Header` and `url.Values`, names with lists of texts.

use std::borrow::Cow;
use std::rc::Rc;

use super::list::{List, Of};
use super::value::Value;
use super::view::View;
use crate::pipeline::session::canonical_header_name;

/// All names, sorted, each with its values.
pub type Everything<'d> = Vec<(Cow<'d, str>, Vec<Cow<'d, str>>)>;

/// A header map or a query.
#[derive(Clone)]
pub enum Fields<'d> {
    /// `.MatchContext.Header`, read where it lies.
    Request(&'d View<'d>),
    /// `.Header`, read where it lies.
    Session(&'d View<'d>),
    /// A query.
    Query(Rc<Everything<'d>>),
}

impl<'d> Fields<'d> {
    pub fn is_query(&self) -> bool {
        matches!(self, Self::Query(_))
    }

    pub fn type_name(&self) -> &'static str {
        if self.is_query() { "url.Values" } else { "http.Header" }
    }

    pub fn all(&self) -> Everything<'d> {
        match self {
            Self::Request(view) => view.data.request_headers(),
            Self::Session(view) => view.data.session_headers(),
            Self::Query(fields) => fields.to_vec(),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Request(_) => self.all().len(),
            Self::Session(view) => view.data.header.by_name().count(),
            Self::Query(fields) => fields.len(),
        }
    }

    /// Nil to Go: no header was ever set.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Session(view) if view.data.header.is_empty())
    }

    /// The method `Get`: the first value or nothing. Header names in any case.
    pub fn first(&self, name: &str) -> Cow<'d, str> {
        match self {
            Self::Request(view) => view.data.request_header(name),
            Self::Session(view) => view.data.session_header(name).unwrap_or_default(),
            Self::Query(fields) => fields
                .iter()
                .find(|(n, _)| n == name)
                .and_then(|(_, values)| values.first().cloned())
                .unwrap_or_default(),
        }
    }

    /// The method `Values`, or, `by_key`, what stands under exactly this key.
    pub fn values(&self, name: &str, by_key: bool) -> List<'d> {
        let values = match self {
            Self::Query(fields) => {
                fields.iter().find(|(n, _)| n == name).map(|(_, values)| values.clone()).unwrap_or_default()
            }
            _ if by_key && canonical_header_name(name) != name => Vec::new(),
            Self::Request(view) => view.data.request_header_values(name),
            Self::Session(view) => view.data.session_header(name).into_iter().collect(),
        };
        if values.is_empty() { List::Nil(Of::Text) } else { List::texts(values) }
    }

    /// All entries as values, sorted by name.
    pub fn entries(&self) -> Vec<(Cow<'d, str>, Value<'d>)> {
        self.all().into_iter().map(|(name, values)| (name, Value::List(List::texts(values)))).collect()
    }
}
