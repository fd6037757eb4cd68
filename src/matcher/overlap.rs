//! URLs that two rules share: requests for them would be refused, since exactly one rule has to match.
//!
//! Two patterns are walked side by side, and with them what a URL looks like, until all three can end. What
//! was found on the way is a URL; it is reported only when both patterns really match it.

use std::collections::{HashMap, VecDeque};
use std::sync::LazyLock;

use super::automaton::Automaton;
use super::pattern::read;
use super::tree::has;
use super::{ANY_METHOD, Hits, Index, Pattern, Strategy, ValuePattern};

/// More places than this are not looked at for two patterns.
const MAX_PLACES: usize = 100_000;
/// More places than this are not looked at for all pairs of rules together: some seconds.
const MAX_ALL_PLACES: usize = 5_000_000;
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

/// Finds rules, given as methods and pattern each, that share requests; each pair once.
///
/// What is reported is certain. An example of each rule is tried with all others; where there are not very many
/// rules, each pair is also asked for a URL that is no longer than their own examples, since two patterns with
/// wildcards nearly always share some monstrous one. Takes about a tenth of a millisecond for each rule and some
/// seconds at most for the pairs: for `okctl`, not for a server's start.
pub fn overlaps<'p, M>(rules: impl IntoIterator<Item = (M, &'p Pattern)>) -> Vec<Overlap>
where
    M: IntoIterator<Item: AsRef<str>>,
{
    let rules: Vec<(Vec<String>, &Pattern)> = rules
        .into_iter()
        .map(|(methods, pattern)| (methods.into_iter().map(|m| m.as_ref().to_owned()).collect(), pattern))
        .collect();
    let mut named: Vec<&String> = rules.iter().flat_map(|(m, _)| m).filter(|m| *m != ANY_METHOD).collect();
    named.sort_unstable_by_key(|method| method.to_ascii_lowercase());
    named.dedup_by_key(|method| method.to_ascii_lowercase());
    let mut found: HashMap<(usize, usize), Overlap> = HashMap::new();
    let examples: Vec<Option<String>> = rules.iter().map(|(_, pattern)| example(pattern)).collect();
    let index = Index::build(rules.iter().map(|(methods, pattern)| (methods, *pattern)));
    let mut hits = Hits::default();
    for (rule, ((methods, _), url)) in rules.iter().zip(&examples).enumerate() {
        let Some(url) = url else { continue };
        let any = methods.iter().any(|method| method == ANY_METHOD);
        let asked: Vec<String> = match any {
            true if named.is_empty() => vec!["GET".to_owned()],
            true => named.iter().map(|method| (*method).clone()).collect(),
            false => methods.clone(),
        };
        for method in &asked {
            hits.clear();
            index.find(method, url, &mut hits);
            for other in hits.matched.iter().map(|other| *other as usize).filter(|other| *other != rule) {
                let (first, second) = (rule.min(other), rule.max(other));
                let overlap = Overlap { first, second, method: method.clone(), url: url.clone() };
                found.entry((first, second)).or_insert(overlap);
            }
        }
    }
    if rules.len() <= MAX_PAIRED {
        let lens: Vec<usize> = examples.iter().map(|url| url.as_ref().map_or(0, String::len)).collect();
        pairs(&rules, &lens, &mut found);
    }
    let mut all: Vec<Overlap> = found.into_values().collect();
    all.sort_unstable();
    all
}

/// Adds the pairs that share a URL no longer than their own examples, whose lengths are given.
fn pairs(rules: &[(Vec<String>, &Pattern)], lens: &[usize], found: &mut HashMap<(usize, usize), Overlap>) {
    let automata: Vec<_> = rules.iter().map(|(_, pattern)| Automaton::of(pattern)).collect();
    let all = || rules.iter().zip(&automata).zip(lens).enumerate();
    let mut budget = MAX_ALL_PLACES;
    for (first, (((methods, one), left), one_len)) in all() {
        for (second, (((others, two), right), two_len)) in all().skip(first + 1) {
            let (Some(method), Some(left), Some(right)) = (shared_method(methods, others), left, right)
            else {
                continue;
            };
            if found.contains_key(&(first, second)) {
                continue;
            }
            let both = |url: &str| one.is_match(url) == Ok(true) && two.is_match(url) == Ok(true);
            if let Some(url) = search(left, right, *one_len.max(two_len), &mut budget, both) {
                found.insert((first, second), Overlap { first, second, method: method.clone(), url });
            }
        }
    }
}

/// A method that both list, as the first one spells it.
fn shared_method(one: &[String], two: &[String]) -> Option<String> {
    let any = |list: &[String]| list.iter().any(|method| method == ANY_METHOD);
    match (any(one), any(two)) {
        (true, true) => Some("GET".to_owned()),
        (true, false) => two.first().cloned(),
        (false, true) => one.first().cloned(),
        (false, false) => {
            one.iter().find(|method| two.iter().any(|other| other.eq_ignore_ascii_case(method))).cloned()
        }
    }
}

/// A value that both patterns match, or one that the first does where there is no other.
pub fn shared_value(one: &ValuePattern, two: Option<&ValuePattern>) -> Option<String> {
    let Some(two) = two else {
        let found = walk_values(&Automaton::new(one.node())?, &Automaton::anything())?;
        return (one.is_match(&found) == Ok(true)).then_some(found);
    };
    let found = walk_values(&Automaton::new(one.node())?, &Automaton::new(two.node())?)?;
    (one.is_match(&found) == Ok(true) && two.is_match(&found) == Ok(true)).then_some(found)
}

