//! Inclusion: does one pattern match nothing but what another matches as well?
//!
//! The automaton of the one is walked beside the set of places that the other may be in (the subset
//! construction), over classes of characters that neither tells apart. A yes is a proof; what cannot be proved
//! within the limits is left open.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::LazyLock;

use super::automaton::Automaton;
use super::pattern::read;
use super::tree::{Chars, Node, Order, Times, has};
use super::{Pattern, Strategy, ValuePattern};

/// More places than this are not looked at for one question.
const MAX_PLACES: usize = 20_000;
/// Patterns that tell more classes of characters apart are not compared.
const MAX_CLASSES: usize = 512;

/// What may still be looked at for all questions of a load together.
#[derive(Debug, Clone, Copy)]
pub struct Budget(usize);

impl Budget {
    /// So many places.
    pub fn new(places: usize) -> Self {
        Self(places)
    }

    fn spend(&mut self) -> Option<()> {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        left.map(|_| ())
    }

    /// Whether there is nothing left.
    pub fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

/// How two sets of texts lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inclusion {
    /// All of the one is in the other, which surely has more.
    Less,
    /// All of the one is in the other, which may have no more.
    Within,
    /// Not proved.
    Open,
}

/// What request URLs without a line break look like, and more. Only those are compared: `.` matches no line break,
/// and `[^/]` does.
static URL: LazyLock<Option<Automaton>> = LazyLock::new(|| {
    let source = r"<[a-z][a-z0-9+.-]*://[^/\n]+(/[^\n]*)?>";
    Automaton::new(&read(Strategy::Regexp, source).ok()?.whole())
});

/// Whether the URLs that some patterns match, any of them, are among those that others match. Only URLs without
/// a line break are looked at.
pub fn of_urls(inner: &[Pattern], outer: &[Pattern], budget: &mut Budget) -> Inclusion {
    // Such a pattern is tried with another text than the others.
    if inner.iter().chain(outer).any(Pattern::names_default_port) {
        return Inclusion::Open;
    }
    let Some(url) = URL.as_ref() else { return Inclusion::Open };
    let (Some(one), Some(other)) = (whole(inner), whole(outer)) else { return Inclusion::Open };
    let matches = |patterns: &[Pattern], text: &str| {
        patterns.iter().map(|p| p.is_match(text)).collect::<Result<Vec<_>, _>>()
    };
    let only_outer = |text: &str| {
        matches(outer, text).is_ok_and(|all| all.contains(&true))
            && matches(inner, text).is_ok_and(|all| !all.contains(&true))
    };
    compare(&one, &other, url, budget, only_outer)
}

/// Whether the values that one pattern matches are among those that another matches.
pub fn of_values(inner: &ValuePattern, outer: &ValuePattern, budget: &mut Budget) -> Inclusion {
    let only_outer = |text: &str| outer.is_match(text) == Ok(true) && inner.is_match(text) == Ok(false);
    compare(inner.node(), outer.node(), &Automaton::anything(), budget, only_outer)
}

fn whole(patterns: &[Pattern]) -> Option<Node> {
    let read = |pattern: &Pattern| {
        let (strategy, source) = pattern.key();
        Some(read(strategy, source).ok()?.whole())
    };
    patterns.iter().map(read).collect::<Option<Vec<_>>>().map(Node::choice)
}

fn compare(
    inner: &Node,
    outer: &Node,
    frame: &Automaton,
    budget: &mut Budget,
    only_outer: impl Fn(&str) -> bool,
) -> Inclusion {
    // What the outer one merely looks at makes it match less than its automaton takes.
    if !is_exact(outer) {
        return Inclusion::Open;
    }
    let (Some(one), Some(other)) = (Automaton::new(inner), Automaton::new(outer)) else {
        return Inclusion::Open;
    };
    if lacks(&one, &other, frame, budget) != Lack::Nothing {
        return Inclusion::Open;
    }
    match lacks(&other, &one, frame, budget) {
        Lack::Text(text) if only_outer(&text) => Inclusion::Less,
        _ => Inclusion::Within,
    }
}

/// Whether the pattern's automaton takes exactly what the pattern matches.
fn is_exact(node: &Node) -> bool {
    !node.any(&mut |part| match part {
        Node::At(_) | Node::Around(..) | Node::Atomic(_) | Node::Again(..) | Node::Condition(..) => true,
        Node::Repeat(_, Times { order, .. }) => *order == Order::Only,
        Node::Empty
        | Node::Text(_)
        | Node::One(_)
        | Node::Capture(..)
        | Node::Sequence(_)
        | Node::Choice(_) => false,
    })
}

