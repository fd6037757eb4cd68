//! The URLs of a rule, to be compared with those of many others.
//!
//! Nearly all rules that contain another one end in `<.*>`, so that it is proved with the literal beginning of the
//! other. Only where that does not do it are the automata walked.

use std::cell::OnceCell;

use super::{Budget, Inclusion, Lack, alphabet, closed, is_exact, lacks, takes_all};
use crate::matcher::Pattern;
use crate::matcher::automaton::Automaton;
use crate::matcher::overlap::example_within;
use crate::matcher::pattern::read;
use crate::matcher::tree::{Node, has};

/// A pattern that can begin in more ways than this has no beginnings.
const MAX_HEADS: usize = 8;
/// Larger automata are not kept.
const MAX_KEPT: usize = 100;
/// So many places of an automaton cost as much to make as one to look at.
const STATES_A_PLACE: usize = 4;

/// Any of some patterns.
pub struct Urls {
    patterns: Vec<Pattern>,
    node: Option<Node>,
    exact: bool,
    /// The literal text that all begin with.
    head: String,
    /// The texts of which all begin with one.
    heads: OnceCell<Vec<String>>,
    /// What follows it.
    tail: OnceCell<Option<Tail>>,
    automaton: OnceCell<Option<Automaton>>,
    example: OnceCell<Option<String>>,
}

/// What follows a literal beginning.
struct Tail {
    automaton: Automaton,
    start: Vec<u32>,
    /// The places after which any text may follow.
    open: Vec<u32>,
}

impl Urls {
    /// The URLs that any of these patterns matches.
    pub fn of(patterns: &[Pattern]) -> Self {
        // A pattern that names a default port is tried with another text than the others.
        let node = if patterns.iter().any(Pattern::names_default_port) { None } else { whole(patterns) };
        Self {
            exact: node.as_ref().is_some_and(is_exact),
            head: node.as_ref().map(|node| split(node).0.to_owned()).unwrap_or_default(),
            patterns: patterns.to_vec(),
            node,
            heads: OnceCell::new(),
            tail: OnceCell::new(),
            automaton: OnceCell::new(),
            example: OnceCell::new(),
        }
    }

    /// One of them, where it is found in time.
    pub fn example(&self, budget: &mut Budget) -> Option<&str> {
        self.example.get_or_init(|| example_within(self.patterns.first()?, &mut budget.0)).as_deref()
    }

    /// Whether they are among others. Only URLs without a line break are looked at.
    pub fn within(&self, outer: &Self, budget: &mut Budget) -> Inclusion {
        // What the outer one merely looks at makes it match less than its automaton takes.
        if budget.spend().is_none() || self.node.is_none() || outer.node.is_none() || !outer.exact {
            return Inclusion::Open;
        }
        let only_outer = |text: &str| outer.has(text) == Some(true) && self.has(text) == Some(false);
        if self.begins_within(outer, budget) {
            if outer.example(budget).is_some_and(only_outer) {
                return Inclusion::Less;
            }
            return match self.lack_of(outer, budget) {
                Lack::Text(text) if only_outer(&text) => Inclusion::Less,
                _ => Inclusion::Within,
            };
        }
        if outer.lack_of(self, budget) != Lack::Nothing {
            return Inclusion::Open;
        }
        match self.lack_of(outer, budget) {
            Lack::Text(text) if only_outer(&text) => Inclusion::Less,
            _ => Inclusion::Within,
        }
    }

    /// Forgets what takes much room and can be made again.
    pub fn shrink(&mut self) {
        if self.automaton.get().is_some_and(|made| made.as_ref().is_some_and(|made| made.len() > MAX_KEPT)) {
            self.automaton.take();
        }
    }

    /// Whether one of the patterns matches; `None` where that cannot be said.
    fn has(&self, text: &str) -> Option<bool> {
        let all: Result<Vec<bool>, _> = self.patterns.iter().map(|pattern| pattern.is_match(text)).collect();
        Some(all.ok()?.contains(&true))
    }

