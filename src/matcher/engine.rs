//! The library engines for what programs cannot do: `regex`, and `fancy-regex` for patterns that need to
//! look around, remember or backtrack.

use std::fmt::Write as _;

use regex_syntax::hir::ClassUnicodeRange;
use smallvec::SmallVec;

use super::regexp::{DIGIT, SPACE, WORD};
use super::tree::{Around, Chars, Fold, Node, Order, Place, Test, Times};
use super::{Captures, TooCostly};

/// Bytes that a compiled pattern may take.
const SIZE_LIMIT: usize = 1 << 20;
/// Bytes that an engine may use for its states while matching.
const CACHE_LIMIT: usize = 1 << 18;
/// Steps back that a pattern may take for one request: some ten milliseconds.
const BACKTRACK_LIMIT: usize = 100_000;

/// A pattern compiled by a library.
#[derive(Debug)]
pub(super) struct Engine {
    kind: Kind,
    /// The slot of each of the engine's groups.
    slots: Box<[u16]>,
    len: usize,
}

#[derive(Debug)]
enum Kind {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

impl Engine {
    /// Compiles `node`, which has `len` capture groups, followed by `end`.
    pub(super) fn compile(node: &Node, len: usize, end: Option<Place>) -> Result<Self, String> {
        let backtracking = needs_backtracking(node);
        let mut writer = Writer { out: String::from(r"\A"), slots: Vec::new(), backtracking };
        writer.number(node);
        writer.node(node);
        match end {
            Some(Place::Edge) => writer.out.push_str(r"\n?\z"),
            Some(_) => writer.out.push_str(r"\z"),
            None => {}
        }
        let kind = if backtracking {
            let built = fancy_regex::RegexBuilder::new(&writer.out)
                .backtrack_limit(BACKTRACK_LIMIT)
                .delegate_size_limit(SIZE_LIMIT)
                .delegate_dfa_size_limit(CACHE_LIMIT)
                .build();
            Kind::Backtracking(Box::new(built.map_err(|error| complaint(&error.to_string()))?))
        } else {
            let built = regex::RegexBuilder::new(&writer.out)
                .size_limit(SIZE_LIMIT)
                .dfa_size_limit(CACHE_LIMIT)
                .build();
            Kind::Linear(built.map_err(|error| complaint(&error.to_string()))?)
        };
        Ok(Self { kind, slots: writer.slots.into(), len })
    }

    /// Whether matching may step back.
    pub(super) fn backtracks(&self) -> bool {
        matches!(self.kind, Kind::Backtracking(_))
    }

    pub(super) fn is_match(&self, text: &str) -> Result<bool, TooCostly> {
        match &self.kind {
            Kind::Linear(regex) => Ok(regex.is_match(text)),
            Kind::Backtracking(regex) => regex.is_match(text).map_err(|_| TooCostly),
        }
    }

    pub(super) fn captures(&self, text: &str) -> Result<Option<Captures>, TooCostly> {
        let mut groups = SmallVec::from_elem(None, self.len);
        let mut put = |index: usize, span: Option<(usize, usize)>| {
            let slot = index.checked_sub(1).and_then(|i| self.slots.get(i));
            let span = span.and_then(|(s, e)| Some(u32::try_from(s).ok()?..u32::try_from(e).ok()?));
            if let (Some(slot), Some(span)) = (slot.and_then(|s| groups.get_mut(usize::from(*s))), span) {
                *slot = Some(span);
            }
        };
        match &self.kind {
            Kind::Linear(regex) => {
                let Some(found) = regex.captures(text) else { return Ok(None) };
                found.iter().enumerate().for_each(|(i, m)| put(i, m.map(|m| (m.start(), m.end()))));
            }
            Kind::Backtracking(regex) => {
                let Some(found) = regex.captures(text).map_err(|_| TooCostly)? else { return Ok(None) };
                found.iter().enumerate().for_each(|(i, m)| put(i, m.map(|m| (m.start(), m.end()))));
            }
        }
        Ok(Some(Captures(groups)))
    }

