//! What a pattern means, as a tree: both pattern languages are read into this.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// A longer sample is none.
const MAX_SAMPLED: u16 = 2048;

/// A set of characters.
pub(super) type Chars = ClassUnicode;

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Nothing, always there.
    Empty,
    /// These characters, never empty.
    Text(String),
    /// One character of a set.
    One(Chars),
    /// A place, no characters.
    At(Place),
    /// A group whose text is kept; the number is a label while reading and a slot afterwards.
    Capture(u16, Box<Node>),
    /// One after the other.
    Sequence(Vec<Node>),
    /// The first that leads to a match.
    Choice(Vec<Node>),
    /// Again and again.
    Repeat(Box<Node>, Times),
    /// A look to one side that takes no characters.
    Around(Around, Box<Node>),
    /// Never tried a second way.
    Atomic(Box<Node>),
    /// What a group holds; the number is a reference while reading and a slot afterwards.
    Again(u16, Fold),
    /// One or the other, by a test.
    Condition(Test, Box<Node>, Box<Node>),
}

/// How often a part repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// At least.
    pub min: u16,
    /// At most; `None` for any number.
    pub max: Option<u16>,
    /// What is tried first.
    pub order: Order,
}

/// What a repetition tries first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As many as possible, then fewer.
    Most,
    /// As few as possible, then more.
    Least,
    /// As many as possible, never fewer.
    Only,
}

/// A place between characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The start of the text.
    Start,
    /// The end of the text.
    End,
    /// The end, or before a newline that ends the text: `$` as .NET reads it.
    Edge,
    /// The start of a line.
    LineStart,
    /// The end of a line.
    LineEnd,
    /// Between a word and something else.
    WordEdge,
    /// Not between a word and something else.
    NotWordEdge,
}

/// The direction and sense of a look around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Around {
    /// Back instead of ahead.
    pub behind: bool,
    /// It must not match.
    pub negative: bool,
}

/// Whether letters are compared without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    /// As they are.
    Exact,
    /// Without regard to case.
    Case,
}

/// What a condition asks.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// Whether a group holds anything; a reference while reading and a slot afterwards.
    Group(u16),
    /// Whether this is ahead.
    Ahead(Box<Node>),
}

/// What a part can begin or end with.
#[derive(Debug, Clone)]
pub(super) struct Fringe {
    /// The characters.
    pub chars: Chars,
    /// Whether the part may also be empty.
    pub through: bool,
}

/// The set of one character.
pub(super) fn single(c: char) -> Chars {
    span(c, c)
}

/// The set of a range of characters.
pub(super) fn span(from: char, to: char) -> Chars {
    Chars::new([ClassUnicodeRange::new(from, to)])
}

/// Every character.
pub(super) fn any() -> Chars {
    span('\0', char::MAX)
}

/// Every character but these.
pub(super) fn except(listed: &[char]) -> Chars {
    let mut chars = Chars::new(listed.iter().map(|c| ClassUnicodeRange::new(*c, *c)));
    chars.negate();
    chars
}

/// Whether `chars` has `c`.
pub(super) fn has(chars: &Chars, c: char) -> bool {
    chars.iter().any(|r| r.start() <= c && c <= r.end())
}

/// Whether two sets share a character.
pub(super) fn meet(a: &Chars, b: &Chars) -> bool {
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
        if l.end() < r.start() {
            left.next();
        } else if r.end() < l.start() {
            right.next();
        } else {
            return true;
        }
    }
    false
}

