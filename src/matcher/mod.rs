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

/// stub
#[derive(Debug)]
pub struct Pattern(regex::Regex);
/// stub
#[derive(Debug)]
pub struct TooCostly;
impl Pattern {
    /// stub
    pub fn compile(
        _: crate::config::Strategy,
        source: &str,
    ) -> Result<(Self, Vec<crate::diagnostic::Finding>), crate::diagnostic::Finding> {
        let mut out = String::from("^");
        let mut rest = source;
        while let Some((lit, tail)) = rest.split_once('<') {
            out.push_str(&regex::escape(lit));
            let (frag, tail) = tail.split_once('>').unwrap_or((tail, ""));
            out.push_str(&format!("({frag})"));
            rest = tail;
        }
        out.push_str(&regex::escape(rest));
        out.push('$');
        regex::Regex::new(&out)
            .map(|r| (Self(r), vec![]))
            .map_err(|e| crate::diagnostic::Finding::error("bad-pattern", "", e.to_string()))
    }
    /// stub
    pub fn names_default_port(&self) -> bool {
        false
    }
    /// stub
    pub fn captures(&self, text: &str) -> Result<Captures, TooCostly> {
        Ok(Captures(
            self.0
                .captures(text)
                .map(|c| c.iter().skip(1).map(|m| m.map(|m| m.start() as u32..m.end() as u32)).collect())
                .unwrap_or_default(),
        ))
    }
}
/// stub
#[derive(Debug, Default)]
pub struct Index(Vec<(Vec<String>, Option<regex::Regex>)>);
impl Index {
    /// stub
    pub fn build<'a>(rules: impl Iterator<Item = (&'a [String], Option<&'a Pattern>)>) -> Self {
        Self(rules.map(|(m, p)| (m.to_vec(), p.map(|p| p.0.clone()))).collect())
    }
    /// stub
    pub fn find(&self, method: &str, text: &str, out: &mut SmallVec<[u32; 4]>) -> Result<(), TooCostly> {
        for (i, (m, p)) in self.0.iter().enumerate() {
            if m.iter().any(|x| x.eq_ignore_ascii_case(method))
                && p.as_ref().is_some_and(|p| p.is_match(text))
            {
                out.push(i as u32);
            }
        }
        Ok(())
    }
}
