//! Runs programs: depth first, in order of preference, never twice into what has failed.

use memchr::memrchr;
use smallvec::SmallVec;

use super::super::Captures;
use super::super::tree::Place;
use super::{Exhausted, NO_HINT, NO_MEMORY, Program, Step};

/// So many second tries a match may take: far more than an 8 KB path needs with any pattern that is not made
/// to be slow, and some ten milliseconds at most.
const FUEL: u32 = 500_000;
/// A mark that was not set.
const UNSET: u32 = u32::MAX;

/// What to try next when a way fails.
#[derive(Debug, Clone, Copy)]
enum Retry {
    /// Another step from here.
    Way { step: u16, at: u32 },
    /// The run at `step` with an end in `low..=high`, the highest first.
    Fewer { step: u16, low: u32, high: u32 },
    /// The run at `step` with one more character from `at`, and at most `left` more.
    More { step: u16, at: u32, left: u16 },
}

struct Run<'r> {
    program: &'r Program,
    text: &'r str,
    /// A bit for each memory and place: what was tried there is known to fail or still on its way.
    tried: SmallVec<[u64; 32]>,
    /// Words of `tried` for each memory.
    row: usize,
    retries: SmallVec<[(Retry, u32); 8]>,
    /// Where captures begin and end; empty when nobody asks.
    marks: SmallVec<[u32; 16]>,
    /// Marks as they were, to go back to.
    undo: SmallVec<[(u16, u32); 16]>,
    fuel: u32,
}

impl Program {
    /// Whether `text` matches.
    pub(in super::super) fn is_match(&self, text: &str) -> Result<bool, Exhausted> {
        self.search(text, 0).map(|(end, _)| end.is_some())
    }

    /// The capture groups, if `text` matches.
    pub(in super::super) fn captures(&self, text: &str) -> Result<Option<Captures>, Exhausted> {
        let (end, marks) = self.search(text, self.slots)?;
        let group = |pair: &[u32]| match pair {
            [start, end] if *start != UNSET && *end != UNSET => Some(*start..*end),
            _ => None,
        };
        Ok(end.map(|_| Captures(marks.chunks_exact(2).map(group).collect())))
    }

    /// Where a match from the start of `text` ends; for programs without an end of their own.
    pub(in super::super) fn reach(&self, text: &str) -> Result<Option<usize>, Exhausted> {
        self.search(text, 0).map(|(end, _)| end)
    }

    fn search(&self, text: &str, slots: u16) -> Result<(Option<usize>, SmallVec<[u32; 16]>), Exhausted> {
        if u32::try_from(text.len()).is_err() {
            return Err(Exhausted);
        }
        let row = text.len() / 64 + 1;
        let mut run = Run {
            program: self,
            text,
            tried: SmallVec::new(),
            row,
            retries: SmallVec::new(),
            marks: SmallVec::from_elem(UNSET, usize::from(slots) * 2),
            undo: SmallVec::new(),
            fuel: FUEL,
        };
        if self.memories > 0 {
            run.tried.resize(usize::from(self.memories) * row, 0);
        }
        let end = run.from(0, 0)?;
        Ok((end, run.marks))
    }
}