impl Node {
    /// A text, or nothing.
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }

    /// One character of a set.
    pub(super) fn one(chars: Chars) -> Self {
        match chars.ranges() {
            [only] if only.start() == only.end() => Self::Text(only.start().to_string()),
            _ => Self::One(chars),
        }
    }

    /// One after the other, nested sequences and neighbouring texts joined.
    pub(super) fn sequence(parts: Vec<Self>) -> Self {
        let mut joined: Vec<Self> = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::Empty => {}
                Self::Sequence(inner) => inner.into_iter().for_each(|p| push(&mut joined, p)),
                other => push(&mut joined, other),
            }
        }
        match joined.len() {
            0 => Self::Empty,
            1 => joined.pop().unwrap_or(Self::Empty),
            _ => Self::Sequence(joined),
        }
    }

    /// One of several.
    pub(super) fn choice(mut branches: Vec<Self>) -> Self {
        if branches.len() > 1 { Self::Choice(branches) } else { branches.pop().unwrap_or(Self::Empty) }
    }

    /// The parts directly below.
    pub(super) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Empty | Self::Text(_) | Self::One(_) | Self::At(_) | Self::Again(..) => Vec::new(),
            Self::Capture(_, n) | Self::Repeat(n, _) | Self::Around(_, n) | Self::Atomic(n) => vec![n],
            Self::Sequence(nodes) | Self::Choice(nodes) => nodes.iter().collect(),
            Self::Condition(Test::Ahead(test), yes, no) => vec![test, yes, no],
            Self::Condition(Test::Group(_), yes, no) => vec![yes, no],
        }
    }

    /// Whether this part or any below answers yes.
    pub(super) fn any(&self, test: &mut dyn FnMut(&Self) -> bool) -> bool {
        test(self) || self.parts().into_iter().any(|part| part.any(test))
    }

    /// Gives labels and references their slots.
    pub(super) fn number(&mut self, label: &dyn Fn(u16) -> u16, reference: &dyn Fn(u16) -> u16) {
        match self {
            Self::Empty | Self::Text(_) | Self::One(_) | Self::At(_) => {}
            Self::Capture(n, part) => {
                *n = label(*n);
                part.number(label, reference);
            }
            Self::Again(n, _) => *n = reference(*n),
            Self::Repeat(part, _) | Self::Around(_, part) | Self::Atomic(part) => {
                part.number(label, reference);
            }
            Self::Sequence(parts) | Self::Choice(parts) => {
                for part in parts {
                    part.number(label, reference);
                }
            }
            Self::Condition(test, yes, no) => {
                match test {
                    Test::Group(n) => *n = reference(*n),
                    Test::Ahead(part) => part.number(label, reference),
                }
                yes.number(label, reference);
                no.number(label, reference);
            }
        }
    }

    /// Whether it can match without taking a character.
    pub(super) fn nullable(&self) -> bool {
        match self {
            Self::Text(_) | Self::One(_) => false,
            Self::Empty | Self::At(_) | Self::Around(..) | Self::Again(..) => true,
            Self::Capture(_, part) | Self::Atomic(part) => part.nullable(),
            Self::Sequence(parts) => parts.iter().all(Self::nullable),
            Self::Choice(parts) => parts.iter().any(Self::nullable),
            Self::Repeat(part, times) => times.min == 0 || part.nullable(),
            Self::Condition(_, yes, no) => yes.nullable() || no.nullable(),
        }
    }

    /// The characters it can begin with.
    pub(super) fn first(&self) -> Fringe {
        self.fringe(false)
    }

    /// The characters it can end with.
    pub(super) fn last(&self) -> Fringe {
        self.fringe(true)
    }

    fn fringe(&self, from_end: bool) -> Fringe {
        match self {
            Self::Empty | Self::At(_) | Self::Around(..) => Fringe { chars: Chars::empty(), through: true },
            Self::Text(text) => {
                let c = if from_end { text.chars().next_back() } else { text.chars().next() };
                Fringe { chars: c.map_or_else(Chars::empty, single), through: false }
            }
            Self::One(chars) => Fringe { chars: chars.clone(), through: false },
            Self::Again(..) => Fringe { chars: any(), through: true },
            Self::Capture(_, part) | Self::Atomic(part) => part.fringe(from_end),
            Self::Repeat(part, times) => {
                let inner = part.fringe(from_end);
                Fringe { through: inner.through || times.min == 0, ..inner }
            }
            Self::Choice(parts) => {
                parts.iter().fold(Fringe { chars: Chars::empty(), through: false }, |mut all, part| {
                    let one = part.fringe(from_end);
                    all.chars.union(&one.chars);
                    Fringe { chars: all.chars, through: all.through || one.through }
                })
            }
            Self::Condition(_, yes, no) => {
                let (mut all, other) = (yes.fringe(from_end), no.fringe(from_end));
                all.chars.union(&other.chars);
                Fringe { chars: all.chars, through: all.through || other.through }
            }
            Self::Sequence(parts) => {
                let mut all = Fringe { chars: Chars::empty(), through: true };
                let mut add = |part: &Self| {
                    let one = part.fringe(from_end);
                    all.chars.union(&one.chars);
                    all.through = one.through;
                    one.through
                };
                if from_end {
                    parts.iter().rev().all(&mut add)
                } else {
                    parts.iter().all(&mut add)
                };
                all
            }
        }
    }

    /// Whether `c` can be among what it takes.
    pub(super) fn can_take(&self, c: char) -> bool {
        match self {
            Self::Empty | Self::At(_) | Self::Around(..) => false,
            Self::Text(text) => text.contains(c),
            Self::One(chars) => has(chars, c),
            Self::Again(..) => true,
            Self::Condition(_, yes, no) => yes.can_take(c) || no.can_take(c),
            _ => self.parts().into_iter().any(|p| p.can_take(c)),
        }
    }

    /// A text that it may match, with so many repetitions where any number will do; `None` where nothing common
    /// is found. What it looks for around a place is not minded.
    pub(super) fn sample(&self, times: u16) -> Option<String> {
        let mut text = String::new();
        self.sample_into(times, &mut text)?;
        Some(text)
    }

    fn sample_into(&self, times: u16, text: &mut String) -> Option<()> {
        match self {
            Self::Empty | Self::At(_) | Self::Around(..) => {}
            Self::Text(part) => text.push_str(part),
            Self::One(chars) => text.push("a1x-A".chars().find(|c| has(chars, *c))?),
            Self::Capture(_, part) | Self::Atomic(part) => part.sample_into(times, text)?,
            Self::Sequence(parts) => parts.iter().try_for_each(|part| part.sample_into(times, text))?,
            Self::Choice(parts) => parts.first()?.sample_into(times, text)?,
            Self::Repeat(part, Times { min, max, .. }) => {
                for _ in 0..times.max(*min).min(max.unwrap_or(u16::MAX)).min(MAX_SAMPLED) {
                    part.sample_into(times, text)?;
                }
            }
            Self::Again(..) | Self::Condition(..) => return None,
        }
        (text.len() <= usize::from(MAX_SAMPLED)).then_some(())
    }

    /// Every text it can match, if those are at most `limit`.
    pub(super) fn texts(&self, limit: usize) -> Option<Vec<String>> {
        let found = match self {
            Self::Empty | Self::At(_) => vec![String::new()],
            Self::Text(text) => vec![text.clone()],
            Self::One(chars) => {
                let size: usize = chars.iter().map(ClassUnicodeRange::len).sum();
                if size > limit {
                    return None;
                }
                chars.iter().flat_map(|r| r.start()..=r.end()).map(String::from).collect()
            }
            Self::Capture(_, part) | Self::Atomic(part) => part.texts(limit)?,
            Self::Choice(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(part.texts(limit)?);
                }
                all
            }
            Self::Sequence(parts) => {
                let mut all = vec![String::new()];
                for part in parts {
                    let tails = part.texts(limit)?;
                    if all.len() * tails.len() > limit {
                        return None;
                    }
                    all = all.iter().flat_map(|h| tails.iter().map(move |t| format!("{h}{t}"))).collect();
                }
                all
            }
            Self::Repeat(part, Times { min: 0, max: Some(1), .. }) => {
                let mut all = part.texts(limit)?;
                all.push(String::new());
                all
            }
            _ => return None,
        };
        (found.len() <= limit).then_some(found)
    }
}

fn push(joined: &mut Vec<Node>, part: Node) {
    match (joined.last_mut(), part) {
        (_, Node::Empty) => {}
        (Some(Node::Text(before)), Node::Text(text)) => before.push_str(&text),
        (_, part) => joined.push(part),
    }
}
