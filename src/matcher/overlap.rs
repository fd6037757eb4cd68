//! URLs that two rules share: requests for them would be refused, since exactly one rule has to match.
//!
//! Two patterns are walked side by side, and with them what a URL looks like, until all three can end. What
//! was found on the way is a URL; it is reported only when both patterns really match it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::LazyLock;

use super::pattern::read;
use super::tree::{Chars, Node, Times, any, has, single};
use super::{Hits, Index, Pattern, Strategy};

/// More places than this are not looked at.
const MAX_PLACES: usize = 100_000;
/// Larger patterns are not walked.
const MAX_STATES: usize = 2000;
/// Up to so many rules, each pair is looked at; beyond, only an example of each rule.
const MAX_PAIRED: usize = 200;

/// Two rules and a request that both are for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overlap {
    /// The earlier rule, by its place in the list.
    pub first: usize,
    /// The later rule.
    pub second: usize,
    /// A method that both list, as the earlier one spells it.
    pub method: String,
    /// A URL that both match.
    pub url: String,
}

/// Finds rules, given as methods and pattern each, that share requests; each pair once. What is reported is
/// certain; with more than some hundred rules, or patterns that look around, some overlaps are not found.
///
/// Takes tenths of a millisecond for each rule: for `okctl`, not for a server's start.
pub fn overlaps<'p, M>(rules: impl IntoIterator<Item = (M, &'p Pattern)>) -> Vec<Overlap>
where
    M: IntoIterator<Item: AsRef<str>>,
{
    let rules: Vec<(Vec<String>, &Pattern)> = rules
        .into_iter()
        .map(|(methods, pattern)| (methods.into_iter().map(|m| m.as_ref().to_owned()).collect(), pattern))
        .collect();
    let index = Index::build(rules.iter().map(|(methods, pattern)| (methods, *pattern)));
    let mut found: HashMap<(usize, usize), Overlap> = HashMap::new();
    let mut hits = Hits::default();
    for (rule, (methods, pattern)) in rules.iter().enumerate() {
        let Some(url) = example(pattern) else { continue };
        for method in methods {
            hits.clear();
            index.find(method, &url, &mut hits);
            for other in hits.matched.iter().map(|other| *other as usize).filter(|other| *other != rule) {
                let (first, second) = (rule.min(other), rule.max(other));
                let overlap = Overlap { first, second, method: method.clone(), url: url.clone() };
                found.entry((first, second)).or_insert(overlap);
            }
        }
    }
    if rules.len() <= MAX_PAIRED {
        for (first, (methods, one)) in rules.iter().enumerate() {
            for (second, (others, two)) in rules.iter().enumerate().skip(first + 1) {
                let shared =
                    methods.iter().find(|m| others.iter().any(|other| other.eq_ignore_ascii_case(m)));
                if found.contains_key(&(first, second)) {
                    continue;
                }
                if let Some((method, url)) = shared.and_then(|method| Some((method, shared_url(one, two)?))) {
                    found.insert((first, second), Overlap { first, second, method: method.clone(), url });
                }
            }
        }
    }
    let mut all: Vec<Overlap> = found.into_values().collect();
    all.sort_unstable();
    all
}

/// A URL that the pattern matches, as short as can be.
pub fn example(pattern: &Pattern) -> Option<String> {
    let all = Automaton { free: vec![Vec::new()], taking: vec![Some((any(), 0))], end: 0 };
    found(&Automaton::of(pattern)?, &all, |url| pattern.is_match(url) == Ok(true))
}

/// A URL that both patterns match.
pub fn shared_url(one: &Pattern, two: &Pattern) -> Option<String> {
    let both = |url: &str| one.is_match(url) == Ok(true) && two.is_match(url) == Ok(true);
    found(&Automaton::of(one)?, &Automaton::of(two)?, both)
}

fn found(one: &Automaton, two: &Automaton, really: impl Fn(&str) -> bool) -> Option<String> {
    let url = URL.as_ref()?;
    // Another choice of letters may get past what a look ahead forbids.
    ["a1", "zq9", "x-"].into_iter().find_map(|letters| walk(one, two, url, letters).filter(|url| really(url)))
}

/// What a canonical URL looks like, without what only gets in the way of an example.
static URL: LazyLock<Option<Automaton>> = LazyLock::new(|| {
    // No empty segment, no `.` or `..`, no slash at the end, nothing that is read in two ways.
    let source = concat!(
        "<https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?",
        r"(/|(/\.{0,2}[^/.%;\\?#\x00-\x20\x7F][^/%;\\?#\x00-\x20\x7F]*)+)>"
    );
    Automaton::new(&read(Strategy::Regexp, source).ok()?.whole())
});

/// A pattern as places and ways between them.
#[derive(Debug, Default)]
struct Automaton {
    /// Ways that take no character.
    free: Vec<Vec<u32>>,
    /// The way that takes a character.
    taking: Vec<Option<(Chars, u32)>>,
    end: u32,
}

impl Automaton {
    fn of(pattern: &Pattern) -> Option<Self> {
        let (strategy, source) = pattern.key();
        Self::new(&read(strategy, source).ok()?.whole())
    }

