//! Patterns as automata, to be walked side by side: which texts do two of them share, which does one lack?

use super::Pattern;
use super::pattern::read;
use super::tree::{Chars, Node, Times, any, single};

/// Larger patterns are not walked.
const MAX_STATES: usize = 2000;

/// A pattern as places and ways between them. Looks around and places in the text are left out, so that it may
/// take more texts than the pattern matches, and never fewer.
#[derive(Debug, Default)]
pub(super) struct Automaton {
    /// Ways that take no character.
    free: Vec<Vec<u32>>,
    /// The way that takes a character.
    taking: Vec<Option<(Chars, u32)>>,
    pub(super) end: u32,
}

impl Automaton {
    /// Of every text.
    pub(super) fn anything() -> Self {
        Self { free: vec![Vec::new()], taking: vec![Some((any(), 0))], end: 0 }
    }

    /// Of a pattern that was compiled.
    pub(super) fn of(pattern: &Pattern) -> Option<Self> {
        let (strategy, source) = pattern.key();
        Self::new(&read(strategy, source).ok()?.whole())
    }

    /// Of a tree; `None` where it is too large or refers to what was matched before.
    pub(super) fn new(node: &Node) -> Option<Self> {
        let mut all = Self::default();
        let start = all.place()?;
        all.end = all.add(node, start)?;
        Some(all)
    }

    fn place(&mut self) -> Option<u32> {
        if self.free.len() >= MAX_STATES {
            return None;
        }
        self.free.push(Vec::new());
        self.taking.push(None);
        u32::try_from(self.free.len() - 1).ok()
    }

    fn free(&mut self, from: u32, to: u32) {
        if let Some(ways) = self.free.get_mut(from as usize) {
            ways.push(to);
        }
    }

    fn take(&mut self, from: u32, chars: Chars) -> Option<u32> {
        let to = self.place()?;
        *self.taking.get_mut(from as usize)? = Some((chars, to));
        Some(to)
    }

    /// Adds `node` after `from` and gives where it ends, a place without ways on.
    fn add(&mut self, node: &Node, from: u32) -> Option<u32> {
        match node {
            // What is only looked at is left to the test of what was found.
            Node::Empty | Node::At(_) | Node::Around(..) => Some(from),
            Node::Text(text) => text.chars().try_fold(from, |from, c| self.take(from, single(c))),
            Node::One(chars) => self.take(from, chars.clone()),
            Node::Capture(_, part) | Node::Atomic(part) => self.add(part, from),
            Node::Sequence(parts) => parts.iter().try_fold(from, |from, part| self.add(part, from)),
            Node::Choice(branches) => {
                let mut ends = Vec::new();
                for branch in branches {
                    let start = self.place()?;
                    self.free(from, start);
                    ends.push(self.add(branch, start)?);
                }
                let end = self.place()?;
                for last in ends {
                    self.free(last, end);
                }
                Some(end)
            }
            Node::Repeat(part, Times { min, max, .. }) => {
                let mut from = from;
                for _ in 0..*min {
                    from = self.add(part, from)?;
                }
                let end = self.place()?;
                match max {
                    None => {
                        let round = self.place()?;
                        self.free(from, round);
                        self.free(round, end);
                        let start = self.place()?;
                        self.free(round, start);
                        let last = self.add(part, start)?;
                        self.free(last, round);
                    }
                    Some(max) => {
                        for _ in *min..*max {
                            self.free(from, end);
                            let start = self.place()?;
                            self.free(from, start);
                            from = self.add(part, start)?;
                        }
                        self.free(from, end);
                    }
                }
                Some(end)
            }
            Node::Again(..) | Node::Condition(..) => None,
        }
    }

    /// How many places it has.
    pub(super) fn len(&self) -> usize {
        self.free.len()
    }

    /// Every way that takes a character: from where, which, and to where.
    pub(super) fn ways(&self) -> impl Iterator<Item = (u32, &Chars, u32)> {
        (0..).zip(&self.taking).filter_map(|(from, way)| way.as_ref().map(|(chars, to)| (from, chars, *to)))
    }

    /// Every set of characters that one of its ways takes.
    pub(super) fn sets(&self) -> impl Iterator<Item = &Chars> {
        self.taking.iter().flatten().map(|(chars, _)| chars)
    }

    pub(super) fn taking(&self, place: u32) -> Option<(&Chars, u32)> {
        self.taking.get(place as usize)?.as_ref().map(|(chars, to)| (chars, *to))
    }

    pub(super) fn free_ways(&self, place: u32) -> &[u32] {
        self.free.get(place as usize).map(Vec::as_slice).unwrap_or_default()
    }
}
