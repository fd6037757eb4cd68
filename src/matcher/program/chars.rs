//! Sets of characters for matching: a bit for each ASCII character, ranges for the others.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::super::tree::Chars;

/// A set of characters.
#[derive(Debug, Clone)]
pub(super) struct CharSet {
    ascii: [u64; 2],
    rest: Rest,
}

/// The characters beyond ASCII.
#[derive(Debug, Clone)]
enum Rest {
    None,
    All,
    Ranges(Arc<[(char, char)]>),
}

type WeakRanges = Weak<[(char, char)]>;

/// Long lists of ranges (`\w` has some seven hundred) are kept once for all patterns.
static SHARED: Mutex<Vec<WeakRanges>> = Mutex::new(Vec::new());
/// Shorter lists are not worth looking for.
const SHARED_FROM: usize = 16;

impl CharSet {
    pub(super) fn new(chars: &Chars) -> Self {
        let mut set = Self::none();
        let mut ranges = Vec::new();
        for range in chars.iter() {
            let (start, end) = (range.start(), range.end());
            for c in start..=end.min('\x7F') {
                set.add_byte(u8::try_from(c).unwrap_or(u8::MAX));
            }
            if end > '\x7F' {
                ranges.push((start.max('\u{80}'), end));
            }
        }
        set.rest = match ranges.as_slice() {
            [] => Rest::None,
            [('\u{80}', char::MAX)] => Rest::All,
            _ => Rest::Ranges(shared(ranges)),
        };
        set
    }

    pub(super) fn none() -> Self {
        Self { ascii: [0; 2], rest: Rest::None }
    }

    pub(super) fn all() -> Self {
        Self { ascii: [u64::MAX; 2], rest: Rest::All }
    }

    /// Adds the character that starts with this byte of UTF-8; beyond ASCII all of them.
    pub(super) fn add_byte(&mut self, byte: u8) {
        match self.ascii.get_mut(usize::from(byte >> 6)) {
            Some(word) => *word |= 1 << (byte & 63),
            None => self.rest = Rest::All,
        }
    }

    /// Adds another set; beyond ASCII generously.
    pub(super) fn add(&mut self, other: &Self) {
        for (word, more) in self.ascii.iter_mut().zip(other.ascii) {
            *word |= more;
        }
        if !matches!(other.rest, Rest::None) {
            self.rest = Rest::All;
        }
    }

    /// Whether they may share a character; beyond ASCII they may when both have any.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let ascii = self.ascii.iter().zip(other.ascii).any(|(word, more)| word & more != 0);
        ascii || !(matches!(self.rest, Rest::None) || matches!(other.rest, Rest::None))
    }

    #[inline]
    fn has_ascii(&self, byte: u8) -> bool {
        let [low, high] = self.ascii;
        let word = if byte < 64 { low } else { high };
        word >> (byte & 63) & 1 == 1
    }

    /// The end of the character at `at`, if it is in the set.
    #[inline]
    pub(super) fn step(&self, text: &str, at: usize) -> Option<usize> {
        let byte = *text.as_bytes().get(at)?;
        if byte < 0x80 {
            return self.has_ascii(byte).then_some(at + 1);
        }
        let c = text.get(at..)?.chars().next()?;
        let inside = match &self.rest {
            Rest::None => false,
            Rest::All => true,
            Rest::Ranges(ranges) => {
                let after = ranges.partition_point(|(start, _)| *start <= c);
                after.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|(_, end)| c <= *end)
            }
        };
        inside.then(|| at + c.len_utf8())
    }

    /// The end of the longest run of the set from `at` that does not go beyond `limit`.
    pub(super) fn run(&self, text: &str, at: usize, limit: usize) -> usize {
        let mut at = at;
        let bytes = text.as_bytes().get(..limit.min(text.len())).unwrap_or_default();
        while let Some(&byte) = bytes.get(at) {
            if byte < 0x80 {
                if !self.has_ascii(byte) {
                    break;
                }
                at += 1;
            } else {
                match self.step(text, at) {
                    Some(next) if next <= bytes.len() => at = next,
                    _ => break,
                }
            }
        }
        at
    }

    /// The end of exactly `count` characters of the set.
    pub(super) fn exactly(&self, text: &str, at: usize, count: u16) -> Option<usize> {
        (0..count).try_fold(at, |at, _| self.step(text, at))
    }

    /// The end of at most `count` characters of the set.
    pub(super) fn at_most(&self, text: &str, at: usize, count: u16) -> usize {
        let mut at = at;
        for _ in 0..count {
            match self.step(text, at) {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }
}

fn shared(ranges: Vec<(char, char)>) -> Arc<[(char, char)]> {
    if ranges.len() < SHARED_FROM {
        return ranges.into();
    }
    let mut known = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    known.retain(|one| one.strong_count() > 0);
    if let Some(same) = known.iter().filter_map(Weak::upgrade).find(|one| **one == *ranges) {
        return same;
    }
    let new: Arc<[(char, char)]> = ranges.into();
    known.push(Arc::downgrade(&new));
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::tree::{any, except, single, span};

    #[test]
    fn sets_hold_what_they_were_made_of() {
        let mut mixed = span('a', 'z');
        mixed.union(&span('à', 'ü'));
        mixed.union(&single('✓'));
        let set = CharSet::new(&mixed);
        for (text, inside) in [("a", true), ("A", false), ("à", true), ("ÿ", false), ("✓", true), ("", false)]
        {
            assert_eq!(set.step(text, 0).is_some(), inside, "{text}");
        }
        assert_eq!(set.run("aé✓zA", 0, usize::MAX), "aé✓z".len());
        assert_eq!(set.run("aé✓zA", 0, 2), 1, "never half of a character");
        assert_eq!(CharSet::new(&any()).run("a\n✓", 0, usize::MAX), 5);
        assert_eq!(CharSet::new(&except(&['/'])).run("é/", 0, usize::MAX), 2);
        assert_eq!(set.exactly("abc", 0, 4), None);
        assert_eq!(set.at_most("abc", 0, 2), 2);
    }

    #[test]
    fn long_lists_are_kept_once() {
        let word = CharSet::new(&crate::matcher::regexp::WORD);
        let again = CharSet::new(&crate::matcher::regexp::WORD);
        let (Rest::Ranges(one), Rest::Ranges(two)) = (&word.rest, &again.rest) else { panic!("ranges") };
        assert!(Arc::ptr_eq(one, two));
    }
}