    fn new(node: &Node) -> Option<Self> {
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

    fn free_ways(&self, place: u32) -> &[u32] {
        self.free.get(place as usize).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Walks three automata side by side; the text that leads to all their ends, with the fewest characters.
fn walk(one: &Automaton, two: &Automaton, three: &Automaton, letters: &str) -> Option<String> {
    type Places = (u32, u32, u32);
    let start: Places = (0, 0, 0);
    let goal: Places = (one.end, two.end, three.end);
    let mut came: HashMap<Places, (Places, Option<char>)> = HashMap::new();
    let mut done: HashSet<Places> = HashSet::new();
    let mut queue = VecDeque::from([(start, start, None)]);
    while let Some((here, from, by)) = queue.pop_front() {
        if !done.insert(here) {
            continue;
        }
        came.insert(here, (from, by));
        if here == goal {
            let mut text: Vec<char> = Vec::new();
            let mut at = here;
            while at != start {
                let (from, by) = came.get(&at)?;
                text.extend(by);
                at = *from;
            }
            return Some(text.into_iter().rev().collect());
        }
        if done.len() > MAX_PLACES {
            return None;
        }
        let (a, b, c) = here;
        let free = one.free_ways(a).iter().map(|next| (*next, b, c));
        let free = free.chain(two.free_ways(b).iter().map(|next| (a, *next, c)));
        let free = free.chain(three.free_ways(c).iter().map(|next| (a, b, *next)));
        free.for_each(|next| queue.push_front((next, here, None)));
        let taking = |all: &Automaton, place: u32| all.taking.get(place as usize).cloned().flatten();
        if let (Some((x, a)), Some((y, b)), Some((z, c))) = (taking(one, a), taking(two, b), taking(three, c))
        {
            let mut shared = x;
            shared.intersect(&y);
            shared.intersect(&z);
            if let Some(letter) = pick(&shared, letters) {
                queue.push_back(((a, b, c), here, Some(letter)));
            }
        }
    }
    None
}

/// A character of the set that looks well in a URL.
fn pick(chars: &Chars, letters: &str) -> Option<char> {
    let liked = letters.chars().chain("abcdefghijklmnopqrstuvwxyz0123456789/-_ABCXYZ".chars());
    let mut liked = liked.filter(|c| has(chars, *c));
    liked.next().or_else(|| chars.iter().next().map(regex_syntax::hir::ClassUnicodeRange::start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regexp(source: &str) -> Pattern {
        Pattern::compile(Strategy::Regexp, source).unwrap().0
    }

    #[test]
    fn two_patterns_that_meet_have_a_url_in_common() {
        for (one, two, want) in [
            ("https://a.test/x", "https://a.test/x", Some("https://a.test/x")),
            ("https://a.test/x", "https://a.test/y", None),
            ("https://a.test/<.*>", "https://a.test/users/<[0-9]+>", Some("https://a.test/users/1")),
            ("https://a.test/<[a-z]+>/x", "https://a.test/y/<[a-z]+>", Some("https://a.test/y/x")),
            ("https://a.test/<[a-z]+>", "https://a.test/<[0-9]+>", None),
            ("<https?>://a.test/x", "https://<.*>/x", Some("https://a.test/x")),
            ("<.*>", "<.*>", Some("http://a/")),
            ("https://a.test/<(?!admin).*>", "https://a.test/admin/<.*>", None),
            ("https://a.test/<(?!a).*>", "https://a.test/<.+>", Some("https://a.test/z")),
            ("https://a.test/<(a|b){2,3}>", "https://a.test/<b+>", Some("https://a.test/bb")),
            ("https://a.test/<(?<x>a)\\k<x>>", "https://a.test/aa", None),
        ] {
            assert_eq!(shared_url(&regexp(one), &regexp(two)).as_deref(), want, "{one} {two}");
        }
    }

    #[test]
    fn rules_that_share_requests_are_reported_once() {
        let rule = |methods: &'static [&str], url| (methods, regexp(url));
        let rules = [
            rule(&["GET", "POST"], "https://a.test/<.*>"),
            rule(&["get"], "https://a.test/users/<[0-9]+>"),
            rule(&["PUT"], "https://a.test/users/<[0-9]+>"),
            rule(&["GET"], "https://b.test/<[a-z]+>/x"),
            rule(&["GET"], "https://b.test/y/<[a-z]+>"),
        ];
        let found: Vec<_> = overlaps(rules.iter().map(|(m, p)| (m.iter(), p)))
            .into_iter()
            .map(|o| (o.first, o.second, o.url))
            .collect();
        let want = [(0, 1, "https://a.test/users/1"), (3, 4, "https://b.test/y/x")];
        assert_eq!(found, want.map(|(first, second, url)| (first, second, url.to_owned())));
    }

    #[test]
    fn many_rules_are_compared_by_example() {
        let mut rules: Vec<_> =
            (0..500).map(|i| (["GET"], regexp(&format!("https://a.test/r{i}/<.*>")))).collect();
        rules.push((["GET"], regexp("https://a.test/r77/x/<.*>")));
        let found = overlaps(rules.iter().map(|(m, p)| (m.iter(), p)));
        assert_eq!(found.iter().map(|o| (o.first, o.second)).collect::<Vec<_>>(), [(77, 500)]);
    }
}
