//! Which of very many words occur in a text: Aho and Corasick's automaton (CACM 18(6), 1975).
//!
//! Nodes are numbered level by level, so that the children of one stand side by side and those of the next
//! node follow: thirteen bytes for each are enough. Built in time that grows with the total length of the
//! words, whatever they are, which the `aho-corasick` crate does not promise.

use std::ops::Range;

/// A set of words, known by their place in the list it was built from.
#[derive(Debug)]
pub(super) struct Words {
    /// The byte that leads to each node.
    labels: Box<[u8]>,
    /// The first child of each node, and the end of them all: the next node's first child is its end.
    children: Box<[u32]>,
    /// The node of the longest proper end of what leads to this one.
    fails: Box<[u32]>,
    /// The first word that ends here or at the next nodes along the fails, as a place in `found`.
    ends: Box<[u32]>,
    /// Each word, after the one that is to be told next, as a place here.
    found: Box<[(u32, u32)]>,
    /// The root's children.
    starts: Box<[u32; 256]>,
}

const ROOT: u32 = 0;
/// No word.
const NONE: u32 = u32::MAX;

impl Words {
    /// Builds the automaton for a sorted list of different, non-empty words. `None` when they are too many.
    pub(super) fn build(sorted: &[&[u8]]) -> Option<Self> {
        let mut labels = vec![0];
        let mut children: Vec<u32> = Vec::new();
        let mut ending = Vec::new();
        let mut level: Vec<Range<usize>> = std::iter::once(0..sorted.len()).collect();
        let mut depth = 0;
        while !level.is_empty() {
            let mut below = Vec::new();
            for range in level {
                let node = u32::try_from(children.len()).ok()?;
                children.push(u32::try_from(labels.len()).ok()?);
                split(sorted, range, depth, |own, label, range| match label {
                    Some(label) => {
                        labels.push(label);
                        below.push(range);
                    }
                    None => ending.push((node, own)),
                });
            }
            level = below;
            depth += 1;
        }
        children.push(u32::try_from(labels.len()).ok()?);
        let mut starts = Box::new([ROOT; 256]);
        for child in 1..at(&children, 1) {
            if let Some(start) = starts.get_mut(usize::from(at(&labels, child))) {
                *start = child;
            }
        }
        let nodes = labels.len();
        let mut all = Self {
            labels: labels.into(),
            children: children.into(),
            fails: vec![ROOT; nodes].into(),
            ends: vec![NONE; nodes].into(),
            found: ending.iter().map(|(_, word)| (NONE, *word)).collect(),
            starts,
        };
        for (place, (node, _)) in (0..).zip(&ending) {
            if let Some(end) = all.ends.get_mut(*node as usize) {
                *end = place;
            }
        }
        all.link();
        Some(all)
    }

    /// Sets fails and inherits ends, level by level.
    fn link(&mut self) {
        for node in 0..u32::try_from(self.labels.len()).unwrap_or_default() {
            let fail = at(&self.fails, node);
            for child in self.children_of(node) {
                let to = if node == ROOT { ROOT } else { self.next(fail, at(&self.labels, child)) };
                if let Some(fail) = self.fails.get_mut(child as usize) {
                    *fail = to;
                }
                let inherited = at(&self.ends, to);
                let Some(end) = self.ends.get_mut(child as usize) else { continue };
                match self.found.get_mut(*end as usize) {
                    Some((next, _)) => *next = inherited,
                    None => *end = inherited,
                }
            }
        }
    }

    fn children_of(&self, node: u32) -> Range<u32> {
        at(&self.children, node)..at(&self.children, node + 1)
    }

    fn child(&self, node: u32, byte: u8) -> Option<u32> {
        if node == ROOT {
            return self.starts.get(usize::from(byte)).copied().filter(|child| *child != ROOT);
        }
        let range = self.children_of(node);
        let labels = self.labels.get(range.start as usize..range.end as usize)?;
        let place = match labels {
            [] => return None,
            [only] => (*only == byte).then_some(0)?,
            several => memchr::memchr(byte, several)?,
        };
        Some(range.start + u32::try_from(place).ok()?)
    }

    /// The node after `byte`.
    #[inline]
    fn next(&self, node: u32, byte: u8) -> u32 {
        let mut node = node;
        loop {
            match self.child(node, byte) {
                Some(child) => return child,
                None if node == ROOT => return ROOT,
                None => node = at(&self.fails, node),
            }
        }
    }

    /// Shows every word that occurs in `text`, each time it does.
    pub(super) fn find(&self, text: &[u8], mut visit: impl FnMut(u32)) {
        let mut node = ROOT;
        for byte in text {
            node = self.next(node, *byte);
            let mut end = at(&self.ends, node);
            while let Some((next, word)) = self.found.get(end as usize) {
                visit(*word);
                end = *next;
            }
        }
    }
}

fn at<T: Copy + Default>(list: &[T], index: u32) -> T {
    list.get(index as usize).copied().unwrap_or_default()
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
