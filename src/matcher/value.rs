//! Patterns for plain values, such as those of headers: the same two languages, without a URL's canonical form.

use std::fmt;

use super::pattern::Matcher;
use super::pieces::{Piece, split};
use super::tree::{Node, Place};
use super::{Fault, Strategy, TooCostly, glob, regexp};
use crate::diagnostic::Finding;

/// Longer sources are refused.
const MAX_SOURCE: usize = 4 << 10;

/// A compiled pattern for a whole value: text, with expressions between `<` and `>`.
pub struct ValuePattern {
    source: Box<str>,
    node: Node,
    kind: Kind,
}

enum Kind {
    /// No expression in it.
    Exact,
    Matcher(Matcher),
}

impl fmt::Debug for ValuePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl ValuePattern {
    /// Compiles a pattern. A finding has the code `bad-pattern`, points into `source` and has the empty pointer.
    pub fn compile(strategy: Strategy, source: &str) -> Result<Self, Finding> {
        let (node, slots) = read(strategy, source).map_err(|fault| fault.error("bad-pattern"))?;
        let kind = match &node {
            Node::Empty | Node::Text(_) if !source.contains('<') => Kind::Exact,
            node => Kind::Matcher(
                Matcher::compile(node, slots, Place::End)
                    .map_err(|message| Fault::new(message, 0..source.len()).error("bad-pattern"))?,
            ),
        };
        Ok(Self { source: source.into(), node, kind })
    }

    /// Whether `text` as a whole matches.
    pub fn is_match(&self, text: &str) -> Result<bool, TooCostly> {
        match &self.kind {
            Kind::Exact => Ok(*self.source == *text),
            Kind::Matcher(matcher) => matcher.is_match(text),
        }
    }

    /// The one text that matches, where there is no expression.
    pub fn exact(&self) -> Option<&str> {
        matches!(self.kind, Kind::Exact).then_some(&*self.source)
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }
}

fn read(strategy: Strategy, source: &str) -> Result<(Node, usize), Fault> {
    if source.len() > MAX_SOURCE {
        return Err(Fault::new(format!("the pattern is longer than {MAX_SOURCE} bytes"), 0..source.len()));
    }
    let mut groups = regexp::Groups::default();
    let mut parts = Vec::new();
    for piece in split(source)? {
        let (Piece::Literal(span) | Piece::Fragment(span)) = &piece;
        let text = source.get(span.clone()).unwrap_or_default();
        parts.push(match (&piece, strategy) {
            (Piece::Literal(_), _) => Node::text(text),
            (Piece::Fragment(_), Strategy::Glob) => glob::read(text, span.start)?.0,
            (Piece::Fragment(_), Strategy::Regexp) => {
                let mark = groups.mark();
                let node = regexp::read(text, span.start, &mut groups)?;
                groups.check_alone(mark)?;
                node
            }
        });
    }
    let slots = groups.slots();
    let mut node = Node::sequence(parts);
    node.number(&|label| slots.of_label(label), &|reference| groups.slot_of_reference(&slots, reference));
    Ok((node, slots.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_matches_as_a_whole_and_as_it_is() {
        for (strategy, source, yes, no) in [
            (Strategy::Regexp, "v2", vec!["v2"], vec!["v", "v21", "V2", "v2\n", ""]),
            (Strategy::Regexp, "", vec![""], vec!["x"]),
            (Strategy::Regexp, "<v[12]>", vec!["v1", "v2"], vec!["v3", "v1\n", "xv1"]),
            (Strategy::Regexp, "a/../<(x|y)>", vec!["a/../x"], vec!["x", "a/x"]),
            (Strategy::Regexp, "<.*>", vec!["", "x", "é"], vec!["x\n"]),
            (Strategy::Regexp, "<(?<c>[ab])\\k<c>>", vec!["aa"], vec!["ab"]),
            (Strategy::Glob, "v*", vec!["v*"], vec!["v1"]),
            (Strategy::Glob, "<v*>", vec!["v1", "v"], vec!["v1.2", "v/"]),
        ] {
            let pattern = ValuePattern::compile(strategy, source).unwrap();
            for text in yes {
                assert_eq!(pattern.is_match(text), Ok(true), "{source} {text:?}");
            }
            for text in no {
                assert_eq!(pattern.is_match(text), Ok(false), "{source} {text:?}");
            }
        }
    }

    #[test]
    fn a_pattern_with_a_fault_says_where() {
        for (source, span) in [("a<b", (1, 3)), ("<(>", (1, 2)), ("x<*a>", (2, 3))] {
            assert_eq!(
                ValuePattern::compile(Strategy::Regexp, source).unwrap_err().span,
                Some(span),
                "{source}"
            );
        }
    }
}