/// A place of the one and the frame, and the places that the other may be in.
type Places = (u32, u32, Vec<u32>);

/// What one automaton takes and another does not.
#[derive(Debug, PartialEq, Eq)]
enum Lack {
    /// This text, and perhaps others.
    Text(String),
    /// Surely nothing.
    Nothing,
    /// It could not be found out within the limits.
    Unknown,
}

/// A text within the frame that `one` takes and `other` does not.
fn lacks(one: &Automaton, other: &Automaton, frame: &Automaton, budget: &mut Budget) -> Lack {
    search(one, other, frame, budget).unwrap_or(Lack::Unknown)
}

/// As [`lacks`]; `None` where the limits are reached.
fn search(one: &Automaton, other: &Automaton, frame: &Automaton, budget: &mut Budget) -> Option<Lack> {
    let classes = Classes::of(&[one, other, frame])?;
    let start: Places = (0, 0, closed(other, vec![0]));
    let mut came: HashMap<Places, Option<(Places, char)>> = HashMap::new();
    let mut queue = VecDeque::from([(start, None)]);
    let mut left = MAX_PLACES;
    while let Some((here, from)) = queue.pop_front() {
        if came.contains_key(&here) {
            continue;
        }
        left = left.checked_sub(1)?;
        budget.spend()?;
        came.insert(here.clone(), from);
        // One place of `one` and the frame together with all that are reached from it without a character.
        for (at, framed) in pairs(one, here.0, frame, here.1) {
            if at == one.end && framed == frame.end && !here.2.contains(&other.end) {
                return Some(Lack::Text(spelled(&came, here)));
            }
            let (Some((chars, next)), Some((within, then))) = (one.taking(at), frame.taking(framed)) else {
                continue;
            };
            for c in classes.in_both(chars, within) {
                let to: Vec<u32> = here
                    .2
                    .iter()
                    .filter_map(|place| other.taking(*place))
                    .filter(|(chars, _)| classes.has(chars, c))
                    .map(|(_, to)| to)
                    .collect();
                let there = (next, then, closed(other, to));
                if !came.contains_key(&there) {
                    queue.push_back((there, Some((here.clone(), c))));
                }
            }
        }
        if queue.len() > MAX_PLACES * 8 {
            return None;
        }
    }
    Some(Lack::Nothing)
}

/// All places that lead on from these without a character, these included, in order.
fn closed(automaton: &Automaton, mut places: Vec<u32>) -> Vec<u32> {
    let mut seen: HashSet<u32> = places.iter().copied().collect();
    let mut next = 0;
    while let Some(place) = places.get(next).copied() {
        next += 1;
        places.extend(automaton.free_ways(place).iter().filter(|to| seen.insert(**to)));
    }
    places.sort_unstable();
    places.dedup();
    places
}

fn pairs(one: &Automaton, at: u32, frame: &Automaton, framed: u32) -> Vec<(u32, u32)> {
    let within = closed(frame, vec![framed]);
    closed(one, vec![at]).into_iter().flat_map(|a| within.iter().map(move |f| (a, *f))).collect()
}

fn spelled(came: &HashMap<Places, Option<(Places, char)>>, mut at: Places) -> String {
    let mut letters: Vec<char> = Vec::new();
    while let Some(Some((from, by))) = came.get(&at) {
        letters.push(*by);
        at = from.clone();
    }
    letters.into_iter().rev().collect()
}

/// Characters that stand for all those that no set of some automata tells apart.
struct Classes {
    members: Vec<char>,
    /// Which of them each set has.
    known: HashMap<Vec<(char, char)>, Vec<bool>>,
}