fn short(place: usize) -> u32 {
    // Texts are shorter than this: `search` has looked.
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn long(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

impl Run<'_> {
    /// Runs from a step and place up to `Done` or `Found`; gives the place.
    fn from(&mut self, step: usize, at: usize) -> Result<Option<usize>, Exhausted> {
        let base = self.retries.len();
        let (mut step, mut at) = (step, at);
        loop {
            let next = match self.program.steps.get(step) {
                Some(Step::Done | Step::Found) => {
                    self.retries.truncate(base);
                    return Ok(Some(at));
                }
                Some(Step::Ahead { negative, then, from, to }) => {
                    let found = self.ahead(step + 1, at, *from..*to, *negative)?;
                    (found != *negative).then_some((usize::from(*then), at))
                }
                Some(other) => self.step(*other, step, at),
                None => None,
            };
            match next {
                Some(way) => (step, at) = way,
                None => match self.retry(base)? {
                    Some(way) => (step, at) = way,
                    None => return Ok(None),
                },
            }
        }
    }

    /// Takes one step; `None` when it fails, or has left its ways in `retries`.
    #[inline]
    fn step(&mut self, what: Step, step: usize, at: usize) -> Option<(usize, usize)> {
        match what {
            Step::Text { at: from, len } => {
                let wanted = self.program.text.get(long(from)..)?.get(..long(len))?;
                let bytes = self.text.as_bytes().get(at..)?;
                bytes.starts_with(wanted).then_some((step + 1, at + wanted.len()))
            }
            Step::One { set } => {
                Some((step + 1, self.program.sets.get(usize::from(set))?.step(self.text, at)?))
            }
            Step::Take { set, min, max } => {
                let set = self.program.sets.get(usize::from(set))?;
                let from = set.exactly(self.text, at, min)?;
                let end = if max == u16::MAX {
                    set.run(self.text, from, usize::MAX)
                } else {
                    set.at_most(self.text, from, max - min)
                };
                Some((step + 1, end))
            }
            Step::Most { set, min, max, memory, .. } => {
                let set = self.program.sets.get(usize::from(set))?;
                let low = set.exactly(self.text, at, min)?;
                let high = if max == u16::MAX {
                    // What lies beyond the first place that was tried was tried from there.
                    let limit = self.first_tried(memory, low);
                    if limit == low {
                        return None;
                    }
                    let end = set.run(self.text, low, limit);
                    let end = if end == limit { end - 1 } else { end };
                    self.try_all(memory, low, end);
                    end
                } else {
                    set.at_most(self.text, low, max - min)
                };
                if low == high {
                    return Some((step + 1, low));
                }
                let step = u16::try_from(step).ok()?;
                self.leave(Retry::Fewer { step, low: short(low), high: short(high) });
                None
            }
            Step::Least { set, min, max, memory } => {
                let low = self.program.sets.get(usize::from(set))?.exactly(self.text, at, min)?;
                if max == u16::MAX && !self.try_one(memory, low) {
                    return None;
                }
                let left = if max == u16::MAX { max } else { max - min };
                self.leave(Retry::More { step: u16::try_from(step).ok()?, at: short(low), left });
                Some((step + 1, low))
            }
            Step::Split { first, second, memory } => {
                if !self.try_one(memory, at) {
                    return None;
                }
                self.leave(Retry::Way { step: second, at: short(at) });
                Some((usize::from(first), at))
            }
            Step::Jump { to } => Some((usize::from(to), at)),
            Step::Mark { place } => {
                if let Some(mark) = self.marks.get_mut(usize::from(place)) {
                    self.undo.push((place, *mark));
                    *mark = short(at);
                }
                Some((step + 1, at))
            }
            Step::At { place } => {
                let here = match place {
                    Place::Start => at == 0,
                    Place::End => at == self.text.len(),
                    Place::Edge => matches!(self.text.as_bytes().get(at..), Some(b"" | b"\n")),
                    _ => false,
                };
                here.then_some((step + 1, at))
            }
            Step::Ahead { .. } | Step::Found | Step::Done => None,
        }
    }

    /// Whether the steps from `step` on match at `at`. What they capture is kept only if they may match.
    fn ahead(
        &mut self,
        step: usize,
        at: usize,
        memories: std::ops::Range<u16>,
        negative: bool,
    ) -> Result<bool, Exhausted> {
        let words = usize::from(memories.start) * self.row..usize::from(memories.end) * self.row;
        self.burn(words.len() / 8 + 1)?;
        // An earlier look that succeeded has left ways behind that did not fail.
        if let Some(tried) = self.tried.get_mut(words) {
            tried.fill(0);
        }
        let before = self.undo.len();
        let found = self.from(step, at)?.is_some();
        if !found || negative {
            self.undo_to(before);
        }
        Ok(found)
    }

    fn leave(&mut self, retry: Retry) {
        let undo = short(self.undo.len());
        self.retries.push((retry, undo));
    }

    /// The next way to try among those left since `base`.
    fn retry(&mut self, base: usize) -> Result<Option<(usize, usize)>, Exhausted> {
        while self.retries.len() > base {
            let Some((retry, undo)) = self.retries.pop() else { break };
            self.burn(1)?;
            self.undo_to(long(undo));
            let way = match retry {
                Retry::Way { step, at } => Some((usize::from(step), long(at))),
                Retry::Fewer { step, low, high } => self.fewer(step, long(low), long(high)),
                Retry::More { step, at, left } => self.more(step, long(at), left),
            };
            if way.is_some() {
                return Ok(way);
            }
        }
        Ok(None)
    }

    fn fewer(&mut self, step: u16, low: usize, high: usize) -> Option<(usize, usize)> {
        let Some(Step::Most { hint, .. }) = self.program.steps.get(usize::from(step)) else { return None };
        let end = match u8::try_from(*hint) {
            Ok(byte) if *hint != NO_HINT => {
                let within = self.text.as_bytes().get(low..(high + 1).min(self.text.len()))?;
                low + memrchr(byte, within)?
            }
            _ => {
                let mut end = high;
                while !self.text.is_char_boundary(end) {
                    end = end.checked_sub(1)?;
                }
                end
            }
        };
        if end < low {
            return None;
        }
        if end > low {
            self.leave(Retry::Fewer { step, low: short(low), high: short(end - 1) });
        }
        Some((usize::from(step) + 1, end))
    }

    fn more(&mut self, step: u16, at: usize, left: u16) -> Option<(usize, usize)> {
        let Some(Step::Least { set, max, memory, .. }) = self.program.steps.get(usize::from(step)) else {
            return None;
        };
        if left == 0 {
            return None;
        }
        let end = self.program.sets.get(usize::from(*set))?.step(self.text, at)?;
        let endless = *max == u16::MAX;
        if endless && !self.try_one(*memory, end) {
            return None;
        }
        let left = if endless { left } else { left - 1 };
        self.leave(Retry::More { step, at: short(end), left });
        Some((usize::from(step) + 1, end))
    }

    fn burn(&mut self, amount: usize) -> Result<(), Exhausted> {
        self.fuel = u32::try_from(amount).ok().and_then(|a| self.fuel.checked_sub(a)).ok_or(Exhausted)?;
        Ok(())
    }

    fn undo_to(&mut self, len: usize) {
        while self.undo.len() > len {
            let Some((place, before)) = self.undo.pop() else { break };
            if let Some(mark) = self.marks.get_mut(usize::from(place)) {
                *mark = before;
            }
        }
    }

    /// Notes a try at a place; false when there was one before.
    fn try_one(&mut self, memory: u16, at: usize) -> bool {
        if memory == NO_MEMORY {
            return true;
        }
        let bit = 1 << (at % 64);
        match self.tried.get_mut(usize::from(memory) * self.row + at / 64) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }

    /// The first place from `low` on that was tried; beyond the text when none was.
    fn first_tried(&self, memory: u16, low: usize) -> usize {
        if memory == NO_MEMORY {
            return usize::MAX;
        }
        let from = usize::from(memory) * self.row;
        let row = self.tried.get(from..from + self.row).unwrap_or_default();
        let mut mask = u64::MAX << (low % 64);
        for (index, word) in row.iter().enumerate().skip(low / 64) {
            let set = word & mask;
            if set != 0 {
                return index * 64 + set.trailing_zeros() as usize;
            }
            mask = u64::MAX;
        }
        usize::MAX
    }

    /// Notes tries at all places of `low..=high`.
    fn try_all(&mut self, memory: u16, low: usize, high: usize) {
        if memory == NO_MEMORY {
            return;
        }
        let from = usize::from(memory) * self.row;
        for index in low / 64..=high / 64 {
            let mut mask = u64::MAX;
            if index == low / 64 {
                mask &= u64::MAX << (low % 64);
            }
            if index == high / 64 {
                mask &= u64::MAX >> (63 - high % 64);
            }
            if let Some(word) = self.tried.get_mut(from + index) {
                *word |= mask;
            }
        }
    }
}
