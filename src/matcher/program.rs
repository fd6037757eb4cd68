//! Patterns as short programs: what nearly all rules are run by.
//!
//! A program takes the tree's own order of trying (Perl's and .NET's), so that captures come out the same,
//! and remembers what has failed, so that its time grows with the length of the text and not with the
//! number of ways to split it. It needs some hundred bytes where a compiled `regex` needs some ten thousand.

mod chars;
mod run;

use self::chars::CharSet;
use super::tree::{Around, Chars, Node, Order, Place, Times};

/// Longer programs are left to the `regex` crate.
const MAX_STEPS: usize = 1000;
/// A group that repeats is written out so many times at most.
const MAX_UNROLLED: u16 = 64;
/// No byte is known to follow.
const NO_HINT: u16 = u16::MAX;
/// Nothing to remember: the step is never tried twice at a place.
const NO_MEMORY: u16 = u16::MAX;

/// One thing to do.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// This text is next.
    Text { at: u32, len: u32 },
    /// A character of this set is next.
    One { set: u16 },
    /// As many characters of this set as there are, and no fewer later.
    Take { set: u16, min: u16, max: u16 },
    /// Some characters of this set: all, then fewer.
    Most { set: u16, min: u16, max: u16, memory: u16, hint: u16 },
    /// Some characters of this set: the least, then more.
    Least { set: u16, min: u16, max: u16, memory: u16 },
    /// Try one way, then another.
    Split { first: u16, second: u16, memory: u16 },
    /// Go on elsewhere.
    Jump { to: u16 },
    /// A capture begins or ends.
    Mark { place: u16 },
    /// What follows, up to `Found`, is ahead or is not; go on at `then`. It uses the memories `from..to`.
    Ahead { negative: bool, then: u16, from: u16, to: u16 },
    /// The inside of a look ahead has matched.
    Found,
    /// A place is here.
    At { place: Place },
    /// The whole has matched.
    Done,
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Program {
    steps: Box<[Step]>,
    text: Box<[u8]>,
    sets: Box<[CharSet]>,
    /// How many steps remember where they failed.
    memories: u16,
    slots: u16,
}

/// The search took more steps than a pattern may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

/// Compiles `node`, which has `slots` capture groups, followed by `end`. `None` when it needs something that
/// programs cannot do.
pub(super) fn compile(node: &Node, slots: usize, end: Option<Place>) -> Option<Program> {
    let mut writer = Writer::default();
    writer.node(node)?;
    if let Some(place) = end {
        writer.push(Step::At { place })?;
    }
    writer.push(Step::Done)?;
    writer.settle();
    writer.remember();
    Some(Program {
        steps: writer.steps.into(),
        text: writer.text.into(),
        sets: writer.sets.iter().map(CharSet::new).collect(),
        memories: writer.memories,
        slots: u16::try_from(slots).ok()?,
    })
}

#[derive(Default)]
struct Writer {
    steps: Vec<Step>,
    text: Vec<u8>,
    sets: Vec<Chars>,
    memories: u16,
}

impl Writer {
    fn push(&mut self, step: Step) -> Option<u16> {
        if self.steps.len() >= MAX_STEPS {
            return None;
        }
        self.steps.push(step);
        u16::try_from(self.steps.len() - 1).ok()
    }

    fn next(&self) -> u16 {
        u16::try_from(self.steps.len()).unwrap_or(u16::MAX)
    }

    fn set(&mut self, chars: &Chars) -> Option<u16> {
        let at = self.sets.iter().position(|known| known == chars).unwrap_or_else(|| {
            self.sets.push(chars.clone());
            self.sets.len() - 1
        });
        u16::try_from(at).ok()
    }

    fn node(&mut self, node: &Node) -> Option<()> {
        match node {
            Node::Empty => {}
            Node::Text(text) => {
                let at = u32::try_from(self.text.len()).ok()?;
                self.text.extend_from_slice(text.as_bytes());
                self.push(Step::Text { at, len: u32::try_from(text.len()).ok()? })?;
            }
            Node::One(chars) => {
                let set = self.set(chars)?;
                self.push(Step::One { set })?;
            }
            Node::At(place @ (Place::Start | Place::End | Place::Edge)) => {
                self.push(Step::At { place: *place })?;
            }
            Node::Capture(slot, part) => {
                self.push(Step::Mark { place: slot.checked_mul(2)? })?;
                self.node(part)?;
                self.push(Step::Mark { place: slot.checked_mul(2)? + 1 })?;
            }
            Node::Sequence(parts) => {
                for part in parts {
                    self.node(part)?;
                }
            }
            Node::Choice(branches) => self.choice(branches)?,
            Node::Repeat(part, times) => self.repeat(part, *times)?,
            Node::Around(Around { behind: false, negative }, part) => {
                let ahead = self.push(Step::Found)?;
                self.node(part)?;
                self.push(Step::Found)?;
                let step = Step::Ahead { negative: *negative, then: self.next(), from: 0, to: 0 };
                *self.steps.get_mut(usize::from(ahead))? = step;
            }
            Node::At(_) | Node::Around(..) | Node::Atomic(_) | Node::Again(..) | Node::Condition(..) => {
                return None;
            }
        }
        Some(())
    }