    /// Whether `outer` takes everything that begins as these do.
    fn begins_within(&self, outer: &Self, budget: &mut Budget) -> bool {
        let Some(tail) = outer.tail() else { return false };
        if tail.open.is_empty() {
            return false;
        }
        let heads = self.heads.get_or_init(|| self.node.as_ref().map(heads).unwrap_or_default());
        !heads.is_empty()
            && heads.iter().all(|head| {
                let rest = head.strip_prefix(outer.head.as_str());
                rest.is_some_and(|rest| tail.is_open_after(rest, budget))
            })
    }

    fn tail(&self) -> Option<&Tail> {
        let made = self.tail.get_or_init(|| Tail::of(&split(self.node.as_ref()?).1));
        made.as_ref()
    }

    fn automaton(&self, budget: &mut Budget) -> Option<&Automaton> {
        let made = self.automaton.get_or_init(|| {
            let made = Automaton::new(self.node.as_ref()?)?;
            budget.spend_all(made.len() / STATES_A_PLACE)?;
            Some(made)
        });
        made.as_ref()
    }

    /// What these lack of `other`.
    fn lack_of(&self, other: &Self, budget: &mut Budget) -> Lack {
        let (Some(own), Some(theirs)) = (self.automaton(budget), other.automaton(budget)) else {
            return Lack::Unknown;
        };
        let Some(url) = super::URL.as_ref() else { return Lack::Unknown };
        lacks(theirs, own, url, budget)
    }
}

impl Tail {
    fn of(node: &Node) -> Option<Self> {
        let automaton = Automaton::new(node)?;
        let open = takes_all(&automaton, &alphabet(super::URL.as_ref()?));
        Some(Self { start: closed(&automaton, vec![0]), automaton, open })
    }

    /// Whether any text may follow this one.
    fn is_open_after(&self, text: &str, budget: &mut Budget) -> bool {
        let is_open = |places: &[u32]| self.open.iter().any(|place| places.contains(place));
        let mut places = self.start.clone();
        let mut chars = text.chars();
        while !is_open(&places) {
            let Some(c) = chars.next() else { return false };
            let next = places.iter().filter_map(|place| self.automaton.taking(*place));
            let next: Vec<u32> = next.filter(|(chars, _)| has(chars, c)).map(|(_, to)| to).collect();
            if next.is_empty() || budget.spend().is_none() {
                return false;
            }
            places = closed(&self.automaton, next);
        }
        true
    }
}

/// All of some patterns in one tree.
fn whole(patterns: &[Pattern]) -> Option<Node> {
    let read = |pattern: &Pattern| {
        let (strategy, source) = pattern.key();
        Some(read(strategy, source).ok()?.whole())
    };
    patterns.iter().map(read).collect::<Option<Vec<_>>>().map(Node::choice)
}

/// The literal text that a tree begins with, and what follows.
fn split(node: &Node) -> (&str, Node) {
    match node {
        Node::Text(text) => (text, Node::Empty),
        Node::Sequence(parts) => match parts.split_first() {
            Some((Node::Text(text), rest)) => (text, Node::sequence(rest.to_vec())),
            _ => ("", node.clone()),
        },
        other => ("", other.clone()),
    }
}

/// The texts of which everything that a tree takes begins with one.
fn heads(node: &Node) -> Vec<String> {
    let parts = match node {
        Node::Sequence(parts) => parts.as_slice(),
        Node::Choice(branches) if branches.len() <= MAX_HEADS => {
            return branches.iter().flat_map(heads).collect();
        }
        other => std::slice::from_ref(other),
    };
    let mut heads = vec![String::new()];
    for part in parts {
        let Some(next) = part.texts(MAX_HEADS) else { break };
        if heads.len() * next.len() > MAX_HEADS {
            break;
        }
        heads = heads.iter().flat_map(|head| next.iter().map(move |more| format!("{head}{more}"))).collect();
    }
    heads
}
