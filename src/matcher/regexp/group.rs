//! Groups: `(…)` in all its forms, how they are numbered, and references to them.

use std::ops::Range;

use super::super::Fault;
use super::super::tree::{Around, Node, Test};
use super::Reader;

/// What a capture group is called.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Label {
    /// Numbered by its parenthesis.
    Plain,
    /// Numbered by the author.
    Number(u32),
    /// Named.
    Name(String),
}

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// A group by number.
    Number(u32),
    /// A group by name.
    Name(String),
}

/// The groups and references of a pattern, in order of their appearance.
#[derive(Debug, Default)]
pub(in super::super) struct Groups {
    labels: Vec<Label>,
    references: Vec<(Reference, Range<usize>)>,
}

/// Where each group's text is put: numbered groups by number, then named ones, as .NET lists them.
#[derive(Debug)]
pub(in super::super) struct Slots {
    of_label: Vec<u16>,
    numbers: Vec<u32>,
    names: Vec<(String, u32)>,
}

impl Groups {
    /// Enters a plain group and gives its index.
    pub(in super::super) fn plain(&mut self) -> u16 {
        self.enter(Label::Plain)
    }

    fn enter(&mut self, label: Label) -> u16 {
        self.labels.push(label);
        u16::try_from(self.labels.len() - 1).unwrap_or(u16::MAX)
    }

    pub(super) fn refer(&mut self, to: Reference, span: Range<usize>) -> u16 {
        self.references.push((to, span));
        u16::try_from(self.references.len() - 1).unwrap_or(u16::MAX)
    }

    /// How many groups and references there are so far.
    pub(in super::super) fn mark(&self) -> (usize, usize) {
        (self.labels.len(), self.references.len())
    }

    /// Checks that every reference since `mark` finds its group among those since `mark`: Oathkeeper
    /// compiles each fragment alone first.
    pub(in super::super) fn check_alone(&self, mark: (usize, usize)) -> Result<(), Fault> {
        let slots = Slots::new(self.labels.get(mark.0..).unwrap_or_default());
        for (to, span) in self.references.get(mark.1..).unwrap_or_default() {
            if slots.number_of(to).is_none() {
                let shown = match to {
                    Reference::Number(n) => format!("there is no group {n} in this fragment"),
                    Reference::Name(name) => format!("there is no group `{name}` in this fragment"),
                };
                return Err(
                    Fault::new(shown, span.clone()).help("a fragment can only refer to its own groups")
                );
            }
        }
        Ok(())
    }

    /// The slots of the whole pattern.
    pub(in super::super) fn slots(&self) -> Slots {
        Slots::new(&self.labels)
    }

    /// The slot that a reference, by its index, means.
    pub(in super::super) fn slot_of_reference(&self, slots: &Slots, index: u16) -> u16 {
        let found = self.references.get(usize::from(index)).and_then(|(to, _)| slots.number_of(to));
        found.and_then(|number| slots.slot_of_number(number)).unwrap_or(u16::MAX)
    }
}

impl Slots {
    fn new(labels: &[Label]) -> Self {
        let mut next = 1;
        let mut numbers: Vec<u32> = Vec::new();
        let mut names: Vec<(String, u32)> = Vec::new();
        for label in labels {
            match label {
                Label::Plain => {
                    numbers.push(next);
                    next += 1;
                }
                Label::Number(n) => numbers.push(*n),
                Label::Name(name) if names.iter().all(|(known, _)| known != name) => {
                    names.push((name.clone(), 0));
                }
                Label::Name(_) => {}
            }
        }
        for (_, number) in &mut names {
            while numbers.contains(&next) {
                next += 1;
            }
            *number = next;
            numbers.push(next);
            next += 1;
        }
        numbers.sort_unstable();
        numbers.dedup();
        let mut slots = Self { of_label: Vec::new(), numbers, names };
        let mut plain = 0;
        for label in labels {
            let number = match label {
                Label::Plain => {
                    plain += 1;
                    Some(plain)
                }
                Label::Number(n) => Some(*n),
                Label::Name(name) => slots.number_of(&Reference::Name(name.clone())),
            };
            let slot = number.and_then(|n| slots.slot_of_number(n)).unwrap_or(u16::MAX);
            slots.of_label.push(slot);
        }
        slots
    }

    fn number_of(&self, to: &Reference) -> Option<u32> {
        match to {
            Reference::Number(n) => self.numbers.contains(n).then_some(*n),
            Reference::Name(name) => self.names.iter().find(|(known, _)| known == name).map(|(_, n)| *n),
        }
    }

    fn slot_of_number(&self, number: u32) -> Option<u16> {
        self.numbers.binary_search(&number).ok().and_then(|slot| u16::try_from(slot).ok())
    }

    /// The slot of a group by its index.
    pub(in super::super) fn of_label(&self, index: u16) -> u16 {
        self.of_label.get(usize::from(index)).copied().unwrap_or(u16::MAX)
    }

    /// The named groups with their slots.
    pub(in super::super) fn names(&self) -> Vec<(String, u16)> {
        let slot = |number: &u32| self.slot_of_number(*number);
        self.names.iter().filter_map(|(name, number)| Some((name.clone(), slot(number)?))).collect()
    }

    /// How many there are.
    pub(in super::super) fn len(&self) -> usize {
        self.numbers.len()
    }
}

