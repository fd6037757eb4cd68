//! Texts that must occur in whatever a pattern matches: what the index finds patterns by.

use super::tree::{Chars, Node};

/// Alternatives of one requirement beyond this are not kept.
const MAX_ALTERNATIVES: usize = 16;
/// A longer text is cut: a part of it must occur too.
const MAX_LEN: usize = 160;
/// So many requirements of a pattern are kept, the longest.
const MAX_REQUIREMENTS: usize = 8;

/// What a pattern requires: of each list, one text must occur in the lower-cased URL. Kept as bytes (count,
/// then length and text of each alternative), since there is one for each of very many rules.
#[derive(Debug, Clone, Default)]
pub(super) struct Required(Box<[u8]>);

impl Required {
    /// What `node` requires.
    pub(super) fn of(node: &Node) -> Self {
        let mut collector = Collector::default();
        collector.walk(node);
        collector.flush();
        let mut found = collector.found;
        found.retain(|texts| texts.iter().all(|text| tells_apart(text)));
        let shortest = |texts: &[String]| texts.iter().map(String::len).min().unwrap_or_default();
        while found.len() > MAX_REQUIREMENTS {
            let least = found.iter().enumerate().min_by_key(|(_, texts)| shortest(texts)).map(|(at, _)| at);
            found.remove(least.unwrap_or_default());
        }
        let mut bytes = Vec::new();
        for texts in &found {
            bytes.push(u8::try_from(texts.len()).unwrap_or_default());
            for text in texts {
                let text = text.as_bytes();
                let text = text.get(..text.len().min(MAX_LEN)).unwrap_or_default();
                bytes.push(u8::try_from(text.len()).unwrap_or_default());
                bytes.extend_from_slice(text);
            }
        }
        Self(bytes.into())
    }

    /// Each requirement in order of its place in the pattern.
    pub(super) fn iter(&self) -> impl Iterator<Item = Alternatives<'_>> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let (count, tail) = rest.split_first()?;
            let one = Alternatives { rest: tail, left: *count };
            let mut skipped = one.clone();
            skipped.by_ref().for_each(drop);
            rest = skipped.rest;
            Some(one)
        })
    }
}

/// The alternatives of one requirement.
#[derive(Debug, Clone)]
pub(super) struct Alternatives<'r> {
    rest: &'r [u8],
    left: u8,
}

impl<'r> Iterator for Alternatives<'r> {
    type Item = &'r [u8];

    fn next(&mut self) -> Option<&'r [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (len, tail) = self.rest.split_first()?;
        let (text, tail) = tail.split_at_checked(usize::from(*len))?;
        self.rest = tail;
        Some(text)
    }
}

/// Whether a text tells URLs apart: not what nearly every URL has.
fn tells_apart(text: &str) -> bool {
    text.len() > 1 && !["https://", "http://"].iter().any(|all| all.contains(text))
}

#[derive(Default)]
struct Collector {
    run: String,
    found: Vec<Vec<String>>,
}

impl Collector {
    fn flush(&mut self) {
        if !self.run.is_empty() {
            self.found.push(vec![std::mem::take(&mut self.run)]);
        }
    }

    fn walk(&mut self, node: &Node) {
        match node {
            Node::Empty | Node::At(_) | Node::Around(..) => {}
            Node::Text(text) => self.run.push_str(&text.to_ascii_lowercase()),
            Node::One(chars) => match one_letter(chars) {
                Some(c) => self.run.push(c),
                None => self.flush(),
            },
            Node::Capture(_, part) | Node::Atomic(part) => self.walk(part),
            Node::Sequence(parts) => parts.iter().for_each(|part| self.walk(part)),
            Node::Repeat(part, times) => {
                if times.min > 0 {
                    self.walk(part);
                }
                self.flush();
            }
            Node::Choice(branches) => {
                self.flush();
                if let Some(texts) = one_of(branches) {
                    self.found.push(texts);
                }
            }
            Node::Again(..) | Node::Condition(..) => self.flush(),
        }
    }
}

/// The letter that is meant, when the set is that letter in both cases.
fn one_letter(chars: &Chars) -> Option<char> {
    let mut letters = chars.iter().flat_map(|r| r.start()..=r.end()).take(3).map(|c| c.to_ascii_lowercase());
    let first = letters.next().filter(char::is_ascii)?;
    letters.all(|c| c == first).then_some(first)
}

/// One text of each branch, if each has one.
fn one_of(branches: &[Node]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for branch in branches {
        let mut collector = Collector::default();
        collector.walk(branch);
        collector.flush();
        let shortest = |texts: &Vec<String>| texts.iter().map(String::len).min();
        let best = collector.found.into_iter().max_by_key(shortest)?;
        all.extend(best);
        if all.len() > MAX_ALTERNATIVES {
            return None;
        }
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::super::Strategy;
    use super::super::pattern::read;
    use super::*;

    fn required(strategy: Strategy, source: &str) -> Vec<String> {
        let required = Required::of(&read(strategy, source).unwrap().whole());
        let shown = |one: Alternatives<'_>| {
            one.map(|text| std::str::from_utf8(text).unwrap()).collect::<Vec<_>>().join("|")
        };
        required.iter().map(shown).collect()
    }

    #[test]
    fn texts_run_through_fragments_as_far_as_they_are_certain() {
        for (source, want) in [
            ("https://app.test/api/<[0-9]+>", vec!["https://app.test/api/"]),
            ("https://app.test/<item>-<[0-9]+>/x", vec!["https://app.test/item-", "/x"]),
            ("<http|https>://app.test/health<(/.*)?$>", vec!["http|https", "://app.test/health"]),
            ("<https?>://<[a-z]+>.test/items/<.*>", vec![".test/items/"]),
            ("https://a.test/<(users|items)>/7", vec!["https://a.test/", "items|users", "/7"]),
            ("https://a.test/<(?i)Admin>/x", vec!["https://a.test/admin/x"]),
            ("https://a.test/<(?!admin)api>/x", vec!["https://a.test/api/x"]),
            ("https://a.test/<a+>b", vec!["https://a.test/a"]),
            ("https://a.test/<(ab){2,}>c", vec!["https://a.test/ab"]),
            ("<.*>://<.*>/<.*>", vec![]),
        ] {
            let want: Vec<_> = want.into_iter().filter(|w| *w != "http|https").collect();
            assert_eq!(required(Strategy::Regexp, source), want, "{source}");
        }
        assert_eq!(required(Strategy::Glob, "http://<*>.b.test/<{x,y*}z>"), [".b.test/", "x|y"][..1]);
    }
}
