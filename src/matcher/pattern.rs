//! One rule's pattern, from its source to what runs.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::engine::Engine;
use super::literal::{Canonical, Region};
use super::pieces::{Piece, split};
use super::program::{self, Program};
use super::required::Required;
use super::tree::{Node, Order, Place, Times, any};
use super::{Captures, Fault, Strategy, TooCostly, glob, lint, regexp};
use crate::diagnostic::Finding;

/// Longer sources are refused.
const MAX_SOURCE: usize = 16 << 10;
/// More capture groups are refused.
const MAX_GROUPS: usize = 500;

/// A compiled pattern for `scheme://host/path`. Cloning is cheap.
#[derive(Clone)]
pub struct Pattern(Arc<Compiled>);

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.strategy.name(), self.0.source)
    }
}

#[derive(Debug)]
struct Compiled {
    source: Box<str>,
    strategy: Strategy,
    matcher: Matcher,
    required: Required,
    names_default_port: bool,
    names: Box<[(Box<str>, u16)]>,
}

/// What runs.
#[derive(Debug)]
pub(super) enum Matcher {
    Program(Program),
    Engine(Box<Engine>),
}

impl Matcher {
    /// Compiles `node`, which has `slots` capture groups, followed by `end`.
    pub(super) fn compile(node: &Node, slots: usize, end: Place) -> Result<Self, String> {
        match program::compile(node, slots, Some(end)) {
            Some(program) => Ok(Self::Program(program)),
            None => Ok(Self::Engine(Box::new(Engine::compile(node, slots, Some(end))?))),
        }
    }

    pub(super) fn is_match(&self, text: &str) -> Result<bool, TooCostly> {
        match self {
            Self::Program(program) => Ok(program.is_match(text)?),
            Self::Engine(engine) => engine.is_match(text),
        }
    }
}

/// A piece of a pattern as it was understood.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Its place in the source; a fragment's with the angle brackets.
    pub span: Range<usize>,
    /// Whether it stands in `<…>`.
    pub fragment: bool,
    /// What it means, in canonical form.
    pub node: Node,
}

/// A pattern as it was understood.
#[derive(Debug)]
pub(super) struct Reading {
    pub parts: Vec<Part>,
    /// How many capture groups there are.
    pub slots: usize,
    /// What the end of the pattern asks of the text.
    pub end: Place,
    pub names_default_port: bool,
    /// Named groups with their slots.
    pub names: Vec<(String, u16)>,
    pub warnings: Vec<Finding>,
}

impl Reading {
    /// The pattern in one tree.
    pub(super) fn whole(&self) -> Node {
        let node = Node::sequence(self.parts.iter().map(|part| part.node.clone()).collect());
        with_overlaps(node, self.end)
    }
}

/// Reads a pattern without compiling it.
pub(super) fn read(strategy: Strategy, source: &str) -> Result<Reading, Fault> {
    if source.len() > MAX_SOURCE {
        return Err(Fault::new(format!("the pattern is longer than {MAX_SOURCE} bytes"), 0..source.len()));
    }
    let pieces = split(source)?;
    let mut groups = regexp::Groups::default();
    let mut warnings = Vec::new();
    let mut nodes = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        let Piece::Fragment(span) = piece else {
            nodes.push(None);
            continue;
        };
        let text = source.get(span.clone()).unwrap_or_default();
        let label = groups.plain();
        let node = match strategy {
            Strategy::Regexp => {
                let mark = groups.mark();
                let node = regexp::read(text, span.start, &mut groups)?;
                groups.check_alone(mark)?;
                node
            }
            Strategy::Glob => {
                let (node, odd) = glob::read(text, span.start)?;
                warnings.extend(odd.into_iter().map(|fault| fault.warning("odd-glob")));
                node
            }
        };
        nodes.push(Some((label, node)));
    }
    let slots = groups.slots();
    if slots.len() > MAX_GROUPS {
        return Err(Fault::new(format!("the pattern has more than {MAX_GROUPS} groups"), 0..source.len()));
    }
    let mut canonical = Canonical::new();
    let mut parts = Vec::with_capacity(pieces.len());
    let mut nodes = nodes.into_iter().peekable();
    for piece in pieces {
        let region = canonical.region();
        let Some(own) = nodes.next() else { break };
        parts.push(match (piece, own) {
            (Piece::Fragment(inner), Some((label, mut node))) => {
                node.number(&|l| slots.of_label(l), &|r| groups.slot_of_reference(&slots, r));
                let node = canonical.fragment(node);
                let span = inner.start.saturating_sub(1)..inner.end + 1;
                lint::fragment(&node, region, &span, &mut warnings);
                let node = Node::Capture(slots.of_label(label), Box::new(node));
                Part { span, fragment: true, node }
            }
            (Piece::Fragment(span) | Piece::Literal(span), _) => {
                let text = source.get(span.clone()).unwrap_or_default();
                let next = nodes.peek().and_then(|next| next.as_ref().map(|(_, node)| node));
                let (node, odd) = canonical.literal(text, next);
                lint::literal(text, &odd, &span, &mut warnings);
                Part { span, fragment: false, node }
            }
        });
    }
    if !canonical.has_host() {
        lint::no_host(source, &mut warnings);
    } else if canonical.region() == Region::Host {
        lint::no_path(source, &mut warnings);
    }
    let end = match strategy {
        Strategy::Regexp => Place::Edge,
        Strategy::Glob => Place::End,
    };
    lint::anchors(&parts, &mut warnings);
    let names_default_port = canonical.names_default_port();
    let names = slots.names();
    Ok(Reading { parts, slots: slots.len(), end, names_default_port, names, warnings })
}

