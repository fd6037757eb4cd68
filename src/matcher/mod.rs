//! Matcher: which rule does a URL hit?
//!
//! [`Pattern`] is one rule's `match.url`, compiled; [`Index`] finds, among all rules, the few whose
//! pattern is worth trying for a method and URL.

use std::ops::Range;

use smallvec::SmallVec;

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
