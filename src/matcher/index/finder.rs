//! Finds entries by the texts they require.
//!
//! Of an entry's requirements the one is picked that the fewest others share, the longest among those. Many
//! entries behind one text are told apart by another of their texts, and those without any by method.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::super::required::{Alternatives, Required};
use super::words::Words;
use super::{Entry, number};

/// So many entries are rather tried than told apart.
const FEW: usize = 12;
/// The found texts are freed of duplicates when there are so many of them.
const CROWD: usize = 256;

/// What finds a set of entries.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// Those that are always candidates.
    always: Leaf,
    /// Texts, and what is behind each.
    behind: Option<(Words, Box<[Leaf]>)>,
}

/// What is behind a text.
#[derive(Debug, Default)]
enum Leaf {
    #[default]
    Empty,
    One(u32),
    Few(Box<[u32]>),
    /// In order of the methods. No hash map, which is larger: there is a leaf for nearly every rule, and few are of
    /// this kind.
    ByMethod(Box<[(u32, Box<[u32]>)]>),
    Many(Box<Finder>),
}

/// An entry, and which of its requirements already hold (a bit each).
#[derive(Debug, Clone, Copy)]
struct Member {
    entry: u32,
    held: u8,
}

struct Builder<'e> {
    entries: &'e [Entry],
    rules: &'e [(u32, u32)],
    /// So many members may still be put behind texts, so that entries with many alternatives do not
    /// multiply.
    budget: usize,
}

impl Finder {
    pub(super) fn build(entries: &[Entry], rules: &[(u32, u32)]) -> Self {
        let mut builder = Builder { entries, rules, budget: entries.len().saturating_mul(16) + 1024 };
        let members = (0..number(entries.len())).map(|entry| Member { entry, held: 0 }).collect();
        builder.finder(members)
    }

    /// Adds the entries that may match the lower-cased `text`, some perhaps twice.
    pub(super) fn find(&self, method: u32, text: &[u8], found: &mut SmallVec<[u32; 32]>) {
        self.always.find(method, text, found);
        let Some((words, leaves)) = &self.behind else { return };
        let mut hits: SmallVec<[u32; 16]> = SmallVec::new();
        let mut crowd = CROWD;
        words.find(text, |word| {
            hits.push(word);
            if hits.len() >= crowd {
                hits.sort_unstable();
                hits.dedup();
                crowd = hits.len() * 2 + CROWD;
            }
        });
        hits.sort_unstable();
        hits.dedup();
        for word in hits {
            if let Some(leaf) = leaves.get(word as usize) {
                leaf.find(method, text, found);
            }
        }
    }
}

impl Leaf {
    fn find(&self, method: u32, text: &[u8], found: &mut SmallVec<[u32; 32]>) {
        match self {
            Self::Empty => {}
            Self::One(entry) => found.push(*entry),
            Self::Few(entries) => found.extend_from_slice(entries),
            Self::ByMethod(methods) => {
                let at = methods.binary_search_by_key(&method, |(method, _)| *method);
                if let Some((_, entries)) = at.ok().and_then(|at| methods.get(at)) {
                    found.extend_from_slice(entries);
                }
            }
            Self::Many(finder) => finder.find(method, text, found),
        }
    }
}

impl<'e> Builder<'e> {
    fn requirements(&self, member: Member) -> impl Iterator<Item = (u8, Alternatives<'e>)> + use<'e> {
        let required = self.entries.get(member.entry as usize).map(|entry| entry.pattern.required());
        let open = move |(bit, one): (usize, Alternatives<'e>)| {
            let bit = 1_u8.checked_shl(number(bit))?;
            (member.held & bit == 0).then_some((bit, one))
        };
        required.into_iter().flat_map(Required::iter).enumerate().filter_map(open)
    }

    fn finder(&mut self, members: Vec<Member>) -> Finder {
        if members.len() <= FEW && members.iter().any(|m| m.held != 0) {
            return Finder { always: self.leaf(&members), behind: None };
        }
        let mut shared: HashMap<&[u8], u32> = HashMap::new();
        for member in &members {
            for (_, alternatives) in self.requirements(*member) {
                for text in alternatives {
                    *shared.entry(text).or_default() += 1;
                }
            }
        }
        let mut always = Vec::new();
        let mut behind: HashMap<&[u8], Vec<Member>> = HashMap::new();
        for member in &members {
            let sharing = |one: Alternatives<'_>| one.filter_map(|text| shared.get(text)).max().copied();
            let shortest = |one: Alternatives<'_>| one.map(<[u8]>::len).min();
            let best = self
                .requirements(*member)
                .filter_map(|(bit, one)| {
                    Some((sharing(one.clone())?, std::cmp::Reverse(shortest(one.clone())?), bit, one))
                })
                // A text that all have tells nothing.
                .filter(|(sharing, ..)| members.len() <= FEW || (*sharing as usize) < members.len())
                .min_by_key(|(sharing, length, bit, _)| (*sharing, *length, *bit));
            match best {
                Some((.., bit, one)) if self.spend(one.clone().count()) => {
                    for text in one {
                        behind.entry(text).or_default().push(Member { held: member.held | bit, ..*member });
                    }
                }
                _ => always.push(*member),
            }
        }
        let mut behind: Vec<_> = behind.into_iter().collect();
        behind.sort_unstable_by_key(|(text, _)| *text);
        let texts: Vec<&[u8]> = behind.iter().map(|(text, _)| *text).collect();
        let behind = match Words::build(&texts) {
            Some(_) if texts.is_empty() => None,
            Some(words) => {
                Some((words, behind.into_iter().map(|(_, members)| self.behind(members)).collect()))
            }
            // Too many texts to number: try them all, which is slow and right.
            None => {
                always = members;
                None
            }
        };
        Finder { always: self.leaf(&always), behind }
    }

    fn spend(&mut self, count: usize) -> bool {
        let left = self.budget.checked_sub(count);
        self.budget = left.unwrap_or(self.budget);
        left.is_some()
    }

    fn behind(&mut self, members: Vec<Member>) -> Leaf {
        if members.len() <= FEW {
            return self.leaf(&members);
        }
        let finder = self.finder(members);
        match finder {
            Finder { always, behind: None } => always,
            finder => Leaf::Many(Box::new(finder)),
        }
    }

    fn leaf(&self, members: &[Member]) -> Leaf {
        match members {
            [] => Leaf::Empty,
            [one] => Leaf::One(one.entry),
            few if few.len() <= FEW => Leaf::Few(few.iter().map(|m| m.entry).collect()),
            many => {
                let mut methods: HashMap<u32, Vec<u32>> = HashMap::new();
                for Member { entry, .. } in many {
                    let rules =
                        self.entries.get(*entry as usize).map(|e| e.rules(self.rules)).unwrap_or_default();
                    for (method, _) in rules {
                        let of_method = methods.entry(*method).or_default();
                        if of_method.last() != Some(entry) {
                            of_method.push(*entry);
                        }
                    }
                }
                let mut methods: Vec<(u32, Box<[u32]>)> =
                    methods.into_iter().map(|(method, entries)| (method, entries.into())).collect();
                methods.sort_unstable_by_key(|(method, _)| *method);
                Leaf::ByMethod(methods.into())
            }
        }
    }
}