/// `text**text` in a glob also matches where the two texts share characters: gobwas asks for no more than
/// the prefix and the suffix, and people rely on `a/<**>/c` for `a/c`.
fn with_overlaps(node: Node, end: Place) -> Node {
    let Node::Sequence(parts) = &node else { return node };
    let [Node::Text(head), middle, Node::Text(tail)] = parts.as_slice() else { return node };
    let inner = if let Node::Capture(_, inner) = middle { inner } else { middle };
    let everything = Times { min: 0, max: None, order: Order::Most };
    let is_run =
        matches!(inner, Node::Repeat(one, times) if *times == everything && **one == Node::One(any()));
    if !is_run || end != Place::End {
        return node;
    }
    let shared = |len: &usize| head.get(head.len() - len..).is_some_and(|last| tail.starts_with(last));
    let mut branches = vec![];
    for len in (1..=head.len().min(tail.len())).filter(shared) {
        branches.push(Node::text(format!("{head}{}", tail.get(len..).unwrap_or_default())));
    }
    if branches.is_empty() {
        return node;
    }
    branches.insert(0, node);
    Node::Choice(branches)
}

impl Pattern {
    /// Compiles a pattern, and says beside it what is odd about it.
    ///
    /// Findings point into `source` and have the empty pointer. Errors have the code `bad-pattern`, warnings
    /// `slow-pattern`, `uppercase-host`, `never-matches`, `no-path`, `literal-wildcard` or `odd-glob`.
    pub fn compile(strategy: Strategy, source: &str) -> Result<(Self, Vec<Finding>), Finding> {
        let reading = read(strategy, source).map_err(|fault| fault.error("bad-pattern"))?;
        let node = reading.whole();
        let required = Required::of(&node);
        let matcher = Matcher::compile(&node, reading.slots, reading.end)
            .map_err(|message| Fault::new(message, 0..source.len()).error("bad-pattern"))?;
        let mut warnings = reading.warnings;
        let backtracks = matches!(&matcher, Matcher::Engine(engine) if engine.backtracks());
        lint::repetitions(&reading.parts, backtracks, &mut warnings);
        warnings.sort_by_key(|finding| finding.span);
        let compiled = Compiled {
            source: source.into(),
            strategy,
            matcher,
            required,
            names_default_port: reading.names_default_port,
            names: reading.names.into_iter().map(|(name, slot)| (name.into(), slot)).collect(),
        };
        Ok((Self(Arc::new(compiled)), warnings))
    }

    /// A pattern that matches whatever one that cannot be compiled may have been meant to match: the fragments
    /// at fault match anything, or all that comes after the first one where even they cannot be told apart.
    pub fn stand_in(strategy: Strategy, source: &str) -> Option<Self> {
        let anything = match strategy {
            Strategy::Regexp => "<(?s).*>",
            Strategy::Glob => "<**>",
        };
        let compiled = |source: &str| Self::compile(strategy, source).ok().map(|(pattern, _)| pattern);
        let by_fragment = split(source).ok().and_then(|pieces| {
            let text = |span: &Range<usize>| source.get(span.clone()).unwrap_or_default();
            let pieces = pieces.iter().map(|piece| match piece {
                Piece::Literal(span) => text(span).to_owned(),
                Piece::Fragment(span) => {
                    let fragment = format!("<{}>", text(span));
                    if compiled(&fragment).is_some() { fragment } else { anything.to_owned() }
                }
            });
            compiled(&pieces.collect::<String>())
        });
        let by_beginning = || {
            let literal = source.split(['<', '>']).next().unwrap_or_default();
            compiled(&format!("{literal}{anything}"))
        };
        by_fragment.or_else(by_beginning).or_else(|| compiled(anything))
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The language it is written in.
    pub fn strategy(&self) -> Strategy {
        self.0.strategy
    }

    /// Whether it spells out port 80 or 443 where the scheme is open, so that the request has to be tried with
    /// its default port as well ([`Index::find_with_port`](super::Index::find_with_port)).
    pub fn names_default_port(&self) -> bool {
        self.0.names_default_port
    }

    /// Whether `text`, a canonical `scheme://host/path`, matches.
    pub fn is_match(&self, text: &str) -> Result<bool, TooCostly> {
        self.0.matcher.is_match(text)
    }

    /// What templates see as `RegexpCaptureGroups`, if `text` matches. Globs have none.
    pub fn captures(&self, text: &str) -> Result<Option<Captures>, TooCostly> {
        match self.0.strategy {
            Strategy::Regexp => self.groups(text),
            Strategy::Glob => Ok(self.is_match(text)?.then(Captures::default)),
        }
    }

    /// What each group, at least each `<…>`, matched, in both languages.
    pub fn groups(&self, text: &str) -> Result<Option<Captures>, TooCostly> {
        match &self.0.matcher {
            Matcher::Program(program) => Ok(program.captures(text)?),
            Matcher::Engine(engine) => engine.captures(text),
        }
    }

    /// Named groups, each with its place among the captures.
    pub fn group_names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.names.iter().map(|(name, slot)| (&**name, usize::from(*slot)))
    }

    pub(super) fn required(&self) -> &Required {
        &self.0.required
    }

    /// Tells patterns apart that were written differently.
    pub(super) fn key(&self) -> (Strategy, &str) {
        (self.0.strategy, &self.0.source)
    }
}