    fn choice(&mut self, branches: &[Node]) -> Option<()> {
        let mut ends = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            if index + 1 == branches.len() {
                self.node(branch)?;
                break;
            }
            let split = self.split()?;
            let first = self.next();
            self.node(branch)?;
            ends.push(self.push(Step::Jump { to: 0 })?);
            let second = self.next();
            self.direct(split, first, second);
        }
        let to = self.next();
        for end in ends {
            *self.steps.get_mut(usize::from(end))? = Step::Jump { to };
        }
        Some(())
    }

    fn split(&mut self) -> Option<u16> {
        self.push(Step::Split { first: 0, second: 0, memory: NO_MEMORY })
    }

    fn direct(&mut self, split: u16, to_first: u16, to_second: u16) {
        if let Some(Step::Split { first, second, .. }) = self.steps.get_mut(usize::from(split)) {
            *first = to_first;
            *second = to_second;
        }
    }

    fn repeat(&mut self, part: &Node, times: Times) -> Option<()> {
        let single = match part {
            Node::One(chars) => Some(chars.clone()),
            Node::Text(text) => {
                let mut letters = text.chars();
                letters.next().filter(|_| letters.next().is_none()).map(super::tree::single)
            }
            _ => None,
        };
        let Times { min, max, order } = times;
        if let Some(chars) = single {
            let set = self.set(&chars)?;
            let max = max.unwrap_or(u16::MAX);
            let step = match order {
                Order::Only => Step::Take { set, min, max },
                Order::Most => Step::Most { set, min, max, memory: NO_MEMORY, hint: NO_HINT },
                Order::Least => Step::Least { set, min, max, memory: NO_MEMORY },
            };
            self.push(step)?;
            return Some(());
        }
        // An empty round would need to be told from a round without end.
        if order == Order::Only || (part.nullable() && max != Some(1)) {
            return None;
        }
        if min.max(max.unwrap_or_default()) > MAX_UNROLLED {
            return None;
        }
        let loops = max.is_none();
        for _ in 0..if loops { min.saturating_sub(1) } else { min } {
            self.node(part)?;
        }
        let either = |order, inside, outside| {
            if order == Order::Most { (inside, outside) } else { (outside, inside) }
        };
        match max {
            None if min > 0 => {
                let inside = self.next();
                self.node(part)?;
                let split = self.split()?;
                let (first, second) = either(order, inside, self.next());
                self.direct(split, first, second);
            }
            None => {
                let split = self.split()?;
                let inside = self.next();
                self.node(part)?;
                self.push(Step::Jump { to: split })?;
                let (first, second) = either(order, inside, self.next());
                self.direct(split, first, second);
            }
            Some(max) => {
                let mut splits = Vec::new();
                for _ in min..max {
                    let split = self.split()?;
                    splits.push((split, self.next()));
                    self.node(part)?;
                }
                let outside = self.next();
                for (split, inside) in splits {
                    let (first, second) = either(order, inside, outside);
                    self.direct(split, first, second);
                }
            }
        }
        Some(())
    }

    /// Finds the runs that never need to give anything back, and the byte that follows the others.
    fn settle(&mut self) {
        for index in 0..self.steps.len() {
            let Some(Step::Most { set, min, max, memory, .. }) = self.steps.get(index).copied() else {
                continue;
            };
            let follow = self.follow(index + 1);
            let own = self.sets.get(usize::from(set)).map(CharSet::new);
            let settled = match own {
                Some(own) if !own.meets(&follow) => Step::Take { set, min, max },
                _ => Step::Most { set, min, max, memory, hint: self.hint(index + 1) },
            };
            if let Some(step) = self.steps.get_mut(index) {
                *step = settled;
            }
        }
    }

    /// The characters that can come next from a step on. At the end of the text a run that takes all it can
    /// has taken what any shorter one has, so an end adds nothing; but where something on the way looks at
    /// the place itself, anything may be next.
    fn follow(&self, index: usize) -> CharSet {
        let mut seen = Vec::new();
        let mut todo = vec![index];
        let mut all = CharSet::none();
        let (mut looks, mut ends) = (false, false);
        while let Some(at) = todo.pop() {
            if seen.contains(&at) {
                continue;
            }
            seen.push(at);
            let set = |set: u16| self.sets.get(usize::from(set)).map_or_else(CharSet::all, CharSet::new);
            match self.steps.get(at) {
                Some(Step::Text { at, .. }) => {
                    let byte = usize::try_from(*at).ok().and_then(|at| self.text.get(at));
                    all.add_byte(byte.copied().unwrap_or(u8::MAX));
                }
                Some(Step::One { set: s }) => all.add(&set(*s)),
                Some(
                    Step::Take { set: s, min, .. }
                    | Step::Most { set: s, min, .. }
                    | Step::Least { set: s, min, .. },
                ) => {
                    all.add(&set(*s));
                    if *min == 0 {
                        todo.push(at + 1);
                    }
                }
                Some(Step::Split { first, second, .. }) => {
                    todo.extend([usize::from(*first), usize::from(*second)]);
                }
                Some(Step::Jump { to }) => todo.push(usize::from(*to)),
                Some(Step::Ahead { then, .. }) => {
                    looks = true;
                    todo.push(usize::from(*then));
                }
                Some(Step::At { place }) => {
                    looks |= *place == Place::Start;
                    todo.push(at + 1);
                }
                Some(Step::Mark { .. }) => todo.push(at + 1),
                Some(Step::Done | Step::Found) | None => ends = true,
            }
        }
        if looks && ends { CharSet::all() } else { all }
    }

    /// The byte that has to come next from a step on, if there is only one.
    fn hint(&self, index: usize) -> u16 {
        let mut at = index;
        loop {
            match self.steps.get(at) {
                Some(Step::Mark { .. }) => at += 1,
                Some(Step::Text { at, .. }) => {
                    let byte = usize::try_from(*at).ok().and_then(|at| self.text.get(at));
                    return byte.map_or(NO_HINT, |byte| u16::from(*byte));
                }
                _ => return NO_HINT,
            }
        }
    }

    /// Gives a memory to each step that may be tried more than once at the same place.
    fn remember(&mut self) {
        let arrivals = self.arrivals();
        let mut open: Vec<(usize, u16)> = Vec::new();
        for (index, arrival) in arrivals.into_iter().enumerate() {
            let next = self.memories;
            while let Some((ahead, _)) = open.pop_if(|(_, then)| usize::from(*then) <= index) {
                if let Some(Step::Ahead { to, .. }) = self.steps.get_mut(ahead) {
                    *to = next;
                }
            }
            match self.steps.get_mut(index) {
                Some(Step::Ahead { then, from, .. }) => {
                    *from = next;
                    open.push((index, *then));
                }
                Some(Step::Split { memory, .. }) if arrival == Arrival::Many => *memory = next,
                Some(
                    Step::Most { memory, max: u16::MAX, .. } | Step::Least { memory, max: u16::MAX, .. },
                ) if arrival != Arrival::Once => {
                    *memory = next;
                }
                _ => continue,
            }
            if !matches!(self.steps.get(index), Some(Step::Ahead { .. })) {
                self.memories += 1;
            }
        }
    }

    /// In how many ways each step can be reached.
    fn arrivals(&self) -> Vec<Arrival> {
        let mut arrivals: Vec<Option<Arrival>> = vec![None; self.steps.len()];
        let mut came_from: Vec<Option<usize>> = vec![None; self.steps.len()];
        let mut todo = vec![(0, usize::MAX, Arrival::Once)];
        while let Some((at, from, arrival)) = todo.pop() {
            let (Some(known), Some(before), Some(step)) =
                (arrivals.get_mut(at), came_from.get_mut(at), self.steps.get(at))
            else {
                continue;
            };
            let second_way = before.is_some_and(|before| before != from);
            let now = if second_way { Arrival::Many } else { arrival };
            before.get_or_insert(from);
            if known.is_some_and(|known| known >= now) {
                continue;
            }
            *known = Some(now);
            match step {
                Step::Text { .. }
                | Step::One { .. }
                | Step::Take { .. }
                | Step::Mark { .. }
                | Step::At { .. } => {
                    todo.push((at + 1, at, now));
                }
                Step::Most { .. } | Step::Least { .. } => {
                    let spread = if now == Arrival::Once { Arrival::Spread } else { Arrival::Many };
                    todo.push((at + 1, at, spread));
                }
                Step::Split { first, second, .. } => {
                    todo.push((usize::from(*first), at, now));
                    todo.push((usize::from(*second), at, now));
                }
                Step::Jump { to } => todo.push((usize::from(*to), at, now)),
                Step::Ahead { then, .. } => {
                    todo.push((usize::from(*then), at, now));
                    // Memories of a look ahead are emptied before each look.
                    todo.push((at + 1, at, Arrival::Once));
                }
                Step::Found | Step::Done => {}
            }
        }
        arrivals.into_iter().map(|arrival| arrival.unwrap_or(Arrival::Once)).collect()
    }
}

/// In how many ways a step can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Arrival {
    /// In one way.
    Once,
    /// In one way for each place.
    Spread,
    /// In several ways at the same place.
    Many,
}
