//! Matcher: which rule does a URL hit?
//!
//! [`Pattern`] is one rule's `match.url`, compiled; [`Index`] finds, among all rules, the few whose
//! pattern is worth trying for a method and URL, and tries them. [`explanation`] says, when asked, why a
//! rule did not match, and [`overlap`] which rules get in each other's way.
//!
//! Both pattern languages ([`Strategy`]) are read into the same tree, its literal parts brought to the form
//! that requests have, and compiled to a short program; only what programs cannot do is left to the `regex`
//! and `fancy-regex` engines. Nothing is compiled, locked or, as a rule, allocated while matching.

mod automaton;
mod engine;
pub mod explanation;
mod glob;
pub mod inclusion;
mod index;
mod lint;
mod literal;
pub mod overlap;
mod pattern;
mod pieces;
mod program;
mod regexp;
mod required;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::ops::Range;

use smallvec::SmallVec;

pub use index::{ANY_METHOD, Hits, Index};
pub use pattern::Pattern;
pub use value::ValuePattern;

use crate::diagnostic::Finding;

/// The language of patterns: `access_rules.matching_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// `regexp`: fragments are .NET regular expressions.
    #[default]
    Regexp,
    /// `glob`: fragments are globs with the separators `.` and `/`.
    Glob,
}

impl Strategy {
    /// The strategy of that name; the empty name is `regexp`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "regexp" => Some(Self::Regexp),
            "glob" => Some(Self::Glob),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regexp => "regexp",
            Self::Glob => "glob",
        }
    }
}

/// Whether a pattern matches could not be found out within its limits: the rule can neither be applied nor
/// passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pattern takes too many steps for this URL")]
pub struct TooCostly;

impl From<program::Exhausted> for TooCostly {
    fn from(_: program::Exhausted) -> Self {
        Self
    }
}

/// Capture groups of a match: positions in the text that was matched, Oathkeeper's order (unnamed groups
/// by their opening parenthesis, each `<…>` counting as one, then named groups).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures(pub SmallVec<[Option<Range<u32>>; 8]>);

impl Captures {
    /// The text of group `index` within the matched `text`; an unmatched optional group is empty.
    pub fn get<'t>(&self, index: usize, text: &'t str) -> Option<&'t str> {
        self.0.get(index).map(|span| {
            span.as_ref().and_then(|r| text.get(r.start as usize..r.end as usize)).unwrap_or_default()
        })
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is wrong in a pattern's source, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    message: String,
    span: Range<usize>,
    help: Option<&'static str>,
}

impl Fault {
    fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span, help: None }
    }

    fn help(mut self, text: &'static str) -> Self {
        self.help = Some(text);
        self
    }

    fn error(self, code: &'static str) -> Finding {
        self.put_in(Finding::error, code)
    }

    fn warning(self, code: &'static str) -> Finding {
        self.put_in(Finding::warning, code)
    }

    fn put_in(self, make: impl Fn(&'static str, String, String) -> Finding, code: &'static str) -> Finding {
        let finding = make(code, String::new(), self.message).span(self.span.start, self.span.end);
        match self.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }
}