fn walk_values(one: &Automaton, two: &Automaton) -> Option<String> {
    walk([one, two, &Automaton::anything()], "a1", 256, &mut MAX_PLACES.clone())
}

/// A URL that the pattern matches, as short as can be.
pub fn example(pattern: &Pattern) -> Option<String> {
    shortest(pattern, &mut MAX_PLACES.clone())
}

/// A URL that the pattern matches, where it is found without looking at more places than these.
pub(super) fn example_within(pattern: &Pattern, budget: &mut usize) -> Option<String> {
    let really = |url: &str| is_canonical(url) && pattern.is_match(url) == Ok(true);
    let (strategy, source) = pattern.key();
    let node = read(strategy, source).ok()?.whole();
    let written = [0, 1].into_iter().filter_map(|times| node.sample(times)).find(|url| really(url));
    written.or_else(|| shortest(pattern, budget))
}

fn shortest(pattern: &Pattern, budget: &mut usize) -> Option<String> {
    let all = Automaton::anything();
    let really = |url: &str| pattern.is_match(url) == Ok(true);
    search(&Automaton::of(pattern)?, &all, usize::MAX, budget, really)
}

/// Whether [`URL`] takes it, asked without walking.
fn is_canonical(url: &str) -> bool {
    let Some((host, path)) = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_host = host.bytes().all(|b| is_letter(b) || matches!(b, b'.' | b'-'))
        && host.bytes().next().is_some_and(is_letter)
        && host.bytes().next_back().is_some_and(is_letter);
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'%' | b';' | b'\\' | b'?' | b'#');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
    is_host && (path.is_empty() || path.split('/').all(is_segment))
}

/// A URL that both patterns match, as short as can be.
pub fn shared_url(one: &Pattern, two: &Pattern) -> Option<String> {
    let both = |url: &str| one.is_match(url) == Ok(true) && two.is_match(url) == Ok(true);
    search(&Automaton::of(one)?, &Automaton::of(two)?, usize::MAX, &mut MAX_PLACES.clone(), both)
}

/// A text of at most `longest` characters that both automata and a URL's allow and that passes the test.
fn search(
    one: &Automaton,
    two: &Automaton,
    longest: usize,
    budget: &mut usize,
    really: impl Fn(&str) -> bool,
) -> Option<String> {
    let url = URL.as_ref()?;
    // Another choice of letters may get past what a look ahead forbids.
    for letters in ["a1", "zq9", "x-"] {
        let found = walk([one, two, url], letters, longest, budget)?;
        if really(&found) {
            return Some(found);
        }
    }
    None
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

/// A place in each automaton.
type Places = [u32; 3];

/// Walks three automata side by side; the text that leads to all their ends, with the fewest characters.
fn walk(all: [&Automaton; 3], letters: &str, longest: usize, budget: &mut usize) -> Option<String> {
    let start: Places = [0; 3];
    let goal = all.map(|one| one.end);
    // How each place was reached: from where, and with which character.
    let mut came: HashMap<Places, (Places, Option<char>)> = HashMap::new();
    let mut queue = VecDeque::from([(start, (start, None), 0)]);
    while let Some((here, from, len)) = queue.pop_front() {
        if came.contains_key(&here) {
            continue;
        }
        came.insert(here, from);
        if here == goal {
            return spelled(&came, start, goal);
        }
        if came.len() > MAX_PLACES {
            return None;
        }
        *budget = budget.checked_sub(1)?;
        for (turn, (automaton, place)) in all.iter().zip(here).enumerate() {
            for next in automaton.free_ways(place) {
                let mut there = here;
                if let Some(place) = there.get_mut(turn) {
                    *place = *next;
                }
                queue.push_front((there, (here, None), len));
            }
        }
        if len < longest
            && let Some((there, letter)) = letter(&all, here, letters)
        {
            queue.push_back((there, (here, Some(letter)), len + 1));
        }
    }
    None
}

/// The character that all may take at their places, and where they are then.
fn letter(all: &[&Automaton; 3], here: Places, letters: &str) -> Option<(Places, char)> {
    let [one, two, three] = all;
    let [in_one, in_two, in_three] = here;
    let (x, one) = one.taking(in_one)?;
    let (y, two) = two.taking(in_two)?;
    let (z, three) = three.taking(in_three)?;
    let mut liked = letters.chars().chain("abcdefghijklmnopqrstuvwxyz0123456789/-_ABCXYZ".chars());
    let liked = liked.find(|c| has(x, *c) && has(y, *c) && has(z, *c));
    let letter = liked.or_else(|| {
        let mut shared = x.clone();
        shared.intersect(y);
        shared.intersect(z);
        shared.iter().next().map(regex_syntax::hir::ClassUnicodeRange::start)
    })?;
    Some(([one, two, three], letter))
}

/// The characters on the way from `start` to `end`.
fn spelled(came: &HashMap<Places, (Places, Option<char>)>, start: Places, end: Places) -> Option<String> {
    let mut letters: Vec<char> = Vec::new();
    let mut at = end;
    while at != start {
        let (from, by) = came.get(&at)?;
        letters.extend(by);
        at = *from;
    }
    Some(letters.into_iter().rev().collect())
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