    /// Where a match from the start of `text` ends.
    pub(super) fn reach(&self, text: &str) -> Result<Option<usize>, TooCostly> {
        match &self.kind {
            Kind::Linear(regex) => Ok(regex.find(text).map(|m| m.end())),
            Kind::Backtracking(regex) => {
                regex.find(text).map(|found| found.map(|m| m.end())).map_err(|_| TooCostly)
            }
        }
    }
}

/// An engine's error in one line.
fn complaint(error: &str) -> String {
    if error.contains("size limit") || error.contains("too large") || error.contains("too big") {
        return "the pattern is too large".to_owned();
    }
    let last = error.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(error);
    format!("the pattern does not compile: {}", last.trim().trim_start_matches("error: "))
}

/// Whether only a backtracking engine can match it.
fn needs_backtracking(node: &Node) -> bool {
    node.any(&mut |part| {
        matches!(
            part,
            Node::Around(..)
                | Node::Atomic(_)
                | Node::Again(..)
                | Node::Condition(..)
                | Node::At(Place::Edge)
                | Node::Repeat(_, Times { order: Order::Only, .. })
        )
    })
}

struct Writer {
    out: String,
    /// Slots in order of the parentheses that are written.
    slots: Vec<u16>,
    backtracking: bool,
}

impl Writer {
    /// Notes each group in the order in which it will be written.
    fn number(&mut self, node: &Node) {
        if let Node::Capture(slot, _) = node {
            self.slots.push(*slot);
        }
        node.parts().into_iter().for_each(|part| self.number(part));
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn wrapped(&mut self, open: &str, node: &Node, close: &str) {
        self.push(open);
        self.node(node);
        self.push(close);
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Empty => {}
            Node::Text(text) => text.chars().for_each(|c| self.letter(c)),
            Node::One(chars) => self.class(chars),
            Node::At(place) => self.push(match place {
                Place::Start => r"\A",
                Place::End => r"\z",
                Place::Edge => r"(?=\n?\z)",
                Place::LineStart => "(?m:^)",
                Place::LineEnd => "(?m:$)",
                Place::WordEdge => r"\b",
                Place::NotWordEdge => r"\B",
            }),
            Node::Capture(_, part) => self.wrapped("(", part, ")"),
            Node::Sequence(parts) => parts.iter().for_each(|part| self.node(part)),
            Node::Choice(branches) => {
                self.push("(?:");
                for (index, branch) in branches.iter().enumerate() {
                    if index > 0 {
                        self.push("|");
                    }
                    self.node(branch);
                }
                self.push(")");
            }
            Node::Repeat(part, times) => self.repeat(part, *times),
            Node::Around(Around { behind, negative }, part) => {
                let open = match (behind, negative) {
                    (false, false) => "(?=",
                    (false, true) => "(?!",
                    (true, false) => "(?<=",
                    (true, true) => "(?<!",
                };
                self.wrapped(open, part, ")");
            }
            Node::Atomic(part) => self.wrapped("(?>", part, ")"),
            Node::Again(slot, fold) => self.again(*slot, *fold),
            Node::Condition(Test::Group(slot), yes, no) => {
                let group = self.groups_of(*slot).next().unwrap_or_default();
                let _ = write!(self.out, "(?({group})");
                self.wrapped("(?:", yes, ")|");
                self.wrapped("(?:", no, "))");
            }
            Node::Condition(Test::Ahead(test), yes, no) => {
                self.wrapped("(?:(?=", test, ")(?:");
                self.wrapped("", yes, ")|(?!");
                let mut quiet =
                    Self { out: String::new(), slots: Vec::new(), backtracking: self.backtracking };
                quiet.node(&without_captures(test));
                self.push(&quiet.out);
                self.wrapped(")(?:", no, "))");
            }
        }
    }

    fn repeat(&mut self, part: &Node, times: Times) {
        self.push(if times.order == Order::Only { "(?>(?:" } else { "(?:" });
        self.node(part);
        self.push(")");
        // Writing to a String cannot fail.
        let _ = match (times.min, times.max) {
            (0, None) => write!(self.out, "*"),
            (1, None) => write!(self.out, "+"),
            (0, Some(1)) => write!(self.out, "?"),
            (min, None) => write!(self.out, "{{{min},}}"),
            (min, Some(max)) => write!(self.out, "{{{min},{max}}}"),
        };
        self.push(match times.order {
            Order::Most => "",
            Order::Least => "?",
            Order::Only => ")",
        });
    }

    fn groups_of(&self, slot: u16) -> impl Iterator<Item = usize> {
        self.slots.iter().enumerate().filter(move |(_, s)| **s == slot).map(|(index, _)| index + 1)
    }

    fn again(&mut self, slot: u16, fold: Fold) {
        let numbers: Vec<String> = self.groups_of(slot).map(|n| format!(r"\{n}")).collect();
        let open = if fold == Fold::Case { "(?i:" } else { "(?:" };
        let _ = write!(self.out, "{open}{})", numbers.join("|"));
    }

    fn letter(&mut self, c: char) {
        if c.is_alphanumeric() || matches!(c, '/' | '_' | ':') {
            self.out.push(c);
        } else {
            let _ = write!(self.out, r"\x{{{:X}}}", u32::from(c));
        }
    }

    fn class(&mut self, chars: &Chars) {
        for (known, name) in [(&WORD, r"\p{L}\p{Mn}\p{Nd}\p{Pc}"), (&DIGIT, r"\p{Nd}"), (&SPACE, r"\s")] {
            if **known == *chars {
                let _ = write!(self.out, "[{name}]");
                return;
            }
        }
        let mut inverse = chars.clone();
        inverse.negate();
        let negative = inverse.ranges().len() < chars.ranges().len();
        let ranges: &[ClassUnicodeRange] = if negative { inverse.ranges() } else { chars.ranges() };
        if ranges.is_empty() {
            self.push(if negative { r"[\s\S]" } else { r"[^\s\S]" });
            return;
        }
        self.push(if negative { "[^" } else { "[" });
        for range in ranges {
            let _ =
                write!(self.out, r"\x{{{:X}}}-\x{{{:X}}}", u32::from(range.start()), u32::from(range.end()));
        }
        self.push("]");
    }
}

fn without_captures(node: &Node) -> Node {
    match node {
        Node::Capture(_, part) => without_captures(part),
        Node::Sequence(parts) => Node::Sequence(parts.iter().map(without_captures).collect()),
        Node::Choice(parts) => Node::Choice(parts.iter().map(without_captures).collect()),
        Node::Repeat(part, times) => Node::Repeat(Box::new(without_captures(part)), *times),
        Node::Around(around, part) => Node::Around(*around, Box::new(without_captures(part))),
        Node::Atomic(part) => Node::Atomic(Box::new(without_captures(part))),
        other => other.clone(),
    }
}
