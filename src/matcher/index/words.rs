//! Which of very many words occur in a text: Aho and Corasick's automaton (CACM 18(6), 1975).
//!
//! Nodes are numbered level by level, so that the children of one stand side by side. All that is asked of a node is
//! in its sixteen bytes: of very many nodes hardly one lies in the processor's caches. Built in time that grows with
//! the total length of the words, whatever they are, which the `aho-corasick` crate does not promise.

use std::ops::Range;

/// A set of words, known by their place in the list it was built from.
#[derive(Debug)]
pub(super) struct Words {
    nodes: Box<[Node]>,
    /// Each word, after the one that is to be told next, as a place here.
    found: Box<[(u32, u32)]>,
    /// The root's children.
    starts: Box<[u32; 256]>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// The first of its children.
    children: u32,
    /// The node of the longest proper end of what leads here.
    fail: u32,
    /// The first word that ends here or at the next nodes along the fails, as a place in `found`.
    end: u32,
    /// How many children it has.
    count: u16,
    /// The byte that leads here.
    label: u8,
}

const ROOT: u32 = 0;
/// No word.
const NONE: u32 = u32::MAX;

impl Words {
    /// Builds the automaton for a sorted list of different, non-empty words. `None` when they are too many.
    pub(super) fn build(sorted: &[&[u8]]) -> Option<Self> {
        let root = Node { children: 1, fail: ROOT, end: NONE, count: 0, label: 0 };
        let mut nodes = vec![root];
        let mut ending = Vec::new();
        let mut level: Vec<Range<usize>> = std::iter::once(0..sorted.len()).collect();
        let (mut depth, mut node) = (0, 0_usize);
        while !level.is_empty() {
            let mut below = Vec::new();
            for range in level {
                let first = u32::try_from(nodes.len()).ok()?;
                let own = u32::try_from(node).ok()?;
                split(sorted, range, depth, |word, label, range| match label {
                    Some(label) => {
                        nodes.push(Node { label, ..root });
                        below.push(range);
                    }
                    None => ending.push((own, word)),
                });
                let count = u16::try_from(nodes.len() - first as usize).ok()?;
                if let Some(node) = nodes.get_mut(node) {
                    (node.children, node.count) = (first, count);
                }
                node += 1;
            }
            level = below;
            depth += 1;
        }
        u32::try_from(nodes.len()).ok()?;
        let mut starts = Box::new([ROOT; 256]);
        let of_root = nodes.first().map_or(0..0, Node::range);
        for (child, node) in nodes.iter().enumerate().take(of_root.end).skip(of_root.start) {
            if let Some(start) = starts.get_mut(usize::from(node.label)) {
                *start = u32::try_from(child).ok()?;
            }
        }
        let found = ending.iter().map(|(_, word)| (NONE, *word)).collect();
        let mut all = Self { nodes: nodes.into(), found, starts };
        for (place, (node, _)) in (0..).zip(&ending) {
            if let Some(node) = all.nodes.get_mut(*node as usize) {
                node.end = place;
            }
        }
        all.link();
        Some(all)
    }

    /// Sets fails and inherits ends, level by level.
    fn link(&mut self) {
        for place in 0..u32::try_from(self.nodes.len()).unwrap_or_default() {
            let node = self.node(place);
            for child in node.range() {
                let Some(label) = self.nodes.get(child).map(|child| child.label) else { continue };
                let fail = if place == ROOT { ROOT } else { self.next(node.fail, label) };
                let inherited = self.node(fail).end;
                let Some(child) = self.nodes.get_mut(child) else { continue };
                child.fail = fail;
                match self.found.get_mut(child.end as usize) {
                    Some((next, _)) => *next = inherited,
                    None => child.end = inherited,
                }
            }
        }
    }

    fn node(&self, place: u32) -> Node {
        let none = Node { children: 0, fail: ROOT, end: NONE, count: 0, label: 0 };
        self.nodes.get(place as usize).copied().unwrap_or(none)
    }

    /// The node after `byte`.
    #[inline]
    fn next(&self, from: u32, byte: u8) -> u32 {
        let mut place = from;
        while place != ROOT {
            let node = self.node(place);
            let children = self.nodes.get(node.range()).unwrap_or_default();
            // They are sorted, and mostly one or few.
            let at = match children {
                [] => None,
                [only] => (only.label == byte).then_some(0),
                several => several.binary_search_by_key(&byte, |child| child.label).ok(),
            };
            if let Some(at) = at.and_then(|at| u32::try_from(at).ok()) {
                return node.children + at;
            }
            place = node.fail;
        }
        self.starts.get(usize::from(byte)).copied().unwrap_or(ROOT)
    }

    /// Shows every word that occurs in `text`, each time it does.
    pub(super) fn find(&self, text: &[u8], mut visit: impl FnMut(u32)) {
        let mut node = ROOT;
        for byte in text {
            node = self.next(node, *byte);
            let mut end = self.node(node).end;
            while let Some((next, word)) = self.found.get(end as usize) {
                visit(*word);
                end = *next;
            }
        }
    }
}

impl Node {
    fn range(&self) -> Range<usize> {
        let first = self.children as usize;
        first..first + usize::from(self.count)
    }
}

/// Splits a range of words, which share their first `depth` bytes, by the next one. A word that ends here
/// comes without a label.
fn split(
    sorted: &[&[u8]],
    range: Range<usize>,
    depth: usize,
    mut put: impl FnMut(u32, Option<u8>, Range<usize>),
) {
    let next = |place: usize| sorted.get(place).and_then(|word| word.get(depth)).copied();
    let mut from = range.start;
    while from < range.end {
        let label = next(from);
        let to = (from + 1..range.end).find(|place| next(*place) != label).unwrap_or(range.end);
        put(u32::try_from(from).unwrap_or(u32::MAX), label, from..to);
        from = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    fn found(words: &[&str], text: &str) -> Vec<u32> {
        let words: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).collect();
        let mut found = Vec::new();
        Words::build(&words).unwrap().find(text.as_bytes(), |word| found.push(word));
        found
    }

    #[test]
    fn words_are_found_wherever_they_occur() {
        assert_eq!(found(&["he", "hers", "his", "she"], "ushers"), [3, 0, 1]);
        assert_eq!(found(&["/a", "/a/b", "b"], "/a/a/b"), [0, 0, 1, 2]);
        assert_eq!(found(&["aaa"], "aaaa"), [0, 0]);
        assert_eq!(found(&["x"], ""), [0_u32; 0]);
        assert_eq!(found(&[], "abc"), [0_u32; 0]);
    }

    proptest! {
        #[test]
        fn words_agree_with_plain_search(
            words in prop::collection::btree_set("[ab/]{1,4}", 0..20),
            text in "[ab/c]{0,30}",
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut got = found(&words, &text);
            got.sort_unstable();
            let mut want = Vec::new();
            for (index, word) in words.iter().enumerate() {
                let count = (0..text.len()).filter(|at| text[*at..].starts_with(word)).count();
                want.extend(std::iter::repeat_n(u32::try_from(index).unwrap(), count));
            }
            prop_assert_eq!(got, want);
        }
    }
}