impl Classes {
    fn of(automata: &[&Automaton]) -> Option<Self> {
        let mut sets: HashMap<Vec<(char, char)>, Chars> = HashMap::new();
        for chars in automata.iter().flat_map(|automaton| automaton.sets()) {
            sets.entry(key(chars)).or_insert_with(|| chars.clone());
        }
        // Every character at which some set begins, or has just ended, begins a class.
        let mut firsts: Vec<char> = vec!['\0'];
        for range in sets.keys().flatten() {
            firsts.push(range.0);
            firsts.extend(after(range.1));
        }
        firsts.sort_unstable();
        firsts.dedup();
        let mut members: HashMap<Vec<bool>, char> = HashMap::new();
        let order: Vec<&Chars> = sets.values().collect();
        for c in firsts {
            let signature: Vec<bool> = order.iter().map(|chars| has(chars, c)).collect();
            members.entry(signature).or_insert(c);
            if members.len() > MAX_CLASSES {
                return None;
            }
        }
        let mut members: Vec<char> = members.into_values().collect();
        members.sort_unstable();
        let known = sets
            .iter()
            .map(|(key, chars)| (key.clone(), members.iter().map(|c| has(chars, *c)).collect()))
            .collect();
        Some(Self { members, known })
    }

    fn in_both<'c>(&'c self, one: &'c Chars, two: &'c Chars) -> impl Iterator<Item = char> + 'c {
        self.members.iter().copied().filter(|c| self.has(one, *c) && self.has(two, *c))
    }

    /// As [`has`], for a character that stands for its class.
    fn has(&self, chars: &Chars, c: char) -> bool {
        match (chars.ranges(), self.members.binary_search(&c)) {
            // Most sets are one character, or a few ranges.
            (few, _) if few.len() < 8 => has(chars, c),
            (_, Ok(at)) => self.known.get(&key(chars)).and_then(|has| has.get(at)).copied().unwrap_or(false),
            (_, Err(_)) => has(chars, c),
        }
    }
}

fn key(chars: &Chars) -> Vec<(char, char)> {
    chars.iter().map(|range| (range.start(), range.end())).collect()
}

/// The character after this one.
fn after(c: char) -> Option<char> {
    match c {
        '\u{d7ff}' => Some('\u{e000}'),
        c => char::from_u32(u32::from(c) + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_says_whether_one_pattern_is_part_of_another() {
        use Inclusion::{Less, Open, Within};
        for (inner, outer, want) in [
            ("https://a.test/x", "https://a.test/<.*>", Less),
            ("https://a.test/<.*>", "https://a.test/x", Open),
            ("https://a.test/<.*>", "https://a.test/<.*>", Within),
            ("https://a.test/<[^/]+>", "https://a.test/<.*>", Less),
            ("https://a.test/<(x|y)>", "https://a.test/<[xy]>", Within),
            ("https://a.test/<[xy]+>", "https://a.test/<(x|y)*x>", Open),
            ("https://a.test/<(x|y)*x>", "https://a.test/<[xy]+>", Less),
            ("https://a.test/<\\d+>", "https://a.test/<\\w+>", Less),
            ("https://a.test/<(?i)abc>", "https://a.test/<[a-zA-Z]{3}>", Less),
            ("https://<[^/]+>/x", "https://<.*>/x", Less),
            // A host has no slash in it.
            ("https://<.*>/x", "https://<[^/]+>/<.*>", Less),
            ("<https?>://a.test/x", "https://a.test/x", Open),
            // What looks around is left out of the inner one, and makes the outer one unknown.
            ("https://a.test/<(?!x).+>", "https://a.test/<.*>", Less),
            ("https://a.test/y", "https://a.test/<(?!x).*>", Open),
            ("https://a.test/y", "https://a.test/<[a-z]++>", Open),
        ] {
            let pattern = |source| Pattern::compile(Strategy::Regexp, source).unwrap().0;
            let found = of_urls(&[pattern(inner)], &[pattern(outer)], &mut Budget::new(100_000));
            assert_eq!(found, want, "{inner} in {outer}");
        }
        let glob = |source| Pattern::compile(Strategy::Glob, source).unwrap().0;
        let (one, other) = (glob("https://a.test/<*>"), glob("https://a.test/<**>"));
        assert_eq!(of_urls(&[one], &[other], &mut Budget::new(100_000)), Less);
    }

    #[test]
    fn what_takes_too_long_is_left_open() {
        let pattern = |source| Pattern::compile(Strategy::Regexp, source).unwrap().0;
        // Whose subsets double with each character.
        let one = [pattern("https://a/<[ab]*a[ab]{20}>")];
        let other = [pattern("https://a/<[ab]*a[ab]{19}[ab]>")];
        let mut budget = Budget::new(1_000_000);
        assert_eq!(of_urls(&one, &other, &mut budget), Inclusion::Open);
        let mut spent = Budget::new(3);
        assert_eq!(of_urls(&one, &other, &mut spent), Inclusion::Open);
        assert!(spent.is_spent());
    }
}