impl Reader<'_, '_> {
    /// The rest of a group whose parenthesis at `start` was taken; `None` for what only sets options.
    pub(super) fn group(&mut self, start: usize) -> Result<Option<Node>, Fault> {
        let outside = self.flags;
        if !self.take("?") {
            let label = (!self.flags.explicit).then(|| self.groups.plain());
            let inner = self.closed(start)?;
            self.flags = outside;
            return Ok(Some(match label {
                Some(label) => Node::Capture(label, Box::new(inner)),
                None => inner,
            }));
        }
        let around = |behind, negative| Around { behind, negative };
        let node = if self.take(":") {
            self.closed(start)?
        } else if self.take("=") {
            Node::Around(around(false, false), Box::new(self.closed(start)?))
        } else if self.take("!") {
            Node::Around(around(false, true), Box::new(self.closed(start)?))
        } else if self.take(">") {
            Node::Atomic(Box::new(self.closed(start)?))
        } else if self.take("<=") {
            Node::Around(around(true, false), Box::new(self.closed(start)?))
        } else if self.take("<!") {
            Node::Around(around(true, true), Box::new(self.closed(start)?))
        } else if self.take("P<") || self.take("<") {
            self.named('>', start)?
        } else if self.take("'") {
            self.named('\'', start)?
        } else if self.take("P=") {
            let name = self.name(')', start)?;
            self.reference(Reference::Name(name), start)
        } else if self.peek() == Some('(') {
            self.condition(start)?
        } else {
            self.options(start)?;
            if self.take(")") {
                // The options hold to the end of the group around this one.
                return Ok(None);
            }
            if !self.take(":") {
                self.bump();
                return Err(self.fault("`(?` starts no known kind of group", start));
            }
            self.closed(start)?
        };
        self.flags = outside;
        Ok(Some(node))
    }

    /// Branches and the closing parenthesis.
    fn closed(&mut self, start: usize) -> Result<Node, Fault> {
        let inner = self.branches()?;
        if self.take(")") { Ok(inner) } else { Err(self.fault("`(` is never closed", start)) }
    }

    fn named(&mut self, close: char, start: usize) -> Result<Node, Fault> {
        let name = self.name(close, start)?;
        let label = match name.parse() {
            Ok(0) => return Err(self.fault("a group cannot have the number 0", start)),
            Ok(number) => Label::Number(number),
            Err(_) => Label::Name(name),
        };
        let label = self.groups.enter(label);
        Ok(Node::Capture(label, Box::new(self.closed(start)?)))
    }

    fn name(&mut self, close: char, start: usize) -> Result<String, Fault> {
        let Some((name, _)) = self.rest().split_once(close) else {
            return Err(self.fault("the group name is never closed", start));
        };
        self.at += name.len() + close.len_utf8();
        if name.contains('-') {
            return Err(self.fault("balancing groups are not supported", start));
        }
        if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_alphanumeric()) {
            return Err(self.fault(format!("`{name}` is no group name"), start));
        }
        Ok(name.to_owned())
    }

    /// `imnsx` and `-imnsx`.
    fn options(&mut self, start: usize) -> Result<(), Fault> {
        let mut on = true;
        while let Some(c) = self.peek() {
            let flag = match c.to_ascii_lowercase() {
                'i' => &mut self.flags.fold,
                'm' => &mut self.flags.lines,
                'n' => &mut self.flags.explicit,
                's' => &mut self.flags.dot_all,
                'x' => &mut self.flags.spaced,
                '-' => {
                    on = false;
                    self.bump();
                    continue;
                }
                '+' => {
                    on = true;
                    self.bump();
                    continue;
                }
                _ => return Ok(()),
            };
            *flag = on;
            self.bump();
        }
        Err(self.fault("`(` is never closed", start))
    }

    /// `(test)yes|no)` after `(?`.
    fn condition(&mut self, start: usize) -> Result<Node, Fault> {
        let inner = self.rest().get(1..).and_then(|rest| rest.split_once(')')).map_or("", |(inner, _)| inner);
        let number = inner.parse::<u32>().ok().filter(|_| inner.bytes().all(|b| b.is_ascii_digit()));
        let named = || {
            let word = !inner.is_empty() && inner.chars().all(|c| c == '_' || c.is_alphanumeric());
            word && ["(?<", "(?P<", "(?'"].iter().any(|open| {
                self.text.match_indices(open).any(|(at, _)| {
                    self.text
                        .get(at + open.len()..)
                        .and_then(|rest| rest.strip_prefix(inner))
                        .is_some_and(|rest| rest.starts_with(['>', '\'']))
                })
            })
        };
        let to = match number {
            Some(number) => Some(Reference::Number(number)),
            None => named().then(|| Reference::Name(inner.to_owned())),
        };
        let test = if let Some(to) = to {
            self.at += inner.len() + 2;
            let span = self.base + start..self.base + self.at;
            Test::Group(self.groups.refer(to, span))
        } else {
            let at = self.at;
            let outside = self.flags;
            self.bump();
            let test = if self.peek() == Some('?') {
                self.group(at)?.unwrap_or(Node::Empty)
            } else {
                self.closed(at)?
            };
            self.flags = outside;
            Test::Ahead(Box::new(test))
        };
        let mut branches = self.branch_list()?;
        if !self.take(")") {
            return Err(self.fault("`(` is never closed", start));
        }
        let no = match branches.len() {
            1 => Node::Empty,
            2 => branches.pop().unwrap_or(Node::Empty),
            _ => return Err(self.fault("a condition has at most two branches", start)),
        };
        let yes = branches.pop().unwrap_or(Node::Empty);
        Ok(Node::Condition(test, Box::new(yes), Box::new(no)))
    }
}
