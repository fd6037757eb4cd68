//! Finds the rules that a request hits without trying them all.
//!
//! Rules with the same pattern share one entry, which is tried once and knows its rules by method. Entries
//! are found by a text that must occur in whatever they match, [picked](finder) to tell them apart, by one
//! pass of an automaton over the URL; only they are really matched.

mod finder;
mod words;

use std::collections::HashMap;

use smallvec::SmallVec;

use self::finder::Finder;
use super::{Pattern, TooCostly};

/// What stands for all methods among those of a rule. No method has a blank in it.
pub const ANY_METHOD: &str = "any method";
/// Its number, and that of every method that no rule names.
const ANY: u32 = 0;

/// All rules, by what finds them. Immutable; rules are known by their place in the list it was built from.
#[derive(Debug, Default)]
pub struct Index {
    /// Methods in lower case, numbered from 1. A rule for any method is listed under each, and under [`ANY`].
    methods: HashMap<Box<[u8]>, u32>,
    /// Whether a rule is for any method.
    any: bool,
    entries: Box<[Entry]>,
    /// Method and rule of every entry, in order of the entries, then methods.
    rules: Box<[(u32, u32)]>,
    finder: Finder,
    names_default_port: bool,
}

/// A pattern and its part of [`Index::rules`].
#[derive(Debug)]
struct Entry {
    pattern: Pattern,
    from: u32,
    to: u32,
}

/// What a request hit. Keep one and use it again: it then needs no allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// The rules that match, in their order.
    pub matched: SmallVec<[u32; 4]>,
    /// Rules of which it could not be found out ([`TooCostly`](super::TooCostly)): the request must not be let
    /// through as if they did not match.
    pub undecided: SmallVec<[u32; 2]>,
}

impl Hits {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.matched.clear();
        self.undecided.clear();
    }

    /// Whether no rule matches or may match.
    pub fn is_empty(&self) -> bool {
        self.matched.is_empty() && self.undecided.is_empty()
    }
}

/// A number for a list that has no more than four thousand million members.
fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// The key of a method: its letters in lower case.
fn folded(method: &str) -> SmallVec<[u8; 16]> {
    method.bytes().map(|b| b.to_ascii_lowercase()).collect()
}

impl Index {
    /// Builds the index of rules, given as methods and pattern each. A rule without methods is never found, one
    /// with [`ANY_METHOD`] for every method.
    pub fn build<'p, M>(rules: impl IntoIterator<Item = (M, &'p Pattern)>) -> Self
    where
        M: IntoIterator<Item: AsRef<str>>,
    {
        let mut index = Self::default();
        let mut known: HashMap<(super::Strategy, &'p str), usize> = HashMap::new();
        let mut found: Vec<(&'p Pattern, Vec<(u32, u32)>)> = Vec::new();
        for (rule, (methods, pattern)) in rules.into_iter().enumerate() {
            let entry = *known.entry(pattern.key()).or_insert_with(|| {
                found.push((pattern, Vec::new()));
                found.len() - 1
            });
            let Some((_, of_entry)) = found.get_mut(entry) else { continue };
            for method in methods {
                if method.as_ref() == ANY_METHOD {
                    index.any = true;
                    of_entry.push((ANY, number(rule)));
                    continue;
                }
                let key = folded(method.as_ref());
                let next = number(index.methods.len()).saturating_add(1);
                let method = match index.methods.get(key.as_slice()) {
                    Some(known) => *known,
                    None => *index.methods.entry(key.as_slice().into()).or_insert(next),
                };
                of_entry.push((method, number(rule)));
            }
        }
        let mut entries = Vec::with_capacity(found.len());
        let mut all = Vec::new();
        let last = number(index.methods.len());
        for (pattern, mut of_entry) in found {
            let of_any: Vec<u32> =
                of_entry.iter().filter(|(m, _)| *m == ANY).map(|(_, rule)| *rule).collect();
            of_entry.extend((1..=last).flat_map(|m| of_any.iter().map(move |rule| (m, *rule))));
            of_entry.sort_unstable();
            of_entry.dedup();
            if of_entry.is_empty() {
                continue;
            }
            let from = number(all.len());
            all.extend(of_entry);
            index.names_default_port |= pattern.names_default_port();
            entries.push(Entry { pattern: pattern.clone(), from, to: number(all.len()) });
        }
        index.entries = entries.into();
        index.rules = all.into();
        index.finder = Finder::build(&index.entries, &index.rules);
        index
    }

    /// Adds to `hits` the rules for `method` that `text`, a canonical `scheme://host/path`, matches.
    pub fn find(&self, method: &str, text: &str, hits: &mut Hits) {
        self.search(method, text, |_| true, hits);
    }

    /// Whether any pattern spells out a default port.
    pub fn names_default_port(&self) -> bool {
        self.names_default_port
    }

    /// As [`find`](Self::find), but only rules whose pattern spells out a default port: `text` is the URL with
    /// the default port that its canonical form leaves out.
    pub fn find_with_port(&self, method: &str, text: &str, hits: &mut Hits) {
        if self.names_default_port {
            self.search(method, text, Pattern::names_default_port, hits);
        }
    }

    fn search(&self, method: &str, text: &str, wanted: impl Fn(&Pattern) -> bool, hits: &mut Hits) {
        let before = (hits.matched.len(), hits.undecided.len());
        self.candidates(method, text, |pattern, rules| {
            if !wanted(pattern) {
                return;
            }
            match pattern.is_match(text) {
                Ok(false) => {}
                Ok(true) => hits.matched.extend(rules.iter().map(|(_, rule)| *rule)),
                Err(TooCostly) => hits.undecided.extend(rules.iter().map(|(_, rule)| *rule)),
            }
        });
        for (list, from) in
            [(hits.matched.as_mut_slice(), before.0), (hits.undecided.as_mut_slice(), before.1)]
        {
            if let Some(new) = list.get_mut(from..) {
                new.sort_unstable();
            }
        }
    }

    /// Shows each pattern that may match, with its rules (as method and rule) for the method.
    fn candidates(&self, method: &str, text: &str, mut visit: impl FnMut(&Pattern, &[(u32, u32)])) {
        let method = match self.methods.get(folded(method).as_slice()) {
            Some(known) => *known,
            None if self.any => ANY,
            None => return,
        };
        let mut entries: SmallVec<[u32; 32]> = SmallVec::new();
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            let lower: SmallVec<[u8; 256]> = text.bytes().map(|b| b.to_ascii_lowercase()).collect();
            self.finder.find(method, &lower, &mut entries);
        } else {
            self.finder.find(method, text.as_bytes(), &mut entries);
        }
        entries.sort_unstable();
        entries.dedup();
        for entry in entries {
            let Some(entry) = self.entries.get(entry as usize) else { continue };
            let rules = entry.rules(&self.rules);
            let from = rules.partition_point(|(m, _)| *m < method);
            let to = rules.partition_point(|(m, _)| *m <= method);
            if let Some(rules) = rules.get(from..to).filter(|rules| !rules.is_empty()) {
                visit(&entry.pattern, rules);
            }
        }
    }

    /// How many patterns would be tried for a request.
    #[cfg(test)]
    pub(super) fn tried(&self, method: &str, text: &str) -> usize {
        let mut count = 0;
        self.candidates(method, text, |_, _| count += 1);
        count
    }
}

impl Entry {
    fn rules<'r>(&self, all: &'r [(u32, u32)]) -> &'r [(u32, u32)] {
        all.get(self.from as usize..self.to as usize).unwrap_or_default()
    }
}
