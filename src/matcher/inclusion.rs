//! Inclusion: does one pattern match nothing but what another matches as well?
//!
//! The automaton of the one is walked beside the set of places that the other may be in (the subset
//! construction), over classes of characters that neither tells apart. A yes is a proof; what cannot be proved
//! within the limits is left open.

mod urls;

use std::collections::{HashMap, VecDeque};
use std::sync::LazyLock;

pub use self::urls::Urls;
use super::automaton::Automaton;
use super::pattern::read;
use super::tree::{Chars, Node, Order, Times, has};
use super::{Strategy, ValuePattern};

/// More places than this are not looked at for one question.
const MAX_PLACES: usize = 20_000;
/// So many characters to sort into classes cost as much as a place to look at.
const CLASSES_A_PLACE: usize = 4;
/// So many bytes of a pattern cost as much to read as a place to look at.
const BYTES_A_PLACE: usize = 16;
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
        self.spend_all(1)
    }

    fn spend_all(&mut self, places: usize) -> Option<()> {
        let left = self.0.checked_sub(places);
        self.0 = left.unwrap_or(0);
        left.map(|_| ())
    }

    /// Counts what it takes to read patterns of so many bytes.
    pub fn read(&mut self, bytes: usize) {
        let _ = self.spend_all(bytes / BYTES_A_PLACE);
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

/// Whether the values that one pattern matches are among those that another matches.
pub fn of_values(inner: &ValuePattern, outer: &ValuePattern, budget: &mut Budget) -> Inclusion {
    let only_outer = |text: &str| outer.is_match(text) == Ok(true) && inner.is_match(text) == Ok(false);
    compare(inner.node(), outer.node(), &Automaton::anything(), budget, only_outer)
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
    budget.spend_all((one.len() + other.len()) / CLASSES_A_PLACE)?;
    let classes = Classes::of(&[one, other, frame])?;
    let open = takes_all(other, &alphabet(frame));
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
        // Whatever follows, the other one takes it.
        if open.iter().any(|place| here.2.binary_search(place).is_ok()) {
            continue;
        }
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
    let mut seen = vec![false; automaton.len()];
    let mut is_new =
        |place: u32| seen.get_mut(place as usize).is_some_and(|seen| !std::mem::replace(seen, true));
    places.retain(|place| is_new(*place));
    let mut next = 0;
    while let Some(place) = places.get(next).copied() {
        next += 1;
        places.extend(automaton.free_ways(place).iter().filter(|to| is_new(**to)));
    }
    places.sort_unstable();
    places
}

/// Every character that one of its ways takes.
fn alphabet(automaton: &Automaton) -> Chars {
    automaton.sets().fold(Chars::empty(), |mut all, chars| {
        all.union(chars);
        all
    })
}

/// The places from which it takes every text of these characters.
fn takes_all(automaton: &Automaton, alphabet: &Chars) -> Vec<u32> {
    let all = |chars: &Chars| {
        let mut shared = alphabet.clone();
        shared.intersect(chars);
        shared == *alphabet
    };
    let mut open = Vec::new();
    for (from, chars, to) in automaton.ways() {
        // Most sets are small.
        if has(chars, 'a') && has(chars, '/') && all(chars) {
            // Back where it came from, and free to end there.
            open.extend(closed(automaton, vec![to]).into_iter().filter(|place| {
                let here = closed(automaton, vec![*place]);
                here.binary_search(&from).is_ok() && here.binary_search(&automaton.end).is_ok()
            }));
        }
    }
    open.sort_unstable();
    open.dedup();
    open
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
    use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};

    use super::super::Pattern;
    use super::*;

    fn of_urls(inner: &[Pattern], outer: &[Pattern], budget: &mut Budget) -> Inclusion {
        Urls::of(inner).within(&Urls::of(outer), budget)
    }

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
            // What anything may follow.
            ("https://a.test/x", "<.*>", Less),
            ("<https?>://a.test/x/<[0-9]+>", "<https?>://a.test/<.*>", Less),
            ("<https?>://a.test/x", "https://<.*>", Open),
            ("https://a.test/x/<.+>", "https://<[^/]+>/x/<.+>", Less),
            ("https://a.test/<.*>", "https://a.test/<.+>", Open),
            ("https://a.test/<.+>", "https://a.test/<.*>", Less),
            ("https://a.test/<(?s).*>", "https://a.test/<.*>", Within),
            ("https://a.test/<(?!x).*>", "https://a.test/<.*>", Within),
            ("https://a.test/x<.*>", "https://a.test/<(x.*|y)>", Less),
            ("https://a.test/<[xy].*>", "https://a.test/<(x.*|y)>", Open),
            ("https://a.test/<[xy]>", "https://a.test/<(x.*|y)>", Less),
            ("https://a.test/y/z", "https://a.test/<(x.*|y)>", Open),
            ("https://a.test/x/y", "https://a.test/<.*>/y", Less),
            ("https://a.test/x/z", "https://a.test/<.*>/y", Open),
            ("https://a.test/x/y", "https://a.test/<(?=x).*>", Open),
            ("https://a.test/x/y", "https://a.test/<(?!.*y).*>", Open),
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
        for (inner, outer) in [
            ("https://a.test/<*>", "https://a.test/<**>"),
            ("https://a.test/x/<**>", "https://a.test/<**>"),
            ("<{http,https}>://a.test/x", "<**>"),
        ] {
            let found = of_urls(&[glob(inner)], &[glob(outer)], &mut Budget::new(100_000));
            assert_eq!(found, Less, "{inner} in {outer}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_proved_holds_for_every_url(
            inner in prop::collection::vec(0..PIECES.len(), 0..4),
            outer in prop::collection::vec(0..PIECES.len(), 0..4),
            urls in prop::collection::vec("https?://[ab]/[ab/x1]{0,5}", 40),
        ) {
            let pattern = |pieces: &[usize]| {
                let pieces: String = pieces.iter().map(|at| PIECES[*at]).collect();
                Pattern::compile(Strategy::Regexp, &format!("<https?|.*>://{pieces}"))
                    .or_else(|_| Pattern::compile(Strategy::Regexp, "http://a/"))
                    .unwrap()
                    .0
            };
            let (inner, outer) = (pattern(&inner), pattern(&outer));
            let proved = of_urls(std::slice::from_ref(&inner), std::slice::from_ref(&outer), &mut Budget::new(100_000));
            let among = |url: &String| inner.is_match(url) != Ok(true) || outer.is_match(url) == Ok(true);
            prop_assert!(proved == Inclusion::Open || urls.iter().all(among), "{inner:?} in {outer:?}");
        }
    }

    const PIECES: [&str; 14] = [
        "a",
        "b/",
        "/",
        "<.*>",
        "<.+>",
        "<[^/]+>",
        "<[ab]>",
        "<a|b/>",
        "<(a.*|b)>",
        "<(?!a).*>",
        "<(?!.*b).*>",
        "<[0-9]{1,2}>",
        "<x?>",
        "<(?>a|ab)>",
    ];

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
